//! Expectations under the noised law: quadrature where it is affordable, draws elsewhere.

use crate::comparison::effort::Effort;
use crate::comparison::reference_law::ReferenceLaw;
use crate::field::draws::CovarianceRoot;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{block, map_blocks, pairwise_sum};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::meant::law::Mixture;
use crate::solvers::lowered::problem::Lowered;

/// Half-width of the lattice in standard deviations of a component.
const HALF_WIDTH: f64 = 8.0;

/// Nodes on either side of the mean: one state affords a spacing of 1/16, two a spacing of 1/6. Both are multiples of four,
/// so that the mean is in all sublattices.
fn half_nodes(dimension: usize) -> i32 {
    if dimension == 1 { 128 } else { 48 }
}

/// Nodes per axis.
fn side(dimension: usize) -> usize {
    (2 * half_nodes(dimension) + 1) as usize
}
/// How much larger the error of a lattice is taken than the fall of its differences says.
const SAFETY: f64 = 4.0;
/// Coordinate evaluations the lattices of one call may cost, over all times.
const LATTICE_OPERATIONS: f64 = 2e9;

/// Weighted points that stand for a law.
#[derive(Clone, Debug)]
pub struct Cloud {
    pub points: Batch,
    weights: Weights,
}

#[derive(Clone, Debug)]
enum Weights {
    /// Independent draws.
    Draws,
    /// A lattice and its sublattices of twice and four times the spacing.
    Lattice {
        fine: Vec<f64>,
        coarse: Vec<f64>,
        coarsest: Vec<f64>,
    },
}

impl Cloud {
    /// A tensor lattice around every component of a mixture.
    ///
    /// The trapezoidal rule on a Gaussian-weighted analytic function converges exponentially in 1/spacing,
    /// so the error of the fine rule is about the square of the relative difference to the coarse one. Where the
    /// function has a pole or a branch point at a complex distance `a`, as the logarithm of a mixture has, the rule
    /// of spacing `h` is off by `C exp(-2 pi a/h)` with a small `C`: then the square of the factor between the last two
    /// differences tells.
    ///
    /// # Source
    /// Trefethen, Weideman, *The exponentially convergent trapezoidal rule* (2014).
    pub fn lattice(mixture: &Mixture) -> Self {
        let d = mixture.dimension();
        let (half, side) = (half_nodes(d), side(d));
        let spacing = HALF_WIDTH / f64::from(half);
        let per_component = side.pow(d as u32);
        let total = per_component * mixture.components();
        let mut points = Batch::zeros(total, d);
        let [mut fine, mut coarse, mut coarsest] = [(); 3].map(|()| Vec::with_capacity(total));
        for k in 0..mixture.components() {
            let root = CovarianceRoot::new(&mixture.covariances[k]);
            let mut z = Batch::zeros(per_component, d);
            for node in 0..per_component {
                let (mut rest, mut place, mut square) = (node, 0, 0.0);
                for j in 0..d {
                    let index = (rest % side) as i32 - half;
                    rest /= side;
                    place |= index & 3;
                    let coordinate = spacing * f64::from(index);
                    square += coordinate * coordinate;
                    z.column_mut(j)[node] = coordinate;
                }
                let density =
                    (spacing / std::f64::consts::TAU.sqrt()).powi(d as i32) * (-0.5 * square).exp();
                let weight = mixture.weights[k] * density;
                let cell = 2f64.powi(d as i32);
                fine.push(weight);
                coarse.push(if place & 1 == 0 { weight * cell } else { 0.0 });
                coarsest.push(if place == 0 {
                    weight * cell * cell
                } else {
                    0.0
                });
            }
            let mut x = Batch::zeros(per_component, d);
            for j in 0..d {
                x.column_mut(j).fill(mixture.means[k][j]);
            }
            root.add_times(z.as_ref(), x.as_mut());
            points.write_rows(k * per_component, x.as_ref());
        }
        Self {
            points,
            weights: Weights::Lattice {
                fine,
                coarse,
                coarsest,
            },
        }
    }

    /// Independent draws, one row each.
    pub fn draws(points: Batch) -> Self {
        Self {
            points,
            weights: Weights::Draws,
        }
    }

    /// Whether expectations carry statistical errors.
    pub fn is_statistical(&self) -> bool {
        matches!(self.weights, Weights::Draws)
    }

    /// The expectation of a function known at the points.
    pub fn mean(&self, values: &[f64]) -> Estimate {
        match &self.weights {
            Weights::Draws => Estimate::from_samples(values),
            Weights::Lattice {
                fine,
                coarse,
                coarsest,
            } => {
                let sum = |weights: &[f64], size: bool| {
                    let terms: Vec<f64> = weights
                        .iter()
                        .zip(values)
                        .map(|(w, v)| w * if size { v.abs() } else { *v })
                        .collect();
                    pairwise_sum(&terms)
                };
                let value = sum(fine, false);
                let scale = sum(fine, true);
                let [middle, first] = [coarse, coarsest].map(|weights| sum(weights, false));
                let (difference, before) = ((value - middle).abs(), (middle - first).abs());
                let share = |of: f64| if of > 0.0 { difference / of } else { 0.0 };
                let next = (10.0 * share(scale)).max(SAFETY * share(before).powi(2));
                let error = difference * next.min(1.0) + 1e-14 * scale;
                Estimate::new(value, error, ErrorKind::Quadrature)
            }
        }
    }

    /// The same for a function with kinks or jumps, where the error is the whole difference of the two rules.
    pub fn rough_mean(&self, values: &[f64]) -> Estimate {
        let smooth = self.mean(values);
        let Weights::Lattice { coarse, .. } = &self.weights else {
            return smooth;
        };
        let terms: Vec<f64> = coarse.iter().zip(values).map(|(w, v)| w * v).collect();
        let difference = (smooth.value - pairwise_sum(&terms)).abs();
        Estimate::new(
            smooth.value,
            smooth.error.max(difference),
            ErrorKind::Quadrature,
        )
    }

    /// What the outermost nodes of a lattice contribute in absolute value: the size of what lies beyond.
    pub fn edge(&self, values: &[f64]) -> f64 {
        let Weights::Lattice { fine, .. } = &self.weights else {
            return 0.0;
        };
        let outer = 2.0
            * (-0.5 * HALF_WIDTH * HALF_WIDTH).exp()
            * fine.iter().fold(0.0, |m: f64, w| m.max(*w));
        let nodes = fine.iter().zip(values).filter(|(w, _)| **w <= outer);
        nodes.map(|(w, v)| w * v.abs()).sum()
    }

    /// Evaluates a function on blocks of the points, in parallel and in order.
    pub fn map<T: Clone + Send>(&self, work: impl Fn(BatchRef<'_>) -> Vec<T> + Sync) -> Vec<T> {
        map_blocks(self.points.points(), block(), |range| {
            work(self.points.as_ref().rows(range))
        })
        .concat()
    }
}

/// `Σ_n w_n E_n[values_n]` over clouds of one kind.
///
/// Rows of draws are summed first: draws of different times may be points of one path, and the error
/// must know.
pub fn weighted_sum(clouds: &[Cloud], weights: &[f64], values: &[Vec<f64>]) -> Estimate {
    if clouds[0].is_statistical() {
        let mut rows = vec![0.0; values[0].len()];
        for (weight, values) in weights.iter().zip(values) {
            assert_eq!(values.len(), rows.len(), "clouds of draws have equal sizes");
            for (row, value) in rows.iter_mut().zip(values) {
                *row += weight * value;
            }
        }
        return Estimate::from_samples(&rows);
    }
    let (mut value, mut error) = (0.0, 0.0);
    for ((cloud, weight), values) in clouds.iter().zip(weights).zip(values) {
        let mean = cloud.mean(values);
        value += weight * mean.value;
        error += weight.abs() * mean.error;
    }
    Estimate::new(value, error, ErrorKind::Quadrature)
}

/// Weights of the trapezoidal rule at increasing times.
pub fn trapezoid(times: &[f64]) -> Vec<f64> {
    (0..times.len())
        .map(|n| {
            let left = if n > 0 { times[n] - times[n - 1] } else { 0.0 };
            let right = times.get(n + 1).map_or(0.0, |next| next - times[n]);
            0.5 * (left + right)
        })
        .collect()
}

/// Clouds of `p_t` at increasing times: lattices for up to two states and few components, else draws.
pub fn clouds(
    lowered: &Lowered,
    law: &ReferenceLaw<'_>,
    times: &[f64],
    fields: usize,
    wanted: Option<usize>,
    streams: &Streams,
) -> Vec<Cloud> {
    if let Some(exact) = &lowered.facts.marginals {
        let d = exact.mixture().dimension();
        let components = exact.mixture().components() as f64;
        let nodes = (side(d) as f64).powi(d as i32);
        let operations = components * components * nodes * (d * times.len()) as f64;
        if d <= 2 && operations <= LATTICE_OPERATIONS {
            return times
                .iter()
                .map(|t| Cloud::lattice(&exact.mixture_at(*t)))
                .collect();
        }
    }
    let points = wanted.unwrap_or_else(|| Effort::new(lowered).draws(times.len(), fields));
    law.draws(times, points, streams)
        .into_iter()
        .map(Cloud::draws)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::meant::law::Covariance;

    #[test]
    fn lattice_integrates_gaussian_moments_and_an_oscillation() {
        let law = Mixture {
            weights: vec![0.3, 0.7],
            means: vec![vec![1.0, -2.0], vec![0.5, 0.25]],
            covariances: vec![
                Covariance::Isotropic(0.5),
                Covariance::Full(vec![vec![0.4, 0.1], vec![0.1, 0.2]]),
            ],
        };
        let cloud = Cloud::lattice(&law);
        let value = |f: &dyn Fn(&[f64]) -> f64| {
            let values: Vec<f64> = (0..cloud.points.points())
                .map(|i| f(&cloud.points.row(i)))
                .collect();
            cloud.mean(&values)
        };
        assert!((value(&|_| 1.0).value - 1.0).abs() < 1e-13);
        assert!((value(&|x| x[0]).value - 0.65).abs() < 1e-13);
        let covariance = law.covariance()[0][1] + law.mean()[0] * law.mean()[1];
        assert!((value(&|x| x[0] * x[1]).value - covariance).abs() < 1e-13);
        // E cos(k x_0) = Σ w cos(k m) exp(−k² v / 2), k = 3.
        let expected =
            0.3 * 3f64.cos() * (-2.25_f64).exp() + 0.7 * 1.5_f64.cos() * (-1.8_f64).exp();
        let found = value(&|x| (3.0 * x[0]).cos());
        assert!((found.value - expected).abs() <= found.error.max(1e-13));
        assert!(found.error < 1e-8);
    }
}
