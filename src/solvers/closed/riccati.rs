//! The Riccati road: linear dynamics with quadratic costs have a quadratic value.
//!
//! ```text
//! V = 1/2 x'P x + r.x + c,      u* = -R^-1 B' (P x + r),      S = B R^-1 B'
//! P' = rho P - A'P - P A + P S P - Q,                   P(T) = M
//! r' = rho r - A'r + P (S r - a) - k,                   r(T) = m
//! c' = rho c - a.r + 1/2 r.S r - 1/2 tr(D P) - q_0,     c(T) = m_0
//! ```
//!
//! integrated backwards from the end of the horizon, or, where nothing depends on time, carried back from panel to panel
//! ([`hamiltonian`]). The cost over the start law needs its mean and covariance
//! only. With `S = 0` the equations that are integrated give the cost of no control.
//!
//! # Assumes
//! What [`crate::derivation::control::riccati`] proves: drift affine, costs at most quadratic, `G`, `B`, `R` free of the
//! state; no bounds on the control, natural edges, no events. A solution that leaves the doubles is reported with its time.
//!
//! # Order
//! Five in the step, which follows the relative tolerance ([`crate::numeric::runge_kutta`]); `O(d^3)` an
//! evaluation. The error of the cost is its distance from a run at a hundred times the tolerance.
//!
//! # Source
//! Kalman (1960); Bryson and Ho, *Applied Optimal Control* (1975), chapter 5.
//!
//! # Checked by
//! `riccati-residual`, `hjb-residual`, `policy-cost`

pub mod algebraic;
mod discrete;
mod equations;
pub mod hamiltonian;

use crate::derivation::control::riccati;
use crate::discretization::steered::SteeredProcess;
use crate::expr::CompileError;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::numeric::runge_kutta::{DenseSolution, Escape, Integration, Piece};
use crate::problem::format::card::Card;
use crate::problem::format::key::Key;
use crate::problem::format::key::Less;
use crate::problem::format::key::{Bound, Fallback, Form, Names};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::CONTROLLED;
use crate::problem::meant::law::Law;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::closed::riccati::discrete::least_cost;
use crate::solvers::closed::riccati::equations::{Equations, Table, averaged, column, parts_of};
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::edges;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use nalgebra::{DMatrix, DVector};
use std::sync::Arc;

const NAME: &str = "riccati";
/// Whichever form suits.
const AUTOMATIC: &str = "automatic";
/// The form that is integrated.
const DIFFERENTIAL: &str = "differential";
/// The form that is carried from panel to panel.
const HAMILTONIAN: &str = "hamiltonian";
const ACCEPTED: &str = "a drift affine in the state, costs of degree at most 2 in it, noise, control channel and control price free of it, no bounds on the control, natural edges, no events";
/// Name of the cost of no control.
const UNCONTROLLED: &str = "uncontrolled_cost";
/// Relative rounding of as many matrix products as there are steps.
const ROUNDING: f64 = 1e-12;
/// The tolerance of the run the error is measured by, over that of the answer.
const LOOSER: f64 = 100.0;

/// The differential equation integrated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Riccati {
    pub relative_tolerance: f64,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("riccati.md")),
    kinds: CONTROLLED,
    later: &[],
    options: &[
        Key::new(
            "form",
            Form::Choice(Names::Fixed(|| vec![AUTOMATIC, DIFFERENTIAL, HAMILTONIAN])),
            Fallback::Name(AUTOMATIC),
            "integrated, or carried from panel to panel where nothing depends on time",
        ),
        Key::new(
            "rtol",
            Form::Number(Bound::Positive),
            Fallback::Number(1e-10),
            "relative accuracy of the integration",
        )
        .less(|_| Less::Tolerance),
    ],
    settings: |options| format!("relative tolerance {:e}", options.number("rtol")),
};

impl Riccati {
    /// The method as asked for; `None` for another method's settings or another form.
    pub fn new(spec: &SolverSpec, lowered: &Lowered) -> Option<Self> {
        let relative_tolerance = tolerance(spec, lowered, DIFFERENTIAL)?;
        Some(Self { relative_tolerance })
    }
}

/// The tolerance, where this form is asked for or suits.
fn tolerance(spec: &SolverSpec, lowered: &Lowered, form: &str) -> Option<f64> {
    let options = spec.options_of(NAME)?;
    let asked = match options.name("form") {
        AUTOMATIC if lowered.is_autonomous() => HAMILTONIAN,
        AUTOMATIC => DIFFERENTIAL,
        asked => asked,
    };
    (asked == form).then(|| options.number("rtol"))
}

/// The equations and where they start.
pub struct Admitted {
    equations: Equations,
    end: Vec<f64>,
}

/// Four integrations: the answer, the one that tells its error, and the same without control.
pub struct State {
    loose: Integration<Equations>,
    tight: Integration<Equations>,
    pieces: Vec<Piece>,
    /// Gone if the cost of no control is beyond the doubles.
    idle: Option<[Integration<Equations>; 2]>,
}

impl State {
    fn idle_done(&self) -> bool {
        let done = |idle: &[Integration<Equations>; 2]| idle.iter().all(Integration::is_done);
        self.idle.as_ref().is_none_or(done)
    }
}

fn escaped(escape: Escape) -> SolveError {
    SolveError::NotFinite {
        what: "the solution of the Riccati equation",
        value: escape.value,
        time: escape.time,
        suggestion: "a shorter horizon, or costs that are convex in the state".to_owned(),
    }
}

impl Method for Riccati {
    const ASKS: Asks = Asks::WholeCost;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        admitted(lowered)
    }

    fn start(
        &self,
        lowered: &Lowered,
        admitted: Admitted,
        _: &Streams,
    ) -> Result<State, SolveError> {
        let (from, to) = (
            lowered.compiled.steered.end(),
            lowered.compiled.steered.start(),
        );
        let run = |equations: Equations, tolerance: f64| {
            Integration::new(equations, from, to, admitted.end.clone(), tolerance)
        };
        let tight = self.relative_tolerance;
        let loose = LOOSER * tight;
        let idle = admitted.equations.idle();
        Ok(State {
            loose: run(admitted.equations.clone(), loose),
            tight: run(admitted.equations.clone(), tight),
            pieces: Vec::new(),
            idle: Some([run(idle.clone(), loose), run(idle, tight)]),
        })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        work.unknowns = state.tight.value().len() as u64;
        if !state.loose.is_done() {
            state.loose.advance().map_err(escaped)?;
        } else if let Some(piece) = state.tight.advance().map_err(escaped)? {
            state.pieces.push(piece);
        } else if let Some(idle) = &mut state.idle {
            let [loose, tight] = idle;
            if loose.advance().and_then(|_| tight.advance()).is_err() {
                state.idle = None;
            }
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        if state.tight.is_done() && state.idle_done() {
            return Progress::Stopped(StopReason::Direct);
        }
        let idle = state.idle.as_ref().map_or(1.0, |idle| idle[1].fraction());
        let fractions = state.loose.fraction() + state.tight.fraction() + idle;
        Progress::Going {
            fraction: fractions / 3.0,
            objective: state.tight.value().last().copied().unwrap_or(f64::NAN),
            measured: 1.0 - state.tight.fraction(),
        }
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let facts = vec![
            ("double steps", state.tight.steps() as f64),
            ("integrated down to", state.tight.time()),
        ];
        if !state.tight.is_done() {
            // Out of time: a part of the horizon has no policy.
            return Ok(Answer {
                facts,
                ..Answer::default()
            });
        }
        let (mean, covariance) = moments(lowered.start());
        let cost = |loose: &Integration<Equations>, tight: &Integration<Equations>| {
            let [loose, value] =
                [loose, tight].map(|run| averaged(run.value(), &mean, &covariance));
            let rounding = 8.0 * f64::EPSILON * value.abs();
            let error = (value - loose).abs().max(rounding);
            Estimate::new(value, error, ErrorKind::Quadrature)
        };
        let uncontrolled =
            state
                .idle
                .as_ref()
                .filter(|_| state.idle_done())
                .map(|[loose, tight]| Quantity {
                    name: UNCONTROLLED.to_owned(),
                    value: cost(loose, tight),
                });
        let cost = cost(&state.loose, &state.tight);
        Ok(Answer {
            quantities: uncontrolled.into_iter().collect(),
            facts,
            ..answered(lowered, cost, Arc::new(DenseSolution::new(state.pieces)))
        })
    }
}

/// Value and policy from `P`, `r` and `c` at all times.
fn answered(lowered: &Lowered, cost: Estimate, solution: Arc<dyn OverTime>) -> Answer {
    let process = lowered.compiled.steered.clone();
    let form = QuadraticForm {
        dimension: process.dimension(),
        solution,
    };
    Answer {
        cost: Some(cost),
        policy: Some(Arc::new(LinearPolicy {
            form: form.clone(),
            process,
        })),
        value: Some(Arc::new(form)),
        ..Answer::default()
    }
}

/// The least cost at the steps of `[time]`; `None` where the problem is not linear–quadratic.
pub fn discrete_value(lowered: &Lowered) -> Option<Estimate> {
    if lowered.problem.is_endless() || !lowered.has_end_cost() {
        return None;
    }
    let Admitted { equations, end } = admitted(lowered).ok()?;
    let (mean, covariance) = moments(lowered.start());
    let process = &lowered.compiled.steered;
    let value = least_cost(
        equations,
        (process.start(), process.end()),
        lowered.problem.time_settings.steps,
        &end,
        (&mean, &covariance),
    )?;
    let error = ROUNDING * value.abs();
    Some(Estimate::new(value, error, ErrorKind::Rounding))
}

/// What both forms of the equation start from.
fn admitted(lowered: &Lowered) -> Result<Admitted, Refusal> {
    let refusal = |reason: String| Refusal {
        method: NAME,
        reason,
        accepted: ACCEPTED.to_owned(),
    };
    if let Some(why) = lowered.obstructed_control() {
        return Err(refusal(why.to_owned()));
    }
    if edges::act(lowered) {
        let reason = "an edge is not natural, or an event ends paths";
        return Err(refusal(reason.to_owned()));
    }
    let mut parts = lowered.process.clone();
    let lq = riccati::linear_quadratic(&mut parts).map_err(|blocked| refusal(blocked.words))?;
    let compiled = |error: CompileError| refusal(error.to_string());
    let equations = Equations::new(&parts, &lq, lowered).map_err(compiled)?;
    let terminal = [
        lq.terminal.matrix.clone(),
        column(&lq.terminal.vector),
        column(&[lq.terminal.constant]),
    ];
    let terminal = Table::new(&parts, &terminal).map_err(compiled)?;
    let d = lq.shift.len();
    let mut matrices = [(d, d), (d, 1), (1, 1)].map(|(n, m)| DMatrix::zeros(n, m));
    let mut values = Batch::zeros(1, terminal.places.len());
    terminal.fill(lowered.compiled.steered.end(), &mut values, &mut matrices);
    let end = matrices.iter().flat_map(|m| m.iter().copied()).collect();
    Ok(Admitted { equations, end })
}

/// Mean and covariance of a start law.
pub(crate) fn moments(law: &Law) -> (DVector<f64>, DMatrix<f64>) {
    match (law, law.mixture()) {
        (Law::Uniform(sides), _) => {
            let variances: Vec<f64> = sides.iter().map(|(a, b)| (b - a).powi(2) / 12.0).collect();
            let mean = sides.iter().map(|(a, b)| 0.5 * (a + b)).collect();
            (
                DVector::from_vec(mean),
                DMatrix::from_diagonal(&DVector::from_vec(variances)),
            )
        }
        (_, Some(mixture)) => {
            let rows = mixture.covariance();
            let d = rows.len();
            (
                DVector::from_vec(mixture.mean()),
                DMatrix::from_fn(d, d, |i, j| rows[i][j]),
            )
        }
        _ => unreachable!("a law without draws was refused when the problem was lowered"),
    }
}

/// `P` (column by column), `r`, `c` at all times.
trait OverTime: std::fmt::Debug + Send + Sync {
    fn at(&self, t: f64) -> Vec<f64>;
}

impl OverTime for DenseSolution {
    fn at(&self, t: f64) -> Vec<f64> {
        let mut y = vec![0.0; self.size()];
        self.value(t, &mut y);
        y
    }
}

/// `V(x, t) = 1/2 x'P x + r.x + c`.
#[derive(Clone, Debug)]
struct QuadraticForm {
    dimension: usize,
    solution: Arc<dyn OverTime>,
}

impl QuadraticForm {
    /// `P x + r`.
    fn slope(&self, y: &[f64], x: BatchRef<'_>) -> Batch {
        let d = self.dimension;
        let (form, vector, _) = parts_of(y, d);
        let mut out = Batch::zeros(x.points(), d);
        for j in 0..d {
            out.column_mut(j).fill(vector[j]);
        }
        // P is symmetric.
        out.as_mut().add_product(1.0, form, x);
        out
    }
}

impl QuadraticForm {
    fn form_at(&self, y: &[f64], x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let slope = self.slope(y, x);
        let (_, vector, constant) = parts_of(y, self.dimension);
        let out = out.column_mut(0);
        out.fill(constant);
        for j in 0..self.dimension {
            for ((o, x), g) in out.iter_mut().zip(x.column(j)).zip(slope.column(j)) {
                *o += 0.5 * x * (g + vector[j]);
            }
        }
    }
}

impl Field for QuadraticForm {
    fn inputs(&self) -> usize {
        self.dimension
    }

    fn outputs(&self) -> usize {
        1
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.form_at(&self.solution.at(t), x, out);
    }

    fn frozen(&self, t: f64) -> Option<Box<dyn Field + '_>> {
        Some(Box::new(FrozenForm {
            coefficients: self.solution.at(t),
            form: self,
        }))
    }
}

/// The form with `P`, `r`, `c` of one time.
struct FrozenForm<'a> {
    coefficients: Vec<f64>,
    form: &'a QuadraticForm,
}

impl Field for FrozenForm<'_> {
    fn inputs(&self) -> usize {
        self.form.dimension
    }

    fn outputs(&self) -> usize {
        1
    }

    fn eval(&self, _: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.form.form_at(&self.coefficients, x, out);
    }
}

/// `u* = -R^-1 B' (P x + r)`.
struct LinearPolicy {
    form: QuadraticForm,
    process: SteeredProcess,
}

impl Field for LinearPolicy {
    fn inputs(&self) -> usize {
        self.form.dimension
    }

    fn outputs(&self) -> usize {
        self.process.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let slope = self.form.slope(&self.form.solution.at(t), x);
        self.process.best_response(t, x, slope.as_ref(), out);
    }

    fn frozen(&self, t: f64) -> Option<Box<dyn Field + '_>> {
        Some(Box::new(FrozenPolicy {
            gain: self.form.solution.at(t),
            policy: self,
        }))
    }
}

/// The same with `P` and `r` of one time.
struct FrozenPolicy<'a> {
    gain: Vec<f64>,
    policy: &'a LinearPolicy,
}

impl Field for FrozenPolicy<'_> {
    fn inputs(&self) -> usize {
        self.policy.inputs()
    }

    fn outputs(&self) -> usize {
        self.policy.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let slope = self.policy.form.slope(&self.gain, x);
        self.policy.process.best_response(t, x, slope.as_ref(), out);
    }
}

#[cfg(test)]
mod tests;
