//! Closed forms of Ornstein–Uhlenbeck processes, a long finite horizon, and the density in one state.

use crate::solvers::driver::Unsolved;
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::fixture::lowered;
use crate::solvers::registry::choice::automatic;
use crate::solvers::registry::run::solve;

fn text(dynamics: &str, method: &str) -> String {
    format!(
        "format = 1\n[problem]\nname = \"test\"\nkind = \"simulate\"\n[dynamics]\n{dynamics}\n[[solver]]\nmethod = \"{method}\"\n"
    )
}

fn of(dynamics: &str, method: &str) -> Result<Answer, Unsolved> {
    let lowered = lowered(&text(dynamics, method));
    let spec = &lowered.problem.solvers[0];
    Ok(solve(&lowered, spec, &[], None, &mut |_| ())?.answer)
}

fn meets(answer: &Answer, name: &str, exact: f64) {
    let found = answer.quantities.iter().find(|q| q.name == name);
    let found = found.unwrap_or_else(|| panic!("{name}")).value;
    let allowed = 3.0 * found.error;
    assert!(
        (found.value - exact).abs() <= allowed,
        "{name}: {found:?}, {exact}"
    );
    assert!(found.error < 1e-12 * exact.abs().max(1.0), "{found:?}");
}

/// `dX = -theta (X - m) dt + s dW`: variance `s^2/(2 theta)`, autocorrelation `exp(-theta t)`.
#[test]
fn one_state_is_the_closed_form() {
    let dynamics = "state = \"x\"\ndrift = \"-0.7*(x - 1.5)\"\ndiffusion = \"0.4\"\nhorizon = [0.0, inf]\n\
                    [initial]\nfamily = \"delta\"\nat = 0.0";
    let variance = 0.16 / 1.4;
    for (method, memory) in [("moments", Some(1.0 / 0.7)), ("stationary", None)] {
        let answer = of(dynamics, method).unwrap_or_else(|e| panic!("{e}"));
        meets(&answer, "mean", 1.5);
        meets(&answer, "variance", variance);
        meets(&answer, "mean_square", 2.25 + variance);
        if let Some(memory) = memory {
            meets(&answer, "autocorrelation_time", memory);
        }
    }
    let both = automatic(&lowered(&text(dynamics, "moments"))).expect("both apply");
    assert_eq!(both, ["stationary", "moments"]);
}

/// A damped oscillator pushed by noise: `E x^2 = s^2/(2 g k)`, `E v^2 = s^2/(2 g)`, no correlation, and
/// `int E x(t) x(0) dt / E x^2 = g/k`.
#[test]
fn an_oscillator_has_equal_shares_of_energy() {
    let dynamics = |horizon: &str| {
        format!(
            "state = \"x[2]\"\ndrift = [\"x[1]\", \"-3*x[0] - 0.5*x[1] + 0.6\"]\ndiffusion = [[\"0\", \"0\"], [\"0\", \"0.8\"]]\n\
             horizon = {horizon}\n[initial]\nfamily = \"delta\"\nat = [1.0, 0.0]"
        )
    };
    let answer = of(&dynamics("[0.0, inf]"), "moments").unwrap_or_else(|e| panic!("{e}"));
    meets(&answer, "mean[0]", 0.2);
    meets(&answer, "mean[1]", 0.0);
    meets(&answer, "variance[0]", 0.64 / 3.0);
    meets(&answer, "variance[1]", 0.64);
    meets(&answer, "covariance[1][0]", 0.0);
    meets(&answer, "autocorrelation_time[0]", 0.5 / 3.0);
    let late = of(&dynamics("[0.0, 200.0]"), "moments").unwrap_or_else(|e| panic!("{e}"));
    let end = late
        .quantities
        .iter()
        .find(|q| q.name == "covariance_end[0][0]");
    let end = end.expect("a variance").value.value;
    assert!((end - 0.64 / 3.0).abs() < 1e-9, "{end}");
}

#[test]
fn what_comes_to_no_rest_is_refused() {
    let dynamics = "state = \"x\"\ndrift = \"0.1*x\"\ndiffusion = \"1\"\nhorizon = [0.0, inf]\n\
                    [initial]\nfamily = \"delta\"\nat = 0.0";
    for method in ["moments", "stationary", "fpk", "euler-maruyama"] {
        let Err(Unsolved::Refused(refusal)) = of(dynamics, method) else {
            panic!("{method} answers");
        };
        assert!(!refusal.accepted.contains("riccati"), "{refusal}");
    }
    assert!(automatic(&lowered(&text(dynamics, "moments"))).is_err());
}
