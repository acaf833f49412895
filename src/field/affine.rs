//! Affine fields: `F = M ξ + c` on whitened coordinates, exact for Gaussian data under affine noising.

use crate::field::time_nodes::{Basis, Regressors};
use crate::field::time_nodes::{TIME, nodes};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::problem::format::card::FieldCard;
use crate::problem::meant::options::{FieldSpec, Options};

/// The family's name, sizes and defaults.
pub static CARD: FieldCard = FieldCard {
    name: "affine",
    about: "`M(t) x + c(t)`",
    options: &[TIME, nodes(24)],
    most_states: None,
    settings: |options| format!("affine at {} times", options.count("nodes")),
};

/// The family with these sizes.
pub fn spec(nodes: usize) -> FieldSpec {
    FieldSpec {
        family: CARD.name,
        options: Options::of(vec![("time", "nodes".into()), ("nodes", nodes.into())]),
    }
}

/// Component j of F is `theta[j (d+1)] + Σ_l theta[j (d+1) + 1 + l] ξ_l`.
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    dimension: usize,
}

impl Affine {
    pub fn new(dimension: usize) -> Self {
        Self { dimension }
    }

    /// The coefficients of `F = −ξ`, the score of a law with the whitening's own moments and no
    /// correlations.
    pub fn standard(dimension: usize) -> Vec<f64> {
        let count = dimension + 1;
        let mut theta = vec![0.0; dimension * count];
        for j in 0..dimension {
            theta[j * count + 1 + j] = -1.0;
        }
        theta
    }
}

impl Basis for Affine {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn regressors(&self) -> Regressors {
        Regressors::Shared {
            count: self.dimension + 1,
        }
    }

    fn combine(&self, xi: BatchRef<'_>, coefficients: &[f64], mut out: BatchMut<'_>) {
        let d = self.dimension;
        for j in 0..d {
            let row = &coefficients[j * (d + 1)..(j + 1) * (d + 1)];
            let column = out.column_mut(j);
            column.fill(row[0]);
            for l in 0..d {
                add_scaled(row[1 + l], xi.column(l), column);
            }
        }
    }

    fn divergence(&self, _: BatchRef<'_>, coefficients: &[f64], scale: &[f64], out: &mut [f64]) {
        let count = self.dimension + 1;
        let total: f64 = scale
            .iter()
            .enumerate()
            .map(|(j, s)| s * coefficients[j * count + 1 + j])
            .sum();
        out.fill(total);
    }

    fn pull_back(&self, xi: BatchRef<'_>, cotangent: BatchRef<'_>, gradient: &mut [f64]) {
        let d = self.dimension;
        for j in 0..d {
            let c = cotangent.column(j);
            let row = &mut gradient[j * (d + 1)..(j + 1) * (d + 1)];
            row[0] += c.iter().sum::<f64>();
            for l in 0..d {
                row[1 + l] += dot(c, xi.column(l));
            }
        }
    }

    fn pull_back_state(
        &self,
        _: BatchRef<'_>,
        coefficients: &[f64],
        cotangent: BatchRef<'_>,
        mut out: BatchMut<'_>,
    ) {
        let d = self.dimension;
        for l in 0..d {
            let column = out.column_mut(l);
            column.fill(0.0);
            for j in 0..d {
                add_scaled(
                    coefficients[j * (d + 1) + 1 + l],
                    cotangent.column(j),
                    column,
                );
            }
        }
    }

    fn pull_back_divergence(
        &self,
        _: BatchRef<'_>,
        scale: &[f64],
        weight: &[f64],
        gradient: &mut [f64],
    ) {
        let total: f64 = weight.iter().sum();
        for (j, s) in scale.iter().enumerate() {
            gradient[j * (self.dimension + 1) + 1 + j] += total * s;
        }
    }

    fn design(&self, xi: BatchRef<'_>, out: &mut [f64]) {
        let n = xi.points();
        out[..n].fill(1.0);
        for l in 0..self.dimension {
            out[(l + 1) * n..(l + 2) * n].copy_from_slice(xi.column(l));
        }
    }
}

/// `y += scale · x`.
pub(super) fn add_scaled(scale: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += scale * x;
    }
}

/// Dot product in eight interleaved partial sums, so that it vectorises.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut partial = [0.0; 8];
    let (head_a, tail_a) = a.as_chunks::<8>();
    let (head_b, tail_b) = b.as_chunks::<8>();
    for (a, b) in head_a.iter().zip(head_b) {
        for l in 0..8 {
            partial[l] += a[l] * b[l];
        }
    }
    let tail: f64 = tail_a.iter().zip(tail_b).map(|(a, b)| a * b).sum();
    partial.iter().sum::<f64>() + tail
}

/// Sum in eight interleaved partial sums, so that it vectorises.
#[inline(always)]
pub(super) fn sum(values: &[f64]) -> f64 {
    let (head, tail) = values.as_chunks::<8>();
    let mut partial = [0.0; 8];
    for lanes in head {
        for l in 0..8 {
            partial[l] += lanes[l];
        }
    }
    partial.iter().chain(tail).sum()
}
