//! `onsager bench` on a problem whose value is known in closed form.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// `dX = u dt + dW` on `[0, 1]` from 0, cost `1/2 int u² dt + X²/2`: `V = log(2)/2`.
const PROBLEM: &str = r#"
format = 1
[problem]
name = "one-state"
kind = "control"
[dynamics]
state = "x"
control = "u"
drift = "u"
diffusion = "1"
[initial]
family = "delta"
at = [0.0]
[cost]
running = "0.5*u^2"
terminal = "0.5*x^2"
[time]
steps = 16
[run]
paths = 256
[[solver]]
id = "grid"
method = "hopf-cole"
points = 129
steps = 64
[reference.value]
value = 0.34657359027997264
tol = 1e-12
source = "closed form"
"#;

fn bench(folder: &Path, arguments: &[&str]) -> Output {
    let file = folder.join("one.toml");
    std::fs::write(&file, PROBLEM).expect("the folder is writable");
    Command::new(env!("CARGO_BIN_EXE_onsager"))
        .arg("bench")
        .arg(&file)
        .args(arguments)
        .arg("--quiet")
        .arg("--out")
        .arg(folder.join("runs"))
        .output()
        .expect("the command runs")
}

#[test]
fn errors_are_distances_from_the_truth_and_fall_with_work() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let output = bench(
        folder.path(),
        &["--only", "grid,riccati,hjb", "--levels", "2", "--json"],
    );
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let error = |solver: &str, level: u64| {
        let found = lines.iter().find(|line| {
            line["solver"] == solver && line["level"] == level && line["quantity"] == "value"
        });
        let line = found.unwrap_or_else(|| panic!("{solver} at {level}: {text}"));
        let distance = line["value"].as_f64().expect("a value") - 0.5 * 2.0_f64.ln();
        let error = line["error"].as_f64().expect("an error");
        assert!((error - distance.abs()).abs() < 1e-15);
        error
    };
    // The linear equation is exact on quadratic values.
    assert!(error("grid", 0) < 1e-11);
    for solver in ["riccati", "hjb"] {
        assert!(error(solver, 0) < 0.7 * error(solver, 1), "{text}");
    }
    // A method the file does not list runs at its defaults, in a folder that is whole.
    let runs = std::fs::read_dir(folder.path().join("runs")).expect("a folder");
    let names: Vec<_> = runs.map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(names.len(), 1);
    let kept = std::fs::read_to_string(names[0].join("bench.jsonl")).expect("written");
    assert_eq!(kept, text);
    let page = std::fs::read_to_string(names[0].join("report.html")).expect("written");
    assert!(page.contains("riccati") && page.contains("<svg"));
}

#[test]
fn a_wrong_name_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let output = bench(folder.path(), &["--only", "gird"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        said.contains("no solver `gird`") && said.contains("grid"),
        "{said}"
    );
    assert!(!folder.path().join("runs").exists());
}
