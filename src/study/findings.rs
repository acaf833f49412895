//! What a run found.

use crate::comparison::Comparison;
use crate::derivation::Derivation;
use crate::numeric::estimate::Estimate;
use crate::numeric::time_limit::TimeLimit;
use crate::problem::Loaded;
use crate::problem::meant::model::Severity;
use crate::report::record::{Identity, Phase};
use crate::solvers::driver::{SolveError, StopReason, Unsolved};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::run::Answers;
use crate::study::answered::{Answered, Missing};
use crate::study::compared::Terms;
use crate::study::exit::Exit;
use crate::verification::OUT_OF_TIME;
use crate::verification::identity::CheckResult;
use crate::verification::verdict::Verdict;

/// Answers, what they are worth, and what follows from the problem itself.
pub struct Findings {
    /// What was solved.
    pub(super) identity: Identity,
    /// The time it had.
    pub(super) limit: TimeLimit,
    /// Ids of the solvers that were picked out of the file's.
    pub(super) only: Vec<String>,
    pub(super) threads: usize,
    pub(super) block: usize,
    /// With the solvers that were asked for.
    pub(super) loaded: Loaded,
    pub(super) lowered: Lowered,
    pub(super) derivation: Derivation,
    pub(super) answers: Answers,
    pub(super) comparison: Comparison,
    pub(super) checks: Vec<CheckResult>,
    pub(super) references: Vec<CheckResult>,
    pub(super) phases: Vec<Phase>,
}

impl Findings {
    /// The answer of a solver, by its id.
    ///
    /// # Errors
    /// [`Missing`]: nobody asked it, or why it has none.
    pub fn answer(&self, id: &str) -> Result<Answered<'_>, Missing> {
        let mut solutions = self.answers.solutions.iter();
        if let Some(solution) = solutions.find(|solution| solution.id == id) {
            return Ok(Answered {
                solution,
                lowered: &self.lowered,
            });
        }
        let mut unsolved = self.answers.unsolved.iter();
        Err(match unsolved.find(|(unsolved, _)| unsolved == id) {
            Some((_, why)) => Missing::Unsolved(why.clone()),
            None => Missing::NotAsked {
                asked: id.to_owned(),
                known: self.ids().collect::<Vec<_>>().join(", "),
            },
        })
    }

    /// Ids of the solvers that ran, in the order in which they did.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.answers.asked.iter().map(|spec| spec.id.as_str())
    }

    /// The problem as one controlled diffusion.
    pub fn lowered(&self) -> &Lowered {
        &self.lowered
    }

    /// What follows from the problem symbolically.
    pub fn derivation(&self) -> &Derivation {
        &self.derivation
    }

    /// The answers against one another.
    pub fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    pub(super) fn terms(&self) -> Terms {
        Terms::of(&self.lowered)
    }

    /// A named number, by whichever solver knows it best.
    pub fn quantity(&self, name: &str) -> Option<Estimate> {
        self.comparison.named(name)
    }

    /// Every check, then every reference number of the file.
    pub fn verdicts(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().chain(&self.references)
    }

    /// How the run ended; with `strict` what is inconclusive or only a warning counts.
    pub fn exit(&self, strict: bool) -> Exit {
        let answers = &self.answers;
        let nothing = answers.solutions.is_empty() && !answers.unsolved.is_empty();
        let stopped = self.answers.solutions.iter().map(|s| match s.stopped {
            StopReason::TimeLimit { .. } => self.early(),
            StopReason::IterationLimit { .. } => Exit::NotConverged,
            _ => Exit::Solved,
        });
        let unsolved = self.answers.unsolved.iter().map(|(_, why)| match why {
            Unsolved::Failed(SolveError::OutOfTime { .. }) => self.early(),
            Unsolved::Failed(_) => Exit::NotConverged,
            // Where every method refused there is no answer.
            Unsolved::Refused(_) if nothing => Exit::NotConverged,
            Unsolved::Refused(_) => Exit::Solved,
        });
        let judged = self
            .verdicts()
            .map(|check| match (check.verdict, check.severity) {
                (Verdict::Fail, Severity::Fail) => Exit::CheckFailed,
                (Verdict::Fail, Severity::Warn) | (Verdict::Inconclusive, _) if strict => {
                    Exit::Inconclusive
                }
                _ => Exit::Solved,
            });
        let cut = self.is_cut_short().then(|| self.early());
        Exit::worst(stopped.chain(unsolved).chain(judged).chain(cut))
    }

    /// Whether the comparison or a check did not come to its end.
    pub(super) fn is_cut_short(&self) -> bool {
        self.comparison.is_partial || self.checks.iter().any(|c| c.reason == OUT_OF_TIME)
    }

    /// Why the run ended early.
    fn early(&self) -> Exit {
        match self.limit.is_interrupted() {
            true => Exit::Interrupted,
            false => Exit::TimeLimit,
        }
    }
}
