//! Modes of the linear equation on an interval and on a circle.

use crate::solvers::driver::{Solution, Unsolved};
use crate::solvers::lowered::fixture::{answer, lowered};
use crate::solvers::registry::choice::automatic;
use std::f64::consts::PI;

type Answer = Result<Solution, Unsolved>;

/// Both methods that differentiate on a grid.
const METHODS: [&str; 2] = [
    "method = \"hopf-cole\"",
    "method = \"hjb\"\nscheme = \"central\"",
];

struct Case<'a> {
    dynamics: &'a str,
    at: &'a str,
    cost: &'a str,
    events: &'a str,
}

impl Case<'_> {
    fn solve(&self, solver: &str) -> Answer {
        let Self {
            dynamics,
            at,
            cost,
            events,
        } = self;
        answer(&format!(
            "[dynamics]\n{dynamics}\n[initial]\nfamily = \"delta\"\nat = {at}\n[cost]\n{cost}\n{events}\n\
             [[solver]]\nid = \"s\"\n{solver}\n"
        ))
    }

    /// The value is within twice its own error and `near`; the observed order.
    fn is_near(&self, solver: &str, exact: f64, near: f64) -> f64 {
        let solution = self
            .solve(solver)
            .unwrap_or_else(|e| panic!("{solver}: {e}"));
        let cost = solution.answer.cost.expect("a value");
        let off = (cost.value - exact).abs();
        assert!(
            off < near && off < 2.0 * cost.error + 1e-9,
            "{solver}: {cost:?} {exact}, off {off:e}"
        );
        let order = solution
            .answer
            .facts
            .iter()
            .find(|fact| fact.0 == "grid_order");
        order.expect("four grids").1
    }

    /// The same, and its error falls at order two at least.
    fn agrees(&self, solver: &str, exact: f64, near: f64) {
        let order = self.is_near(solver, exact, near);
        // Against the drift the third order still shows.
        let most = if solver.contains("hjb") { 3.25 } else { 2.5 };
        assert!((1.75..most).contains(&order), "{solver}: order {order}");
    }

    fn reason(&self, solver: &str) -> String {
        match self.solve(solver) {
            Err(Unsolved::Refused(refusal)) => refusal.reason,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was not refused"),
        }
    }
}

/// A particle of noise `s` that pays `q` per time until it leaves `(-1, 1)`: `psi = cosh(kx)/cosh(k)` for ever, with
/// `k = sqrt(2 q)/s^2`, and `sum_n a_n e^{-(s^2 mu_n^2/2 + q/s^2)(T-t)} cos(mu_n x)` more while the end of the horizon is felt,
/// `mu_n = (n + 1/2) pi`, `a_n = 2 sin(mu_n) k^2 / (mu_n (k^2 + mu_n^2))`.
fn exit(s: f64, q: f64, left: f64, x: f64) -> f64 {
    let (lambda, k) = (s * s, (2.0 * q).sqrt() / (s * s));
    let modes = (0..40).map(|n| {
        let mu = (f64::from(n) + 0.5) * PI;
        let size = 2.0 * mu.sin() * k * k / (mu * (k * k + mu * mu));
        size * (-(0.5 * s * s * mu * mu + q / lambda) * left).exp() * (mu * x).cos()
    });
    -lambda * ((k * x).cosh() / k.cosh() + modes.sum::<f64>()).ln()
}

#[test]
fn a_particle_pays_until_it_leaves() {
    let exact = exit(0.8, 0.5, 1.0, 0.3);
    for method in METHODS {
        let solver = format!("{method}\npoints = 129\nsteps = 96");
        let mut case = Case {
            dynamics: "state = \"x\"\ncontrol = \"u\"\ndrift = \"0*x + u\"\ndiffusion = 0.8\ndomain = [-1, 1]\nboundary = \"absorb\"",
            at: "0.3",
            cost: "running = \"0.5 + 0.5*u^2\"\nterminal = \"0\"",
            events: "",
        };
        case.agrees(&solver, exact, 2e-4);
        // The same edges as events within a wider domain, between its nodes.
        case.dynamics = "state = \"x\"\ncontrol = \"u\"\ndrift = \"0*x + u\"\ndiffusion = 0.8\ndomain = [-3.1, 2.7]";
        case.events = "[[event]]\nname = \"right\"\nwhen = \"x > 1\"\nstop = true\n\
                       [[event]]\nname = \"left\"\nwhen = \"x < -1\"\nstop = true\n";
        case.agrees(&solver, exact, 2e-4);
    }
}

/// Pushing is too dear to matter, so that the value is `E e^{-r tau} = cosh(k x)/cosh(k)`, `k = sqrt(2 r)/s`, of a particle
/// of noise `s` that leaves `(-1, 1)` at `tau`; it has left by the end but for one in ten million.
#[test]
fn the_end_cost_is_discounted_as_at_the_time_of_leaving() {
    let (s, r, x): (f64, f64, f64) = (0.9, 0.7, 0.4);
    let k = (2.0 * r).sqrt() / s;
    let case = Case {
        dynamics: "state = \"x\"\ncontrol = \"u\"\ndrift = \"0*x + u\"\ndiffusion = 0.9\nhorizon = [0.0, 16.0]\n\
                   domain = [-1, 1]\nboundary = \"absorb\"",
        at: "0.4",
        cost: "running = \"1e9*u^2\"\nterminal = \"1\"\ndiscount = 0.7",
        events: "",
    };
    let solver = "method = \"hjb\"\nscheme = \"central\"\npoints = 129\nsteps = 384";
    case.agrees(solver, (k * x).cosh() / k.cosh(), 1e-4);
}

/// A second state that the first pushes about and nothing is paid for changes nothing.
#[test]
fn two_states_leave_through_the_edges_of_one() {
    let exact = exit(0.8, 0.5, 1.0, 0.3);
    let case = Case {
        dynamics: "state = \"z[x, y]\"\ncontrol = \"u[2]\"\ndrift = [\"u[0]\", \"x - y + u[1]\"]\ndiffusion = 0.8\n\
                   domain = [[-3.0, 1.0], [-4.0, 4.0]]",
        at: "[0.3, 0.5]",
        cost: "running = \"0.5 + 0.5*dot(u, u)\"\nterminal = \"0\"",
        events: "[[event]]\nname = \"left\"\nwhen = \"x < -1\"\nstop = true\n\
                 [[event]]\nname = \"right\"\nwhen = \"x > 1\"\nstop = true\n",
    };
    for method in METHODS {
        case.agrees(
            &format!("{method}\npoints = [65, 17]\nsteps = 48"),
            exact,
            1e-3,
        );
    }
}

/// `psi = 1 + a e^{-s^2 pi^2 (T-t)/2} cos(pi x)` between walls at 0 and 1.
#[test]
fn a_particle_between_walls_keeps_its_cosine() {
    let (s, a, x): (f64, f64, f64) = (0.6, 0.7, 0.2);
    let exact = -s * s * (1.0 + a * (-0.5 * s * s * PI * PI).exp() * (PI * x).cos()).ln();
    let case = Case {
        dynamics: "state = \"x\"\ncontrol = \"u\"\ndrift = \"0*x + u\"\ndiffusion = 0.6\ndomain = [0, 1]\nboundary = \"reflect\"",
        at: "0.2",
        cost: "running = \"0.5*u^2\"\nterminal = \"-0.36*log(1 + 0.7*cos(pi*x))\"",
        events: "",
    };
    for method in METHODS {
        case.agrees(&format!("{method}\npoints = 129\nsteps = 96"), exact, 1e-4);
    }
}

/// `psi = 2 + e^{-s^2 (T-t)/2} cos(x + c (T-t))` on a circle that a current goes round.
#[test]
fn a_current_round_a_circle_carries_its_wave() {
    let (s, c, x): (f64, f64, f64) = (0.7, 1.5, 5.5);
    let exact = -s * s * (2.0 + (-0.5 * s * s).exp() * (x + c).cos()).ln();
    let case = Case {
        dynamics: "state = \"x\"\ncontrol = \"u\"\ndrift = \"1.5 + u\"\ndiffusion = 0.7\ndomain = [0.0, 6.283185307179586]\n\
                   boundary = \"periodic\"",
        at: "5.5",
        cost: "running = \"0.5*u^2\"\nterminal = \"-0.49*log(2 + cos(x))\"",
        events: "",
    };
    for method in METHODS {
        case.agrees(&format!("{method}\npoints = 129\nsteps = 96"), exact, 5e-4);
    }
}

/// Both at once, for two states that nothing couples: the value is the sum.
#[test]
fn a_circle_times_walls_is_solved_on_one_grid() {
    let (s, c, x, y): (f64, f64, f64, f64) = (0.6, 1.5, 5.5, 0.2);
    let circle = 2.0 + (-0.5 * s * s).exp() * (x + c).cos();
    let walls = 1.0 + 0.7 * (-0.5 * s * s * PI * PI).exp() * (PI * y).cos();
    let case = Case {
        dynamics: "state = \"z[x, y]\"\ncontrol = \"u[2]\"\ndrift = [\"1.5 + u[0]\", \"u[1]\"]\ndiffusion = 0.6\n\
                   domain = [[0.0, 6.283185307179586], [0.0, 1.0]]\nboundary = [\"periodic\", \"reflect\"]",
        at: "[5.5, 0.2]",
        cost: "running = \"0.5*dot(u, u)\"\nterminal = \"-0.36*log(2 + cos(x)) - 0.36*log(1 + 0.7*cos(pi*y))\"",
        events: "",
    };
    let exact = -s * s * (circle.ln() + walls.ln());
    case.agrees(
        "method = \"hopf-cole\"\npoints = [65, 33]\nsteps = 48",
        exact,
        2e-3,
    );
}

/// The same circle and walls, coupled: `x` turns the particle between the walls about, and what that brings is taken back
/// by a price along the way, so that the value stays the sum.
#[test]
fn a_circle_that_drives_a_particle_between_walls_keeps_both() {
    let (s, c, x, y): (f64, f64, f64, f64) = (0.6, 0.5, 5.5, 0.2);
    let circle = 2.0 + (-0.5 * s * s).exp() * (x + c).cos();
    let walls = 1.0 + 0.7 * (-0.5 * s * s * PI * PI).exp() * (PI * y).cos();
    let case = Case {
        dynamics: "state = \"z[x, y]\"\ncontrol = \"u[2]\"\ndrift = [\"0.5 + u[0]\", \"0.5*cos(x) + u[1]\"]\ndiffusion = 0.6\n\
                   domain = [[0.0, 6.283185307179586], [0.0, 1.0]]\nboundary = [\"periodic\", \"reflect\"]\nhorizon = [0.0, 1.0]",
        at: "[5.5, 0.2]",
        cost: "running = \"0.5*dot(u, u) - 0.18*cos(x)*0.7*pi*exp(-0.18*pi^2*(1 - t))*sin(pi*y)/(1 + 0.7*exp(-0.18*pi^2*(1 - t))*cos(pi*y))\"\n\
               terminal = \"-0.36*log(2 + cos(x)) - 0.36*log(1 + 0.7*cos(pi*y))\"",
        events: "",
    };
    let exact = -s * s * (circle.ln() + walls.ln());
    for method in METHODS {
        let solver = format!("{method}\npoints = [65, 65]\nsteps = 48");
        case.is_near(&solver, exact, 5e-3);
    }
}

#[test]
fn what_ends_paths_in_other_ways_is_refused() {
    let two = |events| Case {
        dynamics: "state = \"z[x, y]\"\ncontrol = \"u[2]\"\ndrift = \"u\"\ndiffusion = 0.6\ndomain = [[-2.0, 2.0], [-2.0, 2.0]]\n\
                   boundary = [\"absorb\", \"natural\"]",
        at: "[0.0, 0.0]",
        cost: "running = \"0.5*dot(u, u)\"\nterminal = \"dot(z, z)\"",
        events,
    };
    for method in ["method = \"separable\"", "method = \"hjb\""] {
        let reason = two("").reason(method);
        assert!(reason.contains("ends a path couples states"), "{reason}");
    }
    let reason = two("").reason("method = \"riccati\"");
    assert!(reason.contains("an edge is not natural"), "{reason}");
    let round = "[[event]]\nname = \"round\"\nwhen = \"x^2 + y^2 > 1\"\nstop = true\n";
    let reason = two(round).reason("method = \"hopf-cole\"");
    assert_eq!(reason, "event `round` depends on 2 states");
    let late = "[[event]]\nname = \"late\"\nwhen = \"x > t\"\nstop = true\n";
    let reason = two(late).reason("method = \"hopf-cole\"");
    assert_eq!(reason, "event `late` depends on time");
    let early = "[[event]]\nname = \"early\"\nwhen = \"x > -1\"\nstop = true\n";
    let reason = two(early).reason("method = \"hopf-cole\"");
    assert_eq!(reason, "event `early` has happened at the start");
}

/// Edges that act leave neither a quadratic form nor, where they end paths, a sum over states.
#[test]
fn the_choice_knows_edges() {
    let chosen = |states: usize, boundary: &str| {
        let at = vec![0.0; states];
        automatic(&lowered(&format!(
            "format = 1\n[problem]\nname = \"t\"\nkind = \"control\"\n[dynamics]\nstate = \"x[{states}]\"\ncontrol = \"u[{states}]\"\n\
             drift = \"u\"\ndiffusion = 0.6\ndomain = [-2.0, 2.0]\nboundary = \"{boundary}\"\n[initial]\nfamily = \"delta\"\n\
             at = {at:?}\n[cost]\nrunning = \"0.5*dot(u, u)\"\nterminal = \"dot(x, x)\"\n"
        )))
        .unwrap_or_else(|refusal| panic!("{refusal}"))
    };
    assert_eq!(chosen(2, "natural"), ["riccati", "hopf-cole"]);
    assert_eq!(chosen(2, "reflect"), ["separable"]);
    assert_eq!(chosen(2, "absorb"), ["hopf-cole"]);
    assert_eq!(chosen(3, "natural"), ["riccati"]);
    assert_eq!(chosen(3, "absorb"), ["hopf-cole"]);
    assert_eq!(chosen(4, "absorb"), ["path-integral"]);
}
