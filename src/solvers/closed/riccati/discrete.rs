//! The least cost that explicit steps allow.
//!
//! ```text
//! X_{k+1} = X_k + dt (A X_k + a + B u_k) + G dW_k,      J = sum_k e^{-rho (t_k - t_0)} dt (q + 1/2 u'R u)(t_k) + e^{-rho (T - t_0)} Phi(X_N)
//! V_k(x) = 1/2 x'P_k x + r_k.x + c_k,      gamma = e^{-rho dt},   F = I + dt A,   f = dt a
//! N   = (I + gamma dt S P)^-1 S,                                S = B R^-1 B'
//! P_k = dt Q + gamma F'(P - gamma dt P N P) F
//! r_k = dt k + gamma F'(I - gamma dt P N) (P f + r)
//! c_k = dt q_0 + gamma (1/2 f'P f + r.f + c + dt/2 tr(D P)) - gamma^2 dt/2 (P f + r)'N (P f + r)
//! ```
//!
//! with `P, r, c` of step `k + 1` on the right: dynamic programming of the scheme that every simulation here walks. No
//! control can cost less at that step, and a method whose cost lies below `V` may still be far above this.
//!
//! # Order
//! Distance from the value of continuous time: first order in `dt`. `O(d^3)` a step; exact but for rounding.
//!
//! # Source
//! Bertsekas, *Dynamic Programming and Optimal Control*, volume I, section 3.1.

use crate::solvers::closed::riccati::equations::{Equations, averaged, parts_of};
use nalgebra::{DMatrix, DVector};

/// `E V_0` over a start law of this mean and covariance; `None` where a step has no minimum or leaves the doubles.
pub(super) fn least_cost(
    mut equations: Equations,
    (start, end): (f64, f64),
    steps: usize,
    terminal: &[f64],
    (mean, covariance): (&DVector<f64>, &DMatrix<f64>),
) -> Option<f64> {
    let d = mean.len();
    let dt = (end - start) / steps as f64;
    let gamma = (-equations.discount * dt).exp();
    let mut y = terminal.to_vec();
    for k in (0..steps).rev() {
        if !equations.is_constant() {
            equations.load(start + dt * k as f64);
        }
        let [a, shift, s, q, slope, noise, q0] = &equations.coefficients;
        let (form, vector, constant) = parts_of(&y, d);
        let (form, vector) = (form.into_owned(), vector.into_owned());
        let identity = DMatrix::<f64>::identity(d, d);
        let step = &identity + a * dt;
        let moved = shift.column(0) * dt;
        let middle = (&identity + s * &form * (gamma * dt)).lu().solve(s)?;
        let pushed = &form * &moved + &vector;
        let kept = &identity - &form * &middle * (gamma * dt);
        let next = q * dt + step.tr_mul(&(&kept * &form * &step)) * gamma;
        let linear = slope.column(0) * dt + step.tr_mul(&(&kept * &pushed)) * gamma;
        let free = 0.5 * moved.dot(&(&form * &moved))
            + vector.dot(&moved)
            + constant
            + 0.5 * dt * noise.dot(&form);
        let saved = 0.5 * gamma * gamma * dt * pushed.dot(&(&middle * &pushed));
        let constant = dt * q0[(0, 0)] + gamma * free - saved;
        // Rounding of the product must not make the form lopsided.
        let next = (&next + next.transpose()) * 0.5;
        y.clear();
        y.extend(next.iter().chain(linear.iter()));
        y.push(constant);
    }
    let cost = averaged(&y, mean, covariance);
    cost.is_finite().then_some(cost)
}
