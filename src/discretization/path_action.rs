//! One step of the discretized action of reverse diffusion.
//!
//! Between forward times `t' < t` the noising process moves by `X_t = A X_t' + c + L w` (exactly, when
//! the drift is affine). Its anti-Itô weight read backwards is a reverse step, and a control shifts the
//! noise of that step:
//!
//! ```text
//! Y' = A⁻¹ (Y - c) + B (v + κ z),    B = A⁻¹ L,    v = Lᵀ s(Y, t),    z ~ N(0, I)
//! path action = Σ ( ½ |v + κz|² - ½ |z|² - Σ log κ + log det A ) - log p_{t_min}(Y_N)
//! ```
//!
//! The action of a path is the logarithm of the ratio of the controlled path density to that of the
//! noising process, so its mean is at least the value for any number of steps. Its mean over z is
//! `½|v|² + Σ (½(κ² − 1) − log κ) + log det A`, where `log det A = ∫ div f dt` and
//! `½|v|² → ½|u|² dt` with `u = Gᵀ s`; the rest, `κ v·z + ½ Σ (κ² − 1)(z² − 1)`, is a martingale.
//!
//! The noise of the reversed step is narrower than `L` by `κ² = 1 − diag(Lᵀ P⁻¹ L)`, P the covariance of
//! the law at t: exact for Gaussian data, `κ = 1 − O(step)` otherwise, so the continuum action is the
//! same and the step bias smaller by the Gaussian part.
//!
//! # Source
//! Ho, Jain, Abbeel (2020), equations 7 and 11, for mean and variance of the step; the action is the path
//! form of the evidence bound (Huang, Lim, Courville 2021).
//!
//! # Order
//! Weak order 1 in the step; no bias for Gaussian data.

use crate::discretization::noising::{GaussianKernel, MeanMap, Transition};
use crate::discretization::time_grid::TimeGrid;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::dense::covariance_root;
use crate::problem::meant::law::Covariance;
use nalgebra::{DMatrix, DVector};

/// The numbers of one step from forward time `late` to `early`.
#[derive(Clone, Debug)]
pub struct ReverseStep {
    pub late: f64,
    pub early: f64,
    map: StepMap,
    /// κ per noise component.
    narrow: Vec<f64>,
    log_det: f64,
}

/// κ² is kept above this: a single step across the whole horizon still has noise.
const NARROWEST: f64 = 1e-4;

#[derive(Clone, Debug)]
enum StepMap {
    /// `Y' = growth (Y - shift) + growth spread (v + z)`, `v = spread s`.
    Isotropic {
        growth: f64,
        spread: f64,
        shift: Vec<f64>,
    },
    Matrix {
        inverse: DMatrix<f64>,
        root: DMatrix<f64>,
        /// `B = A⁻¹ L`.
        push: DMatrix<f64>,
        shift: Vec<f64>,
    },
}

/// The steps of a grid, latest first: the order in which reverse time meets them.
///
/// `covariance` gives the covariance of the noised law at a time, at least its diagonal.
pub fn reverse_steps(
    transition: &Transition,
    grid: &TimeGrid,
    covariance: impl Fn(f64) -> Covariance,
) -> Vec<ReverseStep> {
    grid.nodes()
        .windows(2)
        .rev()
        .map(|w| {
            let kernel = transition.between(w[0], w[1]);
            ReverseStep::new(&kernel, &covariance(w[1]), w[0], w[1])
        })
        .collect()
}

impl ReverseStep {
    /// `kernel` is the law of X at `late` given X at `early`; `law` the covariance of X at `late`.
    pub fn new(kernel: &GaussianKernel, law: &Covariance, early: f64, late: f64) -> Self {
        let d = kernel.shift.len();
        let narrow = |share: f64| (1.0 - share).max(NARROWEST).sqrt();
        if let (MeanMap::Scalar(a), Covariance::Isotropic(v)) = (&kernel.factor, &kernel.covariance)
        {
            return Self {
                late,
                early,
                map: StepMap::Isotropic {
                    growth: 1.0 / a,
                    spread: v.sqrt(),
                    shift: kernel.shift.clone(),
                },
                narrow: (0..d).map(|j| narrow(v / law.entry(j, j))).collect(),
                log_det: d as f64 * a.ln(),
            };
        }
        let factor = kernel.factor.dense(d);
        let covariance = kernel.covariance.dense(d);
        let root = covariance_root(covariance);
        let determinant = factor.determinant();
        let inverse = factor
            .try_inverse()
            .expect("the flow of a linear equation is invertible");
        let push = &inverse * &root;
        let spread = law.dense(d);
        let shares = match spread.cholesky() {
            Some(factor) => (root.transpose() * factor.solve(&root)).diagonal(),
            None => DVector::zeros(d),
        };
        Self {
            late,
            early,
            map: StepMap::Matrix {
                inverse,
                root,
                push,
                shift: kernel.shift.clone(),
            },
            narrow: shares.iter().map(|share| narrow(*share)).collect(),
            log_det: determinant.ln(),
        }
    }

    /// `log det A − Σ log κ`, where `log det A = ∫ div f dt` over the step.
    pub fn log_jacobian(&self) -> f64 {
        let narrowing: f64 = self.narrow.iter().map(|k| k.ln()).sum();
        self.log_det - narrowing
    }

    /// κ per noise component.
    pub fn narrow(&self) -> &[f64] {
        &self.narrow
    }

    /// The part of the action that depends on neither state nor noise:
    /// `log det A + Σ (½(κ² − 1) − log κ)`.
    pub fn constant(&self) -> f64 {
        let narrowing: f64 = self
            .narrow
            .iter()
            .map(|k| 0.5 * (k * k - 1.0) - k.ln())
            .sum();
        self.log_det + narrowing
    }

    /// `out = v = Lᵀ s`.
    pub fn control(&self, score: BatchRef<'_>, mut out: BatchMut<'_>) {
        match &self.map {
            StepMap::Isotropic { spread, .. } => {
                out.copy_from(score);
                out.scale(*spread);
            }
            StepMap::Matrix { root, .. } => {
                out.fill(0.0);
                out.add_product(1.0, &root.transpose(), score);
            }
        }
    }

    /// `out = A⁻¹ (y - c) + B noise`, where `noise = v + κ z`.
    pub fn advance(&self, y: BatchRef<'_>, noise: BatchRef<'_>, mut out: BatchMut<'_>) {
        match &self.map {
            StepMap::Isotropic {
                growth,
                spread,
                shift,
            } => {
                for (j, c) in shift.iter().enumerate() {
                    let pairs = y.column(j).iter().zip(noise.column(j));
                    for (o, (y, w)) in out.column_mut(j).iter_mut().zip(pairs) {
                        *o = growth * ((y - c) + spread * w);
                    }
                }
            }
            StepMap::Matrix {
                inverse,
                push,
                shift,
                ..
            } => {
                let mut centred = y.to_batch();
                for (j, c) in shift.iter().enumerate() {
                    centred.column_mut(j).iter_mut().for_each(|y| *y -= c);
                }
                out.fill(0.0);
                out.add_product(1.0, inverse, centred.as_ref());
                let mut pushed = Batch::zeros(y.points(), y.columns());
                pushed.as_mut().add_product(1.0, push, noise);
                out.add_scaled(1.0, pushed.as_ref());
            }
        }
    }

    /// The adjoint of a step. `next`: derivative of the remaining action in `Y'`; `direct`: derivative
    /// of this step's own action in v. Returns the cotangent of the score, `L (direct + Bᵀ next)`, in
    /// `score`, and overwrites `next` by `A⁻ᵀ next`, to which `(∇s)ᵀ score` is still to be added.
    pub fn adjoint(&self, direct: BatchRef<'_>, mut next: BatchMut<'_>, mut score: BatchMut<'_>) {
        match &self.map {
            StepMap::Isotropic { growth, spread, .. } => {
                next.scale(*growth);
                for j in 0..direct.columns() {
                    let pairs = direct.column(j).iter().zip(next.as_ref().column(j));
                    for (o, (d, p)) in score.column_mut(j).iter_mut().zip(pairs) {
                        *o = spread * (d + spread * p);
                    }
                }
            }
            StepMap::Matrix { inverse, root, .. } => {
                let old = next.as_ref().to_batch();
                next.fill(0.0);
                next.add_product(1.0, &inverse.transpose(), old.as_ref());
                let mut inner = Batch::zeros(direct.points(), direct.columns());
                inner
                    .as_mut()
                    .add_product(1.0, &root.transpose(), next.as_ref());
                inner.as_mut().add_scaled(1.0, direct);
                score.fill(0.0);
                score.add_product(1.0, root, inner.as_ref());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discretization::noising::Noising;
    use crate::discretization::schedule::{Schedule, TimeFunction};
    use crate::numeric::random::Streams;
    use crate::problem::meant::model::Spacing;

    fn linear() -> Transition {
        Transition::Linear {
            matrix: DMatrix::from_row_slice(2, 2, &[-0.5, 1.0, -0.7, -0.3]),
            shift: DVector::from_column_slice(&[0.2, -0.1]),
            diffusivity: DMatrix::from_row_slice(2, 2, &[0.8, 0.2, 0.2, 0.5]),
        }
    }

    #[test]
    fn log_determinants_add_up_to_the_integral_of_the_divergence() {
        let grid = |noising: &Noising| TimeGrid::new(noising, 0.1, 7, Spacing::Uniform);
        let law = |_: f64| Covariance::Isotropic(2.0);
        let beta = TimeFunction::Linear {
            lo: 0.1,
            slope: 3.0,
        };
        let noising = Noising::isotropic(Schedule::VariancePreserving(beta), 2, 0.0, 1.0);
        let steps = reverse_steps(noising.transition().expect("affine"), &grid(&noising), law);
        let total: f64 = steps.iter().map(|step| step.log_det).sum();
        assert!((total + 0.9 * (0.1 + 0.5 * 3.0 * 1.1)).abs() < 1e-12);
        let steps = reverse_steps(&linear(), &grid(&noising), law);
        let total: f64 = steps.iter().map(|step| step.log_det).sum();
        assert!((total + 0.9 * 0.8).abs() < 1e-12, "trace times duration");
    }

    /// `λ·Y'` with `v = Lᵀ s`: the adjoint against the definition of a transpose.
    #[test]
    fn adjoints_are_transposes() {
        let schedule = Schedule::OrnsteinUhlenbeck {
            rate: 0.7,
            sigma: 1.3,
        };
        let isotropic = Transition::Isotropic {
            schedule,
            centre: vec![0.4, -0.2],
        };
        for transition in [isotropic, linear()] {
            let step = ReverseStep::new(
                &transition.between(0.3, 0.5),
                &Covariance::Isotropic(2.0),
                0.3,
                0.5,
            );
            let stream = Streams::new(2).role("adjoint-test");
            let draw = |n| {
                let mut batch = Batch::zeros(5, 2);
                stream.normals(0, n, batch.as_mut());
                batch
            };
            let (y, s, lambda, direct) = (draw(0), draw(1), draw(2), draw(3));
            // value(y, s) = λ·Y'(y, Lᵀ s) + direct·Lᵀ s
            let value = |y: &Batch, s: &Batch| {
                let (mut v, mut next) = (Batch::zeros(5, 2), Batch::zeros(5, 2));
                step.control(s.as_ref(), v.as_mut());
                step.advance(y.as_ref(), v.as_ref(), next.as_mut());
                let dot = |a: &Batch, b: &Batch| -> f64 {
                    a.as_slice()
                        .iter()
                        .zip(b.as_slice())
                        .map(|(a, b)| a * b)
                        .sum()
                };
                dot(&lambda, &next) + dot(&direct, &v)
            };
            let mut state = lambda.clone();
            let mut score = Batch::zeros(5, 2);
            step.adjoint(direct.as_ref(), state.as_mut(), score.as_mut());
            for i in 0..10 {
                let (mut moved_y, mut moved_s) = (y.clone(), s.clone());
                moved_y.as_mut_slice()[i] += 1.0;
                moved_s.as_mut_slice()[i] += 1.0;
                let along_y = value(&moved_y, &s) - value(&y, &s);
                let along_s = value(&y, &moved_s) - value(&y, &s);
                assert!((along_y - state.as_slice()[i]).abs() < 1e-13);
                assert!((along_s - score.as_slice()[i]).abs() < 1e-13);
            }
        }
    }
}
