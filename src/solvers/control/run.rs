//! Runs one requested method on a control problem.

use crate::problem::model::SolverSpec;
use crate::solvers::control::{ControlOutcome, ControlProblem};
use crate::solvers::{Progress, Refusal, Solution, Unsolved};
use std::time::Duration;

/// Solutions found so far: a method may use the policy of another (`use = "id"`).
pub type Found<'a> = &'a [Solution<ControlOutcome>];

/// Runs one solver; its random numbers depend on the seed and its id only.
///
/// # Errors
/// [`Unsolved`]: refused, with what would be accepted, or failed.
pub fn solve(
    problem: &ControlProblem,
    spec: &SolverSpec,
    found: Found<'_>,
    deadline: Option<Duration>,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Solution<ControlOutcome>, Unsolved> {
    let _ = (found, deadline, watch);
    Err(Unsolved::Refused(Refusal {
        method: spec.method.name(),
        reason: format!(
            "this version does not have it for kind `{}`",
            problem.problem.kind()
        ),
        accepted: "riccati, separable, hopf-cole, hjb, path-integral, action, ddp".to_owned(),
    }))
}
