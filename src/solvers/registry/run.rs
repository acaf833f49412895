//! From a validated problem to its solutions: lowering to numbers, then every requested method.

use crate::discretization::noising::{Noising, NoisingError};
use crate::field::noised_mixture::NoisedMixture;
use crate::problem::meant::model::Problem;
use crate::problem::meant::solver::SolverSpec;
use crate::problem::meant::task::{Kind, Reverse};
use crate::solvers::bridge::Bridge;
use crate::solvers::closed::exact::Exact;
use crate::solvers::driver::{Attempt, Progress, Refusal, Solution, Unsolved};
use crate::solvers::grid::fokker_planck::FokkerPlanck;
use crate::solvers::grid::noised_value::HopfCole;
use crate::solvers::learned::action::Action;
use crate::solvers::learned::score_matching::ScoreMatching;
use crate::solvers::lowered::answer::Outcome;
use crate::solvers::lowered::reverse::ReverseProblem;
use std::time::Duration;

/// Why a problem could not be lowered to numbers.
#[derive(Debug, thiserror::Error)]
pub enum LoweringError {
    #[error(
        "this version has no solvers for problems of kind `{kind}`; it derives and checks them: onsager derive, onsager check"
    )]
    NoSolvers { kind: Kind },
    #[error(transparent)]
    Noising(#[from] NoisingError),
    #[error(
        "the start law of the reverse process is a {family}; it must be a gaussian, mixture, curve or samples"
    )]
    PriorNotMixture { family: &'static str },
}

impl ReverseProblem {
    /// Lowers reverse diffusion to control: compiles the noising process and finds the closed form of
    /// its marginals where the data law is a mixture and the drift is affine.
    pub fn new(problem: Problem) -> Result<Self, LoweringError> {
        let Some(Reverse { data, prior }) = problem.reverse().cloned() else {
            return Err(LoweringError::NoSolvers {
                kind: problem.kind(),
            });
        };
        let noising = Noising::new(&problem)?;
        let prior = prior.mixture().ok_or(LoweringError::PriorNotMixture {
            family: prior.family(),
        })?;
        let exact = match (data.mixture(), noising.transition()) {
            (Some(mixture), Some(transition)) => Some(NoisedMixture::new(
                mixture,
                transition.clone(),
                noising.start(),
            )),
            _ => None,
        };
        Ok(Self {
            problem,
            data,
            noising,
            exact,
            prior,
        })
    }
}

/// What came of every requested solver.
pub struct Answers<O = Outcome> {
    /// In the order they were asked for.
    pub asked: Vec<SolverSpec>,
    pub solutions: Vec<Solution<O>>,
    /// Solver id and why it gave no solution.
    pub unsolved: Vec<(String, Unsolved)>,
}

impl<O> Default for Answers<O> {
    fn default() -> Self {
        Self {
            asked: Vec::new(),
            solutions: Vec::new(),
            unsolved: Vec::new(),
        }
    }
}

impl<O> Answers<O> {
    pub fn push(&mut self, spec: &SolverSpec, result: Result<Solution<O>, Unsolved>) {
        self.asked.push(spec.clone());
        match result {
            Ok(solution) => self.solutions.push(solution),
            Err(unsolved) => self.unsolved.push((spec.id.clone(), unsolved)),
        }
    }
}

/// Runs one solver; its random numbers depend on the seed and its id only.
pub fn solve(
    problem: &ReverseProblem,
    spec: &SolverSpec,
    deadline: Option<Duration>,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Solution, Unsolved> {
    let method = spec;
    let attempt = Attempt {
        problem,
        spec,
        seed: problem.problem.run.seed,
        deadline,
    };
    if let Some(method) = Action::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = ScoreMatching::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = HopfCole::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = FokkerPlanck::new(method) {
        attempt.drive(&method, watch)
    } else if let Some(method) = Bridge::new(method) {
        attempt.drive(&method, watch)
    } else if spec.method() == "exact" {
        attempt.drive(&Exact, watch)
    } else {
        Err(Unsolved::Refused(Refusal {
            method: spec.method(),
            reason: format!(
                "this version does not have it for kind `{}`",
                problem.problem.kind()
            ),
            accepted: "exact, action, score-matching, hopf-cole, fokker-planck, bridge".to_owned(),
        }))
    }
}
