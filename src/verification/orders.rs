//! Orders of convergence: of grids, of paths, and of two readings of one equation towards each other.

use crate::discretization::scheme::{NoiseStructure, Scheme};
use crate::numeric::estimate::Estimate;
use crate::problem::meant::kind::{SIMULATE, SOLVED};
use crate::problem::meant::model::CheckSpec;
use crate::problem::meant::named::Named;
use crate::solvers::driver::Solution;
use crate::solvers::grid::grid_order::{
    COARSER_ORDER_FACT, EXPECTED_ORDER_FACT, GRID_ORDER_FACT, unsettled,
};
use crate::solvers::walk::paths::{Stepper, level_distances, path_distances, scheme};
use crate::verification::bench::Bench;
use crate::verification::differences::nan_max;
use crate::verification::identity::{Check, Finding, Identity, Measure, Settings, card};
use crate::verification::verdict::{Residual, Verdict};

/// Order of the grid methods.
const GRID_ORDER_OF_SCHEME: f64 = 2.0;
const ORDER_TOLERANCE: f64 = 0.15;
/// Paths of the checks that walk.
const PATHS: usize = 4096;
/// Steps of the walk, where the file sets no end for it.
const STEPS: f64 = 256.0;
/// Distance of paths over their size that is rounding.
const ROUNDING: f64 = 1e-10;
/// Halvings, where the file does not say.
const LEVELS: usize = 3;

/// The observed order of every grid method that solved at several levels; what has not settled in it counts as
/// its error (see [`crate::solvers::grid::grid_order`]).
pub static GRID_ORDER: Check = Check {
    card: card("grid-order", SOLVED),
    identities: &[Identity {
        equation: "error ~ step^order",
        source: "consistency of the discretization",
        measure: Measure::answer(|_| "no grid method recorded several levels", grid_order),
    }],
};

fn grid_order(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let facts = solution.answer.facts.iter();
    let fact = |name: &str| {
        let mut facts = facts.clone();
        facts.find(|fact| fact.0 == name).map(|fact| fact.1)
    };
    let (order, coarser) = (fact(GRID_ORDER_FACT)?, fact(COARSER_ORDER_FACT)?);
    let own = fact(EXPECTED_ORDER_FACT).unwrap_or(GRID_ORDER_OF_SCHEME);
    let target = settings.spec.order.unwrap_or(own);
    let change = unsettled(order, coarser, target);
    let residual =
        Residual::deterministic(order, change, settings.tolerance(ORDER_TOLERANCE)).about(target);
    let mut verdict = residual.verdict(settings.spec.confidence);
    let rough = bench.rough().filter(|_| order < target);
    if let (Verdict::Fail, Some(rough)) = (verdict, rough) {
        verdict = Verdict::Inconclusive;
        let note = format!(
            "the observed order is {order:.2}, {coarser:.2} on the coarser levels: `{rough}` leaves the value no order, and the error is that of the differences"
        );
        return Some(Finding::new(residual, note).judged(verdict));
    }
    let note = match verdict {
        Verdict::Inconclusive => format!(
            "the observed order is {coarser:.2} on the coarser levels and {order:.2} on the finer: too coarse to tell its limit"
        ),
        _ => format!("observed order over grid levels, {coarser:.2} on the coarser"),
    };
    Some(Finding::new(residual, note).judged(verdict))
}

/// Distances of paths with halved steps on the same noise.
pub static STRONG_ORDER: Check = Check {
    card: card("strong-order", SIMULATE),
    identities: &[Identity {
        equation: "E |X_h - X_{h/2}| ~ h^order on one Brownian path",
        source: "Kloeden and Platen (1992), section 9.3",
        measure: Measure::answer(|_| "no paths", strong_order),
    }],
};

fn strong_order(
    bench: &Bench<'_>,
    solution: &Solution,
    settings: &Settings<'_>,
) -> Option<Finding> {
    let (stepper, steps) = stepper(bench, solution)?;
    let scheme = scheme(stepper, bench.lowered).ok()?;
    let scheme: &dyn Scheme = scheme.as_ref();
    let distances = level_distances(
        bench.lowered,
        scheme,
        &nodes(bench, settings.spec, steps),
        levels(settings.spec),
        paths(settings.spec),
        &bench.streams.scoped("strong-order"),
    );
    let target = settings.spec.order.unwrap_or(scheme.claim().strong);
    Some(order(bench, settings, &distances, target))
}

/// Paths by a scheme in Itô's reading and by one in Stratonovich's, on the same noise, approach each other.
pub static CONVERSION: Check = Check {
    card: card("conversion", SIMULATE),
    identities: &[Identity {
        equation: "f_Ito = f_Stratonovich + 1/2 sum (G_j . grad) G_j",
        source: "Stratonovich (1966); Gardiner (2009), section 4.4",
        measure: Measure::Problem {
            on: "all",
            needs: "the noise is free of the state: both readings agree",
            residual: conversion,
        },
    }],
};

fn conversion(bench: &Bench<'_>, settings: &Settings<'_>) -> Option<Finding> {
    let (ito, target) = match bench.lowered.free().sde.structure() {
        NoiseStructure::Additive => return None,
        NoiseStructure::Commutative => (Stepper::Milstein, 1.0),
        NoiseStructure::General { .. } => (Stepper::EulerMaruyama, 0.5),
    };
    let ito = scheme(ito, bench.lowered).ok()?;
    let stratonovich = scheme(Stepper::Heun, bench.lowered).ok()?;
    let mut walks = bench
        .listed(settings.spec)
        .filter_map(|s| stepper(bench, s));
    let steps = walks.next().map(|(_, steps)| steps);
    let nodes = nodes(
        bench,
        settings.spec,
        steps.unwrap_or(bench.lowered.problem.time_settings.steps),
    );
    let streams = bench.streams.scoped("conversion");
    let schemes: [&dyn Scheme; 2] = [ito.as_ref(), stratonovich.as_ref()];
    let distances: Vec<Vec<f64>> = (0..levels(settings.spec))
        .map(|level| {
            let paths = paths(settings.spec);
            path_distances(bench.lowered, schemes, &nodes, level, paths, &streams)
        })
        .collect();
    Some(order(bench, settings, &distances, target))
}

fn paths(spec: &CheckSpec) -> usize {
    spec.samples.unwrap_or(PATHS)
}

fn levels(spec: &CheckSpec) -> u32 {
    spec.levels.unwrap_or(LEVELS).clamp(2, 8) as u32
}

/// How a method walks, if it does, and in how many steps.
fn stepper(bench: &Bench<'_>, solution: &Solution) -> Option<(Stepper, usize)> {
    let stepper = Stepper::from_name(solution.method)?;
    let mut solvers = bench.lowered.problem.solvers.iter();
    let spec = solvers.find(|spec| spec.id == solution.id)?;
    Some((stepper, spec.options.count("steps")))
}

/// Times of a walk in steps of the length that a solver takes, from the start until the check's end.
fn nodes(bench: &Bench<'_>, spec: &CheckSpec, steps: usize) -> Vec<f64> {
    let (from, to) = bench.lowered.horizon();
    let h = (to - from) / steps as f64;
    let end = spec.until.unwrap_or(from + STEPS * h).min(to);
    let steps = ((end - from) / h).round().max(1.0) as usize;
    (0..=steps).map(|k| from + k as f64 * h).collect()
}

/// How far noise takes paths from the start, and how far that is from zero.
fn size_of_paths(bench: &Bench<'_>) -> f64 {
    let lowered = bench.lowered;
    let (from, to) = lowered.horizon();
    let start = lowered.draw_start(&bench.streams.role("size"), 0, 1).row(0);
    let noise = lowered.compiled.steered.diffusion().at(from, &start).norm();
    let away = start.iter().map(|x| x * x).sum::<f64>().sqrt();
    noise * (to - from).sqrt() + away
}

/// The order shown by distances of every path at successive levels.
fn order(
    bench: &Bench<'_>,
    settings: &Settings<'_>,
    distances: &[Vec<f64>],
    target: f64,
) -> Finding {
    let means: Vec<Estimate> = distances
        .iter()
        .map(|d| Estimate::from_samples(d))
        .collect();
    let largest = means.iter().map(|mean| mean.value).fold(0.0, nan_max);
    let unlike = |verdict: Verdict, note: String| {
        let residual = Residual::deterministic(largest, 0.0, settings.tolerance(ORDER_TOLERANCE));
        Finding::new(residual, note).judged(verdict)
    };
    if largest.is_nan() {
        let note = "paths leave the numbers where neither edges nor events keep them";
        return unlike(Verdict::Inconclusive, note.to_owned());
    }
    if largest <= ROUNDING * size_of_paths(bench) {
        let note = format!("paths agree to {largest:.1e} whatever the step: it is exact");
        return unlike(Verdict::Pass, note);
    }
    let slopes: Vec<f64> = means
        .windows(2)
        .map(|pair| (pair[0].value / pair[1].value).log2())
        .collect();
    let (last, count) = (slopes.len() - 1, distances[0].len());
    // The error of a ratio of means over the same paths, to first order.
    let [coarse, fine] = [&distances[last], &distances[last + 1]];
    let [a, b] = [means[last].value, means[last + 1].value];
    let relative: Vec<f64> = coarse
        .iter()
        .zip(fine)
        .map(|(c, f)| c / a - f / b)
        .collect();
    let error = Estimate::from_samples(&relative).error / std::f64::consts::LN_2;
    let settled = if last > 0 {
        // Where slopes approach the target their last change bounds what is left.
        let (before, now) = (slopes[last - 1] - target, slopes[last] - target);
        if now.abs() < before.abs() {
            (now - before).abs()
        } else {
            0.0
        }
    } else {
        0.0
    };
    let limit = settings.tolerance(ORDER_TOLERANCE);
    let residual = Residual::statistical(slopes[last], error, settled, limit, count).about(target);
    let shown: Vec<String> = slopes.iter().map(|s| format!("{s:.2}")).collect();
    let shown = shown.join(", ");
    Finding::new(
        residual,
        format!("orders {shown} from level to level, {count} paths"),
    )
}
