//! The derivation of a Schrödinger bridge, step by step.

use crate::derivation::ground::controlled;
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::stated::Stated;
use crate::derivation::ground::step::Step;
use crate::derivation::kind::cross_check::cross_check;
use crate::derivation::kind::whole::Derivation;
use crate::derivation::law::{fokker_planck, generator, ito, nelson};
use crate::derivation::paths::schrodinger;
use crate::derivation::structure::Finding;
use crate::problem::meant::model::Calculus;

/// Derives and executes the Schrödinger system of a reference process.
///
/// # Errors
/// [`Refuted`] if a step is false.
pub fn derive(
    stated: &Stated,
    shown: &Stated,
    calculus: Calculus,
    domain: Option<&[(f64, f64)]>,
    structure: Vec<Finding>,
) -> Result<Derivation, Refuted> {
    let mut exact = controlled::uncontrolled(stated);
    let mut written = controlled::uncontrolled(shown);
    let mut steps: Vec<Step> = Vec::new();
    let mut notes = Vec::new();
    if exact.is_multiplicative() {
        steps.push(ito::step(&mut exact, &mut written, calculus)?);
    }
    let name = "generator of the reference process";
    steps.push(generator::step(&mut exact, &mut written, name)?);
    steps.push(schrodinger::system_step(&mut exact, &mut written)?);
    steps.push(schrodinger::drift_step(&mut exact, &mut written)?);
    steps.push(schrodinger::energy_step(&mut exact)?);
    steps.push(nelson::velocity_step(&mut exact)?);
    match nelson::newton_step(&mut exact, &mut written)? {
        Some(step) => steps.push(step),
        None => notes.push(
            "no stochastic Newton law of this form: it needs a gradient drift and D = 2 nu I"
                .to_owned(),
        ),
    }
    let name = "law of the reference process";
    let side_results = vec![fokker_planck::step_named(&mut exact, &mut written, name)?];
    let check = cross_check(&mut exact, stated, domain)?;
    Ok(Derivation::numbered(
        exact.graph,
        steps,
        side_results,
        structure,
        check,
        notes,
    ))
}
