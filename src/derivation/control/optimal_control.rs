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
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal, equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::expr::Expr;

/// `u* = -G' grad V`, one entry per noise.
pub fn optimal_control(noising: &mut Noising, value: Expr) -> Vec<Expr> {
    let slope = noising.gradient(value);
    let pulled = noising.through_noise(&slope);
    pulled.iter().map(|p| noising.graph.neg(*p)).collect()
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
    let (zero, one) = (noising.graph.zero(), noising.graph.one());
    let at: Vec<(Expr, Expr)> = control
        .iter()
        .copied()
        .zip(minimiser.iter().copied())
        .collect();
    let mut evidence = Evidence::Proved;
    for u in &control {
        let slope = noising.graph.derivative(bracket, *u);
        let there = noising.graph.substitute(slope, &at);
        let claim = "the bracket is stationary at u*";
        evidence = evidence.and(equal(&mut noising.graph, claim, there, zero)?);
        let curvature = noising.graph.derivative(slope, *u);
        let claim = "the bracket has unit curvature in u";
        evidence = evidence.and(equal(&mut noising.graph, claim, curvature, one)?);
    }
    let p = noising.field("p");
    let log = noising.graph.log(p);
    let image = noising.graph.neg(log);
    let inserted: Vec<Expr> = minimiser
        .iter()
        .map(|u| noising.graph.substitute(*u, &[(value, image)]))
        .collect();
    let score = noising.gradient(log);
    let scaled = noising.through_noise(&score);
    let claim = "u* = G' grad log p";
    let found = all_equal(&mut noising.graph, claim, &inserted, &scaled)?;
    Ok(evidence.and(found))
}

/// The step about the minimiser.
///
/// # Errors
/// [`Refuted`] if it is not stationary.
pub fn step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let value = exact.field("V");
    let minimiser = optimal_control(exact, value);
    let evidence = execute_stationarity(exact, value, &minimiser)?;
    let mut statement = vec![Formula::new(
        "u* = -G' grad V = G' grad log p = G' s",
        "u^* = -G^\\top \\nabla V = G^\\top \\nabla \\log p = G^\\top s",
    )];
    if shown.dimension() <= 3 && shown.noises() == shown.dimension() {
        let value = shown.field("V");
        let control = optimal_control(shown, value);
        let name = Formula::new("u*", "u^*");
        statement.push(notation::vector(shown, &name, &control));
    }
    Ok(Step {
        number: 0,
        name: "minimiser",
        rule: "stationary-in-u; R = I > 0, so unique",
        executes: "the u-derivative of the bracket vanishes at u*, its second derivative is I",
        statement,
        assumptions: vec![Assumption::SmoothValue],
        source: "Fleming & Soner (2006), chapter IV",
        equation: None,
        evidence,
    })
}

/// Under any control `u`, `V(Y, tau)` plus the cost so far drifts at the rate `1/2 |u - u*|^2` minus the
/// residual of the Hamilton–Jacobi–Bellman equation.
///
/// # Errors
/// [`Refuted`] if the gap has another rate.
pub fn execute_gap(noising: &mut Noising, residual: Expr) -> Result<Evidence, Refuted> {
    let value = noising.field("V");
    let control = noising.constants("u", noising.noises());
    let rate = noising.graph.derivative(value, noising.time);
    let gained = bellman::bracket(noising, value, &control);
    let left = noising.graph.sub(gained, rate);
    let best = optimal_control(noising, value);
    let missed: Vec<Expr> = control
        .iter()
        .zip(&best)
        .map(|(u, v)| noising.graph.sub(*u, *v))
        .collect();
    let waste = noising.half_square(&missed);
    let right = noising.graph.sub(waste, residual);
    let claim = "V plus the cost so far drifts at 1/2 |u - u*|^2";
    equal(&mut noising.graph, claim, left, right)
}

/// The log-likelihood ratio of one step of controls `u` and `v`, in terms of the unit noise `xi` under
/// `u`, is `(u - v) . xi sqrt(Delta) + 1/2 |u - v|^2 Delta`.
///
/// # Errors
/// [`Refuted`] otherwise.
pub fn execute_girsanov(noising: &mut Noising) -> Result<Evidence, Refuted> {
    let noises = noising.noises();
    let control = noising.constants("u", noises);
    let other = noising.constants("v", noises);
    let noise = noising.constants("xi", noises);
    let root = noising.constant("sqrt(Delta)");
    let mut moved = Vec::new();
    let mut difference = Vec::new();
    for k in 0..noises {
        let gap = noising.graph.sub(control[k], other[k]);
        let shift = noising.graph.mul(&[gap, root]);
        moved.push(noising.graph.add(&[noise[k], shift]));
        difference.push(gap);
    }
    // The same increment is noise xi under u and xi + (u - v) sqrt(Delta) under v.
    let (near, far) = (noising.half_square(&noise), noising.half_square(&moved));
    let left = noising.graph.sub(far, near);
    let martingale = noising.dot(&difference, &noise);
    let martingale = noising.graph.mul(&[martingale, root]);
    let square = noising.half_square(&difference);
    let step = noising.graph.powi(root, 2);
    let drift = noising.graph.mul(&[square, step]);
    let right = noising.graph.add(&[martingale, drift]);
    let claim = "the log-likelihood ratio of one step";
    equal(&mut noising.graph, claim, left, right)
}

/// The step about the cost gap.
///
/// # Errors
/// [`Refuted`] if either identity fails.
pub fn gap_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let equation = bellman::equation(exact);
    let evidence = execute_gap(exact, equation.residual)?.and(execute_girsanov(exact)?);
    Ok(Step {
        number: 0,
        name: "cost gap of any control",
        rule: "verification",
        executes: "Ito's rule for V(Y,tau) plus the cost so far, and the likelihood ratio of one step",
        statement: vec![
            Formula::new(
                "J[u] - V = 1/2 E_u int |u - u*|^2 dtau = KL(P^u || P^{u*}) >= 0   (from a fixed start)",
                "J[u] - V = \\frac{1}{2} \\mathbb{E}_u \\int |u - u^*|^2 \\, d\\tau = \\mathrm{KL}(P^u \\| P^{u^*}) \\ge 0",
            ),
            Formula::new(
                "Y_0 ~ pi:  E_pi J = H(pi) + KL(pi || p_T) + 1/2 E_u int |u - u*|^2 dtau",
                "Y_0 \\sim \\pi: \\quad \\mathbb{E}_\\pi J = H(\\pi) + \\mathrm{KL}(\\pi \\| p_T) + \\frac{1}{2} \\mathbb{E}_u \\int |u - u^*|^2 \\, d\\tau",
            ),
        ],
        assumptions: vec![Assumption::SmoothValue, Assumption::Novikov],
        source: "Boue & Dupuis (1998); Girsanov (1960); Premkumar (2023)",
        equation: None,
        evidence,
    })
}
