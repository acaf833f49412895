//! Affine and other terms of coefficients.

use crate::derivation::ground::noising::Noising;
use crate::expr::{Expr, Node};

/// The first drift component that is not affine in the state, with a state that survives two
/// derivatives.
pub(super) fn nonaffine(noising: &mut Noising) -> Option<(usize, Expr)> {
    let state = noising.state.clone();
    for (i, f) in noising.drift.clone().into_iter().enumerate() {
        if noising.graph.affine_coefficients(f, &state).is_none() {
            return Some((i, f));
        }
    }
    None
}

/// What is left of an expression without its terms that are not affine in the state.
pub(super) fn affine_part(noising: &mut Noising, e: Expr) -> Expr {
    let terms = nonaffine_terms(noising, e);
    let rest = noising.of(e - terms);
    noising.graph.expand_quickly(rest)
}

/// The terms of a sum that are not affine in the state.
pub(super) fn nonaffine_terms(noising: &mut Noising, f: Expr) -> Expr {
    let expanded = noising.graph.expand_quickly(f);
    let Node::Sum(_, terms) = noising.graph.node(expanded).clone() else {
        return expanded;
    };
    let state = noising.state.clone();
    let kept: Vec<_> = terms
        .into_iter()
        .filter(|(term, _)| noising.graph.affine_coefficients(*term, &state).is_none())
        .map(|(term, coefficient)| (coefficient, term))
        .collect();
    noising.graph.linear(&kept)
}
