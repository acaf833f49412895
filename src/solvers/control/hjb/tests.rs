use crate::problem::parse_text;
use crate::solvers::control::run::solve;
use crate::solvers::control::{ControlOutcome, ControlProblem};
use crate::solvers::{Solution, Unsolved};
use std::path::Path;

fn answer(body: &str) -> Result<Solution<ControlOutcome>, Unsolved> {
    let text = format!("format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n{body}");
    let loaded = parse_text("test.toml", &text, Path::new("."), &[])
        .unwrap_or_else(|report| panic!("{report}"));
    let problem = ControlProblem::new(loaded.problem).expect("lowers");
    solve(
        &problem,
        &problem.problem.solvers[0],
        &[],
        None,
        &mut |_| (),
    )
}

/// Value, its error and the observed order.
fn numbers(body: &str) -> [f64; 3] {
    let solution = answer(body).unwrap_or_else(|e| panic!("{e}"));
    let cost = solution.outcome.cost.expect("a value");
    let facts = &solution.outcome.facts;
    let order = facts.iter().find(|fact| fact.0 == "grid_order");
    [cost.value, cost.error, order.expect("four grids").1]
}

/// `dX = u dt + s X dW`, cost `1/2 int (X^2 + u^2)`, end cost `X^2/2`: `V = P x^2/2 + 0` with
/// `-P' = 1 + s^2 P - P^2`, `P = 1` at the end: noise that depends on the state, so neither `riccati`'s constant noise
/// nor a temperature. With `r = s^2/2 ± sqrt(s^4/4 + 1)`, `(P - r1)/(P - r2)` is exponential in time.
fn multiplicative(s: f64, horizon: f64, x: f64) -> f64 {
    let root = (0.25 * s.powi(4) + 1.0).sqrt();
    let (a, b) = (0.5 * s * s + root, 0.5 * s * s - root);
    let ratio = (1.0 - a) / (1.0 - b) * (-(a - b) * horizon).exp();
    0.5 * x * x * (a - b * ratio) / (1.0 - ratio)
}

#[test]
fn both_schemes_reach_a_riccati_value_with_noise_that_grows_with_the_state() {
    let exact = multiplicative(0.4, 1.0, 1.0);
    for (scheme, points, order, near) in [("monotone", 401, 1.0, 2e-2), ("central", 201, 2.0, 2e-4)]
    {
        let [value, error, observed] = numbers(&format!(
            "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"u\"\ndiffusion = \"0.4*x\"\ncalculus = \"ito\"\n\
             domain = [-8.0, 8.0]\n[initial]\nfamily = \"delta\"\nat = [1.0]\n\
             [cost]\nrunning = \"0.5*x^2 + 0.5*u^2\"\nterminal = \"0.5*x^2\"\n\
             [[solver]]\nid = \"d\"\nmethod = \"hjb\"\nscheme = \"{scheme}\"\npoints = {points}\nsteps = 80\n"
        ));
        let off = (value - exact).abs();
        assert!(
            off < near && off < 2.0 * error,
            "{scheme}: {value} ± {error}, {exact}"
        );
        assert!((observed - order).abs() < 0.2, "{scheme}: order {observed}");
    }
}

/// Without noise and with `|u| <= 1`, end cost `x^2` and a price of almost nothing, the best is to run home:
/// `V = (|x| - T)^2` from outside.
#[test]
fn bounds_are_kept() {
    let [value, error, _] = numbers(
        "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ncontrol_bounds = [-1.0, 1.0]\ndrift = \"u\"\ndiffusion = \"0.001\"\n\
         domain = [-4.0, 4.0]\n[initial]\nfamily = \"delta\"\nat = [2.0]\n\
         [cost]\nrunning = \"0.00005*u^2\"\nterminal = \"x^2\"\n\
         [[solver]]\nid = \"d\"\nmethod = \"hjb\"\npoints = 801\nsteps = 100\n",
    );
    let exact = 1.0 + 0.00005;
    assert!(
        (value - exact).abs() < 2.0 * error && error < 0.02,
        "{value} ± {error}"
    );
}

#[test]
fn coupled_states_are_refused_by_name() {
    let refused = answer(
        "[dynamics]\nstate = \"z[x, v]\"\ncontrol = \"u\"\ndrift = [\"v\", \"u\"]\ndiffusion = [[\"0\"], [\"0.3\"]]\n\
         [initial]\nfamily = \"delta\"\nat = [1.0, 0.0]\n[cost]\nrunning = \"0.5*u^2\"\nterminal = \"x^2\"\n\
         [[solver]]\nid = \"d\"\nmethod = \"hjb\"\n",
    );
    let Err(Unsolved::Refused(refusal)) = refused else {
        panic!("refused");
    };
    assert!(refusal.reason.contains("2 states are coupled"), "{refusal}");
}
