//! A running cost with terms linear in the control, as a square around the cheapest control.
//!
//! ```text
//! l_0 + N.u + 1/2 u'R u = q + 1/2 v'R v,      u = u_0 + v,      u_0 = -R^-1 N,      q = l_0 + 1/2 N.u_0
//! ```
//!
//! `N` may depend on state and time, so cross terms `x'N u` are linear terms. Values stay what they are: only the control is
//! counted from another place.
//!
//! # Assumptions
//! `R > 0`.
//!
//! # Source
//! Anderson & Moore, *Optimal Control: Linear Quadratic Methods* (1990), section 3.4.
//!
//! # Executed by
//! [`crate::derivation::ground::controlled::execute`]: the parts make up what was typed, for every control.

use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::Evidence;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::expr::Expr;

const SOURCE: &str = "Anderson & Moore (1990), section 3.4";

/// The step, given what the parts were executed with and the user's control.
pub fn step(shown: &mut ControlledDiffusion, typed: &[Expr], evidence: Evidence) -> Step {
    let mut lines = Vec::new();
    let cheapest = shown.cheapest.clone();
    for ((u, rest), v) in typed.iter().zip(cheapest).zip(shown.control.clone()) {
        let graph = &mut shown.process.graph;
        let written = |e: Expr| Formula::new(graph.text(e), graph.latex(e));
        let (u, v) = (written(*u), written(v));
        let rest = notation::expression(graph, rest);
        lines.push(Formula::of(
            "{} = {} + {}",
            &[&u, &notation::grouped(&rest), &v],
        ));
    }
    let least = shown.running;
    lines.push(notation::scalar(&mut shown.process, "q", least));
    let name = "square around the cheapest control";
    let executes = "drift and running cost put together again, for every control";
    Step::new(name, "complete-the-square", SOURCE)
        .executed(executes, evidence)
        .lines(lines)
}
