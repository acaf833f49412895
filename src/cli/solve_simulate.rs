//! The main job for problems of kind `simulate`.

use crate::cli::exit::Exit;
use crate::cli::figures::Pictures;
use crate::cli::record::{self, answer_row, work_counts};
use crate::cli::session::{Clock, Request, command_line, finish, judge, solve_all, waiting};
use crate::comparison::compare;
use crate::derivation::Derivation;
use crate::numeric::random::Streams;
use crate::problem::Loaded;
use crate::problem::meant::model::Problem;
use crate::report::figures::undrawn;
use crate::report::number;
use crate::report::record::{
    DensityMovie, Fact, FigureData, MeasuredQuantity, NamedArray, Record, Solved, StatementLine,
};
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::run::Answers;
use crate::solvers::registry::run::solve as run_solver;
use crate::verification::identity::CheckResult;
use crate::verification::references::check_references;
use crate::verification::simulate::verify_simulation;

/// Names of the headline, most telling first.
const TELLING: [&str; 4] = ["passage_time", "mode", "mean_square", "mean_square_end"];

/// Solves, verifies, reports.
pub(super) fn run_simulation(
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
    let line = waiting(common, "verify", "executing the identities");
    let checks = verify_simulation(&lowered, derivation, &answers.solutions, &streams);
    let quantities = compare(&lowered, &answers.solutions, &streams).quantities;
    let references = check_references(&lowered.problem.references, &quantities);
    line.end("done");
    clock.lap("verify");
    let Pictures { figures, arrays } = densities(&lowered, &answers.solutions);
    let file = request.file.to_string_lossy();
    let mut record = Record {
        identity: record::identity(loaded, &file),
        environment: record::environment(loaded, &command_line(request), clock.phases),
        headline: headline(&answers),
        unverified: record::unverified(request.only, &lowered.problem.checks),
        statement: statement(&lowered),
        derivation: record::derivation_steps(derivation),
        structures: record::structures(derivation),
        solvers: answers
            .asked
            .iter()
            .map(|spec| answer_row(spec, &answers, solved))
            .collect(),
        checks: record::check_rows(&checks),
        references: record::reference_rows(&lowered.problem.references, &quantities, &references),
        warnings: record::warnings(loaded),
        limitations: limitations(&lowered, &checks),
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

/// Densities in the middle and at the end of the horizon, on the finest grid of each method that has them.
fn densities(lowered: &Lowered, solutions: &[Solution]) -> Pictures {
    let settings = &lowered.problem;
    let mut pictures = Pictures {
        figures: FigureData {
            plots: settings.run.plots.clone(),
            coordinates: settings.state_names.iter().take(1).cloned().collect(),
            runs_forward: true,
            ..FigureData::default()
        },
        arrays: Vec::new(),
    };
    for solution in solutions {
        let Some(found) = solution.answer.law.densities.first() else {
            continue;
        };
        let moments = [&found.middle[1], &found.end];
        let nodes = (0..found.axis.count).map(|i| found.axis.node(i));
        let movie = DensityMovie {
            solver: solution.id.clone(),
            axes: vec![nodes.collect()],
            times: moments.iter().map(|snapshot| snapshot.time).collect(),
            density: moments
                .iter()
                .map(|snapshot| snapshot.density.clone())
                .collect(),
            key: format!("{}/density", solution.id),
        };
        pictures.arrays.push(NamedArray::new(
            movie.key.clone(),
            &[("time", moments.len()), ("coordinate", found.axis.count)],
            "",
            movie.density.concat(),
        ));
        pictures.figures.densities.push(movie);
    }
    pictures
}

fn solved(solution: &Solution) -> Solved {
    let outcome = &solution.answer;
    Solved {
        stopped: solution.stopped.to_string(),
        converged: solution.stopped.is_converged(),
        against: "no control".to_owned(),
        work: work_counts(&solution.work),
        facts: outcome
            .facts
            .iter()
            .map(|(name, value)| Fact {
                name: (*name).to_owned(),
                value: *value,
            })
            .collect(),
        quantities: outcome
            .quantities
            .iter()
            .map(|quantity| MeasuredQuantity {
                name: quantity.name.clone(),
                value: Some(quantity.value),
            })
            .collect(),
        seconds: solution.seconds,
        ..Solved::default()
    }
}

/// The main results, each by the solver that knows it best.
fn headline(answers: &Answers) -> String {
    let mut parts = Vec::new();
    for name in TELLING {
        let found = answers
            .solutions
            .iter()
            .flat_map(|solution| {
                solution
                    .answer
                    .quantities
                    .iter()
                    .map(move |q| (solution, q))
            })
            .filter(|(_, quantity)| quantity.name == name)
            .min_by(|(_, a), (_, b)| a.value.error.total_cmp(&b.value.error));
        if let Some((solution, quantity)) = found {
            parts.push(format!(
                "{name} = {} by `{}`",
                number::with_error(&quantity.value),
                solution.id
            ));
        }
    }
    if parts.is_empty() {
        return format!(
            "{} of {} methods gave an answer.",
            answers.solutions.len(),
            answers.asked.len()
        );
    }
    format!("{}.", parts.join("; "))
}

/// The typeset problem.
fn statement(lowered: &Lowered) -> Vec<StatementLine> {
    let stated = &lowered.stated;
    let (start, end) = stated.horizon;
    vec![StatementLine {
        name: "process".to_owned(),
        text: format!(
            "dX = f dt + G dW (Ito), t in [{start}, {end}], X at the start {}\n{}",
            lowered.start().family(),
            record::drift_and_noise(stated)
        ),
        latex: format!(
            "dX = f(X,t)\\,dt + G(X,t)\\,dW,\\quad t \\in [{start}, {end}]\n{}",
            record::typeset_drift_and_noise(stated)
        ),
        lines: None,
    }]
}

/// What the run does not show, one sentence each.
fn limitations(lowered: &Lowered, checks: &[CheckResult]) -> Vec<String> {
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
    sentences.extend(record::undecided(checks));
    sentences
}
