//! What score matching minimises, and how its forms differ by constants.
//!
//! At one time, with `s = grad log p`, `I = E |s|^2` and expectations over `p_t`:
//!
//! ```text
//! explicit    ESM = 1/2 E |s^ - s|^2
//! implicit    ISM = E[ 1/2 |s^|^2 + div s^ ]                          = ESM - 1/2 I
//! denoising   DSM = 1/2 E |s^(X_t) - grad log p(X_t | X_0)|^2         = ESM + 1/2 (d / sigma_t^2 - I)
//! path        KL(P || P^) = KL(p_T || pi) + 1/2 int E (s^ - s).D (s^ - s) dt
//! ```
//!
//! so the weight `D` (`g^2` for `D = g^2 I`) makes the loss the divergence between path laws.
//!
//! # Assumptions
//! Decay at infinity; finite Fisher information; a Gaussian transition for the denoising form.
//!
//! # Source
//! Hyvärinen (2005), theorem 1; Vincent (2011); Song, Durkan, Murray & Ermon (2021), theorem 1.
//!
//! # Executed by
//! Each difference of integrands is a constant plus the divergence of an explicit vector.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::derivation::law::gaussian_kernel::{self, TransitionKernel};
use crate::expr::Expr;

/// `1/2 |G' s^ - G' s|^2 = 1/2 (s^ - s) . D (s^ - s)`: the rate of Girsanov's divergence.
///
/// # Errors
/// [`Refuted`] if the weight is not `D`.
pub fn execute_path_divergence(noising: &mut Noising) -> Result<Evidence, Refuted> {
    let (estimate, score) = (noising.vector_field("s^"), noising.vector_field("s"));
    let missed: Vec<Expr> = estimate
        .iter()
        .zip(&score)
        .map(|(a, b)| noising.graph.sub(*a, *b))
        .collect();
    let (near, far) = (
        noising.through_noise(&estimate),
        noising.through_noise(&score),
    );
    let controls: Vec<Expr> = near
        .iter()
        .zip(&far)
        .map(|(a, b)| noising.graph.sub(*a, *b))
        .collect();
    let left = noising.half_square(&controls);
    let diffused = noising.diffuse(&missed);
    let square = noising.dot(&missed, &diffused);
    let half = noising.graph.rational(1, 2);
    let right = noising.graph.mul(&[half, square]);
    let claim = "the divergence of path laws weights the score error by D";
    equal(&mut noising.graph, claim, left, right)
}

/// The step about the divergence of path laws.
///
/// # Errors
/// [`Refuted`] if the weight is not `D`.
pub fn path_step(exact: &mut Noising) -> Result<Step, Refuted> {
    Ok(Step {
        number: 0,
        name: "divergence of path laws",
        rule: "girsanov",
        executes: "controls G's^ and G's differ by 1/2 (s^ - s).D (s^ - s)",
        statement: vec![
            Formula::new(
                "KL(P || P^) = KL(p_T || pi) + 1/2 int_0^T E (s^ - s).D (s^ - s) dt",
                "\\mathrm{KL}(P \\| \\hat{P}) = \\mathrm{KL}(p_T \\| \\pi) + \\frac{1}{2} \\int_0^T \\mathbb{E} (\\hat{s} - s)^\\top D (\\hat{s} - s) \\, dt",
            ),
            Formula::new(
                "P noising paths, P^ reverse paths steered by the estimate s^;   KL(p_0 || law of Y_T) is at most this",
                "\\mathrm{KL}(p_0 \\| \\hat{p}_0) \\le \\mathrm{KL}(P \\| \\hat{P})",
            ),
        ],
        assumptions: vec![Assumption::Novikov, Assumption::PositiveDensity],
        source: "Song, Durkan, Murray & Ermon, Maximum likelihood training of score-based diffusion models (2021), theorem 1",
        equation: None,
        evidence: execute_path_divergence(exact)?,
    })
}

/// `p (1/2 s^.W s^ + div(W s^)) - p (1/2 (s^ - s).W (s^ - s) - 1/2 s.W s) = div(p W s^)` for `W = D` or
/// `W = I`.
///
/// # Errors
/// [`Refuted`] if the constant is another one.
pub fn execute_implicit(noising: &mut Noising, weighted: bool) -> Result<Evidence, Refuted> {
    let p = noising.field("p");
    let log = noising.graph.log(p);
    let score = noising.gradient(log);
    let estimate = noising.vector_field("s^");
    let weigh = |noising: &mut Noising, vector: &[Expr]| {
        if weighted {
            noising.diffuse(vector)
        } else {
            vector.to_vec()
        }
    };
    let missed: Vec<Expr> = estimate
        .iter()
        .zip(&score)
        .map(|(a, b)| noising.graph.sub(*a, *b))
        .collect();
    let heavy = weigh(noising, &estimate);
    let heavy_missed = weigh(noising, &missed);
    let heavy_score = weigh(noising, &score);
    let size = noising.dot(&estimate, &heavy);
    let opened = noising.divergence(&heavy);
    let error = noising.dot(&missed, &heavy_missed);
    let fisher = noising.dot(&score, &heavy_score);
    let graph = &mut noising.graph;
    let (half, minus_half) = (graph.rational(1, 2), graph.rational(-1, 2));
    let size = graph.mul(&[half, size, p]);
    let opened = graph.mul(&[opened, p]);
    let error = graph.mul(&[minus_half, error, p]);
    let fisher = graph.mul(&[half, fisher, p]);
    let left = graph.add(&[size, opened, error, fisher]);
    let flux: Vec<Expr> = heavy.iter().map(|h| graph.mul(&[p, *h])).collect();
    let right = noising.divergence(&flux);
    let claim = "implicit and explicit score matching differ by half the Fisher information";
    equal(&mut noising.graph, claim, left, right)
}

/// The step about the implicit form.
///
/// # Errors
/// [`Refuted`] if the constant is another one.
pub fn implicit_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let evidence = execute_implicit(exact, false)?.and(execute_implicit(exact, true)?);
    Ok(Step {
        number: 0,
        name: "implicit score matching",
        rule: "integrate by parts",
        executes: "the difference of integrands is div(p s^), and div(p D s^) for the weight D",
        statement: vec![
            Formula::new(
                "ESM = 1/2 E |s^ - s|^2,   ISM = E[ 1/2 |s^|^2 + div s^ ] = ESM - 1/2 E |s|^2",
                "\\mathrm{ESM} = \\frac{1}{2} \\mathbb{E} |\\hat{s} - s|^2, \\qquad \\mathrm{ISM} = \\mathbb{E}\\left[ \\frac{1}{2} |\\hat{s}|^2 + \\nabla \\cdot \\hat{s} \\right] = \\mathrm{ESM} - \\frac{1}{2} \\mathbb{E} |s|^2",
            ),
            Formula::new(
                "weight D (the divergence of path laws):  E[ 1/2 s^.D s^ + div(D s^) ] = 1/2 E (s^ - s).D (s^ - s) - 1/2 E s.D s",
                "\\mathbb{E}\\left[ \\frac{1}{2} \\hat{s}^\\top D \\hat{s} + \\nabla \\cdot (D \\hat{s}) \\right] = \\frac{1}{2} \\mathbb{E} (\\hat{s} - s)^\\top D (\\hat{s} - s) - \\frac{1}{2} \\mathbb{E} s^\\top D s",
            ),
        ],
        assumptions: vec![
            Assumption::DecayAtInfinity,
            Assumption::PositiveDensity,
            Assumption::FiniteFisherInformation,
        ],
        source: "Hyvarinen (2005), theorem 1",
        equation: None,
        evidence,
    })
}

/// For the kernel `k(x|y) ~ exp(-|x - alpha y|^2 / (2 sigma^2))`,
/// `k 1/2 |s^ - grad log k|^2 - (1/2 |s^|^2 k - s^ . grad k) - k d / (2 sigma^2) = div(1/2 grad k)`, and the
/// same bracket with `p` for `k` is `p (1/2 |s^ - s|^2 - 1/2 |s|^2)`.
///
/// # Errors
/// [`Refuted`] if the constants are others.
pub fn execute_denoising(noising: &mut Noising) -> Result<Evidence, Refuted> {
    let d = noising.dimension();
    let estimate = noising.vector_field("s^");
    let start = noising.constants("y", d);
    let (factor, deviation) = (noising.constant("alpha_t"), noising.constant("sigma_t"));
    let graph = &mut noising.graph;
    let variance = graph.powi(deviation, 2);
    let mut distance = Vec::new();
    for (x, y) in noising.state.iter().zip(&start) {
        let mean = graph.mul(&[factor, *y]);
        distance.push(graph.sub(*x, mean));
    }
    let square = noising.half_square(&distance);
    let graph = &mut noising.graph;
    let exponent = graph.div(square, variance);
    let exponent = graph.neg(exponent);
    let kernel = graph.exp(exponent);
    // The target as it is trained on: -(x - alpha y) / sigma^2.
    let target: Vec<Expr> = distance
        .iter()
        .map(|z| {
            let scaled = graph.div(*z, variance);
            graph.neg(scaled)
        })
        .collect();
    let missed: Vec<Expr> = estimate
        .iter()
        .zip(&target)
        .map(|(a, b)| graph.sub(*a, *b))
        .collect();
    let loss = noising.half_square(&missed);
    let slope = noising.gradient(kernel);
    let common = explicit_part(noising, &estimate, kernel, &slope);
    let graph = &mut noising.graph;
    let count = i64::try_from(d).expect("a dimension fits in 64 bits");
    let half = graph.rational(count, 2);
    let constant = graph.div(half, variance);
    let constant = graph.mul(&[constant, kernel]);
    let loss = graph.mul(&[loss, kernel]);
    let rest = graph.add(&[common, constant]);
    let left = graph.sub(loss, rest);
    let half = graph.rational(1, 2);
    let flux: Vec<Expr> = slope.iter().map(|g| graph.mul(&[half, *g])).collect();
    let right = noising.divergence(&flux);
    let claim = "the denoising loss is the common part plus d / (2 sigma^2)";
    let denoising = equal(&mut noising.graph, claim, left, right)?;

    let p = noising.field("p");
    let slope = noising.gradient(p);
    let common = explicit_part(noising, &estimate, p, &slope);
    let log = noising.graph.log(p);
    let score = noising.gradient(log);
    let missed: Vec<Expr> = estimate
        .iter()
        .zip(&score)
        .map(|(a, b)| noising.graph.sub(*a, *b))
        .collect();
    let (error, fisher) = (noising.half_square(&missed), noising.half_square(&score));
    let graph = &mut noising.graph;
    let rest = graph.sub(error, fisher);
    let right = graph.mul(&[rest, p]);
    let claim = "the explicit loss is the common part plus half the Fisher information";
    let explicit = equal(graph, claim, common, right)?;
    Ok(denoising.and(explicit))
}

/// `1/2 |s^|^2 k - s^ . grad k`; linear in `k`, so its mean over `p_0` has `p` in place of `k`.
fn explicit_part(noising: &mut Noising, estimate: &[Expr], kernel: Expr, slope: &[Expr]) -> Expr {
    let size = noising.half_square(estimate);
    let along = noising.dot(estimate, slope);
    let graph = &mut noising.graph;
    let size = graph.mul(&[size, kernel]);
    graph.sub(size, along)
}

/// The step about the denoising form, for processes with a Gaussian kernel.
///
/// # Errors
/// [`Refuted`] if the kernel does not solve Fokker–Planck or a constant is wrong.
pub fn denoising_step(
    exact: &mut Noising,
    shown: &mut Noising,
    kernel: &TransitionKernel,
    shown_kernel: &TransitionKernel,
) -> Result<Step, Refuted> {
    let evidence = gaussian_kernel::execute(exact, kernel)?.and(execute_denoising(exact)?);
    let mut statement = vec![Formula::new(
        "X_t = alpha_t X_0 + c_t + sigma_t z,   z ~ N(0, I)",
        "X_t = \\alpha_t X_0 + c_t + \\sigma_t z, \\qquad z \\sim \\mathcal{N}(0, I)",
    )];
    for (derivative, rate) in &shown_kernel.rates {
        let name = Formula::new(
            format!("{} (B(0) = 0)", shown.graph.text(*derivative)),
            shown.graph.latex(*derivative),
        );
        statement.push(notation::scalar(shown, &name, *rate));
    }
    let name = Formula::new("alpha_t", "\\alpha_t");
    statement.push(notation::scalar(shown, &name, shown_kernel.mean_factor));
    if shown_kernel.shift.iter().any(|c| !shown.graph.is_zero(*c)) {
        let name = Formula::new("c_t", "c_t");
        statement.push(notation::vector(shown, &name, &shown_kernel.shift));
    } else {
        statement[0] = Formula::new(
            "X_t = alpha_t X_0 + sigma_t z,   z ~ N(0, I)",
            "X_t = \\alpha_t X_0 + \\sigma_t z, \\qquad z \\sim \\mathcal{N}(0, I)",
        );
    }
    let name = Formula::new("sigma_t^2", "\\sigma_t^2");
    statement.push(notation::scalar(shown, &name, shown_kernel.variance));
    statement.push(Formula::new(
        "DSM = 1/2 E |s^(X_t) + z/sigma_t|^2 = ESM + 1/2 (d/sigma_t^2 - E |s|^2)",
        "\\mathrm{DSM} = \\frac{1}{2} \\mathbb{E} \\left| \\hat{s}(X_t) + \\frac{z}{\\sigma_t} \\right|^2 = \\mathrm{ESM} + \\frac{1}{2} \\left( \\frac{d}{\\sigma_t^2} - \\mathbb{E} |s|^2 \\right)",
    ));
    Ok(Step {
        number: 0,
        name: "denoising score matching",
        rule: "condition on X_0",
        executes: "the kernel solves Fokker-Planck; integrands differ by the constants and a divergence",
        statement,
        assumptions: vec![
            Assumption::GaussianTransition,
            Assumption::PositiveDensity,
            Assumption::FiniteFisherInformation,
        ],
        source: "Vincent (2011); Song et al. (2021), eq. 29",
        equation: None,
        evidence,
    })
}
