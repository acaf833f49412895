//! The exponential of the value function solves a linear equation.
//!
//! With temperature 1 (`B R^{-1} B' = G G' = D`) and `psi = exp(-V)`,
//!
//! ```text
//! psi_t = 1/2 D : grad grad psi + b . grad psi - q psi,      psi(x, 0) = p_0(x)
//! psi(y, tau) = E[ p_0(Y_T) exp(-int_tau^T q dr) | Y_tau = y ]      (uncontrolled Y)
//! ```
//!
//! # Assumptions
//! A positive solution with the derivatives the equation names.
//!
//! # Source
//! Fleming & Soner (2006), chapter VI (logarithmic transformation); Kappen (2005); Feynman–Kac.
//!
//! # Executed by
//! Inserting `V = -log psi` into the Hamilton–Jacobi–Bellman equation; comparing with Fokker–Planck.

use crate::derivation::control::hamilton_jacobi_bellman as bellman;
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::expr::Expr;

const SOURCE: &str = "Fleming & Soner (2006), chapter VI; Kappen (2005)";

/// `psi_t - (1/2 D : grad grad psi + b . grad psi - q psi)`.
pub fn residual(noising: &mut Noising, psi: Expr) -> Expr {
    let rate = noising.graph.derivative(psi, noising.time);
    let b = noising.reverse_drift.clone();
    let drifted = noising.generator(&b, psi);
    let killed = noising.graph.mul(&[noising.running_cost, psi]);
    let right = noising.graph.sub(drifted, killed);
    noising.graph.sub(rate, right)
}

/// The linear equation.
pub fn equation(noising: &mut Noising) -> Equation {
    let psi = noising.field("psi");
    let residual = residual(noising, psi);
    let zero = noising.graph.zero();
    let (end, data) = (noising.at_time("psi", zero), noising.at_end("p_0"));
    Equation {
        id: "hopf-cole",
        unknown: psi,
        residual,
        closes_with: vec![noising.graph.sub(end, data)],
        assumes: vec![Assumption::SmoothValue, Assumption::PositiveDensity],
        source: SOURCE,
    }
}

/// At `V = -log psi` the Hamilton–Jacobi–Bellman residual is `-residual / psi`, and `residual` is that
/// of Fokker–Planck.
///
/// # Errors
/// [`Refuted`] if the transformed equation is another one.
pub fn execute(noising: &mut Noising, psi: Expr, residual: Expr) -> Result<Evidence, Refuted> {
    let log = noising.graph.log(psi);
    let value = noising.graph.neg(log);
    let transformed = bellman::residual(noising, value);
    let quotient = noising.graph.div(residual, psi);
    let expected = noising.graph.neg(quotient);
    let claim = "V = -log psi makes the equation linear";
    let linear = equal(&mut noising.graph, claim, transformed, expected)?;
    let fokker_planck = noising.fokker_planck_residual(psi);
    let claim = "the linear equation is Fokker-Planck";
    let same = equal(&mut noising.graph, claim, residual, fokker_planck)?;
    Ok(linear.and(same))
}

/// The step.
///
/// # Errors
/// [`Refuted`] if the transformation does not linearise.
pub fn step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let equation = equation(exact);
    let evidence = execute(exact, equation.unknown, equation.residual)?;
    let mut statement = vec![Formula::new(
        "V = -log psi:  psi_t = 1/2 D : grad grad psi + b.grad psi - q psi,   psi(x,0) = p_0(x)",
        "V = -\\log \\psi: \\quad \\partial_t \\psi = \\frac{1}{2} D : \\nabla\\nabla \\psi + b \\cdot \\nabla \\psi - q \\psi, \\qquad \\psi(x,0) = p_0(x)",
    )];
    let psi = shown.field("psi");
    let residual = residual(shown, psi);
    statement.extend(notation::rate(shown, psi, residual));
    statement.push(Formula::new(
        "psi(y,tau) = E[ p_0(Y_T) exp(-int_tau^T q dr) | Y_tau = y ],   Y uncontrolled   (Feynman-Kac)",
        "\\psi(y,\\tau) = \\mathbb{E}\\left[ p_0(Y_T) \\, e^{-\\int_\\tau^T q \\, dr} \\mid Y_\\tau = y \\right]",
    ));
    Ok(Step {
        number: 0,
        name: "linear equation, lambda = 1",
        rule: "hopf-cole; B R^-1 B' = G G' = D",
        executes: "V = -log psi linearises the equation; the result is Fokker-Planck",
        statement,
        assumptions: equation.assumes.clone(),
        source: SOURCE,
        equation: Some(equation),
        evidence,
    })
}
