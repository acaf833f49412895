//! Gaussian quadrature: fixed rules on intervals and panels, Gaussian expectations, and adaptive
//! integration with an error.

use crate::numeric::estimate::{ErrorKind, Estimate};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
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
        let mut reference: Vec<(f64, f64)> = rule.as_node_weight_pairs().to_vec();
        reference.sort_by(|left, right| left.0.total_cmp(&right.0));
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
        let mut pairs: Vec<(f64, f64)> = rule.as_node_weight_pairs().to_vec();
        pairs.sort_by(|left, right| left.0.total_cmp(&right.0));
        Self {
            nodes: pairs
                .iter()
                .map(|pair| std::f64::consts::SQRT_2 * pair.0)
                .collect(),
            weights: pairs
                .iter()
                .map(|pair| pair.1 / std::f64::consts::PI.sqrt())
                .collect(),
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

/// When adaptive integration may stop: at an error of `absolute + relative |integral|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    pub absolute: f64,
    pub relative: f64,
    /// Most intervals to keep; when they run out the estimate carries the error that was reached.
    pub intervals: usize,
}

impl Default for Accuracy {
    fn default() -> Self {
        Self {
            absolute: 0.0,
            relative: 1e-12,
            intervals: 2000,
        }
    }
}

/// `∫_a^b f`, by bisecting the interval with the largest error first.
///
/// On every interval a 15-point Gauss–Legendre rule is compared with the sum of its two halves, whose
/// value is kept. Eight times the difference is that interval's error: far too much for a smooth integrand,
/// where it costs next to nothing, and about right at a kink or an integrable end-point singularity. The
/// estimate never claims less than rounding, `16 ε Σ |contributions|`. NaN from `f` gives NaN.
pub fn integrate(f: impl Fn(f64) -> f64, a: f64, b: f64, accuracy: Accuracy) -> Estimate {
    let points = const { NonZeroUsize::new(15).expect("15 is positive") };
    let rule = Rule::legendre(points, -1.0, 1.0);
    let on = |a: f64, b: f64| {
        let (centre, half) = (0.5 * (a + b), 0.5 * (b - a));
        half * rule.apply(|node| f(centre + half * node))
    };
    let piece = |a: f64, b: f64, whole: f64| {
        let middle = 0.5 * (a + b);
        let halves = [on(a, middle), on(middle, b)];
        Piece {
            ends: [a, middle, b],
            halves,
            error: 8.0 * (halves[0] + halves[1] - whole).abs(),
        }
    };
    let mut pieces = BinaryHeap::from([piece(a, b, on(a, b))]);
    loop {
        let sum = |value: fn(&Piece) -> f64| pieces.iter().map(value).sum::<f64>();
        let value = sum(|p| p.halves[0] + p.halves[1]);
        let rounding = 16.0 * f64::EPSILON * sum(|p| p.halves[0].abs() + p.halves[1].abs());
        let error = sum(|p| p.error);
        let wanted = accuracy.absolute + accuracy.relative * value.abs();
        // Written so that NaN ends the loop.
        let going = error > wanted.max(rounding) && pieces.len() < accuracy.intervals;
        let splittable = pieces
            .peek()
            .filter(|p| p.ends[0] < p.ends[1] && p.ends[1] < p.ends[2] || p.ends[0] > p.ends[2]);
        if !going || splittable.is_none() {
            return Estimate::new(value, error.max(rounding), ErrorKind::Quadrature);
        }
        if let Some(worst) = pieces.pop() {
            for side in 0..2 {
                let (a, b) = (worst.ends[side], worst.ends[side + 1]);
                pieces.push(piece(a, b, worst.halves[side]));
            }
        }
    }
}

/// An interval with both its halves integrated.
struct Piece {
    ends: [f64; 3],
    halves: [f64; 2],
    error: f64,
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Piece {}

impl PartialOrd for Piece {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Piece {
    fn cmp(&self, other: &Self) -> Ordering {
        self.error.total_cmp(&other.error)
    }
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

    #[test]
    fn adaptive_integration_is_as_good_as_it_says() {
        let pi = std::f64::consts::PI;
        type Case = (fn(f64) -> f64, f64, f64, f64);
        let cases: [Case; 5] = [
            (f64::exp, 0.0, 1.0, 1_f64.exp() - 1.0),
            (f64::sqrt, 0.0, 1.0, 2.0 / 3.0),
            (|x| 1.0 / (1e-6 + x * x), -1.0, 1.0, 2e3 * 1e3_f64.atan()),
            (|x| (x - 0.3).abs(), 0.0, 1.0, 0.5 * (0.09 + 0.49)),
            (|x| x.sin(), pi, 0.0, -2.0),
        ];
        for (index, (f, a, b, exact)) in cases.into_iter().enumerate() {
            let estimate = integrate(f, a, b, Accuracy::default());
            let error = (estimate.value - exact).abs();
            assert!(error <= estimate.error, "{index}: {error:e} {estimate:?}");
            assert!(
                estimate.error <= 1e-11 * exact.abs(),
                "{index}: {estimate:?}"
            );
        }
    }

    #[test]
    fn an_integral_that_was_not_resolved_does_not_claim_the_accuracy_asked_for() {
        let accuracy = Accuracy {
            intervals: 20,
            ..Accuracy::default()
        };
        let estimate = integrate(|x| 1.0 / x, 1e-300, 1.0, accuracy);
        assert!(estimate.error > 0.1 * estimate.value.abs(), "{estimate:?}");
        let undefined = integrate(|_| f64::NAN, 0.0, 1.0, accuracy);
        assert!(undefined.value.is_nan());
    }
}
