//! The terms in which answers are compared and judged: they hang on what the process is.

use crate::comparison::quantities::numbers_of;
use crate::comparison::{Comparison, compares_scores};
use crate::numeric::estimate::Estimate;
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;
use crate::verification::work_precision::{CONTROL_ERROR, GAP};

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terms {
    /// A score, measured under the law of the noised data.
    Scores,
    /// A policy, simulated on the time of the control.
    Policies,
    /// Numbers of a process without a control.
    Numbers,
}

impl Terms {
    pub fn of(lowered: &Lowered) -> Self {
        if lowered.process.control.is_empty() {
            Self::Numbers
        } else if compares_scores(lowered) {
            Self::Scores
        } else {
            Self::Policies
        }
    }
}

/// The numbers of one answer that its ladder of work is judged by.
pub(super) fn numbers(
    lowered: &Lowered,
    comparison: &Comparison,
    solution: &Solution,
) -> Vec<(String, Estimate)> {
    let answer = &solution.answer;
    let mut numbers = match Terms::of(lowered) {
        Terms::Scores => Vec::new(),
        Terms::Policies => numbers_of(lowered, answer),
        Terms::Numbers => {
            let found = answer.quantities.iter();
            found.map(|q| (q.name.clone(), q.value)).collect()
        }
    };
    let is_reference = comparison.reference.as_deref() == Some(solution.id.as_str());
    let row = comparison.row(&solution.id).filter(|_| !is_reference);
    let error = row.and_then(|row| row.control_error.as_ref());
    numbers.extend(error.map(|error| (CONTROL_ERROR.to_owned(), error.relative)));
    let gap = row.and_then(|row| row.performance.as_ref()?.gap);
    numbers.extend(gap.map(|gap| (GAP.to_owned(), gap)));
    numbers
}
