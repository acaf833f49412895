//! What a file says about grids of states.

use crate::problem::meant::named::Named;

/// How derivatives are taken on a grid of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// First order, keeps signs.
    Monotone,
    /// Second order.
    Central,
    Spectral,
}

impl Named for Scheme {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("monotone", Self::Monotone),
        ("central", Self::Central),
        ("spectral", Self::Spectral),
    ];
}

/// `[grid]`: defaults of the methods that use a grid of states.
#[derive(Clone, Debug, PartialEq)]
pub struct GridSettings {
    /// Points per state.
    pub points: Option<Vec<usize>>,
    /// Ratio of the widest cell to the narrowest; 1 is uniform.
    pub stretch: f64,
    pub scheme: Option<Scheme>,
    /// Grids of a refinement study.
    pub levels: Option<usize>,
}
