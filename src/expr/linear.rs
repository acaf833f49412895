//! Determinants and inverses of matrices of expressions.
//!
//! Matrices of numbers go through exact elimination. Symbolic ones are expanded without a division, because
//! a pivot that is a nonzero expression may still vanish at a point where the determinant does not.

use super::graph::{Expr, Graph};
use super::rational::{Rational, least_common_multiple};
use std::collections::BTreeMap;

/// Products one determinant may form.
const BUDGET: usize = 100_000;

/// Why a matrix has no usable determinant or inverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The determinant is zero as an expression.
    Singular,
    /// More than the allowed number of products.
    TooLarge,
}

impl Graph {
    /// The determinant of a square matrix; `None` when it has too many terms to be written down.
    ///
    /// Laplace expansion with every minor of the leading rows formed once: at most `n 2^n` products, far
    /// fewer for sparse matrices.
    pub(super) fn determinant(&mut self, rows: &[Vec<Expr>]) -> Option<Expr> {
        if let Some(numbers) = self.exact_entries(rows) {
            let (value, _) = eliminate(numbers, Vec::new(), |steps| self.pay(steps))?;
            return Some(self.exact(value));
        }
        if rows.len() > 64 {
            return None;
        }
        let mut budget = BUDGET;
        // Minors of the leading rows by their set of columns.
        let mut minors = BTreeMap::from([(0_u64, self.one())]);
        for row in rows {
            let mut next: BTreeMap<u64, Vec<(Rational, Expr)>> = BTreeMap::new();
            for (columns, minor) in minors {
                for (j, entry) in row.iter().enumerate() {
                    let bit = 1_u64 << j;
                    if columns & bit != 0 || self.is_zero(*entry) {
                        continue;
                    }
                    budget = budget.checked_sub(1)?;
                    let later = (columns & !(bit | (bit - 1))).count_ones();
                    let sign = Rational::integer(if later.is_multiple_of(2) { 1 } else { -1 });
                    let product = self.mul(&[minor, *entry]);
                    next.entry(columns | bit).or_default().push((sign, product));
                }
            }
            minors = next
                .into_iter()
                .map(|(columns, parts)| (columns, self.linear(&parts)))
                .collect();
        }
        let zero = self.zero();
        Some(minors.into_values().next().unwrap_or(zero))
    }

    /// The inverse of a square matrix; `None` where it is singular, or has too many terms to be written down.
    pub fn matrix_inverse(&mut self, matrix: &[Vec<Expr>]) -> Option<Vec<Vec<Expr>>> {
        let (zero, one) = (self.zero(), self.one());
        let row = |i: usize| (0..matrix.len()).map(move |j| if i == j { one } else { zero });
        let identity: Vec<Vec<Expr>> = (0..matrix.len()).map(|i| row(i).collect()).collect();
        self.solve_linear(matrix, &identity).ok()
    }

    /// `A^-1 B`, columns of `B` being right-hand sides (Cramer's rule; exact elimination for numbers).
    pub(super) fn solve_linear(
        &mut self,
        matrix: &[Vec<Expr>],
        right: &[Vec<Expr>],
    ) -> Result<Vec<Vec<Expr>>, Trouble> {
        let n = matrix.len();
        if let Some(numbers) = self.exact_entries(matrix) {
            let identity = (0..n)
                .map(|i| {
                    (0..n)
                        .map(|j| Rational::integer(i64::from(i == j)))
                        .collect()
                })
                .collect();
            let (value, inverse) =
                eliminate(numbers, identity, |steps| self.pay(steps)).ok_or(Trouble::TooLarge)?;
            if value.is_zero() {
                return Err(Trouble::Singular);
            }
            return Ok(self.numbers_times(&inverse, right));
        }
        let whole = self.determinant(matrix).ok_or(Trouble::TooLarge)?;
        if self.is_provably_zero(whole) {
            return Err(Trouble::Singular);
        }
        let mut solution = vec![Vec::new(); n];
        for column in transposed(right) {
            for (j, row) in solution.iter_mut().enumerate() {
                let mut replaced = matrix.to_vec();
                for (line, value) in replaced.iter_mut().zip(&column) {
                    line[j] = *value;
                }
                let part = self.determinant(&replaced).ok_or(Trouble::TooLarge)?;
                row.push(self.div(part, whole));
            }
        }
        Ok(solution)
    }

    /// `A B` of two matrices of numbers that have short common denominators: exact, in machine words. `None` for others.
    pub fn product_of_decimals(
        &mut self,
        a: &[Vec<Expr>],
        b: &[Vec<Expr>],
    ) -> Option<Vec<Vec<Expr>>> {
        let (left, below) = self.over_common_denominator(a)?;
        let (right, beneath) = self.over_common_denominator(b)?;
        let denominator = i128::from(below).checked_mul(i128::from(beneath))?;
        let columns: Vec<Vec<i64>> = (0..right.first().map_or(0, Vec::len))
            .map(|j| right.iter().map(|row| row[j]).collect())
            .collect();
        let largest = |rows: &[Vec<i64>]| {
            let entries = rows.iter().flatten().map(|v| v.unsigned_abs());
            i128::from(entries.max().unwrap_or(0))
        };
        let terms = i128::try_from(right.len()).ok()?;
        largest(&left)
            .checked_mul(largest(&columns))?
            .checked_mul(terms)?;
        let mut rows = Vec::with_capacity(left.len());
        for row in &left {
            let entries = columns.iter().map(|column| {
                let products = row
                    .iter()
                    .zip(column)
                    .map(|(a, b)| i128::from(*a) * i128::from(*b));
                self.exact(Rational::fraction(products.sum(), denominator))
            });
            rows.push(entries.collect());
        }
        Some(rows)
    }

    /// The entries as integers over one denominator; `None` where one is no number or too long for that.
    fn over_common_denominator(&self, rows: &[Vec<Expr>]) -> Option<(Vec<Vec<i64>>, i64)> {
        let parts = |e: &Expr| self.as_number(*e).and_then(Rational::small);
        let mut common = 1_i64;
        for entry in rows.iter().flatten() {
            let (_, below) = parts(entry)?;
            if common % below != 0 {
                common = least_common_multiple(common, below)?;
            }
        }
        let scaled = |e: &Expr| {
            let (above, below) = parts(e)?;
            above.checked_mul(common / below)
        };
        let rows = rows.iter().map(|row| row.iter().map(scaled).collect());
        Some((rows.collect::<Option<_>>()?, common))
    }

    fn numbers_times(&mut self, matrix: &[Vec<Rational>], right: &[Vec<Expr>]) -> Vec<Vec<Expr>> {
        let columns = transposed(right);
        let mut entry = |row: &[Rational], column: &[Expr]| {
            let parts: Vec<_> = row.iter().cloned().zip(column.iter().copied()).collect();
            self.linear(&parts)
        };
        matrix
            .iter()
            .map(|row| columns.iter().map(|column| entry(row, column)).collect())
            .collect()
    }

    fn exact_entries(&self, rows: &[Vec<Expr>]) -> Option<Vec<Vec<Rational>>> {
        let number = |e: &Expr| self.as_number(*e).cloned();
        rows.iter()
            .map(|row| row.iter().map(number).collect())
            .collect()
    }
}

pub(super) fn transposed(rows: &[Vec<Expr>]) -> Vec<Vec<Expr>> {
    let columns = rows.first().map_or(0, Vec::len);
    (0..columns)
        .map(|j| rows.iter().map(|row| row[j]).collect())
        .collect()
}

/// Gauss–Jordan elimination of `matrix`, carried along on `beside`; returns the determinant. `None` when
/// `pay`, told the steps of each row operation, has no more to give.
fn eliminate(
    mut matrix: Vec<Vec<Rational>>,
    mut beside: Vec<Vec<Rational>>,
    mut pay: impl FnMut(usize) -> bool,
) -> Option<(Rational, Vec<Vec<Rational>>)> {
    let n = matrix.len();
    let mut determinant = Rational::one();
    for k in 0..n {
        let Some(pivot) = (k..n).find(|i| !matrix[*i][k].is_zero()) else {
            return Some((Rational::zero(), beside));
        };
        if pivot != k {
            matrix.swap(pivot, k);
            if !beside.is_empty() {
                beside.swap(pivot, k);
            }
            determinant = -&determinant;
        }
        determinant = &determinant * &matrix[k][k];
        let inverse = matrix[k][k].reciprocal().expect("the pivot is not zero");
        let scale = |row: &mut Vec<Rational>| row.iter_mut().for_each(|v| *v = &*v * &inverse);
        scale(&mut matrix[k]);
        if let Some(row) = beside.get_mut(k) {
            scale(row);
        }
        for i in (0..n).filter(|i| *i != k) {
            let factor = matrix[i][k].clone();
            if factor.is_zero() {
                continue;
            }
            let rows = matrix[k].iter().chain(beside.get(k).into_iter().flatten());
            // A sum and a product in lowest terms: two common divisors.
            let steps = rows
                .filter(|v| !v.is_zero())
                .map(|v| 1 + 4 * (v.steps() + factor.steps()));
            if !pay(steps.sum()) {
                return None;
            }
            subtract_row(&mut matrix, i, k, &factor);
            if !beside.is_empty() {
                subtract_row(&mut beside, i, k, &factor);
            }
        }
    }
    Some((determinant, beside))
}

/// Row `i` minus `factor` times row `k`.
fn subtract_row(matrix: &mut [Vec<Rational>], i: usize, k: usize, factor: &Rational) {
    let source = matrix[k].clone();
    for (value, other) in matrix[i].iter_mut().zip(&source) {
        if !other.is_zero() {
            *value = &*value - &(factor * other);
        }
    }
}
