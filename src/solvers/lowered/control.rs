//! Methods for stochastic control in general, and for sampling, which is lowered to it.
//!
//! ```text
//! dX = ( b(X,t) + B(X,t) u ) dt + G(X,t) dW,      D = G G'
//! S[u] = E[ Phi(X_T) + int e^{-rho (t - t_0)} ( q(X,t) + 1/2 u' R(X,t) u ) dt ]
//! V(x,t) = min over u of the cost from (x,t) on,      u* = -R^-1 B' grad V
//! ```
//!
//! Times are those of the control problem. For kind `sample` that is the reverse time `tau`, shifted so that
//! it runs over the horizon of the file.

use crate::derivation::control::temperature::{NoTemperature, temperature};
use crate::derivation::ground::controlled::{Controlled, Obstacle, take_apart};
use crate::derivation::ground::stated::Stated;
use crate::derivation::kind::dispatch::lowered;
use crate::discretization::steered::SteeredProcess;
use crate::expr::{CompileError, Expr};
use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Stream;
use crate::problem::meant::law::Law;
use crate::problem::meant::model::Problem;
use crate::problem::meant::task::Task;
use crate::solvers::lowered::answer::HistoryEntry;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::start_law::{draw_start, is_drawn};
use crate::solvers::sampling::annealed::backwards::Schedule;

/// Why a problem could not be lowered to numbers.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("problems of kind `{kind}` have no control")]
    NoControl { kind: &'static str },
    #[error("the dynamics or the cost could not be compiled: {0}")]
    Compile(#[from] CompileError),
    #[error(
        "the start law is a {family}; it must be a point, a gaussian, mixture, samples or uniform"
    )]
    StartNotDrawn { family: &'static str },
    #[error("no closed minimiser: {0}")]
    NoMinimiser(#[from] Obstacle),
}

/// A control problem with numbers in it.
#[derive(Clone, Debug)]
pub struct ControlProblem {
    pub problem: Problem,
    /// The control problem as typed, or what a sampling problem is lowered to.
    pub stated: Stated,
    /// `b`, `B`, `q`, `R` symbolically.
    pub parts: Controlled,
    /// The same, compiled.
    pub process: SteeredProcess,
    /// Law of `X` at the start of the horizon.
    pub start: Law,
    /// `lambda` with `G G' = lambda B R^-1 B'`, or why there is none.
    pub temperature: Result<f64, NoTemperature>,
}

impl ControlProblem {
    /// Lowers a problem of kind `control` or `sample`.
    ///
    /// # Errors
    /// [`ControlError`] where the kind has no control, the minimiser no closed form, or the start law no
    /// draws.
    pub fn new(problem: Problem) -> Result<Self, ControlError> {
        let start = match &problem.task {
            Task::Control(task) => task.initial.clone(),
            Task::Sample(task) => task.prior.clone(),
            _ => {
                return Err(ControlError::NoControl {
                    kind: problem.kind().name(),
                });
            }
        };
        if !is_drawn(&start) {
            return Err(ControlError::StartNotDrawn {
                family: start.family(),
            });
        }
        let stated = lowered(&problem);
        let mut parts = take_apart(&stated)?;
        let process = SteeredProcess::new(&parts)?;
        let temperature = temperature(&mut parts).map(|found| {
            parts
                .process
                .graph
                .as_number(found.value)
                .map_or(f64::NAN, |value| value.to_f64())
        });
        Ok(Self {
            problem,
            stated,
            parts,
            process,
            start,
            temperature,
        })
    }

    /// Whether the end cost is in the equations: that of a sampling problem is not where its target is a mixture of many
    /// components, which only methods that ask for the density itself can do.
    pub fn has_end_cost(&self) -> bool {
        let known = match &self.problem.task {
            Task::Sample(task) => matches!(task.target, Law::LogDensity(_)),
            _ => true,
        };
        known || !self.parts.process.graph.is_zero(self.parts.terminal)
    }

    /// Whether dynamics and running costs are the same at all times.
    pub fn is_autonomous(&self) -> bool {
        let (parts, process) = (&self.parts, &self.parts.process);
        let matrices = [&process.diffusion, &parts.channel, &parts.effort];
        let mut entries = matrices.into_iter().flatten().flatten();
        let moving = |e: &Expr| process.graph.depends_on(*e, process.time);
        !entries.any(moving) && !process.drift.iter().any(moving) && !moving(&parts.running)
    }

    /// Draws `first..first + points` of the start law.
    pub fn draw_start(&self, stream: &Stream, first: u64, points: usize) -> Batch {
        draw_start(&self.start, stream, first, points)
    }

    /// The start point, where the start law is one.
    pub fn start_point(&self) -> Option<&[f64]> {
        match &self.start {
            Law::Delta(point) => Some(point),
            _ => None,
        }
    }
}

/// Name of a lower bound of `log Z`.
pub const LOG_Z_LOWER: &str = "log_z_lower_bound";
/// Name of a method's own estimate of an upper bound of `log Z`: a bound only where the method went wherever the
/// target is.
pub const LOG_Z_UPPER_ESTIMATE: &str = "log_z_upper_estimate";

/// What every method answers.
#[derive(Default)]
pub struct ControlOutcome {
    /// `u*(x, t)`, points × controls.
    pub policy: Option<Box<dyn Field + Send>>,
    /// `V(x, t)`, one column.
    pub value: Option<Box<dyn Field + Send>>,
    /// The optimal cost averaged over the start law, with the method's own error.
    pub cost: Option<Estimate>,
    /// Other numbers the method found: `log_z`, `effective_sample_size`, ...
    pub quantities: Vec<Quantity>,
    pub history: Vec<HistoryEntry>,
    /// Named facts worth a line in the report (observed order, grid, condition number, ...).
    pub facts: Vec<(&'static str, f64)>,
    /// Draws of the answer's law, of equal weight.
    pub samples: Option<Batch>,
    /// An annealing that can be run backwards from draws of the target.
    pub schedule: Option<Schedule>,
    /// Logarithms of the weights of the method's own paths or populations, where it has them.
    pub log_weights: Vec<f64>,
}
