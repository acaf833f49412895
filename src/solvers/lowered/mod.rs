//! The problem in numbers, and what every method answers.

pub mod answer;
pub mod control;
pub mod edges;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod groups;
pub mod reverse;
pub mod simulate;
pub(crate) mod start_law;
pub mod target;
#[cfg(test)]
pub(crate) mod tests_simulate;
