use crate::problem::parse_text;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::methods::vocabulary;
use crate::solvers::registry::run::solve;
use std::path::Path;

fn mean_time(dynamics: &str, start: &str, events: &[&str]) -> Quantity {
    let events: String = events
        .iter()
        .enumerate()
        .map(|(k, when)| format!("[[event]]\nname = \"e{k}\"\nwhen = \"{when}\"\nstop = true\n"))
        .collect();
    let text = format!(
        "format = 1\n[problem]\nname = \"test\"\nkind = \"simulate\"\n[dynamics]\nstate = \"x\"\n{dynamics}\n\
         [initial]\n{start}\n{events}[[solver]]\nid = \"t\"\nmethod = \"first-passage\"\npoints = 256\n"
    );
    let loaded = parse_text("test.toml", &text, Path::new("."), &[], &vocabulary())
        .unwrap_or_else(|report| panic!("{report}"));
    let lowered = Lowered::new(loaded.problem).expect("lowers");
    let spec = &lowered.problem.solvers[0];
    let solution = solve(&lowered, spec, &[], None, &mut |_| ()).unwrap_or_else(|e| panic!("{e}"));
    solution.answer.quantities[0].clone()
}

/// Brownian motion leaves `(-1, 2)` from 0.5 after `(x - l)(r - x) / sigma^2`; with one reflecting end after
/// `((r - l)^2 - (x - l)^2) / sigma^2`, from either side; with a drift `v` out of `(-inf, r)` after `(r - x)/v`.
#[test]
fn brownian_motion_takes_its_known_times() {
    let free = "drift = \"0\"\ndiffusion = \"0.5\"\ndomain = [-1.0, 2.0]";
    let start = "family = \"delta\"\nat = [0.5]";
    for (events, exact) in [
        (&["x <= -1", "x >= 2"][..], 1.5 * 1.5 / 0.25),
        (&["x >= 2"][..], (9.0 - 1.5 * 1.5) / 0.25),
        (&["x <= -1"][..], (9.0 - 1.5 * 1.5) / 0.25),
    ] {
        let found = mean_time(free, start, events).value;
        assert!(
            (found.value - exact).abs() < 1e-12 * exact,
            "{events:?} {found:?}"
        );
        assert!(found.error < 1e-10, "{found:?}");
    }
    let drifting = "drift = \"1.5\"\ndiffusion = \"1\"\ndomain = [-30.0, 9.0]";
    let found = mean_time(drifting, start, &["x >= 2"]).value;
    assert!((found.value - 1.0).abs() < 1e-10, "{found:?}");
}

/// `dX = sigma X dW` from 1 leaves `(a, b)` after `T = -2/sigma^2 ( (1 - a)/(b - a) log b + (b - 1)/(b - a) log a )`:
/// `2/sigma^2 log x` and a line solve `1/2 sigma^2 x^2 T'' = -1`.
#[test]
fn noise_that_grows_with_the_state_takes_its_known_time() {
    let growing = "drift = \"0\"\ndiffusion = \"0.7*x\"\ncalculus = \"ito\"\ndomain = [0.1, 5.0]";
    let found = mean_time(
        growing,
        "family = \"delta\"\nat = [1.0]",
        &["x <= 0.5", "x >= 3"],
    )
    .value;
    let exact = -2.0 / 0.49 * (0.5 / 2.5 * 3.0_f64.ln() + 2.0 / 2.5 * 0.5_f64.ln());
    assert!((found.value - exact).abs() < 1e-11, "{found:?} {exact}");
}
