//! The decision: is the difference of the two sides zero in normal form?

use crate::derivation::claim::ground::Ground;
use crate::derivation::claim::identity::{Identity, Level, Link, Mode, Opened, Sides};
use crate::derivation::claim::normal::Workbench;
use crate::derivation::claim::rule::Rule;
use crate::derivation::ground::assumption::Assumption;
use crate::expr::Expr;
use std::collections::BTreeSet;

/// Why two sides are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub rules: Vec<Rule>,
    pub assumptions: Vec<Assumption>,
    /// Whether it holds for every trial field, or for the one the file gives.
    pub mode: Mode,
}

/// Proves `left = right`; `None` where the rules do not suffice, true or not.
pub fn prove(opened: &mut Opened, sides: &Sides, mode: Mode) -> Option<Proof> {
    let mut bench = Workbench {
        ground: &mut opened.ground,
        forms: &mut opened.forms,
        rules: BTreeSet::new(),
    };
    for (left, right) in sides.left.iter().zip(&sides.right) {
        let difference = bench.graph().of(*left - *right);
        let holds = bench.graph().is_zero(difference)
            || match (sides.level, &opened.law) {
                (Level::Field, _) => bench.vanishes(difference),
                (Level::Number, _) => bench.number_vanishes(difference),
                (Level::Path, Some(law)) => bench.vanishes_on_paths(law, difference),
                (Level::Path, None) => false,
            };
        if !holds {
            return None;
        }
    }
    let mut rules: Vec<Rule> = bench.rules.into_iter().collect();
    if rules.is_empty() {
        rules.push(Rule::Algebra);
    }
    let assumptions: BTreeSet<Assumption> = rules
        .iter()
        .flat_map(|rule| rule.assumes().iter().copied())
        .collect();
    Some(Proof {
        rules,
        assumptions: assumptions.into_iter().collect(),
        mode,
    })
}

/// Whether the process and everything under an expectation or along a path is differentiable in the state.
fn is_smooth(opened: &Opened, sides: &Sides) -> bool {
    let (ground, noising) = (&opened.ground, &opened.ground.noising);
    let stated = sides.left.iter().chain(&sides.right);
    let stated = stated.flat_map(|e| opened.forms.integrands(&noising.graph, *e));
    stated
        .chain(noising.coefficients())
        .all(|e| noising.graph.is_smooth(e, &noising.state, &ground.positive))
}

/// The sides of every component whose difference says something without any unknown function: such a
/// difference vanishes or does not, whatever the law.
pub fn free_of_laws(opened: &mut Opened, sides: &Sides) -> Vec<Option<(Expr, Expr)>> {
    let mut bench = Workbench {
        ground: &mut opened.ground,
        forms: &mut opened.forms,
        rules: BTreeSet::new(),
    };
    let pairs = sides.left.iter().zip(&sides.right);
    let free = |bench: &mut Workbench<'_>, l: Expr, r: Expr| {
        let known = |bench: &Workbench<'_>, e: Expr| {
            bench.ground.noising.graph.unknowns(&[e]).is_empty() && bench.atoms(e).is_empty()
        };
        if known(bench, l) && known(bench, r) {
            return Some((l, r));
        }
        let difference = bench.graph().of(l - r);
        let rateless = bench.without_rates(difference);
        let normal = bench.graph().expand(rateless);
        let zero = bench.graph().zero();
        known(bench, normal).then_some((normal, zero))
    };
    pairs.map(|(l, r)| free(&mut bench, *l, *r)).collect()
}

/// The sides with time derivatives of the log density written by its equation; `None` where that needs more
/// smoothness than there is.
pub fn without_rates(opened: &mut Opened, sides: &Sides) -> Option<Sides> {
    if !is_smooth(opened, sides) {
        return None;
    }
    let mut bench = Workbench {
        ground: &mut opened.ground,
        forms: &mut opened.forms,
        rules: BTreeSet::new(),
    };
    let mut each = |side: &[Expr]| side.iter().map(|e| bench.without_rates(*e)).collect();
    Some(Sides {
        left: each(&sides.left),
        right: each(&sides.right),
        ..sides.clone()
    })
}

/// Proves a link for any trial fields, or else for those the file gives.
pub fn prove_link(identity: &Identity, link: &Link, ground: &Ground) -> Option<Proof> {
    let modes: &[Mode] = if identity.has_trials() {
        &[Mode::Any, Mode::Given]
    } else {
        &[Mode::Given]
    };
    let proof = modes.iter().find_map(|mode| {
        // What an arbitrary field cannot be (a number in an index, say) the given one can.
        let (mut opened, sides) = identity.open_link(link, ground, *mode).ok()?;
        prove(&mut opened, &sides, *mode)
    })?;
    // An arbitrary field is smooth; the given one may not be.
    if proof.rules.iter().any(|rule| rule.needs_smoothness()) {
        let (opened, sides) = identity.open_link(link, ground, Mode::Given).ok()?;
        return is_smooth(&opened, &sides).then_some(proof);
    }
    Some(proof)
}
