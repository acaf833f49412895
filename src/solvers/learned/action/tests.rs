//! Reference numbers made with other software, central differences, and the gain of `riccati`.

use super::*;
use crate::field::feedback::{Features, Feedback};
use crate::numeric::batch::Batch;
use crate::numeric::random::Stream;
use crate::solvers::learned::euler_walk::EulerWalk;
use crate::solvers::learned::path_cost::Normals;
use crate::solvers::learned::path_ratio::PathRatio;
use crate::solvers::lowered::fixture::lowered;
use crate::solvers::registry::run::solve as run;
use serde_json::Value;

fn record(id: &str) -> (Value, Vec<f64>) {
    let text = include_str!("../../../../tests/reference/section08.json");
    let all: Value = serde_json::from_str(text).expect("the reference file is JSON");
    let records = all["records"].as_array().expect("a list of records");
    let found = records.iter().find(|r| r["id"] == id).expect("the record");
    let values = found["value"].as_array().expect("a list of values");
    (
        found["params"].clone(),
        values
            .iter()
            .map(|v| v.as_f64().expect("a number"))
            .collect(),
    )
}

fn file(state: &str, dynamics: &str, at: &str, cost: &str, rest: &str) -> String {
    let control = state.replace('x', "u");
    format!(
        "format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n[dynamics]\nstate = \"{state}\"\n\
         control = \"{control}\"\n{dynamics}\n[initial]\nfamily = \"delta\"\nat = {at}\n[cost]\n{cost}\n\
         [time]\nsteps = 40\n{rest}\n"
    )
}

fn walked(lowered: &Lowered, steps: usize, temperature: Option<f64>) -> Arc<EulerWalk> {
    let slopes = SteeredSlopes::new(&lowered.process).expect("derivatives compile");
    let process = lowered.compiled.steered.clone();
    Arc::new(EulerWalk::new(process, slopes, steps, temperature))
}

fn replay(
    lowered: &Lowered,
    (paths, steps): (usize, usize),
    temperature: Option<f64>,
    stream: Stream,
) -> PathCost {
    let start = lowered.draw_start(&stream, 0, paths);
    let walk = walked(lowered, steps, temperature);
    PathCost::new(walk, start, Normals::Drawn(stream))
}

fn unit(features: Features, lowered: &Lowered, nodes: usize) -> Feedback {
    let process = &lowered.compiled.steered;
    let (states, length) = (process.dimension(), process.end() - process.start());
    let times =
        (0..nodes).map(|node| process.start() + length * node as f64 / (nodes.max(2) - 1) as f64);
    Feedback::new(
        features,
        process.controls(),
        (vec![0.0; states], vec![1.0; states]),
        times.collect(),
    )
}

#[test]
fn the_discrete_adjoint_is_that_of_the_reference() {
    let (p, value) = record("s08.discrete_adjoint");
    let number = |key: &str| p[key].as_f64().expect("a number");
    let list = |key: &str| -> Vec<f64> {
        let all = p[key].as_array().expect("a list");
        all.iter().map(|v| v.as_f64().expect("a number")).collect()
    };
    let (noise, theta) = (list("noise"), list("theta"));
    let text = file(
        "x",
        &format!(
            "drift = \"{}*x - {}*x^3 + {s}*u\"\ndiffusion = \"sqrt({})*{s}\"\nhorizon = [0.0, {}]",
            number("a"),
            number("b"),
            number("lambda"),
            number("dt") * noise.len() as f64,
            s = number("sigma"),
        ),
        &format!("[{}]", number("x0")),
        &format!(
            "running = \"0.5*u^2 + {}*x^2\"\nterminal = \"{}*(x - {})^2\"",
            number("q"),
            number("r"),
            number("target")
        ),
        "",
    );
    let lowered = lowered(&text);
    let normals = noise.iter().map(|z| Batch::from_rows(1, &[[*z]]));
    let start = Batch::from_rows(1, &[[number("x0")]]);
    let walk = walked(&lowered, noise.len(), None);
    let replay = PathCost::new(walk, start, Normals::Given(normals.collect()));
    // x^3 = 27/4 (T_3(s) + 3 s) with s = x/3.
    let cubic = 27.0 / 4.0;
    let mut policy = unit(Features::Chebyshev { degree: 3 }, &lowered, 1);
    policy.set_parameters(&[theta[0], theta[1] + cubic * theta[2], 0.0, cubic * theta[2]]);
    let mut raw = [0.0; 4];
    let cost = replay.mean_and_gradient(&policy, ControlVariate::Absent, &mut raw);
    let mut got = vec![cost, raw[0], raw[1], cubic * (raw[1] + raw[3])];
    let adjoints: Vec<f64> = (replay.adjoints(&policy).iter())
        .map(|a| a.get(0, 0))
        .collect();
    got.push(adjoints[0]);
    got.extend(adjoints);
    assert_eq!(got.len(), value.len());
    for (got, value) in got.iter().zip(&value) {
        assert!((got - value).abs() < 1e-12, "{got} is not {value}");
    }
}

/// Coupled states, noise and price that depend on the state, a discount.
fn crooked() -> String {
    file(
        "x[2]",
        "drift = [\"x[1] + u[0]\", \"-sin(x[0]) + (1 + 0.3*x[0]^2)*u[1]\"]\n\
         diffusion = [[\"0.4*cos(x[1])\", \"0\"], [\"0.1\", \"0.3 + 0.1*x[0]^2\"]]\nhorizon = [0.0, 1.2]\n\
         calculus = \"ito\"",
        "[0.4, -0.3]",
        "running = \"0.5*(1 + x[1]^2)*u[0]^2 + u[1]^2 + x[0]^4\"\nterminal = \"x[0]^2*x[1] + x[1]^2\"\n\
         discount = 0.7",
        "",
    )
}

fn moved(field: &Feedback, stream: &Stream) -> Feedback {
    let mut noise = Batch::zeros(field.parameters().len(), 1);
    stream.normals(0, 77, noise.as_mut());
    let mut field = field.clone();
    field.set_parameters(
        &noise
            .column(0)
            .iter()
            .map(|z| 0.3 * z)
            .collect::<Vec<f64>>(),
    );
    field
}

fn is_gradient(theta: &[f64], gradient: &[f64], value: impl Fn(&[f64]) -> f64) {
    let h = 1e-5;
    for (i, g) in gradient.iter().enumerate() {
        let [up, down] = [h, -h].map(|h| {
            let mut moved = theta.to_vec();
            moved[i] += h;
            value(&moved)
        });
        let difference = (up - down) / (2.0 * h);
        let allowed = 1e-6 * (1.0 + g.abs());
        assert!(
            (difference - g).abs() < allowed,
            "{i}: {difference} is not {g}"
        );
    }
}

#[test]
fn gradients_of_the_cost_are_central_differences() {
    let stream = Streams::new(5).role("paths");
    let radial = Features::Radial {
        centres: vec![vec![0.3, -0.2], vec![-1.0, 0.5]],
        widths: vec![0.8, 1.3],
    };
    let additive = crooked()
        .replace("0.4*cos(x[1])", "0.4")
        .replace("0.3 + 0.1*x[0]^2", "0.3")
        .replace("(1 + 0.3*x[0]^2)*u[1]", "2*u[1]")
        .replace("(1 + x[1]^2)*u[0]", "u[0]");
    for (text, anchored) in [(crooked(), false), (additive, true)] {
        let lowered = lowered(&text);
        let temperature = anchored.then_some(0.6);
        let replay = replay(&lowered, (150, 12), temperature, stream);
        let field = moved(&unit(radial.clone(), &lowered, 3), &stream);
        let mut other = field.clone();
        let theta: Vec<f64> = field.parameters().iter().map(|t| t * t - 0.1).collect();
        other.set_parameters(&theta);
        let variates = match anchored {
            true => vec![ControlVariate::Anchored(&other), ControlVariate::Own],
            false => vec![ControlVariate::Absent],
        };
        for variate in variates {
            let mut gradient = vec![0.0; field.parameters().len()];
            let value = replay.mean_and_gradient(&field, variate, &mut gradient);
            assert_eq!(value, replay.mean(&field, variate));
            is_gradient(field.parameters(), &gradient, |theta| {
                let mut field = field.clone();
                field.set_parameters(theta);
                replay.mean(&field, variate)
            });
        }
    }
}

/// The scalar problem of the reference, its numbers, and `u = theta x`.
fn scalar() -> (Lowered, f64, Feedback, Vec<f64>) {
    let (p, value) = record("s08.lq_losses");
    let number = |key: &str| p[key].as_f64().expect("a number");
    let lowered = lowered(&file(
        "x",
        &format!(
            "drift = \"{}*x + {s}*u\"\ndiffusion = \"sqrt({})*{s}\"\nhorizon = [0.0, {}]",
            number("a"),
            number("lambda"),
            number("T"),
            s = number("sigma"),
        ),
        &format!("[{}]", number("x0")),
        &format!(
            "running = \"0.5*u^2 + {}*x^2\"\nterminal = \"{}*x^2\"",
            number("P"),
            number("Q")
        ),
        "",
    ));
    let mut policy = unit(Features::Affine, &lowered, 1);
    policy.set_parameters(&[0.0, number("theta")]);
    (lowered, number("lambda"), policy, value)
}

const REPLAYED: usize = 2500;

/// Cost, its slope, the best gain under the best law, and the spread of the log ratio on idle and on own paths.
fn measured(
    (problem, lambda, policy): (&Lowered, f64, &Feedback),
    steps: usize,
    seed: u64,
) -> [f64; 5] {
    let stream = Streams::new(seed).role("paths");
    let replay = replay(problem, (REPLAYED, steps), Some(lambda), stream);
    let zero = vec![0.0; REPLAYED];
    let mut gradient = [0.0; 2];
    let cost = replay.mean_and_gradient(policy, ControlVariate::Absent, &mut gradient);
    let idle = unit(Features::Affine, problem, 1);
    let spread = |v: &Feedback| {
        let ratio = PathRatio::new(&replay, &zero, v);
        ratio.square(policy, None, None).0
    };
    let costs = replay.costs(policy, ControlVariate::Own);
    let log_weights: Vec<f64> = costs.iter().map(|cost| -cost / lambda).collect();
    let weights = smoothed(&log_weights);
    assert_eq!(weights.power, 1.0);
    let objective = PathObjective::CrossEntropy;
    let normal = Normal::new(&replay, policy, objective, &weights.weights);
    let best = normal.moments[1] / normal.form[3];
    [cost, gradient[1], best, spread(&idle), spread(policy)]
}

/// Seeds 1 to 8 give the mean and its standard error; six of them with seven degrees of freedom are a false alarm
/// with probability 6e-4 per number. The step bias is the change from steps twice as long.
#[test]
fn losses_of_a_scalar_problem_are_those_of_the_reference() {
    let (problem, lambda, policy, value) = scalar();
    let with = (&problem, lambda, &policy);
    let fine: Vec<[f64; 5]> = (1..=8).map(|seed| measured(with, 96, seed)).collect();
    let coarse: Vec<[f64; 5]> = (1..=8).map(|seed| measured(with, 48, seed)).collect();
    let expected = [value[0], value[1], value[4], value[5], value[6]];
    for (k, expected) in expected.iter().enumerate() {
        let [fine, coarse] = [&fine, &coarse].map(|all| {
            let values: Vec<f64> = all.iter().map(|numbers| numbers[k]).collect();
            Estimate::from_samples(&values)
        });
        let allowed = 6.0 * fine.error + (fine.value - coarse.value).abs();
        assert!(
            (fine.value - expected).abs() < allowed,
            "number {k}: {} is not {expected}, allowed {allowed}",
            fine.value
        );
        assert!(allowed < 0.2 * expected.abs(), "number {k} says too little");
    }
}

#[test]
fn gradients_of_the_spread_are_central_differences() {
    let (problem, lambda, policy, _) = scalar();
    let stream = Streams::new(2).role("paths");
    let replay = replay(&problem, (150, 10), Some(lambda), stream);
    let ratio = PathRatio::new(&replay, &[0.0; 150], &policy);
    let field = moved(
        &unit(Features::Chebyshev { degree: 3 }, &problem, 2),
        &stream,
    );
    for offset in [None, Some(0.4)] {
        let mut gradient = vec![0.0; field.parameters().len()];
        let (_, slope) = ratio.square(&field, offset, Some(&mut gradient));
        is_gradient(field.parameters(), &gradient, |theta| {
            let mut field = field.clone();
            field.set_parameters(theta);
            ratio.square(&field, offset, None).0
        });
        if let Some(offset) = offset {
            is_gradient(&[offset], &[slope], |y| {
                ratio.square(&field, Some(y[0]), None).0
            });
        }
    }
}

/// Every objective on one linear problem with two coupled states; seed 0.
#[test]
fn every_objective_finds_the_gain_of_riccati() {
    let solvers: String = PathObjective::NAMES
        .iter()
        .map(|(name, objective)| {
            format!(
                "[[solver]]\nid = \"{name}\"\nmethod = \"action\"\nobjective = \"{name}\"\n\
                 field = {{ family = \"affine\", nodes = 5 }}\npaths = 1024\n\
                 max_iter = {}\n",
                if objective.is_regression() { 15 } else { 60 }
            )
        })
        .collect();
    let text = file(
        "x[2]",
        "drift = [\"0.3*x[0] + x[1] + u[0]\", \"-0.5*x[0] + 0.2 + u[1]\"]\n\
         diffusion = [[\"0.8\", \"0\"], [\"0\", \"0.8\"]]\nhorizon = [0.0, 1.0]",
        "[0.7, -0.4]",
        "running = \"0.5*dot(u, u) + 0.6*dot(x, x)\"\nterminal = \"0.5*(x[0] - 1)^2 + x[1]^2\"",
        &format!("[[solver]]\nid = \"exact\"\nmethod = \"riccati\"\n{solvers}"),
    );
    let lowered = lowered(&text);
    let answers: Vec<_> = lowered
        .problem
        .solvers
        .iter()
        .map(|spec| run(&lowered, spec, &[], None, &mut |_| ()).unwrap_or_else(|e| panic!("{e}")))
        .collect();
    let exact = answers[0].answer.policy.as_deref().expect("a policy");
    let value = answers[0].answer.cost.expect("a cost").value;
    // Points of the best law in the middle of the horizon, about one deviation apart.
    let points = Batch::from_rows(2, &[[0.2, -0.4], [0.9, -0.4], [0.2, 0.3], [0.9, 0.3]]);
    for answer in &answers[1..] {
        let policy = answer.answer.policy.as_deref().expect("a policy");
        let [mut a, mut b] = [0, 1].map(|_| Batch::zeros(4, 2));
        let (mut square, mut size) = (0.0, 0.0);
        for t in [0.2, 0.5, 0.8] {
            exact.eval(t, points.as_ref(), a.as_mut());
            policy.eval(t, points.as_ref(), b.as_mut());
            for (a, b) in a.as_slice().iter().zip(b.as_slice()) {
                square += (a - b) * (a - b);
                size += a * a;
            }
        }
        let relative = (square / size).sqrt();
        assert!(relative < 0.08, "{}: {relative}", answer.id);
        let cost = answer.answer.cost.expect("a cost");
        let above = cost.value - value;
        assert!(
            above > -4.0 * cost.error && above < 4.0 * cost.error + 0.02,
            "{}: {} +- {} against {value}",
            answer.id,
            cost.value,
            cost.error
        );
    }
}

#[test]
fn what_an_objective_needs_is_named() {
    let with = |objective: &str, text: &str| {
        let solver = format!("[[solver]]\nmethod = \"action\"\nobjective = \"{objective}\"\n");
        let lowered = lowered(&format!("{text}{solver}"));
        let spec = lowered.problem.solvers[0].clone();
        match run(&lowered, &spec, &[], None, &mut |_| ()) {
            Err(crate::solvers::driver::Unsolved::Refused(refusal)) => refusal.to_string(),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{objective} was admitted"),
        }
    };
    let refused = with("adjoint-matching", &crooked());
    assert!(refused.contains("free of the state"), "{refused}");
    let unequal = file(
        "x",
        "drift = \"x + u\"\ndiffusion = \"0.5\"\nhorizon = [0.0, 1.0]",
        "[0.7]",
        "running = \"0.5*u^2\"\nterminal = \"x^2\"\ndiscount = 0.3",
        "",
    );
    for objective in ["log-variance", "moment", "cross-entropy", "socm"] {
        let refused = with(objective, &unequal);
        assert!(refused.contains("needs a temperature"), "{refused}");
        assert!(refused.contains("adjoint-matching"), "{refused}");
    }
}
