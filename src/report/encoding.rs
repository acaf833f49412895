//! How numbers, estimates and verdicts are written in JSON.
//!
//! JSON has no infinities: a number that is not finite is written as one of the strings `"nan"`,
//! `"inf"`, `"-inf"`; a quantity that was not measured is `null`.

use crate::numeric::estimate::Estimate;
use crate::verification::verdict::Verdict;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// A number, or its name where it is not finite.
pub(super) struct Number(pub(super) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f64(value),
            value if value.is_nan() => serializer.serialize_str("nan"),
            value if value > 0.0 => serializer.serialize_str("inf"),
            _ => serializer.serialize_str("-inf"),
        }
    }
}

/// A field as [`Number`].
pub(super) fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Number(*value).serialize(serializer)
}

/// A field as [`Number`] or null.
pub(super) fn maybe_number<S: Serializer>(
    value: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.map(Number).serialize(serializer)
}

/// `{"value", "error", "error_kind"}`.
impl Serialize for Estimate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Estimate", 3)?;
        object.serialize_field("value", &Number(self.value))?;
        object.serialize_field("error", &Number(self.error))?;
        object.serialize_field("error_kind", self.kind.name())?;
        object.end()
    }
}

/// The word of a verdict.
impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
