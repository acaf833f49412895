//! The usual slips of a derivation, looked for after a failure.

use crate::verification::identity::{Measured, ProbeLine, Settings};
use crate::verification::subject::{Claims, Subject};

/// A slip of a derivation: what it is called and the change of constants that would undo it.
pub struct Slip {
    pub name: &'static str,
    pub correct: fn(&mut Claims),
}

/// The usual slips, tried one at a time after a failure.
pub const SLIPS: [Slip; 13] = [
    Slip {
        name: "the score is half of what it should be",
        correct: |c| c.score *= 2.0,
    },
    Slip {
        name: "the score is twice what it should be",
        correct: |c| c.score *= 0.5,
    },
    Slip {
        name: "the score has the wrong sign",
        correct: |c| c.score = -c.score,
    },
    Slip {
        name: "the price of control misses its factor 1/2",
        correct: |c| c.effort *= 0.5,
    },
    Slip {
        name: "the price of control has one factor 1/2 too many",
        correct: |c| c.effort *= 2.0,
    },
    Slip {
        name: "the divergence of the drift is missing from the running cost",
        correct: |c| c.divergence += 1.0,
    },
    Slip {
        name: "the divergence of the drift has the wrong sign",
        correct: |c| c.divergence = -c.divergence,
    },
    Slip {
        name: "the divergence of the drift misses a factor 2",
        correct: |c| c.divergence *= 2.0,
    },
    Slip {
        name: "the diffusion term misses its factor 1/2",
        correct: |c| c.diffusion *= 0.5,
    },
    Slip {
        name: "the diffusion term has one factor 1/2 too many",
        correct: |c| c.diffusion *= 2.0,
    },
    Slip {
        name: "the divergence of the score is missing",
        correct: |c| c.score_divergence += 1.0,
    },
    Slip {
        name: "the divergence of the score has the wrong sign",
        correct: |c| c.score_divergence = -c.score_divergence,
    },
    Slip {
        name: "the divergence of the score is half of what it should be",
        correct: |c| c.score_divergence *= 2.0,
    },
];

/// Re-evaluates a failed identity with each slip undone. Never changes a result.
pub(super) fn probe(
    residual: fn(&Subject<'_>, &Settings<'_>) -> Measured,
    subject: &Subject<'_>,
    settings: &Settings<'_>,
) -> Vec<ProbeLine> {
    let corrected = SLIPS.iter().filter_map(|slip| {
        let mut corrected = *subject;
        (slip.correct)(&mut corrected.claims);
        if corrected.claims == subject.claims {
            return None;
        }
        let residual = residual(&corrected, settings).ok()?.residual;
        Some(ProbeLine {
            slip: slip.name,
            measured: residual.measured,
            verdict: residual.verdict(settings.spec.confidence),
        })
    });
    corrected.collect()
}
