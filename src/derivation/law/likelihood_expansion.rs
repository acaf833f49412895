//! The likelihood of the reverse process to first order in its noise level.
//!
//! With `ell = log q = ell_0 + h ell_1 + O(h^2)` for the reverse process of noise level `h` driven by an
//! estimate `s^`, along the flow `dx/dtau = b_0`:
//!
//! ```text
//! ell_0' = -div b_0
//! g'     = -J'g - grad div b_0                                          (g = grad ell_0)
//! H'     = -J'H - H J - sum_k g_k grad grad b_0k - grad grad div b_0    (H = grad grad ell_0)
//! ell_1' = 1/2 [ tr(D (H - grad s^)) + g.D (g - s^) ]                   (+ 1/2 div D . (g - s^) where D varies)
//! ```
//!
//! # Assumptions
//! The flow has no caustics; `h log(v_T / v_0)` small against one, the radius of the series being of the size
//! `pi / log(v_T / v_0)`.
//!
//! # Source
//! Hirono, Tanaka & Fukushima (2024), in reverse time.
//!
//! # Executed by
//! Orders 0 and 1 in `h` of the equation of the log density; its gradient and Hessian along the flow.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal, equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::step::Step;
use crate::derivation::law::reverse_sde::{likelihood_equation, reverse_drift};
use crate::expr::Expr;

const SOURCE: &str = "Hirono, Tanaka & Fukushima (2024)";

/// `1/2 [ div(D (grad ell_0 - s^)) + grad ell_0 . D (grad ell_0 - s^) ]`: the rate of `ell_1`.
pub fn first_order_rate(noising: &mut Noising, leading: Expr, score: &[Expr]) -> Expr {
    let slope = noising.gradient(leading);
    let missed: Vec<Expr> = slope
        .iter()
        .zip(score)
        .map(|(g, s)| noising.graph.sub(*g, *s))
        .collect();
    let flux = noising.diffuse(&missed);
    let opened = noising.divergence(&flux);
    let along = noising.dot(&slope, &flux);
    let half = noising.graph.rational(1, 2);
    let sum = noising.graph.add(&[opened, along]);
    noising.graph.mul(&[half, sum])
}

/// Components of `g` whose rates are executed in high dimension; all follow one formula.
const EXECUTED: usize = 3;

/// Up to this dimension all components are executed.
const ALL: usize = 8;

/// The coordinates along which the gradient of order 0 is executed.
fn executed(noising: &Noising) -> Vec<Expr> {
    let d = noising.dimension();
    let count = if d > ALL { EXECUTED } else { d };
    noising.state[..count].to_vec()
}

/// Rates along the flow: of `ell_0`, of the executed components of `g`, and of `ell_1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    pub leading: Expr,
    pub slope: Vec<Expr>,
    pub next: Expr,
}

/// The rates of the module.
pub fn rates(noising: &mut Noising) -> Rates {
    let score = noising.vector_field("s");
    let zero = noising.graph.zero();
    let flow = reverse_drift(noising, zero, &score);
    let opened = noising.divergence(&flow);
    let leading = noising.field("ell_0");
    let slope = noising.gradient(leading);
    let next = first_order_rate(noising, leading, &score);
    let coordinates = executed(noising);
    let graph = &mut noising.graph;
    let mut slopes = Vec::new();
    for x in &coordinates {
        let mut parts = Vec::new();
        for (b, g) in flow.iter().zip(&slope) {
            let rate = graph.derivative(*b, *x);
            parts.push(graph.mul(&[rate, *g]));
        }
        parts.push(graph.derivative(opened, *x));
        let sum = graph.add(&parts);
        slopes.push(graph.neg(sum));
    }
    Rates {
        leading: graph.neg(opened),
        slope: slopes,
        next,
    }
}

/// Orders 0 and 1 of the equation of `log q` at `ell_0 + h ell_1`, and the gradient of order 0.
///
/// # Errors
/// [`Refuted`] if a rate is another one.
pub fn execute(noising: &mut Noising, rates: &Rates) -> Result<Evidence, Refuted> {
    let equation = likelihood_equation(noising);
    let level = noising.constant("h");
    let (leading, next) = (noising.field("ell_0"), noising.field("ell_1"));
    let score = noising.vector_field("s");
    let zero = noising.graph.zero();
    let flow = reverse_drift(noising, zero, &score);
    let small = noising.graph.symbol("h*");
    let correction = noising.graph.mul(&[small, next]);
    let series = noising.graph.add(&[leading, correction]);
    let family = noising.graph.substitute(
        equation.residual,
        &[(equation.unknown, series), (level, small)],
    );
    let order_zero = noising.graph.substitute(family, &[(small, zero)]);
    let order_one = noising.graph.derivative(family, small);
    let order_one = noising.graph.substitute(order_one, &[(small, zero)]);
    // Along the flow in reverse time: -d/dt + b_0 . grad.
    let along = |noising: &mut Noising, e: Expr| {
        let slope = noising.gradient(e);
        let carried = noising.dot(&flow, &slope);
        let rate = noising.graph.derivative(e, noising.time);
        noising.graph.sub(carried, rate)
    };
    let moved = along(noising, leading);
    let expected = noising.graph.sub(moved, rates.leading);
    let claim = "order 0 is the likelihood along the flow";
    let mut evidence = equal(&mut noising.graph, claim, order_zero, expected)?;
    let moved = along(noising, next);
    let expected = noising.graph.sub(moved, rates.next);
    let claim = "order 1 is the rate of ell_1";
    evidence = evidence.and(equal(&mut noising.graph, claim, order_one, expected)?);
    let coordinates = executed(noising);
    let left = noising.graph.gradient(order_zero, &coordinates);
    let slope = noising.graph.gradient(leading, &coordinates);
    let mut right = Vec::new();
    for (g, rate) in slope.into_iter().zip(&rates.slope) {
        let moved = along(noising, g);
        right.push(noising.graph.sub(moved, *rate));
    }
    let claim = "the gradient of order 0 along the flow";
    Ok(evidence.and(all_equal(&mut noising.graph, claim, &left, &right)?))
}

/// The side result.
///
/// # Errors
/// [`Refuted`] if an order is another equation.
pub fn step(exact: &mut Noising) -> Result<Step, Refuted> {
    let found = rates(exact);
    let evidence = execute(exact, &found)?;
    let varying = if exact.is_multiplicative() {
        (" + div D.(g - s)", " + (\\nabla \\cdot D) \\cdot (g - s)")
    } else {
        ("", "")
    };
    Ok(Step::new(
        "likelihood to first order in the noise level",
        "wkb",
        SOURCE,
        "orders 0 and 1 in h of the equation of log q, and the gradient of order 0",
        evidence,
    )
    .assuming(&[Assumption::NoCaustics])
    .line(
        "log q = ell_0 + h ell_1 + O(h^2) along dx/dtau = b_0,   J = grad b_0,   g = grad ell_0,   H = grad grad ell_0",
        "\\log q = \\ell_0 + h \\ell_1 + O(h^2) \\text{ along } \\dot{x} = b_0, \\qquad g = \\nabla \\ell_0, \\quad H = \\nabla\\nabla \\ell_0",
    )
    .line(
        "ell_0' = -div b_0,   g' = -J'g - grad div b_0",
        "\\dot{\\ell}_0 = -\\nabla \\cdot b_0, \\qquad \\dot{g} = -J^\\top g - \\nabla (\\nabla \\cdot b_0)",
    )
    .line(
        "H' = -J'H - H J - sum_k g_k grad grad b_0k - grad grad div b_0",
        "\\dot{H} = -J^\\top H - H J - \\sum_k g_k \\nabla\\nabla b_{0,k} - \\nabla\\nabla (\\nabla \\cdot b_0)",
    )
    .line(
        format!(
            "ell_1' = 1/2 [ tr(D (H - grad s)) + g.D (g - s){} ]   (s the score used, exact or not)",
            varying.0
        ),
        format!(
            "\\dot{{\\ell}}_1 = \\frac{{1}}{{2}} \\left[ \\operatorname{{tr}}(D (H - \\nabla s)) + g^\\top D (g - s){} \\right]",
            varying.1
        ),
    ))
}
