//! The nonlinear equation where the horizon has no end, for states that nothing couples.
//!
//! ```text
//! rho V = min over u of { (b + B u) V' + 1/2 D V'' + q + 1/2 u' R u },      without a discount  c = min over u of { ... }
//! ```
//!
//! by policy iteration on a grid for each state (`lines::rest`), the least average cost `c` and the
//! value up to a constant together; averages of `V` over the start law are zero then. Values, average costs and policies
//! of the states are added. Four grids, points halved from each to the next, show the order; `central` extrapolates the
//! two finest, and a part of the distance to the same on the next two is the error.
//!
//! The density at rest of the optimal process shows whether the domain cuts it off; a domain that the file does not give
//! begins around the start and is widened until it does not.
//!
//! # Assumes
//! States that nothing couples, each with noise; no edge or event that ends paths; else what `hjb` assumes.
//!
//! # Order
//! One for `monotone`; two for `central`, four where it is extrapolated.
//!
//! # Source
//! Howard (1960); Kushner and Dupuis, *Numerical Methods for Stochastic Control Problems* (2001), chapters 6 and 7 for
//! discounted and average costs; Arapostathis, Borkar and Ghosh (2012).
//!
//! # Checked by
//! `hopf-cole`, `hjb-residual`, `grid-order`, `policy-cost`

use super::{ACCEPTED, COARSEST, GreedyPolicy, Hjb, LEVELS, NAME, finest_count, trouble_of};
use crate::derivation::control::product_form::groups_of;
use crate::field::Field;
use crate::numeric::batch::BatchRef;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::{GridInterpolant, UniformAxis};
use crate::numeric::random::Streams;
use crate::numeric::spectrum::eigenvalue;
use crate::problem::meant::grid::Scheme;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::grid::grid_order::{EXPECTED_ORDER_FACT, observed_orders};
use crate::solvers::grid::groups::{Summed, group_problem, joined_noise, smallest_coupling};
use crate::solvers::grid::lines::best::{Coefficients, Response};
use crate::solvers::grid::lines::line::{Line, Scratch, Settings};
use crate::solvers::grid::lines::rest::Rest;
use crate::solvers::grid::region::{around_start, wider};
use crate::solvers::grid::space_time::{Extrapolated, GridValue, SpaceTime};
use crate::solvers::lowered::answer::{AVERAGE_COST, Answer};
use crate::solvers::lowered::edges::{Edge, Edges, end_paths};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::start_law::start_nodes;
use std::sync::Arc;

/// Logarithms of the largest density at an edge, over the largest of all: of a domain that the file gives, and of one that
/// is found.
const AT_GIVEN_EDGE: f64 = -18.0;
const AT_FOUND_EDGE: f64 = -40.0;
/// Domains that are tried.
const DOMAINS: usize = 24;
/// Relative distance of the costs of two grids that is no more than rounding.
const ALIKE: f64 = 1e-11;
/// Share of the distance between the two extrapolated values reported as error.
const ERROR_SHARE: f64 = 0.25;

/// As [`Hjb`], whose time steps it has no use for.
#[derive(Clone, Debug, PartialEq)]
pub struct StationaryHjb(Hjb);

impl StationaryHjb {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        Hjb::new(spec).map(Self)
    }
}

/// One problem per state.
pub struct Admitted(Vec<Single>);

struct Single {
    state: usize,
    lowered: Arc<Lowered>,
}

/// States that are done, and those that wait.
pub struct State {
    waiting: Vec<Single>,
    done: Vec<Done>,
    states: usize,
}

/// What was found of one state.
struct Done {
    single: Single,
    domain: (f64, f64),
    /// Finest first, with its axis.
    levels: Vec<(UniformAxis, Rest)>,
    gap: Option<f64>,
    /// Density at rest at an edge, over its largest.
    cut: f64,
}

impl Method for StationaryHjb {
    const ASKS: Asks = Asks::WholeCost;
    const ENDLESS: bool = true;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let refusal = |reason: String| {
            Refusal {
            method: NAME,
            reason,
            accepted: "without an end of the horizon: states that nothing couples, no edge or event that ends paths, and scheme = \"monotone\" or \"central\"; or riccati".to_owned(),
        }
        };
        if self.0.scheme == Scheme::Spectral {
            return Err(refusal("it has no spectral scheme".to_owned()));
        }
        if lowered.process.has_other_price() {
            return Err(refusal(
                "a control has another price than a quadratic one".to_owned(),
            ));
        }
        if end_paths(lowered) {
            return Err(refusal("an edge or an event ends paths".to_owned()));
        }
        let mut parts = lowered.process.clone();
        let (groups, couplings) = groups_of(&mut parts);
        let mut found = Vec::new();
        for (g, states) in groups.iter().enumerate() {
            let [state] = states[..] else {
                let because = smallest_coupling(&couplings);
                let reason = format!("{} states are coupled{because}", states.len());
                return Err(refusal(reason));
            };
            let own = group_problem(lowered, &parts, states, g == 0)
                .map_err(|error| refusal(error.to_string()))?;
            if let Some(reason) = joined_noise(&own) {
                return Err(Refusal {
                    accepted: ACCEPTED.to_owned(),
                    ..refusal(reason)
                });
            }
            let lowered = Arc::new(own);
            found.push(Single { state, lowered });
        }
        Ok(Admitted(found))
    }

    fn start(&self, _: &Lowered, admitted: Admitted, _: &Streams) -> Result<State, SolveError> {
        let Admitted(mut waiting) = admitted;
        waiting.reverse();
        Ok(State {
            states: waiting.len(),
            waiting,
            done: Vec::new(),
        })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        if let Some(single) = state.waiting.pop() {
            state.done.push(self.solved(single, work)?);
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        match state.waiting.is_empty() {
            true => Progress::Stopped(StopReason::Direct),
            false => Progress::part(state.done.len() as f64 / state.states as f64),
        }
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut answer = Answer::default();
        if !state.waiting.is_empty() {
            // Out of time: some state has no value.
            return Ok(answer);
        }
        let (mut costs, mut unseen) = ([0.0; LEVELS], 0.0);
        let (mut values, mut policies) = (Vec::new(), Vec::new());
        let mut gap = Some(f64::INFINITY);
        for done in state.done {
            gap = gap.zip(done.gap).map(|(a, b)| a.min(b));
            unseen += done.unseen();
            let states = vec![done.single.state];
            let (own, value) = done.value(self.weights(), lowered.averages());
            costs.iter_mut().zip(own).for_each(|(sum, c)| *sum += c);
            policies.push((
                states.clone(),
                Arc::new(GreedyPolicy {
                    value: value.clone(),
                    response: Response::new(done.single.lowered.clone()),
                }) as Arc<dyn Field + Send>,
            ));
            let value = GridValue {
                value,
                dimension: 1,
            };
            values.push((states, Arc::new(value) as Arc<dyn Field + Send>));
            answer.facts.push(("domain from", done.domain.0));
            answer.facts.push(("to", done.domain.1));
        }
        let cost = self.estimate(&costs, unseen);
        // Where all grids agree to rounding they show no order.
        let seen = |apart: f64| {
            if apart.abs() > ALIKE * (1.0 + costs[0].abs()) {
                apart
            } else {
                0.0
            }
        };
        let squares = [0, 1, 2].map(|k| seen(costs[k] - costs[k + 1]).powi(2));
        answer.facts.extend(observed_orders(squares));
        let order = self.0.order();
        answer.facts.push((EXPECTED_ORDER_FACT, order));
        if lowered.averages() {
            answer.push(AVERAGE_COST, cost);
            if let Some(gap) = gap {
                let error = cost.error / cost.value.abs().max(f64::MIN_POSITIVE) * gap;
                answer.push("spectral_gap", Estimate::new(gap, error, ErrorKind::Grid));
            }
        }
        let d = lowered.dimension();
        answer.value = Some(Arc::new(Summed::new(values, d)));
        answer.policy = Some(Arc::new(Summed::new(policies, d)));
        answer.cost = Some(cost);
        Ok(answer)
    }
}

impl StationaryHjb {
    /// Of the two finest grids in the answer.
    fn weights(&self) -> [f64; 2] {
        match self.0.scheme {
            Scheme::Central => [4.0 / 3.0, -1.0 / 3.0],
            _ => [1.0, 0.0],
        }
    }

    fn estimate(&self, costs: &[f64; LEVELS], unseen: f64) -> Estimate {
        let [a, b] = self.weights();
        let best = [0, 1].map(|k| a * costs[k] + b * costs[k + 1]);
        let share = if b == 0.0 { 1.0 } else { ERROR_SHARE };
        let error = share * (best[0] - best[1]).abs() + unseen;
        Estimate::new(best[0], error, ErrorKind::Grid)
    }

    /// The value of one state on all grids, on a domain that is wide enough.
    fn solved(&self, single: Single, work: &mut Work) -> Result<Done, SolveError> {
        let lowered = single.lowered.clone();
        let given = lowered.problem.dynamics.domain.clone();
        let mut domain = given
            .clone()
            .unwrap_or_else(|| vec![around_start(&lowered)]);
        let most = match given {
            Some(_) => AT_GIVEN_EDGE,
            None => AT_FOUND_EDGE,
        };
        for _ in 0..DOMAINS {
            let edges = Edges::new(&lowered, domain.clone());
            let (axis, kinds) = (edges.domain[0], edges.kinds[0]);
            let finest = self.level(&lowered, axis, kinds, 0, work);
            let at_edges = match &finest {
                Ok((_, rest)) => at_edges(rest, kinds),
                Err(_) => [0.0; 2],
            };
            let cut = at_edges.map(|density| density > most);
            if cut != [false; 2] && given.is_none() {
                domain = vec![wider(axis, cut)];
                continue;
            }
            if cut != [false; 2] {
                finest?;
                return Err(SolveError::Cut {
                    density: at_edges[0].max(at_edges[1]).exp(),
                    suggestion: "a larger dynamics.domain, or a cost that keeps it within"
                        .to_owned(),
                });
            }
            let mut levels = vec![finest?];
            for k in 1..LEVELS {
                levels.push(self.level(&lowered, axis, kinds, k, work)?);
            }
            return Ok(Done {
                single,
                domain: axis,
                gap: gap(&levels[0].1),
                cut: at_edges[0].max(at_edges[1]).exp(),
                levels,
            });
        }
        Err(SolveError::Cut {
            density: 1.0,
            suggestion: "dynamics.domain, or a cost that keeps the process in a bounded part"
                .to_owned(),
        })
    }

    fn level(
        &self,
        lowered: &Arc<Lowered>,
        (low, high): (f64, f64),
        edges: [Edge; 2],
        k: usize,
        work: &mut Work,
    ) -> Result<(UniformAxis, Rest), SolveError> {
        let points = self.0.points.iter().copied().max().unwrap_or(COARSEST);
        let axis = UniformAxis::between(low, high, ((finest_count(points) - 1) >> k) + 1);
        let coefficients = Coefficients::new(lowered.clone(), &[axis]);
        let frame = coefficients.at(coefficients.horizon().0);
        let line = Line {
            axis,
            state: 0,
            first: 0,
            stride: 1,
            edges: edges.map(kept),
            stopped: false,
            share: 1.0,
            discount: coefficients.discount(),
            settings: Settings {
                scheme: self.0.scheme,
                tolerance: self.0.tolerance,
                max_iterations: self.0.max_iterations,
                temperature: None,
            },
        };
        let mut scratch = Scratch::new(coefficients.controls());
        let t = lowered.compiled.steered.start();
        let rest = line
            .rest(&frame, lowered.averages(), &mut scratch)
            .map_err(|trouble| trouble_of(trouble, t, self.0.max_iterations))?;
        work.linear_solves += rest.solves;
        work.unknowns = work.unknowns.max(axis.count as u64);
        Ok((axis, rest))
    }
}

/// What keeps the process on the grid: a mirror where nothing else does, which no optimal process comes near to on a
/// domain that is wide enough. A policy on the way there may push across.
fn kept(edge: Edge) -> Edge {
    match edge {
        Edge::Natural => Edge::Reflect,
        other => other,
    }
}

/// Logarithms of the density at rest at both edges, over its largest, where they are natural.
fn at_edges(rest: &Rest, edges: [Edge; 2]) -> [f64; 2] {
    let density = &rest.log_density;
    let at = [density[0], density[density.len() - 1]];
    [0, 1].map(|k| match edges[k] {
        Edge::Natural => at[k],
        _ => f64::NEG_INFINITY,
    })
}

/// Distance of the second eigenvalue of a generator from zero, where it has three bands of positive rates.
fn gap(rest: &Rest) -> Option<f64> {
    let [_, below, middle, above, _] = &rest.generator;
    let n = middle.len();
    if n != rest.value.len() {
        return None;
    }
    let products: Vec<f64> = (1..n).map(|i| below[i] * above[i - 1]).collect();
    let diagonal: Vec<f64> = middle.iter().map(|w| -w).collect();
    let positive = products.iter().all(|w| *w > 0.0);
    let off: Vec<f64> = products.iter().map(|w| -w.sqrt()).collect();
    positive.then(|| eigenvalue(&diagonal, &off, 1))
}

impl Done {
    /// What rounding and the edges of the domain do to a value on the finest grid.
    fn unseen(&self) -> f64 {
        let (_, rest) = &self.levels[0];
        let largest = |values: &[f64]| values.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        let rounding = f64::EPSILON * largest(&rest.generator[2]).sqrt();
        (rounding + self.cut) * largest(&rest.value)
    }

    /// Costs by level, and the value; with average costs its average over the start law is zero.
    fn value(&self, weights: [f64; 2], averages: bool) -> ([f64; LEVELS], Extrapolated) {
        let process = &self.single.lowered.compiled.steered;
        let (t, start) = (process.start(), start_nodes(self.single.lowered.start()));
        let mut costs = [0.0; LEVELS];
        let mut parts = Vec::new();
        for (k, (axis, rest)) in self.levels.iter().enumerate() {
            let spline = |values: &[f64]| {
                let spline = GridInterpolant::new(&[*axis], values)
                    .unwrap_or_else(|error| unreachable!("an axis of five cells: {error}"));
                Arc::new(SpaceTime::new(vec![(t, spline)]))
            };
            let whole = Extrapolated(vec![(1.0, spline(&rest.value))]);
            let at_start =
                start.average(|points: BatchRef<'_>| whole.eval_with_gradient(t, points).0);
            costs[k] = if averages { rest.average } else { at_start };
            let weight = weights.get(k).copied().unwrap_or(0.0);
            if weight != 0.0 {
                let shift = if averages { at_start } else { 0.0 };
                let values: Vec<f64> = rest.value.iter().map(|v| v - shift).collect();
                parts.push((weight, spline(&values)));
            }
        }
        (costs, Extrapolated(parts))
    }
}

#[cfg(test)]
mod tests;
