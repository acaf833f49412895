//! Identities of laws that methods for simulations find: conservation, the forward and the backward equation.

use crate::numeric::estimate::ErrorKind;
use crate::problem::meant::kind::SIMULATE;
use crate::solvers::driver::Solution;
use crate::solvers::grid::line::Line;
use crate::solvers::lowered::answer::DensityRecord;
use crate::verification::bench::Bench;
use crate::verification::identity::{Check, Finding, Identity, Measure, Settings, card};
use crate::verification::verdict::{Residual, Verdict};

/// Nodes of a difference quotient.
const STENCIL: usize = 7;
/// Share of a density's top below which its relative errors do not count.
const SMALL: f64 = 1e-6;

/// Mass, and what was absorbed.
pub static MASS: Check = Check {
    card: card("mass", SIMULATE),
    identities: &[Identity {
        equation: "int p + absorbed = 1",
        source: "conservation of probability",
        measure: Measure::answer(|_| "no density on a grid: method fpk", mass),
    }],
};

fn mass(_: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let (inside, absorbed) = solution.answer.law.mass?;
    let limit = settings.tolerance(1e-9);
    let residual = Residual::deterministic(inside + absorbed - 1.0, 0.0, limit);
    Some(Finding::new(
        residual,
        format!("{inside:.12} inside, {absorbed:.3e} absorbed at the edges"),
    ))
}

/// Terms of the Fokker–Planck equation about the middle of the horizon, by differences the solver does not use, on
/// two grids.
pub static FPK_RESIDUAL: Check = Check {
    card: card("fpk-residual", SIMULATE),
    identities: &[Identity {
        equation: "p_t = -(f p)' + 1/2 (D p)''",
        source: "Fokker-Planck equation; Risken (1989), chapter 4",
        measure: Measure::answer(|_| "no density on a grid: method fpk", forward),
    }],
};

fn forward(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let [fine, coarse] = &solution.answer.law.densities[..] else {
        return None;
    };
    let measured = forward_residual(bench, fine)?;
    let coarser = forward_residual(bench, coarse)?;
    let residual = Residual::deterministic(measured, 0.0, settings.limit(1e-2, 1.0));
    let order = (coarser / measured).log2();
    let verdict = match residual.verdict(settings.spec.confidence) {
        // A residual that does not fall is one of another equation, however small.
        Verdict::Pass if order < 1.0 => Verdict::Fail,
        verdict => verdict,
    };
    let note = format!(
        "rms residual over the rms of the largest term at t = {:.3}, falling with order {order:.2}",
        fine.middle[1].time
    );
    Some(Finding::new(residual, note).judged(verdict))
}

fn forward_residual(bench: &Bench<'_>, record: &DensityRecord) -> Option<f64> {
    let line = Line::new(bench.lowered).ok()?;
    let axis = record.axis;
    let (h, n) = (axis.step, axis.count);
    let [before, at, after] = &record.middle;
    let nodes: Vec<f64> = (0..n).map(|i| axis.node(i)).collect();
    let coefficients = line.at_time(at.time, &nodes);
    let product = |k: usize| -> Vec<f64> {
        let values = coefficients.column(k).iter().zip(&at.density);
        values.map(|(c, p)| c * p).collect()
    };
    let (carried, spread) = (product(0), product(1));
    let (a, b) = (at.time - before.time, after.time - at.time);
    let (mut residual, mut largest) = (0.0, [0.0; 3]);
    for i in 2..n - 2 {
        let [p, q, r] = [&before.density, &at.density, &after.density].map(|d| d[i]);
        let rate = (a * a * (r - q) + b * b * (q - p)) / (a * b * (a + b));
        // Five nodes, order four.
        let first = |g: &[f64]| (8.0 * (g[i + 1] - g[i - 1]) - (g[i + 2] - g[i - 2])) / (12.0 * h);
        let second = |g: &[f64]| {
            (16.0 * (g[i + 1] + g[i - 1]) - (g[i + 2] + g[i - 2]) - 30.0 * g[i]) / (12.0 * h * h)
        };
        let terms = [rate, first(&carried), -0.5 * second(&spread)];
        residual += terms.iter().sum::<f64>().powi(2);
        for (largest, term) in largest.iter_mut().zip(terms) {
            *largest += term * term;
        }
    }
    let largest = largest.into_iter().fold(0.0, f64::max);
    Some((residual / largest).sqrt())
}

/// The flux of the stationary density, by differences.
pub static STATIONARY_FLUX: Check = Check {
    card: card("stationary-flux", SIMULATE),
    identities: &[Identity {
        equation: "f p - 1/2 (D p)' = 0",
        source: "Gardiner (2009), section 5.3",
        measure: Measure::answer(
            |_| "no stationary density in one state: method stationary",
            flux,
        ),
    }],
};

fn flux(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let law = solution.answer.law.stationary.as_ref()?;
    let line = Line::new(bench.lowered).ok()?;
    let coefficients = line.at_time(bench.lowered.horizon().0, &law.nodes);
    let spread: Vec<f64> = coefficients
        .column(1)
        .iter()
        .zip(&law.density)
        .map(|(d, p)| d * p)
        .collect();
    let top = law.density.iter().copied().fold(0.0, f64::max);
    let (mut residual, mut largest) = (0.0, 0.0);
    for i in 0..=law.nodes.len().checked_sub(STENCIL)? {
        let centre = i + STENCIL / 2;
        if law.density[centre] < SMALL * top {
            continue;
        }
        let window = i..i + STENCIL;
        let weights = slope_weights(&law.nodes[window.clone()], law.nodes[centre]);
        let slope: f64 = weights
            .iter()
            .zip(&spread[window])
            .map(|(w, g)| w * g)
            .sum();
        let carried = coefficients.get(centre, 0) * law.density[centre];
        residual += (carried - 0.5 * slope).powi(2);
        largest += carried.powi(2).max((0.5 * slope).powi(2));
    }
    let limit = settings.limit(1e-5, 1.0);
    Some(Finding::new(
        Residual::deterministic((residual / largest).sqrt(), 0.0, limit),
        format!("rms flux over the rms of its parts, {STENCIL}-node differences"),
    ))
}

/// Weights of the derivative at `x` of the polynomial through the nodes.
fn slope_weights(nodes: &[f64], x: f64) -> Vec<f64> {
    let others = |j: usize| (0..nodes.len()).filter(move |k| *k != j);
    (0..nodes.len())
        .map(|j| {
            let bottom: f64 = others(j).map(|k| nodes[j] - nodes[k]).product();
            let top: f64 = others(j)
                .map(|left| {
                    others(j)
                        .filter(|k| *k != left)
                        .map(|k| x - nodes[k])
                        .product::<f64>()
                })
                .sum();
            top / bottom
        })
        .collect()
}

/// Simulated times of the event and the backward equation.
pub static FIRST_PASSAGE: Check = Check {
    card: card("first-passage", SIMULATE),
    identities: &[Identity {
        equation: "E tau = T(x),  L T = -1",
        source: "Pontryagin, Andronov & Vitt (1933); Gardiner (2009), section 5.5",
        measure: Measure::answer(
            |_| "needs paths that reach their event, and method first-passage",
            passage,
        ),
    }],
};

fn passage(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let time = |solution: &Solution| solution.answer.quantity("passage_time");
    let simulated = time(solution).filter(|e| e.kind == ErrorKind::StandardError)?;
    let mut solutions = bench.solutions.iter();
    let backward = solutions.find(|s| s.method == "first-passage");
    let other = bench.against(settings.spec, backward)?;
    let exact = time(other)?;
    // An error bar wider than a tenth of the time says too little.
    let limit = settings.tolerance(0.1 * exact.value);
    let residual = Residual::statistical(
        simulated.value - exact.value,
        simulated.error,
        exact.error,
        limit,
        bench.lowered.problem.run.paths,
    );
    let confidence = settings.spec.confidence;
    let excursion = residual.distance() > residual.error_bar(confidence);
    let verdict = match residual.verdict(confidence) {
        Verdict::Pass if excursion => Verdict::Fail,
        verdict => verdict,
    };
    let facts = solution.answer.facts.iter();
    let left = facts
        .filter(|(name, _)| *name == "paths without an event")
        .map(|(_, share)| *share)
        .fold(0.0, f64::max);
    let note = format!(
        "{:.4} against {:.4} by `{}`; {:.2} % of the paths end before the event",
        simulated.value,
        exact.value,
        other.id,
        100.0 * left
    );
    Some(Finding::new(residual, note).judged(verdict))
}
