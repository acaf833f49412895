//! Fills the record of a control or sampling run. Copies and names; computes nothing.

use crate::cli::record::{self, answer_row, work_counts};
use crate::comparison::evidence::LOG_Z_UPPER;
use crate::comparison::{Comparison, ComparisonRow};
use crate::numeric::estimate::Estimate;
use crate::problem::Loaded;
use crate::problem::meant::task::Task;
use crate::report::number;
use crate::report::record::{
    Fact, HistoryPoint, MeasuredQuantity, Solved, SolverRow, StatementLine,
};
use crate::solvers::driver::Solution;
use crate::solvers::grid::discrete_value::DISCRETE_VALUE;
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::run::Answers;
use crate::verification::identity::CheckResult;

/// One row per requested solver.
pub fn solver_rows(answers: &Answers, comparison: &Comparison) -> Vec<SolverRow> {
    answers
        .asked
        .iter()
        .map(|spec| answer_row(spec, answers, |solution| solved(solution, comparison)))
        .collect()
}

/// A number the method found, by name.
fn quantity(outcome: &Answer, name: &str) -> Option<Estimate> {
    let mut quantities = outcome.quantities.iter();
    quantities.find(|q| q.name == name).map(|q| q.value)
}

fn solved(solution: &Solution, comparison: &Comparison) -> Solved {
    let row: Option<&ComparisonRow> = comparison.rows.iter().find(|r| r.solver == solution.id);
    let performance = row.and_then(|r| r.performance.as_ref());
    let error = row.and_then(|r| r.control_error.as_ref());
    let weights = performance.and_then(|p| p.weights.as_ref());
    let is_reference = comparison.reference.as_deref() == Some(solution.id.as_str());
    let outcome = &solution.answer;
    Solved {
        stopped: solution.stopped.to_string(),
        converged: solution.stopped.is_converged(),
        value: outcome.cost,
        log_normalizer: quantity(outcome, "log_z"),
        control_error: error.map(|e| e.absolute),
        relative_control_error: error.map(|e| e.relative),
        against: match (is_reference, outcome.policy.is_some()) {
            (false, true) => comparison.reference.clone().unwrap_or_default(),
            (false, false) => "no policy".to_owned(),
            (true, _) => String::new(),
        },
        action: performance.map(|p| p.cost),
        step_bias: performance.map(|p| p.step_bias),
        gap: performance.and_then(|p| p.gap),
        gap_integral: performance.and_then(|p| p.gap_integral),
        effective_sample_size: weights
            .map(|w| w.effective_sample_size)
            .or(quantity(outcome, "ess").map(|ess| ess.value)),
        log_weight_spread: weights.map(|w| w.log_spread),
        work: work_counts(&solution.work),
        facts: outcome
            .facts
            .iter()
            .map(|(name, value)| Fact {
                name: (*name).to_owned(),
                value: *value,
            })
            .chain(outcome.quantities.iter().map(|quantity| Fact {
                name: quantity.name.clone(),
                value: quantity.value.value,
            }))
            .collect(),
        quantities: beside_log_z(outcome, row),
        seconds: solution.seconds,
        history: outcome
            .history
            .iter()
            .map(|entry| HistoryPoint {
                iteration: entry.iteration,
                objective: entry.objective,
                measured: entry.measured,
            })
            .collect(),
        ..Solved::default()
    }
}

/// Bounds of `log Z` and weights of modes: what a sampler found beside the columns of the comparison.
fn beside_log_z(outcome: &Answer, row: Option<&ComparisonRow>) -> Vec<MeasuredQuantity> {
    if quantity(outcome, "log_z").is_none() {
        return Vec::new();
    }
    let own = outcome.quantities.iter();
    let own = own
        .filter(|q| !matches!(q.name.as_str(), "log_z" | "ess"))
        .map(|q| (q.name.clone(), q.value));
    let upper = row.and_then(|row| row.log_z_upper);
    own.chain(upper.map(|upper| (LOG_Z_UPPER.to_owned(), upper)))
        .map(|(name, value)| MeasuredQuantity {
            name,
            value: Some(value),
        })
        .collect()
}

/// The main result: the value by the most accurate method, and what no control would cost.
pub fn headline(answers: &Answers, comparison: &Comparison, steps: usize) -> String {
    // Of several normalisers the one with the smallest error.
    let normaliser = answers
        .solutions
        .iter()
        .filter_map(|solution| Some((&solution.id, quantity(&solution.answer, "log_z")?)))
        .min_by(|a, b| a.1.error.total_cmp(&b.1.error));
    if let Some((id, log_z)) = normaliser {
        return format!("log Z = {} nats by `{id}`.", number::with_error(&log_z));
    }
    let (Some(reference), Some(value)) = (&comparison.reference, comparison.value) else {
        return format!(
            "{} of {} methods gave an answer; none with a policy and an error of its own.",
            answers.solutions.len(),
            answers.asked.len()
        );
    };
    let mut text = format!(
        "The optimal cost is {} by `{reference}`",
        number::with_error(&value)
    );
    if let Some(idle) = &comparison.uncontrolled {
        text.push_str(&format!("; no control costs {}", number::with_error(idle)));
    }
    text.push('.');
    if let Some(discrete) = comparison.named(DISCRETE_VALUE) {
        text.push_str(&format!(
            " At {steps} explicit steps nothing costs less than {}.",
            number::significant(discrete.value, 7)
        ));
    }
    let mut found = Vec::new();
    for row in &comparison.rows {
        let Some(error) = row.control_error.as_ref() else {
            continue;
        };
        found.push(format!(
            "`{}` {}",
            row.solver,
            number::with_error(&error.relative)
        ));
    }
    if !found.is_empty() {
        text.push_str(&format!(
            " Relative distance of the other policies from it: {}.",
            found.join(", ")
        ));
    }
    text
}

/// What the run does not show, one sentence each.
pub fn limitations(
    lowered: &Lowered,
    comparison: &Comparison,
    checks: &[CheckResult],
) -> Vec<String> {
    let mut sentences = vec![format!(
        "Costs of policies are those of an Euler-Maruyama walk of {} steps; their distance from the limit of small steps is the step bias.",
        2 * lowered.problem.time_settings.steps.div_ceil(2)
    )];
    match &comparison.reference {
        Some(reference) => sentences.push(format!(
            "Distances are to the policy of `{reference}`, the one with the smallest error of its own."
        )),
        None => sentences.push(
            "No method gave a policy with an error of its own, so distances were not measured."
                .to_owned(),
        ),
    }
    sentences.extend(record::undecided(checks));
    sentences
}

/// The typeset problem.
pub fn statement(loaded: &Loaded, lowered: &Lowered) -> Vec<StatementLine> {
    let graph = &lowered.stated.graph;
    let (start, end) = lowered.stated.horizon;
    let mut lines = Vec::new();
    if matches!(loaded.problem.task, Task::Sample(_)) {
        lines.push(StatementLine {
            name: "asked for: draws and the normaliser".to_owned(),
            text: "inf S = -log Z + KL(prior, p_T); the process below runs in reverse time"
                .to_owned(),
            latex: r"\inf S = -\log Z + \mathrm{KL}(\pi, p_T)".to_owned(),
            lines: None,
        });
    }
    lines.push(StatementLine {
        name: "controlled process".to_owned(),
        text: format!(
            "dX = f dt + G dW, t in [{start}, {end}]\n{}",
            record::drift_and_noise(&lowered.stated)
        ),
        latex: format!(
            "dX = f(X,u,t)\\,dt + G\\,dW,\\quad t \\in [{start}, {end}]\n{}",
            record::typeset_drift_and_noise(&lowered.stated)
        ),
        lines: None,
    });
    lines.push(StatementLine {
        name: "cost".to_owned(),
        text: format!(
            "min over u of E[ Phi(X_T) + int l dt ]\nl = {}\nPhi = {}",
            graph.text(lowered.stated.running),
            graph.text(lowered.stated.terminal)
        ),
        latex: format!(
            "\\min_u\\; \\mathbb{{E}}\\Big[\\Phi(X_T) + \\int \\ell\\,dt\\Big]\n\\ell = {}\n\\Phi = {}",
            graph.latex(lowered.stated.running),
            graph.latex(lowered.stated.terminal)
        ),
        lines: None,
    });
    lines
}
