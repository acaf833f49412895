//! Whether the numbers of a run contradict each other.

use crate::comparison::agreement::farthest_apart;
use crate::problem::meant::kind::Kind;
use crate::verification::bench::Bench;
use crate::verification::identity::{Check, Finding, Identity, Measure, Settings, card};
use crate::verification::verdict::Residual;

/// Values of several methods, and values beside measured costs.
pub static AGREEMENT: Check = Check {
    card: card("agreement", &[Kind::Control, Kind::Sample, Kind::Simulate]),
    identities: &[Identity {
        equation: "V_a = V_b <= J[u]",
        source: "definition of the least cost",
        measure: Measure::Problem {
            on: "all",
            needs: "each number stands alone",
            residual: agreement,
        },
    }],
};

fn agreement(bench: &Bench<'_>, settings: &Settings<'_>) -> Option<Finding> {
    let confidence = settings.spec.confidence;
    let pair = farthest_apart(bench.lowered, bench.solutions, bench.comparison, confidence)?;
    let limit = settings.tolerance(pair.limit);
    let residual = Residual::deterministic(pair.excess.max(0.0), 0.0, limit);
    let note = format!("{}; the limit is {confidence} errors of both", pair.words);
    Some(Finding::new(residual, note))
}
