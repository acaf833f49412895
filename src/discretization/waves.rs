//! Cosines or sines on an interval, met at the midpoints of equal cells.
//!
//! ```text
//! x_j = a + (j + 1/2) w / n,      omega_k = pi k / w
//! f(x) = sum_k c_k s_k cos( omega_k (x - a) ),   k = 0..n-1        flat at both ends
//! f(x) = sum_k c_k s_k sin( omega_k (x - a) ),   k = 1..n          zero at both ends
//! ```
//!
//! with `s_k = sqrt(2/n)` (`sqrt(1/n)` for the lone wave: the constant, the fastest sine), so that the values at the nodes
//! and the coefficients are one another's orthogonal images. Second derivatives are exact for what the waves span.
//!
//! # Order
//! Spectral for a smooth function that is flat, or zero with its even derivatives, at the ends; `O(n^2)` a transform.
//!
//! # Source
//! Colbert and Miller (1992); Strang (1999) for both transforms at midpoints.

use nalgebra::{DMatrix, DVector};
use std::f64::consts::PI;

/// What all functions of a basis do at the ends of the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    Flat,
    Zero,
}

/// `n` waves on an interval.
#[derive(Clone, Debug)]
pub struct Waves {
    low: f64,
    width: f64,
    ends: Ends,
    /// Waves × nodes, orthogonal.
    transform: DMatrix<f64>,
}

impl Waves {
    /// On `[low, high]`, with `count > 1` nodes.
    pub fn new(low: f64, high: f64, count: usize, ends: Ends) -> Self {
        let first = usize::from(ends == Ends::Zero);
        let n = count as f64;
        let transform = DMatrix::from_fn(count, count, |row, j| {
            let k = row + first;
            let angle = PI * k as f64 * (j as f64 + 0.5) / n;
            let wave = match ends {
                Ends::Flat => angle.cos(),
                Ends::Zero => angle.sin(),
            };
            size(k, count) * wave
        });
        Self {
            low,
            width: high - low,
            ends,
            transform,
        }
    }

    pub fn count(&self) -> usize {
        self.transform.nrows()
    }

    pub fn nodes(&self) -> Vec<f64> {
        let cell = self.cell();
        let node = |j: usize| self.low + (j as f64 + 0.5) * cell;
        (0..self.count()).map(node).collect()
    }

    /// Distance between neighbouring nodes.
    pub fn cell(&self) -> f64 {
        self.width / self.count() as f64
    }

    /// Coefficients of what has these columns of values at the nodes.
    pub fn coefficients(&self, values: &DMatrix<f64>) -> DMatrix<f64> {
        &self.transform * values
    }

    /// `-d^2/dx^2` on values at the nodes: symmetric.
    pub fn bending(&self) -> DMatrix<f64> {
        let squares = (0..self.count()).map(|row| self.frequency(row).powi(2));
        let squares = DVector::from_iterator(self.count(), squares);
        let scaled = DMatrix::from_diagonal(&squares) * &self.transform;
        self.transform.tr_mul(&scaled)
    }

    /// Value and slope at a point of the interval.
    pub fn eval(&self, coefficients: &[f64], x: f64) -> [f64; 2] {
        let unit = PI / self.width;
        let (sine, cosine) = (unit * (x - self.low)).sin_cos();
        let (mut s, mut c) = (0.0, 1.0);
        if self.ends == Ends::Zero {
            (s, c) = (sine, cosine);
        }
        let (mut value, mut slope) = (0.0, 0.0);
        for (row, coefficient) in coefficients.iter().enumerate() {
            let k = row + usize::from(self.ends == Ends::Zero);
            let scaled = coefficient * size(k, self.count());
            let turning = scaled * self.frequency(row);
            match self.ends {
                Ends::Flat => {
                    value += scaled * c;
                    slope -= turning * s;
                }
                Ends::Zero => {
                    value += scaled * s;
                    slope += turning * c;
                }
            }
            (s, c) = (s * cosine + c * sine, c * cosine - s * sine);
        }
        [value, slope]
    }

    fn frequency(&self, row: usize) -> f64 {
        let k = row + usize::from(self.ends == Ends::Zero);
        PI * k as f64 / self.width
    }
}

/// What makes a wave of unit length on the nodes: a whole wave for the constant and for the sine that is one in size at
/// every node.
fn size(k: usize, count: usize) -> f64 {
    let alone = k == 0 || k == count;
    (if alone { 1.0 } else { 2.0 } / count as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Gaussian well inside the interval is both flat and zero at its ends.
    #[test]
    fn a_gaussian_is_interpolated_and_bent_to_rounding() {
        for ends in [Ends::Flat, Ends::Zero] {
            let waves = Waves::new(-6.0, 7.0, 96, ends);
            let gauss = |x: f64| (-x * x).exp();
            let values = DMatrix::from_vec(96, 1, waves.nodes().into_iter().map(gauss).collect());
            let coefficients = waves.coefficients(&values);
            for x in [-1.3, 0.0, 0.41, 2.2, 6.9] {
                let [value, slope] = waves.eval(coefficients.as_slice(), x);
                assert!((value - gauss(x)).abs() < 1e-13, "{ends:?} {x}: {value}");
                let exact = -2.0 * x * gauss(x);
                assert!((slope - exact).abs() < 1e-12, "{ends:?} {x}: {slope}");
            }
            let bent = waves.bending() * values;
            for (x, bent) in waves.nodes().into_iter().zip(bent.iter()) {
                let exact = (2.0 - 4.0 * x * x) * gauss(x);
                assert!((bent - exact).abs() < 1e-11, "{ends:?} {x}: {bent}");
            }
        }
    }

    #[test]
    fn values_and_coefficients_have_the_same_length() {
        for ends in [Ends::Flat, Ends::Zero] {
            let waves = Waves::new(0.0, 2.0, 7, ends);
            let identity = waves.coefficients(&DMatrix::identity(7, 7));
            let product = &identity * identity.transpose();
            assert!(
                (product - DMatrix::identity(7, 7)).norm() < 1e-13,
                "{ends:?}"
            );
        }
    }
}
