//! What turns paths into weights, for a control problem and for a sampling problem.

use crate::field::peaks::Peaks;
use crate::numeric::batch::Batch;
use crate::solvers::lowered::target::Target;
use crate::solvers::walk::steered_walk::SteeredPaths;

/// What turns paths into weights.
pub(super) enum Weighing {
    Control {
        temperature: f64,
    },
    Sample {
        prior: Peaks,
        /// `rho`, where the end cost does not contain it.
        target: Option<Target>,
    },
}

impl Weighing {
    pub fn temperature(&self) -> f64 {
        match self {
            Self::Control { temperature } => *temperature,
            Self::Sample { .. } => 1.0,
        }
    }

    /// One log weight a path.
    pub fn log_weights(&self, start: &Batch, paths: &SteeredPaths) -> Vec<f64> {
        let mut out = paths.log_weights(self.temperature());
        if let Self::Sample { prior, target } = self {
            for (w, prior) in out.iter_mut().zip(prior.log_density(start.as_ref())) {
                *w -= prior;
            }
            if let Some(target) = target {
                let (points, d) = (start.points(), start.columns());
                let mut log_density = vec![0.0; points];
                let mut gradient = Batch::zeros(points, d);
                target.eval(paths.end.as_ref(), &mut log_density, gradient.as_mut());
                for (w, log_density) in out.iter_mut().zip(&log_density) {
                    *w += log_density;
                }
            }
        }
        // Outside the domain of the end cost: a path without weight.
        for w in out.iter_mut().filter(|w| w.is_nan()) {
            *w = f64::NEG_INFINITY;
        }
        out
    }
}
