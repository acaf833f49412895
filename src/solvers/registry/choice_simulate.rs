//! Which methods a simulation gets when its file leaves the choice to the structure.
//!
//! | structure | methods |
//! |---|---|
//! | one state | `stationary` and `first-passage` where they apply, `fpk` |
//! | linear drift, noise free of the state | `moments` |
//! | any | paths: `exponential-euler` for noise free of the state, `milstein` for commutative noise, else `euler-maruyama` |

use crate::discretization::scheme::NoiseStructure;
use crate::solvers::closed::moments::Moments;
use crate::solvers::closed::passage::FirstPassage;
use crate::solvers::closed::stationary::Stationary;
use crate::solvers::driver::Method;
use crate::solvers::grid::density::Density;
use crate::solvers::lowered::problem::Lowered;

/// Points and steps with which admission is asked; it does not depend on them.
const ANY: usize = 64;

/// Names of methods, most trusted first.
pub fn automatic(lowered: &Lowered) -> Vec<&'static str> {
    let mut names = Vec::new();
    let points = ANY;
    if (Stationary { points }).admit(lowered).is_ok() {
        names.push("stationary");
    }
    if (FirstPassage { points }).admit(lowered).is_ok() {
        names.push("first-passage");
    }
    let relative_tolerance = 1e-6;
    if (Moments { relative_tolerance }).admit(lowered).is_ok() {
        names.push("moments");
    }
    if (Density { points, steps: ANY }).admit(lowered).is_ok() {
        names.push("fpk");
    }
    names.push(match lowered.free().sde.structure() {
        NoiseStructure::Additive => "exponential-euler",
        NoiseStructure::Commutative => "milstein",
        NoiseStructure::General { .. } => "euler-maruyama",
    });
    names
}
