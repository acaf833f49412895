//! Noise schedules of linear isotropic noising and the transition moments they imply.

use crate::expr::{CompileError, Expr, Graph, Kernel};
use crate::numeric::batch::Batch;
use crate::problem::meant::model::{Preset, Rate};
use gauss_quad::GaussLegendre;
use std::num::NonZeroUsize;

/// A non-negative function of time with its integral.
#[derive(Clone, Debug)]
pub enum TimeFunction {
    /// `lo + slope t`.
    Linear { lo: f64, slope: f64 },
    /// Compiled from the user's expression; integrals by composite Gauss–Legendre quadrature.
    Compiled(Kernel),
}

/// Panels and nodes of the quadrature over a compiled rate. Each panel is exact to degree 31, so
/// smooth rates are integrated to rounding; the panels are halved towards the right end, where the
/// published schedules (cosine) have their pole just outside the horizon.
const PANELS: usize = 12;
const NODES: usize = 16;

impl TimeFunction {
    /// Reads a preset's rate; `end` is the end of the horizon, where `hi` is reached.
    pub fn new(rate: &Rate, end: f64, graph: &Graph, time: Expr) -> Result<Self, CompileError> {
        Ok(match rate {
            Rate::Constant(value) => Self::Linear {
                lo: *value,
                slope: 0.0,
            },
            Rate::Linear { lo, hi } => Self::Linear {
                lo: *lo,
                slope: (hi - lo) / end,
            },
            Rate::Expression(expr) => Self::Compiled(Kernel::compile(graph, &[*expr], time, &[])?),
        })
    }

    pub fn at(&self, t: f64) -> f64 {
        match self {
            Self::Linear { lo, slope } => lo + slope * t,
            Self::Compiled(kernel) => {
                let mut out = Batch::zeros(1, 1);
                kernel.eval(t, Batch::zeros(1, 0).as_ref(), out.as_mut());
                out.get(0, 0)
            }
        }
    }

    /// `∫_a^b` of the function.
    pub fn integral(&self, a: f64, b: f64) -> f64 {
        match self {
            Self::Linear { lo, slope } => (b - a) * (lo + 0.5 * slope * (a + b)),
            Self::Compiled(_) => {
                let rule = GaussLegendre::new(const { NonZeroUsize::new(NODES).unwrap() });
                let mut total = 0.0;
                let mut left = a;
                for panel in 0..PANELS {
                    let right = if panel + 1 == PANELS {
                        b
                    } else {
                        left + 0.5 * (b - left)
                    };
                    total += rule.integrate(left, right, |t| self.at(t));
                    left = right;
                }
                total
            }
        }
    }
}

/// Linear isotropic noising `dX = -r(t) (X - c) dt + g(t) dW`.
///
/// Transition from time 0: `X_t - c = alpha_t (X_0 - c) + sigma_t Z`.
///
/// # Source
/// Song et al., *Score-based generative modeling through SDEs* (2021), appendix B, for the
/// variance-preserving, sub-variance-preserving and variance-exploding processes.
#[derive(Clone, Debug)]
pub enum Schedule {
    VariancePreserving(TimeFunction),
    SubVariancePreserving(TimeFunction),
    /// Standard deviation geometric from `minimum` at 0 to `maximum` at `end`.
    VarianceExploding {
        minimum: f64,
        maximum: f64,
        end: f64,
    },
    OrnsteinUhlenbeck {
        rate: f64,
        sigma: f64,
    },
    Brownian {
        sigma: f64,
    },
}

impl Schedule {
    /// The schedule of a preset; `None` for presets that are not isotropic.
    pub fn new(
        preset: &Preset,
        end: f64,
        graph: &Graph,
        time: Expr,
    ) -> Result<Option<Self>, CompileError> {
        Ok(Some(match preset {
            Preset::VariancePreserving { beta } => {
                Self::VariancePreserving(TimeFunction::new(beta, end, graph, time)?)
            }
            Preset::SubVariancePreserving { beta } => {
                Self::SubVariancePreserving(TimeFunction::new(beta, end, graph, time)?)
            }
            Preset::VarianceExploding { minimum, maximum } => Self::VarianceExploding {
                minimum: *minimum,
                maximum: *maximum,
                end,
            },
            Preset::OrnsteinUhlenbeck { rate, sigma, .. } => Self::OrnsteinUhlenbeck {
                rate: *rate,
                sigma: *sigma,
            },
            Preset::Brownian { sigma } => Self::Brownian { sigma: *sigma },
            Preset::Linear { .. } | Preset::Langevin { .. } | Preset::Underdamped { .. } => {
                return Ok(None);
            }
        }))
    }

    /// `r(t)` in `f = -r x`, per unit time.
    pub fn decay_rate(&self, t: f64) -> f64 {
        match self {
            Self::VariancePreserving(beta) | Self::SubVariancePreserving(beta) => 0.5 * beta.at(t),
            Self::VarianceExploding { .. } | Self::Brownian { .. } => 0.0,
            Self::OrnsteinUhlenbeck { rate, .. } => *rate,
        }
    }

    /// `g(t)²`, state² per unit time.
    pub fn diffusivity(&self, t: f64) -> f64 {
        match self {
            Self::VariancePreserving(beta) => beta.at(t),
            Self::SubVariancePreserving(beta) => {
                beta.at(t) * -(-2.0 * beta.integral(0.0, t)).exp_m1()
            }
            Self::VarianceExploding {
                minimum,
                maximum,
                end,
            } => {
                let ratio = (maximum / minimum).ln();
                let sigma = minimum * (ratio * t / end).exp();
                2.0 * ratio / end * sigma * sigma
            }
            Self::OrnsteinUhlenbeck { sigma, .. } | Self::Brownian { sigma } => sigma * sigma,
        }
    }

    /// `alpha_{t|s}`: mean factor from time s to time t ≥ s.
    pub fn mean_factor(&self, s: f64, t: f64) -> f64 {
        match self {
            Self::VariancePreserving(beta) | Self::SubVariancePreserving(beta) => {
                (-0.5 * beta.integral(s, t)).exp()
            }
            Self::VarianceExploding { .. } | Self::Brownian { .. } => 1.0,
            Self::OrnsteinUhlenbeck { rate, .. } => (-rate * (t - s)).exp(),
        }
    }

    /// `sigma²_{t|s}`: variance of X_t given X_s, without cancellation for t close to s.
    pub fn noise_variance(&self, s: f64, t: f64) -> f64 {
        match self {
            Self::VariancePreserving(beta) => -(-beta.integral(s, t)).exp_m1(),
            Self::SubVariancePreserving(beta) => {
                // (1 - e^{-B_t})^2 - e^{-(B_t - B_s)} (1 - e^{-B_s})^2, factored.
                let early = beta.integral(0.0, s);
                let step = beta.integral(s, t);
                -(-step).exp_m1() * -(-(2.0 * early + step)).exp_m1()
            }
            Self::VarianceExploding {
                minimum,
                maximum,
                end,
            } => {
                let twice = 2.0 * (maximum / minimum).ln() / end;
                minimum * minimum * (twice * s).exp() * (twice * (t - s)).exp_m1()
            }
            Self::OrnsteinUhlenbeck { rate, sigma } => {
                if *rate == 0.0 {
                    sigma * sigma * (t - s)
                } else {
                    sigma * sigma * -(-2.0 * rate * (t - s)).exp_m1() / (2.0 * rate)
                }
            }
            Self::Brownian { sigma } => sigma * sigma * (t - s),
        }
    }

    /// `log(alpha_t² / sigma_t²)` of the transition from time 0.
    pub fn log_snr(&self, t: f64) -> f64 {
        2.0 * self.mean_factor(0.0, t).ln() - self.noise_variance(0.0, t).ln()
    }
}
