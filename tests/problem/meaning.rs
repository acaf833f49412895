//! What a problem file means once it is loaded: coefficients, laws, overrides, names.

use onsager::problem::load;
use onsager::problem::meant::law::{Covariance, Law};
use onsager::problem::meant::model::{Preset, Rate, Spacing};
use onsager::problem::meant::task::Reverse;
use onsager::problem::{Loaded, Override, parse_text};
use onsager::verification::vocabulary::standard;
use proptest::prelude::*;
use std::path::Path;

const GAUSSIAN: &str = "[data]\nfamily = \"gaussian\"\nmean = 0.5\ncov = 0.1\n";
const PLANE: &str = "[data]\nfamily = \"gaussian\"\nmean = [0.5, 1.0]\ncov = 0.1\n";

/// A problem made of a role table and the rest.
fn problem(data: &str, rest: &str) -> Loaded {
    let text = format!("format = 1\n[problem]\nname = \"a\"\nkind = \"reverse\"\n{data}\n{rest}\n");
    parse_text("a.toml", &text, Path::new("."), &[], &standard())
        .unwrap_or_else(|report| panic!("{report}"))
}

fn reverse(loaded: &Loaded) -> &Reverse {
    loaded.problem.reverse().expect("a reverse problem")
}

/// The value of a coefficient at a time and a point.
fn at(loaded: &Loaded, e: onsager::expr::Expr, t: f64, x: &[f64]) -> f64 {
    let problem = &loaded.problem;
    let mut point = vec![(problem.time, t)];
    point.extend(problem.state.iter().copied().zip(x.iter().copied()));
    problem.graph.evaluate(e, &point).expect("no free symbols")
}

fn drift(loaded: &Loaded, i: usize, t: f64, x: &[f64]) -> f64 {
    at(loaded, loaded.problem.dynamics.drift[i], t, x)
}

fn noise(loaded: &Loaded, i: usize, j: usize, t: f64, x: &[f64]) -> f64 {
    at(loaded, loaded.problem.dynamics.diffusion[i][j], t, x)
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-13 * (1.0 + b.abs()), "{a} is not {b}");
}

#[test]
fn presets_have_the_coefficients_of_their_definition() {
    let (t, x) = (0.3, [0.7, -1.1]);
    let vp = problem(
        PLANE,
        "[dynamics]\npreset = \"vp\"\nbeta = [0.1, 20.0]\nhorizon = [0.0, 2.0]",
    );
    let beta = 0.1 + 19.9 * t / 2.0;
    close(drift(&vp, 1, t, &x), -0.5 * beta * x[1]);
    close(noise(&vp, 0, 0, t, &x), beta.sqrt());
    close(noise(&vp, 0, 1, t, &x), 0.0);

    let sub = problem(PLANE, "[dynamics]\npreset = \"sub-vp\"\nbeta = [0.1, 20.0]");
    let (beta, integral) = (0.1 + 19.9 * t, 0.1 * t + 19.9 * t * t / 2.0);
    close(
        noise(&sub, 1, 1, t, &x),
        (beta * (1.0 - (-2.0 * integral).exp())).sqrt(),
    );

    // The noise intensity of `ve` is the slope of sigma(t)^2, here by a centred difference.
    let ve = problem(
        PLANE,
        "[dynamics]\npreset = \"ve\"\nsigma = [0.02, 9.0]\nhorizon = [0.0, 1.5]",
    );
    let variance = |t: f64| (0.02 * (9.0_f64 / 0.02).powf(t / 1.5)).powi(2);
    let slope = (variance(t + 1e-5) - variance(t - 1e-5)) / 2e-5;
    let intensity = noise(&ve, 0, 0, t, &x).powi(2);
    assert!(
        (intensity / slope - 1.0).abs() < 1e-8,
        "{intensity} {slope}"
    );
    close(drift(&ve, 0, t, &x), 0.0);

    let ou = problem(
        PLANE,
        "[dynamics]\npreset = \"ou\"\nrate = 0.4\nsigma = 1.5\nmean = [1.0, 2.0]",
    );
    close(drift(&ou, 1, t, &x), -0.4 * (x[1] - 2.0));

    let linear = problem(
        PLANE,
        "[dynamics]\npreset = \"linear\"\nA = [[0, 1], [-1, \"-1/2\"]]\na = [0.25, 0]\nS = [[0], [2]]",
    );
    close(drift(&linear, 0, t, &x), x[1] + 0.25);
    close(drift(&linear, 1, t, &x), -x[0] - 0.5 * x[1]);
    assert_eq!(linear.problem.dynamics.diffusion[1].len(), 1);
    close(noise(&linear, 1, 0, t, &x), 2.0);
}

#[test]
fn the_drift_is_always_the_ito_drift() {
    // dX = s X o dW: Itô drift s^2 x / 2 (Stratonovich), s^2 x (Klimontovich).
    let rest = |calculus: &str| {
        format!(
            "[prior]\nfamily = \"gaussian\"\nmean = 0.5\ncov = 1.0\n[dynamics]\nstate = \"x\"\ndrift = \"0\"\ndiffusion = \"0.6*x\"\ncalculus = \"{calculus}\""
        )
    };
    for (calculus, expected) in [("ito", 0.0), ("stratonovich", 0.18), ("klimontovich", 0.36)] {
        let loaded = problem(GAUSSIAN, &rest(calculus));
        close(drift(&loaded, 0, 0.0, &[2.0]), expected * 2.0);
    }
}

#[test]
fn names_lists_and_parameters_mean_what_they_say() {
    let rest = "[params]\nd = 2\nk = \"2*m\"\nm = 0.25\n[define]\n\"pull(s)\" = \"-k*s\"\n\
                [dynamics]\nstate = \"x[q, v]\"\ndrift = [\"pull(x[i]) + i for i in 0..d\"]\ndiffusion = [1, \"m\"]";
    let loaded = problem(PLANE, rest);
    assert_eq!(loaded.problem.state_names, ["q", "v"]);
    assert_eq!(loaded.problem.parameters["k"], 0.5);
    close(drift(&loaded, 1, 0.0, &[3.0, 4.0]), -0.5 * 4.0 + 1.0);
    close(noise(&loaded, 1, 1, 0.0, &[3.0, 4.0]), 0.25);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn numbers_and_strings_are_equal_where_a_number_is_meant() {
    let number = problem(GAUSSIAN, "[dynamics]\npreset = \"brownian\"\nsigma = 0.9");
    let string = problem(
        GAUSSIAN,
        "[dynamics]\npreset = \"brownian\"\nsigma = \"0.9\"",
    );
    assert_eq!(
        number.problem.dynamics.preset,
        string.problem.dynamics.preset
    );
    let constant = problem(GAUSSIAN, "[dynamics]\npreset = \"vp\"\nbeta = \"2*pi/pi\"");
    let Some(Preset::VariancePreserving { beta }) = &constant.problem.dynamics.preset else {
        panic!("vp");
    };
    assert_eq!(*beta, Rate::Constant(2.0));
}

#[test]
fn default_priors_follow_the_documented_rule() {
    let prior = |rest: &str| {
        let loaded = problem(GAUSSIAN, rest);
        let mixture = reverse(&loaded).prior.mixture().expect("a Gaussian");
        (mixture.means[0][0], mixture.covariances[0].entry(0, 0))
    };
    assert_eq!(prior("[dynamics]\npreset = \"vp\""), (0.0, 1.0));
    assert_eq!(
        prior("[dynamics]\npreset = \"ve\"\nsigma = [0.01, 5.0]"),
        (0.0, 25.0)
    );
    // Forgotten: exp(-6) < 1 %. Stationary variance sigma^2 / (2 rate).
    let (mean, variance) =
        prior("[dynamics]\npreset = \"ou\"\nrate = 6.0\nsigma = 3.0\nmean = 1.5");
    close(mean, 1.5);
    close(variance, 0.75);
    // Not forgotten: the moments of X_T.
    let (mean, variance) = prior("[dynamics]\npreset = \"ou\"\nrate = 1.0\nsigma = 1.0");
    let decay = (-1.0_f64).exp();
    assert!((mean - 0.5 * decay).abs() < 1e-10);
    assert!((variance - (0.1 * decay * decay + 0.5 * (1.0 - decay * decay))).abs() < 1e-10);
    let (mean, variance) =
        prior("[dynamics]\npreset = \"brownian\"\nsigma = 2.0\nhorizon = [0.0, 3.0]");
    assert!((mean - 0.5).abs() < 1e-12 && (variance - 12.1).abs() < 1e-10);
}

#[test]
fn a_drift_without_closed_form_gets_grid_methods_only() {
    let rest = "[prior]\nfamily = \"gaussian\"\nmean = 0.0\ncov = 1.0\n[dynamics]\ndrift = \"x - x^3\"\ndiffusion = 1.0";
    let loaded = problem(GAUSSIAN, rest);
    let names: Vec<&str> = loaded.problem.solvers.iter().map(|s| s.method()).collect();
    assert_eq!(names, ["hopf-cole", "fokker-planck"]);
    assert_eq!(loaded.problem.time_settings.spacing, Spacing::Log);
    let affine = problem(GAUSSIAN, "[dynamics]\ndrift = \"-x\"\ndiffusion = 1.0");
    let names: Vec<&str> = affine.problem.solvers.iter().map(|s| s.method()).collect();
    assert_eq!(
        names,
        ["exact", "action", "score-matching", "hopf-cole", "bridge"]
    );
}

#[test]
fn overrides_reach_the_problem_and_the_resolved_text() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems/reverse/custom_drift.toml");
    let set = |text: &str| Override::parse(text).expect("key=value");
    let overrides = [
        set("sigma=1/2"),
        set("time.steps=77"),
        set("run.solvers=hopf-cole"),
    ];
    let loaded = load(&path, &overrides, &standard()).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(loaded.problem.parameters["sigma"], 0.5);
    assert_eq!(loaded.problem.time_settings.steps, 77);
    assert_eq!(loaded.problem.solvers.len(), 1);
    assert_eq!(loaded.problem.solvers[0].method(), "hopf-cole");
    let again = parse_text(
        "r.toml",
        &loaded.resolved,
        path.parent().expect("a folder"),
        &[],
        &standard(),
    )
    .unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(again.resolved, loaded.resolved);
}

#[test]
fn a_wrong_override_is_shown_on_the_command_line() {
    let path = Path::new("problems/reverse/custom_drift.toml");
    for (text, expected) in [
        ("sigm=1", "did you mean `sigma`?"),
        ("time.step=1", "did you mean `steps`?"),
        ("tim.steps=1", "did you mean `time`?"),
        ("sigma=\"1 +\"", "E101"),
    ] {
        let item = Override::parse(text).expect("key=value");
        let report = load(path, &[item], &standard())
            .expect_err(text)
            .render(false);
        assert!(report.contains("--> --set:1:"), "{report}");
        assert!(report.contains(expected), "{report}");
    }
}

#[test]
fn the_swiss_roll_is_the_integral_over_its_centre_line() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems/reverse/swiss_roll.toml");
    let loaded = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
    let Law::Curve(curve) = &reverse(&loaded).data else {
        panic!("a curve");
    };
    let width = 0.5 / 6.865;
    assert_eq!(curve.width, width);
    // The definition by a midpoint rule of 200 000 nodes, error O(1/n^2) from the ends only.
    let line = |s: f64| {
        let r = 1.5 * std::f64::consts::PI * (1.0 + 2.0 * s);
        [r * r.cos() / 6.865, r * r.sin() / 6.865]
    };
    let kernel = |x: [f64; 2], m: [f64; 2]| {
        let square = (x[0] - m[0]).powi(2) + (x[1] - m[1]).powi(2);
        (-0.5 * square / (width * width)).exp()
    };
    for x in [
        [0.9, 0.1],
        [-1.3, 0.4],
        [0.2, -1.5],
        [1.8, 0.3],
        [0.05, 0.66],
    ] {
        let n = 200_000;
        let exact: f64 = (0..n)
            .map(|i| kernel(x, line((i as f64 + 0.5) / n as f64)))
            .sum::<f64>()
            / n as f64;
        let mixture = &curve.mixture;
        let found: f64 = mixture
            .weights
            .iter()
            .zip(&mixture.means)
            .map(|(w, m)| w * kernel(x, [m[0], m[1]]))
            .sum();
        assert!((found / exact - 1.0).abs() < 1e-8, "{x:?}: {found} {exact}");
    }
    assert_eq!(
        curve.mixture.covariances[0],
        Covariance::Isotropic(width * width)
    );
}

#[test]
fn a_domain_that_cuts_the_data_is_warned_about() {
    let loaded = problem(
        GAUSSIAN,
        "[dynamics]\npreset = \"vp\"\ndomain = [-1.0, 1.0]",
    );
    let codes: Vec<&str> = loaded.warnings.iter().map(|w| w.code).collect();
    // P(N(0.5, 0.1) > 1) = 0.057.
    assert_eq!(codes, ["W406"]);
    assert!(
        loaded.warnings[0].message.contains("5.7e-2"),
        "{}",
        loaded.warnings[0].message
    );
}

#[test]
fn shadowing_a_function_and_switching_checks_off_are_warned_about() {
    let rest = "[params]\nexp = 1.0\n[dynamics]\npreset = \"vp\"\nbeta = \"exp\"\n[run]\nchecks = \"none\"";
    let codes: Vec<&str> = problem(GAUSSIAN, rest)
        .warnings
        .iter()
        .map(|w| w.code)
        .collect();
    assert_eq!(codes, ["W402", "W412"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Damage to a good file gives a problem or a report, never a panic.
    #[test]
    fn a_damaged_file_is_answered(at in 0.0..1.0_f64, length in 0_usize..40, insert in "[\\[\\]{}=\"'.,0-9a-z\\n ]{0,8}") {
        let text = include_str!("../../problems/reverse/custom_drift.toml");
        let mut bytes: Vec<u8> = text.bytes().collect();
        let start = (at * bytes.len() as f64) as usize;
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, insert.bytes());
        let text = String::from_utf8_lossy(&bytes);
        match parse_text("damaged.toml", &text, Path::new("problems/reverse"), &[], &standard()) {
            Ok(loaded) => prop_assert!(loaded.resolved.starts_with("format = 1")),
            Err(report) => prop_assert!(report.render(false).contains("Nothing was run.")),
        }
    }
}
