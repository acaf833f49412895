//! The density a sampling problem asks for: its logarithm and the gradient of it, on blocks of points.

use crate::expr::Kernel;
use crate::field::peaks::Peaks;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::problem::meant::law::{Law, Mixture};
use crate::problem::meant::model::Problem;
use crate::solvers::lowered::refusal::Refusal;

/// `log rho` with its gradient.
///
/// # Assumes
/// Where `log rho` is no number (a logarithm or a root outside its domain) the density is zero.
#[derive(Clone, Debug)]
pub enum Target {
    /// An expression of the file: `log rho`, then one derivative per state.
    Expression(Kernel),
    Mixture(Peaks),
}

impl Target {
    /// The target of a problem of kind `sample`.
    ///
    /// # Errors
    /// Another kind, or a law without a density.
    pub fn new(problem: &Problem, method: &'static str) -> Result<Self, Refusal> {
        let refuse = |reason: String| {
            Refusal {
            method,
            reason,
            accepted: "kind `sample` with a target that has a density: gaussian, mixture, curve, samples with a bandwidth, density, log-density".to_owned(),
        }
        };
        let Some(target) = problem.task.target() else {
            return Err(refuse(format!(
                "a problem of kind `{}` has no target density",
                problem.kind()
            )));
        };
        match (target, target.mixture()) {
            (Law::LogDensity(law), _) => {
                let mut graph = problem.graph.clone();
                let mut outputs = vec![law.log_density];
                outputs.extend(graph.gradient(law.log_density, &problem.state));
                Kernel::compile(&graph, &outputs, problem.time, &problem.state)
                    .map(Self::Expression)
                    .map_err(|error| refuse(format!("its gradient does not compile: {error}")))
            }
            (_, Some(mixture)) if has_density(&mixture) => Ok(Self::Mixture(Peaks::of(&mixture))),
            _ => Err(refuse(format!(
                "the target is a {} without a density everywhere",
                target.family()
            ))),
        }
    }

    /// `log rho` per point and its gradient (points × states).
    pub fn eval(&self, x: BatchRef<'_>, log_density: &mut [f64], mut gradient: BatchMut<'_>) {
        match self {
            Self::Mixture(peaks) => log_density.copy_from_slice(&peaks.score(x, gradient)),
            Self::Expression(kernel) => {
                let mut all = Batch::zeros(x.points(), kernel.outputs());
                kernel.eval(0.0, x, all.as_mut());
                log_density.copy_from_slice(all.column(0));
                for j in 0..gradient.columns() {
                    gradient.column_mut(j).copy_from_slice(all.column(j + 1));
                }
            }
        }
        for value in log_density.iter_mut().filter(|value| value.is_nan()) {
            *value = f64::NEG_INFINITY;
        }
    }
}

/// Whether every component spreads in all directions.
pub fn has_density(mixture: &Mixture) -> bool {
    let d = mixture.dimension();
    mixture
        .covariances
        .iter()
        .all(|covariance| covariance.dense(d).cholesky().is_some())
}
