//! Linear least squares with a ridge: by normal equations (fast, squares the condition number) and by
//! pivoted QR (slower, keeps it).
//!
//! ```text
//! minimise  |A θ - y|² + ridge |θ|²        A: points × features, y: points × targets
//! ```

use crate::numeric::batch::BatchRef;
use crate::numeric::dense::{factorise_alone, faer_view};
use crate::numeric::spectrum::largest_eigenvalue;
use crate::numeric::time_limit::look;
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::solvers::{Solve, SolveLstsq};
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use nalgebra::DMatrix;
use rayon::prelude::*;
use std::ops::Range;

/// Why there is no unique finite answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LeastSquaresError {
    #[error(
        "the features are linearly dependent to rounding: rank {rank} of {features}; a ridge or fewer features would make the answer unique"
    )]
    RankDeficient { rank: usize, features: usize },
    #[error("the features or targets contain numbers that are not finite")]
    NotFinite,
}

/// The minimiser and how far to trust it.
#[derive(Clone, Debug, PartialEq)]
pub struct LeastSquares {
    /// θ, features × targets.
    pub solution: DMatrix<f64>,
    /// Condition number of `[A; sqrt(ridge) I]`: relative errors of the data are magnified by up to this.
    pub condition: f64,
}

/// `[A; sqrt(ridge) I]` with `extra` rows below A; rows of zeros make a wide problem square, whose missing rank is found
/// by who factorises it.
fn stacked(features: BatchRef<'_>, extra: usize, ridge: f64) -> Mat<f64> {
    let (points, count) = (features.points(), features.columns());
    Mat::from_fn((points + extra).max(count), count, |i, j| {
        if i < points {
            features.get(i, j)
        } else if extra > 0 && i - points == j {
            ridge.sqrt()
        } else {
            0.0
        }
    })
}

/// Solves by pivoted Householder QR of `[A; sqrt(ridge) I]`.
///
/// The condition number is estimated from the diagonal of R, usually within a factor of a few.
///
/// # Cost
/// `2 points features²` flops.
pub fn least_squares_qr(
    features: BatchRef<'_>,
    targets: BatchRef<'_>,
    ridge: f64,
) -> Result<LeastSquares, LeastSquaresError> {
    let (points, count) = (features.points(), features.columns());
    let extra = if ridge > 0.0 { count } else { 0 };
    let matrix = stacked(features, extra, ridge);
    let rows = matrix.nrows();
    let right = Mat::from_fn(rows, targets.columns(), |i, j| {
        if i < points { targets.get(i, j) } else { 0.0 }
    });
    if !all_finite(matrix.as_ref()) || !all_finite(right.as_ref()) {
        return Err(LeastSquaresError::NotFinite);
    }
    factorise_alone();
    let factor = matrix.col_piv_qr();
    let pivots: Vec<f64> = (0..count).map(|i| factor.R()[(i, i)].abs()).collect();
    let largest = pivots.iter().fold(0.0_f64, |a, b| a.max(*b));
    let smallest = pivots.iter().fold(f64::INFINITY, |a, b| a.min(*b));
    let floor = largest * f64::EPSILON * rows as f64;
    let rank = pivots.iter().filter(|pivot| **pivot > floor).count();
    if rank < count {
        return Err(LeastSquaresError::RankDeficient {
            rank,
            features: count,
        });
    }
    let solution = factor.solve_lstsq(&right);
    let solution = DMatrix::from_fn(count, targets.columns(), |i, j| solution[(i, j)]);
    Ok(LeastSquares {
        solution,
        condition: largest / smallest,
    })
}

/// Solves `(AᵀA + ridge I) θ = moments` through the triangular factor of `[A; sqrt(ridge) I]`, for right-hand
/// sides that are no moments of targets.
///
/// `AᵀA` is never formed, so nothing is lost in it, and one step of refinement removes most of the error of
/// the factor; rounding of the moments themselves is still magnified by up to `condition²`.
///
/// # Cost
/// `2 points features²` flops.
///
/// # Source
/// Björck, *Stability analysis of the method of seminormal equations* (1987).
pub fn seminormal_equations(
    features: BatchRef<'_>,
    moments: &DMatrix<f64>,
    ridge: f64,
) -> Result<LeastSquares, LeastSquaresError> {
    let (points, count) = (features.points(), features.columns());
    let matrix = stacked(features, count, ridge);
    if !all_finite(matrix.as_ref()) || moments.iter().any(|x| !x.is_finite()) {
        return Err(LeastSquaresError::NotFinite);
    }
    factorise_alone();
    let factor = matrix.qr();
    let r = DMatrix::from_fn(count, count, |i, j| factor.thin_R()[(i, j)]);
    let values = r.singular_values();
    let largest = values.max();
    let rank = values
        .iter()
        .filter(|value| **value > largest * f64::EPSILON * matrix.nrows() as f64)
        .count();
    let deficient = || LeastSquaresError::RankDeficient {
        rank,
        features: count,
    };
    if rank < count {
        return Err(deficient());
    }
    let solve = |right: &DMatrix<f64>| {
        r.tr_solve_upper_triangular(right)
            .and_then(|middle| r.solve_upper_triangular(&middle))
            .ok_or_else(deficient)
    };
    let mut solution = solve(moments)?;
    let a = DMatrix::from_fn(points, count, |i, j| features.get(i, j));
    let residual = moments - a.tr_mul(&(&a * &solution)) - &solution * ridge;
    solution += solve(&residual)?;
    Ok(LeastSquares {
        solution,
        condition: largest / values.min(),
    })
}

/// Adds the lower triangle of the block's `AᵀA` to that of `gram`, and `Aᵀy` to `moments`.
///
/// Blocks added in the same order give the same bits for any number of threads; [`mirror_lower`] completes the
/// sum.
pub fn add_normal_equations(
    features: BatchRef<'_>,
    targets: BatchRef<'_>,
    gram: &mut DMatrix<f64>,
    moments: &mut DMatrix<f64>,
) {
    look();
    let (a, y) = (features.faer(), targets.faer());
    triangular::matmul(
        view_mut(gram),
        BlockStructure::TriangularLower,
        Accum::Add,
        a.transpose(),
        BlockStructure::Rectangular,
        a,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
    matmul(
        view_mut(moments),
        Accum::Add,
        a.transpose(),
        y,
        1.0,
        Par::Seq,
    );
}

fn view_mut(matrix: &mut DMatrix<f64>) -> MatMut<'_, f64> {
    let (n, m) = matrix.shape();
    MatMut::from_column_major_slice_mut(matrix.as_mut_slice(), n, m)
}

/// Copies the lower triangle to the upper one.
pub fn mirror_lower(gram: &mut DMatrix<f64>) {
    gram.fill_upper_triangle_with_lower_triangle();
}

/// Columns of a tile of [`gram_of_blocks`].
const TILE: usize = 96;

/// The lower triangle of `sum AᵀA` over blocks of rows, the first `features` columns of each.
///
/// Tiles of the result are made in parallel, each from all blocks in order: same bits for any number of threads.
///
/// # Cost
/// `points features²` flops.
pub fn gram_of_blocks(blocks: &[BatchRef<'_>], features: usize) -> DMatrix<f64> {
    let tiles = features.div_ceil(TILE);
    let range = |tile: usize| tile * TILE..((tile + 1) * TILE).min(features);
    let pairs: Vec<(usize, usize)> = (0..tiles)
        .flat_map(|i| (0..=i).map(move |j| (i, j)))
        .collect();
    let made: Vec<DMatrix<f64>> = pairs
        .par_iter()
        .map(|&(i, j)| {
            let (rows, columns) = (range(i), range(j));
            let mut tile = DMatrix::zeros(rows.len(), columns.len());
            for block in blocks {
                look();
                let part = |range: &Range<usize>| block.column_range(range.clone()).faer();
                let (left, right) = (part(&rows).transpose(), part(&columns));
                matmul(view_mut(&mut tile), Accum::Add, left, right, 1.0, Par::Seq);
            }
            tile
        })
        .collect();
    let mut gram = DMatrix::zeros(features, features);
    for ((i, j), tile) in pairs.into_iter().zip(&made) {
        gram.view_mut((i * TILE, j * TILE), tile.shape())
            .copy_from(tile);
    }
    gram
}

/// Solves `(gram + ridge I) θ = moments` by Cholesky.
///
/// The condition comes from the largest eigenvalues of the matrix and of its inverse, by Lanczos steps: at most a
/// few percent too small.
///
/// # Cost
/// `features³ / 3` flops, and a few dozen products and solves.
pub fn solve_normal_equations(
    gram: &DMatrix<f64>,
    moments: &DMatrix<f64>,
    ridge: f64,
) -> Result<LeastSquares, LeastSquaresError> {
    look();
    let n = gram.nrows();
    if gram.iter().chain(moments.iter()).any(|x| !x.is_finite()) {
        return Err(LeastSquaresError::NotFinite);
    }
    let mut shifted = gram.clone();
    for i in 0..n {
        shifted[(i, i)] += ridge;
    }
    let view = faer_view(&shifted);
    let Ok(factor) = view.llt(Side::Lower) else {
        return Err(deficient(view));
    };
    let largest = largest_eigenvalue(n, |v, out| {
        let v = MatRef::from_column_major_slice(v, n, 1);
        let out = MatMut::from_column_major_slice_mut(out, n, 1);
        matmul(out, Accum::Replace, view, v, 1.0, Par::Seq);
    });
    let inverse = largest_eigenvalue(n, |v, out| {
        out.copy_from_slice(v);
        factor.solve_in_place(MatMut::from_column_major_slice_mut(out, n, 1));
    });
    let condition = largest * inverse;
    let resolved = condition * f64::EPSILON * (n as f64) < 1.0;
    if !resolved {
        return Err(deficient(view));
    }
    let solution = factor.solve(faer_view(moments));
    Ok(LeastSquares {
        solution: DMatrix::from_fn(n, moments.ncols(), |i, j| solution[(i, j)]),
        condition: condition.sqrt(),
    })
}

/// The rank of a matrix that is singular to rounding.
fn deficient(matrix: MatRef<'_, f64>) -> LeastSquaresError {
    let n = matrix.nrows();
    // Finite symmetric matrices have eigenvalues; the iteration is not known to fail on them.
    let Ok(eigenvalues) = matrix.self_adjoint_eigenvalues(Side::Lower) else {
        return LeastSquaresError::NotFinite;
    };
    let floor = eigenvalues.last().copied().unwrap_or(1.0) * f64::EPSILON * n as f64;
    let rank = eigenvalues.iter().filter(|e| **e > floor).count();
    LeastSquaresError::RankDeficient {
        // Between the two ways to count roundings a matrix can fall just short of singular.
        rank: rank.min(n - 1),
        features: n,
    }
}

fn all_finite(matrix: MatRef<'_, f64>) -> bool {
    (0..matrix.ncols()).all(|j| (0..matrix.nrows()).all(|i| matrix[(i, j)].is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::batch::Batch;
    use crate::numeric::blocks::with_threads;

    #[test]
    fn large_normal_equations_have_the_same_bits_for_any_number_of_threads() {
        let n = 600;
        let gram = DMatrix::from_fn(n, n, |i, j| 0.9_f64.powi(i.abs_diff(j) as i32));
        let moments = DMatrix::from_fn(n, 2, |i, j| ((i + 7 * j) as f64).sin());
        let solve = |threads| {
            with_threads(threads, || {
                solve_normal_equations(&gram, &moments, 1e-3).expect("definite")
            })
        };
        let (one, two) = (solve(1), solve(2));
        assert_eq!(one.solution, two.solution);
        assert_eq!(one.condition.to_bits(), two.condition.to_bits());
    }

    /// Monomials 1, x, x², x³ at equally spaced points, and two targets of known coefficients.
    fn cubic_fit() -> (Batch, Batch) {
        let xs: Vec<f64> = (0..40).map(|i| f64::from(i) / 20.0 - 1.0).collect();
        let features: Vec<[f64; 4]> = xs.iter().map(|x| [1.0, *x, x * x, x * x * x]).collect();
        let targets: Vec<[f64; 2]> = xs
            .iter()
            .map(|x| [1.0 - 2.0 * x + 0.5 * x * x * x, 3.0 * x * x])
            .collect();
        (
            Batch::from_rows(4, &features),
            Batch::from_rows(2, &targets),
        )
    }

    /// As [`least_squares_qr`], by normal equations.
    fn by_normal_equations(
        features: BatchRef<'_>,
        targets: BatchRef<'_>,
        ridge: f64,
    ) -> Result<LeastSquares, LeastSquaresError> {
        let count = features.columns();
        let mut gram = DMatrix::zeros(count, count);
        let mut moments = DMatrix::zeros(count, targets.columns());
        add_normal_equations(features, targets, &mut gram, &mut moments);
        mirror_lower(&mut gram);
        solve_normal_equations(&gram, &moments, ridge)
    }

    type Solver = fn(BatchRef<'_>, BatchRef<'_>, f64) -> Result<LeastSquares, LeastSquaresError>;
    const SOLVERS: [Solver; 2] = [least_squares_qr, by_normal_equations];

    #[test]
    fn the_gram_matrix_of_blocks_is_that_of_all_rows() {
        let features = 2 * TILE + 5;
        let entry = |i: usize, j: usize| ((3 * i + 7 * j) as f64).sin();
        let batch = |rows: Range<usize>| {
            let data = (0..features).flat_map(|j| rows.clone().map(move |i| entry(i, j)));
            Batch::from_columns(rows.len(), features, data.collect())
        };
        let blocks = [batch(0..40), batch(40..100)];
        let blocks = [blocks[0].as_ref(), blocks[1].as_ref()];
        let all = DMatrix::from_fn(100, features, entry);
        for count in [features, TILE - 1] {
            let gram = gram_of_blocks(&blocks, count);
            let exact = all.columns(0, count).tr_mul(&all.columns(0, count));
            let difference = (gram - exact).lower_triangle().norm();
            assert!(difference < 1e-11, "{difference:e}");
        }
    }

    #[test]
    fn both_solvers_recover_exact_coefficients() {
        let (features, targets) = cubic_fit();
        for solve in SOLVERS {
            let fit = solve(features.as_ref(), targets.as_ref(), 0.0).expect("full rank");
            let exact =
                DMatrix::from_column_slice(4, 2, &[1.0, -2.0, 0.0, 0.5, 0.0, 0.0, 3.0, 0.0]);
            assert!((fit.solution - exact).norm() < 1e-13);
            assert!(
                fit.condition > 2.0 && fit.condition < 20.0,
                "{}",
                fit.condition
            );
        }
    }

    #[test]
    fn the_ridge_solution_has_zero_gradient() {
        let (features, mut targets) = cubic_fit();
        for (i, y) in targets.column_mut(0).iter_mut().enumerate() {
            *y += (i as f64 * 1.7).sin();
        }
        for solve in SOLVERS {
            let fit = solve(features.as_ref(), targets.as_ref(), 0.3).expect("full rank");
            for target in 0..2 {
                let residual: Vec<f64> = (0..40)
                    .map(|i| {
                        let row = features.row(i);
                        let fitted: f64 = (0..4).map(|j| row[j] * fit.solution[(j, target)]).sum();
                        fitted - targets.get(i, target)
                    })
                    .collect();
                for j in 0..4 {
                    let column = features.column(j).iter().zip(&residual);
                    let gradient: f64 =
                        column.map(|(a, r)| a * r).sum::<f64>() + 0.3 * fit.solution[(j, target)];
                    assert!(gradient.abs() < 1e-12, "{gradient:e}");
                }
            }
        }
    }

    #[test]
    fn the_condition_number_of_scaled_orthogonal_columns_is_their_ratio() {
        // Columns of lengths 2e3, 2 and 0.2, orthogonal.
        let rows = [
            [1e3, 1.0, 0.1],
            [1e3, -1.0, 0.1],
            [1e3, 1.0, -0.1],
            [1e3, -1.0, -0.1],
        ];
        let features = Batch::from_rows(3, &rows);
        let targets = Batch::from_columns(4, 1, vec![1.0; 4]);
        for solve in SOLVERS {
            let fit = solve(features.as_ref(), targets.as_ref(), 0.0).expect("full rank");
            assert!(
                (fit.condition / 1e4 - 1.0).abs() < 1e-6,
                "{}",
                fit.condition
            );
        }
    }

    #[test]
    fn dependent_features_are_refused_unless_there_is_a_ridge() {
        let rows = [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]];
        let features = Batch::from_rows(2, &rows);
        let targets = Batch::from_columns(3, 1, vec![1.0, 2.0, 3.0]);
        let expected = LeastSquaresError::RankDeficient {
            rank: 1,
            features: 2,
        };
        for solve in SOLVERS {
            let refused = solve(features.as_ref(), targets.as_ref(), 0.0);
            assert_eq!(refused, Err(expected.clone()));
            // θ = (1, 2) s with s = 14 · 1 / (14 · 5 + ridge).
            let fit = solve(features.as_ref(), targets.as_ref(), 1e-3).expect("ridge");
            assert!((fit.solution[(1, 0)] - 28.0 / 70.001).abs() < 1e-10);
        }
        let wide = features.as_ref().rows(0..1);
        let refused = least_squares_qr(wide, targets.as_ref().rows(0..1), 0.0);
        assert_eq!(refused, Err(expected));
    }

    /// Läuchli's matrix `[1 1; δ 0; 0 δ]`: at δ = 1e-9 its Gram matrix is singular in floating point, while
    /// every answer is known: `AᵀA = 1 + δ² I` with the all-ones matrix 1.
    #[test]
    fn nearly_collinear_features_need_the_triangular_factor() {
        let delta = 1e-9;
        let features = Batch::from_rows(2, &[[1.0, 1.0], [delta, 0.0], [0.0, delta]]);
        // A (1, -1) = (0, δ, -δ).
        let targets = Batch::from_columns(3, 1, vec![0.0, delta, -delta]);
        let exact = DMatrix::from_column_slice(2, 1, &[1.0, -1.0]);
        let normal = by_normal_equations(features.as_ref(), targets.as_ref(), 0.0);
        assert!(matches!(
            normal,
            Err(LeastSquaresError::RankDeficient { .. })
        ));
        // Condition sqrt(2)/δ: errors of up to 1.4e9 roundings.
        let fit = least_squares_qr(features.as_ref(), targets.as_ref(), 0.0).expect("full rank");
        assert!((&fit.solution - &exact).norm() < 1e-6);
        assert!((fit.condition * delta / 2f64.sqrt()).log10().abs() < 0.5);

        // Moments of the same answer: AᵀA (1, -1) = (δ², -δ²).
        let moments = DMatrix::from_column_slice(2, 1, &[delta * delta, -delta * delta]);
        let fit = seminormal_equations(features.as_ref(), &moments, 0.0).expect("full rank");
        assert!((&fit.solution - exact).norm() < 1e-6, "{}", fit.solution);
        assert!((fit.condition * delta / 2f64.sqrt() - 1.0).abs() < 1e-6);
    }
}
