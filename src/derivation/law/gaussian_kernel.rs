//! The Gaussian transition kernel of the noising presets.
//!
//! ```text
//! X_t | X_0 = y  ~  N(alpha_t y + c_t, sigma_t^2 I)
//! ```
//!
//! | preset | `alpha_t` | `sigma_t^2` |
//! |---|---|---|
//! | `vp` | `exp(-B/2)`, `B = int_0^t beta` | `1 - exp(-B)` |
//! | `sub-vp` | `exp(-B/2)` | `(1 - exp(-B))^2` |
//! | `ve` | 1 | `sigma(t)^2 - sigma(0)^2`, `sigma(t) = sigma_min (sigma_max / sigma_min)^(t/T)` |
//! | `ou` | `exp(-theta t)` | `sigma^2 / (2 theta) (1 - exp(-2 theta t))` |
//! | `brownian` | 1 | `sigma^2 t` |
//!
//! `linear` has a matrix for `alpha_t` and none of the above.
//!
//! # Source
//! Song et al., *Score-based generative modeling through SDEs* (2021), eq. 29.
//!
//! # Executed by
//! The logarithm of the kernel inserted into the Fokker–Planck equation.

use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::noising::Noising;
use crate::expr::Expr;
use crate::expr::arithmetic::{exp, log, power, sum};
use crate::problem::meant::model::{Preset, Rate};

/// Mean factor, shift and variance of `X_t` given `X_0`.
#[derive(Clone, Debug, PartialEq)]
pub struct TransitionKernel {
    /// `alpha_t`.
    pub mean_factor: Expr,
    /// `c_t`, one entry per state.
    pub shift: Vec<Expr>,
    /// `sigma_t^2`.
    pub variance: Expr,
    /// Derivatives of integrals left unnamed, as (derivative, what it is): `B_t = beta`.
    pub rates: Vec<(Expr, Expr)>,
}

/// `B(t) = int_0^t beta` and, where it is not known in closed form, its derivative.
fn integrated_rate(noising: &mut Noising, rate: &Rate, end: f64) -> (Expr, Vec<(Expr, Expr)>) {
    let t = noising.time;
    let graph = &mut noising.graph;
    match rate {
        Rate::Constant(value) => {
            let value = graph.number(*value);
            (graph.of(value * t), Vec::new())
        }
        Rate::Linear { lo, hi } => {
            let [lo, hi, end] = [*lo, *hi, end].map(|value| graph.number(value));
            let slope = graph.of((hi - lo) / end);
            (graph.of(lo * t + slope * power(t, 2) / 2), Vec::new())
        }
        Rate::Expression(beta) => {
            if let Some(integral) = graph.integral_from_zero(*beta, t) {
                return (integral, Vec::new());
            }
            let integral = graph.unknown("B", &[t]);
            let derivative = graph.derivative(integral, t);
            (integral, vec![(derivative, *beta)])
        }
    }
}

/// The kernel of a preset over `[0, end]`; `None` for `linear`.
pub fn transition_kernel(
    noising: &mut Noising,
    preset: &Preset,
    end: f64,
) -> Option<TransitionKernel> {
    let t = noising.time;
    let (zero, one) = (noising.graph.zero(), noising.graph.one());
    let mut kernel = TransitionKernel {
        mean_factor: one,
        shift: vec![zero; noising.dimension()],
        variance: zero,
        rates: Vec::new(),
    };
    let mut integral = None;
    if let Preset::VariancePreserving { beta } | Preset::SubVariancePreserving { beta } = preset {
        integral = Some(integrated_rate(noising, beta, end));
    }
    let graph = &mut noising.graph;
    match preset {
        Preset::VariancePreserving { .. } | Preset::SubVariancePreserving { .. } => {
            let (integral, rates) = integral?;
            let missing = graph.of(1 - exp(-integral));
            kernel.mean_factor = graph.of(exp(-integral / 2));
            kernel.variance = match preset {
                Preset::SubVariancePreserving { .. } => graph.powi(missing, 2),
                _ => missing,
            };
            kernel.rates = rates;
        }
        Preset::VarianceExploding { minimum, maximum } => {
            let [low, high, end] = [*minimum, *maximum, end].map(|value| graph.number(value));
            let growth = exp(2 * log(high / low) * t / end);
            kernel.variance = graph.of(power(low, 2) * (growth - 1));
        }
        Preset::OrnsteinUhlenbeck { rate, sigma, mean } => {
            let (rate, sigma) = (graph.number(*rate), graph.number(*sigma));
            kernel.mean_factor = graph.of(exp(-(rate * t)));
            let decay = kernel.mean_factor;
            let lost = graph.of(1 - decay);
            let mean: Vec<Expr> = mean.iter().map(|m| graph.number(*m)).collect();
            kernel.shift = graph.each(mean.iter().map(|m| *m * lost));
            let (scale, missing) = (power(sigma, 2) / rate, 1 - power(decay, 2));
            kernel.variance = graph.of(scale * missing / 2);
        }
        Preset::Brownian { sigma } => {
            let sigma = graph.number(*sigma);
            kernel.variance = graph.of(power(sigma, 2) * t);
        }
        Preset::Linear { .. } | Preset::Langevin { .. } | Preset::Underdamped { .. } => {
            return None;
        }
    }
    Some(kernel)
}

/// The logarithm of the kernel without its constant: `-|x - alpha y - c|^2 / (2 sigma^2) - d/2 log sigma^2`.
fn log_kernel(noising: &mut Noising, kernel: &TransitionKernel) -> Expr {
    let start = noising.constants("y", noising.dimension());
    let means = start.iter().zip(&kernel.shift);
    let means = noising
        .graph
        .each(means.map(|(y, c)| kernel.mean_factor * *y + *c));
    let squares = noising
        .state
        .iter()
        .zip(&means)
        .map(|(x, m)| power(*x - *m, 2));
    let d = i32::try_from(noising.dimension()).expect("a dimension fits in 32 bits");
    let variance = kernel.variance;
    noising.of(-(sum(squares) / variance) / 2 - d * log(variance) / 2)
}

/// The kernel started at a point solves the Fokker–Planck equation.
///
/// # Errors
/// [`Refuted`] if mean or variance belong to another process.
pub fn execute(noising: &mut Noising, kernel: &TransitionKernel) -> Result<Evidence, Refuted> {
    let log = log_kernel(noising, kernel);
    let slope = noising.gradient(log);
    // In terms of the logarithm: l_t = -div f - f . grad l + 1/2 D : grad grad l + 1/2 grad l . D grad l,
    // D being free of the state.
    let carried = noising.dot(&noising.drift.clone(), &slope);
    let spread = noising.half_curvature(log);
    let diffused = noising.diffuse(&slope);
    let bent = noising.dot(&slope, &diffused);
    let rate = noising.graph.derivative(log, noising.time);
    let rate = noising.graph.substitute(rate, &kernel.rates);
    let right = spread + bent / 2 - (noising.drift_divergence + carried);
    noising.equal("the Gaussian kernel solves Fokker-Planck", rate, right)
}
