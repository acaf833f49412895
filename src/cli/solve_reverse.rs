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
use crate::solvers::lowered::reverse::ReverseProblem;
use crate::solvers::registry::run::{Answers, solve as run_solver};
use crate::verification::identity::CheckResult;
use crate::verification::proofs::with_proofs;
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
    let problem = match ReverseProblem::new(lowered) {
        Ok(problem) => problem,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::BadInput;
        }
    };
    let answers = solve_all(request, &problem.problem, |spec, _, deadline, watch| {
        run_solver(&problem, spec, deadline, watch)
    });
    clock.lap("solve");
    let streams = Streams::new(problem.problem.run.seed);
    let solutions = &answers.solutions;
    let line = waiting(common, "compare", "measuring every answer on fresh noise");
    let comparison = compare(&problem, solutions, &streams);
    line.end("done");
    clock.lap("compare");
    let line = waiting(common, "verify", "executing the identities");
    let wanted_checks = &problem.problem.checks;
    let checks = verify(&problem, solutions, wanted_checks, &streams);
    let checks = with_proofs(checks, derivation, wanted_checks);
    let references = check_references(&problem.problem.references, &comparison.quantities);
    line.end("done");
    clock.lap("verify");
    let Pictures { figures, arrays } = pictures(&problem, solutions, &comparison);
    clock.lap("draw");
    let found = Found {
        loaded,
        problem: &problem,
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
    finish(request, &problem.problem.output, &record, exit)
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
        references: record::reference_rows(
            &problem.references,
            &found.comparison.quantities,
            found.references,
        ),
        warnings: record::warnings(found.loaded),
        limitations: record::limitations(found.problem, found.comparison, found.checks),
        next: vec![
            format!("onsager derive {file}"),
            format!("onsager check {file} --resolved"),
        ],
        ..Record::default()
    }
}
