//! Gaussian quadrature: fixed rules on intervals and panels, and Gaussian expectations.

use std::f64::consts::{PI, SQRT_2};
use std::num::NonZeroUsize;

/// Nodes and weights: `∫ f ≈ Σ weights[i] f(nodes[i])`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub nodes: Vec<f64>,
    pub weights: Vec<f64>,
}

impl Rule {
    /// Gauss–Legendre with `points` nodes on `[a, b]`, ascending; exact for polynomials of degree
    /// `2 points - 1`.
    ///
    /// # Source
    /// Bogaert, *Iteration-free computation of Gauss–Legendre quadrature nodes and weights* (2014),
    /// through the crate `gauss-quad`.
    pub fn legendre(points: NonZeroUsize, a: f64, b: f64) -> Self {
        Self::panels(points, NonZeroUsize::MIN, a, b)
    }

    /// Gauss–Legendre with `points` nodes on each of `panels` equal parts of `[a, b]`, ascending.
    ///
    /// The error for a smooth integrand falls like `panels^(-2 points)`.
    pub fn panels(points: NonZeroUsize, panels: NonZeroUsize, a: f64, b: f64) -> Self {
        let rule = gauss_quad::GaussLegendre::new(points);
        let half = 0.5 * (b - a) / panels.get() as f64;
        let mut nodes = Vec::with_capacity(points.get() * panels.get());
        let mut weights = Vec::with_capacity(points.get() * panels.get());
        let reference = ascending(rule.as_node_weight_pairs());
        for panel in 0..panels.get() {
            let centre = a + half * (2 * panel + 1) as f64;
            for (node, weight) in &reference {
                nodes.push(centre + half * node);
                weights.push(half * weight);
            }
        }
        Self { nodes, weights }
    }

    /// Gauss–Hermite for a standard normal Z: `E f(Z) ≈ Σ weights[i] f(nodes[i])`, ascending; exact for
    /// polynomials of degree `2 points - 1`.
    ///
    /// # Source
    /// Golub and Welsch, *Calculation of Gauss quadrature rules* (1969), through the crate `gauss-quad`.
    pub fn normal(points: NonZeroUsize) -> Self {
        let rule = gauss_quad::GaussHermite::new(points);
        let pairs = ascending(rule.as_node_weight_pairs());
        Self {
            nodes: pairs.iter().map(|pair| SQRT_2 * pair.0).collect(),
            weights: pairs.iter().map(|pair| pair.1 / PI.sqrt()).collect(),
        }
    }

    /// `Σ weights[i] f(nodes[i])`.
    pub fn apply(&self, mut f: impl FnMut(f64) -> f64) -> f64 {
        self.nodes
            .iter()
            .zip(&self.weights)
            .map(|(x, w)| w * f(*x))
            .sum()
    }
}

fn ascending(pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut pairs = pairs.to_vec();
    pairs.sort_by(|left, right| left.0.total_cmp(&right.0));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positive(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).expect("positive")
    }

    #[test]
    fn legendre_is_exact_up_to_its_degree_and_not_beyond() {
        let rule = Rule::legendre(positive(5), 1.0, 3.0);
        let exact = |n: i32| (3_f64.powi(n + 1) - 1.0) / f64::from(n + 1);
        for n in 0..10 {
            let error = rule.apply(|x| x.powi(n)) / exact(n) - 1.0;
            assert!(error.abs() < 1e-14, "degree {n}: {error:e}");
        }
        // (n!)^4 / ((2n)!^2 (2n+1)) 2^(2n+1) is the error for x^(2n) on a length of 2.
        let predicted = 120_f64.powi(4) * 2_f64.powi(11) / (11.0 * 3_628_800_f64.powi(2));
        let seen = exact(10) - rule.apply(|x| x.powi(10));
        assert!((seen / predicted - 1.0).abs() < 1e-8, "{seen} {predicted}");
        assert!(rule.nodes.windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn panels_converge_with_twice_the_number_of_points() {
        let error = |panels: usize| {
            let rule = Rule::panels(positive(2), positive(panels), 0.0, 1.0);
            (rule.apply(f64::exp) - (1_f64.exp() - 1.0)).abs()
        };
        let order = (error(8) / error(16)).log2();
        assert!((order - 4.0).abs() < 0.02, "{order}");
    }

    #[test]
    fn hermite_gives_the_moments_of_a_normal() {
        for points in [1, 2, 20, 64] {
            let rule = Rule::normal(positive(points));
            let mut exact = 1.0;
            for n in 0..points.min(12) as i32 {
                let even = rule.apply(|x| x.powi(2 * n));
                assert!(
                    (even / exact - 1.0).abs() < 1e-12,
                    "moment {}: {even}",
                    2 * n
                );
                exact *= f64::from(2 * n + 1);
            }
        }
        // E exp(s Z) = exp(s^2 / 2).
        let rule = Rule::normal(positive(40));
        assert!((rule.apply(|x| (1.5 * x).exp()) / 1.125_f64.exp() - 1.0).abs() < 1e-13);
    }
}
