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

    /// Two-sided normal probability of an excursion beyond `confidence` standard errors.
    pub fn false_alarm(&self, confidence: f64) -> Option<f64> {
        self.standard_error.map(|_| normal_tail(confidence))
    }
}

/// `P(|Z| > z)` for a standard normal: continued fraction for z ≥ 2, Simpson's rule below.
pub fn normal_tail(z: f64) -> f64 {
    let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    if z >= 2.0 {
        let mut fraction = z;
        for k in (1..60).rev() {
            fraction = z + f64::from(k) / fraction;
        }
        return 2.0 * density(z) / fraction;
    }
    let n = 200;
    let h = z / f64::from(n);
    let inside: f64 = (0..=n)
        .map(|i| {
            let weight = match i {
                _ if i == 0 || i == n => 1.0,
                _ if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * density(f64::from(i) * h)
        })
        .sum::<f64>()
        * h
        / 3.0;
    1.0 - 2.0 * inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_of_the_normal_law() {
        for (z, tail) in [
            (1.0, 0.317_310_507_862_914),
            (1.96, 0.049_995_790_296_440),
            (2.0, 0.045_500_263_896_358),
            (4.0, 6.334_248_366_623_995e-5),
        ] {
            assert!((normal_tail(z) / tail - 1.0).abs() < 1e-9, "{z}");
        }
    }

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
