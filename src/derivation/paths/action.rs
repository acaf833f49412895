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

use crate::derivation::ground::as_typed;
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal};
use crate::derivation::ground::matrix::{self, inverse};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::step::Step;
use crate::expr::Expr;
use crate::expr::arithmetic::{dot, power};

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
    let opened = &noising.diffusivity_divergence;
    let drift = graph.pairwise(&noising.drift, opened, |f, e| f - alpha * e);
    let second = power(alpha, 2) * noising.double_divergence / 2;
    PathWeight {
        drift,
        jacobian: graph.of(alpha * noising.drift_divergence - second),
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
    let graph = &mut noising.graph;
    let opened = &noising.diffusivity_divergence;
    let effective = graph.pairwise(&weight.drift, opened, |a, e| a + alpha * e);
    let spread = noising.divergence(&weight.drift);
    let curved = power(alpha, 2) * noising.double_divergence / 2;
    let rate = -weight.jacobian + alpha * spread + curved;
    let right = dot(&noising.drift, &slope);
    let claim = "K_alpha generates the noising process";
    noising.equal(claim, rate * phi + dot(&effective, &slope), right)
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
    let reversed = exact.graph.each(exact.reverse_drift.iter().map(|b| -*b));
    let claim = "at alpha = 1 the weight read backwards is the reverse process with cost q";
    evidence = evidence.and(all_equal(&mut exact.graph, claim, &anti.drift, &reversed)?);
    evidence = evidence.and(exact.equal(claim, anti.jacobian, exact.running_cost)?);
    let executes = "the first moments of one step generate the noising process for every alpha; at alpha = 1 they are -b and q";
    let step = Step::new("weight of a noising path", "path-weight", SOURCE)
        .executed(executes, evidence)
        .assuming(&[Assumption::SmoothCoefficients]);
    if !as_typed::is_invertible(exact) {
        return Ok(step
            .line("D has no inverse: a step has its weight on f + G w, with `coefficients at` x_k + alpha delta")
            .line("A = f - alpha div D,   B = alpha div f - 1/2 alpha^2 div div D   (alpha = 0 Ito, 1/2 midpoint, 1 anti-Ito)")
            .line("alpha = 1: A = -b, B = q: `read backwards it is the uncontrolled reverse process weighted by` exp(-int q dtau)"));
    }
    Ok(step
        .line("P[x] ~ p_0(x_0) prod_k exp( -|delta - A Delta|^2_{D^-1} / (2 Delta) - B Delta ),   delta = x_{k+1} - x_k, `coefficients at` x_k + alpha delta")
        .line("A = f - alpha div D,   B = alpha div f - 1/2 alpha^2 div div D   (alpha = 0 Ito, 1/2 midpoint, 1 anti-Ito)")
        .line("alpha = 1: A = -b, B = q: `read backwards it is the uncontrolled reverse process weighted by` exp(-int q dtau)")
        .assuming(&[Assumption::InvertibleNoise]))
}

/// `(y' - b) D^-1 (y' - b) / 2` at `y' = b + G u`, if `D` is invertible in closed form.
fn velocity_effort(noising: &mut Noising, control: &[Expr]) -> Option<Expr> {
    if noising.noises() != noising.dimension() {
        return None;
    }
    let graph = &mut noising.graph;
    let inverse = inverse(graph, &noising.diffusivity)?;
    let push = matrix::apply(graph, &noising.diffusion, control);
    let pulled = matrix::apply(graph, &inverse, &push);
    Some(graph.of(dot(&push, &pulled) / 2))
}

/// `p . (b + G u) - (1/2 |u|^2 + q) = p . b + 1/2 p D p - q - 1/2 |u - G' p|^2` for every momentum `p`
/// and control `u`, and the effort in terms of the velocity.
///
/// # Errors
/// [`Refuted`] if the Lagrangian and the Hamiltonian do not belong together.
fn execute_lagrangian(noising: &mut Noising) -> Result<(Evidence, bool), Refuted> {
    let (d, noises) = (noising.dimension(), noising.noises());
    let (momentum, control) = (noising.constants("m", d), noising.constants("u", noises));
    let effort = noising.half_square(&control);
    let along = noising.dot(&momentum, &noising.reverse_drift.clone());
    let pulled = noising.through_noise(&momentum);
    let pushed = noising.dot(&pulled, &control);
    let diffused = noising.diffuse(&momentum);
    let missed = noising.graph.pairwise(&control, &pulled, |u, p| u - p);
    let waste = noising.half_square(&missed);
    let q = noising.running_cost;
    let left = along + pushed - (effort + q);
    let hamiltonian = along + dot(&momentum, &diffused) / 2 - q;
    let claim = "the Legendre transform of 1/2 |u|^2 + q is p.b + 1/2 p.Dp - q";
    let mut evidence = noising.equal(claim, left, hamiltonian - waste)?;
    let velocity = velocity_effort(noising, &control);
    if let Some(velocity) = velocity {
        let claim = "|u|^2 = (y' - b) D^-1 (y' - b)";
        evidence = evidence.and(noising.equal(claim, effort, velocity)?);
    }
    Ok((evidence, velocity.is_some()))
}

/// The step about the action functional and its discretisation.
///
/// # Errors
/// [`Refuted`] if the Legendre transform fails.
pub fn step(exact: &mut Noising) -> Result<Step, Refuted> {
    let (evidence, invertible) = execute_lagrangian(exact)?;
    let executes = "the Legendre transform of the Lagrangian, completed to a square";
    let mut step = Step::new("action", "lagrangian", SOURCE)
        .executed(executes, evidence)
        .line("L(y,u,tau) = 1/2 |u|^2 + q(y)")
        .assuming(&[Assumption::PositiveDataDensity]);
    if invertible {
        step = step
            .line("L = 1/2 (y' - b).D^-1 (y' - b) + q   along y' = b + G u")
            .assuming(&[Assumption::InvertibleNoise]);
    }
    Ok(step
        .line("S[u] = E[ -log p_0(Y_T) + int_0^T L dtau ],   V(y,tau) = min_u `of the part after` tau")
        .line("H(y,p,tau) = p.b + 1/2 p.D p - q,   p = -grad V")
        .line("S_N = E[ sum_k ( 1/2 |u_k|^2 + q(y_k) ) Delta - log p_0(y_N) ],   y_{k+1} = y_k + (b + G u_k) Delta + sqrt(Delta) G xi_k"))
}
