//! The Riccati recursion, brute force on a table of one step, and the published number of the double wells.

use super::*;
use crate::solvers::closed::riccati;
use crate::solvers::lowered::fixture::lowered;

const HEAD: &str = "format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n";

fn discrete(body: &str) -> Option<Estimate> {
    discrete_value(&lowered(&format!("{HEAD}{body}")), &Streams::new(1))
}

/// Two states with a discount, time in the drift, and a start law: the recursion of matrices as the other route.
#[test]
fn a_linear_quadratic_problem_agrees_with_the_riccati_recursion() {
    let body = "[dynamics]\nstate = \"x[2]\"\ncontrol = \"u[2]\"\ndrift = [\"-x[0] + 0.5*t + u[0]\", \"0.3*x[1] + 2*u[1]\"]\n\
         diffusion = [[\"0.6\", \"0\"], [\"0\", \"0.4\"]]\ndomain = [[-5.0, 5.0], [-5.0, 5.0]]\n\
         [initial]\nfamily = \"gaussian\"\nmean = [0.7, -0.4]\ncov = 0.04\n\
         [cost]\nrunning = \"x[0]^2 + 0.5*x[1]^2 + x[0] + 0.5*dot(u, u)\"\nterminal = \"2*x[0]^2 + x[1]^2\"\ndiscount = 0.3\n\
         [time]\nsteps = 20\n[[solver]]\nid = \"r\"\nmethod = \"riccati\"\n";
    let found = discrete(body).expect("a value");
    let exact = riccati::discrete_value(&lowered(&format!("{HEAD}{body}")));
    let exact = exact.expect("the recursion").value;
    assert!(
        (found.value - exact).abs() < 1e-8 + found.error,
        "{found:?} {exact}"
    );
    assert!(found.error < 1e-7, "{found:?}");
}

/// Two steps by hand: the last with the moments of a Gaussian for the quartic `Phi`, the first with Simpson's rule over
/// it, both with a search over the control.
#[test]
fn two_steps_are_the_minimum_over_all_controls() {
    let dt: f64 = 0.05;
    let found = discrete(
        "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"-4*x*(x^2 - 1) + u\"\ndiffusion = \"1\"\n\
         horizon = [0.0, 0.1]\ndomain = [-2.75, 2.75]\n[initial]\nfamily = \"delta\"\nat = 0.3\n\
         [cost]\nrunning = \"0.5*u^2\"\nterminal = \"(x^2 - 1)^2\"\n[time]\nsteps = 2\n",
    );
    let mean = |x: f64, u: f64| x + dt * (-4.0 * x * (x * x - 1.0) + u);
    // The minimum of a function with one, by golden sections.
    let least = |f: &dyn Fn(f64) -> f64| {
        let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
        let (mut low, mut high) = (-40.0, 40.0);
        for _ in 0..60 {
            let [a, b] = [high - ratio * (high - low), low + ratio * (high - low)];
            if f(a) < f(b) { high = b } else { low = a }
        }
        f(0.5 * (low + high))
    };
    let last = |x: f64| {
        least(&|u| {
            let m = mean(x, u);
            let (second, fourth) = (m * m + dt, m.powi(4) + 6.0 * m * m * dt + 3.0 * dt * dt);
            0.5 * dt * u * u + fourth - 2.0 * second + 1.0
        })
    };
    let first = least(&|u| {
        let simpson = (0..=160).map(|i| {
            let z = -8.0 + 0.1 * f64::from(i);
            let weight = if i % 2 == 1 { 4.0 } else { 2.0 };
            weight * (-0.5 * z * z).exp() * last(mean(0.3, u) + dt.sqrt() * z)
        });
        let norm = 0.1 / 3.0 / (2.0 * std::f64::consts::PI).sqrt();
        0.5 * dt * u * u + norm * simpson.sum::<f64>()
    });
    let found = found.expect("a value");
    assert!((found.value - first).abs() < 1e-7, "{found:?} {first}");
}

/// The two kinds of wells of the SOC-matching benchmark at its 200 steps: three times one and seven times the other are
/// the published 2.178197.
#[test]
fn double_wells_cost_what_was_published() {
    let well = |kappa: f64, nu: f64| {
        let found = discrete(&format!(
            "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"-4*{kappa:?}*x*(x^2 - 1) + u\"\ndiffusion = \"1\"\n\
             domain = [-2.75, 2.75]\n[initial]\nfamily = \"delta\"\nat = 0.0\n\
             [cost]\nrunning = \"0.5*u^2\"\nterminal = \"{nu:?}*(x^2 - 1)^2\"\n[time]\nsteps = 200\n"
        ));
        found.expect("a value")
    };
    let (deep, shallow) = (well(5.0, 3.0), well(1.0, 1.0));
    let sum = 3.0 * deep.value + 7.0 * shallow.value;
    let error = 3.0 * deep.error + 7.0 * shallow.error;
    assert!(
        (sum - 2.178197).abs() < 1e-6 && error < 1e-6,
        "{sum} {error:e}"
    );
}

#[test]
fn coupled_states_and_bounds_have_none() {
    let body = |control: &str, drift: &str| {
        format!(
            "[dynamics]\nstate = \"x[2]\"\ncontrol = \"u[2]\"\n{control}\ndrift = {drift}\ndiffusion = \"1\"\n\
             [initial]\nfamily = \"delta\"\nat = [0.0, 0.0]\n[cost]\nrunning = \"0.5*dot(u, u)\"\nterminal = \"dot(x, x)\"\n"
        )
    };
    let coupled = body("", "[\"x[1] + u[0]\", \"u[1]\"]");
    assert_eq!(discrete(&coupled), None);
    let bounded = body("control_bounds = [-1.0, 1.0]", "[\"u[0]\", \"u[1]\"]");
    assert_eq!(discrete(&bounded), None);
}
