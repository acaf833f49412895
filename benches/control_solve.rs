//! The solvers of control problems on grids and by Riccati's equation, at the sizes users ask for: 2001 points and 2000
//! steps on a line, 257 x 257 points and 504 steps in the plane, 65 x 65 x 65 points and 104 steps in space, a hundred
//! states at a relative tolerance of 1e-10.
//!
//! Grid solvers also solve three grids of half, a quarter and an eighth of the points and steps, for their error.
//! `cargo bench --bench control_solve -- table NAME` prints the seconds of one run and the peak memory of the
//! process, without criterion; NAME is a part of a name, and memory is that of one job only if it is unique.

use criterion::Criterion;
use onsager::problem::parse_text;
use onsager::solvers::lowered::problem::Lowered;
use onsager::solvers::registry::run::solve;
use onsager::verification::vocabulary::standard;
use std::path::Path;
use std::time::Instant;

const LINE: &str = r#"
format = 1
problem = { name = "line", kind = "control" }
params = { kappa = 5.0 }

[dynamics]
state = "x"
control = "u"
drift = "-4*kappa*x*(x^2 - 1) + u"
diffusion = "1"
domain = [-3.0, 3.0]

[initial]
family = "delta"
at = -1.0

[cost]
running = "0.5*u^2"
terminal = "3*(x - 1)^2"
"#;

const PLANE: &str = r#"
format = 1
problem = { name = "plane", kind = "control" }

[dynamics]
state = "x[2]"
control = "u[2]"
drift = ["-4*x[0]*(x[0]^2 - 1) + u[0]", "-2*x[1] + u[1]"]
diffusion = "0.7"
domain = [[-3.0, 3.0], [-3.0, 3.0]]

[initial]
family = "delta"
at = [-1.0, 0.0]

[cost]
running = "0.5*dot(u, u)"
terminal = "3*((x[0] - 1)^2 + x[1]^2)"
"#;

const SPACE: &str = r#"
format = 1
problem = { name = "space", kind = "control" }

[dynamics]
state = "x[3]"
control = "u[3]"
drift = ["-2*x[0]*(x[0]^2 - 1) + x[1] + u[0]", "x[2] - x[1] + u[1]", "-sin(x[0]) - x[2] + u[2]"]
diffusion = "0.7"
domain = [[-3.0, 3.0], [-3.0, 3.0], [-3.0, 3.0]]

[initial]
family = "delta"
at = [-1.0, 0.0, 0.0]

[cost]
running = "0.5*dot(u, u)"
terminal = "3*(x[0] - 1)^2 + x[1]^2 + x[2]^2"
"#;

/// Linear dynamics and quadratic costs in many states.
fn many_states(states: usize) -> String {
    let start: Vec<String> = (0..states)
        .map(|k| format!("{:.3}", (0.7 * k as f64).sin()))
        .collect();
    format!(
        r#"
format = 1
problem = {{ name = "many", kind = "control" }}
params = {{ d = {states} }}

[dynamics]
state = "x[d]"
control = "u[d]"
drift = "0.2*x + u"
diffusion = "1"

[initial]
family = "delta"
at = [{}]

[cost]
running = "0.5*dot(u, u) + 0.2*dot(x, x)"
terminal = "0.1*dot(x, x)"
"#,
        start.join(", ")
    )
}

/// Name, problem, and the solver's table.
fn jobs() -> [(&'static str, String, &'static str); 7] {
    [
        (
            "line, hopf-cole",
            LINE.to_owned(),
            "method = \"hopf-cole\"\npoints = 2001\nsteps = 2000",
        ),
        (
            "line, hjb",
            LINE.to_owned(),
            "method = \"hjb\"\npoints = 2001\nsteps = 2000",
        ),
        (
            "plane, hopf-cole",
            PLANE.to_owned(),
            "method = \"hopf-cole\"\npoints = [257, 257]\nsteps = 504",
        ),
        (
            "space, hopf-cole",
            SPACE.to_owned(),
            "method = \"hopf-cole\"\npoints = 65\nsteps = 104",
        ),
        (
            "space, hjb monotone",
            SPACE.to_owned(),
            "method = \"hjb\"\npoints = 65\nsteps = 104",
        ),
        (
            "space, hjb central",
            SPACE.to_owned(),
            "method = \"hjb\"\nscheme = \"central\"\npoints = 65\nsteps = 104",
        ),
        (
            "hundred states, riccati",
            many_states(100),
            "method = \"riccati\"\nrtol = 1e-10",
        ),
    ]
}

fn lower(name: &str, problem: &str, solver: &str) -> Lowered {
    let text = format!("{problem}\n[[solver]]\nid = \"timed\"\n{solver}\n");
    let loaded = parse_text(name, &text, Path::new("."), &[], &standard())
        .unwrap_or_else(|report| panic!("{report}"));
    Lowered::new(loaded.problem).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn run(name: &str, lowered: &Lowered) {
    let spec = &lowered.problem.solvers[0];
    if let Err(unsolved) = solve(lowered, spec, &[], None, &mut |_| {}) {
        panic!("{name}: {unsolved}");
    }
}

/// Megabytes of the process at its largest, where Linux tells.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let table = wanted.iter().any(|w| w == "table");
    let names: Vec<&String> = wanted.iter().filter(|w| *w != "table").collect();
    let mut criterion = Criterion::default().sample_size(10);
    for (name, problem, solver) in jobs() {
        if !names.is_empty() && !names.iter().any(|w| name.contains(w.as_str())) {
            continue;
        }
        let began = Instant::now();
        let lowered = lower(name, &problem, solver);
        let seconds = began.elapsed().as_secs_f64();
        if table {
            let began = Instant::now();
            run(name, &lowered);
            println!(
                "{name:<26} read and lowered in {seconds:.3} s, solved in {:.3} s, peak memory {:.0} MiB",
                began.elapsed().as_secs_f64(),
                peak_memory().unwrap_or(f64::NAN)
            );
        } else {
            criterion.bench_function(name, |bencher| bencher.iter(|| run(name, &lowered)));
        }
    }
}
