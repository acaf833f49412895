//! The mean time until an event.
//!
//! ```text
//! L T = -1 before the event,      T = 0 where it happens
//! ```
//!
//! and the flux `n . D grad T` vanishes at a reflecting edge. In one dimension, with `M' = p` and
//! `p ~ (1/D) exp(int 2 f/D)` integrated from a reflecting edge, `T' = -2 M / (D p)`.
//!
//! # Assumptions
//! Coefficients free of time; the mean is finite.
//!
//! # Source
//! Pontryagin, Andronov & Vitt (1933); Gardiner (2009), section 5.5; Risken (1989), section 8.1.
//!
//! # Executed by
//! `T(X_t) + t` has no drift; in one dimension, inserting the double integral.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::expr::Expr;

const SOURCE: &str = "Pontryagin, Andronov & Vitt (1933); Gardiner (2009), section 5.5";

/// An event that stops paths: its name, and an expression that is zero on its boundary.
#[derive(Clone, Debug, PartialEq)]
pub struct StoppingEvent {
    pub name: String,
    pub margin: Expr,
}

/// `L T + 1`.
pub fn residual(noising: &mut Noising, mean: Expr) -> Expr {
    let drift = noising.drift.clone();
    let generated = noising.generator(&drift, mean);
    let one = noising.graph.one();
    noising.graph.add(&[generated, one])
}

/// The equation of the mean passage time.
pub fn equation(noising: &mut Noising) -> Equation {
    let mean = noising.at_end("T");
    Equation {
        id: "passage-time",
        unknown: mean,
        residual: residual(noising, mean),
        closes_with: Vec::new(),
        assumes: vec![Assumption::SmoothCoefficients, Assumption::FinitePassage],
        source: SOURCE,
    }
}

/// `(d/dt + L)(T + t)` is the residual; in one dimension the double integral makes it vanish.
///
/// # Errors
/// [`Refuted`] if `T(X_t) + t` drifts otherwise.
pub fn execute(noising: &mut Noising, mean: Expr, residual: Expr) -> Result<Evidence, Refuted> {
    let (time, drift) = (noising.time, noising.drift.clone());
    let clock = noising.graph.add(&[mean, time]);
    let generated = noising.generator(&drift, clock);
    let rate = noising.graph.derivative(clock, time);
    let drifted = noising.graph.add(&[generated, rate]);
    let claim = "T(X) + t has no drift";
    let martingale = equal(&mut noising.graph, claim, residual, drifted)?;
    if noising.dimension() > 1 {
        return Ok(martingale);
    }
    // M' = p = exp(A) with A' = (2 f - D') / D, and T' = -2 M / (D p).
    let x = noising.state[0];
    let (log, mass) = (noising.at_end("A"), noising.at_end("M"));
    let (f, d) = (noising.drift[0], noising.diffusivity[0][0]);
    let opened = noising.diffusivity_divergence[0];
    let graph = &mut noising.graph;
    let two = graph.integer(2);
    let twice = graph.mul(&[two, f]);
    let push = graph.sub(twice, opened);
    let slope = graph.div(push, d);
    let density = graph.exp(log);
    let weighed = graph.mul(&[d, density]);
    let ratio = graph.div(mass, weighed);
    let minus = graph.integer(-2);
    let first = graph.mul(&[minus, ratio]);
    let second = graph.derivative(first, x);
    let log_rate = graph.derivative(log, x);
    let mass_rate = graph.derivative(mass, x);
    let second = graph.substitute(second, &[(log_rate, slope), (mass_rate, density)]);
    let half = graph.rational(1, 2);
    let carried = graph.mul(&[f, first]);
    let spread = graph.mul(&[half, d, second]);
    let left = graph.add(&[carried, spread]);
    let minus = graph.integer(-1);
    let claim = "the double integral solves the passage equation";
    Ok(martingale.and(equal(graph, claim, left, minus)?))
}

/// The step for one event.
///
/// # Errors
/// [`Refuted`] if the equation is another one.
pub fn step(
    exact: &mut Noising,
    shown: &mut Noising,
    event: &StoppingEvent,
    domain: Option<&[(f64, f64)]>,
) -> Result<Step, Refuted> {
    let equation = equation(exact);
    let evidence = execute(exact, equation.unknown, equation.residual)?;
    let drift = shown.drift.clone();
    let operator = notation::operator(shown, &drift, "T");
    let place = boundary(exact, event, domain);
    Ok(Step::new(
        "mean passage time",
        "passage",
        SOURCE,
        "T(X) + t has no drift; in one dimension the double integral solves it",
        evidence,
    )
    .line(
        format!("{} = -1,   {}", operator.text, place.text),
        format!("{} = -1, \\qquad {}", operator.latex, place.latex),
    )
    .about(equation))
}

/// `T(1) = 0, T'(-4) = 0` in one dimension, words otherwise.
fn boundary(exact: &mut Noising, event: &StoppingEvent, domain: Option<&[(f64, f64)]>) -> Formula {
    let graph = &mut exact.graph;
    let words = Formula::new(
        format!("T = 0 where `{}` happens", event.name),
        format!(
            "T = 0 \\text{{ where {} happens}}",
            event.name.replace('_', " ")
        ),
    );
    let [x] = exact.state[..] else { return words };
    let Some((rate, constant)) = graph.affine_coefficients(event.margin, &[x]) else {
        return words;
    };
    if graph.is_zero(rate[0]) {
        return words;
    }
    let ratio = graph.div(constant, rate[0]);
    let level = graph.neg(ratio);
    let Some(value) = graph.evaluate(level, &[]) else {
        return words;
    };
    let level = notation::expression(graph, level);
    let mut out = Formula::new(
        format!("T({}) = 0", level.text),
        format!("T({}) = 0", level.latex),
    );
    // The process lives where the margin is negative.
    let below = graph
        .evaluate(event.margin, &[(x, value - 1.0)])
        .is_some_and(|margin| margin < 0.0);
    let edge = domain
        .and_then(|domain| domain.first())
        .map(|(lo, hi)| if below { *lo } else { *hi });
    if let Some(edge) = edge {
        let edge = graph.number(edge);
        let edge = notation::expression(graph, edge);
        out.text.push_str(&format!(",   T'({}) = 0", edge.text));
        out.latex
            .push_str(&format!(", \\qquad T'({}) = 0", edge.latex));
    }
    out
}
