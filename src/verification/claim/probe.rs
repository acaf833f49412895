//! Why a link fails: the usual slips undone one at a time, and the link decided again.

use crate::derivation::claim::ground::Ground;
use crate::derivation::claim::identity::{Identity, Link, Mode, Opened, Sides};
use crate::derivation::claim::proof::prove_link;
use crate::derivation::claim::slip::{Place, Slip, slips};
use crate::verification::claim::measure::measure;
use crate::verification::claim::meter::Effort;
use crate::verification::claim::numbers::Numbers;
use crate::verification::verdict::Verdict;
use std::ops::Range;

/// Paths of a measurement inside a probe.
const PATHS: usize = 1 << 15;
/// Slips that are measured when none is proved.
const MEASURED: usize = 40;
/// Explanations listed.
const LISTED: usize = 3;

/// A slip that would explain a failed link.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub sentence: String,
    pub place: Place,
    /// Bytes of the side it is on.
    pub span: Range<usize>,
    /// Proved with the slip undone, or passed a measurement.
    pub verdict: Verdict,
}

/// The slips that fit, likely ones first.
pub fn probe(
    identity: &Identity,
    link: &Link,
    ground: &Ground,
    numbers: &Numbers,
    effort: Effort,
) -> Vec<Explanation> {
    let all = slips(identity, link);
    let mut found = Vec::new();
    for slip in &all {
        if prove_link(&slip.identity, &slip.link, ground).is_some() {
            add(&mut found, slip, Verdict::Proved);
            if found.len() == LISTED {
                return found;
            }
        }
    }
    if !found.is_empty() {
        return found;
    }
    let effort = Effort {
        paths: PATHS.min(effort.paths),
        ..effort
    };
    for slip in all.iter().take(MEASURED) {
        let Ok((opened, sides)) = slip.identity.open_link(&slip.link, ground, Mode::Given) else {
            continue;
        };
        if passes(&opened, &sides, numbers, slip.identity.at, effort) {
            add(&mut found, slip, Verdict::Pass);
            if found.len() == LISTED {
                break;
            }
        }
    }
    found
}

fn passes(
    opened: &Opened,
    sides: &Sides,
    numbers: &Numbers,
    at: Option<f64>,
    effort: Effort,
) -> bool {
    measure(numbers, opened, sides, at, effort).is_ok_and(|m| m.verdict() == Verdict::Pass)
}

/// One line for each class of slip: the shortest text it can be seen in.
fn add(found: &mut Vec<Explanation>, slip: &Slip, verdict: Verdict) {
    let inside = |range: &Range<usize>| {
        range.start <= slip.span.start && slip.span.end <= range.end
            || slip.span.start <= range.start && range.end <= slip.span.end
    };
    let verb = |sentence: &str| sentence.split('`').next().map(str::to_owned);
    let known = found.iter().any(|known| {
        known.sentence == slip.sentence
            || known.place == slip.place
                && inside(&known.span)
                && verb(&known.sentence) == verb(&slip.sentence)
    });
    if !known {
        found.push(Explanation {
            sentence: slip.sentence.clone(),
            place: slip.place,
            span: slip.span.clone(),
            verdict,
        });
    }
}
