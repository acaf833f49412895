//! One round of a minimisation: an objective in the coordinates of its metric.

use crate::numeric::blocks::pairwise_sum;
use crate::solvers::learned::metric::Metric;
use crate::solvers::learned::optimizer::Objective;
use crate::solvers::learned::path_cost::{ControlVariate, PathCost};
use crate::solvers::learned::path_ratio::PathRatio;
use crate::solvers::learned::unknown::Unknown;
use std::sync::{Mutex, PoisonError};

/// How a round sees the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Mean cost on fixed noise.
    Plain,
    /// Mean cost on fixed noise with the control variate of the control itself.
    FixedNoise,
    /// Mean cost on fixed noise with the control variate of the control where the round starts: its
    /// gradient has no noise at the optimum.
    Anchored,
    /// The weights of components alone, by the log ratio on paths drawn where the round starts.
    Weights,
    /// The variance of the log ratio on such paths.
    LogVariance,
    /// Its mean square with an unknown constant, the last coordinate.
    Moment,
}

/// Rounds for scores with weights. Along a path the cost hardly depends on them: it is the choice of the
/// path they change, so the rounds along paths hold them, and the ratio of path laws settles them.
pub const WEIGHTED_ROUNDS: [View; 5] = [
    View::FixedNoise,
    View::Weights,
    View::Anchored,
    View::Weights,
    View::Anchored,
];
/// Rounds for other scores.
pub const SCORE_ROUNDS: [View; 3] = [View::FixedNoise, View::Anchored, View::Anchored];
/// Rounds for policies; without a temperature there is no control variate.
pub const ROUNDS: [View; 4] = [View::Plain, View::Anchored, View::Anchored, View::Anchored];
pub const PLAIN_ROUNDS: [View; 4] = [View::Plain; 4];
pub const LOG_VARIANCE_ROUNDS: [View; 4] = [View::LogVariance; 4];
pub const MOMENT_ROUNDS: [View; 4] = [View::Moment; 4];

/// Fixed paths say little about laws far from the one that drew them: this much of their Fisher metric
/// is added to the objective of the weights.
const NEARNESS: f64 = 0.1;

/// The objective of one round.
pub struct Round {
    paths: PathCost,
    loss: Loss,
    unknown: Mutex<Unknown>,
    metric: Metric,
    frozen: Vec<usize>,
    coefficients: usize,
}

enum Loss {
    Plain,
    Own,
    Anchored(Box<Unknown>),
    /// With `offset` the last coordinate is the unknown constant.
    Spread {
        ratio: PathRatio,
        offset: bool,
    },
    /// Half the spread, and the action of the control that drew the paths.
    Weights {
        ratio: PathRatio,
        action: f64,
    },
}

impl View {
    /// Parameters that stay where they are.
    pub fn frozen(self, unknown: &Unknown) -> Vec<usize> {
        let weights = unknown.weights();
        if self != Self::Weights {
            return weights;
        }
        let all = 0..unknown.get().parameters().len();
        all.filter(|i| !weights.contains(i)).collect()
    }
}

impl Round {
    /// `start` is what the starts of the paths add to their log ratio; the metric is that of the unknown as it is, which is
    /// prepared for the times of the paths.
    pub fn new(
        paths: PathCost,
        start: &[f64],
        unknown: &Unknown,
        metric: Metric,
        view: View,
    ) -> Self {
        let ratio = || PathRatio::new(&paths, start, unknown.get());
        let loss = match view {
            View::Plain => Loss::Plain,
            View::FixedNoise => Loss::Own,
            View::Anchored => Loss::Anchored(Box::new(unknown.clone())),
            View::Weights => Loss::Weights {
                ratio: ratio(),
                action: paths.mean(unknown.get(), ControlVariate::Own),
            },
            View::LogVariance | View::Moment => Loss::Spread {
                ratio: ratio(),
                offset: view == View::Moment,
            },
        };
        Self {
            loss,
            metric,
            frozen: view.frozen(unknown),
            coefficients: unknown.get().parameters().len(),
            unknown: Mutex::new(unknown.clone()),
            paths,
        }
    }

    pub fn paths(&self) -> &PathCost {
        &self.paths
    }

    /// Coordinates of the unknown as it is; a constant starts at the best one for it.
    pub fn start(&self) -> Vec<f64> {
        let mut start = vec![0.0; self.coefficients];
        if let Loss::Spread {
            ratio,
            offset: true,
        } = &self.loss
        {
            let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
            let ratios = ratio.log_ratios(unknown.get());
            start.push(-pairwise_sum(&ratios) / ratios.len() as f64);
        }
        start
    }

    /// The parameters at a point.
    pub fn parameters(&self, x: &[f64]) -> Vec<f64> {
        self.metric.parameters(&x[..self.coefficients])
    }

    /// What to show for an objective of `value`: an action, where there is one.
    pub fn shown(&self, value: f64) -> f64 {
        match &self.loss {
            Loss::Weights { action, .. } => *action,
            _ => value,
        }
    }

    fn evaluate(&self, x: &[f64], mut gradient: Option<&mut [f64]>) -> f64 {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.set_parameters(&self.parameters(x));
        let (field, p) = (unknown.get(), self.coefficients);
        let raw = gradient.as_deref_mut().map(|gradient| &mut gradient[..p]);
        let mean = |variate, raw: Option<&mut [f64]>| match raw {
            Some(raw) => self.paths.mean_and_gradient(field, variate, raw),
            None => self.paths.mean(field, variate),
        };
        let (mut value, slope) = match &self.loss {
            Loss::Plain => (mean(ControlVariate::Absent, raw), 0.0),
            Loss::Own => (mean(ControlVariate::Own, raw), 0.0),
            Loss::Anchored(anchor) => (mean(ControlVariate::Anchored(anchor.get()), raw), 0.0),
            Loss::Spread { ratio, .. } => ratio.square(field, x.get(p).copied(), raw),
            Loss::Weights { ratio, .. } => ratio.square(field, None, raw),
        };
        // Half the spread, and the price of leaving the control that drew the fixed paths.
        let weighs = matches!(self.loss, Loss::Weights { .. });
        if weighs {
            value = 0.5 * value + 0.5 * NEARNESS * x.iter().map(|x| x * x).sum::<f64>();
        }
        let Some(gradient) = gradient else {
            return value;
        };
        let (raw, constant) = gradient.split_at_mut(p);
        for i in &self.frozen {
            raw[*i] = 0.0;
        }
        self.metric.pull_back(raw);
        if weighs {
            for (g, x) in raw.iter_mut().zip(x) {
                *g = 0.5 * *g + NEARNESS * x;
            }
        }
        constant.fill(slope);
        value
    }
}

impl Objective for Round {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        self.evaluate(x, Some(gradient))
    }

    fn value(&self, x: &[f64]) -> f64 {
        self.evaluate(x, None)
    }
}
