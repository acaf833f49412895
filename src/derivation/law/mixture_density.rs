//! The logarithm of a Gaussian mixture as an expression.
//!
//! ```text
//! log p(x) = log sum_k exp( log w_k - 1/2 log det(2 pi C_k) - 1/2 (x - m_k)' C_k^-1 (x - m_k) )
//! ```

use crate::expr::arithmetic::sum;
use crate::expr::{Expr, Function, Graph};
use crate::problem::meant::law::Mixture;
use std::f64::consts::PI;

/// Most terms, components times entries of a covariance.
const MOST_TERMS: usize = 4096;

/// `log p`; nothing where a component does not spread in all directions, or the expression would be too long.
pub fn log_mixture(graph: &mut Graph, state: &[Expr], mixture: &Mixture) -> Option<Expr> {
    let d = mixture.dimension();
    if mixture.components() * d * d > MOST_TERMS {
        return None;
    }
    let mut exponents = Vec::new();
    let shapes = mixture.means.iter().zip(&mixture.covariances);
    for (weight, (mean, covariance)) in mixture.weights.iter().zip(shapes) {
        let factor = covariance.dense(d).cholesky()?;
        let diagonal = factor.l_dirty().diagonal();
        let log_determinant: f64 = diagonal.iter().map(|l| 2.0 * l.ln()).sum();
        let constant = weight.ln() - 0.5 * (log_determinant + d as f64 * (2.0 * PI).ln());
        let precision = factor.inverse();
        let mut offsets = Vec::new();
        for (x, m) in state.iter().zip(mean) {
            let m = graph.number(*m);
            offsets.push(graph.of(*x - m));
        }
        let mut terms = vec![graph.number(constant)];
        for i in 0..d {
            for j in 0..=i {
                let twice = precision[(i, j)] + if i == j { 0.0 } else { precision[(j, i)] };
                let coefficient = graph.number(-0.5 * twice);
                terms.push(graph.of(coefficient * offsets[i] * offsets[j]));
            }
        }
        exponents.push(graph.of(sum(terms)));
    }
    Some(match exponents.as_slice() {
        [one] => *one,
        _ => graph.apply(Function::LogSumExp, &exponents),
    })
}
