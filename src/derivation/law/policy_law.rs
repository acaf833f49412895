//! The process under the optimal policy and its law.
//!
//! ```text
//! dX = (b - B R^-1 B' grad V) dt + G dW
//! dX = (b + D grad log psi) dt + G dW        where V = -lambda log psi linearises
//! p_t = -div((b + B u*) p) + 1/2 div div(D p)
//! ```
//!
//! # Source
//! Doob (1957); Fleming & Soner (2006), section VI.4.
//!
//! # Executed by
//! Doob's transform: conjugating the killed generator with `psi` gives the generator with drift
//! `b + D grad log psi`; duality of the Fokker–Planck operator with the controlled generator.

use crate::derivation::control::bellman;
use crate::derivation::control::in_matrices::{self, is_large};
use crate::derivation::control::temperature;
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal};
use crate::derivation::ground::matrix::as_multiple_of_identity;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::derivation::law::fokker_planck;
use crate::derivation::paths::schrodinger::forward_drift;
use crate::expr::Expr;
use crate::expr::arithmetic::log;

const SOURCE: &str = "Doob (1957); Fleming & Soner (2006), section VI.4";

/// `b + B u*` for the value function `value`.
fn optimal_drift(controlled: &mut ControlledDiffusion, value: Expr) -> Vec<Expr> {
    let policy = bellman::policy(controlled, value);
    controlled.steered(&policy)
}

/// `(1/psi) (d/dt + L - q/lambda)(psi phi) - (phi/psi) (d/dt + L - q/lambda) psi
///  = phi_t + drift . grad phi + 1/2 D : grad grad phi`, and `drift` is `b + B u*` at `V = -lambda log psi`.
///
/// # Errors
/// [`Refuted`] if `drift` is not the conditioned one.
pub fn execute_transform(
    controlled: &mut ControlledDiffusion,
    lambda: Expr,
    drift: &[Expr],
) -> Result<Evidence, Refuted> {
    let [psi, phi] = ["psi", "phi"].map(|name| controlled.process.field(name));
    let both = controlled.process.of(psi * phi);
    let transformed = temperature::residual(controlled, lambda, both);
    let solved = temperature::residual(controlled, lambda, psi);
    let process_ends = !controlled.is_endless();
    let process = &mut controlled.process;
    let generated = process.generator(drift, phi);
    let right = match process_ends {
        true => process.rate(phi) + generated,
        false => generated.into(),
    };
    let claim = "conditioning by psi adds D grad log psi to the drift";
    let doob = process.equal(claim, (transformed - phi * solved) / psi, right)?;
    let value = process.of(-(lambda * log(psi)));
    let steered = optimal_drift(controlled, value);
    let claim = "b + B u* = b + D grad log psi";
    let same = all_equal(&mut controlled.process.graph, claim, drift, &steered)?;
    Ok(doob.and(same))
}

/// `b + D grad log psi`.
pub fn conditioned_drift(controlled: &mut ControlledDiffusion, psi: Expr) -> Vec<Expr> {
    forward_drift(&mut controlled.process, psi)
}

/// The step, in terms of `psi` where there is a temperature and of `V` otherwise.
///
/// # Errors
/// [`Refuted`] if the conditioned drift is another one.
pub fn step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
    lambda: Option<Expr>,
) -> Result<Step, Refuted> {
    let step = match lambda {
        Some(lambda) => {
            let evidence = if is_large(exact) {
                in_matrices::conditioned()?
            } else {
                let psi = exact.process.field("psi");
                let drift = conditioned_drift(exact, psi);
                execute_transform(exact, lambda, &drift)?
            };
            let executes =
                "conditioning the killed process by psi gives this drift, and it is b + B u*";
            Step::new("law under u*", "h-transform", SOURCE).executed(executes, evidence)
        }
        None => {
            let evidence = bellman::evidence_of_policy(exact)?;
            let executes = "the minimiser put in the drift is stationary for the bracket";
            Step::new("process under u*", "closed-loop", SOURCE).executed(executes, evidence)
        }
    };
    let drift = written_drift(shown, lambda.is_some());
    let noise = noise_written(&mut shown.process);
    Ok(step
        .line(Formula::of(
            "dX = {} dt + {} dW",
            &[&notation::grouped(&drift), &noise],
        ))
        .assuming(&[Assumption::SmoothValue]))
}

/// `f + sigma^2 grad log psi` in numbers where that is short.
fn written_drift(shown: &mut ControlledDiffusion, potential: bool) -> Formula {
    let d = shown.dimension();
    if !potential && d == 1 {
        let value = shown.process.field("V");
        let drift = optimal_drift(shown, value);
        return notation::expression(&mut shown.process.graph, drift[0]);
    }
    let process = &mut shown.process;
    let one = process.graph.one();
    let common = as_multiple_of_identity(&process.graph, &process.diffusivity);
    let parts: [(Expr, Formula); 2] = match (potential, common) {
        (false, _) => return "b - B R^-1 B' grad V".into(),
        (true, Some(weight)) if d == 1 => {
            let own = notation::expression(&mut process.graph, process.drift[0]);
            let x = notation::partial(process, "", &[0]);
            [(one, own), (weight, Formula::of("(log psi){}", &[&x]))]
        }
        (true, Some(weight)) => [(one, "b".into()), (weight, "grad log psi".into())],
        (true, None) => return "b + D grad log psi".into(),
    };
    notation::combination(&mut process.graph, &parts)
}

/// `sigma` where `G = sigma I`, else `G`.
fn noise_written(process: &mut Noising) -> Formula {
    let Some(common) = as_multiple_of_identity(&process.graph, &process.diffusion) else {
        return "G".into();
    };
    let value = notation::expression(&mut process.graph, common);
    if value.text.contains(' ') {
        return notation::grouped(&value);
    }
    value
}

/// Fokker–Planck under the optimal policy, with the value function as a known field.
fn law_equation(controlled: &mut ControlledDiffusion) -> (Noising, Equation) {
    let value = controlled.process.field("V");
    let drift = optimal_drift(controlled, value);
    let mut steered = controlled.process.with_drift(drift);
    let mut equation = fokker_planck::equation(&mut steered);
    equation.id = "policy-fokker-planck";
    (steered, equation)
}

/// The side result: the law of the optimally controlled process.
///
/// # Errors
/// [`Refuted`] if the operator is not dual to the controlled generator.
pub fn law_step(exact: &mut ControlledDiffusion) -> Result<Step, Refuted> {
    let (mut steered, equation) = law_equation(exact);
    let rate = steered.rate(equation.unknown);
    let operator = steered.of(rate - equation.residual);
    let evidence = fokker_planck::execute(&mut steered, equation.unknown, operator)?;
    exact.process.graph = steered.graph;
    let executes = "the right side is the adjoint of the generator under u*";
    Ok(Step::new(
        "law of the optimal process",
        "fpk",
        "Risken (1989), chapter 4",
    )
    .executed(executes, evidence)
    .line("p_t = -div((b + B u*) p) + 1/2 div div(D p),   p(x,0) = p_0(x)")
    .about(equation))
}
