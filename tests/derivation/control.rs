//! Derivations of control problems: every step executed, slips caught,
//! numbers against closed forms.

use onsager::derivation::control::classical_limit::Motion;
use onsager::derivation::control::{
    bellman, classical_limit, product_form, riccati, temperature, wkb,
};
use onsager::derivation::ground::controlled;
use onsager::derivation::ground::controlled::{Obstacle, take_apart};
use onsager::derivation::ground::stated::{Clock, Stated, Terminal};
use onsager::derivation::kind::control;
use onsager::derivation::law::{generator, policy_law};
use onsager::derivation::structure::facts::Known;
use onsager::derivation::{Derivation, Evidence, Refuted};
use onsager::expr::{Expr, Function, Graph, Scope, Shape, parse_scalar};
use onsager::problem::meant::model::Calculus;

/// A control problem from expressions.
struct Case<'a> {
    state: Shape,
    control: Shape,
    drift: &'a [&'a str],
    diffusion: &'a [&'a [&'a str]],
    running: &'a str,
    terminal: &'a str,
}

impl Case<'_> {
    fn stated(&self) -> Stated {
        let mut graph = Graph::new();
        let mut scope = Scope::new();
        let time = scope.time(&mut graph);
        let state = scope.state(&mut graph, "x", &self.state);
        let control = scope.variable(&mut graph, "u", &self.control);
        let mut read = |text: &str| -> Expr {
            parse_scalar(text, &scope, &mut graph).unwrap_or_else(|e| panic!("{text}: {e:?}"))
        };
        let drift = self.drift.iter().map(|f| read(f)).collect();
        let diffusion = self
            .diffusion
            .iter()
            .map(|row| row.iter().map(|g| read(g)).collect())
            .collect();
        let (running, terminal) = (read(self.running), read(self.terminal));
        Stated {
            end: Terminal::None,
            clock: Clock::Forward,
            discount: graph.zero(),
            graph,
            time,
            state,
            control,
            drift,
            diffusion,
            running,
            terminal,
            horizon: (0.0, 3.0),
        }
    }
}

/// The noisy oscillator with quadratic costs.
fn oscillator() -> Stated {
    Case {
        state: Shape::Named(vec!["q".to_owned(), "v".to_owned()]),
        control: Shape::Scalar,
        drift: &["v", "-q - 0.4*v + u"],
        diffusion: &[&["0"], &["0.5"]],
        running: "0.5*(q^2 + 0.1*v^2) + 0.1*u^2",
        terminal: "q^2 + 0.5*v^2",
    }
    .stated()
}

/// Three independent double wells.
fn wells() -> Stated {
    let drift: Vec<String> = [2.0, 1.0, 0.5]
        .iter()
        .enumerate()
        .map(|(i, k)| format!("-4*{k}*x[{i}]*(x[{i}]^2 - 1) + 0.9*u[{i}]"))
        .collect();
    let drift: Vec<&str> = drift.iter().map(String::as_str).collect();
    Case {
        state: Shape::Vector(3),
        control: Shape::Vector(3),
        drift: &drift,
        diffusion: &[&["0.9", "0", "0"], &["0", "0.9", "0"], &["0", "0", "0.9"]],
        running: "0.5*dot(u, u)",
        terminal: "3*(x[0] - 1)^2 + 2*(x[1] - 1)^2 + (x[2] - 1)^2",
    }
    .stated()
}

/// Noise, channel and price that depend on state and time, with a temperature of 1/2.
fn warped() -> Stated {
    Case {
        state: Shape::Scalar,
        control: Shape::Scalar,
        drift: &["sin(x) - x + (1 + x^2)*u"],
        diffusion: &[&["(1 + x^2)/sqrt(2 + t)"]],
        running: "x^4/4 + cos(t) + (1 + t/2)*u^2/2",
        terminal: "log(1 + x^2)",
    }
    .stated()
}

/// A full price matrix, shared noise, and no temperature.
fn tangled() -> Stated {
    Case {
        state: Shape::Vector(2),
        control: Shape::Vector(2),
        drift: &["x[1] + u[0]*exp(-t)", "sin(x[0]) - x[1] + u[0] + x[0]*u[1]"],
        diffusion: &[&["0.5", "0.1*x[1]"], &["0.2", "0.3"]],
        running: "x[0]^2*x[1]^2 + u[0]^2 + 0.5*u[0]*u[1] + (1 + x[1]^2)*u[1]^2",
        terminal: "exp(-x[0]^2)",
    }
    .stated()
}

fn cases() -> Vec<(&'static str, Stated)> {
    vec![
        ("oscillator", oscillator()),
        ("wells", wells()),
        ("warped", warped()),
        ("tangled", tangled()),
    ]
}

fn derived(stated: &Stated) -> Derivation {
    let setting = control::Setting {
        calculus: Calculus::Ito,
        sense: onsager::problem::meant::task::Sense::Minimise,
        bounded: false,
        domain: None,
    };
    control::derive(stated, Known::of(stated), &setting, Vec::new())
        .unwrap_or_else(|r| panic!("{r}"))
}

#[test]
fn every_control_step_is_executed() {
    for (name, stated) in cases() {
        let derivation = derived(&stated);
        for step in derivation.all_steps() {
            assert_eq!(step.evidence, Evidence::Proved, "{name}: {}", step.name);
            assert!(!step.statement.is_empty(), "{name}: {}", step.name);
        }
        let check = derivation.cross_check.expect("finite coefficients");
        assert_eq!(check.points, 64, "{name}");
        assert!(check.largest_relative_difference < 1e-11, "{name}");
    }
}

fn is_refuted(outcome: Result<Evidence, Refuted>, slip: &str) {
    assert!(outcome.is_err(), "{slip}: {outcome:?}");
}

fn parts(stated: &Stated) -> controlled::ControlledDiffusion {
    take_apart(stated).unwrap_or_else(|obstacle| panic!("{obstacle}"))
}

fn scaled(graph: &mut Graph, numerator: i64, denominator: i64, e: Expr) -> Expr {
    let factor = graph.rational(numerator, denominator);
    graph.mul(&[factor, e])
}

#[test]
fn slips_in_dynamic_programming_are_refuted() {
    for (name, stated) in cases() {
        let mut c = parts(&stated);
        let v = c.process.field("V");
        let (policy, least) = (bellman::policy(&mut c, v), bellman::minimum(&mut c, v));
        // The minimum without the term that eliminating u leaves behind.
        let drift = c.process.drift.clone();
        let open = c.process.generator(&drift, v);
        let open = c.process.graph.add(&[open, c.running]);
        is_refuted(
            bellman::execute(&mut c, v, &policy, open),
            "no quadratic term",
        );
        // Twice that term: the 1/2 of the effort was lost.
        let twice = scaled(&mut c.process.graph, 2, 1, least);
        let lost = c.process.graph.sub(twice, open);
        is_refuted(bellman::execute(&mut c, v, &policy, lost), "a lost 1/2");
        let flipped: Vec<Expr> = policy.iter().map(|u| c.process.graph.neg(*u)).collect();
        is_refuted(
            bellman::execute_stationarity(&mut c, v, &flipped),
            "sign of u*",
        );
        let halved: Vec<Expr> = policy
            .iter()
            .map(|u| scaled(&mut c.process.graph, 1, 2, *u))
            .collect();
        is_refuted(
            bellman::execute_stationarity(&mut c, v, &halved),
            "half of u*",
        );
        // The Ito term dropped from the residual.
        let residual = bellman::residual(&mut c, v);
        let curved = c.process.half_curvature(v);
        let first_order = c.process.graph.sub(residual, curved);
        is_refuted(bellman::execute_gap(&mut c, v, first_order), "no Ito term");
        let phi = c.process.field("phi");
        let generated = c.process.generator(&drift, phi);
        let spread = c.process.half_curvature(phi);
        let doubled = c.process.graph.add(&[generated, spread]);
        is_refuted(
            generator::execute(&mut c.process, doubled),
            "no 1/2 before D",
        );
        let value = c.process.field("v");
        let backward = generator::backward_residual(&mut c.process, value);
        let rate = c.process.graph.derivative(value, c.process.time);
        let twice = scaled(&mut c.process.graph, -2, 1, rate);
        let reversed = c.process.graph.add(&[backward, twice]);
        is_refuted(
            generator::execute_backward(&mut c.process, value, reversed),
            "time runs the other way",
        );
        let mut wrong = parts(&stated);
        wrong.channel[0][0] = scaled(&mut wrong.process.graph, 1, 2, wrong.channel[0][0]);
        wrong.running = wrong
            .process
            .graph
            .add(&[wrong.running, wrong.process.state[0]]);
        is_refuted(controlled::execute(&mut wrong, &stated), name);
    }
}

#[test]
fn slips_in_linear_and_quadratic_forms_are_refuted() {
    for (name, stated) in [("oscillator", oscillator()), ("wells", wells())] {
        let mut c = parts(&stated);
        let lambda = temperature::temperature(&mut c)
            .expect("a temperature")
            .value;
        let psi = c.process.field("psi");
        let residual = temperature::residual(&mut c, lambda, psi);
        let spread = c.process.half_curvature(psi);
        let wrong = c.process.graph.sub(residual, spread);
        is_refuted(temperature::execute(&mut c, lambda, psi, wrong), name);
        let twice = scaled(&mut c.process.graph, 2, 1, lambda);
        is_refuted(
            temperature::execute(&mut c, twice, psi, residual),
            "2 lambda",
        );
        let drift = policy_law::conditioned_drift(&mut c, psi);
        let b = c.process.drift.clone();
        let backwards: Vec<Expr> = drift
            .iter()
            .zip(&b)
            .map(|(d, b)| {
                let two = scaled(&mut c.process.graph, 2, 1, *b);
                c.process.graph.sub(two, *d)
            })
            .collect();
        is_refuted(
            policy_law::execute_transform(&mut c, lambda, &backwards),
            "the pull away from the target",
        );
    }
    let mut c = parts(&oscillator());
    let lq = riccati::linear_quadratic(&mut c).expect("linear-quadratic");
    let good = riccati::system(&mut c, &lq);
    let mut transposed = lq.clone();
    transposed.matrix = (0..2)
        .map(|i| (0..2).map(|j| lq.matrix[j][i]).collect())
        .collect();
    let wrong = riccati::system(&mut c, &transposed);
    is_refuted(riccati::execute(&mut c, &wrong), "A transposed");
    let mut wrong = good.clone();
    wrong.constant_rate = scaled(&mut c.process.graph, 2, 1, wrong.constant_rate);
    is_refuted(riccati::execute(&mut c, &wrong), "tr(DP) without its 1/2");
    let mut wrong = good;
    wrong.form_rate[1][1] = c.process.graph.neg(wrong.form_rate[1][1]);
    is_refuted(riccati::execute(&mut c, &wrong), "sign of P'");
    let mut c = parts(&tangled());
    is_refuted(
        product_form::execute(&mut c, &[vec![0], vec![1]]),
        "states that meet",
    );
}

#[test]
fn slips_in_the_limits_are_refuted() {
    for (name, stated) in cases() {
        let mut c = parts(&stated);
        let d = c.dimension();
        let state = c.process.state.clone();
        let p = classical_limit::momentum(&mut c.process.graph, &state);
        let h = classical_limit::hamiltonian(&mut c, &p);
        let system = classical_limit::canonical(&mut c.process.graph, &state, &p, h);
        let mut wrong = system.clone();
        wrong.force[d - 1] = c.process.graph.neg(wrong.force[d - 1]);
        is_refuted(classical_limit::execute(&mut c, h, &wrong), name);
        let mut wrong = system;
        wrong.velocity = c.process.drift.clone();
        is_refuted(classical_limit::execute(&mut c, h, &wrong), "no control");
        let (leading, next) = (c.process.field("V_0"), c.process.field("V_1"));
        let eikonal = wkb::eikonal(&mut c, leading);
        let transport = wkb::transport(&mut c, leading, next);
        let curved = c.process.half_curvature(leading);
        let lost = c.process.graph.sub(transport, curved);
        is_refuted(wkb::execute(&mut c, eikonal, lost), "no source");
        let kept = c.process.graph.add(&[eikonal, curved]);
        is_refuted(
            wkb::execute(&mut c, kept, transport),
            "noise in the eikonal",
        );
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let base = |drift: &'static str, diffusion: &'static str, running: &'static str| {
        let case = Case {
            state: Shape::Scalar,
            control: Shape::Scalar,
            drift: &[drift],
            diffusion: &[&[diffusion]],
            running,
            terminal: "x^2",
        };
        take_apart(&case.stated())
            .map(|_| ())
            .expect_err("an obstacle")
    };
    let cases: [(Obstacle, &str); 6] = [
        (base("x + u^2", "1", "u^2"), "f[0] contains u^2"),
        (
            base("x + u", "u", "u^2"),
            "the diffusion contains the control",
        ),
        (base("x + u", "1", "u^2 + u^4"), "it contains u^4"),
        (base("x + u", "1", "u^2 + abs(u)"), "it contains abs(u)"),
        (
            base("x + u", "1", "x*u"),
            "linear in a control that has no quadratic price: x*u",
        ),
        (
            base("x + u", "1", "x^2 - u^2/2"),
            "R = -1 is not positive definite",
        ),
    ];
    for (obstacle, words) in cases {
        assert!(obstacle.to_string().contains(words), "{obstacle}");
    }
    // A near miss reports both matrices and the nearest change.
    let noisy = Case {
        state: Shape::Vector(2),
        control: Shape::Scalar,
        drift: &["x[1]", "-x[0] + u"],
        diffusion: &[&["0.5", "0"], &["0", "0.5"]],
        running: "0.1*u^2",
        terminal: "x[0]^2",
    };
    let mut c = parts(&noisy.stated());
    let missing = temperature::temperature(&mut c).expect_err("noise without control");
    assert_eq!(
        missing.because,
        "G G' = 1/4 I, B R^-1 B' = diag(0, 5), ranks 2 and 1"
    );
    assert_eq!(
        missing.nearest.as_deref(),
        Some("set dynamics.diffusion[0] to 0 (noise only where control acts) -> lambda = 1/20")
    );
}

/// Euler–Lagrange of a pendulum pushed against its drift: `x'' = b b' + q'` for unit authority.
#[test]
fn least_action_paths_have_the_acceleration_of_the_textbook() {
    let stated = Case {
        state: Shape::Scalar,
        control: Shape::Scalar,
        drift: &["sin(x) + u"],
        diffusion: &[&["1"]],
        running: "cos(x) + u^2/2",
        terminal: "0",
    }
    .stated();
    let mut c = parts(&stated);
    let authority = c.authority();
    let process = &mut c.process;
    let v = classical_limit::velocity(&mut process.graph, &process.state);
    let motion = Motion {
        state: &process.state.clone(),
        time: process.time,
        drift: &process.drift.clone(),
        authority: &authority,
        potential: c.running,
        velocity: &v,
    };
    let graph = &mut process.graph;
    let a = motion.acceleration(graph).expect("constant authority");
    let x = motion.state[0];
    let (sine, cosine) = (
        graph.apply(Function::Sin, &[x]),
        graph.apply(Function::Cos, &[x]),
    );
    let product = graph.mul(&[sine, cosine]);
    let expected = graph.sub(product, sine);
    let difference = graph.sub(a[0], expected);
    assert!(graph.is_provably_zero(difference));
    let wrong = [scaled(graph, 1, 2, a[0])];
    is_refuted(motion.execute(graph, &wrong), "half the force");
}
