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
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Step};
use crate::expr::Expr;
use crate::expr::arithmetic::log;

const SOURCE: &str = "Fleming & Soner (2006), chapter VI; Kappen (2005)";

/// `psi_t - (1/2 D : grad grad psi + b . grad psi - q psi)`.
pub fn residual(noising: &mut Noising, psi: Expr) -> Expr {
    let b = noising.reverse_drift.clone();
    let drifted = noising.generator(&b, psi);
    let right = noising.of(drifted - noising.running_cost * psi);
    let rate = noising.rate(psi);
    noising.of(rate - right)
}

/// The linear equation.
pub fn equation(noising: &mut Noising) -> Equation {
    let psi = noising.field("psi");
    let residual = residual(noising, psi);
    let zero = noising.graph.zero();
    let (end, data) = (noising.at_time("psi", zero), noising.at_end("p_0"));
    Equation::new("hopf-cole", psi, residual, SOURCE)
        .closing(noising.of(end - data))
        .assuming(&[Assumption::SmoothValue, Assumption::PositiveDensity])
}

/// At `V = -log psi` the Hamilton–Jacobi–Bellman residual is `-residual / psi`, and `residual` is that
/// of Fokker–Planck.
///
/// # Errors
/// [`Refuted`] if the transformed equation is another one.
pub fn execute(noising: &mut Noising, psi: Expr, residual: Expr) -> Result<Evidence, Refuted> {
    let value = noising.of(-log(psi));
    let transformed = bellman::residual(noising, value);
    let claim = "V = -log psi makes the equation linear";
    let linear = noising.equal(claim, transformed, -(residual / psi))?;
    let fokker_planck = noising.fokker_planck_residual(psi);
    let claim = "the linear equation is Fokker-Planck";
    Ok(linear.and(noising.equal(claim, residual, fokker_planck)?))
}

/// The step.
///
/// # Errors
/// [`Refuted`] if the transformation does not linearise.
pub fn step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let equation = equation(exact);
    let evidence = execute(exact, equation.unknown, equation.residual)?;
    let psi = shown.field("psi");
    let residual = residual(shown, psi);
    let rule = "hopf-cole; B R^-1 B' = G G' = D";
    let executes = "V = -log psi linearises the equation; the result is Fokker-Planck";
    Ok(Step::new("linear equation, lambda = 1", rule, SOURCE)
        .executed(executes, evidence)
        .line("V = -log psi:  psi_t = 1/2 D : grad grad psi + b.grad psi - q psi,   psi(x,0) = p_0(x)")
        .lines(notation::rate(shown, psi, residual))
        .line("psi(y,tau) = E[ p_0(Y_T) exp(-int_tau^T q dr) | Y_tau = y ],   Y uncontrolled   (Feynman-Kac)")
        .about(equation))
}
