//! Integrals from one end of an interval up to each of many nodes.
//!
//! The interval is cut into equal panels with Gauss–Legendre nodes. On a panel the integrand is the polynomial
//! through its values at the nodes, integrated exactly up to each of them:
//!
//! ```text
//! ∫_a^{x_i} f ≈ Σ_j S_ij f(x_j),      S_ij = ∫_{-1}^{x_i} ℓ_j,   ℓ_j the Lagrange polynomials of the nodes
//! ```
//!
//! # Order
//! The number of nodes of a panel, in the width of a panel; twice that for whole panels.

use crate::numeric::quadrature::Rule;
use std::num::NonZeroUsize;

/// Nodes of one panel.
pub const NODES: NonZeroUsize = NonZeroUsize::new(16).unwrap();

/// An interval cut into panels.
#[derive(Clone, Debug)]
pub struct Panels {
    /// All nodes, ascending.
    nodes: Vec<f64>,
    weights: Vec<f64>,
    /// `S`, row by row, for a panel of half-width one.
    partial: Vec<Vec<f64>>,
    half_width: f64,
}

impl Panels {
    /// `[a, b]` in `panels` parts.
    pub fn new(a: f64, b: f64, panels: NonZeroUsize) -> Self {
        let reference = Rule::legendre(NODES, -1.0, 1.0);
        let whole = Rule::panels(NODES, panels, a, b);
        let lagrange = |j: usize, x: f64| -> f64 {
            let nodes = &reference.nodes;
            let others = (0..nodes.len()).filter(|k| *k != j);
            others
                .map(|k| (x - nodes[k]) / (nodes[j] - nodes[k]))
                .product()
        };
        let partial = reference
            .nodes
            .iter()
            .map(|end| {
                let rule = Rule::legendre(NODES, -1.0, *end);
                (0..NODES.get())
                    .map(|j| rule.apply(|x| lagrange(j, x)))
                    .collect()
            })
            .collect();
        Self {
            nodes: whole.nodes,
            weights: whole.weights,
            partial,
            half_width: 0.5 * (b - a) / panels.get() as f64,
        }
    }

    pub fn nodes(&self) -> &[f64] {
        &self.nodes
    }

    /// `∫ f` over the interval, from values at the nodes.
    pub fn total(&self, values: &[f64]) -> f64 {
        let terms = self.weights.iter().zip(values);
        terms.map(|(w, f)| w * f).sum()
    }

    /// `∫ f` from the left end up to every node.
    pub fn from_left(&self, values: &[f64]) -> Vec<f64> {
        let n = NODES.get();
        let mut out = Vec::with_capacity(values.len());
        let mut before = 0.0;
        for (panel, weights) in values.chunks(n).zip(self.weights.chunks(n)) {
            for row in &self.partial {
                let part: f64 = row.iter().zip(panel).map(|(s, f)| s * f).sum();
                out.push(before + self.half_width * part);
            }
            before += weights.iter().zip(panel).map(|(w, f)| w * f).sum::<f64>();
        }
        out
    }

    /// `∫ f` from every node up to the right end, without cancellation where it is small.
    pub fn to_right(&self, values: &[f64]) -> Vec<f64> {
        let mirrored: Vec<f64> = values.iter().rev().copied().collect();
        let mut out = self.from_left(&mirrored);
        out.reverse();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrals_up_to_the_nodes_are_those_of_the_exponential() {
        let panels = Panels::new(-1.0, 3.0, NonZeroUsize::new(3).expect("three"));
        let values: Vec<f64> = panels.nodes().iter().map(|x| x.exp()).collect();
        let (left, right) = (panels.from_left(&values), panels.to_right(&values));
        for ((x, a), b) in panels.nodes().iter().zip(&left).zip(&right) {
            assert!((a - (x.exp() - (-1.0_f64).exp())).abs() < 1e-13, "{x}");
            assert!((b - (3.0_f64.exp() - x.exp())).abs() < 1e-13, "{x}");
        }
        let whole = 3.0_f64.exp() - (-1.0_f64).exp();
        assert!((panels.total(&values) - whole).abs() < 1e-13);
    }
}
