//! Small matrices of expressions.

use crate::expr::arithmetic::{dot, power, sum};
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
    let zero = graph.zero();
    let product = |row: &Vec<Expr>| {
        let pairs = row.iter().zip(vector);
        let pairs = pairs.filter(|(a, v)| **a != zero && **v != zero);
        sum(pairs.map(|(a, v)| *a * *v))
    };
    graph.each(matrix.iter().map(product))
}

/// `A B`.
pub(crate) fn product(graph: &mut Graph, a: &[Vec<Expr>], b: &[Vec<Expr>]) -> Matrix {
    if let Some(product) = graph.product_of_decimals(a, b) {
        return product;
    }
    let columns = transpose(b);
    a.iter().map(|row| apply(graph, &columns, row)).collect()
}

/// `sum_k c_k M_k`, entry by entry.
pub(crate) fn combination(graph: &mut Graph, parts: &[(Expr, &Matrix)]) -> Matrix {
    let shape = parts[0].1;
    let entry = |i: usize, j: usize| sum(parts.iter().map(|(c, matrix)| *c * matrix[i][j]));
    (0..shape.len())
        .map(|i| graph.each((0..shape[i].len()).map(|j| entry(i, j))))
        .collect()
}

/// The identity.
pub(crate) fn identity(graph: &mut Graph, size: usize) -> Matrix {
    let (zero, one) = (graph.zero(), graph.one());
    (0..size)
        .map(|i| (0..size).map(|j| if i == j { one } else { zero }).collect())
        .collect()
}

/// Whether no entry off the diagonal is written.
pub(crate) fn is_diagonal(graph: &Graph, matrix: &[Vec<Expr>]) -> bool {
    let mut rows = matrix.iter().enumerate();
    rows.all(|(i, row)| {
        let mut entries = row.iter().enumerate();
        entries.all(|(j, entry)| i == j || graph.is_zero(*entry))
    })
}

/// `c` if the matrix is `c I`.
pub(crate) fn as_multiple_of_identity(graph: &Graph, matrix: &[Vec<Expr>]) -> Option<Expr> {
    let first = *matrix.first()?.first()?;
    let mut rows = matrix.iter().enumerate();
    let alike = rows.all(|(i, row)| row.len() == matrix.len() && row[i] == first);
    (alike && is_diagonal(graph, matrix)).then_some(first)
}

/// Largest full matrix that is inverted exactly: numbers of inverses have digits for every row.
const LARGEST: usize = 16;

/// The inverse of a symmetric matrix whose inverse is worth more than a moment: as [`inverse`], and full up to 16 × 16.
pub fn inverse_by_elimination(graph: &mut Graph, matrix: &[Vec<Expr>]) -> Option<Matrix> {
    let d = matrix.len();
    if is_diagonal(graph, matrix) || d <= 3 {
        return inverse(graph, matrix);
    }
    (d <= LARGEST).then(|| graph.matrix_inverse(matrix))?
}

/// The inverse of a symmetric matrix: diagonal of any size, or full up to 3 × 3; `None` otherwise or
/// where it is singular.
pub fn inverse(graph: &mut Graph, matrix: &[Vec<Expr>]) -> Option<Vec<Vec<Expr>>> {
    let d = matrix.len();
    let zero = graph.zero();
    if is_diagonal(graph, matrix) {
        if (0..d).any(|i| graph.is_provably_zero(matrix[i][i])) {
            return None;
        }
        let mut rows = vec![vec![zero; d]; d];
        for (i, row) in rows.iter_mut().enumerate() {
            row[i] = graph.of(power(matrix[i][i], -1));
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
    let determinant = graph.of(dot(&matrix[0], &cofactors[0]));
    if graph.is_provably_zero(determinant) {
        return None;
    }
    let rows = transpose(&cofactors).into_iter();
    Some(
        rows.map(|row| graph.each(row.iter().map(|c| *c / determinant)))
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
        [a, b, c, d] => graph.of(*a * *d - *b * *c),
        _ => unreachable!("minors are taken of 2 x 2 and 3 x 3 matrices"),
    };
    if (i + j).is_multiple_of(2) {
        minor
    } else {
        graph.of(-minor)
    }
}
