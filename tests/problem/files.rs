//! Every shipped problem loads, and its resolved text says the same problem again.

use onsager::derivation::derive;
use onsager::derivation::ground::definedness::undefined;
use onsager::derivation::kind::dispatch::stated;
use onsager::derivation::kind::expectation::unmet;
use onsager::problem::format::names::{STRUCTURES, of_kind};
use onsager::problem::load;
use onsager::problem::meant::law::Law;
use onsager::problem::meant::model::Problem;
use onsager::problem::meant::task::{Kind, Reverse};
use onsager::problem::text::diagnostic::Report;
use onsager::problem::{Loaded, parse_text};
use onsager::verification::vocabulary::standard;
use std::path::{Path, PathBuf};
use std::process::Command;

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems/reverse");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of shipped problems")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn reverse(problem: &Problem) -> &Reverse {
    problem.reverse().expect("a reverse problem")
}

fn loaded(file: &str) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("problems/reverse")
        .join(file);
    load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{file} loads:\n{report}"))
}

/// The workloads of the benchmarks: each loads and keeps nothing but what its table deserves as a warning.
#[test]
fn every_benchmark_loads_and_asks_for_the_exact_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems/benchmarks");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder of benchmarks") {
        let path = entry.expect("an entry").path();
        let loaded = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
        let codes: Vec<&str> = loaded.warnings.iter().map(|w| w.code).collect();
        let expected: &[&str] = if path.ends_with("p4_digits_paths.toml") {
            &["W409"]
        } else {
            &[]
        };
        assert_eq!(codes, expected, "{}", path.display());
        let methods: Vec<_> = loaded.problem.solvers.iter().map(|s| s.method()).collect();
        assert_eq!(methods[0], "exact", "{}", path.display());
        names.push(loaded.problem.name.clone());
    }
    names.sort();
    let starts: Vec<&str> = names.iter().map(|name| &name[..3]).collect();
    assert_eq!(starts, ["p1-", "p2-", "p3-", "p4-", "p5-", "p5-", "p6-"]);
}

#[test]
fn every_shipped_problem_loads_without_a_warning_it_does_not_deserve() {
    let files = shipped();
    assert!(files.len() >= 11, "{files:?}");
    for path in files {
        let loaded = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
        // Blank border pixels are a fact of the digits, and the only warning.
        let codes: Vec<&str> = loaded.warnings.iter().map(|w| w.code).collect();
        let expected: &[&str] = if path.ends_with("digits.toml") {
            &["W409"]
        } else {
            &[]
        };
        assert_eq!(codes, expected, "{}", path.display());
    }
}

#[test]
fn the_resolved_text_states_the_same_problem() {
    for path in shipped() {
        let first = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
        let folder = path.parent().expect("a folder");
        let again = parse_text("resolved.toml", &first.resolved, folder, &[], &standard())
            .unwrap_or_else(|report| panic!("{}\n{report}", path.display()));
        assert_eq!(first.resolved, again.resolved, "{}", path.display());
        let (a, b) = (&first.problem, &again.problem);
        let (left, right) = (reverse(a), reverse(b));
        let text = |loaded: &Loaded| -> Vec<String> {
            let problem = &loaded.problem;
            let entries = problem.dynamics.diffusion.iter().flatten();
            let entries = problem.dynamics.drift.iter().chain(entries);
            entries.map(|e| problem.graph.text(*e)).collect()
        };
        assert_eq!(text(&first), text(&again));
        assert_eq!(
            left.data
                .mixture()
                .map(|m| (m.weights, m.means, m.covariances)),
            right
                .data
                .mixture()
                .map(|m| (m.weights, m.means, m.covariances))
        );
        assert_eq!(left.prior.mixture(), right.prior.mixture());
        assert_eq!(a.parameters, b.parameters);
        assert_eq!(a.dynamics.domain, b.dynamics.domain);
        assert_eq!(a.time_settings, b.time_settings);
        assert_eq!(a.run, b.run);
        assert_eq!(a.solvers, b.solvers);
        assert_eq!(a.checks, b.checks);
        assert_eq!(a.sample, b.sample);
        assert_eq!(a.references, b.references);
        assert_eq!(a.output, b.output);
    }
}

#[test]
fn a_table_is_split_and_standardized() {
    let problem = loaded("faithful.toml").problem;
    let Law::Samples(samples) = &reverse(&problem).data else {
        panic!("a table");
    };
    assert_eq!(samples.holdout.len(), 54);
    assert_eq!(samples.training.len(), 218);
    assert_eq!(problem.state_names, ["eruptions_min", "waiting_min"]);
    for j in 0..2 {
        let mean: f64 = samples.training.iter().map(|row| row[j]).sum::<f64>() / 218.0;
        let square: f64 = samples
            .training
            .iter()
            .map(|row| row[j] * row[j])
            .sum::<f64>()
            / 218.0;
        assert!(mean.abs() < 1e-13 && (square - 1.0).abs() < 1e-13);
    }
}

#[test]
fn every_refused_file_says_where_why_and_what_instead() {
    // Names in messages are relative to the package, where tests run.
    let mut files: Vec<PathBuf> = std::fs::read_dir("problems/refused")
        .expect("the folder of refused problems")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 20);
    for path in files {
        let stem = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let report = match load(&path, &[], &standard()) {
            Err(report) => report,
            // A file that says what it means may still have no value, or expect what is not so.
            Ok(loaded) => {
                let mut wrong = undefined(&loaded.problem, &stated(&loaded.problem));
                if wrong.is_empty() {
                    let derivation =
                        derive(&loaded.problem).unwrap_or_else(|e| panic!("{stem}: {e}"));
                    wrong = unmet(&loaded.problem.expect, &derivation.structure);
                }
                assert!(!wrong.is_empty(), "{stem} is in order");
                Report::new(loaded.source, wrong)
            }
        };
        insta::with_settings!({ snapshot_path => "../refused", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(stem, report.render(false));
        });
    }
}

#[test]
fn a_structure_can_be_expected_exactly_when_it_is_looked_for() {
    let derivation = derive(&loaded("mixture_vp.toml").problem).expect("true steps");
    let mut looked_for: Vec<&str> = derivation.structure.iter().map(|f| f.name).collect();
    looked_for.sort_unstable();
    let mut known = of_kind(STRUCTURES, Kind::Reverse);
    known.sort_unstable();
    assert_eq!(looked_for, known);
    for finding in &derivation.structure {
        assert!(!finding.needed.is_empty());
        assert_eq!(
            finding.found,
            finding.nearest.is_empty(),
            "{}",
            finding.name
        );
    }
}

#[test]
fn every_command_refuses_a_problem_without_the_structure_it_expects() {
    for command in ["check", "derive", "solve", "verify"] {
        let output = Command::new(env!("CARGO_BIN_EXE_onsager"))
            .args([command, "problems/refused/unmet_structure.toml"])
            .output()
            .expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        assert!(said.contains("error[E310]"), "{command}: {said}");
        assert!(output.stdout.is_empty(), "{command} ran nothing");
    }
}

/// A matrix of a file, of an array of the file format of NumPy, and typed are the same matrix.
#[test]
fn matrices_of_parameters_come_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("A.csv"), "-1.5 0.25\n0.5, -2\n").expect("written");
    std::fs::write(folder.path().join("b.csv"), "0.5\n-0.125\n").expect("written");
    let text = |a: &str, b: &str| {
        format!(
            "format = 1\n[problem]\nname = \"typed\"\nkind = \"simulate\"\n[params]\nA = {a}\nb = {b}\n\
             [dynamics]\nstate = \"x[2]\"\ndrift = \"A @ x + b\"\ndiffusion = \"1\"\n\
             [initial]\nfamily = \"delta\"\nat = [0.0, 0.0]\n"
        )
    };
    let drift = |text: &str| {
        let loaded = parse_text("p.toml", text, folder.path(), &[], &standard());
        let problem = loaded.unwrap_or_else(|report| panic!("{report}")).problem;
        let graph = &problem.graph;
        let drift = problem.dynamics.drift.iter();
        drift.map(|f| graph.text(*f)).collect::<Vec<_>>()
    };
    let typed = drift(&text("[[-1.5, 0.25], [0.5, -2]]", "[0.5, -0.125]"));
    let of_files = drift(&text("{ file = \"A.csv\" }", "{ file = \"b.csv\" }"));
    assert_eq!(typed, of_files);
    for (wrong, code) in [
        ("{ file = \"C.csv\" }", "E602"),
        ("{ file = \"../A.csv\" }", "E603"),
        ("{ path = \"A.csv\" }", "E010"),
        ("{}", "E012"),
    ] {
        let report = parse_text(
            "p.toml",
            &text(wrong, "[0, 0]"),
            folder.path(),
            &[],
            &standard(),
        )
        .expect_err("refused");
        assert!(report.to_string().contains(code), "{wrong}: {report}");
    }
}
