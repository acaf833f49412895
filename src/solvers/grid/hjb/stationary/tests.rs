//! Another discretization, the algebraic Riccati equation, the ground state, and a circle.

use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::solvers::driver::Unsolved;
use crate::solvers::lowered::answer::{AVERAGE_COST, Answer};
use crate::solvers::lowered::fixture::answer;

fn of(dynamics: &str, cost: &str, solver: &str) -> Result<Answer, Unsolved> {
    answer(&format!(
        "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\nhorizon = [0.0, inf]\n{dynamics}\n[initial]\nfamily = \"delta\"\nat = [-1.0]\n\
         [cost]\n{cost}\n[[solver]]\nid = \"r\"\n{solver}\n"
    ))
    .map(|solution| solution.answer)
}

fn solved(dynamics: &str, cost: &str, solver: &str) -> Answer {
    of(dynamics, cost, solver).unwrap_or_else(|unsolved| panic!("{unsolved}"))
}

fn at(field: Option<&(dyn Field + Send)>, x: f64) -> f64 {
    let mut out = Batch::zeros(1, 1);
    let field = field.expect("a field");
    field.eval(0.0, Batch::from_rows(1, &[[x]]).as_ref(), out.as_mut());
    out.get(0, 0)
}

fn value(answer: &Answer, x: f64) -> f64 {
    at(answer.value.as_deref(), x)
}

fn policy(answer: &Answer, x: f64) -> f64 {
    at(answer.policy.as_deref(), x)
}

fn close(got: f64, known: f64, allowed: f64) {
    assert!((got - known).abs() < allowed, "{got}, not {known}");
}

const WELL: &str = "drift = \"x - x^3 + u\"\ndiffusion = 0.5";
const PRICE: &str = "running = \"(x - 1)^2 + 0.5*u^2\"";
const GRID: &str = "method = \"hjb\"";

/// Values and controls by Chebyshev collocation with Newton's method, 121 to 151 nodes on three intervals.
#[test]
fn the_discounted_double_well_agrees_with_collocation_to_six_digits() {
    let answer = solved(WELL, &format!("{PRICE}\ndiscount = 0.5"), GRID);
    for (x, v, u) in [
        (-1.0, 2.739_571_694_0, 2.244_135_418_8),
        (0.3, 0.362_532_538_4, 0.783_292_494_6),
    ] {
        close(value(&answer, x), v, 1e-7);
        close(policy(&answer, x), u, 1e-6);
    }
    let cost = answer.cost.expect("a cost");
    assert!(
        (cost.value - 2.739_571_694_0).abs() < cost.error + 1e-10 && cost.error < 1e-6,
        "{cost:?}"
    );
}

/// The average cost of the same collocation; the ground state of the linear equation as the third route.
#[test]
fn the_average_cost_and_its_policy_are_those_of_the_ground_state() {
    let grid = solved(WELL, PRICE, GRID);
    let waves = solved(WELL, PRICE, "method = \"hopf-cole\"");
    let known = 0.069_447_649_24;
    for (answer, allowed) in [(&grid, 1e-8), (&waves, 1e-10)] {
        let c = answer.quantity(AVERAGE_COST).expect("an average");
        close(c.value, known, allowed);
        assert!((c.value - known).abs() < c.error + 5e-11, "{c:?}");
        close(policy(answer, -1.0), 2.770_437_281_2, 1e-6);
        close(policy(answer, 0.3), 0.911_157_421_5, 1e-6);
        close(value(answer, -1.0), 0.0, 1e-9);
        close(
            value(answer, 0.3) - value(answer, -1.0),
            -2.805_778_558_7,
            1e-6,
        );
    }
    let gaps = [&grid, &waves].map(|answer| answer.quantity("spectral_gap").expect("a gap").value);
    close(gaps[0], gaps[1], 1e-3 * gaps[1]);
}

/// A discounted linear-quadratic problem, a domain that is found, and edges that the optimal process does not reach.
#[test]
fn linear_quadratic_problems_agree_with_the_algebraic_equation() {
    let dynamics = "drift = \"0.5*x + u + 0.2\"\ndiffusion = 0.7";
    for discount in ["", "discount = 0.4"] {
        let cost = format!("running = \"x^2 + 0.3*x + 0.1 + 0.5*u^2\"\n{discount}");
        let [grid, known] = [GRID, "method = \"riccati\""].map(|m| solved(dynamics, &cost, m));
        let [a, b] = [&grid, &known].map(|answer| answer.cost.expect("a cost").value);
        close(a, b, 1e-8);
        for x in [-1.5, 0.0, 1.0] {
            close(value(&grid, x), value(&known, x), 1e-7);
            close(policy(&grid, x), policy(&known, x), 1e-6);
        }
    }
}

/// A pendulum on a circle, by Fourier collocation of the linear equation with 64 and 128 nodes.
#[test]
fn a_circle_has_no_edges() {
    let dynamics = "drift = \"sin(x) + u\"\ndiffusion = 0.6\ndomain = [\"-pi\", \"pi\"]\nboundary = \"periodic\"";
    let answer = solved(dynamics, "running = \"1 - cos(x) + 0.5*u^2\"", GRID);
    let c = answer.quantity(AVERAGE_COST).expect("an average");
    close(c.value, 0.411_816_38, 2e-8);
    assert!(c.error < 1e-6, "{c:?}");
}

#[test]
fn bounds_on_the_control_are_kept_and_kinks_take_the_monotone_scheme() {
    let dynamics = format!("{WELL}\ncontrol_bounds = [-0.5, 0.5]");
    let [free, bound] = [WELL, &dynamics].map(|d| solved(d, PRICE, GRID));
    let monotone = solved(
        &dynamics,
        PRICE,
        "method = \"hjb\"\nscheme = \"monotone\"\npoints = 1601",
    );
    let [free, bound, monotone] = [free, bound, monotone].map(|a| {
        assert!(policy(&a, -1.0) <= 2.8);
        a.quantity(AVERAGE_COST).expect("an average")
    });
    assert!(
        bound.value > free.value + 10.0 * bound.error,
        "{bound:?} {free:?}"
    );
    let apart = (bound.value - monotone.value).abs();
    assert!(
        apart < 2.0 * (bound.error + monotone.error),
        "{bound:?} {monotone:?}"
    );
}

/// Methods that go back from an end, and domains that cut the process off, say so.
#[test]
fn what_does_not_apply_says_why() {
    let refused = of(WELL, PRICE, "method = \"path-integral\"");
    let Err(Unsolved::Refused(refusal)) = refused else {
        panic!("it was solved");
    };
    assert!(refusal.reason.contains("no end"), "{refusal}");
    let discounted = format!("{PRICE}\ndiscount = 0.5");
    assert!(matches!(
        of(WELL, &discounted, "method = \"hopf-cole\""),
        Err(Unsolved::Refused(_))
    ));
    let narrow = format!("{WELL}\ndomain = [-1.2, 1.2]");
    assert!(matches!(of(&narrow, PRICE, GRID), Err(Unsolved::Failed(_))));
}
