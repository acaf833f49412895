//! Executing an equation: proved in normal form, tested at points, or refuted.

use crate::expr::arithmetic::Arithmetic;
use crate::expr::{Decision, Expr, Graph};

/// How an equation was made sure of.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// The difference of the two sides is zero in normal form.
    Proved,
    /// The two sides agree at seeded random points, to rounding.
    Tested {
        points: usize,
        largest_relative_difference: f64,
    },
    /// No random point gave finite values, so nothing was executed.
    Stated,
    /// As [`Self::Stated`], but the file says that it holds.
    Declared,
}

impl Evidence {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Tested { .. } => "tested",
            Self::Stated => "stated",
            Self::Declared => "declared",
        }
    }

    /// The weaker of the two, for a step that rests on both.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Stated, _) | (_, Self::Stated) => Self::Stated,
            (Self::Declared, _) | (_, Self::Declared) => Self::Declared,
            (Self::Proved, other) | (other, Self::Proved) => other,
            (
                Self::Tested {
                    points: p,
                    largest_relative_difference: a,
                },
                Self::Tested {
                    points: q,
                    largest_relative_difference: b,
                },
            ) => Self::Tested {
                points: p.min(q),
                largest_relative_difference: a.max(b),
            },
        }
    }
}

/// Two sides of a step that differ: the derivation is wrong, and this is where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{claim}` is false: {left:e} against {right:e} at {}", place(at))]
pub struct Refuted {
    pub claim: String,
    /// Values of the symbols and unknown functions at the point.
    pub at: Vec<(String, f64)>,
    pub left: f64,
    pub right: f64,
}

/// The first few coordinates of a point.
fn place(at: &[(String, f64)]) -> String {
    let shown: Vec<String> = at
        .iter()
        .take(8)
        .map(|(name, value)| format!("{name} = {value:.6}"))
        .collect();
    let rest = at.len().saturating_sub(shown.len());
    let mut text = shown.join(", ");
    if rest > 0 {
        text.push_str(&format!(" and {rest} more"));
    }
    text
}

/// Executes `left = right`.
///
/// # Errors
/// [`Refuted`] with a point where the sides differ.
pub fn equal(
    graph: &mut Graph,
    claim: &str,
    left: impl Into<Arithmetic>,
    right: impl Into<Arithmetic>,
) -> Result<Evidence, Refuted> {
    let (left, right) = (graph.of(left), graph.of(right));
    match graph.equal(left, right) {
        Decision::Proved { .. } => Ok(Evidence::Proved),
        Decision::Undecided { .. } => Ok(Evidence::Stated),
        Decision::Tested {
            points,
            largest_relative_difference,
            ..
        } => Ok(Evidence::Tested {
            points,
            largest_relative_difference,
        }),
        Decision::Refuted { at, left, right } => Err(Refuted {
            claim: claim.to_owned(),
            at,
            left,
            right,
        }),
    }
}

/// Executes `left[i] = right[i]` for every component; the weakest evidence counts.
///
/// # Errors
/// [`Refuted`] for the first component that differs.
pub fn all_equal(
    graph: &mut Graph,
    claim: &str,
    left: &[Expr],
    right: &[Expr],
) -> Result<Evidence, Refuted> {
    assert_eq!(left.len(), right.len(), "both sides have the same shape");
    let mut evidence = Evidence::Proved;
    for (a, b) in left.iter().zip(right) {
        evidence = evidence.and(equal(graph, claim, *a, *b)?);
    }
    Ok(evidence)
}
