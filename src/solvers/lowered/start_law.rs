//! Draws of the law a process starts from, and averages over it.

use crate::field::draws::{CovarianceRoot, draw_mixture, draw_uniform};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::quadrature::Rule;
use crate::numeric::random::Stream;
use crate::problem::meant::law::{Covariance, Law};
use std::num::NonZeroUsize;

/// Quadrature nodes per state for the average over the start law.
const START_NODES: NonZeroUsize = NonZeroUsize::new(24).unwrap();
const REFUSED: &str = "a law without draws was refused when the problem was lowered";

/// Whether [`draw_start`] and [`start_nodes`] know the law.
pub(crate) fn is_drawn(law: &Law) -> bool {
    law.mixture().is_some() || matches!(law, Law::Uniform(_))
}

/// Draws `first..first + points` of a law that [`is_drawn`].
pub(crate) fn draw_start(law: &Law, stream: &Stream, first: u64, points: usize) -> Batch {
    match (law, law.mixture()) {
        (Law::Uniform(sides), _) => draw_uniform(sides, stream, first, points),
        (_, Some(mixture)) => draw_mixture(&mixture, stream, first, points),
        _ => unreachable!("{REFUSED}"),
    }
}

/// Points and weights whose sum is the average over a law.
pub(crate) struct StartNodes {
    pub points: Batch,
    pub weights: Vec<f64>,
}

impl StartNodes {
    /// The average of what has these values at a block of points.
    pub fn average(&self, values: impl FnOnce(BatchRef<'_>) -> Vec<f64>) -> f64 {
        let values = values(self.points.as_ref());
        values.iter().zip(&self.weights).map(|(v, w)| v * w).sum()
    }
}

/// The nodes of a law that [`is_drawn`].
pub(crate) fn start_nodes(law: &Law) -> StartNodes {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    let mut weights = Vec::new();
    match (law, law.mixture()) {
        (Law::Uniform(sides), _) => {
            let rules: Vec<Rule> = sides
                .iter()
                .map(|(a, b)| Rule::legendre(START_NODES, *a, *b))
                .collect();
            let volume: f64 = sides.iter().map(|(a, b)| b - a).product();
            for (point, weight) in product(&rules) {
                rows.push(point);
                weights.push(weight / volume);
            }
        }
        (_, Some(mixture)) => {
            let d = mixture.dimension();
            let normals = product(&vec![Rule::normal(START_NODES); d]);
            let parts = mixture.weights.iter().zip(&mixture.means);
            for ((share, mean), covariance) in parts.zip(&mixture.covariances) {
                if *covariance == Covariance::Isotropic(0.0) {
                    rows.push(mean.clone());
                    weights.push(*share);
                    continue;
                }
                let root = CovarianceRoot::new(covariance);
                for (z, weight) in &normals {
                    let mut point = Batch::from_rows(d, &[mean]);
                    root.add_times(Batch::from_rows(d, &[z]).as_ref(), point.as_mut());
                    rows.push(point.row(0));
                    weights.push(share * weight);
                }
            }
        }
        _ => unreachable!("{REFUSED}"),
    }
    StartNodes {
        points: Batch::from_rows(rows[0].len(), &rows),
        weights,
    }
}

fn product(rules: &[Rule]) -> Vec<(Vec<f64>, f64)> {
    let mut points = vec![(Vec::new(), 1.0)];
    for rule in rules {
        points = points
            .iter()
            .flat_map(|(point, weight)| {
                rule.nodes.iter().zip(&rule.weights).map(move |(x, w)| {
                    let mut longer: Vec<f64> = point.clone();
                    longer.push(*x);
                    (longer, weight * w)
                })
            })
            .collect();
    }
    points
}
