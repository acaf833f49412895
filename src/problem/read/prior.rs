//! The law the reverse process starts from, when the file does not say.
//!
//! | dynamics | default |
//! |---|---|
//! | `vp`, `sub-vp` | N(0, I) |
//! | `ve` | N(0, sigma_max^2 I) |
//! | `ou`, mean factor at the end below 1 % | its stationary law |
//! | other affine drift with state-free noise | Gaussian with the mean and covariance of X at the end |
//! | anything else | `[prior]` is required |

use crate::expr::{Expr, Graph};
use crate::problem::meant::law::{Covariance, Law, Mixture};
use crate::problem::meant::model::{Dynamics, Preset};

/// Ornstein–Uhlenbeck noising has reached its stationary law when this much of the start is left.
const FORGOTTEN: f64 = 0.01;

/// Relative agreement asked of two step counts of the moment equations.
const AGREEMENT: f64 = 1e-10;

/// The default prior; `None` when there is no rule.
pub(crate) fn default_prior(
    graph: &mut Graph,
    time: Expr,
    state: &[Expr],
    dynamics: &Dynamics,
    data: &Law,
) -> Option<Law> {
    let d = state.len();
    let length = dynamics.horizon.1 - dynamics.horizon.0;
    let isotropic =
        |mean: Vec<f64>, variance: f64| Mixture::gaussian(mean, Covariance::Isotropic(variance));
    let gaussian = match &dynamics.preset {
        Some(Preset::VariancePreserving { .. } | Preset::SubVariancePreserving { .. }) => {
            isotropic(vec![0.0; d], 1.0)
        }
        Some(Preset::VarianceExploding { maximum, .. }) => {
            isotropic(vec![0.0; d], maximum * maximum)
        }
        Some(Preset::OrnsteinUhlenbeck { rate, sigma, mean })
            if (-rate * length).exp() < FORGOTTEN =>
        {
            isotropic(mean.clone(), sigma * sigma / (2.0 * rate))
        }
        _ => {
            let start = data.mixture()?;
            let system = AffineSystem::new(graph, time, state, dynamics)?;
            let (mean, covariance) =
                system.end_moments(dynamics.horizon, start.mean(), start.covariance())?;
            Mixture::gaussian(mean, simplest(covariance))
        }
    };
    Some(Law::Gaussian(gaussian))
}

/// A covariance in its cheapest form.
fn simplest(rows: Vec<Vec<f64>>) -> Covariance {
    let d = rows.len();
    let diagonal = (0..d).all(|i| (0..d).all(|j| i == j || rows[i][j] == 0.0));
    if !diagonal {
        return Covariance::Full(rows);
    }
    let values: Vec<f64> = (0..d).map(|i| rows[i][i]).collect();
    if values.iter().all(|v| *v == values[0]) {
        Covariance::Isotropic(values[0])
    } else {
        Covariance::Diagonal(values)
    }
}

/// `dX = (A(t) X + a(t)) dt + S(t) dW`, coefficients as expressions of time.
pub(crate) struct AffineSystem<'g> {
    graph: &'g Graph,
    time: Expr,
    /// `A` row by row, then `a`, then `S` row by row.
    roots: Vec<Expr>,
    states: usize,
    noises: usize,
}

impl<'g> AffineSystem<'g> {
    /// `None` unless the drift is proved affine and the noise free of the state.
    pub(crate) fn new(
        graph: &'g mut Graph,
        time: Expr,
        state: &[Expr],
        dynamics: &Dynamics,
    ) -> Option<Self> {
        let mut roots = Vec::new();
        let mut shifts = Vec::new();
        for f in &dynamics.drift {
            let (row, shift) = graph.affine_coefficients(*f, state)?;
            roots.extend(row);
            shifts.push(shift);
        }
        roots.extend(shifts);
        for entry in dynamics.diffusion.iter().flatten() {
            if graph.depends_on_any(*entry, state) {
                return None;
            }
            roots.push(*entry);
        }
        Some(Self {
            graph,
            time,
            roots,
            states: state.len(),
            noises: dynamics.diffusion[0].len(),
        })
    }

    /// Mean and covariance of X at the end of the horizon, from
    ///
    /// ```text
    /// m' = A m + a,        C' = A C + C A' + S S'
    /// ```
    ///
    /// by the classical Runge–Kutta scheme with doubled step counts until two agree; `None` if they
    /// never do (a coefficient that is not finite).
    ///
    /// # Source
    /// Särkkä and Solin, *Applied Stochastic Differential Equations* (2019), eqs. 6.2.
    fn end_moments(
        &self,
        horizon: (f64, f64),
        mean: Vec<f64>,
        covariance: Vec<Vec<f64>>,
    ) -> Option<(Vec<f64>, Vec<Vec<f64>>)> {
        let d = self.states;
        let mut start = mean;
        start.extend(covariance.into_iter().flatten());
        let mut steps = 64;
        let mut last = self.integrate(horizon, &start, steps)?;
        while steps < 65_536 {
            steps *= 2;
            let next = self.integrate(horizon, &start, steps)?;
            let size = next.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            let change = next
                .iter()
                .zip(&last)
                .fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
            last = next;
            if change <= AGREEMENT * size {
                let mean = last[..d].to_vec();
                let rows: Vec<Vec<f64>> = (0..d)
                    .map(|i| {
                        (0..d)
                            .map(|j| 0.5 * (last[d + i * d + j] + last[d + j * d + i]))
                            .collect()
                    })
                    .collect();
                return Some((mean, rows));
            }
        }
        None
    }

    fn integrate(&self, (start, end): (f64, f64), y: &[f64], steps: usize) -> Option<Vec<f64>> {
        let step = (end - start) / steps as f64;
        let mut y = y.to_vec();
        let shifted = |y: &[f64], k: &[f64], c: f64| -> Vec<f64> {
            y.iter().zip(k).map(|(y, k)| y + c * k).collect()
        };
        for n in 0..steps {
            let t = start + n as f64 * step;
            let k1 = self.rates(t, &y)?;
            let k2 = self.rates(t + 0.5 * step, &shifted(&y, &k1, 0.5 * step))?;
            let k3 = self.rates(t + 0.5 * step, &shifted(&y, &k2, 0.5 * step))?;
            let k4 = self.rates(t + step, &shifted(&y, &k3, step))?;
            for i in 0..y.len() {
                y[i] += step / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]);
            }
        }
        y.iter().all(|v| v.is_finite()).then_some(y)
    }

    fn rates(&self, t: f64, y: &[f64]) -> Option<Vec<f64>> {
        let d = self.states;
        let values = self.graph.evaluate_all(&self.roots, &[(self.time, t)])?;
        let (a, rest) = values.split_at(d * d);
        let (shift, s) = rest.split_at(d);
        let (m, c) = y.split_at(d);
        let mut out = vec![0.0; y.len()];
        for i in 0..d {
            out[i] = shift[i] + (0..d).map(|k| a[i * d + k] * m[k]).sum::<f64>();
            for j in 0..d {
                let contraction: f64 = (0..d)
                    .map(|k| a[i * d + k] * c[k * d + j] + c[i * d + k] * a[j * d + k])
                    .sum();
                let noise: f64 = (0..self.noises)
                    .map(|k| s[i * self.noises + k] * s[j * self.noises + k])
                    .sum();
                out[d + i * d + j] = contraction + noise;
            }
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::meant::model::{Boundary, Calculus};

    fn dynamics(graph: &mut Graph, rate: f64, sigma: f64, end: f64) -> (Expr, Expr, Dynamics) {
        let (t, x) = (graph.symbol("t"), graph.symbol("x"));
        let minus = graph.number(-rate);
        let drift = graph.mul(&[minus, x]);
        let noise = graph.number(sigma);
        let dynamics = Dynamics {
            horizon: (0.0, end),
            preset: None,
            drift: vec![drift],
            diffusion: vec![vec![noise]],
            calculus: Calculus::Ito,
            domain: None,
            boundary: vec![Boundary::Natural],
        };
        (t, x, dynamics)
    }

    #[test]
    fn end_moments_of_an_ornstein_uhlenbeck_process_are_the_closed_form() {
        let mut graph = Graph::new();
        let (rate, sigma, end): (f64, f64, f64) = (0.7, 1.3, 1.1);
        let (t, x, dynamics) = dynamics(&mut graph, rate, sigma, end);
        let data = Law::Gaussian(Mixture::gaussian(vec![2.0], Covariance::Isotropic(0.25)));
        let prior = default_prior(&mut graph, t, &[x], &dynamics, &data).expect("affine");
        let mixture = prior.mixture().expect("a Gaussian");
        let decay = (-rate * end).exp();
        let variance = 0.25 * decay * decay + sigma * sigma * (1.0 - decay * decay) / (2.0 * rate);
        assert!((mixture.means[0][0] - 2.0 * decay).abs() < 1e-11);
        assert!((mixture.covariances[0].entry(0, 0) - variance).abs() < 1e-11);
    }

    #[test]
    fn a_nonlinear_drift_has_no_default() {
        let mut graph = Graph::new();
        let (t, x, mut dynamics) = dynamics(&mut graph, 1.0, 1.0, 1.0);
        dynamics.drift[0] = graph.powi(x, 3);
        let data = Law::Gaussian(Mixture::gaussian(vec![0.0], Covariance::Isotropic(1.0)));
        assert!(default_prior(&mut graph, t, &[x], &dynamics, &data).is_none());
    }
}
