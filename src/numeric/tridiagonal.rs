//! Tridiagonal systems by elimination without pivoting (Thomas), one or many right-hand sides.
//!
//! ```text
//! lower[i] y[i-1] + diagonal[i] y[i] + upper[i] y[i+1] = rhs[i],        i = 0..n
//! ```
//!
//! `lower[0]` and `upper[n-1]` are not read. Many systems are laid out with the equation index outside
//! and the line index inside: entry `(i, line)` is at `i * lines + line`, so the sweeps run along
//! contiguous memory and vectorise over lines.
//!
//! # Assumes
//! Elimination is stable, with errors a few ulp times the condition number, when the matrix is
//! diagonally dominant by rows (`|diagonal| >= |lower| + |upper|`), an M-matrix, or symmetric positive
//! definite: implicit steps of monotone schemes, spline conditions. For any other matrix check the
//! residual. A zero or non-finite pivot is an error; a small one is not noticed.
//!
//! # Cost
//! 5 n flops per right-hand side once factorised, 8 n and a division per equation otherwise.

use crate::numeric::dispatch::{Kernel, dispatch, multiply_add};
use crate::numeric::time_limit::look;

/// Elimination met a pivot it cannot divide by.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "pivot {pivot} in equation {equation} of line {line}: the system is singular without row exchanges"
)]
pub struct PivotError {
    pub equation: usize,
    pub line: usize,
    pub pivot: f64,
}

impl PivotError {
    pub(super) fn new(equation: usize, line: usize, pivot: f64) -> Self {
        Self {
            equation,
            line,
            pivot,
        }
    }
}

/// An eliminated matrix, to be used for many right-hand sides.
#[derive(Clone, Debug)]
pub struct Tridiagonal {
    lower: Vec<f64>,
    inverse_pivot: Vec<f64>,
    /// Upper diagonal after division by the pivot.
    ratio: Vec<f64>,
}

impl Tridiagonal {
    /// Eliminates; the three slices have one entry per equation.
    pub fn factor(lower: &[f64], diagonal: &[f64], upper: &[f64]) -> Result<Self, PivotError> {
        let n = diagonal.len();
        assert!(
            lower.len() == n && upper.len() == n,
            "one entry per equation"
        );
        let mut inverse_pivot = Vec::with_capacity(n);
        let mut ratio: Vec<f64> = Vec::with_capacity(n);
        for i in 0..n {
            let carried = if i > 0 { lower[i] * ratio[i - 1] } else { 0.0 };
            let pivot = diagonal[i] - carried;
            let inverse = 1.0 / pivot;
            if !usable(inverse) {
                return Err(PivotError::new(i, 0, pivot));
            }
            inverse_pivot.push(inverse);
            ratio.push(upper[i] * inverse);
        }
        Ok(Self {
            lower: lower.to_vec(),
            inverse_pivot,
            ratio,
        })
    }

    /// Number of equations.
    pub fn equations(&self) -> usize {
        self.ratio.len()
    }

    /// Replaces the right-hand side by the solution.
    pub fn solve(&self, rhs: &mut [f64]) {
        self.solve_lines(1, rhs);
    }

    /// Replaces `lines` right-hand sides by their solutions; entry `(i, line)` at `i * lines + line`.
    pub fn solve_lines(&self, lines: usize, rhs: &mut [f64]) {
        assert_eq!(
            rhs.len(),
            self.equations() * lines,
            "one value per equation and line"
        );
        look();
        dispatch(Sweep {
            matrix: self,
            lines,
            rhs,
        });
    }
}

struct Sweep<'a> {
    matrix: &'a Tridiagonal,
    lines: usize,
    rhs: &'a mut [f64],
}

impl Kernel for Sweep<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Sweep { matrix, lines, rhs } = self;
        let n = matrix.equations();
        for i in 0..n {
            let (before, here) = rhs.split_at_mut(i * lines);
            let inverse = matrix.inverse_pivot[i];
            if i == 0 {
                here[..lines].iter_mut().for_each(|y| *y *= inverse);
                continue;
            }
            let lower = -matrix.lower[i];
            for (y, previous) in here[..lines].iter_mut().zip(&before[(i - 1) * lines..]) {
                *y = multiply_add::<FMA>(lower, *previous, *y) * inverse;
            }
        }
        for i in (0..n.saturating_sub(1)).rev() {
            let (here, after) = rhs.split_at_mut((i + 1) * lines);
            let ratio = -matrix.ratio[i];
            for (y, next) in here[i * lines..].iter_mut().zip(&after[..lines]) {
                *y = multiply_add::<FMA>(ratio, *next, *y);
            }
        }
    }
}

/// Solves a different matrix on every line; `bands` are lower, diagonal and upper, and all slices hold entry `(i, line)` at `i * lines + line`.
///
/// `rhs` becomes the solution. `scratch` is resized to the same length and may be reused.
pub fn solve_each_line(
    lines: usize,
    bands: [&[f64]; 3],
    rhs: &mut [f64],
    scratch: &mut Vec<f64>,
) -> Result<(), PivotError> {
    let total = rhs.len();
    assert!(
        bands.iter().all(|band| band.len() == total),
        "every slice has one entry per equation and line"
    );
    if total == 0 {
        return Ok(());
    }
    assert_eq!(total % lines, 0, "whole equations");
    look();
    scratch.resize(total, 0.0);
    dispatch(SweepEach {
        lines,
        bands,
        rhs,
        ratio: scratch,
    })
}

struct SweepEach<'a> {
    lines: usize,
    /// Lower, diagonal and upper.
    bands: [&'a [f64]; 3],
    rhs: &'a mut [f64],
    ratio: &'a mut [f64],
}

impl Kernel for SweepEach<'_> {
    type Output = Result<(), PivotError>;
    #[inline(always)]
    fn run<const FMA: bool>(self) -> Result<(), PivotError> {
        let lines = self.lines;
        let n = self.rhs.len() / lines;
        for i in 0..n {
            let row = i * lines..(i + 1) * lines;
            let (done, y) = self.rhs[..row.end].split_at_mut(row.start);
            let (ratios, ratio) = self.ratio[..row.end].split_at_mut(row.start);
            let [lower, diagonal, upper] = self.bands.map(|band| &band[row.clone()]);
            let mut bad = 0_u64;
            if i == 0 {
                for l in 0..lines {
                    let inverse = 1.0 / diagonal[l];
                    bad |= u64::from(!usable(inverse));
                    ratio[l] = upper[l] * inverse;
                    y[l] *= inverse;
                }
            } else {
                let previous_y = &done[row.start - lines..];
                let previous_ratio = &ratios[row.start - lines..];
                for l in 0..lines {
                    let pivot = multiply_add::<FMA>(-lower[l], previous_ratio[l], diagonal[l]);
                    let inverse = 1.0 / pivot;
                    bad |= u64::from(!usable(inverse));
                    ratio[l] = upper[l] * inverse;
                    y[l] = multiply_add::<FMA>(-lower[l], previous_y[l], y[l]) * inverse;
                }
            }
            if bad != 0 {
                // The sweep only notices that some line failed; find the first.
                for l in 0..lines {
                    let (coupling, before) = match i {
                        0 => (0.0, 0.0),
                        _ => (-lower[l], ratios[row.start - lines + l]),
                    };
                    let pivot = multiply_add::<FMA>(coupling, before, diagonal[l]);
                    if !usable(1.0 / pivot) {
                        return Err(PivotError::new(i, l, pivot));
                    }
                }
            }
        }
        for i in (0..n - 1).rev() {
            let (here, after) = self.rhs.split_at_mut((i + 1) * lines);
            let ratio = &self.ratio[i * lines..(i + 1) * lines];
            for ((y, next), r) in here[i * lines..].iter_mut().zip(&after[..lines]).zip(ratio) {
                *y = multiply_add::<FMA>(-r, *next, *y);
            }
        }
        Ok(())
    }
}

/// An inverse pivot one may multiply by.
#[inline(always)]
pub(super) fn usable(inverse: f64) -> bool {
    inverse.abs() < f64::INFINITY && inverse != 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in (0, 1) without structure.
    fn noise(k: usize) -> f64 {
        ((k as f64 + 1.0) * 0.754_877_666_246_692_7).fract()
    }

    #[test]
    fn the_second_difference_has_its_known_inverse() {
        // -y'' = 1, y(0) = y(1) = 0: the scheme is exact at the nodes, y = x (1 - x) / 2.
        let n = 99;
        let h = 1.0 / (n as f64 + 1.0);
        let off = vec![-1.0; n];
        let matrix = Tridiagonal::factor(&off, &vec![2.0; n], &off).expect("positive definite");
        let mut y = vec![h * h; n];
        matrix.solve(&mut y);
        for (i, y) in y.iter().enumerate() {
            let x = (i + 1) as f64 * h;
            assert!((y - 0.5 * x * (1.0 - x)).abs() < 1e-14);
        }
    }

    #[test]
    fn all_forms_reproduce_a_solution_chosen_beforehand() {
        let (n, lines) = (23, 13);
        let total = n * lines;
        let lower: Vec<f64> = (0..total).map(|k| noise(k) - 0.5).collect();
        let upper: Vec<f64> = (0..total).map(|k| noise(k + 1000) - 0.5).collect();
        let diagonal: Vec<f64> = (0..total).map(|k| 1.5 + noise(k + 2000)).collect();
        let solution: Vec<f64> = (0..total).map(|k| noise(k + 3000)).collect();
        let multiply = |each: bool| -> Vec<f64> {
            (0..total)
                .map(|k| {
                    let (i, l) = (k / lines, k % lines);
                    // The shared matrix is the one of line 0.
                    let c = if each { k } else { k - l };
                    let mut sum = diagonal[c] * solution[k];
                    if i > 0 {
                        sum += lower[c] * solution[k - lines];
                    }
                    if i + 1 < n {
                        sum += upper[c] * solution[k + lines];
                    }
                    sum
                })
                .collect()
        };
        let close = |y: &[f64]| {
            let worst = y
                .iter()
                .zip(&solution)
                .fold(0.0_f64, |w, (a, b)| w.max((a - b).abs()));
            assert!(worst < 1e-14, "{worst:e}");
        };
        let mut rhs = multiply(true);
        solve_each_line(
            lines,
            [&lower, &diagonal, &upper],
            &mut rhs,
            &mut Vec::new(),
        )
        .expect("regular");
        close(&rhs);
        let first =
            |values: &[f64]| -> Vec<f64> { values.iter().step_by(lines).copied().collect() };
        let matrix = Tridiagonal::factor(&first(&lower), &first(&diagonal), &first(&upper));
        let mut rhs = multiply(false);
        matrix.expect("regular").solve_lines(lines, &mut rhs);
        close(&rhs);
    }

    #[test]
    fn a_vanishing_pivot_is_reported_with_its_place() {
        // Line 1 of two has rows (1, 1), (1, 1): singular.
        let error = solve_each_line(
            2,
            [
                &[0.0, 0.0, 1.0, 1.0],
                &[1.0, 1.0, 3.0, 1.0],
                &[1.0, 1.0, 0.0, 0.0],
            ],
            &mut [1.0; 4],
            &mut Vec::new(),
        );
        let expected = PivotError {
            equation: 1,
            line: 1,
            pivot: 0.0,
        };
        assert_eq!(error, Err(expected));
        let error = Tridiagonal::factor(&[0.0, 1.0], &[1.0, 1.0], &[1.0, 0.0]).map(|_| ());
        assert_eq!(
            error,
            Err(PivotError {
                line: 0,
                ..expected
            })
        );
    }
}
