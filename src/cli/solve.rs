//! The main job: derive, solve, compare, verify, report.

use crate::cli::arguments::{Common, Overrides};
use crate::cli::exit::Exit;
use crate::cli::figures::{Pictures, pictures};
use crate::cli::output::say;
use crate::cli::progress::ProgressLine;
use crate::cli::{derive_problem, load_problem, record};
use crate::comparison::{Comparison, compare};
use crate::derivation::Derivation;
use crate::numeric::blocks::with_pool;
use crate::numeric::random::Streams;
use crate::problem::Loaded;
use crate::problem::model::Severity;
use crate::problem::suggest::did_you_mean;
use crate::report::events::{Event, EventLog};
use crate::report::record::{Phase, Record};
use crate::report::run_folder::{Parts, write_run};
use crate::report::terminal::{self, Style};
use crate::solvers::run::{Answers, solve as run_solver};
use crate::solvers::{ReverseProblem, StopReason, Unsolved};
use crate::verification::identity::CheckResult;
use crate::verification::proofs::with_proofs;
use crate::verification::references::check_references;
use crate::verification::verdict::Verdict;
use crate::verification::verify;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the command line asked for beyond the file.
pub struct Request<'a> {
    pub file: &'a Path,
    pub only: &'a [String],
    pub overrides: &'a Overrides,
    pub keep_references: bool,
    pub common: &'a Common,
    /// Verify only: no comparison table, no run folder.
    pub identities_only: bool,
}

/// `onsager solve` and `onsager verify`.
pub fn solve(request: &Request<'_>) -> Exit {
    let loaded = match load_problem(request.file, request.overrides, request.common) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if let Some(exit) = unknown_solver(&loaded, request.only) {
        return exit;
    }
    let threads = request.common.threads.unwrap_or(loaded.problem.run.threads);
    with_pool(threads, request.common.block, || run(request, &loaded))
}

/// `--only` names that no solver has.
fn unknown_solver(loaded: &Loaded, only: &[String]) -> Option<Exit> {
    let ids: Vec<&str> = loaded
        .problem
        .solvers
        .iter()
        .map(|s| s.id.as_str())
        .collect();
    let wrong = only.iter().find(|id| !ids.contains(&id.as_str()))?;
    let hint = did_you_mean(wrong, ids.iter().copied());
    eprintln!(
        "error: no solver `{wrong}` in this problem{}; it has {}",
        hint.map_or(String::new(), |hint| format!(", {hint}")),
        ids.join(", ")
    );
    Some(Exit::BadInput)
}

/// Wall time of each phase.
struct Clock {
    last: Instant,
    phases: Vec<Phase>,
}

impl Clock {
    fn lap(&mut self, name: &str) {
        self.phases.push(Phase {
            name: name.to_owned(),
            seconds: self.last.elapsed().as_secs_f64(),
        });
        self.last = Instant::now();
    }
}

fn run(request: &Request<'_>, loaded: &Loaded) -> Exit {
    let common = request.common;
    let mut clock = Clock {
        last: Instant::now(),
        phases: Vec::new(),
    };
    let derivation = match derive_problem(loaded, common) {
        Ok(derivation) => derivation,
        Err(exit) => return exit,
    };
    clock.lap("derive");
    let mut lowered = loaded.problem.clone();
    if !request.overrides.set.is_empty() && !request.keep_references {
        // References describe the file as written.
        lowered.references.clear();
    }
    let problem = match ReverseProblem::new(lowered) {
        Ok(problem) => problem,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::BadInput;
        }
    };
    let answers = solve_all(request, &problem);
    clock.lap("solve");
    let streams = Streams::new(problem.problem.run.seed);
    let solutions = &answers.solutions;
    let wanted = progress_wanted(common);
    let mut line = ProgressLine::begin("compare", wanted, stderr_is_terminal());
    line.show(0.0, "measuring every answer on fresh noise");
    let comparison = compare(&problem, solutions, &streams);
    line.end("done");
    clock.lap("compare");
    let mut line = ProgressLine::begin("verify", wanted, stderr_is_terminal());
    line.show(0.0, "executing the identities");
    let wanted_checks = &problem.problem.checks;
    let checks = verify(&problem, solutions, wanted_checks, &streams);
    let checks = with_proofs(checks, &derivation, wanted_checks);
    let references = check_references(&problem.problem.references, &comparison.quantities);
    line.end("done");
    clock.lap("verify");
    let Pictures { figures, arrays } = pictures(&problem, solutions, &comparison);
    clock.lap("draw");
    let found = Found {
        loaded,
        problem: &problem,
        derivation: &derivation,
        answers: &answers,
        comparison: &comparison,
        checks: &checks,
        references: &references,
    };
    let mut record = assemble(request, &found, clock.phases);
    record.figures = figures;
    record.arrays = arrays;
    let exit = judge(&record, &answers, &checks, common);
    record.exit_code = i32::from(exit.code());
    finish(request, &problem, &record, exit)
}

fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

fn progress_wanted(common: &Common) -> bool {
    use crate::cli::arguments::When;
    match common.progress {
        When::Always => true,
        When::Never => false,
        When::Auto => !common.quiet,
    }
}

/// Every requested solver, one after another; each may use all threads.
fn solve_all(request: &Request<'_>, problem: &ReverseProblem) -> Answers {
    let common = request.common;
    let settings = &problem.problem;
    let file_limit = settings.run.max_time.map(Duration::from_secs_f64);
    let limit = common.max_time.or(file_limit);
    let began = Instant::now();
    let mut answers = Answers::default();
    for spec in &settings.solvers {
        if !request.only.is_empty() && !request.only.contains(&spec.id) {
            continue;
        }
        let mut line = ProgressLine::begin(&spec.id, progress_wanted(common), stderr_is_terminal());
        let deadline = limit.map(|limit| limit.saturating_sub(began.elapsed()));
        let result = run_solver(problem, spec, deadline, &mut |progress| {
            line.solver(progress);
        });
        line.end(match &result {
            Ok(_) => "done",
            Err(Unsolved::Refused(_)) => "refused",
            Err(Unsolved::Failed(_)) => "failed",
        });
        answers.push(spec, result);
    }
    answers
}

/// Everything a run found, borrowed.
struct Found<'a> {
    loaded: &'a Loaded,
    problem: &'a ReverseProblem,
    derivation: &'a Derivation,
    answers: &'a Answers,
    comparison: &'a Comparison,
    checks: &'a [CheckResult],
    references: &'a [CheckResult],
}

fn assemble(request: &Request<'_>, found: &Found<'_>, phases: Vec<Phase>) -> Record {
    let file = request.file.to_string_lossy();
    let problem = &found.problem.problem;
    let expected_modes = match found.problem.data.mixture() {
        Some(mixture) => mixture.weights,
        None => Vec::new(),
    };
    let command = command_line(request);
    Record {
        identity: record::identity(found.loaded, &file),
        environment: record::environment(found.loaded, &command, phases),
        headline: record::headline(found.answers, found.comparison),
        unverified: record::unverified(request.only, &problem.checks),
        statement: record::statement(found.loaded),
        derivation: record::derivation_steps(found.derivation),
        structures: record::structures(found.derivation),
        solvers: record::solver_rows(found.answers, found.comparison, &expected_modes),
        checks: record::check_rows(found.checks),
        references: record::reference_rows(problem, found.comparison, found.references),
        warnings: record::warnings(found.loaded),
        limitations: record::limitations(found.problem, found.comparison, found.checks),
        next: vec![
            format!("onsager derive {file}"),
            format!("onsager check {file} --resolved"),
        ],
        ..Record::default()
    }
}

/// The command that gives this run again.
fn command_line(request: &Request<'_>) -> String {
    let mut command = format!(
        "onsager {} {}",
        if request.identities_only {
            "verify"
        } else {
            "solve"
        },
        request.file.display()
    );
    for set in &request.overrides.set {
        command.push_str(&format!(" --set '{set}'"));
    }
    if !request.only.is_empty() {
        command.push_str(&format!(" --only {}", request.only.join(",")));
    }
    if let Some(seed) = request.common.seed {
        command.push_str(&format!(" --seed {seed}"));
    }
    if request.keep_references {
        command.push_str(" --keep-references");
    }
    command
}

/// The exit code a run has earned.
fn judge(record: &Record, answers: &Answers, checks: &[CheckResult], common: &Common) -> Exit {
    let mut exits = Vec::new();
    for solution in &answers.solutions {
        match solution.stopped {
            StopReason::TimeLimit { .. } => exits.push(Exit::TimeLimit),
            StopReason::IterationLimit { .. } => exits.push(Exit::NotConverged),
            _ => {}
        }
    }
    let failed = |(_, why): &(String, Unsolved)| matches!(why, Unsolved::Failed(_));
    if answers.unsolved.iter().any(failed) {
        exits.push(Exit::NotConverged);
    }
    for check in checks {
        match (check.verdict, check.severity) {
            (Verdict::Fail, Severity::Fail) => exits.push(Exit::CheckFailed),
            (Verdict::Fail, Severity::Warn) | (Verdict::Inconclusive, _) if common.strict => {
                exits.push(Exit::Inconclusive);
            }
            _ => {}
        }
    }
    for reference in &record.references {
        match reference.verdict {
            Verdict::Fail => exits.push(Exit::CheckFailed),
            Verdict::Inconclusive if common.strict => exits.push(Exit::Inconclusive),
            _ => {}
        }
    }
    Exit::worst(exits)
}

/// Writes the run folder and prints the result.
fn finish(request: &Request<'_>, problem: &ReverseProblem, record: &Record, exit: Exit) -> Exit {
    let common = request.common;
    let mut events = if common.json {
        EventLog::echoing(Box::new(std::io::stdout()))
    } else {
        EventLog::new()
    };
    if let Err(error) = log(&mut events, record) {
        eprintln!("error: could not write events: {error}");
        return Exit::InputOutput;
    }
    let mut folder: Option<PathBuf> = None;
    if !request.identities_only {
        let output = &problem.problem.output;
        let parts = Parts {
            html: output.html,
            arrays: output.arrays,
            events: output.events,
        };
        let parent = common.out.as_deref().unwrap_or(&output.directory);
        match write_run(record, &events, parts, parent) {
            Ok(path) => folder = Some(path),
            Err(error) => {
                eprintln!("error: {error}");
                return Exit::InputOutput;
            }
        }
    }
    if !common.json {
        let style = Style::of_terminal(common.color.holds(std::io::stdout().is_terminal()));
        say(&terminal::summary(record, folder.as_deref(), style));
    }
    exit
}

fn log(events: &mut EventLog, record: &Record) -> std::io::Result<()> {
    events.push(Event::start(record))?;
    for finding in &record.structures {
        events.push(finding)?;
    }
    for row in &record.solvers {
        events.push(row)?;
    }
    for row in &record.checks {
        events.push(row)?;
    }
    events.push(Event::end(record))
}
