//! Closed forms, a long horizon, and what is refused.

use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::solvers::driver::Unsolved;
use crate::solvers::lowered::answer::{AVERAGE_COST, Answer};
use crate::solvers::lowered::fixture::answer;

fn of(dynamics: &str, horizon: &str, start: &str, cost: &str) -> Result<Answer, Unsolved> {
    answer(&format!(
        "[dynamics]\n{dynamics}\nhorizon = {horizon}\n[initial]\nfamily = \"delta\"\nat = {start}\n[cost]\n{cost}\n\
         [[solver]]\nid = \"r\"\nmethod = \"riccati\"\n"
    ))
    .map(|solution| solution.answer)
}

fn solved(dynamics: &str, horizon: &str, start: &str, cost: &str) -> Answer {
    of(dynamics, horizon, start, cost).unwrap_or_else(|unsolved| panic!("{unsolved}"))
}

fn refusal(dynamics: &str, cost: &str) -> String {
    match of(dynamics, "[0.0, inf]", "[1.0, 0.0]", cost) {
        Err(Unsolved::Refused(refusal)) => refusal.reason,
        Err(failed) => panic!("{failed}"),
        Ok(_) => panic!("it was solved"),
    }
}

fn at(field: &(dyn Field + Send), x: &[f64]) -> f64 {
    let mut out = Batch::zeros(1, 1);
    field.eval(0.0, Batch::from_rows(x.len(), &[x]).as_ref(), out.as_mut());
    out.get(0, 0)
}

fn value(answer: &Answer, x: &[f64]) -> f64 {
    at(answer.value.as_deref().expect("a value"), x)
}

fn policy(answer: &Answer, x: &[f64]) -> f64 {
    at(answer.policy.as_deref().expect("a policy"), x)
}

const LINE: &str = "state = \"x\"\ncontrol = \"u\"\ndrift = \"0.5*x + u + 0.2\"\ndiffusion = 0.7";

/// `a = 1/2`, a shift of 0.2, cost `x^2 + 0.3 x + 0.1 + u^2/2`: `P = a' + sqrt(a'^2 + 2)` with `a' = a - rho/2`,
/// `r = (0.2 P + 0.3)/(rho + P - a)`, the rest by hand.
#[test]
fn one_state_is_the_closed_form_with_and_without_a_discount() {
    for rho in [0.0, 0.4] {
        let cost = "running = \"x^2 + 0.3*x + 0.1 + 0.5*u^2\"";
        let cost = if rho > 0.0 {
            format!("{cost}\ndiscount = {rho}")
        } else {
            cost.to_owned()
        };
        let answer = solved(LINE, "[0.0, inf]", "[1.0]", &cost);
        let shifted: f64 = 0.5 - 0.5 * rho;
        let p = shifted + (shifted * shifted + 2.0).sqrt();
        let r = (0.2 * p + 0.3) / (rho + p - 0.5);
        let rate = 0.2 * r - 0.5 * r * r + 0.5 * 0.49 * p + 0.1;
        let form = |x: f64| 0.5 * p * x * x + r * x;
        let (expected, constant) = if rho > 0.0 {
            (form(1.0) + rate / rho, rate / rho)
        } else {
            (rate, -form(1.0))
        };
        let cost = answer.cost.expect("a cost");
        assert!((cost.value - expected).abs() < 1e-13, "{cost:?} {expected}");
        assert!(cost.error < 1e-12);
        for x in [-0.7, 0.0, 2.0] {
            assert!((value(&answer, &[x]) - form(x) - constant).abs() < 1e-12);
            assert!((policy(&answer, &[x]) + p * x + r).abs() < 1e-12);
        }
        let average = answer.quantity(AVERAGE_COST).map(|average| average.value);
        assert_eq!(average.is_some(), rho == 0.0);
        assert!((answer.quantity("gain[0][0]").expect("a gain").value - p).abs() < 1e-13);
    }
}

const OSCILLATOR: &str = "state = \"x[q, v]\"\ncontrol = \"u\"\ndrift = [\"v\", \"0.3*v - q + u\"]\n\
                          diffusion = [[\"0.2\", \"0\"], [\"0.1\", \"0.4\"]]";
const PRICE: &str = "running = \"0.5*q^2 + q*v/5 + v^2/4 + 0.5*u^2\"";

/// `c = 1/2 tr(G'P G)`, and the cost of a horizon grows by `c` per time, up to what decays at twice the slowest rate of
/// the closed loop: a time of 3 more takes the distance down by `e^(-6 rate)`.
#[test]
fn a_longer_horizon_tends_to_it_at_the_rate_of_the_closed_loop() {
    let endless = solved(OSCILLATOR, "[0.0, inf]", "[1.0, 0.0]", PRICE);
    let c = endless.quantity(AVERAGE_COST).expect("an average").value;
    let second = |i: [f64; 2], j: [f64; 2]| {
        let both = [i[0] + j[0], i[1] + j[1]];
        let v = |x: [f64; 2]| value(&endless, &x);
        v(both) - v(i) - v(j) + v([0.0, 0.0])
    };
    let (e, f) = ([1.0, 0.0], [0.0, 1.0]);
    let (p, s, r) = (second(e, e), second(e, f), second(f, f));
    // D = [[0.04, 0.02], [0.02, 0.17]].
    let trace = 0.5 * (0.04 * p + 2.0 * 0.02 * s + 0.17 * r);
    assert!((c - trace).abs() < 1e-13, "{c} {trace}");
    let facts = &endless.facts;
    let slowest = facts
        .iter()
        .find(|fact| fact.0 == "slowest rate of the closed loop");
    let slowest = slowest.expect("a rate").1;
    let far = |end: f64| {
        let horizon = format!("[0.0, {end:?}]");
        let finite = solved(OSCILLATOR, &horizon, "[1.0, 0.0]", PRICE);
        let shape = |answer: &Answer, x: [f64; 2]| value(answer, &x) - value(answer, &[0.0; 2]);
        (shape(&finite, [0.3, 1.0]) - shape(&endless, [0.3, 1.0])).abs()
    };
    let observed = (far(6.0) / far(9.0)).ln() / 6.0;
    // Complex rates: the distance swings as it decays.
    assert!(
        (observed + slowest).abs() < 0.05 * -slowest,
        "{observed} {slowest}"
    );
    assert!(far(30.0) < 1e-8);
    let cost = |end: f64| {
        let horizon = format!("[0.0, {end:?}]");
        let finite = solved(OSCILLATOR, &horizon, "[1.0, 0.0]", PRICE);
        finite.cost.expect("a cost").value
    };
    assert!((cost(40.0) - cost(30.0) - 10.0 * c).abs() < 1e-7);
}

#[test]
fn what_cannot_be_held_is_refused_with_its_mode() {
    let alone = "state = \"x[2]\"\ncontrol = \"u\"\ndrift = [\"0.3*x[0]\", \"u - x[1]\"]\ndiffusion = [[\"0.1\"], [\"0.2\"]]";
    let reason = refusal(alone, "running = \"x[0]^2 + x[1]^2 + u^2\"");
    assert!(
        reason.contains("no control reaches the mode 0.3,"),
        "{reason}"
    );
    let steered = "state = \"x[2]\"\ncontrol = \"u[2]\"\ndrift = [\"0.3*x[0] + u[0]\", \"u[1] - x[1]\"]\ndiffusion = [[\"0.1\"], [\"0.2\"]]";
    let reason = refusal(steered, "running = \"x[1]^2 + dot(u, u)\"");
    assert!(reason.contains("does not see the mode 0.3,"), "{reason}");
    // What is discounted fast enough may grow.
    let cost = "running = \"x[0]^2 + x[1]^2 + u^2\"\ndiscount = 0.7";
    assert!(of(alone, "[0.0, inf]", "[1.0, 0.0]", cost).is_ok());
}
