//! The value over a horizon of any length, at the cost of a short one.
//!
//! ```text
//! psi = e^{-V/lambda} = sum_k a_k phi_k e^{-E_k (T-t)/lambda},      V(x, t) -> E_0 (T - t) + h(x) + constant
//! ```
//!
//! far from the end: all but the ground state of `H = -lambda L + q` is forgotten at the rate `(E_1 - E_0)/lambda`.
//! `c = E_0` is the cost per time of the best policy that goes on for ever, `u* = -R^-1 B' grad h` that policy, and
//! `phi_0^2` times the density at rest of the free process that of the optimal one.
//!
//! The ground state gives `c` and how long the end is felt. Over that time `hopf-cole` goes back from the end; where
//! the value then falls by `c` per time wherever the optimal process is, it goes on as `V + c (t_1 - t)` with the policy of
//! `t_1`, else the time is doubled. Costs and policies of states that nothing couples are added.
//!
//! # Assumes
//! A temperature, noise free of the state, no bounds on the control, no discount, nothing that depends on time, and
//! groups of one state, which drift and costs keep within the domain of the file.
//!
//! # Order
//! Two in the spacing of the nodes, extrapolated, for `c`; for the rest that of `hopf-cole`.
//!
//! # Source
//! Fleming and McEneaney (1995) for the eigenvalue problem of the average cost; Todorov (2009), section "average cost";
//! Risken (1989), section 5.4, for the Schroedinger form.
//!
//! # Checked by
//! `hopf-cole`, `hjb-residual`, `grid-order`, `policy-cost`

mod ground;

use crate::derivation::control::product_form::groups_of;
use crate::discretization::steered::SteeredProcess;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::Fallback;
use crate::problem::format::page::Page;
use crate::problem::meant::kind::CONTROLLED;
use crate::problem::meant::model::Boundary;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::grid::grid_order::observed_orders;
use crate::solvers::grid::groups::{Solving, Summed, admitted, group_problem, smallest_coupling};
use crate::solvers::grid::hopf_cole::HopfCole;
use crate::solvers::grid::long_horizon::ground::{COARSEST, Ground, NoGround, ground};
use crate::solvers::lowered::answer::{AVERAGE_COST, Answer, Quantity};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::start_law::start_nodes;
use crate::solvers::options::{TIME_STEPS, half_steps, points, steps, sum_text};
use std::sync::Arc;

const NAME: &str = "long-horizon";
const ACCEPTED: &str = "dynamics.domain, a temperature, groups of one state, no discount, nothing that depends on time, natural edges, no events; else hopf-cole over the whole horizon";
/// Relaxation times over which `hopf-cole` goes back at first.
const RELAXATIONS: f64 = 15.0;
/// Largest distance of the fall of the value from `c`, in units of `E_1 - E_0`, where the end counts as forgotten.
const FORGOTTEN: f64 = 1e-4;
/// Largest density at the edge of the domain, over the largest of all.
const AT_EDGE: f64 = 1e-8;

/// Points per state; time steps of the last stretch.
#[derive(Clone, Debug, PartialEq)]
pub struct LongHorizon {
    pub points: Vec<usize>,
    pub steps: usize,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("long_horizon.md")),
    kinds: CONTROLLED,
    later: &[],
    options: &[
        points(Fallback::Found("801", |setup, _| {
            vec![801; setup.dimension].into()
        })),
        steps(TIME_STEPS).less(half_steps),
    ],
    settings: sum_text,
};

impl LongHorizon {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            points: options.counts("points"),
            steps: options.count("steps"),
        })
    }

    /// `hopf-cole` over the last stretch of one state, started.
    fn stretch(&self, group: &Group, length: f64) -> Result<Box<dyn Solving>, SolveError> {
        let mut lowered = group.lowered.clone();
        let (start, end) = lowered.process.horizon;
        lowered.process.horizon = ((end - length).max(start), end);
        lowered.compiled.steered = SteeredProcess::new(&lowered.process)
            .unwrap_or_else(|error| unreachable!("it compiled with another start: {error}"));
        lowered.problem.dynamics.domain = Some(vec![group.domain]);
        let method = HopfCole {
            points: vec![self.points[group.state]],
            steps: self.steps,
        };
        let mut solving = admitted(method, lowered)
            .unwrap_or_else(|refusal| unreachable!("it was admitted before: {refusal}"));
        solving.start(&group.streams)?;
        Ok(solving)
    }
}

/// One problem per state, and its temperature.
pub struct Admitted(Vec<Single>);

struct Single {
    state: usize,
    lowered: Lowered,
    temperature: f64,
    domain: (f64, f64),
}

struct Group {
    state: usize,
    lowered: Lowered,
    temperature: f64,
    domain: (f64, f64),
    ground: Ground,
    streams: Streams,
    /// Length of the last stretch.
    length: f64,
    solving: Option<Box<dyn Solving>>,
    settled: Option<Settled>,
}

/// The answer over the last stretch, and by how much the fall of its value at the start of it is off.
struct Settled {
    answer: Answer,
    excess: f64,
}

/// States one after the other.
pub struct State {
    groups: Vec<Group>,
    current: usize,
}

impl Method for LongHorizon {
    const ASKS: Asks = Asks::WholeCost;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let refusal = |reason: String| Refusal {
            method: NAME,
            reason,
            accepted: ACCEPTED.to_owned(),
        };
        if lowered.compiled.steered.discount() != 0.0 {
            return Err(refusal("costs are discounted".to_owned()));
        }
        if !lowered.is_autonomous() {
            return Err(refusal(
                "the dynamics or the running cost depend on time".to_owned(),
            ));
        }
        if lowered.problem.task.events().iter().any(|event| event.stop) {
            return Err(refusal("an event ends a path".to_owned()));
        }
        let acts = |b: &Boundary| *b != Boundary::Natural;
        if lowered.problem.dynamics.boundary.iter().any(acts) {
            return Err(refusal("an edge is not natural".to_owned()));
        }
        let Some(domain) = &lowered.problem.dynamics.domain else {
            return Err(refusal(
                "the lowered names no domain, and the horizon does not show one".to_owned(),
            ));
        };
        let mut parts = lowered.process.clone();
        let (groups, couplings) = groups_of(&mut parts);
        if groups.iter().any(|group| group.len() > 1) {
            let because = smallest_coupling(&couplings);
            return Err(refusal(format!("states are coupled{because}")));
        }
        let mut found = Vec::new();
        for (g, states) in groups.into_iter().enumerate() {
            let own = group_problem(lowered, &parts, &states, g == 0)
                .map_err(|error| refusal(error.to_string()))?;
            let stretch = HopfCole {
                points: vec![self.points[states[0]]],
                steps: self.steps,
            };
            stretch.admit(&own).map_err(|inner| Refusal {
                method: NAME,
                ..inner
            })?;
            let temperature = *own.facts.temperature.as_ref().unwrap_or(&f64::NAN);
            found.push(Single {
                state: states[0],
                lowered: own,
                temperature,
                domain: domain[states[0]],
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
        let mut groups = Vec::new();
        for single in admitted.0 {
            let Single {
                state,
                lowered,
                temperature,
                domain,
            } = single;
            let streams = streams.scoped(&format!("state {state}"));
            let cells = (self.points[state].max(2) - 1)
                .next_multiple_of(COARSEST)
                .max(8 * COARSEST);
            let ground = ground(&lowered, temperature, domain, cells).map_err(no_ground)?;
            let largest = ground.density.iter().fold(0.0_f64, |a, p| a.max(*p));
            let edges = [ground.density[0], ground.density[ground.density.len() - 1]];
            let at_edge = edges[0].max(edges[1]) / largest;
            if at_edge > AT_EDGE {
                return Err(SolveError::Cut {
                    density: at_edge,
                    suggestion: "a larger dynamics.domain, or a running cost that keeps it within"
                        .to_owned(),
                });
            }
            let horizon = lowered.compiled.steered.end() - lowered.compiled.steered.start();
            let mut group = Group {
                state,
                temperature,
                domain,
                length: (RELAXATIONS / ground.gap).min(horizon),
                ground,
                streams,
                solving: None,
                settled: None,
                lowered,
            };
            group.solving = Some(self.stretch(&group, group.length)?);
            groups.push(group);
        }
        Ok(State { groups, current: 0 })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let group = &mut state.groups[state.current];
        let Some(mut solving) = group.solving.take() else {
            state.current += 1;
            return Ok(());
        };
        if !matches!(solving.progress(), Progress::Stopped(_)) {
            let mut own = Work::default();
            solving.advance(&mut own)?;
            work.unknowns = work.unknowns.max(own.unknowns);
            work.field_points += own.field_points;
            group.solving = Some(solving);
            return Ok(());
        }
        let answer = solving.finish()?;
        let excess = group.excess(&answer);
        let horizon = group.lowered.compiled.steered.end() - group.lowered.compiled.steered.start();
        let apart = group.temperature * group.ground.gap;
        if group.length < horizon && excess > FORGOTTEN * apart {
            group.length = (2.0 * group.length).min(horizon);
            group.solving = Some(self.stretch(group, group.length)?);
        } else {
            group.settled = Some(Settled { answer, excess });
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        let Some(group) = state.groups.get(state.current) else {
            return Progress::Stopped(StopReason::Direct);
        };
        let own = match group.solving.as_ref().map(|solving| solving.progress()) {
            Some(Progress::Going { fraction, .. }) => fraction,
            _ => 1.0,
        };
        let fraction = (state.current as f64 + own) / state.groups.len() as f64;
        Progress::part(fraction)
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut answer = grounds(&state.groups);
        let (mut values, mut policies) = (Vec::new(), Vec::new());
        let (mut cost, mut error, mut excess) = (0.0, 0.0, 0.0_f64);
        for group in state.groups {
            let Some(settled) = group.settled else {
                // Out of time: some state has no value.
                return Ok(answer);
            };
            let (Some(value), Some(policy), Some(own)) = (
                settled.answer.value,
                settled.answer.policy,
                settled.answer.cost,
            ) else {
                return Ok(answer);
            };
            let process = &group.lowered.compiled.steered;
            let from = (process.end() - group.length).max(process.start());
            let rate = group.ground.cost_rate;
            let before = from - process.start();
            let value = Continued {
                inner: value,
                from,
                rate: rate.value,
            };
            cost += start_nodes(group.lowered.start()).average(|points| {
                let mut at = Batch::zeros(points.points(), 1);
                value.eval(process.start(), points, at.as_mut());
                at.column(0).to_vec()
            });
            error += own.error;
            if before > 0.0 {
                error += before * rate.error + settled.excess / group.ground.gap;
                excess = excess.max(settled.excess);
            }
            let states = vec![group.state];
            values.push((states.clone(), Arc::new(value) as Arc<dyn Field + Send>));
            let policy = Continued {
                inner: policy,
                from,
                rate: 0.0,
            };
            policies.push((states, Arc::new(policy) as Arc<dyn Field + Send>));
        }
        answer
            .facts
            .push(("fall of the value off the average cost", excess));
        let d = lowered.compiled.steered.dimension();
        answer.value = Some(Arc::new(Summed::new(values, d)));
        answer.policy = Some(Arc::new(Summed::new(policies, d)));
        answer.cost = Some(Estimate::new(cost, error, ErrorKind::Grid));
        Ok(answer)
    }
}

/// What the ground states tell, before any value.
fn grounds(groups: &[Group]) -> Answer {
    let mut answer = Answer::default();
    let mut levels = [0.0; 4];
    let (mut rate, mut rate_error) = (0.0, 0.0);
    let (mut relaxation, mut length) = (0.0_f64, 0.0_f64);
    for group in groups {
        let own = group.ground.cost_rate;
        rate += own.value;
        rate_error += own.error;
        let sums = levels.iter_mut().zip(&group.ground.levels);
        sums.for_each(|(sum, c)| *sum += c);
        relaxation = relaxation.max(1.0 / group.ground.gap);
        length = length.max(group.length);
    }
    answer.quantities.push(Quantity {
        name: AVERAGE_COST.to_owned(),
        value: Estimate::new(rate, rate_error, ErrorKind::Grid),
    });
    answer.facts = vec![
        ("groups", groups.len() as f64),
        ("relaxation time", relaxation),
        ("time solved back from the end", length),
    ];
    let squares = [0, 1, 2].map(|k| (levels[k] - levels[k + 1]).powi(2));
    answer.facts.extend(observed_orders(squares));
    answer
}

impl Group {
    /// By how much the value falls faster or slower than by `c`, where the optimal process is, within a relaxation time
    /// from the start of the stretch.
    fn excess(&self, answer: &Answer) -> f64 {
        let Some(value) = answer.value.as_deref() else {
            return 0.0;
        };
        let from = self.lowered.compiled.steered.end() - self.length;
        let lag = (1.0 / self.ground.gap).min(0.5 * self.length);
        let [earlier, later] = [from, from + lag].map(|t| {
            let mut at = Batch::zeros(self.ground.nodes.points(), 1);
            value.eval(t, self.ground.nodes.as_ref(), at.as_mut());
            at
        });
        let falls = earlier.column(0).iter().zip(later.column(0));
        let squares = falls
            .zip(&self.ground.density)
            .map(|((a, b), p)| p * ((a - b) / lag - self.ground.cost_rate.value).powi(2));
        squares.sum::<f64>().sqrt()
    }
}

fn no_ground(error: NoGround) -> SolveError {
    match error {
        NoGround::NotFinite(value) => SolveError::NotFinite {
            what: "the potential of the ground state",
            value,
            time: 0.0,
            suggestion: "a smaller dynamics.domain".to_owned(),
        },
        NoGround::Pivot(error) => SolveError::Singular {
            system: "ground state",
            pivot: error.pivot,
            suggestion: "more points".to_owned(),
        },
        NoGround::Compile(error) => unreachable!("a derivative of what compiled: {error}"),
    }
}

/// A field that stays as it is at `from` for all earlier times, but for what is added per time.
struct Continued {
    inner: Arc<dyn Field + Send>,
    from: f64,
    rate: f64,
}

impl Field for Continued {
    fn inputs(&self) -> usize {
        self.inner.inputs()
    }

    fn outputs(&self) -> usize {
        self.inner.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        self.inner.eval(t.max(self.from), x, out.reborrow());
        let added = self.rate * (self.from - t).max(0.0);
        if added != 0.0 {
            for j in 0..out.columns() {
                out.column_mut(j).iter_mut().for_each(|v| *v += added);
            }
        }
    }
}

#[cfg(test)]
mod tests;
