//! `bench`: every method that a problem admits, with more and more work, against the truth.

use crate::cli::arguments::{Common, Overrides};
use crate::cli::exit::Exit;
use crate::cli::input::{derive_problem, load_problem, refuse};
use crate::cli::output::say;
use crate::cli::record;
use crate::cli::session::{Request, time_limit, waiting};
use crate::cli::solve::{unknown_solver, with_solvers};
use crate::cli::verify::problem_files;
use crate::comparison::compare;
use crate::comparison::control::{compare_controls, numbers_of};
use crate::numeric::blocks::with_pool;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::problem::format::vocabulary::working;
use crate::problem::meant::model::Problem;
use crate::problem::meant::solver::SolverSpec;
use crate::problem::meant::task::Kind;
use crate::problem::{Loaded, parse_text};
use crate::report::bench_folder;
use crate::report::terminal::Style;
use crate::report::work_precision::{self, BenchRecord};
use crate::solvers::driver::{Solution, Unsolved};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::run::solve as solve_reverse;
use crate::solvers::registry::run::{solve as solve_control, solve as solve_simulation};
use crate::verification::vocabulary::standard;
use crate::verification::work_precision::{Attempt, CONTROL_ERROR, GAP, ladders};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Runs shorter than this are repeated, and their median time is told.
const SHORT: f64 = 0.1;
const REPEATS: usize = 5;
/// Quantities shown although the file has no reference for them.
const PRINCIPAL: [&str; 4] = ["value", "log_z", CONTROL_ERROR, GAP];

/// What the command line asked for.
pub struct BenchRequest<'a> {
    pub paths: &'a [PathBuf],
    pub only: &'a [String],
    /// Rungs of each ladder.
    pub levels: u32,
    pub overrides: &'a Overrides,
    pub common: &'a Common,
}

/// Benchmarks files, and the problem files of folders.
pub fn bench(request: &BenchRequest<'_>) -> Exit {
    let mut files = Vec::new();
    for path in request.paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        match problem_files(path) {
            Ok(found) if found.is_empty() => {
                eprintln!("error: no problem files in {}", path.display());
                return Exit::BadInput;
            }
            Ok(found) => files.extend(found),
            Err(error) => {
                eprintln!("error: cannot list {}: {error}", path.display());
                return Exit::InputOutput;
            }
        }
    }
    let exits: Vec<Exit> = files.iter().map(|file| bench_file(request, file)).collect();
    Exit::worst(exits)
}

fn bench_file(request: &BenchRequest<'_>, file: &Path) -> Exit {
    let asked = Request {
        file,
        only: request.only,
        overrides: request.overrides,
        keep_references: false,
        common: request.common,
        identities_only: false,
    };
    let loaded = load_problem(file, request.overrides, request.common)
        .and_then(|loaded| with_solvers(&asked, loaded))
        .and_then(|loaded| derive_problem(&loaded, request.common).map(|_| loaded));
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let specs = match wanted(request, file, &loaded) {
        Ok(specs) => specs,
        Err(exit) => return exit,
    };
    let threads = request.common.threads.unwrap_or(loaded.problem.run.threads);
    with_pool(threads, request.common.block, || {
        run(request, file, &loaded, &specs)
    })
}

/// The solvers of the file, and at their defaults the other methods of its kind; with `--only` the named ones.
fn wanted(
    request: &BenchRequest<'_>,
    file: &Path,
    loaded: &Loaded,
) -> Result<Vec<SolverSpec>, Exit> {
    let mut specs = loaded.problem.solvers.clone();
    let mut text = loaded.resolved.clone();
    for method in working(&standard().methods, loaded.problem.kind()) {
        let is_known = |spec: &SolverSpec| spec.method() == method || spec.id == method;
        if !specs.iter().any(is_known) {
            text.push_str(&format!(
                "\n[[solver]]\nid = \"{method}\"\nmethod = \"{method}\"\n"
            ));
        }
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    let more = parse_text(&file.to_string_lossy(), &text, folder, &[], &standard())
        .map_err(|report| refuse(&report, request.common))?;
    let is_new = |spec: &SolverSpec| specs.iter().all(|known| known.id != spec.id);
    let more: Vec<SolverSpec> = more.problem.solvers.into_iter().filter(is_new).collect();
    specs.extend(more);
    if let Some(exit) = unknown_solver(&specs, request.only) {
        return Err(exit);
    }
    specs.retain(|spec| request.only.is_empty() || request.only.contains(&spec.id));
    Ok(specs)
}

/// One solver with one amount of work.
struct Step {
    /// Bare id of the solver.
    solver: String,
    level: u32,
    spec: SolverSpec,
    seconds: f64,
    /// Why there is no solution.
    failure: Option<String>,
}

/// Solves with all work first, so that methods that use another one's policy find it.
fn climb(
    request: &BenchRequest<'_>,
    limit: Option<Duration>,
    specs: &[SolverSpec],
    mut solve: impl FnMut(&SolverSpec, &[Solution], Option<Duration>) -> Result<Solution, Unsolved>,
) -> (Vec<Step>, Vec<Solution>) {
    let began = Instant::now();
    let (mut steps, mut solutions) = (Vec::new(), Vec::new());
    let mut refused: Vec<&str> = Vec::new();
    for level in 0..request.levels {
        for spec in specs {
            if refused.contains(&spec.id.as_str()) {
                continue;
            }
            let Some(mut rung) = spec.with_less_work(level) else {
                continue;
            };
            if level > 0 {
                rung.id = format!("{}/{}", spec.id, 1_u64 << level);
            }
            let line = waiting(request.common, &rung.id, "solving");
            let remaining = || limit.map(|limit| limit.saturating_sub(began.elapsed()));
            let started = Instant::now();
            let first = solve(&rung, &solutions, remaining());
            line.end(if first.is_ok() { "done" } else { "no answer" });
            let mut step = Step {
                solver: spec.id.clone(),
                level,
                spec: rung,
                seconds: 0.0,
                failure: None,
            };
            match first {
                Ok(solution) => {
                    let mut times = vec![solution.seconds];
                    while times[0] < SHORT && times.len() < REPEATS {
                        match solve(&step.spec, &solutions, remaining()) {
                            Ok(again) => times.push(again.seconds),
                            Err(_) => break,
                        }
                    }
                    times.sort_by(f64::total_cmp);
                    step.seconds = times[times.len() / 2];
                    solutions.push(solution);
                }
                Err(Unsolved::Refused(refusal)) => {
                    // Less work does not admit what more work does not.
                    refused.push(&spec.id);
                    step.failure = Some(format!("not admitted: {}", refusal.reason));
                }
                Err(Unsolved::Failed(error)) => {
                    step.seconds = started.elapsed().as_secs_f64();
                    step.failure = Some(error.to_string());
                }
            }
            steps.push(step);
        }
    }
    // By solver in the order of the file, most work first.
    let place = |step: &Step| specs.iter().position(|spec| spec.id == step.solver);
    steps.sort_by_key(|step| (place(step), step.level));
    (steps, solutions)
}

fn attempts(steps: Vec<Step>, numbers: impl Fn(&str) -> Vec<(String, Estimate)>) -> Vec<Attempt> {
    steps
        .into_iter()
        .map(|step| Attempt {
            method: step.spec.method(),
            settings: step.spec.summary(),
            level: step.level,
            seconds: step.seconds,
            found: match step.failure {
                Some(failure) => Err(failure),
                None => Ok(numbers(&step.spec.id)),
            },
            solver: step.solver,
        })
        .collect()
}

fn run(request: &BenchRequest<'_>, file: &Path, loaded: &Loaded, specs: &[SolverSpec]) -> Exit {
    let problem = loaded.problem.clone();
    let measured = match problem.kind() {
        Kind::Control | Kind::Sample => climb_control(request, problem, specs),
        Kind::Simulate => climb_simulation(request, problem, specs),
        Kind::Reverse | Kind::Bridge | Kind::Path => climb_reverse(request, problem, specs),
    };
    let mut attempts = match measured {
        Ok(attempts) => attempts,
        Err(message) => {
            eprintln!("error: {message}");
            return Exit::BadInput;
        }
    };
    let mut references = loaded.problem.references.clone();
    if !request.overrides.set.is_empty() {
        // References describe the file as written.
        references.clear();
    }
    let is_shown = |name: &str| {
        PRINCIPAL.contains(&name)
            || references.iter().any(|reference| reference.name == name)
            || (references.is_empty() && loaded.problem.kind() == Kind::Simulate)
    };
    for attempt in &mut attempts {
        if let Ok(numbers) = &mut attempt.found {
            numbers.retain(|(name, _)| is_shown(name));
        }
    }
    let file = file.to_string_lossy();
    let mut command = format!("onsager bench {file} --levels {}", request.levels);
    for set in &request.overrides.set {
        command.push_str(&format!(" --set '{set}'"));
    }
    if !request.only.is_empty() {
        command.push_str(&format!(" --only {}", request.only.join(",")));
    }
    let record = BenchRecord {
        identity: record::identity(loaded, &file),
        environment: record::environment(loaded, &command, Vec::new()),
        ladders: ladders(&attempts, &references),
        attempts,
    };
    finish(request, &loaded.problem, &record)
}

fn finish(request: &BenchRequest<'_>, problem: &Problem, record: &BenchRecord) -> Exit {
    let common = request.common;
    let lines = work_precision::lines(record);
    let parent = common.out.as_deref().unwrap_or(&problem.output.directory);
    let folder = match bench_folder::write(record, &lines, parent) {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::InputOutput;
        }
    };
    if common.json {
        say(&lines);
    } else {
        let style = Style::of_terminal(common.color.holds(std::io::stdout().is_terminal()));
        say(&work_precision::summary(record, &folder, style));
    }
    Exit::Solved
}

fn climb_control(
    request: &BenchRequest<'_>,
    problem: Problem,
    specs: &[SolverSpec],
) -> Result<Vec<Attempt>, String> {
    let limit = time_limit(request.common, &problem);
    let lowered = Lowered::new(problem).map_err(|error| error.to_string())?;
    let (steps, solutions) = climb(request, limit, specs, |spec, found, deadline| {
        solve_control(&lowered, spec, found, deadline, &mut |_| ())
    });
    let line = waiting(
        request.common,
        "compare",
        "simulating every policy on fresh noise",
    );
    let streams = Streams::new(lowered.problem.run.seed);
    let comparison = compare_controls(&lowered, &solutions, &streams);
    line.end("done");
    Ok(attempts(steps, |id| {
        let solution = solutions.iter().find(|solution| solution.id == id);
        let mut numbers = solution.map_or(Vec::new(), |solution| numbers_of(&lowered, solution));
        let row = comparison.rows.iter().find(|row| row.solver == id);
        let error = row.and_then(|row| row.error.as_ref());
        let performance = row.and_then(|row| row.performance.as_ref());
        numbers.extend(error.map(|error| (CONTROL_ERROR.to_owned(), error.relative)));
        let gap = performance.and_then(|performance| performance.gap);
        numbers.extend(gap.map(|gap| (GAP.to_owned(), gap)));
        numbers
    }))
}

fn climb_simulation(
    request: &BenchRequest<'_>,
    problem: Problem,
    specs: &[SolverSpec],
) -> Result<Vec<Attempt>, String> {
    let limit = time_limit(request.common, &problem);
    let lowered = Lowered::new(problem).map_err(|error| error.to_string())?;
    let (steps, solutions) = climb(request, limit, specs, |spec, found, deadline| {
        solve_simulation(&lowered, spec, found, deadline, &mut |_| ())
    });
    Ok(attempts(steps, |id| {
        let solution = solutions.iter().find(|solution| solution.id == id);
        let quantities = solution.map_or(&[][..], |solution| &solution.answer.quantities);
        quantities
            .iter()
            .map(|quantity| (quantity.name.clone(), quantity.value))
            .collect()
    }))
}

fn climb_reverse(
    request: &BenchRequest<'_>,
    problem: Problem,
    specs: &[SolverSpec],
) -> Result<Vec<Attempt>, String> {
    let limit = time_limit(request.common, &problem);
    let lowered = Lowered::new(problem).map_err(|error| error.to_string())?;
    let (steps, solutions) = climb(request, limit, specs, |spec, found, deadline| {
        solve_reverse(&lowered, spec, found, deadline, &mut |_| ())
    });
    let line = waiting(
        request.common,
        "compare",
        "measuring every answer on fresh noise",
    );
    let streams = Streams::new(lowered.problem.run.seed);
    let comparison = compare(&lowered, &solutions, &streams);
    line.end("done");
    Ok(attempts(steps, |id| {
        let is_reference = comparison.reference.as_deref() == Some(id);
        let row = comparison.rows.iter().find(|row| row.solver == id);
        let row = row.filter(|_| !is_reference);
        let error = row.and_then(|row| row.control_error.as_ref());
        let gap = row.and_then(|row| row.action.as_ref()?.gap);
        let error = error.map(|error| (CONTROL_ERROR.to_owned(), error.relative));
        let gap = gap.map(|gap| (GAP.to_owned(), gap));
        error.into_iter().chain(gap).collect()
    }))
}
