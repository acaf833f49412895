//! Checks of sampling: the normaliser `Z = ∫ rho` and the draws.
//!
//! | check | two sides |
//! |---|---|
//! | `log-z` | `log Z` by the method and as the file states it |
//! | `evidence-bracket` | the method's lower bound `E log w` and `log Z` |
//! | `quantiles`, `exact-draws` | marginals of the draws and of exact draws, largest distance of distribution functions |

use crate::expr::Kernel;
use crate::field::draws::draw_mixture;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Stream;
use crate::problem::law::Law;
use crate::problem::model::CheckSpec;
use crate::problem::task::Task;
use crate::solvers::Solution;
use crate::solvers::control::{ControlOutcome, ControlProblem};
use crate::verification::identity::{CheckResult, skipped};
use crate::verification::verdict::{Residual, Verdict};

/// Nats.
const LOG_TOLERANCE: f64 = 0.1;
/// Distance of distribution functions.
const DISTANCE: f64 = 0.05;
/// Exact draws.
const DRAWS: usize = 32_768;

fn target(problem: &ControlProblem) -> Option<&Law> {
    match &problem.problem.task {
        Task::Sample(task) => Some(&task.target),
        _ => None,
    }
}

/// `log Z` as the file states it; zero for a law that is normalised.
fn known(problem: &ControlProblem) -> Option<f64> {
    match target(problem)? {
        Law::LogDensity(law) => law.log_normalizer,
        law => law.mixture().map(|_| 0.0),
    }
}

fn quantity(solution: &Solution<ControlOutcome>, name: &str) -> Option<Estimate> {
    let mut quantities = solution.outcome.quantities.iter();
    quantities.find(|q| q.name == name).map(|q| q.value)
}

/// The method's `log Z` against the file's.
pub(super) fn log_z(
    problem: &ControlProblem,
    spec: &CheckSpec,
    solution: &Solution<ControlOutcome>,
) -> Option<CheckResult> {
    let (found, truth) = (quantity(solution, "log_z")?, known(problem)?);
    let residual = Residual::statistical(
        found.value - truth,
        found.error,
        0.0,
        spec.tolerance.unwrap_or(LOG_TOLERANCE),
        0,
    );
    Some(CheckResult {
        residual: Some(residual),
        verdict: residual.verdict(spec.confidence),
        reason: format!(
            "computed {:.5} nats, known {truth:.5}; its own standard error is {:.2}",
            found.value, found.error
        ),
        false_alarm: residual.false_alarm(spec.confidence),
        equation: "Z = E[w]",
        source: "definition of the normaliser",
        ..skipped(spec, &solution.id, "")
    })
}

/// The lower bound must lie below the normaliser.
pub(super) fn bracket(
    problem: &ControlProblem,
    spec: &CheckSpec,
    solution: &Solution<ControlOutcome>,
) -> Option<CheckResult> {
    let lower = quantity(solution, "log_z_lower_bound")?;
    let truth = known(problem)?;
    let residual = Residual {
        standard_error: Some(lower.error),
        ..Residual::deterministic(lower.value - truth, 0.0, spec.confidence * lower.error)
    };
    let verdict = if residual.measured > residual.limit || residual.measured.is_nan() {
        Verdict::Fail
    } else {
        Verdict::Pass
    };
    Some(CheckResult {
        residual: Some(residual),
        verdict,
        reason: format!(
            "lower bound {:.5} nats, log Z {truth:.5}; an upper bound needs exact draws and is not computed",
            lower.value
        ),
        false_alarm: residual.false_alarm(spec.confidence),
        equation: "E[log w] <= log Z",
        source: "Jensen's inequality",
        ..skipped(spec, &solution.id, "")
    })
}

/// Exact draws of the target, where it has them.
fn exact(problem: &ControlProblem, stream: &Stream) -> Option<Batch> {
    match target(problem)? {
        Law::LogDensity(law) => {
            let draws = law.exact.as_ref()?;
            let graph = &problem.problem.graph;
            let kernel =
                Kernel::compile(graph, &draws.map, problem.problem.time, &draws.noise).ok()?;
            let mut noise = Batch::zeros(DRAWS, draws.noise.len());
            stream.normals(0, 0, noise.as_mut());
            let mut points = Batch::zeros(DRAWS, draws.map.len());
            kernel.eval(0.0, noise.as_ref(), points.as_mut());
            Some(points)
        }
        law => Some(draw_mixture(&law.mixture()?, stream, 0, DRAWS)),
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

/// Marginals of the draws against exact ones.
pub(super) fn draws(
    problem: &ControlProblem,
    spec: &CheckSpec,
    solution: &Solution<ControlOutcome>,
    stream: &Stream,
) -> Option<CheckResult> {
    let own = solution.outcome.samples.as_ref()?;
    let exact = exact(problem, stream)?;
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
    let residual = Residual {
        bias: floor,
        ..Residual::deterministic(largest, 0.0, spec.tolerance.unwrap_or(DISTANCE))
    };
    Some(CheckResult {
        residual: Some(residual),
        verdict: residual.verdict(spec.confidence),
        reason: format!(
            "largest distance of distribution functions over {} coordinates, at {}; {} draws against {DRAWS} exact ones",
            own.columns(),
            problem.problem.state_names[worst],
            own.points()
        ),
        equation: "sup |F - F_exact| = 0",
        source: "Kolmogorov (1933)",
        ..skipped(spec, &solution.id, "")
    })
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distribution_functions_of_shifted_samples_differ_by_the_shift() {
        let uniform: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
        let shifted: Vec<f64> = uniform.iter().map(|x| x + 0.25).collect();
        assert!((distance(&shifted, &uniform) - 0.25).abs() < 2e-3);
        assert!(distance(&uniform, &uniform) < 1e-12);
    }
}
