use crate::problem::parse_text;
use crate::solvers::driver::{Solution, Unsolved};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::methods::vocabulary;
use crate::solvers::registry::run::solve;
use std::path::Path;

/// Answers of the solvers of a file.
fn run(body: &str) -> Vec<Result<Solution, Unsolved>> {
    let text = format!("format = 1\n[problem]\nname = \"test\"\nkind = \"simulate\"\n{body}");
    let loaded = parse_text("test.toml", &text, Path::new("."), &[], &vocabulary())
        .unwrap_or_else(|report| panic!("{report}"));
    let lowered = Lowered::new(loaded.problem).expect("lowers");
    let solvers = &lowered.problem.solvers;
    solvers
        .iter()
        .map(|spec| solve(&lowered, spec, None, &mut |_| ()))
        .collect()
}

fn quantity(answer: &Result<Solution, Unsolved>, name: &str) -> (f64, f64) {
    let solution = answer.as_ref().unwrap_or_else(|e| panic!("{e}"));
    let found = solution.answer.quantities.iter().find(|q| q.name == name);
    let value = found.unwrap_or_else(|| panic!("{name}")).value;
    (value.value, value.error)
}

/// `dX = -0.7 (X - 1) dt + 0.6 dW` from `N(2, 0.3)`: mean `1 + e^{-0.7 t}`, variance
/// `s + (0.3 - s) e^{-1.4 t}` with `s = 0.36/1.4`, at `t = 1.5`. Seed 5; paths at five standard errors, two numbers:
/// false-alarm probability 1.2e-6; steps of the exponential scheme are exact in law.
#[test]
fn every_method_has_the_moments_of_a_linear_process() {
    let answers = run(
        "[dynamics]\nstate = \"x\"\ndrift = \"-0.7*(x - 1)\"\ndiffusion = \"0.6\"\nhorizon = [0.0, 1.5]\n\
         [initial]\nfamily = \"gaussian\"\nmean = [2.0]\ncov = 0.3\n[run]\nseed = 5\n\
         [[solver]]\nid = \"m\"\nmethod = \"moments\"\n[[solver]]\nid = \"g\"\nmethod = \"fpk\"\npoints = 401\nsteps = 200\n\
         [[solver]]\nid = \"p\"\nmethod = \"exponential-euler\"\npaths = 8000\nsteps = 10\n\
         [[solver]]\nid = \"s\"\nmethod = \"stationary\"\npoints = 200\n",
    );
    let limit = 0.36 / 1.4;
    let mean = 1.0 + (-1.05_f64).exp();
    let square = limit + (0.3 - limit) * (-2.1_f64).exp() + mean * mean;
    for (name, exact) in [("mean_end", mean), ("mean_square_end", square)] {
        let (value, error) = quantity(&answers[0], name);
        assert!(
            (value - exact).abs() < 1e-9 && error < 1e-7,
            "{value} {exact}"
        );
        let (value, error) = quantity(&answers[1], name);
        assert!(
            (value - exact).abs() < error.max(1e-6) && error < 1e-4,
            "{value} ± {error}, {exact}"
        );
        let (value, error) = quantity(&answers[2], name);
        assert!(
            (value - exact).abs() < 5.0 * error && error < 0.05,
            "{value} ± {error}, {exact}"
        );
    }
    let solution = answers[1].as_ref().expect("solved");
    let (inside, absorbed) = solution.answer.law.mass.expect("a density");
    assert!((inside - 1.0).abs() < 1e-11 && absorbed == 0.0);
    let order = solution
        .answer
        .facts
        .iter()
        .find(|fact| fact.0 == "grid_order");
    let order = order.expect("four grids").1;
    assert!((order - 2.0).abs() < 0.15, "{order}");
    assert!((quantity(&answers[3], "mode").0 - 1.0).abs() < 1e-12);
    assert!((quantity(&answers[3], "variance").0 - limit).abs() < 1e-12);
}

/// Brownian motion between absorbing edges at distance one: `P(alive at t) = 4/pi sum_k (-1)^k/(2k+1)
/// exp(-(2k+1)^2 pi^2 t/2)` from the middle.
#[test]
fn absorbing_edges_keep_what_they_get() {
    let answers = run(
        "[dynamics]\nstate = \"x\"\ndrift = \"0\"\ndiffusion = \"1\"\nhorizon = [0.0, 0.25]\ndomain = [0.0, 1.0]\n\
         boundary = \"absorb\"\n[initial]\nfamily = \"delta\"\nat = [0.5]\n\
         [[solver]]\nid = \"g\"\nmethod = \"fpk\"\npoints = 401\nsteps = 400\n",
    );
    let alive: f64 = (0..20)
        .map(|k| {
            let n = f64::from(2 * k + 1);
            let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
            let pi = std::f64::consts::PI;
            4.0 / pi * sign / n * (-n * n * pi * pi * 0.125).exp()
        })
        .sum();
    let solution = answers[0].as_ref().expect("solved");
    let (inside, absorbed) = solution.answer.law.mass.expect("a density");
    assert!((inside + absorbed - 1.0).abs() < 1e-12);
    assert!((inside - alive).abs() < 2e-5, "{inside} {alive}");
}

/// Brownian motion from 0 hits 1 or -1 after time 1 on average, whatever the step: crossings between steps are
/// counted. Seed 6; five standard errors, false-alarm probability 5.7e-7; without the crossings the mean is 1.26.
#[test]
fn events_between_steps_are_seen() {
    let answers = run(
        "[dynamics]\nstate = \"x\"\ndrift = \"0\"\ndiffusion = \"1\"\nhorizon = [0.0, 12.0]\n\
         [initial]\nfamily = \"delta\"\nat = [0.0]\n[run]\nseed = 6\n\
         [[event]]\nname = \"up\"\nwhen = \"x >= 1\"\nstop = true\n[[event]]\nname = \"down\"\nwhen = \"x <= -1\"\nstop = true\n\
         [[solver]]\nid = \"p\"\nmethod = \"euler-maruyama\"\npaths = 4000\nsteps = 240\n",
    );
    let (value, error) = quantity(&answers[0], "passage_time");
    assert!(
        error < 0.02 && (value - 1.0).abs() < 5.0 * error,
        "{value} ± {error}"
    );
}

#[test]
fn what_does_not_apply_is_refused() {
    let answers = run(
        "[dynamics]\nstate = \"z[x, y]\"\ndrift = [\"-x^3\", \"-y\"]\ndiffusion = [[\"1\", \"0\"], [\"0\", \"x\"]]\ncalculus = \"ito\"\n\
         [initial]\nfamily = \"delta\"\nat = [0.0, 0.0]\n\
         [run]\nsolvers = [\"milstein\", \"exponential-euler\", \"moments\", \"stationary\", \"fpk\", \"first-passage\"]\n",
    );
    assert_eq!(answers.len(), 6);
    for answer in &answers {
        assert!(matches!(answer, Err(Unsolved::Refused(_))));
    }
    let open = run(
        "[dynamics]\nstate = \"x\"\ndrift = \"0\"\ndiffusion = \"1\"\n[initial]\nfamily = \"delta\"\nat = [0.0]\n\
         [run]\nsolvers = [\"stationary\", \"fpk\"]\n",
    );
    assert!(
        open.iter()
            .all(|answer| matches!(answer, Err(Unsolved::Refused(_))))
    );
}

/// Brownian motion with drift 1/2 from 0.2 between -1 and 1: `P(up)` by its scale function. Stopped paths are on the edge,
/// and what ended them is told. Seed 1; four bars.
#[test]
fn stopped_paths_stand_where_they_were_stopped() {
    let answers = run(
        "[dynamics]\nstate = \"x\"\ndrift = \"0.5\"\ndiffusion = \"1\"\nhorizon = [0.0, 20.0]\n\
         [initial]\nfamily = \"delta\"\nat = 0.2\n\
         [[event]]\nname = \"upper\"\nwhen = \"x >= 1\"\nstop = true\n[[event]]\nname = \"lower\"\nwhen = \"x <= -1\"\nstop = true\n\
         [observe]\nhit = \"if(x >= 1, 1, 0)\"\n[time]\nrecord = [20.0]\n\
         [[solver]]\nid = \"p\"\nmethod = \"euler-maruyama\"\npaths = 4000\nsteps = 400\n",
    );
    let right = (1.0_f64.exp() - (-0.2_f64).exp()) / (1.0_f64.exp() - (-1.0_f64).exp());
    assert!((right - 0.8081812).abs() < 1e-6);
    for name in ["hit", "ended_by_upper"] {
        let (value, error) = quantity(&answers[0], name);
        assert!((value - right).abs() < 4.0 * error && error < 0.02, "{name}: {value} ± {error}");
    }
    let (value, _) = quantity(&answers[0], "mean_square_end");
    assert!((value - 1.0).abs() < 1e-12, "{value}");
    // An event that bends: x(tau)^2 = 1.
    let bent = run(
        "[dynamics]\nstate = \"x\"\ndrift = \"0\"\ndiffusion = \"1\"\nhorizon = [0.0, 20.0]\n\
         [initial]\nfamily = \"delta\"\nat = 0.0\n[[event]]\nname = \"out\"\nwhen = \"x^2 >= 1\"\nstop = true\n\
         [observe]\nexit_square = \"x^2\"\noutside = \"if(x^2 >= 1, 1, 0)\"\n[time]\nrecord = [20.0]\n\
         [[solver]]\nid = \"p\"\nmethod = \"euler-maruyama\"\npaths = 2000\nsteps = 400\n",
    );
    for name in ["exit_square", "outside"] {
        let (value, _) = quantity(&bent[0], name);
        assert!((value - 1.0).abs() < 1e-9, "{name}: {value}");
    }
    let (value, error) = quantity(&bent[0], "passage_time");
    assert!((value - 1.0).abs() < 4.0 * error && error < 0.1, "{value} ± {error}");
}

/// Brownian motion with drift -1/2 from 1 is above 0 at time 1 with chance 0.5098617 (reflection principle); the array of its
/// density holds no mass on the edge.
#[test]
fn an_edge_that_absorbs_is_met_between_steps_and_has_no_density() {
    let answers = run(
        "[dynamics]\nstate = \"x\"\ndrift = \"-0.5\"\ndiffusion = \"1\"\nhorizon = [0.0, 1.0]\ndomain = [0.0, 8.0]\n\
         boundary = [\"absorb\"]\n[initial]\nfamily = \"delta\"\nat = 1.0\n\
         [[solver]]\nid = \"grid\"\nmethod = \"fpk\"\npoints = 201\n\
         [[solver]]\nid = \"p\"\nmethod = \"euler-maruyama\"\npaths = 4000\nsteps = 40\n",
    );
    let (value, error) = quantity(&answers[1], "ended_at_edge");
    assert!((1.0 - value - 0.5098617).abs() < 4.0 * error && error < 0.03, "{value} ± {error}");
    let law = &answers[0].as_ref().expect("solved").answer.law;
    assert!(law.densities.iter().all(|record| record.end.density[0] == 0.0));
    let (mean, error) = quantity(&answers[1], "mean_end");
    let (grid, _) = quantity(&answers[0], "mean_end");
    assert!((mean - grid).abs() < 4.0 * error, "{mean} ± {error}, {grid}");
}

/// `E x = x_0 e^{a t}` of geometric Brownian motion: the step is part of the error.
#[test]
fn bars_of_paths_hold_the_bias_of_the_step() {
    let answers = run(
        "[dynamics]\nstate = \"x\"\ndrift = \"1.495*x\"\ndiffusion = \"0.1*x\"\ncalculus = \"ito\"\nhorizon = [0.0, 1.0]\n\
         [initial]\nfamily = \"delta\"\nat = 0.1\n\
         [[solver]]\nid = \"m\"\nmethod = \"milstein\"\npaths = 20000\nsteps = 100\n",
    );
    for (name, right) in [("mean_end", 0.4459337), ("mean_square_end", 0.2008554)] {
        let (value, error) = quantity(&answers[0], name);
        assert!((value - right).abs() < 3.0 * error, "{name}: {value} ± {error}");
        assert!(error < 0.02 * right);
    }
}

#[test]
fn a_root_of_a_negative_state_is_named() {
    let answers = run(
        "[dynamics]\nstate = \"r\"\ndrift = \"0.5*(0.1 - r)\"\ndiffusion = \"0.5*sqrt(r)\"\ncalculus = \"ito\"\nhorizon = [0.0, 5.0]\n\
         [initial]\nfamily = \"delta\"\nat = 0.1\n\
         [[solver]]\nid = \"e\"\nmethod = \"euler-maruyama\"\npaths = 500\nsteps = 200\n",
    );
    let why = answers[0].as_ref().err().expect("a path gets below zero").to_string();
    assert!(why.contains("sqrt(r)"), "{why}");
}
