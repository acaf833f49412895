//! The closed form: mixtures, curves and tables of points under affine drift, in any dimension.
//!
//! The noised law is a mixture at every time, so the score is a weighted mean of linear functions,
//! `s = Σ r_k a_k` with responsibilities by log-sum-exp ([`NoisedMixture`]).

use crate::field::LogDensity;
use crate::field::draws::draw_mixture;
use crate::field::noised_mixture::NoisedMixture;
use crate::numeric::blocks::{BLOCK, map_blocks};
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::problem::law::Covariance;
use crate::solvers::{
    ControlProblem, Method, Outcome, Progress, Refusal, SolveError, StopReason, Work,
};

/// Draws of the start law behind the value `V = E_π[−log p_T]`.
const VALUE_DRAWS: usize = 4096;

/// # Source
/// theory of Gaussian mixtures under linear noising; Song et al. (2021), appendix B, for the kernels.
///
/// # Checked by
/// `hjb-residual`, `likelihood`, `score-identity`, `entropy-balance`
pub struct Exact;

impl Method for Exact {
    type Admitted = NoisedMixture;
    type State = NoisedMixture;

    fn admit(&self, problem: &ControlProblem) -> Result<NoisedMixture, Refusal> {
        let refuse = |reason: String, accepted: &str| Refusal {
            method: "exact",
            reason,
            accepted: accepted.to_owned(),
        };
        if problem.noising.transition().is_none() {
            return Err(refuse(
                "the drift is not affine in the state, so the marginals have no closed form"
                    .to_owned(),
                "an affine drift",
            ));
        }
        let Some(law) = &problem.exact else {
            return Err(refuse(
                format!(
                    "the data law is a {}, not a mixture of Gaussians or of points",
                    problem.problem.data.family()
                ),
                "family gaussian, mixture, samples or curve",
            ));
        };
        let t_min = problem.problem.time_settings.t_min;
        let points = law
            .mixture()
            .covariances
            .iter()
            .any(|c| matches!(c, Covariance::Isotropic(v) if *v == 0.0));
        if points && t_min <= problem.noising.start() {
            return Err(refuse(
                format!(
                    "the data law has point masses and the reverse process runs to t_min = {t_min}, where it has no density"
                ),
                "t_min > 0 or bandwidth > 0",
            ));
        }
        Ok(law.clone())
    }

    fn start(
        &self,
        _: &ControlProblem,
        admitted: NoisedMixture,
        _: &Streams,
    ) -> Result<NoisedMixture, SolveError> {
        Ok(admitted)
    }

    fn advance(
        &self,
        _: &ControlProblem,
        _: &mut NoisedMixture,
        _: &mut Work,
    ) -> Result<(), SolveError> {
        Ok(())
    }

    fn progress(&self, _: &NoisedMixture) -> Progress {
        Progress::Stopped(StopReason::Direct)
    }

    fn finish(
        &self,
        problem: &ControlProblem,
        state: NoisedMixture,
    ) -> Result<Outcome, SolveError> {
        let streams = Streams::new(problem.problem.run.seed).scoped("exact value");
        let start = draw_mixture(&problem.prior, &streams.role("start"), 0, VALUE_DRAWS);
        let values: Vec<f64> = map_blocks(VALUE_DRAWS, BLOCK, |range| {
            let mut log = vec![0.0; range.len()];
            state.log_density(problem.noising.end(), start.as_ref().rows(range), &mut log);
            log.into_iter().map(|l| -l).collect::<Vec<f64>>()
        })
        .concat();
        let components = state.mixture().components() as f64;
        Ok(Outcome {
            score: Box::new(state.clone()),
            log_density: Some(Box::new(state)),
            cost: Some(Estimate::from_samples(&values)),
            own_error: Some(0.0),
            history: Vec::new(),
            grid: None,
            facts: vec![("components", components)],
        })
    }
}
