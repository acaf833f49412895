//! What every method answers.

use crate::field::{Differentiable, Field, LogDensity};
use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::numeric::interpolation::UniformAxis;
use crate::numeric::random::Streams;
use crate::solvers::lowered::target::Target;
use std::sync::Arc;

/// Name of a lower bound of `log Z`.
pub const LOG_Z_LOWER: &str = "log_z_lower_bound";
/// Name of a method's own estimate of an upper bound of `log Z`: a bound only where the method went wherever the
/// target is.
pub const LOG_Z_UPPER_ESTIMATE: &str = "log_z_upper_estimate";

/// Name of the least cost per time of a horizon without an end.
pub const AVERAGE_COST: &str = "average_cost";

/// One line of a convergence history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistoryEntry {
    pub iteration: u64,
    pub objective: f64,
    /// Gradient norm, marginal error or whatever the stop rule measures.
    pub measured: f64,
}

/// A number found on the way, under the name that references use.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    pub name: String,
    pub value: Estimate,
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

impl DensityRecord {
    /// Takes away what the ends of the axis hold besides a density.
    pub(crate) fn clear_edges(&mut self) {
        for snapshot in self.middle.iter_mut().chain([&mut self.end]) {
            let density = &mut snapshot.density;
            let last = density.len() - 1;
            (density[0], density[last]) = (0.0, 0.0);
        }
    }
}

/// The law of the process, as far as a method found it.
#[derive(Default)]
pub struct LawFound {
    /// The stationary density in one state.
    pub stationary: Option<StationaryDensity>,
    /// Densities on the finest grid and the next one.
    pub densities: Vec<DensityRecord>,
    /// Mass, and what was absorbed at the edges, at the end.
    pub mass: Option<(f64, f64)>,
    /// Log densities of the noising process on a grid.
    pub grid: Option<GridRecord>,
    /// `log p(x, t)` of the noising process.
    pub log_density: Option<Box<dyn LogDensity + Send>>,
}

/// Populations that end in a draw of the target.
pub trait Backwards: Sync {
    /// `log Z_N` of one population per draw of the target, the rows of `exact`.
    fn log_normalisers(&self, target: &Target, exact: Batch, streams: &Streams) -> Vec<f64>;
}

/// What every method answers; which of these it has is the method's.
///
/// Policy and value are functions of the time of the controlled process. Where that runs against the noising
/// ([`Clock::Reversed`](crate::derivation::ground::stated::Clock)), the score is a function of the noising time, and
/// `u = Gᵀ s`.
#[derive(Default)]
pub struct Answer {
    /// `u*(x, t)`, points × controls.
    pub policy: Option<Arc<dyn Field + Send>>,
    /// `V(x, t)`, one column.
    pub value: Option<Arc<dyn Field + Send>>,
    /// `s(x, t)`, points × states.
    pub score: Option<Arc<dyn Differentiable + Send>>,
    /// The score was made of the policy; its derivatives are differences.
    pub is_score_of_policy: bool,
    pub law: LawFound,
    /// The optimal cost averaged over the start law, with the method's own error.
    pub cost: Option<Estimate>,
    /// Error of the control at the start point by component; empty where the method has no estimate of its own.
    pub control_error: Vec<f64>,
    /// The method's own estimate of its rms control error (grid halving, sampling), if it has one.
    pub own_error: Option<f64>,
    /// Other numbers the method found: `log_z`, `effective_sample_size`, ...
    pub quantities: Vec<Quantity>,
    pub history: Vec<HistoryEntry>,
    /// Named facts worth a line in the report (condition number, mass, observed order, ...).
    pub facts: Vec<(&'static str, f64)>,
    /// Draws of the answer's law, of equal weight.
    pub samples: Option<Batch>,
    /// An annealing that can be run backwards from draws of the target.
    pub backwards: Option<Box<dyn Backwards + Send>>,
    /// Logarithms of the weights of the method's own paths or populations, where it has them.
    pub log_weights: Vec<f64>,
}

impl Answer {
    pub(crate) fn push(&mut self, name: impl Into<String>, value: Estimate) {
        self.quantities.push(Quantity {
            name: name.into(),
            value,
        });
    }

    /// The quantity of a name.
    pub fn quantity(&self, name: &str) -> Option<Estimate> {
        let mut quantities = self.quantities.iter();
        quantities.find(|q| q.name == name).map(|q| q.value)
    }

    /// The score of an answer to reverse diffusion.
    ///
    /// # Panics
    /// If the answer has none: [`complete`](super::clock::complete) gives one to every policy.
    pub fn score(&self) -> &(dyn Differentiable + Send) {
        let score = self.score.as_deref();
        score.expect("answers to reverse diffusion are completed")
    }
}
