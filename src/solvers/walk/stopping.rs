//! Where a step of simulated paths meets what ends a path: a stopping event, or an absorbing edge of the domain.
//!
//! Between two nodes an Euler step is a Brownian motion with drift, so that the chance to have met an event whose
//! margin is linear in the states, and the time, have laws of their own ([`crate::numeric::crossing`]). They are drawn
//! between the nodes at which the noise is drawn, also for walks with longer steps, so that such walks agree on what
//! they meet. A path ends at that time, where its noise is the one that makes the margin vanish,
//!
//! ```text
//! X_tau = X + f tau + G (W_tau + a G' grad m),      a = -m_tau / |G' grad m|^2,
//! ```
//!
//! `m_tau` and `W_tau` on the line between the nodes: the mean of the noise given the crossing.
//!
//! # Order
//! One in the step for expectations of stopped paths; without the draws one half.
//!
//! # Source
//! Gobet, *Stochastic Process. Appl.* 87 (2000).

use crate::expr::{Expr, Kernel};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::crossing::{DRAWS, crossing};
use crate::numeric::random::Stream;
use crate::problem::meant::model::Boundary;
use crate::solvers::lowered::problem::Lowered;

/// Everything that ends a path.
pub(crate) struct Stopping {
    /// Negative until it has happened.
    margins: Kernel,
    /// `G' grad m`: by margin, then by noise.
    pulls: Kernel,
    noises: usize,
    draws: Stream,
}

/// Margins of a block of paths.
pub(crate) struct Margins {
    before: Batch,
    after: Batch,
    pulls: Batch,
}

/// The part of a step between two nodes of the noise.
pub(crate) struct Part<'a> {
    /// Time at its end, and its length.
    pub end: f64,
    pub length: f64,
    /// Number of its noise.
    pub fine: u32,
    /// Number of the first path.
    pub first: u64,
    /// Noise of the step so far, before and after this part.
    pub noise: &'a mut Batch,
    pub next: &'a Batch,
    /// Where a path would be at the end of the part.
    pub reached: BatchRef<'a>,
}

impl Stopping {
    /// What ends paths of a problem; `None` where nothing does.
    pub fn of(lowered: &Lowered, stream: &Stream) -> Option<Self> {
        let mut process = lowered.process.process.clone();
        let events = lowered.problem.task.events();
        let mut margins: Vec<Expr> = events.iter().filter(|e| e.stop).map(|e| e.margin).collect();
        let dynamics = &lowered.problem.dynamics;
        let domain = dynamics.domain.iter().flatten().zip(&dynamics.boundary);
        for (j, ((low, high), boundary)) in domain.enumerate() {
            if *boundary == Boundary::Absorb {
                let (x, graph) = (process.state[j], &mut process.graph);
                let [low, high] = [*low, *high].map(|edge| graph.number(edge));
                margins.extend([graph.sub(low, x), graph.sub(x, high)]);
            }
        }
        if margins.is_empty() {
            return None;
        }
        let mut pulls = Vec::new();
        for margin in &margins {
            let slope = process.gradient(*margin);
            pulls.extend(process.through_noise(&slope));
        }
        let compile = |e: &[Expr]| {
            let kernel = Kernel::compile(&process.graph, e, process.time, &process.state);
            kernel.unwrap_or_else(|e| unreachable!("events were compiled by the solvers: {e}"))
        };
        Some(Self {
            margins: compile(&margins),
            pulls: compile(&pulls),
            noises: process.noises(),
            draws: stream.role("crossing"),
        })
    }

    /// Room for the margins of a block of paths.
    pub fn room(&self, points: usize) -> Margins {
        Margins {
            before: Batch::zeros(points, self.margins.outputs()),
            after: Batch::zeros(points, self.margins.outputs()),
            pulls: Batch::zeros(points, self.pulls.outputs()),
        }
    }

    /// Prepares a step from `x`; ends the paths for which something has happened there, and tells `ended`.
    pub fn prepare(
        &self,
        t: f64,
        x: BatchRef<'_>,
        margins: &mut Margins,
        alive: &mut [f64],
        mut ended: impl FnMut(usize),
    ) {
        self.pulls.eval(t, x, margins.pulls.as_mut());
        self.margins.eval(t, x, margins.before.as_mut());
        for e in 0..self.margins.outputs() {
            let margins = margins.before.column(e).iter().enumerate();
            for (i, _) in margins.filter(|(_, margin)| **margin >= 0.0) {
                if alive[i] > 0.0 {
                    alive[i] = 0.0;
                    ended(i);
                }
            }
        }
    }

    /// Ends the paths that meet something in a part of a step: their noise stays what it was then, and `ended` is told the
    /// path and the share of the part that it lived.
    pub fn look(
        &self,
        part: Part<'_>,
        margins: &mut Margins,
        alive: &mut [f64],
        mut ended: impl FnMut(usize, f64),
    ) {
        self.margins
            .eval(part.end, part.reached, margins.after.as_mut());
        for (i, alive) in alive.iter_mut().enumerate() {
            if *alive == 0.0 {
                continue;
            }
            let mut earliest: Option<(f64, usize)> = None;
            for e in 0..self.margins.outputs() {
                let share = self.share(&part, margins, i, e);
                if share.is_some_and(|share| earliest.is_none_or(|(first, _)| share < first)) {
                    earliest = share.map(|share| (share, e));
                }
            }
            match earliest {
                None => {
                    for k in 0..self.noises {
                        part.noise.column_mut(k)[i] = part.next.get(i, k);
                    }
                }
                Some((share, event)) => {
                    self.put_on_the_edge(part.noise, part.next, margins, (i, event), share);
                    *alive = 0.0;
                    ended(i, share);
                }
            }
        }
        std::mem::swap(&mut margins.before, &mut margins.after);
    }

    /// The share of a part that a path lives before an event.
    fn share(&self, part: &Part<'_>, margins: &Margins, i: usize, event: usize) -> Option<f64> {
        let spread = part.length * self.spread(margins, i, event);
        let draws = || {
            let mut draws = [0.0; DRAWS];
            let component = (event * DRAWS) as u32;
            let to = BatchMut::new(&mut draws, 1, DRAWS, 1);
            self.draws
                .uniforms_from(part.first + i as u64, part.fine, component, to);
            draws
        };
        let (before, after) = (margins.before.get(i, event), margins.after.get(i, event));
        crossing(before, after, spread, draws)
    }

    /// `|G' grad m|^2`
    fn spread(&self, margins: &Margins, i: usize, event: usize) -> f64 {
        let pulls = (0..self.noises).map(|k| margins.pulls.get(i, event * self.noises + k));
        pulls.map(|pull| pull * pull).sum()
    }

    fn put_on_the_edge(
        &self,
        noise: &mut Batch,
        next: &Batch,
        margins: &Margins,
        (i, event): (usize, usize),
        share: f64,
    ) {
        let (before, after) = (margins.before.get(i, event), margins.after.get(i, event));
        let spread = self.spread(margins, i, event);
        let missing = -(before + share * (after - before));
        let push = if spread > 0.0 { missing / spread } else { 0.0 };
        for k in 0..self.noises {
            let here = &mut noise.column_mut(k)[i];
            let pull = margins.pulls.get(i, event * self.noises + k);
            *here += share * (next.get(i, k) - *here) + push * pull;
        }
    }
}
