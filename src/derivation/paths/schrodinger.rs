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
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::expr::Expr;

const SOURCE: &str = "Schrodinger (1931); Jamison (1974); Dai Pra (1991); Leonard (2014)";

/// `f + D grad log phi`.
pub fn forward_drift(noising: &mut Noising, phi: Expr) -> Vec<Expr> {
    let log = noising.graph.log(phi);
    let slope = noising.gradient(log);
    let pull = noising.diffuse(&slope);
    let one = noising.graph.one();
    let drift = noising.drift.clone();
    noising.combine(&[(one, &drift), (one, &pull)])
}

/// `-f + div D + D grad log phi^`.
pub fn backward_drift(noising: &mut Noising, dual: Expr) -> Vec<Expr> {
    let log = noising.graph.log(dual);
    let slope = noising.gradient(log);
    let pull = noising.diffuse(&slope);
    let (one, minus) = (noising.graph.one(), noising.graph.integer(-1));
    let (drift, spread) = (
        noising.drift.clone(),
        noising.diffusivity_divergence.clone(),
    );
    noising.combine(&[(minus, &drift), (one, &spread), (one, &pull)])
}

/// `phi_t + L phi`.
pub fn backward_residual(noising: &mut Noising, phi: Expr) -> Expr {
    let drift = noising.drift.clone();
    let generated = noising.generator(&drift, phi);
    let rate = noising.graph.derivative(phi, noising.time);
    noising.graph.add(&[rate, generated])
}

/// `p_t + div(drift p) - sign 1/2 div div(D p)`: Fokker–Planck with another drift; `sign = -1` in reverse
/// time with `-p_t`.
fn law_residual(noising: &mut Noising, drift: &[Expr], p: Expr, reverse: bool) -> Expr {
    let flux: Vec<Expr> = drift.iter().map(|b| noising.graph.mul(&[*b, p])).collect();
    let carried = noising.divergence(&flux);
    let spread = noising.half_flux(p);
    let spread = noising.divergence(&spread);
    let graph = &mut noising.graph;
    let rate = graph.derivative(p, noising.time);
    let rate = if reverse { graph.neg(rate) } else { rate };
    let spread = graph.neg(spread);
    graph.add(&[rate, carried, spread])
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
    let graph = &mut noising.graph;
    let p = graph.mul(&[phi, dual]);
    let (a, b) = (graph.mul(&[phi, second]), graph.mul(&[dual, first]));
    let expected = graph.add(&[a, b]);
    let left = law_residual(noising, forward, p, false);
    let claim = "phi phi^ is the law under f + D grad log phi";
    let ahead = equal(&mut noising.graph, claim, left, expected)?;
    let left = law_residual(noising, backward, p, true);
    let expected = noising.graph.neg(expected);
    let claim = "phi phi^ is the law of the reverse process";
    Ok(ahead.and(equal(&mut noising.graph, claim, left, expected)?))
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
    let drift = noising.drift.clone();
    let generated = noising.generator(&drift, log);
    let rate = noising.graph.derivative(log, noising.time);
    let left = noising.graph.add(&[rate, generated, carried]);
    let effort = noising.half_square(control);
    let graph = &mut noising.graph;
    let rest = graph.div(residual, phi);
    let right = graph.add(&[effort, rest]);
    let claim = "log phi grows by the energy spent";
    let gain = equal(graph, claim, left, right)?;
    let value = graph.neg(log);
    let rate = graph.derivative(value, noising.time);
    let slope = noising.gradient(value);
    let pulled = noising.through_noise(&slope);
    let saved = noising.half_square(&pulled);
    let generated = noising.generator(&drift, value);
    let graph = &mut noising.graph;
    let saved = graph.neg(saved);
    let left = graph.add(&[rate, generated, saved]);
    let right = graph.neg(rest);
    let claim = "-log phi solves the Hamilton-Jacobi-Bellman equation";
    Ok(gain.and(equal(graph, claim, left, right)?))
}

/// The equation of `phi`.
fn equation(noising: &mut Noising) -> Equation {
    let phi = noising.field("phi");
    let residual = backward_residual(noising, phi);
    let horizon = noising.constant("T");
    let (end, dual) = (
        noising.at_time("phi", horizon),
        noising.at_time("phi^", horizon),
    );
    let target = noising.at_end("mu_1");
    let graph = &mut noising.graph;
    let product = graph.mul(&[end, dual]);
    Equation {
        id: "schroedinger-backward",
        unknown: phi,
        residual,
        closes_with: vec![graph.sub(product, target)],
        assumes: vec![Assumption::SmoothCoefficients, Assumption::PositiveDensity],
        source: SOURCE,
    }
}

/// The system itself.
///
/// # Errors
/// [`Refuted`] if the product of the potentials is no law of a process with the drifts named.
pub fn system_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let (phi, dual) = (exact.field("phi"), exact.field("phi^"));
    let (forward, backward) = (forward_drift(exact, phi), backward_drift(exact, dual));
    let evidence = execute(exact, &forward, &backward)?;
    let equation = equation(exact);
    let phi = shown.field("phi");
    let residual = backward_residual(shown, phi);
    let dual = shown.field("phi^");
    let forward = shown.fokker_planck_residual(dual);
    let mut step = Step::new(
        "Schroedinger system",
        "schroedinger-system",
        SOURCE,
        "phi phi^ solves Fokker-Planck with the bridge drifts, forward and in reverse time",
        evidence,
    )
    .line(
        "-phi_t = L phi,   phi^_t = L* phi^,   p = phi phi^",
        "-\\partial_t \\phi = L \\phi, \\qquad \\partial_t \\hat{\\phi} = L^* \\hat{\\phi}, \\qquad p = \\phi \\hat{\\phi}",
    );
    step.statement.extend(notation::rate(shown, phi, residual));
    step.statement.extend(notation::rate(shown, dual, forward));
    Ok(step
        .line(
            "phi(x,0) phi^(x,0) = mu_0,   phi(x,T) phi^(x,T) = mu_1   (mu_0 source, mu_1 target)",
            "\\phi(x,0) \\hat{\\phi}(x,0) = \\mu_0, \\qquad \\phi(x,T) \\hat{\\phi}(x,T) = \\mu_1",
        )
        .line(
            "gauge: phi -> c phi, phi^ -> phi^/c",
            "\\phi \\to c \\phi, \\quad \\hat{\\phi} \\to \\hat{\\phi}/c",
        )
        .about(equation))
}

/// The drifts.
///
/// # Errors
/// [`Refuted`] if they are others.
pub fn drift_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let (phi, dual) = (exact.field("phi"), exact.field("phi^"));
    let (forward, backward) = (forward_drift(exact, phi), backward_drift(exact, dual));
    let evidence = execute(exact, &forward, &backward)?;
    let spread = if shown.is_multiplicative() {
        (" + div D", " + \\nabla \\cdot D")
    } else {
        ("", "")
    };
    let still = shown.drift.iter().all(|f| shown.graph.is_zero(*f));
    let (plus, minus) = if still {
        (("", ""), ("", ""))
    } else {
        (("f + ", "f + "), ("-f + ", "-f + "))
    };
    Ok(Step::new(
        "forward and backward drifts",
        "bridge-drifts",
        SOURCE,
        "both processes have the law phi phi^",
        evidence,
    )
    .line(
        "u* = G' grad log phi   (optimal control with V = -log phi, no running cost)",
        "u^* = G^\\top \\nabla \\log \\phi",
    )
    .line(
        format!("dX = ({}D grad log phi) dt + G dW", plus.0),
        format!("dX = ({}D \\nabla \\log \\phi) \\, dt + G \\, dW", plus.1),
    )
    .line(
        format!(
            "tau = T - t:  dY = ({}D grad log phi^{}) dtau + G dB",
            minus.0, spread.0
        ),
        format!(
            "\\tau = T - t: \\quad dY = ({}D \\nabla \\log \\hat{{\\phi}}{}) \\, d\\tau + G \\, dB",
            minus.1, spread.1
        ),
    )
    .lines({
        let diffusivity = shown.diffusivity.clone();
        [notation::matrix(
            shown,
            &Formula::new("D", "D"),
            &diffusivity,
        )]
    }))
}

/// Static and dynamic problem have one value.
///
/// # Errors
/// [`Refuted`] if the energy is another.
pub fn energy_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let phi = exact.field("phi");
    let log = exact.graph.log(phi);
    let slope = exact.gradient(log);
    let control = exact.through_noise(&slope);
    let evidence = execute_energy(exact, &control)?;
    Ok(Step::new(
        "static plan and dynamic energy",
        "static-dynamic",
        SOURCE,
        "Ito's rule: log phi grows at the rate 1/2 |u*|^2 along the bridge; -log phi solves the HJB equation",
        evidence,
    )
    .line(
        "plan:  pi(x,y) = phi^(x,0) k(x,y) phi(y,T),   k the transition density of the reference over [0,T]",
        "\\pi(x,y) = \\hat{\\phi}(x,0) \\, k(x,y) \\, \\phi(y,T)",
    )
    .line(
        "min KL(pi || mu_0 k) = min 1/2 E int |u|^2 dt = E_{mu_1} log phi(.,T) - E_{mu_0} log phi(.,0)",
        "\\min \\mathrm{KL}(\\pi \\| \\mu_0 k) = \\min \\frac{1}{2} \\mathbb{E} \\int |u|^2 \\, dt = \\mathbb{E}_{\\mu_1} \\log \\phi(\\cdot,T) - \\mathbb{E}_{\\mu_0} \\log \\phi(\\cdot,0)",
    )
    .assuming(&[Assumption::PositiveDensity, Assumption::Novikov]))
}
