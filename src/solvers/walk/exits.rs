//! What ends simulated paths of any scheme, and where they then are.
//!
//! ```text
//! x_tau = x + s (x' - x) - m_s D grad m / (grad m' D grad m),        m_s on the line from m to m'
//! ```
//!
//! for a path whose margin crossed zero when the share `s` of the step from `x` to `x'` had gone by: the mean of a Brownian
//! motion given that it is on the edge then. Where the margin bends that is repeated until the path is on the edge. Stopping
//! events and absorbing edges of the domain are met alike; steps over two nodes of the noise are looked at in between, too.
//!
//! # Source
//! Gobet, *Stochastic Process. Appl.* 87 (2000).

use crate::discretization::steered::SteeredProcess;
use crate::expr::{CompileError, Kernel};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::crossing::{DRAWS, crossing};
use crate::numeric::random::Stream;
use crate::problem::meant::model::Boundary;
use crate::solvers::lowered::edges;
use crate::solvers::lowered::problem::Lowered;

/// Rounds towards an edge that bends, and the doublings of the last push onto it.
const ROUNDS: usize = 4;
const PUSHES: i32 = 60;

/// Everything that ends a path: events first, then edges.
pub(super) struct Exits {
    /// Margins, negative until it has happened; then `grad m' D grad m` and `D grad m` of each.
    kernel: Kernel,
    count: usize,
}

impl Exits {
    pub(super) fn of(lowered: &Lowered) -> Result<Self, CompileError> {
        let mut process = lowered.process.process.clone();
        let margins = edges::margins(lowered, &mut process.graph, &process.state);
        let count = margins.len();
        let (mut spreads, mut ways) = (Vec::new(), Vec::new());
        for margin in &margins {
            let slope = process.gradient(*margin);
            let way = process.diffuse(&slope);
            spreads.push(process.dot(&slope, &way));
            ways.extend(way);
        }
        let outputs = [margins, spreads, ways].concat();
        Ok(Self {
            kernel: Kernel::compile(&process.graph, &outputs, process.time, &process.state)?,
            count,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn measure(&self, t: f64, x: BatchRef<'_>) -> Batch {
        let mut values = Batch::zeros(x.points(), self.kernel.outputs());
        self.kernel.eval(t, x, values.as_mut());
        values
    }

    /// Margin, `grad m' D grad m` and `D grad m` of one event at one point.
    fn at_point(&self, t: f64, x: &[f64], event: usize) -> (f64, f64, Vec<f64>) {
        let mut values = vec![0.0; self.kernel.outputs()];
        self.kernel.eval_point(t, x, &mut values);
        let way = 2 * self.count + event * x.len();
        (
            values[event],
            values[self.count + event],
            values[way..way + x.len()].to_vec(),
        )
    }

    /// The place on the edge of an event of a path that goes from one place to another.
    fn onto_edge(&self, t: f64, [from, to]: [&[f64]; 2], event: usize, share: f64) -> Vec<f64> {
        let mut x: Vec<f64> = from
            .iter()
            .zip(to)
            .map(|(a, b)| a + share * (b - a))
            .collect();
        // A margin that bends is told best by the end that is near the edge.
        let ends = [from, to].map(|end| self.at_point(t, end, event));
        let near = usize::from(ends[1].0.abs() < ends[0].0.abs());
        for round in 0..ROUNDS {
            let (margin, mut spread, mut way) = self.at_point(t, &x, event);
            if round == 0 {
                (spread, way) = (ends[near].1, ends[near].2.clone());
            }
            if spread <= 0.0 || !margin.is_finite() {
                break;
            }
            let step = -margin / spread;
            x.iter_mut().zip(&way).for_each(|(x, way)| *x += step * way);
        }
        // Rounding must not leave it before the edge.
        let (_, spread, way) = self.at_point(t, &x, event);
        let way: Vec<f64> = match spread > 0.0 {
            true => way.iter().map(|way| way / spread.sqrt()).collect(),
            false => from.iter().zip(to).map(|(a, b)| b - a).collect(),
        };
        for k in 0..PUSHES {
            if self.at_point(t, &x, event).0 >= 0.0 {
                break;
            }
            let push = f64::EPSILON * f64::from(k).exp2();
            x.iter_mut().zip(&way).for_each(|(x, way)| *x += push * way);
        }
        x
    }
}

/// A part of a step, between two nodes of the noise.
pub(super) struct Part<'a> {
    pub step: u32,
    pub t: f64,
    pub length: f64,
    pub from: &'a Batch,
    pub to: &'a Batch,
}

/// How one path ended.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Ended {
    /// Time since the start.
    pub after: f64,
    /// Which of the events and edges.
    pub by: usize,
}

/// Which paths of a block still run, and what ended the others.
pub(super) struct Watch<'a> {
    lowered: &'a Lowered,
    exits: &'a Exits,
    draws: &'a Stream,
    first: u64,
    pub(super) running: usize,
    pub(super) ended: Vec<Option<Ended>>,
    /// Where the ended paths stay.
    rest: Batch,
    before: Batch,
    turns: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        lowered: &'a Lowered,
        exits: &'a Exits,
        draws: &'a Stream,
        first: u64,
        (x, t): (&Batch, f64),
    ) -> Self {
        let turning = [Boundary::Reflect, Boundary::Periodic];
        let mut watch = Self {
            lowered,
            exits,
            draws,
            first,
            running: x.points(),
            ended: vec![None; x.points()],
            rest: x.clone(),
            before: exits.measure(t, x.as_ref()),
            turns: (0..lowered.dimension()).any(|j| turning.contains(&lowered.boundary(j))),
        };
        for i in 0..x.points() {
            let happened = (0..exits.count).find(|e| watch.before.get(i, *e) >= 0.0);
            if let Some(by) = happened {
                watch.end(i, &x.row(i), Ended { after: 0.0, by });
            }
        }
        watch
    }

    fn end(&mut self, i: usize, x: &[f64], ended: Ended) {
        self.ended[i] = Some(ended);
        self.running -= 1;
        for (j, x) in x.iter().enumerate() {
            self.rest.column_mut(j)[i] = *x;
        }
    }

    /// Whether anything can end a path.
    pub(super) fn looks(&self) -> bool {
        !self.exits.is_empty()
    }

    /// States with those of ended paths at their place.
    pub(super) fn frozen(&self, x: &Batch) -> Batch {
        let mut out = x.clone();
        for j in 0..x.columns() {
            let places = out.column_mut(j).iter_mut().zip(self.rest.column(j));
            for ((x, rest), ended) in places.zip(&self.ended) {
                if ended.is_some() {
                    *x = *rest;
                }
            }
        }
        out
    }

    /// What edges do that turn paths back or around.
    pub(super) fn turn(&self, x: &mut Batch) {
        let dynamics = &self.lowered.problem.dynamics;
        let Some(domain) = dynamics.domain.as_ref().filter(|_| self.turns) else {
            return;
        };
        for (j, &(low, high)) in domain.iter().enumerate() {
            let width = high - low;
            let boundary = self.lowered.boundary(j);
            for x in x.column_mut(j) {
                *x = match boundary {
                    Boundary::Natural | Boundary::Absorb => *x,
                    Boundary::Periodic => low + (*x - low).rem_euclid(width),
                    Boundary::Reflect => {
                        let folded = (*x - low).rem_euclid(2.0 * width);
                        low + folded.min(2.0 * width - folded)
                    }
                };
            }
        }
    }

    /// What a part of a step meets: where something has happened at its end, or in between.
    pub(super) fn look(&mut self, part: &Part<'_>) {
        let count = self.exits.count;
        if count == 0 {
            return;
        }
        let end = part.t + part.length;
        let after = self.exits.measure(end, part.to.as_ref());
        let started = self.lowered.horizon().0;
        for i in 0..part.to.points() {
            if self.ended[i].is_some() {
                continue;
            }
            let shares = (0..count).filter_map(|e| {
                let spread = after.get(i, count + e) * part.length;
                let (from, to) = (self.before.get(i, e), after.get(i, e));
                let share = crossing(from, to, spread, || self.drawn(i, part.step, e))?;
                Some((share, e))
            });
            if let Some((share, by)) = shares.min_by(|a, b| a.0.total_cmp(&b.0)) {
                let t = part.t + share * part.length;
                let ways = [part.from.row(i), part.to.row(i)];
                let [from, to] = [&ways[0], &ways[1]].map(Vec::as_slice);
                let place = self.exits.onto_edge(t, [from, to], by, share);
                let after = t - started;
                self.end(i, &place, Ended { after, by });
            }
        }
        self.before = after;
    }

    fn drawn(&self, i: usize, step: u32, event: usize) -> [f64; DRAWS] {
        let mut draws = [0.0; DRAWS];
        let to = BatchMut::new(&mut draws, 1, DRAWS, 1);
        let component = (event * DRAWS) as u32;
        self.draws
            .uniforms_from(self.first + i as u64, step, component, to);
        draws
    }
}

/// Where a path is between two increments of one step: on the line between its ends, and off it as the noise goes.
pub(super) fn between(
    process: &SteeredProcess,
    (t, from): (f64, &Batch),
    to: &Batch,
    [first, second]: [&Batch; 2],
) -> Batch {
    let mut middle = from.clone();
    middle.as_mut().scale(0.5);
    middle.add_scaled(0.5, to);
    let mut bow = first.clone();
    bow.add_scaled(-1.0, second);
    let diffusion = process.diffusion();
    diffusion.add_times(t, from.as_ref(), 0.5, bow.as_ref(), middle.as_mut());
    middle
}
