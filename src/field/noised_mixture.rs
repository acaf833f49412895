//! A Gaussian mixture carried along by affine noising: log density, score and their derivatives in
//! closed form.

use crate::discretization::noising::{GaussianKernel, MeanMap, Transition};
use crate::field::{Differentiable, Field, LogDensity};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::problem::law::{Covariance, Mixture};
use nalgebra::{DMatrix, DVector};

/// `p_t = Σ_k w_k N(Φ m_k + c, Φ S_k Φᵀ + C)` with the transition `(Φ, c, C)` from the start of the
/// horizon to t.
///
/// With `a_k = −C_k⁻¹ (x − m_k(t))` and responsibilities `r_k`:
/// `s = Σ r_k a_k`, `∇s = Σ r_k (a_k a_kᵀ − C_k⁻¹) − s sᵀ`.
///
/// # Shapes
/// x: points × d [state]; score [1/state]; log density per point.
///
/// # Assumes
/// Covariances at the asked time are positive definite (point masses need t past the start).
///
/// # Cost
/// K d per point for isotropic and diagonal components, K d² otherwise.
#[derive(Clone, Debug)]
pub struct NoisedMixture {
    mixture: Mixture,
    transition: Transition,
    start: f64,
}

/// The mixture at one time, factorised.
#[derive(Clone, Debug)]
pub struct MixtureAt {
    dimension: usize,
    components: Vec<Component>,
}

#[derive(Clone, Debug)]
struct Component {
    /// log w − ½ log det(2πC)
    log_weight: f64,
    mean: DVector<f64>,
    precision: DMatrix<f64>,
}

impl NoisedMixture {
    pub fn new(mixture: Mixture, transition: Transition, start: f64) -> Self {
        Self {
            mixture,
            transition,
            start,
        }
    }

    /// The data law.
    pub fn mixture(&self) -> &Mixture {
        &self.mixture
    }

    pub fn transition(&self) -> &Transition {
        &self.transition
    }

    /// The law at time t as a mixture.
    pub fn mixture_at(&self, t: f64) -> Mixture {
        let kernel = self.transition.between(self.start, t);
        Mixture {
            weights: self.mixture.weights.clone(),
            means: self.mixture.means.iter().map(|m| kernel.mean(m)).collect(),
            covariances: self
                .mixture
                .covariances
                .iter()
                .map(|s| noised_covariance(&kernel, s))
                .collect(),
        }
    }

    /// Everything that depends on time only.
    pub fn at(&self, t: f64) -> MixtureAt {
        MixtureAt::new(&self.mixture_at(t))
    }
}

/// `Φ S Φᵀ + C` in its cheapest form.
fn noised_covariance(kernel: &GaussianKernel, covariance: &Covariance) -> Covariance {
    match (&kernel.factor, covariance, &kernel.covariance) {
        (MeanMap::Scalar(a), Covariance::Isotropic(v), Covariance::Isotropic(noise)) => {
            Covariance::Isotropic(a * a * v + noise)
        }
        (MeanMap::Scalar(a), Covariance::Diagonal(v), Covariance::Isotropic(noise)) => {
            Covariance::Diagonal(v.iter().map(|v| a * a * v + noise).collect())
        }
        (factor, covariance, noise) => {
            let d = kernel.shift.len();
            let map = match factor {
                MeanMap::Scalar(a) => DMatrix::identity(d, d) * *a,
                MeanMap::Matrix(a) => a.clone(),
            };
            let matrix = |c: &Covariance| DMatrix::from_fn(d, d, |i, j| c.entry(i, j));
            let total = &map * matrix(covariance) * map.transpose() + matrix(noise);
            Covariance::Full(
                (0..d)
                    .map(|i| {
                        (0..d)
                            .map(|j| 0.5 * (total[(i, j)] + total[(j, i)]))
                            .collect()
                    })
                    .collect(),
            )
        }
    }
}

impl MixtureAt {
    pub fn new(mixture: &Mixture) -> Self {
        let d = mixture.dimension();
        let components = (0..mixture.components())
            .map(|k| {
                let matrix = DMatrix::from_fn(d, d, |i, j| mixture.covariances[k].entry(i, j));
                let factor = matrix
                    .cholesky()
                    .expect("covariances are positive definite at the asked time");
                let log_det: f64 = factor
                    .l_dirty()
                    .diagonal()
                    .iter()
                    .map(|l| 2.0 * l.ln())
                    .sum();
                Component {
                    log_weight: mixture.weights[k].ln()
                        - 0.5 * (log_det + d as f64 * std::f64::consts::TAU.ln()),
                    mean: DVector::from_column_slice(&mixture.means[k]),
                    precision: factor.inverse(),
                }
            })
            .collect();
        Self {
            dimension: d,
            components,
        }
    }

    /// Log density of one point, its score, and the Hessian of the log density.
    pub fn derivatives(&self, x: &[f64]) -> (f64, DVector<f64>, DMatrix<f64>) {
        let d = self.dimension;
        let x = DVector::from_column_slice(x);
        let parts: Vec<(f64, DVector<f64>)> = self
            .components
            .iter()
            .map(|c| {
                let offset = &x - &c.mean;
                let slope = -(&c.precision * &offset);
                (c.log_weight + 0.5 * slope.dot(&offset), slope)
            })
            .collect();
        let largest = parts.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = parts.iter().map(|p| (p.0 - largest).exp()).sum();
        let log_density = largest + total.ln();
        let mut score = DVector::zeros(d);
        let mut hessian = DMatrix::zeros(d, d);
        for (component, (log, slope)) in self.components.iter().zip(&parts) {
            let r = (log - log_density).exp();
            score += slope * r;
            hessian += (slope * slope.transpose() - &component.precision) * r;
        }
        hessian -= &score * score.transpose();
        (log_density, score, hessian)
    }
}

impl Field for NoisedMixture {
    fn inputs(&self) -> usize {
        self.mixture.dimension()
    }

    fn outputs(&self) -> usize {
        self.mixture.dimension()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let at = self.at(t);
        for i in 0..x.points() {
            let (_, score, _) = at.derivatives(&x.row(i));
            for j in 0..x.columns() {
                out.column_mut(j)[i] = score[j];
            }
        }
    }
}

impl Differentiable for NoisedMixture {
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        mut out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        let at = self.at(t);
        for i in 0..x.points() {
            let (_, score, hessian) = at.derivatives(&x.row(i));
            for j in 0..x.columns() {
                out.column_mut(j)[i] = score[j];
            }
            divergence[i] = hessian.trace();
        }
    }
}

impl LogDensity for NoisedMixture {
    fn log_density(&self, t: f64, x: BatchRef<'_>, out: &mut [f64]) {
        let at = self.at(t);
        for (i, o) in out.iter_mut().enumerate() {
            *o = at.derivatives(&x.row(i)).0;
        }
    }
}
