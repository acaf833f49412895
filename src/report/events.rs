//! Events of a run, one JSON object per line: `events.jsonl`, and standard output with `--json`.
//!
//! Every line starts with the version `"v":1` and the kind `"ev"`. Numbers that are not finite are the
//! strings `"nan"`, `"inf"`, `"-inf"`; what was not measured is `null`.

use crate::report::encoding::{maybe_number, number, verdict_word};
use crate::report::record::{
    CheckRow, Record, ReferenceRow, SolverOutcome, SolverRow, StructureFinding,
};
use crate::verification::verdict::Verdict;
use serde::Serialize;

/// Version of the event layout; a field never changes its meaning within one.
pub const EVENT_VERSION: u32 = 1;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "ev", rename_all = "lowercase")]
pub enum Event {
    Start {
        program: String,
        version: String,
        problem: String,
        hash: String,
        seed: u64,
        threads: usize,
    },
    Structure {
        name: String,
        found: bool,
        evidence: &'static str,
        because: String,
    },
    Diagnostic {
        level: &'static str,
        code: String,
        message: String,
        file: String,
        line: usize,
        col: usize,
        end_col: usize,
        hints: Vec<String>,
    },
    /// `done` of `total` in the solver's own steps.
    Progress {
        solver: String,
        done: u64,
        total: u64,
        seconds: f64,
    },
    Solver {
        id: String,
        method: String,
        status: &'static str,
        /// The action with its error; null unless measured.
        #[serde(serialize_with = "maybe_number")]
        value: Option<f64>,
        #[serde(serialize_with = "maybe_number")]
        error: Option<f64>,
        error_kind: Option<&'static str>,
        #[serde(serialize_with = "maybe_number")]
        control_error: Option<f64>,
        seconds: f64,
        /// Stop reason, refusal or failure.
        message: String,
        work: serde_json::Map<String, serde_json::Value>,
    },
    Check {
        check: String,
        on: String,
        #[serde(serialize_with = "maybe_number")]
        measured: Option<f64>,
        #[serde(serialize_with = "maybe_number")]
        limit: Option<f64>,
        #[serde(serialize_with = "maybe_number")]
        se: Option<f64>,
        #[serde(serialize_with = "verdict_word")]
        verdict: Verdict,
        reason: String,
    },
    End {
        proved: usize,
        pass: usize,
        fail: usize,
        inconclusive: usize,
        skipped: usize,
        exit: i32,
        #[serde(serialize_with = "number")]
        seconds: f64,
    },
}

impl Event {
    /// The event as one line, without the line break.
    pub fn line(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            v: u32,
            #[serde(flatten)]
            event: &'a Event,
        }
        serde_json::to_string(&Line {
            v: EVENT_VERSION,
            event: self,
        })
    }

    /// The first event of a run.
    pub fn start(record: &Record) -> Self {
        let environment = &record.environment;
        Self::Start {
            program: environment.program.clone(),
            version: environment.version.clone(),
            problem: record.identity.name.clone(),
            hash: record.identity.hash.clone(),
            seed: environment.seed,
            threads: environment.threads,
        }
    }

    /// The last event of a run.
    pub fn end(record: &Record) -> Self {
        let counts = record.counts();
        Self::End {
            proved: counts.proved,
            pass: counts.pass,
            fail: counts.fail,
            inconclusive: counts.inconclusive,
            skipped: counts.skipped,
            exit: record.exit_code,
            seconds: record.environment.seconds(),
        }
    }
}

impl From<&StructureFinding> for Event {
    fn from(finding: &StructureFinding) -> Self {
        Self::Structure {
            name: finding.name.clone(),
            found: finding.found,
            evidence: finding.evidence.name(),
            because: finding.because.clone(),
        }
    }
}

impl From<&SolverRow> for Event {
    fn from(row: &SolverRow) -> Self {
        let solved = row.solved();
        let action = solved.and_then(|solved| solved.action);
        Self::Solver {
            id: row.id.clone(),
            method: row.method.clone(),
            status: row.outcome.status(),
            value: action.map(|action| action.value),
            error: action.map(|action| action.error),
            error_kind: action.map(|action| action.kind.name()),
            control_error: solved
                .and_then(|solved| solved.control_error)
                .map(|error| error.value),
            seconds: solved.map_or(0.0, |solved| solved.seconds),
            message: match &row.outcome {
                SolverOutcome::Solved(solved) => solved.stopped.clone(),
                SolverOutcome::Refused { reason, accepted } => {
                    format!("{reason}; accepted: {accepted}")
                }
                SolverOutcome::Failed { message } => message.clone(),
            },
            work: solved.map_or_else(serde_json::Map::new, |solved| {
                solved
                    .work
                    .iter()
                    .map(|(name, count)| (name.clone(), (*count).into()))
                    .collect()
            }),
        }
    }
}

impl From<&CheckRow> for Event {
    fn from(row: &CheckRow) -> Self {
        Self::Check {
            check: row.check.clone(),
            on: row.on.clone(),
            measured: row.measured,
            limit: row.limit,
            se: row.se,
            verdict: row.verdict,
            reason: row.reason.clone(),
        }
    }
}

impl From<&ReferenceRow> for Event {
    fn from(row: &ReferenceRow) -> Self {
        Self::Check {
            check: format!("reference:{}", row.name),
            on: row.on.clone(),
            measured: row
                .measured
                .map(|measured| (measured.value - row.value).abs()),
            limit: Some(row.tolerance),
            se: row.measured.map(|measured| measured.error),
            verdict: row.verdict,
            reason: row.reason.clone(),
        }
    }
}

/// The lines of a run.
#[derive(Default)]
pub struct EventLog {
    lines: Vec<String>,
}

impl EventLog {
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything a run found, in its order.
    ///
    /// # Errors
    /// When a line could not be written as JSON.
    pub fn of(record: &Record) -> Result<Self, serde_json::Error> {
        let mut log = Self::new();
        log.push(Event::start(record))?;
        for finding in &record.structures {
            log.push(finding)?;
        }
        for row in &record.solvers {
            log.push(row)?;
        }
        for row in &record.checks {
            log.push(row)?;
        }
        log.push(Event::end(record))?;
        Ok(log)
    }

    /// Appends an event.
    ///
    /// # Errors
    /// When it could not be written as JSON.
    pub fn push(&mut self, event: impl Into<Event>) -> Result<(), serde_json::Error> {
        self.lines.push(event.into().line()?);
        Ok(())
    }

    /// All lines so far, each ended.
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::Environment;

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
        let mut log = EventLog::new();
        log.push(Event::start(&record)).expect("JSON");
        log.push(Event::Check {
            check: "girsanov".into(),
            on: "mc".into(),
            measured: Some(f64::NAN),
            limit: Some(1.0),
            se: None,
            verdict: Verdict::Inconclusive,
            reason: String::new(),
        })
        .expect("JSON");
        log.push(Event::end(&record)).expect("JSON");
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
