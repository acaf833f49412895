//! What every run of `solve` and `verify` has: a clock, the loop over solvers, the verdict on the whole, the
//! run folder.

use crate::cli::arguments::{Common, Overrides, When};
use crate::cli::exit::Exit;
use crate::cli::output::say;
use crate::cli::progress::ProgressLine;
use crate::problem::meant::model::{OutputSettings, Problem, Severity};
use crate::problem::meant::solver::SolverSpec;
use crate::report::events::{Event, EventLog};
use crate::report::record::{Phase, Record};
use crate::report::run_folder::{Parts, write_run};
use crate::report::terminal::{self, Style};
use crate::solvers::driver::{Progress, Solution, StopReason, Unsolved};
use crate::solvers::registry::run::Answers;
use crate::verification::identity::CheckResult;
use crate::verification::verdict::Verdict;
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

/// Wall time of each phase.
pub struct Clock {
    last: Instant,
    pub phases: Vec<Phase>,
}

impl Clock {
    pub fn start() -> Self {
        Self {
            last: Instant::now(),
            phases: Vec::new(),
        }
    }

    pub fn lap(&mut self, name: &str) {
        self.phases.push(Phase {
            name: name.to_owned(),
            seconds: self.last.elapsed().as_secs_f64(),
        });
        self.last = Instant::now();
    }
}

/// A progress line that says what is going on until it ends.
pub fn waiting(common: &Common, name: &str, what: &str) -> ProgressLine {
    let mut line = ProgressLine::begin(name, progress_wanted(common), stderr_is_terminal());
    line.show(0.0, what);
    line
}

fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

fn progress_wanted(common: &Common) -> bool {
    match common.progress {
        When::Always => true,
        When::Never => false,
        When::Auto => !common.quiet,
    }
}

/// Time for all solvers together: that of the command line, else that of the file.
pub fn time_limit(common: &Common, settings: &Problem) -> Option<Duration> {
    let of_file = settings.run.max_time.map(Duration::from_secs_f64);
    common.max_time.or(of_file)
}

/// Every requested solver, one after another; each may use all threads and the solutions before it.
pub fn solve_all(
    request: &Request<'_>,
    settings: &Problem,
    mut solve_one: impl FnMut(
        &SolverSpec,
        &[Solution],
        Option<Duration>,
        &mut dyn FnMut(&Progress),
    ) -> Result<Solution, Unsolved>,
) -> Answers {
    let common = request.common;
    let limit = time_limit(common, settings);
    let began = Instant::now();
    let mut answers = Answers::default();
    for spec in &settings.solvers {
        if !request.only.is_empty() && !request.only.contains(&spec.id) {
            continue;
        }
        let mut line = ProgressLine::begin(&spec.id, progress_wanted(common), stderr_is_terminal());
        let deadline = limit.map(|limit| limit.saturating_sub(began.elapsed()));
        let result = solve_one(spec, &answers.solutions, deadline, &mut |progress| {
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

/// The command that gives this run again.
pub fn command_line(request: &Request<'_>) -> String {
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
pub fn judge(record: &Record, answers: &Answers, checks: &[CheckResult], common: &Common) -> Exit {
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
pub fn finish(request: &Request<'_>, output: &OutputSettings, record: &Record, exit: Exit) -> Exit {
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
