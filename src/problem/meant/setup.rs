//! What the choice of methods and the defaults of their options depend on.

use crate::problem::meant::grid::GridSettings;
use crate::problem::meant::task::{Kind, Path};

/// What is known of a problem when its methods are read.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    pub kind: Kind,
    pub dimension: usize,
    /// Gaussian components of the data, if they are a mixture.
    pub components: Option<usize>,
    /// Affine drift and noise free of the state.
    pub affine: bool,
    /// Noise free of the state.
    pub additive: bool,
    pub grid: &'a GridSettings,
    /// Whether the horizon has no end.
    pub endless: bool,
    /// Steps of `[time]`.
    pub steps: usize,
    /// Paths of `[run]`.
    pub paths: usize,
    /// Kind `path` only.
    pub path: Option<&'a Path>,
}

impl Setup<'_> {
    /// The same number for every state: `one`, `two` or `more` by how many states there are.
    pub fn per_state(&self, one: usize, two: usize, more: usize) -> Vec<usize> {
        let points = match self.dimension {
            1 => one,
            2 => two,
            _ => more,
        };
        vec![points; self.dimension]
    }

    /// Points of a grid of all states, fewer per state the more there are.
    pub fn lattice(&self) -> Vec<usize> {
        if self.endless {
            // One line for each state, without steps in time.
            return vec![1601; self.dimension];
        }
        self.per_state(801, 201, 61)
    }
}
