//! One small problem per group of coupled states.
//!
//! ```text
//! V(x, t) = sum_g V_g(x_g, t),      u* = sum_g -R^-1 B_g' grad V_g
//! ```
//!
//! Each group goes to `riccati` where it is linear-quadratic and to `hopf-cole` with the same `scheme` otherwise. What the costs are where
//! all states vanish is given to the first group. Errors of the costs are added.
//!
//! # Assumes
//! Groups that neither drift, noise, control authority nor costs couple, and what the method of each group does.
//!
//! # Order
//! That of the methods; the cost of a grid is that of its group, not of the whole state.
//!
//! # Source
//! Separation of variables; Todorov (2009).
//!
//! # Checked by
//! `hopf-cole`, `hjb-residual`, `grid-order`, `policy-cost`

use crate::derivation::control::product_form::{Coupling, groups_of};
use crate::derivation::control::riccati::linear_quadratic;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::Fallback;
use crate::problem::format::page::Page;
use crate::problem::meant::grid::Scheme;
use crate::problem::meant::kind::CONTROLLED;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::closed::riccati::Riccati;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::grid::grid_order::{COARSER_ORDER_FACT, GRID_ORDER_FACT};
use crate::solvers::grid::groups::{Solving, Summed, admitted, group_problem};
use crate::solvers::grid::hopf_cole::HopfCole;
use crate::solvers::grid::spectral::Spectral;
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::edges::{self, SHARED_END, end_paths};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::options::{
    TIME_STEPS, linear_scheme, linear_steps, points, sum_text, waves_or, waves_text,
};
use std::sync::Arc;

const NAME: &str = "separable";
const ACCEPTED: &str = "at least two groups of states that no term couples, each linear-quadratic or with a temperature and few states";
/// Relative tolerance of groups that `riccati` solves.
const RELATIVE_TOLERANCE: f64 = 1e-10;
/// Order of the grids.
const GRID_ORDER: f64 = 2.0;
/// Couplings named in a refusal.
const NAMED: usize = 3;

/// Points per state and time steps of the finest grid of every group.
#[derive(Clone, Debug, PartialEq)]
pub struct Separable {
    pub points: Vec<usize>,
    pub steps: usize,
    pub scheme: Scheme,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("separable.md")),
    kinds: CONTROLLED,
    later: &[],
    options: &[
        linear_scheme(),
        points(Fallback::Found("801; 161 waves", |setup, options| {
            vec![waves_or(options, 801); setup.dimension].into()
        })),
        linear_steps(TIME_STEPS),
    ],
    settings: |options| match options.one::<Scheme>("scheme") {
        Scheme::Spectral => waves_text(options),
        _ => sum_text(options),
    },
};

impl Separable {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            points: options.counts("points"),
            steps: options.count("steps"),
            scheme: options.one("scheme"),
        })
    }
}

/// A group of states on its way.
struct Group {
    states: Vec<usize>,
    quadratic: bool,
    solving: Box<dyn Solving>,
}

/// The groups, each with the method that takes it.
pub struct Admitted(Vec<Group>);

/// The groups and which of them is being solved.
pub struct State {
    groups: Vec<Group>,
    current: usize,
}

impl Method for Separable {
    const ASKS: Asks = Asks::WholeCost;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let mut parts = lowered.process.clone();
        let (groups, couplings) = groups_of(&mut parts);
        if groups.len() < 2 {
            return Err(one_group(&couplings));
        }
        if end_paths(lowered) {
            return Err(refusal(SHARED_END.to_owned()));
        }
        let mut found = Vec::new();
        for (g, states) in groups.into_iter().enumerate() {
            let own = group_problem(lowered, &parts, &states, g == 0)
                .map_err(|error| refusal(error.to_string()))?;
            found.push(self.admit_group(own, states)?);
        }
        Ok(Admitted(found))
    }

    fn start(
        &self,
        _: &Lowered,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let mut groups = admitted.0;
        for (g, group) in groups.iter_mut().enumerate() {
            group
                .solving
                .start(&streams.scoped(&format!("group {g}")))?;
        }
        Ok(State { groups, current: 0 })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let solving = &mut state.groups[state.current].solving;
        if matches!(solving.progress(), Progress::Stopped(_)) {
            state.current += 1;
            return Ok(());
        }
        let mut own = Work::default();
        solving.advance(&mut own)?;
        work.unknowns = work.unknowns.max(own.unknowns);
        work.field_points += own.field_points;
        work.linear_solves += own.linear_solves;
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        let Some(group) = state.groups.get(state.current) else {
            return Progress::Stopped(StopReason::Direct);
        };
        let own = match group.solving.progress() {
            Progress::Going { fraction, .. } => fraction,
            Progress::Stopped(_) => 1.0,
        };
        let fraction = (state.current as f64 + own) / state.groups.len() as f64;
        Progress::part(fraction)
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut answer = Answer::default();
        let count = state.groups.len();
        answer.facts.push(("groups", count as f64));
        let quadratic = state.groups.iter().filter(|group| group.quadratic).count();
        answer
            .facts
            .push(("linear-quadratic groups", quadratic as f64));
        if state.current < count {
            // Out of time: some groups have no policy.
            return Ok(answer);
        }
        let (mut policies, mut values, mut orders) = (Vec::new(), Vec::new(), Vec::new());
        let (mut cost, mut error) = (0.0, 0.0);
        for group in state.groups {
            let own = group.solving.finish()?;
            let (Some(policy), Some(value), Some(estimate)) = (own.policy, own.value, own.cost)
            else {
                return Ok(answer);
            };
            policies.push((group.states.clone(), policy));
            values.push((group.states, value));
            cost += estimate.value;
            error += estimate.error;
            let fact = |name| own.facts.iter().find(|fact| fact.0 == name);
            if let (Some(fine), Some(coarse)) = (fact(GRID_ORDER_FACT), fact(COARSER_ORDER_FACT)) {
                orders.push([*fine, *coarse]);
            }
        }
        // The group whose order is the furthest from what it should be speaks for all.
        let off = |order: &[(&str, f64); 2]| (order[0].1 - GRID_ORDER).abs();
        let worst = orders.iter().max_by(|a, b| off(a).total_cmp(&off(b)));
        answer.facts.extend(worst.into_iter().flatten());
        answer.policy = Some(Arc::new(Summed::new(
            policies,
            lowered.compiled.steered.dimension(),
        )));
        answer.value = Some(Arc::new(Summed::new(
            values,
            lowered.compiled.steered.dimension(),
        )));
        let kind = if quadratic == count {
            ErrorKind::Quadrature
        } else {
            ErrorKind::Grid
        };
        answer.cost = Some(Estimate::new(cost, error, kind));
        Ok(answer)
    }
}

impl Separable {
    fn admit_group(&self, lowered: Lowered, states: Vec<usize>) -> Result<Group, Refusal> {
        let bounded = lowered.obstructed_control().is_some();
        let turned = bounded || edges::act(&lowered);
        let quadratic = !turned && linear_quadratic(&mut lowered.process.clone()).is_ok();
        let names: Vec<String> = states
            .iter()
            .map(|i| lowered.problem.state_names[*i].clone())
            .collect();
        let solving = if quadratic {
            let relative_tolerance = RELATIVE_TOLERANCE;
            admitted(Riccati { relative_tolerance }, lowered)
        } else if self.scheme == Scheme::Spectral {
            let points = self.points[states[0]];
            admitted(Spectral { points }, lowered)
        } else {
            let points = states.iter().map(|i| self.points[*i]).collect();
            let steps = self.steps;
            admitted(HopfCole { points, steps }, lowered)
        };
        let solving = solving.map_err(|inner| Refusal {
            method: NAME,
            reason: format!("the group of {}: {}", names.join(", "), inner.reason),
            accepted: inner.accepted,
        })?;
        Ok(Group {
            states,
            quadratic,
            solving,
        })
    }
}

fn refusal(reason: String) -> Refusal {
    Refusal {
        method: NAME,
        reason,
        accepted: ACCEPTED.to_owned(),
    }
}

fn one_group(couplings: &[Coupling]) -> Refusal {
    let mut smallest: Vec<&Coupling> = couplings.iter().collect();
    smallest.sort_by_key(|coupling| coupling.size);
    let named: Vec<String> = smallest
        .iter()
        .take(NAMED)
        .map(|coupling| format!("{} in {}", coupling.term, coupling.place))
        .collect();
    if named.is_empty() {
        return refusal("there is one state only".to_owned());
    }
    let more = couplings.len().saturating_sub(NAMED);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    refusal(format!(
        "all states are one group, coupled by {}{rest}",
        named.join("; ")
    ))
}

#[cfg(test)]
mod tests;
