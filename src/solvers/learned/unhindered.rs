//! Refuses what a smooth expansion around paths does not know: bounds, stops and edges.

use crate::problem::meant::model::Boundary;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::refusal::Refusal;

/// Whether neither control nor paths meet a limit.
///
/// # Errors
/// [`Refusal`] where one does.
pub fn unhindered(lowered: &Lowered, method: &'static str, accepted: &str) -> Result<(), Refusal> {
    let dynamics = &lowered.problem.dynamics;
    let acts = |boundary: &Boundary| *boundary != Boundary::Natural;
    let reason = if let Some(why) = lowered.obstructed_control() {
        why
    } else if lowered.problem.task.events().iter().any(|event| event.stop) {
        "an event ends a path"
    } else if dynamics.domain.is_some() && dynamics.boundary.iter().any(acts) {
        "an edge acts on the paths"
    } else {
        return Ok(());
    };
    Err(Refusal::new(method, reason, accepted))
}
