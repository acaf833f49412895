//! The Hamilton–Jacobi–Bellman equation of reverse diffusion.
//!
//! ```text
//! V_t = min_u { 1/2 |u|^2 + q + (b + G u) . grad V } + 1/2 D : grad grad V,      V(x, 0) = -log p_0(x)
//! ```
//!
//! with time running from data to noise, against the time of the control problem. With the minimum taken,
//! `V_t = 1/2 D : grad grad V - 1/2 |G' grad V|^2 + b . grad V + q`.
//!
//! # Assumptions
//! A value function with the derivatives the equation names.
//!
//! # Source
//! Fleming & Soner, *Controlled Markov Processes and Viscosity Solutions* (2006), chapters IV and VI.
//!
//! # Executed by
//! Completing the square: for every control the bracket exceeds its minimum by `1/2 |u + G' grad V|^2`.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Step};
use crate::expr::Expr;
use crate::expr::arithmetic::log;

const SOURCE: &str = "Fleming & Soner, Controlled Markov Processes and Viscosity Solutions (2006), chapters IV and VI";

/// `1/2 |u|^2 + q + (b + G u) . grad V + 1/2 D : grad grad V`: what the dynamic programming principle
/// minimises.
pub fn bracket(noising: &mut Noising, value: Expr, control: &[Expr]) -> Expr {
    let slope = noising.gradient(value);
    let effort = noising.half_square(control);
    let pulled = noising.through_noise(&slope);
    let pushed = noising.dot(&pulled, control);
    let b = noising.reverse_drift.clone();
    let drifted = noising.generator(&b, value);
    noising.of(effort + noising.running_cost + pushed + drifted)
}

/// `1/2 D : grad grad V - 1/2 |G' grad V|^2 + b . grad V + q`.
pub fn right_side(noising: &mut Noising, value: Expr) -> Expr {
    let slope = noising.gradient(value);
    let pulled = noising.through_noise(&slope);
    let saved = noising.half_square(&pulled);
    let b = noising.reverse_drift.clone();
    let drifted = noising.generator(&b, value);
    noising.of(drifted - saved + noising.running_cost)
}

/// `V_t` minus the right side.
pub fn residual(noising: &mut Noising, value: Expr) -> Expr {
    let rate = noising.rate(value);
    let right = right_side(noising, value);
    noising.of(rate - right)
}

/// The equation with the minimum taken.
pub fn equation(noising: &mut Noising) -> Equation {
    let value = noising.field("V");
    let residual = residual(noising, value);
    let zero = noising.graph.zero();
    let (end, data) = (noising.at_time("V", zero), noising.at_end("p_0"));
    Equation::new("hamilton-jacobi-bellman", value, residual, SOURCE)
        .closing(noising.of(end + log(data)))
        .assuming(&[Assumption::SmoothValue, Assumption::PositiveDataDensity])
}

/// For every control the bracket is its minimum plus `1/2 |u + G' grad V|^2`.
///
/// # Errors
/// [`Refuted`] if `minimum` is not the minimum.
pub fn execute(noising: &mut Noising, value: Expr, minimum: Expr) -> Result<Evidence, Refuted> {
    let control = noising.constants("u", noising.noises());
    let left = bracket(noising, value, &control);
    let slope = noising.gradient(value);
    let pulled = noising.through_noise(&slope);
    let missed = noising.graph.pairwise(&control, &pulled, |u, p| u + p);
    let waste = noising.half_square(&missed);
    let claim = "the bracket is its minimum plus 1/2 |u + G' grad V|^2";
    noising.equal(claim, left, minimum + waste)
}

/// The step.
///
/// # Errors
/// [`Refuted`] if the square does not complete.
pub fn step(exact: &mut Noising) -> Result<Step, Refuted> {
    let value = exact.field("V");
    let minimum = right_side(exact, value);
    let evidence = execute(exact, value, minimum)?;
    let executes = "for every u the bracket exceeds its minimum by 1/2 |u - u*|^2";
    Ok(Step::new("Hamilton-Jacobi-Bellman", "dynamic-programming", SOURCE)
        .executed(executes, evidence)
        .line("V_t = min_u { 1/2 |u|^2 + q + (b + G u).grad V } + 1/2 D : grad grad V,   V(x,0) = -log p_0(x)")
        .assuming(&[Assumption::SmoothValue, Assumption::PositiveDataDensity]))
}

/// The step that puts the minimiser back, and finds the value function.
///
/// Executed by inserting `V = -log p`: the residual becomes `-1/p` times that of Fokker–Planck.
///
/// # Errors
/// [`Refuted`] if `-log p` does not solve the equation whenever `p` solves Fokker–Planck.
pub fn elimination_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let equation = equation(exact);
    let evidence = execute_value(exact, equation.unknown, equation.residual)?;
    let value = shown.field("V");
    let residual = residual(shown, value);
    let source = "Premkumar (2023); Berner, Richter & Ullrich (2024), section 3";
    let executes = "V = -log p turns the equation into Fokker-Planck divided by -p";
    Ok(Step::new("substitute the minimiser", "eliminate-u", source)
        .executed(executes, evidence)
        .line("V_t = 1/2 D : grad grad V - 1/2 |G' grad V|^2 + b.grad V + q")
        .lines(notation::rate(shown, value, residual))
        .line("solved by V = -log p")
        .assuming(&[Assumption::SmoothValue, Assumption::PositiveDensity])
        .producing(equation))
}

/// At `V = -log p` the residual is that of Fokker–Planck divided by `-p`.
///
/// # Errors
/// [`Refuted`] otherwise.
pub fn execute_value(
    noising: &mut Noising,
    value: Expr,
    residual: Expr,
) -> Result<Evidence, Refuted> {
    let p = noising.field("p");
    let fokker_planck = noising.fokker_planck_residual(p);
    let image = noising.of(-log(p));
    let inserted = noising.graph.substitute(residual, &[(value, image)]);
    let claim = "V = -log p solves the Hamilton-Jacobi-Bellman equation";
    noising.equal(claim, inserted, -(fokker_planck / p))
}
