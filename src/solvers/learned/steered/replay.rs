//! Paths on replayed noise: their cost, and its exact gradient in the parameters of the control.
//!
//! ```text
//! X_{k+1} = X_k + (b + B u)(X_k, t_k) dt + G(X_k, t_k) dW_k
//! S = sum_k e^{-rho (t_k - t_0)} (q + 1/2 u'R u) dt + e^{-rho (T - t_0)} Phi(X_N)
//! a_N = e^{-rho (T - t_0)} grad Phi,      a_k = dX_{k+1}/dX_k' a_{k+1} + d(cost of step k)/dX_k
//! dS/dtheta = sum_k (du/dtheta)' ( dt B'a_{k+1} + e^{-rho (t_k - t_0)} dt R u )
//! ```
//!
//! Noise is addressed by (path, step): the same parameters give the same bits on any number of threads.
//!
//! # Checked by
//! `s08.discrete_adjoint` of the reference numbers; central differences.

use crate::discretization::steered::SteeredProcess;
use crate::discretization::steered_slopes::SteeredSlopes;
use crate::field::feedback::Feedback;
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{map_blocks, pairwise_add, pairwise_sum};
use crate::numeric::random::Stream;
use nalgebra::DMatrix;
use std::ops::Range;

/// Paths that are walked together. Fixed: sums over paths must not depend on the machine.
pub const PATHS: usize = 128;

/// Where the increments come from.
#[derive(Clone, Debug)]
pub enum Noise {
    Drawn(Stream),
    /// Standard normals of every step, points × noises.
    Given(Vec<Batch>),
}

/// Paths from given starts under given noise.
#[derive(Clone, Debug)]
pub struct Replay {
    pub process: SteeredProcess,
    pub slopes: SteeredSlopes,
    pub start: Batch,
    pub steps: usize,
    pub noise: Noise,
}

/// The zero-mean term `sum_k u_a . m_k`, `m_k = lambda (G^+ B)' dW_k`, of a control `u_a` that stays: where both
/// are optimal the cost of every path is the value, and neither cost nor gradient has noise.
///
/// # Assumes
/// A temperature, `B` and `G` free of the state.
#[derive(Clone, Debug)]
pub struct Anchor {
    pub control: Feedback,
    pub temperature: f64,
}

/// One block of paths between steps.
pub struct Block {
    first: u64,
    pub x: Batch,
    pub control: Batch,
    pub increment: Batch,
    drift: Batch,
    rate: Vec<f64>,
    effort: Vec<f64>,
    pub costs: Vec<f64>,
    /// What of the cost is not the price of control.
    pub state_costs: Vec<f64>,
}

/// What the way back needs again.
#[derive(Default)]
pub struct Tape {
    /// Before each step.
    pub states: Vec<Batch>,
    pub controls: Vec<Batch>,
}

impl Replay {
    pub fn paths(&self) -> usize {
        self.start.points()
    }

    pub fn dt(&self) -> f64 {
        (self.process.end() - self.process.start()) / self.steps as f64
    }

    pub fn time(&self, k: usize) -> f64 {
        self.process.start() + self.dt() * k as f64
    }

    /// `e^{-rho (t - t_0)}`.
    pub fn late(&self, t: f64) -> f64 {
        (-self.process.discount() * (t - self.process.start())).exp()
    }

    /// `G^+ B` at a time, for coefficients free of the state.
    pub fn leverage(&self, t: f64) -> DMatrix<f64> {
        self.process.leverage(t, &[])
    }

    pub fn block(&self, range: Range<usize>) -> Block {
        let (n, states) = (range.len(), self.start.columns());
        let first = range.start as u64;
        Block {
            first,
            x: self.start.as_ref().rows(range).to_batch(),
            control: Batch::zeros(n, self.process.controls()),
            increment: Batch::zeros(n, self.process.noises()),
            drift: Batch::zeros(n, states),
            rate: vec![0.0; n],
            effort: vec![0.0; n],
            costs: vec![0.0; n],
            state_costs: vec![0.0; n],
        }
    }

    /// The block's increment becomes that of step `k`.
    pub fn draw(&self, k: usize, block: &mut Block) {
        let scale = self.dt().sqrt();
        match &self.noise {
            Noise::Drawn(stream) => {
                stream.normals(block.first, k as u32, block.increment.as_mut());
            }
            Noise::Given(normals) => {
                let first = block.first as usize;
                let rows = normals[k].as_ref();
                let rows = rows.rows(first..first + block.x.points());
                block.increment.as_mut().copy_from(rows);
            }
        }
        block
            .increment
            .as_mut_slice()
            .iter_mut()
            .for_each(|z| *z *= scale);
    }

    /// Walks to the end; the costs of the block are complete. `watch` sees every step before it is made, with
    /// control and increment.
    pub fn forward(
        &self,
        policy: &Feedback,
        block: &mut Block,
        mut watch: impl FnMut(usize, &Block),
        mut tape: Option<&mut Tape>,
    ) {
        let dt = self.dt();
        for k in 0..self.steps {
            let t = self.time(k);
            let design = policy.design(block.x.as_ref());
            policy.combine(policy.locate(t), &design, block.control.as_mut());
            self.draw(k, block);
            watch(k, block);
            if let Some(tape) = &mut tape {
                tape.states.push(block.x.clone());
                tape.controls.push(block.control.clone());
            }
            self.advance(t, dt, block);
        }
        self.process.terminal(block.x.as_ref(), &mut block.rate);
        let late = self.late(self.process.end());
        for i in 0..block.rate.len() {
            block.costs[i] += late * block.rate[i];
            block.state_costs[i] += late * block.rate[i];
        }
    }

    fn advance(&self, t: f64, dt: f64, block: &mut Block) {
        let process = &self.process;
        let price = self.late(t) * dt;
        let (x, control) = (block.x.as_ref(), block.control.as_ref());
        process.running(t, x, &mut block.rate);
        process.effort_rate(t, x, control, &mut block.effort);
        for i in 0..block.rate.len() {
            block.costs[i] += price * (block.rate[i] + block.effort[i]);
            block.state_costs[i] += price * block.rate[i];
        }
        process.drift(t, x, block.drift.as_mut());
        process
            .channel()
            .add_times(t, x, 1.0, control, block.drift.as_mut());
        let mut moved = block.x.clone();
        let increment = block.increment.as_ref();
        process
            .diffusion()
            .add_times(t, x, 1.0, increment, moved.as_mut());
        moved.add_scaled(dt, &block.drift);
        block.x = moved;
    }

    /// Adds the anchor's term of one step.
    fn anchored(&self, anchor: &Anchor, k: usize, block: &Block, costs: &mut [f64]) {
        let t = self.time(k);
        let design = anchor.control.design(block.x.as_ref());
        let mut control = Batch::zeros(block.x.points(), self.process.controls());
        let at = anchor.control.locate(t);
        anchor.control.combine(at, &design, control.as_mut());
        let lever = self.lever(anchor, t, &block.increment);
        for j in 0..control.columns() {
            let pairs = control.column(j).iter().zip(lever.column(j));
            for (cost, (u, m)) in costs.iter_mut().zip(pairs) {
                *cost += u * m;
            }
        }
    }

    /// `lambda (G^+ B)' dW`.
    fn lever(&self, anchor: &Anchor, t: f64, increment: &Batch) -> Batch {
        let matrix = self.leverage(t);
        let mut out = Batch::zeros(increment.points(), matrix.ncols());
        out.as_mut()
            .add_product(anchor.temperature, &matrix.transpose(), increment.as_ref());
        out
    }

    /// Cost of every path.
    pub fn costs(&self, policy: &Feedback, anchor: Option<&Anchor>) -> Vec<f64> {
        map_blocks(self.paths(), PATHS, |range| {
            let mut block = self.block(range);
            let mut extra = vec![0.0; block.costs.len()];
            let watch = |k: usize, block: &Block| {
                if let Some(anchor) = anchor {
                    self.anchored(anchor, k, block, &mut extra);
                }
            };
            self.forward(policy, &mut block, watch, None);
            let sums = block.costs.iter().zip(&extra);
            sums.map(|(c, e)| c + e).collect::<Vec<f64>>()
        })
        .concat()
    }

    /// Mean cost and its derivative in the parameters, which overwrites `gradient`.
    pub fn mean_and_gradient(
        &self,
        policy: &Feedback,
        anchor: Option<&Anchor>,
        gradient: &mut [f64],
    ) -> f64 {
        let size = gradient.len();
        let chunks = map_blocks(self.paths(), PATHS, |range| {
            let mut block = self.block(range);
            let mut tape = Tape::default();
            let mut extra = vec![0.0; block.costs.len()];
            let watch = |k: usize, block: &Block| {
                if let Some(anchor) = anchor {
                    self.anchored(anchor, k, block, &mut extra);
                }
            };
            self.forward(policy, &mut block, watch, Some(&mut tape));
            let mut partial = vec![0.0; size];
            self.backward(policy, anchor, &mut block, &tape, &mut partial, |_, _| ());
            let sums = block.costs.iter().zip(&extra);
            (sums.map(|(c, e)| c + e).collect::<Vec<f64>>(), partial)
        });
        let (costs, partials): (Vec<Vec<f64>>, Vec<Vec<f64>>) = chunks.into_iter().unzip();
        let scale = 1.0 / self.paths() as f64;
        if let Some(total) = pairwise_add(partials) {
            for (g, t) in gradient.iter_mut().zip(total) {
                *g = t * scale;
            }
        }
        pairwise_sum(&costs.concat()) * scale
    }

    /// `e^{-rho (T - t_0)} grad Phi` at the block's end points.
    pub fn end_slope(&self, block: &Block) -> Batch {
        let mut adjoint = Batch::zeros(block.x.points(), block.x.columns());
        self.slopes.terminal(block.x.as_ref(), adjoint.as_mut());
        let late = self.late(self.process.end());
        adjoint.as_mut_slice().iter_mut().for_each(|a| *a *= late);
        adjoint
    }

    /// The discrete adjoint; `watch` sees `a_k` for `k = N, ..., 0`.
    pub fn backward(
        &self,
        policy: &Feedback,
        anchor: Option<&Anchor>,
        block: &mut Block,
        tape: &Tape,
        gradient: &mut [f64],
        mut watch: impl FnMut(usize, &Batch),
    ) {
        let dt = self.dt();
        let points = block.x.points();
        let mut adjoint = self.end_slope(block);
        let mut cotangent = Batch::zeros(points, self.process.controls());
        watch(self.steps, &adjoint);
        for k in (0..self.steps).rev() {
            let t = self.time(k);
            let price = self.late(t) * dt;
            let (x, control) = (tape.states[k].as_ref(), tape.controls[k].as_ref());
            cotangent.fill(0.0);
            let channel = self.process.channel();
            channel.add_transposed_times(t, x, dt, adjoint.as_ref(), cotangent.as_mut());
            let effort = self.process.effort();
            effort.add_times(t, x, price, control, cotangent.as_mut());
            let mut next = adjoint.clone();
            let parts = [x, control, adjoint.as_ref()];
            self.slopes
                .add_steered(t, parts, [dt, price], next.as_mut());
            self.draw(k, block);
            let parts = [x, adjoint.as_ref(), block.increment.as_ref()];
            self.slopes.add_noise(t, parts, next.as_mut());
            let (at, design) = (policy.locate(t), policy.design(x));
            policy.pull_back(at, &design, cotangent.as_ref(), gradient);
            policy.pull_back_state(at, &design, cotangent.as_ref(), next.as_mut());
            if let Some(anchor) = anchor {
                let lever = self.lever(anchor, t, &block.increment);
                let design = anchor.control.design(x);
                let at = anchor.control.locate(t);
                anchor
                    .control
                    .pull_back_state(at, &design, lever.as_ref(), next.as_mut());
            }
            adjoint = next;
            watch(k, &adjoint);
        }
    }
}
