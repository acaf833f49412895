//! Grid methods against closed forms and against one another.

use onsager::field::noised_mixture::MixtureAt;
use onsager::field::{Field, LogDensity};
use onsager::numeric::batch::Batch;
use onsager::numeric::random::Streams;
use onsager::problem::meant::law::Mixture;
use onsager::problem::parse_text;
use onsager::solvers::driver::{Method, Solution, Unsolved, drive};
use onsager::solvers::grid::fokker_planck::FokkerPlanck;
use onsager::solvers::grid::grid_order::{COARSER_ORDER_FACT, GRID_ORDER_FACT, unsettled};
use onsager::solvers::grid::noised_value::HopfCole;
use onsager::solvers::lowered::problem::Lowered;
use onsager::verification::vocabulary::standard;
use std::path::Path;

fn lowered(text: &str) -> Lowered {
    let problem = parse_text("test.toml", text, Path::new("."), &[], &standard())
        .expect("a valid problem")
        .problem;
    Lowered::new(problem).expect("additive noise and a mixture prior")
}

const MIXTURE_VP: &str = r#"
format = 1
[problem]
name = "mixture-vp"
kind = "reverse"
[data]
family  = "mixture"
weights = [0.3, 0.5, 0.2]
means   = [[-2.0, 0.0], [1.5, 1.0], [1.0, -2.0]]
covs    = [0.05, [0.10, 0.04], [[0.08, 0.05], [0.05, 0.08]]]
[dynamics]
preset = "vp"
beta   = [0.1, 20.0]
[time]
t_min = 1e-3
"#;

fn solve<M: Method>(lowered: &Lowered, method: &M) -> Solution {
    drive(
        method,
        lowered,
        "grid",
        "grid",
        &Streams::new(1),
        None,
        &mut |_| {},
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

/// Points and weights of `∫ · p dx` for a Gaussian mixture: per component a product grid of five standard
/// deviations, on which the trapezoid rule is exact to 1e-6.
fn nodes(law: &Mixture) -> (Batch, Vec<f64>) {
    let d = law.dimension();
    let m: usize = if d == 1 { 201 } else { 25 };
    let (mut rows, mut weights) = (Vec::new(), Vec::new());
    for k in 0..law.components() {
        let deviation: Vec<f64> = (0..d)
            .map(|j| law.covariances[k].entry(j, j).sqrt())
            .collect();
        let component = MixtureAt::new(&Mixture {
            weights: vec![1.0],
            means: vec![law.means[k].clone()],
            covariances: vec![law.covariances[k].clone()],
        });
        let cell: f64 = deviation
            .iter()
            .map(|s| s * 10.0 / (m - 1) as f64)
            .product();
        for n in 0..m.pow(d as u32) {
            let index = [n / m.pow(d as u32 - 1), n % m];
            let side = |i: usize| -5.0 + 10.0 * i as f64 / (m - 1) as f64;
            let row: Vec<f64> = (0..d)
                .map(|j| law.means[k][j] + deviation[j] * side(index[j]))
                .collect();
            weights.push(law.weights[k] * cell * component.derivatives(&row).0.exp());
            rows.push(row);
        }
    }
    (Batch::from_rows(d, &rows), weights)
}

/// Relative and absolute control error under the optimal law, and the rms error of the log density, by
/// quadrature.
fn errors(lowered: &Lowered, solution: &Solution) -> [f64; 3] {
    let exact = lowered.facts.marginals.as_ref().expect("affine");
    let log_density = solution.answer.law.log_density.as_ref().expect("a density");
    let (a, b) = (lowered.problem.time_settings.t_min, lowered.noising().end());
    let d = lowered.noising().dimension();
    let n = 24;
    let (mut error, mut size, mut log_error) = (0.0, 0.0, 0.0);
    for i in 0..n {
        // Midpoints of cells graded towards the data end.
        let time = |i: usize| a + (b - a) * (i as f64 / n as f64).powi(2);
        let (from, to) = (time(i), time(i + 1));
        let t = 0.5 * (from + to);
        let (x, weights) = nodes(&exact.mixture_at(t));
        let (mut u, mut v) = (Batch::zeros(x.points(), d), Batch::zeros(x.points(), d));
        solution.answer.score().eval(t, x.as_ref(), u.as_mut());
        exact.eval(t, x.as_ref(), v.as_mut());
        let diffusivity = lowered.noising().noise(t).diffusivity(d);
        for (p, weight) in weights.iter().enumerate() {
            for i in 0..d {
                for j in 0..d {
                    let difference = |k: usize| u.get(p, k) - v.get(p, k);
                    let weight = (to - from) * weight * diffusivity[(i, j)];
                    error += weight * difference(i) * difference(j);
                    size += weight * v.get(p, i) * v.get(p, j);
                }
            }
        }
        let (mut found, mut known) = (vec![0.0; x.points()], vec![0.0; x.points()]);
        log_density.log_density(t, x.as_ref(), &mut found);
        exact.log_density(t, x.as_ref(), &mut known);
        for (p, weight) in weights.iter().enumerate() {
            log_error += (to - from) * weight * (found[p] - known[p]).powi(2);
        }
    }
    [
        (error / size).sqrt(),
        (error / (b - a)).sqrt(),
        (log_error / (b - a)).sqrt(),
    ]
}

fn fact(solution: &Solution, name: &str) -> f64 {
    let found = solution.answer.facts.iter().find(|(key, _)| *key == name);
    found.unwrap_or_else(|| panic!("no fact {name}")).1
}

/// The oracle is the closed form of the noised mixture. The stated accuracy is that of the shipped
/// problem at half the default resolution in space, where the error is sixteen times the default's.
#[test]
fn two_states_agree_with_the_closed_form_mixture() {
    let lowered = lowered(MIXTURE_VP);
    let hopf_cole = solve(
        &lowered,
        &HopfCole {
            points: vec![129, 129],
            steps: 100,
        },
    );
    let [relative, absolute, log_density] = errors(&lowered, &hopf_cole);
    assert!(
        relative < 2e-3 && absolute < 1e-2,
        "{relative:e} {absolute:e}"
    );
    assert!(log_density < 2e-3, "{log_density:e}");
    // The own error is an estimate: right within a factor of three.
    let own = hopf_cole.answer.own_error.expect("estimated");
    assert!(
        own > absolute / 3.0 && own < absolute * 3.0,
        "{own:e} {absolute:e}"
    );

    let fokker_planck = solve(
        &lowered,
        &FokkerPlanck {
            points: vec![193, 193],
            steps: 100,
        },
    );
    let [relative, absolute, _] = errors(&lowered, &fokker_planck);
    assert!(
        relative < 2e-3 && absolute < 1e-2,
        "{relative:e} {absolute:e}"
    );
    assert!(fact(&fokker_planck, "largest error of the total mass") < 1e-11);
    // E_prior[V] = 2.8378770664 + 2.86e-6, entropy of the prior plus its divergence from the end law.
    let cost = fokker_planck.answer.cost.expect("a cost");
    assert!((cost.value - 2.83787993).abs() < 1e-7, "{cost:?}");
    let cost = hopf_cole.answer.cost.expect("a cost");
    assert!(
        (cost.value - 2.83787993).abs() < 3.0 * cost.error,
        "{cost:?}"
    );
}

const SPIKE: &str = r#"
format = 1
[problem]
name = "spike"
kind = "reverse"
[data]
family  = "mixture"
weights = [0.4, 0.6]
means   = [-1.0, 0.5]
covs    = [1e-6, 0.04]
[dynamics]
preset = "ou"
rate   = 1.0
sigma  = 1.0
horizon = [0.0, 2.0]
[time]
t_min = 1e-3
"#;

/// One component is far narrower than a grid cell at the start: both equations start at `t_min`, where two (three)
/// nodes fit in its standard deviation, and say so. Barely resolved as it is, that leaves a few thousandths.
#[test]
fn one_state_with_a_spike_agrees_with_the_closed_form() {
    let lowered = lowered(SPIKE);
    let hopf_cole = solve(
        &lowered,
        &HopfCole {
            points: vec![393],
            steps: 400,
        },
    );
    let [relative, _, _] = errors(&lowered, &hopf_cole);
    assert!(relative < 5e-3, "{relative:e}");
    let fokker_planck = solve(
        &lowered,
        &FokkerPlanck {
            points: vec![593],
            steps: 400,
        },
    );
    let [relative, _, _] = errors(&lowered, &fokker_planck);
    assert!(relative < 2e-3, "{relative:e}");
    for solution in [&hopf_cole, &fokker_planck] {
        assert_eq!(fact(solution, "start time"), 1e-3);
    }
}

fn refused(result: Result<Solution, Unsolved>) -> String {
    match result {
        Err(Unsolved::Refused(refusal)) => refusal.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

/// A grid that does not resolve the law at `t_min` is refused with peak, step, and a number of points: that number
/// is admitted, and the next smaller grid is not. Peak and step are recomputed here from the closed form.
#[test]
fn the_grid_a_refusal_asks_for_is_the_smallest_that_is_admitted() {
    let one = lowered(SPIKE);
    let two = lowered(&MIXTURE_VP.replace("covs    = [0.05,", "covs    = [0.0001,"));
    for (problem, asked) in [(&one, vec![201]), (&two, vec![65, 65])] {
        let admit = |points: &[usize]| {
            HopfCole {
                points: points.to_vec(),
                steps: 40,
            }
            .admit(problem)
        };
        let refusal = admit(&asked).err().expect("too coarse");
        let exact = problem
            .facts
            .marginals
            .as_ref()
            .expect("affine")
            .mixture_at(1e-3);
        let deviation = (0..exact.components())
            .map(|k| exact.covariances[k].entry(0, 0).sqrt())
            .fold(f64::INFINITY, f64::min);
        let text = &refusal.reason;
        assert!(text.contains(&format!("{deviation:.3e}")), "{text}");
        let list = refusal.accepted.split(['[', ']']).nth(1).expect("a list");
        let counts: Vec<usize> = list
            .split(", ")
            .map(|count| count.parse().expect("a count"))
            .collect();
        assert_eq!(counts.len(), problem.noising().dimension());
        assert!(admit(&counts).is_ok(), "{refusal}");
        for axis in 0..counts.len() {
            // Axes are admitted in steps of eight nodes.
            let mut fewer = counts.clone();
            fewer[axis] -= 8;
            assert!(admit(&fewer).is_err(), "{fewer:?}: {refusal}");
        }
        assert!(refusal.accepted.contains("bytes"), "{refusal}");
    }
}

/// A single Gaussian at any width: V is a quadratic, only the time step errs.
#[test]
fn a_narrow_gaussian_needs_no_resolution() {
    let text = SPIKE
        .replace("weights = [0.4, 0.6]", "weights = [1.0]")
        .replace("means   = [-1.0, 0.5]", "means   = [0.4]")
        .replace("covs    = [1e-6, 0.04]", "covs    = [1e-6]");
    let lowered = lowered(&text);
    let solution = solve(
        &lowered,
        &HopfCole {
            points: vec![65],
            steps: 600,
        },
    );
    let [relative, _, _] = errors(&lowered, &solution);
    assert!(relative < 1e-6, "{relative:e}");
}

const CORRELATED: &str = r#"
format = 1
[problem]
name = "correlated"
kind = "reverse"
[data]
family  = "mixture"
weights = [0.4, 0.6]
means   = [[-1.0, 0.0], [1.0, 0.5]]
covs    = [0.1, 0.2]
[prior]
family = "gaussian"
mean   = [0.0, 0.0]
cov    = 1.0
[dynamics]
preset = "linear"
A = [[-1.0, 0.6], [-0.6, -0.8]]
S = [[1.0, 0.0], [0.5, 0.8]]
horizon = [0.0, 1.0]
[time]
t_min = 1e-3
"#;

/// Correlated noise: the grid turns so that it is diagonal. Drift and noise do not commute.
#[test]
fn correlated_noise_agrees_with_the_closed_form() {
    let lowered = lowered(CORRELATED);
    let points = vec![193, 193];
    for solution in [
        solve(
            &lowered,
            &HopfCole {
                points: points.clone(),
                steps: 60,
            },
        ),
        solve(
            &lowered,
            &FokkerPlanck {
                points: points.clone(),
                steps: 60,
            },
        ),
    ] {
        let [relative, _, log_density] = errors(&lowered, &solution);
        assert!(relative < 1e-3, "{relative:e}");
        assert!(log_density < 1e-3, "{log_density:e}");
    }
}

fn double_well(horizon: f64) -> Lowered {
    lowered(&format!(
        r#"
format = 1
[problem]
name = "double-well"
kind = "reverse"
[data]
family  = "mixture"
weights = [0.7, 0.3]
means   = [-0.5, 0.8]
covs    = [0.04, 0.02]
[prior]
family  = "gaussian"
mean    = 0.0
cov     = 1.0
[dynamics]
state     = "x"
drift     = "x - x^3"
diffusion = "0.8"
horizon   = [0.0, {horizon:?}]
domain    = [-3.5, 3.5]
"#
    ))
}

/// Nonlinear drift, one state. At late times the law is the Boltzmann density exp(-2 U / sigma²), normalised
/// here by quadrature; the slowest mode decays at a rate above 0.25 (barrier 1/4), so e^(-0.25 · 60) is left.
#[test]
fn a_double_well_relaxes_to_the_boltzmann_density() {
    let problem = double_well(60.0);
    let log_weight = |x: f64| -2.0 * (x.powi(4) / 4.0 - x * x / 2.0) / 0.64;
    let h = 1e-3;
    let total: f64 = (-4000..=4000)
        .map(|i| h * log_weight(h * f64::from(i)).exp())
        .sum();
    let x = Batch::from_columns(7, 1, vec![-1.7, -1.0, -0.4, 0.0, 0.6, 1.1, 1.9]);
    for solution in [
        solve(
            &problem,
            &HopfCole {
                points: vec![401],
                steps: 400,
            },
        ),
        solve(
            &problem,
            &FokkerPlanck {
                points: vec![401],
                steps: 400,
            },
        ),
    ] {
        let mut found = vec![0.0; 7];
        let density = solution.answer.law.log_density.as_ref().expect("a density");
        density.log_density(60.0, x.as_ref(), &mut found);
        // The Hopf-Cole form fixes the normalisation only through the whole history.
        let shift = found[1] - log_weight(-1.0) + total.ln();
        assert!(shift.abs() < 5e-3, "{shift:e}");
        for (found, x) in found.iter().zip(x.column(0)) {
            let expected = log_weight(*x) - total.ln();
            assert!(
                (found - shift - expected).abs() < 2e-4,
                "{x}: {found} {expected}"
            );
        }
    }
}

/// Levels of a resolved problem show the order of the schemes; those of a spike at the edge of resolution have
/// not settled, and their orders say so.
#[test]
fn levels_show_their_order_where_they_resolve_the_law() {
    let orders = |solution: Solution| {
        let order = fact(&solution, GRID_ORDER_FACT);
        (
            order,
            unsettled(order, fact(&solution, COARSER_ORDER_FACT), 2.0),
        )
    };
    let (points, steps) = (vec![801], 400);
    let hopf_cole = HopfCole {
        points: points.clone(),
        steps,
    };
    let fokker_planck = FokkerPlanck { points, steps };
    let well = double_well(1.0);
    for (order, change) in [
        orders(solve(&well, &hopf_cole)),
        orders(solve(&well, &fokker_planck)),
    ] {
        assert!(
            (order - 2.0).abs() < 0.15 && change < 0.15,
            "{order} {change}"
        );
    }
    let spike = lowered(SPIKE);
    let method = HopfCole {
        points: vec![393],
        steps: 400,
    };
    let (order, change) = orders(solve(&spike, &method));
    assert!(change > 0.15, "{order} {change}");
}

/// The linear and the nonlinear road share nothing but the grid.
#[test]
fn both_roads_agree_in_a_double_well() {
    let problem = double_well(1.0);
    let hopf_cole = solve(
        &problem,
        &HopfCole {
            points: vec![401],
            steps: 200,
        },
    );
    let fokker_planck = solve(
        &problem,
        &FokkerPlanck {
            points: vec![401],
            steps: 200,
        },
    );
    let x = Batch::from_columns(6, 1, vec![-1.0, -0.7, -0.3, 0.5, 0.7, 1.1]);
    for t in [0.01, 0.1, 0.37, 1.0] {
        let (mut a, mut b) = (Batch::zeros(6, 1), Batch::zeros(6, 1));
        hopf_cole.answer.score().eval(t, x.as_ref(), a.as_mut());
        fokker_planck.answer.score().eval(t, x.as_ref(), b.as_mut());
        for i in 0..6 {
            let (a, b) = (a.get(i, 0), b.get(i, 0));
            assert!((a - b).abs() < 2e-3 * (1.0 + a.abs()), "t {t}: {a} {b}");
        }
    }
}

/// Nonlinear drift with a curl, two states: the drift splits into parts that do not commute.
#[test]
fn both_roads_agree_in_the_plane() {
    let lowered = lowered(
        r#"
format = 1
[problem]
name = "swirl"
kind = "reverse"
[data]
family  = "mixture"
weights = [0.5, 0.5]
means   = [[-1.0, 0.3], [0.8, 0.0]]
covs    = [0.1, 0.15]
[prior]
family  = "gaussian"
mean    = [0.0, 0.0]
cov     = 1.0
[dynamics]
state     = "x[a, b]"
drift     = ["a - a^3 - b", "a - b"]
diffusion = [[0.9, 0.0], [0.0, 0.7]]
horizon   = [0.0, 1.0]
domain    = [[-3.2, 3.2], [-3.2, 3.2]]
"#,
    );
    let points = vec![129, 129];
    let hopf_cole = solve(
        &lowered,
        &HopfCole {
            points: points.clone(),
            steps: 60,
        },
    );
    let fokker_planck = solve(&lowered, &FokkerPlanck { points, steps: 60 });
    // The domain cuts the data at six standard deviations.
    assert!(fact(&fokker_planck, "largest error of the total mass") < 1e-8);
    let rows = [
        [-1.0, 0.3],
        [0.8, 0.0],
        [0.0, 0.0],
        [0.5, 1.0],
        [-0.5, -0.9],
    ];
    let x = Batch::from_rows(2, &rows);
    for t in [0.05, 0.4, 1.0] {
        let (mut a, mut b) = (Batch::zeros(5, 2), Batch::zeros(5, 2));
        hopf_cole.answer.score().eval(t, x.as_ref(), a.as_mut());
        fokker_planck.answer.score().eval(t, x.as_ref(), b.as_mut());
        for (a, b) in a.as_slice().iter().zip(b.as_slice()) {
            assert!((a - b).abs() < 5e-3 * (1.0 + a.abs()), "t {t}: {a} {b}");
        }
    }
}

#[test]
fn what_does_not_apply_is_refused_with_its_reason() {
    let kinetic = lowered(
        r#"
format = 1
[problem]
name = "kinetic"
kind = "reverse"
[data]
family = "gaussian"
mean   = [0.0, 0.0]
cov    = 0.3
[prior]
family = "gaussian"
mean   = [0.0, 0.0]
cov    = 1.0
[dynamics]
preset = "linear"
A = [[0.0, 1.0], [-1.0, -1.0]]
S = [[0.0, 0.0], [0.0, 1.0]]
horizon = [0.0, 1.0]
"#,
    );
    let streams = Streams::new(1);
    let method = HopfCole {
        points: vec![33],
        steps: 10,
    };
    let text = refused(drive(
        &method,
        &kinetic,
        "g",
        "hopf-cole",
        &streams,
        None,
        &mut |_| {},
    ));
    assert!(text.contains("misses a direction"), "{text}");
    let method = FokkerPlanck {
        points: vec![17],
        steps: 10,
    };
    let narrow = double_well(1.0);
    let text = refused(drive(
        &method,
        &narrow,
        "g",
        "fokker-planck",
        &streams,
        None,
        &mut |_| {},
    ));
    assert!(
        text.contains("steps per deviation where 3 are needed"),
        "{text}"
    );
}
