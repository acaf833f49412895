//! Events of a run, one JSON object per line: `events.jsonl`, and standard output with `--json`.
//!
//! Every line starts with the version `"v":1` and the kind `"ev"`. Numbers that are not finite are the
//! strings `"nan"`, `"inf"`, `"-inf"`; what was not measured is `null`.

use crate::report::encoding::Number;
use crate::report::record::{CheckRow, Record, SolverOutcome, SolverRow, StructureFinding};
use serde_json::{Map, Value, json};

/// Version of the event layout; a field never changes its meaning within one.
pub const EVENT_VERSION: u32 = 1;

/// What happened, as the object that its line holds.
#[derive(Clone, Debug)]
pub struct Event(Value);

impl Event {
    /// The first event of a run.
    pub fn start(record: &Record) -> Self {
        let environment = &record.environment;
        Self(json!({
            "v": EVENT_VERSION,
            "ev": "start",
            "program": environment.program,
            "version": environment.version,
            "problem": record.identity.name,
            "hash": record.identity.hash,
            "seed": environment.seed,
            "threads": environment.threads,
        }))
    }

    /// The last event of a run.
    pub fn end(record: &Record) -> Self {
        let counts = record.counts();
        Self(json!({
            "v": EVENT_VERSION,
            "ev": "end",
            "proved": counts.proved,
            "pass": counts.pass,
            "fail": counts.fail,
            "inconclusive": counts.inconclusive,
            "skipped": counts.skipped,
            "exit": record.exit_code,
            "seconds": Number(record.environment.seconds()),
        }))
    }
}

impl From<&StructureFinding> for Event {
    fn from(finding: &StructureFinding) -> Self {
        Self(json!({
            "v": EVENT_VERSION,
            "ev": "structure",
            "name": finding.name,
            "found": finding.found,
            "evidence": finding.evidence.name(),
            "because": finding.because,
        }))
    }
}

/// `value` is the action with its error; `message` the stop reason, refusal or failure.
impl From<&SolverRow> for Event {
    fn from(row: &SolverRow) -> Self {
        let solved = row.solved();
        let action = solved.and_then(|solved| solved.action);
        let control_error = solved.and_then(|solved| solved.control_error);
        let work = solved.into_iter().flat_map(|solved| &solved.work);
        let work: Map<String, Value> = work
            .map(|(name, count)| (name.clone(), (*count).into()))
            .collect();
        Self(json!({
            "v": EVENT_VERSION,
            "ev": "solver",
            "id": row.id,
            "method": row.method,
            "status": row.outcome.status(),
            "value": action.map(|action| Number(action.value)),
            "error": action.map(|action| Number(action.error)),
            "error_kind": action.map(|action| action.kind.name()),
            "control_error": control_error.map(|error| Number(error.value)),
            "seconds": solved.map_or(0.0, |solved| solved.seconds),
            "message": match &row.outcome {
                SolverOutcome::Solved(solved) => solved.stopped.clone(),
                SolverOutcome::Refused { reason, accepted } => {
                    format!("{reason}; accepted: {accepted}")
                }
                SolverOutcome::Failed { message } => message.clone(),
            },
            "work": work,
        }))
    }
}

impl From<&CheckRow> for Event {
    fn from(row: &CheckRow) -> Self {
        Self(json!({
            "v": EVENT_VERSION,
            "ev": "check",
            "check": row.check,
            "on": row.on,
            "measured": row.measured.map(Number),
            "limit": row.limit.map(Number),
            "se": row.se.map(Number),
            "verdict": row.verdict,
            "reason": row.reason,
        }))
    }
}

/// The lines of a run.
#[derive(Default)]
pub struct EventLog {
    lines: Vec<String>,
}

impl EventLog {
    /// Everything a run found, in its order.
    pub fn of(record: &Record) -> Self {
        let mut log = Self::default();
        log.push(Event::start(record));
        record
            .structures
            .iter()
            .for_each(|finding| log.push(finding));
        record.solvers.iter().for_each(|row| log.push(row));
        record.checks.iter().for_each(|row| log.push(row));
        log.push(Event::end(record));
        log
    }

    /// Appends an event.
    pub fn push(&mut self, event: impl Into<Event>) {
        self.lines.push(event.into().0.to_string());
    }

    /// All lines so far, each ended.
    pub fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::Environment;
    use crate::verification::verdict::Verdict;

    #[test]
    fn lines_start_with_the_version_and_the_kind() {
        let record = Record {
            environment: Environment {
                program: "onsager".into(),
                version: "0.1.0".into(),
                seed: 7,
                threads: 2,
                ..Environment::default()
            },
            ..Record::default()
        };
        let mut log = EventLog::default();
        log.push(Event::start(&record));
        log.push(&CheckRow {
            check: "girsanov".into(),
            on: "mc".into(),
            measured: Some(f64::NAN),
            target: 0.0,
            se: None,
            measured_text: String::new(),
            limit: Some(1.0),
            limit_text: String::new(),
            latex: String::new(),
            formula: String::new(),
            meaning: String::new(),
            verdict: Verdict::Inconclusive,
            reason: String::new(),
            hints: Vec::new(),
        });
        log.push(Event::end(&record));
        assert_eq!(
            log.text(),
            concat!(
                r#"{"v":1,"ev":"start","program":"onsager","version":"0.1.0","problem":"","hash":"","seed":7,"threads":2}"#,
                "\n",
                r#"{"v":1,"ev":"check","check":"girsanov","on":"mc","measured":"nan","limit":1.0,"se":null,"verdict":"inconclusive","reason":""}"#,
                "\n",
                r#"{"v":1,"ev":"end","proved":0,"pass":0,"fail":0,"inconclusive":0,"skipped":0,"exit":0,"seconds":0.0}"#,
                "\n",
            )
        );
    }
}
