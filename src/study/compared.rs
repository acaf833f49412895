//! Every answer against the others and against what is known: what is measured hangs on what the process is.
//!
//! | process | measured |
//! |---|---|
//! | without a control | named numbers |
//! | against a noising process from data | scores: control error, action, likelihood, samples |
//! | any other | policies: cost, distance from the best, path weights |

use crate::comparison::control::{ControlComparison, compare_controls, numbers_of};
use crate::comparison::simulate::quantities;
use crate::comparison::{Comparison, compare};
use crate::derivation::Derivation;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::solvers::driver::Solution;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::problem::Lowered;
use crate::verification::control::verify_controls;
use crate::verification::identity::CheckResult;
use crate::verification::proofs::with_proofs;
use crate::verification::simulate::verify_simulation;
use crate::verification::verify;
use crate::verification::work_precision::{CONTROL_ERROR, GAP};

/// The comparison of all answers.
pub enum Compared {
    Scores(Comparison),
    Policies(ControlComparison),
    Numbers(Vec<Quantity>),
}

impl Compared {
    /// Measures every answer by code that did not produce it, on noise it has not seen.
    pub(super) fn new(lowered: &Lowered, solutions: &[Solution], streams: &Streams) -> Self {
        if lowered.process.control.is_empty() {
            let stopped = !lowered.free().stops.is_empty();
            Self::Numbers(quantities(solutions, stopped))
        } else if lowered.problem.reverse().is_some() {
            Self::Scores(compare(lowered, solutions, streams))
        } else {
            Self::Policies(compare_controls(lowered, solutions, streams))
        }
    }

    /// Executes the identities.
    pub(super) fn verify(
        &self,
        lowered: &Lowered,
        derivation: &Derivation,
        solutions: &[Solution],
        streams: &Streams,
    ) -> Vec<CheckResult> {
        let checks = &lowered.problem.checks;
        match self {
            Self::Scores(_) => {
                let found = verify(lowered, solutions, checks, streams);
                with_proofs(found, derivation, checks)
            }
            Self::Policies(comparison) => {
                verify_controls(lowered, derivation, solutions, comparison, streams)
            }
            Self::Numbers(_) => verify_simulation(lowered, derivation, solutions, streams),
        }
    }

    /// Named numbers that `[reference.NAME]` is compared with.
    pub fn quantities(&self) -> &[Quantity] {
        match self {
            Self::Scores(comparison) => &comparison.quantities,
            Self::Policies(comparison) => &comparison.quantities,
            Self::Numbers(quantities) => quantities,
        }
    }

    /// The solver that others are measured against.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Scores(comparison) => comparison.reference.as_deref(),
            Self::Policies(comparison) => comparison.reference.as_deref(),
            Self::Numbers(_) => None,
        }
    }

    /// The numbers of one answer that its ladder of work is judged by.
    pub(super) fn numbers(
        &self,
        lowered: &Lowered,
        solution: &Solution,
    ) -> Vec<(String, Estimate)> {
        let (mut numbers, error, gap) = match self {
            Self::Scores(comparison) => {
                let row = comparison.rows.iter().find(|r| r.solver == solution.id);
                let row = row.filter(|_| self.reference() != Some(&solution.id));
                let error = row.and_then(|row| row.control_error.as_ref());
                let gap = row.and_then(|row| row.action.as_ref()?.gap);
                (Vec::new(), error.map(|error| error.relative), gap)
            }
            Self::Policies(comparison) => {
                let row = comparison.rows.iter().find(|r| r.solver == solution.id);
                let error = row.and_then(|row| row.error.as_ref());
                let gap = row.and_then(|row| row.performance.as_ref()?.gap);
                let numbers = numbers_of(lowered, solution);
                (numbers, error.map(|error| error.relative), gap)
            }
            Self::Numbers(_) => {
                let found = solution.answer.quantities.iter();
                (
                    found.map(|q| (q.name.clone(), q.value)).collect(),
                    None,
                    None,
                )
            }
        };
        numbers.extend(error.map(|error| (CONTROL_ERROR.to_owned(), error)));
        numbers.extend(gap.map(|gap| (GAP.to_owned(), gap)));
        numbers
    }
}
