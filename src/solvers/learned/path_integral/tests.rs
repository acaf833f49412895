//! A linear problem with known weights, Gaussian targets with known normalisers, and a tail too heavy.

mod refined;

use super::*;
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::solvers::driver::{Unsolved, Work};
use crate::solvers::lowered::fixture::lowered;
use crate::solvers::registry::run::solve;
use serde_json::Value;
use std::sync::Arc;

fn attempt(lowered: &Lowered, found: &[Solution]) -> Result<Solution, Unsolved> {
    let mut specs = lowered.problem.solvers.iter();
    let spec = specs.find(|spec| spec.id == "paths").expect("a solver");
    solve(lowered, spec, found, None, &mut |_| ())
}

fn quantity(answer: &Answer, name: &str) -> Estimate {
    let found = answer.quantities.iter().find(|q| q.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).value
}

/// A control that never changes.
struct Constant(f64);

impl Field for Constant {
    fn inputs(&self) -> usize {
        1
    }

    fn outputs(&self) -> usize {
        1
    }

    fn eval(&self, _: f64, _: BatchRef<'_>, mut out: BatchMut<'_>) {
        out.fill(self.0);
    }
}

fn linear(initial: &str, guide: &str) -> Lowered {
    lowered(&format!(
        "format = 1\n[problem]\nname = \"linear\"\nkind = \"control\"\n[dynamics]\nstate = \"x\"\ncontrol = \"u\"\n\
         drift = \"-0.8*x + 0.9*u\"\ndiffusion = \"0.9*sqrt(0.7)\"\nhorizon = [0.0, 1.0]\n[initial]\n{initial}\n\
         [cost]\nrunning = \"u^2/2\"\nterminal = \"1.1*x\"\n[run]\nseed = 12\n[[solver]]\nid = \"guide\"\n\
         method = \"riccati\"\n[[solver]]\nid = \"paths\"\nmethod = \"path-integral\"\npaths = 20000\nsteps = 200\n{guide}\n"
    ))
}

/// Seed 12. Value: five errors, of which the standard error alone has a false-alarm probability of 6e-7. Relative
/// variance of the weights: with `s^2 = log(1 + r)`, `var w^2 = (e^{4 s^2} - 1) (E w^2)^2`, five standard errors.
#[test]
fn weights_under_a_constant_control_have_the_known_variance() {
    let text = include_str!("../../../../tests/reference/section08.json");
    let file: Value = serde_json::from_str(text).expect("a reference file");
    let records = file["records"].as_array().expect("records");
    let record = records
        .iter()
        .find(|record| record["id"] == "s08.importance")
        .expect("the record");
    let exact = |k: usize| record["value"][k].as_f64().expect("a number");
    let lowered = linear("family = \"delta\"\nat = 0.3", "use = \"guide\"");
    let guide = Solution {
        id: "guide".to_owned(),
        method: "riccati",
        answer: Answer {
            policy: Some(Arc::new(Constant(-0.2))),
            ..Answer::default()
        },
        work: Work::default(),
        stopped: StopReason::Direct,
        seconds: 0.0,
    };
    let answer = attempt(&lowered, &[guide]).expect("it solves").answer;
    let value = answer.cost.expect("a value");
    assert!(
        (value.value - exact(0)).abs() < 5.0 * value.error,
        "{value:?}"
    );
    assert!(value.error < 0.02, "{value:?}");
    let relative = 1.0 / quantity(&answer, "ess").value - 1.0;
    let second = 1.0 + exact(2);
    let error = second * ((second.powi(4) - 1.0) / 20_000.0).sqrt();
    assert!(
        (relative - exact(2)).abs() < 5.0 * error + 0.01,
        "{relative}"
    );

    // Under the optimal control all weights agree, up to the step.
    let mut specs = lowered.problem.solvers.iter();
    let spec = specs.find(|spec| spec.id == "guide").expect("a solver");
    let best = solve(&lowered, spec, &[], None, &mut |_| ()).expect("it solves");
    let answer = attempt(&lowered, &[best]).expect("it solves").answer;
    let value = answer.cost.expect("a value");
    assert!(
        (value.value - exact(0)).abs() < 2.0 * value.error,
        "{value:?}"
    );
    assert!(quantity(&answer, "ess").value > 0.999);

    // And without any.
    let answer = attempt(&linear("family = \"delta\"\nat = 0.3", ""), &[])
        .expect("it solves")
        .answer;
    let value = answer.cost.expect("a value");
    assert!(
        (value.value - exact(0)).abs() < 5.0 * value.error,
        "{value:?}"
    );
}

#[test]
fn what_it_cannot_do_is_refused() {
    let spread = linear("family = \"gaussian\"\nmean = [0.3]\ncov = 0.1", "");
    let unguided = linear("family = \"delta\"\nat = 0.3", "use = \"guide\"");
    for problem in [spread, unguided] {
        assert!(matches!(attempt(&problem, &[]), Err(Unsolved::Refused(_))));
    }
}

fn sample(target: &str) -> Answer {
    let lowered = lowered(&format!(
        "format = 1\n[problem]\nname = \"gaussian\"\nkind = \"sample\"\n[target]\n{target}\n[dynamics]\nstate = \"x[1]\"\n\
         preset = \"vp\"\nbeta = [0.1, 1.0]\nhorizon = [0.0, 1.0]\n[run]\nseed = 13\n[[solver]]\nid = \"paths\"\n\
         method = \"path-integral\"\nkernel = \"monte-carlo\"\npaths = 20000\nsteps = 100\n"
    ));
    attempt(&lowered, &[]).expect("it solves").answer
}

/// Seed 13; five errors: false-alarm probability below 6e-7 each.
#[test]
fn the_normaliser_of_a_gaussian_target() {
    let typed = "family = \"log-density\"\nlog_density = \"-(x[0] - 0.5)^2/0.6\"";
    let named = "family = \"gaussian\"\nmean = [0.5]\ncov = 0.3";
    let exact = 0.5 * (std::f64::consts::TAU * 0.3).ln();
    for (target, exact) in [(typed, exact), (named, 0.0)] {
        let log_z = quantity(&sample(target), "log_z");
        assert!(
            (log_z.value - exact).abs() < 5.0 * log_z.error,
            "{log_z:?} {exact}"
        );
        assert!(log_z.error < 0.03, "{log_z:?}");
    }
}

/// The noised target sits near 6, where a standard normal prior has next to no draws: the few that come closest
/// carry the sum.
#[test]
fn a_target_out_of_reach_has_no_error_bar() {
    let answer = sample("family = \"log-density\"\nlog_density = \"-(x[0] - 8)^2/0.6\"");
    assert_eq!(quantity(&answer, "log_z").error, f64::INFINITY);
    let shape = answer.facts.iter().find(|(name, _)| *name == "pareto_k");
    assert!(shape.is_some_and(|(_, k)| *k > HEAVIEST), "{shape:?}");
}
