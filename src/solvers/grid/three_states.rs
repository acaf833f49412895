//! Three coupled states on grids, against closed forms, Riccati's equation and problems of one state.

use crate::solvers::grid::grid_order::GRID_ORDER_FACT;
use crate::solvers::lowered::fixture::answer;
use std::f64::consts::PI;

const HOPF_COLE: &str = "method = \"hopf-cole\"";
const CENTRAL: &str = "method = \"hjb\"\nscheme = \"central\"";
const MONOTONE: &str = "method = \"hjb\"\nscheme = \"monotone\"";

struct Found {
    value: f64,
    error: f64,
    order: f64,
}

fn found(body: &str, solver: &str) -> Found {
    let solution = answer(&format!("{body}\n[[solver]]\nid = \"s\"\n{solver}\n"))
        .unwrap_or_else(|e| panic!("{solver}: {e}"));
    let cost = solution.answer.cost.expect("a value");
    let facts = &solution.answer.facts;
    let order = facts.iter().find(|fact| fact.0 == GRID_ORDER_FACT);
    Found {
        value: cost.value,
        error: cost.error,
        order: order.map_or(f64::NAN, |fact| fact.1),
    }
}

impl Found {
    /// The value is within `near` and twice its own error.
    fn is(&self, exact: f64, near: f64, what: &str) {
        let off = (self.value - exact).abs();
        assert!(
            off < near && off < 2.0 * self.error + 1e-9,
            "{what}: {} ± {}, {exact}, off {off:e}, order {}",
            self.value,
            self.error,
            self.order
        );
    }

    fn has_order(&self, order: f64, near: f64, what: &str) {
        assert!(
            (self.order - order).abs() < near,
            "{what}: order {}",
            self.order
        );
    }
}

/// Three states that draw one another and costs that join them: `riccati` is the other road.
#[test]
fn three_states_that_draw_one_another_agree_with_the_riccati_equation() {
    let body = "[dynamics]\nstate = \"z[a, b, c]\"\ncontrol = \"u[3]\"\n\
                drift = [\"-a + 0.5*b + u[0]\", \"-b + 0.5*c + u[1]\", \"-c - 0.5*a + u[2]\"]\ndiffusion = 0.3\n\
                domain = [-3.0, 3.0]\nhorizon = [0.0, 1.0]\n[initial]\nfamily = \"delta\"\nat = [1.0, 0.5, -0.5]\n\
                [cost]\nrunning = \"0.5*dot(u, u) + a^2 + b*c + b^2 + c^2\"\n\
                terminal = \"a^2 + 0.5*b^2 + 0.5*a*c + c^2\"\n";
    let exact = found(body, "method = \"riccati\"").value;
    let solver = format!("{HOPF_COLE}\npoints = 17\nsteps = 64");
    let grid = found(body, &solver);
    grid.is(exact, 1e-6, &solver);
    grid.has_order(2.0, 0.15, &solver);
    let solver = format!("{CENTRAL}\npoints = 41\nsteps = 48");
    let grid = found(body, &solver);
    grid.is(exact, 1e-4, &solver);
    grid.has_order(2.0, 0.15, &solver);
}

/// Noise and control on the last of a chain of three states only.
#[test]
fn a_chain_of_three_states_agrees_with_the_riccati_equation() {
    let body = "[dynamics]\nstate = \"z[a, b, c]\"\ncontrol = \"u\"\ndrift = [\"b\", \"c\", \"-a - b - c + u\"]\n\
                diffusion = [[\"0\"], [\"0\"], [\"0.5\"]]\ndomain = [[-4.0, 4.0], [-4.0, 4.0], [-5.0, 5.0]]\nhorizon = [0.0, 1.0]\n\
                [initial]\nfamily = \"delta\"\nat = [1.0, 0.0, -0.5]\n\
                [cost]\nrunning = \"0.5*a^2 + 0.1*c^2 + 0.1*u^2\"\nterminal = \"a^2 + 0.5*b^2 + 0.2*c^2\"\n";
    let exact = found(body, "method = \"riccati\"").value;
    let solver = format!("{HOPF_COLE}\npoints = 17\nsteps = 64");
    let grid = found(body, &solver);
    grid.is(exact, 1e-6, &solver);
    grid.has_order(2.0, 0.15, &solver);
}

/// Three wells, tilted by their end costs, in coordinates that a reflection mixes: the value is the sum of three of one state.
#[test]
fn three_wells_seen_in_other_coordinates_cost_the_sum_of_their_values() {
    let wells = [0.3, 0.2, 0.1];
    let alone: f64 = wells
        .iter()
        .map(|kappa| {
            let body = format!(
                "[dynamics]\nstate = \"y\"\ncontrol = \"u\"\ndrift = \"-4*{kappa}*y*(y^2 - 1) + u\"\ndiffusion = 0.8\n\
                 domain = [-5.0, 5.0]\nhorizon = [0.0, 1.0]\n[initial]\nfamily = \"delta\"\nat = -1.0\n\
                 [cost]\nrunning = \"0.5*u^2\"\nterminal = \"(y - 1)^2\"\n"
            );
            let one = found(&body, &format!("{HOPF_COLE}\npoints = 401\nsteps = 160"));
            assert!(one.error < 1e-6, "{}", one.error);
            one.value
        })
        .sum();
    let body = format!(
        "[params]\nkappa = {wells:?}\n[define]\nm = \"2*sum(i in 0..3: x[i])/3\"\n\
         U = \"sum(i in 0..3: kappa[i]*((x[i] - m)^2 - 1)^2)\"\n\
         [dynamics]\nstate = \"x[3]\"\ncontrol = \"u[3]\"\ndrift = \"-grad(U) + u\"\ndiffusion = \"0.8\"\n\
         domain = [-3.2, 3.2]\nhorizon = [0.0, 1.0]\n[initial]\nfamily = \"delta\"\nat = [1.0, 1.0, 1.0]\n\
         [cost]\nrunning = \"0.5*dot(u, u)\"\nterminal = \"sum(i in 0..3: (x[i] - m - 1)^2)\"\n"
    );
    let grid = found(&body, &format!("{HOPF_COLE}\npoints = 41\nsteps = 32"));
    grid.is(alone, 1e-3, "hopf-cole");
    let other = found(&body, &format!("{CENTRAL}\npoints = 41\nsteps = 24"));
    other.is(alone, 0.1, "hjb");
    // Neither knows of the other's errors.
    let apart = (grid.value - other.value).abs();
    assert!(apart < 2.0 * (grid.error + other.error), "{apart}");
}

/// A circle, walls and an exit, coupled by currents whose cost a price along the way takes back:
///
/// ```text
/// psi = f(x) g(y) h(z, t),    f = 2 + cos x,    g = 1 + 0.7 cos(pi y),    h of a particle that pays until it leaves
/// q / lambda = (L f g) / (f g) + 1/(2 lambda)
/// ```
#[test]
fn a_circle_walls_and_an_exit_have_a_product_as_answer() {
    let (s, x, y, z): (f64, f64, f64, f64) = (0.8, 5.5, 0.2, 0.3);
    let lambda = s * s;
    let body = "[define]\nf = \"2 + cos(x)\"\ng = \"1 + 0.7*cos(pi*y)\"\n\
         lfg = \"(1.5 + 0.5*z)*(-sin(x))/f + 0.3*cos(x)*(-0.7*pi*sin(pi*y))/g + 0.32*(-cos(x)/f - 0.7*pi^2*cos(pi*y)/g)\"\n\
         [dynamics]\nstate = \"w[x, y, z]\"\ncontrol = \"u[3]\"\n\
         drift = [\"1.5 + 0.5*z + u[0]\", \"0.3*cos(x) + u[1]\", \"u[2]\"]\ndiffusion = 0.8\n\
         domain = [[0.0, 6.283185307179586], [0.0, 1.0], [-1.0, 1.0]]\nboundary = [\"periodic\", \"reflect\", \"absorb\"]\n\
         horizon = [0.0, 1.0]\n[initial]\nfamily = \"delta\"\nat = [5.5, 0.2, 0.3]\n\
         [cost]\nrunning = \"0.5*dot(u, u) + 0.5 + 0.64*lfg\"\nterminal = \"-0.64*log(f) - 0.64*log(g)\"\n";
    let (k, q) = ((2.0_f64 * 0.5).sqrt() / lambda, 0.5);
    let modes = (0..40).map(|n| {
        let mu = (f64::from(n) + 0.5) * PI;
        let size = 2.0 * mu.sin() * k * k / (mu * (k * k + mu * mu));
        size * (-(0.5 * lambda * mu * mu + q / lambda)).exp() * (mu * z).cos()
    });
    let h = (k * z).cosh() / k.cosh() + modes.sum::<f64>();
    let exact = -lambda * (h.ln() + (2.0 + x.cos()).ln() + (1.0 + 0.7 * (PI * y).cos()).ln());
    for (method, near) in [(HOPF_COLE, 5e-3), (CENTRAL, 2e-2)] {
        let grid = found(body, &format!("{method}\npoints = 41\nsteps = 32"));
        grid.is(exact, near, method);
    }
}

/// Two states with bounded controls that the drift of a third adds up, the third paid for by where it ends: what they do
/// to it is as good as a running cost of their own, and its own control stays at the bound.
#[test]
fn bounded_controls_of_three_states_cost_the_sum_of_their_values() {
    let alone = |drift: &str, running: &str, end: &str| {
        let body = format!(
            "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ncontrol_bounds = [-1.0, 1.0]\ndrift = \"{drift} + u\"\ndiffusion = 0.5\n\
             domain = [-3.0, 3.0]\nhorizon = [0.0, 1.0]\n[initial]\nfamily = \"delta\"\nat = 1.0\n\
             [cost]\nrunning = \"0.1*u^2 + {running}\"\nterminal = \"{end}\"\n"
        );
        let one = found(&body, &format!("{CENTRAL}\npoints = 401\nsteps = 160"));
        assert!(one.error < 1e-4, "{}", one.error);
        one.value
    };
    let first = alone("x - x^3", "-0.5*x", "2*x^2");
    let second = alone("-sin(x)", "-0.5*cos(x)", "x^2");
    // -z(0) and min over u of 0.25 u^2 - u in [-1, 1].
    let exact = first + second - 0.25 - 0.75;
    let body = "[dynamics]\nstate = \"w[x, y, z]\"\ncontrol = \"u[3]\"\ncontrol_bounds = [-1.0, 1.0]\n\
         drift = [\"x - x^3 + u[0]\", \"-sin(y) + u[1]\", \"0.5*x + 0.5*cos(y) + u[2]\"]\ndiffusion = 0.5\n\
         domain = [[-3.0, 3.0], [-3.0, 3.0], [-5.0, 5.0]]\nhorizon = [0.0, 1.0]\n\
         [initial]\nfamily = \"delta\"\nat = [1.0, 1.0, 0.25]\n\
         [cost]\nrunning = \"0.1*u[0]^2 + 0.1*u[1]^2 + 0.25*u[2]^2\"\nterminal = \"2*x^2 + y^2 - z\"\n";
    let grid = found(
        body,
        &format!("{MONOTONE}\npoints = [49, 49, 41]\nsteps = 24"),
    );
    grid.is(exact, 0.2, MONOTONE);
    grid.has_order(1.0, 0.25, MONOTONE);
    let grid = found(
        body,
        &format!("{CENTRAL}\npoints = [49, 49, 41]\nsteps = 16"),
    );
    grid.is(exact, 1e-2, CENTRAL);
}
