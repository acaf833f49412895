//! Identities of controlled paths: what a policy costs, and the weights of its paths.

use crate::comparison::performance::spread;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::digits::significant;
use crate::numeric::estimate::Estimate;
use crate::problem::meant::kind::CONTROL_AND_SAMPLE;
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::weights::effective_share;
use crate::verification::bench::Bench;
use crate::verification::identity::{Check, Finding, Identity, Measure, Settings, card};
use crate::verification::verdict::{Residual, Verdict};

/// Paths of statistical checks.
const PATHS: usize = 16_384;
/// Cost tolerance as a share of the value below which an error bar is called sharp.
const VAGUE: f64 = 0.1;
/// Places at which a control is compared with itself, and the relative differences that rounding makes.
const BLIND_PLACES: usize = 256;
const SAME_CONTROL: f64 = 1e-9;
/// Effective paths below which a mean of weights has no error bar.
const FEW: f64 = 100.0;

/// What a check of path weights lacks where it is about no answer.
fn weights_need(lowered: &Lowered) -> &'static str {
    if lowered.problem.is_endless() {
        "path weights lead to what is paid at an end of the horizon"
    } else if lowered.facts.temperature.is_err() {
        "path weights need a temperature: G G' = lambda B R^-1 B'"
    } else {
        "no answer it is about"
    }
}

/// The same, where the weights lead to the value.
fn values_need(lowered: &Lowered) -> &'static str {
    if lowered.facts.temperature.is_ok() && lowered.obstructed_control().is_some() {
        "path weights lead to the value of a control without bounds"
    } else {
        weights_need(lowered)
    }
}

/// Simulated cost against the method's own value, or what it gives a policy that is not the best.
pub static POLICY_COST: Check = Check {
    card: card("policy-cost", CONTROL_AND_SAMPLE),
    identities: &[Identity {
        equation: "J[u*] = V",
        source: "verification theorem; Fleming & Soner (2006), chapter III",
        measure: Measure::answer(|_| "no answer it is about", policy_cost),
    }],
};

fn policy_cost(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    // The zero-noise value is another quantity.
    if solution.method == "ddp" {
        return None;
    }
    let row = bench.row(solution)?;
    let performance = row.performance.as_ref()?;
    // A control fitted to weighted paths makes them agree better; its cost is a bound of the value that they give.
    let bound = upper_bound(solution);
    let value = bound.or(row.value)?;
    let confidence = settings.spec.confidence;
    let limit = settings
        .tolerance(confidence * performance.cost.error.hypot(value.error) + performance.step_bias);
    let residual = Residual {
        standard_error: Some(performance.cost.error),
        ..Residual::deterministic(performance.cost.value - value.value, 0.0, limit)
    };
    let (equation, called) = match bound {
        Some(_) => (Some("J[u] = upper_bound"), "upper_bound"),
        None => (None, "V"),
    };
    let note = format!(
        "J - {called}; the limit is {confidence} se + step {}",
        significant(performance.step_bias, 2)
    );
    Some(Finding {
        equation,
        ..Finding::new(residual, note).judged(judged(&residual, value.value))
    })
}

/// The cost that `path-integral` gives its fitted control.
fn upper_bound(solution: &Solution) -> Option<Estimate> {
    let bound = solution.answer.quantity("upper_bound")?;
    (solution.method == "path-integral").then_some(bound)
}

/// Within the limit passes, unless the limit is vague beside the value.
fn judged(residual: &Residual, value: f64) -> Verdict {
    if !residual.measured.is_finite() || residual.distance() > residual.limit {
        Verdict::Fail
    } else if residual.limit > VAGUE * value.abs() {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    }
}

/// The optimal cost by importance sampling, and the method's own value.
pub static FEYNMAN_KAC: Check = Check {
    card: card("feynman-kac", CONTROL_AND_SAMPLE),
    identities: &[Identity {
        equation: "V(x,t) = -lambda log E[exp(-(int q dt + Phi)/lambda)]",
        source: "Feynman-Kac; Kappen (2005)",
        measure: Measure::answer(values_need, weighted),
    }],
};

fn weighted(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    if bench.lowered.obstructed_control().is_some() {
        return None;
    }
    let row = bench.row(solution)?;
    let performance = row.performance.as_ref()?;
    let weights = performance.weights.as_ref()?;
    let weighted = weights.value;
    let value = bench.comparison.value.or(row.value)?;
    let few = weights.effective_sample_size * (bench.lowered.problem.run.paths as f64);
    let limit = settings.spec.confidence * weighted.error + performance.step_bias + value.error;
    let residual = Residual {
        standard_error: Some(weighted.error),
        ..Residual::deterministic(weighted.value - value.value, 0.0, limit)
    };
    let verdict = if few < FEW {
        Verdict::Inconclusive
    } else {
        judged(&residual, value.value)
    };
    let note = format!("over {few:.0} effective paths; limit 4 se + step bias + own error");
    Some(Finding::new(residual, note).judged(verdict))
}

/// The spread of the logarithm of the path weights falls like `step^(1/2)`, over three step sizes on the same
/// Brownian paths, or up to like `step` where these are far from the limit; like `step` where the control is the same
/// everywhere. Kinks and jumps of the costs break the order, so a failure there decides nothing.
pub static ZERO_VARIANCE: Check = Check {
    card: card("zero-variance", CONTROL_AND_SAMPLE),
    identities: &[Identity {
        equation: "std(log dP*/dP^u) ~ step^(1/2) under the optimal policy",
        source: "Thijssen & Kappen (2015)",
        measure: Measure::answer(values_need, zero_variance),
    }],
};

/// The equation, where the control is the same everywhere: no integral against the noise is left, only sums over
/// steps that converge.
const BLIND_EQUATION: &str =
    "std(log dP*/dP^u) ~ step under the optimal policy, which is one of time alone";

fn zero_variance(
    bench: &Bench<'_>,
    solution: &Solution,
    settings: &Settings<'_>,
) -> Option<Finding> {
    if bench.lowered.obstructed_control().is_some() || bench.lowered.problem.is_endless() {
        return None;
    }
    let row = bench.row(solution)?;
    let policy = solution.answer.policy.as_deref()?;
    let lambda = *bench.lowered.facts.temperature.as_ref().ok()?;
    // The identity holds for the optimal policy only: a learned or fitted one is judged where the file asks.
    let fitted = upper_bound(solution).is_some();
    let distance = row.control_error.as_ref();
    let optimal = distance.map_or(!fitted, |e| e.relative.value < 1e-2);
    if settings.spec.on.is_empty() && !optimal {
        return None;
    }
    let paths = settings.spec.samples.unwrap_or(PATHS);
    let start = starts(bench, paths);
    let steps = (bench.lowered.problem.time_settings.steps / 4).max(1);
    let spreads = spreads(bench, solution, policy, (&start, steps), lambda);
    let slopes = [0, 1].map(|k: usize| (spreads[k] / spreads[k + 1]).log2());
    let slope = slopes[1];
    let blind = is_blind(bench, policy, start.as_ref());
    // Far from the limit the sums over steps lead, which fall like the step.
    let (target, room) = match settings.spec.order {
        Some(order) => (order, 0.0),
        None if blind => (1.0, 0.0),
        None => (0.75, 0.25),
    };
    // The logarithm of a spread over n paths is known to about 1/sqrt(2n). Where the slope still changes
    // with the step, its limit is not known better than by that change, unless it moves away from the target.
    let settling = (slope - target).abs() < (slopes[0] - target).abs();
    let change = if settling {
        (slope - slopes[0]).abs()
    } else {
        0.0
    };
    let bias = (1.0 / paths as f64).sqrt() / 2.0_f64.ln() + change;
    let limit = room + settings.tolerance(0.15);
    let residual = Residual::deterministic(slope, bias, limit).about(target);
    let [coarse, middle, fine] = spreads;
    let mut note = format!(
        "std of log weights {coarse:.3}, {middle:.3}, {fine:.3} at {steps}, {}, {} steps",
        2 * steps,
        4 * steps
    );
    let mut verdict = residual.verdict(settings.spec.confidence);
    if verdict == Verdict::Fail && bench.lowered.is_kinked() {
        // Paths that end a step away from a jump or a kink weigh otherwise: the share of those of a jump falls like
        // step^(1/2), its spread slower.
        verdict = Verdict::Inconclusive;
        let jump = bench.jump_at_end();
        note.push_str(&jump.map_or("; a cost has a kink".to_owned(), |jump| {
            format!("; `{jump}` jumps at the end")
        }));
    }
    Some(Finding {
        equation: blind.then_some(BLIND_EQUATION),
        ..Finding::new(residual, note).judged(verdict)
    })
}

fn starts(bench: &Bench<'_>, paths: usize) -> Batch {
    let stream = bench.streams.role("start");
    bench.lowered.draw_start(&stream, 0, paths)
}

/// Standard deviations of the log weights over three step sizes on the same Brownian paths.
fn spreads(
    bench: &Bench<'_>,
    solution: &Solution,
    policy: &dyn Field,
    (start, steps): (&Batch, usize),
    lambda: f64,
) -> [f64; 3] {
    // A spread of starting values is no spread of weights.
    let from = start_values(bench, start, solution, lambda);
    [0, 1, 2].map(|level| {
        let end = bench.lowered.compiled.steered.end();
        let paths = bench.walk(policy, start, (steps, level, 2), end, "zero-variance");
        let weights = paths.log_weights(lambda);
        let centred: Vec<f64> = weights.iter().zip(&from).map(|(w, v)| w + v).collect();
        spread(&centred)
    })
}

/// `V / lambda` at the start points, zero where the method has no value.
fn start_values(bench: &Bench<'_>, start: &Batch, solution: &Solution, lambda: f64) -> Vec<f64> {
    let mut values = Batch::zeros(start.points(), 1);
    let own = solution.answer.value.as_deref();
    let best = bench.best().and_then(|b| b.answer.value.as_deref());
    if let Some(value) = own.or(best) {
        let t = bench.lowered.compiled.steered.start();
        value.eval(t, start.as_ref(), values.as_mut());
    }
    values.column(0).iter().map(|v| v / lambda).collect()
}

/// Whether a policy is the same at all states, as seen at unit normal distances from start points.
fn is_blind(bench: &Bench<'_>, policy: &dyn Field, start: BatchRef<'_>) -> bool {
    let process = &bench.lowered.compiled.steered;
    let n = start.points().min(BLIND_PLACES);
    let mut places = start.rows(0..n).to_batch();
    let mut away = Batch::zeros(n, places.columns());
    let stream = bench.streams.role("zero-variance places");
    stream.normals(0, 0, away.as_mut());
    places.add_scaled(1.0, &away);
    let mut control = Batch::zeros(n, process.controls());
    let middle = 0.5 * (process.start() + process.end());
    policy.eval(middle, places.as_ref(), control.as_mut());
    (0..control.columns()).all(|k| {
        let column = control.column(k);
        let (least, most) = column
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), u| {
                (a.min(*u), b.max(*u))
            });
        most - least <= SAME_CONTROL * (1.0 + most.abs())
    })
}

/// The mean of `dP^0/dP^u`.
pub static GIRSANOV: Check = Check {
    card: card("girsanov", CONTROL_AND_SAMPLE),
    identities: &[Identity {
        equation: "E_u[dP^0/dP^u] = 1",
        source: "Girsanov (1960)",
        measure: Measure::answer(weights_need, girsanov),
    }],
};

fn girsanov(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let policy = solution.answer.policy.as_deref()?;
    let paths = settings.spec.samples.unwrap_or(PATHS);
    let steps = bench.lowered.problem.time_settings.steps;
    let end = bench.lowered.compiled.steered.end();
    let walked = bench.walk(
        policy,
        &starts(bench, paths),
        (steps, 0, 0),
        end,
        "girsanov",
    );
    let effective = effective_share(walked.log_ratio()) * paths as f64;
    let weights: Vec<f64> = walked.log_ratio().iter().map(|r| r.exp()).collect();
    let mean = Estimate::from_samples(&weights);
    let residual = Residual::statistical(mean.value, mean.error, 0.0, 0.05, paths).about(1.0);
    let (verdict, warning) = if effective < FEW {
        let warning = ": its error bar cannot be trusted";
        (Verdict::Inconclusive, warning)
    } else {
        (residual.verdict(settings.spec.confidence), "")
    };
    let note = format!("the mean is carried by {effective:.0} of {paths} paths{warning}");
    Some(Finding::new(residual, note).judged(verdict))
}

/// The effective sample size must not be too small.
pub static ESS: Check = Check {
    card: card("ess", CONTROL_AND_SAMPLE),
    identities: &[Identity {
        equation: "(sum w)^2 / (n sum w^2)",
        source: "Kong (1992)",
        measure: Measure::answer(weights_need, effective),
    }],
};

fn effective(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let performance = bench.row(solution)?.performance.as_ref();
    let weights = performance.and_then(|performance| performance.weights.as_ref());
    let own = solution.answer.quantity("ess").map(|own| own.value);
    let share = own.or(weights.map(|weights| weights.effective_sample_size))?;
    let smallest = settings.tolerance(0.05);
    // Everything from the smallest acceptable share to 1.
    let room = 0.5 * (1.0 - smallest) + 1e-12;
    let residual = Residual::deterministic(share, 0.0, room).about(0.5 * (1.0 + smallest));
    let note = format!("share of effective paths; at least {smallest} is asked for");
    Some(Finding::new(residual, note))
}
