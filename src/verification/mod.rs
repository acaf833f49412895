//! Claims with residuals: the catalogue of identities, verdicts, and probes for the usual slips.
//!
//! An identity has two sides that share no code; their difference is measured with an error and judged.
//! Nothing here tunes a solver to pass.

pub mod bellman_terms;
pub mod catalogue;
pub mod claim;
pub mod control;
pub mod derivatives;
mod differences;
pub mod equations;
mod grid_order;
pub mod identity;
pub mod laws;
pub mod losses;
pub mod normaliser;
pub mod optimality;
pub mod pages;
pub mod proofs;
pub mod references;
pub mod simulate;
pub mod subject;
pub mod tables;
pub mod trial;
pub mod verdict;
pub mod vocabulary;
pub mod work_precision;

use crate::comparison::reference_law::{ReferenceAnswer, ReferenceLaw, reference_answer};
use crate::numeric::random::Streams;
use crate::problem::meant::model::CheckSpec;
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;
use crate::verification::catalogue::{check, identity};
use crate::verification::grid_order::grid_order;
use crate::verification::identity::{CheckResult, Identity, Scope, Settings, skipped};
use crate::verification::subject::{Claims, Subject};

/// Runs every check on every answer it is about.
pub fn verify(
    lowered: &Lowered,
    solutions: &[Solution],
    checks: &[CheckSpec],
    streams: &Streams,
) -> Vec<CheckResult> {
    let reference = reference_answer(lowered, solutions);
    let law = ReferenceLaw::new(lowered, solutions);
    let bench = Bench {
        lowered,
        solutions,
        reference,
        law: law.as_ref(),
    };
    let mut results = Vec::new();
    for spec in checks {
        if spec.check == "grid-order" {
            let facts = solutions
                .iter()
                .map(|s| (s.id.as_str(), s.answer.facts.as_slice()));
            let found = grid_order(spec, facts);
            if found.is_empty() {
                let reason = "no grid method recorded several levels";
                results.push(skipped(spec, "all", reason));
            }
            results.extend(found);
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
    lowered: &'a Lowered,
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
                    .answer
                    .law
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
            .find(|s| self.lowered.facts.marginals.is_some() && s.method == "exact")
            .map_or(reference.name, |s| s.id.as_str());
        Some(Subject {
            name,
            lowered: self.lowered,
            law: self.law,
            score: reference.score,
            log_density: reference.log_density,
            reference_density: None,
            trial: None,
            claims: Claims::default(),
            closed_form: self.lowered.facts.marginals.is_some(),
        })
    }

    /// A solver's field as a trial against the reference score.
    fn trial(&self, solution: &'a Solution) -> Option<Subject<'a>> {
        Some(Subject {
            name: &solution.id,
            trial: Some(solution.answer.score()),
            ..self.optimum()?
        })
    }

    /// A solver's own ingredients; `borrow` lends it the reference density if it has none.
    fn answer(&self, solution: &'a Solution, borrow: bool) -> Subject<'a> {
        let own = solution.answer.law.log_density.as_deref();
        let reference = self.reference.and_then(|r| r.log_density);
        Subject {
            name: &solution.id,
            lowered: self.lowered,
            law: self.law,
            score: solution.answer.score(),
            log_density: if borrow { own.or(reference) } else { own },
            reference_density: own.and(reference),
            trial: None,
            claims: Claims::default(),
            closed_form: solution.answer.law.grid.is_none() && !solution.answer.is_score_of_policy,
        }
    }
}
