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
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::derivation::law::gaussian_kernel::{self, TransitionKernel};
use crate::expr::Expr;
use crate::expr::arithmetic::{Arithmetic, exp, power};

/// `1/2 |G' s^ - G' s|^2 = 1/2 (s^ - s) . D (s^ - s)`: the rate of Girsanov's divergence.
///
/// # Errors
/// [`Refuted`] if the weight is not `D`.
fn execute_path_divergence(noising: &mut Noising) -> Result<Evidence, Refuted> {
    let (estimate, score) = (noising.vector_field("s^"), noising.vector_field("s"));
    let missed = noising.graph.pairwise(&estimate, &score, |a, b| a - b);
    let [near, far] = [&estimate, &score].map(|field| noising.through_noise(field));
    let controls = noising.graph.pairwise(&near, &far, |a, b| a - b);
    let left = noising.half_square(&controls);
    let diffused = noising.diffuse(&missed);
    let square = noising.dot(&missed, &diffused);
    let claim = "the divergence of path laws weights the score error by D";
    noising.equal(claim, left, square / 2)
}

/// The step about the divergence of path laws.
///
/// # Errors
/// [`Refuted`] if the weight is not `D`.
pub fn path_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let source = "Song, Durkan, Murray & Ermon, Maximum likelihood training of score-based diffusion models (2021), theorem 1";
    let executes = "controls G's^ and G's differ by 1/2 (s^ - s).D (s^ - s)";
    Ok(Step::new("divergence of path laws", "girsanov", source)
        .executed(executes, execute_path_divergence(exact)?)
        .line("KL(P || P^) = KL(p_T || pi) + 1/2 int_0^T E (s^ - s).D (s^ - s) dt")
        .line("P noising paths, P^ reverse paths steered by the estimate s^;   KL(p_0 || `law of` Y_T) `is at most this`")
        .assuming(&[Assumption::Novikov, Assumption::PositiveDensity]))
}

/// `p (1/2 s^.W s^ + div(W s^)) - p (1/2 (s^ - s).W (s^ - s) - 1/2 s.W s) = div(p W s^)` for `W = D` or
/// `W = I`.
///
/// # Errors
/// [`Refuted`] if the constant is another one.
fn execute_implicit(noising: &mut Noising, weighted: bool) -> Result<Evidence, Refuted> {
    let p = noising.field("p");
    let score = noising.score(p);
    let estimate = noising.vector_field("s^");
    let missed = noising.graph.pairwise(&estimate, &score, |a, b| a - b);
    let [(size, heavy), (error, _), (fisher, _)] = [estimate, missed, score].map(|vector| {
        let heavy = if weighted {
            noising.diffuse(&vector)
        } else {
            vector.clone()
        };
        (noising.dot(&vector, &heavy), heavy)
    });
    let opened = noising.divergence(&heavy);
    let left = size * p / 2 + opened * p - error * p / 2 + fisher * p / 2;
    let flux = noising.carried(&heavy, p);
    let right = noising.divergence(&flux);
    let claim = "implicit and explicit score matching differ by half the Fisher information";
    noising.equal(claim, left, right)
}

/// The step about the implicit form.
///
/// # Errors
/// [`Refuted`] if the constant is another one.
pub fn implicit_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let evidence = execute_implicit(exact, false)?.and(execute_implicit(exact, true)?);
    let source = "Hyvarinen (2005), theorem 1";
    let executes = "the difference of integrands is div(p s^), and div(p D s^) for the weight D";
    Ok(Step::new("implicit score matching", "integrate by parts", source)
        .executed(executes, evidence)
        .line("ESM = 1/2 E |s^ - s|^2,   ISM = E[ 1/2 |s^|^2 + div s^ ] = ESM - 1/2 E |s|^2")
        .line("weight D `(the divergence of path laws)`:  E[ 1/2 s^.D s^ + div(D s^) ] = 1/2 E (s^ - s).D (s^ - s) - 1/2 E s.D s")
        .assuming(&[
            Assumption::DecayAtInfinity,
            Assumption::PositiveDensity,
            Assumption::FiniteFisherInformation,
        ]))
}

/// For the kernel `k(x|y) ~ exp(-|x - alpha y|^2 / (2 sigma^2))`,
/// `k 1/2 |s^ - grad log k|^2 - (1/2 |s^|^2 k - s^ . grad k) - k d / (2 sigma^2) = div(1/2 grad k)`, and the
/// same bracket with `p` for `k` is `p (1/2 |s^ - s|^2 - 1/2 |s|^2)`.
///
/// # Errors
/// [`Refuted`] if the constants are others.
fn execute_denoising(noising: &mut Noising) -> Result<Evidence, Refuted> {
    let d = noising.dimension();
    let estimate = noising.vector_field("s^");
    let start = noising.constants("y", d);
    let (factor, deviation) = (noising.constant("alpha_t"), noising.constant("sigma_t"));
    let graph = &mut noising.graph;
    let variance = graph.of(power(deviation, 2));
    let distance = graph.pairwise(&noising.state, &start, |x, y| x - factor * y);
    let square = noising.half_square(&distance);
    let kernel = noising.of(exp(-(square / variance)));
    // The target as it is trained on: -(x - alpha y) / sigma^2.
    let graph = &mut noising.graph;
    let target = graph.each(distance.iter().map(|z| -(*z / variance)));
    let missed = graph.pairwise(&estimate, &target, |a, b| a - b);
    let loss = noising.half_square(&missed);
    let slope = noising.gradient(kernel);
    let common = explicit_part(noising, &estimate, kernel, &slope);
    let count = i32::try_from(d).expect("a dimension fits in 32 bits");
    let constant = count * kernel / variance / 2;
    let flux = noising.graph.each(slope.iter().map(|g| *g / 2));
    let right = noising.divergence(&flux);
    let claim = "the denoising loss is the common part plus d / (2 sigma^2)";
    let denoising = noising.equal(claim, loss * kernel - (common + constant), right)?;

    let p = noising.field("p");
    let slope = noising.gradient(p);
    let common = explicit_part(noising, &estimate, p, &slope);
    let score = noising.score(p);
    let missed = noising.graph.pairwise(&estimate, &score, |a, b| a - b);
    let (error, fisher) = (noising.half_square(&missed), noising.half_square(&score));
    let claim = "the explicit loss is the common part plus half the Fisher information";
    Ok(denoising.and(noising.equal(claim, common, (error - fisher) * p)?))
}

/// `1/2 |s^|^2 k - s^ . grad k`; linear in `k`, so its mean over `p_0` has `p` in place of `k`.
fn explicit_part(
    noising: &mut Noising,
    estimate: &[Expr],
    kernel: Expr,
    slope: &[Expr],
) -> Arithmetic {
    let size = noising.half_square(estimate);
    size * kernel - noising.dot(estimate, slope)
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
    let shifted = shown_kernel.shift.iter().any(|c| !shown.graph.is_zero(*c));
    let shift = if shifted { " + c_t" } else { "" };
    let executes =
        "the kernel solves Fokker-Planck; integrands differ by the constants and a divergence";
    let name = "denoising score matching";
    let mut step = Step::new(
        name,
        "condition on X_0",
        "Vincent (2011); Song et al. (2021), eq. 29",
    )
    .executed(executes, evidence)
    .line(format!(
        "X_t = alpha_t X_0{shift} + sigma_t z,   z ~ N(0, I)"
    ));
    for (derivative, rate) in &shown_kernel.rates {
        let name = Formula::new(
            format!("{} (B(0) = 0)", shown.graph.text(*derivative)),
            shown.graph.latex(*derivative),
        );
        step = step.line(notation::scalar(shown, name, *rate));
    }
    step = step.line(notation::scalar(shown, "alpha_t", shown_kernel.mean_factor));
    if shifted {
        step = step.line(notation::vector(shown, "c_t", &shown_kernel.shift));
    }
    Ok(step
        .line(notation::scalar(shown, "sigma_t^2", shown_kernel.variance))
        .line("DSM = 1/2 E |s^(X_t) + z/sigma_t|^2 = ESM + 1/2 (d/sigma_t^2 - E |s|^2)")
        .assuming(&[
            Assumption::GaussianTransition,
            Assumption::PositiveDensity,
            Assumption::FiniteFisherInformation,
        ]))
}
