//! Dense linear–quadratic problems: typed as matrices and written out by entries they are one problem, and what a policy
//! costs is known without draws.
//!
//! Truths of the problem in twenty states: the exponential of the Hamiltonian over 64 steps and an adaptive solution of
//! the Riccati equation, both made with other software.

use onsager::derivation::Evidence;
use onsager::study::{Findings, Solvers, Study};
use std::path::Path;

const VALUE: f64 = 10.327452649356;
const CONTROL: f64 = 0.637240326130;

fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/dense_twenty.toml");
    std::fs::read_to_string(path).expect("the problem")
}

/// The rows of a matrix of the file.
fn matrix(text: &str, name: &str) -> Vec<Vec<f64>> {
    let table: toml::Table = text.parse().expect("a problem file");
    let rows = table["params"][name].as_array().expect("rows").iter();
    rows.map(|row| {
        let entries = row.as_array().expect("a row").iter();
        entries
            .map(|v| v.as_float().expect("a decimal"))
            .collect::<Vec<f64>>()
    })
    .collect()
}

fn sum(row: &[f64], name: &str) -> String {
    let terms = row.iter().enumerate();
    let terms: Vec<String> = terms.map(|(j, a)| format!("({a})*{name}[{j}]")).collect();
    terms.join(" + ")
}

/// The same problem without a matrix in it.
fn by_entries(text: &str) -> String {
    let [a, b, q] = ["A", "B", "Q"].map(|name| matrix(text, name));
    let rows = a.iter().zip(&b);
    let rows = rows.map(|(a, b)| format!("\"{} + {}\"", sum(a, "x"), sum(b, "u")));
    let drift: Vec<String> = rows.collect();
    let mut cost = Vec::new();
    for (i, row) in q.iter().enumerate() {
        for (j, entry) in row.iter().enumerate() {
            cost.push(format!("({entry})*x[{i}]*x[{j}]"));
        }
    }
    let (_, rest) = text.split_once("[dynamics]").expect("a table of dynamics");
    let whole = format!(
        "format = 1\n[problem]\nname = \"dense-twenty\"\nkind = \"control\"\n[dynamics]{rest}"
    );
    whole
        .replace("\"A @ x + B @ u\"", &format!("[{}]", drift.join(", ")))
        .replace("quad(Q, x)", &format!("({})", cost.join(" + ")))
}

fn solved(text: &str) -> Findings {
    let study = Study::parse(text).unwrap_or_else(|why| panic!("{why}"));
    study
        .solve(Solvers::Auto)
        .unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn matrices_and_entries_are_one_problem() {
    let typed = text();
    let entries = by_entries(&typed);
    let mut found = Vec::new();
    for text in [&typed, &entries] {
        let solved = solved(text);
        for (what, truth) in [("value", VALUE), ("control[0]", CONTROL)] {
            let value = solved.quantity(what).expect("a named number").value;
            assert!((value - truth).abs() < 2e-8, "{what} = {value}");
        }
        let derivation = solved.derivation();
        assert_eq!(derivation.steps.len(), 7);
        for step in &derivation.steps {
            assert_eq!(step.evidence, Evidence::Proved, "{}", step.name);
        }
        let check = derivation.cross_check.expect("points with values");
        assert!(check.largest_relative_difference < 1e-12, "{check:?}");
        let structure: Vec<_> = derivation
            .structure
            .iter()
            .map(|f| (f.name, f.found))
            .collect();
        let number = solved.quantity("value").expect("a value").value;
        found.push((structure, number.to_bits()));
    }
    assert_eq!(found[0], found[1]);
}

/// The cost of the policy of the Riccati equation by the moments of the process is the value: two equations, forwards
/// and backwards in time. Along another policy it is the value and half the mean square of what it misses.
#[test]
fn moments_tell_what_policies_cost() {
    let text = r#"
        format = 1
        problem = { name = "two-springs", kind = "control" }
        [dynamics]
        state = "x[2]"
        control = "u"
        horizon = [0.0, 1.5]
        drift = ["x[1]", "-2*x[0] - 0.3*x[1] + u"]
        diffusion = [["0.3"], ["0.4"]]
        [initial]
        family = "gaussian"
        mean = [1.0, -0.5]
        cov = [[0.2, 0.05], [0.05, 0.1]]
        [cost]
        running = "x[0]^2 + x[0] + u^2/2"
        terminal = "x[0]^2 + 0.3*x[1]^2"
        discount = 0.2
    "#;
    let found = solved(text);
    let value = found.quantity("value").expect("a value");
    let cost = found.quantity("cost_riccati").expect("a cost");
    let apart = (cost.value - value.value).abs();
    assert!(
        apart < 1e-8 && apart <= 3.0 * (cost.error + value.error),
        "{cost:?} {value:?}"
    );
}

/// Without control the cost of a mean-reverting line is an integral of its second moment,
/// `E X_t^2 = s + (1 - s) e^{-2t}` with `s = sigma^2/2`.
#[test]
fn moments_without_control_are_those_of_the_free_process() {
    let text = r#"
        format = 1
        problem = { name = "returning", kind = "control" }
        dynamics = { state = "x", control = "u", horizon = [0.0, 1.0], drift = "-x + u", diffusion = 0.5 }
        initial = { family = "delta", at = [1.0] }
        cost = { running = "x^2 + u^2/2", terminal = "x^2" }
    "#;
    let (s, fall) = (0.125, (-2.0_f64).exp());
    let expected = (1.0 - s) * (1.0 - fall) / 2.0 + s + (s + (1.0 - s) * fall);
    let free = solved(text).quantity("uncontrolled_cost").expect("a cost");
    let apart = (free.value - expected).abs();
    assert!(
        apart < 1e-9 && apart <= 3.0 * free.error,
        "{free:?} {expected}"
    );
}

/// Costs linear in the control, beyond the sizes that are written out: every step is still proved, the policy of the file
/// is the one that is checked against what was typed, and costs what it is said to.
#[test]
fn linear_costs_of_the_control_are_completed_in_many_states() {
    let linear = text().replace("0.5*dot(u, u)", "0.5*dot(u, u) + 0.3*u[0] + 0.2*x[1]*u[2]");
    let found = solved(&linear);
    for step in &found.derivation().steps {
        assert_eq!(step.evidence, Evidence::Proved, "{}", step.name);
    }
    let check = found.derivation().cross_check.expect("points with values");
    assert!(check.largest_relative_difference < 1e-12, "{check:?}");
    let value = found.quantity("value").expect("a value");
    let cost = found.quantity("cost_riccati").expect("a cost");
    let apart = (cost.value - value.value).abs();
    assert!(apart < 1e-7, "{cost:?} {value:?}");
    assert!((value.value - VALUE).abs() > 0.01, "{value:?}");
}

/// A policy that is not affine beside one that is: its distance is measured on paths of the reference.
#[test]
fn policies_of_grids_are_measured_beside_affine_ones() {
    let text = r#"
        format = 1
        problem = { name = "returning", kind = "control" }
        dynamics = { state = "x", control = "u", horizon = [0.0, 1.0], drift = "-x + u", diffusion = 0.5 }
        initial = { family = "delta", at = [1.0] }
        cost = { running = "x^2 + u^2/2", terminal = "x^2", discount = 0.1 }
        grid = { points = 101 }
        time = { steps = 50 }
        run = { paths = 1024 }
    "#;
    let study = Study::parse(text).unwrap_or_else(|why| panic!("{why}"));
    let found = study
        .solve(Solvers::Named(&["riccati", "hjb"]))
        .unwrap_or_else(|why| panic!("{why}"));
    let row = found.comparison().row("hjb").expect("an answer");
    let error = row.control_error.as_ref().expect("a distance");
    let relative = error.relative.value;
    assert!(relative > 0.0 && relative < 0.05, "{relative}");
    let performance = row.performance.as_ref().expect("a cost");
    assert!(performance.gap.is_some());
}
