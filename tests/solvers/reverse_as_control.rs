//! Reverse diffusion by the methods of control, against closed forms; and which method takes which kind.

use onsager::numeric::batch::Batch;
use onsager::problem::meant::kind::Kind;
use onsager::problem::{load, parse_text};
use onsager::solvers::driver::{Solution, Unsolved};
use onsager::solvers::lowered::problem::Lowered;
use onsager::solvers::registry::methods::METHODS;
use onsager::solvers::registry::run::solve;
use onsager::verification::vocabulary::standard;
use std::path::Path;
use std::time::Duration;

fn shipped(name: &str) -> Lowered {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("problems/reverse")
        .join(name);
    let loaded = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
    Lowered::new(loaded.problem).expect("a shipped problem lowers")
}

fn posed(text: &str) -> Lowered {
    let loaded = parse_text("test.toml", text, Path::new("."), &[], &standard())
        .unwrap_or_else(|report| panic!("{report}\n{text}"));
    Lowered::new(loaded.problem).expect("the problem lowers")
}

fn first(lowered: &Lowered) -> Solution {
    let spec = &lowered.problem.solvers[0];
    solve(lowered, spec, &[], None, &mut |_| ()).unwrap_or_else(|why| panic!("{why}"))
}

/// `problems/reverse/gaussian_1d.toml` with one solver.
fn gaussian(solver: &str) -> Solution {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems/reverse/gaussian_1d.toml");
    let text = std::fs::read_to_string(path).expect("the problem ships");
    first(&posed(&format!("{text}\n[[solver]]\n{solver}\n")))
}

/// Root mean square of `s(x, t) + x/v(t)`, `v(t) = 1 + exp(-t)`, against that of the score, over the law of the noised
/// data at seven times.
fn distance(solution: &Solution) -> f64 {
    let score = solution.answer.score();
    let (mut missed, mut whole) = (0.0, 0.0);
    for t in [0.05, 0.3, 0.8, 1.5, 2.5, 3.5, 4.5] {
        let variance = 1.0 + f64::exp(-t);
        let x = Batch::from_columns(
            41,
            1,
            (0..41)
                .map(|i| (f64::from(i) - 20.0) / 8.0 * variance.sqrt())
                .collect(),
        );
        let mut s = Batch::zeros(41, 1);
        score.eval(t, x.as_ref(), s.as_mut());
        for i in 0..41 {
            let (z, exact) = (x.get(i, 0), -x.get(i, 0) / variance);
            let weight = f64::exp(-0.5 * z * z / variance);
            missed += weight * (s.get(i, 0) - exact).powi(2);
            whole += weight * exact * exact;
        }
    }
    f64::sqrt(missed / whole)
}

#[test]
fn control_methods_find_the_score_of_a_gaussian() {
    // Each with what it is worth: integration to 1e-10; grids of orders two and one; fits along paths.
    for (solver, limit) in [
        ("method = \"riccati\"", 1e-8),
        ("method = \"riccati\"\nform = \"hamiltonian\"", 1e-8),
        ("method = \"hopf-cole\"", 1e-5),
        ("method = \"hjb\"\nscheme = \"central\"", 2e-3),
        ("method = \"hjb\"", 0.03),
        ("method = \"polynomial\"", 5e-3),
        ("method = \"ddp\"", 0.01),
        (
            "method = \"path-integral\"\npaths = 8192\nsteps = 100",
            0.06,
        ),
    ] {
        let found = distance(&gaussian(solver));
        assert!(found < limit, "{solver}: {found}");
    }
}

#[test]
fn noise_that_depends_on_the_state_is_undone_by_two_grids() {
    let lowered = shipped("noise_with_state.toml");
    // E_prior[-log p_T] of an independent finite-volume program.
    let truth = 1.079_197_43;
    for spec in &lowered.problem.solvers {
        let solution = solve(&lowered, spec, &[], None, &mut |_| ()).expect("admitted");
        let cost = solution.answer.cost.expect("a value");
        let off = (cost.value - truth).abs();
        assert!(
            off < 2.0 * cost.error && off < 2e-4,
            "{}: {cost:?}",
            spec.id
        );
    }
}

#[test]
fn a_product_law_is_undone_coordinate_by_coordinate() {
    let solution = first(&shipped("product_six.toml"));
    let cost = solution.answer.cost.expect("a value");
    // The sum of six one-dimensional expectations, by Gauss-Hermite quadrature.
    assert!(
        (cost.value - 8.513_687_068).abs() < 2.0 * cost.error,
        "{cost:?}"
    );
    assert!(cost.error < 3e-3, "{cost:?}");
    // Coordinate k at time t: two bumps at +-m alpha with variance v.
    let t = 0.4_f64;
    let alpha = f64::exp(-t);
    let variance = 0.09 * alpha * alpha + 1.0 - alpha * alpha;
    let point: Vec<f64> = (0..6).map(|k| 0.9 - 0.3 * f64::from(k)).collect();
    let x = Batch::from_columns(1, 6, point.clone());
    let mut s = Batch::zeros(1, 6);
    solution.answer.score().eval(t, x.as_ref(), s.as_mut());
    for (k, x) in point.iter().enumerate() {
        let m = alpha * (0.6 + 0.1 * k as f64);
        let exact = (m * f64::tanh(m * x / variance) - x) / variance;
        assert!(
            (s.get(0, k) - exact).abs() < 5e-3,
            "coordinate {k}: {} {exact}",
            s.get(0, k)
        );
    }
}

const OSCILLATOR: &str = "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"-x + u\"\ndiffusion = 0.7\nhorizon = [0.0, 1.0]\ndomain = [-4.0, 4.0]\n[initial]\nfamily = \"delta\"\nat = 0.5\n[cost]\nrunning = \"0.5*u^2 + 0.5*x^2\"\nterminal = \"x^2\"\n";
const TWO: &str = "[dynamics]\nstate = \"x[2]\"\ncontrol = \"u[2]\"\ndrift = [\"-x[0] + u[0]\", \"-x[1] + u[1]\"]\ndiffusion = 0.7\nhorizon = [0.0, 1.0]\ndomain = [[-4.0, 4.0], [-4.0, 4.0]]\n[initial]\nfamily = \"delta\"\nat = [0.5, 0.1]\n[cost]\nrunning = \"0.5*(u[0]^2 + u[1]^2) + 0.25*(x[0]^4 + x[1]^2)\"\nterminal = \"x[0]^2 + x[1]^2\"\n";
const NOISED: &str = "[dynamics]\npreset = \"ou\"\nrate = 1.0\nsigma = 1.0\nmean = 0.0\nhorizon = [0.0, 1.0]\ndomain = [-4.0, 4.0]\n[prior]\nfamily = \"gaussian\"\nmean = 0.0\ncov = 0.5\n";
const NOISED_TWO: &str = "[dynamics]\npreset = \"ou\"\nrate = 1.0\nsigma = 1.0\nmean = [0.0, 0.0]\nhorizon = [0.0, 1.0]\ndomain = [[-4.0, 4.0], [-4.0, 4.0]]\n[prior]\nfamily = \"gaussian\"\nmean = [0.0, 0.0]\ncov = 0.5\n";
const SIMULATION: &str = "[dynamics]\nstate = \"x\"\ndrift = \"-x\"\ndiffusion = 0.7\nhorizon = [0.0, 1.0]\n[initial]\nfamily = \"delta\"\nat = 0.5\n";
const EVENT: &str = "[[event]]\nname = \"out\"\nwhen = \"x > 1\"\nstop = true\n";

/// Problems of a kind, so chosen that every method of the kind admits one of them.
fn witnesses(kind: Kind) -> Vec<String> {
    let bodies = match kind {
        Kind::Control => vec![OSCILLATOR.to_owned(), TWO.to_owned()],
        Kind::Reverse | Kind::Sample => {
            let table = if kind == Kind::Reverse {
                "data"
            } else {
                "target"
            };
            vec![
                format!("[{table}]\nfamily = \"gaussian\"\nmean = 0.2\ncov = 0.3\n{NOISED}"),
                format!(
                    "[{table}]\nfamily = \"gaussian\"\nmean = [0.2, 0.1]\ncov = [0.3, 0.4]\n{NOISED_TWO}"
                ),
            ]
        }
        Kind::Simulate => vec![SIMULATION.to_owned(), format!("{SIMULATION}{EVENT}")],
        Kind::Bridge | Kind::Path => Vec::new(),
    };
    let head = |body: String| {
        format!("format = 1\n[problem]\nname = \"witness\"\nkind = \"{kind}\"\n{body}")
    };
    bodies.into_iter().map(head).collect()
}

/// Whether a method takes a problem at its defaults: no refusal by the reader, and none by the method.
fn admits(text: &str, method: &str) -> bool {
    let text = format!("{text}[[solver]]\nmethod = \"{method}\"\n");
    let Ok(loaded) = parse_text("witness.toml", &text, Path::new("."), &[], &standard()) else {
        return false;
    };
    let lowered = Lowered::new(loaded.problem).expect("a witness lowers");
    let spec = &lowered.problem.solvers[0];
    let answer = solve(&lowered, spec, &[], Some(Duration::ZERO), &mut |_| ());
    !matches!(answer, Err(Unsolved::Refused(_)))
}

#[test]
fn what_is_listed_is_what_is_admitted_pair_by_pair() {
    let mut wrong = Vec::new();
    for kind in [Kind::Reverse, Kind::Control, Kind::Sample, Kind::Simulate] {
        let witnesses = witnesses(kind);
        for card in METHODS.iter().map(|method| method.card) {
            let listed = card.kinds.contains(&kind);
            let admitted = witnesses.iter().any(|text| admits(text, card.page.name));
            if listed != admitted {
                wrong.push(format!(
                    "{} for {kind}: listed {listed}, admitted {admitted}",
                    card.page.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
