//! Mutated files through every command: an answer or a refusal in time, never a fault of the program.
//!
//! A file that breaks a limit is written to `tests/cases/fire/found/` before the test fails; every run replays what is kept
//! there.

use crate::command::{Ran, onsager, ran, root};
use crate::mutate::{files, mutate, setting};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// What every command is given.
const LIMIT: Duration = Duration::from_secs(2);
/// What it may take beyond that.
const OVERTIME: Duration = Duration::from_secs(1);
const MEMORY: u64 = 4 << 30;

const COMMANDS: [&[&str]; 6] = [
    &["check"],
    &["derive"],
    &["verify"],
    &["bench", "--levels", "2"],
    &["solve"],
    // Small enough to come to an end.
    &["solve", "--set", "run.paths=64", "--set", "time.steps=10"],
];

/// Numbers that stand for sizes, powers and ends of ranges.
const NUMBERS: [&str; 24] = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "5",
    "7",
    "11",
    "0.5",
    "-0.0",
    "1e-300",
    "1e300",
    "1e-9",
    "1e9",
    "64",
    "1000",
    "100000",
    "10000000",
    "1000000000000",
    "9223372036854775807",
    "1.7976931348623157e308",
    "inf",
    "1e4",
    "0.999999999999",
];

/// Puts another number in the place of one.
fn renumber(text: &mut String, random: &mut ChaCha8Rng) {
    let is_start = |(i, c): &(usize, char)| {
        let before = text[..*i].chars().next_back();
        c.is_ascii_digit() && before.is_none_or(|b| !b.is_alphanumeric() && b != '_' && b != '.')
    };
    let starts: Vec<usize> = text
        .char_indices()
        .filter(is_start)
        .map(|(i, _)| i)
        .collect();
    if starts.is_empty() {
        return;
    }
    let start = starts[random.random_range(0..starts.len())];
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == 'e';
    let end = text[start..]
        .find(|c| !is_number(c))
        .map_or(text.len(), |n| start + n);
    text.replace_range(start..end, NUMBERS[random.random_range(0..NUMBERS.len())]);
}

/// Takes a line away.
fn shorten(text: &mut String, random: &mut ChaCha8Rng) {
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.len() > 3 {
        lines.remove(random.random_range(1..lines.len()));
        *text = lines.join("\n") + "\n";
    }
}

fn complaint(found: &Ran) -> Option<String> {
    let slack = Duration::from_secs(setting(
        "ONSAGER_FUZZ_SLACK",
        if cfg!(debug_assertions) { 8 } else { 0 },
    ));
    if found.took > LIMIT + OVERTIME + slack {
        return Some(format!("took {:?}", found.took));
    }
    if found.peak > MEMORY {
        return Some(format!("took memory to {} bytes", found.peak));
    }
    found.complaint()
}

fn run(arguments: &[&str], file: &Path, out: &Path) -> Ran {
    let mut command = onsager();
    command.args(["--max-time", &format!("{}s", LIMIT.as_secs())]);
    command
        .arg("--out")
        .arg(out)
        .arg(arguments[0])
        .arg(file)
        .args(&arguments[1..]);
    ran(&mut command, Duration::from_secs(60))
}

#[test]
fn files_that_once_broke_a_command_break_none() {
    let place = tempfile::tempdir().expect("a folder");
    let mut kept = Vec::new();
    files(&root().join("tests/cases/fire/found"), &mut kept);
    for (path, _) in kept {
        for arguments in &COMMANDS[..5] {
            let found = run(arguments, &path, place.path());
            let complaint = complaint(&found);
            assert_eq!(
                complaint,
                None,
                "{arguments:?} {}: {}",
                path.display(),
                found.err
            );
        }
    }
}

#[test]
fn commands_stand_mutated_files() {
    let mut corpus = Vec::new();
    files(&root().join("problems"), &mut corpus);
    let cases = root().join("tests/cases");
    files(&cases, &mut corpus);
    let seed = setting("ONSAGER_FUZZ_SEED", 1);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let end = Instant::now() + Duration::from_secs(setting("ONSAGER_FUZZ_SECONDS", 5));
    let place = tempfile::tempdir().expect("a folder");
    let (mut runs, mut found) = (0_u64, Vec::new());
    let (mut answered, mut slowest, mut largest) = (0_u64, Duration::ZERO, 0);
    while Instant::now() < end {
        let (origin, text) = &corpus[random.random_range(0..corpus.len())];
        let mut text = text.clone();
        for _ in 0..random.random_range(1..4) {
            match random.random_range(0..8) {
                0 => mutate(&mut text, &corpus, &mut random),
                1 | 2 => shorten(&mut text, &mut random),
                _ => renumber(&mut text, &mut random),
            }
        }
        // Beside the tables that it names.
        let folder = origin.parent().expect("a file");
        let file = place.path().join("problems/a/mutated.toml");
        link_tables(folder, place.path());
        fs::write(&file, &text).expect("writable");
        let arguments = COMMANDS[random.random_range(0..COMMANDS.len())];
        let ended = run(arguments, &file, &place.path().join("runs"));
        runs += 1;
        answered += u64::from(ended.code != Some(2));
        slowest = slowest.max(ended.took);
        largest = largest.max(ended.peak);
        if let Some(complaint) = complaint(&ended) {
            let name = format!("found_{seed}_{runs}.toml");
            let kept = cases.join("fire/found").join(name);
            fs::create_dir_all(kept.parent().expect("a folder")).expect("writable");
            fs::write(&kept, &text).expect("writable");
            println!(
                "{arguments:?} {}: {complaint}\n{}",
                kept.display(),
                ended.err
            );
            found.push(complaint);
        }
        let _ = fs::remove_dir_all(place.path().join("runs"));
    }
    println!(
        "{runs} runs, {answered} not refused, slowest {slowest:?}, most memory {largest} bytes"
    );
    assert_eq!(found, [""; 0]);
}

/// Copies the tables of a folder, and those of the folder of data, where a mutated file looks for them.
fn link_tables(folder: &Path, place: &Path) {
    for (from, to) in [
        (folder.to_owned(), "problems/a"),
        (root().join("problems/data"), "problems/data"),
    ] {
        let to = place.join(to);
        fs::create_dir_all(&to).expect("writable");
        let entries = fs::read_dir(from).into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path();
            let is_table = path
                .extension()
                .is_some_and(|end| end == "csv" || end == "npy");
            if is_table && !to.join(entry.file_name()).exists() {
                fs::copy(&path, to.join(entry.file_name())).expect("writable");
            }
        }
    }
}
