//! Simulation of a steered process with the integrals that costs and identities need.
//!
//! ```text
//! X_{k+1} = X_k + (b + B u)(X_k, t_k) dt + G(X_k, t_k) dW_k
//! S = sum_k e^{-rho (t_k - t_0)} (q + 1/2 u'R u) dt + e^{-rho (T - t_0)} Phi(X_N)
//! log dP^0/dP^u = - sum_k theta . dW_k - 1/2 sum_k |theta|^2 dt,     theta = G^+ B u
//! ```
//!
//! These are the paths that methods learn from; what they lead to is measured again by the simulator of the comparison.
//! Several step sizes see the same Brownian path, so step bias is measured by halving.
//!
//! # Order
//! Euler–Maruyama with costs at left points, which is the discretized control problem of published benchmarks:
//! weak order 1. The path weight is exact for the discretized process.
//!
//! # Assumes
//! A path that meets a stopping event, or an absorbing edge of the domain, stays there and pays `Phi` there and then.

use crate::field::Field;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::block;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Stream;
use crate::problem::meant::model::Boundary;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::stopping::{Margins, Part, Stopping};
use nalgebra::DVector;
use rayon::prelude::*;
use std::ops::Range;

/// How to walk.
#[derive(Clone, Copy)]
pub struct SteeredWalk<'a> {
    pub lowered: &'a Lowered,
    pub policy: &'a dyn Field,
    /// Steps of the coarsest walk.
    pub steps: usize,
    /// Halvings at which the noise is drawn.
    pub finest: u32,
    pub stream: &'a Stream,
}

/// Path integrals, one entry per path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SteeredPaths {
    /// Where the paths ended.
    pub end: Batch,
    /// The whole cost.
    pub cost: Vec<f64>,
    /// `1/2 ∫ u'R u dt`, discounted like the cost.
    pub effort: Vec<f64>,
    /// `log dP^0/dP^u`
    pub log_ratio: Vec<f64>,
}

impl SteeredPaths {
    fn zeros(points: usize) -> Self {
        let none = || vec![0.0; points];
        Self {
            end: Batch::default(),
            cost: none(),
            effort: none(),
            log_ratio: none(),
        }
    }

    fn append(&mut self, other: &Self) {
        self.cost.extend(&other.cost);
        self.effort.extend(&other.effort);
        self.log_ratio.extend(&other.log_ratio);
    }

    /// The mean cost in the limit of small steps, from these paths and the same with steps twice as long, for a scheme of
    /// order 1; the error is that of the mean.
    pub fn limit_cost(&self, coarse: &Self) -> Estimate {
        let pairs = self.cost.iter().zip(&coarse.cost);
        let limit: Vec<f64> = pairs.map(|(f, c)| 2.0 * f - c).collect();
        Estimate::from_samples(&limit)
    }

    /// `log dP*/dP^u` up to a constant: `-(S - 1/2 ∫u'Ru)/lambda + log dP^0/dP^u`.
    pub fn log_weights(&self, temperature: f64) -> Vec<f64> {
        let state_cost = self.cost.iter().zip(&self.effort).map(|(s, e)| s - e);
        state_cost
            .zip(&self.log_ratio)
            .map(|(cost, ratio)| ratio - cost / temperature)
            .collect()
    }
}

/// One step of all paths.
struct Step {
    t: f64,
    dt: f64,
    /// Steps of the finest walk that it spans.
    fine: Range<usize>,
}

/// A block of paths under way, with its scratch.
struct Walking<O> {
    /// Number of its first path.
    first: u64,
    x: Batch,
    sums: SteeredPaths,
    scratch: Scratch,
    observer: O,
}

/// One step of a block of paths, before it is taken.
pub struct Seen<'a> {
    pub t: f64,
    pub dt: f64,
    pub x: BatchRef<'a>,
    /// What the noise will be over the step.
    pub increment: BatchRef<'a>,
    /// The share of the step that each path lives.
    pub lived: &'a [f64],
}

struct Scratch {
    control: Batch,
    drift: Batch,
    moved: Batch,
    normals: Batch,
    increment: Batch,
    theta: Batch,
    rate: Vec<f64>,
    effort: Vec<f64>,
    alive: Vec<f64>,
    /// Share of the step that a path lives.
    lived: Vec<f64>,
    /// When a path ended.
    ended: Vec<f64>,
    /// Noise up to the next node of the noise, and the margins, where something ends paths.
    next: Batch,
    margins: Option<Margins>,
}

impl SteeredWalk<'_> {
    /// Walks from the given start points with steps halved `level` times, `level <= finest`.
    pub fn run(&self, start: BatchRef<'_>, level: u32) -> SteeredPaths {
        self.watched(start, level, |_, _| (), |_, ()| ()).0
    }

    /// As [`Self::run`], with an observer for every block of paths, made from the numbers of its paths, that sees each step.
    pub fn watched<O: Send>(
        &self,
        start: BatchRef<'_>,
        level: u32,
        observer: impl Fn(u64, usize) -> O,
        look: impl Fn(&Seen<'_>, &mut O) + Sync,
    ) -> (SteeredPaths, Vec<O>) {
        assert!(level <= self.finest, "noise is drawn at the finest level");
        let stopping = Stopping::of(self.lowered, self.stream);
        let size = block();
        let mut blocks: Vec<Walking<O>> = (0..start.points())
            .step_by(size)
            .map(|first| {
                let rows = start.rows(first..(first + size).min(start.points()));
                let observer = observer(first as u64, rows.points());
                self.begin(first as u64, rows, stopping.as_ref(), observer)
            })
            .collect();
        let steps = self.steps << level;
        let substeps = 1usize << (self.finest - level);
        for step in 0..steps {
            let at = self.step(step, steps, substeps);
            let policy = self.policy.frozen(at.t);
            let frozen = SteeredWalk {
                policy: policy.as_deref().unwrap_or(self.policy),
                ..*self
            };
            blocks
                .par_iter_mut()
                .for_each(|block| frozen.go(&at, block, stopping.as_ref(), &look));
        }
        blocks.par_iter_mut().for_each(|block| self.arrive(block));
        let mut total = SteeredPaths::zeros(0);
        total.end = Batch::zeros(start.points(), start.columns());
        let mut observers = Vec::with_capacity(blocks.len());
        for block in blocks {
            total.append(&block.sums);
            total.end.write_rows(block.first as usize, block.x.as_ref());
            observers.push(block.observer);
        }
        (total, observers)
    }

    fn step(&self, step: usize, steps: usize, substeps: usize) -> Step {
        let process = &self.lowered.compiled.steered;
        let start = process.start();
        let length = process.end() - start;
        Step {
            t: start + length * step as f64 / steps as f64,
            dt: length / steps as f64,
            fine: step * substeps..(step + 1) * substeps,
        }
    }

    fn begin<O>(
        &self,
        first: u64,
        start: BatchRef<'_>,
        stopping: Option<&Stopping>,
        observer: O,
    ) -> Walking<O> {
        let process = &self.lowered.compiled.steered;
        let (points, states) = (start.points(), start.columns());
        let (controls, noises) = (process.controls(), process.noises());
        Walking {
            first,
            x: start.to_batch(),
            sums: SteeredPaths::zeros(points),
            observer,
            scratch: Scratch {
                control: Batch::zeros(points, controls),
                drift: Batch::zeros(points, states),
                moved: Batch::zeros(points, states),
                normals: Batch::zeros(points, noises),
                increment: Batch::zeros(points, noises),
                theta: Batch::zeros(points, noises),
                rate: vec![0.0; points],
                effort: vec![0.0; points],
                alive: vec![1.0; points],
                lived: vec![1.0; points],
                ended: vec![process.end(); points],
                next: Batch::zeros(points, noises),
                margins: stopping.map(|stopping| stopping.room(points)),
            },
        }
    }

    /// One step of a block.
    fn go<O>(
        &self,
        at: &Step,
        block: &mut Walking<O>,
        stopping: Option<&Stopping>,
        look: impl Fn(&Seen<'_>, &mut O),
    ) {
        let Walking {
            first,
            x,
            sums,
            scratch,
            observer,
        } = block;
        let Step { t, dt, fine } = at;
        self.steer(*t, x, scratch);
        match stopping {
            None => self.draw_increment(*first, fine.clone(), *dt, scratch),
            Some(stopping) => self.draw_until_stopped(stopping, *first, at, x, scratch),
        }
        self.observe(*t, *dt, x, sums, scratch);
        self.weigh(*t, *dt, x, sums, scratch);
        let seen = Seen {
            t: *t,
            dt: *dt,
            x: x.as_ref(),
            increment: scratch.increment.as_ref(),
            lived: &scratch.lived,
        };
        look(&seen, observer);
        self.advance(*t, *dt, x, scratch);
    }

    /// The cost of where a block ends.
    fn arrive<O>(&self, block: &mut Walking<O>) {
        let process = &self.lowered.compiled.steered;
        let ends = &mut block.scratch.rate;
        process.terminal(block.x.as_ref(), ends);
        let costs = block.sums.cost.iter_mut().zip(&block.scratch.ended);
        for ((cost, ended), end) in costs.zip(ends) {
            let late = (-process.discount() * (ended - process.start())).exp();
            *cost += late * *end;
        }
    }

    /// Control and drift at a node.
    fn steer(&self, t: f64, x: &Batch, scratch: &mut Scratch) {
        let process = &self.lowered.compiled.steered;
        self.policy.eval(t, x.as_ref(), scratch.control.as_mut());
        process.drift(t, x.as_ref(), scratch.drift.as_mut());
        let control = scratch.control.as_ref();
        process
            .channel()
            .add_times(t, x.as_ref(), 1.0, control, scratch.drift.as_mut());
    }

    /// The Brownian increment over one step, up to where something ends a path in it.
    fn draw_until_stopped(
        &self,
        stopping: &Stopping,
        first: u64,
        at: &Step,
        x: &Batch,
        scratch: &mut Scratch,
    ) {
        let process = &self.lowered.compiled.steered;
        let Step { t, dt, fine } = at;
        let Scratch {
            alive,
            lived,
            ended,
            margins,
            ..
        } = scratch;
        let Some(margins) = margins else {
            unreachable!("walks with something that ends paths have room for its margins");
        };
        stopping.prepare(*t, x.as_ref(), margins, alive, |i| ended[i] = *t);
        lived.copy_from_slice(alive);
        scratch.increment.as_mut().fill(0.0);
        let parts = fine.len() as f64;
        let length = dt / parts;
        for (k, fine) in fine.clone().enumerate() {
            let fine = u32::try_from(fine).unwrap_or(u32::MAX);
            self.stream.normals(first, fine, scratch.normals.as_mut());
            scratch.next.as_mut().copy_from(scratch.increment.as_ref());
            scratch.next.add_scaled(length.sqrt(), &scratch.normals);
            scratch.moved.as_mut().copy_from(x.as_ref());
            let gone = (k + 1) as f64 * length;
            scratch.moved.add_scaled(gone, &scratch.drift);
            let (next, moved) = (scratch.next.as_ref(), scratch.moved.as_mut());
            process
                .diffusion()
                .add_times(*t, x.as_ref(), 1.0, next, moved);
            let part = Part {
                end: t + gone,
                length,
                fine,
                first,
                noise: &mut scratch.increment,
                next: &scratch.next,
                reached: scratch.moved.as_ref(),
            };
            stopping.look(part, margins, alive, |i, share| {
                lived[i] = (k as f64 + share) / parts;
                ended[i] = t + dt * lived[i];
            });
        }
    }

    /// What the controls of a step cost.
    fn observe(&self, t: f64, dt: f64, x: &Batch, sums: &mut SteeredPaths, scratch: &mut Scratch) {
        let process = &self.lowered.compiled.steered;
        let late = (-process.discount() * (t - process.start())).exp() * dt;
        process.running(t, x.as_ref(), &mut scratch.rate);
        process.effort_rate(t, x.as_ref(), scratch.control.as_ref(), &mut scratch.effort);
        for i in 0..sums.cost.len() {
            let weight = late * scratch.lived[i];
            sums.cost[i] += weight * (scratch.rate[i] + scratch.effort[i]);
            sums.effort[i] += weight * scratch.effort[i];
        }
    }

    /// The Brownian increment over one step, a sum of increments at the finest level.
    fn draw_increment(&self, first: u64, fine: Range<usize>, dt: f64, scratch: &mut Scratch) {
        scratch.increment.as_mut().fill(0.0);
        let scale = (dt / fine.len() as f64).sqrt();
        for fine in fine {
            let step = u32::try_from(fine).unwrap_or(u32::MAX);
            self.stream.normals(first, step, scratch.normals.as_mut());
            scratch.increment.add_scaled(scale, &scratch.normals);
        }
    }

    /// Adds the logarithm of the density ratio of one step.
    fn weigh(&self, t: f64, dt: f64, x: &Batch, sums: &mut SteeredPaths, scratch: &mut Scratch) {
        let process = &self.lowered.compiled.steered;
        scratch.theta.fill(0.0);
        if process.channel().depends_on_state() || process.diffusion().depends_on_state() {
            for i in 0..x.points() {
                let control = DVector::from_vec(scratch.control.row(i));
                let theta = process.leverage(t, &x.row(i)) * control;
                for (j, value) in theta.iter().enumerate() {
                    scratch.theta.column_mut(j)[i] = *value;
                }
            }
        } else {
            let matrix = process.leverage(t, &[]);
            let control = scratch.control.as_ref();
            scratch.theta.as_mut().add_product(1.0, &matrix, control);
        }
        for j in 0..scratch.theta.columns() {
            let theta = scratch.theta.column(j);
            for (i, dw) in scratch.increment.column(j).iter().enumerate() {
                sums.log_ratio[i] -= theta[i] * (dw + 0.5 * theta[i] * dt * scratch.lived[i]);
            }
        }
    }

    fn advance(&self, t: f64, dt: f64, x: &mut Batch, scratch: &mut Scratch) {
        let process = &self.lowered.compiled.steered;
        scratch.moved.as_mut().copy_from(x.as_ref());
        process.diffusion().add_times(
            t,
            x.as_ref(),
            1.0,
            scratch.increment.as_ref(),
            scratch.moved.as_mut(),
        );
        for j in 0..x.columns() {
            let (drift, to) = (scratch.drift.column(j), scratch.moved.column(j));
            for (i, value) in x.column_mut(j).iter_mut().enumerate() {
                if scratch.lived[i] > 0.0 {
                    *value = to[i] + dt * scratch.lived[i] * drift[i];
                }
            }
        }
        self.keep_inside(x);
    }

    /// What the edges of the domain do with a step across them.
    fn keep_inside(&self, x: &mut Batch) {
        let dynamics = &self.lowered.problem.dynamics;
        let Some(domain) = &dynamics.domain else {
            return;
        };
        for (j, ((low, high), boundary)) in domain.iter().zip(&dynamics.boundary).enumerate() {
            let width = high - low;
            for value in x.column_mut(j) {
                match boundary {
                    Boundary::Natural => {}
                    Boundary::Periodic => *value = low + (*value - low).rem_euclid(width),
                    Boundary::Reflect => {
                        let folded = (*value - low).rem_euclid(2.0 * width);
                        *value = low + folded.min(2.0 * width - folded);
                    }
                    // A path that would leave was ended at the edge, up to rounding.
                    Boundary::Absorb => *value = value.clamp(*low, *high),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
