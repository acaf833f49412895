//! Itô, Stratonovich and anti-Itô readings of one process.
//!
//! ```text
//! f_alpha = f - alpha sum_jk G_jk d_j G_ik        alpha = 0 Itô, 1/2 Stratonovich, 1 anti-Itô (Klimontovich)
//! ```
//!
//! In one dimension this is `f - 1/2 alpha D'`.
//!
//! # Assumptions
//! `G` has a continuous derivative.
//!
//! # Source
//! Stratonovich (1966); Klimontovich (1990); Kloeden & Platen (1992), section 4.9.
//!
//! # Executed by
//! The generator written with vector fields, `f_{1/2} . grad + 1/2 sum_k (G_k . grad)^2`, is the Itô one.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::matrix::transpose;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::expr::Expr;
use crate::expr::arithmetic::{partial, sum};
use crate::problem::meant::model::Calculus;

/// `sum_jk G_jk d_j G_ik`, one entry per state.
pub fn noise_drift(noising: &mut Noising) -> Vec<Expr> {
    let mut drift = Vec::new();
    for row in &noising.diffusion {
        let mut terms = Vec::new();
        for (k, entry) in row.iter().enumerate() {
            for (along, x) in noising.diffusion.iter().zip(&noising.state) {
                terms.push(along[k] * partial(*entry, *x));
            }
        }
        drift.push(noising.graph.of(sum(terms)));
    }
    drift
}

/// The drift of the same process read at `alpha`, an expression free of the state.
pub fn drift_at(noising: &mut Noising, alpha: Expr) -> Vec<Expr> {
    let shift = noise_drift(noising);
    let graph = &mut noising.graph;
    graph.pairwise(&noising.drift, &shift, |f, s| f - alpha * s)
}

/// `f_{1/2} . grad phi + 1/2 sum_k G_k . grad (G_k . grad phi) = f . grad phi + 1/2 D : grad grad phi`.
///
/// # Errors
/// [`Refuted`] if `stratonovich` is the drift of another process.
pub fn execute(noising: &mut Noising, stratonovich: &[Expr]) -> Result<Evidence, Refuted> {
    let phi = noising.field("phi");
    let slope = noising.gradient(phi);
    let mut terms = vec![noising.dot(stratonovich, &slope)];
    for column in transpose(&noising.diffusion) {
        let once = noising.dot(&column, &slope);
        let again = noising.gradient(once);
        let twice = noising.dot(&column, &again);
        terms.push(noising.of(twice / 2));
    }
    let right = noising.generated(phi);
    let claim = "the generator of vector fields is the Ito generator";
    noising.equal(claim, sum(terms), right)
}

/// The step, for noise that depends on the state.
///
/// # Errors
/// [`Refuted`] if the two generators differ.
pub fn step(exact: &mut Noising, shown: &mut Noising, calculus: Calculus) -> Result<Step, Refuted> {
    let half = exact.graph.rational(1, 2);
    let stratonovich = drift_at(exact, half);
    let evidence = execute(exact, &stratonovich)?;
    let said = match calculus {
        Calculus::Ito => "0 (Ito)",
        Calculus::Stratonovich => "1/2 (Stratonovich)",
        Calculus::Klimontovich => "1 (anti-Ito)",
    };
    let (half, one) = (shown.graph.rational(1, 2), shown.graph.one());
    let ito = shown.drift.clone();
    let (middle, anti) = (drift_at(shown, half), drift_at(shown, one));
    let readings =
        "f_alpha = f - alpha sum_jk G_jk d_j G_ik;   `the file reads its noise at` alpha = {}";
    let executes = "the generator of the Stratonovich vector fields is the Ito generator";
    let source = "Kloeden & Platen (1992), section 4.9";
    Ok(Step::new("readings of the noise", "ito", source)
        .executed(executes, evidence)
        .line(Formula::of(readings, &[&said.into()]))
        .line(notation::vector(shown, "`Ito drift` f", &ito))
        .line(notation::vector(shown, "`Stratonovich drift`", &middle))
        .line(notation::vector(shown, "`anti-Ito drift`", &anti))
        .assuming(&[Assumption::SmoothCoefficients]))
}
