//! What the choice of methods and the defaults of their options depend on.

use crate::problem::meant::model::{FieldSpec, GridSettings};
use crate::problem::meant::task::{Kind, Path};

/// What the choice of methods and their default sizes depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    pub dimension: usize,
    /// Gaussian components of the data, if they are a mixture.
    pub components: Option<usize>,
    /// Affine drift and state-free noise.
    pub affine: bool,
}

/// What the options of a method and their defaults depend on.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub kind: Kind,
    pub structure: Structure,
    pub grid: &'a GridSettings,
    /// Steps of `[time]`.
    pub steps: usize,
    /// Paths of `[run]`.
    pub paths: usize,
    /// Kind `path` only.
    pub path: Option<&'a Path>,
}

impl Context<'_> {
    /// Points of a grid of all states, fewer per state the more there are.
    pub(crate) fn lattice(self) -> Vec<usize> {
        let points = match self.structure.dimension {
            1 => 801,
            2 => 201,
            _ => 61,
        };
        vec![points; self.structure.dimension]
    }
}

impl Structure {
    /// The solvers meant by `auto`.
    pub(crate) fn automatic(self) -> Vec<&'static str> {
        let grids = self.dimension <= 2;
        match (self.components.is_some(), self.affine) {
            (true, true) if grids => {
                vec!["exact", "action", "score-matching", "hopf-cole", "bridge"]
            }
            (true, true) => vec!["exact", "action", "score-matching"],
            // Without a closed form the grid methods check one another.
            _ if grids => vec!["hopf-cole", "fokker-planck"],
            _ => vec!["action", "score-matching"],
        }
    }

    pub(crate) fn points(self) -> Vec<usize> {
        let points = match self.dimension {
            1 => 801,
            2 => 256,
            _ => 57,
        };
        vec![points; self.dimension]
    }

    /// The mixture family has twice the bumps of the data, between 6 and 12: with just as many, two may
    /// settle on one mode and leave another without. A single Gaussian needs no spare. Where a free covariance per
    /// component is too much, an affine field shows what second moments alone can do.
    pub(crate) fn action_field(self) -> FieldSpec {
        match self.components {
            Some(components) if self.affine && self.dimension <= 8 => FieldSpec::Mixture {
                components: spare(components),
            },
            _ if self.dimension <= 2 => FieldSpec::Chebyshev {
                degree: 8,
                nodes: 16,
            },
            _ => FieldSpec::Affine { nodes: 24 },
        }
    }

    pub(crate) fn score_field(self) -> FieldSpec {
        if self.dimension <= 8 {
            FieldSpec::Rbf {
                centers: 200,
                nodes: 24,
            }
        } else {
            FieldSpec::Affine { nodes: 24 }
        }
    }
}

/// More components than this are the rows of a table.
const TABLE: usize = 24;

/// Bumps for a mixture field on data of `components` components.
pub(crate) fn spare(components: usize) -> usize {
    if components == 1 {
        1
    } else if components > TABLE {
        // A table has a component a row; a few bumps carry its shape.
        5
    } else {
        (2 * components).clamp(6, 12)
    }
}
