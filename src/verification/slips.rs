//! The usual slips of a derivation, looked for after a failure.

use crate::verification::identity::{Measured, ProbeLine, Settings};
use crate::verification::subject::{Claims, Subject};

/// What a slip is called, and the change of constants that would undo it.
type Slip = (&'static str, fn(&mut Claims));

/// The usual slips, tried one at a time after a failure.
const SLIPS: [Slip; 13] = [
    ("the score is half of what it should be", |c| c.score *= 2.0),
    ("the score is twice what it should be", |c| c.score *= 0.5),
    ("the score has the wrong sign", |c| c.score = -c.score),
    ("the price of control misses its factor 1/2", |c| {
        c.effort *= 0.5
    }),
    ("the price of control has one factor 1/2 too many", |c| {
        c.effort *= 2.0
    }),
    (
        "the divergence of the drift is missing from the running cost",
        |c| c.divergence += 1.0,
    ),
    ("the divergence of the drift has the wrong sign", |c| {
        c.divergence = -c.divergence
    }),
    ("the divergence of the drift misses a factor 2", |c| {
        c.divergence *= 2.0
    }),
    ("the diffusion term misses its factor 1/2", |c| {
        c.diffusion *= 0.5
    }),
    ("the diffusion term has one factor 1/2 too many", |c| {
        c.diffusion *= 2.0
    }),
    ("the divergence of the score is missing", |c| {
        c.score_divergence += 1.0
    }),
    ("the divergence of the score has the wrong sign", |c| {
        c.score_divergence = -c.score_divergence
    }),
    (
        "the divergence of the score is half of what it should be",
        |c| c.score_divergence *= 2.0,
    ),
];

/// Re-evaluates a failed identity with each slip undone. Never changes a result.
pub(super) fn probe(
    residual: fn(&Subject<'_>, &Settings<'_>) -> Measured,
    subject: &Subject<'_>,
    settings: &Settings<'_>,
) -> Vec<ProbeLine> {
    let corrected = SLIPS.iter().filter_map(|(slip, correct)| {
        let mut corrected = *subject;
        correct(&mut corrected.claims);
        if corrected.claims == subject.claims {
            return None;
        }
        let residual = residual(&corrected, settings).ok()?.residual;
        Some(ProbeLine {
            slip,
            measured: residual.measured,
            verdict: residual.verdict(settings.spec.confidence),
        })
    });
    corrected.collect()
}
