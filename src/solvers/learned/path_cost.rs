//! The discretized action functional on replayed noise, and its exact gradient.
//!
//! Paths start from the prior at the end of the horizon and walk the grid backwards with the steps of
//! [`crate::discretization::path_action`]. Every path's noise is addressed by (path, step), so the same
//! parameters always give the same bits, whatever the number of threads.
//!
//! # Memory
//! The adjoint keeps the states and controls of one chunk of 64 paths a thread and draws the noise again:
//! `1024 steps d` bytes a thread, however many paths there are (0.2 MB for 100 steps of two states). Beyond 64 MiB a
//! thread it keeps the states of about `sqrt(steps)` steps instead and walks from each of them twice: the same bits
//! for half as much work again.
//!
//! # Checked by
//! `action-gradient` (central differences), `action-gap`

use crate::discretization::noising::Transition;
use crate::discretization::path_action::{ReverseStep, reverse_steps};
use crate::discretization::time_grid::TimeGrid;
use crate::field::draws::draw_mixture;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::peaks::Peaks;
use crate::field::{Field, FieldFamily};
use crate::numeric::batch::{Batch, BatchMut};
use crate::numeric::blocks::{CHUNK, map_blocks, pairwise_add, pairwise_sum};
use crate::numeric::random::{Stream, Streams};
use crate::problem::meant::law::{Covariance, Mixture};
use nalgebra::DMatrix;
use std::ops::Range;

/// The zero-mean term `Σ κ w·z + ½ Σ (κ² − 1)(z² − 1)` of the cost of a path; `w = Lᵀ s` of some score.
///
/// Every choice has the same expectation.
#[derive(Clone, Copy)]
pub enum ControlVariate<'a> {
    Absent,
    /// The score that steers the path: the variance vanishes at the optimum, that of the gradient does
    /// not.
    Own,
    /// A score that does not move with the parameters: at the optimum, with this score optimal too, the
    /// variance of value and gradient vanish with the step.
    Anchored(&'a dyn FieldFamily),
}

/// Mean cost over fixed noise.
///
/// ```text
/// S = mean over paths of  Σ ( ½|v|² + constant + martingale ) − log p_{t_min}(Y_N)
/// ```
///
/// with the constant and the martingale of [`crate::discretization::path_action`].
#[derive(Clone, Debug)]
pub struct PathCost {
    steps: Vec<ReverseStep>,
    start: Batch,
    stream: Stream,
    end_law: Peaks,
    tape_bytes: usize,
}

/// What the tape of one chunk may take.
const TAPE_BYTES: usize = 64 << 20;

/// Values of one chunk that the adjoint needs again.
struct Tape {
    /// Before each step.
    states: Vec<Batch>,
    /// `v` of each step.
    controls: Vec<Batch>,
}

/// The paths of one chunk under some control.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Before each step.
    pub states: Vec<Batch>,
    /// `v + κ z` of each step.
    pub noises: Vec<Batch>,
    pub end: Batch,
    /// `log p_{t_min}` at the end.
    pub end_log_density: Vec<f64>,
}

impl Tape {
    fn new(steps: usize) -> Self {
        Self {
            states: Vec::with_capacity(steps),
            controls: Vec::with_capacity(steps),
        }
    }
}

/// One block of paths between steps.
struct Block {
    /// Number of the first path.
    first: u64,
    y: Batch,
    score: Batch,
    control: Batch,
    noise: Batch,
    costs: Vec<f64>,
}

impl PathCost {
    /// `law` at the first grid node is the end law; it must have positive definite covariances there.
    pub fn new(
        law: &NoisedMixture,
        prior: &Mixture,
        grid: &TimeGrid,
        paths: usize,
        streams: &Streams,
    ) -> Self {
        Self {
            steps: reverse_steps(law.transition(), grid, |t| coarse_covariance(law, t)),
            start: draw_mixture(prior, &streams.role("path-start"), 0, paths),
            stream: streams.role("path-noise"),
            end_law: Peaks::of(&law.mixture_at(grid.nodes()[0])),
            tape_bytes: TAPE_BYTES,
        }
    }

    /// The same paths with another limit of memory per thread.
    #[cfg(test)]
    pub(crate) fn with_tape(self, tape_bytes: usize) -> Self {
        Self { tape_bytes, ..self }
    }

    /// Steps whose states and controls are kept together.
    fn kept(&self) -> usize {
        let steps = self.steps.len();
        let bytes = 2 * CHUNK * self.start.columns() * size_of::<f64>();
        if steps * bytes <= self.tape_bytes {
            steps
        } else {
            steps.isqrt().max(1)
        }
    }

    pub fn paths(&self) -> usize {
        self.start.points()
    }

    pub fn steps(&self) -> &[ReverseStep] {
        &self.steps
    }

    /// Start points of the paths.
    pub fn start(&self) -> &Batch {
        &self.start
    }

    /// Times at which the score is asked, latest first.
    pub fn times(&self) -> Vec<f64> {
        self.steps.iter().map(|s| s.late).collect()
    }

    /// Normals drawn by one sweep.
    pub fn normals(&self) -> u64 {
        (self.paths() * self.steps.len() * self.start.columns()) as u64
    }

    /// Cost of every path.
    pub fn costs(&self, score: &dyn Field, variate: ControlVariate<'_>) -> Vec<f64> {
        map_blocks(self.paths(), CHUNK, |range| {
            let mut block = self.block(range);
            self.forward(0..self.steps.len(), score, variate, &mut block, None);
            self.end_costs(&mut block, None);
            block.costs
        })
        .concat()
    }

    /// The paths under `score`, chunk by chunk.
    pub fn traces(&self, score: &dyn Field) -> Vec<Trace> {
        map_blocks(self.paths(), CHUNK, |range| {
            let mut block = self.block(range);
            let mut tape = Tape::new(self.steps.len());
            let all = 0..self.steps.len();
            self.forward(
                all,
                score,
                ControlVariate::Absent,
                &mut block,
                Some(&mut tape),
            );
            let mut noises = tape.controls;
            for (k, (step, noise)) in self.steps.iter().zip(&mut noises).enumerate() {
                self.narrowed_noise(step, k, &mut block);
                noise.add_scaled(1.0, &block.noise);
            }
            Trace {
                states: tape.states,
                noises,
                end_log_density: self.end_law.log_density(block.y.as_ref()),
                end: block.y,
            }
        })
    }

    /// Mean cost.
    pub fn mean(&self, score: &dyn Field, variate: ControlVariate<'_>) -> f64 {
        pairwise_sum(&self.costs(score, variate)) * (1.0 / self.paths() as f64)
    }

    /// Mean cost and its derivative in the parameters, which overwrites `gradient`.
    pub fn mean_and_gradient(
        &self,
        family: &dyn FieldFamily,
        variate: ControlVariate<'_>,
        gradient: &mut [f64],
    ) -> f64 {
        let (d, p) = (self.start.columns(), gradient.len());
        let chunks = map_blocks(self.paths(), CHUNK, |range| {
            let mut block = self.block(range);
            // All but the last stretch of steps are walked without a tape first, and again on the way back.
            let (kept, steps) = (self.kept(), self.steps.len());
            let last = (steps - 1) / kept * kept;
            let mut starts = Vec::new();
            for first in (0..last).step_by(kept) {
                starts.push((first, block.y.clone()));
                self.forward(first..first + kept, family, variate, &mut block, None);
            }
            let mut tape = Tape::new(kept);
            self.forward(last..steps, family, variate, &mut block, Some(&mut tape));
            let mut adjoint = Batch::zeros(block.y.points(), d);
            self.end_costs(&mut block, Some(adjoint.as_mut()));
            let costs = block.costs.clone();
            let mut partial = vec![0.0; p];
            self.backward(
                last,
                family,
                variate,
                &mut block,
                &tape,
                &mut adjoint,
                &mut partial,
            );
            for (first, y) in starts.into_iter().rev() {
                block.y = y;
                let mut tape = Tape::new(kept);
                self.forward(
                    first..first + kept,
                    family,
                    variate,
                    &mut block,
                    Some(&mut tape),
                );
                self.backward(
                    first,
                    family,
                    variate,
                    &mut block,
                    &tape,
                    &mut adjoint,
                    &mut partial,
                );
            }
            (costs, partial)
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

    fn block(&self, range: Range<usize>) -> Block {
        let (n, d) = (range.len(), self.start.columns());
        let first = range.start as u64;
        Block {
            first,
            y: self.start.as_ref().rows(range).to_batch(),
            score: Batch::zeros(n, d),
            control: Batch::zeros(n, d),
            noise: Batch::zeros(n, d),
            costs: vec![0.0; n],
        }
    }

    fn forward(
        &self,
        range: Range<usize>,
        score: &dyn Field,
        variate: ControlVariate<'_>,
        block: &mut Block,
        mut tape: Option<&mut Tape>,
    ) {
        let mut next = Batch::zeros(block.y.points(), block.y.columns());
        for k in range {
            let step = &self.steps[k];
            self.stream
                .normals(block.first, k as u32, block.noise.as_mut());
            score.eval(step.late, block.y.as_ref(), block.score.as_mut());
            step.control(block.score.as_ref(), block.control.as_mut());
            for c in &mut block.costs {
                *c += step.constant();
            }
            for j in 0..block.y.columns() {
                let kappa = step.narrow()[j];
                let (v, z) = (block.control.column(j), block.noise.column_mut(j));
                for ((c, v), z) in block.costs.iter_mut().zip(v).zip(z) {
                    *c += 0.5 * v * v;
                    if !matches!(variate, ControlVariate::Absent) {
                        *c += 0.5 * (kappa * kappa - 1.0) * (*z * *z - 1.0);
                    }
                    *z *= kappa;
                    if let ControlVariate::Own = variate {
                        *c += v * *z;
                    }
                }
            }
            if let ControlVariate::Anchored(anchor) = variate {
                self.add_anchor(step, anchor, block);
            }
            if let Some(tape) = &mut tape {
                tape.states.push(block.y.clone());
                tape.controls.push(block.control.clone());
            }
            block.noise.add_scaled(1.0, &block.control);
            step.advance(block.y.as_ref(), block.noise.as_ref(), next.as_mut());
            std::mem::swap(&mut block.y, &mut next);
        }
    }

    /// `κ w·z` with the control of the anchor; the block's noise is `κ z`.
    fn add_anchor(&self, step: &ReverseStep, anchor: &dyn FieldFamily, block: &mut Block) {
        anchor.eval(step.late, block.y.as_ref(), block.score.as_mut());
        let mut w = Batch::zeros(block.y.points(), block.y.columns());
        step.control(block.score.as_ref(), w.as_mut());
        for j in 0..w.columns() {
            let pairs = w.column(j).iter().zip(block.noise.column(j));
            for (c, (w, z)) in block.costs.iter_mut().zip(pairs) {
                *c += w * z;
            }
        }
    }

    /// Adds `-log p` at the end; its derivative goes to `slope`.
    fn end_costs(&self, block: &mut Block, slope: Option<BatchMut<'_>>) {
        let log_density = match slope {
            Some(mut slope) => {
                let log_density = self.end_law.score(block.y.as_ref(), slope.reborrow());
                for j in 0..block.y.columns() {
                    slope.column_mut(j).iter_mut().for_each(|s| *s = -*s);
                }
                log_density
            }
            None => self.end_law.log_density(block.y.as_ref()),
        };
        for (c, l) in block.costs.iter_mut().zip(log_density) {
            *c -= l;
        }
    }

    /// The discrete adjoint: `adjoint` holds the derivative of what comes after the steps of the tape, which begin at
    /// `first`, and is carried back.
    #[allow(
        clippy::too_many_arguments,
        reason = "one stretch of the walk, what moves along it, and two sums"
    )]
    fn backward(
        &self,
        first: usize,
        family: &dyn FieldFamily,
        variate: ControlVariate<'_>,
        block: &mut Block,
        tape: &Tape,
        adjoint: &mut Batch,
        gradient: &mut [f64],
    ) {
        let (n, d) = (adjoint.points(), adjoint.columns());
        let mut pulled = Batch::zeros(n, d);
        for (place, control) in tape.controls.iter().enumerate().rev() {
            let k = first + place;
            let step = &self.steps[k];
            let y = tape.states[place].as_ref();
            let mut direct = control.clone();
            if !matches!(variate, ControlVariate::Absent) {
                self.narrowed_noise(step, k, block);
            }
            if let ControlVariate::Own = variate {
                direct.add_scaled(1.0, &block.noise);
            }
            step.adjoint(direct.as_ref(), adjoint.as_mut(), block.score.as_mut());
            family.carry_back(
                step.late,
                y,
                block.score.as_ref(),
                Some(gradient),
                Some(pulled.as_mut()),
            );
            adjoint.add_scaled(1.0, &pulled);
            if let ControlVariate::Anchored(anchor) = variate {
                // Its score sees only its own product with the noise: cotangent L κ z.
                let mut none = Batch::zeros(n, d);
                step.adjoint(block.noise.as_ref(), none.as_mut(), block.score.as_mut());
                anchor.pull_back_state(step.late, y, block.score.as_ref(), pulled.as_mut());
                adjoint.add_scaled(1.0, &pulled);
            }
        }
    }

    /// The block's noise becomes `κ z`.
    fn narrowed_noise(&self, step: &ReverseStep, k: usize, block: &mut Block) {
        self.stream
            .normals(block.first, k as u32, block.noise.as_mut());
        for (j, kappa) in step.narrow().iter().enumerate() {
            block
                .noise
                .column_mut(j)
                .iter_mut()
                .for_each(|z| *z *= kappa);
        }
    }

    /// `Σ_steps E (∂v/∂θ)ᵀ (∂v/∂θ)` over the controlled paths, estimated with one probe per chunk of
    /// paths and step: `(Jᵀz)(Jᵀz)ᵀ` has mean `JᵀJ`.
    pub fn fisher(&self, family: &dyn FieldFamily) -> DMatrix<f64> {
        let p = family.parameters().len();
        let partials = self.probe(family, p * p, |g, total| {
            for (row, a) in total.chunks_exact_mut(p).zip(g) {
                for (t, b) in row.iter_mut().zip(g) {
                    *t += a * b;
                }
            }
        });
        DMatrix::from_vec(p, p, partials)
    }

    /// The diagonal of [`PathCost::fisher`].
    pub fn fisher_diagonal(&self, family: &dyn FieldFamily) -> Vec<f64> {
        let p = family.parameters().len();
        self.probe(family, p, |g, total| {
            for (t, a) in total.iter_mut().zip(g) {
                *t += a * a;
            }
        })
    }

    fn probe(
        &self,
        family: &dyn FieldFamily,
        size: usize,
        collect: impl Fn(&[f64], &mut [f64]) + Sync,
    ) -> Vec<f64> {
        let (d, p) = (self.start.columns(), family.parameters().len());
        let partials = map_blocks(self.paths(), CHUNK, |range| {
            let mut block = self.block(range);
            let n = block.y.points();
            let mut next = Batch::zeros(n, d);
            let mut none = Batch::zeros(n, d);
            let mut total = vec![0.0; size];
            let mut probe = vec![0.0; p];
            for (k, step) in self.steps.iter().enumerate() {
                self.stream
                    .normals(block.first, k as u32, block.noise.as_mut());
                none.fill(0.0);
                step.adjoint(block.noise.as_ref(), none.as_mut(), block.score.as_mut());
                probe.fill(0.0);
                family.pull_back(
                    step.late,
                    block.y.as_ref(),
                    block.score.as_ref(),
                    &mut probe,
                );
                collect(&probe, &mut total);
                family.eval(step.late, block.y.as_ref(), block.score.as_mut());
                step.control(block.score.as_ref(), block.control.as_mut());
                self.narrowed_noise(step, k, &mut block);
                block.noise.add_scaled(1.0, &block.control);
                step.advance(block.y.as_ref(), block.noise.as_ref(), next.as_mut());
                std::mem::swap(&mut block.y, &mut next);
            }
            total
        });
        let scale = 1.0 / self.paths() as f64;
        let mut total = pairwise_add(partials).unwrap_or_else(|| vec![0.0; size]);
        total.iter_mut().for_each(|t| *t *= scale);
        total
    }
}

/// The covariance of the noised law: full where the steps mix coordinates, otherwise its diagonal.
fn coarse_covariance(law: &NoisedMixture, t: f64) -> Covariance {
    let at = law.mixture_at(t);
    match law.transition() {
        Transition::Isotropic { .. } => Covariance::Diagonal(at.variances()),
        _ => Covariance::Full(at.covariance()),
    }
}

#[cfg(test)]
mod tests;
