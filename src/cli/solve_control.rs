//! The main job for problems of kind `control` and `sample`.

use crate::cli::control_figures::pictures;
use crate::cli::control_record::{headline, limitations, solver_rows, statement};
use crate::cli::exit::Exit;
use crate::cli::figures::Pictures;
use crate::cli::record;
use crate::cli::session::{Clock, Request, command_line, finish, judge, solve_all, waiting};
use crate::comparison::compare;
use crate::derivation::Derivation;
use crate::numeric::random::Streams;
use crate::problem::Loaded;
use crate::problem::meant::model::Problem;
use crate::report::figures::undrawn;
use crate::report::record::Record;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::run::solve as run_solver;
use crate::verification::control::verify_controls;
use crate::verification::references::check_references;

/// Solves, compares, verifies, reports.
pub(super) fn run_control(
    request: &Request<'_>,
    loaded: &Loaded,
    lowered: Problem,
    derivation: &Derivation,
    mut clock: Clock,
) -> Exit {
    let common = request.common;
    let lowered = match Lowered::new(lowered) {
        Ok(lowered) => lowered,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::BadInput;
        }
    };
    let answers = solve_all(request, &lowered.problem, |spec, found, deadline, watch| {
        run_solver(&lowered, spec, found, deadline, watch)
    });
    clock.lap("solve");
    let streams = Streams::new(lowered.problem.run.seed);
    let line = waiting(common, "compare", "simulating every policy on fresh noise");
    let comparison = compare(&lowered, &answers.solutions, &streams);
    line.end("done");
    clock.lap("compare");
    let line = waiting(common, "verify", "executing the identities");
    let checks = verify_controls(
        &lowered,
        derivation,
        &answers.solutions,
        &comparison,
        &streams,
    );
    let references = check_references(&lowered.problem.references, &comparison.quantities);
    line.end("done");
    clock.lap("verify");
    let Pictures { figures, arrays } =
        pictures(&lowered, &answers.solutions, &comparison, &streams);
    clock.lap("draw");
    let file = request.file.to_string_lossy();
    let mut record = Record {
        identity: record::identity(loaded, &file),
        environment: record::environment(loaded, &command_line(request), clock.phases),
        headline: headline(&answers, &comparison, lowered.problem.time_settings.steps),
        unverified: record::unverified(request.only, &lowered.problem.checks),
        statement: statement(loaded, &lowered),
        derivation: record::derivation_steps(derivation),
        structures: record::structures(derivation),
        solvers: solver_rows(&answers, &comparison),
        checks: record::check_rows(&checks),
        references: record::reference_rows(
            &lowered.problem.references,
            &comparison.quantities,
            &references,
        ),
        warnings: record::warnings(loaded),
        limitations: limitations(&lowered, &comparison, &checks),
        next: vec![
            format!("onsager derive {file}"),
            format!("onsager check {file} --resolved"),
        ],
        figures,
        arrays,
        ..Record::default()
    };
    record.limitations.extend(undrawn(&record));
    let exit = judge(&record, &answers, &checks, common);
    record.exit_code = i32::from(exit.code());
    finish(request, &lowered.problem.output, &record, exit)
}
