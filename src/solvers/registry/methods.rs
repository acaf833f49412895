//! The methods of this version, and the words that a problem file may use for them.

use crate::field::family::FAMILIES;
use crate::problem::format::card::Card;
use crate::problem::format::vocabulary::Vocabulary;
use crate::problem::meant::setup::Setup;
use crate::solvers::bridge;
use crate::solvers::closed::{exact, moments, passage, riccati, stationary};
use crate::solvers::grid::{density, fokker_planck, hjb, hopf_cole, long_horizon, separable};
use crate::solvers::learned::{action, ddp, path_integral, polynomial, score_matching};
use crate::solvers::registry::reserved::RESERVED;
use crate::solvers::sampling::{annealed, chains};
use crate::solvers::walk::paths;

/// Every method with code, in the order in which they are listed.
pub static METHODS: &[&Card] = &[
    &exact::CARD,
    &action::CARD,
    &score_matching::CARD,
    &hopf_cole::CARD,
    &fokker_planck::CARD,
    &bridge::CARD,
    &path_integral::CARD,
    &hjb::CARD,
    &riccati::CARD,
    &separable::CARD,
    &long_horizon::CARD,
    &polynomial::CARD,
    &ddp::CARD,
    &annealed::CARD,
    &chains::LANGEVIN,
    &chains::MALA,
    &chains::HMC,
    &paths::EULER_MARUYAMA,
    &paths::HEUN,
    &paths::MILSTEIN,
    &paths::EXPONENTIAL_EULER,
    &density::CARD,
    &stationary::CARD,
    &passage::CARD,
    &moments::CARD,
];

/// The words for methods and fields; checks stand above this floor.
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        methods: METHODS.iter().chain(RESERVED).copied().collect(),
        families: FAMILIES.to_vec(),
        automatic,
        ..Vocabulary::empty()
    }
}

/// The methods of a reverse problem whose file leaves the choice open. What another kind admits is found by the
/// derivation.
fn automatic(setup: &Setup<'_>) -> Option<Vec<&'static str>> {
    let grids = setup.dimension <= 2;
    setup.kind.is_reverse().then(|| {
        match (setup.components.is_some(), setup.affine) {
            (true, true) if grids => {
                vec!["exact", "action", "score-matching", "hopf-cole", "bridge"]
            }
            (true, true) => vec!["exact", "action", "score-matching"],
            // Without a closed form the grid methods check one another.
            _ if grids => vec!["hopf-cole", "fokker-planck"],
            _ => vec!["action", "score-matching"],
        }
    })
}
