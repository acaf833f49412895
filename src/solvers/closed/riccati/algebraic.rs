//! The quadratic value of a horizon without an end: `riccati` by the algebraic equation.
//!
//! ```text
//! A'P + P A - P S P + Q = rho P,                        A - S P - rho/2 stable
//! (rho - (A - S P)') r = P a + k
//! rho c = a.r - 1/2 r.S r + 1/2 tr(D P) + q_0,          V = 1/2 x'P x + r.x + c,   u* = -R^-1 B' (P x + r)
//! ```
//!
//! With a discount `A` is shifted by `-rho/2` and the equation is that of [`crate::numeric::algebraic_riccati`]. Without
//! one the right side of the last line is the least average cost, and `V` is known up to a constant, which makes its
//! average over the start law zero.
//!
//! # Assumes
//! What `riccati` assumes. Every mode of `A - rho/2` that is not stable can be steered and, where `Q >= 0`, costs
//! something: else refused, with the mode.
//!
//! # Order
//! Exact but for rounding, which the condition number of the equation tells; `O(d^3)`.
//!
//! # Source
//! Kwakernaak and Sivan, *Linear Optimal Control Systems* (1972), sections 3.4 and 3.9; Anderson and Moore, *Optimal
//! Control* (1990), section 3.5 for the discount.
//!
//! # Checked by
//! `riccati-residual`, `hjb-residual`, `policy-cost`

use crate::numeric::algebraic_riccati::{Stabilising, solve};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::solvers::closed::riccati::equations::{Equations, averaged};
use crate::solvers::closed::riccati::{ACCEPTED, NAME, OverTime, admitted, answered, moments};
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::lowered::answer::{AVERAGE_COST, Answer};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use nalgebra::{DMatrix, DVector};
use std::sync::Arc;

/// Largest gain whose entries are named one by one.
const NAMED: usize = 32;

/// The algebraic equation; it has no options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Algebraic;

/// The equation and its solution.
pub struct Admitted {
    equations: Equations,
    found: Stabilising,
}

/// Nothing to iterate.
pub struct State(Admitted);

impl Method for Algebraic {
    const ASKS: Asks = Asks::WholeCost;
    const ENDLESS: bool = true;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let equations = admitted(lowered)?.equations;
        let [drift, _, authority, cost, ..] = &equations.coefficients;
        let d = drift.nrows();
        let shift = DMatrix::identity(d, d) * (0.5 * equations.discount);
        let found = solve(&(drift - shift), authority, cost).map_err(|reason| Refusal {
            method: NAME,
            reason: match equations.discount {
                0.0 => reason.to_string(),
                rho => format!("{reason}, where A - rho/2 with rho = {rho} is asked to be"),
            },
            accepted: format!(
                "{ACCEPTED}; and modes that are stable, or can be steered and cost something"
            ),
        })?;
        Ok(Admitted { equations, found })
    }

    fn start(&self, _: &Lowered, admitted: Admitted, _: &Streams) -> Result<State, SolveError> {
        Ok(State(admitted))
    }

    fn advance(&self, _: &Lowered, _: &mut State, _: &mut Work) -> Result<(), SolveError> {
        Ok(())
    }

    fn progress(&self, _: &State) -> Progress {
        Progress::Stopped(StopReason::Direct)
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let Admitted { equations, found } = state.0;
        let relative = found.condition * (found.residual + f64::EPSILON);
        let value = Value::new(&equations, &found.form);
        let (mean, covariance) = moments(lowered.start());
        let at_start = averaged(&value.entries(0.0), &mean, &covariance);
        let estimate =
            |value: f64, size: f64| Estimate::new(value, relative * size, ErrorKind::Rounding);
        let rate = estimate(value.rate, value.size);
        let rho = equations.discount;
        let (constant, cost) = match rho {
            0.0 => (-at_start, rate),
            rho => {
                let constant = value.rate / rho;
                let whole = at_start + constant;
                (constant, estimate(whole, at_start.abs() + value.size / rho))
            }
        };
        let mut answer = Answer {
            cost: Some(cost),
            facts: vec![
                ("condition of the Riccati equation", found.condition),
                ("relative residual", found.residual),
                ("slowest rate of the closed loop", found.slowest + 0.5 * rho),
            ],
            ..Answer::default()
        };
        if rho == 0.0 {
            answer.push(AVERAGE_COST, rate);
        }
        name_gain(lowered, &found.form, relative, &mut answer);
        let solution = Arc::new(Still(value.entries(constant)));
        Ok(Answer {
            facts: answer.facts,
            quantities: answer.quantities,
            ..answered(lowered, cost, solution)
        })
    }
}

/// `P`, `r` and the rate at which cost goes on at rest, with the size of its terms.
struct Value<'a> {
    form: &'a DMatrix<f64>,
    vector: DVector<f64>,
    rate: f64,
    size: f64,
}

impl<'a> Value<'a> {
    fn new(equations: &Equations, form: &'a DMatrix<f64>) -> Self {
        let [drift, shift, authority, _, slope, noise, constant] = &equations.coefficients;
        let d = form.nrows();
        let shift = shift.column(0);
        let closed = drift - authority * form;
        let slowed = DMatrix::identity(d, d) * equations.discount - closed.transpose();
        let right = form * shift + slope.column(0);
        // The closed loop is stable, so no rate of it is the discount.
        let vector = slowed
            .lu()
            .solve(&right)
            .unwrap_or_else(|| right * f64::NAN);
        let saved = 0.5 * vector.dot(&(authority * &vector));
        let terms = [
            shift.dot(&vector),
            -saved,
            0.5 * noise.dot(form),
            constant[(0, 0)],
        ];
        Self {
            form,
            vector,
            rate: terms.iter().sum(),
            size: terms.iter().map(|term| term.abs()).sum(),
        }
    }

    /// Entries of `P`, column by column, then `r`, then a constant.
    fn entries(&self, constant: f64) -> Vec<f64> {
        let parts = self.form.iter().chain(&self.vector);
        parts.copied().chain([constant]).collect()
    }
}

/// The entries of `K = R^-1 B' P`, where they are few; `u* = -K x - R^-1 B' r`.
fn name_gain(lowered: &Lowered, form: &DMatrix<f64>, relative: f64, answer: &mut Answer) {
    let process = &lowered.compiled.steered;
    if process.controls() * process.dimension() > NAMED {
        return;
    }
    let (t, nowhere) = (process.start(), &[]);
    let channel = process.channel().at(t, nowhere);
    let gain = process.inverse_effort().at(t, nowhere) * channel.transpose() * form;
    let error = relative * gain.norm();
    for i in 0..gain.nrows() {
        for j in 0..gain.ncols() {
            let entry = Estimate::new(gain[(i, j)], error, ErrorKind::Rounding);
            answer.push(format!("gain[{i}][{j}]"), entry);
        }
    }
}

/// The same at all times.
#[derive(Debug)]
struct Still(Vec<f64>);

impl OverTime for Still {
    fn at(&self, _: f64) -> Vec<f64> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests;
