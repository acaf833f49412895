//! The gain of `riccati`, closed forms, and controls next to the answer.

use super::*;
use crate::solvers::lowered::fixture::lowered;
use crate::solvers::registry::run::solve as run;

fn answer(lowered: &Lowered, id: &str) -> Answer {
    let solvers = &lowered.problem.solvers;
    let spec = solvers.iter().find(|s| s.id == id).expect("the solver");
    run(lowered, spec, &[], None, &mut |_| ())
        .unwrap_or_else(|unsolved| panic!("{unsolved}"))
        .answer
}

fn file(state: &str, dynamics: &str, at: &str, cost: &str, rest: &str) -> String {
    let control = state.replace('x', "u");
    format!(
        "format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n[dynamics]\nstate = \"{state}\"\n\
         control = \"{control}\"\n{dynamics}\n[initial]\nfamily = \"delta\"\nat = {at}\n[cost]\n{cost}\n\
         [time]\nsteps = 100\n{rest}\n"
    )
}

fn quantity(answer: &Answer) -> Estimate {
    let [quantity] = answer.quantities.as_slice() else {
        panic!("one quantity");
    };
    assert_eq!(quantity.name, "noise_free_cost");
    quantity.value
}

/// The grid of times is first order: the distance from the exact gain halves with the step, and so it is the step's.
#[test]
fn a_linear_problem_has_the_gain_of_riccati() {
    let text = |steps: usize| {
        file(
            "x[2]",
            "drift = [\"0.3*x[0] + x[1] + u[0]\", \"-0.5*x[0] + 0.2 + 0.7*u[1]\"]\n\
             diffusion = [[\"0.3\", \"0\"], [\"0.1\", \"0.8\"]]\nhorizon = [0.0, 1.0]",
            "[0.7, -0.4]",
            "running = \"0.5*dot(u, u) + 0.6*dot(x, x)\"\nterminal = \"0.5*(x[0] - 1)^2 + x[1]^2\"\n\
             discount = 0.4",
            &format!(
                "[[solver]]\nid = \"exact\"\nmethod = \"riccati\"\n\
                 [[solver]]\nid = \"ddp\"\nmethod = \"ddp\"\nsteps = {steps}\n"
            ),
        )
    };
    let points = Batch::from_rows(2, &[[0.2, -0.4], [3.0, 1.4], [-2.0, 0.3]]);
    let distances = [200, 400].map(|steps| {
        let lowered = lowered(&text(steps));
        let [exact, found] = ["exact", "ddp"].map(|id| {
            let policy = answer(&lowered, id).policy.expect("a policy");
            let mut u = Batch::zeros(3, 2);
            policy.eval(0.3, points.as_ref(), u.as_mut());
            u
        });
        let pairs = exact.as_slice().iter().zip(found.as_slice());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    });
    assert!(distances[1] < 0.02, "{distances:?}");
    let ratio = distances[0] / distances[1];
    assert!((1.8..2.2).contains(&ratio), "{distances:?}");
}

/// Without noise the scalar regulator costs `1/2 P x^2`, `P = tanh(T + artanh 1/2)` with `P(T) = 1/2`.
#[test]
fn the_noise_free_cost_is_the_closed_form() {
    let text = file(
        "x",
        "drift = \"u\"\ndiffusion = \"0.4\"\nhorizon = [0.0, 1.0]",
        "[1.2]",
        "running = \"0.5*u^2 + 0.5*x^2\"\nterminal = \"0.25*x^2\"",
        "[[solver]]\nid = \"ddp\"\nmethod = \"ddp\"\nsteps = 400\n",
    );
    let answer = answer(&lowered(&text), "ddp");
    let exact = 0.5 * (1.0_f64 + 0.5_f64.atanh()).tanh() * 1.2 * 1.2;
    let found = quantity(&answer);
    assert!(
        (found.value - exact).abs() < found.error,
        "{found:?} {exact}"
    );
    assert!((found.value - exact).abs() < 1e-5, "{found:?} {exact}");
    let iterations = answer.facts.iter().find(|(name, _)| *name == "iterations");
    // One Newton step and one that finds nothing left, on each of two grids; the second starts near.
    assert!(iterations.expect("the fact").1 <= 4.0);
}

/// A swing-up: nonlinear, not convex along the way.
fn pendulum() -> Lowered {
    lowered(&file(
        "x[2]",
        "drift = [\"x[1] + 0.1*u[0]\", \"sin(x[0]) - 0.1*x[1] + (2 + cos(x[0]))*u[1]\"]\n\
         diffusion = [[\"0.0\", \"0\"], [\"0\", \"0.05\"]]\nhorizon = [0.0, 3.0]",
        "[3.0, 0.0]",
        "running = \"0.5*dot(u, u)\"\nterminal = \"10*(1 - cos(x[0])) + 2*x[1]^2\"",
        "[[solver]]\nid = \"ddp\"\nmethod = \"ddp\"\n",
    ))
}

/// Seed 4: twenty random directions of size 1e-2 in every control.
#[test]
fn controls_next_to_the_answer_cost_more() {
    let lowered = pendulum();
    let spec = lowered.problem.solvers[0].clone();
    let method = Ddp::new(&spec).expect("ddp");
    let streams = Streams::new(4);
    let admitted = method.admit(&lowered).expect("it applies");
    let mut state = method
        .start(&lowered, admitted, &streams)
        .expect("it starts");
    let idle = state.plan.cost;
    let mut work = Work::default();
    while let Progress::Going { .. } = method.progress(&state) {
        method
            .advance(&lowered, &mut state, &mut work)
            .expect("it goes on");
    }
    assert!(matches!(state.stopped, Some(StopReason::Converged { .. })));
    assert!(state.plan.cost < 0.7 * idle, "{} {idle}", state.plan.cost);
    let grid = state.grid(&lowered.compiled.steered);
    let stream = streams.role("directions");
    let mut noise = Batch::zeros(1, 2 * state.steps);
    for direction in 0..20 {
        stream.normals(direction, 0, noise.as_mut());
        for sign in [1e-2, -1e-2] {
            let moved = grid.walk(&state.plan.states[0], |k, _| {
                let push = [noise.column(2 * k)[0], noise.column(2 * k + 1)[0]];
                &state.plan.controls[k] + DVector::from_column_slice(&push) * sign
            });
            assert!(moved.cost > state.plan.cost, "direction {direction}");
        }
    }
}

/// The sweep's slope of the cost at a path that is not optimal is that of central differences, and its expansion
/// predicts the decrease of small steps.
#[test]
fn the_expansion_predicts_small_steps() {
    let problem = pendulum();
    let curvature = SteeredCurvature::new(&problem.process).expect("it compiles");
    let grid = Grid {
        process: &problem.compiled.steered,
        curvature: &curvature,
        steps: 50,
    };
    let start = DVector::from_column_slice(&[0.4, 0.1]);
    // Held near the top, where the expansion is convex.
    let plan = grid.walk(&start, |k, x| {
        DVector::from_column_slice(&[0.1, 0.3 * (k as f64).sin() - x[0] - x[1]])
    });
    let sweep = grid.sweep(&plan, 0.0).expect("convex here");
    let share = 1e-4;
    let [up, down] = [share, -share].map(|share| {
        grid.walk(&start, |k, x| {
            let away = x - &plan.states[k];
            &plan.controls[k] + &sweep.moves[k] * share + &sweep.gains[k] * away
        })
        .cost
    });
    let slope = (up - down) / (2.0 * share);
    let promised = -sweep.promised;
    assert!(
        (slope - promised).abs() < 1e-6 * promised.abs(),
        "{slope} is not {promised}"
    );
}
