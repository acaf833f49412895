//! Which methods a problem gets when its file leaves the choice to the structure.
//!
//! | structure | methods |
//! |---|---|
//! | a density to sample from | `annealed`, `path-integral` |
//! | linear–quadratic | `riccati`; with a temperature and up to two states also `hopf-cole` |
//! | a temperature, groups of up to two states | `separable` |
//! | a temperature, up to three states | `hopf-cole` |
//! | a temperature, more states | `path-integral` |
//! | none of these, groups of up to three states | `hjb` |
//! | none of these, larger groups | refused: code E320 |
//! | no control, one state | `stationary` and `first-passage` where they apply, `fpk` |
//! | no control, linear drift, noise free of the state | `moments` |
//! | no control | paths: `exponential-euler` for noise free of the state, `milstein` for commutative noise, else `euler-maruyama` |
//!
//! Without an end of the horizon: `riccati`; `hopf-cole` for the average cost of one state; `hjb`.
//!
//! `path-integral` without a policy to use fits one in rounds: plain paths collapse onto few in many states.
//!
//! A grid of three states takes seconds and hundreds of megabytes: nobody gets one beside a closed form, or several.
//!
//! Edges that turn or end paths leave no quadratic form, and states that end paths together are one group.

use crate::derivation::control::{product_form, riccati};
use crate::discretization::scheme::NoiseStructure;
use crate::solvers::closed::moments::Moments;
use crate::solvers::closed::moments::at_rest::AtRest;
use crate::solvers::closed::passage::FirstPassage;
use crate::solvers::closed::stationary::Stationary;
use crate::solvers::driver::Method;
use crate::solvers::grid::density::Density;
use crate::solvers::grid::hjb;
use crate::solvers::grid::hopf_cole::MOST_STATES;
use crate::solvers::lowered::edges;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::refusal::Refusal;

/// Most states of a grid that is cheap.
const CHEAP: usize = 2;
/// Points and steps with which admission is asked; it does not depend on them.
const ANY: usize = 64;

/// Names of methods, most trusted first.
///
/// # Errors
/// Where no method applies: what is missing, and the nearest problem that would be solved.
pub fn automatic(lowered: &Lowered) -> Result<Vec<&'static str>, Refusal> {
    if lowered.process.control.is_empty() {
        return match lowered.problem.is_endless() {
            true => at_rest(lowered),
            false => Ok(uncontrolled(lowered)),
        };
    }
    if lowered.problem.task.target().is_some() {
        return Ok(vec!["annealed", "path-integral"]);
    }
    let mut parts = lowered.process.clone();
    let d = parts.dimension();
    let linear = lowered.facts.temperature.is_ok();
    let bounded = lowered.obstructed_control().is_some();
    let endless = lowered.problem.is_endless();
    if !bounded && !edges::act(lowered) && riccati::linear_quadratic(&mut parts).is_ok() {
        let mut names = vec!["riccati"];
        let cheap = if endless { 1 } else { CHEAP };
        if linear && d <= cheap {
            names.push("hopf-cole");
        }
        return Ok(names);
    }
    if endless {
        return Ok(match linear && !bounded && d == 1 {
            true => vec!["hopf-cole", "hjb"],
            false => vec!["hjb"],
        });
    }
    let (groups, couplings) = product_form::groups_of(&mut parts);
    let together = edges::end_paths(lowered);
    let small = groups.iter().all(|group| group.len() <= CHEAP);
    if linear && !bounded && groups.len() > 1 && small && !together {
        return Ok(vec!["separable"]);
    }
    let largest = groups.iter().map(Vec::len).max();
    let largest = largest.filter(|_| !together).unwrap_or(d);
    match (linear && !bounded, largest <= hjb::MOST_STATES) {
        (true, _) if d <= MOST_STATES => Ok(vec!["hopf-cole"]),
        (true, _) => Ok(vec!["path-integral"]),
        (false, true) => Ok(vec!["hjb"]),
        (false, false) => Err(refusal(lowered, largest, &couplings)),
    }
}

/// Methods for a process without a control that goes on for ever: each knows the law it comes to.
fn at_rest(lowered: &Lowered) -> Result<Vec<&'static str>, Refusal> {
    let (points, relative_tolerance) = (ANY, 1e-6);
    let stationary = (Stationary { points }).admit(lowered);
    let moments = AtRest(Moments { relative_tolerance }).admit(lowered);
    let names = [
        stationary.is_ok().then_some("stationary"),
        moments.is_ok().then_some("moments"),
    ];
    let names: Vec<_> = names.into_iter().flatten().collect();
    match (names.is_empty(), stationary, moments) {
        (true, Err(refusal), _) if lowered.dimension() == 1 => Err(refusal),
        (true, _, Err(refusal)) => Err(refusal),
        _ => Ok(names),
    }
}

/// Methods for a process without a control.
fn uncontrolled(lowered: &Lowered) -> Vec<&'static str> {
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

fn refusal(lowered: &Lowered, largest: usize, couplings: &[product_form::Coupling]) -> Refusal {
    let mut reason = format!(
        "{largest} coupled states are too many for hjb ({}), and no structure helps",
        hjb::MOST_STATES
    );
    let mut accepted = Vec::new();
    if let Err(missing) = &lowered.facts.temperature {
        reason.push_str(&format!("; no linear equation: {}", missing.because));
        if let Some(nearest) = &missing.nearest {
            accepted.push(format!("a temperature ({nearest}) for path-integral"));
        }
    }
    if let Some(coupling) = couplings.iter().min_by_key(|c| c.size) {
        reason.push_str(&format!(
            "; not separable: {} in {}",
            coupling.term, coupling.place
        ));
    }
    if lowered.obstructed_control().is_none() && !edges::act(lowered) {
        accepted.push("a polynomial of the coupled states: solvers = [\"polynomial\"]".to_owned());
    }
    accepted.push("the zero-noise answer: solvers = [\"ddp\"]".to_owned());
    Refusal {
        method: "auto",
        reason,
        accepted: accepted.join("; or "),
    }
}
