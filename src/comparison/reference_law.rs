//! The optimal law at any time: what control errors are averaged over.

use crate::discretization::noising::Noising;
use crate::discretization::time_grid::TimeGrid;
use crate::field::draws::{draw_mixture, draw_noised};
use crate::field::{Differentiable, LogDensity};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::random::{Stream, Streams};
use crate::problem::meant::model::Spacing;
use crate::solvers::driver::Solution;
use crate::solvers::lowered::answer::GridRecord;
use crate::solvers::lowered::problem::Lowered;

/// Steps of the forward simulation used where the noised law has no closed form.
const FORWARD_STEPS: usize = 400;

/// The best answer available, taken as the reference.
#[derive(Clone, Copy)]
pub struct ReferenceAnswer<'a> {
    /// The id of the solver, or `exact`.
    pub name: &'a str,
    pub score: &'a (dyn Differentiable + Send),
    pub log_density: Option<&'a (dyn LogDensity + Send)>,
    /// Its own error estimate; 0 for closed forms, infinite when unknown.
    pub own_error: f64,
}

/// The closed form where there is one, else the solution with a density and the smallest own error.
pub fn reference_answer<'a>(
    lowered: &'a Lowered,
    solutions: &'a [Solution],
) -> Option<ReferenceAnswer<'a>> {
    if let Some(exact) = &lowered.facts.marginals {
        return Some(ReferenceAnswer {
            name: "exact",
            score: exact,
            log_density: Some(exact),
            own_error: 0.0,
        });
    }
    solutions
        .iter()
        .filter(|s| s.answer.law.log_density.is_some())
        .min_by(|a, b| own_error(a).total_cmp(&own_error(b)))
        .map(|s| ReferenceAnswer {
            name: &s.id,
            score: s.answer.score(),
            log_density: s.answer.law.log_density.as_deref(),
            own_error: own_error(s),
        })
}

fn own_error(solution: &Solution) -> f64 {
    solution.answer.own_error.unwrap_or(f64::INFINITY)
}

/// Draws of the noised law `p_t`.
///
/// Closed-form transition where the drift is affine; else the noising process is simulated forwards from
/// data draws (Heun, weak order 2), which shares nothing with the solvers. Data known only by a density
/// are drawn from a recorded grid density at the start.
pub struct ReferenceLaw<'a> {
    lowered: &'a Lowered,
    record: Option<&'a GridRecord>,
}

impl<'a> ReferenceLaw<'a> {
    /// `None` when neither the data law nor a grid density can be drawn from.
    pub fn new(lowered: &'a Lowered, solutions: &'a [Solution]) -> Option<Self> {
        let record = solutions.iter().find_map(|s| s.answer.law.grid.as_ref());
        let drawable = lowered.facts.marginals.is_some() || lowered.data().mixture().is_some();
        (drawable || record.is_some()).then_some(Self { lowered, record })
    }

    /// Independent draws at each of the increasing `times`.
    ///
    /// With a closed form the draws of different times are independent; simulated ones are not.
    pub fn draws(&self, times: &[f64], points: usize, streams: &Streams) -> Vec<Batch> {
        if let Some(exact) = &self.lowered.facts.marginals {
            return times
                .iter()
                .enumerate()
                .map(|(n, t)| {
                    let kernel = exact
                        .transition()
                        .between(self.lowered.noising().start(), *t);
                    let stream = streams.role(&format!("law-{n}"));
                    draw_noised(exact.mixture(), &kernel, &stream, 0, points)
                })
                .collect();
        }
        let (start, from) = self.starts(points, streams);
        forward_walk(
            self.lowered.noising(),
            start.as_ref(),
            from,
            times,
            &streams.role("law-noise"),
        )
    }

    /// Draws of the data and the time they belong to.
    fn starts(&self, points: usize, streams: &Streams) -> (Batch, f64) {
        if let Some(mixture) = self.lowered.data().mixture() {
            let draws = draw_mixture(&mixture, &streams.role("law-data"), 0, points);
            return (draws, self.lowered.noising().start());
        }
        let record = self
            .record
            .expect("a law without data draws has a grid record");
        let earliest = (0..record.times.len())
            .min_by(|a, b| record.times[*a].total_cmp(&record.times[*b]))
            .expect("a grid record has times");
        let stream = streams.role("law-grid");
        (
            draw_grid(&record.axes, &record.log_density[earliest], &stream, points),
            record.times[earliest],
        )
    }
}

/// Draws of a density tabulated on a tensor grid (first axis slowest), uniform within the cell of a node.
fn draw_grid(axes: &[Vec<f64>], log_density: &[f64], stream: &Stream, points: usize) -> Batch {
    let largest = log_density
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    let cumulative: Vec<f64> = log_density
        .iter()
        .map(|l| {
            total += (l - largest).exp();
            total
        })
        .collect();
    let mut cells = vec![0; points];
    stream.choose(0, 0, &cumulative, &mut cells);
    let mut jitter = Batch::zeros(points, axes.len());
    stream.uniforms(0, 1, jitter.as_mut());
    let mut out = Batch::zeros(points, axes.len());
    for (i, cell) in cells.iter().enumerate() {
        let mut rest = *cell;
        for (j, axis) in axes.iter().enumerate().rev() {
            let width = axis[1] - axis[0];
            let index = rest % axis.len();
            rest /= axis.len();
            out.column_mut(j)[i] = axis[index] + width * (jitter.get(i, j) - 0.5);
        }
    }
    out
}

/// Simulates `dX = f dt + G dW` from time `from`, recording the state at the increasing `times`.
fn forward_walk(
    noising: &Noising,
    start: BatchRef<'_>,
    from: f64,
    times: &[f64],
    stream: &Stream,
) -> Vec<Batch> {
    let grid = TimeGrid::new(noising, from, FORWARD_STEPS, Spacing::Cosine);
    let mut nodes: Vec<f64> = grid.nodes().iter().chain(times).copied().collect();
    nodes.retain(|t| *t >= from);
    nodes.sort_by(f64::total_cmp);
    nodes.dedup();
    let (points, d) = (start.points(), start.columns());
    let blocks = map_blocks(points, block(), |range| {
        let first = range.start as u64;
        let mut x = start.rows(range).to_batch();
        let mut normals = Batch::zeros(x.points(), noising.noises());
        let mut drift = Batch::zeros(x.points(), d);
        let mut second = Batch::zeros(x.points(), d);
        let mut seen: Vec<Batch> = Vec::new();
        for (n, t) in nodes.iter().enumerate() {
            if n > 0 {
                let before = nodes[n - 1];
                let step = t - before;
                stream.normals(first, n as u32, normals.as_mut());
                noising.drift(before, x.as_ref(), drift.as_mut());
                for time in [before, *t] {
                    noising
                        .noise(time)
                        .add_times(0.5 * step.sqrt(), normals.as_ref(), x.as_mut());
                }
                let mut trial = x.clone();
                trial.add_scaled(step, &drift);
                noising.drift(*t, trial.as_ref(), second.as_mut());
                x.add_scaled(0.5 * step, &drift);
                x.add_scaled(0.5 * step, &second);
            }
            if times.contains(t) {
                seen.push(x.clone());
            }
        }
        seen
    });
    let mut out = vec![Batch::zeros(points, d); times.len()];
    let mut row = 0;
    for block in &blocks {
        for (record, piece) in out.iter_mut().zip(block) {
            record.write_rows(row, piece.as_ref());
        }
        row += block.first().map_or(0, Batch::points);
    }
    out
}
