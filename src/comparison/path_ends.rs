//! Where simulated paths meet a stopping event, or an absorbing edge of the domain.
//!
//! Over a step with frozen coefficients a margin that is linear in the state is a Brownian motion with drift, whose first
//! crossing has a law of its own ([`crate::numeric::crossing`]). It is drawn for each piece of noise, also by walks whose
//! steps span several. The noise of a path that meets something is its mean given the crossing, on the line between the
//! two ends of the piece and along `G' grad m` to where the margin vanishes.
//!
//! # Source
//! Gobet, *Stochastic Process. Appl.* 87 (2000).

use crate::expr::{Expr, Graph, Kernel};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::crossing::{DRAWS, crossing};
use crate::numeric::random::Stream;
use crate::solvers::lowered::edges;
use crate::solvers::lowered::problem::Lowered;

/// Compiles what was found to compile when the problem was lowered.
pub(super) fn compiled(graph: &Graph, outputs: &[Expr], time: Expr, inputs: &[Expr]) -> Kernel {
    Kernel::compile(graph, outputs, time, inputs)
        .unwrap_or_else(|e| unreachable!("the lowered process was compiled before: {e}"))
}

/// Everything that ends a path.
pub(super) struct Ends {
    /// Negative until it has happened, one output each; then `G' grad m` of each.
    margins: Kernel,
    events: usize,
    noises: usize,
}

/// Margins and their pulls at the beginning of a piece of noise, margins at its end.
pub(super) struct Margins {
    before: Batch,
    after: Batch,
    pulls: Batch,
}

/// A crossing: the share of the piece that had gone by, and of what.
#[derive(Clone, Copy)]
pub(super) struct Met {
    pub share: f64,
    event: usize,
}

impl Ends {
    /// What ends paths of a problem; `None` where nothing does.
    pub fn of(lowered: &Lowered) -> Option<Self> {
        let mut process = lowered.process.process.clone();
        let mut outputs = edges::margins(lowered, &mut process.graph, &process.state);
        let events = outputs.len();
        for event in 0..events {
            let slope = process.gradient(outputs[event]);
            outputs.extend(process.through_noise(&slope));
        }
        (events > 0).then(|| Self {
            margins: compiled(&process.graph, &outputs, process.time, &process.state),
            events,
            noises: process.noises(),
        })
    }

    /// Margins and pulls where a step begins.
    pub fn at(&self, t: f64, x: BatchRef<'_>) -> Margins {
        let before = self.measure(t, x);
        Margins {
            pulls: before.clone(),
            after: before.clone(),
            before,
        }
    }

    fn measure(&self, t: f64, x: BatchRef<'_>) -> Batch {
        let mut values = Batch::zeros(x.points(), self.margins.outputs());
        self.margins.eval(t, x, values.as_mut());
        values
    }

    /// Whether something has happened to a path.
    pub fn has_ended(&self, margins: &Margins, i: usize) -> bool {
        (0..self.events).any(|event| margins.before.get(i, event) >= 0.0)
    }

    /// Goes on to a piece of noise that would end at `reached`.
    pub fn go_on(&self, t: f64, reached: BatchRef<'_>, margins: &mut Margins) {
        margins.before = std::mem::replace(&mut margins.after, self.measure(t, reached));
    }

    fn pull(&self, margins: &Margins, (i, event): (usize, usize), noise: usize) -> f64 {
        margins
            .pulls
            .get(i, self.events + event * self.noises + noise)
    }

    /// `|G' grad m|^2`
    fn spread(&self, margins: &Margins, at: (usize, usize)) -> f64 {
        let pulls = (0..self.noises).map(|k| self.pull(margins, at, k));
        pulls.map(|pull| pull * pull).sum()
    }

    /// The first crossing within a piece of this length; `path` and `piece` number the draws.
    pub fn met(
        &self,
        margins: &Margins,
        i: usize,
        length: f64,
        draws: &Stream,
        (path, piece): (u64, u32),
    ) -> Option<Met> {
        let crossings = (0..self.events).filter_map(|event| {
            let spread = length * self.spread(margins, (i, event));
            let (before, after) = (margins.before.get(i, event), margins.after.get(i, event));
            let share = crossing(before, after, spread, || {
                let mut uniforms = [0.0; DRAWS];
                let to = BatchMut::new(&mut uniforms, 1, DRAWS, 1);
                draws.uniforms_from(path, piece, (event * DRAWS) as u32, to);
                uniforms
            })?;
            Some(Met { share, event })
        });
        crossings.min_by(|a, b| a.share.total_cmp(&b.share))
    }

    /// Leaves in `noise` what it was at a crossing on the way to `next`.
    pub fn cut(&self, margins: &Margins, i: usize, met: Met, next: &Batch, noise: &mut Batch) {
        let at = (i, met.event);
        let (before, after) = (
            margins.before.get(i, met.event),
            margins.after.get(i, met.event),
        );
        let spread = self.spread(margins, at);
        let missing = -(before + met.share * (after - before));
        let push = if spread > 0.0 { missing / spread } else { 0.0 };
        for k in 0..self.noises {
            let here = &mut noise.column_mut(k)[i];
            *here += met.share * (next.get(i, k) - *here) + push * self.pull(margins, at, k);
        }
    }
}
