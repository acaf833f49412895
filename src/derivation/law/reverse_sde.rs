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
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal, equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::expr::Expr;

const SOURCE: &str =
    "Anderson (1982); Song et al. (2021), eqs. 6 and 13; Hirono, Tanaka & Fukushima (2024)";

/// `b_h = -f + 1/2 (1 + h) (div D + D s)`.
pub fn reverse_drift(noising: &mut Noising, noise_level: Expr, score: &[Expr]) -> Vec<Expr> {
    let diffused = noising.diffuse(score);
    let graph = &mut noising.graph;
    let (one, minus, half) = (graph.one(), graph.integer(-1), graph.rational(1, 2));
    let sum = graph.add(&[one, noise_level]);
    let weight = graph.mul(&[half, sum]);
    let (drift, spread) = (
        noising.drift.clone(),
        noising.diffusivity_divergence.clone(),
    );
    noising.combine(&[(minus, &drift), (weight, &spread), (weight, &diffused)])
}

/// `-q_t + div(b_h q) - h/2 div div(D q)`: the law of the reverse process, in noising time.
pub fn residual(noising: &mut Noising, noise_level: Expr, drift: &[Expr], law: Expr) -> Expr {
    let flux: Vec<Expr> = drift
        .iter()
        .map(|b| noising.graph.mul(&[*b, law]))
        .collect();
    let carried = noising.divergence(&flux);
    let spread = noising.half_flux(law);
    let spread = noising.divergence(&spread);
    let rate = noising.graph.derivative(law, noising.time);
    let graph = &mut noising.graph;
    let spread = graph.mul(&[noise_level, spread]);
    let right = graph.sub(carried, spread);
    graph.sub(right, rate)
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
    Equation {
        id: "reverse-fokker-planck",
        unknown: law,
        residual: residual(noising, noise_level, &drift, law),
        closes_with: vec![noising.graph.sub(start, prior)],
        assumes: vec![Assumption::SmoothCoefficients, Assumption::DecayAtInfinity],
        source: SOURCE,
    }
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
    let expected = noising.graph.neg(forward);
    let claim = "every h has the marginals of the noising process";
    let marginals = equal(&mut noising.graph, claim, reverse, expected)?;
    let one = noising.graph.one();
    let at_one: Vec<Expr> = drift
        .iter()
        .map(|b| noising.graph.substitute(*b, &[(noise_level, one)]))
        .collect();
    let log = noising.graph.log(p);
    let value = noising.graph.neg(log);
    let control = optimal_control(noising, value);
    let mut steered = Vec::new();
    for (row, b) in noising
        .diffusion
        .clone()
        .iter()
        .zip(noising.reverse_drift.clone())
    {
        let push = noising.dot(row, &control);
        steered.push(noising.graph.add(&[b, push]));
    }
    let claim = "h = 1 is the optimally controlled process";
    let optimal = all_equal(&mut noising.graph, claim, &at_one, &steered)?;
    Ok(marginals.and(optimal))
}

/// The step about the family.
///
/// # Errors
/// [`Refuted`] if a member has other marginals.
pub fn step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let noise_level = exact.constant("h");
    let p = exact.field("p");
    let log = exact.graph.log(p);
    let score = exact.gradient(log);
    let drift = reverse_drift(exact, noise_level, &score);
    let evidence = execute(exact, &drift)?;
    let mut statement = vec![
        Formula::new(
            "dY = (b + G u*) dtau + G dB = (-f + div D + D s) dtau + G dB,   s = grad log p",
            "dY = (b + G u^*) \\, d\\tau + G \\, dB = (-f + \\nabla \\cdot D + D s) \\, d\\tau + G \\, dB, \\qquad s = \\nabla \\log p",
        ),
        Formula::new(
            "same marginals for every h >= 0:  dY = b_h dtau + sqrt(h) G dB,   b_h = -f + 1/2 (1 + h)(div D + D s)",
            "dY = b_h \\, d\\tau + \\sqrt{h} \\, G \\, dB, \\qquad b_h = -f + \\frac{1}{2} (1 + h) (\\nabla \\cdot D + D s)",
        ),
    ];
    let noise_level = shown.constant("h");
    let score = shown.vector_field("s");
    let drift = reverse_drift(shown, noise_level, &score);
    let name = Formula::new("b_h", "b_h");
    statement.push(notation::vector(shown, &name, &drift));
    Ok(Step {
        number: 0,
        name: "law under u*",
        rule: "h-transform",
        executes: "for every h, Fokker-Planck of Y at q = p is that of X; h = 1 is b + G u*",
        statement,
        assumptions: vec![Assumption::PositiveDensity, Assumption::ExactStart],
        source: SOURCE,
        equation: Some(equation(exact)),
        evidence,
    })
}

/// `-ell_t + b_0 . grad ell + div b_0 - h/2 [div(D (grad ell - s)) + grad ell . D (grad ell - s)]`.
pub fn likelihood_residual(
    noising: &mut Noising,
    noise_level: Expr,
    score: &[Expr],
    log_density: Expr,
) -> Expr {
    let zero = noising.graph.zero();
    let flow = reverse_drift(noising, zero, score);
    let slope = noising.gradient(log_density);
    let missed: Vec<Expr> = slope
        .iter()
        .zip(score)
        .map(|(g, s)| noising.graph.sub(*g, *s))
        .collect();
    let diffused = noising.diffuse(&missed);
    let spread = noising.divergence(&diffused);
    let bent = noising.dot(&slope, &diffused);
    let carried = noising.dot(&flow, &slope);
    let opened = noising.divergence(&flow);
    let rate = noising.graph.derivative(log_density, noising.time);
    let graph = &mut noising.graph;
    let half = graph.rational(-1, 2);
    let noise = graph.add(&[spread, bent]);
    let noise = graph.mul(&[half, noise_level, noise]);
    let rate = graph.neg(rate);
    graph.add(&[rate, carried, opened, noise])
}

/// The equation for the log density of the reverse process.
pub fn likelihood_equation(noising: &mut Noising) -> Equation {
    let noise_level = noising.constant("h");
    let score = noising.vector_field("s");
    let log_density = noising.field("ell");
    let (start, prior) = start(noising, "ell");
    let log_prior = noising.graph.log(prior);
    Equation {
        id: "log-likelihood",
        unknown: log_density,
        residual: likelihood_residual(noising, noise_level, &score, log_density),
        closes_with: vec![noising.graph.sub(start, log_prior)],
        assumes: vec![Assumption::SmoothCoefficients, Assumption::PositiveDensity],
        source: SOURCE,
    }
}

/// At `q = exp(ell)` the law's residual is `q` times `residual`; with the exact score `log p` solves it for
/// every `h`.
///
/// # Errors
/// [`Refuted`] if the equation is not that of a log density.
pub fn execute_likelihood(noising: &mut Noising, residual: Expr) -> Result<Evidence, Refuted> {
    let law = equation(noising);
    let ell = noising.field("ell");
    let density = noising.graph.exp(ell);
    let inserted = noising
        .graph
        .substitute(law.residual, &[(law.unknown, density)]);
    let scaled = noising.graph.mul(&[density, residual]);
    let claim = "the equation of log q is that of q";
    let general = equal(&mut noising.graph, claim, inserted, scaled)?;
    let p = noising.field("p");
    let log = noising.graph.log(p);
    let slope = noising.gradient(log);
    let unknown_score = noising.vector_field("s");
    let mut replacements: Vec<(Expr, Expr)> = unknown_score.into_iter().zip(slope).collect();
    replacements.push((ell, log));
    let solved = noising.graph.substitute(residual, &replacements);
    let fokker_planck = noising.fokker_planck_residual(p);
    let quotient = noising.graph.div(fokker_planck, p);
    let expected = noising.graph.neg(quotient);
    let claim = "log p solves the equation of log q for every h";
    let exact = equal(&mut noising.graph, claim, solved, expected)?;
    Ok(general.and(exact))
}

/// The step about likelihoods.
///
/// # Errors
/// [`Refuted`] if `log p` does not solve the equation.
pub fn likelihood_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let equation = likelihood_equation(exact);
    let evidence = execute_likelihood(exact, equation.residual)?;
    let mut statement = vec![
        Formula::new(
            "h = 0:  dY/dtau = b_0 = -f + 1/2 (div D + D s),   d/dtau log q(Y,tau) = -div b_0",
            "\\dot{Y} = b_0 = -f + \\frac{1}{2} (\\nabla \\cdot D + D s), \\qquad \\frac{d}{d\\tau} \\log q(Y,\\tau) = -\\nabla \\cdot b_0",
        ),
        Formula::new(
            "h > 0, ell = log q:  -ell_t + b_0.grad ell + div b_0 = h/2 [ div(D(grad ell - s)) + grad ell.D(grad ell - s) ]",
            "-\\partial_t \\ell + b_0 \\cdot \\nabla \\ell + \\nabla \\cdot b_0 = \\frac{h}{2} \\left[ \\nabla \\cdot (D(\\nabla \\ell - s)) + \\nabla \\ell \\cdot D(\\nabla \\ell - s) \\right]",
        ),
    ];
    let (score, zero) = (shown.vector_field("s"), shown.graph.zero());
    let flow = reverse_drift(shown, zero, &score);
    let opened = shown.divergence(&flow);
    if shown.dimension() <= 3 {
        let name = Formula::new("div b_0", "\\nabla \\cdot b_0");
        statement.push(notation::scalar(shown, &name, opened));
    }
    Ok(Step {
        number: 0,
        name: "likelihood along the flow",
        rule: "probability-flow",
        executes: "q = exp(ell) in the law of Y; log p solves the result for every h",
        statement,
        assumptions: vec![Assumption::PositiveDensity, Assumption::ExactStart],
        source: "Song et al. (2021), appendix D; Hirono, Tanaka & Fukushima (2024)",
        equation: Some(equation),
        evidence,
    })
}
