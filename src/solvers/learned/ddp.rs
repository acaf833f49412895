//! Differential dynamic programming of the problem without noise.
//!
//! ```text
//! x_{k+1} = x_k + dt (b + B u)(x_k, t_k),      J = sum_k e^{-rho (t_k - t_0)} dt (q + 1/2 u'R u) + e^{-rho (T - t_0)} Phi
//! u(x, t_k) = u_k + K_k (x - x_k)
//! ```
//!
//! The value is expanded to second order around the path found so far, from the end backwards; the next path follows
//! the minimiser of the expansion with a line search. Where the expansion in the control is not convex, or no step
//! lowers the cost, a multiple of the identity is added to it.
//!
//! The answer for vanishing noise, and the control it gives when the noise is there: the best constant path and its
//! linear feedback. On linear–quadratic problems the feedback is that of `riccati`, noise or not.
//!
//! # Assumes
//! No bounds on the control, natural boundaries, no stopping events; costs and drift twice differentiable. A start
//! law with spread is replaced by its mean. Converges to a local minimum.
//!
//! # Order
//! Newton's, quadratic near the minimum; the grid of times is first order, so that the problem is solved with
//! `steps` and twice as many, and `noise_free_cost` is the limit of both with the last change as error.
//!
//! # Source
//! Mayne, *Int. J. Control* 3 (1966); Tassa, Mansard, Todorov, ICRA (2014), section II for regularisation.
//!
//! # Checked by
//! The gain of `riccati`; controls next to the answer cost more.

use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::discretization::steered::SteeredProcess;
use crate::discretization::steered_slopes::SteeredCurvature;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::dense::{Cholesky, symmetric_part};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::{Bound, Fallback};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::CONTROLLED;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::closed::riccati::moments;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::learned::fresh_cost::fresh_cost;
use crate::solvers::learned::unhindered::unhindered;
use crate::solvers::lowered::answer::{Answer, HistoryEntry, Quantity};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::options::{TIME_STEPS, half_steps, most_iterations, steps, tolerance};
use nalgebra::{DMatrix, DVector};
use std::sync::Arc;

const NAME: &str = "ddp";
/// Halvings of the line search.
const HALVINGS: i32 = 12;
/// Share of the predicted decrease that a step must reach.
const ARMIJO: f64 = 1e-4;
/// First regularisation, its growth, and where it is given up.
const FIRST: f64 = 1e-6;
const GROWTH: f64 = 10.0;
const LAST: f64 = 1e12;

/// The method with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ddp {
    pub steps: usize,
    pub tolerance: f64,
    pub max_iterations: usize,
}

/// A path with what steers it.
#[derive(Clone, Debug)]
struct Plan {
    /// One more than controls.
    states: Vec<DVector<f64>>,
    controls: Vec<DVector<f64>>,
    cost: f64,
}

/// The minimiser of one expansion.
#[derive(Clone, Debug)]
struct Sweep {
    moves: Vec<DVector<f64>>,
    gains: Vec<DMatrix<f64>>,
    /// `-sum Q_u.k`: twice the decrease a full step promises.
    promised: f64,
}

/// The noise-free problem on a grid of times.
struct Grid<'a> {
    process: &'a SteeredProcess,
    curvature: &'a SteeredCurvature,
    steps: usize,
}

/// Progress of the iterations.
pub struct State {
    curvature: SteeredCurvature,
    steps: usize,
    plan: Plan,
    regularisation: f64,
    promised: f64,
    /// Cost on the first grid, once it is solved.
    coarse: Option<f64>,
    iterations: usize,
    stopped: Option<StopReason>,
    history: Vec<HistoryEntry>,
    streams: Streams,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("ddp.md")),
    kinds: CONTROLLED,
    later: &[],
    options: &[
        steps(TIME_STEPS).less(half_steps),
        tolerance(Bound::Positive, Fallback::Number(1e-9)),
        most_iterations(Fallback::Count(200)),
    ],
    settings: |options| format!("{} steps", options.count("steps")),
};

impl Ddp {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            steps: options.count("steps"),
            tolerance: options.number("tol"),
            max_iterations: options.count("max_iter"),
        })
    }
}

fn row(x: &DVector<f64>) -> Batch {
    Batch::from_columns(1, x.len(), x.as_slice().to_vec())
}

impl Grid<'_> {
    fn dt(&self) -> f64 {
        (self.process.end() - self.process.start()) / self.steps as f64
    }

    fn time(&self, k: usize) -> f64 {
        self.process.start() + self.dt() * k as f64
    }

    fn late(&self, t: f64) -> f64 {
        (-self.process.discount() * (t - self.process.start())).exp()
    }

    /// The path from `start` under a feedback.
    fn walk(
        &self,
        start: &DVector<f64>,
        control: impl Fn(usize, &DVector<f64>) -> DVector<f64>,
    ) -> Plan {
        let (dt, process) = (self.dt(), self.process);
        let mut plan = Plan {
            states: vec![start.clone()],
            controls: Vec::with_capacity(self.steps),
            cost: 0.0,
        };
        let mut rate = [0.0];
        for k in 0..self.steps {
            let t = self.time(k);
            let x = &plan.states[k];
            let u = control(k, x);
            let (point, push) = (row(x), row(&u));
            let price = self.late(t) * dt;
            process.running(t, point.as_ref(), &mut rate);
            plan.cost += price * rate[0];
            process.effort_rate(t, point.as_ref(), push.as_ref(), &mut rate);
            plan.cost += price * rate[0];
            let mut drift = Batch::zeros(1, x.len());
            process.drift(t, point.as_ref(), drift.as_mut());
            let channel = process.channel();
            channel.add_times(t, point.as_ref(), 1.0, push.as_ref(), drift.as_mut());
            let next = x + DVector::from_column_slice(drift.as_slice()) * dt;
            plan.controls.push(u);
            plan.states.push(next);
        }
        process.terminal(row(&plan.states[self.steps]).as_ref(), &mut rate);
        plan.cost += self.late(process.end()) * rate[0];
        plan
    }

    /// Expands the value along a path; `None` where an expansion has no minimum.
    fn sweep(&self, plan: &Plan, regularisation: f64) -> Option<Sweep> {
        let (dt, end, curvature) = (self.dt(), self.process.end(), self.curvature);
        let (states, controls) = (self.process.dimension(), self.process.controls());
        let late = self.late(end);
        let last = plan.states[self.steps].as_slice();
        let mut slope = curvature.end.at(end, last).transpose() * late;
        let mut bent = curvature.end_curvature.at(end, last) * late;
        let mut sweep = Sweep {
            moves: Vec::with_capacity(self.steps),
            gains: Vec::with_capacity(self.steps),
            promised: 0.0,
        };
        for k in (0..self.steps).rev() {
            let t = self.time(k);
            let price = self.late(t) * dt;
            let x = plan.states[k].as_slice();
            let mut point = [x, plan.controls[k].as_slice()].concat();
            let step = DMatrix::identity(states, states) + curvature.drift.at(t, &point) * dt;
            let channel = self.process.channel().at(t, x) * dt;
            let cost = curvature.cost.at(t, &point).transpose() * price;
            let mut form = curvature.cost_curvature.at(t, &point) * price;
            point.extend_from_slice(slope.as_slice());
            form += curvature.drift_curvature.at(t, &point) * dt;
            let by_state = cost.rows(0, states) + step.tr_mul(&slope);
            let by_control = cost.rows(states, controls) + channel.tr_mul(&slope);
            let carried = &bent * &step;
            let state_form = form.view((0, 0), (states, states)) + step.tr_mul(&carried);
            let cross = form.view((states, 0), (controls, states)) + channel.tr_mul(&carried);
            let mut own = form.view((states, states), (controls, controls))
                + channel.tr_mul(&(&bent * &channel));
            let shift = regularisation * price;
            (0..controls).for_each(|i| own[(i, i)] += shift);
            let factor = Cholesky::new(&symmetric_part(&own)).ok()?;
            let gain = -factor.solve(&cross);
            let step_of_control = -factor.solve(&by_control);
            sweep.promised -= by_control.dot(&step_of_control);
            // With the shift `own` is not the curvature the minimiser sees: the general form stays exact.
            (0..controls).for_each(|i| own[(i, i)] -= shift);
            slope = by_state
                + gain.tr_mul(&(&own * &step_of_control + by_control))
                + cross.tr_mul(&step_of_control);
            bent = symmetric_part(
                &(state_form
                    + gain.tr_mul(&(&own * &gain))
                    + gain.tr_mul(&cross)
                    + cross.tr_mul(&gain)),
            );
            sweep.moves.push(step_of_control.column(0).into_owned());
            sweep.gains.push(gain);
        }
        sweep.moves.reverse();
        sweep.gains.reverse();
        sweep.promised.is_finite().then_some(sweep)
    }

    /// The first step along the sweep that lowers the cost enough.
    fn search(&self, plan: &Plan, sweep: &Sweep) -> Option<Plan> {
        (0..=HALVINGS).find_map(|halvings| {
            let share = 0.5_f64.powi(halvings);
            let next = self.walk(&plan.states[0], |k, x| {
                let away = x - &plan.states[k];
                &plan.controls[k] + &sweep.moves[k] * share + &sweep.gains[k] * away
            });
            let predicted = (share - 0.5 * share * share) * sweep.promised;
            (next.cost.is_finite() && plan.cost - next.cost >= ARMIJO * predicted).then_some(next)
        })
    }
}

impl State {
    fn grid<'a>(&'a self, process: &'a SteeredProcess) -> Grid<'a> {
        Grid {
            process,
            curvature: &self.curvature,
            steps: self.steps,
        }
    }

    /// One sweep and the step along it. `Ok(false)`: nothing left to gain.
    fn improve(&mut self, process: &SteeredProcess, tolerance: f64) -> Result<bool, SolveError> {
        loop {
            let grid = self.grid(process);
            let sweep = grid.sweep(&self.plan, self.regularisation);
            let mut next = None;
            if let Some(sweep) = &sweep {
                self.promised = 0.5 * sweep.promised;
                let scale = tolerance * (1.0 + self.plan.cost.abs());
                if self.promised <= scale {
                    return Ok(false);
                }
                next = self.grid(process).search(&self.plan, sweep);
            }
            if let Some(next) = next {
                self.plan = next;
                self.regularisation /= GROWTH;
                if self.regularisation < FIRST {
                    self.regularisation = 0.0;
                }
                return Ok(true);
            }
            self.regularisation = (GROWTH * self.regularisation).max(FIRST);
            if self.regularisation > LAST {
                return Err(SolveError::Optimizer {
                    message: format!("no step lowers the noise-free cost {}", self.plan.cost),
                    suggestion: "more steps in time".to_owned(),
                });
            }
        }
    }

    /// The same path on twice as many steps.
    fn refine(&mut self, process: &SteeredProcess) {
        self.coarse = Some(self.plan.cost);
        self.steps *= 2;
        let controls = self.plan.controls.clone();
        self.plan = self
            .grid(process)
            .walk(&self.plan.states[0], |k, _| controls[k / 2].clone());
    }
}

fn compiled(parts: &ControlledDiffusion) -> Result<SteeredCurvature, Refusal> {
    SteeredCurvature::new(parts).map_err(|error| {
        Refusal::new(
            NAME,
            format!("second derivatives do not compile: {error}"),
            "expressions that can be differentiated twice",
        )
    })
}

impl Method for Ddp {
    const ASKS: Asks = Asks::WholeCost;
    type Admitted = SteeredCurvature;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<SteeredCurvature, Refusal> {
        let accepted = "no bounds on the control, natural boundaries, no stopping event";
        unhindered(lowered, NAME, accepted)?;
        compiled(&lowered.process)
    }

    fn start(
        &self,
        lowered: &Lowered,
        curvature: SteeredCurvature,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let grid = Grid {
            process: &lowered.compiled.steered,
            curvature: &curvature,
            steps: self.steps,
        };
        let (mean, _) = moments(lowered.start());
        let still = DVector::zeros(lowered.compiled.steered.controls());
        let plan = grid.walk(&mean, |_, _| still.clone());
        if !plan.cost.is_finite() {
            return Err(SolveError::NotFinite {
                what: "the noise-free cost without control",
                value: plan.cost,
                time: lowered.compiled.steered.end(),
                suggestion: "more steps in time".to_owned(),
            });
        }
        Ok(State {
            curvature,
            steps: self.steps,
            plan,
            regularisation: 0.0,
            promised: f64::INFINITY,
            coarse: None,
            iterations: 0,
            stopped: None,
            history: Vec::new(),
            streams: *streams,
        })
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let going = state.improve(&lowered.compiled.steered, self.tolerance)?;
        state.iterations += 1;
        work.linear_solves += state.steps as u64;
        work.unknowns = (state.steps * lowered.compiled.steered.controls()) as u64;
        state.history.push(HistoryEntry {
            iteration: state.iterations as u64,
            objective: state.plan.cost,
            measured: state.promised,
        });
        if !going && state.coarse.is_none() {
            state.refine(&lowered.compiled.steered);
        } else if !going {
            state.stopped = Some(StopReason::Converged {
                measured: state.promised,
                tolerance: self.tolerance * (1.0 + state.plan.cost.abs()),
            });
        } else if state.iterations >= self.max_iterations {
            state.stopped = Some(StopReason::IterationLimit {
                limit: self.max_iterations,
                measured: state.promised,
            });
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        match state.stopped {
            Some(reason) => Progress::Stopped(reason),
            None => Progress::Going {
                fraction: state.iterations as f64 / self.max_iterations as f64,
                objective: state.plan.cost,
                measured: state.promised,
            },
        }
    }

    fn is_whole(&self, state: &State) -> bool {
        state.plan.cost.is_finite()
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let grid = state.grid(&lowered.compiled.steered);
        // The feedback of the expansion itself where it has a minimum.
        let exact = grid.sweep(&state.plan, 0.0);
        let sweep = exact.or_else(|| grid.sweep(&state.plan, state.regularisation));
        let fine = state.plan.cost;
        let (limit, error, kind) = match state.coarse {
            Some(coarse) => (2.0 * fine - coarse, (fine - coarse).abs(), ErrorKind::Step),
            None => (fine, f64::INFINITY, ErrorKind::Unknown),
        };
        let mut answer = Answer {
            quantities: vec![Quantity {
                name: "noise_free_cost".to_owned(),
                value: Estimate::new(limit, error, kind),
            }],
            history: state.history.clone(),
            facts: vec![
                ("iterations", state.iterations as f64),
                ("regularisation", state.regularisation),
            ],
            ..Answer::default()
        };
        if let Some(sweep) = sweep {
            let policy = Tracking {
                start: lowered.compiled.steered.start(),
                dt: grid.dt(),
                plan: state.plan.clone(),
                gains: sweep.gains,
            };
            answer.cost = Some(fresh_cost(lowered, &policy, self.steps, &state.streams)?);
            answer.policy = Some(Arc::new(policy));
        }
        Ok(answer)
    }
}

/// `u = u_k + K_k (x - x_k)`, all three linear between the nodes.
struct Tracking {
    start: f64,
    dt: f64,
    plan: Plan,
    gains: Vec<DMatrix<f64>>,
}

impl Field for Tracking {
    fn inputs(&self) -> usize {
        self.plan.states[0].len()
    }

    fn outputs(&self) -> usize {
        self.plan.controls[0].len()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let last = self.gains.len() - 1;
        let position = ((t - self.start) / self.dt).clamp(0.0, last as f64);
        let k = (position as usize).min(last);
        let (next, share) = ((k + 1).min(last), position - k as f64);
        let gain = &self.gains[k] * (1.0 - share) + &self.gains[next] * share;
        let states = &self.plan.states;
        let center = &states[k] * (1.0 - share) + &states[next] * share;
        let controls = &self.plan.controls;
        let middle = &controls[k] * (1.0 - share) + &controls[next] * share;
        let constant = middle - &gain * center;
        for i in 0..gain.nrows() {
            let column = out.column_mut(i);
            column.fill(constant[i]);
            for j in 0..gain.ncols() {
                for (o, x) in column.iter_mut().zip(x.column(j)) {
                    *o += gain[(i, j)] * x;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
