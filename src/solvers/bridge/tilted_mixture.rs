//! The bridge of a data mixture under affine drift: the exact Gaussian kernel, and one side in closed form.
//!
//! `log phi_T` lives on a grid over the start law (trapezoid weights). On the data side `log phi_0` is
//! smooth on the scale of a mixture component, so it is expanded to second order about each mean; the
//! product `mu_0 / phi_0` is then again a Gaussian mixture, and `hat phi_t` is its noised law in closed
//! form at every t, however narrow the data. Expansion error: third derivatives of `log phi_0` over one
//! component, of order `(alpha_T / sigma_T)^3` times its width cubed; zero for point masses.
//!
//! # Cost
//! One kernel evaluation per component and grid point and iteration.

use crate::discretization::noising::GaussianKernel;
use crate::field::LogDensity;
use crate::field::noised_mixture::{MixtureAt, NoisedMixture};
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{block, map_blocks, pairwise_sum};
use crate::numeric::log_sum_exp::log_sum_exp;
use crate::problem::meant::law::{Covariance, Mixture};
use crate::solvers::driver::SolveError;
use crate::solvers::lowered::problem::Lowered;
use nalgebra::{DMatrix, DVector};

/// Half width of the grid in standard deviations of the start law and of the noised data law; a Gaussian
/// has 3e-12 of its mass beyond.
const HALF_WIDTH: f64 = 7.0;

/// The iteration under way.
pub(crate) struct TiltedMixture {
    law: NoisedMixture,
    kernel: GaussianKernel,
    precision: DMatrix<f64>,
    log_normalizer: f64,
    nodes: Batch,
    cell: f64,
    log_start: Vec<f64>,
    /// `log phi_T` at the nodes.
    potential: Vec<f64>,
    /// `hat phi_0`, normalised, and the logarithm of its mass.
    tilted: Mixture,
    log_mass: f64,
    /// `−E_{mu_0} log phi_0` in the expansion.
    data_term: f64,
    /// `KL(pi | p_T)`.
    end_divergence: f64,
    /// Start of the horizon.
    begin: f64,
}

/// `−log phi_0` to second order about one mean.
struct Expansion {
    value: f64,
    gradient: DVector<f64>,
    hessian: DMatrix<f64>,
}

/// Anisotropy below this is rounding and grid error, not structure.
const ISOTROPIC: f64 = 1e-9;

/// The symmetric part, as a multiple of the identity where it is one.
fn cheapest(matrix: &DMatrix<f64>) -> Covariance {
    let d = matrix.nrows();
    let mean = matrix.trace() / d as f64;
    let away = (matrix - DMatrix::identity(d, d) * mean).amax();
    if away <= ISOTROPIC * mean {
        return Covariance::Isotropic(mean);
    }
    let symmetric = 0.5 * (matrix + matrix.transpose());
    Covariance::full(&symmetric)
}

/// A tensor grid over both laws, and the volume of one cell.
fn grid(laws: [&Mixture; 2], points: &[usize]) -> (Batch, f64) {
    let d = laws[0].dimension();
    let bounds: Vec<(f64, f64)> = (0..d)
        .map(|j| {
            let ends = laws.map(|law| {
                let (mean, spread) = (law.mean()[j], HALF_WIDTH * law.covariance()[j][j].sqrt());
                (mean - spread, mean + spread)
            });
            (ends[0].0.min(ends[1].0), ends[0].1.max(ends[1].1))
        })
        .collect();
    let steps: Vec<f64> = bounds
        .iter()
        .zip(points)
        .map(|((low, high), n)| (high - low) / (*n as f64 - 1.0))
        .collect();
    let total = points.iter().product();
    let mut nodes = Batch::zeros(total, d);
    for j in 0..d {
        let stride: usize = points[j + 1..].iter().product();
        for (i, x) in nodes.column_mut(j).iter_mut().enumerate() {
            *x = bounds[j].0 + steps[j] * ((i / stride) % points[j]) as f64;
        }
    }
    (nodes, steps.iter().product())
}

/// `∫ exp(log_weight) value` over the grid.
fn mean(cell: f64, log_weight: &[f64], value: &[f64]) -> f64 {
    let terms: Vec<f64> = log_weight
        .iter()
        .zip(value)
        .map(|(log, value)| {
            let mass = log.exp();
            if mass == 0.0 {
                0.0
            } else {
                cell * mass * value
            }
        })
        .collect();
    pairwise_sum(&terms)
}

impl TiltedMixture {
    pub(crate) fn new(
        lowered: &Lowered,
        law: NoisedMixture,
        kernel: GaussianKernel,
        points: &[usize],
    ) -> Result<Self, SolveError> {
        let d = law.mixture().dimension();
        let covariance = kernel.covariance.dense(d);
        let determinant = covariance.determinant();
        let Some(precision) = covariance.try_inverse() else {
            return Err(SolveError::Singular {
                system: "transition covariance",
                pivot: determinant,
                suggestion: "noise in every state".to_owned(),
            });
        };
        let end = law.mixture_at(lowered.noising().end());
        let (nodes, cell) = grid([lowered.prior(), &end], points);
        let start_law = MixtureAt::new(lowered.prior());
        let mut log_start = vec![0.0; nodes.points()];
        start_law.log_density(nodes.as_ref(), &mut log_start);
        let end_divergence = {
            let mut log_end = vec![0.0; nodes.points()];
            law.log_density(lowered.noising().end(), nodes.as_ref(), &mut log_end);
            let ratio: Vec<f64> = log_start.iter().zip(&log_end).map(|(a, b)| a - b).collect();
            mean(cell, &log_start, &ratio)
        };
        Ok(Self {
            potential: vec![0.0; nodes.points()],
            log_normalizer: -0.5 * (determinant.ln() + d as f64 * std::f64::consts::TAU.ln()),
            tilted: law.mixture().clone(),
            law,
            kernel,
            precision,
            nodes,
            cell,
            log_start,
            log_mass: 0.0,
            data_term: 0.0,
            end_divergence,
            begin: lowered.noising().start(),
        })
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes.points()
    }

    /// One full Sinkhorn sweep: the data marginal, then the start marginal. Total variation of the start
    /// marginal in between.
    pub(crate) fn sweep(&mut self, lowered: &Lowered) -> Result<f64, SolveError> {
        self.tilt()?;
        let law = self.solution();
        let end = lowered.noising().end();
        let n = self.nodes.points();
        let log_hat = map_blocks(n, block(), |range| {
            let mut log = vec![0.0; range.len()];
            law.log_density(end, self.nodes.as_ref().rows(range), &mut log);
            log
        })
        .concat();
        let differences: Vec<f64> = log_hat
            .iter()
            .zip(&self.potential)
            .zip(&self.log_start)
            .map(|((hat, phi), start)| {
                0.5 * self.cell * ((hat + self.log_mass + phi).exp() - start.exp()).abs()
            })
            .collect();
        let measured = pairwise_sum(&differences);
        if !measured.is_finite() {
            return Err(SolveError::NotFinite {
                what: "start marginal of the bridge",
                value: measured,
                time: end,
                suggestion: "more points, or a start law closer to the noised data".to_owned(),
            });
        }
        for ((phi, hat), start) in self.potential.iter_mut().zip(&log_hat).zip(&self.log_start) {
            *phi = start - hat - self.log_mass;
        }
        Ok(measured)
    }

    /// `KL(P|R) = E_pi log phi_T − E_{mu_0} log phi_0`.
    pub(crate) fn divergence(&self) -> f64 {
        mean(self.cell, &self.log_start, &self.potential) + self.data_term
    }

    /// `KL(pi | p_T)`.
    pub(crate) fn end_divergence(&self) -> f64 {
        self.end_divergence
    }

    /// `−log phi_0` about a mean: moments of the nodes under `p(y|m) phi_T(y)`.
    fn expand(&self, mean: &[f64]) -> Expansion {
        let d = mean.len();
        let centre = self.kernel.mean(mean);
        let mut terms = self.potential.clone();
        for i in 0..d {
            for j in 0..d {
                let weight = -0.5 * self.precision[(i, j)];
                let columns = self.nodes.column(i).iter().zip(self.nodes.column(j));
                for (term, (y, z)) in terms.iter_mut().zip(columns) {
                    *term += weight * (y - centre[i]) * (z - centre[j]);
                }
            }
        }
        let log_sum = log_sum_exp(&terms);
        let mut shift = DVector::zeros(d);
        let mut second = DMatrix::zeros(d, d);
        for (n, term) in terms.iter().enumerate() {
            let r = (term - log_sum).exp();
            if r == 0.0 {
                continue;
            }
            for i in 0..d {
                let y = self.nodes.get(n, i) - centre[i];
                shift[i] += r * y;
                for j in 0..d {
                    second[(i, j)] += r * y * (self.nodes.get(n, j) - centre[j]);
                }
            }
        }
        let spread = second - &shift * shift.transpose();
        let map = self.kernel.factor.dense(self.kernel.shift.len());
        let pull = map.transpose() * &self.precision;
        Expansion {
            value: -(log_sum + self.log_normalizer + self.cell.ln()),
            gradient: -(&pull * shift),
            hessian: &pull * map - &pull * spread * pull.transpose(),
        }
    }

    /// `hat phi_0 = mu_0 / phi_0` as a mixture: `N(m, S) exp(g·δ + ½ δ·H δ)` is a Gaussian with
    /// covariance `S (I − H S)⁻¹` and mean `m + S (I − H S)⁻¹ g`.
    fn tilt(&mut self) -> Result<(), SolveError> {
        let law = self.law.mixture();
        let d = law.dimension();
        let expansions = map_blocks(law.components(), 1, |k| self.expand(&law.means[k.start]));
        let mut log_weights = Vec::with_capacity(law.components());
        let mut means = Vec::with_capacity(law.components());
        let mut covariances = Vec::with_capacity(law.components());
        let mut data_terms = Vec::with_capacity(law.components());
        for (k, e) in expansions.iter().enumerate() {
            let s = law.covariances[k].dense(d);
            let damping = DMatrix::identity(d, d) - &e.hessian * &s;
            let determinant = damping.determinant();
            let (Some(inverse), true) = (damping.try_inverse(), determinant > 0.0) else {
                return Err(SolveError::Singular {
                    system: "data-side tilt of the bridge",
                    pivot: determinant,
                    suggestion:
                        "a longer horizon or stronger noise, so that the end forgets the start"
                            .to_owned(),
                });
            };
            let tilted = &s * inverse;
            let step = &tilted * &e.gradient;
            log_weights.push(
                law.weights[k].ln() + e.value + 0.5 * e.gradient.dot(&step)
                    - 0.5 * determinant.ln(),
            );
            means.push(
                law.means[k]
                    .iter()
                    .zip(step.iter())
                    .map(|(m, s)| m + s)
                    .collect(),
            );
            covariances.push(cheapest(&tilted));
            data_terms.push(law.weights[k] * (e.value + 0.5 * (&e.hessian * &s).trace()));
        }
        self.log_mass = log_sum_exp(&log_weights);
        self.data_term = pairwise_sum(&data_terms);
        self.tilted = Mixture {
            weights: log_weights
                .iter()
                .map(|l| (l - self.log_mass).exp())
                .collect(),
            means,
            covariances,
        };
        Ok(())
    }

    /// `hat phi`, normalised, at all times.
    pub(crate) fn solution(&self) -> NoisedMixture {
        NoisedMixture::new(
            self.tilted.clone(),
            self.law.transition().clone(),
            self.begin,
        )
    }
}
