//! The main result in a sentence, and what the run does not show.

use crate::comparison::{Comparison, ComparisonRow};
use crate::numeric::estimate::Estimate;
use crate::problem::meant::law::Law;
use crate::report::number;
use crate::solvers::driver::Solution;
use crate::solvers::grid::discrete_value::DISCRETE_VALUE;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::run::Answers;
use crate::study::compared::Terms;
use crate::study::findings::Findings;
use crate::verification::identity::CheckResult;
use crate::verification::verdict::Verdict;

/// A control is called optimal when it misses at most this share of the optimal control's energy.
const OPTIMAL: f64 = 0.01;
/// Numbers of a process without control, most telling first.
const TELLING: [&str; 4] = ["passage_time", "mode", "mean_square", "mean_square_end"];

/// The main result.
pub(super) fn headline(found: &Findings) -> String {
    let (answers, comparison) = (&found.answers, &found.comparison);
    match found.terms() {
        Terms::Scores => energy_missed(answers, comparison),
        Terms::Policies => {
            let least = match found.lowered.averages() {
                true => "least average",
                false => "optimal",
            };
            normaliser(answers).unwrap_or_else(|| cost(answers, comparison, least, &found.lowered))
        }
        Terms::Numbers => numbers(answers),
    }
}

/// What the run does not show, one sentence each.
pub(super) fn limitations(found: &Findings) -> Vec<String> {
    let (lowered, comparison) = (&found.lowered, &found.comparison);
    let mut sentences = match found.terms() {
        Terms::Scores => of_scores(lowered, comparison),
        Terms::Policies => of_policies(lowered, comparison),
        Terms::Numbers => of_numbers(lowered),
    };
    sentences.extend(undecided(&found.checks));
    sentences
}

/// How much of the optimal control each method misses.
fn energy_missed(answers: &Answers, comparison: &Comparison) -> String {
    let Some(reference) = comparison.reference.as_deref() else {
        return format!(
            "{} of {} methods gave a control; none could serve as reference, so none is called optimal.",
            answers.solutions.len(),
            answers.asked.len()
        );
    };
    let others = || answers.asked.iter().filter(|spec| spec.id != reference);
    let asked = others().count();
    if asked == 0 {
        return format!(
            "`{reference}` is the only method, so there is nothing to compare it with."
        );
    }
    let mut found = Vec::new();
    let mut short = Vec::new();
    for spec in others() {
        let row = comparison.rows.iter().find(|row| row.solver == spec.id);
        let Some(left) = row.and_then(ComparisonRow::energy_missed) else {
            continue;
        };
        let line = format!("`{}` {}", spec.id, percent(&left));
        if left.value + 2.0 * left.error <= OPTIMAL {
            found.push(line);
        } else {
            short.push(line);
        }
    }
    let mut text = match (found.len(), asked) {
        (0, 1) => "The other method did not reach the optimum".to_owned(),
        (0, n) => format!("None of {n} methods reached the optimum"),
        (1, 1) => "The other method reached the optimum".to_owned(),
        (n, m) => format!("{n} of {m} methods reached the optimum"),
    };
    text.push_str(&format!(
        " (missing at most 1 % of the control energy E int |u*|^2, u* by `{reference}`)"
    ));
    if !found.is_empty() {
        text.push_str(&format!(": {}", found.join(", ")));
    }
    if !short.is_empty() {
        text.push_str(&format!(". Missing more: {}", short.join(", ")));
    }
    text.push('.');
    text
}

/// A share in percent, with its error.
fn percent(share: &Estimate) -> String {
    if share.value + 2.0 * share.error < 1e-5 {
        return "below 0.001 %".to_owned();
    }
    let hundred = Estimate::new(100.0 * share.value, 100.0 * share.error, share.kind);
    format!("{} %", number::with_error(&hundred))
}

/// What the solver that knows a number best says of it.
fn best<'a>(answers: &'a Answers, name: &str) -> Option<(&'a Solution, Estimate)> {
    let found = answers.solutions.iter().filter_map(|solution| {
        let mut quantities = solution.answer.quantities.iter();
        let found = quantities.find(|quantity| quantity.name == name)?;
        Some((solution, found.value))
    });
    found.min_by(|(_, a), (_, b)| a.error.total_cmp(&b.error))
}

fn normaliser(answers: &Answers) -> Option<String> {
    let (solution, log_z) = best(answers, "log_z")?;
    let (log_z, id) = (number::with_error(&log_z), &solution.id);
    Some(format!("log Z = {log_z} nats by `{id}`."))
}

/// The value by the most accurate method, and what no control would cost.
fn cost(answers: &Answers, comparison: &Comparison, least: &str, lowered: &Lowered) -> String {
    let (Some(reference), Some(value)) = (&comparison.reference, comparison.value) else {
        return format!(
            "{} of {} methods gave an answer; none with a policy and an error of its own.",
            answers.solutions.len(),
            answers.asked.len()
        );
    };
    let [called, counts, less] = match lowered.sign_of_costs() < 0.0 {
        true => ["gain", "gains", "more"],
        false => ["cost", "costs", "less"],
    };
    let mut text = format!(
        "The {least} {called} is {} by `{reference}`",
        number::with_error(&lowered.as_counted(value))
    );
    if let Some(idle) = comparison.uncontrolled {
        let idle = number::with_error(&lowered.as_counted(idle));
        text.push_str(&format!("; no control {counts} {idle}"));
    }
    text.push('.');
    if let Some(discrete) = comparison.named(DISCRETE_VALUE) {
        text.push_str(&format!(
            " At {} explicit steps nothing {counts} {less} than {}.",
            lowered.problem.time_settings.steps,
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

/// The main numbers of a process without control, each by the solver that knows it best.
fn numbers(answers: &Answers) -> String {
    let told = TELLING.iter().filter_map(|name| {
        let (solution, value) = best(answers, name)?;
        let (value, id) = (number::with_error(&value), &solution.id);
        Some(format!("{name} = {value} by `{id}`"))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        return format!(
            "{} of {} methods gave an answer.",
            answers.solutions.len(),
            answers.asked.len()
        );
    }
    format!("{}.", told.join("; "))
}

fn of_scores(lowered: &Lowered, comparison: &Comparison) -> Vec<String> {
    let mut sentences = Vec::new();
    let t_min = lowered.problem.time_settings.t_min;
    if t_min > lowered.noising().start() {
        sentences.push(format!(
            "The reverse process stops at t = {t_min}: samples and likelihoods are of the law there, not of the data law itself."
        ));
    }
    if let Law::Samples(samples) = &lowered.data() {
        sentences.push(format!(
            "The data law is the table smoothed by a Gaussian kernel of width {} in working units; the truth behind the table is not known.",
            samples.bandwidth
        ));
        if let Some(standardization) = &samples.standardization {
            sentences.push(format!(
                "Likelihoods are in standardized units; add {:.6} nats for those of the table.",
                standardization.volume().ln()
            ));
        }
    }
    match comparison.reference.as_deref() {
        Some("exact") => {}
        Some(reference) => sentences.push(format!(
            "There is no closed form: control errors are distances to `{reference}`, not to the truth."
        )),
        None => sentences.push(
            "No answer could serve as reference, so control errors were not measured.".to_owned(),
        ),
    }
    sentences
}

fn of_policies(lowered: &Lowered, comparison: &Comparison) -> Vec<String> {
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
    sentences
}

fn of_numbers(lowered: &Lowered) -> Vec<String> {
    let mut sentences = vec![
        "Errors of means over paths are standard errors: the bias of the step is not in them."
            .to_owned(),
    ];
    if !lowered.free().stops.is_empty() {
        sentences.push(format!(
            "Paths end at {}; the densities and the stationary law are those of the process without it.",
            lowered.free().stops.join(", ")
        ));
    }
    sentences
}

/// One sentence each on the checks that did not come to a verdict, and on those that were not run.
fn undecided(checks: &[CheckResult]) -> Vec<String> {
    let mut sentences = Vec::new();
    for (found, word) in [
        (Verdict::Inconclusive, "inconclusive"),
        (Verdict::Skipped, "skipped"),
    ] {
        let names: Vec<String> = checks
            .iter()
            .filter(|c| c.verdict == found)
            .map(|c| format!("{} on {}", c.check, c.on))
            .collect();
        if !names.is_empty() {
            sentences.push(format!("Checks {word}: {}.", names.join(", ")));
        }
    }
    sentences
}
