//! Mean derivatives of a diffusion with law `p`, and Newton's law for them.
//!
//! ```text
//! b+ = f,      b- = f - div D - D grad log p          (mean forward and backward velocity)
//! v = (b+ + b-)/2,      u = (b+ - b-)/2 = 1/2 (div D + D grad log p)
//! p_t = -div(p v)
//! D+ h = h_t + b+ . grad h + 1/2 D : grad grad h,      D- h = h_t + b- . grad h - 1/2 D : grad grad h
//! ```
//!
//! For `D = 2 nu I` constant and a gradient drift `f(x)`, with `Omega = 1/2 |f|^2 + nu div f`:
//! `D+ D+ X = D- D- X = grad Omega`, whatever the law. A bridge of that process has the same
//! acceleration: its drift is `f + 2 nu grad log phi`, and `phi` solves the backward equation.
//!
//! # Source
//! Nelson, *Dynamical Theories of Brownian Motion* (1967) and *Quantum Fluctuations* (1985); Zambrini (1986).
//!
//! # Executed by
//! The continuity equation against Fokker–Planck; applying the mean derivatives to the drifts and using
//! the equation of the law, or of `phi`.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal, equal};
use crate::derivation::ground::matrix::as_multiple_of_identity;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::derivation::paths::schrodinger::{backward_residual, forward_drift};
use crate::expr::Expr;

const SOURCE: &str = "Nelson (1967, 1985); Zambrini (1986)";

/// The four velocities of a process with drift `forward` and law `p`.
#[derive(Clone, Debug, PartialEq)]
pub struct Velocities {
    pub forward: Vec<Expr>,
    pub backward: Vec<Expr>,
    pub current: Vec<Expr>,
    pub osmotic: Vec<Expr>,
}

pub fn velocities(noising: &mut Noising, forward: &[Expr], p: Expr) -> Velocities {
    let log = noising.graph.log(p);
    let slope = noising.gradient(log);
    let pull = noising.diffuse(&slope);
    let spread = noising.diffusivity_divergence.clone();
    let (one, minus) = (noising.graph.one(), noising.graph.integer(-1));
    let (half, back) = (noising.graph.rational(1, 2), noising.graph.rational(-1, 2));
    let backward = noising.combine(&[(one, forward), (minus, &spread), (minus, &pull)]);
    Velocities {
        current: noising.combine(&[(half, forward), (half, &backward)]),
        osmotic: noising.combine(&[(half, forward), (back, &backward)]),
        forward: forward.to_vec(),
        backward,
    }
}

/// `p_t + div(p v)` is the residual of Fokker–Planck; `u = 1/2 (div D + D grad log p)`.
///
/// # Errors
/// [`Refuted`] if a velocity is another one.
pub fn execute(noising: &mut Noising, velocities: &Velocities) -> Result<Evidence, Refuted> {
    let p = noising.field("p");
    let rate = noising.graph.derivative(p, noising.time);
    let flux: Vec<Expr> = velocities
        .current
        .iter()
        .map(|v| noising.graph.mul(&[p, *v]))
        .collect();
    let opened = noising.divergence(&flux);
    let left = noising.graph.add(&[rate, opened]);
    let right = noising.fokker_planck_residual(p);
    let claim = "the current velocity carries the law";
    let carried = equal(&mut noising.graph, claim, left, right)?;
    // p u is half the divergence of D p.
    let spread = noising.half_flux(p);
    let osmotic: Vec<Expr> = velocities
        .osmotic
        .iter()
        .map(|u| noising.graph.mul(&[p, *u]))
        .collect();
    let claim = "p u = 1/2 div(D p)";
    Ok(carried.and(all_equal(&mut noising.graph, claim, &osmotic, &spread)?))
}

/// `h_t + b . grad h +- 1/2 D : grad grad h`, component by component.
fn mean_derivative(noising: &mut Noising, drift: &[Expr], sign: i64, field: &[Expr]) -> Vec<Expr> {
    field
        .iter()
        .map(|h| {
            let slope = noising.gradient(*h);
            let carried = noising.dot(drift, &slope);
            let curved = noising.half_curvature(*h);
            let graph = &mut noising.graph;
            let sign = graph.integer(sign);
            let curved = graph.mul(&[sign, curved]);
            let rate = graph.derivative(*h, noising.time);
            graph.add(&[rate, carried, curved])
        })
        .collect()
}

/// `nu` if `D = 2 nu I` with constant `nu`.
pub fn viscosity(noising: &mut Noising) -> Option<Expr> {
    let mut moving = noising.state.clone();
    moving.push(noising.time);
    let common = as_multiple_of_identity(&noising.graph, &noising.diffusivity)?;
    if noising.graph.depends_on_any(common, &moving) {
        return None;
    }
    let half = noising.graph.rational(1, 2);
    Some(noising.graph.mul(&[half, common]))
}

/// `Omega = 1/2 |f|^2 + nu div f`.
pub fn potential(noising: &mut Noising, nu: Expr) -> Expr {
    let drift = noising.drift.clone();
    let square = noising.half_square(&drift);
    let graph = &mut noising.graph;
    let opened = graph.mul(&[nu, noising.drift_divergence]);
    graph.add(&[square, opened])
}

/// `f_t + grad Omega`, what the acceleration of a gradient drift is.
pub fn force(noising: &mut Noising, nu: Expr) -> Vec<Expr> {
    let omega = potential(noising, nu);
    let slope = noising.gradient(omega);
    slope
        .iter()
        .zip(&noising.drift)
        .map(|(s, f)| {
            let rate = noising.graph.derivative(*f, noising.time);
            noising.graph.add(&[rate, *s])
        })
        .collect()
}

/// For the process itself `D+ D+ X = force`, by its drift alone; `D- D- X = force` where the law solves
/// Fokker–Planck; for a bridge `D+ D+ X = force` where `phi` solves the backward equation.
///
/// # Errors
/// [`Refuted`] if the force is another one.
pub fn execute_newton(noising: &mut Noising, force: &[Expr]) -> Result<Evidence, Refuted> {
    let drift = noising.drift.clone();
    let ahead = mean_derivative(noising, &drift, 1, &drift);
    let claim = "D+ D+ X = f_t + grad Omega";
    let mut evidence = all_equal(&mut noising.graph, claim, &ahead, force)?;
    // log p instead of p: its rate from Fokker-Planck divided by p.
    let ell = noising.field("ell");
    let p = noising.graph.exp(ell);
    let operator = noising.forward_operator(p);
    let rate = noising.graph.div(operator, p);
    let rate = noising.graph.expand(rate);
    let backward = velocities(noising, &drift, p).backward;
    let behind = mean_derivative(noising, &backward, -1, &backward);
    let solved = with_rate(noising, ell, rate, &behind);
    let claim = "D- D- X = f_t + grad Omega";
    evidence = evidence.and(all_equal(&mut noising.graph, claim, &solved, force)?);
    // The bridge, in terms of ell = log phi.
    let phi = p;
    let steered = forward_drift(noising, phi);
    let bridged = mean_derivative(noising, &steered, 1, &steered);
    let generated = backward_residual(noising, phi);
    let quotient = noising.graph.div(generated, phi);
    let whole = noising.graph.expand(quotient);
    let moving = noising.graph.derivative(ell, noising.time);
    let still = noising.graph.sub(whole, moving);
    let rate = noising.graph.neg(still);
    let solved = with_rate(noising, ell, rate, &bridged);
    let claim = "the bridge has the acceleration of its reference";
    Ok(evidence.and(all_equal(&mut noising.graph, claim, &solved, force)?))
}

/// Replaces the mixed derivatives `d_i ell_t` by those of `rate`.
fn with_rate(noising: &mut Noising, ell: Expr, rate: Expr, field: &[Expr]) -> Vec<Expr> {
    let moving = noising.graph.derivative(ell, noising.time);
    let rate = noising.graph.expand(rate);
    let mut replacements = vec![(moving, rate)];
    for x in noising.state.clone() {
        let left = noising.graph.derivative(moving, x);
        let right = noising.graph.derivative(rate, x);
        replacements.push((left, right));
    }
    field
        .iter()
        .map(|e| noising.graph.substitute(*e, &replacements))
        .collect()
}

/// The velocities.
///
/// # Errors
/// [`Refuted`] if they do not carry the law.
pub fn velocity_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let p = exact.field("p");
    let drift = exact.drift.clone();
    let found = velocities(exact, &drift, p);
    let evidence = execute(exact, &found)?;
    let spread = if exact.is_multiplicative() {
        ("div D + ", "\\nabla \\cdot D + ")
    } else {
        ("", "")
    };
    Ok(Step::new(
        "Nelson's velocities",
        "nelson",
        SOURCE,
        "the current velocity carries the law; p u = 1/2 div(D p)",
        evidence,
    )
    .line(
        format!(
            "b+ = b,   b- = b - {0}D grad log p   (b the drift of the process with law p)",
            if spread.0.is_empty() { "" } else { "div D - " }
        ),
        format!(
            "b_+ = b, \\qquad b_- = b - {0}D \\nabla \\log p",
            if spread.1.is_empty() { "" } else { "\\nabla \\cdot D - " }
        ),
    )
    .line(
        format!(
            "current v = (b+ + b-)/2,   osmotic u = (b+ - b-)/2 = 1/2 ({}D grad log p)",
            spread.0
        ),
        format!(
            "v = \\frac{{1}}{{2}}(b_+ + b_-), \\qquad u = \\frac{{1}}{{2}}(b_+ - b_-) = \\frac{{1}}{{2}} ({}D \\nabla \\log p)",
            spread.1
        ),
    )
    .line("p_t = -div(p v)", "\\partial_t p = -\\nabla \\cdot (p v)")
    .assuming(&[Assumption::PositiveDensity]))
}

/// Newton's law, for gradient drifts with constant isotropic noise; `None` otherwise.
///
/// # Errors
/// [`Refuted`] if the acceleration is another one.
pub fn newton_step(exact: &mut Noising, shown: &mut Noising) -> Result<Option<Step>, Refuted> {
    let (Some(nu), Some(written_nu)) = (viscosity(exact), viscosity(shown)) else {
        return Ok(None);
    };
    let d = exact.dimension();
    for i in 0..d {
        for j in 0..i {
            let graph = &mut exact.graph;
            let across = graph.derivative(exact.drift[i], exact.state[j]);
            let back = graph.derivative(exact.drift[j], exact.state[i]);
            let difference = graph.sub(across, back);
            if !graph.is_provably_zero(difference) {
                return Ok(None);
            }
        }
    }
    let exact_force = force(exact, nu);
    let evidence = execute_newton(exact, &exact_force)?;
    let omega = potential(shown, written_nu);
    let written = force(shown, written_nu);
    let written: Vec<Expr> = written
        .iter()
        .map(|e| notation::tidy(&mut shown.graph, *e))
        .collect();
    let mut step = Step::new(
        "stochastic Newton law",
        "newton",
        SOURCE,
        "mean derivatives of the drifts, with the equations of p and of phi put in",
        evidence,
    )
    .line(
        "D+ D+ X = D- D- X = f_t + grad Omega,   Omega = 1/2 |f|^2 + nu div f,   D = 2 nu I",
        "D_+ D_+ X = D_- D_- X = \\partial_t f + \\nabla \\Omega, \\qquad \\Omega = \\frac{1}{2} |f|^2 + \\nu \\nabla \\cdot f, \\qquad D = 2 \\nu I",
    );
    let omega = notation::scalar(shown, &Formula::new("Omega", "\\Omega"), omega);
    let name = Formula::new("acceleration", "a");
    let line = notation::vector(shown, &name, &written);
    step = step.lines([omega, line]);
    Ok(Some(step.line(
        "a bridge of this process has the same acceleration: it is free motion bent at the ends only",
        "\\text{a bridge has the same acceleration}",
    ).assuming(&[Assumption::ConstantNoise, Assumption::PositiveDensity])))
}
