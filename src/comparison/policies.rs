//! Policies against the best of them, simulated on the time of the control.

use crate::comparison::agreement::doubted;
use crate::comparison::control_error::policy_error;
use crate::comparison::evidence::{LOG_Z_UPPER, upper_bound};
use crate::comparison::linear_moments::{LinearProcess, Moments};
use crate::comparison::performance::{of_policy, weights_of};
use crate::comparison::policy_paths::{PolicyPaths, PolicyWalk, Simulator};
use crate::comparison::quantities::{UNCONTROLLED, count_as_typed, found_with, observed, surest};
use crate::comparison::rows::{Comparison, ControlError, Performance};
use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::{Stream, Streams};
use crate::solvers::closed::riccati;
use crate::solvers::driver::Solution;
use crate::solvers::grid::discrete_value::{DISCRETE_VALUE, discrete_value};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::typed_control::Unsteered;
use std::cell::LazyCell;

/// The answer that knows itself best: a policy and a value with the smallest own error, no less than what the policy costs
/// above the value where that is known. Those that measurements contradict come last.
pub fn best<'a>(solutions: &'a [Solution], doubted: &[String]) -> Option<&'a Solution> {
    let own = |solution: &&Solution| {
        let cost = solution.answer.cost.as_ref()?;
        let known = solution.answer.policy.is_some() && cost.error.is_finite();
        let mut quantities = solution.answer.quantities.iter();
        let bound = quantities.find(|q| q.name == "upper_bound");
        let gap = bound.map_or(0.0, |bound| bound.value.value - cost.value);
        known.then(|| cost.error.max(gap) / cost.value.abs().max(f64::MIN_POSITIVE))
    };
    solutions
        .iter()
        .filter(|solution| own(solution).is_some())
        .min_by(|a, b| {
            let rank = |s: &Solution| (doubted.contains(&s.id), own(&s).unwrap_or(f64::INFINITY));
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        })
}

/// What policies are simulated with.
struct Trials<'a> {
    lowered: &'a Lowered,
    simulator: Simulator,
    reference: Option<&'a dyn Field>,
    start: Batch,
    noise: Stream,
}

impl Trials<'_> {
    fn walk<'b>(&'b self, policy: &'b dyn Field) -> PolicyWalk<'b> {
        PolicyWalk {
            simulator: &self.simulator,
            policy,
            reference: self.reference,
            steps: self.lowered.problem.time_settings.steps.div_ceil(2),
            finest: 1,
            until: self.simulator.horizon().1,
            stream: &self.noise,
        }
    }

    /// A policy that is not the reference, along paths of the reference.
    fn error_of(&self, policy: &dyn Field, reference: &dyn Field) -> PolicyPaths {
        let walk = PolicyWalk {
            reference: Some(policy),
            ..self.walk(reference)
        };
        walk.run(self.start.as_ref(), 1)
    }

    /// Where paths end, on the same noise with the steps of the file and with steps twice and four times as long.
    fn ends(&self, policy: &dyn Field) -> [Batch; 3] {
        let walk = PolicyWalk {
            reference: None,
            steps: self.lowered.problem.time_settings.steps.div_ceil(4),
            finest: 2,
            ..self.walk(policy)
        };
        [2, 1, 0].map(|level| walk.run(self.start.as_ref(), level).end)
    }

    fn uncontrolled(&self) -> Estimate {
        let unsteered = Unsteered(&self.lowered.compiled.steered);
        let walk = PolicyWalk {
            reference: None,
            ..self.walk(&unsteered)
        };
        let [coarse, fine] = [0, 1].map(|level| walk.run(self.start.as_ref(), level));
        fine.limit_cost(&coarse)
    }
}

/// The moments of a linear–quadratic problem under an affine reference.
struct Linear<'a> {
    process: LinearProcess,
    reference: &'a dyn Field,
    own: Moments,
}

impl<'a> Linear<'a> {
    fn of(lowered: &Lowered, reference: &'a dyn Field) -> Option<Self> {
        let process = LinearProcess::of(lowered)?;
        let own = process.under(reference, None)?;
        Some(Self {
            process,
            reference,
            own,
        })
    }

    /// How far a policy is from the reference and what it costs, where it is affine.
    fn measured(
        &self,
        policy: &dyn Field,
        is_reference: bool,
    ) -> Option<(Option<ControlError>, Performance)> {
        if is_reference {
            return Some((None, self.own.performance(None)));
        }
        let along = self.process.under(self.reference, Some(policy))?;
        let under = self.process.under(policy, Some(self.reference))?;
        let performance = under.performance(Some(self.own.cost));
        Some((Some(along.control_error()), performance))
    }
}

/// Confidence at which a measurement contradicts a value.
const CONFIDENCE: f64 = 4.0;

/// Measures every policy against the best of them. Where the measurements contradict what that one says of itself and
/// not what another does, the other takes its place.
pub(super) fn compare_policies(
    lowered: &Lowered,
    solutions: &[Solution],
    streams: &Streams,
    comparison: &mut Comparison,
) {
    let first = best(solutions, &[]);
    measure(lowered, (solutions, first), streams, comparison);
    let doubted = doubted(solutions, comparison, CONFIDENCE);
    let second = best(solutions, &doubted);
    if second.map(|s| &s.id) != first.map(|s| &s.id) {
        comparison.quantities.clear();
        measure(lowered, (solutions, second), streams, comparison);
    }
}

fn measure(
    lowered: &Lowered,
    (solutions, reference): (&[Solution], Option<&Solution>),
    streams: &Streams,
    comparison: &mut Comparison,
) {
    let policy = reference.and_then(|r| r.answer.policy.as_deref());
    let trials = Trials {
        lowered,
        simulator: Simulator::new(lowered).going_on(lowered, reference.map(|r| &r.answer)),
        reference: policy.map(|policy| policy as &dyn Field),
        start: lowered.draw_start(&streams.role("start"), 0, lowered.problem.run.paths),
        noise: streams.role("noise"),
    };
    let linear = trials.reference.and_then(|of| Linear::of(lowered, of));
    // Weights of paths lead to what is paid at an end.
    let ends = !lowered.problem.is_endless();
    let temperature = lowered.facts.temperature.as_ref().ok().copied();
    let temperature = temperature.filter(|_| ends);
    // Paths of the reference are drawn where something is asked of them that moments do not tell.
    let drawn = LazyCell::new(|| {
        let walk = trials.reference.map(|policy| trials.walk(policy));
        walk.map(|walk| walk.run(trials.start.as_ref(), 1))
    });
    let closed = ends || reference.is_some_and(|r| r.answer.value.is_some());
    // Steps matter where a policy walks.
    let mut is_walked = false;
    for (row, solution) in comparison.rows.iter_mut().zip(solutions) {
        let others = streams.scoped(&solution.id);
        row.log_z_upper = upper_bound(lowered, &solution.answer, &others);
        let Some(policy) = solution.answer.policy.as_deref() else {
            continue;
        };
        let is_reference = reference.is_some_and(|r| r.id == solution.id);
        if let Some(linear) = &linear
            && let Some((error, performance)) = linear.measured(policy, is_reference)
        {
            let weights = |t| weights_of(&trials.walk(policy), &trials.start, t);
            row.control_error = error;
            row.performance = Some(Performance {
                weights: temperature.map(weights),
                ..performance
            });
            continue;
        }
        let other = trials.reference.filter(|_| !is_reference);
        row.control_error =
            other.map(|other| policy_error(&trials.error_of(policy, other), drawn.as_ref()));
        if lowered.has_end_cost() && closed {
            is_walked = true;
            let optimal = drawn.as_ref().filter(|_| !is_reference);
            let walk = trials.walk(policy);
            row.performance = Some(of_policy(&walk, &trials.start, optimal, temperature));
        }
    }
    let idle = Unsteered(&lowered.compiled.steered);
    if let Some(moments) = linear.and_then(|linear| linear.process.under(&idle, None)) {
        comparison.name(UNCONTROLLED, moments.cost);
    }
    comparison.reference = reference.map(|r| r.id.clone());
    comparison.value = reference.and_then(|r| r.answer.cost);
    if let Some(reference) = reference {
        for (name, value) in found_with(lowered, &reference.answer) {
            comparison.name(name, value);
        }
    }
    name_policies(&trials, solutions, comparison, (streams, is_walked));
    if !lowered.problem.observe.is_empty()
        && let Some(policy) = trials.reference
    {
        for (name, value) in observed(lowered, &trials.ends(policy)) {
            comparison.name(name, value);
        }
    }
    name_costs(lowered, solutions, comparison);
}

/// Names what each method says its policy costs and what it was measured to cost.
fn name_costs(lowered: &Lowered, solutions: &[Solution], comparison: &mut Comparison) {
    for solution in solutions {
        if let Some(value) = solution.answer.cost {
            comparison.name(format!("value_{}", solution.id), value);
        }
        let row = comparison.row(&solution.id);
        if let Some(performance) = row.and_then(|row| row.performance.as_ref()) {
            comparison.name(format!("cost_{}", solution.id), performance.action());
        }
    }
    let uncontrolled = comparison.named(UNCONTROLLED);
    comparison.uncontrolled = uncontrolled.filter(|cost| cost.value.is_finite());
    let named = comparison.quantities.iter_mut();
    count_as_typed(lowered, named.map(|q| (q.name.as_str(), &mut q.value)));
}

/// Names what methods know, and what is measured where none does.
fn name_policies(
    trials: &Trials<'_>,
    solutions: &[Solution],
    comparison: &mut Comparison,
    (streams, is_walked): (&Streams, bool),
) {
    let lowered = trials.lowered;
    for quantity in surest(solutions) {
        comparison.name(quantity.name.as_str(), quantity.value);
    }
    let above = comparison.rows.iter().filter_map(|row| row.log_z_upper);
    if let Some(upper) = above.min_by(|a, b| a.error.total_cmp(&b.error)) {
        comparison.name(LOG_Z_UPPER, upper);
    }
    // Where draws are asked for, costs are of interest only beside a policy.
    let is_asked = lowered.problem.task.target().is_none() || trials.reference.is_some();
    if !is_asked || !lowered.has_end_cost() || lowered.problem.is_endless() {
        return;
    }
    if comparison.named(UNCONTROLLED).is_none() {
        comparison.name(UNCONTROLLED, trials.uncontrolled());
    }
    if is_walked {
        let least = riccati::discrete_value(lowered)
            .or_else(|| discrete_value(lowered, &streams.scoped(DISCRETE_VALUE)));
        if let Some(least) = least {
            comparison.name(DISCRETE_VALUE, least);
        }
    }
}
