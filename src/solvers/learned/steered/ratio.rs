//! The log ratio of path laws on paths that stay.
//!
//! With `theta = G^+ B u` and paths steered by `v`,
//!
//! ```text
//! l_u = log dP^u/dP* = const + sum_k [ theta_u.(dW + theta_v dt) - 1/2 |theta_u|^2 dt ] + (int q dt + Phi)/lambda
//! log-variance:  Var l_u,        moment:  E (l_u + y)^2
//! ```
//!
//! Both vanish at the best control for any `v`. For kind `sample` the log density of the prior at the start is
//! added, so that the starts of `P*` are those of the noised target.
//!
//! # Source
//! Nüsken, Richter, *Partial Differ. Equ. Appl.* 2 (2021), sections 3.2 and 4.
//!
//! # Checked by
//! `s08.lq_losses` of the reference numbers; central differences.

use crate::field::feedback::Feedback;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{map_blocks, pairwise_add, pairwise_sum};
use crate::solvers::learned::steered::replay::{Block, PATHS, Replay, Tape};
use nalgebra::DMatrix;

/// What of a block of paths enters the ratio.
#[derive(Clone, Debug)]
struct Recorded {
    states: Vec<Batch>,
    /// `(G^+ B)' (dW + theta_v dt)` of every step, points × controls.
    pushes: Vec<Batch>,
    /// What does not move with the parameters.
    fixed: Vec<f64>,
}

/// Recorded paths.
#[derive(Clone, Debug)]
pub struct Ratio {
    blocks: Vec<Recorded>,
    /// `(G^+ B)' G^+ B` of every step.
    squares: Vec<DMatrix<f64>>,
    times: Vec<f64>,
    dt: f64,
    paths: usize,
}

impl Ratio {
    /// Paths under `policy`; `start` holds what the start adds to the logarithm.
    pub fn new(replay: &Replay, policy: &Feedback, temperature: f64, start: &[f64]) -> Self {
        let times: Vec<f64> = (0..replay.steps).map(|k| replay.time(k)).collect();
        let levers: Vec<DMatrix<f64>> = times.iter().map(|t| replay.leverage(*t)).collect();
        let squares: Vec<DMatrix<f64>> = levers.iter().map(|m| m.tr_mul(m)).collect();
        let dt = replay.dt();
        let blocks = map_blocks(replay.paths(), PATHS, |range| {
            let mut block = replay.block(range.clone());
            let mut tape = Tape::default();
            let mut pushes = Vec::with_capacity(replay.steps);
            let watch = |k: usize, block: &Block| {
                let mut push = Batch::zeros(block.x.points(), block.control.columns());
                let increment = block.increment.as_ref();
                push.as_mut()
                    .add_product(1.0, &levers[k].transpose(), increment);
                push.as_mut()
                    .add_product(dt, &squares[k], block.control.as_ref());
                pushes.push(push);
            };
            replay.forward(policy, &mut block, watch, Some(&mut tape));
            let costs = block.state_costs.iter().zip(&start[range]);
            Recorded {
                fixed: costs
                    .map(|(cost, start)| cost / temperature + start)
                    .collect(),
                states: tape.states,
                pushes,
            }
        });
        Self {
            blocks,
            squares,
            times,
            dt,
            paths: replay.paths(),
        }
    }

    /// `l_u` of every path, up to a constant.
    pub fn values(&self, policy: &Feedback) -> Vec<f64> {
        map_blocks(self.blocks.len(), 1, |range| {
            let recorded = &self.blocks[range.start];
            let mut out = recorded.fixed.clone();
            self.each(policy, recorded, |k, _, control| {
                let (push, half) = (&recorded.pushes[k], self.priced(k, control, 0.5));
                for j in 0..control.columns() {
                    let parts = push.column(j).iter().zip(half.column(j));
                    for ((o, u), (h, m)) in out.iter_mut().zip(control.column(j)).zip(parts) {
                        *o += u * (h - m);
                    }
                }
            });
            out
        })
        .concat()
    }

    /// Calls `visit` with step, features and control of every step.
    fn each(
        &self,
        policy: &Feedback,
        recorded: &Recorded,
        mut visit: impl FnMut(usize, &Batch, BatchRef<'_>),
    ) {
        for (k, x) in recorded.states.iter().enumerate() {
            let design = policy.design(x.as_ref());
            let mut control = Batch::zeros(x.points(), policy.controls());
            let at = policy.locate(self.times[k]);
            policy.combine(at, &design, control.as_mut());
            visit(k, &design, control.as_ref());
        }
    }

    /// `scale dt M u`.
    fn priced(&self, k: usize, control: BatchRef<'_>, scale: f64) -> Batch {
        let mut out = Batch::zeros(control.points(), control.columns());
        out.as_mut()
            .add_product(scale * self.dt, &self.squares[k], control);
        out
    }

    /// Adds `sum over paths of weight dl_u/dtheta`, divided by the number of paths, to nothing: overwrites.
    fn pull_back(&self, policy: &Feedback, weight: &[f64], gradient: &mut [f64]) {
        let size = gradient.len();
        let partials = map_blocks(self.blocks.len(), 1, |range| {
            let recorded = &self.blocks[range.start];
            let first = range.start * PATHS;
            let weight = &weight[first..first + recorded.fixed.len()];
            let mut partial = vec![0.0; size];
            self.each(policy, recorded, |k, design, control| {
                let mut cotangent = self.priced(k, control, -1.0);
                cotangent.add_scaled(1.0, &recorded.pushes[k]);
                for j in 0..cotangent.columns() {
                    for (c, w) in cotangent.column_mut(j).iter_mut().zip(weight) {
                        *c *= w;
                    }
                }
                let at = policy.locate(self.times[k]);
                policy.pull_back(at, design, cotangent.as_ref(), &mut partial);
            });
            partial
        });
        let scale = 1.0 / self.paths as f64;
        if let Some(total) = pairwise_add(partials) {
            for (g, t) in gradient.iter_mut().zip(total) {
                *g = scale * t;
            }
        }
    }

    fn mean(&self, values: &[f64]) -> f64 {
        pairwise_sum(values) / self.paths as f64
    }

    /// `E (l_u + y)^2` and its derivatives; without `y` the variance. The last one is that in `y`.
    pub fn square(
        &self,
        policy: &Feedback,
        offset: Option<f64>,
        gradient: Option<&mut [f64]>,
    ) -> (f64, f64) {
        let values = self.values(policy);
        let mean = self.mean(&values);
        let shift = offset.unwrap_or(-mean);
        let residuals: Vec<f64> = values.iter().map(|l| l + shift).collect();
        let squares: Vec<f64> = residuals.iter().map(|r| r * r).collect();
        if let Some(gradient) = gradient {
            let weight: Vec<f64> = residuals.iter().map(|r| 2.0 * r).collect();
            self.pull_back(policy, &weight, gradient);
        }
        (self.mean(&squares), 2.0 * (mean + shift))
    }
}
