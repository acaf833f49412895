//! Weighted points on their way from the reference to the target.

use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::pairwise_sum;
use crate::numeric::log_sum_exp::log_sum_exp;
use crate::numeric::random::{Stream, Streams};
use crate::problem::meant::law::{Covariance, Mixture};
use crate::solvers::lowered::target::Target;
use crate::solvers::sampling::tempered::{Cloud, MoveStreams, Reference, Tempered};
use crate::solvers::walk::weights::{effective_share, normalised};
use nalgebra::DMatrix;

/// Effective share below which points are drawn anew.
const RESAMPLED: f64 = 0.5;

/// Points that a Gaussian needs a state.
const POINTS_A_STATE: f64 = 16.0;
/// Weight that all Gaussians of a mixture share evenly.
const EVEN: f64 = 0.1;

/// Weighted mean and covariance.
struct Moments {
    mean: Vec<f64>,
    covariance: DMatrix<f64>,
}

impl Moments {
    fn of(weights: &[f64], x: BatchRef<'_>) -> Self {
        let d = x.columns();
        let total = pairwise_sum(weights);
        let average = |value: &dyn Fn(usize) -> f64| {
            let terms: Vec<f64> = weights
                .iter()
                .enumerate()
                .map(|(i, w)| w * value(i))
                .collect();
            pairwise_sum(&terms) / total
        };
        let mean: Vec<f64> = (0..d).map(|j| average(&|i| x.column(j)[i])).collect();
        let mut covariance = DMatrix::zeros(d, d);
        for j in 0..d {
            for k in 0..=j {
                let (a, b) = (x.column(j), x.column(k));
                let entry = average(&|i| (a[i] - mean[j]) * (b[i] - mean[k]));
                covariance[(j, k)] = entry;
                covariance[(k, j)] = entry;
            }
        }
        Self { mean, covariance }
    }
}

/// What is annealed between.
#[derive(Clone, Copy)]
pub struct Laws<'a> {
    pub target: &'a Target,
    pub reference: &'a Reference,
}

impl<'a> Laws<'a> {
    pub fn at(self, inverse_temperature: f64) -> Tempered<'a> {
        Tempered {
            target: self.target,
            reference: self.reference,
            inverse_temperature,
        }
    }

    /// `log rho - log q` per point.
    pub fn ratios(self, cloud: &Cloud) -> Vec<f64> {
        let mut out = self.reference.log_density(cloud.x.as_ref());
        for (o, log_density) in out.iter_mut().zip(&cloud.log_density) {
            *o = log_density - *o;
        }
        out
    }
}

/// One population's random numbers.
#[derive(Clone, Copy)]
pub struct Draws {
    pub moves: MoveStreams,
    pub resampling: Stream,
    /// Number of the first point.
    pub first: u64,
}

impl Draws {
    pub fn new(streams: &Streams, first: usize) -> Self {
        Self {
            moves: MoveStreams::new(streams),
            resampling: streams.role("resampling"),
            first: first as u64,
        }
    }

    /// One uniform number.
    pub fn uniform(&self, node: u32) -> f64 {
        let mut offset = Batch::zeros(1, 1);
        self.resampling.uniforms(self.first, node, offset.as_mut());
        offset.get(0, 0)
    }
}

/// Weighted points.
#[derive(Clone, Debug)]
pub struct Population {
    pub cloud: Cloud,
    pub log_weights: Vec<f64>,
    /// Logarithm of the mean weights up to the last resampling.
    pub log_z: f64,
    pub inverse_temperature: f64,
}

impl Population {
    pub fn new(cloud: Cloud) -> Self {
        Self {
            log_weights: vec![0.0; cloud.log_density.len()],
            cloud,
            log_z: 0.0,
            inverse_temperature: 0.0,
        }
    }

    /// The mean weight so far.
    pub fn log_mean(&self) -> f64 {
        self.log_z + log_sum_exp(&self.log_weights) - (self.log_weights.len() as f64).ln()
    }

    /// Weighted variance per coordinate.
    pub fn variances(&self) -> Vec<f64> {
        let weights = normalised(&self.log_weights);
        let moments = Moments::of(&weights, self.cloud.x.as_ref());
        moments.covariance.diagonal().iter().copied().collect()
    }

    /// The mixture of `reference` with the moments that the points give to its Gaussians, `widening` times as wide.
    ///
    /// A Gaussian gets all of its covariance where enough points are its own, else the variances, and with too few
    /// keeps what it had.
    pub fn refitted(&self, reference: &Reference, widening: f64) -> Mixture {
        let weights = normalised(&self.log_weights);
        let shares = reference.shares(self.cloud.x.as_ref());
        let d = self.cloud.x.columns();
        let mut mixture = reference.mixture.clone();
        let count = mixture.components();
        for k in 0..count {
            let own: Vec<f64> = weights
                .iter()
                .zip(shares.column(k))
                .map(|(w, r)| w * r)
                .collect();
            let total = pairwise_sum(&own);
            mixture.weights[k] = EVEN / count as f64 + (1.0 - EVEN) * total;
            let squares: Vec<f64> = own.iter().map(|w| w * w).collect();
            let points = total * total / pairwise_sum(&squares).max(f64::MIN_POSITIVE);
            if points < POINTS_A_STATE {
                continue;
            }
            let moments = Moments::of(&own, self.cloud.x.as_ref());
            let wide = moments.covariance * (widening * widening);
            let diagonal: Vec<f64> = wide.diagonal().iter().copied().collect();
            // A coordinate on which all points agree tells nothing.
            if diagonal.iter().any(|v| *v <= 0.0) {
                continue;
            }
            mixture.means[k] = moments.mean;
            let full = points > POINTS_A_STATE * d as f64 && wide.clone().cholesky().is_some();
            mixture.covariances[k] = match full && d > 1 {
                true => Covariance::full(&wide),
                false => Covariance::Diagonal(diagonal),
            };
        }
        mixture
    }

    /// Weighs for the next temperature.
    pub fn weigh(&mut self, to: f64, ratios: &[f64]) {
        let change = to - self.inverse_temperature;
        for (w, ratio) in self.log_weights.iter_mut().zip(ratios) {
            *w += change * ratio;
        }
        self.inverse_temperature = to;
    }

    /// Whether few points carry the weight.
    pub fn is_degenerate(&self) -> bool {
        effective_share(&self.log_weights) < RESAMPLED
    }

    /// Goes on with these rows, of equal weight.
    pub fn resample(&mut self, rows: &[usize]) {
        self.log_z = self.log_mean();
        self.cloud = self.cloud.pick(rows);
        self.log_weights.fill(0.0);
    }

    /// Goes to the next temperature: weighs, and draws anew where few points carry the weight.
    pub fn cool(&mut self, to: f64, ratios: &[f64], draws: Draws, node: u32) {
        self.weigh(to, ratios);
        if self.is_degenerate() {
            let rows = systematic(&normalised(&self.log_weights), draws.uniform(node));
            self.resample(&rows);
        }
    }
}

/// Rows drawn with one uniform number: row `i` appears `n w_i` times, rounded up or down.
pub fn systematic(weights: &[f64], offset: f64) -> Vec<usize> {
    let n = weights.len();
    let mut rows = Vec::with_capacity(n);
    let (mut row, mut reached) = (0, weights[0]);
    for k in 0..n {
        let wanted = (k as f64 + offset) / n as f64;
        while reached < wanted && row + 1 < n {
            row += 1;
            reached += weights[row];
        }
        rows.push(row);
    }
    rows
}

/// The same, given that row `kept` is drawn: the rows and the place of that draw.
///
/// The draws sit at `(k + offset)/n`. Where one of them, chosen evenly, falls into the interval of length `w_kept`,
/// it is uniform there.
pub fn systematic_with(weights: &[f64], kept: usize, uniform: f64) -> (Vec<usize>, usize) {
    let n = weights.len();
    let below: f64 = weights[..kept].iter().sum();
    let position = (below + uniform * weights[kept]) * n as f64;
    let place = (position.floor() as usize).min(n - 1);
    let mut rows = systematic(weights, position - place as f64);
    // Rounding at an end of the interval would draw its neighbour.
    rows[place] = kept;
    (rows, place)
}
