//! How likely data are under the law a score generates at h = 0.

use crate::comparison::effort::Effort;
use crate::comparison::expectation::clouds;
use crate::comparison::flow_likelihood::{FlowError, carry};
use crate::comparison::generated::mixture_log_density;
use crate::comparison::reference_law::ReferenceLaw;
use crate::field::draws::draw_mixture;
use crate::field::{Differentiable, LogDensity};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::meant::law::Law;
use crate::solvers::lowered::problem::Lowered;

/// Points of a likelihood estimate, at most.
const POINTS: usize = 256;
/// Evaluations one flow costs per point, for sizing only.
const FLOW_EVALUATIONS: usize = 500;
/// Local error of the flow.
const FLOW_TOLERANCE: f64 = 1e-6;
/// Component evaluations of the closed form, where it is averaged over draws, and the most draws: their memory does not
/// shrink with the components.
const OPERATIONS: usize = 500_000_000;
const DRAWS: usize = 1 << 20;

/// Points whose likelihood is asked, and what the optimum says of them.
pub struct Likelihood {
    points: Batch,
    /// Draws that stand for the data law, not rows of a table.
    fresh: bool,
    closed: Option<ClosedForm>,
}

/// `−log p_{t_min}` in closed form: at the points, and its mean over the data law. It goes through most
/// of what a good score says, so only the difference is left to few points.
struct ClosedForm {
    values: Vec<f64>,
    mean: Estimate,
}

impl Likelihood {
    /// Held-out rows if the file keeps some aside, else fresh draws of the data law; `None` when neither
    /// exists.
    pub fn new(
        lowered: &Lowered,
        law: Option<&ReferenceLaw<'_>>,
        streams: &Streams,
    ) -> Option<Self> {
        let budget = Effort::new(lowered).evaluations / FLOW_EVALUATIONS;
        let count = budget.clamp(16, POINTS);
        let held_out = match &lowered.data() {
            Law::Samples(samples) => &samples.holdout[..samples.holdout.len().min(count)],
            _ => &[],
        };
        let fresh = held_out.is_empty();
        let points = if fresh {
            let mixture = lowered.data().mixture()?;
            let stream = streams.role("likelihood-points");
            draw_mixture(&mixture, &stream, 0, count)
        } else {
            Batch::from_rows(lowered.noising().dimension(), held_out)
        };
        let closed = lowered
            .facts
            .marginals
            .as_ref()
            .zip(law)
            .map(|(exact, law)| {
                let t_min = lowered.problem.time_settings.t_min;
                let minus = |x: BatchRef<'_>| {
                    let mut out = vec![0.0; x.points()];
                    exact.log_density(t_min, x, &mut out);
                    out.iter_mut().for_each(|l| *l = -*l);
                    out
                };
                let values = minus(points.as_ref());
                let mean = if fresh {
                    let mixture = exact.mixture();
                    let cost = mixture.components() * mixture.dimension();
                    let start = lowered.noising().start();
                    let streams = streams.scoped("cross-entropy");
                    let draws = DRAWS.min(OPERATIONS / cost);
                    let cloud = &clouds(lowered, law, &[start], 1, Some(draws), &streams)[0];
                    cloud.mean(&cloud.map(minus))
                } else {
                    Estimate::from_samples(&values)
                };
                ClosedForm { values, mean }
            })
            .filter(|closed| closed.values.iter().all(|v| v.is_finite()));
        Some(Self {
            points,
            fresh,
            closed,
        })
    }

    /// What the points are.
    pub fn on(&self) -> &'static str {
        if self.fresh {
            "fresh draws"
        } else {
            "held-out rows"
        }
    }

    /// `−E log p_{t_min}` in closed form, the floor of every score.
    pub fn closed_form(&self) -> Option<Estimate> {
        self.closed.as_ref().map(|closed| closed.mean)
    }

    /// `−E log q` of the law generated at h = 0 from the prior.
    pub fn of(&self, lowered: &Lowered, score: &dyn Differentiable) -> Result<Estimate, FlowError> {
        let t_min = lowered.problem.time_settings.t_min;
        let carried = carry(
            lowered.noising(),
            score,
            self.points.as_ref(),
            t_min,
            lowered.noising().end(),
            FLOW_TOLERANCE,
        )?;
        let mut values: Vec<f64> = mixture_log_density(lowered.prior(), &carried.points)
            .iter()
            .zip(&carried.divergence)
            .map(|(end, divergence)| -(end + divergence))
            .collect();
        let plain = Estimate::from_samples(&values);
        let Some(closed) = &self.closed else {
            return Ok(plain);
        };
        for (value, closed) in values.iter_mut().zip(&closed.values) {
            *value -= closed;
        }
        let excess = Estimate::from_samples(&values);
        let steady = Estimate::new(
            closed.mean.value + excess.value,
            closed.mean.error.hypot(excess.error),
            ErrorKind::StandardError,
        );
        let better = self.fresh && steady.error < plain.error;
        Ok(if better { steady } else { plain })
    }
}
