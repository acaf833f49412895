//! Runs one requested method on a lowered problem.

use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Attempt, Progress, Registered, Solution, Unsolved, Watch};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::methods::METHODS;
use std::time::Duration;

/// What came of every requested solver.
#[derive(Default)]
pub struct Answers {
    /// In the order they were asked for.
    pub asked: Vec<SolverSpec>,
    pub solutions: Vec<Solution>,
    /// Solver id and why it gave no solution.
    pub unsolved: Vec<(String, Unsolved)>,
}

impl Answers {
    pub fn push(&mut self, spec: &SolverSpec, result: Result<Solution, Unsolved>) {
        self.asked.push(spec.clone());
        match result {
            Ok(solution) => self.solutions.push(solution),
            Err(unsolved) => self.unsolved.push((spec.id.clone(), unsolved)),
        }
    }
}

/// Runs one solver by the methods of this version; its random numbers depend on the seed and its id only.
///
/// # Errors
/// [`Unsolved`]: refused, with what would be accepted, or failed.
pub fn solve(
    lowered: &Lowered,
    spec: &SolverSpec,
    found: &[Solution],
    deadline: Option<Duration>,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Solution, Unsolved> {
    let attempt = Attempt {
        lowered,
        spec,
        found,
        deadline,
    };
    solve_by(METHODS, &attempt, watch)
}

/// Runs one solver by the methods of a registry.
///
/// # Errors
/// As [`solve`].
pub fn solve_by(
    methods: &[Registered],
    attempt: &Attempt<'_>,
    watch: &mut Watch<'_>,
) -> Result<Solution, Unsolved> {
    let asked = methods
        .iter()
        .find(|method| method.card == attempt.spec.card);
    match asked {
        Some(method) => (method.solve)(attempt, watch),
        None => Err(attempt.refuse()),
    }
}
