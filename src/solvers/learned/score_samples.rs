//! Points of the noised law for score matching, with the conditional score where there is one.

use crate::discretization::noising::{GaussianKernel, Noising};
use crate::field::draws::{CovarianceRoot, draw_mixture};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::random::{Stream, Streams};
use crate::problem::meant::law::Mixture;
use nalgebra::DMatrix;

/// Euler–Maruyama steps over the horizon when the transition is not Gaussian.
const STEPS: usize = 400;

/// Points of `p_t`, in antithetic pairs where the transition is Gaussian.
#[derive(Clone, Debug)]
pub struct ScoreSample {
    pub x: Batch,
    /// `∇ log p(x_t | x_0) = −L⁻ᵀ z`, for Gaussian transitions.
    pub target: Option<Batch>,
}

impl ScoreSample {
    /// Two points `mean(x_0) ± L z` for every data point: the part of the denoising noise that is odd in z
    /// cancels within a pair, which keeps the variance bounded as the noise goes to zero.
    ///
    /// `node` separates the noise of different times.
    pub fn antithetic(
        data: &Mixture,
        kernel: &GaussianKernel,
        points: usize,
        node: u32,
        streams: &Streams,
    ) -> Self {
        let (pairs, d) = (points.div_ceil(2).max(1), data.dimension());
        let first = u64::from(node) * pairs as u64;
        let start = draw_mixture(data, &streams.role("score-data"), first, pairs);
        let mut z = Batch::zeros(pairs, d);
        streams.role("score-noise").normals(0, node, z.as_mut());
        let mut pushed = Batch::zeros(pairs, d);
        CovarianceRoot::new(&kernel.covariance).add_times(z.as_ref(), pushed.as_mut());
        let score = conditional_score(kernel, pushed.as_ref());
        let (mut x, mut target) = (Batch::zeros(2 * pairs, d), Batch::zeros(2 * pairs, d));
        for i in 0..pairs {
            let mean = kernel.mean(&start.row(i));
            for (j, m) in mean.iter().enumerate() {
                let (w, s) = (pushed.get(i, j), score.get(i, j));
                x.column_mut(j)[2 * i] = m + w;
                x.column_mut(j)[2 * i + 1] = m - w;
                target.column_mut(j)[2 * i] = s;
                target.column_mut(j)[2 * i + 1] = -s;
            }
        }
        Self {
            x,
            target: Some(target),
        }
    }
}

/// `−C⁻¹ (x_t − mean)` for displacements `x_t − mean`.
fn conditional_score(kernel: &GaussianKernel, displacement: BatchRef<'_>) -> Batch {
    let d = displacement.columns();
    let covariance = kernel.covariance.dense(d);
    let diagonal = (0..d).all(|i| (0..d).all(|j| i == j || covariance[(i, j)] == 0.0));
    let mut out = Batch::zeros(displacement.points(), d);
    if diagonal {
        for j in 0..d {
            let inverse = -1.0 / covariance[(j, j)];
            for (o, w) in out.column_mut(j).iter_mut().zip(displacement.column(j)) {
                *o = inverse * w;
            }
        }
        return out;
    }
    // Pseudo-inverse: directions without noise carry no displacement.
    let precision = covariance
        .clone()
        .try_inverse()
        .unwrap_or_else(|| DMatrix::zeros(d, d));
    for i in 0..d {
        let column = out.column_mut(i);
        for j in 0..d {
            for (o, w) in column.iter_mut().zip(displacement.column(j)) {
                *o -= precision[(i, j)] * w;
            }
        }
    }
    out
}

/// Paths of the noising process, walked forward from data draws: for drifts whose transition is not
/// Gaussian.
///
/// # Order
/// Weak order 1 in `horizon / 400`.
pub struct NoisingPaths<'a> {
    noising: &'a Noising,
    stream: Stream,
    x: Batch,
    time: f64,
    step: u32,
}

impl<'a> NoisingPaths<'a> {
    pub fn new(noising: &'a Noising, data: &Mixture, paths: usize, streams: &Streams) -> Self {
        Self {
            noising,
            stream: streams.role("score-noise"),
            x: draw_mixture(data, &streams.role("score-data"), 0, paths),
            time: noising.start(),
            step: 0,
        }
    }

    /// The points at a time not before the last one asked for.
    pub fn at(&mut self, t: f64) -> &Batch {
        let span = self.noising.end() - self.noising.start();
        let count = ((t - self.time) / span * STEPS as f64).ceil().max(0.0) as usize;
        let (n, d) = (self.x.points(), self.x.columns());
        let mut drift = Batch::zeros(n, d);
        let mut z = Batch::zeros(n, self.noising.noises());
        let begin = self.time;
        for k in 0..count {
            let from = begin + (t - begin) * k as f64 / count as f64;
            let dt = (t - begin) / count as f64;
            self.stream.normals(0, self.step, z.as_mut());
            self.noising.drift(from, self.x.as_ref(), drift.as_mut());
            self.noising
                .noise(from)
                .add_times(dt.sqrt(), z.as_ref(), self.x.as_mut());
            self.x.add_scaled(dt, &drift);
            self.step += 1;
        }
        self.time = t;
        &self.x
    }
}

/// Mean and variance per coordinate.
pub fn moments(x: BatchRef<'_>) -> (Vec<f64>, Vec<f64>) {
    let n = x.points() as f64;
    (0..x.columns())
        .map(|j| {
            let column = x.column(j);
            let mean = column.iter().sum::<f64>() / n;
            let square = column.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
            (mean, square / n)
        })
        .unzip()
}
