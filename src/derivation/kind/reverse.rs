//! The derivation of reverse and sampling problems, step by step.

use crate::derivation::control::{hamilton_jacobi_bellman, hopf_cole, optimal_control};
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::stated::Stated;
use crate::derivation::ground::step::Step;
use crate::derivation::kind::cross_check::cross_check;
use crate::derivation::kind::lowering;
use crate::derivation::kind::whole::Derivation;
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
    Noising::new(
        problem.graph.clone(),
        problem.time,
        problem.state.clone(),
        problem.dynamics.drift.clone(),
        problem.dynamics.diffusion.clone(),
    )
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
            let (lo, hi) = (graph.number(*lo), graph.number(*hi));
            let end = graph.number(problem.dynamics.horizon.1);
            let rise = graph.sub(hi, lo);
            let slope = graph.div(rise, end);
            let linear = graph.mul(&[slope, t]);
            graph.add(&[lo, linear])
        }
        Rate::Expression(beta) => *beta,
    };
    let named = graph.unknown("beta", &[t]);
    let half = graph.rational(-1, 2);
    let drift = problem
        .state
        .iter()
        .map(|x| graph.mul(&[half, named, *x]))
        .collect();
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
    let mut exact = noising(problem);
    let mut shown = abbreviated(problem);
    let mut steps = control_steps(problem, &mut exact, &mut shown)?;
    steps.push(score_objectives::path_step(&mut exact)?);
    steps.push(score_objectives::implicit_step(&mut exact)?);
    if let Some(known) = kernel(&mut exact, problem) {
        let written = kernel(&mut shown, problem).unwrap_or_else(|| known.clone());
        steps.push(score_objectives::denoising_step(
            &mut exact, &mut shown, &known, &written,
        )?);
    }
    let side_results = vec![likelihood_expansion::step(&mut exact)?];
    let domain = problem.dynamics.domain.as_deref();
    let cross_check = cross_check(&mut exact, stated, domain)?;
    Ok(Derivation::numbered(
        exact.graph,
        steps,
        side_results,
        structure,
        cross_check,
        Vec::new(),
    ))
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
    let mut exact = noising(problem);
    let mut shown = abbreviated(problem);
    let mut steps = vec![partition::target_step(&mut exact, &mut shown, log_density)?];
    steps.extend(control_steps(problem, &mut exact, &mut shown)?);
    steps.push(partition::normaliser_step(&mut exact)?);
    let domain = problem.dynamics.domain.as_deref();
    let cross_check = cross_check(&mut exact, stated, domain)?;
    Ok(Derivation::numbered(
        exact.graph,
        steps,
        Vec::new(),
        structure,
        cross_check,
        Vec::new(),
    ))
}

/// From the law of the noising process to the likelihood along the flow.
fn control_steps(
    problem: &Problem,
    exact: &mut Noising,
    shown: &mut Noising,
) -> Result<Vec<Step>, Refuted> {
    let mut steps = Vec::new();
    if exact.is_multiplicative() {
        steps.push(ito::step(exact, shown, problem.dynamics.calculus)?);
    }
    steps.push(fokker_planck::step(exact, shown)?);
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
    Ok(steps)
}
