//! Mean and covariance of a linear process.
//!
//! ```text
//! f = A(t) x + a(t):      m' = A m + a,      C' = A C + C A' + D(t)
//! ```
//!
//! by error-controlled integration; the error is the distance from a hundred times the tolerance.
//!
//! # Assumes
//! Affine drift, noise free of the state, no edges that act. Events are not seen.
//!
//! # Order
//! That of the integrator; `O(d^3)` a step.
//!
//! # Source
//! Gardiner (2009), section 4.5.6.
//!
//! # Checked by
//! The closed form of the Ornstein–Uhlenbeck process

pub mod at_rest;

use crate::expr::{CompileError, Expr, Kernel};
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::numeric::runge_kutta::{Escape, Integration, Rates};
use crate::problem::format::card::Card;
use crate::problem::format::key::Key;
use crate::problem::format::key::Less;
use crate::problem::format::key::{Bound, Fallback, Form};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::SIMULATE;
use crate::problem::meant::law::Law;
use crate::problem::meant::model::Boundary;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use nalgebra::DMatrix;
use std::ops::Range;

const NAME: &str = "moments";
/// Tolerance of the second integration over that of the first.
const COARSER: f64 = 100.0;
/// Largest number of states whose covariances are reported entry by entry.
const REPORTED: usize = 4;

#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    pub relative_tolerance: f64,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("moments.md")),
    kinds: SIMULATE,
    later: &[],
    options: &[Key::new(
        "rtol",
        Form::Number(Bound::Positive),
        Fallback::Number(1e-10),
        "relative accuracy of the integration",
    )
    .less(|_| Less::Tolerance)],
    settings: |options| format!("relative tolerance {:e}", options.number("rtol")),
};

impl Moments {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            relative_tolerance: options.number("rtol"),
        })
    }
}

/// `A`, `a` and `D` as functions of time, in one kernel; `y` is the mean, then the covariance row by row.
#[derive(Clone)]
pub struct Linear {
    states: usize,
    kernel: Kernel,
    values: Vec<f64>,
    blocks: Vec<Range<usize>>,
}

impl Linear {
    /// `A`, `a` and `D` at a time.
    fn matrices(&self, t: f64) -> [DMatrix<f64>; 3] {
        let d = self.states;
        let mut values = Batch::zeros(1, self.values.len());
        let nowhere = Batch::zeros(1, 0);
        self.kernel.eval(t, nowhere.as_ref(), values.as_mut());
        let (a, rest) = values.as_slice().split_at(d * d);
        let (shift, diffusivity) = rest.split_at(d);
        [
            DMatrix::from_row_slice(d, d, a),
            DMatrix::from_column_slice(d, 1, shift),
            DMatrix::from_row_slice(d, d, diffusivity),
        ]
    }
}

impl Rates for Linear {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn rates(&mut self, t: f64, y: &[f64], out: &mut [f64]) {
        let d = self.states;
        let mut values = Batch::zeros(1, self.values.len());
        self.kernel
            .eval(t, Batch::zeros(1, 0).as_ref(), values.as_mut());
        self.values.copy_from_slice(values.as_slice());
        let (a, rest) = self.values.split_at(d * d);
        let (shift, diffusivity) = rest.split_at(d);
        let (mean, covariance) = y.split_at(d);
        for i in 0..d {
            let pulled: f64 = (0..d).map(|j| a[i * d + j] * mean[j]).sum();
            out[i] = pulled + shift[i];
            for j in 0..d {
                let both: f64 = (0..d)
                    .map(|k| {
                        a[i * d + k] * covariance[k * d + j] + a[j * d + k] * covariance[i * d + k]
                    })
                    .sum();
                out[d + i * d + j] = both + diffusivity[i * d + j];
            }
        }
    }
}

/// Two integrations, the tighter first.
pub struct State {
    running: [Integration<Linear>; 2],
}

impl Method for Moments {
    const ASKS: Asks = Asks::NoControl;
    type Admitted = Linear;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Linear, Refusal> {
        let refusal = |reason: String, accepted: &str| Refusal {
            method: NAME,
            reason,
            accepted: accepted.to_owned(),
        };
        let mut graph = lowered.process.process.graph.clone();
        let state = &lowered.process.process.state;
        let (mut rows, mut shift): (Vec<Expr>, Vec<Expr>) = Default::default();
        for (i, f) in lowered.process.process.drift.iter().enumerate() {
            match graph.affine_coefficients(*f, state) {
                Some((row, constant)) => {
                    rows.extend(row);
                    shift.push(constant);
                }
                None => {
                    let name = &lowered.problem.state_names[i];
                    return Err(refusal(
                        format!("the drift of {name} is not affine: {}", graph.text(*f)),
                        "an affine drift; or fpk, paths",
                    ));
                }
            }
        }
        let diffusivity = lowered.process.process.diffusivity.concat();
        if diffusivity.iter().any(|e| graph.depends_on_any(*e, state)) {
            return Err(refusal(
                "the noise depends on the state".to_owned(),
                "noise free of the state; or fpk, paths",
            ));
        }
        let d = lowered.dimension();
        let acts = |j: &usize| lowered.boundary(*j) != Boundary::Natural;
        if let Some(j) = (0..d).find(acts) {
            return Err(refusal(
                format!("the edges of {} act on it", lowered.problem.state_names[j]),
                "boundary = \"natural\"",
            ));
        }
        let wanted: Vec<Expr> = rows.into_iter().chain(shift).chain(diffusivity).collect();
        let kernel = Kernel::compile(&graph, &wanted, lowered.process.process.time, &[])
            .map_err(|error: CompileError| refusal(error.to_string(), "numbers"))?;
        Ok(Linear {
            states: d,
            values: vec![0.0; wanted.len()],
            kernel,
            blocks: vec![0..d, d..d + d * d],
        })
    }

    fn start(&self, lowered: &Lowered, linear: Linear, _: &Streams) -> Result<State, SolveError> {
        let (from, to) = lowered.horizon();
        let begin = start_moments(lowered.start());
        let run =
            |tolerance: f64| Integration::new(linear.clone(), from, to, begin.clone(), tolerance);
        Ok(State {
            running: [
                run(self.relative_tolerance),
                run(COARSER * self.relative_tolerance),
            ],
        })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        for integration in &mut state.running {
            integration
                .advance()
                .map_err(|Escape { time, value }| SolveError::NotFinite {
                    what: "the mean or the covariance",
                    value,
                    time,
                    suggestion: "a shorter horizon".to_owned(),
                })?;
        }
        work.unknowns = state.running[0].value().len() as u64;
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        if state.running.iter().all(Integration::is_done) {
            return Progress::Stopped(StopReason::Direct);
        }
        Progress::Going {
            fraction: state.running[0].fraction(),
            objective: f64::NAN,
            measured: f64::NAN,
        }
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut answer = Answer::default();
        if !state.running.iter().all(Integration::is_done) {
            return Ok(answer);
        }
        let d = lowered.dimension();
        let [fine, coarse] = state.running.each_ref().map(|run| run.value());
        let known = |value: f64, other: f64| {
            let rounding = 64.0 * f64::EPSILON * value.abs();
            Estimate::new(value, (value - other).abs().max(rounding), ErrorKind::Step)
        };
        let entry = |i: usize, j: usize| d + i * d + j;
        for i in 0..d.min(REPORTED) {
            let suffix = if d == 1 {
                String::new()
            } else {
                format!("[{i}]")
            };
            let square = |y: &[f64]| y[entry(i, i)] + y[i] * y[i];
            answer.push(format!("mean_end{suffix}"), known(fine[i], coarse[i]));
            answer.push(
                format!("mean_square_end{suffix}"),
                known(square(fine), square(coarse)),
            );
            for j in 0..=i {
                let suffix = if d == 1 {
                    String::new()
                } else {
                    format!("[{i}][{j}]")
                };
                let at = entry(i, j);
                answer.push(
                    format!("covariance_end{suffix}"),
                    known(fine[at], coarse[at]),
                );
            }
        }
        Ok(answer)
    }
}

/// The mean, then the covariance row by row.
fn start_moments(law: &Law) -> Vec<f64> {
    if let Law::Uniform(sides) = law {
        let mut out: Vec<f64> = sides.iter().map(|(a, b)| 0.5 * (a + b)).collect();
        for (i, (a, b)) in sides.iter().enumerate() {
            let row = (0..sides.len()).map(|j| {
                if i == j {
                    (b - a) * (b - a) / 12.0
                } else {
                    0.0
                }
            });
            out.extend(row);
        }
        return out;
    }
    let Some(mixture) = law.mixture() else {
        unreachable!("a law without draws was refused when the problem was lowered")
    };
    let mut out = mixture.mean();
    out.extend(mixture.covariance().concat());
    out
}
