//! Claims with residuals: the catalogue of checks, verdicts, and probes for the usual slips.
//!
//! An identity has two sides that share no code; their difference is measured with an error and judged.
//! Nothing here tunes a solver to pass.

mod agreement;
pub mod bench;
pub mod catalogue;
pub mod claim;
pub mod densities;
pub mod derivatives;
mod differences;
pub mod equations;
pub mod identity;
pub mod laws;
pub mod losses;
pub mod normaliser;
pub mod optimality;
pub mod orders;
pub mod policies;
pub mod references;

mod slips;
pub mod subject;
pub mod tables;
pub mod trial;
pub mod verdict;
pub mod vocabulary;
pub mod work_precision;

use crate::numeric::digits::significant;
use crate::numeric::time_limit::{OutOfTime, in_time};
use crate::problem::meant::model::CheckSpec;
use crate::verification::bench::Bench;
use crate::verification::catalogue::{find, identity, with_proofs};
use crate::verification::identity::{
    Check, CheckResult, Finding, Identity, Measure, Measured, Settings, skipped,
};
use crate::verification::slips::probe;
use crate::verification::subject::Subject;
use crate::verification::verdict::{Residual, Verdict};

/// Why a check was skipped that the time did not suffice for.
pub const OUT_OF_TIME: &str = "the time was up";

/// Runs every check that is asked for on every answer it is about, as far as the time suffices.
pub fn verify(
    bench: &Bench<'_>,
    checks: &[&'static Check],
    asked: &[CheckSpec],
) -> Vec<CheckResult> {
    let mut results = Vec::new();
    for spec in asked {
        let (found, reason) = match find(checks, &spec.check) {
            Some(check) => {
                let run = in_time(|| run(bench, check, spec));
                run.unwrap_or_else(|OutOfTime| (Vec::new(), OUT_OF_TIME))
            }
            None => (Vec::new(), "no check of that name in this version"),
        };
        if found.is_empty() {
            results.push(skipped(spec, "all", reason));
        }
        results.extend(found);
    }
    with_proofs(results, bench, checks, asked)
}

/// One check on all it is about, with what it needs where that is nothing.
fn run(
    bench: &Bench<'_>,
    check: &'static Check,
    spec: &CheckSpec,
) -> (Vec<CheckResult>, &'static str) {
    let Some(identity) = identity(check, bench) else {
        return (
            Vec::new(),
            "needs data that can be drawn, and noise free of the state",
        );
    };
    let settings = Settings {
        spec,
        streams: bench.streams,
    };
    match &identity.measure {
        Measure::Claim {
            scope, residual, ..
        } => {
            let streams = bench.streams.scoped(&spec.id);
            let judged = |subject: &Subject<'_>| {
                let streams = streams.scoped(subject.name);
                judge_claim(identity, *residual, subject, &Settings { spec, streams })
            };
            let rows = bench.subjects(*scope, spec).iter().map(judged).collect();
            let needs = "no answer it is about (a closed form, or a solver with a log density)";
            (rows, needs)
        }
        Measure::Answer { needs, residual } => {
            let rows = bench.listed(spec).filter_map(|solution| {
                let finding = residual(bench, solution, &settings)?;
                Some(judge(identity, &solution.id, finding, spec))
            });
            (rows.collect(), needs(bench.lowered))
        }
        Measure::Problem {
            on,
            needs,
            residual,
        } => {
            let finding = residual(bench, &settings);
            let row = finding.map(|finding| judge(identity, on, finding, spec));
            (row.into_iter().collect(), needs)
        }
    }
}

/// Runs a check of claims on one subject and judges it; a failure is probed for the usual slips.
///
/// # Panics
/// If the check is of no claims.
pub fn check_claim(
    check: &'static Check,
    subject: &Subject<'_>,
    settings: &Settings<'_>,
) -> CheckResult {
    let measures = check.identities.iter().map(|i| (i, &i.measure));
    let mut claims = measures.filter_map(|(identity, measure)| match measure {
        Measure::Claim { residual, .. } => Some((identity, *residual)),
        _ => None,
    });
    let (identity, residual) = claims.next().expect("a check of claims");
    judge_claim(identity, residual, subject, settings)
}

fn judge_claim(
    identity: &'static Identity,
    residual: fn(&Subject<'_>, &Settings<'_>) -> Measured,
    subject: &Subject<'_>,
    settings: &Settings<'_>,
) -> CheckResult {
    let finding = match residual(subject, settings) {
        Ok(finding) => finding,
        Err(reason) => {
            return CheckResult {
                equation: identity.equation,
                source: identity.source,
                ..skipped(settings.spec, subject.name, &reason.to_string())
            };
        }
    };
    let mut result = judge(identity, subject.name, finding, settings.spec);
    if result.verdict == Verdict::Fail {
        result.probe = probe(residual, subject, settings);
        let cause = result.likely_causes().next();
        if let Some(cause) = cause {
            result.reason = format!("{}; likely: {cause}", result.reason);
        }
    }
    result
}

/// The verdict of a finding.
fn judge(identity: &'static Identity, on: &str, finding: Finding, spec: &CheckSpec) -> CheckResult {
    let residual = finding.residual;
    let own = residual.verdict(spec.confidence);
    let reason = match (finding.verdict, own) {
        (None, Verdict::Inconclusive) => {
            format!("{}; {}", finding.note, wanting(&residual, spec.confidence))
        }
        _ => finding.note,
    };
    CheckResult {
        residual: Some(residual),
        verdict: finding.verdict.unwrap_or(own),
        equation: finding.equation.unwrap_or(identity.equation),
        source: identity.source,
        ..skipped(spec, on, &reason)
    }
}

/// What would decide an inconclusive residual.
fn wanting(residual: &Residual, confidence: f64) -> String {
    let bar = significant(residual.error_bar(confidence), 2);
    let limit = significant(residual.limit, 2);
    match residual.samples_needed(confidence) {
        Some(factor) if factor > 1.0 => {
            let now = match residual.samples {
                0 => String::new(),
                samples => format!(" (now {samples})"),
            };
            let factor = significant(factor, 2);
            format!(
                "error bar {bar} against tolerance {limit}: needs about {factor} times more samples{now}"
            )
        }
        _ => format!(
            "error bar {bar} (systematic part {}) against tolerance {limit}: needs a finer resolution",
            significant(residual.bias, 2)
        ),
    }
}
