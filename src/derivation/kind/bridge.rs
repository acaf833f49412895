//! The derivation of a Schrödinger bridge, step by step.

use crate::derivation::ground::controlled;
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::stated::Stated;
use crate::derivation::kind::cross_check::cross_check;
use crate::derivation::kind::whole::{Derivation, Outline};
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
    calculus: Calculus,
    domain: Option<&[(f64, f64)]>,
    structure: Vec<Finding>,
) -> Result<Derivation, Refuted> {
    let exact = &mut controlled::uncontrolled(stated);
    let shown = &mut exact.clone();
    let mut outline = Outline::default();
    let steps = &mut outline.steps;
    if exact.is_multiplicative() {
        steps.push(ito::step(exact, shown, calculus)?);
    }
    let name = "generator of the reference process";
    steps.push(generator::step(exact, shown, name)?);
    steps.push(schrodinger::system_step(exact, shown)?);
    steps.push(schrodinger::drift_step(exact, shown)?);
    steps.push(schrodinger::energy_step(exact)?);
    steps.push(nelson::velocity_step(exact)?);
    match nelson::newton_step(exact, shown)? {
        Some(step) => steps.push(step),
        None => outline.note(
            "no stochastic Newton law of this form: it needs a gradient drift and D = 2 nu I",
        ),
    }
    let name = "law of the reference process";
    outline.side_results = vec![fokker_planck::step(exact, shown, name)?];
    let check = cross_check(exact, stated, domain)?;
    Ok(outline.finished(exact.graph.clone(), structure, check))
}
