//! The losses of `action`.

use crate::problem::meant::named::Named;

/// What `action` minimises: a distance between the law of the steered paths `P^u` and the best one `P*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathObjective {
    /// The cost itself, `lambda KL(P^u | P*)` above its least value; gradient through the paths.
    RelativeEntropy,
    /// `Var log dP^u/dP*` on paths that stay.
    LogVariance,
    /// `E (log dP^u/dP* + y)^2` on paths that stay, with `y` unknown.
    Moment,
    /// `KL(P* | P^u)`: regression on the noise of weighted paths.
    CrossEntropy,
    /// Regression on the lean adjoint along paths of the current control.
    AdjointMatching,
    /// Regression on the lean adjoint under the best law, by weighted paths.
    Socm,
}

impl Named for PathObjective {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("relative-entropy", Self::RelativeEntropy),
        ("log-variance", Self::LogVariance),
        ("moment", Self::Moment),
        ("cross-entropy", Self::CrossEntropy),
        ("adjoint-matching", Self::AdjointMatching),
        ("socm", Self::Socm),
    ];
}

impl PathObjective {
    /// Whether each iteration is one linear regression.
    pub fn is_regression(self) -> bool {
        matches!(
            self,
            Self::CrossEntropy | Self::AdjointMatching | Self::Socm
        )
    }

    /// Whether it is made of path weights, which exist where there is a temperature.
    pub fn needs_weights(self) -> bool {
        !matches!(self, Self::RelativeEntropy | Self::AdjointMatching)
    }
}
