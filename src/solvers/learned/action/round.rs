//! One round of the minimisation: an objective in the coordinates of its metric.

use crate::discretization::time_grid::TimeGrid;
use crate::field::family::Family;
use crate::field::peaks::Peaks;
use crate::numeric::random::Streams;
use crate::solvers::learned::metric::Metric;
use crate::solvers::learned::optimizer::Objective;
use crate::solvers::learned::path_cost::{ControlVariate, PathCost};
use crate::solvers::learned::path_ratio::PathRatio;
use crate::solvers::lowered::problem::Lowered;
use std::sync::{Mutex, PoisonError};

/// How a round sees the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Mean cost on fixed noise with the control variate of the control itself.
    FixedNoise,
    /// Mean cost on fixed noise with the control variate of the control where the round starts: its
    /// gradient has no noise at the optimum.
    Anchored,
    /// The weights of components alone, by the log ratio on paths drawn where the round starts.
    Weights,
}

/// Rounds for fields with weights. Along a path the cost hardly depends on them: it is the choice of the
/// path they change, so the rounds along paths hold them, and the ratio of path laws settles them.
pub const WEIGHTED_ROUNDS: [View; 5] = [
    View::FixedNoise,
    View::Weights,
    View::Anchored,
    View::Weights,
    View::Anchored,
];
/// Rounds for other fields.
pub const ROUNDS: [View; 3] = [View::FixedNoise, View::Anchored, View::Anchored];

/// Fixed paths say little about laws far from the one that drew them: this much of their Fisher metric
/// is added to the objective.
const NEARNESS: f64 = 0.1;

/// The objective of one round.
pub struct Round {
    paths: PathCost,
    side: Side,
    family: Mutex<Family>,
    metric: Metric,
    frozen: Vec<usize>,
}

/// What the view needs beside the noise.
enum Side {
    Own,
    Anchor(Box<Family>),
    /// Paths that stay, and the action of the control that drew them.
    Ratio {
        ratio: PathRatio,
        action: f64,
    },
}

impl Round {
    pub fn new(
        lowered: &Lowered,
        grid: &TimeGrid,
        paths: usize,
        family: &mut Family,
        view: View,
        streams: &Streams,
    ) -> Self {
        let law = lowered
            .facts
            .marginals
            .as_ref()
            .expect("admission saw the end law");
        let mut frozen = family.weights();
        if view == View::Weights {
            let parameters = 0..family.get().parameters().len();
            frozen = parameters.filter(|i| !frozen.contains(i)).collect();
        }
        let paths = PathCost::new(law, lowered.prior(), grid, paths, streams);
        family.prepare(&paths.times());
        let metric = Metric::new(family, &paths, lowered.noising(), law, &frozen, streams);
        let side = match view {
            View::FixedNoise => Side::Own,
            View::Anchored => Side::Anchor(Box::new(family.clone())),
            View::Weights => Side::Ratio {
                ratio: PathRatio::new(&paths, &Peaks::of(lowered.prior()), family.get()),
                action: paths.mean(family.get(), ControlVariate::Own),
            },
        };
        Self {
            paths,
            side,
            family: Mutex::new(family.clone()),
            metric,
            frozen,
        }
    }

    pub fn paths(&self) -> &PathCost {
        &self.paths
    }

    /// The parameters at a point.
    pub fn parameters(&self, x: &[f64]) -> Vec<f64> {
        self.metric.parameters(x)
    }

    /// What to show for an objective of `value`: an action.
    pub fn shown(&self, value: f64) -> f64 {
        match &self.side {
            Side::Ratio { action, .. } => *action,
            Side::Own | Side::Anchor(_) => value,
        }
    }
}

/// The price of leaving the control that drew the fixed paths.
fn distance(x: &[f64]) -> f64 {
    0.5 * NEARNESS * x.iter().map(|x| x * x).sum::<f64>()
}

impl Objective for Round {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        family.get_mut().set_parameters(&self.metric.parameters(x));
        let field = family.get();
        let value = match &self.side {
            Side::Own => self
                .paths
                .mean_and_gradient(field, ControlVariate::Own, gradient),
            Side::Anchor(anchor) => {
                let variate = ControlVariate::Anchored(anchor.get());
                self.paths.mean_and_gradient(field, variate, gradient)
            }
            Side::Ratio { ratio, .. } => ratio.half_variance_and_gradient(field, gradient),
        };
        for i in &self.frozen {
            gradient[*i] = 0.0;
        }
        self.metric.pull_back(gradient);
        if !matches!(self.side, Side::Ratio { .. }) {
            return value;
        }
        for (g, x) in gradient.iter_mut().zip(x) {
            *g += NEARNESS * x;
        }
        value + distance(x)
    }

    fn value(&self, x: &[f64]) -> f64 {
        let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        family.get_mut().set_parameters(&self.metric.parameters(x));
        let field = family.get();
        match &self.side {
            Side::Own => self.paths.mean(field, ControlVariate::Own),
            Side::Anchor(anchor) => self
                .paths
                .mean(field, ControlVariate::Anchored(anchor.get())),
            Side::Ratio { ratio, .. } => ratio.half_variance(field) + distance(x),
        }
    }
}
