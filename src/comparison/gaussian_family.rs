//! What the h-family generates from Gaussian data: its moments in closed form.

use crate::discretization::noising::Noising;
use crate::numeric::batch::{Batch, BatchRef};
use crate::problem::meant::law::Mixture;
use nalgebra::{DMatrix, DVector};

/// Coarse steps of the moment equations.
const STEPS: usize = 1024;

/// The law of `Y_T` of the h-family started in the prior, for one Gaussian as data and affine drift:
/// `q^h = N(mean, covariance)`.
///
/// ```text
/// dY = (−f + (1+h)/2 D s) dτ + √h G dB,      s = −C_t⁻¹ (x − m_t)
/// m' = −f(m) − (1+h)/2 D C_t⁻¹ (m − m_t),    Q' = A Q + Q Aᵀ + h D,   A = −J_f − (1+h)/2 D C_t⁻¹
/// ```
///
/// # Order
/// Classical Runge–Kutta at two step sizes, extrapolated (order 5).
///
/// # Source
/// Hirono, Tanaka, Fukushima (arXiv 2403.11262), one-dimensional
/// example.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedGaussian {
    pub mean: DVector<f64>,
    pub covariance: DMatrix<f64>,
}

impl GeneratedGaussian {
    /// `None` when the data are not one Gaussian, the prior is not one, the drift is not affine, or its steps leave no law.
    pub fn new(
        noising: &Noising,
        data: &Mixture,
        prior: &Mixture,
        noise_level: f64,
        t_min: f64,
    ) -> Option<Self> {
        noising.transition()?;
        if data.components() != 1 || prior.components() != 1 {
            return None;
        }
        let moments = Moments {
            noising,
            data_mean: DVector::from_column_slice(&data.means[0]),
            data_covariance: covariance_of(data),
            noise_level,
        };
        let start = (
            DVector::from_column_slice(&prior.means[0]),
            covariance_of(prior),
        );
        let coarse = moments.integrate(start.clone(), noising.end(), t_min, STEPS);
        let fine = moments.integrate(start, noising.end(), t_min, 2 * STEPS);
        let covariance = &fine.1 + (&fine.1 - &coarse.1) / 15.0;
        // Steps that are too long for the drift leave none.
        covariance.clone().cholesky()?;
        Some(Self {
            mean: &fine.0 + (&fine.0 - &coarse.0) / 15.0,
            covariance,
        })
    }

    /// `−E_{N(m, C)} log q`.
    pub fn cross_entropy(&self, mean: &DVector<f64>, covariance: &DMatrix<f64>) -> f64 {
        let d = mean.len() as f64;
        let factor = self
            .covariance
            .clone()
            .cholesky()
            .expect("it was factorised when it was made");
        let log_det: f64 = factor
            .l_dirty()
            .diagonal()
            .iter()
            .map(|l| 2.0 * l.ln())
            .sum();
        let offset = mean - &self.mean;
        let precision = factor.inverse();
        0.5 * (d * std::f64::consts::TAU.ln()
            + log_det
            + (&precision * covariance).trace()
            + (precision * &offset).dot(&offset))
    }

    /// Bures–Wasserstein distance to `N(m, C)`.
    pub fn wasserstein(&self, mean: &DVector<f64>, covariance: &DMatrix<f64>) -> f64 {
        let root = symmetric_root(covariance);
        let cross = symmetric_root(&(&root * &self.covariance * &root));
        let square = (mean - &self.mean).norm_squared()
            + (covariance + &self.covariance - cross * 2.0).trace();
        square.max(0.0).sqrt()
    }
}

/// The covariance of a mixture of one as a matrix.
pub fn covariance_of(gaussian: &Mixture) -> DMatrix<f64> {
    let d = gaussian.dimension();
    gaussian.covariances[0].dense(d)
}

fn symmetric_root(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    let eigen = (0.5 * (matrix + matrix.transpose())).symmetric_eigen();
    let roots = eigen.eigenvalues.map(|v| v.max(0.0).sqrt());
    &eigen.eigenvectors * DMatrix::from_diagonal(&roots) * eigen.eigenvectors.transpose()
}

struct Moments<'a> {
    noising: &'a Noising,
    data_mean: DVector<f64>,
    data_covariance: DMatrix<f64>,
    noise_level: f64,
}

impl Moments<'_> {
    fn integrate(
        &self,
        mut y: (DVector<f64>, DMatrix<f64>),
        from: f64,
        to: f64,
        steps: usize,
    ) -> (DVector<f64>, DMatrix<f64>) {
        // Cosine spacing: the coefficients change fastest at the data end.
        let time = |n: usize| {
            let w = n as f64 / steps as f64;
            from + (to - from) * (std::f64::consts::FRAC_PI_2 * w).sin()
        };
        let mut slopes = vec![self.slope(from, &y)];
        for n in 0..steps {
            let (t, next) = (time(n), time(n + 1));
            let step = t - next;
            let middle = 0.5 * (t + next);
            let along = |k: &(DVector<f64>, DMatrix<f64>), w: f64| {
                (&y.0 + &k.0 * (w * step), &y.1 + &k.1 * (w * step))
            };
            let k1 = slopes.pop().expect("one slope is kept");
            let k2 = self.slope(middle, &along(&k1, 0.5));
            let k3 = self.slope(middle, &along(&k2, 0.5));
            let k4 = self.slope(next, &along(&k3, 1.0));
            y = (
                &y.0 + (k1.0 + (k2.0 + k3.0) * 2.0 + k4.0) * (step / 6.0),
                &y.1 + (k1.1 + (k2.1 + k3.1) * 2.0 + k4.1) * (step / 6.0),
            );
            slopes.push(self.slope(next, &y));
        }
        y
    }

    /// Moment slopes in reverse time at forward time t.
    fn slope(&self, t: f64, y: &(DVector<f64>, DMatrix<f64>)) -> (DVector<f64>, DMatrix<f64>) {
        let d = self.data_mean.len();
        let kernel = self.noising.kernel(t).expect("the drift is affine");
        let marginal_mean = DVector::from_vec(kernel.mean(self.data_mean.as_slice()));
        let unit = |j: usize| {
            let mut e = vec![0.0; d];
            e[j] = 1.0;
            e
        };
        let shift = kernel.mean(&vec![0.0; d]);
        let map = DMatrix::from_fn(d, d, |i, j| kernel.mean(&unit(j))[i] - shift[i]);
        let marginal = &map * &self.data_covariance * map.transpose() + kernel.covariance.dense(d);
        let precision = marginal
            .try_inverse()
            .unwrap_or_else(|| DMatrix::from_element(d, d, f64::NAN));
        let diffusivity = self.noising.noise(t).diffusivity(d);
        let pull = &diffusivity * precision * (0.5 * (1.0 + self.noise_level));
        let jacobian = DMatrix::from_fn(d, d, |i, j| {
            self.drift(t, &unit(j))[i] - self.drift(t, &vec![0.0; d])[i]
        });
        let drift = DVector::from_vec(self.drift(t, y.0.as_slice()));
        let gain = -jacobian - &pull;
        (
            -drift - pull * (&y.0 - marginal_mean),
            &gain * &y.1 + &y.1 * gain.transpose() + diffusivity * self.noise_level,
        )
    }

    fn drift(&self, t: f64, x: &[f64]) -> Vec<f64> {
        let d = x.len();
        let mut out = Batch::zeros(1, d);
        self.noising
            .drift(t, BatchRef::new(x, 1, d, 1), out.as_mut());
        out.row(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discretization::schedule::{Schedule, TimeFunction};
    use crate::problem::meant::law::Covariance;

    /// The eps = 0 rows of the published one-dimensional Gaussian example (closed forms evaluated
    /// independently, six digits).
    #[test]
    fn exact_score_rows_of_the_gaussian_example_are_reproduced() {
        let rows = [
            (
                5.0,
                1.986614,
                1.765523,
                1.765512,
                [0.00474, 0.00200, 0.00006],
            ),
            (
                1.0,
                1.462117,
                1.792821,
                1.771947,
                [0.20503, 0.17936, 0.10628],
            ),
        ];
        for (end, variance, nll_flow, nll_sde, distances) in rows {
            let beta = TimeFunction::Linear {
                lo: 1.0,
                slope: 0.0,
            };
            let noising = Noising::isotropic(Schedule::VariancePreserving(beta), 1, 0.0, end);
            let data = Mixture::gaussian(vec![0.0], Covariance::Isotropic(2.0));
            let prior = Mixture::gaussian(vec![0.0], Covariance::Isotropic(1.0));
            let law =
                |h| GeneratedGaussian::new(&noising, &data, &prior, h, 0.0).expect("Gaussian");
            let (mean, covariance) = (DVector::zeros(1), DMatrix::from_element(1, 1, 2.0));
            assert!((law(0.0).covariance[(0, 0)] - variance).abs() < 1e-6);
            assert!((law(0.0).cross_entropy(&mean, &covariance) - nll_flow).abs() < 1e-6);
            assert!((law(1.0).cross_entropy(&mean, &covariance) - nll_sde).abs() < 1e-6);
            for (h, distance) in [0.0, 0.2, 1.0].into_iter().zip(distances) {
                let found = law(h).wasserstein(&mean, &covariance);
                assert!((found - distance).abs() < 5.1e-6, "{found} {distance}");
            }
        }
    }

    #[test]
    fn only_one_gaussian_has_closed_moments() {
        let noising = Noising::isotropic(Schedule::Brownian { sigma: 1.0 }, 1, 0.0, 1.0);
        let two = Mixture {
            weights: vec![0.5, 0.5],
            means: vec![vec![-1.0], vec![1.0]],
            covariances: vec![Covariance::Isotropic(0.1); 2],
        };
        let prior = Mixture::gaussian(vec![0.0], Covariance::Isotropic(1.0));
        assert_eq!(
            GeneratedGaussian::new(&noising, &two, &prior, 1.0, 0.0),
            None
        );
    }
}
