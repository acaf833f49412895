//! The rows of the record: what every solver gave, and what became of every check and reference number.

use crate::comparison::ComparisonRow;
use crate::comparison::evidence::LOG_Z_UPPER;
use crate::comparison::generated::Generation;
use crate::comparison::quantities::count_as_typed;
use crate::comparison::rows::Performance;
use crate::numeric::estimate::Estimate;
use crate::problem::meant::solver::SolverSpec;
use crate::report::record::{
    CheckRow, Fact, GeneratedRow, HistoryPoint, MeasuredQuantity, ReferenceRow, Solved,
    SolverOutcome, SolverRow,
};
use crate::solvers::driver::{Solution, Unsolved, Work};
use crate::solvers::lowered::answer::{Answer, Quantity};
use crate::solvers::lowered::problem::Lowered;
use crate::study::compared::Terms;
use crate::study::findings::Findings;
use crate::verification::identity::CheckResult;

/// Most states whose covariance goes into the record.
const COVARIANCE_STATES: usize = 64;

/// One row per requested solver.
pub(super) fn solver_rows(found: &Findings) -> Vec<SolverRow> {
    let row = |spec: &SolverSpec| SolverRow {
        id: spec.id.clone(),
        method: spec.method().to_owned(),
        settings: spec.summary(),
        outcome: outcome(found, &spec.id),
    };
    found.answers.asked.iter().map(row).collect()
}

fn outcome(found: &Findings, id: &str) -> SolverOutcome {
    let answers = &found.answers;
    if let Some(solution) = answers.solutions.iter().find(|s| s.id == id) {
        return SolverOutcome::Solved(Box::new(solved(found, solution)));
    }
    match answers.unsolved.iter().find(|(unsolved, _)| unsolved == id) {
        Some((_, Unsolved::Refused(refusal))) => SolverOutcome::Refused {
            reason: refusal.reason.clone(),
            accepted: refusal.accepted.clone(),
        },
        Some((_, Unsolved::Failed(error))) => SolverOutcome::Failed {
            message: error.to_string(),
        },
        None => unreachable!("every asked solver has an answer"),
    }
}

fn solved(found: &Findings, solution: &Solution) -> Solved {
    let (answer, terms, lowered) = (&solution.answer, found.terms(), &found.lowered);
    let counted = |cost: Option<Estimate>| cost.map(|cost| lowered.as_counted(cost));
    let reference = found.comparison.reference.as_deref();
    let is_reference = reference == Some(solution.id.as_str());
    let row = found.comparison.row(&solution.id);
    let error = row.and_then(|row| row.control_error.as_ref());
    let error = error.filter(|_| !is_reference);
    let performance = row.and_then(|row| row.performance.as_ref());
    let weights = performance.and_then(|performance| performance.weights.as_ref());
    let generated = row.map_or(&[][..], |row| &row.generated);
    let are_scores = terms == Terms::Scores;
    let data = are_scores.then(|| found.lowered.data().mixture()).flatten();
    Solved {
        stopped: solution.stopped.to_string(),
        converged: solution.stopped.is_converged(),
        control_error: error.map(|e| e.absolute),
        relative_control_error: error.map(|e| e.relative),
        against: match (terms, answer.policy.is_some()) {
            (Terms::Numbers, _) => "no control".to_owned(),
            _ if is_reference => String::new(),
            (Terms::Policies, false) => "no policy".to_owned(),
            _ => reference.unwrap_or_default().to_owned(),
        },
        value: counted(answer.cost.filter(|_| terms == Terms::Policies)),
        log_normalizer: quantity(solution, "log_z"),
        action: counted(performance.map(Performance::action)),
        step_bias: performance.map(|p| p.step_bias),
        gap: counted(performance.and_then(|p| p.gap)),
        gap_integral: counted(performance.and_then(|p| p.gap_integral)),
        path_kl: error.and_then(|e| e.path_divergence),
        effective_sample_size: weights
            .map(|w| w.effective_sample_size)
            .or(quantity(solution, "ess").map(|ess| ess.value)),
        log_weight_spread: weights.map(|w| w.log_spread),
        held_out_nll: row.and_then(|row| row.negative_log_likelihood),
        generated: generated.iter().map(generated_row).collect(),
        expected_mode_weights: data.map_or(Vec::new(), |mixture| mixture.weights),
        own_error: answer.own_error.filter(|_| are_scores),
        work: work_counts(&solution.work),
        facts: facts(lowered, answer, terms),
        quantities: match terms {
            Terms::Numbers => measured(answer.quantities.iter()),
            _ => beside_log_z(solution, row),
        },
        seconds: solution.seconds,
        history: answer
            .history
            .iter()
            .map(|entry| HistoryPoint {
                iteration: entry.iteration,
                objective: entry.objective,
                measured: entry.measured,
            })
            .collect(),
    }
}

/// Facts, and beside a policy the numbers that were found with it.
fn facts(lowered: &Lowered, answer: &Answer, terms: Terms) -> Vec<Fact> {
    let fact = |name: &str, value| Fact {
        name: name.to_owned(),
        value,
    };
    let mut quantities = answer.quantities.clone();
    let named = quantities.iter_mut();
    count_as_typed(lowered, named.map(|q| (q.name.as_str(), &mut q.value)));
    let beside = quantities.iter().filter(|_| terms == Terms::Policies);
    let beside = beside.map(|quantity| fact(&quantity.name, quantity.value.value));
    let own = answer.facts.iter().map(|(name, value)| fact(name, *value));
    own.chain(beside).collect()
}

fn work_counts(work: &Work) -> Vec<(String, u64)> {
    [
        ("iterations", work.iterations),
        ("field points", work.field_points),
        ("gradients", work.gradients),
        ("normals", work.normals),
        ("unknowns", work.unknowns),
        ("linear solves", work.linear_solves),
    ]
    .map(|(name, count)| (name.to_owned(), count))
    .to_vec()
}

/// A number the method found, by name.
fn quantity(solution: &Solution, name: &str) -> Option<Estimate> {
    let mut quantities = solution.answer.quantities.iter();
    quantities.find(|q| q.name == name).map(|q| q.value)
}

fn measured<'a>(quantities: impl Iterator<Item = &'a Quantity>) -> Vec<MeasuredQuantity> {
    let row = |quantity: &Quantity| MeasuredQuantity {
        name: quantity.name.clone(),
        value: Some(quantity.value),
    };
    quantities.map(row).collect()
}

/// Bounds of `log Z` and weights of modes: what a sampler found beside the columns of the comparison.
fn beside_log_z(solution: &Solution, row: Option<&ComparisonRow>) -> Vec<MeasuredQuantity> {
    if quantity(solution, "log_z").is_none() {
        return Vec::new();
    }
    let upper = row.and_then(|row| row.log_z_upper).map(|value| Quantity {
        name: LOG_Z_UPPER.to_owned(),
        value,
    });
    let own = solution.answer.quantities.iter();
    let own = own.filter(|q| !matches!(q.name.as_str(), "log_z" | "ess"));
    measured(own.chain(&upper))
}

fn generated_row(generation: &Generation) -> GeneratedRow {
    GeneratedRow {
        noise_level: generation.noise_level,
        transport: Some(generation.wasserstein.value),
        transport_floor: Some(generation.wasserstein.floor),
        energy_distance: Some(generation.energy.value),
        energy_floor: Some(generation.energy.floor),
        mode_weights: generation.mode_weights.clone(),
        paths: generation.samples.points(),
        mean: generation.mean.clone(),
        covariance: if generation.mean.len() <= COVARIANCE_STATES {
            generation.covariance.clone()
        } else {
            Vec::new()
        },
    }
}

/// One row per executed check; `reference:NAME` checks have rows of their own.
pub(super) fn check_rows(results: &[CheckResult]) -> Vec<CheckRow> {
    let row = |result: &CheckResult| CheckRow {
        check: result.check.clone(),
        on: result.on.clone(),
        measured: result.residual.map(|r| r.measured),
        target: result.residual.map_or(0.0, |r| r.target),
        se: result.residual.and_then(|r| r.standard_error),
        measured_text: result.proof_text(),
        limit: result.residual.map(|r| r.limit),
        limit_text: String::new(),
        latex: String::new(),
        formula: result.equation.to_owned(),
        meaning: result.source.to_owned(),
        verdict: result.verdict,
        reason: result.reason.clone(),
        hints: result
            .likely_causes()
            .map(|slip| format!("likely slip: {slip}"))
            .collect(),
    };
    results.iter().map(row).collect()
}

/// The file's known numbers beside what the run gave.
pub(super) fn reference_rows(found: &Findings) -> Vec<ReferenceRow> {
    let references = &found.lowered.problem.references;
    references
        .iter()
        .zip(&found.references)
        .map(|(reference, result)| ReferenceRow {
            name: reference.name.clone(),
            value: reference.value,
            measured: found.quantity(&reference.name),
            on: String::new(),
            tolerance: reference.tolerance,
            source: reference.source.clone(),
            verdict: result.verdict,
            reason: result.reason.clone(),
        })
        .collect()
}
