//! Lowest eigenvalues of symmetric tridiagonal matrices, and the vector of the least; the largest eigenvalue of a
//! matrix known by its products.
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

/// Lanczos steps after which the largest eigenvalue is taken as found.
const LANCZOS_STEPS: usize = 40;
/// The golden ratio: its multiples fill the circle evenly.
const GOLDEN: f64 = 0.618_033_988_749_894_8;

/// The largest eigenvalue of a positive semidefinite matrix of `n` rows; `apply` writes its product with the first
/// argument to the second.
///
/// Up to 40 Lanczos steps with full orthogonalisation: exact to rounding up to 40 rows, a lower bound beyond, short
/// by about `(log n / 80)²` where the spectrum is dense.
///
/// # Source
/// Kuczyński and Woźniakowski, *Estimating the largest eigenvalue by the power and Lanczos algorithms* (1992).
pub fn largest_eigenvalue(n: usize, mut apply: impl FnMut(&[f64], &mut [f64])) -> f64 {
    let mut start: Vec<f64> = (0..n)
        .map(|i| 0.5 + (i as f64 * GOLDEN).fract())
        .map(|v| if v < 1.0 { v } else { -v })
        .collect();
    let length = norm(&start);
    start.iter_mut().for_each(|v| *v /= length);
    let mut basis = vec![start];
    let (mut diagonal, mut off) = (Vec::new(), Vec::new());
    let mut next = vec![0.0; n];
    loop {
        let last = &basis[basis.len() - 1];
        apply(last, &mut next);
        diagonal.push(inner(last, &next));
        if basis.len() == n.min(LANCZOS_STEPS) {
            break;
        }
        let before = norm(&next);
        // Twice is enough.
        for _ in 0..2 {
            for v in &basis {
                let part = inner(v, &next);
                next.iter_mut().zip(v).for_each(|(n, v)| *n -= part * v);
            }
        }
        let length = norm(&next);
        // The vectors so far span an invariant space.
        if length <= 1e-14 * before || length.is_nan() {
            break;
        }
        off.push(length);
        basis.push(next.iter().map(|v| v / length).collect());
    }
    eigenvalue(&diagonal, &off, diagonal.len() - 1)
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    inner(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// The second difference again, whose largest eigenvalues crowd together; small, and with more rows than steps.
    #[test]
    fn lanczos_steps_find_the_largest_eigenvalue() {
        for (n, error) in [(1, 1e-14), (2, 1e-14), (30, 1e-13), (400, 2e-3)] {
            let exact = 2.0 + 2.0 * (PI / (n as f64 + 1.0)).cos();
            let found = largest_eigenvalue(n, |v, out| {
                for i in 0..n {
                    let before = if i > 0 { v[i - 1] } else { 0.0 };
                    out[i] = 2.0 * v[i] - before - v.get(i + 1).copied().unwrap_or(0.0);
                }
            });
            assert!(
                found <= exact * (1.0 + 1e-14) && found > exact * (1.0 - error),
                "{n}: {found} {exact}"
            );
        }
        // A projection: two steps span everything the start sees.
        let found = largest_eigenvalue(9, |v, out| {
            let mean = v.iter().sum::<f64>() / 9.0;
            out.fill(mean);
        });
        assert!((found - 1.0).abs() < 1e-13, "{found}");
    }

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
