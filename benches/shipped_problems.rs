//! The main job on every shipped problem: load, solve, compare, verify. One run each, wall time.
//!
//! The promise is under 30 seconds on two cores. `cargo bench --bench shipped_problems -- NAME` runs one.

use onsager::comparison::compare;
use onsager::derivation::derive;
use onsager::numeric::random::Streams;
use onsager::problem::load;
use onsager::solvers::lowered::problem::Lowered;
use onsager::solvers::registry::run::{Answers, solve};
use onsager::verification::bench::Bench;
use onsager::verification::catalogue::CHECKS;
use onsager::verification::verify;
use onsager::verification::vocabulary::standard;
use std::path::Path;
use std::time::Instant;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems/reverse");
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the shipped problems")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .filter(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str()))
        })
        .collect();
    files.sort();
    println!(
        "{:<34} {:>8} {:>8} {:>8} {:>8} {:>10}  solvers",
        "problem", "solve s", "compare", "verify", "total s", "promise s"
    );
    for file in files {
        run(&file);
    }
}

fn run(file: &Path) {
    let began = Instant::now();
    let loaded = load(file, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
    let derivation = derive(&loaded.problem).expect("the shipped lowered derives");
    let lowered = Lowered::new(loaded.problem).expect("the shipped lowered lowers");
    let mut answers = Answers::default();
    for spec in &lowered.problem.solvers {
        answers.push(spec, solve(&lowered, spec, &[], None, &mut |_| {}));
    }
    let solved = began.elapsed().as_secs_f64();
    let streams = Streams::new(lowered.problem.run.seed);
    let comparison = compare(&lowered, &answers.solutions, &streams);
    let compared = began.elapsed().as_secs_f64();
    let bench = Bench::new(
        &lowered,
        &derivation,
        &answers.solutions,
        &comparison,
        &streams,
    );
    verify(&bench, CHECKS, &lowered.problem.checks);
    let total = began.elapsed().as_secs_f64();
    let solvers: Vec<String> = answers
        .solutions
        .iter()
        .map(|s| format!("{} {:.1}", s.id, s.seconds))
        .collect();
    println!(
        "{:<34} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>10}  {}",
        file.file_stem().unwrap_or_default().to_string_lossy(),
        solved,
        compared - solved,
        total - compared,
        total,
        30,
        solvers.join(", ")
    );
}
