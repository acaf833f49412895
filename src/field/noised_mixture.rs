//! A Gaussian mixture carried along by affine noising: log density, score and their derivatives in
//! closed form.

use crate::discretization::noising::{GaussianKernel, MeanMap, Transition};
use crate::field::mixture_components::{Components, Shape, Spread};
use crate::field::mixture_tile::{Targets, evaluate, log_responsibilities};
use crate::field::{Differentiable, Field, LogDensity};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::dense::{Cholesky, symmetric_part};
use crate::numeric::log_sum_exp::log_sum_exp;
use crate::problem::meant::law::{Covariance, Mixture};
use nalgebra::{DMatrix, DVector};

/// `p_t = Σ_k w_k N(Φ m_k + c, Φ S_k Φᵀ + C)` with the transition `(Φ, c, C)` from the start of the
/// horizon to t.
///
/// With `a_k = −C_k⁻¹ (x − m_k(t))`, `L_k = log w_k − ½ log det 2πC_k − ½ a_kᵀ C_k a_k` and
/// responsibilities `r_k = exp(L_k − log p)`:
///
/// ```text
/// log p = log Σ exp L_k,    s = Σ r_k a_k,    ∇s = Σ r_k ((a_k − s)(a_k − s)ᵀ − C_k⁻¹)
/// ```
///
/// # Shapes
/// x: points × d in units of the state; score in their inverse; log density per point.
///
/// # Assumes
/// Covariances at the asked time are positive definite (point masses need t past the start).
///
/// # Accuracy
/// Rounding only, in the log domain. The divergence is `Σ r_k (|a_k|² − tr C_k⁻¹) − |s|²`, so it carries
/// `ε |s|²`; [`MixtureAt::derivatives`] sums centred terms and does not. Many isotropic components in
/// many dimensions are evaluated by matrix products, which cost a component's log density up to 1e-10.
///
/// # Cost
/// Per call: K d, or K d³ for full covariances. Per point: K d for isotropic and diagonal components, K d²
/// otherwise, and K exponentials. Scratch is allocated once per call.
#[derive(Clone, Debug)]
pub struct NoisedMixture {
    mixture: Mixture,
    transition: Transition,
    start: f64,
    /// The mixture again, flat: log weights, means (components × d), covariances.
    log_weights: Vec<f64>,
    means: Vec<f64>,
    spread: Spread,
}

/// The mixture at one time, factorised.
#[derive(Clone, Debug)]
pub struct MixtureAt {
    components: Components,
}

impl NoisedMixture {
    pub fn new(mixture: Mixture, transition: Transition, start: f64) -> Self {
        Self {
            log_weights: mixture.weights.iter().map(|w| w.ln()).collect(),
            means: mixture.means.concat(),
            spread: Spread::of(&mixture),
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

    /// The first of these times at which rounding leaves a covariance without an inverse.
    pub fn singular_at(&self, times: &[f64]) -> Option<f64> {
        let is_singular = |covariance: &Covariance| match covariance {
            Covariance::Isotropic(v) => !(*v > 0.0 && v.is_finite()),
            Covariance::Diagonal(v) => !v.iter().all(|v| *v > 0.0 && v.is_finite()),
            full @ Covariance::Full(_) => {
                Cholesky::new(&full.dense(self.mixture.dimension())).is_err()
            }
        };
        let mut times = times.iter().copied();
        times.find(|t| self.mixture_at(*t).covariances.iter().any(is_singular))
    }

    /// Everything that depends on time only. A caller that stays at one time keeps it.
    pub fn at(&self, t: f64) -> MixtureAt {
        let d = self.mixture.dimension();
        let kernel = self.transition.between(self.start, t);
        let (MeanMap::Scalar(factor), Covariance::Isotropic(noise)) =
            (&kernel.factor, &kernel.covariance)
        else {
            return MixtureAt::new(&self.mixture_at(t));
        };
        let mut means = self.means.clone();
        for row in means.chunks_mut(d) {
            for (m, shift) in row.iter_mut().zip(&kernel.shift) {
                *m = factor * *m + shift;
            }
        }
        let spread = self.spread.scaled_and_blurred(d, factor * factor, *noise);
        MixtureAt {
            components: Components::new(d, &self.log_weights, means, spread),
        }
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
            let map = factor.dense(d);
            let total = &map * covariance.dense(d) * map.transpose() + noise.dense(d);
            Covariance::full(&symmetric_part(&total))
        }
    }
}

impl MixtureAt {
    /// Factorises a mixture whose covariances are positive definite.
    pub fn new(mixture: &Mixture) -> Self {
        let log_weights: Vec<f64> = mixture.weights.iter().map(|w| w.ln()).collect();
        Self {
            components: Components::new(
                mixture.dimension(),
                &log_weights,
                mixture.means.concat(),
                Spread::of(mixture),
            ),
        }
    }

    pub fn dimension(&self) -> usize {
        self.components.dimension
    }

    /// Number of components K.
    pub fn count(&self) -> usize {
        self.components.count
    }

    /// `log p` of a block of points.
    pub fn log_density(&self, x: BatchRef<'_>, out: &mut [f64]) {
        let targets = Targets {
            log_density: Some(out),
            ..Targets::default()
        };
        evaluate(&self.components, x, targets);
    }

    /// The score (points × d).
    pub fn score(&self, x: BatchRef<'_>, out: BatchMut<'_>) {
        let targets = Targets {
            score: Some(out),
            ..Targets::default()
        };
        evaluate(&self.components, x, targets);
    }

    /// Log density, score and divergence of the score in one sweep.
    pub fn all(
        &self,
        x: BatchRef<'_>,
        log_density: &mut [f64],
        score: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        let targets = Targets {
            log_density: Some(log_density),
            score: Some(score),
            divergence: Some(divergence),
        };
        evaluate(&self.components, x, targets);
    }

    /// Logarithms of the responsibilities, `log r_k(x)` (points × K): the posterior weights of the
    /// components given the noised point.
    pub fn log_responsibilities(&self, x: BatchRef<'_>, out: BatchMut<'_>) {
        assert_eq!(out.columns(), self.count(), "one column per component");
        log_responsibilities(&self.components, x, out);
    }

    /// The Hessian of the log density (points × d², row by row).
    pub fn hessian(&self, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        for i in 0..x.points() {
            let (_, _, hessian) = self.derivatives(&x.row(i));
            // Symmetric to the bit, so the order of storage does not matter.
            for (column, value) in hessian.iter().enumerate() {
                out.column_mut(column)[i] = *value;
            }
        }
    }

    /// Log density of one point, its score, and the Hessian of the log density.
    ///
    /// Straight from the definition and without cancellation: three passes over the components.
    pub fn derivatives(&self, x: &[f64]) -> (f64, DVector<f64>, DMatrix<f64>) {
        let d = self.dimension();
        let mut slope = vec![0.0; d];
        let mut whitened = vec![0.0; d];
        let mut logs: Vec<f64> = (0..self.count())
            .map(|k| self.component(k, x, &mut slope, &mut whitened))
            .collect();
        let log_density = log_sum_exp(&logs);
        logs.iter_mut()
            .for_each(|log| *log = (*log - log_density).exp());
        let mut score = DVector::zeros(d);
        for (k, r) in logs.iter().enumerate().filter(|(_, r)| **r != 0.0) {
            self.component(k, x, &mut slope, &mut whitened);
            for (s, a) in score.iter_mut().zip(&slope) {
                *s += r * a;
            }
        }
        let mut hessian = DMatrix::zeros(d, d);
        for (k, r) in logs.iter().enumerate().filter(|(_, r)| **r != 0.0) {
            self.component(k, x, &mut slope, &mut whitened);
            for j in 0..d {
                for i in 0..d {
                    hessian[(i, j)] += r * ((slope[i] - score[i]) * (slope[j] - score[j]));
                }
            }
            self.subtract_precision(k, *r, &mut hessian);
        }
        (log_density, score, hessian)
    }

    /// `L_k`, with `a_k` left in `slope`.
    fn component(&self, k: usize, x: &[f64], slope: &mut [f64], whitened: &mut [f64]) -> f64 {
        let d = self.dimension();
        let means = &self.components.means[k * d..(k + 1) * d];
        let mut square = 0.0;
        match &self.components.shape {
            Shape::Isotropic { precisions, .. } => {
                for j in 0..d {
                    slope[j] = precisions[k] * (means[j] - x[j]);
                    square += slope[j] * (means[j] - x[j]);
                }
            }
            Shape::Diagonal { precisions, .. } => {
                for j in 0..d {
                    slope[j] = precisions[k * d + j] * (means[j] - x[j]);
                    square += slope[j] * (means[j] - x[j]);
                }
            }
            Shape::Full { whitenings, .. } => {
                let w = &whitenings[k * d * d..(k + 1) * d * d];
                slope.fill(0.0);
                for i in 0..d {
                    let row = &w[i * d..=i * d + i];
                    whitened[i] = (0..=i).map(|j| row[j] * (x[j] - means[j])).sum();
                    square += whitened[i] * whitened[i];
                    for (a, w) in slope.iter_mut().zip(row) {
                        *a -= w * whitened[i];
                    }
                }
            }
        }
        self.components.log_weights[k] - 0.5 * square
    }

    /// `hessian −= r C_k⁻¹`.
    fn subtract_precision(&self, k: usize, r: f64, hessian: &mut DMatrix<f64>) {
        let d = self.dimension();
        match &self.components.shape {
            Shape::Isotropic { precisions, .. } => {
                (0..d).for_each(|i| hessian[(i, i)] -= r * precisions[k]);
            }
            Shape::Diagonal { precisions, .. } => {
                (0..d).for_each(|i| hessian[(i, i)] -= r * precisions[k * d + i]);
            }
            Shape::Full { whitenings, .. } => {
                let w = &whitenings[k * d * d..(k + 1) * d * d];
                for l in 0..d {
                    for j in 0..=l {
                        for i in 0..=l {
                            hessian[(i, j)] -= r * (w[l * d + i] * w[l * d + j]);
                        }
                    }
                }
            }
        }
    }
}

impl Field for NoisedMixture {
    fn inputs(&self) -> usize {
        self.mixture.dimension()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.at(t).score(x, out);
    }
}

impl Differentiable for NoisedMixture {
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        let targets = Targets {
            log_density: None,
            score: Some(out),
            divergence: Some(divergence),
        };
        evaluate(&self.at(t).components, x, targets);
    }
}

impl LogDensity for NoisedMixture {
    fn log_density(&self, t: f64, x: BatchRef<'_>, out: &mut [f64]) {
        self.at(t).log_density(x, out);
    }
}

#[cfg(test)]
mod tests;
