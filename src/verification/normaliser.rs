//! Checks of sampling: the normaliser `Z = ∫ rho` and the draws.

use crate::comparison::evidence::exact_draws;
use crate::numeric::digits::significant;
use crate::numeric::estimate::Estimate;
use crate::problem::meant::kind::SAMPLE;
use crate::problem::meant::law::Law;
use crate::problem::meant::task::Task;
use crate::solvers::driver::Solution;
use crate::solvers::lowered::answer::{LOG_Z_LOWER, LOG_Z_UPPER_ESTIMATE};
use crate::solvers::lowered::problem::Lowered;
use crate::verification::bench::Bench;
use crate::verification::identity::{Check, Finding, Identity, Measure, Settings, card};
use crate::verification::verdict::{Residual, Verdict};

/// Nats.
const LOG_TOLERANCE: f64 = 0.1;
/// Nats between the bounds.
const WIDTH: f64 = 0.2;
/// Distance of distribution functions.
const DISTANCE: f64 = 0.05;
/// Exact draws.
const DRAWS: usize = 32_768;

fn target(lowered: &Lowered) -> Option<&Law> {
    match &lowered.problem.task {
        Task::Sample(task) => Some(&task.target),
        _ => None,
    }
}

/// `log Z` as the file states it; zero for a law that is normalised.
fn known(lowered: &Lowered) -> Option<f64> {
    match target(lowered)? {
        Law::LogDensity(law) => law.log_normalizer,
        law => law.mixture().map(|_| 0.0),
    }
}

/// `log Z` by the method and as the file states it.
pub static LOG_Z: Check = Check {
    card: card("log-z", SAMPLE),
    identities: &[Identity {
        equation: "Z = E[w]",
        source: "definition of the normaliser",
        measure: Measure::answer(
            |_| "needs a method with log_z, and target.log_z in the file",
            log_z,
        ),
    }],
};

fn log_z(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let found = solution.answer.quantity("log_z")?;
    let truth = known(bench.lowered)?;
    let limit = settings.tolerance(LOG_TOLERANCE);
    Some(Finding::new(
        Residual::statistical(found.value - truth, found.error, 0.0, limit, 0),
        format!(
            "computed {:.5} nats, known {truth:.5}; its own standard error is {:.2}",
            found.value, found.error
        ),
    ))
}

/// The normaliser must lie between the bounds, `E log w` from below and `E_target log w` from above, and these close
/// together.
///
/// The upper one comes from draws of the target where there are any. Without, the method's own estimate of it is
/// judged only against a known normaliser: it misses what the lower bound misses.
pub static EVIDENCE_BRACKET: Check = Check {
    card: card("evidence-bracket", SAMPLE),
    identities: &[Identity {
        equation: "E[log w] <= log Z <= E_target[log w]",
        source: "Jensen's inequality; Grosse, Ghahramani & Adams (2015)",
        measure: Measure::answer(
            |_| "needs a method with bounds, and in the file target.log_z, [target.exact] or a mixture as target",
            bracket,
        ),
    }],
};

fn bracket(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let from_draws = bench.row(solution)?.log_z_upper;
    let lower = solution.answer.quantity(LOG_Z_LOWER);
    let (upper, from) = match from_draws {
        Some(upper) => (upper, "backwards from draws of the target"),
        None => (
            solution.answer.quantity(LOG_Z_UPPER_ESTIMATE)?,
            "estimated from the method's own weights, which do not see what it misses",
        ),
    };
    let (middle, called) = match known(bench.lowered) {
        Some(truth) => (Estimate::closed_form(truth), "known"),
        None if from_draws.is_some() => (solution.answer.quantity("log_z")?, "the method's"),
        None => return None,
    };
    let (tolerance, confidence) = (settings.tolerance(WIDTH), settings.spec.confidence);
    let judged = judge(lower, middle, upper, tolerance, confidence);
    let shown = |bound: Estimate| {
        let [value, error] = [(bound.value, 6), (bound.error, 2)].map(|(x, n)| significant(x, n));
        format!("{value} (error {error})")
    };
    let note = format!(
        "{}: lower bound {}, {called} log Z {}, upper bound {}, {from}",
        judged.found,
        lower.map_or("none, a weight is zero".to_owned(), shown),
        significant(middle.value, 6),
        shown(upper),
    );
    Some(Finding::new(judged.residual, note).judged(judged.verdict))
}

/// What the bounds say.
struct Judged {
    residual: Residual,
    verdict: Verdict,
    found: &'static str,
}

/// A bound on the wrong side of the normaliser by more than its error fails; else the distance of the bounds counts.
fn judge(
    lower: Option<Estimate>,
    middle: Estimate,
    upper: Estimate,
    tolerance: f64,
    confidence: f64,
) -> Judged {
    let beyond = [
        lower.map(|lower| (lower.minus(&middle), "the lower bound is above")),
        Some((middle.minus(&upper), "the upper bound is below")),
    ];
    for (excess, found) in beyond.into_iter().flatten() {
        if excess.value > confidence * excess.error {
            let mut residual = Residual::statistical(excess.value, excess.error, 0.0, 0.0, 0);
            residual.limit = confidence * excess.error;
            return Judged {
                residual,
                verdict: Verdict::Fail,
                found,
            };
        }
    }
    let lowest = Estimate::new(f64::NEG_INFINITY, 0.0, upper.kind);
    let width = upper.minus(&lower.unwrap_or(lowest));
    let residual = Residual::statistical(width.value, width.error, 0.0, tolerance, 0);
    let verdict = residual.verdict(confidence);
    Judged {
        residual,
        verdict,
        found: match verdict {
            Verdict::Pass => "between close bounds",
            Verdict::Fail => "between bounds far apart: mass is missed, or steps are too few",
            _ => "between bounds with large errors",
        },
    }
}

/// Largest distance of the distribution functions of two samples.
fn distance(own: &[f64], exact: &[f64]) -> f64 {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (own, exact) = (sorted(own), sorted(exact));
    let mut below = 0;
    let mut largest = 0.0_f64;
    for (i, x) in exact.iter().enumerate() {
        while below < own.len() && own[below] <= *x {
            below += 1;
        }
        let here = below as f64 / own.len() as f64;
        largest = largest.max((here - (i + 1) as f64 / exact.len() as f64).abs());
    }
    largest
}

/// Marginals of the draws and of exact draws, largest distance of distribution functions.
const DRAWN: Identity = Identity {
    equation: "sup |F - F_exact| = 0",
    source: "Kolmogorov (1933)",
    measure: Measure::answer(
        |_| "needs a method with draws, and [target.exact] or a mixture as target",
        draws,
    ),
};

/// Two names of one identity.
pub static QUANTILES: Check = Check {
    card: card("quantiles", SAMPLE),
    identities: &[DRAWN],
};

pub static EXACT_DRAWS: Check = Check {
    card: card("exact-draws", SAMPLE),
    identities: &[DRAWN],
};

fn draws(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let own = solution.answer.samples.as_ref()?;
    let exact = exact_draws(bench.lowered, &bench.streams.role("exact draws"), DRAWS)?;
    let distances: Vec<f64> = (0..own.columns())
        .map(|j| distance(own.column(j), exact.column(j)))
        .collect();
    let (worst, largest) = distances
        .iter()
        .enumerate()
        .fold(
            (0, 0.0_f64),
            |(k, most), (j, d)| {
                if *d > most { (j, *d) } else { (k, most) }
            },
        );
    // Independent draws differ by about this much in one of two samples.
    let floor = (1.0 / own.points() as f64 + 1.0 / exact.points() as f64).sqrt();
    Some(Finding::new(
        Residual::deterministic(largest, floor, settings.tolerance(DISTANCE)),
        format!(
            "largest distance of distribution functions over {} coordinates, at {}; {} draws against {DRAWS} exact ones",
            own.columns(),
            bench.lowered.problem.state_names[worst],
            own.points()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::estimate::ErrorKind;

    #[test]
    fn bounds_are_judged_by_side_and_by_distance() {
        let verdict = |lower: (f64, f64), middle: f64, upper: (f64, f64)| {
            let [lower, upper] =
                [lower, upper].map(|(v, e)| Estimate::new(v, e, ErrorKind::StandardError));
            let middle = Estimate::closed_form(middle);
            judge(Some(lower), middle, upper, 0.2, 4.0).verdict
        };
        assert_eq!(verdict((-0.05, 0.01), 0.0, (0.05, 0.01)), Verdict::Pass);
        // Within the errors of either bound.
        assert_eq!(verdict((0.03, 0.01), 0.0, (0.05, 0.01)), Verdict::Pass);
        // On the wrong side.
        assert_eq!(verdict((0.05, 0.01), 0.0, (0.06, 0.01)), Verdict::Fail);
        assert_eq!(verdict((-0.2, 0.01), 0.0, (-0.1, 0.01)), Verdict::Fail);
        // A missed mode.
        assert_eq!(verdict((-0.1, 0.01), 0.0, (30.0, 5.0)), Verdict::Fail);
        // Nothing can be said yet.
        assert_eq!(verdict((-0.1, 0.1), 0.0, (0.1, 0.1)), Verdict::Inconclusive);
        let upper = Estimate::new(0.1, 0.01, ErrorKind::StandardError);
        let judged = judge(None, Estimate::closed_form(0.0), upper, 0.2, 4.0);
        assert_eq!(judged.verdict, Verdict::Fail, "no lower bound at all");
    }

    #[test]
    fn distribution_functions_of_shifted_samples_differ_by_the_shift() {
        let uniform: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
        let shifted: Vec<f64> = uniform.iter().map(|x| x + 0.25).collect();
        assert!((distance(&shifted, &uniform) - 0.25).abs() < 2e-3);
        assert!(distance(&uniform, &uniform) < 1e-12);
    }
}
