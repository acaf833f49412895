//! How numbers, estimates and verdicts are written in JSON.
//!
//! JSON has no infinities: a number that is not finite is written as one of the strings `"nan"`,
//! `"inf"`, `"-inf"`; a quantity that was not measured is `null`.

use crate::numeric::estimate::Estimate;
use crate::verification::verdict::Verdict;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Writes a number, or its name where it is not finite.
pub(crate) fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else if value.is_nan() {
        serializer.serialize_str("nan")
    } else if *value > 0.0 {
        serializer.serialize_str("inf")
    } else {
        serializer.serialize_str("-inf")
    }
}

/// [`number`] or null.
pub(crate) fn maybe_number<S: Serializer>(
    value: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => number(value, serializer),
        None => serializer.serialize_none(),
    }
}

/// `{"value", "error", "error_kind"}` or null.
pub(crate) fn maybe_estimate<S: Serializer>(
    estimate: &Option<Estimate>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    struct Number(f64);
    impl Serialize for Number {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            number(&self.0, serializer)
        }
    }
    match estimate {
        Some(estimate) => {
            let mut object = serializer.serialize_struct("Estimate", 3)?;
            object.serialize_field("value", &Number(estimate.value))?;
            object.serialize_field("error", &Number(estimate.error))?;
            object.serialize_field("error_kind", estimate.kind.name())?;
            object.end()
        }
        None => serializer.serialize_none(),
    }
}

/// The word of a verdict.
pub(crate) fn verdict_word<S: Serializer>(
    verdict: &Verdict,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verdict.name())
}
