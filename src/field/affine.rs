//! Affine fields: `F = M ξ + c` on whitened coordinates, exact for Gaussian data under affine noising.

use crate::field::time_nodes::{Basis, Regressors};
use crate::field::time_nodes::{TIME, nodes};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::sums::{add_scaled, dot};
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

    fn standard(&self) -> Vec<f64> {
        shared_standard(self.dimension, self.dimension + 1)
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

    fn carry_back(
        &self,
        xi: BatchRef<'_>,
        cotangent: BatchRef<'_>,
        gradient: Option<&mut [f64]>,
        state: Option<(&[f64], BatchMut<'_>)>,
    ) {
        let d = self.dimension;
        if let Some(gradient) = gradient {
            for (j, row) in gradient.chunks_exact_mut(d + 1).enumerate() {
                let c = cotangent.column(j);
                row[0] += c.iter().sum::<f64>();
                for l in 0..d {
                    row[1 + l] += dot(c, xi.column(l));
                }
            }
        }
        if let Some((coefficients, mut out)) = state {
            out.fill(0.0);
            for l in 0..d {
                for (j, row) in coefficients.chunks_exact(d + 1).enumerate() {
                    add_scaled(row[1 + l], cotangent.column(j), out.column_mut(l));
                }
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

/// The coefficients of `F = −ξ` where the components share `count` regressors, the first of them `1, ξ_1, ..., ξ_d`.
pub(super) fn shared_standard(dimension: usize, count: usize) -> Vec<f64> {
    let mut theta = vec![0.0; dimension * count];
    for j in 0..dimension {
        theta[j * count + 1 + j] = -1.0;
    }
    theta
}
