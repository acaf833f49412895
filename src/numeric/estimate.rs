//! A number and what is known about its error.

use crate::numeric::blocks::pairwise_sum;

/// Where an error comes from; it decides how a verdict may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Closed form: rounding only.
    Rounding,
    /// Difference of two quadrature rules or tolerances.
    Quadrature,
    /// Difference between grids, usually a Richardson estimate.
    Grid,
    /// One standard error of a Monte Carlo mean.
    StandardError,
    /// Bias of a finite time step, estimated by step halving.
    Step,
    /// Nothing is known.
    Unknown,
}

impl ErrorKind {
    /// The word used in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rounding => "rounding",
            Self::Quadrature => "quadrature",
            Self::Grid => "grid",
            Self::StandardError => "se",
            Self::Step => "step",
            Self::Unknown => "unknown",
        }
    }
}

/// A value with its absolute error (one standard error when it is statistical).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub error: f64,
    pub kind: ErrorKind,
}

impl Estimate {
    pub fn new(value: f64, error: f64, kind: ErrorKind) -> Self {
        Self { value, error, kind }
    }

    /// A closed-form value: a few ulps.
    pub fn closed_form(value: f64) -> Self {
        Self::new(value, 8.0 * f64::EPSILON * value.abs(), ErrorKind::Rounding)
    }

    /// Mean and standard error of independent samples.
    pub fn from_samples(samples: &[f64]) -> Self {
        let n = samples.len() as f64;
        let mean = pairwise_sum(samples) / n;
        let squares: Vec<f64> = samples.iter().map(|x| (x - mean) * (x - mean)).collect();
        let error = if samples.len() > 1 {
            (pairwise_sum(&squares) / (n * (n - 1.0))).sqrt()
        } else {
            f64::INFINITY
        };
        Self::new(mean, error, ErrorKind::StandardError)
    }

    /// Difference of two independent estimates, errors added in quadrature.
    pub fn minus(&self, other: &Estimate) -> Estimate {
        let kind = if self.error >= other.error {
            self.kind
        } else {
            other.kind
        };
        Estimate::new(
            self.value - other.value,
            self.error.hypot(other.error),
            kind,
        )
    }
}

/// By how much the standard error of `count` numbers must be widened to be read like one of many: three such errors
/// hold Student's law of `count - 1` degrees of freedom as often as three standard deviations hold a normal law.
///
/// # Source
/// Abramowitz & Stegun (1964), 26.7.5, at the normal quantile 3.
pub fn student_factor(count: usize) -> f64 {
    if count < 2 {
        return f64::INFINITY;
    }
    let v = (count - 1) as f64;
    // Terms (z^3 + z)/4 and so on, over z = 3.
    1.0 + (2.5 + (5.75 + (10.0625 + 12.867 / v) / v) / v) / v
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles 0.99865 of Student's law by other software: 3.5864 at 15 degrees of freedom, 4.0943 at 9 and 3.1235 at 63.
    #[test]
    fn student_quantiles_at_three_standard_deviations() {
        for (count, quantile) in [(16, 3.5864), (10, 4.0943), (64, 3.1235)] {
            let factor = student_factor(count);
            assert!((3.0 * factor - quantile).abs() < 5e-3, "{count}: {factor}");
        }
    }

    #[test]
    fn standard_error_of_two_points_is_half_their_distance() {
        let estimate = Estimate::from_samples(&[1.0, 3.0]);
        assert_eq!((estimate.value, estimate.error), (2.0, 1.0));
    }
}
