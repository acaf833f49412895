//! The simulator against closed forms, and over the walks that methods learn from.

use super::*;
use crate::field::idle::Idle;
use crate::numeric::random::Streams;
use crate::problem::parse_text;
use crate::solvers::registry::methods::vocabulary;
use crate::solvers::walk::steered_walk::SteeredWalk;
use std::path::Path;

const STATES_AND_NOISE: &str = r#"
[dynamics]
state = "x[2]"
control = "u[2]"
drift = ["x[1] + u[0]", "-x[0] + (1 + 0.2*t)*u[1]"]
calculus = "ito"
diffusion = [["1 + 0.3*sin(x[0])", "0.1"], ["0", "0.7 + 0.2*t"]]
horizon = [0.5, 2.0]
"#;
const TIME_AND_EDGES: &str = r#"
[dynamics]
state = "x[2]"
control = "u[2]"
drift = ["-x[0] + u[0]", "u[0] + u[1]"]
diffusion = [["0.8 + 0.1*t", "0"], ["0", "0.6"]]
horizon = [0.0, 3.0]
domain = [[-1.0, 1.0], [0.0, 2.0]]
boundary = ["absorb", "reflect"]
"#;
const STOPS: &str = r#"
[dynamics]
state = "x[2]"
control = "u[2]"
drift = ["u[0]", "-x[1] + u[1]"]
diffusion = [["0.8", "0.1"], ["0.1", "0.6"]]
horizon = [0.0, 4.0]
[[event]]
name = "far"
when = "x[0] + x[1] > 1.2"
stop = true
[[event]]
name = "low"
when = "x[0] < -1"
stop = true
"#;

fn lowered(body: &str) -> Lowered {
    let text = format!("format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n{body}");
    let loaded = parse_text("test.toml", &text, Path::new("."), &[], &vocabulary())
        .unwrap_or_else(|report| panic!("{report}"));
    Lowered::new(loaded.problem).expect("the problem lowers")
}

/// `u_k = gain (0.3 k - x_k) cos t`
struct Pull {
    gain: f64,
}

impl Field for Pull {
    fn inputs(&self) -> usize {
        2
    }

    fn outputs(&self) -> usize {
        2
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        for k in 0..2 {
            let from = 0.3 * k as f64;
            for (u, x) in out.column_mut(k).iter_mut().zip(x.column(k)) {
                *u = self.gain * (from - x) * t.cos();
            }
        }
    }
}

/// Coefficients, steps, edges, stops and sums that were written twice, on the same noise: nothing is left but rounding,
/// so that no alarm is false.
#[test]
fn both_simulators_take_the_same_paths() {
    for dynamics in [STATES_AND_NOISE, TIME_AND_EDGES, STOPS] {
        let lowered = lowered(&format!(
            "{dynamics}[initial]\nfamily = \"gaussian\"\nmean = [0.2, 0.4]\ncov = 0.01\n[cost]\n\
             running = \"x[0]^2 + 0.5*u[0]^2 + (1 + x[1]^2)*u[1]^2 + 0.3*u[0]*u[1]\"\n\
             terminal = \"cos(x[0]) + x[1]\"\ndiscount = 0.4"
        ));
        let streams = Streams::new(5);
        let start = lowered.draw_start(&streams.role("start"), 0, 300);
        let simulator = Simulator::new(&lowered);
        let stream = streams.role("noise");
        let policy = Pull { gain: 0.7 };
        let own = PolicyWalk {
            simulator: &simulator,
            policy: &policy,
            reference: None,
            steps: 30,
            finest: 1,
            until: simulator.horizon().1,
            stream: &stream,
        };
        let theirs = SteeredWalk {
            lowered: &lowered,
            policy: &policy,
            steps: 30,
            finest: 1,
            stream: &stream,
        };
        for level in [0, 1] {
            let (own, theirs) = (
                own.run(start.as_ref(), level),
                theirs.run(start.as_ref(), level),
            );
            let pairs = [
                (own.cost(), &theirs.cost[..]),
                (own.log_ratio(), &theirs.log_ratio),
                (own.sums.column(EFFORT), &theirs.effort),
                (own.end.column(0), theirs.end.column(0)),
                (own.end.column(1), theirs.end.column(1)),
            ];
            for (n, (own, theirs)) in pairs.into_iter().enumerate() {
                for (a, b) in own.iter().zip(theirs) {
                    assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{n}: {a} {b}");
                }
            }
        }
    }
}

/// `E tau = (1 - x^2)/s^2` until a Brownian motion of noise `s = 0.8` leaves (-1, 1), and
/// `E e^{-r tau} = cosh(k x)/cosh(k)`, `k = sqrt(2 r)/s`. Seed 31; four standard errors, four numbers: false-alarm
/// probability 3e-4.
#[test]
fn times_of_leaving_do_not_depend_on_the_step() {
    let (s, r, x) = (0.8_f64, 0.7_f64, 0.3_f64);
    let k = (2.0 * r).sqrt() / s;
    let cases = [
        (
            "running = \"1 + 0.5*u^2\"\nterminal = \"0\"",
            (1.0 - x * x) / (s * s),
        ),
        (
            "running = \"0.5*u^2\"\nterminal = \"1\"\ndiscount = 0.7",
            (k * x).cosh() / k.cosh(),
        ),
    ];
    for (cost, exact) in cases {
        let lowered = lowered(&format!(
            "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"u\"\ndiffusion = 0.8\nhorizon = [0.0, 24.0]\n\
             domain = [-1, 1]\nboundary = \"absorb\"\n[initial]\nfamily = \"delta\"\nat = 0.3\n[cost]\n{cost}"
        ));
        let simulator = Simulator::new(&lowered);
        let idle = Idle {
            states: 1,
            controls: 1,
        };
        for steps in [96, 384] {
            let walk = PolicyWalk {
                simulator: &simulator,
                policy: &idle,
                reference: None,
                steps,
                finest: 0,
                until: 24.0,
                stream: &Streams::new(31).role("noise"),
            };
            let start = Batch::from_rows(1, &vec![[x]; 40_000]);
            let found = Estimate::from_samples(walk.run(start.as_ref(), 0).cost());
            assert!(
                (found.value - exact).abs() < 4.0 * found.error && found.error < 0.01,
                "{cost}, {steps} steps: {found:?} {exact}"
            );
        }
    }
}

/// `dX = u dt + dW`, `S = E[∫ ½u² dt + ½X_T²]` over unit time: with `u = -g x` the variance `v' = 1 - 2 g v` gives the
/// cost, and a policy `u = 0` is `½ ∫ g² v` away from it along its paths, twice that in squares. Euler's own variance is
/// `v_{k+1} = (1 - g dt)² v_k + dt`. Seed 7; four standard errors, three numbers: false-alarm probability 2e-4.
#[test]
fn a_linear_policy_costs_what_its_variance_says() {
    let lowered = lowered(
        "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"u\"\ndiffusion = 1.0\nhorizon = [0.0, 1.0]\n\
         [initial]\nfamily = \"delta\"\nat = 0.0\n[cost]\nrunning = \"0.5*u^2\"\nterminal = \"0.5*x^2\"",
    );
    struct Gain(f64);
    impl Field for Gain {
        fn inputs(&self) -> usize {
            1
        }

        fn outputs(&self) -> usize {
            1
        }

        fn eval(&self, _: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
            let u = out.column_mut(0).iter_mut().zip(x.column(0));
            u.for_each(|(u, x)| *u = -self.0 * x);
        }
    }
    let (gain, steps) = (0.6, 50);
    let simulator = Simulator::new(&lowered);
    let walk = PolicyWalk {
        simulator: &simulator,
        policy: &Gain(gain),
        reference: Some(&Gain(0.0)),
        steps,
        finest: 0,
        until: 1.0,
        stream: &Streams::new(7).role("noise"),
    };
    let dt = 1.0 / steps as f64;
    let (mut variance, mut spent) = (0.0, 0.0);
    for _ in 0..steps {
        spent += 0.5 * gain * gain * variance * dt;
        variance = (1.0 - gain * dt).powi(2) * variance + dt;
    }
    let paths = walk.run(Batch::zeros(40_000, 1).as_ref(), 0);
    for (found, exact) in [
        (paths.cost(), spent + 0.5 * variance),
        (paths.distance(), spent),
        (paths.squared_difference(), 2.0 * spent),
    ] {
        let found = Estimate::from_samples(found);
        assert!(
            (found.value - exact).abs() < 4.0 * found.error && found.error < 0.01 * (1.0 + exact),
            "{found:?} {exact}"
        );
    }
    assert!(paths.squared_control().iter().all(|r| *r == 0.0));
}
