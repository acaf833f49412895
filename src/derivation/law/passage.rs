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
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::expr::Expr;
use crate::expr::arithmetic::{exp, partial};

const SOURCE: &str = "Pontryagin, Andronov & Vitt (1933); Gardiner (2009), section 5.5";

/// An event that stops paths: its name, and an expression that is zero on its boundary.
#[derive(Clone, Debug, PartialEq)]
pub struct StoppingEvent {
    pub name: String,
    pub margin: Expr,
}

/// `L T + 1`.
pub fn residual(noising: &mut Noising, mean: Expr) -> Expr {
    let generated = noising.generated(mean);
    noising.of(generated + 1)
}

/// The equation of the mean passage time.
pub fn equation(noising: &mut Noising) -> Equation {
    let mean = noising.at_end("T");
    let residual = residual(noising, mean);
    Equation::new("passage-time", mean, residual, SOURCE)
        .assuming(&[Assumption::SmoothCoefficients, Assumption::FinitePassage])
}

/// `(d/dt + L)(T + t)` is the residual; in one dimension the double integral makes it vanish.
///
/// # Errors
/// [`Refuted`] if `T(X_t) + t` drifts otherwise.
pub fn execute(noising: &mut Noising, mean: Expr, residual: Expr) -> Result<Evidence, Refuted> {
    let clock = noising.of(mean + noising.time);
    let generated = noising.generated(clock);
    let drifted = generated + noising.rate(clock);
    let martingale = noising.equal("T(X) + t has no drift", residual, drifted)?;
    if noising.dimension() > 1 {
        return Ok(martingale);
    }
    // M' = p = exp(A) with A' = (2 f - D') / D, and T' = -2 M / (D p).
    let x = noising.state[0];
    let (log, mass) = (noising.at_end("A"), noising.at_end("M"));
    let (f, d) = (noising.drift[0], noising.diffusivity[0][0]);
    let slope = noising.of((2 * f - noising.diffusivity_divergence[0]) / d);
    let density = noising.of(exp(log));
    let first = noising.of(-2 * (mass / (d * density)));
    let graph = &mut noising.graph;
    let second = graph.derivative(first, x);
    let rates = [(partial(log, x), slope), (partial(mass, x), density)];
    let rates = rates.map(|(rate, value)| (graph.of(rate), value));
    let second = graph.substitute(second, &rates);
    let claim = "the double integral solves the passage equation";
    Ok(martingale.and(noising.equal(claim, f * first + d * second / 2, -1)?))
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
    let operator = notation::operator(shown, &shown.drift.clone(), "T");
    let place = boundary(exact, event, domain);
    let executes = "T(X) + t has no drift; in one dimension the double integral solves it";
    Ok(Step::new("mean passage time", "passage", SOURCE)
        .executed(executes, evidence)
        .line(Formula::of("{} = -1,   {}", &[&operator, &place]))
        .about(equation))
}

/// `T(1) = 0, T'(-4) = 0` in one dimension, words otherwise.
fn boundary(exact: &mut Noising, event: &StoppingEvent, domain: Option<&[(f64, f64)]>) -> Formula {
    level(exact, event, domain).unwrap_or_else(|| {
        let name = event.name.replace('_', " ");
        Formula::new(
            format!("T = 0 where `{}` happens", event.name),
            format!("T = 0 \\text{{ where {name} happens}}"),
        )
    })
}

/// The end where a one-dimensional process stops, and the edge opposite.
fn level(
    exact: &mut Noising,
    event: &StoppingEvent,
    domain: Option<&[(f64, f64)]>,
) -> Option<Formula> {
    let graph = &mut exact.graph;
    let [x] = exact.state[..] else { return None };
    let (rate, constant) = graph.affine_coefficients(event.margin, &[x])?;
    if graph.is_zero(rate[0]) {
        return None;
    }
    let level = graph.of(-(constant / rate[0]));
    let value = graph.evaluate(level, &[])?;
    let level = notation::expression(graph, level);
    let Some((lo, hi)) = domain.and_then(|domain| domain.first()) else {
        return Some(Formula::of("T({}) = 0", &[&level]));
    };
    // The process lives where the margin is negative.
    let below = graph
        .evaluate(event.margin, &[(x, value - 1.0)])
        .is_some_and(|margin| margin < 0.0);
    let edge = graph.number(if below { *lo } else { *hi });
    let edge = notation::expression(graph, edge);
    Some(Formula::of("T({}) = 0,   T'({}) = 0", &[&level, &edge]))
}
