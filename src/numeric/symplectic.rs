//! How a span of time carries the form of a quadratic value back.
//!
//! ```text
//! P(t - s) = H + M'P (1 + G P)^-1 M,       P = P(t),       -P' = Q + A'P + P A - P S P
//! [X; Y] = exp(-s [A -S; -Q -A']) [1; P]:  M = X_1^-1,  G = X_1^-1 X_2,  H = Y_1 X_1^-1
//! two spans in a row:   W = (1 + G H)^-1,   M <- M W M,   G <- G + M W G M',   H <- H + M'H W M
//! ```
//!
//! `X_1, X_2, Y_1` are blocks of the exponential. `G` and `H` are symmetric, and where `S` and `Q` are not negative nor
//! are they, and nothing is cancelled however long the span: exponentials of long spans would lose every digit.
//!
//! # Order
//! Exact but for rounding; `O(d^3)`.
//!
//! # Source
//! Anderson, *Second-order convergent algorithms for the steady-state Riccati equation* (1978); Chu, Fan and Lin (2005).

use crate::numeric::dense::{exponential, faer_view, symmetric_part};
use faer::linalg::solvers::Solve;
use nalgebra::DMatrix;

/// The carrier of one span: `M`, `G` and `H`.
#[derive(Clone, Debug)]
pub struct SymplecticMap {
    pub map: DMatrix<f64>,
    pub spread: DMatrix<f64>,
    pub form: DMatrix<f64>,
}

impl SymplecticMap {
    /// Of a span so short that the exponential is of order one; `rates` is the Hamiltonian matrix `-[A -S; -Q -A']`.
    /// `None` where the form that starts from zero is infinite.
    pub fn short(rates: &DMatrix<f64>, span: f64) -> Option<Self> {
        let n = rates.nrows() / 2;
        let whole = exponential(&(rates * span));
        let block = |i: usize, j: usize| whole.view((i * n, j * n), (n, n)).into_owned();
        let identity = DMatrix::identity(n, n);
        let map = solved(&block(0, 0), &identity)?;
        Some(Self {
            spread: symmetric_part(&(&map * block(0, 1))),
            form: symmetric_part(&(block(1, 0) * &map)),
            map,
        })
    }

    /// Of two such spans; `None` where the form that starts from zero is infinite.
    pub fn doubled(&self) -> Option<Self> {
        let n = self.map.nrows();
        let middle = DMatrix::identity(n, n) + &self.spread * &self.form;
        let mut both = DMatrix::zeros(n, 2 * n);
        both.columns_mut(0, n).copy_from(&self.map);
        both.columns_mut(n, n).copy_from(&self.spread);
        let both = solved(&middle, &both)?;
        let carried = both.columns(0, n).into_owned();
        let widened = &self.map * both.columns(n, n) * self.map.transpose();
        let gained = self.map.tr_mul(&(&self.form * &carried));
        Some(Self {
            map: &self.map * carried,
            spread: &self.spread + symmetric_part(&widened),
            form: &self.form + symmetric_part(&gained),
        })
    }

    /// The form before the span from that after it; `None` where it is infinite.
    pub fn back(&self, form: &DMatrix<f64>) -> Option<DMatrix<f64>> {
        let n = form.nrows();
        let middle = DMatrix::identity(n, n) + &self.spread * form;
        let carried = solved(&middle, &self.map)?;
        Some(&self.form + symmetric_part(&self.map.tr_mul(&(form * carried))))
    }
}

/// `M^-1 B`; `None` where that is not finite.
pub fn solved(matrix: &DMatrix<f64>, right: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let solution = faer_view(matrix).partial_piv_lu().solve(faer_view(right));
    let solution = DMatrix::from_fn(right.nrows(), right.ncols(), |i, j| solution[(i, j)]);
    solution.iter().all(|x| x.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One state without drift, `S = 1`, `Q = q`: `P = sqrt(q) tanh(sqrt(q) s + artanh(p / sqrt(q)))`.
    fn scalar(q: f64) -> DMatrix<f64> {
        DMatrix::from_row_slice(2, 2, &[0.0, 1.0, q, 0.0])
    }

    #[test]
    fn a_scalar_form_is_a_hyperbolic_tangent_at_every_length() {
        let (q, p) = (2.25_f64, 0.3_f64);
        let root = q.sqrt();
        let mut map = SymplecticMap::short(&scalar(q), 0.125).expect("it is finite");
        let mut span = 0.125;
        for _ in 0..12 {
            let found = map.back(&DMatrix::from_element(1, 1, p)).expect("finite");
            let exact = root * (root * span + (p / root).atanh()).tanh();
            assert!((found[(0, 0)] - exact).abs() < 1e-14, "{span}");
            map = map.doubled().expect("it is finite");
            span *= 2.0;
        }
    }

    #[test]
    fn spans_compose_as_the_exponential_does() {
        let entries = |k: usize, l: usize| ((3 * k + 5 * l) as f64).sin();
        let a = DMatrix::from_fn(3, 3, entries);
        let s = DMatrix::from_fn(3, 2, |i, j| entries(i + 4, j));
        let q = DMatrix::from_fn(3, 3, |i, j| entries(i + 1, j + 7));
        let (s, q) = (&s * s.transpose(), symmetric_part(&q));
        let mut rates = DMatrix::zeros(6, 6);
        rates.view_mut((0, 0), (3, 3)).copy_from(&-&a);
        rates.view_mut((0, 3), (3, 3)).copy_from(&s);
        rates.view_mut((3, 0), (3, 3)).copy_from(&q);
        rates.view_mut((3, 3), (3, 3)).copy_from(&a.transpose());
        let [once, twice] = [0.1, 0.2].map(|span| SymplecticMap::short(&rates, span));
        let (once, twice) = (once.expect("finite"), twice.expect("finite"));
        let doubled = once.doubled().expect("finite");
        for (a, b) in [
            (&doubled.map, &twice.map),
            (&doubled.spread, &twice.spread),
            (&doubled.form, &twice.form),
        ] {
            assert!((a - b).norm() < 1e-14 * b.norm());
        }
        let end = symmetric_part(&DMatrix::from_fn(3, 3, entries));
        let two = once
            .back(&once.back(&end).expect("finite"))
            .expect("finite");
        let one = twice.back(&end).expect("finite");
        assert!((two - &one).norm() < 1e-13 * one.norm());
    }
}
