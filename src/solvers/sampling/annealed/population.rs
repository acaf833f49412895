//! Weighted points on their way from the reference to the target.

use crate::numeric::batch::Batch;
use crate::numeric::blocks::pairwise_sum;
use crate::numeric::log_sum_exp::log_sum_exp;
use crate::numeric::random::{Stream, Streams};
use crate::solvers::lowered::target::Target;
use crate::solvers::sampling::tempered::{Cloud, MoveStreams, Reference, Tempered};
use crate::solvers::walk::weights::{effective_share, normalised};

/// Effective share below which points are drawn anew.
const RESAMPLED: f64 = 0.5;

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

    /// Weighted mean and variance per coordinate.
    pub fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let weights = normalised(&self.log_weights);
        let average = |values: Vec<f64>| pairwise_sum(&values);
        (0..self.cloud.x.columns())
            .map(|j| {
                let x = self.cloud.x.column(j);
                let mean = average(weights.iter().zip(x).map(|(w, x)| w * x).collect());
                let square = |(w, x): (&f64, &f64)| w * (x - mean) * (x - mean);
                (mean, average(weights.iter().zip(x).map(square).collect()))
            })
            .unzip()
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
