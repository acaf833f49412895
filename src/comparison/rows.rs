//! What a comparison holds.

use crate::comparison::control_error::{ActionMeasurement, ControlError};
use crate::comparison::generated::Generation;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::solvers::driver::{StopReason, Work};
use crate::solvers::lowered::answer::Quantity;

/// One line of the comparison table. `None`: no reference, no end cost, or a failed integration.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonRow {
    /// Solver id.
    pub solver: String,
    pub method: &'static str,
    /// Against [`Comparison::reference`]; of the reference itself it is zero.
    pub control_error: Option<ControlError>,
    pub action: Option<ActionMeasurement>,
    /// `−E log q`, q the law the field generates at h = 0 from the prior, at the points of [`Comparison::likelihood_on`].
    pub negative_log_likelihood: Option<Estimate>,
    /// One entry per noise level of `[sample] h`.
    pub generated: Vec<Generation>,
    pub work: Work,
    pub seconds: f64,
    pub stopped: StopReason,
}

/// The comparison of all solutions of a problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What controls are compared with: `exact` or the id of a solver.
    pub reference: Option<String>,
    /// `V = E_prior[−log p_T]`.
    pub value: Option<Estimate>,
    /// `S[0] − V`, the scale of every gap.
    pub uncontrolled: Option<ActionMeasurement>,
    /// What likelihoods are evaluated on: `held-out rows` or `fresh draws`.
    pub likelihood_on: &'static str,
    /// `−E log p` at `t_min` in closed form on the same points.
    pub closed_form_nll: Option<Estimate>,
    /// True draws at `t_min`.
    pub true_samples: Option<Batch>,
    pub rows: Vec<ComparisonRow>,
    /// Named numbers `[reference.NAME]` is compared with.
    pub quantities: Vec<Quantity>,
}

impl ComparisonRow {
    /// The share of the optimal control's energy that this control misses, both under the optimal law:
    ///
    /// ```text
    /// E ∫ |u − u*|² dτ / E ∫ |u*|² dτ
    /// ```
    ///
    /// Half its numerator is the gap S − V to leading order. The gap of no control at all is no scale: where
    /// the uncontrolled process runs away from the data it is as large as one likes. `None` of what was not
    /// compared.
    pub fn energy_missed(&self) -> Option<Estimate> {
        let Estimate { value, error, kind } = self.control_error.as_ref()?.relative;
        Some(Estimate::new(
            value * value,
            2.0 * value.abs() * error,
            kind,
        ))
    }
}
