//! Shipped problems with known values, and one grid for all states as the other road.

use super::*;
use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::solvers::driver::{Solution, Unsolved};
use crate::solvers::lowered::fixture::lowered;
use crate::solvers::registry::run::solve;

fn attempt(text: &str, method: &str) -> Result<Solution, Unsolved> {
    let lowered = lowered(text);
    let mut solvers = lowered.problem.solvers.iter();
    let spec = solvers.find(|spec| spec.method() == method);
    solve(&lowered, spec.expect(method), &[], None, &mut |_| ())
}

fn solved(text: &str, method: &str) -> Answer {
    attempt(text, method)
        .unwrap_or_else(|unsolved| panic!("{unsolved}"))
        .answer
}

fn at(field: Option<&(dyn Field + Send)>, t: f64, x: &[f64]) -> Vec<f64> {
    let field = field.expect("a field");
    let mut out = Batch::zeros(1, field.outputs());
    field.eval(t, Batch::from_rows(x.len(), &[x]).as_ref(), out.as_mut());
    out.row(0)
}

#[test]
fn three_particles_over_their_barriers_cost_what_crank_nicolson_found() {
    let file = include_str!("../../../../problems/control/double_well_control.toml");
    let text = file.replacen("points = 1601", "points = 801", 1);
    let answer = solved(&text, NAME);
    let cost = answer.cost.expect("a cost");
    assert!(
        (cost.value - 10.54099175).abs() < 2e-6 + cost.error,
        "{cost:?}"
    );
    assert!(cost.error < 1e-4, "{cost:?}");
    let u = at(answer.policy.as_deref(), 0.0, &[-1.0; 3]);
    for (u, exact) in u.iter().zip([0.633706, 0.791123, 0.617420]) {
        assert!((u - exact).abs() < 4e-6, "{u} {exact}");
    }
    let value = at(answer.value.as_deref(), 0.0, &[-1.0; 3])[0];
    assert!((value - cost.value).abs() < 1e-10);
}

/// A linear-quadratic state, and one in a well; costs do not vanish at the origin.
fn mixed(coupling: &str) -> String {
    format!(
        r#"format = 1
problem = {{ name = "t", kind = "control" }}
[dynamics]
state = "x[2]"
control = "u[2]"
drift = ["-x[0] + 0.5 + u[0]", "x[1] - x[1]^3 + u[1]"]
diffusion = "0.7"
horizon = [0.0, 0.5]
domain = [-3.5, 3.5]
[initial]
family = "gaussian"
mean = [0.3, -0.4]
cov = [[0.2, 0.1], [0.1, 0.3]]
[cost]
running = "0.5*dot(u, u) + 0.25*(1 + t) + 0.3*x[0]^2 + cos(x[1]){coupling}"
terminal = "2 + (x[0] - 1)^2 + 0.5*(x[1]^2 - 1)^2"
[[solver]]
id = "split"
method = "separable"
points = 129
steps = 64
[[solver]]
id = "grid"
method = "hopf-cole"
points = 129
steps = 64
"#
    )
}

#[test]
fn groups_solved_alone_agree_with_one_grid_for_all_states() {
    let (split, grid) = (solved(&mixed(""), NAME), solved(&mixed(""), "hopf-cole"));
    let quadratic = ("linear-quadratic groups", 1.0);
    assert!(split.facts.contains(&quadratic), "{:?}", split.facts);
    for (t, x) in [(0.0, [0.3, -0.4]), (0.2, [-1.0, 1.2]), (0.37, [1.5, 0.1])] {
        let [a, b] = [&split, &grid].map(|o| at(o.value.as_deref(), t, &x)[0]);
        assert!((a - b).abs() < 2e-5, "{t} {x:?}: {a} {b}");
        let [a, b] = [&split, &grid].map(|o| at(o.policy.as_deref(), t, &x));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-4, "{t} {x:?}: {a} {b}");
        }
    }
    let [a, b] = [split, grid].map(|o| o.cost.expect("a cost"));
    assert!(
        (a.value - b.value).abs() < a.error + b.error + 1e-6,
        "{a:?} {b:?}"
    );
}

#[test]
fn a_coupling_is_named() {
    let Err(Unsolved::Refused(refusal)) = attempt(&mixed(" + 0.1*x[0]*x[1]"), NAME) else {
        panic!("refused");
    };
    assert!(
        refusal.reason.contains("x[0]*x[1]") && refusal.reason.contains("running cost"),
        "{}",
        refusal.reason
    );
}
