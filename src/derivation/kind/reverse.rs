//! The derivation of reverse and sampling problems, step by step.

use crate::derivation::control::{hamilton_jacobi_bellman, hopf_cole, optimal_control};
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::stated::Stated;
use crate::derivation::ground::step::Step;
use crate::derivation::kind::cross_check::cross_check;
use crate::derivation::kind::lowering;
use crate::derivation::kind::whole::{Derivation, Outline};
use crate::derivation::law::gaussian_kernel::{TransitionKernel, transition_kernel};
use crate::derivation::law::{
    fokker_planck, ito, likelihood_expansion, partition, reverse_sde, score_objectives,
};
use crate::derivation::paths::action;
use crate::derivation::structure::Finding;
use crate::expr::Expr;
use crate::problem::meant::model::{Preset, Problem, Rate};

/// The noising process of a problem, as the user wrote it.
pub fn noising(problem: &Problem) -> Noising {
    Noising::of_problem(problem)
}

/// The same process with a named `beta(t)` where a preset has one, for printing.
fn abbreviated(problem: &Problem) -> Noising {
    let mut graph = problem.graph.clone();
    let t = problem.time;
    let beta = match &problem.dynamics.preset {
        Some(Preset::VariancePreserving { beta } | Preset::SubVariancePreserving { beta }) => beta,
        _ => return noising(problem),
    };
    let value = match beta {
        Rate::Constant(_) => return noising(problem),
        Rate::Linear { lo, hi } => {
            let horizon = problem.dynamics.horizon.1;
            let [lo, hi, end] = [*lo, *hi, horizon].map(|value| graph.number(value));
            graph.of(lo + (hi - lo) / end * t)
        }
        Rate::Expression(beta) => *beta,
    };
    let named = graph.unknown("beta", &[t]);
    let drift = graph.each(problem.state.iter().map(|x| -(named * *x) / 2));
    let mut diffusion = problem.dynamics.diffusion.clone();
    for entry in diffusion.iter_mut().flatten() {
        *entry = graph.substitute(*entry, &[(value, named)]);
    }
    let mut noising = Noising::new(graph, t, problem.state.clone(), drift, diffusion);
    noising.definitions.push(("beta".to_owned(), value));
    noising
}

fn kernel(noising: &mut Noising, problem: &Problem) -> Option<TransitionKernel> {
    let preset = problem.dynamics.preset.as_ref()?;
    transition_kernel(noising, preset, problem.dynamics.horizon.1)
}

/// Derives and executes everything that follows from a reverse problem.
///
/// # Errors
/// [`Refuted`] if a step is false: a mistake in this program or in its algebra, never in the problem.
///
/// # Cost
/// Expansion of expressions with `O(d)` terms for diagonal noise and `O(d^2)` for full noise.
pub fn derive(
    problem: &Problem,
    stated: &Stated,
    structure: Vec<Finding>,
) -> Result<Derivation, Refuted> {
    let (exact, shown) = (&mut noising(problem), &mut abbreviated(problem));
    let mut outline = Outline::default();
    let steps = &mut outline.steps;
    control_steps(problem, exact, shown, steps)?;
    steps.push(score_objectives::path_step(exact)?);
    steps.push(score_objectives::implicit_step(exact)?);
    if let Some(known) = kernel(exact, problem) {
        let written = kernel(shown, problem).unwrap_or_else(|| known.clone());
        let step = score_objectives::denoising_step(exact, shown, &known, &written)?;
        steps.push(step);
    }
    outline.side_results = vec![likelihood_expansion::step(exact)?];
    let check = cross_check(exact, stated, problem.dynamics.domain.as_deref())?;
    Ok(outline.finished(exact.graph.clone(), structure, check))
}

/// Derives and executes everything that follows from a sampling problem: the reverse problem of the
/// normalised target, and what is known about the normaliser.
///
/// # Errors
/// [`Refuted`] if a step is false.
pub fn derive_sample(
    problem: &Problem,
    stated: &Stated,
    log_density: Option<Expr>,
    structure: Vec<Finding>,
) -> Result<Derivation, Refuted> {
    let (exact, shown) = (&mut noising(problem), &mut abbreviated(problem));
    let mut outline = Outline::default();
    let steps = &mut outline.steps;
    steps.push(partition::target_step(exact, shown, log_density)?);
    control_steps(problem, exact, shown, steps)?;
    steps.push(partition::normaliser_step(exact)?);
    let check = cross_check(exact, stated, problem.dynamics.domain.as_deref())?;
    Ok(outline.finished(exact.graph.clone(), structure, check))
}

/// From the law of the noising process to the likelihood along the flow.
fn control_steps(
    problem: &Problem,
    exact: &mut Noising,
    shown: &mut Noising,
    steps: &mut Vec<Step>,
) -> Result<(), Refuted> {
    if exact.is_multiplicative() {
        steps.push(ito::step(exact, shown, problem.dynamics.calculus)?);
    }
    let name = "law of the noising process";
    steps.push(fokker_planck::step(exact, shown, name)?);
    steps.push(lowering::step(exact, shown)?);
    steps.push(action::path_weight_step(exact)?);
    steps.push(action::step(exact)?);
    steps.push(hamilton_jacobi_bellman::step(exact)?);
    steps.push(optimal_control::step(exact, shown)?);
    steps.push(hamilton_jacobi_bellman::elimination_step(exact, shown)?);
    steps.push(optimal_control::gap_step(exact)?);
    steps.push(hopf_cole::step(exact, shown)?);
    steps.push(reverse_sde::step(exact, shown)?);
    steps.push(reverse_sde::likelihood_step(exact, shown)?);
    Ok(())
}
