//! Comparison of the answers to a control problem: what each policy costs, how far it is from the best, how
//! evenly its paths are weighted.

use crate::comparison::evidence::{LOG_Z_UPPER, upper_bound};
use crate::expr::Kernel;
use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::meant::task::Kind;
use crate::solvers::driver::{Solution, StopReason, Work};
use crate::solvers::grid::discrete_value::{DISCRETE_VALUE, discrete_value};
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::steered_walk::{Idle, SteeredPaths, SteeredWalk};
use crate::solvers::walk::weights::{effective_share, weighted_value};

/// Name of the cost of no control.
const UNCONTROLLED: &str = "uncontrolled_cost";

/// How a policy does when it is simulated.
/// Path weights of a policy that are kept to be looked at.
pub const KEPT_WEIGHTS: usize = 8192;

#[derive(Clone, Debug, PartialEq)]
pub struct Performance {
    /// Cost at the step of `[time]`.
    pub cost: Estimate,
    /// Change of the cost when the step is doubled: its bias, for a scheme of order 1.
    pub step_bias: f64,
    /// Cost above the reference policy's, on common start points and noise.
    pub gap: Option<Estimate>,
    /// The same by the gap identity, `1/2 E ∫ (u - u*)'R(u - u*) dt` under the policy's own law.
    pub gap_integral: Option<Estimate>,
    /// `1 / sum w²` of the normalised path weights, as a share of the paths; needs a temperature.
    pub effective_sample_size: Option<f64>,
    /// Standard deviation of the logarithm of the path weights.
    pub log_weight_spread: Option<f64>,
    /// `-lambda log mean w`: the optimal cost by importance sampling under this policy.
    pub weighted_value: Option<Estimate>,
    /// `log w` of the first paths, [`KEPT_WEIGHTS`] at most; empty without a temperature.
    pub log_weights: Vec<f64>,
}

/// Distance to the reference policy under the reference's law.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyError {
    /// `sqrt(E ∫ |u - u*|² dt)`
    pub absolute: Estimate,
    /// The same over `sqrt(E ∫ |u*|² dt)`
    pub relative: Estimate,
}

/// One line of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlRow {
    pub solver: String,
    pub method: &'static str,
    /// The method's own value, averaged over the start law.
    pub value: Option<Estimate>,
    pub performance: Option<Performance>,
    pub error: Option<PolicyError>,
    /// Upper bound of `log Z` by draws of the target.
    pub log_z_upper: Option<Estimate>,
    pub work: Work,
    pub seconds: f64,
    pub stopped: StopReason,
}

/// All lines, with what they are measured against.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlComparison {
    /// The solver with a policy whose own error is smallest.
    pub reference: Option<String>,
    /// The value by the reference.
    pub value: Option<Estimate>,
    /// Cost of no control at all.
    pub uncontrolled: Option<Estimate>,
    pub rows: Vec<ControlRow>,
    /// Named numbers `[reference.NAME]` is compared with.
    pub quantities: Vec<Quantity>,
}

/// The answer that knows itself best: a policy and a value with the smallest own error, no less than what the policy costs
/// above the value where that is known.
pub fn best<'a>(solutions: &'a [Solution]) -> Option<&'a Solution> {
    let own = |solution: &&'a Solution| {
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
            let [a, b] = [own(a), own(b)].map(|error| error.unwrap_or(f64::INFINITY));
            a.total_cmp(&b)
        })
}

/// Measures every policy by code that did not produce it, on noise it has not seen.
pub fn compare_controls(
    lowered: &Lowered,
    solutions: &[Solution],
    streams: &Streams,
) -> ControlComparison {
    let streams = streams.scoped("comparison");
    let paths = lowered.problem.run.paths;
    let start = lowered.draw_start(&streams.role("start"), 0, paths);
    let stream = streams.role("noise");
    let reference = best(solutions);
    let reference_policy = reference.and_then(|r| r.answer.policy.as_deref());
    let walk = |policy| SteeredWalk {
        lowered,
        policy,
        reference: reference_policy.map(|p| p as &dyn Field),
        steps: lowered.problem.time_settings.steps.div_ceil(2),
        finest: 1,
        until: lowered.compiled.steered.end(),
        stream: &stream,
    };
    let optimal = reference_policy.map(|policy| walk(policy).run(start.as_ref(), 1));
    let mut rows = Vec::new();
    for solution in solutions {
        let outcome = &solution.answer;
        let policy = outcome.policy.as_deref();
        let is_reference = reference.is_some_and(|r| r.id == solution.id);
        rows.push(ControlRow {
            solver: solution.id.clone(),
            method: solution.method,
            value: outcome.cost,
            performance: policy.map(|policy| {
                let walk = walk(policy);
                let optimal = optimal.as_ref().filter(|_| !is_reference);
                perform(lowered, &walk, &start, optimal)
            }),
            error: policy.filter(|_| !is_reference).zip(reference_policy).map(
                |(policy, reference)| {
                    let walk = SteeredWalk {
                        policy: reference,
                        reference: Some(policy),
                        ..walk(reference)
                    };
                    policy_error(&walk.run(start.as_ref(), 1), optimal.as_ref())
                },
            ),
            log_z_upper: upper_bound(lowered, outcome, &streams.scoped(&solution.id)),
            work: solution.work,
            seconds: solution.seconds,
            stopped: solution.stopped,
        });
    }
    let mut quantities: Vec<Quantity> = Vec::new();
    let mut push = |name: String, estimate: Estimate| {
        if quantities.iter().all(|q| q.name != name) {
            quantities.push(Quantity {
                name,
                value: estimate,
            });
        }
    };
    if let Some(reference) = reference {
        for (name, estimate) in numbers_of(lowered, reference) {
            push(name, estimate);
        }
    }
    // Of several answers under one name the one that knows itself best.
    let mut found: Vec<_> = solutions
        .iter()
        .flat_map(|solution| &solution.answer.quantities)
        .collect();
    found.sort_by(|a, b| a.value.error.total_cmp(&b.value.error));
    for quantity in found {
        push(quantity.name.clone(), quantity.value);
    }
    let above = rows.iter().filter_map(|row| row.log_z_upper);
    if let Some(upper) = above.min_by(|a, b| a.error.total_cmp(&b.error)) {
        push(LOG_Z_UPPER.to_owned(), upper);
    }
    // Simulated unless a method knows it better.
    let found = |solution: &Solution| {
        let mut names = solution.answer.quantities.iter();
        names.any(|quantity| quantity.name == UNCONTROLLED)
    };
    // Where draws are asked for, costs are of interest only beside a policy.
    let asked = lowered.problem.kind() != Kind::Sample || reference.is_some();
    if asked && !solutions.iter().any(found) {
        let idle = Idle {
            states: lowered.compiled.steered.dimension(),
            controls: lowered.compiled.steered.controls(),
        };
        let walk = SteeredWalk {
            reference: None,
            ..walk(&idle)
        };
        let [coarse, fine] = [0, 1].map(|level| walk.run(start.as_ref(), level));
        push(UNCONTROLLED.to_owned(), fine.limit_cost(&coarse));
    }
    // By dynamic programming unless a method knows it.
    if asked
        && quantities.iter().all(|q| q.name != DISCRETE_VALUE)
        && let Some(estimate) = discrete_value(lowered, &streams.scoped(DISCRETE_VALUE))
    {
        quantities.push(Quantity {
            name: DISCRETE_VALUE.to_owned(),
            value: estimate,
        });
    }
    let mut push = |name: String, estimate: Estimate| {
        if quantities.iter().all(|q| q.name != name) {
            quantities.push(Quantity {
                name,
                value: estimate,
            });
        }
    };
    if let Some(optimal) = &optimal {
        for (name, estimate) in observed(lowered, &optimal.end) {
            push(name, estimate);
        }
    }
    for row in &rows {
        let id = &row.solver;
        if let Some(value) = row.value {
            push(format!("value_{id}"), value);
        }
        if let Some(performance) = &row.performance {
            push(format!("cost_{id}"), performance.cost);
        }
    }
    let uncontrolled = quantities
        .iter()
        .find(|q| q.name == UNCONTROLLED)
        .map(|q| q.value);
    ControlComparison {
        reference: reference.map(|r| r.id.clone()),
        value: reference.and_then(|r| r.answer.cost),
        uncontrolled: uncontrolled.filter(|cost| cost.value.is_finite()),
        rows,
        quantities,
    }
}

fn mean_of(values: &[f64]) -> Estimate {
    Estimate::from_samples(values)
}

fn perform(
    lowered: &Lowered,
    walk: &SteeredWalk<'_>,
    start: &Batch,
    optimal: Option<&SteeredPaths>,
) -> Performance {
    let fine = walk.run(start.as_ref(), 1);
    // Of the coarse walk only the cost is asked for.
    let coarse = SteeredWalk {
        reference: None,
        ..*walk
    }
    .run(start.as_ref(), 0);
    let cost = mean_of(&fine.cost);
    let gap = optimal.map(|optimal| {
        let above: Vec<f64> = fine
            .cost
            .iter()
            .zip(&optimal.cost)
            .map(|(own, best)| own - best)
            .collect();
        mean_of(&above)
    });
    let mut log_weights = Vec::new();
    let weights = lowered.facts.temperature.as_ref().ok().map(|lambda| {
        log_weights = fine.log_weights(*lambda);
        (
            effective_share(&log_weights),
            spread(&log_weights),
            weighted_value(&log_weights, *lambda),
        )
    });
    log_weights.truncate(KEPT_WEIGHTS);
    Performance {
        step_bias: (cost.value - mean_of(&coarse.cost).value).abs(),
        gap,
        gap_integral: optimal.map(|_| mean_of(&fine.distance)),
        effective_sample_size: weights.map(|w| w.0),
        log_weight_spread: weights.map(|w| w.1),
        weighted_value: weights.map(|w| w.2),
        log_weights,
        cost,
    }
}

/// Standard deviation.
pub fn spread(values: &[f64]) -> f64 {
    let estimate = Estimate::from_samples(values);
    estimate.error * (values.len() as f64).sqrt()
}

/// `walk` went along the reference policy and measured its distance from the other.
fn policy_error(along: &SteeredPaths, optimal: Option<&SteeredPaths>) -> PolicyError {
    let square = mean_of(&along.squared_difference);
    let energy = optimal.map_or(f64::NAN, |paths| mean_of(&paths.squared_control).value);
    let root = square.value.sqrt();
    // Where the difference vanishes its root has no linear error.
    let error = if root > 0.0 {
        square.error / (2.0 * root)
    } else {
        0.0
    };
    let scale = energy.sqrt();
    PolicyError {
        absolute: Estimate::new(root, error, square.kind),
        relative: Estimate::new(root / scale, error / scale, square.kind),
    }
}

/// The numbers of one answer by name: `value`, at a start point `control` by component, and what the method calls its
/// quantities.
pub fn numbers_of(lowered: &Lowered, solution: &Solution) -> Vec<(String, Estimate)> {
    let outcome = &solution.answer;
    let mut out = Vec::new();
    if let Some(value) = outcome.cost {
        out.push(("value".to_owned(), value));
    }
    if let (Some(point), Some(policy)) = (lowered.start_point(), &outcome.policy) {
        out.extend(first_control(lowered, policy.as_ref(), point, outcome.cost));
    }
    let quantities = outcome.quantities.iter();
    out.extend(quantities.map(|quantity| (quantity.name.clone(), quantity.value)));
    out
}

/// The control at the start, by component.
fn first_control(
    lowered: &Lowered,
    policy: &dyn Field,
    point: &[f64],
    cost: Option<Estimate>,
) -> Vec<(String, Estimate)> {
    let mut out = Vec::new();
    let mut x = Batch::zeros(1, point.len());
    for (j, value) in point.iter().enumerate() {
        x.column_mut(j)[0] = *value;
    }
    let controls = lowered.compiled.steered.controls();
    let mut u = Batch::zeros(1, controls);
    policy.eval(lowered.compiled.steered.start(), x.as_ref(), u.as_mut());
    // The control follows from the slope of the value: its relative error is taken to be the value's.
    let relative = cost.map_or(0.0, |cost| {
        cost.error / cost.value.abs().max(f64::MIN_POSITIVE)
    });
    for j in 0..controls {
        let value = u.column(j)[0];
        let estimate = Estimate::new(value, relative * value.abs(), ErrorKind::Grid);
        if controls == 1 {
            out.push(("control".to_owned(), estimate));
        }
        out.push((format!("control[{j}]"), estimate));
    }
    out
}

/// Means of `[observe]` at the end of the horizon under the reference policy.
fn observed(lowered: &Lowered, end: &Batch) -> Vec<(String, Estimate)> {
    let stated = &lowered.stated;
    let mut out = Vec::new();
    for (name, observable) in &lowered.problem.observe {
        let Ok(kernel) = Kernel::compile(&stated.graph, &[*observable], stated.time, &stated.state)
        else {
            // An observable of the control has no value at the end of the horizon.
            continue;
        };
        let mut values = Batch::zeros(end.points(), 1);
        kernel.eval(
            lowered.compiled.steered.end(),
            end.as_ref(),
            values.as_mut(),
        );
        out.push((name.clone(), mean_of(values.column(0))));
    }
    out
}
