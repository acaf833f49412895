//! The derivation of a control problem, step by step.

use crate::derivation::control::{
    bellman, classical_limit, product_form, riccati, temperature, wkb,
};
use crate::derivation::ground::as_typed::{self, Point};
use crate::derivation::ground::controlled::{self, ControlledDiffusion};
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::stated::Stated;
use crate::derivation::ground::step::Step;
use crate::derivation::kind::whole::{CrossCheck, Derivation};
use crate::derivation::law::{generator, ito, policy_law};
use crate::derivation::structure::Finding;
use crate::problem::meant::model::Calculus;

/// What is derived besides the expressions: how the noise was read, and where points may lie.
#[derive(Clone, Debug)]
pub struct Setting {
    pub calculus: Calculus,
    pub domain: Option<Vec<(f64, f64)>>,
}

/// Derives and executes everything that follows from a control problem. `shown` is the same problem with
/// names for its numbers where it has them; only the print differs.
///
/// # Errors
/// [`Refuted`] if a step is false: a mistake in this program or in its algebra, never in the problem.
pub fn derive(
    stated: &Stated,
    shown: &Stated,
    setting: &Setting,
    structure: Vec<Finding>,
) -> Result<Derivation, Refuted> {
    let mut process = controlled::uncontrolled(stated);
    let mut written = controlled::uncontrolled(shown);
    let mut steps: Vec<Step> = Vec::new();
    let mut side_results = Vec::new();
    let mut notes = Vec::new();
    if process.is_multiplicative() {
        steps.push(ito::step(&mut process, &mut written, setting.calculus)?);
    }
    steps.push(generator::step(
        &mut process,
        &mut written,
        "generator of the uncontrolled process",
    )?);
    let parts = (
        controlled::take_apart(stated),
        controlled::take_apart(shown),
    );
    let (graph, check) = match parts {
        (Ok(mut exact), Ok(mut shown)) => {
            controlled::execute(&mut exact, stated)?;
            solved(
                &mut exact,
                &mut shown,
                &mut steps,
                &mut side_results,
                &mut notes,
            )?;
            let check = cross_check(&mut exact, stated, setting)?;
            (exact.process.graph, check)
        }
        (Err(obstacle), _) | (_, Err(obstacle)) => {
            notes.push(format!("no closed policy: {obstacle}"));
            (process.graph, None)
        }
    };
    Ok(Derivation::numbered(
        graph,
        steps,
        side_results,
        structure,
        check,
        notes,
    ))
}

/// The steps that need a closed minimiser.
fn solved(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
    steps: &mut Vec<Step>,
    side_results: &mut Vec<Step>,
    notes: &mut Vec<String>,
) -> Result<(), Refuted> {
    steps.push(bellman::step(exact, shown)?);
    steps.push(bellman::policy_step(exact, shown)?);
    steps.push(bellman::elimination_step(exact, shown)?);
    let lambda = match temperature::temperature(exact) {
        Ok(found) => {
            let written = temperature::temperature(shown).map_or(found.value, |t| t.value);
            steps.push(temperature::step(exact, shown, &found, written)?);
            Some(found.value)
        }
        Err(missing) => {
            let nearest = missing.nearest.map_or(String::new(), |n| format!("; {n}"));
            notes.push(format!("no linear equation: {}{nearest}", missing.because));
            None
        }
    };
    if let Ok(lq) = riccati::linear_quadratic(exact) {
        let written = riccati::linear_quadratic(shown).unwrap_or_else(|_| lq.clone());
        steps.push(riccati::step(exact, shown, &lq, &written)?);
    }
    let (groups, _) = product_form::groups_of(exact);
    if groups.len() > 1 {
        steps.push(product_form::step(exact, &groups, lambda.is_some())?);
    }
    steps.push(policy_law::step(exact, shown, lambda)?);
    steps.push(bellman::gap_step(exact, shown)?);
    side_results.push(policy_law::law_step(exact)?);
    side_results.push(classical_limit::step(exact, shown)?);
    side_results.push(wkb::step(exact)?);
    Ok(())
}

/// Generator, least cost rate, policy and the drift under it, against the expressions as typed.
///
/// # Errors
/// [`Refuted`] at the first point where they differ.
pub fn cross_check(
    controlled: &mut ControlledDiffusion,
    stated: &Stated,
    setting: &Setting,
) -> Result<Option<CrossCheck>, Refuted> {
    let test = as_typed::test_function(&mut controlled.process);
    let drift = controlled.process.drift.clone();
    let generated = controlled.process.generator(&drift, test);
    let least = bellman::minimum(controlled, test);
    let policy = bellman::policy(controlled, test);
    let steered = controlled.steered(&policy);
    let mut derived = vec![generated, least];
    derived.extend(&policy);
    derived.extend(&steered);
    let places = as_typed::points(
        &stated.state,
        stated.time,
        setting.domain.as_deref(),
        stated.horizon,
    );
    as_typed::compare(
        &controlled.process.graph,
        "generator, least cost rate, policy and optimal drift",
        &derived,
        &places,
        |graph, at| {
            let mut off: Point = at.clone();
            off.extend(stated.control.iter().map(|u| (*u, 0.0)));
            let still = as_typed::coefficients(graph, &stated.drift, &stated.diffusion, &off)?;
            let generated = as_typed::generator(graph, &stated.state, &still, test, at)?;
            let slope = as_typed::gradient(graph, &stated.state, test, at)?;
            let carried: f64 = still.drift.iter().zip(&slope).map(|(f, s)| f * s).sum();
            let best = as_typed::least_cost_rate(graph, stated, &slope, at)?;
            let (least, control) = best.split_first()?;
            let mut on: Point = at.clone();
            on.extend(stated.control.iter().copied().zip(control.iter().copied()));
            let mut values = vec![generated, least + generated - carried];
            values.extend(control);
            values.extend(graph.evaluate_all(&stated.drift, &on)?);
            Some(values)
        },
    )
}
