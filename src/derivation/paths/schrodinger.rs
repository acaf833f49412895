//! The Schrödinger system: two laws joined by the process nearest to a reference.
//!
//! ```text
//! -phi_t = L phi,            phi^_t = L* phi^,          phi^ phi = mu_0 at 0, mu_1 at T
//! p_t = phi phi^,            u* = G' grad log phi,      drift f + D grad log phi
//! reverse time:              drift -f + div D + D grad log phi^
//! KL(P || R) = E log phi(X_T,T) - E log phi(X_0,0) = 1/2 E int |u*|^2 dt
//! ```
//!
//! # Assumptions
//! Positive end laws of finite entropy; positive transition densities.
//!
//! # Source
//! Schrödinger (1931); Fortet (1940); Jamison (1974); Dai Pra (1991); Léonard (2014).
//!
//! # Executed by
//! `phi phi^` solves the Fokker–Planck equation with the drift `f + D grad log phi`; `-log phi` solves the
//! Hamilton–Jacobi–Bellman equation with no running cost; Itô's rule for `log phi`.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Step};
use crate::derivation::law::generator::backward_residual;
use crate::expr::Expr;

const SOURCE: &str = "Schrodinger (1931); Jamison (1974); Dai Pra (1991); Leonard (2014)";

/// `f + D grad log phi`.
pub fn forward_drift(noising: &mut Noising, phi: Expr) -> Vec<Expr> {
    let slope = noising.score(phi);
    let pull = noising.diffuse(&slope);
    let graph = &mut noising.graph;
    graph.pairwise(&noising.drift, &pull, |f, pull| f + pull)
}

/// `-f + div D + D grad log phi^`.
pub fn backward_drift(noising: &mut Noising, dual: Expr) -> Vec<Expr> {
    let slope = noising.score(dual);
    let pull = noising.diffuse(&slope);
    let graph = &mut noising.graph;
    graph.pairwise(&noising.reverse_drift, &pull, |b, pull| b + pull)
}

/// `p_t + div(drift p) - sign 1/2 div div(D p)`: Fokker–Planck with another drift; `sign = -1` in reverse
/// time with `-p_t`.
fn law_residual(noising: &mut Noising, drift: &[Expr], p: Expr, reverse: bool) -> Expr {
    let flux = noising.carried(drift, p);
    let carried = noising.divergence(&flux);
    let spread = noising.half_flux(p);
    let spread = noising.divergence(&spread);
    let rate = noising.rate(p);
    let rate = if reverse { -rate } else { rate };
    noising.of(rate + carried - spread)
}

/// With `R = phi_t + L phi` and `R^ = phi^_t - L* phi^`: the law residual of `phi phi^` under `forward` is
/// `phi R^ + phi^ R`, and under `backward` in reverse time its opposite.
///
/// # Errors
/// [`Refuted`] if a drift belongs to another bridge.
pub fn execute(
    noising: &mut Noising,
    forward: &[Expr],
    backward: &[Expr],
) -> Result<Evidence, Refuted> {
    let (phi, dual) = (noising.field("phi"), noising.field("phi^"));
    let first = backward_residual(noising, phi);
    let second = noising.fokker_planck_residual(dual);
    let p = noising.of(phi * dual);
    let expected = noising.of(phi * second + dual * first);
    let left = law_residual(noising, forward, p, false);
    let claim = "phi phi^ is the law under f + D grad log phi";
    let ahead = noising.equal(claim, left, expected)?;
    let left = law_residual(noising, backward, p, true);
    let claim = "phi phi^ is the law of the reverse process";
    Ok(ahead.and(noising.equal(claim, left, -expected)?))
}

/// `V = -log phi` solves `V_t + L V - 1/2 |G' grad V|^2 = 0`; along the bridge `log phi` grows at the rate
/// `1/2 |u*|^2`: `(d/dt + L + G u* . grad) log phi = 1/2 |u*|^2 + R / phi`.
///
/// # Errors
/// [`Refuted`] if the energy is not the gain of `log phi`.
pub fn execute_energy(noising: &mut Noising, control: &[Expr]) -> Result<Evidence, Refuted> {
    let phi = noising.field("phi");
    let residual = backward_residual(noising, phi);
    let log = noising.graph.log(phi);
    let slope = noising.gradient(log);
    let pulled = noising.through_noise(&slope);
    let carried = noising.dot(&pulled, control);
    let grown = backward_residual(noising, log);
    let effort = noising.half_square(control);
    let rest = noising.of(residual / phi);
    let claim = "log phi grows by the energy spent";
    let gain = noising.equal(claim, grown + carried, effort + rest)?;
    let value = noising.of(-log);
    let slope = noising.gradient(value);
    let pulled = noising.through_noise(&slope);
    let saved = noising.half_square(&pulled);
    let moved = backward_residual(noising, value);
    let claim = "-log phi solves the Hamilton-Jacobi-Bellman equation";
    Ok(gain.and(noising.equal(claim, moved - saved, -rest)?))
}

/// The equation of `phi`.
fn equation(noising: &mut Noising) -> Equation {
    let phi = noising.field("phi");
    let residual = backward_residual(noising, phi);
    let horizon = noising.constant("T");
    let [end, dual] = ["phi", "phi^"].map(|name| noising.at_time(name, horizon));
    let target = noising.at_end("mu_1");
    Equation::new("schroedinger-backward", phi, residual, SOURCE)
        .closing(noising.of(end * dual - target))
        .assuming(&[Assumption::SmoothCoefficients, Assumption::PositiveDensity])
}

/// The system itself.
///
/// # Errors
/// [`Refuted`] if the product of the potentials is no law of a process with the drifts named.
pub fn system_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let evidence = execute_drifts(exact)?;
    let equation = equation(exact);
    let phi = shown.field("phi");
    let residual = backward_residual(shown, phi);
    let dual = shown.field("phi^");
    let forward = shown.fokker_planck_residual(dual);
    let executes =
        "phi phi^ solves Fokker-Planck with the bridge drifts, forward and in reverse time";
    Ok(Step::new("Schroedinger system", "schroedinger-system", SOURCE)
        .executed(executes, evidence)
        .line("-phi_t = L phi,   phi^_t = L* phi^,   p = phi phi^")
        .lines(notation::rate(shown, phi, residual))
        .lines(notation::rate(shown, dual, forward))
        .line("phi(x,0) phi^(x,0) = mu_0,   phi(x,T) phi^(x,T) = mu_1   (mu_0 source, mu_1 target)")
        .line("gauge: phi -> c phi, phi^ -> phi^/c")
        .about(equation))
}

fn execute_drifts(exact: &mut Noising) -> Result<Evidence, Refuted> {
    let (phi, dual) = (exact.field("phi"), exact.field("phi^"));
    let (forward, backward) = (forward_drift(exact, phi), backward_drift(exact, dual));
    execute(exact, &forward, &backward)
}

/// The drifts.
///
/// # Errors
/// [`Refuted`] if they are others.
pub fn drift_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let evidence = execute_drifts(exact)?;
    let spread = if shown.is_multiplicative() {
        " + div D"
    } else {
        ""
    };
    let still = shown.drift.iter().all(|f| shown.graph.is_zero(*f));
    let (plus, minus) = if still { ("", "") } else { ("f + ", "-f + ") };
    Ok(
        Step::new("forward and backward drifts", "bridge-drifts", SOURCE)
            .executed("both processes have the law phi phi^", evidence)
            .line("u* = G' grad log phi   `(optimal control with` V = -log phi, `no running cost)`")
            .line(format!("dX = ({plus}D grad log phi) dt + G dW"))
            .line(format!(
                "tau = T - t:  dY = ({minus}D grad log phi^{spread}) dtau + G dB"
            ))
            .line(notation::matrix(shown, "D", &shown.diffusivity.clone())),
    )
}

/// Static and dynamic problem have one value.
///
/// # Errors
/// [`Refuted`] if the energy is another.
pub fn energy_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let phi = exact.field("phi");
    let slope = exact.score(phi);
    let control = exact.through_noise(&slope);
    let evidence = execute_energy(exact, &control)?;
    let executes = "Ito's rule: log phi grows at the rate 1/2 |u*|^2 along the bridge; -log phi solves the HJB equation";
    Ok(Step::new("static plan and dynamic energy", "static-dynamic", SOURCE)
        .executed(executes, evidence)
        .line("plan:  pi(x,y) = phi^(x,0) k(x,y) phi(y,T),   k `the transition density of the reference over` [0,T]")
        .line("min KL(pi || mu_0 k) = min 1/2 E int |u|^2 dt = E_{mu_1} log phi(.,T) - E_{mu_0} log phi(.,0)")
        .assuming(&[Assumption::PositiveDensity, Assumption::Novikov]))
}
