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
//! `tests/solvers/reference_section03.rs`, `score-losses`

use crate::field::time_nodes::{Basis, Located, Regressors};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::dense::Cholesky;
use crate::numeric::least_squares::{
    LeastSquaresError, add_normal_equations, least_squares_qr, mirror_lower, seminormal_equations,
    solve_normal_equations,
};
use crate::numeric::time_limit::look;
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
        let rows = (end - start) * scales.len();
        weighted_design(
            basis,
            scales,
            xi.rows(start..end),
            &weights[start..end],
            &mut design,
        );
        let features = BatchMut::new(&mut design, rows, count, rows);
        let none = BatchRef::new(&[], rows, 0, rows);
        add_normal_equations(features.as_ref(), none, &mut gram, &mut no_moments);
        start = end;
    }
    mirror_lower(&mut gram);
    gram
}

/// Regressors by columns, each row times the root of its weight and divided by the scale of its component.
fn weighted_design<B: Basis>(
    basis: &B,
    scales: &[f64],
    xi: BatchRef<'_>,
    weights: &[f64],
    design: &mut Vec<f64>,
) {
    let n = xi.points();
    let count = match basis.regressors() {
        Regressors::Shared { count } | Regressors::Coupled { count } => count,
    };
    design.resize(n * scales.len() * count, 0.0);
    basis.design(xi, design);
    let factors: Vec<f64> = (scales.iter())
        .flat_map(|scale| weights.iter().map(move |w| w.sqrt() / scale))
        .collect();
    for column in design.chunks_exact_mut(factors.len()) {
        for (v, factor) in column.iter_mut().zip(&factors) {
            *v *= factor;
        }
    }
}

/// `E φ·target`: b of the explicit and the denoising objective.
pub fn target_moments<B: Basis>(
    basis: &B,
    at: &Located,
    xi: BatchRef<'_>,
    target: BatchRef<'_>,
    weights: &[f64],
) -> Vec<f64> {
    look();
    let mut cotangent = target.to_batch();
    for (j, scale) in at.scale.iter().enumerate() {
        for (c, w) in cotangent.column_mut(j).iter_mut().zip(weights) {
            *c *= w / scale;
        }
    }
    let mut moments = vec![0.0; basis.coefficients()];
    basis.carry_back(xi, cotangent.as_ref(), Some(&mut moments), None);
    moments
}

/// `−E ∇·φ`: b of the implicit objective.
pub fn implicit_moments<B: Basis>(
    basis: &B,
    at: &Located,
    xi: BatchRef<'_>,
    weights: &[f64],
) -> Vec<f64> {
    look();
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

/// Weighted whitened points, and at them what is fitted.
#[derive(Clone, Copy)]
pub struct Points<'a> {
    pub xi: BatchRef<'a>,
    /// They sum to one.
    pub weights: &'a [f64],
    /// Of the explicit and the denoising objective; `None` for the implicit one, which has moments only.
    pub target: Option<BatchRef<'a>>,
}

/// The minimiser of [`minimise`] without forming its matrix: QR of the features and the ridge, for features
/// that are nearly dependent. With a target it solves the least-squares problem itself, with moments only
/// the seminormal equations.
///
/// # Errors
/// Features that are linearly dependent to rounding, when the ridge does not separate them.
pub fn minimise_by_qr<B: Basis>(
    basis: &B,
    at: &Located,
    points: Points<'_>,
    moments: &[f64],
    origin: &[f64],
    ridge: f64,
) -> Result<LinearFit, LeastSquaresError> {
    let shared = matches!(basis.regressors(), Regressors::Shared { .. });
    let scales = if shared { &[1.0][..] } else { &at.scale[..] };
    let mut design = Vec::new();
    weighted_design(basis, scales, points.xi, points.weights, &mut design);
    let rows = points.xi.points() * scales.len();
    let count = design.len() / rows;
    let features = BatchRef::new(&design, rows, count, rows);
    let matrix = DMatrix::from_column_slice(rows, count, &design);
    let start = DMatrix::from_column_slice(count, moments.len() / count, origin);
    let predicted = &matrix * &start;
    let ridge = ridge * design.iter().map(|v| v * v).sum::<f64>() / count as f64;
    let (step, condition) = match points.target {
        Some(target) => {
            let right = weighted_target(at, shared, points.weights, target) - predicted;
            let right = BatchRef::new(right.as_slice(), rows, right.ncols(), rows);
            let answer = least_squares_qr(features, right, ridge)?;
            (answer.solution, answer.condition)
        }
        None => {
            let mut right = DMatrix::from_column_slice(count, start.ncols(), moments);
            if shared {
                for (mut column, scale) in right.column_iter_mut().zip(&at.scale) {
                    column *= scale * scale;
                }
            }
            right -= matrix.tr_mul(&predicted);
            let answer = seminormal_equations(features, &right, ridge)?;
            (answer.solution, answer.condition)
        }
    };
    Ok(LinearFit {
        theta: moved(origin, &step),
        condition,
    })
}

/// What the weighted design is fitted to: one column per component for shared regressors, else one
/// column of all components.
fn weighted_target(
    at: &Located,
    shared: bool,
    weights: &[f64],
    target: BatchRef<'_>,
) -> DMatrix<f64> {
    let n = target.points();
    let mut right = Vec::with_capacity(n * at.scale.len());
    for (j, scale) in at.scale.iter().enumerate() {
        let scale = if shared { *scale } else { 1.0 };
        let column = target.column(j).iter().zip(weights);
        right.extend(column.map(|(t, w)| scale * w.sqrt() * t));
    }
    let columns = if shared { at.scale.len() } else { 1 };
    DMatrix::from_vec(right.len() / columns, columns, right)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::affine::Affine;
    use crate::numeric::batch::Batch;

    fn located() -> Located {
        Located {
            node: 0,
            share: 0.0,
            mean: vec![0.0; 2],
            scale: vec![0.5, 2.0],
        }
    }

    /// States that are nearly equal make the features of an affine field nearly collinear; the field that
    /// is fitted is affine, so its coefficients are the answer.
    #[test]
    fn nearly_collinear_features_are_fitted_by_qr() {
        let gap = 1e-6;
        let n = 64;
        let first: Vec<f64> = (0..n).map(|i| (1.3 * f64::from(i)).sin()).collect();
        let second = first.iter().zip(0..n);
        let second = second.map(|(x, i)| x + gap * (0.7 * f64::from(i)).cos());
        let n = n as usize;
        let xi = Batch::from_columns(n, 2, first.iter().copied().chain(second).collect());
        let theta = [0.3, 1.5, -0.5, -0.2, 0.25, 2.0];
        let (basis, at) = (Affine::new(2), located());
        let mut target = Batch::zeros(n, 2);
        basis.combine(xi.as_ref(), &theta, target.as_mut());
        for (j, scale) in at.scale.iter().enumerate() {
            target.column_mut(j).iter_mut().for_each(|t| *t /= scale);
        }
        let weights = vec![1.0 / n as f64; n];
        let matrix = gram(&basis, &at, xi.as_ref(), &weights);
        let moments = target_moments(&basis, &at, xi.as_ref(), target.as_ref(), &weights);
        let error = |fit: &LinearFit| {
            let pairs = fit.theta.iter().zip(&theta);
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        let points = Points {
            xi: xi.as_ref(),
            weights: &weights,
            target: Some(target.as_ref()),
        };
        for origin in [[0.0; 6], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]] {
            let normal = minimise(&basis, &at, &matrix, &moments, &origin, 0.0).expect("full rank");
            let qr =
                minimise_by_qr(&basis, &at, points, &moments, &origin, 0.0).expect("full rank");
            // Condition about 1e6: 1e12 roundings of the normal equations, 1e6 of QR.
            assert!(error(&qr) < 1e-8, "{:e}", error(&qr));
            assert!(error(&normal) > 30.0 * error(&qr), "{:e}", error(&normal));
            assert!((qr.condition / normal.condition).log10().abs() < 0.5);
        }
    }

    /// Both ways minimise the same objective: with a ridge and well-separated features they agree, for
    /// targets and for moments.
    #[test]
    fn both_ways_agree_on_well_conditioned_features() {
        let n = 40;
        let columns = (0..2 * n)
            .map(|i| (1.0 + f64::from(i) * 0.37).sin())
            .collect();
        let n = n as usize;
        let xi = Batch::from_columns(n, 2, columns);
        let target = Batch::from_columns(n, 2, (0..2 * n).map(|i| (i as f64).cos()).collect());
        let weights = vec![1.0 / n as f64; n];
        let (basis, at) = (Affine::new(2), located());
        let matrix = gram(&basis, &at, xi.as_ref(), &weights);
        let origin = Affine::new(2).standard();
        let explicit = target_moments(&basis, &at, xi.as_ref(), target.as_ref(), &weights);
        let implicit = implicit_moments(&basis, &at, xi.as_ref(), &weights);
        for (target, moments) in [(Some(target.as_ref()), explicit), (None, implicit)] {
            let points = Points {
                xi: xi.as_ref(),
                weights: &weights,
                target,
            };
            let normal = minimise(&basis, &at, &matrix, &moments, &origin, 0.1).expect("full rank");
            let qr =
                minimise_by_qr(&basis, &at, points, &moments, &origin, 0.1).expect("full rank");
            for (a, b) in normal.theta.iter().zip(&qr.theta) {
                assert!((a - b).abs() < 1e-12, "{a} {b}");
            }
        }
    }
}
