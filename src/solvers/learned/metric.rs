//! Coordinates in which the action is nearly round.
//!
//! At the optimum the Hessian of the action is `G = E ∫ (∂u/∂θ)ᵀ (∂u/∂θ) dτ`: the Fisher information of
//! the path law. With `G = L Lᵀ` and `θ = θ₀ + L⁻ᵀ η`, steepest descent in η is the Gauss–Newton (natural
//! gradient) step, and L-BFGS starts from it.
//!
//! # Source
//! Amari (1998) for the metric; `G` is the second variation of the gap identity at `u = u*`.

use crate::discretization::noising::Noising;
use crate::field::FieldFamily;
use crate::field::draws::draw_noised;
use crate::field::family::Family;
use crate::field::feedback::Feedback;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::time_nodes::{Basis, NodeField, Regressors};
use crate::numeric::dense::Cholesky;
use crate::numeric::random::{Stream, Streams};
use crate::solvers::learned::gram::gram;
use crate::solvers::learned::layout::Layout;
use crate::solvers::learned::path_cost::PathCost;
use nalgebra::{DMatrix, DVector};

/// Added to the diagonal, relative to its mean: directions the law does not see move as if it saw
/// them a little.
const RIDGE: f64 = 1e-4;
/// Draws per coefficient of a node, and at least.
const DRAWS_PER_COEFFICIENT: usize = 4;
const MIN_DRAWS: usize = 512;
/// Largest number of parameters for which the whole matrix is formed by probing.
const PROBED_PARAMETERS: usize = 600;

/// `θ = origin + L⁻ᵀ η`, block by block.
#[derive(Clone, Debug)]
pub struct Metric {
    origin: Vec<f64>,
    /// Factors of unscaled matrices.
    factors: Vec<Factor>,
    blocks: Vec<Block>,
}

/// `L` of a matrix `L Lᵀ`.
#[derive(Clone, Debug)]
enum Factor {
    Lower(DMatrix<f64>),
    Diagonal(Vec<f64>),
}

impl Factor {
    /// `L⁻ᵀ v`.
    fn solve_transposed(&self, v: &mut DVector<f64>) {
        match self {
            // The diagonal of the factor is positive, so the solve succeeds.
            Self::Lower(l) => {
                l.tr_solve_lower_triangular_mut(v);
            }
            Self::Diagonal(l) => v.iter_mut().zip(l).for_each(|(v, l)| *v /= l),
        }
    }

    /// `L⁻¹ v`.
    fn solve(&self, v: &mut DVector<f64>) {
        match self {
            Self::Lower(l) => {
                l.solve_lower_triangular_mut(v);
            }
            Self::Diagonal(_) => self.solve_transposed(v),
        }
    }
}

/// The parameters at some places have the matrix `scale · L Lᵀ`.
#[derive(Clone, Debug)]
struct Block {
    places: Vec<usize>,
    factor: usize,
    scale: f64,
}

impl Metric {
    /// The metric at the family's current parameters.
    ///
    /// Families linear in their parameters take `E` over the noising law at their nodes; others over the
    /// controlled paths, by probing with the paths' own noise. Parameters named in `frozen` are kept apart
    /// from the others.
    pub fn new(
        family: &Family,
        paths: &PathCost,
        noising: &Noising,
        law: &NoisedMixture,
        frozen: &[usize],
        streams: &Streams,
    ) -> Self {
        let stream = streams.role("metric");
        let mut metric = match family {
            Family::Affine(field) => Self::of_nodes(field, noising, law, &stream),
            Family::Radial(field) => Self::of_nodes(field, noising, law, &stream),
            Family::Chebyshev(field) => Self::of_nodes(field, noising, law, &stream),
            Family::Mixture(_) | Family::Network(_) => {
                let (field, origin) = (family.get(), family.get().parameters().to_vec());
                Self::probed(origin, frozen, |size, collect| {
                    paths.probe(field, size, collect)
                })
            }
        };
        metric.origin = family.get().parameters().to_vec();
        metric
    }

    fn of_nodes<B: Basis>(
        field: &NodeField<B>,
        noising: &Noising,
        law: &NoisedMixture,
        stream: &Stream,
    ) -> Self {
        let (basis, nodes) = (field.basis(), field.nodes());
        let d = basis.dimension();
        let intensity = |t: f64| noising.noise(t).diffusivity(d).trace() / d as f64;
        let (mut factors, mut blocks) = (Vec::new(), Vec::new());
        for node in 0..nodes.count() {
            let t = nodes.time(node);
            let at = nodes.locate(t);
            let (count, shared) = match basis.regressors() {
                Regressors::Shared { count } => (count, true),
                Regressors::Coupled { count } => (count, false),
            };
            let draws = (DRAWS_PER_COEFFICIENT * count).max(MIN_DRAWS);
            let kernel = law.transition().between(noising.start(), t);
            let first = (node * draws) as u64;
            let x = draw_noised(law.mixture(), &kernel, stream, first, draws);
            let xi = at.whiten(x.as_ref());
            let weights = vec![1.0 / draws as f64; draws];
            factors.push(factor(gram(basis, &at, xi.as_ref(), &weights)));
            let weight = nodes.hat_integral(node, intensity);
            let offset = node * basis.coefficients();
            let components = if shared { d } else { 1 };
            blocks.extend((0..components).map(|j| Block {
                places: (offset + j * count..offset + (j + 1) * count).collect(),
                factor: node,
                scale: if shared {
                    weight / (at.scale[j] * at.scale[j])
                } else {
                    weight
                },
            }));
        }
        Self {
            origin: Vec::new(),
            factors,
            blocks,
        }
    }

    /// From pulled-back random probes, whose products have the matrix as their mean: `probe` sums what is collected of
    /// each, as many numbers as it is told.
    pub fn probed(
        origin: Vec<f64>,
        frozen: &[usize],
        probe: impl Fn(usize, fn(&[f64], f64, &mut [f64])) -> Vec<f64>,
    ) -> Self {
        let p = origin.len();
        if p > PROBED_PARAMETERS {
            let squares = probe(p, |g, scale, out| {
                out.iter_mut()
                    .zip(g)
                    .for_each(|(o, a)| *o += scale * (a * a));
            });
            return Self::of_diagonal(origin, squares, frozen);
        }
        let products = probe(p * p, |g, scale, out| {
            for (row, a) in out.chunks_exact_mut(g.len()).zip(g) {
                row.iter_mut()
                    .zip(g)
                    .for_each(|(o, b)| *o += scale * (a * b));
            }
        });
        Self::of_matrix(origin, DMatrix::from_vec(p, p, products), frozen)
    }

    /// No couplings: for parameters too many for a matrix.
    pub fn of_diagonal(origin: Vec<f64>, mut diagonal: Vec<f64>, frozen: &[usize]) -> Self {
        for i in frozen {
            diagonal[*i] = 1.0;
        }
        let ridge = ridge(diagonal.iter().sum(), diagonal.len());
        let roots = diagonal.iter().map(|d| (d + ridge).sqrt()).collect();
        Self::one_block(origin, Factor::Diagonal(roots))
    }

    fn one_block(origin: Vec<f64>, factor: Factor) -> Self {
        Self {
            blocks: vec![Block {
                places: (0..origin.len()).collect(),
                factor: 0,
                scale: 1.0,
            }],
            origin,
            factors: vec![factor],
        }
    }

    /// The metric of a feedback control with a form of its coefficients.
    pub fn of_form(field: &Feedback, layout: &Layout, form: &[f64]) -> Self {
        let views = layout.views().iter();
        Self {
            origin: field.parameters().to_vec(),
            factors: views.map(|view| lower(&layout.dense(form, view))).collect(),
            blocks: (layout.controls())
                .map(|(factor, places)| Block {
                    places,
                    factor,
                    scale: 1.0,
                })
                .collect(),
        }
    }

    /// One block.
    fn of_matrix(origin: Vec<f64>, mut matrix: DMatrix<f64>, frozen: &[usize]) -> Self {
        for i in frozen {
            matrix.row_mut(*i).fill(0.0);
            matrix.column_mut(*i).fill(0.0);
            matrix[(*i, *i)] = 1.0;
        }
        Self::one_block(origin, factor(matrix))
    }

    /// The parameters at η.
    pub fn parameters(&self, eta: &[f64]) -> Vec<f64> {
        let mut theta = self.origin.clone();
        self.each(eta, Factor::solve_transposed, |place, moved| {
            theta[place] += moved;
        });
        theta
    }

    /// The gradient in θ turned into the gradient in η, in place.
    pub fn pull_back(&self, gradient: &mut [f64]) {
        let raw = gradient.to_vec();
        self.each(&raw, Factor::solve, |place, pulled| {
            gradient[place] = pulled;
        });
    }

    /// `solve` of every block, scaled, place by place.
    fn each(
        &self,
        values: &[f64],
        solve: impl Fn(&Factor, &mut DVector<f64>),
        mut put: impl FnMut(usize, f64),
    ) {
        for block in &self.blocks {
            let places = block.places.iter();
            let mut part =
                DVector::from_iterator(block.places.len(), places.map(|place| values[*place]));
            solve(&self.factors[block.factor], &mut part);
            let scale = 1.0 / block.scale.sqrt();
            for (place, value) in block.places.iter().zip(part.iter()) {
                put(*place, scale * value);
            }
        }
    }
}

/// The lower factor of `matrix + ridge`.
fn factor(mut matrix: DMatrix<f64>) -> Factor {
    let n = matrix.nrows();
    let ridge = ridge(matrix.trace(), n);
    for i in 0..n {
        matrix[(i, i)] += ridge;
    }
    lower(&matrix)
}

fn lower(matrix: &DMatrix<f64>) -> Factor {
    match Cholesky::new(matrix) {
        Ok(cholesky) => Factor::Lower(cholesky.lower()),
        // Not finite: the identity leaves the coordinates alone.
        Err(_) => Factor::Diagonal(vec![1.0; matrix.nrows()]),
    }
}

fn ridge(trace: f64, n: usize) -> f64 {
    (RIDGE * trace / n as f64).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_transform_by_the_transpose_of_the_parameters() {
        let matrix = DMatrix::from_row_slice(2, 2, &[2.0, 0.6, 0.6, 1.0]);
        let metric = Metric {
            origin: vec![1.0, -1.0, 0.5, 0.0],
            factors: vec![factor(matrix)],
            blocks: vec![
                Block {
                    places: vec![0, 1],
                    factor: 0,
                    scale: 1.0,
                },
                Block {
                    places: vec![2, 3],
                    factor: 0,
                    scale: 3.0,
                },
            ],
        };
        let eta = [0.3, -0.2, 0.7, 0.1];
        let g = [1.0, 2.0, -1.0, 0.5];
        let mut pulled = g.to_vec();
        metric.pull_back(&mut pulled);
        // g·(θ(η) − θ(0)) = pulled·η
        let moved = metric.parameters(&eta);
        let left: f64 = (0..4).map(|i| g[i] * (moved[i] - metric.origin[i])).sum();
        let right: f64 = (0..4).map(|i| pulled[i] * eta[i]).sum();
        assert!((left - right).abs() < 1e-14);
        // |η|² = (θ − θ₀)ᵀ G (θ − θ₀) in the first block, up to the ridge.
        let step = [moved[0] - 1.0, moved[1] + 1.0];
        let form = 2.0 * step[0] * step[0] + 1.2 * step[0] * step[1] + step[1] * step[1];
        assert!((form / (0.09 + 0.04) - 1.0).abs() < 1e-3);
    }
}
