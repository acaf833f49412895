//! What each check claims, and for which kinds.

use crate::problem::format::card::CheckCard;
use crate::problem::format::page::Page;
use crate::problem::meant::kind::{
    BRIDGE, CONTROL, CONTROL_AND_SAMPLE, CONTROLLED, Kind, PATH, PINNED, REVERSE, SAMPLE, SIMULATE,
    SOLVED,
};

const fn check(name: &'static str, kinds: &'static [Kind]) -> CheckCard {
    CheckCard {
        page: Page::of(name, include_str!("checks.md")),
        kinds,
        later: &[],
        tables_only: false,
    }
}

impl CheckCard {
    /// Kinds for which files may name it and nothing runs it yet.
    const fn later(self, later: &'static [Kind]) -> Self {
        Self { later, ..self }
    }

    /// It only makes sense for a table of points.
    const fn of_table(self) -> Self {
        Self {
            tables_only: true,
            ..self
        }
    }
}

/// Every check of the format.
pub static CHECKS: &[CheckCard] = &[
    check("derivatives", SOLVED).later(PINNED),
    check("hjb-residual", CONTROLLED),
    check("hopf-cole", CONTROLLED),
    check("verification", REVERSE),
    check("gap", REVERSE),
    check("pathwise", REVERSE),
    check("explicit-implicit", REVERSE),
    check("explicit-denoising", REVERSE),
    check("stationarity", REVERSE),
    check("path-kl", REVERSE),
    check("h-invariance", REVERSE),
    check("likelihood", REVERSE),
    check("entropy-balance", REVERSE),
    check("score-identity", REVERSE),
    check("grid-order", SOLVED),
    check("memorisation", REVERSE).of_table(),
    check("holdout-nll", REVERSE).of_table(),
    check("riccati-residual", CONTROL),
    check("policy-cost", CONTROL_AND_SAMPLE),
    check("feynman-kac", CONTROL_AND_SAMPLE),
    check("duality-gap", &[]).later(CONTROL),
    check("zero-variance", CONTROL_AND_SAMPLE),
    check("girsanov", CONTROL_AND_SAMPLE),
    check("ess", CONTROL_AND_SAMPLE),
    check("log-z", SAMPLE),
    check("evidence-bracket", SAMPLE),
    check("exact-draws", SAMPLE),
    check("quantiles", SAMPLE),
    check("marginals", &[]).later(BRIDGE),
    check("schroedinger-system", &[]).later(BRIDGE),
    check("static-dynamic", &[]).later(BRIDGE),
    check("forward-backward", &[]).later(BRIDGE),
    check("euler-lagrange", &[]).later(PATH),
    check("hamiltonian", &[]).later(PATH),
    check("action-quadrature", &[]).later(PATH),
    check("quasipotential", &[]).later(PATH),
    check("time-reversal", &[]).later(PATH),
    check("mass", SIMULATE),
    check("fpk-residual", SIMULATE),
    check("stationary-flux", SIMULATE),
    check("conversion", SIMULATE),
    check("strong-order", SIMULATE),
    check("weak-order", &[]).later(SIMULATE),
    check("first-passage", SIMULATE),
];
