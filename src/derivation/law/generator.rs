//! The generator of a diffusion and the backward equation.
//!
//! ```text
//! L phi = f . grad phi + 1/2 D : grad grad phi
//! -v_t = L v,      v(x, T) = g(x)      for v(x, t) = E[ g(X_T) | X_t = x ]
//! ```
//!
//! # Assumptions
//! Smooth coefficients; `g` smooth enough for the derivatives named.
//!
//! # Source
//! Itô (1951); Kolmogorov (1931); Øksendal, *Stochastic Differential Equations* (6th ed. 2003), theorems
//! 7.3.3 and 8.1.1.
//!
//! # Executed by
//! The two moments of one short step: the slope of `phi` along `f` plus half its curvature along each noise
//! column is `L phi`. For the backward equation, `p v` changes by a divergence where `p` solves
//! Fokker–Planck and `v` the backward equation, so `E v(X_t, t)` is constant.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::matrix::transpose;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::derivation::ground::words::{WRITTEN_OUT, half, matrix, same, symmetric};
use crate::derivation::law::fokker_planck::boundary;
use crate::expr::Expr;
use crate::expr::arithmetic::{partial, sum};

const SOURCE: &str = "Ito (1951); Kolmogorov (1931); Oksendal (2003), theorems 7.3.3 and 8.1.1";

/// `phi(x + s v, t)`.
fn moved(noising: &mut Noising, direction: &[Expr], size: Expr) -> Expr {
    let graph = &mut noising.graph;
    let mut arguments = graph.pairwise(&noising.state, direction, |x, v| x + size * v);
    arguments.push(noising.time);
    graph.unknown("phi", &arguments)
}

/// `operator = d/ds phi(x + s f) + 1/2 sum_k d2/ds2 phi(x + s G_k)` at `s = 0`, for `phi(x, t)`.
///
/// # Errors
/// [`Refuted`] if `operator` is not the generator applied to `phi`.
pub fn execute(noising: &mut Noising, operator: Expr) -> Result<Evidence, Refuted> {
    // A name no file can contain.
    let size = noising.graph.symbol("s*");
    let zero = noising.graph.zero();
    let carried = moved(noising, &noising.drift.clone(), size);
    let mut parts = vec![partial(carried, size)];
    for column in transpose(&noising.diffusion) {
        let spread = moved(noising, &column, size);
        parts.push(partial(partial(spread, size), size) / 2);
    }
    let sum = noising.of(sum(parts));
    let there = noising.graph.substitute(sum, &[(size, zero)]);
    let claim = "the moments of one step give the generator";
    noising.equal(claim, operator, there)
}

/// The generator from the moments of one short step: `1/2 sum_k G_k' H G_k = 1/2 tr(G G' H)`.
///
/// # Errors
/// [`Refuted`] if it is another one.
fn execute_in_matrices() -> Result<Evidence, Refuted> {
    let (noise, curvature) = (matrix("G"), symmetric("H"));
    let moments = half() * (noise.transpose() * &curvature * &noise).trace();
    let operator = half() * (&noise * noise.transpose() * &curvature).trace();
    same(
        "the moments of one step give the generator",
        &operator,
        &moments,
    )
}

/// The step about the generator.
///
/// # Errors
/// [`Refuted`] if the moments of one step give another operator.
pub fn step(exact: &mut Noising, shown: &mut Noising, name: &'static str) -> Result<Step, Refuted> {
    let evidence = if exact.dimension() > WRITTEN_OUT {
        execute_in_matrices()?
    } else {
        let phi = exact.field("phi");
        let operator = exact.generated(phi);
        execute(exact, operator)?
    };
    let executes = "the moments of one short step along the drift and the noise columns";
    let mut step = Step::new(name, "generator", SOURCE)
        .executed(executes, evidence)
        .assuming(&[Assumption::SmoothCoefficients]);
    for (name, value) in shown.definitions.clone() {
        let name = Formula::new(name.clone(), crate::expr::latex_name(&name));
        step = step.line(notation::scalar(shown, name, value));
    }
    let drift = shown.drift.clone();
    let written = notation::operator(shown, &drift, "v");
    step = step.line(notation::equality("L v", &written));
    if shown.dimension() > 3 && written.text.starts_with("f.grad") {
        step = step
            .line(notation::vector(shown, "f", &drift))
            .line(notation::matrix(shown, "D", &shown.diffusivity.clone()));
    }
    Ok(step)
}

/// `v_t + L v`.
pub fn backward_residual(noising: &mut Noising, v: Expr) -> Expr {
    let rate = noising.rate(v);
    let operator = noising.generated(v);
    noising.of(rate + operator)
}

/// The backward equation.
fn backward_equation(noising: &mut Noising) -> Equation {
    let v = noising.field("v");
    let residual = backward_residual(noising, v);
    let horizon = noising.constant("T");
    let (end, target) = (noising.at_time("v", horizon), noising.at_end("g"));
    Equation::new("backward", v, residual, SOURCE)
        .closing(noising.of(end - target))
        .assuming(&[Assumption::SmoothCoefficients])
}

/// `(p v)_t` is a divergence where `p` and `v` solve their equations:
/// `v R_p + p R_v = (p v)_t - div( -v f p + 1/2 v div(D p) - 1/2 p D grad v )` with the residuals `R` of
/// Fokker–Planck (`p_t - L* p`) and of the backward equation.
///
/// # Errors
/// [`Refuted`] if `residual` is not that of the backward equation for `v`.
pub fn execute_backward(
    noising: &mut Noising,
    v: Expr,
    residual: Expr,
) -> Result<Evidence, Refuted> {
    let p = noising.field("p");
    let forward = noising.fokker_planck_residual(p);
    let boundary = boundary(noising, v, p);
    let right = noising.rate(p * v) - boundary;
    noising.equal("E v(X_t, t) is constant", v * forward + p * residual, right)
}

/// The step about the backward equation.
///
/// # Errors
/// [`Refuted`] if the mean of its solution changes along the process.
pub fn backward_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let equation = backward_equation(exact);
    let evidence = execute_backward(exact, equation.unknown, equation.residual)?;
    let operator = notation::operator(shown, &shown.drift.clone(), "v");
    let executes = "E v(X_t, t) does not change where p solves Fokker-Planck";
    Ok(Step::new("backward equation", "backward", SOURCE)
        .executed(executes, evidence)
        .line("v(x,t) = E[ g(X_T) | X_t = x ]:   -v_t = L v,   v(x,T) = g(x)")
        .line(notation::equality("-v_t", &operator))
        .about(equation))
}
