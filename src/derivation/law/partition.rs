//! Sampling from an unnormalised density, and its normaliser.
//!
//! With `p_0 = rho / Z` and end cost `Phi = -log rho` the value is `V = -log p - log Z`. Along any control,
//! started from `pi`, the log weight of a path is
//!
//! ```text
//! w = log rho(Y_T) - log pi(Y_0) - int (1/2 |u|^2 + q) dtau - int u . dB
//!   = log Z + log (p_T / pi)(Y_0) - 1/2 int |u - u*|^2 dtau - int (u - u*) . dB
//! ```
//!
//! so `E_u exp(w) = Z`, and the means of `w` over the two path measures bracket `log Z`:
//!
//! ```text
//! E_u w = log Z - KL(pi || p_T) - 1/2 E_u int |u - u*|^2        (lower)
//! E_P w = log Z + KL(p_T || pi) + 1/2 E_P int |u - u*|^2        (upper; P noises exact draws)
//! ```
//!
//! # Assumptions
//! A finite normaliser; finite effort and Novikov's condition. The upper bound needs exact draws.
//!
//! # Source
//! Jarzynski (1997); Vargas, Grathwohl & Doucet (2023); Richter & Berner (2024); Blessing et al. (2024).
//!
//! # Executed by
//! The shifted value in the Hamilton–Jacobi–Bellman equation; Itô's rule for `V` plus the cost so far, its
//! martingale part, and the likelihood ratio of one step.

use crate::derivation::control::hamilton_jacobi_bellman as bellman;
use crate::derivation::control::optimal_control::{execute_gap, execute_girsanov, optimal_control};
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::Step;
use crate::expr::Expr;
use crate::expr::arithmetic::log;

const SOURCE: &str = "Jarzynski (1997); Vargas, Grathwohl & Doucet (2023); Richter & Berner (2024)";

/// `V = -log p - log Z` solves the equation wherever `-log p` does: its residual is that of Fokker–Planck
/// over `-p`.
///
/// # Errors
/// [`Refuted`] if `shift` is no constant for the equation.
pub fn execute_shift(noising: &mut Noising, shift: Expr) -> Result<Evidence, Refuted> {
    let p = noising.field("p");
    let fokker_planck = noising.fokker_planck_residual(p);
    let value = noising.of(-(log(p) + shift));
    let residual = bellman::residual(noising, value);
    let claim = "V = -log p - log Z solves the Hamilton-Jacobi-Bellman equation";
    noising.equal(claim, residual, -(fokker_planck / p))
}

/// The step about the target.
///
/// # Errors
/// [`Refuted`] if the value is not shifted by the normaliser.
pub fn target_step(
    exact: &mut Noising,
    shown: &mut Noising,
    log_density: Option<Expr>,
) -> Result<Step, Refuted> {
    let shift = exact.constant("log Z");
    let evidence = execute_shift(exact, shift)?;
    let executes = "-log p - log Z solves the Hamilton-Jacobi-Bellman equation wherever p solves Fokker-Planck";
    let density = log_density.map(|e| notation::of_state(shown, e));
    Ok(Step::new("target as a control problem", "target", SOURCE)
        .executed(executes, evidence)
        .assuming(&[Assumption::PositiveDataDensity, Assumption::Normalisable])
        .line("p_0 = rho/Z,   Phi = -log rho,   V = -log p - log Z")
        .lines(density.map(|value| notation::equality("log rho", &value))))
}

/// The drift and the martingale part of `w` after `V(Y_0)` and `log pi(Y_0)` are taken out.
///
/// # Errors
/// [`Refuted`] if the noise of the log weight is not `-(u - u*) . dB`, given the control `best`.
pub fn execute_weight(noising: &mut Noising, best: &[Expr]) -> Result<Evidence, Refuted> {
    let equation = bellman::equation(noising);
    let gap = execute_gap(noising, equation.residual)?;
    let ratio = execute_girsanov(noising)?;
    let control = noising.constants("u", noising.noises());
    let value = noising.field("V");
    let slope = noising.gradient(value);
    let pulled = noising.through_noise(&slope);
    let graph = &mut noising.graph;
    // -dV - u . dB has the noise -(G' grad V + u) . dB.
    let noise = graph.pairwise(&pulled, &control, |p, u| p + u);
    let missed = graph.pairwise(&control, best, |u, v| u - v);
    let claim = "the log weight has the noise -(u - u*).dB";
    let martingale = all_equal(graph, claim, &noise, &missed)?;
    Ok(gap.and(ratio).and(martingale))
}

/// The step about the normaliser.
///
/// # Errors
/// [`Refuted`] if an identity fails.
pub fn normaliser_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let value = exact.field("V");
    let best = optimal_control(exact, value);
    let evidence = execute_weight(exact, &best)?;
    let executes =
        "Ito's rule for V plus the cost so far, its noise, and the likelihood ratio of one step";
    Ok(Step::new("normaliser: an identity and two bounds", "log-z", SOURCE)
        .executed(executes, evidence)
        .line("w = log rho(Y_T) - log pi(Y_0) - int (1/2 |u|^2 + q) dtau - int u.dB")
        .line("  = log Z + log(p_T/pi)(Y_0) - 1/2 int |u - u*|^2 dtau - int (u - u*).dB")
        .line("E_u exp(w) = Z `for every` u; w = log Z `on every path at` u = u*, pi = p_T")
        .line("lower:  E_u w = log Z - KL(pi || p_T) - 1/2 E_u int |u - u*|^2 dtau <= log Z")
        .line("upper:  E_P w = log Z + KL(p_T || pi) + 1/2 E_P int |u - u*|^2 dtau >= log Z   `(P noises exact draws)`")
        .line("inf_u S[u] = -log Z + KL(pi || p_T)   `(S with the cost` log pi(Y_0) `of the start)`")
        .assuming(&[Assumption::SmoothValue, Assumption::Novikov]))
}
