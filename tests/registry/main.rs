//! A method and a preset from outside the crate: listed, explained, checked by the schema and run.

mod toy_method;
mod toy_preset;

use onsager::problem::format::json_schema::json_schema;
use onsager::study::{Registry, Solvers, Study};

fn registry() -> Registry {
    Registry::standard()
        .with(toy_method::TOY)
        .with(&toy_preset::TOY)
}

fn read(text: &str) -> Study {
    let study = registry().parse(text);
    study.unwrap_or_else(|why| panic!("{why}"))
}

const SPRING: &str = r#"
format = 1
problem = { name = "spring", kind = "control" }
dynamics = { state = "x", control = "u", horizon = [0.0, 1.0], drift = "-x + u", diffusion = 1.0 }
initial = { family = "delta", at = [1.0] }
cost = { running = "(x^2 + u^2)/2", terminal = "x^2" }
time = { steps = 20 }
run = { paths = 256, checks = "none" }
"#;

#[test]
fn added_names_are_listed_and_explained() {
    let registry = registry();
    let methods = registry.list("methods").expect("a list").render(100);
    assert!(methods.contains("fixed-gain"), "{methods}");
    let presets = registry.list("presets").expect("a list").render(100);
    assert!(presets.contains("pull"), "{presets}");
    for (name, says) in [
        ("fixed-gain", "never looks"),
        ("pull", "towards the origin"),
    ] {
        let page = registry.explain(name).expect("a page");
        assert!(page.contains(says), "{page}");
    }
    assert!(Registry::standard().explain("fixed-gain").is_none());
}

#[test]
fn added_words_are_in_the_schema_and_others_are_refused() {
    let schema = json_schema(registry().words()).to_string();
    for word in ["fixed-gain", "gain", "pull", "strength"] {
        assert!(schema.contains(&format!("\"{word}\"")), "{word}");
    }
    let wrong = format!("{SPRING}[[solver]]\nmethod = \"fixed-gain\"\ngian = 2.0\n");
    let report = registry()
        .parse(&wrong)
        .err()
        .expect("a wrong key")
        .to_string();
    assert!(
        report.contains("gian") && report.contains("gain"),
        "{report}"
    );
    assert!(Study::parse(&wrong).is_err());
}

#[test]
fn an_added_method_runs_with_its_options() {
    let study = read(SPRING);
    let solver = "[[solver]]\nid = \"two\"\nmethod = \"fixed-gain\"\ngain = 2.0\n";
    let found = study.solve(Solvers::Stated(solver)).expect("it runs");
    let answer = found.answer("two").expect("an answer");
    let policy = answer.policy().expect("a policy");
    assert_eq!(policy.at(0.3, &[1.5]), [-3.0]);
    assert!(answer.value().is_err());
    let found = study.solve(Solvers::Named(&["fixed-gain", "riccati"]));
    let found = found.expect("both run");
    let policy = found.answer("fixed-gain").and_then(|a| a.policy());
    assert_eq!(policy.expect("a policy").at(0.3, &[1.5]), [-1.5]);
    assert!(found.answer("riccati").is_ok());
    assert!(found.answer("hjb").is_err());
}

/// `dX = -k X dt + dW` has the variance `(1 - exp(-2 k t)) / (2 k)` from a point.
#[test]
fn an_added_preset_is_the_process_it_states() {
    let study = read(
        r#"
format = 1
problem = { name = "pulled", kind = "simulate" }
dynamics = { state = "x", horizon = [0.0, 1.0], preset = "pull", strength = 1.5 }
initial = { family = "delta", at = [1.0] }
run = { checks = "none", solvers = ["moments"] }
"#,
    );
    let found = study.solve(Solvers::File).expect("it runs");
    let mean = found.quantity("mean_end").expect("a mean").value;
    assert!((mean - (-1.5_f64).exp()).abs() < 1e-5, "{mean}");
    let variance = found.quantity("covariance_end").expect("a variance").value;
    let expected = (1.0 - (-3.0_f64).exp()) / 3.0;
    assert!((variance - expected).abs() < 1e-5, "{variance}");
}
