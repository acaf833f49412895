//! The quadratic value by matrix exponentials: `riccati` with `form = "hamiltonian"`.
//!
//! ```text
//! z = (x, 1),   V = 1/2 z'P z + c_D,      A <- [A a; 0 0] - rho/2,   Q <- [Q k; k' 2 q_0],   S <- [S 0; 0 0]
//! -P' = Q + A'P + P A - P S P:      P(t - s) = Y X^-1,   (X, Y) = exp(-s [A -S; -Q -A']) (1, P(t))
//! c_D(t) = 1/2 int_t^T e^{-rho (s-t)} tr(D P(s)) ds
//! ```
//!
//! The matrix equation becomes linear on pairs `(X, Y)`, and the horizon is cut into panels so short that the exponential
//! stays of order one, `P` being rebuilt at each. The integral is by Gauss–Legendre on the panels. Nothing is shared with
//! the integration of the differential equation but the coefficients. The same on half as many panels tells the error.
//!
//! # Assumes
//! What `riccati` assumes, and coefficients free of time.
//!
//! # Order
//! `P` exact but for rounding; order 16 in the panel for `c_D`. `O(d^3)` a panel.
//!
//! # Source
//! Davison and Maki (1973); Bryson and Ho, *Applied Optimal Control* (1975), section 5.2.
//!
//! # Checked by
//! `riccati-residual`, `hjb-residual`, `policy-cost`

use crate::numeric::dense::{exponential, symmetric_part};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::quadrature::Rule;
use crate::numeric::random::Streams;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::closed::riccati::equations::{averaged, parts_of};
use crate::solvers::closed::riccati::{
    ACCEPTED, Admitted, HAMILTONIAN, LinearPolicy, NAME, OverTime, QuadraticForm, UNCONTROLLED,
    admitted, moments,
};
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use nalgebra::DMatrix;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Gauss–Legendre nodes of a panel.
const NODES: NonZeroUsize = NonZeroUsize::new(8).unwrap();
/// Largest norm of the Hamiltonian matrix times the length of a panel.
const LONGEST: f64 = 1.0;
/// Most panels.
const MOST_PANELS: f64 = 1e5;
/// Relative rounding of a panel.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

/// The Riccati equation by matrix exponentials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hamiltonian;

impl Hamiltonian {
    /// The method as asked for; `None` for another method's settings or another form.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        (options.name("form") == HAMILTONIAN).then_some(Self)
    }
}

/// Runs to be made, and those that are done: the answer, the same on half the panels, and both without control.
pub struct State {
    waiting: Vec<Panels>,
    /// Without control the value may leave the doubles.
    done: Vec<Option<Panels>>,
}

impl Method for Hamiltonian {
    const ASKS: Asks = Asks::WholeCost;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let found = admitted(lowered)?;
        let refusal = |reason: String| Refusal {
            method: NAME,
            reason,
            accepted: format!(
                "{ACCEPTED}; for form = \"hamiltonian\" nothing that depends on time, else form = \"differential\""
            ),
        };
        if !found.equations.is_constant() {
            return Err(refusal("the coefficients depend on time".to_owned()));
        }
        let stiffness = Panels::new(lowered, &found, true).stiffness();
        if stiffness > LONGEST * MOST_PANELS {
            return Err(refusal(format!(
                "the fastest rate times the horizon is {stiffness:e}, above {MOST_PANELS:e}"
            )));
        }
        Ok(found)
    }

    fn start(
        &self,
        lowered: &Lowered,
        admitted: Admitted,
        _: &Streams,
    ) -> Result<State, SolveError> {
        // Taken from the end.
        let runs = [(false, 2), (false, 1), (true, 2), (true, 1)];
        let run = |(steered, divisor): (bool, usize)| {
            let mut run = Panels::new(lowered, &admitted, steered);
            let count = (run.stiffness() / LONGEST).ceil().max(2.0) as usize;
            run.count = count.div_ceil(divisor);
            run
        };
        Ok(State {
            waiting: runs.map(run).into(),
            done: Vec::new(),
        })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let Some(mut run) = state.waiting.pop() else {
            return Ok(());
        };
        work.unknowns = work.unknowns.max((run.rates.nrows() / 2).pow(2) as u64);
        work.linear_solves += (run.count * (1 + NODES.get())) as u64;
        let steered = state.done.len() < 2;
        match run.make() {
            Ok(()) => state.done.push(Some(run)),
            Err(error) if steered => return Err(error),
            Err(_) => state.done.push(None),
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        if state.waiting.is_empty() {
            return Progress::Stopped(StopReason::Direct);
        }
        let done = state.done.len() as f64;
        Progress::part(done / (done + state.waiting.len() as f64))
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut answer = Answer::default();
        let mut done = state.done.into_iter();
        let mut next = || done.next().flatten();
        let (Some(fine), Some(coarse)) = (next(), next()) else {
            // Out of time: nothing to tell the error by.
            return Ok(answer);
        };
        let (mean, covariance) = moments(lowered.start());
        let from = lowered.compiled.steered.start();
        let alone = |run: &Panels| averaged(&run.value(from), &mean, &covariance);
        let cost = |fine: &Panels, coarse: &Panels| {
            let value = alone(fine);
            let rounding = ROUNDING * fine.count as f64 * value.abs();
            let error = (value - alone(coarse)).abs() + rounding;
            Estimate::new(value, error, ErrorKind::Quadrature)
        };
        if let (Some(fine), Some(coarse)) = (next(), next()) {
            answer.quantities.push(Quantity {
                name: UNCONTROLLED.to_owned(),
                value: cost(&fine, &coarse),
            });
        }
        answer.facts = vec![
            ("panels", fine.count as f64),
            ("cost on half the panels", alone(&coarse)),
        ];
        answer.cost = Some(cost(&fine, &coarse));
        let form = QuadraticForm {
            dimension: lowered.compiled.steered.dimension(),
            solution: Arc::new(fine),
        };
        answer.policy = Some(Arc::new(LinearPolicy {
            form: form.clone(),
            process: lowered.compiled.steered.clone(),
        }));
        answer.value = Some(Arc::new(form));
        Ok(answer)
    }
}

/// The solution at the ends of equal panels, first the end of the horizon.
#[derive(Debug)]
struct Panels {
    /// Rates of the pair `(X, Y)` back in time.
    rates: DMatrix<f64>,
    noise: DMatrix<f64>,
    discount: f64,
    horizon: (f64, f64),
    count: usize,
    /// `P` of the state with a one attached, and `c_D`.
    ends: Vec<(DMatrix<f64>, f64)>,
}

impl Panels {
    /// Nothing solved yet; without control `S = 0`.
    fn new(lowered: &Lowered, admitted: &Admitted, steered: bool) -> Self {
        let [a, shift, s, q, slope, noise, q0] = &admitted.equations.coefficients;
        let d = shift.nrows();
        let (n, rho) = (d + 1, admitted.equations.discount);
        let mut rates = DMatrix::zeros(2 * n, 2 * n);
        for i in 0..n {
            for j in 0..n {
                let last = [i, j].map(|k| k == d);
                let drift = match last {
                    [false, false] => a[(i, j)],
                    [false, true] => shift[(i, 0)],
                    _ => 0.0,
                };
                let drift = drift - if i == j { 0.5 * rho } else { 0.0 };
                let cost = match last {
                    [false, false] => q[(i, j)],
                    [false, true] => slope[(i, 0)],
                    [true, false] => slope[(j, 0)],
                    [true, true] => 2.0 * q0[(0, 0)],
                };
                // The derivatives of (X, Y) in the time that is left: signs are those of -dt.
                rates[(i, j)] = -drift;
                rates[(n + j, n + i)] = drift;
                rates[(n + i, j)] = cost;
                if steered && !last[0] && !last[1] {
                    rates[(i, n + j)] = s[(i, j)];
                }
            }
        }
        let (form, vector, constant) = parts_of(&admitted.end, d);
        let mut end = DMatrix::zeros(n, n);
        end.view_mut((0, 0), (d, d)).copy_from(&form);
        end.view_mut((0, d), (d, 1)).copy_from(&vector);
        end.view_mut((d, 0), (1, d)).copy_from(&vector.transpose());
        end[(d, d)] = 2.0 * constant;
        Self {
            rates,
            noise: noise.clone(),
            discount: rho,
            horizon: (
                lowered.compiled.steered.start(),
                lowered.compiled.steered.end(),
            ),
            count: 1,
            ends: vec![(end, 0.0)],
        }
    }

    /// Norm of the rates times the horizon.
    fn stiffness(&self) -> f64 {
        let columns = self.rates.column_iter();
        let norm = columns.map(|c| c.lp_norm(1)).fold(0.0, f64::max);
        norm * (self.horizon.1 - self.horizon.0)
    }

    fn length(&self) -> f64 {
        (self.horizon.1 - self.horizon.0) / self.count as f64
    }

    fn make(&mut self) -> Result<(), SolveError> {
        let whole = Span::new(self, self.length());
        for k in 0..self.count {
            let (form, trace) = &self.ends[k];
            let next = whole.back(self, form, *trace);
            let finite = |next: &(DMatrix<f64>, f64)| {
                next.0.iter().all(|p| p.is_finite()) && next.1.is_finite()
            };
            let Some(next) = next.filter(finite) else {
                return Err(SolveError::NotFinite {
                    what: "the solution of the Riccati equation",
                    value: f64::INFINITY,
                    time: self.horizon.1 - self.length() * (k + 1) as f64,
                    suggestion: "a shorter horizon, or costs that are convex in the state"
                        .to_owned(),
                });
            };
            self.ends.push(next);
        }
        Ok(())
    }

    /// `P`, column by column, `r`, `c`.
    fn value(&self, t: f64) -> Vec<f64> {
        let left = (self.horizon.1 - t).clamp(0.0, self.horizon.1 - self.horizon.0);
        let panel = ((left / self.length()) as usize).min(self.ends.len() - 1);
        let (form, trace) = &self.ends[panel];
        let within = left - panel as f64 * self.length();
        let found = if within > 0.0 {
            Span::new(self, within).back(self, form, *trace)
        } else {
            None
        };
        // Where a whole panel has an answer so has a part of it.
        let (form, trace) = found.unwrap_or_else(|| (form.clone(), *trace));
        let d = form.nrows() - 1;
        let mut y = form
            .view((0, 0), (d, d))
            .iter()
            .copied()
            .collect::<Vec<f64>>();
        y.extend(form.view((0, d), (d, 1)).iter());
        y.push(0.5 * form[(d, d)] + trace);
        y
    }
}

impl OverTime for Panels {
    fn at(&self, t: f64) -> Vec<f64> {
        self.value(t)
    }
}

/// The exponentials of a span of time and of the Gauss–Legendre nodes in it.
struct Span {
    length: f64,
    whole: DMatrix<f64>,
    /// Time from the node to the end of the span, weight, exponential.
    nodes: Vec<(f64, f64, DMatrix<f64>)>,
}

impl Span {
    fn new(panels: &Panels, length: f64) -> Self {
        let rule = Rule::legendre(NODES, 0.0, length);
        let nodes = rule.nodes.iter().zip(&rule.weights);
        Self {
            length,
            whole: exponential(&(&panels.rates * length)),
            nodes: nodes
                .map(|(s, weight)| (*s, *weight, exponential(&(&panels.rates * *s))))
                .collect(),
        }
    }

    /// `P` and `c_D` at the start of the span from those at its end; `None` where `P` is infinite between.
    fn back(
        &self,
        panels: &Panels,
        form: &DMatrix<f64>,
        trace: f64,
    ) -> Option<(DMatrix<f64>, f64)> {
        let d = panels.noise.nrows();
        let mut total = trace * (-panels.discount * self.length).exp();
        for (s, weight, map) in &self.nodes {
            let at = fraction(map, form)?;
            let spread = panels.noise.dot(&at.view((0, 0), (d, d)));
            total += 0.5 * weight * (-panels.discount * (self.length - s)).exp() * spread;
        }
        Some((fraction(&self.whole, form)?, total))
    }
}

/// `Y X^-1` where `(X, Y) = map (1, P)`; `None` once the determinant of `X`, one at first, has lost its sign.
fn fraction(map: &DMatrix<f64>, form: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let n = form.nrows();
    let image = map.columns(0, n) + map.columns(n, n) * form;
    let (x, y) = (image.rows(0, n).into_owned(), image.rows(n, n).into_owned());
    let factor = x.transpose().lu();
    if factor.determinant() <= 0.0 {
        return None;
    }
    let solved = factor.solve(&y.transpose())?;
    Some(symmetric_part(&solved))
}
