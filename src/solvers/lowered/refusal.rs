//! A method that does not apply.

/// A true statement that a method does not apply, with what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} does not apply: {reason}; accepted: {accepted}")]
pub struct Refusal {
    pub method: &'static str,
    pub reason: String,
    pub accepted: String,
}

impl Refusal {
    pub fn new(
        method: &'static str,
        reason: impl Into<String>,
        accepted: impl Into<String>,
    ) -> Self {
        Self {
            method,
            reason: reason.into(),
            accepted: accepted.into(),
        }
    }
}
