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
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::noising::{Noising, dot};
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::expr::Expr;
use crate::problem::meant::model::Calculus;

/// `sum_jk G_jk d_j G_ik`, one entry per state.
pub fn noise_drift(noising: &mut Noising) -> Vec<Expr> {
    let graph = &mut noising.graph;
    let mut drift = Vec::new();
    for row in &noising.diffusion {
        let mut terms = Vec::new();
        for (k, entry) in row.iter().enumerate() {
            for (along, x) in noising.diffusion.iter().zip(&noising.state) {
                let slope = graph.derivative(*entry, *x);
                terms.push(graph.mul(&[along[k], slope]));
            }
        }
        drift.push(graph.add(&terms));
    }
    drift
}

/// The drift of the same process read at `alpha`, an expression free of the state.
pub fn drift_at(noising: &mut Noising, alpha: Expr) -> Vec<Expr> {
    let shift = noise_drift(noising);
    let one = noising.graph.one();
    let minus = noising.graph.neg(alpha);
    let drift = noising.drift.clone();
    noising.combine(&[(one, &drift), (minus, &shift)])
}

/// `f_{1/2} . grad phi + 1/2 sum_k G_k . grad (G_k . grad phi) = f . grad phi + 1/2 D : grad grad phi`.
///
/// # Errors
/// [`Refuted`] if `stratonovich` is the drift of another process.
pub fn execute(noising: &mut Noising, stratonovich: &[Expr]) -> Result<Evidence, Refuted> {
    let phi = noising.field("phi");
    let slope = noising.gradient(phi);
    let mut terms = vec![noising.dot(stratonovich, &slope)];
    for k in 0..noising.noises() {
        let column: Vec<Expr> = noising.diffusion.iter().map(|row| row[k]).collect();
        let once = dot(&mut noising.graph, &column, &slope);
        let again = noising.gradient(once);
        let twice = dot(&mut noising.graph, &column, &again);
        let half = noising.graph.rational(1, 2);
        terms.push(noising.graph.mul(&[half, twice]));
    }
    let left = noising.graph.add(&terms);
    let drift = noising.drift.clone();
    let right = noising.generator(&drift, phi);
    let claim = "the generator of vector fields is the Ito generator";
    equal(&mut noising.graph, claim, left, right)
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
        Calculus::Ito => ("0 (Ito)", "0"),
        Calculus::Stratonovich => ("1/2 (Stratonovich)", "\\frac{1}{2}"),
        Calculus::Klimontovich => ("1 (anti-Ito)", "1"),
    };
    let half = shown.graph.rational(1, 2);
    let one = shown.graph.one();
    let (ito, middle, anti) = (
        shown.drift.clone(),
        drift_at(shown, half),
        drift_at(shown, one),
    );
    let statement = vec![
        Formula::new(
            format!(
                "f_alpha = f - alpha sum_jk G_jk d_j G_ik;   the file reads its noise at alpha = {}",
                said.0
            ),
            format!(
                "f^{{(\\alpha)}}_i = f_i - \\alpha \\sum_{{jk}} G_{{jk}} \\partial_j G_{{ik}}, \\qquad \\alpha = {}",
                said.1
            ),
        ),
        notation::vector(shown, &Formula::new("Ito drift f", "f"), &ito),
        notation::vector(
            shown,
            &Formula::new("Stratonovich drift", "f^{(1/2)}"),
            &middle,
        ),
        notation::vector(shown, &Formula::new("anti-Ito drift", "f^{(1)}"), &anti),
    ];
    Ok(Step {
        number: 0,
        name: "readings of the noise",
        rule: "ito",
        executes: "the generator of the Stratonovich vector fields is the Ito generator",
        statement,
        assumptions: vec![Assumption::SmoothCoefficients],
        source: "Kloeden & Platen (1992), section 4.9",
        equation: None,
        evidence,
    })
}
