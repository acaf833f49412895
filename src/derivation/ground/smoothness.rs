//! Whether the coefficients of a diffusion are smooth enough for what is derived with their derivatives.
//!
//! `div f` of a drift that jumps, and `div div D` of noise with a corner, have a part on the jump or corner that no formula for
//! the places beside it holds. Steps that assume smooth coefficients are then no proofs, and a process cannot be turned
//! around by them.

use crate::expr::{Expr, Graph};

/// A coefficient that is not smooth enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Rough {
    /// `dynamics.drift[0]`, `dynamics.diffusion[0][1]`.
    pub place: String,
    /// The part that jumps, or has a corner.
    pub part: Expr,
}

/// The first drift that may jump with the state, or noise that has a corner in it.
pub fn rough(
    graph: &Graph,
    state: &[Expr],
    drift: &[Expr],
    diffusion: &[Vec<Expr>],
) -> Option<Rough> {
    let moving = |parts: Vec<Expr>| {
        let mut parts = parts.into_iter();
        parts.find(|part| graph.depends_on_any(*part, state))
    };
    let jumps = drift.iter().enumerate().map(|(i, f)| {
        let place = format!("dynamics.drift[{i}]");
        (place, graph.jumps(*f))
    });
    let corners = diffusion.iter().enumerate().flat_map(|(i, row)| {
        let entries = row.iter().enumerate();
        entries.map(move |(k, g)| {
            let place = format!("dynamics.diffusion[{i}][{k}]");
            (place, graph.kinks(*g))
        })
    });
    let mut all = jumps.chain(corners);
    all.find_map(|(place, parts)| moving(parts).map(|part| Rough { place, part }))
}
