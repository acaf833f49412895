//! The verdict on every link of an identity.

use crate::derivation::claim::ground::Ground;
use crate::derivation::claim::identity::{Identity, Link, Misread, Mode};
use crate::derivation::claim::proof::{Proof, prove_link};
use crate::verification::claim::measure::measure;
use crate::verification::claim::measurement::Measurement;
use crate::verification::claim::meter::Effort;
use crate::verification::claim::numbers::{Numbers, Unmeasured};
use crate::verification::claim::probe::{Explanation, probe};
use crate::verification::verdict::Verdict;

/// Paths for the measurement of what is proved.
const PATHS_AFTER_PROOF: usize = 4096;
/// Standard errors beyond which a measurement contradicts a proof: far enough for heavy tails.
const CONTRADICTION: f64 = 8.0;

/// What a verdict rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub proof: Option<Proof>,
    pub measurement: Result<Measurement, Unmeasured>,
    /// The proof and the measurement exclude each other: a mistake in this program, and no verdict.
    pub contradiction: bool,
}

/// One link, decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    pub left: String,
    pub right: String,
    pub verdict: Verdict,
    pub evidence: Evidence,
    /// Slips that would explain a failure, likely ones first.
    pub slips: Vec<Explanation>,
}

/// Decides every link.
///
/// # Errors
/// Mistakes in the text.
pub fn decide(
    identity: &Identity,
    ground: &Ground,
    numbers: &Numbers,
    effort: Effort,
) -> Result<Vec<Decided>, Vec<Misread>> {
    let mut decided: Vec<Decided> = identity
        .links
        .iter()
        .map(|link| decide_link(identity, link, ground, numbers, effort))
        .collect::<Result<_, _>>()?;
    for i in 1..decided.len() {
        let (before, after) = decided.split_at_mut(i);
        agree(&mut before[i - 1].slips, &mut after[0].slips);
    }
    Ok(decided)
}

/// Neighbouring links of a chain share a step: a slip that explains both failures comes first in both.
fn agree(before: &mut [Explanation], after: &mut [Explanation]) {
    let shared = before.iter().find_map(|slip| {
        let same = |other: &Explanation| other.sentence == slip.sentence;
        after.iter().any(same).then(|| slip.sentence.clone())
    });
    if let Some(sentence) = shared {
        before.sort_by_key(|slip| slip.sentence != sentence);
        after.sort_by_key(|slip| slip.sentence != sentence);
    }
}

fn decide_link(
    identity: &Identity,
    link: &Link,
    ground: &Ground,
    numbers: &Numbers,
    effort: Effort,
) -> Result<Decided, Vec<Misread>> {
    let (opened, sides) = identity.open_link(link, ground, Mode::Given)?;
    let proof = prove_link(identity, link, ground);
    let spent = match proof {
        Some(_) => Effort {
            paths: PATHS_AFTER_PROOF.min(effort.paths),
            ..effort
        },
        None => effort,
    };
    let measurement = measure(numbers, &opened, &sides, identity.at, spent);
    let (verdict, contradiction) = match (&proof, &measurement) {
        (Some(_), Ok(found)) if found.verdict_at(CONTRADICTION) == Verdict::Fail => {
            (Verdict::Inconclusive, true)
        }
        // What has no value is equal to nothing.
        (Some(_), Err(Unmeasured::Infinite(_))) => (Verdict::Inconclusive, false),
        (Some(_), _) => (Verdict::Proved, false),
        (None, Ok(found)) => (found.verdict(), false),
        (None, Err(_)) => (Verdict::Inconclusive, false),
    };
    let (left, right) = (link.left.text.trim(), link.right.text.trim());
    let slips = match verdict {
        Verdict::Fail => probe(identity, link, ground, numbers, effort),
        _ => Vec::new(),
    };
    Ok(Decided {
        left: left.to_owned(),
        right: right.to_owned(),
        verdict,
        evidence: Evidence {
            proof,
            measurement,
            contradiction,
        },
        slips,
    })
}
