//! Runs one requested method on a lowered problem.

use crate::derivation::ground::stated::Clock;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::bridge::Bridge;
use crate::solvers::closed::exact::Exact;
use crate::solvers::closed::moments::Moments;
use crate::solvers::closed::passage::FirstPassage;
use crate::solvers::closed::riccati::Riccati;
use crate::solvers::closed::riccati::hamiltonian::Hamiltonian;
use crate::solvers::closed::stationary::Stationary;
use crate::solvers::driver::{Attempt, Progress, Solution, Unsolved};
use crate::solvers::grid::density::Density;
use crate::solvers::grid::fokker_planck::FokkerPlanck;
use crate::solvers::grid::hjb::Hjb;
use crate::solvers::grid::hopf_cole::HopfCole;
use crate::solvers::grid::long_horizon::LongHorizon;
use crate::solvers::grid::noised_value::HopfCole as NoisedValue;
use crate::solvers::grid::separable::Separable;
use crate::solvers::grid::spectral::Spectral;
use crate::solvers::learned::action::Action;
use crate::solvers::learned::ddp::Ddp;
use crate::solvers::learned::path_integral::PathIntegral;
use crate::solvers::learned::polynomial::Polynomial;
use crate::solvers::learned::score_matching::ScoreMatching;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::sampling::annealed::Annealed;
use crate::solvers::sampling::chains::Chains;
use crate::solvers::walk::paths::Paths;
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

/// Solutions found so far: a method may use the policy of another (`use = "id"`).
pub type Found<'a> = &'a [Solution];

/// Runs one solver; its random numbers depend on the seed and its id only.
///
/// # Errors
/// [`Unsolved`]: refused, with what would be accepted, or failed.
pub fn solve(
    lowered: &Lowered,
    spec: &SolverSpec,
    found: Found<'_>,
    deadline: Option<Duration>,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Solution, Unsolved> {
    let attempt = Attempt {
        lowered,
        spec,
        seed: lowered.problem.run.seed,
        deadline,
    };
    // Where the law of the noised data is known the score has methods of its own under these names.
    let is_noised = lowered.process.clock == Clock::Reversed
        && lowered.undoes_additive_noise()
        && lowered.problem.reverse().is_some();
    macro_rules! try_each {
        ($($method:expr),* $(,)?) => {
            $(if let Some(method) = $method {
                return attempt.drive(&method, watch);
            })*
        };
    }
    let method = spec;
    if is_noised {
        try_each!(NoisedValue::new(method));
    }
    try_each!(
        ScoreMatching::new(method),
        FokkerPlanck::new(method),
        Bridge::new(method),
        (spec.method() == "exact").then_some(Exact),
        Riccati::new(method),
        Hamiltonian::new(method),
        HopfCole::new(method),
        Spectral::new(method),
        Hjb::new(method),
        LongHorizon::new(method),
        Separable::new(method),
        Annealed::new(method),
        Chains::new(method),
        Action::new(method),
        Polynomial::new(method),
        Ddp::new(method),
        PathIntegral::new(method, found),
        Stationary::new(method),
        FirstPassage::new(method),
        Density::new(method),
        Moments::new(method),
        Paths::new(method),
    );
    Err(Unsolved::Refused(Refusal {
        method: spec.method(),
        reason: format!(
            "this version does not have it for kind `{}`",
            lowered.problem.kind()
        ),
        accepted: "the methods that `onsager list methods` shows".to_owned(),
    }))
}
