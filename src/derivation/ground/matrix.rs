//! Small matrices of expressions.

use crate::derivation::ground::noising::dot;
use crate::expr::{Expr, Graph};

/// Rows of entries.
pub type Matrix = Vec<Vec<Expr>>;

pub(crate) fn transpose(matrix: &[Vec<Expr>]) -> Matrix {
    let columns = matrix.first().map_or(0, Vec::len);
    (0..columns)
        .map(|k| matrix.iter().map(|row| row[k]).collect())
        .collect()
}

/// `A v`.
pub(crate) fn apply(graph: &mut Graph, matrix: &[Vec<Expr>], vector: &[Expr]) -> Vec<Expr> {
    matrix.iter().map(|row| dot(graph, row, vector)).collect()
}

/// `A B`.
pub(crate) fn product(graph: &mut Graph, a: &[Vec<Expr>], b: &[Vec<Expr>]) -> Matrix {
    let columns = transpose(b);
    a.iter()
        .map(|row| columns.iter().map(|c| dot(graph, row, c)).collect())
        .collect()
}

/// `sum_k c_k M_k`, entry by entry.
pub(crate) fn combination(graph: &mut Graph, parts: &[(Expr, &Matrix)]) -> Matrix {
    let shape = parts[0].1;
    (0..shape.len())
        .map(|i| {
            (0..shape[i].len())
                .map(|j| {
                    let terms: Vec<Expr> = parts
                        .iter()
                        .map(|(c, matrix)| graph.mul(&[*c, matrix[i][j]]))
                        .collect();
                    graph.add(&terms)
                })
                .collect()
        })
        .collect()
}

/// The identity.
pub(crate) fn identity(graph: &mut Graph, size: usize) -> Matrix {
    let (zero, one) = (graph.zero(), graph.one());
    (0..size)
        .map(|i| (0..size).map(|j| if i == j { one } else { zero }).collect())
        .collect()
}

/// `c` if the matrix is `c I`.
pub(crate) fn as_multiple_of_identity(graph: &Graph, matrix: &[Vec<Expr>]) -> Option<Expr> {
    let first = *matrix.first()?.first()?;
    let scalar = matrix.iter().enumerate().all(|(i, row)| {
        row.len() == matrix.len()
            && row.iter().enumerate().all(|(j, entry)| {
                if i == j {
                    *entry == first
                } else {
                    graph.is_zero(*entry)
                }
            })
    });
    scalar.then_some(first)
}

/// The inverse of a symmetric matrix: diagonal of any size, or full up to 3 × 3; `None` otherwise or
/// where it is singular.
pub fn inverse(graph: &mut Graph, matrix: &[Vec<Expr>]) -> Option<Vec<Vec<Expr>>> {
    let d = matrix.len();
    let zero = graph.zero();
    let diagonal = (0..d).all(|i| (0..d).all(|j| i == j || graph.is_zero(matrix[i][j])));
    if diagonal {
        if (0..d).any(|i| graph.is_provably_zero(matrix[i][i])) {
            return None;
        }
        let mut rows = vec![vec![zero; d]; d];
        for (i, row) in rows.iter_mut().enumerate() {
            row[i] = graph.powi(matrix[i][i], -1);
        }
        return Some(rows);
    }
    if d > 3 {
        return None;
    }
    let mut cofactors = vec![vec![zero; d]; d];
    for (i, row) in cofactors.iter_mut().enumerate() {
        for (j, entry) in row.iter_mut().enumerate() {
            *entry = cofactor(graph, matrix, i, j);
        }
    }
    let terms: Vec<Expr> = (0..d)
        .map(|j| graph.mul(&[matrix[0][j], cofactors[0][j]]))
        .collect();
    let determinant = graph.add(&terms);
    if graph.is_provably_zero(determinant) {
        return None;
    }
    Some(
        (0..d)
            .map(|i| {
                (0..d)
                    .map(|j| graph.div(cofactors[j][i], determinant))
                    .collect()
            })
            .collect(),
    )
}

/// The signed minor of a 2 × 2 or 3 × 3 matrix.
fn cofactor(graph: &mut Graph, matrix: &[Vec<Expr>], i: usize, j: usize) -> Expr {
    let kept = |skip: usize| (0..matrix.len()).filter(move |k| *k != skip);
    let entries: Vec<Expr> = kept(i)
        .flat_map(|r| kept(j).map(move |c| matrix[r][c]))
        .collect();
    let minor = match entries.as_slice() {
        [a] => *a,
        [a, b, c, d] => {
            let (main, cross) = (graph.mul(&[*a, *d]), graph.mul(&[*b, *c]));
            graph.sub(main, cross)
        }
        _ => unreachable!("minors are taken of 2 x 2 and 3 x 3 matrices"),
    };
    if (i + j).is_multiple_of(2) {
        minor
    } else {
        graph.neg(minor)
    }
}
