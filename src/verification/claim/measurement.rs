//! A residual with its interval, and the verdict it earns.

use crate::verification::claim::numbers::{Numbers, Unmeasured};
use crate::verification::verdict::{Residual, Verdict};

/// Standard errors of a confidence interval: a true claim is called false once in 16 000 links.
pub const CONFIDENCE: f64 = 4.0;
/// Times, as fractions of the horizon, where a claim about every time is measured.
const FRACTIONS: [f64; 3] = [0.15, 0.5, 0.85];

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    pub residual: Residual,
    /// Both sides with numbers, and how.
    pub note: String,
    /// Why nothing follows from the residual.
    pub doubt: Option<String>,
}

impl Measurement {
    /// - `Fail`: the interval of the difference excludes zero;
    /// - `Pass`: it lies within the tolerance;
    /// - `Inconclusive`: neither, or there is a reason to doubt it.
    pub fn verdict(&self) -> Verdict {
        self.verdict_at(CONFIDENCE)
    }

    /// The same with an interval of so many standard errors.
    pub fn verdict_at(&self, confidence: f64) -> Verdict {
        let (bar, distance) = (
            self.residual.error_bar(confidence),
            self.residual.distance(),
        );
        if self.doubt.is_some() || !(bar.is_finite() && distance.is_finite()) {
            Verdict::Inconclusive
        } else if distance > bar {
            Verdict::Fail
        } else if distance + bar <= self.residual.limit {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        }
    }

    /// The difference with its interval, and what it was compared with.
    pub fn interval(&self) -> String {
        let residual = &self.residual;
        let (bar, limit) = (residual.error_bar(CONFIDENCE), residual.limit);
        format!(
            "difference {:.3e} ± {bar:.1e}, tolerance {limit:.1e}",
            residual.measured
        )
    }
}

/// The times a claim is measured at.
pub fn times(numbers: &Numbers, at: Option<f64>) -> Vec<f64> {
    match at {
        Some(t) => vec![t],
        None => FRACTIONS
            .iter()
            .map(|f| numbers.start + f * (numbers.end - numbers.start))
            .collect(),
    }
}

/// False before doubtful before true, and within these how far from what its verdict needs.
fn badness(found: &Measurement) -> (u8, f64) {
    let (residual, bar) = (&found.residual, found.residual.error_bar(CONFIDENCE));
    let floor = f64::MIN_POSITIVE;
    match found.verdict() {
        Verdict::Fail => (2, residual.distance() / bar.max(floor)),
        Verdict::Inconclusive => (1, f64::INFINITY),
        _ => (0, (residual.distance() + bar) / residual.limit.max(floor)),
    }
}

/// The measurement that decides a claim of several parts.
///
/// # Errors
/// Nothing to choose from.
pub fn worst(found: Vec<Measurement>) -> Result<Measurement, Unmeasured> {
    let worse = |a: &(u8, f64), b: &(u8, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
    found
        .into_iter()
        .max_by(|a, b| worse(&badness(a), &badness(b)))
        .ok_or(Unmeasured::Unsupported("a claim without components"))
}
