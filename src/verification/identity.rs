//! The shape of a check: a card, the identity behind its name, and what becomes of it.

use crate::numeric::random::Streams;
use crate::problem::format::card::CheckCard;
use crate::problem::format::page::Page;
use crate::problem::meant::kind::Kind;
use crate::problem::meant::model::{CheckSpec, Severity};
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;
use crate::verification::bench::Bench;
use crate::verification::subject::{NotApplicable, Scope, Subject};
use crate::verification::verdict::{Residual, Verdict};

/// A check is one of these in a file of its subject, and a line in [`crate::verification::catalogue`].
#[derive(Debug)]
pub struct Check {
    pub card: CheckCard,
    /// The first that is about the problem is executed.
    pub identities: &'static [Identity],
}

/// A claim with two sides, evaluated by code that shares nothing between them.
#[derive(Debug)]
pub struct Identity {
    /// The equation, in the notation of the derivation.
    pub equation: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    pub measure: Measure,
}

/// How the difference of the two sides is measured.
#[derive(Debug)]
pub enum Measure {
    /// On the ingredients that an answer claims, of a problem that undoes additive noise.
    Claim {
        scope: Scope,
        /// Rules of the derivation steps that together prove it, where the derivation executes a proof;
        /// empty for what is only ever measured.
        proved_by: &'static [&'static str],
        residual: fn(&Subject<'_>, &Settings<'_>) -> Measured,
    },
    /// On every answer; `None` where it says nothing about one.
    Answer {
        /// What is missing where it says nothing about any.
        needs: fn(&Lowered) -> &'static str,
        residual: fn(&Bench<'_>, &Solution, &Settings<'_>) -> Option<Finding>,
    },
    /// On the problem, under a name that is no answer's.
    Problem {
        on: &'static str,
        needs: &'static str,
        residual: fn(&Bench<'_>, &Settings<'_>) -> Option<Finding>,
    },
}

impl Measure {
    pub const fn claim(
        scope: Scope,
        proved_by: &'static [&'static str],
        residual: fn(&Subject<'_>, &Settings<'_>) -> Measured,
    ) -> Self {
        Self::Claim {
            scope,
            proved_by,
            residual,
        }
    }

    pub const fn answer(
        needs: fn(&Lowered) -> &'static str,
        residual: fn(&Bench<'_>, &Solution, &Settings<'_>) -> Option<Finding>,
    ) -> Self {
        Self::Answer { needs, residual }
    }
}

/// What measuring a claim gives.
pub type Measured = Result<Finding, NotApplicable>;

/// The card of a check; its page is the section of its name.
pub(super) const fn card(name: &'static str, kinds: &'static [Kind]) -> CheckCard {
    CheckCard {
        page: Page::of(name, include_str!("checks.md")),
        kinds,
        later: &[],
        tables_only: false,
    }
}

/// What the file asks of one check, and its random numbers.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    pub spec: &'a CheckSpec,
    pub streams: Streams,
}

impl Settings<'_> {
    /// The absolute limit: as asked, else relative to `scale`, which every identity names.
    pub fn limit(&self, default_relative: f64, scale: f64) -> f64 {
        let relative = self.spec.relative_tolerance.unwrap_or(default_relative);
        self.tolerance(relative * scale)
    }

    /// The absolute tolerance as asked.
    pub fn tolerance(&self, default: f64) -> f64 {
        self.spec.tolerance.unwrap_or(default)
    }
}

/// A residual with one line of meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub residual: Residual,
    /// What was measured, in words with numbers.
    pub note: String,
    /// The verdict, where more than the residual decides.
    pub verdict: Option<Verdict>,
    /// The equation, where it is a special case.
    pub equation: Option<&'static str>,
}

impl Finding {
    pub fn new(residual: Residual, note: impl Into<String>) -> Self {
        Self {
            residual,
            note: note.into(),
            verdict: None,
            equation: None,
        }
    }

    pub(super) fn judged(self, verdict: Verdict) -> Self {
        Self {
            verdict: Some(verdict),
            ..self
        }
    }
}

/// One slip tried after a failure.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeLine {
    /// What was changed.
    pub slip: &'static str,
    pub measured: f64,
    pub verdict: Verdict,
}

/// The answer to one check on one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckResult {
    /// Id of the check in the file.
    pub id: String,
    /// Name of the check.
    pub check: String,
    /// Solver id, `exact`, `all`, or [`DERIVATION`].
    pub on: String,
    /// `None` when skipped or proved.
    pub residual: Option<Residual>,
    pub confidence: f64,
    pub verdict: Verdict,
    /// One line: what was measured, what would decide an inconclusive check, why it was skipped.
    pub reason: String,
    pub probe: Vec<ProbeLine>,
    pub severity: Severity,
    pub equation: &'static str,
    pub source: &'static str,
    /// Numbers of the derivation steps that prove it; empty for a measurement.
    pub proof: Vec<usize>,
}

/// What a proof is about: no answer, but the problem itself.
pub const DERIVATION: &str = "derivation";

impl CheckResult {
    /// The steps of a proof, for tables; empty for a measurement.
    pub fn proof_text(&self) -> String {
        let steps: Vec<String> = self.proof.iter().map(|n| format!("[{n}]")).collect();
        match steps.len() {
            0 => String::new(),
            1 => format!("step {}", steps[0]),
            _ => format!("steps {}", steps.join(" ")),
        }
    }

    /// The slips that would make a failed identity hold.
    pub fn likely_causes(&self) -> impl Iterator<Item = &'static str> {
        self.probe
            .iter()
            .filter(|line| line.verdict == Verdict::Pass)
            .map(|line| line.slip)
    }
}

/// A check that did not run; the start of the answer of one that did.
pub fn skipped(spec: &CheckSpec, on: &str, reason: &str) -> CheckResult {
    CheckResult {
        id: spec.id.clone(),
        check: spec.check.clone(),
        on: on.to_owned(),
        residual: None,
        confidence: spec.confidence,
        verdict: Verdict::Skipped,
        reason: reason.to_owned(),
        probe: Vec::new(),
        severity: spec.severity,
        equation: "",
        source: "",
        proof: Vec::new(),
    }
}
