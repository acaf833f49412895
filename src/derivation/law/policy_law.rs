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
use crate::derivation::control::temperature;
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal, equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::derivation::law::fokker_planck;
use crate::expr::Expr;

const SOURCE: &str = "Doob (1957); Fleming & Soner (2006), section VI.4";

/// `b + B u*` for the value function `value`.
pub fn optimal_drift(controlled: &mut ControlledDiffusion, value: Expr) -> Vec<Expr> {
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
    let (psi, phi) = (
        controlled.process.field("psi"),
        controlled.process.field("phi"),
    );
    let both = controlled.process.graph.mul(&[psi, phi]);
    let transformed = temperature::residual(controlled, lambda, both);
    let solved = temperature::residual(controlled, lambda, psi);
    let generated = controlled.process.generator(drift, phi);
    let graph = &mut controlled.process.graph;
    let solved = graph.mul(&[phi, solved]);
    let left = graph.sub(transformed, solved);
    let left = graph.div(left, psi);
    let rate = graph.derivative(phi, controlled.process.time);
    let right = graph.add(&[rate, generated]);
    let claim = "conditioning by psi adds D grad log psi to the drift";
    let doob = equal(graph, claim, left, right)?;
    let log = graph.log(psi);
    let value = graph.mul(&[lambda, log]);
    let value = graph.neg(value);
    let steered = optimal_drift(controlled, value);
    let claim = "b + B u* = b + D grad log psi";
    let same = all_equal(&mut controlled.process.graph, claim, drift, &steered)?;
    Ok(doob.and(same))
}

/// `b + D grad log psi`.
pub fn conditioned_drift(controlled: &mut ControlledDiffusion, psi: Expr) -> Vec<Expr> {
    let process = &mut controlled.process;
    let log = process.graph.log(psi);
    let slope = process.gradient(log);
    let pull = process.diffuse(&slope);
    let one = process.graph.one();
    let drift = process.drift.clone();
    process.combine(&[(one, &drift), (one, &pull)])
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
    let (name, rule, executes, evidence) = match lambda {
        Some(lambda) => {
            let psi = exact.process.field("psi");
            let drift = conditioned_drift(exact, psi);
            (
                "law under u*",
                "h-transform",
                "conditioning the killed process by psi gives this drift, and it is b + B u*",
                execute_transform(exact, lambda, &drift)?,
            )
        }
        None => {
            let value = exact.process.field("V");
            let policy = bellman::policy(exact, value);
            (
                "process under u*",
                "closed-loop",
                "the minimiser put in the drift is stationary for the bracket",
                bellman::execute_stationarity(exact, value, &policy)?,
            )
        }
    };
    let potential = lambda.is_some();
    let drift = written_drift(shown, potential);
    let noise = noise_written(&mut shown.process);
    Ok(Step::new(name, rule, SOURCE, executes, evidence)
        .line(
            format!("dX = ({}) dt + {} dW", drift.text, noise.text),
            format!(
                "dX = \\left({}\\right) dt + {} \\, dW",
                drift.latex, noise.latex
            ),
        )
        .assuming(&[Assumption::SmoothValue]))
}

/// `f + sigma^2 grad log psi` in numbers where that is short.
fn written_drift(shown: &mut ControlledDiffusion, potential: bool) -> Formula {
    let d = shown.dimension();
    let symbolic = if potential {
        Formula::new("b + D grad log psi", "b + D \\nabla \\log \\psi")
    } else {
        Formula::new("b - B R^-1 B' grad V", "b - B R^{-1} B^\\top \\nabla V")
    };
    let common = crate::derivation::ground::matrix::as_multiple_of_identity(
        &shown.process.graph,
        &shown.process.diffusivity,
    );
    if let (true, true, Some(common)) = (d > 1, potential, common) {
        let one = shown.process.graph.one();
        let parts = [
            (one, Formula::new("b", "b")),
            (common, Formula::new("grad log psi", "\\nabla \\log \\psi")),
        ];
        return notation::combination(&mut shown.process.graph, &parts);
    }
    if d > 1 {
        return symbolic;
    }
    if potential {
        let one = shown.process.graph.one();
        let weight = shown.process.diffusivity[0][0];
        let x = notation::partial(&shown.process, "", &[0]);
        let slope = Formula::new(
            format!("(log psi){}", x.text),
            format!("(\\log \\psi){}", x.latex),
        );
        let own = notation::expression(&mut shown.process.graph, shown.process.drift[0]);
        return notation::combination(&mut shown.process.graph, &[(one, own), (weight, slope)]);
    }
    let value = shown.process.field("V");
    let drift = optimal_drift(shown, value);
    notation::expression(&mut shown.process.graph, drift[0])
}

/// `sigma` where `G = sigma I`, else `G`.
fn noise_written(process: &mut Noising) -> Formula {
    match crate::derivation::ground::matrix::as_multiple_of_identity(
        &process.graph,
        &process.diffusion,
    ) {
        Some(common) => {
            let text = notation::expression(&mut process.graph, common);
            if text.text.contains([' ']) {
                Formula::new(
                    format!("({})", text.text),
                    format!("\\left({}\\right)", text.latex),
                )
            } else {
                text
            }
        }
        None => Formula::new("G", "G"),
    }
}

/// Fokker–Planck under the optimal policy, with the value function as a known field.
pub fn law_equation(controlled: &mut ControlledDiffusion) -> (Noising, Equation) {
    let value = controlled.process.field("V");
    let drift = optimal_drift(controlled, value);
    let mut steered = Noising::new(
        controlled.process.graph.clone(),
        controlled.process.time,
        controlled.process.state.clone(),
        drift,
        controlled.process.diffusion.clone(),
    );
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
    let rate = steered.graph.derivative(equation.unknown, steered.time);
    let operator = steered.graph.sub(rate, equation.residual);
    let evidence = fokker_planck::execute(&mut steered, equation.unknown, operator)?;
    exact.process.graph = steered.graph;
    Ok(Step::new(
        "law of the optimal process",
        "fpk",
        "Risken (1989), chapter 4",
        "the right side is the adjoint of the generator under u*",
        evidence,
    )
    .line(
        "p_t = -div((b + B u*) p) + 1/2 div div(D p),   p(x,0) = p_0(x)",
        "\\partial_t p = -\\nabla \\cdot ((b + B u^*) p) + \\frac{1}{2} \\nabla\\nabla : (D p), \\qquad p(x,0) = p_0(x)",
    )
    .about(equation))
}
