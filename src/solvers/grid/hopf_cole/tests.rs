//! Shipped problems with known values, and the Riccati equation as the other road.

use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::solvers::driver::{Solution, SolveError, Unsolved};
use crate::solvers::grid::grid_order::GRID_ORDER_FACT;
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::fixture::lowered;
use crate::solvers::registry::run::solve;

fn attempt(text: &str) -> Result<Solution, Unsolved> {
    let lowered = lowered(text);
    let mut solvers = lowered.problem.solvers.iter();
    let spec = solvers.find(|spec| spec.method() == "hopf-cole");
    let spec = spec.expect("the file asks for hopf-cole");
    solve(&lowered, spec, &[], None, &mut |_| ())
}

fn solved(text: &str) -> Answer {
    attempt(text)
        .unwrap_or_else(|unsolved| panic!("{unsolved}"))
        .answer
}

fn at(field: Option<&(dyn Field + Send)>, t: f64, x: &[f64]) -> Vec<f64> {
    let field = field.expect("a field");
    let mut out = Batch::zeros(1, field.outputs());
    field.eval(t, Batch::from_rows(x.len(), &[x]).as_ref(), out.as_mut());
    out.row(0)
}

/// One state, `header` before `[dynamics]`, `[initial]` and `[cost]`.
fn problem(solver: &str, dynamics: &str, initial: &str, cost: &str) -> String {
    format!(
        "format = 1\nproblem = {{ name = \"t\", kind = \"control\" }}\n[dynamics]\ncontrol = \"u\"\n{dynamics}\n[initial]\n{initial}\n[cost]\n{cost}\n[[solver]]\nid = \"grid\"\n{solver}\n"
    )
}

fn push(solver: &str, domain: &str) -> String {
    problem(
        solver,
        &format!("state = \"x\"\ndrift = \"-8*x*(x^2 - 1) + 0.9*u\"\ndiffusion = 0.9\n{domain}"),
        "family = \"delta\"\nat = -1.0",
        "running = \"u^2/2\"\nterminal = \"3*(x - 1)^2\"",
    )
}

#[test]
fn a_particle_pushed_over_its_barrier_costs_what_crank_nicolson_found() {
    // Crank-Nicolson for psi, Richardson from 3201 and 6401 points.
    let (value, control) = (5.02654737, 0.633706);
    let solver = "method = \"hopf-cole\"\npoints = 801\nsteps = 400";
    for domain in ["domain = [-3.2, 3.2]", ""] {
        let answer = solved(&push(solver, domain));
        let cost = answer.cost.expect("a cost");
        assert!((cost.value - value).abs() < 2e-6 + cost.error, "{cost:?}");
        assert!(cost.error < 1e-4, "{cost:?}");
        let u = at(answer.policy.as_deref(), 0.0, &[-1.0])[0];
        assert!((u - control).abs() < 4e-6, "{u}");
        let order = answer.facts.iter().find(|fact| fact.0 == GRID_ORDER_FACT);
        let order = order.expect("several levels").1;
        assert!((order - 2.0).abs() < 0.15, "{order}");
    }
}

#[test]
fn a_quadratic_value_is_found_whatever_the_temperature() {
    // V = (x^2 tanh(T - t) + sigma^2 log cosh(T - t)) / 2.
    for sigma in [1.0, 0.01] {
        let answer = solved(&problem(
            "method = \"hopf-cole\"\npoints = 65\nsteps = 64",
            &format!(
                "state = \"x\"\ndrift = \"0*x + u\"\ndiffusion = {sigma}\ndomain = [-2, 2]\nhorizon = [0, 1]"
            ),
            "family = \"gaussian\"\nmean = 0.5\ncov = [[0.04]]",
            "running = \"0.5*u^2 + 0.5*x^2\"",
        ));
        let exact =
            0.5 * 1.0_f64.tanh() * (0.25 + 0.04) + 0.5 * sigma * sigma * 1.0_f64.cosh().ln();
        let cost = answer.cost.expect("a cost");
        assert!(
            (cost.value - exact).abs() < 1e-8 + cost.error,
            "{cost:?} {exact}"
        );
        assert!(cost.error < 1e-6, "{cost:?}");
        let u = at(answer.policy.as_deref(), 0.5, &[1.5])[0];
        assert!((u + 1.5 * 0.5_f64.tanh()).abs() < 1e-6, "{u}");
    }
}

#[test]
fn an_oscillator_with_noise_on_one_state_agrees_with_the_riccati_equation() {
    let file = include_str!("../../../../problems/control/lq_oscillator.toml");
    let text = file.replacen("points = [241, 241]", "points = [81, 81]\nsteps = 80", 1);
    let answer = solved(&text);
    let cost = answer.cost.expect("a cost");
    assert!((cost.value / 1.0962546983 - 1.0).abs() < 1e-4, "{cost:?}");
    let u = at(answer.policy.as_deref(), 0.0, &[1.5, 0.0])[0];
    assert!((u / -2.1804867625 - 1.0).abs() < 1e-3, "{u}");
}

#[test]
fn what_it_cannot_do_is_refused() {
    let refused = |dynamics: &str, cost: &str| {
        let solver = "method = \"hopf-cole\"\npoints = 65\nsteps = 64";
        let text = problem(solver, dynamics, "family = \"delta\"\nat = 0.5", cost);
        match attempt(&text) {
            Err(Unsolved::Refused(refusal)) => refusal.reason,
            _ => panic!("refused"),
        }
    };
    let dynamics = "state = \"x\"\ndrift = \"-x + u\"\ndiffusion = \"x\"\ncalculus = \"ito\"";
    let reason = refused(dynamics, "running = \"0.5*u^2\"\nterminal = \"x^2\"");
    assert!(reason.contains("lambda"), "{reason}");
}

#[test]
fn grids_of_three_states_are_refused_where_they_do_not_fit() {
    let refused = |points: &str, noise: &str| {
        let text = format!(
            "format = 1\nproblem = {{ name = \"t\", kind = \"control\" }}\n[dynamics]\nstate = \"z[a, b, c]\"\ncontrol = \"u\"\n\
             drift = {noise}\ncalculus = \"ito\"\n[initial]\nfamily = \"delta\"\nat = [1.0, 1.0, 1.0]\n\
             [cost]\nrunning = \"0.5*u^2\"\nterminal = \"a^2*b^2 + c^2\"\n[[solver]]\nid = \"grid\"\nmethod = \"hopf-cole\"\n\
             points = {points}\nsteps = 64\n"
        );
        match attempt(&text) {
            Err(Unsolved::Refused(refusal)) => (refusal.reason, refusal.accepted),
            _ => panic!("refused"),
        }
    };
    let constant = "[\"b\", \"c\", \"u\"]\ndiffusion = [[\"0\"], [\"0\"], [\"1\"]]";
    let (reason, accepted) = refused("401", constant);
    assert_eq!(
        reason,
        "401 x 401 x 401 nodes at 4 times are 1997.4 MiB, more than the 256 MiB kept of one grid"
    );
    assert_eq!(accepted, "points = 201 or fewer for each state");
    let joined = "[\"b\", \"c + a*u\", \"u\"]\ndiffusion = [[\"0\"], [\"a\"], [\"1\"]]";
    let (reason, _) = refused("33", joined);
    assert!(
        reason.contains("the noise depends on the state, and a noise moves both b and c"),
        "{reason}"
    );
}

/// `dX = X (0.1 dt + 0.4 u dt + 0.4 dW)`: `lambda = R = 1`, and uncontrolled paths end at
/// `X_T = x exp((0.1 - 0.08) T + 0.4 sqrt(T) z)`, so that `psi` is an integral over one normal.
#[test]
fn noise_that_grows_with_the_state_is_a_lognormal_average() {
    let (x, horizon): (f64, f64) = (1.3, 1.0);
    let step = 1e-3;
    let terms = (-9000..=9000).map(|k| {
        let z = step * f64::from(k);
        let end = x * (0.02 * horizon + 0.4 * horizon.sqrt() * z).exp();
        (-0.5 * z * z - 2.0 * (end - 1.0).powi(2)).exp()
    });
    let exact = -(step * terms.sum::<f64>() / (2.0 * std::f64::consts::PI).sqrt()).ln();
    let solver = "method = \"hopf-cole\"\npoints = 401\nsteps = 96";
    let answer = solved(&problem(
        solver,
        "state = \"x\"\ndrift = \"0.1*x + 0.4*x*u\"\ndiffusion = \"0.4*x\"\ncalculus = \"ito\"\n\
         domain = [0.0, 6.0]\nhorizon = [0, 1]",
        "family = \"delta\"\nat = 1.3",
        "running = \"0.5*u^2\"\nterminal = \"2*(x - 1)^2\"",
    ));
    let cost = answer.cost.expect("a cost");
    let off = (cost.value - exact).abs();
    assert!(off < 1e-4 && off < 2.0 * cost.error, "{cost:?} {exact}");
    let order = answer.facts.iter().find(|fact| fact.0 == GRID_ORDER_FACT);
    let order = order.expect("several levels").1;
    // Far out `psi` changes too much for linear steps, and slopes are those against the drift, of which the third order shows.
    assert!((1.75..3.25).contains(&order), "{order}");
}

/// A target of two Gaussians: `V(x, tau) = -log p_t(x)` at `t = T - tau`, each component narrowed by `a = e^{-int beta/2}`
/// and widened by `1 - a^2`, for two states at once.
#[test]
fn a_mixture_as_target_is_noised_in_closed_form() {
    let answer = solved(
        "format = 1\nproblem = { name = \"t\", kind = \"sample\" }\n[target]\nfamily = \"mixture\"\nweights = [0.3, 0.7]\n\
         means = [[-1.5, 0.0], [1.0, 0.5]]\ncovs = 0.5\n[dynamics]\npreset = \"vp\"\nbeta = [0.1, 4.0]\nhorizon = [0.0, 1.0]\n\
         domain = [[-6.0, 6.0], [-6.0, 6.0]]\n[[solver]]\nid = \"grid\"\nmethod = \"hopf-cole\"\npoints = 129\nsteps = 96\n",
    );
    for tau in [0.0, 0.75] {
        let t: f64 = 1.0 - tau;
        let a = (-0.5 * (0.1 * t + 1.95 * t * t)).exp();
        let variance = 0.5 * a * a + 1.0 - a * a;
        for x in [[-1.0, 0.3], [0.4, -0.8], [1.5, 1.0]] {
            let peak = |weight: f64, mean: [f64; 2]| {
                let square = (x[0] - a * mean[0]).powi(2) + (x[1] - a * mean[1]).powi(2);
                weight * (-0.5 * square / variance).exp() / (2.0 * std::f64::consts::PI * variance)
            };
            let exact = -(peak(0.3, [-1.5, 0.0]) + peak(0.7, [1.0, 0.5])).ln();
            let value = at(answer.value.as_deref().map(|v| v as _), tau, &x)[0];
            assert!(
                (value - exact).abs() < 1e-4,
                "{x:?}, {tau}: {value} {exact}"
            );
        }
    }
}

/// State, drift, noise, horizon and start; costs; value and control by finite differences and quadrature.
type Known = ([&'static str; 5], [&'static str; 2], [f64; 2]);

/// Optimal paths that go where no uncontrolled one does, across and up steep end costs, and over one that jumps between
/// nodes.
const KNOWN: [Known; 5] = [
    (
        ["x", "u", "0.3", "[0, 2]", "-2"],
        ["0.5*u^2 + 2*exp(-(x - 1)^2/0.1)", "10*(x - 2)^2"],
        [4.57404, 1.84955],
    ),
    (
        ["x", "u", "1", "[5, 5.01]", "-0.5"],
        ["0.5*u^2", "10*(x - 1)^4"],
        [22.694_263_2, 45.798_672_7],
    ),
    (
        ["x", "x - x^3 + 0.7*u", "0.35", "[0, 1.5]", "-1"],
        ["0.6*u^2 + 0.2*cos(3*x)", "2*(x - 1)^2"],
        [3.026_957_98, 1.127_609_8],
    ),
    (
        ["x", "u", "1.3", "[0, 2]", "-1"],
        ["0.35*u^2", "x^4 - 2*x"],
        [0.909_996_21, 0.722_539_5],
    ),
    (
        // V = -log(1 - P (1 - 1/e)), with P = P(W_1 > 0.013 - 0.2).
        ["x", "u", "1", "[0, 1]", "0.2"],
        ["0.5*u^2", "if(x > 0.013, 1, 0)"],
        [0.450_898_4, -0.388_990_7],
    ),
];

#[test]
fn grids_lie_where_optimal_paths_go() {
    for ([state, drift, noise, horizon, start], [running, terminal], [value, control]) in KNOWN {
        let answer = solved(&problem(
            "method = \"hopf-cole\"",
            &format!(
                "state = \"{state}\"\ndrift = \"{drift}\"\ndiffusion = {noise}\nhorizon = {horizon}"
            ),
            &format!("family = \"delta\"\nat = {start}"),
            &format!("running = \"{running}\"\nterminal = \"{terminal}\""),
        ));
        let cost = answer.cost.expect("a cost");
        let off = (cost.value - value).abs();
        assert!(
            off < 3.0 * cost.error + 1e-6,
            "{terminal}: {cost:?} {value}"
        );
        assert!(cost.error < 1e-4 * value, "{terminal}: {cost:?}");
        let start: f64 = start.parse().expect("a number");
        let t: f64 = horizon[1..2].parse().expect("a number");
        let u = at(answer.policy.as_deref(), t, &[start])[0];
        let error = answer.control_error[0];
        let off = (u - control).abs();
        assert!(
            off < 3.0 * error + 1e-5,
            "{terminal}: {u} ± {error}, {control}"
        );
        assert!(error < 1e-4 * control.abs(), "{terminal}: {error:e}");
    }
}

/// `if(x > 0, 1, 0)` where a path leaves [-1, 1], with a pull to neither side: `psi` is linear, and `V = -log psi`.
#[test]
fn rewards_at_exits_are_of_the_side_of_the_exit() {
    let answer = solved(
        "format = 1\nproblem = { name = \"t\", kind = \"control\" }\n[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"u\"\n\
         diffusion = 1.0\nhorizon = [0.0, 20.0]\ndomain = [-2.0, 2.0]\n[initial]\nfamily = \"delta\"\nat = 0.2\n\
         [cost]\nrunning = \"0.5*u^2\"\nterminal = \"if(x > 0, 1, 0)\"\n\
         [[event]]\nname = \"right\"\nwhen = \"x >= 1\"\nstop = true\n[[event]]\nname = \"left\"\nwhen = \"x <= -1\"\nstop = true\n\
         [time]\nsteps = 400\n[[solver]]\nid = \"grid\"\nmethod = \"hopf-cole\"\n",
    );
    let cost = answer.cost.expect("a cost");
    assert!((cost.value - 0.476_862_8).abs() < 1e-6, "{cost:?}");
}

/// The bump, and all paths to the target behind it, would leave this grid.
#[test]
fn a_grid_that_cuts_optimal_paths_off_has_no_answer() {
    let cut = attempt(&problem(
        "method = \"hopf-cole\"",
        "state = \"x\"\ndrift = \"u\"\ndiffusion = 0.3\nhorizon = [0, 2]\ndomain = [-4, 0.7]",
        "family = \"delta\"\nat = -2",
        "running = \"0.5*u^2 + 2*exp(-(x - 1)^2/0.1)\"\nterminal = \"10*(x - 2)^2\"",
    ));
    let failed = cut.err().expect("an error");
    // Where optimal paths leave the grid, or where what is left on it has no value.
    let told = match failed {
        Unsolved::Failed(SolveError::Escapes { share, .. }) => share > 0.3,
        Unsolved::Failed(SolveError::NotFinite { .. }) => true,
        _ => false,
    };
    assert!(told, "{failed}");
}
