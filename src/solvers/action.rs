//! Minimises the discretized action functional over a family of scores.
//!
//! ```text
//! S[u] = E[ ∫ (½|u|² + ∇·f) dτ − log p_{t_min}(Y) ],   u = Gᵀ s_θ,   Y_0 ~ prior
//! S[u] − V = ½ E ∫ |u − u*|² dτ  ≥ 0
//! ```
//!
//! The mean over fixed noise is a deterministic smooth function of θ; its gradient is the exact discrete
//! adjoint. The control variate is re-anchored at the current parameters a few times, so that the
//! noise of the sample average disappears at the optimum instead of being fitted.
//!
//! # Source
//! Sample-average approximation of the control functional; the vanishing gradient noise is the path
//! form of Roeder, Wu, Duvenaud (2017), here with a fixed anchor so that line searches stay valid.
//!
//! # Checked by
//! `action-gap`, `action-gradient`, `stationarity`

use crate::discretization::time_grid::TimeGrid;
use crate::field::family::Family;
use crate::field::peaks::Peaks;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::model::{FieldSpec, MethodSpec, Optimizer};
use crate::solvers::optimizer::{Descent, DescentSettings, Objective};
use crate::solvers::path_cost::{ControlVariate, PathCost};
use crate::solvers::{
    ControlProblem, HistoryEntry, Method, Outcome, Progress, Refusal, SolveError, StopReason, Work,
};
use std::sync::{Arc, Mutex, PoisonError};

/// The method's options.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    pub field: FieldSpec,
    pub optimizer: Optimizer,
    pub paths: usize,
    pub steps: usize,
    pub tolerance: f64,
    pub max_iterations: usize,
}

/// Most parameters the simplex method is admitted for.
const SIMPLEX_PARAMETERS: usize = 60;
/// Rounds of minimisation: the first with the moving control variate, the others anchored.
const ROUNDS: usize = 4;
/// A round that follows another needs no more than this share of the iterations.
const ROUND_SHARE: usize = 4;
/// Largest number of fresh paths for the final cost estimate.
const FRESH_PATHS: usize = 4096;

/// What admission proved.
pub struct Admitted {
    family: Family,
}

impl Action {
    /// From the problem file's options; `None` for another method's.
    pub fn new(spec: &MethodSpec) -> Option<Self> {
        match spec {
            MethodSpec::Action {
                field,
                optimizer,
                paths,
                steps,
                tolerance,
                max_iterations,
            } => Some(Self {
                field: field.clone(),
                optimizer: *optimizer,
                paths: *paths,
                steps: *steps,
                tolerance: *tolerance,
                max_iterations: *max_iterations,
            }),
            _ => None,
        }
    }
}

/// The objective of one round.
struct Round {
    paths: Arc<PathCost>,
    family: Mutex<Family>,
    anchor: Option<Family>,
}

impl Round {
    fn variate(&self) -> ControlVariate<'_> {
        match &self.anchor {
            Some(anchor) => ControlVariate::Anchored(anchor.get()),
            None => ControlVariate::Own,
        }
    }
}

impl Objective for Round {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        family.get_mut().set_parameters(x);
        self.paths
            .mean_and_gradient(family.get(), self.variate(), gradient)
    }

    fn value(&self, x: &[f64]) -> f64 {
        let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        family.get_mut().set_parameters(x);
        self.paths.mean(family.get(), self.variate())
    }
}

/// A minimisation in progress.
pub struct State {
    paths: Arc<PathCost>,
    family: Family,
    descent: Descent,
    round: usize,
    iterations: usize,
    history: Vec<HistoryEntry>,
    streams: Streams,
}
