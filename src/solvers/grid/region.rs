//! Where a grid has to be.

use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::start_law::start_nodes;

/// Uncontrolled paths that show where the process goes.
const PATHS: usize = 2048;
/// Their steps.
const STEPS: usize = 128;
/// Standard deviations of the noise collected over the horizon that a control may push as far as.
const REACH: f64 = 4.0;
/// Share of the width by which an interval goes on.
const WIDER: f64 = 0.25;
/// Share of the width added at both ends.
const MARGIN: f64 = 0.125;

/// Uncontrolled paths, at some of their times.
pub(crate) struct Scout {
    pub(crate) times: Vec<f64>,
    /// All paths at each time.
    pub(crate) points: Vec<Batch>,
}

/// Walks without control; paths that leave the doubles are left out by whoever reads them.
pub(crate) fn scout(lowered: &Lowered, streams: &Streams) -> Scout {
    let process = &lowered.compiled.steered;
    let (d, k) = (process.dimension(), process.noises());
    let dt = (process.end() - process.start()) / STEPS as f64;
    let noise = streams.role("scout");
    let mut x = lowered.draw_start(&streams.role("scout start"), 0, PATHS);
    let mut found = Scout {
        times: Vec::new(),
        points: Vec::new(),
    };
    let (mut drift, mut z) = (Batch::zeros(PATHS, d), Batch::zeros(PATHS, k));
    for step in 0..STEPS {
        let t = process.start() + step as f64 * dt;
        found.times.push(t);
        found.points.push(x.clone());
        process.drift(t, x.as_ref(), drift.as_mut());
        // Tamed: a steep drift moves by at most one unit of length a step.
        for i in 0..PATHS {
            let size = (0..d).map(|j| drift.get(i, j).powi(2)).sum::<f64>().sqrt();
            for j in 0..d {
                drift.column_mut(j)[i] /= 1.0 + dt * size;
            }
        }
        noise.normals(0, step as u32, z.as_mut());
        let from = x.clone();
        x.add_scaled(dt, &drift);
        process
            .diffusion()
            .add_times(t, from.as_ref(), dt.sqrt(), z.as_ref(), x.as_mut());
    }
    found.times.push(process.end());
    found.points.push(x);
    found
}

/// The box around the paths and around what the noise alone could reach from the start, with a margin.
pub(crate) fn automatic(lowered: &Lowered, scout: &Scout) -> Vec<(f64, f64)> {
    let process = &lowered.compiled.steered;
    let dt = (process.end() - process.start()) / STEPS as f64;
    // Where noise depends on the state: that of one of the starts.
    let centre = scout.points[0].row(0);
    (0..process.dimension())
        .map(|j| {
            let variance: f64 = scout.times[..STEPS]
                .iter()
                .map(|t| dt * process.diffusion().at(*t, &centre).row(j).norm_squared())
                .sum();
            let reach = REACH * variance.sqrt();
            let range = |points: &Batch, pad: f64| {
                let finite = points.column(j).iter().filter(|x| x.is_finite());
                finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| {
                    (a.min(x - pad), b.max(x + pad))
                })
            };
            let start = range(&scout.points[0], reach);
            let (low, high) = scout
                .points
                .iter()
                .map(|points| range(points, 0.0))
                .fold(start, |(a, b), (c, d)| (a.min(c), b.max(d)));
            // A state that never moves still needs a grid.
            let margin = (MARGIN * (high - low)).max(1e-3 * (1.0 + low.abs()));
            (low - margin, high + margin)
        })
        .collect()
}

/// The interval around the start law of one state that noise collects in a unit of time: what a domain that is looked for
/// begins with.
pub(crate) fn around_start(lowered: &Lowered) -> (f64, f64) {
    let start = start_nodes(lowered.start());
    let range = start.points.column(0).iter();
    let (low, high) = range.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| {
        (a.min(*x), b.max(*x))
    });
    let process = &lowered.compiled.steered;
    let noise = process
        .diffusion()
        .at(process.start(), &[0.5 * (low + high)]);
    // A state that never moves still needs a grid.
    let reach = (REACH * noise.row(0).norm()).max(1e-3 * (1.0 + low.abs()));
    (low - reach, high + reach)
}

/// An interval that goes on beyond the ends that are marked.
pub(crate) fn wider((low, high): (f64, f64), ends: [bool; 2]) -> (f64, f64) {
    let more = ends.map(|end| if end { WIDER * (high - low) } else { 0.0 });
    (low - more[0], high + more[1])
}
