//! The score of a noised Gaussian mixture with unknown weights, means and covariances.
//!
//! The unknown mixture lives at the data end and is carried by the exact Gaussian transition, so its
//! noised score solves the score equation at every time: no time nodes, `O(K d²)` parameters.

use crate::discretization::noising::{GaussianKernel, MeanMap, Transition};
use crate::field::draws::draw_mixture;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::peaks::{Peak, PeakGradient, Peaks};
use crate::field::rbf::spread_out;
use crate::field::{Differentiable, Field, FieldFamily, ScoreFamily};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::random::Stream;
use crate::problem::format::card::FieldCard;
use crate::problem::format::key::{Fallback, Form, Key};
use crate::problem::meant::law::{Covariance, Mixture};
use crate::problem::meant::options::{FieldSpec, Options};
use nalgebra::DMatrix;

/// The family's name, sizes and defaults.
pub static CARD: FieldCard = FieldCard {
    name: "mixture",
    about: "score of a noised mixture with unknown weights, means and covariances",
    options: &[Key::new(
        "components",
        Form::Count(1),
        Fallback::Found("by the data", |setup, _| {
            setup.components.map_or(12, spare).into()
        }),
        "Gaussians",
    )],
    most_states: None,
    settings: |options| format!("mixture of {}", options.count("components")),
};

/// The family with these sizes.
pub fn spec(components: usize) -> FieldSpec {
    FieldSpec {
        family: CARD.name,
        options: Options::of(vec![("components", components.into())]),
    }
}

/// More components than this are the rows of a table.
const TABLE: usize = 24;

/// Bumps for data of so many components: twice as many, between 6 and 12. With just as many, two may settle on one mode
/// and leave another without; a single Gaussian needs no spare.
pub fn spare(components: usize) -> usize {
    match components {
        1 => 1,
        // A table has a component a row; a few bumps carry its shape.
        _ if components > TABLE => 5,
        _ => (2 * components).clamp(6, 12),
    }
}

/// Up to this many states covariances are full; above, diagonal.
const FULL_COVARIANCE: usize = 4;
/// k-means++ seedings tried for the initial means.
const SEEDINGS: u32 = 8;
/// Draws per component among which the initial means are chosen.
const CANDIDATES: usize = 64;

/// `s = ∇ log Σ_k w_k N(Φ m_k + c, Φ S_k Φᵀ + C)` with unknown `w, m, S`.
///
/// Parameters, component by component: log weight (softmax over components), mean, and the Cholesky
/// factor of `S_k` row by row with its diagonal as logarithms (diagonal only for more than four states).
///
/// # Source
/// The mixture ansatz of LightSB (Korotin, Gushchin, Burnaev 2024), here for the score.
#[derive(Clone, Debug)]
pub struct MixturePotential {
    dimension: usize,
    full: bool,
    theta: Vec<f64>,
    transition: Transition,
    start: f64,
    /// Snapshots at the times a solver asks for again and again.
    prepared: Vec<Snapshot>,
}

/// The mixture at one time.
#[derive(Clone, Debug)]
struct Snapshot {
    time: f64,
    kernel: GaussianKernel,
    peaks: Peaks,
}

impl MixturePotential {
    /// Starts from draws of the data law: equal weights, means at the best of several k-means++ seedings,
    /// and in every component the pooled covariance of the draws about their nearest mean.
    ///
    /// Minimising the action seeks modes: a start that is blind to where the data lie loses some of them.
    pub fn from_draws(law: &NoisedMixture, start: f64, components: usize, stream: &Stream) -> Self {
        let d = law.mixture().dimension();
        let full = d <= FULL_COVARIANCE;
        let draws = draw_mixture(law.mixture(), stream, 0, CANDIDATES * components.max(1));
        let pool: Vec<Vec<f64>> = (0..draws.points()).map(|i| draws.row(i)).collect();
        let (means, _) = (0..SEEDINGS)
            .map(|attempt| {
                let means = spread_out(&pool, components.max(1), stream, attempt);
                let inertia: f64 = pool.iter().map(|x| nearest(&means, x).1).sum();
                (means, inertia)
            })
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .expect("at least one seeding");
        let mut within = vec![vec![0.0; d]; d];
        for x in &pool {
            let mean = &means[nearest(&means, x).0];
            for i in 0..d {
                for j in 0..d {
                    within[i][j] += (x[i] - mean[i]) * (x[j] - mean[j]) / pool.len() as f64;
                }
            }
        }
        let mixture = Mixture {
            weights: vec![1.0 / means.len() as f64; means.len()],
            covariances: vec![in_form(&within, full); means.len()],
            means,
        };
        Self::from_mixture(&mixture, law.transition().clone(), start)
    }

    /// The family member equal to a given mixture (for more than four states: to its diagonal part).
    pub fn from_mixture(mixture: &Mixture, transition: Transition, start: f64) -> Self {
        let d = mixture.dimension();
        let full = d <= FULL_COVARIANCE;
        let mut theta = Vec::new();
        for k in 0..mixture.components() {
            theta.push(mixture.weights[k].ln());
            theta.extend(&mixture.means[k]);
            theta.extend(packed_root(&mixture.covariances[k], d, full));
        }
        Self {
            dimension: d,
            full,
            theta,
            transition,
            start,
            prepared: Vec::new(),
        }
    }

    /// Remembers the transition to these times; answers there cost no factorisation.
    pub fn prepare(&mut self, times: &[f64]) {
        let mixture = self.mixture();
        self.prepared = times.iter().map(|t| self.snapshot(&mixture, *t)).collect();
        self.prepared.sort_by(|a, b| a.time.total_cmp(&b.time));
    }

    /// The mixture at the data end.
    pub fn mixture(&self) -> Mixture {
        let d = self.dimension;
        let blocks = || self.theta.chunks_exact(self.block());
        let largest = blocks().map(|b| b[0]).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = blocks().map(|b| (b[0] - largest).exp()).sum();
        Mixture {
            weights: blocks().map(|b| (b[0] - largest).exp() / total).collect(),
            means: blocks().map(|b| b[1..=d].to_vec()).collect(),
            covariances: blocks()
                .map(|b| unpacked_covariance(&b[d + 1..], d, self.full))
                .collect(),
        }
    }

    /// Positions of the log weights among the parameters.
    pub fn weights(&self) -> Vec<usize> {
        (0..self.theta.len()).step_by(self.block()).collect()
    }

    /// Parameters of one component.
    fn block(&self) -> usize {
        let d = self.dimension;
        1 + d + if self.full { d * (d + 1) / 2 } else { d }
    }

    fn snapshot(&self, mixture: &Mixture, time: f64) -> Snapshot {
        let kernel = self.transition.between(self.start, time);
        let peaks = carried(mixture, &kernel);
        Snapshot {
            time,
            kernel,
            peaks,
        }
    }

    fn with_snapshot<T>(&self, t: f64, work: impl FnOnce(&Snapshot) -> T) -> T {
        match self.prepared.binary_search_by(|s| s.time.total_cmp(&t)) {
            Ok(found) => work(&self.prepared[found]),
            Err(_) => work(&self.snapshot(&self.mixture(), t)),
        }
    }

    /// Chain rule from the carried mixture to the parameters, added to `gradient`.
    fn chain(&self, kernel: &GaussianKernel, local: &[PeakGradient], gradient: &mut [f64]) {
        let d = self.dimension;
        let blocks = gradient.chunks_exact_mut(self.block());
        let thetas = self.theta.chunks_exact(self.block());
        for ((out, theta), g) in blocks.zip(thetas).zip(local) {
            out[0] += g.log_weight;
            match &kernel.factor {
                MeanMap::Scalar(a) => {
                    for (o, m) in out[1..=d].iter_mut().zip(&g.mean) {
                        *o += a * m;
                    }
                }
                MeanMap::Matrix(a) => {
                    for j in 0..d {
                        out[1 + j] += (0..d).map(|i| a[(i, j)] * g.mean[i]).sum::<f64>();
                    }
                }
            }
            if !self.full
                && let (MeanMap::Scalar(a), PeakShape::Diagonal(v)) =
                    (&kernel.factor, PeakShape::of(&g.covariance, d))
            {
                for j in 0..d {
                    // S_jj = e^{2 l}: dS = 2 S dl.
                    out[1 + d + j] += 2.0 * a * a * v[j] * (2.0 * theta[1 + d + j]).exp();
                }
                continue;
            }
            let carried = PeakShape::of(&g.covariance, d).to_matrix(d);
            let at_data = match &kernel.factor {
                MeanMap::Scalar(a) => carried * (a * a),
                MeanMap::Matrix(a) => a.transpose() * carried * a,
            };
            self.chain_root(&at_data, &theta[1 + d..], &mut out[1 + d..]);
        }
    }

    /// `S = L Lᵀ`: `∂/∂L = 2 g_S L` on the lower triangle, times the diagonal for its logarithms.
    fn chain_root(&self, covariance: &DMatrix<f64>, theta: &[f64], out: &mut [f64]) {
        let d = self.dimension;
        let root = unpacked_root(theta, d, self.full);
        let slope = covariance * &root * 2.0;
        if self.full {
            for i in 0..d {
                for j in 0..=i {
                    let factor = if i == j { root[(i, i)] } else { 1.0 };
                    out[i * (i + 1) / 2 + j] += slope[(i, j)] * factor;
                }
            }
        } else {
            for j in 0..d {
                out[j] += slope[(j, j)] * root[(j, j)];
            }
        }
    }
}

/// A covariance gradient as stored by [`PeakGradient`].
enum PeakShape<'a> {
    Diagonal(&'a [f64]),
    Full(&'a [f64]),
}

impl<'a> PeakShape<'a> {
    fn of(values: &'a [f64], d: usize) -> Self {
        // One state: both shapes coincide.
        if values.len() == d {
            Self::Diagonal(values)
        } else {
            Self::Full(values)
        }
    }

    fn to_matrix(&self, d: usize) -> DMatrix<f64> {
        match self {
            Self::Diagonal(v) => DMatrix::from_fn(d, d, |i, j| if i == j { v[i] } else { 0.0 }),
            Self::Full(v) => DMatrix::from_row_slice(d, d, v),
        }
    }
}

/// Index of the nearest mean and the squared distance to it.
fn nearest(means: &[Vec<f64>], x: &[f64]) -> (usize, f64) {
    means
        .iter()
        .map(|m| m.iter().zip(x).map(|(a, b)| (a - b) * (a - b)).sum::<f64>())
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .expect("at least one mean")
}

/// The full matrix, or its diagonal.
fn in_form(covariance: &[Vec<f64>], full: bool) -> Covariance {
    if full {
        Covariance::Full(covariance.to_vec())
    } else {
        Covariance::Diagonal((0..covariance.len()).map(|i| covariance[i][i]).collect())
    }
}

/// Variances below this share of the largest are lifted: a table with a constant column still has a
/// Cholesky factor.
const FLOOR: f64 = 1e-6;

fn packed_root(covariance: &Covariance, d: usize, full: bool) -> Vec<f64> {
    let largest = (0..d).map(|j| covariance.entry(j, j)).fold(0.0, f64::max);
    let floor = (FLOOR * largest).max(f64::MIN_POSITIVE);
    if !full {
        return (0..d)
            .map(|j| 0.5 * covariance.entry(j, j).max(floor).ln())
            .collect();
    }
    let matrix = covariance.dense(d);
    let root = match matrix.clone().cholesky() {
        Some(factor) => factor.l(),
        None => {
            let lifted = matrix + DMatrix::identity(d, d) * floor;
            match lifted.clone().cholesky() {
                Some(factor) => factor.l(),
                None => DMatrix::from_diagonal(&lifted.diagonal().map(|v| v.max(floor).sqrt())),
            }
        }
    };
    let mut packed = Vec::with_capacity(d * (d + 1) / 2);
    for i in 0..d {
        packed.extend((0..i).map(|j| root[(i, j)]));
        packed.push(root[(i, i)].ln());
    }
    packed
}

fn unpacked_root(theta: &[f64], d: usize, full: bool) -> DMatrix<f64> {
    DMatrix::from_fn(d, d, |i, j| match (full, i.cmp(&j)) {
        (true, std::cmp::Ordering::Greater) => theta[i * (i + 1) / 2 + j],
        (true, std::cmp::Ordering::Equal) => theta[i * (i + 1) / 2 + i].exp(),
        (false, std::cmp::Ordering::Equal) => theta[i].exp(),
        _ => 0.0,
    })
}

fn unpacked_covariance(theta: &[f64], d: usize, full: bool) -> Covariance {
    if !full {
        return Covariance::Diagonal(theta.iter().map(|l| (2.0 * l).exp()).collect());
    }
    let root = unpacked_root(theta, d, true);
    Covariance::full(&(&root * root.transpose()))
}

/// Every component through the transition.
fn carried(mixture: &Mixture, kernel: &GaussianKernel) -> Peaks {
    let d = mixture.dimension();
    let peaks = (0..mixture.components()).map(|k| {
        let mean = kernel.mean(&mixture.means[k]);
        let log_weight = mixture.weights[k].ln();
        match (&kernel.factor, &mixture.covariances[k], &kernel.covariance) {
            (MeanMap::Scalar(a), Covariance::Diagonal(v), noise)
                if !matches!(noise, Covariance::Full(_)) =>
            {
                let variance = v
                    .iter()
                    .enumerate()
                    .map(|(j, v)| a * a * v + noise.entry(j, j));
                Peak::diagonal(log_weight, mean, variance.collect())
            }
            (factor, covariance, noise) => {
                let start = covariance.dense(d);
                let moved = match factor {
                    MeanMap::Scalar(a) => start * (a * a),
                    MeanMap::Matrix(a) => a * start * a.transpose(),
                };
                Peak::full(log_weight, mean, &(moved + noise.dense(d)))
            }
        }
    });
    Peaks::new(d, peaks.collect())
}

impl Field for MixturePotential {
    fn inputs(&self) -> usize {
        self.dimension
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.with_snapshot(t, |s| {
            s.peaks.score(x, out);
        });
    }
}

impl Differentiable for MixturePotential {
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        self.with_snapshot(t, |s| s.peaks.score_and_divergence(x, out, divergence));
    }
}

impl FieldFamily for MixturePotential {
    fn parameters(&self) -> &[f64] {
        &self.theta
    }

    fn set_parameters(&mut self, theta: &[f64]) {
        self.theta.copy_from_slice(theta);
        let mixture = self.mixture();
        for snapshot in &mut self.prepared {
            snapshot.peaks = carried(&mixture, &snapshot.kernel);
        }
    }

    fn carry_back(
        &self,
        t: f64,
        x: BatchRef<'_>,
        cotangent: BatchRef<'_>,
        gradient: Option<&mut [f64]>,
        out: Option<BatchMut<'_>>,
    ) {
        self.with_snapshot(t, |s| match gradient {
            Some(gradient) => {
                let local = s.peaks.pull_back(x, Some(cotangent), None, out);
                self.chain(&s.kernel, &local, gradient);
            }
            None => s.peaks.hessian_times(x, cotangent, out),
        });
    }
}

impl ScoreFamily for MixturePotential {
    fn pull_back_divergence(&self, t: f64, x: BatchRef<'_>, weight: &[f64], gradient: &mut [f64]) {
        self.with_snapshot(t, |s| {
            let local = s.peaks.pull_back(x, None, Some(weight), None);
            self.chain(&s.kernel, &local, gradient);
        });
    }
}
