//! Closed forms, reference numbers made with other software, and a scalar integration written out by hand.

use super::*;
use crate::solvers::driver::{Solution, Unsolved};
use crate::solvers::lowered::fixture::lowered;
use crate::solvers::registry::run::solve as run;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::path::Path;

fn attempt(text: &str) -> Result<Solution, Unsolved> {
    let lowered = lowered(text);
    let spec = lowered
        .problem
        .solvers
        .iter()
        .find(|spec| spec.method() == NAME)
        .expect("the file asks for riccati");
    run(&lowered, spec, &[], None, &mut |_| ())
}

fn solved(text: &str) -> Answer {
    attempt(text)
        .unwrap_or_else(|unsolved| panic!("{unsolved}"))
        .answer
}

fn at(field: &(dyn Field + Send), t: f64, x: &[f64]) -> Vec<f64> {
    let x = Batch::from_rows(x.len(), &[x]);
    let mut out = Batch::zeros(1, field.outputs());
    field.eval(t, x.as_ref(), out.as_mut());
    out.row(0)
}

fn value(answer: &Answer, t: f64, x: &[f64]) -> f64 {
    at(answer.value.as_deref().expect("a value"), t, x)[0]
}

fn policy(answer: &Answer, t: f64, x: &[f64]) -> Vec<f64> {
    at(answer.policy.as_deref().expect("a policy"), t, x)
}

fn cost(answer: &Answer) -> Estimate {
    answer.cost.expect("a cost")
}

fn uncontrolled(answer: &Answer) -> Estimate {
    quantity(answer, "uncontrolled_cost")
}

fn quantity(answer: &Answer, name: &str) -> Estimate {
    let found = answer.quantities.iter().find(|q| q.name == name);
    found.unwrap_or_else(|| panic!("{name}")).value
}

fn close(got: f64, exact: f64, allowed: f64, what: &str) {
    let error = (got - exact).abs();
    assert!(
        error <= allowed,
        "{what}: {got} is {error:e} from {exact}, allowed {allowed:e}"
    );
}

/// A file with the given tables; `rtol` far below what is asked of the answers.
fn file(dynamics: &str, initial: &str, cost: &str) -> String {
    format!(
        "format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n[dynamics]\n{dynamics}\n[initial]\n{initial}\n\
         [cost]\n{cost}\n[[solver]]\nid = \"exact\"\nmethod = \"riccati\"\nform = \"differential\"\nrtol = 1e-12\n"
    )
}

struct Record {
    id: String,
    params: Value,
    value: Vec<f64>,
    error: f64,
}

fn records(prefix: &str) -> Vec<Record> {
    let text = include_str!("../../../../tests/reference/section06.json");
    let all: Value = serde_json::from_str(text).expect("the reference file is JSON");
    let found: Vec<Record> = all["records"]
        .as_array()
        .expect("a list of records")
        .iter()
        .map(|record| Record {
            id: record["id"].as_str().expect("an id").to_owned(),
            params: record["params"].clone(),
            value: numbers(&record["value"]),
            error: number(&record["abs_error_estimate"]),
        })
        .filter(|record| record.id.starts_with(prefix))
        .collect();
    assert!(!found.is_empty(), "the reference file has {prefix}");
    found
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(entries) => entries.iter().map(number).collect(),
        other => vec![number(other)],
    }
}

/// One row for a number.
fn rows(value: &Value) -> Vec<Vec<f64>> {
    match value {
        Value::Array(rows) => rows.iter().map(numbers).collect(),
        other => vec![numbers(other)],
    }
}

/// `3*x[0] + 4*x[1]`
fn linear(row: &[f64], name: &str) -> String {
    let terms: Vec<String> = row
        .iter()
        .enumerate()
        .map(|(j, v)| format!("({v:?})*{name}[{j}]"))
        .collect();
    terms.join(" + ")
}

/// `x'M x`
fn form(matrix: &[Vec<f64>]) -> String {
    let terms: Vec<String> = matrix
        .iter()
        .enumerate()
        .map(|(i, row)| format!("x[{i}]*({})", linear(row, "x")))
        .collect();
    terms.join(" + ")
}

/// The references have `dX = (A X + sigma u) dt + sqrt(lambda) sigma dB` and costs `x'P x`, `x'Q x`, `gamma.x`.
fn stated(params: &Value) -> (String, f64, Vec<f64>) {
    let [a, sigma] = ["A", "sigma"].map(|name| rows(&params[name]));
    let d = a.len();
    let noise = number(&params["lambda"]).sqrt();
    let drift: Vec<String> = (0..d)
        .map(|i| format!("{} + {}", linear(&a[i], "x"), linear(&sigma[i], "u")))
        .collect();
    let diffusion: Vec<Vec<f64>> = sigma
        .iter()
        .map(|row| row.iter().map(|v| noise * v).collect())
        .collect();
    let [start, end] = ["t", "T"].map(|name| number(&params[name]));
    let x = numbers(&params["x"]);
    let (running, terminal) = match &params["gamma"] {
        Value::Null => (form(&rows(&params["P"])), form(&rows(&params["Q"]))),
        gamma => ("0".to_owned(), linear(&numbers(gamma), "x")),
    };
    let text = file(
        &format!(
            "state = \"x[{d}]\"\ncontrol = \"u[{d}]\"\ndrift = {drift:?}\ndiffusion = {diffusion:?}\nhorizon = [{start:?}, {end:?}]"
        ),
        &format!("family = \"delta\"\nat = {x:?}"),
        &format!("running = \"0.5*dot(u, u) + {running}\"\nterminal = \"{terminal}\""),
    );
    (text, start, x)
}

#[test]
fn quadratic_costs_agree_with_closed_forms_and_matrix_exponentials() {
    for record in records("s06.scalar").iter().chain(&records("s06.matrix")) {
        let (text, t, x) = stated(&record.params);
        let lambda = number(&record.params["lambda"]);
        let answer = solved(&text);
        let d = x.len();
        let allowed = record.error + 1e-10;
        let spread = value(&answer, t, &vec![0.0; d]);
        // By polarisation, `V` being even up to its constant.
        for i in 0..d {
            for j in 0..d {
                let at = |sign: f64| {
                    let mut point = vec![0.0; d];
                    point[i] += 0.5;
                    point[j] += sign * 0.5;
                    value(&answer, t, &point)
                };
                let entry = at(1.0) - at(-1.0);
                close(entry, record.value[i * d + j], allowed, &record.id);
            }
        }
        let (integral, best, control) = if d == 1 {
            (record.value[1], record.value[2], &record.value[3..])
        } else {
            let last = record.value.len() - 1;
            let rest = &record.value[d * d..];
            (record.value[last], rest[0], &rest[1..=d])
        };
        close(spread, lambda * integral, allowed, &record.id);
        close(cost(&answer).value, best, allowed, &record.id);
        for (got, exact) in policy(&answer, t, &x).iter().zip(control) {
            close(*got, *exact, allowed, &record.id);
        }
    }
}

#[test]
fn a_linear_cost_gives_a_control_free_of_the_state() {
    for record in records("s06.linear") {
        let (text, t, x) = stated(&record.params);
        let d = x.len();
        let answer = solved(&text);
        for place in [x.clone(), vec![3.0; d]] {
            for (got, exact) in policy(&answer, t, &place).iter().zip(&record.value) {
                close(*got, *exact, record.error + 1e-10, &record.id);
            }
        }
        let allowed = record.error + 1e-10;
        close(cost(&answer).value, record.value[d], allowed, &record.id);
        close(
            uncontrolled(&answer).value,
            record.value[d + 1],
            allowed,
            &record.id,
        );
    }
}

#[test]
fn the_oscillator_has_its_published_value_control_and_cost_without_control() {
    let text = include_str!("../../../../problems/control/lq_oscillator.toml");
    let asked = "[[solver]]\nid = \"riccati\"\nmethod = \"riccati\"\nform = \"differential\"\n";
    let text = text.replace("solvers = [\"riccati\"]\n", "");
    let answer = solved(&format!("{text}\n{asked}"));
    let best = cost(&answer);
    close(best.value, 1.096_254_698_3, 1e-8, "value");
    assert!(best.error < 1e-8, "{best:?}");
    let control = policy(&answer, 0.0, &[1.5, 0.0]);
    close(control[0], -2.180_486_762_5, 1e-7, "control");
    close(
        uncontrolled(&answer).value,
        2.351_530_940_8,
        1e-8,
        "no control",
    );
}

/// Everything at once, with one state: coefficients of time, constant and linear terms, a discount.
fn moving(initial: &str) -> Answer {
    let dynamics = "state = \"x\"\ncontrol = \"u\"\nhorizon = [0.5, 2.0]\n\
         drift = \"sin(t)*x + t/2 + (1 + t)*u\"\ndiffusion = \"0.4 + t/5\"";
    let cost = "running = \"(2 + cos(t))*u^2/2 + t*x^2 + 0.3*x + t^2\"\nterminal = \"x^2 - x/2 + 0.7\"\ndiscount = 0.35";
    solved(&file(dynamics, initial, cost))
}

/// `(P, r, c)` of that problem at a time, by the classical scheme with small equal steps.
fn by_hand(until: f64) -> [f64; 3] {
    let rate = |t: f64, [p, r, c]: [f64; 3]| {
        let (a, shift, s) = (t.sin(), t / 2.0, (1.0 + t).powi(2) / (2.0 + t.cos()));
        let noise = (0.4 + t / 5.0).powi(2);
        [
            0.35 * p - 2.0 * a * p + s * p * p - 2.0 * t,
            0.35 * r - a * r + p * (s * r - shift) - 0.3,
            0.35 * c - shift * r + 0.5 * s * r * r - 0.5 * noise * p - t * t,
        ]
    };
    let steps = 4000;
    let h = (until - 2.0) / f64::from(steps);
    let mut y = [2.0, -0.5, 0.7];
    for n in 0..steps {
        let t = 2.0 + h * f64::from(n);
        let plus = |k: [f64; 3], w: f64| std::array::from_fn(|i| y[i] + w * k[i]);
        let k1 = rate(t, y);
        let k2 = rate(t + h / 2.0, plus(k1, h / 2.0));
        let k3 = rate(t + h / 2.0, plus(k2, h / 2.0));
        let k4 = rate(t + h, plus(k3, h));
        y = std::array::from_fn(|i| y[i] + h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]));
    }
    y
}

#[test]
fn moving_coefficients_and_a_discount_agree_with_an_integration_by_hand() {
    let answer = moving("family = \"delta\"\nat = 0.8");
    for t in [0.5, 0.77, 1.3, 1.91] {
        let [p, r, c] = by_hand(t);
        for x in [-1.2, 0.0, 0.8] {
            let exact = 0.5 * p * x * x + r * x + c;
            close(value(&answer, t, &[x]), exact, 1e-9, "value");
            let exact = -(1.0 + t) / (2.0 + t.cos()) * (p * x + r);
            close(policy(&answer, t, &[x])[0], exact, 1e-9, "control");
        }
    }
}

#[test]
fn the_cost_is_the_value_averaged_over_the_start_law() {
    let [p, r, c] = by_hand(0.5);
    let mean = |m: f64, variance: f64| 0.5 * p * (m * m + variance) + r * m + c;
    for (initial, exact) in [
        ("family = \"delta\"\nat = 0.8", mean(0.8, 0.0)),
        (
            "family = \"gaussian\"\nmean = 0.3\ncov = 0.25",
            mean(0.3, 0.25),
        ),
        ("family = \"uniform\"\nbox = [[-1.0, 2.0]]", mean(0.5, 0.75)),
        (
            "family = \"mixture\"\nweights = [0.25, 0.75]\nmeans = [[-1.0], [2.0]]\ncovs = 0.1",
            0.25 * mean(-1.0, 0.1) + 0.75 * mean(2.0, 0.1),
        ),
    ] {
        close(cost(&moving(initial)).value, exact, 1e-9, initial);
    }
}

#[test]
fn a_concave_cost_escapes_and_says_when() {
    // P' = P^2 + 2 backwards from 0: P = -sqrt(2) tan(sqrt(2) (T - t)).
    let text = file(
        "state = \"x\"\ncontrol = \"u\"\ndrift = \"u\"\ndiffusion = \"1\"\nhorizon = [0.0, 2.0]",
        "family = \"delta\"\nat = 0.0",
        "running = \"u^2/2 - x^2\"",
    );
    let Err(Unsolved::Failed(SolveError::NotFinite { time, value, .. })) = attempt(&text) else {
        panic!("the solution does not exist at time 0");
    };
    let exact = 2.0 - std::f64::consts::PI / 8.0_f64.sqrt();
    close(time, exact, 1e-6, "time of escape");
    assert!(value < -1e6, "{value}");
}

#[test]
fn what_is_not_linear_quadratic_is_refused_with_the_term() {
    let start = "family = \"delta\"\nat = 0.0";
    let dynamics = |drift: &str, rest: &str| {
        format!(
            "state = \"x\"\ncontrol = \"u\"\ndrift = \"{drift}\"\ndiffusion = \"1\"\nhorizon = [0.0, 1.0]{rest}"
        )
    };
    let quartic = file(&dynamics("u", ""), start, "running = \"u^2/2 + x^4\"");
    let cubic = file(&dynamics("u - x^3", ""), start, "running = \"u^2/2\"");
    let bounded = file(
        &dynamics("u", "\ncontrol_bounds = [-1.0, 1.0]"),
        start,
        "running = \"u^2/2 + x^2\"",
    );
    for (text, words) in [(quartic, "x^4"), (cubic, "x^3"), (bounded, "bounded")] {
        let Err(Unsolved::Refused(refusal)) = attempt(&text) else {
            panic!("{text}");
        };
        assert!(refusal.reason.contains(words), "{refusal}");
    }
}

/// `dX = (a X + u) dt + s dW`: before a form `p x^2/2` a step of length `h` has the least cost
/// `h x^2/10 + p y^2/(2 (1 + h p)) + h p s^2/2`, `y = (1 + h a) x`, as the derivative in `u` shows.
#[test]
fn two_steps_have_the_least_cost_found_by_hand() {
    let [a, s, p, x, h]: [f64; 5] = [0.4, 0.7, 3.0, 1.3, 0.5];
    let lowered = lowered(
        &(file(
            &format!(
                "state = \"x\"\ncontrol = \"u\"\ndrift = \"{a}*x + u\"\ndiffusion = \"{s}\"\nhorizon = [0.0, 1.0]"
            ),
            &format!("family = \"delta\"\nat = [{x}]"),
            &format!(
                "running = \"0.5*u^2 + 0.1*x^2\"\nterminal = \"{}*x^2\"",
                0.5 * p
            ),
        ) + "\n[time]\nsteps = 2\n"),
    );
    let before = |p: f64| 0.2 * h + p * (1.0 + h * a).powi(2) / (1.0 + h * p);
    let earlier = before(p);
    let noise = 0.5 * h * s * s * (p + earlier);
    let exact = 0.5 * before(earlier) * x * x + noise;
    close(
        discrete_value(&lowered).expect("a least cost").value,
        exact,
        1e-12,
        "two steps",
    );
}

/// The least cost at 50 and 150 steps of the published twenty-state problems, made with other software.
#[test]
fn published_problems_have_their_least_cost_at_their_steps() {
    for (name, at_50, at_150) in [
        ("quadratic_easy", 5.79045, 5.80903),
        ("quadratic_hard", 28.74881, 28.65897),
    ] {
        let path = format!(
            "{}/problems/control/{name}.toml",
            env!("CARGO_MANIFEST_DIR")
        );
        for (steps, exact) in [(50, at_50), (150, at_150)] {
            let steps = crate::problem::Override {
                key: "time.steps".to_owned(),
                value: steps.to_string(),
            };
            let loaded = crate::problem::load(
                Path::new(&path),
                &[steps],
                &crate::solvers::registry::methods::vocabulary(),
            )
            .unwrap_or_else(|report| panic!("{report}"));
            let lowered = Lowered::new(loaded.problem).expect("the lowered lowers");
            let found = discrete_value(&lowered).expect("a least cost");
            close(found.value, exact, 6e-6, name);
        }
    }
}

/// Coupled states with drifts, costs and start of every kind, discounted: both forms share only the coefficients.
#[test]
fn panels_agree_with_the_differential_equation() {
    let body = |form: &str| {
        format!(
            "[dynamics]\nstate = \"x[2]\"\ncontrol = \"u\"\ndrift = [\"x[1] + 0.2\", \"-x[0] - 0.3*x[1] + u\"]\n\
             diffusion = [[\"0.3\", \"0\"], [\"0.1\", \"0.7\"]]\nhorizon = [0.5, 3.0]\n\
             [initial]\nfamily = \"gaussian\"\nmean = [1.0, -0.5]\ncov = 0.09\n\
             [cost]\nrunning = \"x[0]^2 + x[0]*x[1] + x[1]^2 + 0.4*x[1] + 0.7 + 0.2*u^2\"\nterminal = \"2*x[0]^2 + x[1] - 1\"\n\
             discount = 0.4\n[[solver]]\nid = \"r\"\nmethod = \"riccati\"\n{form}\n"
        )
    };
    let [tight, exponential] = [
        "rtol = 1e-12\nform = \"differential\"",
        "form = \"hamiltonian\"",
    ]
    .map(|form| {
        let solved = crate::solvers::lowered::fixture::answer(&body(form));
        solved
            .unwrap_or_else(|unsolved| panic!("{unsolved}"))
            .answer
    });
    let (a, b) = (cost(&tight), cost(&exponential));
    let allowed = 1e-10 * a.value.abs();
    close(b.value, a.value, allowed, "the cost");
    assert!(b.error < allowed, "{b:?}");
    for t in [0.5, 1.3, 2.99, 3.0] {
        let x = [0.4, -1.1];
        close(
            value(&exponential, t, &x),
            value(&tight, t, &x),
            1e-10,
            "the value",
        );
        let (a, b) = (policy(&exponential, t, &x), policy(&tight, t, &x));
        close(a[0], b[0], 1e-9, "the control");
    }
}

#[test]
fn panels_refuse_time_and_name_an_escape() {
    let attempt = |drift: &str, end: &str| {
        crate::solvers::lowered::fixture::answer(&format!(
            "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"{drift}\"\ndiffusion = 1\n\
             [initial]\nfamily = \"delta\"\nat = 0.0\n[cost]\nrunning = \"0.5*u^2\"\nterminal = \"{end}\"\n\
             [[solver]]\nid = \"r\"\nmethod = \"riccati\"\nform = \"hamiltonian\"\n"
        ))
    };
    match attempt("t*x + u", "x^2") {
        Err(Unsolved::Refused(refusal)) => {
            assert!(refusal.reason.contains("depend on time"), "{refusal}");
        }
        _ => panic!("refused"),
    }
    // P' = P^2 from -2: infinite half a time unit before the end.
    match attempt("u", "-x^2") {
        Err(Unsolved::Failed(SolveError::NotFinite { time, .. })) => {
            assert!((time - 0.5).abs() <= 1e-6, "{time}");
        }
        _ => panic!("it escapes"),
    }
}

/// `P' = P^2` from a large end: a layer of the width `1/M` that equal panels of the horizon would not see.
#[test]
fn a_steep_end_cost_is_resolved_to_its_layer() {
    let text = file(
        "state = \"x\"\ncontrol = \"u\"\ndrift = \"u\"\ndiffusion = \"0.5\"\nhorizon = [0.0, 2.0]",
        "family = \"delta\"\nat = 1.0",
        "running = \"u^2/2\"\nterminal = \"0.5e6*x^2\"",
    )
    .replace("differential", "hamiltonian");
    let answer = solved(&text);
    for left in [0.0, 1e-8, 3.7e-7, 2e-6, 5e-4, 0.3, 1.9] {
        let exact = 0.5 / (1e-6 + left) + 0.125 * f64::ln_1p(1e6 * left);
        close(
            value(&answer, 2.0 - left, &[1.0]),
            exact,
            2e-10 * exact,
            "V",
        );
    }
    let best = cost(&answer);
    let exact = 0.5 / (1e-6 + 2.0) + 0.125 * 2e6_f64.ln_1p();
    close(best.value, exact, 3.0 * best.error, "cost");
    assert!(best.error < 1e-9, "{best:?}");
}

/// Random problems with everything in them, against the integration: the bars of both hold what lies between.
#[test]
fn bars_of_panels_hold_on_random_problems() {
    let mut rng = ChaCha8Rng::seed_from_u64(20_260_713);
    for horizon in [0.01, 0.3, 2.0, 20.0] {
        for _ in 0..6 {
            let mut draw = || format!("({:.6})", rng.random_range(-1.0..1.0));
            let mut row = |name: &str| {
                let terms: Vec<String> =
                    (0..3).map(|j| format!("{}*{name}[{j}]", draw())).collect();
                terms.join(" + ")
            };
            let (drift, paid, end) = ([row("x"), row("x"), row("x")], row("x"), row("x"));
            let drift = drift.map(|rest| format!("{rest} + 0.3"));
            let [a, b, c] = drift;
            let text = file(
                &format!(
                    "state = \"x[3]\"\ncontrol = \"u[2]\"\ndrift = [\"{a} + u[0]\", \"{b} - x[1]\", \"{c} + u[1]\"]\n\
                     diffusion = 0.4\nhorizon = [0.0, {horizon:?}]"
                ),
                "family = \"gaussian\"\nmean = [1.0, 0.0, -1.0]\ncov = 0.1",
                &format!(
                    "running = \"({paid})^2 + 0.2*x[1] + 0.5*dot(u, u)\"\nterminal = \"({end})^2 + x[0]\"\ndiscount = 0.2"
                ),
            );
            let text = text.replace("rtol = 1e-12", "rtol = 1e-10");
            let integrated = solved(&text.replace("rtol = 1e-10", "rtol = 1e-13"));
            let carried = solved(&text.replace("differential", "hamiltonian"));
            let (a, b) = (cost(&integrated), cost(&carried));
            let allowed = 3.0 * (a.error + b.error);
            close(b.value, a.value, allowed, &text);
            assert!(b.error < 1e-9 * b.value.abs().max(1.0), "{b:?}");
            for t in [0.0, 0.37 * horizon, 0.99 * horizon] {
                let x = [0.4, -1.1, 0.2];
                let exact = value(&integrated, t, &x);
                close(
                    value(&carried, t, &x),
                    exact,
                    1e-9 * exact.abs().max(1.0),
                    &text,
                );
            }
        }
    }
}
