//! Small dense linear algebra: matrix exponential, linear Gaussian transitions, stationary covariances,
//! Cholesky with a report of the pivot that failed.

use crate::numeric::time_limit::look;
use faer::linalg::solvers::{DenseSolveCore, Solve};
use faer::{MatMut, MatRef, Par, Side};
use nalgebra::{DMatrix, DVector};

/// Why a matrix could not be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DenseError {
    #[error("not positive definite: pivot {index} is {value:e}")]
    NotPositiveDefinite { index: usize, value: f64 },
    #[error(
        "no stationary covariance: exp(A t) does not decay (norm {norm:e} at t = {time:e}), so A has an eigenvalue with real part >= 0"
    )]
    NotStable { norm: f64, time: f64 },
}

/// Keeps faer's factorisations on the thread that asks for them: their rounding would depend on the number of
/// threads otherwise, and ours own whole blocks of work already.
pub fn factorise_alone() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| faer::set_global_parallelism(Par::Seq));
}

/// A column-major matrix seen by faer, without copying; what is then asked of it runs on one thread
/// ([`factorise_alone`]).
pub fn faer_view(matrix: &DMatrix<f64>) -> MatRef<'_, f64> {
    factorise_alone();
    MatRef::from_column_major_slice(matrix.as_slice(), matrix.nrows(), matrix.ncols())
}

/// `exp(A)`, by scaling and squaring.
///
/// # Source
/// Al-Mohy and Higham, *A new scaling and squaring algorithm for the matrix exponential* (2009), through
/// nalgebra.
pub fn exponential(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    matrix.exp()
}

/// `X_t | X_0 = x  ~  N(map x + shift, covariance)`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearTransition {
    pub map: DMatrix<f64>,
    pub shift: DVector<f64>,
    pub covariance: DMatrix<f64>,
}

/// The transition law over time t of `dX = (A X + c) dt + G dW`, `D = G Gᵀ`.
///
/// ```text
/// map = exp(A t),   shift = ∫_0^t exp(A s) c ds,   covariance = ∫_0^t exp(A s) D exp(Aᵀ s) ds
/// ```
///
/// The block exponential of Van Loan contains `exp(-A t)` and loses everything when that is large, so it is
/// applied to `t / 2^k` with `|A| t / 2^k <= 1/2` and the law is composed with itself k times.
///
/// # Source
/// Van Loan, *Computing integrals involving the matrix exponential* (1978).
pub fn linear_transition(
    drift: &DMatrix<f64>,
    constant: &DVector<f64>,
    diffusivity: &DMatrix<f64>,
    time: f64,
) -> LinearTransition {
    let doublings = doublings(drift, time);
    let mut law = short_transition(drift, constant, diffusivity, time / 2_f64.powi(doublings));
    for _ in 0..doublings {
        law = law.doubled();
    }
    law
}

/// How often to halve `time` until `|A| time <= 1/2`.
fn doublings(drift: &DMatrix<f64>, time: f64) -> i32 {
    // Each doubling costs a little accuracy; a thousand is beyond the range of doubles.
    let size = drift.norm() * time;
    (2.0 * size).log2().ceil().clamp(0.0, 1000.0) as i32
}

/// Van Loan, for times at which neither `exp(A t)` nor `exp(-A t)` is large.
fn short_transition(
    drift: &DMatrix<f64>,
    constant: &DVector<f64>,
    diffusivity: &DMatrix<f64>,
    time: f64,
) -> LinearTransition {
    let d = drift.nrows();
    let mut block = DMatrix::zeros(2 * d, 2 * d);
    block.view_mut((0, 0), (d, d)).copy_from(&(-drift * time));
    block
        .view_mut((0, d), (d, d))
        .copy_from(&(diffusivity * time));
    block
        .view_mut((d, d), (d, d))
        .copy_from(&(drift.transpose() * time));
    let power = exponential(&block);
    let map = power.view((d, d), (d, d)).transpose();
    let covariance = symmetric_part(&(&map * power.view((0, d), (d, d))));
    let mut affine = DMatrix::zeros(d + 1, d + 1);
    affine.view_mut((0, 0), (d, d)).copy_from(&(drift * time));
    affine
        .view_mut((0, d), (d, 1))
        .copy_from(&(constant * time));
    let shift = exponential(&affine)
        .view((0, d), (d, 1))
        .column(0)
        .into_owned();
    LinearTransition {
        map,
        shift,
        covariance,
    }
}

impl LinearTransition {
    /// The law of two such transitions in a row.
    fn doubled(&self) -> Self {
        Self {
            map: &self.map * &self.map,
            shift: &self.map * &self.shift + &self.shift,
            covariance: symmetric_part(
                &(&self.map * &self.covariance * self.map.transpose() + &self.covariance),
            ),
        }
    }
}

/// The solution C of `A C + C Aᵀ = -D`: the covariance of `dX = A X dt + G dW` at rest.
///
/// Doubles the time of [`linear_transition`] until the map has died out (Smith's iteration, quadratically
/// convergent). Needs every eigenvalue of A in the left half plane.
pub fn stationary_covariance(
    drift: &DMatrix<f64>,
    diffusivity: &DMatrix<f64>,
) -> Result<DMatrix<f64>, DenseError> {
    let d = drift.nrows();
    let mut time = 1.0 / 2_f64.powi(doublings(drift, 1.0));
    let mut law = short_transition(drift, &DVector::zeros(d), diffusivity, time);
    // From |A| t <= 1/2, sixty doublings resolve rates 1e-17 below the fastest.
    for _ in 0..60 {
        // Its square, which the next term of the sum carries, is then below rounding.
        if law.map.norm() < 1e-10 {
            return Ok(law.covariance);
        }
        law = law.doubled();
        time *= 2.0;
        if !law.map.norm().is_finite() {
            break;
        }
    }
    Err(DenseError::NotStable {
        norm: law.map.norm(),
        time,
    })
}

/// `(M + Mᵀ) / 2`.
pub fn symmetric_part(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
        0.5 * (matrix[(i, j)] + matrix[(j, i)])
    })
}

/// L with `L Lᵀ = C`: the lower Cholesky factor, or the symmetric root with negative rounding clipped to zero where C is
/// not positive definite.
pub fn covariance_root(covariance: DMatrix<f64>) -> DMatrix<f64> {
    match covariance.clone().cholesky() {
        Some(factor) => factor.l(),
        None => {
            let eigen = covariance.symmetric_eigen();
            let roots = eigen.eigenvalues.map(|v| v.max(0.0).sqrt());
            &eigen.eigenvectors * DMatrix::from_diagonal(&roots) * eigen.eigenvectors.transpose()
        }
    }
}

/// `A = L Lᵀ`; only the lower triangle of A is read.
#[derive(Clone, Debug)]
pub struct Cholesky {
    factor: faer::linalg::solvers::Llt<f64>,
}

impl Cholesky {
    /// Fails with the first pivot that is not positive.
    pub fn new(matrix: &DMatrix<f64>) -> Result<Self, DenseError> {
        look();
        match faer_view(matrix).llt(Side::Lower) {
            // NaN passes faer's test for positive pivots or not, depending on the block size.
            Ok(factor) if (0..matrix.nrows()).all(|i| factor.L()[(i, i)] > 0.0) => {
                Ok(Self { factor })
            }
            _ => Err(first_bad_pivot(matrix)),
        }
    }

    /// The lower triangular factor, zero above the diagonal.
    pub fn lower(&self) -> DMatrix<f64> {
        let l = self.factor.L();
        DMatrix::from_fn(
            l.nrows(),
            l.ncols(),
            |i, j| if i >= j { l[(i, j)] } else { 0.0 },
        )
    }

    /// `L⁻¹`, lower triangular: `A⁻¹ = L⁻ᵀ L⁻¹`.
    pub fn inverse_lower(&self) -> DMatrix<f64> {
        let l = self.factor.L();
        let n = l.nrows();
        let mut inverse = DMatrix::identity(n, n);
        let view = MatMut::from_column_major_slice_mut(inverse.as_mut_slice(), n, n);
        l.solve_lower_triangular_in_place(view);
        inverse
    }

    /// `log det A`.
    pub fn log_determinant(&self) -> f64 {
        let l = self.factor.L();
        (0..l.nrows()).map(|i| 2.0 * l[(i, i)].ln()).sum()
    }

    /// `A⁻¹ B`.
    pub fn solve(&self, right: &DMatrix<f64>) -> DMatrix<f64> {
        let solution = self.factor.solve(faer_view(right));
        DMatrix::from_fn(right.nrows(), right.ncols(), |i, j| solution[(i, j)])
    }

    /// `A⁻¹`, symmetric to the bit.
    pub fn inverse(&self) -> DMatrix<f64> {
        let inverse = self.factor.inverse();
        let n = inverse.nrows();
        DMatrix::from_fn(n, n, |i, j| inverse[(i.max(j), i.min(j))])
    }
}

/// Eliminates column by column until a pivot fails.
fn first_bad_pivot(matrix: &DMatrix<f64>) -> DenseError {
    let n = matrix.nrows();
    let mut lower = DMatrix::<f64>::zeros(n, n);
    for j in 0..n {
        let pivot = matrix[(j, j)] - (0..j).map(|k| lower[(j, k)].powi(2)).sum::<f64>();
        // The last column is blamed when this order of operations finds none.
        if !(pivot > 0.0 && pivot.is_finite()) || j + 1 == n {
            return DenseError::NotPositiveDefinite {
                index: j,
                value: pivot,
            };
        }
        lower[(j, j)] = pivot.sqrt();
        for i in j + 1..n {
            let sum: f64 = (0..j).map(|k| lower[(i, k)] * lower[(j, k)]).sum();
            lower[(i, j)] = (matrix[(i, j)] - sum) / lower[(j, j)];
        }
    }
    unreachable!("a matrix without rows is positive definite")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Record s05.linsde of the reference numbers (Van Loan in other software, error 1e-13).
    fn reference() -> (DMatrix<f64>, DVector<f64>, DMatrix<f64>) {
        let a = DMatrix::from_row_slice(3, 3, &[-1.0, 0.5, 0.0, -0.3, -0.8, 0.2, 0.1, 0.0, -0.5]);
        let g = DMatrix::from_row_slice(3, 3, &[0.7, 0.0, 0.0, 0.2, 0.5, 0.0, 0.0, -0.1, 0.9]);
        let c = DVector::from_column_slice(&[0.3, -0.1, 0.2]);
        (a, c, &g * g.transpose())
    }

    #[test]
    fn linear_sde_agrees_with_reference_numbers() {
        let (a, c, d) = reference();
        let law = linear_transition(&a, &c, &d, 1.7);
        let mean = &law.map * DVector::from_column_slice(&[1.0, -1.0, 0.5]) + &law.shift;
        let expected_mean = [
            0.20181067384329274,
            -0.36044172192969887,
            0.4885773296657846,
        ];
        let expected_covariance = [
            0.26866855971340736,
            0.07319267474032143,
            0.020912721026268625,
            0.0731926747403218,
            0.15198438506760728,
            0.0400517927089413,
            0.02091272102626814,
            0.04005179270894124,
            0.6720754783275359,
        ];
        let expected_rest = [
            0.2864411155559341,
            0.08288223111186767,
            0.04729877720089658,
            0.08288223111186765,
            0.17132119045592537,
            0.08460810849150298,
            0.04729877720089659,
            0.08460810849150295,
            0.8294597554401795,
        ];
        let rest = stationary_covariance(&a, &d).expect("stable");
        for i in 0..3 {
            assert!((mean[i] - expected_mean[i]).abs() < 1e-13);
            for j in 0..3 {
                assert!((law.covariance[(i, j)] - expected_covariance[3 * i + j]).abs() < 1e-13);
                assert!((rest[(i, j)] - expected_rest[3 * i + j]).abs() < 1e-13);
            }
        }
        let residual = &a * &rest + &rest * a.transpose() + &d;
        assert!(residual.norm() < 1e-14);
    }

    #[test]
    fn long_times_and_stiff_drifts_keep_their_digits() {
        // Ornstein–Uhlenbeck coordinates with rates 1e-2 .. 1e3 over t = 50: exp(-A t) overflows.
        let rates = [0.01_f64, 1.0, 1000.0];
        let a = DMatrix::from_diagonal(&DVector::from_iterator(3, rates.iter().map(|r| -r)));
        let d = DMatrix::identity(3, 3) * 2.0;
        let c = DVector::from_element(3, 1.0);
        // Rounding of A alone moves the slowest rate by 1e5 ε relatively.
        let law = linear_transition(&a, &c, &d, 50.0);
        let rest = stationary_covariance(&a, &d).expect("stable");
        for (i, rate) in rates.into_iter().enumerate() {
            let variance = -(-2.0 * rate * 50.0).exp_m1() / rate;
            let shift = -(-rate * 50.0).exp_m1() / rate;
            assert!((law.covariance[(i, i)] / variance - 1.0).abs() < 1e-10);
            assert!((law.shift[i] / shift - 1.0).abs() < 1e-10);
            assert!((rest[(i, i)] * rate - 1.0).abs() < 1e-10);
        }
        let zero = linear_transition(&a, &c, &d, 0.0);
        assert_eq!(zero.map, DMatrix::identity(3, 3));
        assert_eq!(zero.covariance.norm() + zero.shift.norm(), 0.0);
    }

    #[test]
    fn a_drift_without_rest_is_refused() {
        let d = DMatrix::identity(2, 2);
        let rotation = DMatrix::from_row_slice(2, 2, &[0.0, 1.0, -1.0, 0.0]);
        let growth = DMatrix::from_row_slice(2, 2, &[-1.0, 0.0, 0.0, 0.1]);
        for a in [rotation, growth] {
            let refused = stationary_covariance(&a, &d);
            assert!(
                matches!(refused, Err(DenseError::NotStable { .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn exponential_of_a_rotation_generator_is_a_rotation() {
        let a = DMatrix::from_row_slice(2, 2, &[0.0, -1.0, 1.0, 0.0]) * 20.0;
        let exact = DMatrix::from_row_slice(
            2,
            2,
            &[20_f64.cos(), -20_f64.sin(), 20_f64.sin(), 20_f64.cos()],
        );
        assert!((exponential(&a) - exact).norm() < 1e-13);
    }

    #[test]
    fn cholesky_factors_solves_and_names_the_pivot_that_fails() {
        for n in [1, 3, 80] {
            // Kac–Murdock–Szegő: entries ρ^|i-j|, determinant (1 - ρ²)^(n-1), tridiagonal inverse.
            let rho = 0.6_f64;
            let matrix = DMatrix::from_fn(n, n, |i, j| rho.powi(i.abs_diff(j) as i32));
            let factor = Cholesky::new(&matrix).expect("positive definite");
            let lower = factor.lower();
            assert!((&lower * lower.transpose() - &matrix).norm() < 1e-13);
            let exact = (n as f64 - 1.0) * (1.0 - rho * rho).ln();
            assert!((factor.log_determinant() - exact).abs() < 1e-12);
            let inverse = factor.inverse();
            assert_eq!(inverse, inverse.transpose());
            let identity = DMatrix::identity(n, n);
            assert!((&inverse * &matrix - &identity).norm() < 1e-12);
            assert!((factor.solve(&identity) - &inverse).norm() < 1e-12);
            assert!((factor.inverse_lower() * &lower - &identity).norm() < 1e-12);
            if n > 1 {
                assert!((inverse[(0, 1)] + rho / (1.0 - rho * rho)).abs() < 1e-13);
            }
        }
        let indefinite =
            DMatrix::from_row_slice(3, 3, &[1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let expected = DenseError::NotPositiveDefinite {
            index: 1,
            value: -3.0,
        };
        assert_eq!(Cholesky::new(&indefinite).map(|_| ()), Err(expected));
        assert!(Cholesky::new(&DMatrix::from_element(2, 2, f64::NAN)).is_err());
        assert!(Cholesky::new(&DMatrix::zeros(2, 2)).is_err());
    }
}
