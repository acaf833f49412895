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
//! Where a control pushes several states, a price joins controls of several, or the price is no quadratic form,
//! `1/2 u' R u` is `r(x, u, t)`, and the controls of a step are those that are best for the value at its end: minimised in
//! closed form, else by numbers. That they are late by a step costs a part of it squared.
//!
//! | scheme | slopes | time | coupled states |
//! |---|---|---|---|
//! | `monotone` | of two nodes against the drift, the minimum over both of its signs exactly | implicit Euler | one after the other |
//! | `central` | the same of three nodes | TR-BDF2 | half a step of all but the last, the last, the others again in reverse |
//!
//! Second differences are central. Edges reflect, absorb or meet where the file says so, and stopping events are edges
//! ([`crate::solvers::lowered::edges`]); at natural edges nothing curves the value, and a drift across has no effect. Four grids, points and steps halved from each to the next, show
//! the order. Where the finest three show that of the scheme, the answer is extrapolated from the finest two, which is one
//! order more, and its distance from the same of the second and third is the error; else the finest gives the answer, and
//! differences that fall with half an order bound its error. What cutting the line off at natural edges matters is added.
//!
//! # Assumes
//! Groups of one to three states; a drift affine in the control; a price of any form that grows faster than the control, or
//! bounds. In a group each noise moves one state. Noise may depend on the state and vanish, and
//! needs no temperature. The domain is that of the file; else it is moved to where optimal paths go.
//!
//! # Order
//! One more than that of the scheme where the value is smooth: one for `monotone`, also where the value has kinks; two for
//! `central`, where it has none.
//!
//! # Source
//! Barles and Souganidis (1991) for monotone schemes; Howard (1960), Forsyth and Labahn (2007) for policy iteration;
//! Bank et al. (1985) for TR-BDF2; Strang (1968) for the order of the states in a step.
//!
//! # Checked by
//! `hopf-cole`, `hjb-residual`, `grid-order`, `policy-cost`

use crate::derivation::control::product_form::groups_of;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::blocks::{block, map_blocks};
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
use crate::solvers::grid::at_start::AtStart;
use crate::solvers::grid::grid_order::{EXPECTED_ORDER_FACT, Halved, observed_orders};
use crate::solvers::grid::groups::{Summed, group_problem, joined_noise, smallest_coupling};
use crate::solvers::grid::lines::best::{Coefficients, Response};
use crate::solvers::grid::lines::level::{FEWEST_CELLS, Level};
use crate::solvers::grid::lines::line::{Settings, Trouble};
use crate::solvers::grid::region::{CUT_FACT, Probe, Region, beyond, settle, walk};
use crate::solvers::grid::space_time::{
    Extrapolated, GridValue, SpaceTime, gradient_of, kept_stride, nodes_of,
};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::edges::{Edges, SHARED_END, enclosed, end_paths, stops_are_edges};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::options::{
    LATTICE, TIME_STEPS, grid_text, half_steps, most_iterations, points, scheme, steps, tolerance,
};
use std::sync::Arc;

const NAME: &str = "hjb";
const ACCEPTED: &str = "groups of one to three states, each noise acting on one of them; events that end paths in one group only, each where one state passes a number";
/// Methods for what it does not take; with bounds or prices of another form there are none.
const OTHERS: &str = "else hopf-cole, riccati or path-integral";
const TURNED: &str = "with bounds on the control, or a price that is not quadratic, no other method: states along which each noise acts on one";
/// Most coupled states a grid is made for.
pub const MOST_STATES: usize = 3;
/// Grids, finest first.
const LEVELS: usize = 4;
const COARSEST: usize = 1 << (LEVELS - 1);
/// How many times fewer cells a grid has that shows where the finest has to be.
const FEWER_CELLS: usize = 4;

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

    fn order(&self) -> f64 {
        match self.scheme {
            Scheme::Monotone => 1.0,
            Scheme::Central | Scheme::Spectral => 2.0,
        }
    }
}

/// One problem per group of states.
pub struct Admitted(Vec<Group>);

struct Group {
    states: Vec<usize>,
    lowered: Arc<Lowered>,
    /// Where its grid is, once that is known.
    region: Region,
    /// Of the paths that show where optimal ones go.
    streams: Streams,
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
        let others = match lowered.obstructed_control() {
            Some(_) => TURNED,
            None => OTHERS,
        };
        let unlike = |reason: String| refusal(reason, &format!("{ACCEPTED}; {others}"));
        let mut parts = lowered.process.clone();
        let (groups, couplings) = groups_of(&mut parts);
        if let Some(large) = groups.iter().find(|group| group.len() > MOST_STATES) {
            let because = smallest_coupling(&couplings);
            let reason = format!("{} states are coupled{because}", large.len());
            return Err(unlike(reason));
        }
        if groups.len() > 1 && end_paths(lowered) {
            return Err(unlike(SHARED_END.to_owned()));
        }
        stops_are_edges(lowered).map_err(unlike)?;
        let mut found = Vec::new();
        for (g, states) in groups.into_iter().enumerate() {
            let own = group_problem(lowered, &parts, &states, g == 0)
                .map_err(|error| unlike(error.to_string()))?;
            let counts: Vec<usize> = states
                .iter()
                .map(|i| finest_count(self.points[*i]))
                .collect();
            kept_stride(&counts, self.steps.next_multiple_of(COARSEST))
                .map_err(|large| refusal(large.reason, &large.accepted))?;
            if let Some(reason) = joined_noise(&own) {
                return Err(unlike(reason));
            }
            found.push(Group {
                states,
                lowered: Arc::new(own),
                region: Region::default(),
                streams: Streams::new(0),
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
        let (mut waiting, mut nodes) = (Vec::new(), 0);
        for (g, group) in groups.iter_mut().enumerate() {
            let streams = streams.scoped(&format!("group {g}"));
            let of_group = group.states.iter().map(|state| self.points[*state]);
            let cells = of_group.map(|points| (finest_count(points) - 1) / FEWER_CELLS);
            let cells: Vec<usize> = cells.map(|cells| cells.max(FEWEST_CELLS)).collect();
            group.region = settled(
                &group.lowered,
                &streams,
                (&cells, steps / COARSEST),
                settings,
            )?;
            group.streams = streams;
            let axes = |k: usize| -> Vec<UniformAxis> {
                let axis = |((low, high), state): (&(f64, f64), &usize)| {
                    let cells = (finest_count(self.points[*state]) - 1) >> k;
                    UniformAxis::between(*low, *high, cells + 1)
                };
                let domain = &group.region.edges.domain;
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
                let edges = &group.region.edges.kinds;
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
            facts: facts(&groups, nodes, steps),
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
        let (mut costs, mut cost, mut beyond) = ([0.0; LEVELS], 0.0, 0.0_f64);
        let mut error = AtStart::default();
        let (mut values, mut policies) = (Vec::new(), Vec::new());
        for (group, done) in state.groups.into_iter().zip(&state.done) {
            let found = self.of_group(&group, done)?;
            let both = costs.iter_mut().zip(&found.levels);
            both.for_each(|(sum, level)| *sum += level);
            cost += found.value;
            beyond = beyond.max(found.beyond);
            error.control.resize(found.error.control.len(), 0.0);
            error = error.plus(&found.error);
            let [value, policy] = found.fields;
            values.push((group.states.clone(), value));
            policies.push((group.states, policy));
        }
        let squares = [0, 1, 2].map(|k| (costs[k] - costs[k + 1]).powi(2));
        answer.facts.extend(observed_orders(squares));
        answer.facts.extend([
            (EXPECTED_ORDER_FACT, self.order()),
            ("cost on the finest grid alone", costs[0]),
            (CUT_FACT, beyond),
        ]);
        let d = lowered.compiled.steered.dimension();
        answer.value = Some(Arc::new(Summed::new(values, d)));
        answer.policy = Some(Arc::new(Summed::new(policies, d)));
        answer.cost = Some(Estimate::new(cost, error.value, ErrorKind::Grid));
        answer.control_error = error.control;
        Ok(answer)
    }
}

/// What the grids of a group say.
struct OfGroup {
    /// Costs on the grids, finest first.
    levels: [f64; LEVELS],
    value: f64,
    error: AtStart,
    /// Share of optimal paths beyond the grid.
    beyond: f64,
    /// Value and policy.
    fields: [Arc<dyn Field + Send>; 2],
}

impl Hjb {
    /// `done` coarsest first.
    fn of_group(&self, group: &Group, done: &[Arc<SpaceTime>]) -> Result<OfGroup, SolveError> {
        let (lowered, edges) = (&group.lowered, &group.region.edges);
        let [eighth, quarter, half, finest] = done else {
            unreachable!("four levels are done")
        };
        let levels = [finest, half, quarter, eighth];
        let starts = levels.map(|level| {
            let value = Extrapolated(vec![(1.0, level.clone())]);
            answered(lowered, edges, value).0
        });
        let order = self.order();
        let halved = |levels: [f64; LEVELS]| Halved { levels, order };
        let costs = starts.each_ref().map(|start| start.value);
        let extrapolates = halved(costs).extrapolates();
        let more = if extrapolates {
            1.0 / (order.exp2() - 1.0)
        } else {
            0.0
        };
        let mut parts = vec![(1.0 + more, finest.clone())];
        if extrapolates {
            parts.push((-more, half.clone()));
        }
        let (start, fields) = answered(lowered, edges, Extrapolated(parts));
        let error = AtStart::each(starts.each_ref(), |levels| match extrapolates {
            true => halved(levels).error_of_extrapolated(1.0),
            false => halved(levels).error_of_finest(),
        });
        let paths = walk(lowered, &group.streams, Some((fields[1].as_ref(), edges)));
        Ok(OfGroup {
            levels: costs,
            value: start.value,
            error: error.plus(&group.region.cut),
            beyond: beyond(&group.region, start.value, &paths)?,
            fields,
        })
    }
}

/// What a value says at the start, and the fields of value and policy.
fn answered(
    lowered: &Arc<Lowered>,
    edges: &Arc<Edges>,
    value: Extrapolated,
) -> (AtStart, [Arc<dyn Field + Send>; 2]) {
    let process = &lowered.compiled.steered;
    let policy = Arc::new(GreedyPolicy {
        value: value.clone(),
        response: Response::new(lowered.clone()),
    });
    let start = AtStart::new(lowered, edges, &value, policy.as_ref());
    let value = Arc::new(GridValue {
        value,
        dimension: process.dimension(),
    });
    (start, enclosed(value, policy, edges, process))
}

/// Where the grid of a group has to be, by coarse ones of so many cells and steps.
pub(crate) fn settled(
    lowered: &Arc<Lowered>,
    streams: &Streams,
    (cells, steps): (&[usize], usize),
    settings: Settings,
) -> Result<Region, SolveError> {
    settle(lowered, streams, cells, &|edges, axes| {
        let coefficients = Coefficients::new(lowered.clone(), axes);
        let axes = (axes, edges.kinds.as_slice());
        let mut level = Level::new(coefficients, axes, steps, 1, settings);
        while !level.is_done() {
            level.advance().ok()?;
        }
        let value = Extrapolated(vec![(1.0, Arc::new(level.finish()))]);
        let (start, [_, policy]) = answered(lowered, edges, value);
        Some(Probe { start, policy })
    })
}

fn facts(groups: &[Group], nodes: usize, steps: usize) -> Vec<(&'static str, f64)> {
    let mut facts = vec![
        ("groups", groups.len() as f64),
        ("nodes", nodes as f64),
        ("time steps", steps as f64),
    ];
    if let [group] = groups {
        facts.extend(group.region.facts());
    }
    facts
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
        self.response.greedy(t, x, &slope, out);
    }

    fn frozen(&self, t: f64) -> Option<Box<dyn Field + '_>> {
        if self.response.is_numeric() {
            return Some(Box::new(Tabulated::new(self, t)));
        }
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
        self.response.greedy(t, x, &slope, out);
    }
}

/// Nodes of a table along an axis, for one, two or three states.
const TABLE: [usize; MOST_STATES] = [401, 65, 17];

/// The best controls at one time where each takes a search: on nodes, and on lines between them. What a policy costs more for
/// that is of order four in their distance.
struct Tabulated {
    axes: Vec<UniformAxis>,
    controls: Batch,
}

impl Tabulated {
    fn new(policy: &GreedyPolicy, t: f64) -> Self {
        let splines = policy.value.frozen(t);
        let most = TABLE[policy.response.states() - 1];
        let coarser = |axis: &UniformAxis| {
            UniformAxis::between(axis.start, axis.node(axis.count - 1), axis.count.min(most))
        };
        let axes: Vec<UniformAxis> = splines[0].axes().iter().map(coarser).collect();
        let nodes = nodes_of(&axes);
        let blocks = map_blocks(nodes.points(), block(), |range| {
            let x = nodes.as_ref().rows(range);
            let slope = gradient_of(&splines, x);
            let mut controls = Batch::zeros(x.points(), policy.response.controls());
            policy.response.greedy(t, x, &slope, controls.as_mut());
            controls
        });
        let mut controls = Batch::zeros(nodes.points(), policy.response.controls());
        let mut first = 0;
        for block in &blocks {
            controls.write_rows(first, block.as_ref());
            first += block.points();
        }
        Self { axes, controls }
    }
}

impl Field for Tabulated {
    fn inputs(&self) -> usize {
        self.axes.len()
    }

    fn outputs(&self) -> usize {
        self.controls.columns()
    }

    fn eval(&self, _: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        out.fill(0.0);
        let d = self.axes.len();
        for i in 0..x.points() {
            let places = self.axes.iter().enumerate().map(|(j, axis)| {
                let place = (x.get(i, j) - axis.start) / axis.step;
                let place = place.clamp(0.0, (axis.count - 1) as f64);
                let cell = (place as usize).min(axis.count - 2);
                (cell, place - cell as f64)
            });
            let places: Vec<(usize, f64)> = places.collect();
            for corner in 0..1_usize << d {
                let (mut node, mut weight) = (0, 1.0);
                for (j, (cell, share)) in places.iter().enumerate() {
                    let upper = (corner >> j) & 1;
                    node = node * self.axes[j].count + cell + upper;
                    weight *= if upper == 1 { *share } else { 1.0 - share };
                }
                for k in 0..self.controls.columns() {
                    out.column_mut(k)[i] += weight * self.controls.get(node, k);
                }
            }
        }
    }
}

pub mod stationary;
#[cfg(test)]
mod tests;
