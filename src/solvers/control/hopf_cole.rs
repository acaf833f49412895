//! The linear equation of control, solved for its logarithm on a grid.
//!
//! ```text
//! G G' = lambda B R^-1 B',      V = -lambda log psi,      -psi_t = L psi - q psi / lambda
//! V(x, t) = -lambda log E[ exp( -( V(X_{t+dt}, t+dt) + int q ) / lambda ) ],      u* = -R^-1 B' grad V
//! ```
//!
//! over uncontrolled steps. V itself is stored, so nothing underflows, however small `lambda` is, and noise may
//! act on some of the states only. A step goes half along the drift, then over the noise, then half along the
//! drift, with splines in space.
//!
//! Four grids, points and steps halved from each to the next, show the order; the first two give the answer
//! `V_h + (V_h - V_2h) / 3`, and a quarter of its distance from the same of the second and third is its error.
//!
//! # Assumes
//! A temperature, no bounds on the control, noise free of the state, one or two states. The domain is that of the
//! file; else uncontrolled paths and the reach of the noise show it. Beyond it V goes on as a parabola.
//!
//! # Order
//! Two in the time step, four in the spacing of the nodes.
//!
//! # Source
//! Fleming and Soner (2006), chapter VI; Strang (1968) for the order of the parts of a step; Falcone and Ferretti
//! (2014) for steps along the characteristics.
//!
//! # Checked by
//! `hopf-cole`, `hjb-residual`, `grid-order`, `policy-cost`

pub(super) mod level;
pub(super) mod region;
pub(super) mod space_time;

use crate::expr::Expr;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::UniformAxis;
use crate::numeric::random::Streams;
use crate::problem::model::{MethodSpec, Scheme};
use crate::solvers::control::hopf_cole::level::Level;
use crate::solvers::control::hopf_cole::region::Scout;
use crate::solvers::control::hopf_cole::space_time::{
    Extrapolated, GridPolicy, GridValue, SpaceTime,
};
use crate::solvers::control::{ControlOutcome, ControlProblem};
use crate::solvers::grid_order::observed_orders;
use crate::solvers::start_law::start_nodes;
use crate::solvers::{Method, Progress, Refusal, SolveError, StopReason, Work};
use std::sync::Arc;

const NAME: &str = "hopf-cole";
const ACCEPTED: &str = "G G' = lambda B R^-1 B' with a number lambda > 0, noise free of the state, no bounds on the control, one or two states";
/// Grids, finest first; the last one only shows whether the order is the one assumed.
const LEVELS: usize = 4;
/// Finest cells or steps in one of the coarsest grid.
const COARSEST: usize = 1 << (LEVELS - 1);
/// Share of the distance between the two extrapolated values reported as error.
const ERROR_SHARE: f64 = 0.25;
/// Most states a grid is made for.
pub const MOST_STATES: usize = 2;
/// Most spline nodes kept of one grid; times are left out where all of them would need more.
const MOST_KEPT: usize = 1 << 22;
/// Paths at which the order is observed, and their steps from one such time to the next.
const PROBES: usize = 256;
const PROBE_STRIDE: usize = 16;
/// Names of the bounds of the domain among the facts.
const BOUNDS: [[&str; 2]; MOST_STATES] = [
    ["domain from, first state", "to, first state"],
    ["domain from, second state", "to, second state"],
];

/// Points per state and time steps of the finest grid, rounded up to what can be halved three times.
#[derive(Clone, Debug, PartialEq)]
pub struct HopfCole {
    pub points: Vec<usize>,
    pub steps: usize,
}

impl HopfCole {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &MethodSpec) -> Option<Self> {
        match spec {
            MethodSpec::HopfCole {
                points,
                steps,
                scheme: Scheme::Central | Scheme::Monotone,
            } => Some(Self {
                points: points.clone(),
                steps: *steps,
            }),
            _ => None,
        }
    }
}

/// The temperature with which the equation was found to be linear.
pub struct Admitted {
    temperature: f64,
}

/// Grids, coarsest first, until they are done.
pub struct State {
    waiting: Vec<Level>,
    done: Vec<Arc<SpaceTime>>,
    scout: Scout,
    facts: Vec<(&'static str, f64)>,
    steps: usize,
    taken: usize,
}

impl Method for HopfCole {
    type Problem = ControlProblem;
    type Outcome = ControlOutcome;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, problem: &ControlProblem) -> Result<Admitted, Refusal> {
        let refusal = |reason: String| Refusal {
            method: NAME,
            reason,
            accepted: ACCEPTED.to_owned(),
        };
        if problem.problem.control_bounds.is_some() {
            return Err(refusal("the control is bounded".to_owned()));
        }
        let temperature = match &problem.temperature {
            Ok(value) if value.is_finite() && *value > 0.0 => *value,
            Ok(value) => return Err(refusal(format!("the temperature is {value}"))),
            Err(missing) => {
                let nearest = missing.nearest.iter();
                return Err(Refusal {
                    method: NAME,
                    reason: missing.because.clone(),
                    accepted: nearest.fold(ACCEPTED.to_owned(), |all, one| format!("{all}; {one}")),
                });
            }
        };
        if !problem.has_end_cost() {
            return Err(refusal(
                "the density of the target is not an expression".to_owned(),
            ));
        }
        let d = problem.process.dimension();
        if d > MOST_STATES {
            return Err(refusal(format!("{d} states are too many for its grid")));
        }
        if problem.process.diffusion().depends_on_state() {
            return Err(refusal("the noise depends on the state".to_owned()));
        }
        Ok(Admitted { temperature })
    }

    fn start(
        &self,
        problem: &ControlProblem,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let scout = region::scout(problem, streams);
        let given = problem.problem.dynamics.domain.clone();
        let domain = given.unwrap_or_else(|| region::automatic(problem, &scout));
        let process = Arc::new(problem.process.clone());
        let parts = &problem.parts.process;
        let moving = |e: &Expr| parts.graph.depends_on(*e, parts.time);
        let autonomous = !parts.drift.iter().any(moving);
        let steps = self.steps.next_multiple_of(COARSEST);
        let levels: Vec<Level> = (0..LEVELS)
            .map(|k| {
                let axes = self.axes(&domain, k);
                let nodes: usize = axes.iter().map(|axis| axis.count).product();
                let steps = steps >> k;
                let stride = ((steps + 1) * nodes).div_ceil(MOST_KEPT);
                let (process, lambda) = (process.clone(), admitted.temperature);
                Level::new(process, lambda, &axes, steps, stride, autonomous)
            })
            .collect();
        let mut facts = vec![
            ("nodes", levels[0].unknowns() as f64),
            ("time steps", steps as f64),
            ("drift substeps", levels[0].substeps() as f64),
            ("temperature", admitted.temperature),
        ];
        for (names, (low, high)) in BOUNDS.iter().zip(&domain) {
            facts.extend([(names[0], *low), (names[1], *high)]);
        }
        Ok(State {
            waiting: levels,
            done: Vec::new(),
            scout,
            facts,
            steps: (0..LEVELS).map(|k| steps >> k).sum(),
            taken: 0,
        })
    }

    fn advance(
        &self,
        _: &ControlProblem,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let Some(mut level) = state.waiting.pop() else {
            return Ok(());
        };
        level.advance().map_err(|value| SolveError::NotFinite {
            what: "the value on the grid",
            value,
            time: level.time(),
            suggestion: "a smaller dynamics.domain, or more steps".to_owned(),
        })?;
        work.unknowns = work.unknowns.max(level.unknowns() as u64);
        work.field_points += level.unknowns() as u64;
        state.taken += 1;
        if level.is_done() {
            state.done.push(Arc::new(level.finish()));
        } else {
            state.waiting.push(level);
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        if state.waiting.is_empty() {
            return Progress::Stopped(StopReason::Direct);
        }
        let fraction = state.taken as f64 / state.steps as f64;
        Progress::part(fraction)
    }

    fn finish(&self, problem: &ControlProblem, state: State) -> Result<ControlOutcome, SolveError> {
        let mut facts = state.facts;
        let mut done = state.done;
        done.reverse();
        let [finest, half, quarter, eighth] = done.as_slice() else {
            // Out of time: the finest grid is not there.
            return Ok(ControlOutcome {
                facts,
                ..ControlOutcome::default()
            });
        };
        facts.extend(orders(&state.scout, [finest, half, quarter, eighth]));
        let extrapolated = |fine: &Arc<SpaceTime>, coarse: &Arc<SpaceTime>| {
            Extrapolated(vec![
                (4.0 / 3.0, fine.clone()),
                (-1.0 / 3.0, coarse.clone()),
            ])
        };
        let value = extrapolated(finest, half);
        let start = start_nodes(&problem.start);
        let average = |value: &Extrapolated| {
            start.average(|points| value.eval_with_gradient(problem.process.start(), points).0)
        };
        let cost = average(&value);
        let error = ERROR_SHARE * (cost - average(&extrapolated(half, quarter))).abs();
        let alone = average(&Extrapolated(vec![(1.0, finest.clone())]));
        facts.push(("cost on the finest grid alone", alone));
        Ok(ControlOutcome {
            policy: Some(Box::new(GridPolicy {
                value: value.clone(),
                process: problem.process.clone(),
            })),
            value: Some(Box::new(GridValue {
                value,
                dimension: problem.process.dimension(),
            })),
            cost: Some(Estimate::new(cost, error, ErrorKind::Grid)),
            facts,
            ..ControlOutcome::default()
        })
    }
}

impl HopfCole {
    /// Axes of the `k`-th grid, the finest being 0.
    fn axes(&self, domain: &[(f64, f64)], k: usize) -> Vec<UniformAxis> {
        let axis = |((low, high), points): (&(f64, f64), &usize)| {
            let cells = (points.max(&2) - 1).next_multiple_of(COARSEST) >> k;
            UniformAxis::between(*low, *high, cells + 1)
        };
        domain.iter().zip(&self.points).map(axis).collect()
    }
}

/// Observed orders of the gradient, averaged over uncontrolled paths.
fn orders(scout: &Scout, levels: [&Arc<SpaceTime>; LEVELS]) -> Vec<(&'static str, f64)> {
    let mut squares = [0.0; LEVELS - 1];
    let probed = scout.times.iter().zip(&scout.points);
    for (t, points) in probed.step_by(PROBE_STRIDE) {
        let finite: Vec<Vec<f64>> = (0..PROBES.min(points.points()))
            .map(|i| points.row(i))
            .filter(|row| row.iter().all(|x| x.is_finite()))
            .collect();
        let points = Batch::from_rows(points.columns(), &finite);
        for (k, square) in squares.iter_mut().enumerate() {
            let between = Extrapolated(vec![
                (1.0, levels[k].clone()),
                (-1.0, levels[k + 1].clone()),
            ]);
            let (_, difference) = between.eval_with_gradient(*t, points.as_ref());
            *square += difference.as_slice().iter().map(|g| g * g).sum::<f64>();
        }
    }
    observed_orders(squares)
}

#[cfg(test)]
mod tests;
