//! The reverse processes with the same marginals, and their likelihoods.
//!
//! ```text
//! dY = b_h dtau + sqrt(h) G dB,     b_h = -f + 1/2 (1 + h) (div D + D s),     s = grad log p
//! ```
//!
//! `h = 1` is the optimally controlled process, `b + G u* = -f + div D + D s`; `h = 0` is the probability
//! flow. With an approximate score `s^` the log density `ell = log q` of `Y` obeys
//!
//! ```text
//! -ell_t + b_0 . grad ell + div b_0 = h/2 [ div(D (grad ell - s^)) + grad ell . D (grad ell - s^) ]
//! ```
//!
//! (time from data to noise), so along the flow `dY/dtau = b_0`, `h = 0`: `d ell / dtau = -div b_0`.
//!
//! # Assumptions
//! The exact score for equal marginals; `Y` starts from `p_T`.
//!
//! # Source
//! Anderson (1982); Song et al. (2021), eqs. 6, 13 and appendix D; Hirono, Tanaka & Fukushima (2024).
//!
//! # Executed by
//! For every `h`, the Fokker–Planck equation of `Y` at `q = p` is that of `X`; inserting `q = exp(ell)`.

use crate::derivation::control::optimal_control::optimal_control;
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal};
use crate::derivation::ground::matrix;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Step};
use crate::expr::Expr;
use crate::expr::arithmetic::{exp, log};

const SOURCE: &str =
    "Anderson (1982); Song et al. (2021), eqs. 6 and 13; Hirono, Tanaka & Fukushima (2024)";

/// `b_h = -f + 1/2 (1 + h) (div D + D s)`.
pub fn reverse_drift(noising: &mut Noising, noise_level: Expr, score: &[Expr]) -> Vec<Expr> {
    let diffused = noising.diffuse(score);
    let weight = noising.of((1 + noise_level) / 2);
    let minus = noising.graph.integer(-1);
    let (drift, spread) = (
        noising.drift.clone(),
        noising.diffusivity_divergence.clone(),
    );
    noising.combine(&[(minus, &drift), (weight, &spread), (weight, &diffused)])
}

/// `-q_t + div(b_h q) - h/2 div div(D q)`: the law of the reverse process, in noising time.
pub fn residual(noising: &mut Noising, noise_level: Expr, drift: &[Expr], law: Expr) -> Expr {
    let flux = noising.carried(drift, law);
    let carried = noising.divergence(&flux);
    let spread = noising.half_flux(law);
    let spread = noising.divergence(&spread);
    let rate = noising.rate(law);
    noising.of(carried - noise_level * spread - rate)
}

/// The unknown where reverse time starts, and the start law `pi`.
fn start(noising: &mut Noising, unknown: &str) -> (Expr, Expr) {
    let horizon = noising.constant("T");
    (noising.at_time(unknown, horizon), noising.at_end("pi"))
}

/// The law of the reverse process with an unknown score field `s`.
pub fn equation(noising: &mut Noising) -> Equation {
    let noise_level = noising.constant("h");
    let score = noising.vector_field("s");
    let drift = reverse_drift(noising, noise_level, &score);
    let law = noising.field("q");
    let (start, prior) = start(noising, "q");
    let residual = residual(noising, noise_level, &drift, law);
    Equation::new("reverse-fokker-planck", law, residual, SOURCE)
        .closing(noising.of(start - prior))
        .assuming(&[Assumption::SmoothCoefficients, Assumption::DecayAtInfinity])
}

/// With the exact score the residual at `q = p` is minus that of Fokker–Planck, for every `h`; at
/// `h = 1` the drift is the optimally controlled one.
///
/// # Errors
/// [`Refuted`] if a member of the family has other marginals.
pub fn execute(noising: &mut Noising, drift: &[Expr]) -> Result<Evidence, Refuted> {
    let noise_level = noising.constant("h");
    let p = noising.field("p");
    let reverse = residual(noising, noise_level, drift, p);
    let forward = noising.fokker_planck_residual(p);
    let claim = "every h has the marginals of the noising process";
    let marginals = noising.equal(claim, reverse, -forward)?;
    let one = noising.graph.one();
    let at_one: Vec<Expr> = drift
        .iter()
        .map(|b| noising.graph.substitute(*b, &[(noise_level, one)]))
        .collect();
    let value = noising.of(-log(p));
    let control = optimal_control(noising, value);
    let graph = &mut noising.graph;
    let push = matrix::apply(graph, &noising.diffusion, &control);
    let steered = graph.pairwise(&noising.reverse_drift, &push, |b, push| b + push);
    let claim = "h = 1 is the optimally controlled process";
    Ok(marginals.and(all_equal(graph, claim, &at_one, &steered)?))
}

/// The step about the family.
///
/// # Errors
/// [`Refuted`] if a member has other marginals.
pub fn step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let noise_level = exact.constant("h");
    let p = exact.field("p");
    let score = exact.score(p);
    let drift = reverse_drift(exact, noise_level, &score);
    let evidence = execute(exact, &drift)?;
    let noise_level = shown.constant("h");
    let score = shown.vector_field("s");
    let drift = reverse_drift(shown, noise_level, &score);
    let executes = "for every h, Fokker-Planck of Y at q = p is that of X; h = 1 is b + G u*";
    Ok(Step::new("law under u*", "h-transform", SOURCE)
        .executed(executes, evidence)
        .line("dY = (b + G u*) dtau + G dB = (-f + div D + D s) dtau + G dB,   s = grad log p")
        .line("same marginals for every h >= 0:  dY = b_h dtau + sqrt(h) G dB,   b_h = -f + 1/2 (1 + h)(div D + D s)")
        .line(notation::vector(shown, "b_h", &drift))
        .assuming(&[Assumption::PositiveDensity, Assumption::ExactStart])
        .producing(equation(exact)))
}

/// `div(D (grad ell - s)) + grad ell . D (grad ell - s)`.
pub(super) fn mismatch(noising: &mut Noising, slope: &[Expr], score: &[Expr]) -> Expr {
    let missed = noising.graph.pairwise(slope, score, |g, s| g - s);
    let flux = noising.diffuse(&missed);
    let opened = noising.divergence(&flux);
    let along = noising.dot(slope, &flux);
    noising.of(opened + along)
}

/// `-ell_t + b_0 . grad ell + div b_0 - h/2 [div(D (grad ell - s)) + grad ell . D (grad ell - s)]`.
fn likelihood_residual(
    noising: &mut Noising,
    noise_level: Expr,
    score: &[Expr],
    log_density: Expr,
) -> Expr {
    let zero = noising.graph.zero();
    let flow = reverse_drift(noising, zero, score);
    let slope = noising.gradient(log_density);
    let noise = mismatch(noising, &slope, score);
    let carried = noising.dot(&flow, &slope);
    let opened = noising.divergence(&flow);
    let rate = noising.rate(log_density);
    noising.of(-rate + carried + opened - noise_level * noise / 2)
}

/// The equation for the log density of the reverse process.
pub fn likelihood_equation(noising: &mut Noising) -> Equation {
    let noise_level = noising.constant("h");
    let score = noising.vector_field("s");
    let log_density = noising.field("ell");
    let (start, prior) = start(noising, "ell");
    let closing = noising.of(start - log(prior));
    let residual = likelihood_residual(noising, noise_level, &score, log_density);
    Equation::new("log-likelihood", log_density, residual, SOURCE)
        .closing(closing)
        .assuming(&[Assumption::SmoothCoefficients, Assumption::PositiveDensity])
}

/// At `q = exp(ell)` the law's residual is `q` times `residual`; with the exact score `log p` solves it for
/// every `h`.
///
/// # Errors
/// [`Refuted`] if the equation is not that of a log density.
pub fn execute_likelihood(noising: &mut Noising, residual: Expr) -> Result<Evidence, Refuted> {
    let law = equation(noising);
    let ell = noising.field("ell");
    let density = noising.of(exp(ell));
    let inserted = noising
        .graph
        .substitute(law.residual, &[(law.unknown, density)]);
    let claim = "the equation of log q is that of q";
    let general = noising.equal(claim, inserted, density * residual)?;
    let p = noising.field("p");
    let log = noising.graph.log(p);
    let slope = noising.gradient(log);
    let unknown_score = noising.vector_field("s");
    let mut replacements: Vec<(Expr, Expr)> = unknown_score.into_iter().zip(slope).collect();
    replacements.push((ell, log));
    let solved = noising.graph.substitute(residual, &replacements);
    let fokker_planck = noising.fokker_planck_residual(p);
    let claim = "log p solves the equation of log q for every h";
    Ok(general.and(noising.equal(claim, solved, -(fokker_planck / p))?))
}

/// The step about likelihoods.
///
/// # Errors
/// [`Refuted`] if `log p` does not solve the equation.
pub fn likelihood_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let equation = likelihood_equation(exact);
    let evidence = execute_likelihood(exact, equation.residual)?;
    let (score, zero) = (shown.vector_field("s"), shown.graph.zero());
    let flow = reverse_drift(shown, zero, &score);
    let opened = shown.divergence(&flow);
    let short = shown.dimension() <= 3;
    let source = "Song et al. (2021), appendix D; Hirono, Tanaka & Fukushima (2024)";
    let executes = "q = exp(ell) in the law of Y; log p solves the result for every h";
    Ok(Step::new("likelihood along the flow", "probability-flow", source)
        .executed(executes, evidence)
        .line("h = 0:  dY/dtau = b_0 = -f + 1/2 (div D + D s),   d/dtau log q(Y,tau) = -div b_0")
        .line("h > 0, ell = log q:  -ell_t + b_0.grad ell + div b_0 = h/2 [ div(D(grad ell - s)) + grad ell.D(grad ell - s) ]")
        .lines(short.then(|| notation::scalar(shown, "div b_0", opened)))
        .assuming(&[Assumption::PositiveDensity, Assumption::ExactStart])
        .producing(equation))
}
