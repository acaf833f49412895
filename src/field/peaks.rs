//! A Gaussian mixture at one time, factorised and laid out for blocks of points: log density, score,
//! Hessian products and derivatives with respect to weights, means and covariances.
//!
//! With `a_k = −P_k (x − μ_k)`, `L_k = log w_k − ½ log det 2πC_k − ½ a_kᵀ C_k a_k` and responsibilities
//! `r_k = exp(L_k − log p)`: `s = Σ r_k a_k`, `∇s = Σ r_k (a_k a_kᵀ − P_k) − s sᵀ`.

use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::dispatch::{Kernel, dispatch, multiply_add};
use crate::numeric::elementary::exp_in_place;
use crate::numeric::log_sum_exp::log_sum_exp_columns;
use crate::numeric::sums::dot;
use crate::problem::meant::law::{Covariance, Mixture};
use nalgebra::DMatrix;
use std::f64::consts::TAU;

/// An inverse covariance in its cheapest form.
#[derive(Clone, Debug)]
pub enum Precision {
    Diagonal(Vec<f64>),
    /// Row by row.
    Full(Vec<f64>),
}

/// One component.
#[derive(Clone, Debug)]
pub struct Peak {
    /// `log w − ½ log det 2πC`.
    log_height: f64,
    mean: Vec<f64>,
    precision: Precision,
}

/// Derivatives with respect to one component: `log w`, the mean, and the covariance (its diagonal, or
/// row by row as a symmetric matrix).
#[derive(Clone, Debug)]
pub struct PeakGradient {
    pub log_weight: f64,
    pub mean: Vec<f64>,
    pub covariance: Vec<f64>,
}

/// A mixture of peaks.
#[derive(Clone, Debug)]
pub struct Peaks {
    dimension: usize,
    peaks: Vec<Peak>,
}

impl Peak {
    pub fn diagonal(log_weight: f64, mean: Vec<f64>, variance: Vec<f64>) -> Self {
        let log_det: f64 = variance.iter().map(|v| (TAU * v).ln()).sum();
        Self {
            log_height: log_weight - 0.5 * log_det,
            mean,
            precision: Precision::Diagonal(variance.iter().map(|v| 1.0 / v).collect()),
        }
    }

    /// A covariance that is not positive definite to rounding gives a peak of height zero or NaN, which
    /// whoever watches the objective sees.
    pub fn full(log_weight: f64, mean: Vec<f64>, covariance: &DMatrix<f64>) -> Self {
        let d = mean.len();
        let (log_det, inverse) = match covariance.clone().cholesky() {
            Some(factor) => {
                let root = factor.l_dirty().diagonal();
                let log_det = root.iter().map(|l| 2.0 * l.ln() + TAU.ln()).sum();
                (log_det, factor.inverse())
            }
            None => (f64::NAN, DMatrix::identity(d, d)),
        };
        Self {
            log_height: log_weight - 0.5 * log_det,
            mean,
            // Symmetric, so the order of storage does not matter.
            precision: Precision::Full(inverse.as_slice().to_vec()),
        }
    }

    /// `out = P v`.
    #[inline(always)]
    fn precision_times<const FMA: bool>(&self, v: &Batch, out: &mut Batch) {
        let d = self.mean.len();
        match &self.precision {
            Precision::Diagonal(p) => {
                for (j, p) in p.iter().enumerate() {
                    for (o, v) in out.column_mut(j).iter_mut().zip(v.column(j)) {
                        *o = p * v;
                    }
                }
            }
            Precision::Full(p) => {
                for i in 0..d {
                    let column = out.column_mut(i);
                    column.fill(0.0);
                    for j in 0..d {
                        let p = p[i * d + j];
                        for (o, v) in column.iter_mut().zip(v.column(j)) {
                            *o = multiply_add::<FMA>(p, *v, *o);
                        }
                    }
                }
            }
        }
    }

    /// `offset = μ − x`, `slope = P offset`.
    #[inline(always)]
    fn slopes<const FMA: bool>(&self, x: BatchRef<'_>, offset: &mut Batch, slope: &mut Batch) {
        for (j, m) in self.mean.iter().enumerate() {
            for (o, x) in offset.column_mut(j).iter_mut().zip(x.column(j)) {
                *o = m - x;
            }
        }
        self.precision_times::<FMA>(offset, slope);
    }

    fn trace(&self) -> f64 {
        let d = self.mean.len();
        match &self.precision {
            Precision::Diagonal(p) => p.iter().sum(),
            Precision::Full(p) => (0..d).map(|i| p[i * d + i]).sum(),
        }
    }
}

/// `L_k` of every component.
struct Logs<'a> {
    peaks: &'a Peaks,
    x: BatchRef<'a>,
    offset: &'a mut Batch,
    slope: &'a mut Batch,
    logs: &'a mut Batch,
}

impl Kernel for Logs<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (k, peak) in self.peaks.peaks.iter().enumerate() {
            peak.slopes::<FMA>(self.x, self.offset, self.slope);
            let out = self.logs.column_mut(k);
            out.fill(peak.log_height);
            for j in 0..self.x.columns() {
                let (o, s) = (self.offset.column(j), self.slope.column(j));
                for ((l, o), s) in out.iter_mut().zip(o).zip(s) {
                    *l = multiply_add::<FMA>(-0.5 * o, *s, *l);
                }
            }
        }
    }
}

/// Everything per block that the sums over components need.
struct Sweep {
    /// Responsibilities, one column per component.
    shares: Batch,
    log_density: Vec<f64>,
    offset: Batch,
    slope: Batch,
}

impl Peaks {
    pub fn new(dimension: usize, peaks: Vec<Peak>) -> Self {
        Self { dimension, peaks }
    }

    /// The peaks of a law; its covariances must be positive definite.
    pub fn of(mixture: &Mixture) -> Self {
        let d = mixture.dimension();
        let peaks = (0..mixture.components()).map(|k| {
            let mean = mixture.means[k].clone();
            let log_weight = mixture.weights[k].ln();
            match &mixture.covariances[k] {
                Covariance::Full(rows) => {
                    let matrix = DMatrix::from_fn(d, d, |i, j| rows[i][j]);
                    Peak::full(log_weight, mean, &matrix)
                }
                other => {
                    let variance = (0..d).map(|j| other.entry(j, j)).collect();
                    Peak::diagonal(log_weight, mean, variance)
                }
            }
        });
        Self::new(d, peaks.collect())
    }

    /// Where the peaks are.
    pub fn means(&self) -> impl Iterator<Item = &[f64]> {
        self.peaks.iter().map(|peak| peak.mean.as_slice())
    }

    fn sweep(&self, x: BatchRef<'_>) -> Sweep {
        let n = x.points();
        let mut shares = Batch::zeros(n, self.peaks.len());
        let mut offset = Batch::zeros(n, self.dimension);
        let mut slope = Batch::zeros(n, self.dimension);
        dispatch(Logs {
            peaks: self,
            x,
            offset: &mut offset,
            slope: &mut slope,
            logs: &mut shares,
        });
        let mut log_density = vec![0.0; n];
        log_sum_exp_columns(shares.as_ref(), &mut log_density);
        for k in 0..self.peaks.len() {
            for (l, p) in shares.column_mut(k).iter_mut().zip(&log_density) {
                *l -= p;
            }
        }
        exp_in_place(shares.as_mut_slice());
        Sweep {
            shares,
            log_density,
            offset,
            slope,
        }
    }

    /// Peaks with some responsibility in the block: index, shares.
    fn present<'a>(&'a self, shares: &'a Batch) -> impl Iterator<Item = (usize, &'a Peak)> + 'a {
        let alive = |k: &usize| shares.column(*k).iter().any(|r| *r != 0.0);
        (0..self.peaks.len())
            .filter(alive)
            .map(|k| (k, &self.peaks[k]))
    }

    /// `log p` per point.
    pub fn log_density(&self, x: BatchRef<'_>) -> Vec<f64> {
        self.sweep(x).log_density
    }

    /// Responsibilities `r_k`, points × components.
    pub fn shares(&self, x: BatchRef<'_>) -> Batch {
        self.sweep(x).shares
    }

    /// `s = ∇ log p`; returns `log p`.
    pub fn score(&self, x: BatchRef<'_>, out: BatchMut<'_>) -> Vec<f64> {
        let mut sweep = self.sweep(x);
        dispatch(Score {
            peaks: self,
            x,
            sweep: &mut sweep,
            out,
            divergence: None,
        });
        sweep.log_density
    }

    pub fn score_and_divergence(&self, x: BatchRef<'_>, out: BatchMut<'_>, divergence: &mut [f64]) {
        let mut sweep = self.sweep(x);
        dispatch(Score {
            peaks: self,
            x,
            sweep: &mut sweep,
            out,
            divergence: Some(divergence),
        });
    }

    /// `out = ∇s · cotangent`.
    pub(super) fn hessian_times(
        &self,
        x: BatchRef<'_>,
        cotangent: BatchRef<'_>,
        out: Option<BatchMut<'_>>,
    ) {
        let mut sweep = self.sweep(x);
        dispatch(PullBack {
            peaks: self,
            x,
            sweep: &mut sweep,
            cotangent: &cotangent.to_batch(),
            weight: None,
            gradient: None,
            state: out,
        });
    }

    /// Derivatives of `Σ_points (c·s + weight ∇·s)` with respect to every component, and optionally
    /// `∇s · c` in `state`. Absent cotangents and weights count as zero.
    pub fn pull_back(
        &self,
        x: BatchRef<'_>,
        cotangent: Option<BatchRef<'_>>,
        weight: Option<&[f64]>,
        state: Option<BatchMut<'_>>,
    ) -> Vec<PeakGradient> {
        let mut sweep = self.sweep(x);
        let mut effective = match cotangent {
            Some(c) => c.to_batch(),
            None => Batch::zeros(x.points(), self.dimension),
        };
        if let Some(weight) = weight {
            // ∇·s = Σ r_k h_k − |s|²: the second term acts through s like a cotangent −2 weight s.
            let mut score = Batch::zeros(x.points(), self.dimension);
            dispatch(Score {
                peaks: self,
                x,
                sweep: &mut sweep,
                out: score.as_mut(),
                divergence: None,
            });
            for j in 0..self.dimension {
                let column = effective.column_mut(j).iter_mut();
                for ((c, s), w) in column.zip(score.column(j)).zip(weight) {
                    *c -= 2.0 * w * s;
                }
            }
        }
        let mut gradient: Vec<PeakGradient> = self.peaks.iter().map(Peak::no_gradient).collect();
        dispatch(PullBack {
            peaks: self,
            x,
            sweep: &mut sweep,
            cotangent: &effective,
            weight,
            gradient: Some(&mut gradient),
            state,
        });
        gradient
    }
}

impl Peak {
    fn no_gradient(&self) -> PeakGradient {
        let entries = match &self.precision {
            Precision::Diagonal(p) | Precision::Full(p) => p.len(),
        };
        PeakGradient {
            log_weight: 0.0,
            mean: vec![0.0; self.mean.len()],
            covariance: vec![0.0; entries],
        }
    }
}

/// `s`, and `∇·s = Σ r_k (|a_k|² − tr P_k) − |s|²`.
struct Score<'a, 'b> {
    peaks: &'a Peaks,
    x: BatchRef<'a>,
    sweep: &'a mut Sweep,
    out: BatchMut<'b>,
    divergence: Option<&'a mut [f64]>,
}

impl Kernel for Score<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let d = self.x.columns();
        self.out.fill(0.0);
        if let Some(divergence) = &mut self.divergence {
            divergence.fill(0.0);
        }
        let Sweep {
            shares,
            offset,
            slope,
            ..
        } = self.sweep;
        for (k, peak) in self.peaks.present(shares) {
            peak.slopes::<FMA>(self.x, offset, slope);
            let share = shares.column(k);
            for j in 0..d {
                let column = self.out.column_mut(j).iter_mut();
                for ((o, r), a) in column.zip(share).zip(slope.column(j)) {
                    *o = multiply_add::<FMA>(*r, *a, *o);
                }
            }
            if let Some(divergence) = &mut self.divergence {
                let trace = peak.trace();
                for (i, o) in divergence.iter_mut().enumerate() {
                    let square: f64 = (0..d).map(|j| slope.column(j)[i].powi(2)).sum();
                    *o += share[i] * (square - trace);
                }
            }
        }
        if let Some(divergence) = &mut self.divergence {
            for j in 0..d {
                for (o, s) in divergence.iter_mut().zip(self.out.column(j)) {
                    *o -= s * s;
                }
            }
        }
    }
}

/// See [`Peaks::pull_back`]. With `c_k = c + 2 weight a_k` and
/// `q_k = r_k (c·a_k + weight h_k − mean over components)`:
/// `∂μ_k = Σ −q a + r P c_k`, `∂C_k = Σ ½ q (a aᵀ − P) − ½ r (P c_k aᵀ + a (P c_k)ᵀ) + r weight P²`.
struct PullBack<'a, 'b> {
    peaks: &'a Peaks,
    x: BatchRef<'a>,
    sweep: &'a mut Sweep,
    cotangent: &'a Batch,
    weight: Option<&'a [f64]>,
    gradient: Option<&'a mut Vec<PeakGradient>>,
    state: Option<BatchMut<'b>>,
}

/// Scratch columns of [`PullBack`].
struct Scratch {
    /// `c·a_k + weight h_k`.
    gain: Vec<f64>,
    /// `q_k`.
    pull: Vec<f64>,
    /// `c_k`, and `r P c_k`.
    local: Batch,
    product: Batch,
}

impl Kernel for PullBack<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let (n, d) = (self.x.points(), self.x.columns());
        let mut scratch = Scratch {
            gain: vec![0.0; n],
            pull: vec![0.0; n],
            local: Batch::zeros(n, d),
            product: Batch::zeros(n, d),
        };
        // First the means over components, then the deviations from them.
        let mut mean_gain = vec![0.0; n];
        let Sweep {
            shares,
            offset,
            slope,
            ..
        } = self.sweep;
        for (k, peak) in self.peaks.present(shares) {
            peak.slopes::<FMA>(self.x, offset, slope);
            gains::<FMA>(peak, slope, self.cotangent, self.weight, &mut scratch.gain);
            let share = shares.column(k);
            for ((m, g), r) in mean_gain.iter_mut().zip(&scratch.gain).zip(share) {
                *m = multiply_add::<FMA>(*r, *g, *m);
            }
        }
        if let Some(state) = &mut self.state {
            // Σ r_k a_k (a_k·c) − s (s·c) = Σ q_k a_k when no weight is given.
            state.fill(0.0);
        }
        for (k, peak) in self.peaks.present(shares) {
            peak.slopes::<FMA>(self.x, offset, slope);
            gains::<FMA>(peak, slope, self.cotangent, self.weight, &mut scratch.gain);
            let share = shares.column(k);
            for i in 0..n {
                scratch.pull[i] = share[i] * (scratch.gain[i] - mean_gain[i]);
            }
            scratch
                .local
                .as_mut_slice()
                .copy_from_slice(self.cotangent.as_slice());
            if let Some(weight) = self.weight {
                for j in 0..d {
                    let column = scratch.local.column_mut(j).iter_mut();
                    for ((c, a), w) in column.zip(slope.column(j)).zip(weight) {
                        *c += 2.0 * w * a;
                    }
                }
            }
            peak.precision_times::<FMA>(&scratch.local, &mut scratch.product);
            for j in 0..d {
                for (p, r) in scratch.product.column_mut(j).iter_mut().zip(share) {
                    *p *= r;
                }
            }
            if let Some(state) = &mut self.state {
                for j in 0..d {
                    let terms = slope.column(j).iter().zip(scratch.product.column(j));
                    let column = state.column_mut(j).iter_mut();
                    for ((o, (a, p)), q) in column.zip(terms).zip(&scratch.pull) {
                        *o += q * a - p;
                    }
                }
            }
            if let Some(gradient) = &mut self.gradient {
                peak.add_gradient(slope, &scratch, share, self.weight, &mut gradient[k]);
            }
        }
    }
}

/// `c·a_k + weight (|a_k|² − tr P_k)`.
#[inline(always)]
fn gains<const FMA: bool>(
    peak: &Peak,
    slope: &Batch,
    cotangent: &Batch,
    weight: Option<&[f64]>,
    out: &mut [f64],
) {
    out.fill(0.0);
    let d = slope.columns();
    if let Some(weight) = weight {
        for j in 0..d {
            for (o, a) in out.iter_mut().zip(slope.column(j)) {
                *o = multiply_add::<FMA>(*a, *a, *o);
            }
        }
        let trace = peak.trace();
        for (o, w) in out.iter_mut().zip(weight) {
            *o = w * (*o - trace);
        }
    }
    for j in 0..d {
        let pairs = cotangent.column(j).iter().zip(slope.column(j));
        for (o, (c, a)) in out.iter_mut().zip(pairs) {
            *o = multiply_add::<FMA>(*c, *a, *o);
        }
    }
}

impl Peak {
    fn add_gradient(
        &self,
        slope: &Batch,
        scratch: &Scratch,
        share: &[f64],
        weight: Option<&[f64]>,
        out: &mut PeakGradient,
    ) {
        let d = self.mean.len();
        let pull_total: f64 = scratch.pull.iter().sum();
        let weight_total = weight.map_or(0.0, |w| dot(share, w));
        out.log_weight += pull_total;
        let mut pulled = vec![0.0; share.len()];
        for j in 0..d {
            let a = slope.column(j);
            let product = scratch.product.column(j);
            out.mean[j] += product.iter().sum::<f64>() - dot(&scratch.pull, a);
            for ((o, q), a) in pulled.iter_mut().zip(&scratch.pull).zip(a) {
                *o = q * a;
            }
            match &self.precision {
                Precision::Diagonal(p) => {
                    out.covariance[j] += 0.5 * (dot(&pulled, a) - p[j] * pull_total)
                        - dot(product, a)
                        + weight_total * p[j] * p[j];
                }
                Precision::Full(p) => {
                    for l in 0..d {
                        let square: f64 = (0..d).map(|m| p[j * d + m] * p[m * d + l]).sum();
                        let cross =
                            dot(product, slope.column(l)) + dot(scratch.product.column(l), a);
                        out.covariance[j * d + l] += 0.5
                            * (dot(&pulled, slope.column(l)) - p[j * d + l] * pull_total - cross)
                            + weight_total * square;
                    }
                }
            }
        }
    }
}
