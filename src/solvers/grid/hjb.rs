//! The nonlinear equation of the value, on a grid for one state or for two or three that something couples.
//!
//! ```text
//! -V_t = min over u of { (b + B u) . grad V + 1/2 sum_i D_ii V_ii + q + 1/2 u' R u } - rho V,      V = Phi at the end
//! ```
//!
//! with `u` in the box of `control_bounds`. Every step back is implicit; its policy is found by policy iteration: the
//! best control for the value, the value for the control, until the value stays. Coupled states are swept one after the
//! other, line by line. Costs and policies of groups of states that nothing couples are added.
//!
//! | scheme | slopes | time | coupled states |
//! |---|---|---|---|
//! | `monotone` | of two nodes against the drift, the minimum over both of its signs exactly | implicit Euler | one after the other |
//! | `central` | the same of three nodes | TR-BDF2 | half a step of all but the last, the last, the others again in reverse |
//!
//! Second differences are central. Edges reflect, absorb or meet where the file says so, and stopping events are edges
//! ([`crate::solvers::lowered::edges`]); at natural edges nothing curves the value, and a drift across has no effect. Four grids, points and steps halved from each to the next, show
//! the order; the finest gives the answer, and its distance from the second (a third of it for `central`) is the error.
//!
//! # Assumes
//! Groups of one to three states; a drift affine in the control and a price quadratic in it. In a group each noise moves
//! one state, each control pushes one, and no price joins controls of two. Noise may depend on the state and vanish, and
//! needs no temperature. The domain is that of the file; else uncontrolled paths and the reach of the
//! noise show it.
//!
//! # Order
//! One for `monotone`, also where the value has kinks; two for `central`, where it has none.
//!
//! # Source
//! Barles and Souganidis (1991) for monotone schemes; Howard (1960), Forsyth and Labahn (2007) for policy iteration;
//! Bank et al. (1985) for TR-BDF2; Strang (1968) for the order of the states in a step.
//!
//! # Checked by
//! `hopf-cole`, `hjb-residual`, `grid-order`, `policy-cost`

use crate::derivation::control::product_form::groups_of;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::{GridInterpolant, UniformAxis};
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::{Bound, Fallback};
use crate::problem::format::page::Page;
use crate::problem::meant::grid::Scheme;
use crate::problem::meant::kind::CONTROLLED;
use crate::problem::meant::named::Named;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::grid::grid_order::{EXPECTED_ORDER_FACT, observed_orders};
use crate::solvers::grid::groups::{Summed, group_problem, joined_noise, smallest_coupling};
use crate::solvers::grid::lines::best::{Coefficients, Response};
use crate::solvers::grid::lines::level::{FEWEST_CELLS, Level};
use crate::solvers::grid::lines::line::{Settings, Trouble};
use crate::solvers::grid::region::{automatic, scout};
use crate::solvers::grid::space_time::{
    Extrapolated, GridValue, SpaceTime, gradient_of, kept_stride,
};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::edges::{Edges, SHARED_END, enclosed, end_paths, stops_are_edges};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::start_law::start_nodes;
use crate::solvers::options::{
    LATTICE, TIME_STEPS, grid_text, half_steps, most_iterations, points, scheme, steps, tolerance,
};
use std::sync::Arc;

const NAME: &str = "hjb";
const ACCEPTED: &str = "groups of one to three states, each noise and each control acting on one of them; events that end paths in one group only, each where one state passes a number; else hopf-cole, riccati or path-integral";
/// Most coupled states a grid is made for.
pub const MOST_STATES: usize = 3;
/// Grids, finest first.
const LEVELS: usize = 4;
const COARSEST: usize = 1 << (LEVELS - 1);

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

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("hjb.md")),
    kinds: CONTROLLED,
    later: &[],
    options: &[
        points(LATTICE),
        steps(TIME_STEPS).less(half_steps),
        scheme(Fallback::Found(
            "grid.scheme, else monotone; central where the horizon has no end",
            |setup, _| {
                let usual = match setup.endless {
                    true => Scheme::Central,
                    false => Scheme::Monotone,
                };
                setup.grid.scheme.unwrap_or(usual).name().into()
            },
        )),
        tolerance(Bound::Positive, Fallback::Number(1e-9)),
        most_iterations(Fallback::Count(50)),
    ],
    settings: grid_text,
};

impl Hjb {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            points: options.counts("points"),
            steps: options.count("steps"),
            scheme: options.one("scheme"),
            tolerance: options.number("tol"),
            max_iterations: options.count("max_iter"),
        })
    }

    fn order(&self) -> i32 {
        match self.scheme {
            Scheme::Monotone => 1,
            Scheme::Central | Scheme::Spectral => 2,
        }
    }
}

/// One problem per group of states.
pub struct Admitted(Vec<Group>);

struct Group {
    states: Vec<usize>,
    lowered: Arc<Lowered>,
    /// Those of the domain, once it is known.
    edges: Arc<Edges>,
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
    const ASKS: Asks = Asks::WholeCost;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
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
        let mut parts = lowered.process.clone();
        let (groups, couplings) = groups_of(&mut parts);
        if let Some(large) = groups.iter().find(|group| group.len() > MOST_STATES) {
            let because = smallest_coupling(&couplings);
            let reason = format!("{} states are coupled{because}", large.len());
            return Err(refusal(reason, ACCEPTED));
        }
        if groups.len() > 1 && end_paths(lowered) {
            return Err(refusal(SHARED_END.to_owned(), ACCEPTED));
        }
        stops_are_edges(lowered).map_err(|reason| refusal(reason, ACCEPTED))?;
        let mut found = Vec::new();
        for (g, states) in groups.into_iter().enumerate() {
            let own = group_problem(lowered, &parts, &states, g == 0)
                .map_err(|error| refusal(error.to_string(), ACCEPTED))?;
            let counts: Vec<usize> = states
                .iter()
                .map(|i| finest_count(self.points[*i]))
                .collect();
            kept_stride(&counts, self.steps.next_multiple_of(COARSEST))
                .map_err(|large| refusal(large.reason, &large.accepted))?;
            if let Some(reason) = joined_noise(&own).or_else(|| diagonal_use(&own.process)) {
                return Err(refusal(reason, ACCEPTED));
            }
            found.push(Group {
                states,
                lowered: Arc::new(own),
                edges: Arc::default(),
            });
        }
        Ok(Admitted(found))
    }

    fn start(
        &self,
        _: &Lowered,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let steps = self.steps.next_multiple_of(COARSEST);
        let settings = Settings {
            scheme: self.scheme,
            tolerance: self.tolerance,
            max_iterations: self.max_iterations,
            temperature: None,
        };
        let mut groups = admitted.0;
        let mut waiting = Vec::new();
        let mut nodes = 0;
        for (g, group) in groups.iter_mut().enumerate() {
            let streams = streams.scoped(&format!("group {g}"));
            let given = group.lowered.problem.dynamics.domain.clone();
            let domain = given
                .unwrap_or_else(|| automatic(&group.lowered, &scout(&group.lowered, &streams)));
            group.edges = Arc::new(Edges::new(&group.lowered, domain));
            let axes = |k: usize| -> Vec<UniformAxis> {
                let axis = |((low, high), state): (&(f64, f64), &usize)| {
                    let cells = (finest_count(self.points[*state]) - 1) >> k;
                    UniformAxis::between(*low, *high, cells + 1)
                };
                let domain = &group.edges.domain;
                domain.iter().zip(&group.states).map(axis).collect()
            };
            for k in 0..LEVELS {
                let axes = axes(k);
                let counts: Vec<usize> = axes.iter().map(|axis| axis.count).collect();
                nodes = nodes.max(counts.iter().product());
                let steps = steps >> k;
                let stride = kept_stride(&counts, steps)
                    .unwrap_or_else(|large| unreachable!("admitted: {}", large.reason));
                let coefficients = Coefficients::new(group.lowered.clone(), &axes);
                let edges = &group.edges.kinds;
                waiting.push((
                    g,
                    Level::new(coefficients, (&axes, edges), steps, stride, settings),
                ));
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

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let Some((g, mut level)) = state.waiting.pop() else {
            return Ok(());
        };
        let solves = level
            .advance()
            .map_err(|trouble| trouble_of(trouble, level.time(), self.max_iterations))?;
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
        Progress::part(fraction)
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut answer = Answer {
            facts: state.facts,
            ..Answer::default()
        };
        let rounds = state.iterations as f64 / state.taken.max(1) as f64;
        answer.facts.push(("policy rounds a step", rounds));
        if !state.waiting.is_empty() {
            // Out of time: some group has no value.
            return Ok(answer);
        }
        let (mut costs, mut error) = ([0.0; LEVELS], 0.0);
        let (mut values, mut policies) = (Vec::new(), Vec::new());
        for (group, done) in state.groups.into_iter().zip(&state.done) {
            let start = start_nodes(group.lowered.start());
            let average = |level: &Arc<SpaceTime>| {
                let value = Extrapolated(vec![(1.0, level.clone())]);
                let from = lowered.compiled.steered.start();
                start.average(|points| {
                    let inner = |x: BatchRef<'_>| value.eval_with_gradient(from, x).0;
                    group
                        .edges
                        .values(&group.lowered.compiled.steered, points, inner)
                })
            };
            let own: Vec<f64> = done.iter().rev().map(average).collect();
            error += (own[0] - own[1]).abs() / f64::from((1 << self.order()) - 1);
            costs.iter_mut().zip(&own).for_each(|(sum, v)| *sum += v);
            let finest = done.last().expect("four levels are done").clone();
            let value = Extrapolated(vec![(1.0, finest)]);
            let policy = Arc::new(GreedyPolicy {
                value: value.clone(),
                response: Response::new(group.lowered.clone()),
            });
            let value = Arc::new(GridValue {
                value,
                dimension: group.states.len(),
            });
            let [value, policy] =
                enclosed(value, policy, &group.edges, &group.lowered.compiled.steered);
            values.push((group.states.clone(), value));
            policies.push((group.states, policy));
        }
        let squares = [0, 1, 2].map(|k| (costs[k] - costs[k + 1]).powi(2));
        answer.facts.extend(observed_orders(squares));
        answer
            .facts
            .push((EXPECTED_ORDER_FACT, f64::from(self.order())));
        let d = lowered.compiled.steered.dimension();
        answer.value = Some(Arc::new(Summed::new(values, d)));
        answer.policy = Some(Arc::new(Summed::new(policies, d)));
        answer.cost = Some(Estimate::new(costs[0], error, ErrorKind::Grid));
        Ok(answer)
    }
}

/// What a line that has no answer says at a time.
fn trouble_of(trouble: Trouble, time: f64, rounds: usize) -> SolveError {
    match trouble {
        Trouble::Value(value) => SolveError::NotFinite {
            what: "the value on the grid",
            value,
            time,
            suggestion: "a smaller dynamics.domain, or more steps".to_owned(),
        },
        Trouble::Pivot(pivot) => SolveError::Singular {
            system: "policy evaluation",
            pivot,
            suggestion: "scheme = \"monotone\", or more points".to_owned(),
        },
        Trouble::Flips { change } => SolveError::Optimizer {
            message: format!(
                "policy iteration still changes the value by {change:e} after {rounds} rounds"
            ),
            suggestion: "scheme = \"monotone\", more steps, or a larger max_iter".to_owned(),
        },
    }
}

/// Nodes of an axis of the finest grid.
fn finest_count(points: usize) -> usize {
    let cells = (points.max(2) - 1).next_multiple_of(COARSEST);
    cells.max(FEWEST_CELLS * COARSEST) + 1
}

/// Where a control or a price acts on two states at once.
fn diagonal_use(parts: &ControlledDiffusion) -> Option<String> {
    let d = parts.dimension();
    let name =
        |parts: &ControlledDiffusion, i: usize| parts.process.graph.text(parts.process.state[i]);
    let graph = &parts.process.graph;
    let acts = |i: usize, k: usize| !graph.is_zero(parts.channel[i][k]);
    let controls = parts.channel.first().map_or(0, Vec::len);
    let pushed = |k: usize| (0..d).filter(move |i| acts(*i, k));
    for k in 0..controls {
        let states: Vec<String> = pushed(k).map(|i| name(parts, i)).collect();
        if states.len() > 1 {
            return Some(format!("control {k} pushes {}", states.join(" and ")));
        }
        for l in 0..k {
            let joined = !graph.is_zero(parts.effort[k][l]);
            if joined && pushed(k).any(|i| pushed(l).any(|j| i != j)) {
                return Some(format!(
                    "a price joins controls of two states: R[{k}][{l}] = {}",
                    graph.text(parts.effort[k][l])
                ));
            }
        }
    }
    None
}

/// The best controls for the slopes of a value.
struct GreedyPolicy {
    value: Extrapolated,
    response: Response,
}

impl Field for GreedyPolicy {
    fn inputs(&self) -> usize {
        self.response.states()
    }

    fn outputs(&self) -> usize {
        self.response.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let (_, slope) = self.value.eval_with_gradient(t, x);
        greedy(&self.response, t, x, &slope, out);
    }

    fn frozen(&self, t: f64) -> Option<Box<dyn Field + '_>> {
        Some(Box::new(FrozenGreedy {
            splines: self.value.frozen(t),
            response: &self.response,
        }))
    }
}

/// The same at one time.
struct FrozenGreedy<'a> {
    splines: Vec<GridInterpolant>,
    response: &'a Response,
}

impl Field for FrozenGreedy<'_> {
    fn inputs(&self) -> usize {
        self.response.states()
    }

    fn outputs(&self) -> usize {
        self.response.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let slope = gradient_of(&self.splines, x);
        greedy(self.response, t, x, &slope, out);
    }
}

/// The best controls for slopes at a block of points.
fn greedy(response: &Response, t: f64, x: BatchRef<'_>, slope: &Batch, mut out: BatchMut<'_>) {
    let prices = response.at(t, x);
    let mut u = vec![0.0; response.controls()];
    for i in 0..x.points() {
        for state in 0..response.states() {
            prices.best(i, state, slope.get(i, state), &mut u);
        }
        for (j, u) in u.iter().enumerate() {
            out.column_mut(j)[i] = *u;
        }
    }
}

pub mod stationary;
#[cfg(test)]
mod tests;
