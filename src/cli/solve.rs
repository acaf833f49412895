//! The main job: derive, solve, compare, verify, report.

use crate::cli::arguments::Common;
use crate::cli::exit::Exit;
use crate::cli::input::{derive_problem, load_problem, refuse};
use crate::cli::session::{Clock, Request};
use crate::cli::solve_control::run_control;
use crate::cli::solve_reverse::run_reverse;
use crate::cli::solve_simulate::run_simulation;
use crate::numeric::blocks::with_pool;
use crate::problem::Loaded;
use crate::problem::meant::solver::SolverSpec;
use crate::problem::meant::task::Kind;
use crate::problem::text::diagnostic::{Diagnostic, Report};
use crate::problem::text::suggest::did_you_mean;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::choice::automatic;
use crate::solvers::registry::choice_simulate::automatic as simulation_methods;

/// `onsager solve` and `onsager verify`.
pub fn solve(request: &Request<'_>) -> Exit {
    let loaded = load_problem(request.file, request.overrides, request.common)
        .and_then(|loaded| with_solvers(request, loaded));
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if let Some(exit) = unknown_solver(&loaded.problem.solvers, request.only) {
        return exit;
    }
    let threads = request.common.threads.unwrap_or(loaded.problem.run.threads);
    with_pool(threads, request.common.block, || run(request, &loaded))
}

/// Where the file leaves the choice of solvers to the structure of the problem: the same file with the choice
/// in it, so that their options get the defaults of the format.
pub(super) fn with_solvers(request: &Request<'_>, loaded: Loaded) -> Result<Loaded, Exit> {
    let problem = &loaded.problem;
    if !problem.automatic {
        return Ok(loaded);
    }
    let names = match problem.kind() {
        Kind::Control | Kind::Sample => control_methods(request, &loaded)?,
        Kind::Simulate => {
            let lowered = Lowered::new(problem.clone()).map_err(|error| {
                eprintln!("error: {error}");
                Exit::BadInput
            })?;
            simulation_methods(&lowered)
        }
        Kind::Reverse | Kind::Bridge | Kind::Path => return Ok(loaded),
    };
    let mut overrides = request.overrides.clone();
    overrides.set.push(format!("run.solvers={names:?}"));
    let quiet = Common {
        quiet: true,
        ..request.common.clone()
    };
    load_problem(request.file, &overrides, &quiet)
}

/// What the structure of a control problem admits.
fn control_methods(request: &Request<'_>, loaded: &Loaded) -> Result<Vec<&'static str>, Exit> {
    let problem = &loaded.problem;
    let lowered = Lowered::new(problem.clone()).map_err(|error| {
        eprintln!("error: {error}");
        Exit::BadInput
    })?;
    automatic(&lowered).map_err(|refusal| {
        let drift = problem
            .places
            .iter()
            .find(|(key, _)| key.starts_with("dynamics.drift"));
        let span = drift.map_or(0..0, |(_, span)| span.clone());
        let diagnostic = Diagnostic::error("E320", span, "no method applies to this problem")
            .note(refusal.reason)
            .help(format!(
                "nearest that would be solved: {}",
                refusal.accepted
            ));
        let report = Report::new(loaded.source.clone(), vec![diagnostic]);
        refuse(&report, request.common)
    })
}

/// `--only` names that no solver has.
pub(super) fn unknown_solver(solvers: &[SolverSpec], only: &[String]) -> Option<Exit> {
    let ids: Vec<&str> = solvers.iter().map(|s| s.id.as_str()).collect();
    let wrong = only.iter().find(|id| !ids.contains(&id.as_str()))?;
    let hint = did_you_mean(wrong, ids.iter().copied());
    eprintln!(
        "error: no solver `{wrong}` in this problem{}; it has {}",
        hint.map_or(String::new(), |hint| format!(", {hint}")),
        ids.join(", ")
    );
    Some(Exit::BadInput)
}

fn run(request: &Request<'_>, loaded: &Loaded) -> Exit {
    let mut clock = Clock::start();
    let derivation = match derive_problem(loaded, request.common) {
        Ok(derivation) => derivation,
        Err(exit) => return exit,
    };
    clock.lap("derive");
    let mut lowered = loaded.problem.clone();
    if !request.overrides.set.is_empty() && !request.keep_references {
        // References describe the file as written.
        lowered.references.clear();
    }
    match lowered.kind() {
        Kind::Control | Kind::Sample => run_control(request, loaded, lowered, &derivation, clock),
        Kind::Reverse if !draws_noised_data(&lowered) => {
            run_control(request, loaded, lowered, &derivation, clock)
        }
        Kind::Simulate => run_simulation(request, loaded, lowered, &derivation, clock),
        _ => run_reverse(request, loaded, lowered, &derivation, clock),
    }
}

/// Whether answers can be measured on draws of the noised data: additive noise, and a law that is drawn.
fn draws_noised_data(problem: &crate::problem::meant::model::Problem) -> bool {
    let entries = problem.dynamics.diffusion.iter().flatten();
    let moved = entries
        .into_iter()
        .any(|entry| problem.graph.depends_on_any(*entry, &problem.state));
    !moved
        && problem
            .reverse()
            .is_some_and(|task| task.data.mixture().is_some())
}
