//! The problem in numbers, and what every method answers.

pub mod answer;
pub mod clock;
pub mod edges;
#[cfg(test)]
pub(crate) mod fixture;
pub mod problem;
pub mod refusal;
pub(crate) mod start_law;
pub mod target;
pub mod typed_control;
