//! `result.json` and `derivation.json`.
//!
//! JSON has no infinities: a number that is not finite is written as one of the strings `"nan"`,
//! `"inf"`, `"-inf"`; a quantity that was not measured is `null`.

use crate::numeric::estimate::Estimate;
use crate::report::record::{Counts, DerivationStep, NamedArray, Record, SCHEMA_VERSION};
use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};

/// `result.json`: numbers, verdicts, environment. Arrays appear by key and shape; their data is in
/// `arrays.npz`.
pub fn result(record: &Record) -> Result<String, serde_json::Error> {
    #[derive(serde::Serialize)]
    struct ResultFile<'a> {
        schema: u32,
        counts: Counts,
        seconds: f64,
        #[serde(flatten)]
        record: &'a Record,
    }
    serde_json::to_string_pretty(&ResultFile {
        schema: SCHEMA_VERSION,
        counts: record.counts(),
        seconds: record.environment.seconds(),
        record,
    })
}

/// `derivation.json`: the statement and the steps, text and LaTeX.
pub fn derivation(record: &Record) -> Result<String, serde_json::Error> {
    #[derive(serde::Serialize)]
    struct DerivationFile<'a> {
        schema: u32,
        problem: &'a str,
        hash: &'a str,
        steps: &'a [DerivationStep],
    }
    serde_json::to_string_pretty(&DerivationFile {
        schema: SCHEMA_VERSION,
        problem: &record.identity.name,
        hash: &record.identity.hash,
        steps: &record.derivation,
    })
}

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

/// Arrays without their data.
pub(crate) fn array_header<S: Serializer>(
    arrays: &[NamedArray],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(arrays.len()))?;
    for array in arrays {
        list.serialize_element(&Header::of(array))?;
    }
    list.end()
}

/// What is said about an array beside its data, here and in the NPZ.
#[derive(serde::Serialize)]
pub(crate) struct Header<'a> {
    key: &'a str,
    shape: &'a [usize],
    axes: &'a [String],
    unit: &'a str,
}

impl<'a> Header<'a> {
    pub(crate) fn of(array: &'a NamedArray) -> Self {
        Self {
            key: &array.key,
            shape: &array.shape,
            axes: &array.axes,
            unit: &array.unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::estimate::ErrorKind;
    use crate::report::record::{Solved, SolverOutcome, SolverRow};

    #[test]
    fn numbers_that_json_lacks_become_strings() {
        let mut record = Record::default();
        record.solvers.push(SolverRow {
            id: "a".into(),
            method: "action".into(),
            settings: String::new(),
            outcome: SolverOutcome::Solved(Box::new(Solved {
                action: Some(Estimate::new(1.5, f64::INFINITY, ErrorKind::Unknown)),
                own_error: Some(f64::NAN),
                ..Solved::default()
            })),
        });
        let value: serde_json::Value =
            serde_json::from_str(&result(&record).expect("serializes")).expect("is JSON");
        let row = &value["solvers"][0];
        assert_eq!(row["status"], "ok");
        assert_eq!(row["action"]["value"], 1.5);
        assert_eq!(row["action"]["error"], "inf");
        assert_eq!(row["action"]["error_kind"], "unknown");
        assert_eq!(row["own_error"], "nan");
        assert!(row["gap"].is_null());
        assert_eq!(value["schema"], 1);
    }
}
