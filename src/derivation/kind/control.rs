//! The derivation of a control problem, step by step.

use crate::derivation::control::in_matrices::is_large;
use crate::derivation::control::{
    bellman, classical_limit, completed_square, product_form, riccati, temperature, wkb,
};
use crate::derivation::ground::as_typed::{self, CrossCheck, Point};
use crate::derivation::ground::controlled::{self, ControlledDiffusion, Obstacle};
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::stated::Stated;
use crate::derivation::kind::whole::{Derivation, Outline};
use crate::derivation::law::{generator, ito, policy_law};
use crate::derivation::structure::Finding;
use crate::derivation::structure::facts::{Facts, Known};
use crate::expr::arithmetic::dot;
use crate::expr::{Expr, Graph};
use crate::problem::meant::model::Calculus;
use crate::problem::meant::task::Sense;

/// What is derived besides the expressions: how the noise was read, and where points may lie.
#[derive(Clone, Debug)]
pub struct Setting {
    pub calculus: Calculus,
    pub sense: Sense,
    /// Whether the control stays in a box: its best values are then no linear function of the slope.
    pub bounded: bool,
    pub domain: Option<Vec<(f64, f64)>>,
}

/// Derives and executes everything that follows from a control problem, given what it was taken apart into.
///
/// # Errors
/// [`Refuted`] if a step is false: a mistake in this program or in its algebra, never in the problem.
pub fn derive(
    stated: &Stated,
    known: Result<Known, Obstacle>,
    setting: &Setting,
    structure: Vec<Finding>,
) -> Result<Derivation, Refuted> {
    let counted = match &known {
        Ok(known) if !known.parts.counts_from_zero() => Some(known.parts.process.clone()),
        _ => None,
    };
    let name = match &counted {
        Some(_) => "generator of the process under the cheapest control",
        None => "generator of the uncontrolled process",
    };
    let process = &mut counted.unwrap_or_else(|| controlled::uncontrolled(stated));
    let written = &mut process.clone();
    let short = match &known {
        Ok(Known { parts, facts }) if is_large(parts) => match &facts.quadratic {
            Ok(quadratic) => riccati::abbreviations(parts, quadratic),
            Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    };
    written.abbreviations = short.clone();
    let mut outline = Outline::default();
    if setting.sense == Sense::Maximise {
        outline.note(
            "sense = \"max\": the steps count the gains as costs of the opposite sign, so the largest gain is -V",
        );
    }
    if process.is_multiplicative() {
        let readings = ito::step(process, written, setting.calculus)?;
        outline.steps.push(readings);
    }
    outline.steps.push(generator::step(process, written, name)?);
    match known {
        Ok(Known { mut parts, facts }) => {
            let mut shown = parts.clone();
            shown.process.abbreviations = short;
            let evidence = controlled::execute(&mut parts, stated)?;
            if !parts.counts_from_zero() {
                let step = completed_square::step(&mut shown, &stated.control, evidence);
                outline.steps.push(step);
            }
            if setting.bounded {
                outline.steps.push(bellman::step(&mut parts, &mut shown)?);
                outline.note(
                    "no closed policy: the minimum is taken over the box of dynamics.control_bounds",
                );
            } else {
                solved(&mut parts, &mut shown, &facts, &mut outline)?;
            }
            let check = cross_check(&mut parts, stated, setting)?;
            Ok(outline.finished(parts.process.graph, structure, check))
        }
        Err(obstacle) => {
            outline.note(format!("no closed policy: {obstacle}"));
            Ok(outline.finished(process.graph.clone(), structure, None))
        }
    }
}

/// The steps that need a closed minimiser.
fn solved(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
    facts: &Facts,
    outline: &mut Outline,
) -> Result<(), Refuted> {
    let steps = &mut outline.steps;
    steps.push(bellman::step(exact, shown)?);
    steps.push(bellman::policy_step(exact, shown)?);
    steps.push(bellman::elimination_step(exact, shown)?);
    let mut typed_noise = None;
    let lambda = match &facts.temperature {
        Ok(found) => {
            typed_noise = temperature::match_noise(exact, found);
            steps.push(temperature::step(exact, shown, found)?);
            Some(found.value)
        }
        Err(missing) => {
            let nearest = missing
                .nearest
                .as_ref()
                .map_or(String::new(), |n| format!("; {n}"));
            let note = format!("no linear equation: {}{nearest}", missing.because);
            outline.notes.push(note);
            None
        }
    };
    if let Ok(quadratic) = &facts.quadratic {
        steps.push(riccati::step(exact, shown, quadratic)?);
    }
    if facts.groups.len() > 1 {
        steps.push(product_form::step(exact, &facts.groups, lambda.is_some())?);
    }
    steps.push(policy_law::step(exact, shown, lambda)?);
    if let Some(diffusivity) = typed_noise {
        exact.process.diffusivity = diffusivity;
    }
    steps.push(bellman::gap_step(exact, shown)?);
    if is_large(exact) {
        outline.note(format!(
            "not written out in {} states: the law of the optimal process, the classical limit, small noise",
            exact.dimension()
        ));
        return Ok(());
    }
    outline.side_results = vec![policy_law::law_step(exact)?];
    if !exact.is_endless() {
        // Paths and their weights between a start and an end.
        outline
            .side_results
            .push(classical_limit::step(exact, shown)?);
        outline.side_results.push(wkb::step(exact)?);
    }
    Ok(())
}

/// A test function under the cheapest control, from the expressions as typed.
struct Still {
    generated: f64,
    /// `f . grad phi`.
    carried: f64,
    slope: Vec<f64>,
}

impl Still {
    fn of(
        graph: &Graph,
        stated: &Stated,
        (cheapest, test): (&[Expr], Expr),
        at: &Point,
    ) -> Option<Self> {
        let mut off: Point = at.clone();
        let rest = graph.evaluate_all(cheapest, at)?;
        off.extend(stated.control.iter().copied().zip(rest));
        let still = as_typed::coefficients(graph, &stated.drift, &stated.diffusion, &off)?;
        let slope = as_typed::gradient(graph, &stated.state, test, at)?;
        Some(Self {
            generated: as_typed::generator(graph, &stated.state, &still, test, at)?,
            carried: still.drift.iter().zip(&slope).map(|(f, s)| f * s).sum(),
            slope,
        })
    }
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
    if is_large(controlled) {
        return cross_check_along(controlled, stated, setting);
    }
    let test = as_typed::test_function(&mut controlled.process);
    let generated = controlled.process.generated(test);
    let least = bellman::minimum(controlled, test);
    let policy = bellman::policy(controlled, test);
    let steered = controlled.steered(&policy);
    let cheapest = controlled.cheapest.clone();
    let mut derived = vec![generated, least];
    derived.extend(controlled.as_typed(&policy));
    derived.extend(&steered);
    let domain = setting.domain.as_deref();
    let places = as_typed::points(&stated.state, stated.time, domain, stated.horizon);
    let forward = |graph: &Graph, at: &Point| {
        let Still {
            generated,
            carried,
            slope,
        } = Still::of(graph, stated, (&cheapest, test), at)?;
        let best = as_typed::least_cost_rate(graph, stated, &slope, at)?;
        let (least, control) = best.split_first()?;
        let mut on: Point = at.clone();
        on.extend(stated.control.iter().copied().zip(control.iter().copied()));
        let mut values = vec![generated, least + generated - carried];
        values.extend(control);
        values.extend(graph.evaluate_all(&stated.drift, &on)?);
        Some(as_typed::with_scale(values))
    };
    let claim =
        "generator, least cost rate, policy and optimal drift, from the expressions as typed";
    let wanted = as_typed::points_wanted(places[0].len());
    let graph = &controlled.process.graph;
    as_typed::compare(graph, claim, &derived, (&places, wanted), forward)
}

/// As [`cross_check`] for problems too large to be minimised at each point: the expressions as typed have their least
/// value at the policy, and their slope vanishes there along directions drawn at random.
///
/// # Errors
/// [`Refuted`] at the first point where they differ.
fn cross_check_along(
    controlled: &mut ControlledDiffusion,
    stated: &Stated,
    setting: &Setting,
) -> Result<Option<CrossCheck>, Refuted> {
    let test = as_typed::test_function(&mut controlled.process);
    let generated = controlled.process.generated(test);
    let slope = controlled.process.gradient(test);
    let pulled = controlled.through_channel(&slope);
    let response = controlled.best_response(&slope);
    let policy = controlled.as_typed(&response);
    let cheapest = controlled.cheapest.clone();
    let graph = &mut controlled.process.graph;
    let saved = dot(&pulled, &response) / 2;
    let least = graph.of(controlled.running + generated + saved);
    let derived = [generated, least, graph.zero()];
    let domain = setting.domain.as_deref();
    let places = as_typed::points(&stated.state, stated.time, domain, stated.horizon);
    let directions = as_typed::points(&stated.control, stated.time, None, stated.horizon);
    let forward = |graph: &Graph, at: &Point| {
        let Still {
            generated,
            carried,
            slope,
        } = Still::of(graph, stated, (&cheapest, test), at)?;
        let best = graph.evaluate_all(&policy, at)?;
        let mut on: Point = at.clone();
        on.extend(stated.control.iter().copied().zip(best));
        let direction = &directions[0][..stated.control.len()];
        let (jet, scale) = as_typed::cost_rate_along(graph, stated, &slope, &on, direction)?;
        let values = vec![generated, jet[0] + generated - carried, jet[1]];
        let (values, largest) = as_typed::with_scale(values);
        Some((values, scale.max(largest)))
    };
    let claim = "generator, least cost rate and its slope, from the expressions as typed";
    let wanted = as_typed::points_wanted(places[0].len());
    let graph = &controlled.process.graph;
    as_typed::compare(graph, claim, &derived, (&places, wanted), forward)
}
