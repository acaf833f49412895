//! What a comparison holds.

use crate::comparison::generated::Generation;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::solvers::driver::{Solution, StopReason, Work};
use crate::solvers::lowered::answer::Quantity;

/// Distance of a control from the reference, under the reference's law.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlError {
    /// Of scores `sqrt( ∫ E|u − u_ref|² dt / ∫ dt )` [1/√time], of policies `sqrt( E ∫ |u − u_ref|² dt )`.
    pub absolute: Estimate,
    /// `sqrt( ∫ E|u − u_ref|² dt / ∫ E|u_ref|² dt )`
    pub relative: Estimate,
    /// Of scores `½ ∫ E|u − u_ref|² dt`: the path divergence from the noising law, without `KL(p_T ‖ prior)`.
    pub path_divergence: Option<Estimate>,
    /// Of scores `sqrt E|u − u_ref|²` at each time.
    pub profile: Vec<(f64, Estimate)>,
}

/// How a control does when it is simulated on fresh noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Performance {
    /// S: the expected cost. Of scores extrapolated from two step sizes at the weak order 2, of policies at the step of
    /// `[time]`.
    pub cost: Estimate,
    /// Change of the cost with the step: of scores by the extrapolation, of policies when the step is doubled. A bound on
    /// the step bias that remains.
    pub step_bias: f64,
    /// Cost above the reference's, S − V, on common start points and noise.
    pub gap: Option<Estimate>,
    /// The same by the gap identity, `½ E ∫ (u − u_ref)'R(u − u_ref) dt` under the control's own law.
    pub gap_integral: Option<Estimate>,
    /// Of policies, with a temperature.
    pub weights: Option<PathWeights>,
}

impl Performance {
    /// S, with what the step may still change in its error.
    pub fn action(&self) -> Estimate {
        let error = self.cost.error.hypot(self.step_bias);
        Estimate::new(self.cost.value, error, self.cost.kind)
    }
}

/// Weights that turn paths under a policy into paths under the optimal one.
#[derive(Clone, Debug, PartialEq)]
pub struct PathWeights {
    /// `1 / sum w²` of the normalised weights, as a share of the paths.
    pub effective_sample_size: f64,
    /// Standard deviation of the logarithm.
    pub log_spread: f64,
    /// `-lambda log mean w`: the optimal cost by importance sampling under this policy.
    pub value: Estimate,
    /// `log w` of the first paths.
    pub logs: Vec<f64>,
}

/// One line of the comparison table. `None`: the answer has no such part, there is nothing to measure it against, or an
/// integration failed.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonRow {
    /// Solver id.
    pub solver: String,
    pub method: &'static str,
    /// The method's own value, averaged over the start law.
    pub value: Option<Estimate>,
    /// Against [`Comparison::reference`]; of a reference with a score it is zero, of one with a policy it is not measured.
    pub control_error: Option<ControlError>,
    pub performance: Option<Performance>,
    /// `−E log q`, q the law the field generates at h = 0 from the prior, at the points of [`Comparison::likelihood_on`].
    pub negative_log_likelihood: Option<Estimate>,
    /// One entry per noise level of `[sample] h`.
    pub generated: Vec<Generation>,
    /// Upper bound of `log Z` by draws of the target.
    pub log_z_upper: Option<Estimate>,
    pub work: Work,
    pub seconds: f64,
    pub stopped: StopReason,
}

/// The comparison of all solutions of a problem.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// What controls are compared with: `exact`, or the solver that knows itself best.
    pub reference: Option<String>,
    /// `V` averaged over the start law, by the reference.
    pub value: Option<Estimate>,
    /// Cost of no control at all.
    pub uncontrolled: Option<Estimate>,
    /// What likelihoods are evaluated on, if on anything: `held-out rows` or `fresh draws`.
    pub likelihood_on: Option<&'static str>,
    /// `−E log p` at `t_min` in closed form on the same points.
    pub closed_form_nll: Option<Estimate>,
    /// True draws at `t_min`.
    pub true_samples: Option<Batch>,
    pub rows: Vec<ComparisonRow>,
    /// Named numbers `[reference.NAME]` is compared with.
    pub quantities: Vec<Quantity>,
    /// Whether the time was up before everything was measured.
    pub is_partial: bool,
}

impl Comparison {
    /// The line of a solver.
    pub fn row(&self, solver: &str) -> Option<&ComparisonRow> {
        self.rows.iter().find(|row| row.solver == solver)
    }

    /// A number by its name.
    pub fn named(&self, name: &str) -> Option<Estimate> {
        let mut known = self.quantities.iter();
        known.find(|known| known.name == name).map(|q| q.value)
    }

    /// Names a number, unless the name is taken.
    pub(super) fn name(&mut self, name: impl Into<String>, value: Estimate) {
        let name = name.into();
        if self.named(&name).is_none() {
            self.quantities.push(Quantity { name, value });
        }
    }
}

impl ComparisonRow {
    /// What a solution says of itself; nothing is measured yet.
    pub(super) fn of(solution: &Solution) -> Self {
        Self {
            solver: solution.id.clone(),
            method: solution.method,
            value: solution.answer.cost,
            control_error: None,
            performance: None,
            negative_log_likelihood: None,
            generated: Vec::new(),
            log_z_upper: None,
            work: solution.work,
            seconds: solution.seconds,
            stopped: solution.stopped,
        }
    }

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
