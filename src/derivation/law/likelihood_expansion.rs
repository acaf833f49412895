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
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::step::{Formula, Step};
use crate::derivation::law::reverse_sde::{likelihood_equation, mismatch, reverse_drift};
use crate::expr::Expr;
use crate::expr::arithmetic::{partial, sum};

const SOURCE: &str = "Hirono, Tanaka & Fukushima (2024)";

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
    let next = mismatch(noising, &slope, &score);
    let coordinates = executed(noising);
    let rate = |x: Expr| {
        let turned = flow.iter().zip(&slope).map(|(b, g)| partial(*b, x) * *g);
        -(sum(turned) + partial(opened, x))
    };
    Rates {
        slope: noising.graph.each(coordinates.into_iter().map(rate)),
        leading: noising.of(-opened),
        next: noising.of(next / 2),
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
    let series = noising.of(leading + small * next);
    let images = [(equation.unknown, series), (level, small)];
    let family = noising.graph.substitute(equation.residual, &images);
    let order_zero = noising.graph.substitute(family, &[(small, zero)]);
    let order_one = noising.graph.derivative(family, small);
    let order_one = noising.graph.substitute(order_one, &[(small, zero)]);
    // Along the flow in reverse time: -d/dt + b_0 . grad.
    let along = |noising: &mut Noising, e: Expr| {
        let slope = noising.gradient(e);
        let carried = noising.dot(&flow, &slope);
        carried - noising.rate(e)
    };
    let expected = along(noising, leading) - rates.leading;
    let claim = "order 0 is the likelihood along the flow";
    let mut evidence = noising.equal(claim, order_zero, expected)?;
    let expected = along(noising, next) - rates.next;
    let claim = "order 1 is the rate of ell_1";
    evidence = evidence.and(noising.equal(claim, order_one, expected)?);
    let coordinates = executed(noising);
    let left = noising.graph.gradient(order_zero, &coordinates);
    let slope = noising.graph.gradient(leading, &coordinates);
    let mut right = Vec::new();
    for (g, rate) in slope.into_iter().zip(&rates.slope) {
        let expected = along(noising, g) - *rate;
        right.push(noising.of(expected));
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
        " + div D.(g - s)"
    } else {
        ""
    };
    let next =
        "ell_1' = 1/2 [ tr(D (H - grad s)) + g.D (g - s){} ]   `(s the score used, exact or not)`";
    let name = "likelihood to first order in the noise level";
    let executes = "orders 0 and 1 in h of the equation of log q, and the gradient of order 0";
    Ok(Step::new(name, "wkb", SOURCE)
        .executed(executes, evidence)
        .assuming(&[Assumption::NoCaustics])
        .line("log q = ell_0 + h ell_1 + O(h^2) along dx/dtau = b_0,   J = grad b_0,   g = grad ell_0,   H = grad grad ell_0")
        .line("ell_0' = -div b_0,   g' = -J'g - grad div b_0")
        .line("H' = -J'H - H J - sum_k g_k grad grad b_0k - grad grad div b_0")
        .line(Formula::of(next, &[&varying.into()])))
}
