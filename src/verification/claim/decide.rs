//! The verdict on every link of an identity.

use crate::derivation::claim::ground::Ground;
use crate::derivation::claim::identity::{Identity, Link, Misread, Mode};
use crate::derivation::claim::proof::{Proof, prove_link};
use crate::verification::claim::measure::{CONFIDENCE, Measurement, measure};
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

/// A claim that cannot be decided for a reason of its own.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Undecided {
    /// A mistake in the text.
    #[error("{}", .0.first().map_or("a mistake in the identity", |m| m.error.message.as_str()))]
    Misread(Vec<Misread>),
    /// A proof and a measurement that exclude each other: a mistake in this program.
    #[error(
        "`{left} = {right}` is proved but measured to be false ({note}); please report this problem file"
    )]
    Contradiction {
        left: String,
        right: String,
        note: String,
    },
}

impl From<Vec<Misread>> for Undecided {
    fn from(errors: Vec<Misread>) -> Self {
        Self::Misread(errors)
    }
}

/// Decides every link.
///
/// # Errors
/// [`Undecided`]: mistakes in the text, or a contradiction.
pub fn decide(
    identity: &Identity,
    ground: &Ground,
    numbers: &Numbers,
    effort: Effort,
) -> Result<Vec<Decided>, Undecided> {
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
) -> Result<Decided, Undecided> {
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
    let measured = measurement
        .as_ref()
        .map(|m| m.residual.verdict(CONFIDENCE))
        .unwrap_or(Verdict::Inconclusive);
    let (left, right) = (link.left.text.trim(), link.right.text.trim());
    if let (Some(_), Ok(measurement)) = (&proof, &measurement)
        && measurement.residual.verdict(CONTRADICTION) == Verdict::Fail
    {
        return Err(Undecided::Contradiction {
            left: left.to_owned(),
            right: right.to_owned(),
            note: measurement.note.clone(),
        });
    }
    let verdict = if proof.is_some() {
        Verdict::Proved
    } else {
        measured
    };
    let slips = match verdict {
        Verdict::Fail => probe(identity, link, ground, numbers, effort),
        _ => Vec::new(),
    };
    Ok(Decided {
        left: left.to_owned(),
        right: right.to_owned(),
        verdict,
        evidence: Evidence { proof, measurement },
        slips,
    })
}
