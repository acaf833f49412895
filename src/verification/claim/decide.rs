//! The verdict on every link of an identity.

use crate::derivation::claim::ground::Ground;
use crate::derivation::claim::identity::{Identity, Link, Misread, Mode, Opened, Sides};
use crate::derivation::claim::proof::{Proof, prove};
use crate::verification::claim::measure::{CONFIDENCE, Measurement, measure};
use crate::verification::claim::meter::Effort;
use crate::verification::claim::numbers::{Numbers, Unmeasured};
use crate::verification::verdict::Verdict;

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
    identity
        .links
        .iter()
        .map(|link| decide_link(identity, link, ground, numbers, effort))
        .collect()
}

fn decide_link(
    identity: &Identity,
    link: &Link,
    ground: &Ground,
    numbers: &Numbers,
    effort: Effort,
) -> Result<Decided, Undecided> {
    let (opened, sides) = open(identity, link, ground, Mode::Given)?;
    let proof = proof_of(identity, link, ground)?;
    let measurement = measure(numbers, &opened, &sides, identity.at, effort);
    let measured = measurement
        .as_ref()
        .map(|m| m.residual.verdict(CONFIDENCE))
        .unwrap_or(Verdict::Inconclusive);
    let (left, right) = (link.left.text.trim(), link.right.text.trim());
    if let (Some(_), Verdict::Fail, Ok(measurement)) = (&proof, measured, &measurement) {
        return Err(Undecided::Contradiction {
            left: left.to_owned(),
            right: right.to_owned(),
            note: measurement.note.clone(),
        });
    }
    Ok(Decided {
        left: left.to_owned(),
        right: right.to_owned(),
        verdict: if proof.is_some() {
            Verdict::Proved
        } else {
            measured
        },
        evidence: Evidence { proof, measurement },
    })
}

/// A proof for any trial field, else for the given one.
pub(super) fn proof_of(
    identity: &Identity,
    link: &Link,
    ground: &Ground,
) -> Result<Option<Proof>, Vec<Misread>> {
    let modes: &[Mode] = if identity.has_trials() {
        &[Mode::Any, Mode::Given]
    } else {
        &[Mode::Given]
    };
    for mode in modes {
        // What an arbitrary field may not be (a number in an index, say) the given one may.
        let Ok((mut opened, sides)) = open(identity, link, ground, *mode) else {
            continue;
        };
        if let Some(proof) = prove(&mut opened, &sides, *mode) {
            return Ok(Some(proof));
        }
    }
    Ok(None)
}

fn open(
    identity: &Identity,
    link: &Link,
    ground: &Ground,
    mode: Mode,
) -> Result<(Opened, Sides), Vec<Misread>> {
    let mut opened = identity.open(ground, mode)?;
    let sides = opened.sides(&link.left, &link.right)?;
    Ok((opened, sides))
}
