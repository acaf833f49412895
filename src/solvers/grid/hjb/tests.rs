use crate::numeric::batch::Batch;
use crate::solvers::driver::Unsolved;
use crate::solvers::lowered::fixture::answer;

/// Value, its error and the observed order.
fn numbers(body: &str) -> [f64; 3] {
    let solution = answer(body).unwrap_or_else(|e| panic!("{e}"));
    let cost = solution.answer.cost.expect("a value");
    let facts = &solution.answer.facts;
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

/// A noisy oscillator pushed towards rest, with its own Riccati equation as the other route.
#[test]
fn two_coupled_states_agree_with_the_riccati_equation() {
    let body = |solver: &str| {
        format!(
            "[dynamics]\nstate = \"x[q, v]\"\ncontrol = \"u\"\ndrift = [\"v\", \"-q - 0.4*v + u\"]\n\
             diffusion = [[\"0\"], [\"0.5\"]]\ndomain = [[-4.0, 4.0], [-5.0, 5.0]]\n\
             [initial]\nfamily = \"delta\"\nat = [1.0, 0.0]\n\
             [cost]\nrunning = \"0.5*q^2 + 0.05*v^2 + 0.1*u^2\"\nterminal = \"q^2 + 0.5*v^2\"\n\
             [[solver]]\nid = \"d\"\n{solver}\n"
        )
    };
    let exact = answer(&body("method = \"riccati\"")).unwrap_or_else(|e| panic!("{e}"));
    let exact = exact.answer.cost.expect("a value").value;
    for (scheme, order, near) in [("monotone", 1.0, 0.2), ("central", 2.0, 2e-3)] {
        let [value, error, observed] = numbers(&body(&format!(
            "method = \"hjb\"\nscheme = \"{scheme}\"\npoints = [65, 65]\nsteps = 48"
        )));
        let off = (value - exact).abs();
        assert!(
            off < near && off < 2.0 * error,
            "{scheme}: {value} ± {error}, {exact}"
        );
        assert!((observed - order).abs() < 0.3, "{scheme}: order {observed}");
    }
}

/// `dq = v dt`, `dv = u dt + noise`, `|u| <= 1`, cost `int u^2/4 - q(T)`: at a time `s` before the end the best control is
/// `min(2 s, 1)` wherever the state is, so `V = -q - v T - (1/24 + 1/4)` for `T = 1`.
#[test]
fn a_bounded_push_on_two_states_saturates_as_it_should() {
    for scheme in ["monotone", "central"] {
        let [value, error, _] = numbers(&format!(
            "[dynamics]\nstate = \"x[q, v]\"\ncontrol = \"u\"\ncontrol_bounds = [-1.0, 1.0]\n\
             drift = [\"v\", \"u\"]\ndiffusion = [[\"0\"], [\"0.3\"]]\ndomain = [[-6.0, 6.0], [-4.0, 4.0]]\n\
             [initial]\nfamily = \"delta\"\nat = [0.5, -0.25]\n[cost]\nrunning = \"0.25*u^2\"\nterminal = \"-q\"\n\
             [[solver]]\nid = \"d\"\nmethod = \"hjb\"\nscheme = \"{scheme}\"\npoints = [65, 49]\nsteps = 40\n"
        ));
        let exact = -0.25 - 7.0 / 24.0;
        let off = (value - exact).abs();
        assert!(
            off < 0.02 && off < 2.0 * error,
            "{scheme}: {value} ± {error}, {exact}"
        );
    }
}

#[test]
fn what_acts_on_two_states_is_refused_by_name() {
    let because = |state: &str, at: &str, drift: &str, diffusion: &str| {
        let refused = answer(&format!(
            "[dynamics]\nstate = \"{state}\"\ncontrol = \"u\"\ndrift = {drift}\ndiffusion = {diffusion}\n\
             [initial]\nfamily = \"delta\"\nat = {at}\n[cost]\nrunning = \"0.5*u^2\"\nterminal = \"z[0]^2\"\n\
             [[solver]]\nid = \"d\"\nmethod = \"hjb\"\n",
        ));
        let Err(Unsolved::Refused(refusal)) = refused else {
            panic!("refused");
        };
        refusal.reason
    };
    let reason = because(
        "z[a, b, c, d]",
        "[0.0, 0.0, 0.0, 0.0]",
        "[\"b\", \"c\", \"d\", \"u\"]",
        "[[\"0\"], [\"0\"], [\"0\"], [\"1\"]]",
    );
    assert!(reason.contains("4 states are coupled: "), "{reason}");
    let reason = because(
        "z[a, b]",
        "[0.0, 0.0]",
        "[\"b\", \"u\"]",
        "[[\"0.5\"], [\"1\"]]",
    );
    assert!(reason.contains("a noise moves both"), "{reason}");
    assert!(reason.ends_with("G G'[1][0] = 1/2"), "{reason}");
}

/// Controls that push both states, with a price that joins them: `riccati` is the other road.
#[test]
fn controls_that_push_two_states_agree_with_the_riccati_equation() {
    let value = |solver: &str| {
        let body = format!(
            "[dynamics]\nstate = \"z[a, b]\"\ncontrol = \"u[2]\"\n\
             drift = [\"b + u[0] + 0.5*u[1]\", \"u[0] - u[1]\"]\ndiffusion = [[\"0.4\", \"0\"], [\"0\", \"0.5\"]]\n\
             domain = [-4.0, 4.0]\nhorizon = [0.0, 1.0]\n[initial]\nfamily = \"delta\"\nat = [1.0, 0.5]\n\
             [cost]\nrunning = \"0.5*u[0]^2 + 0.3*u[0]*u[1] + 0.5*u[1]^2 + a^2\"\nterminal = \"a^2 + b^2\"\n\
             [[solver]]\nid = \"s\"\n{solver}\n"
        );
        let solution = answer(&body).unwrap_or_else(|e| panic!("{solver}: {e}"));
        solution.answer.cost.expect("a value")
    };
    let exact = value("method = \"riccati\"").value;
    for (scheme, near) in [("monotone", 0.1), ("central", 0.02)] {
        let scheme = format!("method = \"hjb\"\nscheme = \"{scheme}\"\npoints = 49\nsteps = 40");
        let found = value(&scheme);
        let off = (found.value - exact).abs();
        assert!(
            off < near && off < 3.0 * found.error,
            "{scheme}: {found:?}, {exact}"
        );
    }
}

/// Bounds, a discount, a state without noise: values and controls by finite differences on wide grids.
#[test]
fn grids_lie_where_optimal_paths_go() {
    let problems = [
        (
            "state = \"x\"\ncontrol = \"u\"\ndrift = \"u\"\ndiffusion = \"0.05\"\ncontrol_bounds = [-4, 4]\n\
             [initial]\nfamily = \"delta\"\nat = 0.0\n[cost]\nrunning = \"0.5*u^2\"\nterminal = \"5*(x - 3)^2\"\n",
            vec![0.0],
            [4.093_906_5, 2.727_272_7],
        ),
        (
            "state = \"x\"\ncontrol = \"u\"\ndrift = \"u\"\ndiffusion = \"0.1\"\n[initial]\nfamily = \"delta\"\nat = 0.0\n\
             [cost]\nrunning = \"0.5*u^2 + cos(x)\"\nterminal = \"5*(x - 2)^2\"\ndiscount = 2.0\n",
            vec![0.0],
            [0.891_075_2, 0.602_766_1],
        ),
        (
            "state = \"x[2]\"\ncontrol = \"u\"\ndrift = [\"u\", \"-x[1] + 0.5*x[1]*exp(-x[1]^2)\"]\n\
             diffusion = [[\"0\"], [\"0.6\"]]\n[initial]\nfamily = \"delta\"\nat = [1.0, 0.4]\n\
             [cost]\nrunning = \"0.5*u^2 + 0.5*x[0]^2\"\nterminal = \"2*cos(x[1]) + x[0]^2\"\n",
            vec![1.0, 0.4],
            [2.324_072_8, -1.094_486_0],
        ),
    ];
    for (body, start, [value, control]) in problems {
        let text = format!(
            "[dynamics]\nhorizon = [0.0, 1.0]\n{body}[[solver]]\nid = \"d\"\nmethod = \"hjb\"\n"
        );
        let answer = answer(&text).unwrap_or_else(|e| panic!("{e}")).answer;
        let cost = answer.cost.expect("a value");
        let off = (cost.value - value).abs();
        assert!(
            off < 3.0 * cost.error && cost.error < 2e-3 * value,
            "{body}: {cost:?}, {value}"
        );
        let policy = answer.policy.expect("a policy");
        let mut u = Batch::zeros(1, 1);
        policy.eval(
            0.0,
            Batch::from_rows(start.len(), &[start]).as_ref(),
            u.as_mut(),
        );
        let (u, error) = (u.get(0, 0), answer.control_error[0]);
        let off = (u - control).abs();
        assert!(
            off < 3.0 * error && error < 1e-2,
            "{body}: {u} ± {error}, {control}"
        );
    }
}
