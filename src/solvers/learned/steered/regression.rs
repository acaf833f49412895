//! Losses that are squares in the control: one linear system per iteration.
//!
//! ```text
//! cross-entropy:     u ~ v + (G^+ B)^+ dW/dt                    under the weights w
//! adjoint-matching:  u ~ -R^-1 B' a                             under P^v
//! socm:              u ~ -R^-1 B' a                             under the weights w
//! a_N = grad Phi,    a_k = a_{k+1} + dt (grad b' a_{k+1} + grad q)      (lean: no control in it)
//! w = dP*/dP^v
//! ```
//!
//! `v` is the control of the iteration before. In the first line the noise is multiplied by `w - 1` in place of `w`:
//! without weights it has zero mean, and close to the optimum it has no variance left.
//!
//! Weights are raised to the largest power `<= 1` that leaves [`SHARE`] of the paths effective. Under the powers of
//! `dP*/dP^v` the regression leads part of the way to `P*`; the power reaches one as `v` does.
//!
//! # Assumes
//! `B`, `G`, `R` free of the state. Weights need a temperature.
//!
//! # Source
//! Zhang, Wang, Hartmann, Weber, Schütte, *SIAM J. Sci. Comput.* 36 (2014) and Kappen, Ruiz, *J. Stat. Phys.* 162
//! (2016) for cross-entropy; Thalmeier, Kappen, Totaro, Gómez, *Neurocomputing* 402 (2020) for smoothed weights;
//! Domingo-Enrich et al., arXiv:2312.02027 (socm, with `M' = M grad b`) and arXiv:2409.08861 (adjoint matching).
//!
//! # Checked by
//! `s08.lq_losses` of the reference numbers; the gain of `riccati`.

use crate::field::feedback::Feedback;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::blocks::{map_blocks, pairwise_add};
use crate::numeric::dense::{Cholesky, DenseError};
use crate::solvers::learned::steered::metric::Layout;
use crate::solvers::learned::steered::objective::PathObjective;
use crate::solvers::learned::steered::replay::{Block, PATHS, Replay, Tape};
use crate::solvers::walk::weights::{effective_share, normalised};
use nalgebra::DMatrix;

/// Least effective share of the paths.
pub const SHARE: f64 = 0.25;
/// Halvings of the search for the power.
const HALVINGS: usize = 40;

/// Weights with mean one, the power they were raised to, and the effective share without it.
#[derive(Clone, Debug, PartialEq)]
pub struct Smoothed {
    pub weights: Vec<f64>,
    pub power: f64,
    pub share: f64,
}

/// Raises weights to the largest power that leaves enough of them.
pub fn smoothed(log_weights: &[f64]) -> Smoothed {
    let raised = |power: f64| -> Vec<f64> { log_weights.iter().map(|w| power * w).collect() };
    let share = effective_share(log_weights);
    let mut power = 1.0;
    if share < SHARE {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if effective_share(&raised(middle)) < SHARE {
                high = middle;
            } else {
                low = middle;
            }
        }
        power = low;
    }
    let count = log_weights.len() as f64;
    Smoothed {
        weights: normalised(&raised(power))
            .iter()
            .map(|w| w * count)
            .collect(),
        power,
        share,
    }
}

/// `log dP*/dP^v` of every path, up to a constant; `start` is what the start adds to it.
pub fn log_weights(
    replay: &Replay,
    policy: &Feedback,
    temperature: f64,
    start: &[f64],
) -> Vec<f64> {
    let dt = replay.dt();
    map_blocks(replay.paths(), PATHS, |range| {
        let mut block = replay.block(range.clone());
        let mut ratio = start[range].to_vec();
        let watch = |k: usize, block: &Block| {
            let lever = replay.leverage(replay.time(k));
            let mut theta = Batch::zeros(block.x.points(), lever.nrows());
            theta
                .as_mut()
                .add_product(1.0, &lever, block.control.as_ref());
            for j in 0..theta.columns() {
                let pairs = theta.column(j).iter().zip(block.increment.column(j));
                for (ratio, (theta, dw)) in ratio.iter_mut().zip(pairs) {
                    *ratio -= theta * (dw + 0.5 * theta * dt);
                }
            }
        };
        replay.forward(policy, &mut block, watch, None);
        for (ratio, cost) in ratio.iter_mut().zip(&block.state_costs) {
            *ratio -= cost / temperature;
        }
        ratio
    })
    .concat()
}

/// Blocks of the form and the moments of the targets, summed over paths and steps.
#[derive(Clone, Debug)]
pub struct Normal {
    pub layout: Layout,
    pub form: Vec<f64>,
    pub moments: Vec<f64>,
}

impl Normal {
    /// Of one iteration from the control `policy`, with weights where the objective has them.
    pub fn new(
        replay: &Replay,
        policy: &Feedback,
        objective: PathObjective,
        weights: Option<&[f64]>,
    ) -> Self {
        let layout = Layout::of(policy);
        let size = layout.size();
        let partials = map_blocks(replay.paths(), PATHS, |range| {
            let weights = weights.map(|weights| &weights[range.clone()]);
            let mut block = replay.block(range);
            let mut sums = vec![0.0; size + policy.parameters().len()];
            let (form, moments) = sums.split_at_mut(size);
            let mut add = |k: usize, x: BatchRef<'_>, mut target: Batch, weigh: bool| {
                let (at, design) = (policy.locate(replay.time(k)), policy.design(x));
                layout.add(at, &design, weights, form);
                if let (Some(weights), true) = (weights, weigh) {
                    times(weights, target.as_mut());
                }
                policy.pull_back(at, &design, target.as_ref(), moments);
            };
            if objective == PathObjective::CrossEntropy {
                let watch = |k: usize, block: &Block| {
                    let target = noise_target(replay, k, block, weights);
                    add(k, block.x.as_ref(), target, false);
                };
                replay.forward(policy, &mut block, watch, None);
            } else {
                let mut tape = Tape::default();
                replay.forward(policy, &mut block, |_, _| (), Some(&mut tape));
                lean(replay, &block, &tape, |k, x, target| {
                    add(k, x, target, true);
                });
            }
            sums
        });
        let mut form = pairwise_add(partials).unwrap_or_default();
        let moments = form.split_off(size.min(form.len()));
        Self {
            layout,
            form,
            moments,
        }
    }

    /// Adds another iteration's sums to these.
    pub fn append(&mut self, other: &Self) {
        for (a, b) in self.form.iter_mut().zip(&other.form) {
            *a += b;
        }
        for (a, b) in self.moments.iter_mut().zip(&other.moments) {
            *a += b;
        }
    }

    /// The coefficients closest to the targets, and the relative length of the move from `theta`.
    ///
    /// # Errors
    /// A form that is not positive: features that no path tells apart.
    pub fn solve(&self, theta: &[f64]) -> Result<(Vec<f64>, f64), DenseError> {
        let layout = &self.layout;
        let mut found = vec![0.0; theta.len()];
        let (mut moved, mut size) = (0.0, 0.0);
        for view in layout.views() {
            let form = layout.dense(&self.form, view);
            let before = layout.table(theta, view);
            let residual = layout.table(&self.moments, view) - &form * &before;
            let step = Cholesky::new(&form)?.solve(&residual);
            let after = before + &step;
            let square = |v: &DMatrix<f64>| (&form * v).dot(v).max(0.0);
            moved += square(&step);
            size += square(&after);
            layout.write(&after, view, &mut found);
        }
        Ok((found, (moved / size.max(f64::MIN_POSITIVE)).sqrt()))
    }
}

/// Multiplies every row by its weight.
fn times(weights: &[f64], mut batch: BatchMut<'_>) {
    for j in 0..batch.columns() {
        for (value, weight) in batch.column_mut(j).iter_mut().zip(weights) {
            *value *= weight;
        }
    }
}

/// `w v + (w - 1) (G^+ B)^+ dW/dt`.
fn noise_target(replay: &Replay, k: usize, block: &Block, weights: Option<&[f64]>) -> Batch {
    let lever = replay.leverage(replay.time(k));
    let square = lever.tr_mul(&lever);
    // Of full column rank where there is a temperature and a price of every control.
    let inverse = match Cholesky::new(&square) {
        Ok(factor) => factor.solve(&lever.transpose()),
        Err(_) => DMatrix::zeros(lever.ncols(), lever.nrows()),
    };
    let mut target = Batch::zeros(block.x.points(), inverse.nrows());
    let increment = block.increment.as_ref();
    target
        .as_mut()
        .add_product(1.0 / replay.dt(), &inverse, increment);
    for j in 0..target.columns() {
        let controls = block.control.column(j);
        for (i, value) in target.column_mut(j).iter_mut().enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[i]);
            *value = weight * controls[i] + (weight - 1.0) * *value;
        }
    }
    target
}

/// Calls `visit` with `-R^-1 B' a_{k+1}` of every step, last one first.
fn lean(
    replay: &Replay,
    block: &Block,
    tape: &Tape,
    mut visit: impl FnMut(usize, BatchRef<'_>, Batch),
) {
    let dt = replay.dt();
    let mut adjoint = replay.end_slope(block);
    for k in (0..replay.steps).rev() {
        let t = replay.time(k);
        let late = replay.late(t);
        let x = tape.states[k].as_ref();
        let mut target = Batch::zeros(block.x.points(), replay.process.controls());
        let slope = adjoint.as_ref();
        replay.process.best_response(t, x, slope, target.as_mut());
        target.as_mut_slice().iter_mut().for_each(|u| *u /= late);
        visit(k, x, target);
        let mut next = adjoint.clone();
        let parts = [x, adjoint.as_ref()];
        replay
            .slopes
            .add_free(t, parts, [dt, late * dt], next.as_mut());
        adjoint = next;
    }
}
