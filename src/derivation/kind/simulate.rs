//! The derivation of a simulation problem, step by step.

use crate::derivation::ground::controlled;
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::stated::Stated;
use crate::derivation::kind::cross_check::cross_check;
use crate::derivation::kind::whole::{Derivation, Outline};
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
    setting: &Setting,
    structure: Vec<Finding>,
) -> Result<Derivation, Refuted> {
    let exact = &mut controlled::uncontrolled(stated);
    let shown = &mut exact.clone();
    let domain = setting.domain.as_deref();
    let mut outline = Outline::default();
    let steps = &mut outline.steps;
    if exact.is_multiplicative() {
        steps.push(ito::step(exact, shown, setting.calculus)?);
    }
    steps.push(generator::step(exact, shown, "generator")?);
    steps.push(fokker_planck::step(exact, shown, "law of the process")?);
    steps.push(generator::backward_step(exact, shown)?);
    let other = other_reading(shown, setting.calculus);
    match stationary::step(exact, shown, other)? {
        Some(step) => steps.push(step),
        None => outline.notes.push(
            "no closed stationary density: neither zero flux nor a stable linear process"
                .to_owned(),
        ),
    }
    for event in &setting.events {
        steps.push(passage::step(exact, shown, event, domain)?);
    }
    let check = cross_check(exact, stated, domain)?;
    Ok(outline.finished(exact.graph.clone(), structure, check))
}

/// The same typed drift with its noise read the other way, where that makes another process.
fn other_reading(noising: &mut Noising, calculus: Calculus) -> Option<(&'static str, Noising)> {
    if !noising.is_multiplicative() {
        return None;
    }
    let (name, twice) = match calculus {
        Calculus::Ito => ("Stratonovich", -1),
        Calculus::Stratonovich => ("Ito", 1),
        Calculus::Klimontovich => ("Ito", 2),
    };
    let alpha = noising.graph.rational(twice, 2);
    let drift = ito::drift_at(noising, alpha);
    Some((name, noising.with_drift(drift)))
}
