//! The discretized action functional on replayed noise, and its exact gradient.
//!
//! Every path's noise is addressed by (path, step), so the same parameters always give the same bits, whatever the number
//! of threads.
//!
//! # Memory
//! The adjoint keeps the states and what the unknown said of one chunk of 64 paths a thread and draws the noise again:
//! `1024 steps d` bytes a thread, however many paths there are (0.2 MB for 100 steps of two states). Beyond 64 MiB a
//! thread it keeps the states of about `sqrt(steps)` steps instead and walks from each of them twice: the same bits
//! for half as much work again.
//!
//! # Checked by
//! `action-gradient` (central differences), `action-gap`

use crate::field::{Field, FieldFamily};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{CHUNK, map_blocks, pairwise_add, pairwise_sum};
use crate::numeric::random::Stream;
use crate::solvers::learned::stepped::{At, Stepped};
use std::ops::Range;
use std::sync::Arc;

/// The zero-mean term `lambda ( Σ κ w·z + ½ Σ (κ² − 1)(z² − 1) )` of the cost of a path; `w = S u` of some unknown.
///
/// Every choice has the same expectation.
#[derive(Clone, Copy)]
pub enum ControlVariate<'a> {
    Absent,
    /// The unknown that steers the path: the variance vanishes at the optimum, that of the gradient does
    /// not. Costs are `lambda` times the log ratio to the best law.
    Own,
    /// An unknown that does not move with the parameters: at the optimum, with this one optimal too, the
    /// variance of value and gradient vanish with the step.
    Anchored(&'a dyn FieldFamily),
}

/// Where the noise comes from.
#[derive(Clone, Debug)]
pub enum Normals {
    Drawn(Stream),
    /// Standard normals of every step, points × noises.
    Given(Vec<Batch>),
}

/// Paths of one walk from given starts under given noise.
#[derive(Clone)]
pub struct PathCost {
    walk: Arc<dyn Stepped>,
    start: Batch,
    normals: Normals,
    tape_bytes: usize,
}

/// What the tape of one chunk may take.
const TAPE_BYTES: usize = 64 << 20;

/// Values of one chunk that the adjoint needs again, before each step.
#[derive(Default)]
pub struct Tape {
    pub states: Vec<Batch>,
    unknowns: Vec<Batch>,
}

/// One block of paths between steps.
pub struct Block {
    /// Number of the first path.
    first: u64,
    pub x: Batch,
    /// What the unknown says.
    pub unknown: Batch,
    /// What that adds to the noise, where the walk has a temperature.
    pub v: Batch,
    /// `κ z`
    pub noise: Batch,
    pub costs: Vec<f64>,
    /// What of the costs is not the price of control.
    pub state: Vec<f64>,
}

impl Block {
    fn at(&self) -> At<'_> {
        At {
            x: self.x.as_ref(),
            unknown: self.unknown.as_ref(),
            noise: self.noise.as_ref(),
        }
    }
}

/// Derivatives on their way back.
struct Return<'a> {
    family: &'a dyn FieldFamily,
    variate: ControlVariate<'a>,
    adjoint: Batch,
    gradient: Vec<f64>,
}

impl PathCost {
    pub fn new(walk: Arc<dyn Stepped>, start: Batch, normals: Normals) -> Self {
        Self {
            walk,
            start,
            normals,
            tape_bytes: TAPE_BYTES,
        }
    }

    /// The same paths with another limit of memory per thread.
    #[cfg(test)]
    pub(crate) fn with_tape(self, tape_bytes: usize) -> Self {
        Self { tape_bytes, ..self }
    }

    /// Steps whose states and unknowns are kept together.
    fn kept(&self) -> usize {
        let steps = self.walk.steps();
        let columns = self.start.columns() + self.walk.outputs();
        if steps * CHUNK * columns * size_of::<f64>() <= self.tape_bytes {
            steps
        } else {
            steps.isqrt().max(1)
        }
    }

    pub fn walk(&self) -> &dyn Stepped {
        &*self.walk
    }

    pub fn paths(&self) -> usize {
        self.start.points()
    }

    /// Start points of the paths.
    pub fn start(&self) -> &Batch {
        &self.start
    }

    /// Times at which the unknown is asked, in the order of the walk.
    pub fn times(&self) -> Vec<f64> {
        let steps = 0..self.walk.steps();
        steps.map(|k| self.walk.time(k)).collect()
    }

    /// Points at which one sweep asks the unknown.
    pub fn points(&self) -> u64 {
        (self.paths() * self.walk.steps()) as u64
    }

    /// Normals drawn by one sweep.
    pub fn normals(&self) -> u64 {
        self.points() * self.walk.noises() as u64
    }

    /// Cost of every path.
    pub fn costs(&self, field: &dyn Field, variate: ControlVariate<'_>) -> Vec<f64> {
        self.each_block(|_, mut block| {
            let all = 0..self.walk.steps();
            self.forward(all, field, variate, &mut block, None, |_, _| ());
            self.arrive(&mut block);
            block.costs
        })
        .concat()
    }

    /// Mean cost.
    pub fn mean(&self, field: &dyn Field, variate: ControlVariate<'_>) -> f64 {
        pairwise_sum(&self.costs(field, variate)) * (1.0 / self.paths() as f64)
    }

    /// Walks a block to the end; `watch` sees every step before it is made. The tape is that of the whole walk.
    pub fn watched(
        &self,
        field: &dyn Field,
        block: &mut Block,
        watch: impl FnMut(usize, &Block),
    ) -> Tape {
        let (all, mut tape) = (0..self.walk.steps(), Tape::default());
        let absent = ControlVariate::Absent;
        self.forward(all, field, absent, block, Some(&mut tape), watch);
        self.arrive(block);
        tape
    }

    /// Work on every chunk of paths, in order: on the numbers of its paths and its block before the first step.
    pub fn each_block<T: Send>(&self, work: impl Fn(Range<usize>, Block) -> T + Sync) -> Vec<T> {
        map_blocks(self.paths(), CHUNK, |range| {
            work(range.clone(), self.block(range))
        })
    }

    /// Mean cost and its derivative in the parameters, which overwrites `gradient`.
    pub fn mean_and_gradient(
        &self,
        family: &dyn FieldFamily,
        variate: ControlVariate<'_>,
        gradient: &mut [f64],
    ) -> f64 {
        let chunks = self.each_block(|_, mut block| {
            let mut back = Return {
                family,
                variate,
                adjoint: Batch::zeros(block.x.points(), block.x.columns()),
                gradient: vec![0.0; gradient.len()],
            };
            let costs = self.there_and_back(&mut block, &mut back, |_, _| ());
            (costs, back.gradient)
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

    /// Costs of a block, and their derivatives; `watch` sees `a_k` for `k = N, ..., 0`.
    fn there_and_back(
        &self,
        block: &mut Block,
        back: &mut Return<'_>,
        mut watch: impl FnMut(usize, &Batch),
    ) -> Vec<f64> {
        // All but the last stretch of steps are walked without a tape first, and again on the way back.
        let (kept, steps) = (self.kept(), self.walk.steps());
        let last = (steps - 1) / kept * kept;
        let mut starts = Vec::new();
        let (family, variate) = (back.family, back.variate);
        for first in (0..last).step_by(kept) {
            starts.push((first, block.x.clone()));
            self.forward(first..first + kept, family, variate, block, None, |_, _| ());
        }
        let taped = |range: Range<usize>, block: &mut Block| {
            let mut tape = Tape::default();
            self.forward(range, family, variate, block, Some(&mut tape), |_, _| ());
            tape
        };
        let tape = taped(last..steps, block);
        self.arrive(block);
        let costs = block.costs.clone();
        self.walk.end_slope(block.x.as_ref(), &mut back.adjoint);
        watch(steps, &back.adjoint);
        self.backward(last, block, &tape, back, &mut watch);
        for (first, x) in starts.into_iter().rev() {
            block.x = x;
            let tape = taped(first..first + kept, block);
            self.backward(first, block, &tape, back, &mut watch);
        }
        costs
    }

    /// The adjoints `a_0, ..., a_N` of the first chunk of paths.
    #[cfg(test)]
    pub(crate) fn adjoints(&self, family: &dyn FieldFamily) -> Vec<Batch> {
        let mut block = self.block(0..self.paths().min(CHUNK));
        let mut back = Return {
            family,
            variate: ControlVariate::Absent,
            adjoint: Batch::zeros(block.x.points(), block.x.columns()),
            gradient: vec![0.0; family.parameters().len()],
        };
        let mut adjoints = Vec::new();
        let watch = |_: usize, adjoint: &Batch| adjoints.push(adjoint.clone());
        self.there_and_back(&mut block, &mut back, watch);
        adjoints.reverse();
        adjoints
    }

    fn block(&self, range: Range<usize>) -> Block {
        let (n, noises) = (range.len(), self.walk.noises());
        Block {
            first: range.start as u64,
            x: self.start.as_ref().rows(range).to_batch(),
            unknown: Batch::zeros(n, self.walk.outputs()),
            v: Batch::zeros(n, noises),
            noise: Batch::zeros(n, noises),
            costs: vec![0.0; n],
            state: vec![0.0; n],
        }
    }

    /// The block's noise becomes `z` of a step.
    fn draw(&self, step: usize, block: &mut Block) {
        match &self.normals {
            Normals::Drawn(stream) => {
                stream.normals(block.first, step as u32, block.noise.as_mut());
            }
            Normals::Given(normals) => {
                let first = block.first as usize;
                let rows = normals[step].as_ref();
                let rows = rows.rows(first..first + block.noise.points());
                block.noise.as_mut().copy_from(rows);
            }
        }
    }

    /// The block's noise becomes `κ z`.
    fn narrow(&self, step: usize, block: &mut Block) {
        for (j, kappa) in self.walk.narrow(step).iter().enumerate() {
            let column = block.noise.column_mut(j);
            column.iter_mut().for_each(|z| *z *= kappa);
        }
    }

    fn forward(
        &self,
        range: Range<usize>,
        field: &dyn Field,
        variate: ControlVariate<'_>,
        block: &mut Block,
        mut tape: Option<&mut Tape>,
        mut watch: impl FnMut(usize, &Block),
    ) {
        let walk = &*self.walk;
        let mut next = Batch::zeros(block.x.points(), block.x.columns());
        for k in range {
            field.eval(walk.time(k), block.x.as_ref(), block.unknown.as_mut());
            if walk.temperature().is_some() {
                walk.shift(k, block.unknown.as_ref(), &mut block.v);
            }
            self.charge(k, variate, block);
            watch(k, block);
            if let Some(tape) = &mut tape {
                tape.states.push(block.x.clone());
                tape.unknowns.push(block.unknown.clone());
            }
            walk.advance(k, block.at(), block.v.as_ref(), &mut next);
            std::mem::swap(&mut block.x, &mut next);
        }
    }

    /// Draws the noise of a step and adds its cost.
    fn charge(&self, k: usize, variate: ControlVariate<'_>, block: &mut Block) {
        let walk = &*self.walk;
        self.draw(k, block);
        let at = At {
            x: block.x.as_ref(),
            unknown: block.unknown.as_ref(),
            noise: block.noise.as_ref(),
        };
        walk.charge(k, at, block.v.as_ref(), &mut block.costs, &mut block.state);
        let lambda = match variate {
            ControlVariate::Absent => return self.narrow(k, block),
            _ => walk.temperature().unwrap_or_default(),
        };
        for (j, kappa) in walk.narrow(k).iter().enumerate() {
            let square = 0.5 * lambda * (kappa * kappa - 1.0);
            for (c, z) in block.costs.iter_mut().zip(block.noise.column(j)) {
                *c += square * (*z * *z - 1.0);
            }
        }
        self.narrow(k, block);
        let anchored;
        let w = match variate {
            ControlVariate::Anchored(anchor) => {
                let mut unknown = Batch::zeros(block.x.points(), walk.outputs());
                anchor.eval(walk.time(k), block.x.as_ref(), unknown.as_mut());
                let mut w = Batch::zeros(block.x.points(), walk.noises());
                walk.shift(k, unknown.as_ref(), &mut w);
                anchored = w;
                &anchored
            }
            _ => &block.v,
        };
        for j in 0..w.columns() {
            let pairs = w.column(j).iter().zip(block.noise.column(j));
            for (c, (w, z)) in block.costs.iter_mut().zip(pairs) {
                *c += lambda * w * z;
            }
        }
    }

    /// Adds what the end costs.
    fn arrive(&self, block: &mut Block) {
        let x = block.x.as_ref();
        self.walk.end_cost(x, &mut block.costs, &mut block.state);
    }

    /// The discrete adjoint: carries the derivative of what comes after the steps of the tape, which begin at `first`, back
    /// through them.
    fn backward(
        &self,
        first: usize,
        block: &mut Block,
        tape: &Tape,
        back: &mut Return<'_>,
        watch: &mut impl FnMut(usize, &Batch),
    ) {
        let walk = &*self.walk;
        let (n, d) = (back.adjoint.points(), back.adjoint.columns());
        let (mut pulled, mut cotangent) = (Batch::zeros(n, d), Batch::zeros(n, walk.outputs()));
        let lambda = walk.temperature().unwrap_or_default();
        for (place, unknown) in tape.unknowns.iter().enumerate().rev() {
            let (k, x) = (first + place, tape.states[place].as_ref());
            let t = walk.time(k);
            self.draw(k, block);
            self.narrow(k, block);
            let at = At {
                x,
                unknown: unknown.as_ref(),
                noise: block.noise.as_ref(),
            };
            let mut weighted = Batch::default();
            if !matches!(back.variate, ControlVariate::Absent) {
                weighted = block.noise.clone();
                weighted
                    .as_mut_slice()
                    .iter_mut()
                    .for_each(|z| *z *= lambda);
            }
            let direct = matches!(back.variate, ControlVariate::Own).then(|| weighted.as_ref());
            walk.pull_back(k, at, direct, &mut back.adjoint, &mut cotangent);
            let (gradient, state) = (Some(&mut back.gradient[..]), Some(pulled.as_mut()));
            back.family
                .carry_back(t, x, cotangent.as_ref(), gradient, state);
            back.adjoint.add_scaled(1.0, &pulled);
            if let ControlVariate::Anchored(anchor) = back.variate {
                // It sees only its own product with the noise.
                walk.shift_back(k, weighted.as_ref(), &mut cotangent);
                anchor.pull_back_state(t, x, cotangent.as_ref(), pulled.as_mut());
                back.adjoint.add_scaled(1.0, &pulled);
            }
            watch(k, &back.adjoint);
        }
    }

    /// Calls `visit` with what the unknown had best said at every step of a path, last one first, where the slope of the
    /// remaining cost is that of the path without control from there on.
    pub fn lean(
        &self,
        block: &Block,
        tape: &Tape,
        mut visit: impl FnMut(usize, BatchRef<'_>, Batch),
    ) {
        let mut adjoint = Batch::zeros(block.x.points(), block.x.columns());
        self.walk.end_slope(block.x.as_ref(), &mut adjoint);
        for (k, x) in tape.states.iter().enumerate().rev() {
            let mut best = Batch::zeros(block.x.points(), self.walk.outputs());
            self.walk.best(k, x.as_ref(), adjoint.as_ref(), &mut best);
            visit(k, x.as_ref(), best);
            self.walk.pull_back_free(k, x.as_ref(), &mut adjoint);
        }
    }

    /// What is collected of one random probe `Jᵀ z` per chunk of paths and step, `J = ∂v/∂θ`, summed over the steps of the
    /// controlled paths, in the mean over the paths: `(Jᵀz)(Jᵀz)ᵀ` has mean `JᵀJ`.
    pub fn probe(
        &self,
        family: &dyn FieldFamily,
        size: usize,
        collect: fn(&[f64], f64, &mut [f64]),
    ) -> Vec<f64> {
        let partials = self.each_block(|range, mut block| {
            let mut probing = self.block(range);
            let mut total = vec![0.0; size];
            let mut probe = vec![0.0; family.parameters().len()];
            let watch = |k: usize, block: &Block| {
                self.draw(k, &mut probing);
                let mut cotangent = Batch::zeros(block.x.points(), self.walk.outputs());
                self.walk
                    .shift_back(k, probing.noise.as_ref(), &mut cotangent);
                probe.fill(0.0);
                let x = block.x.as_ref();
                family.pull_back(self.walk.time(k), x, cotangent.as_ref(), &mut probe);
                collect(&probe, 1.0, &mut total);
            };
            let (all, absent) = (0..self.walk.steps(), ControlVariate::Absent);
            self.forward(all, family, absent, &mut block, None, watch);
            total
        });
        let scale = 1.0 / self.paths() as f64;
        let mut total = pairwise_add(partials).unwrap_or_else(|| vec![0.0; size]);
        total.iter_mut().for_each(|t| *t *= scale);
        total
    }
}

#[cfg(test)]
mod tests;
