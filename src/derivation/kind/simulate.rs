//! The derivation of a simulation problem, step by step.

use crate::derivation::ground::controlled;
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::stated::Stated;
use crate::derivation::ground::step::Step;
use crate::derivation::kind::cross_check::cross_check;
use crate::derivation::kind::whole::Derivation;
use crate::derivation::law::ito;
use crate::derivation::law::passage::{self, StoppingEvent};
use crate::derivation::law::{fokker_planck, generator, stationary};
use crate::derivation::structure::Finding;
use crate::problem::meant::model::Calculus;

/// What a simulation adds to the expressions.
#[derive(Clone, Debug)]
pub struct Setting {
    pub calculus: Calculus,
    pub domain: Option<Vec<(f64, f64)>>,
    pub events: Vec<StoppingEvent>,
}

/// Derives and executes everything that follows from a process without control.
///
/// # Errors
/// [`Refuted`] if a step is false.
pub fn derive(
    stated: &Stated,
    shown: &Stated,
    setting: &Setting,
    structure: Vec<Finding>,
) -> Result<Derivation, Refuted> {
    let mut exact = controlled::uncontrolled(stated);
    let mut written = controlled::uncontrolled(shown);
    let mut steps: Vec<Step> = Vec::new();
    let mut notes = Vec::new();
    if exact.is_multiplicative() {
        steps.push(ito::step(&mut exact, &mut written, setting.calculus)?);
    }
    steps.push(generator::step(&mut exact, &mut written, "generator")?);
    steps.push(fokker_planck::step_named(
        &mut exact,
        &mut written,
        "law of the process",
    )?);
    steps.push(generator::backward_step(&mut exact, &mut written)?);
    let other = other_reading(&mut written, setting.calculus);
    match stationary::step(&mut exact, &mut written, other)? {
        Some(step) => steps.push(step),
        None => notes.push(
            "no closed stationary density: neither zero flux nor a stable linear process"
                .to_owned(),
        ),
    }
    for event in &setting.events {
        steps.push(passage::step(
            &mut exact,
            &mut written,
            event,
            setting.domain.as_deref(),
        )?);
    }
    let check = cross_check(&mut exact, stated, setting.domain.as_deref())?;
    Ok(Derivation::numbered(
        exact.graph,
        steps,
        Vec::new(),
        structure,
        check,
        notes,
    ))
}

/// The same typed drift with its noise read the other way, where that makes another process.
fn other_reading(noising: &mut Noising, calculus: Calculus) -> Option<(&'static str, Noising)> {
    if !noising.is_multiplicative() {
        return None;
    }
    let half = noising.graph.rational(1, 2);
    let (name, alpha) = match calculus {
        Calculus::Ito => ("Stratonovich", -1),
        Calculus::Stratonovich => ("Ito", 1),
        Calculus::Klimontovich => ("Ito", 2),
    };
    let weight = noising.graph.integer(alpha);
    let alpha = noising.graph.mul(&[weight, half]);
    let drift = ito::drift_at(noising, alpha);
    Some((
        name,
        Noising::new(
            noising.graph.clone(),
            noising.time,
            noising.state.clone(),
            drift,
            noising.diffusion.clone(),
        ),
    ))
}
