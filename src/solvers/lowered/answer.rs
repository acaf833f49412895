//! What every method answers.

use crate::field::{Differentiable, LogDensity};
use crate::numeric::estimate::Estimate;

/// One line of a convergence history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistoryEntry {
    pub iteration: u64,
    pub objective: f64,
    /// Gradient norm, marginal error or whatever the stop rule measures.
    pub measured: f64,
}

/// Nodes of the quadrature, ascending, and the normalised density there.
#[derive(Clone, Debug, PartialEq)]
pub struct StationaryDensity {
    pub nodes: Vec<f64>,
    pub density: Vec<f64>,
}

/// A recorded grid density, for plots and arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct GridRecord {
    pub axes: Vec<Vec<f64>>,
    pub times: Vec<f64>,
    /// One table per time, first axis slowest.
    pub log_density: Vec<Vec<f64>>,
}

/// What every method answers.
pub struct Outcome {
    /// The score s(x, t); the control is `Gᵀ s`.
    pub score: Box<dyn Differentiable + Send>,
    pub log_density: Option<Box<dyn LogDensity + Send>>,
    /// The method's own estimate of its cost, with its error.
    pub cost: Option<Estimate>,
    /// The method's own estimate of its rms control error (grid halving, sampling), if it has one.
    pub own_error: Option<f64>,
    pub history: Vec<HistoryEntry>,
    pub grid: Option<GridRecord>,
    /// Named facts worth a line in the report (condition number, mass, boundary mass, ...).
    pub facts: Vec<(&'static str, f64)>,
}

/// A number found on the way, under the name that references use.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    pub name: String,
    pub value: Estimate,
}
