//! Methods for the law of a process without control: its paths, its density, where it comes to rest, how long
//! it takes until an event.
//!
//! ```text
//! dX = f(X,t) dt + G(X,t) dW (Itô),      D = G G',      X at the start from [initial]
//! ```
//!
//! An event with `stop = true` ends a path; densities and stationary laws are those of the process itself.

use crate::derivation::ground::controlled::uncontrolled;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::stated::Stated;
use crate::derivation::kind::dispatch::stated;
use crate::discretization::scheme::{Sde, SdeError};
use crate::expr::{CompileError, Expr, Kernel};
use crate::numeric::estimate::Estimate;
use crate::numeric::interpolation::UniformAxis;
use crate::problem::meant::law::Law;
use crate::problem::meant::model::{Boundary, Problem};
use crate::problem::meant::task::Task;
use crate::solvers::driver::Refusal;
use crate::solvers::lowered::answer::HistoryEntry;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::answer::StationaryDensity;
use crate::solvers::lowered::start_law::is_drawn;

/// Why a problem could not be lowered to numbers.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error("problems of kind `{kind}` are not simulations")]
    NoSimulation { kind: &'static str },
    #[error("the dynamics, an observable or an event could not be compiled: {0}")]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Sde(#[from] SdeError),
    #[error(
        "the start law is a {family}; it must be a point, a gaussian, mixture, samples or uniform"
    )]
    StartNotDrawn { family: &'static str },
}

/// A simulation with numbers in it.
#[derive(Clone, Debug)]
pub struct SimulateProblem {
    pub problem: Problem,
    pub stated: Stated,
    /// The process symbolically, with what follows from it by differentiation.
    pub process: Noising,
    /// Drift, noise and what schemes ask for, compiled.
    pub sde: Sde,
    pub start: Law,
    /// `[observe]`, one output each.
    pub observables: Kernel,
    /// Margins of the events that end a path: negative before, one output each.
    pub margins: Kernel,
    /// For every such event the noise of its margin, `grad m' D grad m`.
    pub margin_spreads: Kernel,
    /// Their names.
    pub stops: Vec<String>,
}

impl SimulateProblem {
    /// Lowers a problem of kind `simulate`.
    ///
    /// # Errors
    /// [`SimulateError`] where the kind is another or the start law has no draws.
    pub fn new(problem: Problem) -> Result<Self, SimulateError> {
        let Task::Simulate(task) = &problem.task else {
            return Err(SimulateError::NoSimulation {
                kind: problem.kind().name(),
            });
        };
        let start = task.initial.clone();
        if !is_drawn(&start) {
            return Err(SimulateError::StartNotDrawn {
                family: start.family(),
            });
        }
        let stops: Vec<_> = task.events.iter().filter(|event| event.stop).collect();
        let stated = stated(&problem);
        let mut process = uncontrolled(&stated);
        let observed: Vec<Expr> = problem.observe.iter().map(|(_, e)| *e).collect();
        let margins: Vec<Expr> = stops.iter().map(|event| event.margin).collect();
        let spreads: Vec<Expr> = margins
            .iter()
            .map(|margin| {
                let slope = process.gradient(*margin);
                let pulled = process.diffuse(&slope);
                process.dot(&slope, &pulled)
            })
            .collect();
        let compile = |e: &[Expr]| Kernel::compile(&process.graph, e, process.time, &process.state);
        Ok(Self {
            sde: Sde::of(&problem)?,
            observables: compile(&observed)?,
            margins: compile(&margins)?,
            margin_spreads: compile(&spreads)?,
            stops: stops.iter().map(|event| event.name.clone()).collect(),
            start,
            stated,
            process,
            problem,
        })
    }

    pub fn dimension(&self) -> usize {
        self.process.dimension()
    }

    /// Start and end of the horizon.
    pub fn horizon(&self) -> (f64, f64) {
        self.problem.dynamics.horizon
    }

    /// Whether neither drift nor noise contains the time.
    pub fn is_autonomous(&self) -> bool {
        let process = &self.process;
        let entries = process
            .drift
            .iter()
            .chain(process.diffusion.iter().flatten());
        !entries
            .into_iter()
            .any(|e| process.graph.depends_on(*e, process.time))
    }

    pub fn boundary(&self, state: usize) -> Boundary {
        self.problem.dynamics.boundary[state]
    }
}

/// A density on nodes, at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub time: f64,
    pub density: Vec<f64>,
}

/// Densities in one state on one grid.
#[derive(Clone, Debug)]
pub struct DensityRecord {
    pub axis: UniformAxis,
    /// Three neighbouring times a step apart, about the middle of the horizon.
    pub middle: [Snapshot; 3],
    /// At the end of the horizon.
    pub end: Snapshot,
}

/// What every method answers.
#[derive(Default)]
pub struct SimulateOutcome {
    /// Numbers the method found, with its own errors.
    pub quantities: Vec<Quantity>,
    pub history: Vec<HistoryEntry>,
    /// Named facts worth a line in the report.
    pub facts: Vec<(&'static str, f64)>,
    /// The stationary density in one state: nodes and values.
    pub stationary: Option<StationaryDensity>,
    /// Densities on the finest grid and the next one.
    pub densities: Vec<DensityRecord>,
    /// Mass, and what was absorbed at the edges, at the end.
    pub mass: Option<(f64, f64)>,
}

impl SimulateOutcome {
    pub(crate) fn push(&mut self, name: impl Into<String>, value: Estimate) {
        self.quantities.push(Quantity {
            name: name.into(),
            value,
        });
    }
}

/// The refusal of a method for problems with another number of states than one.
pub(crate) fn one_state(method: &'static str, problem: &SimulateProblem) -> Result<(), Refusal> {
    match problem.dimension() {
        1 => Ok(()),
        d => Err(Refusal {
            method,
            reason: format!("{d} states"),
            accepted: "one state; or paths: euler-maruyama, heun, milstein".to_owned(),
        }),
    }
}

/// The refusal of a method for coefficients that contain the time.
pub(crate) fn autonomous(method: &'static str, problem: &SimulateProblem) -> Result<(), Refusal> {
    if problem.is_autonomous() {
        return Ok(());
    }
    Err(Refusal {
        method,
        reason: "drift or noise depends on time".to_owned(),
        accepted: "coefficients free of time; or fpk and paths".to_owned(),
    })
}
