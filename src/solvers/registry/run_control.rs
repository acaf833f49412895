//! Runs one requested method on a control problem.

use crate::problem::meant::solver::SolverSpec;
use crate::solvers::closed::riccati::Riccati;
use crate::solvers::closed::riccati::hamiltonian::Hamiltonian;
use crate::solvers::driver::{Attempt, Progress, Refusal, Solution, Unsolved};
use crate::solvers::grid::hjb::Hjb;
use crate::solvers::grid::hopf_cole::HopfCole;
use crate::solvers::grid::long_horizon::LongHorizon;
use crate::solvers::grid::separable::Separable;
use crate::solvers::grid::spectral::Spectral;
use crate::solvers::learned::ddp::Ddp;
use crate::solvers::learned::path_integral::PathIntegral;
use crate::solvers::learned::polynomial::Polynomial;
use crate::solvers::learned::steered::Learned;
use crate::solvers::lowered::control::{ControlOutcome, ControlProblem};
use crate::solvers::sampling::annealed::Annealed;
use crate::solvers::sampling::chains::Chains;
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
    let method = spec;
    let attempt = Attempt {
        problem,
        spec,
        seed: problem.problem.run.seed,
        deadline,
    };
    if let Some(method) = Riccati::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Hamiltonian::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = HopfCole::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Spectral::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Hjb::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = LongHorizon::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Separable::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Annealed::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Chains::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Learned::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Polynomial::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Ddp::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = PathIntegral::new(method, found) {
        attempt.drive(&method, watch)
    } else {
        Err(Unsolved::Refused(Refusal {
            method: spec.method(),
            reason: format!(
                "this version does not have it for kind `{}`",
                problem.problem.kind()
            ),
            accepted: "riccati, hopf-cole, hjb, separable, long-horizon, path-integral, polynomial, action, ddp; for kind `sample` annealed, path-integral, action, langevin, mala, hmc".to_owned(),
        }))
    }
}
