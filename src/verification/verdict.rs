//! Residuals and the verdicts they earn.

/// What became of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both sides are equal symbolically, under stated assumptions.
    Proved,
    Pass,
    Fail,
    /// The error bar is wider than the tolerance: nothing can be said yet.
    Inconclusive,
    /// The identity does not apply, with the reason.
    Skipped,
}

impl Verdict {
    /// The word used in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::Skipped => "skipped",
        }
    }
}

/// A measured quantity that should lie within `limit` of `target`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Residual {
    pub measured: f64,
    /// What the identity predicts; 0 for differences.
    pub target: f64,
    /// Tolerance around the target.
    pub limit: f64,
    /// One standard error; `None` for deterministic measurements.
    pub standard_error: Option<f64>,
    /// Bound on systematic error: step bias, quadrature, differences.
    pub bias: f64,
    /// Independent samples behind the standard error.
    pub samples: usize,
}

impl Residual {
    /// A deterministic residual with a bound on its own error.
    pub fn deterministic(measured: f64, bias: f64, limit: f64) -> Self {
        Self {
            measured,
            target: 0.0,
            limit,
            standard_error: None,
            bias,
            samples: 0,
        }
    }

    /// A statistical residual.
    pub fn statistical(
        measured: f64,
        standard_error: f64,
        bias: f64,
        limit: f64,
        samples: usize,
    ) -> Self {
        Self {
            measured,
            target: 0.0,
            limit,
            standard_error: Some(standard_error),
            bias,
            samples,
        }
    }

    /// Half-width of the error bar at `confidence` standard errors.
    pub fn error_bar(&self, confidence: f64) -> f64 {
        confidence * self.standard_error.unwrap_or(0.0) + self.bias
    }

    /// Distance from the target.
    pub fn distance(&self) -> f64 {
        (self.measured - self.target).abs()
    }

    /// - `Fail`: the distance exceeds the tolerance by more than the error bar (or is not a number);
    /// - `Pass`: the distance is within the tolerance and the error bar is not wider than it;
    /// - `Inconclusive` otherwise.
    ///
    /// For a true identity `Fail` needs an excursion of more than `confidence` standard errors beyond the
    /// tolerance.
    pub fn verdict(&self, confidence: f64) -> Verdict {
        let bar = self.error_bar(confidence);
        let distance = self.distance();
        if distance.is_nan() || distance > self.limit + bar {
            Verdict::Fail
        } else if bar <= self.limit && distance <= self.limit {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        }
    }

    /// Factor of samples that would bring the error bar to four fifths of the tolerance.
    pub fn samples_needed(&self, confidence: f64) -> Option<f64> {
        let error = self.standard_error?;
        let room = 0.8 * self.limit - self.bias;
        (room > 0.0).then(|| (confidence * error / room).powi(2).max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_error_bar_cannot_pass() {
        let wide = Residual::statistical(0.0, 0.1, 0.0, 0.1, 100);
        assert_eq!(wide.verdict(4.0), Verdict::Inconclusive);
        assert!((wide.samples_needed(4.0).expect("statistical") - 25.0).abs() < 1e-9);
        let narrow = Residual::statistical(0.05, 0.01, 0.0, 0.1, 100);
        assert_eq!(narrow.verdict(4.0), Verdict::Pass);
        let off = Residual::statistical(0.2, 0.01, 0.0, 0.1, 100);
        assert_eq!(off.verdict(4.0), Verdict::Fail);
        let lost = Residual::deterministic(f64::NAN, 0.0, 0.1);
        assert_eq!(lost.verdict(4.0), Verdict::Fail);
    }
}
