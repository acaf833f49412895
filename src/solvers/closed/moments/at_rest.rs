//! Mean, covariance and memory of a linear process at rest: `moments` where the horizon has no end.
//!
//! ```text
//! A m + a = 0,      A C + C A' + D = 0,      E (x_t - m)(x_0 - m)' = exp(A t) C
//! tau_i = int_0^inf corr(x_i(t), x_i(0)) dt = (-A^-1 C)_ii / C_ii
//! ```
//!
//! A mean over a time `T` of one path has the variance `2 C_ii tau_i / T`.
//!
//! # Assumes
//! What `moments` assumes, coefficients free of time, and every eigenvalue of `A` in the left half plane: else refused.
//!
//! # Order
//! Exact but for rounding, which is told by what is left of the equations, solved for once more; `O(d^3)`.
//!
//! # Source
//! Gardiner (2009), sections 4.5.6 and 3.7.
//!
//! # Checked by
//! The closed form of the Ornstein–Uhlenbeck process; the stationary density in one state

use crate::numeric::algebraic_riccati::slowest;
use crate::numeric::dense::{DenseError, stationary_covariance};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::numeric::symplectic::solved;
use crate::solvers::closed::moments::{Moments, NAME, REPORTED};
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use nalgebra::DMatrix;

/// The equations of a process at rest.
#[derive(Clone, Debug, PartialEq)]
pub struct AtRest(pub Moments);

/// `A`, `a` and `D`, and the covariance.
pub struct Found {
    drift: DMatrix<f64>,
    shift: DMatrix<f64>,
    diffusivity: DMatrix<f64>,
    covariance: DMatrix<f64>,
}

impl Method for AtRest {
    const ASKS: Asks = Asks::NoControl;
    const ENDLESS: bool = true;
    type Admitted = Found;
    type State = Found;

    fn admit(&self, lowered: &Lowered) -> Result<Found, Refusal> {
        let [drift, shift, diffusivity] = self.0.admit(lowered)?.matrices(lowered.horizon().0);
        let rest = stationary_covariance(&drift, &diffusivity);
        let covariance = rest.map_err(|error: DenseError| Refusal {
            method: NAME,
            reason: error.to_string(),
            accepted: "a drift that pulls every state back; or horizon = [t0, t1]".to_owned(),
        })?;
        Ok(Found {
            drift,
            shift,
            diffusivity,
            covariance,
        })
    }

    fn start(&self, _: &Lowered, found: Found, _: &Streams) -> Result<Found, SolveError> {
        Ok(found)
    }

    fn advance(&self, _: &Lowered, _: &mut Found, _: &mut Work) -> Result<(), SolveError> {
        Ok(())
    }

    fn progress(&self, _: &Found) -> Progress {
        Progress::Stopped(StopReason::Direct)
    }

    fn finish(&self, lowered: &Lowered, found: Found) -> Result<Answer, SolveError> {
        let Found {
            drift,
            shift,
            diffusivity,
            covariance,
        } = &found;
        let d = lowered.dimension();
        let carried = drift * covariance;
        let left = &carried + carried.transpose() + diffusivity;
        let unknown = SolveError::NotFinite {
            what: "the mean at rest",
            value: f64::NAN,
            time: lowered.horizon().0,
            suggestion: "horizon = [t0, t1]".to_owned(),
        };
        let (Some(mean), Some(memory)) = (solved(drift, &-shift), solved(drift, covariance)) else {
            return Err(unknown);
        };
        // What is left is as small a source as the source itself is large.
        let missed = stationary_covariance(drift, &left).map_or(f64::INFINITY, |c| c.amax());
        let off = solved(drift, &(drift * &mean + shift)).map_or(f64::INFINITY, |m| m.amax());
        let rounded = |value: f64, error: f64| {
            let floor = 64.0 * f64::EPSILON * value.abs();
            Estimate::new(value, error + floor, ErrorKind::Rounding)
        };
        let mut answer = Answer::default();
        for i in 0..d.min(REPORTED) {
            let (m, c) = (mean[(i, 0)], covariance[(i, i)]);
            let suffix = if d == 1 {
                String::new()
            } else {
                format!("[{i}]")
            };
            answer.push(format!("mean{suffix}"), rounded(m, off));
            let square_error = missed + 2.0 * m.abs() * off;
            answer.push(
                format!("mean_square{suffix}"),
                rounded(c + m * m, square_error),
            );
            answer.push(format!("variance{suffix}"), rounded(c, missed));
            for j in 0..i {
                let name = format!("covariance[{i}][{j}]");
                answer.push(name, rounded(covariance[(i, j)], missed));
            }
            if c > 0.0 {
                let time = -memory[(i, i)] / c;
                let error = 2.0 * time.abs() * missed / c;
                answer.push(
                    format!("autocorrelation_time{suffix}"),
                    rounded(time, error),
                );
            }
        }
        if let Some(rate) = slowest(drift) {
            answer.facts.push(("slowest rate", rate));
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
