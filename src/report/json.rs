//! `result.json` and `derivation.json`; [`crate::report::encoding`] says how numbers are written.

use crate::report::record::{Counts, DerivationStep, Record, SCHEMA_VERSION};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::estimate::{ErrorKind, Estimate};
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
