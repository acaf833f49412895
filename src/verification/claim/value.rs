//! Measured numbers with the draws behind them.

use crate::numeric::blocks::pairwise_sum;

/// Draws that belong together: values at one index come from one path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Forward,
    Reverse,
    Controlled,
    /// Draws of `X_t`, the same normals at every time.
    Draws,
    /// Pairs `(X_0, X_t)` and random directions, the same normals at every time.
    Pairs,
}

/// A number with a bound on its systematic error and its deviations path by path.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub value: f64,
    pub bias: f64,
    /// Deviations from the value, by source.
    pub deviations: Vec<(Source, Vec<f64>)>,
    /// Size of what was averaged: the scale a tolerance refers to.
    pub scale: f64,
}

impl Measured {
    /// The mean of draws.
    pub fn from_draws(source: Source, draws: Vec<f64>, bias: f64) -> Self {
        let n = draws.len() as f64;
        let value = pairwise_sum(&draws) / n;
        let squares: Vec<f64> = draws.iter().map(|x| x * x).collect();
        Self {
            value,
            bias,
            deviations: vec![(source, draws.into_iter().map(|x| x - value).collect())],
            scale: (pairwise_sum(&squares) / n).sqrt(),
        }
    }

    /// `value` with the deviations and biases of its parts carried along their slopes.
    pub fn combined(value: f64, parts: &[(f64, &Measured)]) -> Self {
        let mut total = Self {
            value,
            bias: 0.0,
            deviations: Vec::new(),
            scale: value.abs(),
        };
        for (slope, part) in parts {
            total.bias += slope.abs() * part.bias;
            total.scale = total.scale.max(slope.abs() * part.scale);
            for (source, deviations) in &part.deviations {
                let at = match total.deviations.iter().position(|(s, _)| s == source) {
                    Some(at) => at,
                    None => {
                        total
                            .deviations
                            .push((source.clone(), vec![0.0; deviations.len()]));
                        total.deviations.len() - 1
                    }
                };
                for (into, x) in total.deviations[at].1.iter_mut().zip(deviations) {
                    *into += slope * x;
                }
            }
        }
        total
    }

    /// One standard error; `None` without draws.
    pub fn standard_error(&self) -> Option<f64> {
        if self.deviations.is_empty() {
            return None;
        }
        let variance: f64 = self
            .deviations
            .iter()
            .map(|(_, deviations)| {
                let n = deviations.len() as f64;
                let squares: Vec<f64> = deviations.iter().map(|x| x * x).collect();
                pairwise_sum(&squares) / (n * (n - 1.0))
            })
            .sum();
        Some(variance.sqrt())
    }

    /// The part of the variance that a single draw carries, the largest of all.
    pub fn largest_share(&self) -> f64 {
        let share = |deviations: &[f64]| {
            let squares: Vec<f64> = deviations.iter().map(|x| x * x).collect();
            let total = pairwise_sum(&squares);
            let largest = squares.iter().fold(0.0, |m: f64, v| m.max(*v));
            if total > 0.0 { largest / total } else { 0.0 }
        };
        let sources = self.deviations.iter().map(|(_, d)| share(d));
        sources.fold(0.0, f64::max)
    }

    /// Number of draws behind the standard error.
    pub fn draws(&self) -> usize {
        self.deviations
            .iter()
            .map(|(_, d)| d.len())
            .max()
            .unwrap_or(0)
    }
}
