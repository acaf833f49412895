//! Arbitrary text instead of a problem file: an answer or diagnostics, within a second, within a gibibyte,
//! never a panic.
//!
//! Every run replays the inputs kept in `tests/fuzz_inputs/` and then mutates the shipped files for a few
//! seconds. `ONSAGER_FUZZ_SECONDS=600 cargo test --release --test fuzz` searches longer,
//! `ONSAGER_FUZZ_SEED=n` elsewhere; an input that breaks a limit is written to that folder before the test
//! fails. Time is allowed `ONSAGER_FUZZ_SLACK` seconds an input: 1, or 8 with debug assertions. The input
//! being read stands in `target/tmp/fuzz_SEED.txt`, should it end the process.

mod mutate;

use mutate::{files, mutate, setting};
use onsager::expr::{Graph, Scope, Shape, parse};
use onsager::problem::parse_text;
use onsager::verification::vocabulary::standard;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SLOWEST: Duration = Duration::from_secs(1);
const MEMORY: u64 = 1 << 30;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The text as a problem file, and each of its lines as an expression.
fn read(text: &str) {
    // A file with every key valid may still name a table: none is here, so none is read.
    let _ = parse_text(
        "fuzz.toml",
        text,
        &folder("tests/fuzz_inputs"),
        &[],
        &standard(),
    );
    let mut graph = Graph::new();
    let mut scope = Scope::new();
    scope.time(&mut graph);
    scope.state(&mut graph, "x", &Shape::Vector(3));
    scope.bind_number(&mut graph, "k", 2.0);
    scope.bind_matrix(&mut graph, "A", &[vec![2.0, 1.0], vec![0.5, 3.0]]);
    for line in text.lines().take(64) {
        let source = line.split_once('=').map_or(line, |(_, right)| right);
        let _ = parse(source.trim().trim_matches('"'), &scope, &mut graph);
    }
}

/// Peak resident size in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Time this thread has run, where the system tells: a busy machine is not a slow reader.
fn processor_time() -> Option<Duration> {
    let line = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = line.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// What limit the text breaks.
fn complaint(text: &str) -> Option<String> {
    let before = peak();
    let (start, spent) = (Instant::now(), processor_time());
    let outcome = catch_unwind(AssertUnwindSafe(|| read(text)));
    let time = match (spent, processor_time()) {
        (Some(before), Some(after)) => after - before,
        _ => start.elapsed(),
    };
    if let Err(panic) = outcome {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        return Some(format!("panicked: {}", message.unwrap_or_default()));
    }
    // Unoptimised builds are several times slower than what a user runs.
    let slack = if cfg!(debug_assertions) { 8 } else { 1 };
    let slack = setting("ONSAGER_FUZZ_SLACK", slack);
    let allowed = SLOWEST * u32::try_from(slack).unwrap_or(u32::MAX);
    if time > allowed {
        return Some(format!("took {time:?}"));
    }
    match (before, peak()) {
        (Some(before), Some(after)) if after > MEMORY && after > before => {
            Some(format!("took memory to {after} bytes"))
        }
        _ => None,
    }
}

#[test]
fn inputs_that_once_broke_a_limit_are_read() {
    let mut kept = Vec::new();
    files(&folder("tests/fuzz_inputs"), &mut kept);
    assert!(!kept.is_empty());
    for (path, text) in kept {
        assert_eq!(complaint(&text), None, "{}", path.display());
    }
}

#[test]
fn no_text_breaks_the_reader() {
    let mut corpus = Vec::new();
    files(&folder("problems"), &mut corpus);
    files(&folder("tests/fuzz_inputs"), &mut corpus);
    let seed = setting("ONSAGER_FUZZ_SEED", 1);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let end = Instant::now() + Duration::from_secs(setting("ONSAGER_FUZZ_SECONDS", 5));
    let mut inputs = 0u64;
    let current = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz_{seed}.txt"));
    while Instant::now() < end {
        let mut text = corpus[random.random_range(0..corpus.len())].1.clone();
        for _ in 0..random.random_range(1..6) {
            mutate(&mut text, &corpus, &mut random);
        }
        fs::write(&current, &text).expect("the input can be kept");
        if let Some(complaint) = complaint(&text) {
            let path = folder("tests/fuzz_inputs").join(format!("found_{seed}_{inputs}.txt"));
            fs::write(&path, &text).expect("the input can be kept");
            panic!("input {inputs}, kept as {}: {complaint}", path.display());
        }
        inputs += 1;
    }
    println!("{inputs} inputs");
    assert!(inputs > 0);
}
