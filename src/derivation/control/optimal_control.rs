//! The optimal control and what any other control costs.
//!
//! ```text
//! u* = -G' grad V = G' grad log p
//! J[u] - V = 1/2 E_u int |u - u*|^2 dtau = KL(P^u || P^{u*})
//! ```
//!
//! # Assumptions
//! `R = I > 0`, so the minimiser is unique; finite effort and Novikov's condition for the gap.
//!
//! # Source
//! Fleming & Soner (2006), chapter IV; Boué & Dupuis (1998); Girsanov (1960).
//!
//! # Executed by
//! Stationarity of the bracket; Itô's rule for `V(Y, tau)` plus the cost rate along any control; the
//! log-likelihood ratio of one Gaussian step.

use crate::derivation::control::hamilton_jacobi_bellman as bellman;
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::Step;
use crate::expr::Expr;
use crate::expr::arithmetic::power;

/// `u* = -G' grad V`, one entry per noise.
pub fn optimal_control(noising: &mut Noising, value: Expr) -> Vec<Expr> {
    let slope = noising.gradient(value);
    let pulled = noising.through_noise(&slope);
    noising.graph.each(pulled.iter().map(|p| -*p))
}

/// The derivative of the bracket in `u` vanishes at `minimiser`, and its second derivative is the
/// identity; at `V = -log p` the minimiser is `G' grad log p`.
///
/// # Errors
/// [`Refuted`] if the bracket is not stationary there.
pub fn execute_stationarity(
    noising: &mut Noising,
    value: Expr,
    minimiser: &[Expr],
) -> Result<Evidence, Refuted> {
    // Symbols with names no file can contain, so that they can be differentiated with respect to.
    let control: Vec<Expr> = (0..noising.noises())
        .map(|k| noising.graph.symbol(&format!("u*[{k}]")))
        .collect();
    let bracket = bellman::bracket(noising, value, &control);
    let at: Vec<_> = control
        .iter()
        .copied()
        .zip(minimiser.iter().copied())
        .collect();
    let mut evidence = Evidence::Proved;
    for u in &control {
        let slope = noising.graph.derivative(bracket, *u);
        let there = noising.graph.substitute(slope, &at);
        evidence = evidence.and(noising.equal("the bracket is stationary at u*", there, 0)?);
        let curvature = noising.graph.derivative(slope, *u);
        evidence =
            evidence.and(noising.equal("the bracket has unit curvature in u", curvature, 1)?);
    }
    let p = noising.field("p");
    let log = noising.graph.log(p);
    let image = noising.of(-log);
    let inserted: Vec<Expr> = minimiser
        .iter()
        .map(|u| noising.graph.substitute(*u, &[(value, image)]))
        .collect();
    let score = noising.gradient(log);
    let scaled = noising.through_noise(&score);
    let claim = "u* = G' grad log p";
    Ok(evidence.and(all_equal(&mut noising.graph, claim, &inserted, &scaled)?))
}

/// The step about the minimiser.
///
/// # Errors
/// [`Refuted`] if it is not stationary.
pub fn step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let value = exact.field("V");
    let minimiser = optimal_control(exact, value);
    let evidence = execute_stationarity(exact, value, &minimiser)?;
    let rule = "stationary-in-u; R = I > 0, so unique";
    let executes = "the u-derivative of the bracket vanishes at u*, its second derivative is I";
    let step = Step::new("minimiser", rule, "Fleming & Soner (2006), chapter IV")
        .executed(executes, evidence)
        .line("u* = -G' grad V = G' grad log p = G' s")
        .assuming(&[Assumption::SmoothValue]);
    if shown.dimension() <= 3 && shown.noises() == shown.dimension() {
        let value = shown.field("V");
        let control = optimal_control(shown, value);
        return Ok(step.line(notation::vector(shown, "u*", &control)));
    }
    Ok(step)
}

/// Under any control `u`, `V(Y, tau)` plus the cost so far drifts at the rate `1/2 |u - u*|^2` minus the
/// residual of the Hamilton–Jacobi–Bellman equation.
///
/// # Errors
/// [`Refuted`] if the gap has another rate.
pub fn execute_gap(noising: &mut Noising, residual: Expr) -> Result<Evidence, Refuted> {
    let value = noising.field("V");
    let control = noising.constants("u", noising.noises());
    let gained = bellman::bracket(noising, value, &control);
    let best = optimal_control(noising, value);
    let missed = noising.graph.pairwise(&control, &best, |u, v| u - v);
    let waste = noising.half_square(&missed);
    let rate = noising.rate(value);
    let claim = "V plus the cost so far drifts at 1/2 |u - u*|^2";
    noising.equal(claim, gained - rate, waste - residual)
}

/// The log-likelihood ratio of one step of controls `u` and `v`, in terms of the unit noise `xi` under
/// `u`, is `(u - v) . xi sqrt(Delta) + 1/2 |u - v|^2 Delta`.
///
/// # Errors
/// [`Refuted`] otherwise.
pub fn execute_girsanov(noising: &mut Noising) -> Result<Evidence, Refuted> {
    let [control, other, noise] =
        ["u", "v", "xi"].map(|name| noising.constants(name, noising.noises()));
    let root = noising.constant("sqrt(Delta)");
    let difference = noising.graph.pairwise(&control, &other, |u, v| u - v);
    // The same increment is noise xi under u and xi + (u - v) sqrt(Delta) under v.
    let moved = noising
        .graph
        .pairwise(&noise, &difference, |xi, gap| xi + gap * root);
    let (near, far) = (noising.half_square(&noise), noising.half_square(&moved));
    let martingale = noising.dot(&difference, &noise);
    let square = noising.half_square(&difference);
    let right = martingale * root + square * power(root, 2);
    noising.equal("the log-likelihood ratio of one step", far - near, right)
}

/// The step about the cost gap.
///
/// # Errors
/// [`Refuted`] if either identity fails.
pub fn gap_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let equation = bellman::equation(exact);
    let evidence = execute_gap(exact, equation.residual)?.and(execute_girsanov(exact)?);
    let source = "Boue & Dupuis (1998); Girsanov (1960); Premkumar (2023)";
    let executes =
        "Ito's rule for V(Y,tau) plus the cost so far, and the likelihood ratio of one step";
    Ok(Step::new("cost gap of any control", "verification", source)
        .executed(executes, evidence)
        .line("J[u] - V = 1/2 E_u int |u - u*|^2 dtau = KL(P^u || P^{u*}) >= 0   `(from a fixed start)`")
        .line("Y_0 ~ pi:  E_pi J = H(pi) + KL(pi || p_T) + 1/2 E_u int |u - u*|^2 dtau")
        .assuming(&[Assumption::SmoothValue, Assumption::Novikov]))
}
