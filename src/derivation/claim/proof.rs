//! The decision: is the difference of the two sides zero in normal form?

use crate::derivation::claim::ground::Ground;
use crate::derivation::claim::identity::{Identity, Level, Link, Mode, Opened, Sides};
use crate::derivation::claim::normal::Workbench;
use crate::derivation::claim::rule::Rule;
use crate::derivation::ground::assumption::Assumption;
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

/// Proves a link for any trial fields, or else for those the file gives.
pub fn prove_link(identity: &Identity, link: &Link, ground: &Ground) -> Option<Proof> {
    let modes: &[Mode] = if identity.has_trials() {
        &[Mode::Any, Mode::Given]
    } else {
        &[Mode::Given]
    };
    modes.iter().find_map(|mode| {
        // What an arbitrary field cannot be (a number in an index, say) the given one can.
        let (mut opened, sides) = identity.open_link(link, ground, *mode).ok()?;
        prove(&mut opened, &sides, *mode)
    })
}
