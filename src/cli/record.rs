//! Fills the record of a run from what the rooms found. Copies and names; computes nothing.

use crate::comparison::generated::Generation;
use crate::comparison::{Comparison, ComparisonRow};
use crate::derivation::ground::stated::Stated;
use crate::derivation::{self, Derivation};
use crate::expr::Expr;
use crate::numeric::estimate::Estimate;
use crate::problem::Loaded;
use crate::problem::meant::law::Law;
use crate::problem::meant::model::{CheckSpec, Problem, Reference};
use crate::problem::meant::solver::SolverSpec;
use crate::report::number;
use crate::report::record::{
    CheckRow, DerivationStep, Environment, Evidence, Fact, GeneratedRow, HistoryPoint, Identity,
    Phase, ReferenceRow, Solved, SolverOutcome, SolverRow, StatementLine, StructureFinding,
};
use crate::solvers::driver::{Solution, Unsolved, Work};
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::run::Answers;
use crate::verification::identity::CheckResult;
use crate::verification::verdict::Verdict;

/// Entries of a vector that a statement shows.
const LISTED: usize = 4;

/// Which file was solved.
pub fn identity(loaded: &Loaded, file: &str) -> Identity {
    let problem = &loaded.problem;
    Identity {
        name: problem.name.clone(),
        title: problem.title.clone(),
        about: problem.about.clone(),
        kind: problem.kind().to_string(),
        states: problem.state_names.clone(),
        file: file.to_owned(),
        text: loaded.source.text().to_owned(),
        resolved: loaded.resolved.clone(),
        hash: Identity::hash_of(&loaded.resolved),
    }
}

/// Where and how it ran.
pub fn environment(loaded: &Loaded, command: &str, phases: Vec<Phase>) -> Environment {
    Environment {
        program: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command.to_owned(),
        seed: loaded.problem.run.seed,
        threads: rayon::current_num_threads(),
        machine: format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
        phases,
    }
}

pub fn work_counts(work: &Work) -> Vec<(String, u64)> {
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

/// One row per requested solver.
pub fn solver_rows(
    answers: &Answers,
    comparison: &Comparison,
    expected_modes: &[f64],
) -> Vec<SolverRow> {
    answers
        .asked
        .iter()
        .map(|spec| {
            answer_row(spec, answers, |solution| {
                solved(solution, comparison, expected_modes)
            })
        })
        .collect()
}

/// The row of one requested solver, whatever became of it.
pub fn answer_row(
    spec: &SolverSpec,
    answers: &Answers,
    solved: impl Fn(&Solution) -> Solved,
) -> SolverRow {
    let solution = answers.solutions.iter().find(|s| s.id == spec.id);
    let unsolved = answers.unsolved.iter().find(|(id, _)| *id == spec.id);
    SolverRow {
        id: spec.id.clone(),
        method: spec.method().to_owned(),
        settings: spec.summary(),
        outcome: match (solution, unsolved) {
            (Some(solution), _) => SolverOutcome::Solved(Box::new(solved(solution))),
            (None, Some((_, Unsolved::Refused(refusal)))) => SolverOutcome::Refused {
                reason: refusal.reason.clone(),
                accepted: refusal.accepted.clone(),
            },
            (None, Some((_, Unsolved::Failed(error)))) => SolverOutcome::Failed {
                message: error.to_string(),
            },
            (None, None) => unreachable!("every asked solver has an answer"),
        },
    }
}

fn solved(solution: &Solution, comparison: &Comparison, expected_modes: &[f64]) -> Solved {
    let row: Option<&ComparisonRow> = comparison.rows.iter().find(|r| r.solver == solution.id);
    let is_reference = comparison.reference.as_deref() == Some(solution.id.as_str());
    let error = row
        .and_then(|r| r.control_error.as_ref())
        .filter(|_| !is_reference);
    let action = row.and_then(|r| r.action.as_ref());
    Solved {
        stopped: solution.stopped.to_string(),
        converged: solution.stopped.is_converged(),
        control_error: error.map(|e| e.absolute),
        relative_control_error: error.map(|e| e.relative),
        against: if is_reference {
            String::new()
        } else {
            comparison.reference.clone().unwrap_or_default()
        },
        action: action.map(|a| a.action),
        step_bias: action.map(|a| a.step_bias),
        gap: action.and_then(|a| a.gap),
        gap_integral: action.and_then(|a| a.gap_integral),
        log_normalizer: None,
        path_kl: error.map(|e| e.path_divergence),
        value: None,
        effective_sample_size: None,
        log_weight_spread: None,
        held_out_nll: row.and_then(|r| r.negative_log_likelihood),
        generated: row.map_or(Vec::new(), |r| {
            r.generated.iter().map(generated_row).collect()
        }),
        expected_mode_weights: expected_modes.to_vec(),
        own_error: solution.answer.own_error,
        work: work_counts(&solution.work),
        facts: solution
            .answer
            .facts
            .iter()
            .map(|(name, value)| Fact {
                name: (*name).to_owned(),
                value: *value,
            })
            .collect(),
        quantities: Vec::new(),
        seconds: solution.seconds,
        history: solution
            .answer
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

/// Most states whose covariance goes into the record.
const COVARIANCE_STATES: usize = 64;

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
pub fn check_rows(results: &[CheckResult]) -> Vec<CheckRow> {
    results
        .iter()
        .map(|result| CheckRow {
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
        })
        .collect()
}

/// The typeset problem beside the lines of the file that say it.
pub fn statement(loaded: &Loaded) -> Vec<StatementLine> {
    let problem = &loaded.problem;
    let text = loaded.source.text();
    let (start, end) = problem.dynamics.horizon;
    let (drift, noise) = coefficients(problem);
    let line = |name: &str, table: &str, text_line: String, latex: String| StatementLine {
        name: name.to_owned(),
        text: text_line,
        latex,
        lines: table_lines(text, table),
    };
    let Some(task) = problem.reverse() else {
        return Vec::new();
    };
    vec![
        line(
            "data law",
            "data",
            format!("X_{start} ~ p_0: {}", describe_law(&task.data)),
            format!(r"X_{{{start}}} \sim p_0 \quad\text{{({})}}", describe_law(&task.data)),
        ),
        line(
            "noising process",
            "dynamics",
            format!(
                "dX = f dt + G dW, t in [{start}, {end}]\nf = {}\nG = {}",
                drift.0, noise.0
            ),
            [
                format!(r"dX = f\,dt + G\,dW,\quad t \in [{start}, {end}]"),
                format!("f = {}", drift.1),
                format!("G = {}", noise.1),
            ]
            .join("\n"),
        ),
        line(
            "start law of the reverse process",
            "prior",
            format!("Y_0 ~ pi: {}", describe_law(&task.prior)),
            format!(r"Y_0 \sim \pi \quad\text{{({})}}", describe_law(&task.prior)),
        ),
        StatementLine {
            name: "asked for: the optimal control".to_owned(),
            text: "min over u of S[u] = E[ int (1/2 |u|^2 + div f) dtau - log p_0(Y_T) ]\ndY = (-f + G u) dtau + G dB".to_owned(),
            latex: r"\min_u\; S[u] = \mathbb{E}\Big[\int_0^T \big(\tfrac12 |u|^2 + \nabla\cdot f\big)\,d\tau - \log p_0(Y_T)\Big]".to_owned() + "\n" + r"dY = (-f + G u)\,d\tau + G\,dB",
            lines: None,
        },
    ]
}

/// Drift and diffusion as text and LaTeX: component by component up to three states, else the first
/// component with a mark that the others follow.
fn coefficients(problem: &Problem) -> ((String, String), (String, String)) {
    const SHOWN: usize = 3;
    let graph = &problem.graph;
    let vector = |entries: &[Expr]| {
        let shown = &entries[..entries.len().min(SHOWN)];
        let dots = entries.len() > SHOWN;
        let mut texts: Vec<String> = shown.iter().map(|e| graph.text(*e)).collect();
        let mut latex: Vec<String> = shown.iter().map(|e| graph.latex(*e)).collect();
        if dots {
            texts.push("...".to_owned());
            latex.push(r"\dots".to_owned());
        }
        if entries.len() == 1 {
            (texts.concat(), latex.concat())
        } else {
            (
                format!("[{}]", texts.join(", ")),
                format!(r"\big({}\big)", latex.join(",\\; ")),
            )
        }
    };
    let diffusion = &problem.dynamics.diffusion;
    let isotropic = diffusion.iter().enumerate().all(|(i, row)| {
        row.len() == diffusion.len()
            && row.iter().enumerate().all(|(j, entry)| {
                if i == j {
                    *entry == diffusion[0][0]
                } else {
                    graph.text(*entry) == "0"
                }
            })
    });
    let noise = if isotropic {
        let (text, latex) = vector(&diffusion[0][..1]);
        let unit = if diffusion.len() > 1 { " I" } else { "" };
        (format!("{text}{unit}"), format!("{latex}{unit}"))
    } else {
        let rows: Vec<_> = diffusion.iter().map(|row| vector(row)).collect();
        (
            rows.iter()
                .map(|r| r.0.clone())
                .collect::<Vec<_>>()
                .join("; "),
            rows.iter()
                .map(|r| r.1.clone())
                .collect::<Vec<_>>()
                .join(r";\;"),
        )
    };
    (vector(&problem.dynamics.drift), noise)
}

fn describe_law(law: &Law) -> String {
    match law {
        Law::Gaussian(_) => "a Gaussian".to_owned(),
        Law::Mixture(m) => format!("a mixture of {} Gaussians", m.components()),
        Law::Samples(s) => format!(
            "{} rows of {} with kernel width {}",
            s.training.len(),
            s.file,
            s.bandwidth
        ),
        Law::Curve(c) => format!("a curve of Gaussian width {}", c.width),
        Law::Delta(_) => "a point".to_owned(),
        Law::Uniform(_) => "uniform in a box".to_owned(),
        Law::LogDensity(_) => "an unnormalised density".to_owned(),
    }
}

/// First and last line of a table in the file, 1-based.
fn table_lines(text: &str, table: &str) -> Option<(usize, usize)> {
    let header = format!("[{table}]");
    let inline = format!("{table} =");
    let mut first = None;
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        match first {
            None if line.starts_with(&header) => {
                first = Some(index + 1);
                last = index + 1;
            }
            None if line.starts_with(&inline) => return Some((index + 1, index + 1)),
            None => {}
            Some(_) if line.starts_with('[') && !line.starts_with("[[-") && !line.contains('=') => {
                break;
            }
            Some(_) if line.is_empty() => {}
            Some(_) => last = index + 1,
        }
    }
    first.map(|first| (first, last))
}

/// Warnings of the file, one sentence each.
pub fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded
        .warnings
        .iter()
        .map(|w| format!("{}: {}", w.code, w.message))
        .collect()
}

/// A control is called optimal when it misses at most this share of the optimal control's energy.
const OPTIMAL: f64 = 0.01;

/// The main result: how much of the optimal control each method misses.
pub fn headline(answers: &Answers, comparison: &Comparison) -> String {
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

/// Why not everything was verified; `None` when it was.
pub fn unverified(only: &[String], checks: &[CheckSpec]) -> Option<String> {
    if checks.is_empty() {
        Some("checks were turned off in the file".to_owned())
    } else if !only.is_empty() {
        Some(format!("only {} ran", only.join(", ")))
    } else {
        None
    }
}

/// The file's known numbers beside what the run gave.
pub fn reference_rows(
    references: &[Reference],
    quantities: &[Quantity],
    results: &[CheckResult],
) -> Vec<ReferenceRow> {
    references
        .iter()
        .zip(results)
        .map(|(reference, result)| ReferenceRow {
            name: reference.name.clone(),
            value: reference.value,
            measured: quantities
                .iter()
                .find(|q| q.name == reference.name)
                .map(|q| q.value),
            on: String::new(),
            tolerance: reference.tolerance,
            source: reference.source.clone(),
            verdict: result.verdict,
            reason: result.reason.clone(),
        })
        .collect()
}

/// One sentence each on the checks that did not come to a verdict, and on those that were not run.
pub fn undecided(checks: &[CheckResult]) -> Vec<String> {
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

/// Drift and noise of a process, `f = (...)` and `G = (...); ...`, the first few entries of each.
pub fn drift_and_noise(stated: &Stated) -> String {
    let list = |entries: &[Expr]| {
        let few = entries.iter().take(LISTED);
        let shown: Vec<String> = few.map(|e| stated.graph.text(*e)).collect();
        let more = if entries.len() > LISTED { ", ..." } else { "" };
        format!("({}{more})", shown.join(", "))
    };
    let rows = stated.diffusion.iter().take(LISTED);
    let rows: Vec<String> = rows.map(|row| list(row)).collect();
    format!("f = {}\nG = {}", list(&stated.drift), rows.join("; "))
}

/// The same typeset, a line each.
pub fn typeset_drift_and_noise(stated: &Stated) -> String {
    let list = |entries: &[Expr]| {
        let few = entries.iter().take(LISTED);
        let shown: Vec<String> = few.map(|e| stated.graph.latex(*e)).collect();
        let more = if entries.len() > LISTED {
            r",\; \ldots"
        } else {
            ""
        };
        format!(r"\big({}{more}\big)", shown.join(r",\; "))
    };
    let rows = stated.diffusion.iter().take(LISTED);
    let rows: Vec<String> = rows.map(|row| list(row)).collect();
    let (drift, rows) = (list(&stated.drift), rows.join(r";\; "));
    format!("f = {drift}\nG = {rows}")
}

/// What the run does not show, one sentence each.
pub fn limitations(
    lowered: &Lowered,
    comparison: &Comparison,
    checks: &[CheckResult],
) -> Vec<String> {
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
    sentences.extend(undecided(checks));
    sentences
}

/// The steps of the derivation.
pub fn derivation_steps(derivation: &Derivation) -> Vec<DerivationStep> {
    derivation
        .steps
        .iter()
        .map(|step| DerivationStep {
            number: step.number,
            name: step.name.to_owned(),
            rule: step.rule.to_owned(),
            text: lines(&step.statement, |formula| &formula.text),
            latex: lines(&step.statement, |formula| &formula.latex),
            assumptions: step
                .assumptions
                .iter()
                .map(|assumption| assumption.sentence().to_owned())
                .collect(),
            source: step.source.to_owned(),
            evidence: evidence(&step.evidence),
        })
        .collect()
}

/// One display a line.
fn lines(statement: &[derivation::Formula], part: impl Fn(&derivation::Formula) -> &str) -> String {
    let shown: Vec<&str> = statement.iter().map(part).collect();
    shown.join("\n")
}

/// What structure detection found, or what blocks it.
pub fn structures(derivation: &Derivation) -> Vec<StructureFinding> {
    derivation
        .structure
        .iter()
        .map(|finding| StructureFinding {
            name: finding.name.to_owned(),
            found: finding.found,
            evidence: evidence(&finding.evidence),
            because: finding.because.clone(),
            unlocks: finding.unlocks.to_owned(),
        })
        .collect()
}

fn evidence(found: &derivation::Evidence) -> Evidence {
    match found {
        derivation::Evidence::Proved => Evidence::Proved,
        derivation::Evidence::Tested { .. } => Evidence::Tested,
        derivation::Evidence::Stated => Evidence::Stated,
        derivation::Evidence::Declared => Evidence::Declared,
    }
}
