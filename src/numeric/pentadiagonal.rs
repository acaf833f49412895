//! Systems with two diagonals on either side of the middle one, by elimination without pivoting.
//!
//! ```text
//! a[i] y[i-2] + b[i] y[i-1] + c[i] y[i] + d[i] y[i+1] + e[i] y[i+2] = rhs[i],        i = 0..n
//! ```
//!
//! Entries that would multiply a `y` outside `0..n` are not read.
//!
//! # Assumes
//! Elimination is stable for implicit steps along slopes against the drift. For any other matrix check the residual.
//! A zero or non-finite pivot is an error; a small one is not noticed.
//!
//! # Cost
//! 14 n flops and n divisions.

use crate::numeric::tridiagonal::{PivotError, usable};

/// Replaces the right-hand side by the solution; `bands` are `a` to `e`. `scratch` is resized and may be reused.
///
/// # Errors
/// A pivot one cannot divide by.
pub fn solve_pentadiagonal(
    bands: [&[f64]; 5],
    rhs: &mut [f64],
    scratch: &mut [Vec<f64>; 2],
) -> Result<(), PivotError> {
    let n = rhs.len();
    assert!(
        bands.iter().all(|band| band.len() == n),
        "one entry per equation"
    );
    let [a, b, c, d, e] = bands;
    let [p, q] = scratch;
    p.resize(n, 0.0);
    q.resize(n, 0.0);
    for i in 0..n {
        let (mut before, mut pivot, mut after, mut right) = (b[i], c[i], d[i], rhs[i]);
        if i >= 2 {
            before -= a[i] * p[i - 2];
            pivot -= a[i] * q[i - 2];
            right -= a[i] * rhs[i - 2];
        }
        if i >= 1 {
            pivot -= before * p[i - 1];
            after -= before * q[i - 1];
            right -= before * rhs[i - 1];
        }
        let inverse = 1.0 / pivot;
        if !usable(inverse) {
            return Err(PivotError::new(i, 0, pivot));
        }
        p[i] = if i + 1 < n { after * inverse } else { 0.0 };
        q[i] = if i + 2 < n { e[i] * inverse } else { 0.0 };
        rhs[i] = right * inverse;
    }
    for i in (0..n).rev() {
        if i + 1 < n {
            rhs[i] -= p[i] * rhs[i + 1];
        }
        if i + 2 < n {
            rhs[i] -= q[i] * rhs[i + 2];
        }
    }
    Ok(())
}

/// The same on a circle: entries that would multiply a `y` outside `0..n` multiply the one `n` further.
///
/// The last two unknowns are kept out of the elimination and found from their own equations: three solutions and a
/// system of two.
///
/// # Panics
/// Below five equations, where an entry would meet another on its way round.
///
/// # Errors
/// A pivot one cannot divide by.
pub fn solve_cyclic(
    bands: [&[f64]; 5],
    rhs: &mut [f64],
    scratch: &mut [Vec<f64>; 2],
) -> Result<(), PivotError> {
    let n = rhs.len();
    assert!(n >= 5, "a circle of five equations at least");
    let m = n - 2;
    let inner = bands.map(|band| &band[..m]);
    let [a, b, c, d, e] = bands;
    // Columns of the last two unknowns in the first m equations.
    let mut columns = [vec![0.0; m], vec![0.0; m]];
    columns[0][0] = a[0];
    columns[1][0] = b[0];
    columns[1][1] = a[1];
    columns[0][m - 2] += e[m - 2];
    columns[0][m - 1] += d[m - 1];
    columns[1][m - 1] += e[m - 1];
    // Their own equations: entries of the first two, of the last two before them, and of themselves.
    let own = [
        ([e[m], 0.0], [a[m], b[m]], [c[m], d[m]]),
        ([d[m + 1], e[m + 1]], [0.0, a[m + 1]], [b[m + 1], c[m + 1]]),
    ];
    let row = |k: usize, y: &[f64]| {
        let (first, last, _) = own[k];
        first[0] * y[0] + first[1] * y[1] + last[0] * y[m - 2] + last[1] * y[m - 1]
    };
    let (inside, last) = rhs.split_at_mut(m);
    solve_pentadiagonal(inner, inside, scratch)?;
    for column in &mut columns {
        solve_pentadiagonal(inner, column, scratch)?;
    }
    let small: [[f64; 2]; 2] =
        std::array::from_fn(|k| std::array::from_fn(|j| own[k].2[j] - row(k, &columns[j])));
    let right: [f64; 2] = std::array::from_fn(|k| last[k] - row(k, inside));
    let determinant = small[0][0] * small[1][1] - small[0][1] * small[1][0];
    if !(1.0 / determinant).is_finite() {
        return Err(PivotError::new(m, 0, determinant));
    }
    last[0] = (right[0] * small[1][1] - right[1] * small[0][1]) / determinant;
    last[1] = (right[1] * small[0][0] - right[0] * small[1][0]) / determinant;
    for (column, y) in columns.iter().zip(&*last) {
        inside.iter_mut().zip(column).for_each(|(x, w)| *x -= w * y);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in (0, 1) without structure.
    fn noise(k: usize) -> f64 {
        ((k as f64 + 1.0) * 0.754_877_666_246_692_7).fract()
    }

    #[test]
    fn a_solution_on_a_circle_is_found() {
        for n in [5, 6, 7, 24] {
            let band = |first: usize, shift: f64| -> Vec<f64> {
                (0..n).map(|i| noise(first + i) + shift).collect()
            };
            let bands = [0, 100, 200, 300, 400].map(|k| band(k, if k == 200 { 2.5 } else { -0.5 }));
            let solution = band(500, 0.0);
            let mut rhs: Vec<f64> = (0..n)
                .map(|i| {
                    let terms = bands.iter().enumerate();
                    terms
                        .map(|(k, band)| band[i] * solution[(i + k + n - 2) % n])
                        .sum()
                })
                .collect();
            let views = [0, 1, 2, 3, 4].map(|k| bands[k].as_slice());
            solve_cyclic(views, &mut rhs, &mut Default::default()).expect("dominant");
            for (y, exact) in rhs.iter().zip(&solution) {
                assert!((y - exact).abs() < 1e-13, "{n}: {y} {exact}");
            }
        }
    }

    #[test]
    fn a_solution_chosen_beforehand_is_found() {
        for n in [1, 2, 3, 24] {
            let band = |first: usize, shift: f64| -> Vec<f64> {
                (0..n).map(|i| noise(first + i) + shift).collect()
            };
            let bands = [
                band(0, -0.5),
                band(100, -0.5),
                band(200, 2.0),
                band(300, -0.5),
                band(400, -0.5),
            ];
            let solution = band(500, 0.0);
            let mut rhs: Vec<f64> = (0..n)
                .map(|i| {
                    let terms = bands.iter().enumerate();
                    terms
                        .filter(|(k, _)| (2..n + 2).contains(&(i + k)))
                        .map(|(k, band)| band[i] * solution[i + k - 2])
                        .sum()
                })
                .collect();
            let views = [0, 1, 2, 3, 4].map(|k| bands[k].as_slice());
            solve_pentadiagonal(views, &mut rhs, &mut Default::default()).expect("dominant");
            for (y, exact) in rhs.iter().zip(&solution) {
                assert!((y - exact).abs() < 1e-14, "{n}: {y} {exact}");
            }
        }
    }

    #[test]
    fn a_vanishing_pivot_is_reported() {
        let zero = [0.0; 3];
        let middle = [1.0, 0.0, 1.0];
        let error = solve_pentadiagonal(
            [&zero, &zero, &middle, &zero, &zero],
            &mut [1.0; 3],
            &mut Default::default(),
        );
        assert_eq!(error.map_err(|error| error.equation), Err(1));
    }
}
