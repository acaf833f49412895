//! The weight of a path and the action of a control.
//!
//! One step `delta = x_{k+1} - x_k` of the noising process, with coefficients at
//! `x_k + alpha delta` and Itô drift `f`, has the weight
//!
//! ```text
//! K_alpha = det(2 pi Delta D)^{-1/2} exp( -|delta - A Delta|^2_{D^-1} / (2 Delta) - B Delta )
//! A = f - alpha div D,        B = alpha div f - 1/2 alpha^2 div div D
//! ```
//!
//! At `alpha = 1` it is `A = -b` and `B = q`: read backwards, the weight of the noising path is the Itô
//! weight of the uncontrolled reverse process times `exp(-q Delta)`, so the running cost is the Jacobian of
//! the anti-Itô path measure.
//!
//! # Assumptions
//! Smooth coefficients; `G` invertible for the forms with `D^{-1}`.
//!
//! # Source
//! Onsager & Machlup (1953); Lau & Lubensky, *State-dependent diffusion* (2007); Hirono, Tanaka &
//! Fukushima (2024), proposition 3.1.
//!
//! # Executed by
//! The generator of `K_alpha` to first order in `Delta` is `f . grad + 1/2 D : grad grad` for every
//! `alpha`; the Legendre transform of the Lagrangian, completed to a square.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal, equal};
use crate::derivation::ground::matrix::inverse;
use crate::derivation::ground::noising::{Noising, dot};
use crate::derivation::ground::step::{Formula, Step};
use crate::expr::Expr;

const SOURCE: &str = "Onsager & Machlup (1953); Lau & Lubensky (2007); Hirono, Tanaka & Fukushima (2024), proposition 3.1";

/// Drift and Jacobian rate of the weight of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct PathWeight {
    /// `A`.
    pub drift: Vec<Expr>,
    /// `B`.
    pub jacobian: Expr,
}

/// The weight with coefficients at `x_k + alpha delta`; `alpha` is any expression free of the state.
pub fn path_weight(noising: &mut Noising, alpha: Expr) -> PathWeight {
    let graph = &mut noising.graph;
    let drift = noising
        .drift
        .iter()
        .zip(&noising.diffusivity_divergence)
        .map(|(f, e)| {
            let shift = graph.mul(&[alpha, *e]);
            graph.sub(*f, shift)
        })
        .collect();
    let half = graph.rational(-1, 2);
    let square = graph.powi(alpha, 2);
    let first = graph.mul(&[alpha, noising.drift_divergence]);
    let second = graph.mul(&[half, square, noising.double_divergence]);
    PathWeight {
        drift,
        jacobian: graph.add(&[first, second]),
    }
}

/// `phi (-B + alpha div A + 1/2 alpha^2 div div D) + (A + alpha div D) . grad phi = f . grad phi` for
/// every `phi`: the moments of one step generate the noising process.
///
/// # Errors
/// [`Refuted`] if the weight belongs to another process.
pub fn execute_path_weight(
    noising: &mut Noising,
    alpha: Expr,
    weight: &PathWeight,
) -> Result<Evidence, Refuted> {
    let phi = noising.field("phi");
    let slope = noising.gradient(phi);
    let one = noising.graph.one();
    let twice = noising.diffusivity_divergence.clone();
    let effective = noising.combine(&[(one, &weight.drift), (alpha, &twice)]);
    let carried = noising.dot(&effective, &slope);
    let spread = noising.divergence(&weight.drift);
    let graph = &mut noising.graph;
    let half = graph.rational(1, 2);
    let square = graph.powi(alpha, 2);
    let lost = graph.neg(weight.jacobian);
    let gained = graph.mul(&[alpha, spread]);
    let curved = graph.mul(&[half, square, noising.double_divergence]);
    let rate = graph.add(&[lost, gained, curved]);
    let killed = graph.mul(&[rate, phi]);
    let left = graph.add(&[killed, carried]);
    let drift = noising.drift.clone();
    let right = noising.dot(&drift, &slope);
    equal(
        &mut noising.graph,
        "K_alpha generates the noising process",
        left,
        right,
    )
}

/// The step about the weight of a noising path.
///
/// # Errors
/// [`Refuted`] if the generator of the weight or its reversal at `alpha = 1` is wrong.
pub fn path_weight_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let alpha = exact.constant("alpha");
    let weight = path_weight(exact, alpha);
    let mut evidence = execute_path_weight(exact, alpha, &weight)?;
    let one = exact.graph.one();
    let anti = path_weight(exact, one);
    let minus = exact.graph.integer(-1);
    let b = exact.reverse_drift.clone();
    let reversed = exact.combine(&[(minus, &b)]);
    let claim = "at alpha = 1 the weight read backwards is the reverse process with cost q";
    evidence = evidence.and(all_equal(&mut exact.graph, claim, &anti.drift, &reversed)?);
    let q = exact.running_cost;
    evidence = evidence.and(equal(&mut exact.graph, claim, anti.jacobian, q)?);
    let statement = vec![
        Formula::new(
            "P[x] ~ p_0(x_0) prod_k exp( -|delta - A Delta|^2_{D^-1} / (2 Delta) - B Delta ),   delta = x_{k+1} - x_k, coefficients at x_k + alpha delta",
            "P[x] \\propto p_0(x_0) \\prod_k \\exp\\left( -\\frac{1}{2\\Delta} (\\delta - A \\Delta)^\\top D^{-1} (\\delta - A \\Delta) - B \\Delta \\right), \\qquad \\delta = x_{k+1} - x_k",
        ),
        Formula::new(
            "A = f - alpha div D,   B = alpha div f - 1/2 alpha^2 div div D   (alpha = 0 Ito, 1/2 midpoint, 1 anti-Ito)",
            "A = f - \\alpha \\nabla \\cdot D, \\qquad B = \\alpha \\nabla \\cdot f - \\frac{1}{2} \\alpha^2 \\nabla\\nabla : D",
        ),
        Formula::new(
            "alpha = 1: A = -b, B = q: read backwards it is the uncontrolled reverse process weighted by exp(-int q dtau)",
            "\\alpha = 1: \\quad A = -b, \\qquad B = q",
        ),
    ];
    Ok(Step {
        number: 0,
        name: "weight of a noising path",
        rule: "path-weight",
        executes: "the first moments of one step generate the noising process for every alpha; at alpha = 1 they are -b and q",
        statement,
        assumptions: vec![Assumption::SmoothCoefficients, Assumption::InvertibleNoise],
        source: SOURCE,
        equation: None,
        evidence,
    })
}

/// `(y' - b) D^-1 (y' - b) / 2` at `y' = b + G u`, if `D` is invertible in closed form.
fn velocity_effort(noising: &mut Noising, control: &[Expr]) -> Option<Expr> {
    if noising.noises() != noising.dimension() {
        return None;
    }
    let diffusivity = noising.diffusivity.clone();
    let inverse = inverse(&mut noising.graph, &diffusivity)?;
    let graph = &mut noising.graph;
    let push: Vec<Expr> = noising
        .diffusion
        .iter()
        .map(|row| dot(graph, row, control))
        .collect();
    let pulled: Vec<Expr> = inverse.iter().map(|row| dot(graph, row, &push)).collect();
    let square = dot(graph, &push, &pulled);
    let half = graph.rational(1, 2);
    Some(graph.mul(&[half, square]))
}

/// `p . (b + G u) - (1/2 |u|^2 + q) = p . b + 1/2 p D p - q - 1/2 |u - G' p|^2` for every momentum `p`
/// and control `u`, and the effort in terms of the velocity.
///
/// # Errors
/// [`Refuted`] if the Lagrangian and the Hamiltonian do not belong together.
pub fn execute_lagrangian(noising: &mut Noising) -> Result<(Evidence, bool), Refuted> {
    let (d, noises) = (noising.dimension(), noising.noises());
    let (momentum, control) = (noising.constants("m", d), noising.constants("u", noises));
    let effort = noising.half_square(&control);
    let b = noising.reverse_drift.clone();
    let along = noising.dot(&momentum, &b);
    let pulled = noising.through_noise(&momentum);
    let pushed = noising.dot(&pulled, &control);
    let diffused = noising.diffuse(&momentum);
    let kinetic = noising.dot(&momentum, &diffused);
    let graph = &mut noising.graph;
    let half = graph.rational(1, 2);
    let kinetic = graph.mul(&[half, kinetic]);
    let lagrangian = graph.add(&[effort, noising.running_cost]);
    let power = graph.add(&[along, pushed]);
    let left = graph.sub(power, lagrangian);
    let missed: Vec<Expr> = control
        .iter()
        .zip(&pulled)
        .map(|(u, p)| graph.sub(*u, *p))
        .collect();
    let potential = graph.neg(noising.running_cost);
    let hamiltonian = graph.add(&[along, kinetic, potential]);
    let waste = noising.half_square(&missed);
    let right = noising.graph.sub(hamiltonian, waste);
    let claim = "the Legendre transform of 1/2 |u|^2 + q is p.b + 1/2 p.Dp - q";
    let mut evidence = equal(&mut noising.graph, claim, left, right)?;
    let velocity = velocity_effort(noising, &control);
    if let Some(velocity) = velocity {
        let claim = "|u|^2 = (y' - b) D^-1 (y' - b)";
        evidence = evidence.and(equal(&mut noising.graph, claim, effort, velocity)?);
    }
    Ok((evidence, velocity.is_some()))
}

/// The step about the action functional and its discretisation.
///
/// # Errors
/// [`Refuted`] if the Legendre transform fails.
pub fn step(exact: &mut Noising) -> Result<Step, Refuted> {
    let (evidence, invertible) = execute_lagrangian(exact)?;
    let mut statement = vec![
        Formula::new(
            "L(y,u,tau) = 1/2 |u|^2 + q(y)",
            "L(y,u,\\tau) = \\frac{1}{2} |u|^2 + q(y)",
        ),
        Formula::new(
            "S[u] = E[ -log p_0(Y_T) + int_0^T L dtau ],   V(y,tau) = min_u of the part after tau",
            "S[u] = \\mathbb{E}\\left[ -\\log p_0(Y_T) + \\int_0^T L \\, d\\tau \\right]",
        ),
        Formula::new(
            "H(y,p,tau) = p.b + 1/2 p.D p - q,   p = -grad V",
            "H(y,p,\\tau) = p \\cdot b + \\frac{1}{2} p^\\top D p - q, \\qquad p = -\\nabla V",
        ),
        Formula::new(
            "S_N = E[ sum_k ( 1/2 |u_k|^2 + q(y_k) ) Delta - log p_0(y_N) ],   y_{k+1} = y_k + (b + G u_k) Delta + sqrt(Delta) G xi_k",
            "S_N = \\mathbb{E}\\left[ \\sum_k \\left( \\frac{1}{2} |u_k|^2 + q(y_k) \\right) \\Delta - \\log p_0(y_N) \\right], \\qquad y_{k+1} = y_k + (b + G u_k) \\Delta + \\sqrt{\\Delta} \\, G \\xi_k",
        ),
    ];
    let mut assumptions = vec![Assumption::PositiveDataDensity];
    if invertible {
        statement.insert(
            1,
            Formula::new(
                "L = 1/2 (y' - b).D^-1 (y' - b) + q   along y' = b + G u",
                "L = \\frac{1}{2} (\\dot{y} - b)^\\top D^{-1} (\\dot{y} - b) + q, \\qquad \\dot{y} = b + G u",
            ),
        );
        assumptions.push(Assumption::InvertibleNoise);
    }
    Ok(Step {
        number: 0,
        name: "action",
        rule: "lagrangian",
        executes: "the Legendre transform of the Lagrangian, completed to a square",
        statement,
        assumptions,
        source: SOURCE,
        equation: None,
        evidence,
    })
}
