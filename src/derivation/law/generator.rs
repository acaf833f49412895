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
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::expr::Expr;

const SOURCE: &str = "Ito (1951); Kolmogorov (1931); Oksendal (2003), theorems 7.3.3 and 8.1.1";

/// `phi(x + s v, t)`.
fn moved(noising: &mut Noising, direction: &[Expr], size: Expr) -> Expr {
    let graph = &mut noising.graph;
    let mut arguments: Vec<Expr> = noising
        .state
        .iter()
        .zip(direction)
        .map(|(x, v)| {
            let shift = graph.mul(&[size, *v]);
            graph.add(&[*x, shift])
        })
        .collect();
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
    let drift = noising.drift.clone();
    let carried = moved(noising, &drift, size);
    let mut parts = vec![noising.graph.derivative(carried, size)];
    for k in 0..noising.noises() {
        let column: Vec<Expr> = noising.diffusion.iter().map(|row| row[k]).collect();
        let spread = moved(noising, &column, size);
        let slope = noising.graph.derivative(spread, size);
        let curvature = noising.graph.derivative(slope, size);
        let half = noising.graph.rational(1, 2);
        parts.push(noising.graph.mul(&[half, curvature]));
    }
    let sum = noising.graph.add(&parts);
    let there = noising.graph.substitute(sum, &[(size, zero)]);
    let claim = "the moments of one step give the generator";
    equal(&mut noising.graph, claim, operator, there)
}

/// The step about the generator.
///
/// # Errors
/// [`Refuted`] if the moments of one step give another operator.
pub fn step(exact: &mut Noising, shown: &mut Noising, name: &'static str) -> Result<Step, Refuted> {
    let phi = exact.field("phi");
    let drift = exact.drift.clone();
    let operator = exact.generator(&drift, phi);
    let evidence = execute(exact, operator)?;
    let mut step = Step::new(
        name,
        "generator",
        SOURCE,
        "the moments of one short step along the drift and the noise columns",
        evidence,
    )
    .assuming(&[Assumption::SmoothCoefficients]);
    for (name, value) in shown.definitions.clone() {
        let name = Formula::new(name.clone(), crate::expr::latex_name(&name));
        step.statement.push(notation::scalar(shown, &name, value));
    }
    let drift = shown.drift.clone();
    let written = notation::operator(shown, &drift, "v");
    step.statement
        .push(notation::equality(&Formula::new("L v", "L v"), &written));
    if shown.dimension() > 3 && written.text.starts_with("f.grad") {
        step.statement
            .push(notation::vector(shown, &Formula::new("f", "f"), &drift));
        let diffusivity = shown.diffusivity.clone();
        let name = Formula::new("D", "D");
        step.statement
            .push(notation::matrix(shown, &name, &diffusivity));
    }
    Ok(step)
}

/// `v_t + L v`.
pub fn backward_residual(noising: &mut Noising, v: Expr) -> Expr {
    let rate = noising.graph.derivative(v, noising.time);
    let drift = noising.drift.clone();
    let operator = noising.generator(&drift, v);
    noising.graph.add(&[rate, operator])
}

/// The backward equation.
pub fn backward_equation(noising: &mut Noising) -> Equation {
    let v = noising.field("v");
    let residual = backward_residual(noising, v);
    let horizon = noising.constant("T");
    let (end, target) = (noising.at_time("v", horizon), noising.at_end("g"));
    Equation {
        id: "backward",
        unknown: v,
        residual,
        closes_with: vec![noising.graph.sub(end, target)],
        assumes: vec![Assumption::SmoothCoefficients],
        source: SOURCE,
    }
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
    let slope = noising.gradient(v);
    let (spread, diffused) = (noising.half_flux(p), noising.diffuse(&slope));
    let drift = noising.drift.clone();
    let graph = &mut noising.graph;
    let both = graph.mul(&[p, v]);
    let carried = graph.neg(both);
    let half = graph.rational(-1, 2);
    let back = graph.mul(&[half, p]);
    let flux = noising.combine(&[(carried, &drift), (v, &spread), (back, &diffused)]);
    let boundary = noising.divergence(&flux);
    let graph = &mut noising.graph;
    let change = graph.derivative(both, noising.time);
    let right = graph.sub(change, boundary);
    let (first, second) = (graph.mul(&[v, forward]), graph.mul(&[p, residual]));
    let left = graph.add(&[first, second]);
    let claim = "E v(X_t, t) is constant";
    equal(graph, claim, left, right)
}

/// The step about the backward equation.
///
/// # Errors
/// [`Refuted`] if the mean of its solution changes along the process.
pub fn backward_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let equation = backward_equation(exact);
    let evidence = execute_backward(exact, equation.unknown, equation.residual)?;
    let drift = shown.drift.clone();
    let operator = notation::operator(shown, &drift, "v");
    Ok(Step::new(
        "backward equation",
        "backward",
        SOURCE,
        "E v(X_t, t) does not change where p solves Fokker-Planck",
        evidence,
    )
    .line(
        "v(x,t) = E[ g(X_T) | X_t = x ]:   -v_t = L v,   v(x,T) = g(x)",
        "v(x,t) = \\mathbb{E}[ g(X_T) \\mid X_t = x ]: \\quad -\\partial_t v = L v, \\qquad v(x,T) = g(x)",
    )
    .line(
        format!("-v_t = {}", operator.text),
        format!("-v_t = {}", operator.latex),
    )
    .about(equation))
}
