//! Simulation of policies by code that produced none of them: the second simulator.
//!
//! ```text
//! X_{k+1} = X_k + (b + B u)(X_k, t_k) dt + G(X_k, t_k) dW_k
//! S = sum_k e^{-rho (t_k - t_0)} (q + 1/2 u'R u) dt + e^{-rho (T - t_0)} Phi(X_N)
//! log dP^0/dP^u = - sum_k theta . dW_k - 1/2 sum_k |theta|^2 dt,     theta = G^+ B u
//! ```
//!
//! Coefficients are compiled here from the symbols of the process, those of the control as functions of state and
//! control together; the walks that methods learn from have others and steps of their own. What both have is the
//! addresses of random numbers, so that they can be laid over each other path by path. Several step sizes see the same
//! Brownian path, so step bias is measured by halving.
//!
//! # Order
//! Euler–Maruyama with costs at left points, which is the discretized control problem of published benchmarks:
//! weak order 1. The path weight is exact for the discretized process.
//!
//! # Assumes
//! A path that meets a stopping event, or an absorbing edge of the domain, stays there and pays `Phi` there and then. Where
//! the horizon has no end, paths are walked over a window and pay at its end what an answer says is still to come.
//!
//! # Checked by
//! Closed forms, and the walks of the methods.

use crate::comparison::path_ends::{Ends, compiled};
use crate::expr::Kernel;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::blocks::block;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Stream;
use crate::problem::meant::model::Boundary;
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::Lowered;
use nalgebra::DMatrix;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Singular values of the noise below this fraction of the largest carry none.
const RANK: f64 = 1e-12;

/// A process, compiled for this simulator alone.
pub struct Simulator {
    states: usize,
    controls: usize,
    noises: usize,
    horizon: (f64, f64),
    discount: f64,
    /// Of the state: `b`, then `q`.
    free: Kernel,
    /// Of state and control: `B u`, then `1/2 u'R u`.
    steering: Kernel,
    /// Entries of `G` at `places`, free of the state unless `shaking`.
    noise: Kernel,
    places: Vec<(usize, usize)>,
    shaking: bool,
    /// `G^+` where it is constant.
    inverse: Option<DMatrix<f64>>,
    /// `Phi`.
    terminal: Kernel,
    /// What goes on after a window of a horizon without an end.
    tail: Option<Tail>,
    ends: Option<Ends>,
    /// Coordinates kept in an interval, and how.
    edges: Vec<(usize, (f64, f64), Boundary)>,
}

impl Simulator {
    pub fn new(lowered: &Lowered) -> Self {
        let mut parts = lowered.process.clone();
        let control = parts.control.clone();
        let mut steering = parts.push(&control);
        steering.push(parts.effort_rate(&control));
        let process = &parts.process;
        let (graph, time, state) = (&process.graph, process.time, &process.state);
        let free = [process.drift.as_slice(), &[parts.running]].concat();
        let both = [state.as_slice(), &control].concat();
        let rows = process.diffusion.iter().enumerate();
        let (places, entries): (Vec<_>, Vec<_>) = rows
            .flat_map(|(i, row)| row.iter().enumerate().map(move |(j, g)| ((i, j), *g)))
            .filter(|(_, g)| !graph.is_zero(*g))
            .unzip();
        let shaking = entries.iter().any(|g| graph.depends_on_any(*g, state));
        let fixed = !shaking && !entries.iter().any(|g| graph.depends_on(*g, time));
        let dynamics = &lowered.problem.dynamics;
        let edges = dynamics.domain.iter().flatten().zip(&dynamics.boundary);
        let discount = graph.as_number(parts.discount);
        let mut simulator = Self {
            states: state.len(),
            controls: control.len(),
            noises: process.noises(),
            horizon: parts.horizon,
            discount: discount.map_or(0.0, |rate| rate.to_f64()),
            free: compiled(graph, &free, time, state),
            steering: compiled(graph, &steering, time, &both),
            noise: compiled(graph, &entries, time, if shaking { state } else { &[] }),
            places,
            shaking,
            inverse: None,
            terminal: compiled(graph, &[parts.terminal], time, state),
            tail: None,
            ends: Ends::of(lowered),
            edges: edges
                .enumerate()
                .map(|(j, (interval, boundary))| (j, *interval, *boundary))
                .collect(),
        };
        simulator.inverse = fixed.then(|| simulator.inverse_at(simulator.horizon.0));
        simulator
    }

    /// The same where the horizon has no end: after the window the cost of an answer is paid, its value. Where the least
    /// cost per time is asked for, costs are per time and what the value has changed by is part of them.
    pub fn going_on(mut self, lowered: &Lowered, answer: Option<&Answer>) -> Self {
        let value = answer.and_then(|answer| answer.value.clone());
        if lowered.problem.is_endless() {
            self.tail = value.map(|value| Tail {
                value,
                averages: lowered.averages(),
            });
        }
        self
    }

    /// When paths begin and when they end.
    pub fn horizon(&self) -> (f64, f64) {
        self.horizon
    }

    /// Entries of `G`: one row, or one a point.
    fn noise(&self, t: f64, x: BatchRef<'_>) -> Batch {
        let nothing = Batch::zeros(1, 0);
        let x = if self.shaking { x } else { nothing.as_ref() };
        let mut entries = Batch::zeros(x.points(), self.places.len());
        self.noise.eval(t, x, entries.as_mut());
        entries
    }

    /// `G^+` of a row of entries.
    fn inverse(&self, entries: &[f64]) -> DMatrix<f64> {
        let mut noise = DMatrix::zeros(self.states, self.noises);
        for (place, entry) in self.places.iter().zip(entries) {
            noise[*place] = *entry;
        }
        let svd = noise.svd(true, true);
        let cut = RANK * svd.singular_values.amax();
        svd.pseudo_inverse(cut)
            .unwrap_or_else(|_| unreachable!("both factors are known and the cut is not negative"))
    }

    /// `G^+` of noise that is free of the state.
    fn inverse_at(&self, t: f64) -> DMatrix<f64> {
        self.inverse(&self.noise(t, Batch::zeros(1, 0).as_ref()).row(0))
    }

    /// `out += G w`.
    fn shake(&self, noise: &Batch, w: BatchRef<'_>, mut out: BatchMut<'_>) {
        for (k, &(i, j)) in self.places.iter().enumerate() {
            let moved = out.column_mut(i).iter_mut().zip(w.column(j));
            match noise.column(k) {
                [g] => moved.for_each(|(o, w)| *o += g * w),
                g => moved.zip(g).for_each(|((o, w), g)| *o += g * w),
            }
        }
    }

    /// What the edges of the domain do with a step across them.
    fn keep_inside(&self, x: &mut Batch) {
        for &(j, (low, high), boundary) in &self.edges {
            let width = high - low;
            for value in x.column_mut(j) {
                *value = match boundary {
                    Boundary::Natural => *value,
                    Boundary::Periodic => low + (*value - low).rem_euclid(width),
                    Boundary::Reflect => {
                        let folded = (*value - low).rem_euclid(2.0 * width);
                        low + folded.min(2.0 * width - folded)
                    }
                    // A path that would leave was ended at the edge, up to rounding.
                    Boundary::Absorb => value.clamp(low, high),
                };
            }
        }
    }
}

/// A value to be paid at the end of a window.
struct Tail {
    value: Arc<dyn Field + Send>,
    averages: bool,
}

impl Tail {
    fn at(&self, t: f64, x: BatchRef<'_>) -> Batch {
        let mut value = Batch::zeros(x.points(), 1);
        self.value.eval(t, x, value.as_mut());
        value
    }
}

/// How to walk.
#[derive(Clone, Copy)]
pub struct PolicyWalk<'a> {
    pub simulator: &'a Simulator,
    pub policy: &'a dyn Field,
    /// The policy to measure the distance from; `None`: no distance.
    pub reference: Option<&'a dyn Field>,
    /// Steps of the coarsest walk.
    pub steps: usize,
    /// Halvings at which the noise is drawn.
    pub finest: u32,
    /// Where the walk ends: the end of the horizon, or earlier to see the states on the way.
    pub until: f64,
    pub stream: &'a Stream,
}

/// Where paths ended and what was summed along them, one entry per path.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyPaths {
    pub end: Batch,
    /// When each ended.
    ended: Vec<f64>,
    /// One column a sum.
    sums: Batch,
}

const SUMS: usize = 6;
const COST: usize = 0;
const EFFORT: usize = 1;
const DISTANCE: usize = 2;
const SQUARED_DIFFERENCE: usize = 3;
const SQUARED_CONTROL: usize = 4;
const LOG_RATIO: usize = 5;

impl PolicyPaths {
    /// When each path ended: at an edge or an event, else with the walk.
    pub fn ended(&self) -> &[f64] {
        &self.ended
    }

    /// The whole cost.
    pub fn cost(&self) -> &[f64] {
        self.sums.column(COST)
    }

    /// `1/2 ∫ (u - u_ref)'R(u - u_ref) dt`, discounted like the cost.
    pub fn distance(&self) -> &[f64] {
        self.sums.column(DISTANCE)
    }

    /// `∫ |u - u_ref|² dt`
    pub fn squared_difference(&self) -> &[f64] {
        self.sums.column(SQUARED_DIFFERENCE)
    }

    /// `∫ |u_ref|² dt`
    pub fn squared_control(&self) -> &[f64] {
        self.sums.column(SQUARED_CONTROL)
    }

    /// `log dP^0/dP^u`
    pub fn log_ratio(&self) -> &[f64] {
        self.sums.column(LOG_RATIO)
    }

    /// The mean cost in the limit of small steps, from these paths and the same with steps twice as long, for a scheme of
    /// order 1; the error is that of the mean.
    pub fn limit_cost(&self, coarse: &Self) -> Estimate {
        let pairs = self.cost().iter().zip(coarse.cost());
        let limit: Vec<f64> = pairs.map(|(f, c)| 2.0 * f - c).collect();
        Estimate::from_samples(&limit)
    }

    /// `log dP*/dP^u` up to a constant: `-(S - 1/2 ∫u'Ru)/lambda + log dP^0/dP^u`.
    pub fn log_weights(&self, temperature: f64) -> Vec<f64> {
        let paid = self.cost().iter().zip(self.sums.column(EFFORT));
        paid.zip(self.log_ratio())
            .map(|((cost, effort), ratio)| ratio - (cost - effort) / temperature)
            .collect()
    }
}

/// One step of all paths.
struct Step {
    t: f64,
    dt: f64,
    /// Numbers of the pieces of noise it spans.
    pieces: Range<usize>,
    /// `G^+`, where it is the same for all of them.
    inverse: Option<DMatrix<f64>>,
}

/// A block of paths under way.
struct Walking {
    /// Number of its first path.
    first: u64,
    x: Batch,
    sums: Batch,
    /// Whether a path goes on, and when it ended.
    alive: Vec<bool>,
    ended: Vec<f64>,
    reference: Batch,
    /// State, then control.
    both: Batch,
    free: Batch,
    steered: Batch,
    normals: Batch,
    /// Brownian increment of the step.
    increment: Batch,
    /// Time that a path lives in the step.
    lived: Vec<f64>,
}

impl PolicyWalk<'_> {
    /// Walks from the given start points with steps halved `level` times, `level <= finest`.
    pub fn run(&self, start: BatchRef<'_>, level: u32) -> PolicyPaths {
        self.watched(start, level, usize::MAX).0
    }

    /// As [`Self::run`], with the states after every `stride` steps and at the end, and when that was.
    pub fn watched(
        &self,
        start: BatchRef<'_>,
        level: u32,
        stride: usize,
    ) -> (PolicyPaths, Vec<(f64, Batch)>) {
        assert!(level <= self.finest, "noise is drawn at the finest level");
        let size = block();
        let mut blocks: Vec<Walking> = (0..start.points())
            .step_by(size)
            .map(|first| {
                let last = (first + size).min(start.points());
                self.begin(first as u64, start.rows(first..last))
            })
            .collect();
        let steps = self.steps << level;
        let mut seen = Vec::new();
        for step in 0..steps {
            let at = self.step(step, steps, 1 << (self.finest - level));
            let policy = self.policy.frozen(at.t);
            let reference = self.reference.and_then(|field| field.frozen(at.t));
            let frozen = PolicyWalk {
                policy: policy.as_deref().unwrap_or(self.policy),
                reference: reference.as_deref().or(self.reference),
                ..*self
            };
            blocks
                .par_iter_mut()
                .for_each(|block| frozen.advance(&at, block));
            let done = step + 1;
            if stride < usize::MAX && (done % stride == 0 || done == steps) {
                let states = gather(&blocks, |block| &block.x);
                seen.push((self.node(done, steps), states));
            }
        }
        blocks.par_iter_mut().for_each(|block| self.arrive(block));
        let paths = PolicyPaths {
            end: gather(&blocks, |block| &block.x),
            ended: blocks
                .iter()
                .flat_map(|block| block.ended.clone())
                .collect(),
            sums: gather(&blocks, |block| &block.sums),
        };
        (paths, seen)
    }

    fn node(&self, step: usize, steps: usize) -> f64 {
        let (start, _) = self.simulator.horizon;
        start + (self.until - start) * step as f64 / steps as f64
    }

    fn step(&self, step: usize, steps: usize, pieces: usize) -> Step {
        let simulator = self.simulator;
        let t = self.node(step, steps);
        let known = simulator.inverse.clone();
        Step {
            t,
            dt: (self.until - simulator.horizon.0) / steps as f64,
            pieces: step * pieces..(step + 1) * pieces,
            inverse: known.or_else(|| (!simulator.shaking).then(|| simulator.inverse_at(t))),
        }
    }

    fn begin(&self, first: u64, start: BatchRef<'_>) -> Walking {
        let simulator = self.simulator;
        let (points, states) = (start.points(), simulator.states);
        let room = |columns: usize| Batch::zeros(points, columns);
        let mut sums = room(SUMS);
        if let Some(tail) = simulator.tail.as_ref().filter(|tail| tail.averages) {
            let value = tail.at(simulator.horizon.0, start);
            let cost = sums.column_mut(COST).iter_mut().zip(value.column(0));
            cost.for_each(|(cost, v)| *cost = -v);
        }
        Walking {
            first,
            x: start.to_batch(),
            sums,
            alive: vec![true; points],
            ended: vec![self.until; points],
            reference: room(simulator.controls),
            both: room(states + simulator.controls),
            free: room(states + 1),
            steered: room(states + 1),
            normals: room(simulator.noises),
            increment: room(simulator.noises),
            lived: vec![0.0; points],
        }
    }

    /// One step of a block.
    fn advance(&self, at: &Step, block: &mut Walking) {
        let simulator = self.simulator;
        let (x, points) = (block.x.as_ref(), block.x.points());
        let both = block.both.as_mut_slice();
        let (state, control) = both.split_at_mut(simulator.states * points);
        state.copy_from_slice(block.x.as_slice());
        let control = BatchMut::new(control, points, simulator.controls, points);
        self.policy.eval(at.t, x, control);
        simulator.free.eval(at.t, x, block.free.as_mut());
        let steered = block.steered.as_mut();
        simulator.steering.eval(at.t, block.both.as_ref(), steered);
        for j in 0..simulator.states {
            let push = block.steered.column(j);
            let drift = block.free.column_mut(j).iter_mut();
            drift.zip(push).for_each(|(b, push)| *b += push);
        }
        let noise = simulator.noise(at.t, x);
        self.draw(at, &noise, block);
        self.weigh(at, &noise, block);
        self.pay(at, block);
        let mut moved = block.x.clone();
        simulator.shake(&noise, block.increment.as_ref(), moved.as_mut());
        for j in 0..simulator.states {
            let drift = block.free.column(j).iter().zip(&block.lived);
            let steps = moved.column(j).iter().zip(drift);
            for (x, (moved, (b, lived))) in block.x.column_mut(j).iter_mut().zip(steps) {
                // Where a path has ended coefficients may have no value.
                if *lived > 0.0 {
                    *x = moved + lived * b;
                }
            }
        }
        simulator.keep_inside(&mut block.x);
    }

    /// The Brownian increment of a step and how long paths live in it.
    fn draw(&self, at: &Step, noise: &Batch, block: &mut Walking) {
        block.increment.fill(0.0);
        match &self.simulator.ends {
            Some(ends) => self.draw_until_ended(ends, at, noise, block),
            None => {
                for piece in at.pieces.clone() {
                    let next = self.next(at, piece, block);
                    block.increment = next;
                }
                block.lived.fill(at.dt);
            }
        }
    }

    /// The increment with one more piece of noise.
    fn next(&self, at: &Step, piece: usize, block: &mut Walking) -> Batch {
        let number = u32::try_from(piece).unwrap_or(u32::MAX);
        self.stream
            .normals(block.first, number, block.normals.as_mut());
        let length = at.dt / at.pieces.len() as f64;
        let mut next = block.increment.clone();
        next.add_scaled(length.sqrt(), &block.normals);
        next
    }

    fn draw_until_ended(&self, ends: &Ends, at: &Step, noise: &Batch, block: &mut Walking) {
        let points = block.x.points();
        let mut margins = ends.at(at.t, block.x.as_ref());
        for i in 0..points {
            if block.alive[i] && ends.has_ended(&margins, i) {
                (block.alive[i], block.ended[i]) = (false, at.t);
            }
            block.lived[i] = if block.alive[i] { at.dt } else { 0.0 };
        }
        let length = at.dt / at.pieces.len() as f64;
        for (k, piece) in at.pieces.clone().enumerate() {
            let next = self.next(at, piece, block);
            let gone = (k + 1) as f64 * length;
            let mut reached = block.x.clone();
            for j in 0..reached.columns() {
                let drift = block.free.column(j).iter();
                let moved = reached.column_mut(j).iter_mut().zip(drift);
                moved.for_each(|(x, b)| *x += gone * b);
            }
            self.simulator.shake(noise, next.as_ref(), reached.as_mut());
            ends.go_on(at.t + gone, reached.as_ref(), &mut margins);
            let number = u32::try_from(piece).unwrap_or(u32::MAX);
            let going: Vec<usize> = (0..points).filter(|i| block.alive[*i]).collect();
            for i in going {
                let path = (block.first + i as u64, number);
                match ends.met(&margins, i, length, &self.stream.role("crossing"), path) {
                    None => {
                        for j in 0..next.columns() {
                            block.increment.column_mut(j)[i] = next.get(i, j);
                        }
                    }
                    Some(met) => {
                        ends.cut(&margins, i, met, &next, &mut block.increment);
                        block.alive[i] = false;
                        block.lived[i] = (k as f64 + met.share) * length;
                        block.ended[i] = at.t + block.lived[i];
                    }
                }
            }
        }
    }

    /// Adds the logarithm of the density ratio of one step.
    fn weigh(&self, at: &Step, noise: &Batch, block: &mut Walking) {
        let simulator = self.simulator;
        let push = block.steered.as_ref().column_range(0..simulator.states);
        let mut theta = Batch::zeros(push.points(), simulator.noises);
        match &at.inverse {
            Some(inverse) => theta.as_mut().add_product(1.0, inverse, push),
            None => {
                for i in 0..push.points() {
                    let inverse = simulator.inverse(&noise.row(i));
                    let own = push.rows(i..i + 1);
                    let mut to = theta.as_mut();
                    to.rows_mut(i..i + 1).add_product(1.0, &inverse, own);
                }
            }
        }
        let ratio = block.sums.column_mut(LOG_RATIO);
        for j in 0..simulator.noises {
            let steps = block.increment.column(j).iter().zip(&block.lived);
            let steps = theta.column(j).iter().zip(steps);
            for (ratio, (theta, (dw, lived))) in ratio.iter_mut().zip(steps) {
                *ratio -= theta * (dw + 0.5 * theta * lived);
            }
        }
    }

    /// What a step costs, and how far its control is from the reference.
    fn pay(&self, at: &Step, block: &mut Walking) {
        let simulator = self.simulator;
        let (start, states) = (simulator.horizon.0, simulator.states);
        let late = (-simulator.discount * (at.t - start)).exp();
        let (sums, lived) = (&mut block.sums, &block.lived);
        let mut add = |sum: usize, rate: &dyn Fn(usize) -> f64| {
            for (i, sum) in sums.column_mut(sum).iter_mut().enumerate() {
                *sum += rate(i) * lived[i];
            }
        };
        let (state, effort) = (block.free.column(states), block.steered.column(states));
        add(COST, &|i| late * (state[i] + effort[i]));
        add(EFFORT, &|i| late * effort[i]);
        let Some(reference) = self.reference else {
            return;
        };
        let room = block.reference.as_mut();
        reference.eval(at.t, block.x.as_ref(), room);
        for k in 0..simulator.controls {
            let reference = block.reference.column(k);
            add(SQUARED_CONTROL, &|i| reference[i] * reference[i]);
            let control = block.both.column_mut(states + k);
            let pairs = control.iter_mut().zip(reference);
            pairs.for_each(|(u, reference)| *u -= reference);
            add(SQUARED_DIFFERENCE, &|i| control[i] * control[i]);
        }
        let steered = block.steered.as_mut();
        simulator.steering.eval(at.t, block.both.as_ref(), steered);
        let effort = block.steered.column(states);
        add(DISTANCE, &|i| late * effort[i]);
    }

    /// The cost of where a block ends.
    fn arrive(&self, block: &mut Walking) {
        let simulator = self.simulator;
        let (start, end) = simulator.horizon;
        let mut paid = Batch::zeros(block.x.points(), 1);
        match &simulator.tail {
            Some(tail) => paid = tail.at(end, block.x.as_ref()),
            None => simulator
                .terminal
                .eval(end, block.x.as_ref(), paid.as_mut()),
        }
        let paid = paid.column(0).iter().zip(&block.ended);
        for (cost, (end, when)) in block.sums.column_mut(COST).iter_mut().zip(paid) {
            *cost += (-simulator.discount * (when - start)).exp() * end;
        }
        if simulator.tail.as_ref().is_some_and(|tail| tail.averages) {
            for sum in [COST, DISTANCE] {
                let sum = block.sums.column_mut(sum).iter_mut();
                sum.for_each(|sum| *sum /= self.until - start);
            }
        }
    }
}

/// The rows of all blocks under each other.
fn gather(blocks: &[Walking], part: impl Fn(&Walking) -> &Batch) -> Batch {
    let points = blocks.iter().map(|block| block.x.points()).sum();
    let columns = blocks.first().map_or(0, |block| part(block).columns());
    let mut all = Batch::zeros(points, columns);
    for block in blocks {
        all.write_rows(block.first as usize, part(block).as_ref());
    }
    all
}

#[cfg(test)]
mod tests;
