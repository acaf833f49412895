//! The nonlinear equation of the value, on a grid per state.
//!
//! ```text
//! -V_t = min over u of { (b + B u) V_x + 1/2 D V_xx + q + 1/2 u' R u } - rho V,      V = Phi at the end
//! ```
//!
//! with `u` in the box of `control_bounds`. Every step back is implicit; its policy is found by policy iteration: the
//! best control for the value, the value for the control, until the value stays. Costs and policies of states that
//! nothing couples are added, each on a grid of its own.
//!
//! | scheme | space | time |
//! |---|---|---|
//! | `monotone` | slopes against the drift, one for each of its signs, minimised over both exactly | implicit Euler |
//! | `central` | central differences | TR-BDF2 |
//!
//! Edges reflect. Four grids, points and steps halved from each to the next, show the order; the finest gives the
//! answer, and its distance from the second (a third of it for `central`) is the error.
//!
//! # Assumes
//! Groups of one state; a drift affine in the control and a price quadratic in it. Noise may depend on the state and
//! vanish, and needs no temperature. The domain is that of the file; else uncontrolled paths and the reach of the
//! noise show it.
//!
//! # Order
//! One for `monotone`, also where the value has kinks; two for `central`, where it has none.
//!
//! # Source
//! Barles and Souganidis (1991) for monotone schemes; Howard (1960), Forsyth and Labahn (2007) for policy iteration;
//! Bank et al. (1985) for TR-BDF2.
//!
//! # Checked by
//! `hopf-cole`, `hjb-residual`, `grid-order`, `policy-cost`

mod best;
mod level;

use crate::derivation::product_form::groups_of;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::UniformAxis;
use crate::numeric::random::Streams;
use crate::problem::model::{Boundary, MethodSpec, Scheme};
use crate::solvers::control::hjb::best::{Coefficients, Response};
use crate::solvers::control::hjb::level::{Level, Settings, Trouble};
use crate::solvers::control::hopf_cole::region::{automatic, scout};
use crate::solvers::control::hopf_cole::space_time::{Extrapolated, GridValue, SpaceTime};
use crate::solvers::control::separable::{Summed, group_problem};
use crate::solvers::control::{ControlOutcome, ControlProblem};
use crate::solvers::grid_order::{EXPECTED_ORDER_FACT, observed_orders};
use crate::solvers::start_law::start_nodes;
use crate::solvers::{Method, Progress, Refusal, SolveError, StopReason, Work};
use std::sync::Arc;

const NAME: &str = "hjb";
const ACCEPTED: &str =
    "states that nothing couples, edges that reflect or are never reached, no events";
/// Grids, finest first.
const LEVELS: usize = 4;
const COARSEST: usize = 1 << (LEVELS - 1);
/// Most spline nodes kept of one grid; times are left out where all of them would need more.
const MOST_KEPT: usize = 1 << 21;

/// Points per state, time steps, scheme, and when a policy is good enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Hjb {
    pub points: Vec<usize>,
    pub steps: usize,
    pub scheme: Scheme,
    /// Change of the value, relative to its size, at which policy iteration ends.
    pub tolerance: f64,
    pub max_iterations: usize,
}

impl Hjb {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &MethodSpec) -> Option<Self> {
        match spec {
            MethodSpec::Hjb {
                points,
                steps,
                scheme,
                tolerance,
                max_iterations,
            } => Some(Self {
                points: points.clone(),
                steps: *steps,
                scheme: *scheme,
                tolerance: *tolerance,
                max_iterations: *max_iterations,
            }),
            _ => None,
        }
    }

    fn order(&self) -> i32 {
        match self.scheme {
            Scheme::Monotone => 1,
            Scheme::Central | Scheme::Spectral => 2,
        }
    }
}

/// One problem per state.
pub struct Admitted(Vec<Group>);

struct Group {
    states: Vec<usize>,
    problem: Arc<ControlProblem>,
}

/// Grids of every group, coarsest last, until they are done.
pub struct State {
    waiting: Vec<(usize, Level)>,
    /// By group, coarsest first.
    done: Vec<Vec<Arc<SpaceTime>>>,
    groups: Vec<Group>,
    facts: Vec<(&'static str, f64)>,
    taken: usize,
    steps: usize,
    iterations: u64,
}

impl Method for Hjb {
    type Problem = ControlProblem;
    type Outcome = ControlOutcome;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, problem: &ControlProblem) -> Result<Admitted, Refusal> {
        let refusal = |reason: String, accepted: &str| Refusal {
            method: NAME,
            reason,
            accepted: accepted.to_owned(),
        };
        if self.scheme == Scheme::Spectral {
            return Err(refusal(
                "it has no spectral scheme".to_owned(),
                "scheme = \"monotone\" or \"central\"",
            ));
        }
        if problem.problem.task.events().iter().any(|event| event.stop) {
            return Err(refusal("an event ends a path".to_owned(), ACCEPTED));
        }
        let acts = |b: &Boundary| matches!(b, Boundary::Absorb | Boundary::Periodic);
        if problem.problem.dynamics.boundary.iter().any(acts) {
            return Err(refusal(
                "an edge absorbs or is periodic".to_owned(),
                ACCEPTED,
            ));
        }
        let mut parts = problem.parts.clone();
        let (groups, couplings) = groups_of(&mut parts);
        if let Some(large) = groups.iter().find(|group| group.len() > 1) {
            let smallest = couplings.iter().min_by_key(|coupling| coupling.size);
            let because = smallest.map_or(String::new(), |coupling| {
                format!(": {} in {}", coupling.term, coupling.place)
            });
            let reason = format!("{} states are coupled{because}", large.len());
            return Err(refusal(reason, ACCEPTED));
        }
        let mut found = Vec::new();
        for (g, states) in groups.into_iter().enumerate() {
            let own = group_problem(problem, &parts, &states, g == 0)
                .map_err(|error| refusal(error.to_string(), ACCEPTED))?;
            found.push(Group {
                states,
                problem: Arc::new(own),
            });
        }
        Ok(Admitted(found))
    }

    fn start(
        &self,
        _: &ControlProblem,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let steps = self.steps.next_multiple_of(COARSEST);
        let settings = Settings {
            scheme: self.scheme,
            tolerance: self.tolerance,
            max_iterations: self.max_iterations,
        };
        let groups = admitted.0;
        let mut waiting = Vec::new();
        let mut nodes = 0;
        for (g, group) in groups.iter().enumerate() {
            let streams = streams.scoped(&format!("group {g}"));
            let given = group.problem.problem.dynamics.domain.clone();
            let domain = given
                .unwrap_or_else(|| automatic(&group.problem, &scout(&group.problem, &streams)));
            let (low, high) = domain[0];
            let points = self.points[group.states[0]];
            let cells = (points.max(2) - 1)
                .next_multiple_of(COARSEST)
                .max(8 * COARSEST);
            nodes = nodes.max(cells + 1);
            for k in 0..LEVELS {
                let axis = UniformAxis::between(low, high, (cells >> k) + 1);
                let steps = steps >> k;
                let stride = ((steps + 1) * axis.count).div_ceil(MOST_KEPT);
                let coefficients = Coefficients::new(group.problem.clone(), axis);
                waiting.push((g, Level::new(coefficients, axis, steps, stride, settings)));
            }
        }
        Ok(State {
            steps: waiting.iter().map(|(_, level)| level.steps()).sum(),
            waiting,
            done: groups.iter().map(|_| Vec::new()).collect(),
            facts: vec![
                ("groups", groups.len() as f64),
                ("nodes", nodes as f64),
                ("time steps", steps as f64),
            ],
            groups,
            taken: 0,
            iterations: 0,
        })
    }

    fn advance(
        &self,
        _: &ControlProblem,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let Some((g, mut level)) = state.waiting.pop() else {
            return Ok(());
        };
        let solves = level.advance().map_err(|trouble| match trouble {
            Trouble::Value(value) => SolveError::NotFinite {
                what: "the value on the grid",
                value,
                time: level.time(),
                suggestion: "a smaller dynamics.domain, or more steps".to_owned(),
            },
            Trouble::Pivot(pivot) => SolveError::Singular {
                system: "policy evaluation",
                pivot,
                suggestion: "scheme = \"monotone\", or more points".to_owned(),
            },
            Trouble::Flips { change } => SolveError::Optimizer {
                message: format!(
                    "policy iteration still changes the value by {change:e} after {} rounds",
                    self.max_iterations
                ),
                suggestion: "scheme = \"monotone\", more steps, or a larger max_iter".to_owned(),
            },
        })?;
        work.linear_solves += solves;
        work.unknowns = work.unknowns.max(level.unknowns() as u64);
        state.iterations += solves;
        state.taken += 1;
        if level.is_done() {
            state.done[g].push(Arc::new(level.finish()));
        } else {
            state.waiting.push((g, level));
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        if state.waiting.is_empty() {
            return Progress::Stopped(StopReason::Direct);
        }
        let fraction = state.taken as f64 / state.steps as f64;
        Progress::Going {
            fraction,
            objective: f64::NAN,
            measured: 1.0 - fraction,
        }
    }

    fn finish(&self, problem: &ControlProblem, state: State) -> Result<ControlOutcome, SolveError> {
        let mut outcome = ControlOutcome {
            facts: state.facts,
            ..ControlOutcome::default()
        };
        let rounds = state.iterations as f64 / state.taken.max(1) as f64;
        outcome.facts.push(("policy rounds a step", rounds));
        if !state.waiting.is_empty() {
            // Out of time: some group has no value.
            return Ok(outcome);
        }
        let (mut costs, mut error) = ([0.0; LEVELS], 0.0);
        let (mut values, mut policies) = (Vec::new(), Vec::new());
        for (group, done) in state.groups.into_iter().zip(&state.done) {
            let (points, weights) = start_nodes(&group.problem.start);
            let average = |level: &Arc<SpaceTime>| -> f64 {
                let value = Extrapolated(vec![(1.0, level.clone())]);
                let at = value.eval_with_gradient(problem.process.start(), points.as_ref());
                at.0.iter().zip(&weights).map(|(v, w)| v * w).sum()
            };
            let own: Vec<f64> = done.iter().rev().map(average).collect();
            error += (own[0] - own[1]).abs() / f64::from((1 << self.order()) - 1);
            costs.iter_mut().zip(&own).for_each(|(sum, v)| *sum += v);
            let finest = done.last().expect("four levels are done").clone();
            let value = Extrapolated(vec![(1.0, finest)]);
            values.push((
                group.states.clone(),
                Box::new(GridValue {
                    value: value.clone(),
                    dimension: 1,
                }) as Box<dyn Field + Send>,
            ));
            policies.push((
                group.states,
                Box::new(GreedyPolicy {
                    value,
                    response: Response::new(group.problem),
                }) as Box<dyn Field + Send>,
            ));
        }
        let squares = [0, 1, 2].map(|k| (costs[k] - costs[k + 1]).powi(2));
        outcome.facts.extend(observed_orders(squares));
        outcome
            .facts
            .push((EXPECTED_ORDER_FACT, f64::from(self.order())));
        let d = problem.process.dimension();
        outcome.value = Some(Box::new(Summed::new(values, d)));
        outcome.policy = Some(Box::new(Summed::new(policies, d)));
        outcome.cost = Some(Estimate::new(costs[0], error, ErrorKind::Grid));
        Ok(outcome)
    }
}

/// The best control for the slope of a value.
struct GreedyPolicy {
    value: Extrapolated,
    response: Response,
}

impl Field for GreedyPolicy {
    fn inputs(&self) -> usize {
        1
    }

    fn outputs(&self) -> usize {
        self.response.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let (_, slope) = self.value.eval_with_gradient(t, x);
        let prices = self.response.at(t, x);
        let mut u = Batch::zeros(1, self.outputs());
        for i in 0..x.points() {
            prices.best(i, slope.get(i, 0), u.as_mut_slice());
            for (j, u) in u.as_slice().iter().enumerate() {
                out.column_mut(j)[i] = *u;
            }
        }
    }
}

#[cfg(test)]
mod tests;
