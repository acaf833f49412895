//! The observed order of grid methods.

use crate::problem::meant::model::CheckSpec;
use crate::solvers::grid::grid_order::{
    COARSER_ORDER_FACT, EXPECTED_ORDER_FACT, GRID_ORDER_FACT, unsettled,
};
use crate::verification::identity::{CheckResult, skipped};
use crate::verification::verdict::{Residual, Verdict};

/// Order of the grid methods and its tolerance.
const GRID_ORDER: f64 = 2.0;
const GRID_ORDER_TOLERANCE: f64 = 0.15;

/// The observed order of every grid method that solved at several levels; what has not settled in it counts as
/// its error (see [`crate::solvers::grid::grid_order`]).
pub(super) fn grid_order<'a>(
    spec: &CheckSpec,
    answers: impl Iterator<Item = (&'a str, &'a [(&'static str, f64)])>,
) -> Vec<CheckResult> {
    let mut results = Vec::new();
    for (id, facts) in answers {
        let fact = |name: &str| facts.iter().find(|fact| fact.0 == name).map(|fact| fact.1);
        let listed = spec.on.is_empty() || spec.on.iter().any(|on| on == id);
        let (Some(order), Some(coarser), true) =
            (fact(GRID_ORDER_FACT), fact(COARSER_ORDER_FACT), listed)
        else {
            continue;
        };
        let own = fact(EXPECTED_ORDER_FACT).unwrap_or(GRID_ORDER);
        let target = spec.order.unwrap_or(own);
        let change = unsettled(order, coarser, target);
        let tolerance = spec.tolerance.unwrap_or(GRID_ORDER_TOLERANCE);
        let mut residual = Residual::deterministic(order, change, tolerance);
        residual.target = target;
        let verdict = residual.verdict(spec.confidence);
        let reason = match verdict {
            Verdict::Inconclusive => format!(
                "the observed order is {coarser:.2} on the coarser levels and {order:.2} on the finer: too coarse to tell its limit"
            ),
            _ => format!("observed order over grid levels, {coarser:.2} on the coarser"),
        };
        results.push(CheckResult {
            residual: Some(residual),
            verdict,
            reason,
            equation: "error ~ step^order",
            source: "consistency of the discretization",
            ..skipped(spec, id, "")
        });
    }
    results
}
