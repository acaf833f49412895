//! The cost of a found control on noise the fit has not seen.

use crate::discretization::time_grid::TimeGrid;
use crate::field::Field;
use crate::field::peaks::Peaks;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::solvers::driver::SolveError;
use crate::solvers::learned::path_cost::{ControlVariate, PathCost};
use crate::solvers::learned::unknown::Unknown;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::steered_walk::SteeredWalk;

/// Largest number of fresh paths of reverse diffusion, and their number elsewhere.
const REVERSE_PATHS: usize = 4096;
const PATHS: usize = 16384;

/// The action of reverse diffusion at three step sizes.
pub struct FreshCost {
    /// Extrapolated to zero step.
    pub cost: Estimate,
    /// Action at the training steps minus the extrapolated one.
    pub step_bias: f64,
    /// Variance without the control variate over variance with it.
    pub gain: f64,
    /// `sqrt(E ∫|u − u*|² dτ / T)` read off the variance of the path action.
    pub control_error: Option<f64>,
}

impl FreshCost {
    /// From `grid`, the one of the fit, refined twice; `walk` gives that many paths on a grid.
    pub fn new(
        lowered: &Lowered,
        mut grid: TimeGrid,
        paths: usize,
        unknown: &mut Unknown,
        walk: impl Fn(&TimeGrid, usize, &str) -> PathCost,
    ) -> Result<Self, SolveError> {
        let start = lowered.problem.time_settings.t_min;
        let paths = paths.min(REVERSE_PATHS);
        let prior = Peaks::of(lowered.prior());
        let mut levels = Vec::new();
        let mut excess = Vec::new();
        let mut gain = 1.0;
        for level in ["fresh-0", "fresh-1", "fresh-2"] {
            let walk = walk(&grid, paths, level);
            unknown.prepare(&walk.times());
            let costs = walk.costs(unknown.get(), ControlVariate::Own);
            if let Some(bad) = costs.iter().find(|c| !c.is_finite()) {
                return Err(not_finite(*bad, start));
            }
            if levels.is_empty() {
                let plain = walk.costs(unknown.get(), ControlVariate::Absent);
                let ratio =
                    Estimate::from_samples(&plain).error / Estimate::from_samples(&costs).error;
                gain = ratio * ratio;
            }
            levels.push(Estimate::from_samples(&costs));
            excess.push(variance_over_start(&costs, walk.start(), &prior));
            grid = grid.refined();
        }
        let first = 2.0 * levels[1].value - levels[0].value;
        let second = 2.0 * levels[2].value - levels[1].value;
        let noise = (2.0 * levels[2].error).hypot(levels[1].error);
        let step = (second - first).abs() / 3.0;
        let duration = lowered.noising().end() - start;
        let variance = 2.0 * excess[2] - excess[1];
        Ok(Self {
            cost: with_step(second, noise, step),
            step_bias: levels[0].value - second,
            gain,
            control_error: (variance > 0.0).then(|| (variance / duration).sqrt()),
        })
    }
}

/// Variance over paths of the action plus the log prior of the start: the log ratio of the controlled
/// path law to the noising path law, up to a constant and to `log p_T / prior`. In continuous time its
/// variance is `E ∫ |u − u*|² dτ` to leading order.
fn variance_over_start(costs: &[f64], start: &Batch, prior: &Peaks) -> f64 {
    let log_prior = prior.log_density(start.as_ref());
    let values: Vec<f64> = costs.iter().zip(log_prior).map(|(c, l)| c + l).collect();
    let estimate = Estimate::from_samples(&values);
    estimate.error * estimate.error * values.len() as f64
}

/// The cost of a policy: the limit of small steps from two of them on the same Brownian paths, with half the last change
/// in the error.
///
/// # Errors
/// A cost that is no number.
pub fn fresh_cost(
    lowered: &Lowered,
    policy: &dyn Field,
    steps: usize,
    streams: &Streams,
) -> Result<Estimate, SolveError> {
    let streams = streams.scoped("fresh");
    let start = lowered.draw_start(&streams.role("start"), 0, PATHS);
    let stream = streams.role("noise");
    let walk = SteeredWalk {
        lowered,
        policy,
        steps,
        finest: 1,
        stream: &stream,
    };
    let [coarse, fine] = [0, 1].map(|level| walk.run(start.as_ref(), level));
    let limit = fine.limit_cost(&coarse);
    if !limit.value.is_finite() {
        let end = lowered.compiled.steered.end();
        return Err(not_finite(limit.value, end));
    }
    let bias = 0.5 * (limit.value - Estimate::from_samples(&fine.cost).value).abs();
    Ok(with_step(limit.value, limit.error, bias))
}

fn with_step(value: f64, noise: f64, step: f64) -> Estimate {
    let kind = if noise >= step {
        ErrorKind::StandardError
    } else {
        ErrorKind::Step
    };
    Estimate::new(value, noise.hypot(step), kind)
}

fn not_finite(value: f64, time: f64) -> SolveError {
    SolveError::NotFinite {
        what: "the cost of a fresh path",
        value,
        time,
        suggestion: "more paths, or a smaller field".to_owned(),
    }
}
