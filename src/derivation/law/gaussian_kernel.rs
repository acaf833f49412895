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

use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::noising::Noising;
use crate::expr::Expr;
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
            (graph.mul(&[value, t]), Vec::new())
        }
        Rate::Linear { lo, hi } => {
            let (lo, hi, end) = (graph.number(*lo), graph.number(*hi), graph.number(end));
            let rise = graph.sub(hi, lo);
            let slope = graph.div(rise, end);
            let (half, square) = (graph.rational(1, 2), graph.powi(t, 2));
            let first = graph.mul(&[lo, t]);
            let second = graph.mul(&[half, slope, square]);
            (graph.add(&[first, second]), Vec::new())
        }
        Rate::Expression(beta) => {
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
    let d = noising.dimension();
    let t = noising.time;
    let (zero, one) = (noising.graph.zero(), noising.graph.one());
    let mut kernel = TransitionKernel {
        mean_factor: one,
        shift: vec![zero; d],
        variance: zero,
        rates: Vec::new(),
    };
    match preset {
        Preset::VariancePreserving { beta } | Preset::SubVariancePreserving { beta } => {
            let (integral, rates) = integrated_rate(noising, beta, end);
            let graph = &mut noising.graph;
            let (half, minus) = (graph.rational(-1, 2), graph.integer(-1));
            let exponent = graph.mul(&[half, integral]);
            let decay = graph.mul(&[minus, integral]);
            let decay = graph.exp(decay);
            let missing = graph.sub(one, decay);
            kernel.mean_factor = graph.exp(exponent);
            kernel.variance = match preset {
                Preset::SubVariancePreserving { .. } => graph.powi(missing, 2),
                _ => missing,
            };
            kernel.rates = rates;
        }
        Preset::VarianceExploding { minimum, maximum } => {
            let graph = &mut noising.graph;
            let (low, high) = (graph.number(*minimum), graph.number(*maximum));
            let (end, two) = (graph.number(end), graph.integer(2));
            let ratio = graph.div(high, low);
            let log = graph.log(ratio);
            let rate = graph.mul(&[two, log, t]);
            let exponent = graph.div(rate, end);
            let growth = graph.exp(exponent);
            let gained = graph.sub(growth, one);
            let start = graph.powi(low, 2);
            kernel.variance = graph.mul(&[start, gained]);
        }
        Preset::OrnsteinUhlenbeck { rate, sigma, mean } => {
            let graph = &mut noising.graph;
            let (rate, sigma) = (graph.number(*rate), graph.number(*sigma));
            let (minus, half) = (graph.integer(-1), graph.rational(1, 2));
            let exponent = graph.mul(&[minus, rate, t]);
            let decay = graph.exp(exponent);
            let lost = graph.sub(one, decay);
            let square = graph.powi(decay, 2);
            let missing = graph.sub(one, square);
            let noise = graph.powi(sigma, 2);
            let scale = graph.div(noise, rate);
            kernel.mean_factor = decay;
            kernel.shift = mean
                .iter()
                .map(|m| {
                    let m = graph.number(*m);
                    graph.mul(&[m, lost])
                })
                .collect();
            kernel.variance = graph.mul(&[half, scale, missing]);
        }
        Preset::Brownian { sigma } => {
            let graph = &mut noising.graph;
            let sigma = graph.number(*sigma);
            let noise = graph.powi(sigma, 2);
            kernel.variance = graph.mul(&[noise, t]);
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
    let graph = &mut noising.graph;
    let mut squares = Vec::new();
    for ((x, y), c) in noising.state.iter().zip(&start).zip(&kernel.shift) {
        let moved = graph.mul(&[kernel.mean_factor, *y]);
        let mean = graph.add(&[moved, *c]);
        let distance = graph.sub(*x, mean);
        squares.push(graph.powi(distance, 2));
    }
    let square = graph.add(&squares);
    let half = graph.rational(-1, 2);
    let quotient = graph.div(square, kernel.variance);
    let distance = graph.mul(&[half, quotient]);
    let d = i64::try_from(noising.state.len()).expect("a dimension fits in 64 bits");
    let log = graph.log(kernel.variance);
    let factor = graph.rational(-d, 2);
    let width = graph.mul(&[factor, log]);
    graph.add(&[distance, width])
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
    let (drift, opened) = (noising.drift.clone(), noising.drift_divergence);
    let carried = noising.dot(&drift, &slope);
    let spread = noising.half_curvature(log);
    let diffused = noising.diffuse(&slope);
    let bent = noising.dot(&slope, &diffused);
    let rate = noising.graph.derivative(log, noising.time);
    let rate = noising.graph.substitute(rate, &kernel.rates);
    let graph = &mut noising.graph;
    let half = graph.rational(1, 2);
    let bent = graph.mul(&[half, bent]);
    let lost = graph.add(&[opened, carried]);
    let gained = graph.add(&[spread, bent]);
    let right = graph.sub(gained, lost);
    let claim = "the Gaussian kernel solves Fokker-Planck";
    equal(graph, claim, rate, right)
}
