//! Lowest eigenvalues of symmetric tridiagonal matrices, and the vector of the least.
//!
//! ```text
//! off[i-1] v[i-1] + diagonal[i] v[i] + off[i] v[i+1] = e v[i],        i = 0..n
//! ```
//!
//! Eigenvalues below a number are counted by the signs of pivots and the wanted one is enclosed by bisection, to a
//! few ulps of the largest entry. Where all entries beside the diagonal are negative the lowest vector is positive,
//! and inverse iteration from just below its eigenvalue finds every component to full relative accuracy, however
//! small it is.
//!
//! # Source
//! Barth, Martin and Wilkinson (1967) for bisection; Parlett, *The Symmetric Eigenvalue Problem* (1998), chapters 3
//! and 4.

use crate::numeric::tridiagonal::{PivotError, Tridiagonal};

/// Distance below the lowest eigenvalue that inverse iteration starts from, relative to the distance to the next.
const BELOW: f64 = 1e-3;
/// Rounds of inverse iteration; each gains three digits.
const ROUNDS: usize = 12;

/// How many eigenvalues are less than `x`.
fn below(diagonal: &[f64], off: &[f64], x: f64) -> usize {
    let mut count = 0;
    let mut pivot = 1.0_f64;
    for (i, d) in diagonal.iter().enumerate() {
        let coupling = if i > 0 { off[i - 1] * off[i - 1] } else { 0.0 };
        // A vanishing pivot is as good as a tiny one.
        let carried = if pivot == 0.0 {
            f64::MIN_POSITIVE
        } else {
            pivot
        };
        pivot = d - x - coupling / carried;
        count += usize::from(pivot < 0.0);
    }
    count
}

/// The `k`-th eigenvalue in ascending order, from 0; `off` has one entry less than `diagonal`.
pub fn eigenvalue(diagonal: &[f64], off: &[f64], k: usize) -> f64 {
    let n = diagonal.len();
    assert!(
        off.len() + 1 == n && k < n,
        "one coupling between neighbours"
    );
    let radius = |i: usize| {
        let before = if i > 0 { off[i - 1].abs() } else { 0.0 };
        before + off.get(i).map_or(0.0, |b| b.abs())
    };
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for (i, d) in diagonal.iter().enumerate() {
        low = low.min(d - radius(i));
        high = high.max(d + radius(i));
    }
    // Until no double lies between them.
    loop {
        let middle = low + 0.5 * (high - low);
        if !(middle > low && middle < high) {
            return middle;
        }
        if below(diagonal, off, middle) > k {
            high = middle;
        } else {
            low = middle;
        }
    }
}

/// The vector of the lowest eigenvalue, of length one; `lowest` and `next` are the two lowest eigenvalues.
///
/// # Errors
/// Where elimination breaks down: `lowest` is not below all others.
pub fn lowest_vector(
    diagonal: &[f64],
    off: &[f64],
    lowest: f64,
    next: f64,
) -> Result<Vec<f64>, PivotError> {
    let shift = lowest - BELOW * (next - lowest);
    let n = diagonal.len();
    let lower: Vec<f64> = std::iter::once(0.0).chain(off.iter().copied()).collect();
    let upper: Vec<f64> = off.iter().copied().chain(std::iter::once(0.0)).collect();
    let shifted: Vec<f64> = diagonal.iter().map(|d| d - shift).collect();
    let matrix = Tridiagonal::factor(&lower, &shifted, &upper)?;
    let mut vector = vec![1.0 / (n as f64).sqrt(); n];
    for _ in 0..ROUNDS {
        matrix.solve(&mut vector);
        let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|v| *v /= length);
    }
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// The second difference with fixed ends: `e_k = 2 - 2 cos(k pi / (n + 1))`, `v = sin(k pi i / (n + 1))`.
    #[test]
    fn the_second_difference_has_its_known_spectrum() {
        let n = 40;
        let (diagonal, off) = (vec![2.0; n], vec![-1.0; n - 1]);
        let exact = |k: usize| 2.0 - 2.0 * (k as f64 * PI / (n as f64 + 1.0)).cos();
        for k in [0, 1, 7, n - 1] {
            let found = eigenvalue(&diagonal, &off, k);
            assert!((found - exact(k + 1)).abs() < 1e-14, "{k}: {found}");
        }
        let vector = lowest_vector(&diagonal, &off, exact(1), exact(2)).expect("positive definite");
        let scale = (2.0 / (n as f64 + 1.0)).sqrt();
        for (i, v) in vector.iter().enumerate() {
            let exact = scale * ((i as f64 + 1.0) * PI / (n as f64 + 1.0)).sin();
            assert!((v / exact - 1.0).abs() < 1e-12, "{i}: {v} {exact}");
        }
    }
}
