//! Claims with residuals: the catalogue of identities, verdicts, and probes for the usual slips.
//!
//! An identity has two sides that share no code; their difference is measured with an error and judged.
//! Nothing here tunes a solver to pass.

pub mod catalogue;
pub mod claim;
pub mod derivatives;
mod differences;
pub mod equations;
pub mod identity;
pub mod laws;
pub mod losses;
pub mod optimality;
pub mod pages;
pub mod proofs;
pub mod references;
pub mod subject;
pub mod tables;
pub mod trial;
pub mod verdict;

use crate::comparison::reference_law::{ReferenceAnswer, ReferenceLaw, reference_answer};
use crate::numeric::random::Streams;
use crate::problem::model::CheckSpec;
use crate::solvers::grid_order::{COARSER_ORDER_FACT, GRID_ORDER_FACT, unsettled};
use crate::solvers::{ReverseProblem, Solution};
use crate::verification::catalogue::{check, identity};
use crate::verification::identity::{CheckResult, Identity, Scope, Settings};
use crate::verification::subject::{Claims, Subject};
use crate::verification::verdict::{Residual, Verdict};

/// Runs every check on every answer it is about.
pub fn verify(
    problem: &ReverseProblem,
    solutions: &[Solution],
    checks: &[CheckSpec],
    streams: &Streams,
) -> Vec<CheckResult> {
    let reference = reference_answer(problem, solutions);
    let law = ReferenceLaw::new(problem, solutions);
    let bench = Bench {
        problem,
        solutions,
        reference,
        law: law.as_ref(),
    };
    let mut results = Vec::new();
    for spec in checks {
        if spec.check == "grid-order" {
            results.extend(grid_order(spec, solutions));
            continue;
        }
        let Some(identity) = identity(&spec.check) else {
            results.push(skipped(
                spec,
                "all",
                "no identity of that name in this version",
            ));
            continue;
        };
        let subjects = bench.subjects(identity, spec);
        if subjects.is_empty() {
            results.push(skipped(
                spec,
                "all",
                "no answer it is about (a closed form, or a solver with a log density)",
            ));
        }
        for subject in &subjects {
            let streams = streams.scoped("verification").scoped(&spec.id);
            let settings = Settings::new(spec, streams.scoped(subject.name));
            results.push(check(identity, subject, spec, &settings));
        }
    }
    results
}

/// What subjects are made from.
struct Bench<'a> {
    problem: &'a ReverseProblem,
    solutions: &'a [Solution],
    reference: Option<ReferenceAnswer<'a>>,
    law: Option<&'a ReferenceLaw<'a>>,
}

impl<'a> Bench<'a> {
    /// The answers a check is about: those listed in the file, else by the scope of the identity.
    fn subjects(&self, identity: &dyn Identity, spec: &CheckSpec) -> Vec<Subject<'a>> {
        let listed = |id: &str| spec.on.is_empty() || spec.on.iter().any(|on| on == id);
        let mut subjects = Vec::new();
        if let Some(optimum) = self.optimum()
            && listed(optimum.name)
        {
            subjects.push(optimum);
        }
        let explicit = !spec.on.is_empty();
        for solution in self.solutions {
            if !listed(&solution.id) || subjects.iter().any(|s| s.name == solution.id) {
                continue;
            }
            let subject = match identity.scope() {
                Scope::Optimum if explicit => Some(self.answer(solution, true)),
                Scope::Optimum => None,
                Scope::EveryField => self.trial(solution),
                Scope::Ingredients => Some(self.answer(solution, false)),
                Scope::Densities => solution
                    .outcome
                    .log_density
                    .is_some()
                    .then(|| self.answer(solution, false)),
            };
            subjects.extend(subject);
        }
        subjects
    }

    /// The reference, under the id of the exact solver if there is one.
    fn optimum(&self) -> Option<Subject<'a>> {
        let reference = self.reference?;
        let name = self
            .solutions
            .iter()
            .find(|s| self.problem.exact.is_some() && s.method == "exact")
            .map_or(reference.name, |s| s.id.as_str());
        Some(Subject {
            name,
            problem: self.problem,
            law: self.law,
            score: reference.score,
            log_density: reference.log_density,
            reference_density: None,
            trial: None,
            claims: Claims::default(),
            closed_form: self.problem.exact.is_some(),
        })
    }

    /// A solver's field as a trial against the reference score.
    fn trial(&self, solution: &'a Solution) -> Option<Subject<'a>> {
        Some(Subject {
            name: &solution.id,
            trial: Some(solution.outcome.score.as_ref()),
            ..self.optimum()?
        })
    }

    /// A solver's own ingredients; `borrow` lends it the reference density if it has none.
    fn answer(&self, solution: &'a Solution, borrow: bool) -> Subject<'a> {
        let own = solution.outcome.log_density.as_deref();
        let reference = self.reference.and_then(|r| r.log_density);
        Subject {
            name: &solution.id,
            problem: self.problem,
            law: self.law,
            score: solution.outcome.score.as_ref(),
            log_density: if borrow { own.or(reference) } else { own },
            reference_density: own.and(reference),
            trial: None,
            claims: Claims::default(),
            closed_form: solution.outcome.grid.is_none(),
        }
    }
}

fn skipped(spec: &CheckSpec, on: &str, reason: &str) -> CheckResult {
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

/// Order of the grid methods and its tolerance.
const GRID_ORDER: f64 = 2.0;
const GRID_ORDER_TOLERANCE: f64 = 0.15;

/// The observed order of every grid method that solved at several levels; what has not settled in it counts as
/// its error (see [`crate::solvers::grid_order`]).
fn grid_order(spec: &CheckSpec, solutions: &[Solution]) -> Vec<CheckResult> {
    let mut results = Vec::new();
    for solution in solutions {
        let fact = |name: &str| {
            let mut facts = solution.outcome.facts.iter();
            facts.find(|fact| fact.0 == name).map(|fact| fact.1)
        };
        let listed = spec.on.is_empty() || spec.on.contains(&solution.id);
        let (Some(order), Some(coarser), true) =
            (fact(GRID_ORDER_FACT), fact(COARSER_ORDER_FACT), listed)
        else {
            continue;
        };
        let change = unsettled(order, coarser, GRID_ORDER);
        let tolerance = spec.tolerance.unwrap_or(GRID_ORDER_TOLERANCE);
        let mut residual = Residual::deterministic(order, change, tolerance);
        residual.target = GRID_ORDER;
        let verdict = residual.verdict(spec.confidence);
        let reason = match verdict {
            Verdict::Inconclusive => format!(
                "the observed order is {coarser:.2} on the coarser levels and {order:.2} on the finer: too coarse to tell its limit"
            ),
            _ => format!("observed order over grid levels, {coarser:.2} on the coarser"),
        };
        results.push(CheckResult {
            residual: Some(residual),
            verdict,
            reason,
            equation: "error ~ step^2",
            source: "consistency of the discretization",
            ..skipped(spec, &solution.id, "")
        });
    }
    if results.is_empty() {
        results.push(skipped(
            spec,
            "all",
            "no grid method recorded several levels",
        ));
    }
    results
}
