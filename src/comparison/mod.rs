//! Distances between answers, each with its error. No verdicts.

pub mod control_error;
pub mod controlled_paths;
pub mod effort;
pub mod expectation;
pub mod flow_likelihood;
pub mod gaussian_family;
pub mod generated;
pub mod quantities;
pub mod reference_law;
pub mod transport;

use crate::comparison::control_error::{
    ActionMeasurement, Clouds, ControlError, Uncontrolled, control_error, measure_action, value,
};
use crate::comparison::generated::{
    Generation, TrueSamples, generate, likelihood_points, negative_log_likelihood,
};
use crate::comparison::quantities::{Quantity, quantities};
use crate::comparison::reference_law::{ReferenceLaw, reference_answer};
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::solvers::{ControlProblem, Solution, StopReason, Work};

/// One line of the comparison table. `None`: no reference, no end cost, or a failed integration.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonRow {
    /// Solver id.
    pub solver: String,
    pub method: &'static str,
    /// Against [`Comparison::reference`]; of the reference itself it is zero.
    pub control_error: Option<ControlError>,
    pub action: Option<ActionMeasurement>,
    /// `−E log q`, q the law the field generates at h = 0 from the prior, at [`Comparison::likelihood_points`].
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
    pub true_samples: Option<crate::numeric::batch::Batch>,
    pub rows: Vec<ComparisonRow>,
    /// Named numbers `[reference.NAME]` is compared with.
    pub quantities: Vec<Quantity>,
}

/// Measures every solution by code that did not produce it, on noise it has not seen.
pub fn compare(
    problem: &ControlProblem,
    solutions: &[Solution],
    streams: &Streams,
) -> Comparison {
    let streams = streams.scoped("comparison");
    let reference = reference_answer(problem, solutions);
    let law = ReferenceLaw::new(problem, solutions);
    let clouds = law
        .as_ref()
        .map(|law| Clouds::new(problem, law, &streams.scoped("clouds")));
    let truth = law
        .as_ref()
        .map(|law| TrueSamples::new(problem, law, &streams));
    let points = likelihood_points(problem, &streams);
    let rows: Vec<ComparisonRow> = solutions
        .iter()
        .map(|solution| {
            let score = solution.outcome.score.as_ref();
            ComparisonRow {
                solver: solution.id.clone(),
                method: solution.method,
                control_error: reference
                    .as_ref()
                    .zip(clouds.as_ref())
                    .map(|(reference, clouds)| control_error(problem, score, reference, clouds)),
                action: reference
                    .as_ref()
                    .and_then(|reference| measure_action(problem, score, reference, &streams)),
                negative_log_likelihood: points
                    .as_ref()
                    .and_then(|points| negative_log_likelihood(problem, score, points).ok()),
                generated: truth.as_ref().map_or(Vec::new(), |truth| {
                    generate(problem, score, truth, &streams.scoped("generation"))
                }),
                work: solution.work,
                seconds: solution.seconds,
                stopped: solution.stopped,
            }
        })
        .collect();
    let uncontrolled = reference.as_ref().and_then(|reference| {
        let dimension = problem.noising.dimension();
        measure_action(problem, &Uncontrolled { dimension }, reference, &streams)
    });
    let closed_form_nll = points.as_ref().zip(problem.exact.as_ref()).map(|(p, exact)| {
        let law = exact.mixture_at(problem.problem.time_settings.t_min);
        let log = generated::mixture_log_density(&law, p);
        Estimate::from_samples(&log.iter().map(|l| -l).collect::<Vec<_>>())
    });
    let value = reference
        .as_ref()
        .and_then(|r| r.log_density)
        .map(|density| value(problem, density, &streams));
    let quantities = quantities(problem, &rows, value, &streams);
    Comparison {
        reference: reference.map(|r| r.name.to_owned()),
        value,
        uncontrolled,
        likelihood_on: match &problem.problem.data {
            crate::problem::law::Law::Samples(s) if !s.holdout.is_empty() => "held-out rows",
            _ => "fresh draws",
        },
        closed_form_nll,
        true_samples: truth.map(|t| t.data),
        rows,
        quantities,
    }
}
