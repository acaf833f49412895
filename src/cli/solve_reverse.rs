//! The main job for problems of kind `reverse`.

use crate::cli::exit::Exit;
use crate::cli::figures::{Pictures, pictures};
use crate::cli::record;
use crate::cli::session::{Clock, Request, command_line, finish, judge, solve_all, waiting};
use crate::comparison::{Comparison, compare};
use crate::derivation::Derivation;
use crate::numeric::random::Streams;
use crate::problem::Loaded;
use crate::problem::meant::model::Problem;
use crate::report::figures::undrawn;
use crate::report::record::{Phase, Record};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::run::{Answers, solve as run_solver};
use crate::verification::bench::Bench;
use crate::verification::catalogue::CHECKS;
use crate::verification::identity::CheckResult;
use crate::verification::references::check_references;
use crate::verification::verify;

/// Solves, compares, verifies, reports.
pub(super) fn run_reverse(
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
    let solutions = &answers.solutions;
    let line = waiting(common, "compare", "measuring every answer on fresh noise");
    let comparison = compare(&lowered, solutions, &streams);
    line.end("done");
    clock.lap("compare");
    let line = waiting(common, "verify", "executing the identities");
    let bench = Bench::new(&lowered, derivation, solutions, None, &streams);
    let checks = verify(&bench, CHECKS, &lowered.problem.checks);
    let references = check_references(&lowered.problem.references, &comparison.quantities);
    line.end("done");
    clock.lap("verify");
    let Pictures { figures, arrays } = pictures(&lowered, solutions, &comparison);
    clock.lap("draw");
    let found = Found {
        loaded,
        lowered: &lowered,
        derivation,
        answers: &answers,
        comparison: &comparison,
        checks: &checks,
        references: &references,
    };
    let mut record = assemble(request, &found, clock.phases);
    record.figures = figures;
    record.arrays = arrays;
    record.limitations.extend(undrawn(&record));
    let exit = judge(&record, &answers, &checks, common);
    record.exit_code = i32::from(exit.code());
    finish(request, &lowered.problem.output, &record, exit)
}

/// Everything a run found, borrowed.
struct Found<'a> {
    loaded: &'a Loaded,
    lowered: &'a Lowered,
    derivation: &'a Derivation,
    answers: &'a Answers,
    comparison: &'a Comparison,
    checks: &'a [CheckResult],
    references: &'a [CheckResult],
}

fn assemble(request: &Request<'_>, found: &Found<'_>, phases: Vec<Phase>) -> Record {
    let file = request.file.to_string_lossy();
    let lowered = &found.lowered.problem;
    let expected_modes = match found.lowered.data().mixture() {
        Some(mixture) => mixture.weights,
        None => Vec::new(),
    };
    let command = command_line(request);
    Record {
        identity: record::identity(found.loaded, &file),
        environment: record::environment(found.loaded, &command, phases),
        headline: record::headline(found.answers, found.comparison),
        unverified: record::unverified(request.only, &lowered.checks),
        statement: record::statement(found.loaded),
        derivation: record::derivation_steps(found.derivation),
        structures: record::structures(found.derivation),
        solvers: record::solver_rows(found.answers, found.comparison, &expected_modes),
        checks: record::check_rows(found.checks),
        references: record::reference_rows(
            &lowered.references,
            &found.comparison.quantities,
            found.references,
        ),
        warnings: record::warnings(found.loaded),
        limitations: record::limitations(found.lowered, found.comparison, found.checks),
        next: vec![
            format!("onsager derive {file}"),
            format!("onsager check {file} --resolved"),
        ],
        ..Record::default()
    }
}
