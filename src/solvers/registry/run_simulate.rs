//! Runs one requested method on a simulation.

use crate::problem::meant::solver::SolverSpec;
use crate::solvers::closed::moments::Moments;
use crate::solvers::closed::passage::FirstPassage;
use crate::solvers::closed::stationary::Stationary;
use crate::solvers::driver::{Attempt, Progress, Refusal, Solution, Unsolved};
use crate::solvers::grid::density::Density;
use crate::solvers::lowered::simulate::{SimulateOutcome, SimulateProblem};
use crate::solvers::walk::paths::Paths;
use std::time::Duration;

/// Runs one solver; its random numbers depend on the seed and its id only.
///
/// # Errors
/// [`Unsolved`]: refused, with what would be accepted, or failed.
pub fn solve(
    problem: &SimulateProblem,
    spec: &SolverSpec,
    deadline: Option<Duration>,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Solution<SimulateOutcome>, Unsolved> {
    let method = spec;
    let attempt = Attempt {
        problem,
        spec,
        seed: problem.problem.run.seed,
        deadline,
    };
    if let Some(method) = Stationary::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = FirstPassage::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Density::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Moments::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Paths::new(method) {
        attempt.drive(&method, watch)
    } else {
        Err(Unsolved::Refused(Refusal {
            method: spec.method(),
            reason: "it is not for kind `simulate`".to_owned(),
            accepted: "stationary, first-passage, fpk, moments, euler-maruyama, heun, milstein, exponential-euler".to_owned(),
        }))
    }
}
