//! One grid with one number of time steps.
//!
//! A step goes along the states one after the other, each line of nodes on its own. `monotone` takes every state once;
//! `central` takes all but the last for half the step, the last for the whole of it, and the others again in reverse,
//! which is of order two. Where the end cost jumps the first steps are damped: each in parts, by implicit Euler along slopes
//! of two nodes, whatever the scheme.

use crate::numeric::batch::Batch;
use crate::numeric::blocks::map_blocks;
use crate::numeric::interpolation::{GridInterpolant, UniformAxis};
use crate::problem::meant::grid::Scheme;
use crate::solvers::grid::end_cost::EndCost;
use crate::solvers::grid::lines::best::{Coefficients, Frame};
use crate::solvers::grid::lines::line::{GAMMA, Line, Scratch, Settings, Trouble};
use crate::solvers::grid::space_time::SpaceTime;
use crate::solvers::lowered::edges::Edge;
use std::sync::Arc;

/// Fewest cells of an axis: a slope takes three nodes on either side, and a circle five.
pub(crate) const FEWEST_CELLS: usize = 5;
/// First steps after a jump that are damped, and the parts of each.
const DAMPED: usize = 2;
const PARTS: usize = 4;
/// Lines worked on with one memory.
const LINES: usize = 8;

/// The value on one grid, on its way back in time.
pub(crate) struct Level {
    coefficients: Coefficients,
    axes: Vec<UniformAxis>,
    /// What the ends of each axis do.
    edges: Vec<[Edge; 2]>,
    steps: usize,
    step: usize,
    stride: usize,
    settings: Settings,
    value: Vec<f64>,
    /// Whether the end cost jumps.
    jumps: bool,
    /// What the equation asks for at the times of the present step.
    frames: Vec<(f64, Arc<Frame>)>,
    /// The controls of the present step, where they are chosen before it.
    policy: Option<Batch>,
    kept: Vec<(f64, GridInterpolant)>,
}

impl Level {
    /// Starts at the end of the horizon; every `stride`-th step is kept.
    pub(crate) fn new(
        coefficients: Coefficients,
        (axes, edges): (&[UniformAxis], &[[Edge; 2]]),
        steps: usize,
        stride: usize,
        settings: Settings,
    ) -> Self {
        let EndCost {
            values: value,
            jumps,
        } = coefficients.end_cost(axes, settings.temperature);
        let end = coefficients.horizon().1;
        Self {
            kept: vec![(end, interpolant(axes, &value))],
            coefficients,
            axes: axes.to_vec(),
            edges: edges.to_vec(),
            steps,
            step: steps,
            stride,
            settings,
            value,
            jumps,
            frames: Vec::new(),
            policy: None,
        }
    }

    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    pub(crate) fn unknowns(&self) -> usize {
        self.value.len()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.step == 0
    }

    /// Time to which the value is known.
    pub(crate) fn time(&self) -> f64 {
        let (from, to) = self.coefficients.horizon();
        from + (to - from) * self.step as f64 / self.steps as f64
    }

    /// One step back; how many linear systems it took.
    pub(crate) fn advance(&mut self) -> Result<u64, Trouble> {
        let end = self.time();
        self.step -= 1;
        let start = self.time();
        let last = self.axes.len() - 1;
        let mut solves = 0;
        self.choose(end);
        match self.settings.scheme {
            _ if self.jumps && self.steps - self.step <= DAMPED => {
                solves += self.damped(start, end)?;
            }
            Scheme::Monotone | Scheme::Spectral => {
                for state in 0..=last {
                    solves += self.sweep(state, start, end)?;
                }
            }
            Scheme::Central => {
                let middle = 0.5 * (start + end);
                for state in 0..last {
                    solves += self.sweep(state, middle, end)?;
                }
                solves += self.sweep(last, start, end)?;
                for state in (0..last).rev() {
                    solves += self.sweep(state, start, middle)?;
                }
            }
        }
        // The next step begins where this one ends.
        self.frames.retain(|frame| frame.0 == start);
        if self.step.is_multiple_of(self.stride) {
            self.kept
                .push((start, interpolant(&self.axes, &self.value)));
        }
        Ok(solves)
    }

    /// A step in parts, each by implicit Euler.
    fn damped(&mut self, start: f64, end: f64) -> Result<u64, Trouble> {
        let scheme = std::mem::replace(&mut self.settings.scheme, Scheme::Monotone);
        let at = |part: usize| end + (start - end) * part as f64 / PARTS as f64;
        let mut solves = 0;
        for part in 0..PARTS {
            self.choose(at(part));
            for state in 0..self.axes.len() {
                solves += self.sweep(state, at(part + 1), at(part))?;
            }
        }
        self.settings.scheme = scheme;
        Ok(solves)
    }

    fn frame(&mut self, t: f64) -> Arc<Frame> {
        if let Some(known) = self.frames.iter().find(|frame| frame.0 == t) {
            return known.1.clone();
        }
        let frame = match &self.policy {
            None => self.coefficients.at(t),
            Some(policy) => self.coefficients.under(t, policy),
        };
        self.frames.push((t, frame.clone()));
        frame
    }

    /// All lines along one state, from `end` back to `start`.
    fn sweep(&mut self, state: usize, start: f64, end: f64) -> Result<u64, Trouble> {
        let dt = end - start;
        let frames = match self.settings.scheme {
            Scheme::Monotone | Scheme::Spectral => {
                let frame = self.frame(start);
                [frame.clone(), frame.clone(), frame]
            }
            Scheme::Central => [end, end - GAMMA * dt, start].map(|t| self.frame(t)),
        };
        let frames = [&*frames[0], &*frames[1], &*frames[2]];
        let axis = self.axes[state];
        let lines = self.value.len() / axis.count;
        let line = |l: usize| self.line(state, l);
        let (grid, controls) = (&self.value, self.coefficients.controls());
        let blocks = map_blocks(lines, LINES, |range| {
            let mut scratch = Scratch::new(controls);
            let (mut found, mut solves) = (Vec::with_capacity(range.len() * axis.count), 0);
            let mut value = vec![0.0; axis.count];
            for line in range.map(line) {
                for (i, v) in value.iter_mut().enumerate() {
                    *v = grid[line.first + i * line.stride];
                }
                solves += line.step(frames, dt, &mut value, &mut scratch)?;
                found.extend_from_slice(&value);
            }
            Ok((found, solves))
        });
        let (mut l, mut solves) = (0, 0);
        for block in blocks {
            let (found, own) = block?;
            solves += own;
            for values in found.chunks_exact(axis.count) {
                let line = self.line(state, l);
                for (i, v) in values.iter().enumerate() {
                    self.value[line.first + i * line.stride] = *v;
                }
                l += 1;
            }
        }
        Ok(solves)
    }

    /// The `l`-th line along a state.
    fn line(&self, state: usize, l: usize) -> Line {
        let axis = self.axes[state];
        let inner: usize = self.axes[state + 1..].iter().map(|a| a.count).product();
        let first = l / inner * inner * axis.count + l % inner;
        Line {
            axis,
            state,
            first,
            stride: inner,
            edges: self.edges[state],
            stopped: self.is_stopped(state, first),
            share: self.share(state),
            discount: self.coefficients.discount(),
            settings: self.settings,
        }
    }

    /// Where controls are chosen for all states together, those that are best for the value at a time. The step is made
    /// under them: they are off by its length, so what they cost too much is of order two in it.
    fn choose(&mut self, t: f64) {
        if self.settings.temperature.is_some() || !self.coefficients.is_joint() {
            return;
        }
        let mut slopes = [(); 3].map(|()| Batch::zeros(self.value.len(), self.axes.len()));
        for state in 0..self.axes.len() {
            let count = self.axes[state].count;
            let mut value = vec![0.0; count];
            for l in 0..self.value.len() / count {
                let line = self.line(state, l);
                let node = |i: usize| line.first + i * line.stride;
                for (i, v) in value.iter_mut().enumerate() {
                    *v = self.value[node(i)];
                }
                for i in 0..count {
                    let own = line.slopes_at(&value, i);
                    for (slopes, own) in slopes.iter_mut().zip(own) {
                        slopes.column_mut(state)[node(i)] = own;
                    }
                }
            }
        }
        self.policy = Some(self.coefficients.best(t, slopes.each_ref()));
        self.frames.clear();
    }

    /// Share of a state in running cost and discount: all states have the same, but where edges end paths only those with
    /// such edges, lest the steps of the others add what an edge takes away again.
    fn share(&self, state: usize) -> f64 {
        let ends = |state: usize| self.edges[state].contains(&Edge::Absorb);
        let ending = (0..self.axes.len()).filter(|state| ends(*state)).count();
        match (ending, ends(state)) {
            (0, _) => 1.0 / self.axes.len() as f64,
            (_, true) => 1.0 / ending as f64,
            (_, false) => 0.0,
        }
    }

    /// Whether a node is on an edge of another state that ends paths.
    fn is_stopped(&self, state: usize, node: usize) -> bool {
        let mut inner = self.value.len();
        let mut axes = self.axes.iter().zip(&self.edges).enumerate();
        let at = |(k, (axis, edges)): (usize, (&UniformAxis, &[Edge; 2]))| {
            inner /= axis.count;
            let place = node / inner % axis.count;
            let ends = [place == 0, place + 1 == axis.count];
            let stops = ends
                .iter()
                .zip(edges)
                .any(|(at, e)| *at && *e == Edge::Absorb);
            k != state && stops
        };
        axes.any(at)
    }

    /// The value at all kept times.
    pub(crate) fn finish(mut self) -> SpaceTime {
        self.kept.reverse();
        SpaceTime::new(self.kept)
    }
}

fn interpolant(axes: &[UniformAxis], value: &[f64]) -> GridInterpolant {
    GridInterpolant::new(axes, value)
        .unwrap_or_else(|error| unreachable!("one to three axes of at least five cells: {error}"))
}
