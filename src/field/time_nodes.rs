//! Fields linear in their parameters, with one set of coefficients per time node.
//!
//! With the mean `m_t` and the standard deviations `w_t` of the noised law (one per coordinate),
//!
//! ```text
//! xi = (x - m_t) / w_t,      s(x, t) = F(xi; theta(t)) / w_t,      F = sum_a theta_a phi_a(xi)
//! ```
//!
//! and `theta(t)` interpolates the coefficients of the two neighbouring nodes. In these coordinates
//! the coefficients of a Gaussian law do not depend on time at all, so interpolation is benign.

use crate::discretization::noising::Noising;
use crate::discretization::time_grid::TimeGrid;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::{Differentiable, Field, FieldFamily, ScoreFamily};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::sums::add_scaled;
use crate::problem::format::key::{Fallback, Form, Key, Names};
use crate::problem::meant::model::Spacing;

/// How the sizes of a family say that it depends on time.
pub const TIME: Key = Key::new(
    "time",
    Form::Choice(Names::Fixed(|| vec!["nodes"])),
    Fallback::Name("nodes"),
    "how it depends on time",
);

/// Number of nodes in time.
pub const fn nodes(default: usize) -> Key {
    Key::new(
        "nodes",
        Form::Count(1),
        Fallback::Count(default),
        "nodes in time",
    )
}

/// Pieces between two nodes on which the whitening and the clock are linear.
const PIECES: usize = 8;

/// Time nodes, the clock that interpolates between them, and the whitening of the state.
///
/// Nodes are uniform in the log signal-to-noise ratio where there is one; the clock runs uniformly from
/// node to node.
#[derive(Clone, Debug)]
pub struct TimeNodes {
    nodes: usize,
    /// `PIECES` intervals per node interval.
    times: Vec<f64>,
    mean: Vec<Vec<f64>>,
    log_scale: Vec<Vec<f64>>,
}

/// What a time means to a node field.
#[derive(Clone, Debug)]
pub struct Located {
    /// Left node.
    pub node: usize,
    /// Share of the right node, in \[0, 1\].
    pub share: f64,
    pub mean: Vec<f64>,
    pub scale: Vec<f64>,
}

impl TimeNodes {
    /// `nodes` nodes between `t_min` and the end of the horizon, whitened by the moments of `law`.
    ///
    /// One node means coefficients that do not depend on time.
    pub fn new(noising: &Noising, law: &NoisedMixture, t_min: f64, nodes: usize) -> Self {
        Self::from_moments(noising, t_min, nodes, |t| {
            let at = law.mixture_at(t);
            (at.mean(), at.variances())
        })
    }

    /// The same with means and variances from elsewhere; they are asked for at increasing times.
    pub fn from_moments(
        noising: &Noising,
        t_min: f64,
        nodes: usize,
        mut moments: impl FnMut(f64) -> (Vec<f64>, Vec<f64>),
    ) -> Self {
        let nodes = nodes.max(1);
        let steps = nodes.saturating_sub(1).max(1) * PIECES;
        let times = TimeGrid::new(noising, t_min, steps, Spacing::LogSnr)
            .nodes()
            .to_vec();
        let (mean, log_scale) = times
            .iter()
            .map(|t| {
                let (mean, variance) = moments(*t);
                let scale = variance.iter().map(|v| 0.5 * v.ln()).collect::<Vec<f64>>();
                (mean, scale)
            })
            .unzip();
        Self {
            nodes,
            times,
            mean,
            log_scale,
        }
    }

    pub fn count(&self) -> usize {
        self.nodes
    }

    /// Time of a node.
    pub fn time(&self, node: usize) -> f64 {
        self.times[node * PIECES]
    }

    /// `∫ hat_node(t) weight(t) dt`, trapezoidal on the fine pieces: the share of an integral over
    /// time that a node stands for.
    pub fn hat_integral(&self, node: usize, weight: impl Fn(f64) -> f64) -> f64 {
        if self.nodes == 1 {
            return trapezoid(&self.times, |_, t| weight(t));
        }
        trapezoid(&self.times, |i, t| {
            let distance = (i as f64 / PIECES as f64 - node as f64).abs();
            (1.0 - distance).max(0.0) * weight(t)
        })
    }

    /// Node, share and whitening at a time; times outside the nodes are clamped.
    pub fn locate(&self, t: f64) -> Located {
        let last = self.times.len() - 1;
        let piece = self
            .times
            .partition_point(|node| *node <= t)
            .saturating_sub(1)
            .min(last - 1);
        let (a, b) = (self.times[piece], self.times[piece + 1]);
        let w = ((t - a) / (b - a)).clamp(0.0, 1.0);
        let between = |table: &[Vec<f64>]| blend(&table[piece], &table[piece + 1], w);
        let position = (piece as f64 + w) / PIECES as f64;
        let (node, share) = if self.nodes == 1 {
            (0, 0.0)
        } else {
            let node = (piece / PIECES).min(self.nodes - 2);
            (node, position - node as f64)
        };
        Located {
            node,
            share,
            mean: between(&self.mean),
            scale: between(&self.log_scale).iter().map(|l| l.exp()).collect(),
        }
    }
}

/// `(1 − share) left + share right`.
pub(super) fn blend(left: &[f64], right: &[f64], share: f64) -> Vec<f64> {
    let pairs = left.iter().zip(right);
    pairs.map(|(l, r)| (1.0 - share) * l + share * r).collect()
}

fn trapezoid(times: &[f64], value: impl Fn(usize, f64) -> f64) -> f64 {
    times
        .windows(2)
        .enumerate()
        .map(|(i, w)| 0.5 * (w[1] - w[0]) * (value(i, w[0]) + value(i + 1, w[1])))
        .sum()
}

impl Located {
    /// `(x − mean) / scale`.
    pub fn whiten(&self, x: BatchRef<'_>) -> Batch {
        let mut xi = Batch::zeros(x.points(), x.columns());
        for j in 0..x.columns() {
            let (mean, inverse) = (self.mean[j], 1.0 / self.scale[j]);
            for (o, x) in xi.column_mut(j).iter_mut().zip(x.column(j)) {
                *o = (x - mean) * inverse;
            }
        }
        xi
    }

    /// `1 / scale²` per coordinate: turns derivatives of `F` in `xi` into the divergence of s in x.
    pub fn inverse_squares(&self) -> Vec<f64> {
        self.scale.iter().map(|w| 1.0 / (w * w)).collect()
    }

    /// Divides every column by its scale.
    pub(super) fn divide(&self, mut batch: BatchMut<'_>) {
        for (j, w) in self.scale.iter().enumerate() {
            let inverse = 1.0 / w;
            batch.column_mut(j).iter_mut().for_each(|v| *v *= inverse);
        }
    }
}

/// How the coefficients of a basis enter the components of `F`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regressors {
    /// `F_j = Σ_a theta[j · count + a] ρ_a(ξ)`: the components share their regressors and decouple.
    Shared { count: usize },
    /// `F = Σ_a theta[a] φ_a(ξ)` with vector features.
    Coupled { count: usize },
}

/// Vector features on whitened coordinates.
///
/// All batches hold one contiguous column per coordinate; `coefficients` belong to one time.
pub trait Basis: Clone + Send + Sync {
    fn dimension(&self) -> usize;
    fn regressors(&self) -> Regressors;
    /// Coefficients per time node.
    fn coefficients(&self) -> usize {
        match self.regressors() {
            Regressors::Shared { count } => count * self.dimension(),
            Regressors::Coupled { count } => count,
        }
    }
    /// The coefficients of `F = −ξ`, the score of a law with the whitening's own moments and no correlations.
    fn standard(&self) -> Vec<f64>;

    /// `out = F(ξ)`.
    fn combine(&self, xi: BatchRef<'_>, coefficients: &[f64], out: BatchMut<'_>);
    /// `out = Σ_j scale_j ∂F_j/∂ξ_j`.
    fn divergence(&self, xi: BatchRef<'_>, coefficients: &[f64], scale: &[f64], out: &mut [f64]);
    /// Adds `Σ_points φ_aᵀ cotangent` to `gradient[a]` where that is wanted, and with coefficients writes
    /// `(∂F/∂ξ)ᵀ cotangent` beside them.
    fn carry_back(
        &self,
        xi: BatchRef<'_>,
        cotangent: BatchRef<'_>,
        gradient: Option<&mut [f64]>,
        state: Option<(&[f64], BatchMut<'_>)>,
    );

    /// Adds `Σ_points weight Σ_j scale_j ∂φ_aj/∂ξ_j` to `gradient[a]`.
    fn pull_back_divergence(
        &self,
        xi: BatchRef<'_>,
        scale: &[f64],
        weight: &[f64],
        gradient: &mut [f64],
    );
    /// The regressors, column by column: points rows when shared, otherwise dimension × points rows
    /// (all points of component 0 first).
    fn design(&self, xi: BatchRef<'_>, out: &mut [f64]);
}

/// A basis with coefficients at time nodes.
#[derive(Clone, Debug)]
pub struct NodeField<B> {
    basis: B,
    nodes: TimeNodes,
    theta: Vec<f64>,
}

impl<B: Basis> NodeField<B> {
    /// All coefficients zero.
    pub fn new(basis: B, nodes: TimeNodes) -> Self {
        let theta = vec![0.0; basis.coefficients() * nodes.count()];
        Self {
            basis,
            nodes,
            theta,
        }
    }

    pub fn basis(&self) -> &B {
        &self.basis
    }

    pub fn nodes(&self) -> &TimeNodes {
        &self.nodes
    }

    fn coefficients_at(&self, at: &Located) -> Vec<f64> {
        let p = self.basis.coefficients();
        let left = &self.theta[at.node * p..(at.node + 1) * p];
        if at.share == 0.0 {
            return left.to_vec();
        }
        let right = &self.theta[(at.node + 1) * p..(at.node + 2) * p];
        blend(left, right, at.share)
    }

    /// Splits the gradient of the coefficients at one time between the two nodes.
    fn spread(&self, at: &Located, local: &[f64], gradient: &mut [f64]) {
        let p = self.basis.coefficients();
        add_scaled(1.0 - at.share, local, &mut gradient[at.node * p..]);
        if at.share > 0.0 {
            add_scaled(at.share, local, &mut gradient[(at.node + 1) * p..]);
        }
    }
}

impl<B: Basis> Field for NodeField<B> {
    fn inputs(&self) -> usize {
        self.basis.dimension()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let at = self.nodes.locate(t);
        let xi = at.whiten(x);
        self.basis
            .combine(xi.as_ref(), &self.coefficients_at(&at), out.reborrow());
        at.divide(out);
    }
}

impl<B: Basis> Differentiable for NodeField<B> {
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        mut out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        let at = self.nodes.locate(t);
        let xi = at.whiten(x);
        let coefficients = self.coefficients_at(&at);
        self.basis
            .combine(xi.as_ref(), &coefficients, out.reborrow());
        at.divide(out);
        self.basis.divergence(
            xi.as_ref(),
            &coefficients,
            &at.inverse_squares(),
            divergence,
        );
    }
}

impl<B: Basis> FieldFamily for NodeField<B> {
    fn parameters(&self) -> &[f64] {
        &self.theta
    }

    fn set_parameters(&mut self, theta: &[f64]) {
        self.theta.copy_from_slice(theta);
    }

    fn carry_back(
        &self,
        t: f64,
        x: BatchRef<'_>,
        cotangent: BatchRef<'_>,
        gradient: Option<&mut [f64]>,
        mut out: Option<BatchMut<'_>>,
    ) {
        let at = self.nodes.locate(t);
        let xi = at.whiten(x);
        let mut scaled = cotangent.to_batch();
        at.divide(scaled.as_mut());
        let mut local = gradient
            .is_some()
            .then(|| vec![0.0; self.basis.coefficients()]);
        let coefficients = out.is_some().then(|| self.coefficients_at(&at));
        let state = coefficients
            .as_deref()
            .zip(out.as_mut().map(BatchMut::reborrow));
        self.basis
            .carry_back(xi.as_ref(), scaled.as_ref(), local.as_deref_mut(), state);
        if let Some(out) = out {
            at.divide(out);
        }
        if let (Some(local), Some(gradient)) = (local, gradient) {
            self.spread(&at, &local, gradient);
        }
    }
}

impl<B: Basis> ScoreFamily for NodeField<B> {
    fn pull_back_divergence(&self, t: f64, x: BatchRef<'_>, weight: &[f64], gradient: &mut [f64]) {
        let at = self.nodes.locate(t);
        let xi = at.whiten(x);
        let mut local = vec![0.0; self.basis.coefficients()];
        self.basis
            .pull_back_divergence(xi.as_ref(), &at.inverse_squares(), weight, &mut local);
        self.spread(&at, &local, gradient);
    }
}
