//! Losses that are minimised by gradients: the cost on replayed noise, and the spread of the log ratio.

use crate::field::feedback::Feedback;
use crate::numeric::blocks::pairwise_sum;
use crate::solvers::learned::optimizer::Objective;
use crate::solvers::learned::steered::metric::Metric;
use crate::solvers::learned::steered::ratio::Ratio;
use crate::solvers::learned::steered::replay::{Anchor, Replay};

/// What is minimised.
pub enum Loss {
    Cost {
        replay: Box<Replay>,
        anchor: Option<Anchor>,
    },
    /// With `offset` the last coordinate is the unknown constant.
    Ratio { ratio: Ratio, offset: bool },
}

/// A loss in natural coordinates.
pub struct Natural {
    pub loss: Loss,
    pub field: Feedback,
    pub metric: Metric,
}

impl Natural {
    /// Coordinates of the field as it is; a constant starts at the best one for it.
    pub fn start(&self) -> Vec<f64> {
        let mut z = self.metric.coordinates(self.field.parameters());
        if let Loss::Ratio {
            ratio,
            offset: true,
        } = &self.loss
        {
            let (_, slope) = ratio.square(&self.field, Some(0.0), None);
            z.push(-0.5 * slope);
        }
        z
    }

    /// Parameters of the field at a point.
    pub fn parameters(&self, z: &[f64]) -> Vec<f64> {
        self.metric.parameters(&z[..self.field.parameters().len()])
    }

    fn at(&self, z: &[f64]) -> Feedback {
        let mut field = self.field.clone();
        field.set_parameters(&self.parameters(z));
        field
    }

    /// The unknown constant, where there is one.
    fn constant(&self, z: &[f64]) -> Option<f64> {
        z.get(self.field.parameters().len()).copied()
    }
}

impl Objective for Natural {
    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let field = self.at(z);
        let mut raw = vec![0.0; field.parameters().len()];
        let (value, last) = match &self.loss {
            Loss::Cost { replay, anchor } => {
                let value = replay.mean_and_gradient(&field, anchor.as_ref(), &mut raw);
                (value, 0.0)
            }
            Loss::Ratio { ratio, .. } => ratio.square(&field, self.constant(z), Some(&mut raw)),
        };
        let natural = self.metric.pull_back(&raw);
        gradient[..natural.len()].copy_from_slice(&natural);
        if let Some(constant) = gradient.get_mut(natural.len()) {
            *constant = last;
        }
        value
    }

    fn value(&self, z: &[f64]) -> f64 {
        let field = self.at(z);
        match &self.loss {
            Loss::Cost { replay, anchor } => {
                let costs = replay.costs(&field, anchor.as_ref());
                pairwise_sum(&costs) / costs.len() as f64
            }
            Loss::Ratio { ratio, .. } => ratio.square(&field, self.constant(z), None).0,
        }
    }
}
