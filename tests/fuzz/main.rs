//! Arbitrary text instead of a problem file: an answer or diagnostics, within a second, within a gibibyte,
//! never a panic.
//!
//! Every run replays the inputs kept in `tests/fuzz_inputs/` and then mutates the shipped files for a few
//! seconds. `ONSAGER_FUZZ_SECONDS=600 cargo test --release --test fuzz` searches longer,
//! `ONSAGER_FUZZ_SEED=n` elsewhere; an input that breaks a limit is written to that folder before the test
//! fails. Time is allowed `ONSAGER_FUZZ_SLACK` seconds an input: 1, or 8 with debug assertions. The input
//! being read stands in `target/tmp/fuzz_SEED.txt`, should it end the process.

use onsager::expr::{Graph, Scope, Shape, parse};
use onsager::problem::parse_text;
use onsager::verification::vocabulary::standard;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LONGEST: usize = 64 * 1024;
const SLOWEST: Duration = Duration::from_secs(1);
const MEMORY: u64 = 1 << 30;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|e| e == "toml" || e == "txt")
            && let Ok(text) = fs::read_to_string(&path)
        {
            into.push((path, text));
        }
    }
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

const FRAGMENTS: [&str; 48] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "((((((((",
    "))))))))",
    "[[",
    "]]",
    "\"",
    "\"\"\"",
    "'",
    "=",
    "\n",
    "#",
    "x[0]",
    "x[999999999]",
    "x",
    "sum(i in 0..1000000: ",
    "sum(i in 0..d: x[i])",
    "prod(i in 0..9: ",
    "grad(",
    "hess(",
    "lap(",
    "D(",
    "jac(",
    "div(",
    "if(x[0] > 0, ",
    "exp(",
    "log(",
    "^",
    "^^",
    "2^1000000000",
    "1e308",
    "-1e-308",
    "nan",
    "inf",
    "0/0",
    "99999999999999999999",
    "-9223372036854775808",
    "E[",
    "ito(x, dX)",
    "variation(action, u, score, ",
    " for i in 0..5",
    "\u{3b1}",
    "det(A)",
    "@",
];

/// Expressions that grow when written out: `#` is a smaller one, `%` a number.
const GROWING: [&str; 40] = [
    "sum(i in 0..%: #)",
    "prod(i in 0..%: #)",
    "max(i in 0..%: #)",
    "logsumexp(i in 0..%: #)",
    "sum(i in 0..%: sum(j in 0..%: #))",
    "hess(#)[0][0]",
    "lap(#)",
    "grad(#)[0]",
    "D(#, x[0])",
    "D(D(D(#, x[0]), x[0]), x[0])",
    "det([[#, x[1]], [x[2], #]])",
    "inv([[#, x[1]], [x[2], #]])[0][0]",
    "trace(outer(x, x)*(#))",
    "quad(outer(x, x), x)*(#)",
    "norm(#*x)",
    "sum(#*x)",
    "(#)^(#)",
    "(#)^%",
    "(#)*(#)",
    "(#) + (#)",
    "(#)/(#)",
    "(#)^(1/%)",
    "(#) % %",
    "x[i]^i*(#)",
    "x[i % 3]*(#)",
    "i*(#)",
    "exp(#)",
    "log(#)",
    "tanh(#)",
    "abs(#)",
    "if(# > 0, #, #)",
    "max(#, #)",
    "atan2(#, #)",
    "softplus(#)",
    "lgamma(#)",
    "(1/(i + 1))*(#)",
    "(0.1^i + x[0])*(#)",
    "(2^i)*(#)",
    "exp(i*x[0])*(#)",
    "(x[0] + i)*(#)",
];

const LEAVES: [&str; 10] = [
    "x[0]",
    "x[1]",
    "(x[0] + x[1])",
    "t",
    "k",
    "i",
    "0.3",
    "norm2(x)",
    "1e-300",
    "pi",
];

/// An expression that grows when written out, with at most `budget` parts.
fn growing(budget: &mut usize, random: &mut ChaCha8Rng) -> String {
    if *budget == 0 || random.random_range(0..8) == 0 {
        return LEAVES[random.random_range(0..LEAVES.len())].to_owned();
    }
    *budget -= 1;
    let mut text = String::new();
    for character in GROWING[random.random_range(0..GROWING.len())].chars() {
        match character {
            '#' => text.push_str(&growing(budget, random)),
            '%' if random.random_range(0..4) > 0 => {
                let digits = random.random_range(1..6);
                let number = random.random_range(0..10u32.pow(digits));
                text.push_str(&number.to_string());
            }
            '%' => text.push('3'),
            other => text.push(other),
        }
    }
    text
}

/// Puts an expression that grows in the place of a quoted text.
fn replace_quoted(text: &mut String, random: &mut ChaCha8Rng) {
    let quotes: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    let pairs = quotes.len() / 2;
    if pairs > 0 {
        let pair = random.random_range(0..pairs);
        let mut budget = random.random_range(1..12);
        let expression = growing(&mut budget, random);
        text.replace_range(quotes[2 * pair] + 1..quotes[2 * pair + 1], &expression);
    }
}

/// One random edit.
fn mutate(text: &mut String, others: &[(PathBuf, String)], random: &mut ChaCha8Rng) {
    let at = |text: &str, random: &mut ChaCha8Rng| {
        let mut at = random.random_range(0..=text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    match random.random_range(0..10) {
        7..10 => replace_quoted(text, random),
        0 => {
            let (a, b) = (at(text, random), at(text, random));
            let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 200));
            let to = (from..=to).rev().find(|i| text.is_char_boundary(*i));
            text.replace_range(from..to.unwrap_or(from), "");
        }
        1 | 2 => {
            let fragment = FRAGMENTS[random.random_range(0..FRAGMENTS.len())];
            let position = at(text, random);
            text.insert_str(position, fragment);
        }
        3 => {
            let (_, other) = &others[random.random_range(0..others.len())];
            let lines: Vec<&str> = other.lines().collect();
            if !lines.is_empty() {
                let first = random.random_range(0..lines.len());
                let last = (first + random.random_range(1..8)).min(lines.len());
                let position = at(text, random);
                text.insert_str(position, &format!("\n{}\n", lines[first..last].join("\n")));
            }
        }
        4 => {
            let fragment = FRAGMENTS[random.random_range(0..FRAGMENTS.len())];
            let times = 1usize << random.random_range(0..13);
            let position = at(text, random);
            text.insert_str(position, &fragment.repeat(times));
        }
        5 => {
            let character = char::from(random.random_range(32u8..127));
            let position = at(text, random);
            text.insert(position, character);
        }
        _ => {
            let mut lines: Vec<&str> = text.lines().collect();
            if lines.len() > 1 {
                let (a, b) = (
                    random.random_range(0..lines.len()),
                    random.random_range(0..lines.len()),
                );
                lines.swap(a, b);
                *text = lines.join("\n");
            }
        }
    }
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
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
