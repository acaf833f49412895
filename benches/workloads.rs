//! The workloads of `problems/benchmarks`, on one thread and on two, beside what the machine allows.
//!
//! `cargo bench --bench workloads -- p1` takes one of them, `-- p1 table` without criterion. First a table is printed: rates by processor
//! time (what a free machine would give) and by the clock, the limit of the arithmetic per core from rates
//! measured on the spot, and the fraction of it reached. Then criterion times the same functions. The numbers
//! computed by one thread and by two are asserted to be the same bits.
//!
//! `benches/README.md` states the work that each limit counts.

mod limits;

use criterion::{BenchmarkId, Criterion, Throughput};
use limits::{Limits, least_seconds};
use onsager::comparison::flow_likelihood::carry;
use onsager::discretization::time_grid::TimeGrid;
use onsager::field::LogDensity;
use onsager::field::draws::draw_mixture;
use onsager::field::family::Family;
use onsager::numeric::batch::Batch;
use onsager::numeric::blocks::{BLOCK, with_threads};
use onsager::numeric::random::Streams;
use onsager::problem::load;
use onsager::problem::meant::solver::SolverSpec;
use onsager::solvers::learned::ground::{grid, reverse_paths};
use onsager::solvers::learned::path_cost::ControlVariate;
use onsager::solvers::lowered::problem::Lowered;
use onsager::solvers::registry::run::solve;
use onsager::solvers::walk::reverse_sampling::Walk;
use onsager::verification::vocabulary::standard;
use std::path::Path;

/// A function to be timed.
struct Workload {
    name: &'static str,
    unit: &'static str,
    /// Units one run does.
    work: f64,
    /// Least seconds of one core per unit.
    least: f64,
    /// Everything the run computed.
    run: Box<dyn Fn() -> Vec<f64> + Sync>,
    repetitions: usize,
}

fn problem(file: &str) -> Lowered {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems/benchmarks");
    let loaded =
        load(&folder.join(file), &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
    Lowered::new(loaded.problem).expect("the benchmark lowers")
}

/// The solver of a problem that is not the closed form.
fn solver(lowered: &Lowered) -> SolverSpec {
    let specs = &lowered.problem.solvers;
    let other = specs.iter().find(|s| s.method() != "exact");
    other.expect("a solver beside the closed form").clone()
}

/// Exponentials, normals and floating-point operations of a reverse step with the exact score.
fn score_cost(lowered: &Lowered, limits: &Limits) -> f64 {
    let law = lowered
        .facts
        .marginals
        .as_ref()
        .expect("a closed form")
        .mixture();
    let (count, states) = (law.components() as f64, law.dimension() as f64);
    // Distances, then the weighted sum of means; in the plane they hide behind the exponentials.
    let products = if states > 2.0 {
        4.0 * count * states
    } else {
        0.0
    };
    count / limits.exponentials + states / limits.normals + products / limits.flops
}

/// Reverse paths with the exact score, as many as given or as the file says.
fn paths(
    name: &'static str,
    file: &str,
    paths: Option<usize>,
    limits: &Limits,
    repetitions: usize,
) -> Workload {
    let lowered = problem(file);
    let settings = lowered.problem.sample.clone();
    let paths = paths.unwrap_or(settings.paths);
    let t_min = lowered.problem.time_settings.t_min;
    let grid = TimeGrid::new(lowered.noising(), t_min, settings.steps, settings.spacing);
    let streams = Streams::new(1);
    let start = draw_mixture(lowered.prior(), &streams.role("start"), 0, paths);
    let stream = streams.role("noise");
    Workload {
        name,
        unit: "path-steps",
        work: (paths * settings.steps) as f64,
        least: score_cost(&lowered, limits),
        run: Box::new(move || {
            let walk = Walk {
                noising: lowered.noising(),
                score: lowered.facts.marginals.as_ref().expect("a closed form"),
                grid: &grid,
                noise_level: 1.0,
                integrator: settings.integrator,
                stream: &stream,
                block: BLOCK,
            };
            walk.run(start.as_ref()).as_slice().to_vec()
        }),
        repetitions,
    }
}

/// The probability flow with its divergence; the limit counts the exponentials of the evaluations made.
fn likelihood(limits: &Limits) -> Workload {
    const POINTS: usize = 10_000;
    let problem = problem("p3_flow_likelihood.toml");
    let law = problem.facts.marginals.clone().expect("a closed form");
    let points = draw_mixture(law.mixture(), &Streams::new(1).role("points"), 0, POINTS);
    let (noising, end) = (problem.noising().clone(), problem.noising().end());
    let (mut before, mut after) = (vec![0.0; POINTS], vec![0.0; POINTS]);
    law.log_density(0.0, points.as_ref(), &mut before);
    let end_law = law.clone();
    let run =
        move || carry(&noising, &law, points.as_ref(), 0.0, end, 1e-6).expect("the flow ends");
    let carried = run();
    end_law.log_density(end, carried.points.as_ref(), &mut after);
    let errors = (after.iter().zip(&carried.divergence)).zip(&before);
    let errors: Vec<f64> = errors.map(|((a, d), b)| (a + d - b).abs()).collect();
    println!(
        "p3   log-likelihoods wrong by {:.1e} at most, {:.1e} in the root mean square",
        errors.iter().fold(0.0, |a: f64, b| a.max(*b)),
        (errors.iter().map(|e| e * e).sum::<f64>() / POINTS as f64).sqrt()
    );
    let components = problem.data().mixture().expect("a mixture").components() as f64;
    let evaluations = carried.evaluations as f64 / POINTS as f64;
    Workload {
        name: "p3",
        unit: "points",
        work: POINTS as f64,
        least: evaluations * components / limits.exponentials,
        run: Box::new(move || {
            let carried = run();
            [carried.points.as_slice(), &carried.divergence].concat()
        }),
        repetitions: 5,
    }
}

/// The gradient of the action. The limit counts two normals a path-step forwards and again backwards, and for
/// radial features one exponential each, for a network six operations a weight and one exponential a unit.
fn gradient(name: &'static str, file: &str, limits: &Limits) -> Workload {
    let lowered = problem(file);
    let options = solver(&lowered).options;
    let field = options.field("field").expect("a fit").clone();
    let (paths, steps) = (options.count("paths"), options.count("steps"));
    let law = lowered.facts.marginals.as_ref().expect("a closed form");
    let settings = &lowered.problem.time_settings;
    let streams = Streams::new(1);
    let cost = reverse_paths(&lowered, &grid(&lowered, steps), paths, false, &streams);
    let mut family =
        Family::new(&field, lowered.noising(), law, settings.t_min, &streams).expect("two states");
    family.prepare(&cost.times());
    let noise = 4.0 / limits.normals;
    let sizes = &field.options;
    let step = match field.family {
        "rbf" => noise + 2.0 * sizes.count("centers") as f64 / limits.exponentials,
        "network" => {
            let units = sizes.counts("layers").iter().sum::<usize>() as f64;
            let weights = family.get().parameters().len() as f64;
            noise + 6.0 * weights / limits.flops + units / limits.exponentials
        }
        other => panic!("no limit is known for {other}"),
    };
    Workload {
        name,
        unit: "gradients",
        work: 1.0,
        least: (paths * steps) as f64 * step,
        run: Box::new(move || {
            let mut gradient = vec![0.0; family.get().parameters().len()];
            cost.mean_and_gradient(family.get(), ControlVariate::Own, &mut gradient);
            gradient
        }),
        repetitions: 20,
    }
}

/// Score matching with many features; the limit counts one exponential per feature and draw, and the
/// multiply-adds of one half of the Gram matrices and of their factorisations.
fn matching(limits: &Limits) -> Workload {
    let problem = problem("p6_score_matching.toml");
    let spec = solver(&problem);
    let samples = spec.options.count("samples");
    let sizes = &spec.options.field("field").expect("a fit").options;
    let (centers, nodes) = (sizes.count("centers"), sizes.count("nodes"));
    let (n, k, nodes) = (samples as f64, centers as f64, nodes as f64);
    // Two coordinates: each feature has two components, and both enter the Gram matrix.
    let products = 2.0 * n * k * k + nodes * k * k * k / 3.0;
    let probes = Batch::from_rows(2, &[[0.3, -0.2], [1.9, 2.1], [-4.0, 0.1]]);
    Workload {
        name: "p6",
        unit: "fits",
        work: 1.0,
        least: n * k / limits.exponentials + products / limits.flops,
        run: Box::new(move || {
            let Ok(solution) = solve(&problem, &spec, &[], None, &mut |_| {}) else {
                panic!("the fit is solved");
            };
            let mut out = Batch::zeros(3, 2);
            let mut values = Vec::new();
            for t in [0.01, 0.3, 1.0] {
                solution
                    .answer
                    .score()
                    .eval(t, probes.as_ref(), out.as_mut());
                values.extend_from_slice(out.as_slice());
            }
            values.extend(solution.answer.facts.iter().map(|(_, value)| *value));
            values
        }),
        repetitions: 1,
    }
}

/// Prints one row per thread count and checks that the numbers are the same.
fn measure(workload: &Workload) {
    let mut first: Option<Vec<f64>> = None;
    let mut single = f64::NAN;
    for threads in [1, 2] {
        let mut result = Vec::new();
        let (processor, wall) = with_threads(threads, || {
            least_seconds(threads, workload.repetitions, || result = (workload.run)())
        });
        let same = first.get_or_insert_with(|| result.clone());
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
        assert_eq!(
            bits(same),
            bits(&result),
            "{}: {threads} threads",
            workload.name
        );
        let rate = workload.work / processor;
        single = if threads == 1 { rate } else { single };
        println!(
            "{:<4} {threads} thread{} {:>10.4e} {} per s ({:>10.4e} by the clock), limit {:>10.4e}, fraction {:.3}, {:.2} times one thread",
            workload.name,
            if threads == 1 { " " } else { "s" },
            rate,
            workload.unit,
            workload.work / wall,
            threads as f64 / workload.least,
            rate * workload.least / threads as f64,
            rate / single,
        );
    }
}

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    // `table` alone is no workload: it leaves criterion out.
    let table_only = wanted.iter().any(|w| w == "table");
    let all = wanted.iter().all(|w| w == "table");
    let mut criterion = (!table_only).then(|| {
        let criterion = Criterion::default().sample_size(10);
        criterion.configure_from_args()
    });
    let limits = Limits::measure();
    println!(
        "one core: {:.3e} exponentials, {:.3e} normals, {:.3e} floating-point operations, {:.3e} bytes per s",
        limits.exponentials, limits.normals, limits.flops, limits.bytes
    );
    let makers: [(&str, &dyn Fn() -> Workload); 7] = [
        ("p1", &|| {
            paths("p1", "p1_mixture_paths.toml", None, &limits, 3)
        }),
        ("p2", &|| {
            paths("p2", "p2_mixture_paths_64.toml", None, &limits, 3)
        }),
        ("p3", &|| likelihood(&limits)),
        ("p4", &|| {
            paths("p4", "p4_digits_paths.toml", Some(512), &limits, 3)
        }),
        ("p5", &|| gradient("p5", "p5_action_gradient.toml", &limits)),
        ("p5-network", &|| {
            gradient("p5-network", "p5_network_gradient.toml", &limits)
        }),
        ("p6", &|| matching(&limits)),
    ];
    for (name, make) in makers {
        if !all && !wanted.iter().any(|w| w == name) {
            continue;
        }
        let workload = make();
        measure(&workload);
        let Some(criterion) = &mut criterion else {
            continue;
        };
        let mut group = criterion.benchmark_group(workload.name);
        group.throughput(Throughput::Elements(workload.work as u64));
        for threads in [1, 2] {
            group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
                with_threads(threads, || bencher.iter(|| (workload.run)()));
            });
        }
        group.finish();
    }
    if let Some(criterion) = criterion {
        criterion.final_summary();
    }
}
