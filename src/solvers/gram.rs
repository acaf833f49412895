//! Score matching in closed form for fields linear in their parameters.
//!
//! With `s = Σ_a θ_a φ_a`, every objective is `½ θᵀ A θ − θᵀ b` plus a constant, with `A = E φ_a·φ_b` and
//!
//! ```text
//! b = E φ_a·∇log p              explicit
//! b = E φ_a·∇log p(X_t | X_0)   denoising
//! b = −E ∇·φ_a                  implicit (integration by parts)
//! ```
//!
//! Means are over weighted points; `phi` is the score in x, that is the basis divided by the scales of
//! the whitening.
//!
//! # Source
//! Hyvärinen (2005) for the implicit form; Vincent (2011) for the denoising form.
//!
//! # Checked by
//! `tests/reference_section03.rs`, `score-losses`

use crate::field::time_nodes::{Basis, Located, Regressors};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::dense::Cholesky;
use crate::numeric::least_squares::{
    LeastSquaresError, add_normal_equations, solve_normal_equations,
};
use nalgebra::{DMatrix, DVector};

/// Points whose regressors are formed at once.
const PIECE: usize = 512;

/// `A`: for shared regressors `E ρ ρᵀ` (the same for every component of the basis, still to be divided by
/// its squared scale), for coupled ones `E Σ_j φ_j φ_jᵀ / scale_j²`.
///
/// `xi` are whitened points, `weights` sum to one.
pub fn gram<B: Basis>(basis: &B, at: &Located, xi: BatchRef<'_>, weights: &[f64]) -> DMatrix<f64> {
    let (count, scales) = match basis.regressors() {
        Regressors::Shared { count } => (count, &[1.0][..]),
        Regressors::Coupled { count } => (count, &at.scale[..]),
    };
    let mut gram = DMatrix::zeros(count, count);
    let mut no_moments = DMatrix::zeros(count, 0);
    let mut design = Vec::new();
    let mut start = 0;
    while start < xi.points() {
        let end = (start + PIECE).min(xi.points());
        let (n, rows) = (end - start, (end - start) * scales.len());
        design.clear();
        design.resize(rows * count, 0.0);
        basis.design(xi.rows(start..end), &mut design);
        for column in design.chunks_exact_mut(rows) {
            for (component, scale) in column.chunks_exact_mut(n).zip(scales) {
                for (v, w) in component.iter_mut().zip(&weights[start..end]) {
                    *v *= w.sqrt() / scale;
                }
            }
        }
        let features = BatchMut::new(&mut design, rows, count, rows);
        let none = BatchRef::new(&[], rows, 0, rows);
        add_normal_equations(features.as_ref(), none, &mut gram, &mut no_moments);
        start = end;
    }
    gram
}

/// `E φ·target`: b of the explicit and the denoising objective.
pub fn target_moments<B: Basis>(
    basis: &B,
    at: &Located,
    xi: BatchRef<'_>,
    target: BatchRef<'_>,
    weights: &[f64],
) -> Vec<f64> {
    let mut cotangent = target.to_batch();
    for (j, scale) in at.scale.iter().enumerate() {
        for (c, w) in cotangent.column_mut(j).iter_mut().zip(weights) {
            *c *= w / scale;
        }
    }
    let mut moments = vec![0.0; basis.coefficients()];
    basis.pull_back(xi, cotangent.as_ref(), &mut moments);
    moments
}

/// `−E ∇·φ`: b of the implicit objective.
pub fn implicit_moments<B: Basis>(
    basis: &B,
    at: &Located,
    xi: BatchRef<'_>,
    weights: &[f64],
) -> Vec<f64> {
    let scales: Vec<f64> = at.scale.iter().map(|s| -1.0 / (s * s)).collect();
    let mut moments = vec![0.0; basis.coefficients()];
    basis.pull_back_divergence(xi, &scales, weights, &mut moments);
    moments
}

/// A minimiser of the quadratic objective.
#[derive(Clone, Debug)]
pub struct LinearFit {
    pub theta: Vec<f64>,
    /// Condition number of the features.
    pub condition: f64,
}

/// Minimises `½ θᵀ A θ − θᵀ b + ½ ridge (tr A / p) |θ − origin|²`.
///
/// # Errors
/// Features that are linearly dependent under the law, when the ridge does not separate them.
pub fn minimise<B: Basis>(
    basis: &B,
    at: &Located,
    gram: &DMatrix<f64>,
    moments: &[f64],
    origin: &[f64],
    ridge: f64,
) -> Result<LinearFit, LeastSquaresError> {
    let (right, shift) = system(basis, at, gram, moments, origin, ridge);
    let answer = solve_normal_equations(gram, &right, shift)?;
    Ok(LinearFit {
        theta: moved(origin, &answer.solution),
        condition: answer.condition,
    })
}

/// The minimiser alone, `None` where the matrix is not positive definite: for trying several ridges.
pub fn minimiser<B: Basis>(
    basis: &B,
    at: &Located,
    gram: &DMatrix<f64>,
    moments: &[f64],
    origin: &[f64],
    ridge: f64,
) -> Option<Vec<f64>> {
    let (right, shift) = system(basis, at, gram, moments, origin, ridge);
    let mut matrix = gram.clone();
    for i in 0..matrix.nrows() {
        matrix[(i, i)] += shift;
    }
    let factor = Cholesky::new(&matrix).ok()?;
    Some(moved(origin, &factor.solve(&right)))
}

/// Right-hand sides for the step away from the origin, and the ridge in absolute terms.
fn system<B: Basis>(
    basis: &B,
    at: &Located,
    gram: &DMatrix<f64>,
    moments: &[f64],
    origin: &[f64],
    ridge: f64,
) -> (DMatrix<f64>, f64) {
    let count = gram.nrows();
    let columns = moments.len() / count;
    let mut right = DMatrix::from_column_slice(count, columns, moments);
    if let Regressors::Shared { .. } = basis.regressors() {
        for (mut column, scale) in right.column_iter_mut().zip(&at.scale) {
            column *= scale * scale;
        }
    }
    right -= gram * DMatrix::from_column_slice(count, columns, origin);
    (right, ridge * gram.trace() / count as f64)
}

fn moved(origin: &[f64], step: &DMatrix<f64>) -> Vec<f64> {
    origin.iter().zip(step.iter()).map(|(o, s)| o + s).collect()
}

/// `½ θᵀ A θ − θᵀ b`: the objective without the term that does not depend on θ; for the implicit objective
/// its value.
pub fn objective<B: Basis>(
    basis: &B,
    at: &Located,
    gram: &DMatrix<f64>,
    moments: &[f64],
    theta: &[f64],
) -> f64 {
    let linear: f64 = moments.iter().zip(theta).map(|(b, t)| b * t).sum();
    0.5 * squared_norm(basis, at, gram, theta) - linear
}

/// `θᵀ A θ = E |s|²`.
pub fn squared_norm<B: Basis>(basis: &B, at: &Located, gram: &DMatrix<f64>, theta: &[f64]) -> f64 {
    let count = gram.nrows();
    theta
        .chunks_exact(count)
        .enumerate()
        .map(|(j, part)| {
            let part = DVector::from_column_slice(part);
            let scale = match basis.regressors() {
                Regressors::Shared { .. } => at.scale[j],
                Regressors::Coupled { .. } => 1.0,
            };
            part.dot(&(gram * &part)) / (scale * scale)
        })
        .sum()
}
