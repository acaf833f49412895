//! Normal matrices of fields linear in their parameters.

use crate::field::time_nodes::{Basis, Located, Regressors};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::least_squares::add_normal_equations;
use nalgebra::DMatrix;

/// Points whose regressors are formed at once.
const PIECE: usize = 512;

/// `mean over points of φᵀ W φ`: for shared regressors `E ρ ρᵀ` (the same for every component), for
/// coupled ones `E Σ_j φ_j φ_jᵀ / scale_j²`, so that it is the Gram matrix of the score in x.
///
/// `xi` are whitened points.
pub fn gram<B: Basis>(basis: &B, at: &Located, xi: BatchRef<'_>) -> DMatrix<f64> {
    let (count, rows_per_point) = match basis.regressors() {
        Regressors::Shared { count } => (count, 1),
        Regressors::Coupled { count } => (count, basis.dimension()),
    };
    let mut gram = DMatrix::zeros(count, count);
    let mut design = Vec::new();
    let mut no_moments = DMatrix::zeros(count, 0);
    let mut start = 0;
    while start < xi.points() {
        let end = (start + PIECE).min(xi.points());
        let piece = xi.rows(start..end);
        let (n, rows) = (piece.points(), piece.points() * rows_per_point);
        design.clear();
        design.resize(rows * count, 0.0);
        basis.design(piece, &mut design);
        if rows_per_point > 1 {
            for column in design.chunks_exact_mut(rows) {
                for (component, scale) in column.chunks_exact_mut(n).zip(&at.scale) {
                    component.iter_mut().for_each(|v| *v /= scale);
                }
            }
        } else if let Regressors::Coupled { .. } = basis.regressors() {
            design.iter_mut().for_each(|v| *v /= at.scale[0]);
        }
        let features = BatchMut::new(&mut design, rows, count, rows);
        let none = BatchRef::new(&[], rows, 0, rows);
        add_normal_equations(features.as_ref(), none, &mut gram, &mut no_moments);
        start = end;
    }
    gram / xi.points() as f64
}
