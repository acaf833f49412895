//! A whole run gives the same bits whatever the number of threads and the size of the blocks of work.

use std::path::Path;
use std::process::Command;

/// Two states, every road to the control, and sizes that no block divides.
const PROBLEM: &str = r#"
format = 1
[problem]
name = "two-bumps"
kind = "reverse"
[data]
family  = "mixture"
weights = [0.4, 0.6]
means   = [[-1.0, 0.5], [1.0, 0.0]]
covs    = [0.2, [[0.3, 0.1], [0.1, 0.2]]]
[dynamics]
preset = "vp"
beta   = [0.1, 12.0]
[time]
steps = 24
t_min = 5e-3
[run]
paths = 331
[[solver]]
id = "exact"
method = "exact"
[[solver]]
id = "action"
method = "action"
field = { family = "rbf", centers = 12, nodes = 4 }
paths = 203
steps = 20
max_iter = 15
tol = 0.5
[[solver]]
id = "action-mixture"
method = "action"
field = { family = "mixture", components = 3 }
paths = 130
steps = 12
max_iter = 8
tol = 10.0
[[solver]]
id = "score"
method = "score-matching"
field = { family = "rbf", centers = 20, nodes = 5 }
samples = 1500
[[solver]]
id = "score-mixture"
method = "score-matching"
field = { family = "mixture", components = 3 }
samples = 900
max_iter = 10
tol = 1.0
[[solver]]
id = "grid"
method = "hopf-cole"
points = [40, 36]
steps = 30
[[solver]]
id = "density"
method = "fokker-planck"
points = [40, 36]
steps = 30
[[solver]]
id = "sinkhorn"
method = "bridge"
points = [40, 36]
[sample]
steps = 30
paths = 301
"#;

/// What a run found, without what clocks and the command line put into it.
struct Run {
    result: String,
    arrays: Vec<u8>,
}

fn run(folder: &Path, threads: &str, block: &str) -> Run {
    let out = folder.join(format!("{threads}-{block}"));
    let output = Command::new(env!("CARGO_BIN_EXE_onsager"))
        .arg("solve")
        .arg(folder.join("two_bumps.toml"))
        .args(["--quiet", "--threads", threads, "--block", block, "--out"])
        .arg(&out)
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    // Sizes are small here, so a verdict may be anything; a run that ended early may not.
    assert!(
        matches!(output.status.code(), Some(0 | 1 | 3)),
        "{:?}: {said}",
        output.status
    );
    let runs: Vec<_> = std::fs::read_dir(&out)
        .expect("a run folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let [found] = runs.as_slice() else {
        panic!("one run was made: {runs:?}");
    };
    let text = std::fs::read_to_string(found.join("result.json")).expect("a result");
    let mut result: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    let solvers = result["solvers"].as_array().map_or(0, Vec::len);
    assert_eq!(solvers, 8, "every solver has a row");
    assert!(result["checks"].as_array().is_some_and(|c| c.len() > 40));
    without_clocks(&mut result);
    Run {
        result: serde_json::to_string_pretty(&result).expect("it was JSON"),
        arrays: std::fs::read(found.join("arrays.npz")).expect("arrays"),
    }
}

/// Drops wall times, the command line and the number of threads.
fn without_clocks(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            for key in ["seconds", "phases", "command", "threads"] {
                map.shift_remove(key);
            }
            map.values_mut().for_each(without_clocks);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(without_clocks),
        _ => {}
    }
}

/// The first lines in which two texts differ.
fn differences(a: &str, b: &str) -> String {
    let lines: Vec<String> = a
        .lines()
        .zip(b.lines())
        .enumerate()
        .filter(|(_, (a, b))| a != b)
        .map(|(n, (a, b))| format!("{}: {} | {}", n + 1, a.trim(), b.trim()))
        .collect();
    format!(
        "{} lines differ:\n{}",
        lines.len(),
        lines[..lines.len().min(20)].join("\n")
    )
}

#[test]
fn results_are_the_same_bits_for_any_threads_and_blocks() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("two_bumps.toml"), PROBLEM).expect("written");
    let reference = run(folder.path(), "1", "256");
    for (threads, block) in [("2", "96"), ("3", "256")] {
        let other = run(folder.path(), threads, block);
        assert!(
            other.result == reference.result,
            "{threads} threads in blocks of {block}: {}",
            differences(&reference.result, &other.result)
        );
        assert!(
            other.arrays == reference.arrays,
            "arrays of {threads} threads in blocks of {block}"
        );
    }
}
