//! The action of a found control on noise the minimisation has not seen.

use crate::discretization::time_grid::TimeGrid;
use crate::field::family::Family;
use crate::field::peaks::Peaks;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::solvers::driver::SolveError;
use crate::solvers::learned::path_cost::{ControlVariate, PathCost};
use crate::solvers::lowered::problem::Lowered;

/// Largest number of fresh paths.
const FRESH_PATHS: usize = 4096;

/// The cost on noise the minimisation has not seen, at three step sizes.
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
    /// From `grid`, the one of the minimisation, refined twice.
    pub fn new(
        lowered: &Lowered,
        mut grid: TimeGrid,
        paths: usize,
        family: &mut Family,
        streams: &Streams,
    ) -> Result<Self, SolveError> {
        let law = lowered
            .facts
            .marginals
            .as_ref()
            .expect("admission saw the end law");
        let start = lowered.problem.time_settings.t_min;
        let paths = paths.min(FRESH_PATHS);
        let prior = Peaks::of(lowered.prior());
        let mut levels = Vec::new();
        let mut excess = Vec::new();
        let mut gain = 1.0;
        for level in 0..3 {
            let streams = streams.scoped(["fresh-0", "fresh-1", "fresh-2"][level]);
            let walk = PathCost::new(law, lowered.prior(), &grid, paths, &streams);
            family.prepare(&walk.times());
            let score = family.get();
            let costs = walk.costs(score, ControlVariate::Own);
            if let Some(bad) = costs.iter().find(|c| !c.is_finite()) {
                return Err(SolveError::NotFinite {
                    what: "the action of a fresh path",
                    value: *bad,
                    time: start,
                    suggestion: "more paths or a smaller field".to_owned(),
                });
            }
            if level == 0 {
                let plain = walk.costs(score, ControlVariate::Absent);
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
        let kind = if noise >= step {
            ErrorKind::StandardError
        } else {
            ErrorKind::Step
        };
        let duration = lowered.noising().end() - start;
        let variance = 2.0 * excess[2] - excess[1];
        Ok(Self {
            cost: Estimate::new(second, noise.hypot(step), kind),
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
