//! The shape of an identity and of a check of it.

use crate::numeric::random::Streams;
use crate::problem::meant::model::{CheckSpec, Severity};
use crate::verification::subject::Subject;
use crate::verification::verdict::{Residual, Verdict};

/// Which answers an identity is about, when the file does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// True of the optimal answer only: run on the reference.
    Optimum,
    /// True of every field: run on the reference (with a perturbed field) and on every solver.
    EveryField,
    /// About the ingredients of every answer.
    Ingredients,
    /// About every answer with a log density.
    Densities,
}

/// Settings of one check.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Absolute tolerance asked for.
    pub tolerance: Option<f64>,
    /// Relative tolerance asked for; every identity names its scale.
    pub relative_tolerance: Option<f64>,
    pub confidence: f64,
    /// Paths or draws asked for; `None`: from the cost of a point.
    pub samples: Option<usize>,
    pub streams: Streams,
}

impl Settings {
    pub fn new(spec: &CheckSpec, streams: Streams) -> Self {
        Self {
            tolerance: spec.tolerance,
            relative_tolerance: spec.relative_tolerance,
            confidence: spec.confidence,
            samples: spec.samples,
            streams,
        }
    }

    /// The absolute limit: as asked, else relative to `scale`.
    pub fn limit(&self, default_relative: f64, scale: f64) -> f64 {
        self.tolerance
            .unwrap_or_else(|| self.relative_tolerance.unwrap_or(default_relative) * scale)
    }
}

/// A residual with one line of meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub residual: Residual,
    /// What was measured, in words with numbers.
    pub note: String,
}

/// Why an identity says nothing about a subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApplicable {
    #[error("needs {0}")]
    Needs(&'static str),
}

/// A claim with two sides, evaluated by code that shares nothing between them.
pub trait Identity: Sync {
    /// The name in the file.
    fn id(&self) -> &'static str;
    /// The equation, in the notation of the derivation.
    fn equation(&self) -> &'static str;
    /// Where it comes from.
    fn source(&self) -> &'static str;
    fn scope(&self) -> Scope;
    /// Rules of the derivation steps that together prove it, where the derivation executes a proof;
    /// empty for what is only ever measured.
    fn proved_by(&self) -> &'static [&'static str] {
        &[]
    }
    /// Measures the difference of the two sides.
    fn residual(
        &self,
        subject: &Subject<'_>,
        settings: &Settings,
    ) -> Result<Finding, NotApplicable>;
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
    /// Name of the identity.
    pub check: String,
    /// Solver id, `exact`, `all`, or [`DERIVATION`].
    pub on: String,
    /// `None` when skipped or proved.
    pub residual: Option<Residual>,
    pub confidence: f64,
    pub verdict: Verdict,
    /// One line: what was measured, what would decide an inconclusive check, why it was skipped.
    pub reason: String,
    /// Chance that a true identity is reported as failed; `None` for deterministic checks.
    pub false_alarm: Option<f64>,
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

/// Every check of a list; one that is about nothing here is skipped with the reason.
pub(super) fn run_all(
    checks: &[CheckSpec],
    run: impl Fn(&CheckSpec) -> Vec<CheckResult>,
    why_not: impl Fn(&str) -> &'static str,
) -> Vec<CheckResult> {
    let mut results = Vec::new();
    for spec in checks {
        let found = run(spec);
        if found.is_empty() {
            results.push(skipped(spec, "all", why_not(&spec.check)));
        }
        results.extend(found);
    }
    results
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
        false_alarm: None,
        probe: Vec::new(),
        severity: spec.severity,
        equation: "",
        source: "",
        proof: Vec::new(),
    }
}
