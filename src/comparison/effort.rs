//! How many points a measurement may use, from the counted cost of a point.

use crate::solvers::lowered::problem::Lowered;

/// Elementary operations one measurement may spend on field evaluations.
const OPERATIONS: f64 = 1e9;
/// Overhead of a point, in the same operations.
const OVERHEAD: f64 = 500.0;

/// Sample sizes chosen from the cost of a point, so that 64 states and thousands of components take
/// the time of two states and three components. Counted, not timed: equal on every machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Field evaluations one measurement may make.
    pub evaluations: usize,
    /// Upper limit of paths or draws asked for by the problem.
    pub paths: usize,
}

impl Effort {
    pub fn new(lowered: &Lowered) -> Self {
        let components = lowered
            .facts
            .marginals
            .as_ref()
            .map_or(1, |exact| exact.mixture().components());
        let cost = (components * lowered.noising().dimension()) as f64 + OVERHEAD;
        Self {
            evaluations: ((OPERATIONS / cost) as usize).clamp(4_000, 1_000_000),
            paths: lowered.problem.run.paths.max(16),
        }
    }

    /// Coarse steps and paths of `runs` simulations at step sizes 1 and ½: three coarse steps' worth of
    /// steps with four evaluations each. Few evaluations are shared evenly between steps and paths.
    pub fn simulation(&self, steps: usize, runs: usize) -> (usize, usize) {
        let share = self.evaluations / (12 * runs.max(1));
        let steps = steps.min((share as f64).sqrt() as usize).max(24);
        (steps, (share / steps).clamp(32, self.paths.max(32)))
    }

    /// Draws at each of `times` times with `fields` evaluations each.
    pub fn draws(&self, times: usize, fields: usize) -> usize {
        (self.evaluations / (times * fields).max(1)).clamp(64, self.paths.max(64))
    }
}
