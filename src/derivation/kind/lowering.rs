//! Reverse diffusion as a control problem.
//!
//! ```text
//! dY = (b + G u) dtau + G dB,     tau = T - t,     coefficients at t = T - tau
//! S[u] = E[ Phi(Y_T) + int_0^T ( 1/2 |u|^2 + q ) dtau ]
//! b = -f + div D,     q = div f - 1/2 div div D,     Phi = -log p_0
//! ```
//!
//! For `D = D(t)` this is `b = -f`, `q = div f`.
//!
//! # Assumptions
//! Smooth coefficients.
//!
//! # Source
//! Pavon (1989); Berner, Richter & Ullrich, *An optimal control perspective on diffusion-based generative
//! modeling* (2024); Premkumar, *Generative diffusion from an action principle* (2023).
//!
//! # Executed by
//! The Fokker–Planck operator is the generator of the uncontrolled reverse process, killed at rate `q`:
//! `-div(f phi) + 1/2 div div(D phi) = b . grad phi + 1/2 D : grad grad phi - q phi` for every `phi`.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::Step;
use crate::expr::Expr;

const SOURCE: &str = "Pavon (1989); Berner, Richter & Ullrich (2024); Premkumar (2023)";

/// The uncontrolled reverse drift and the running cost of a control problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowering {
    /// `b`, at noising time.
    pub drift: Vec<Expr>,
    /// `q`, at noising time.
    pub running: Expr,
}

/// The lowering of a noising process.
pub fn lowering(noising: &Noising) -> Lowering {
    Lowering {
        drift: noising.reverse_drift.clone(),
        running: noising.running_cost,
    }
}

/// `L* phi = b . grad phi + 1/2 D : grad grad phi - q phi` for every `phi`.
///
/// # Errors
/// [`Refuted`] if this `b` and `q` do not belong to the noising process.
pub fn execute(noising: &mut Noising, lowering: &Lowering) -> Result<Evidence, Refuted> {
    let phi = noising.field("phi");
    let forward = noising.forward_operator(phi);
    let generator = noising.generator(&lowering.drift, phi);
    let backward = generator - lowering.running * phi;
    let claim = "the Fokker-Planck operator is the reverse generator killed at rate q";
    noising.equal(claim, forward, backward)
}

/// The step.
///
/// # Errors
/// [`Refuted`] if the two operators differ.
pub fn step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let evidence = execute(exact, &lowering(exact))?;
    let executes = "the Fokker-Planck operator is the generator of the uncontrolled reverse process killed at rate q";
    let mut step = Step::new("time reversal as a control problem", "lowering", SOURCE)
        .executed(executes, evidence)
        .line("tau = T - t:  dY = (b + G u) dtau + G dB,   coefficients at t = T - tau")
        .line("b = -f + div D,   q = div f - 1/2 div div D,   Phi = -log p_0")
        .assuming(&[
            Assumption::SmoothCoefficients,
            Assumption::PositiveDataDensity,
        ]);
    step = if shown.is_multiplicative() {
        let opened = shown.diffusivity_divergence.clone();
        step.line(notation::vector(shown, "div D", &opened))
            .line(notation::scalar(
                shown,
                "div div D",
                shown.double_divergence,
            ))
    } else {
        step.line("D does not depend on the state, so b = -f and q = div f:")
    };
    let b = shown.reverse_drift.clone();
    Ok(step
        .line(notation::vector(shown, "b", &b))
        .line(notation::scalar(shown, "q", shown.running_cost)))
}
