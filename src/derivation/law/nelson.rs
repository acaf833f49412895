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
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal};
use crate::derivation::ground::matrix::as_multiple_of_identity;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::derivation::law::generator::backward_residual;
use crate::derivation::paths::schrodinger::forward_drift;
use crate::expr::Expr;
use crate::expr::arithmetic::{exp, partial};

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
    let slope = noising.score(p);
    let pull = noising.diffuse(&slope);
    let graph = &mut noising.graph;
    let spread = noising.diffusivity_divergence.iter().zip(&pull);
    let backward = forward.iter().zip(spread);
    let backward = graph.each(backward.map(|(b, (spread, pull))| *b - *spread - *pull));
    Velocities {
        current: graph.pairwise(forward, &backward, |ahead, back| ahead / 2 + back / 2),
        osmotic: graph.pairwise(forward, &backward, |ahead, back| ahead / 2 - back / 2),
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
    let flux = noising.carried(&velocities.current, p);
    let opened = noising.divergence(&flux);
    let left = noising.rate(p) + opened;
    let right = noising.fokker_planck_residual(p);
    let carried = noising.equal("the current velocity carries the law", left, right)?;
    // p u is half the divergence of D p.
    let spread = noising.half_flux(p);
    let osmotic = noising.carried(&velocities.osmotic, p);
    let claim = "p u = 1/2 div(D p)";
    Ok(carried.and(all_equal(&mut noising.graph, claim, &osmotic, &spread)?))
}

/// `h_t + b . grad h +- 1/2 D : grad grad h`, component by component.
fn mean_derivative(noising: &mut Noising, drift: &[Expr], sign: i32, field: &[Expr]) -> Vec<Expr> {
    let mut derivative = |h: Expr| {
        let slope = noising.gradient(h);
        let carried = noising.dot(drift, &slope);
        let curved = noising.half_curvature(h);
        let rate = noising.rate(h);
        noising.of(rate + carried + sign * curved)
    };
    field.iter().map(|h| derivative(*h)).collect()
}

/// `nu` if `D = 2 nu I` with constant `nu`.
pub fn viscosity(noising: &mut Noising) -> Option<Expr> {
    let moving = noising.coordinates();
    let common = as_multiple_of_identity(&noising.graph, &noising.diffusivity)?;
    let constant = !noising.graph.depends_on_any(common, &moving);
    constant.then(|| noising.of(common / 2))
}

/// `Omega = 1/2 |f|^2 + nu div f`.
pub fn potential(noising: &mut Noising, nu: Expr) -> Expr {
    let square = noising.half_square(&noising.drift.clone());
    noising.of(square + nu * noising.drift_divergence)
}

/// `f_t + grad Omega`, what the acceleration of a gradient drift is.
pub fn force(noising: &mut Noising, nu: Expr) -> Vec<Expr> {
    let omega = potential(noising, nu);
    let slope = noising.gradient(omega);
    let time = noising.time;
    let graph = &mut noising.graph;
    graph.pairwise(&noising.drift, &slope, |f, s| partial(f, time) + s)
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
    let p = noising.of(exp(ell));
    let operator = noising.forward_operator(p);
    let rate = noising.of(operator / p);
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
    let quotient = noising.of(generated / phi);
    let whole = noising.graph.expand(quotient);
    let moving = noising.rate(ell);
    let rate = noising.of(moving - whole);
    let solved = with_rate(noising, ell, rate, &bridged);
    let claim = "the bridge has the acceleration of its reference";
    Ok(evidence.and(all_equal(&mut noising.graph, claim, &solved, force)?))
}

/// Replaces the mixed derivatives `d_i ell_t` by those of `rate`.
fn with_rate(noising: &mut Noising, ell: Expr, rate: Expr, field: &[Expr]) -> Vec<Expr> {
    let graph = &mut noising.graph;
    let moving = graph.derivative(ell, noising.time);
    let rate = graph.expand(rate);
    let mut replacements = vec![(moving, rate)];
    for x in &noising.state {
        replacements.push((graph.derivative(moving, *x), graph.derivative(rate, *x)));
    }
    let replaced = field.iter().map(|e| graph.substitute(*e, &replacements));
    replaced.collect()
}

/// The velocities.
///
/// # Errors
/// [`Refuted`] if they do not carry the law.
pub fn velocity_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let p = exact.field("p");
    let found = velocities(exact, &exact.drift.clone(), p);
    let evidence = execute(exact, &found)?;
    let (minus, plus) = if exact.is_multiplicative() {
        ("div D - ", "div D + ")
    } else {
        ("", "")
    };
    let backward = "b+ = b,   b- = b - {}D grad log p   `(b the drift of the process with law p)`";
    let osmotic = "`current` v = (b+ + b-)/2,   `osmotic` u = (b+ - b-)/2 = 1/2 ({}D grad log p)";
    let executes = "the current velocity carries the law; p u = 1/2 div(D p)";
    Ok(Step::new("Nelson's velocities", "nelson", SOURCE)
        .executed(executes, evidence)
        .line(Formula::of(backward, &[&minus.into()]))
        .line(Formula::of(osmotic, &[&plus.into()]))
        .line("p_t = -div(p v)")
        .assuming(&[Assumption::PositiveDensity]))
}

/// Whether the Jacobian of the drift is symmetric, provably.
fn is_gradient(noising: &mut Noising) -> bool {
    let (f, x) = (&noising.drift, &noising.state);
    (0..f.len()).all(|i| {
        (0..i).all(|j| {
            let difference = partial(f[i], x[j]) - partial(f[j], x[i]);
            let difference = noising.graph.of(difference);
            noising.graph.is_provably_zero(difference)
        })
    })
}

/// Newton's law, for gradient drifts with constant isotropic noise; `None` otherwise.
///
/// # Errors
/// [`Refuted`] if the acceleration is another one.
pub fn newton_step(exact: &mut Noising, shown: &mut Noising) -> Result<Option<Step>, Refuted> {
    let (Some(nu), Some(written_nu)) = (viscosity(exact), viscosity(shown)) else {
        return Ok(None);
    };
    if !is_gradient(exact) {
        return Ok(None);
    }
    let exact_force = force(exact, nu);
    let evidence = execute_newton(exact, &exact_force)?;
    let omega = potential(shown, written_nu);
    let written = force(shown, written_nu);
    let written: Vec<Expr> = written
        .iter()
        .map(|e| notation::tidy(&mut shown.graph, *e))
        .collect();
    let executes = "mean derivatives of the drifts, with the equations of p and of phi put in";
    Ok(Some(
        Step::new("stochastic Newton law", "newton", SOURCE)
            .executed(executes, evidence)
            .line("D+ D+ X = D- D- X = f_t + grad Omega,   Omega = 1/2 |f|^2 + nu div f,   D = 2 nu I")
            .line(notation::scalar(shown, "Omega", omega))
            .line(notation::vector(shown, "acceleration", &written))
            .line("`a bridge of this process has the same acceleration: it is free motion bent at the ends only`")
            .assuming(&[Assumption::ConstantNoise, Assumption::PositiveDensity]),
    ))
}
