//! The derivation of a reverse problem, step by step.

use crate::derivation::cross_check::cross_check;
use crate::derivation::evidence::Refuted;
use crate::derivation::gaussian_kernel::{TransitionKernel, transition_kernel};
use crate::derivation::noising::Noising;
use crate::derivation::stated::Stated;
use crate::derivation::step::{Derivation, Step};
use crate::derivation::{
    action, fokker_planck, hamilton_jacobi_bellman, hopf_cole, ito, lowering, optimal_control,
    reverse_sde, score_objectives, structure,
};
use crate::problem::law::Law;
use crate::problem::model::{Preset, Problem, Rate};

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

/// The process as typed, without control.
fn stated(problem: &Problem) -> Stated {
    let mut graph = problem.graph.clone();
    let zero = graph.zero();
    Stated {
        graph,
        time: problem.time,
        state: problem.state.clone(),
        control: Vec::new(),
        drift: problem.dynamics.drift.clone(),
        diffusion: problem.dynamics.diffusion.clone(),
        running: zero,
        terminal: zero,
        discount: zero,
        horizon: problem.dynamics.horizon,
    }
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

/// Derives and executes everything that follows from a problem: from a reverse problem all of it, from
/// another kind what holds of its process while nothing steers it.
///
/// # Errors
/// [`Refuted`] if a step is false: a mistake in this program or in its algebra, never in the problem.
///
/// # Cost
/// Expansion of expressions with `O(d)` terms for diagonal noise and `O(d^2)` for full noise.
pub fn derive(problem: &Problem) -> Result<Derivation, Refuted> {
    match problem.reverse() {
        Some(task) => derive_reverse(problem, &task.data),
        None => derive_process(&unsteered(problem)),
    }
}

/// The problem with every control at zero.
fn unsteered(problem: &Problem) -> Problem {
    let mut problem = problem.clone();
    let zero = problem.graph.zero();
    let off: Vec<_> = problem.control.iter().map(|u| (*u, zero)).collect();
    for f in &mut problem.dynamics.drift {
        *f = problem.graph.substitute(*f, &off);
    }
    problem
}

fn derive_process(problem: &Problem) -> Result<Derivation, Refuted> {
    let mut exact = noising(problem);
    let mut shown = abbreviated(problem);
    let mut steps: Vec<Step> = Vec::new();
    if exact.is_multiplicative() {
        let calculus = problem.dynamics.calculus;
        steps.push(ito::step(&mut exact, &mut shown, calculus)?);
    }
    steps.push(fokker_planck::step(&mut exact, &mut shown)?);
    let structure = structure::of_process(&mut exact, problem.task.start_law());
    let cross_check = cross_check(
        &mut exact,
        &stated(problem),
        problem.dynamics.domain.as_deref(),
    )?;
    Ok(Derivation::numbered(
        exact.graph,
        steps,
        Vec::new(),
        structure,
        cross_check,
        Vec::new(),
    ))
}

fn derive_reverse(problem: &Problem, data: &Law) -> Result<Derivation, Refuted> {
    let mut exact = noising(problem);
    let mut shown = abbreviated(problem);
    let mut steps: Vec<Step> = Vec::new();
    if exact.is_multiplicative() {
        let calculus = problem.dynamics.calculus;
        steps.push(ito::step(&mut exact, &mut shown, calculus)?);
    }
    steps.push(fokker_planck::step(&mut exact, &mut shown)?);
    steps.push(lowering::step(&mut exact, &mut shown)?);
    steps.push(action::path_weight_step(&mut exact)?);
    steps.push(action::step(&mut exact)?);
    steps.push(hamilton_jacobi_bellman::step(&mut exact)?);
    steps.push(optimal_control::step(&mut exact, &mut shown)?);
    steps.push(hamilton_jacobi_bellman::elimination_step(
        &mut exact, &mut shown,
    )?);
    steps.push(optimal_control::gap_step(&mut exact)?);
    steps.push(hopf_cole::step(&mut exact, &mut shown)?);
    steps.push(reverse_sde::step(&mut exact, &mut shown)?);
    steps.push(reverse_sde::likelihood_step(&mut exact, &mut shown)?);
    steps.push(score_objectives::path_step(&mut exact)?);
    steps.push(score_objectives::implicit_step(&mut exact)?);
    if let Some(known) = kernel(&mut exact, problem) {
        let written = kernel(&mut shown, problem).unwrap_or_else(|| known.clone());
        steps.push(score_objectives::denoising_step(
            &mut exact, &mut shown, &known, &written,
        )?);
    }
    let structure = structure::findings(&mut exact, data);
    let cross_check = cross_check(
        &mut exact,
        &stated(problem),
        problem.dynamics.domain.as_deref(),
    )?;
    Ok(Derivation::numbered(
        exact.graph,
        steps,
        Vec::new(),
        structure,
        cross_check,
        Vec::new(),
    ))
}
