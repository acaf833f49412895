//! Distances between answers, each with its error. No verdicts.

pub mod compare;
pub mod control;
pub mod control_error;
pub mod controlled_paths;
pub mod effort;
pub mod evidence;
pub mod expectation;
pub mod flow_likelihood;
pub mod gaussian_family;
pub mod generated;
pub mod likelihood;
pub mod policy_portraits;
pub mod portraits;
pub mod quantities;
pub mod reference_law;
pub mod rows;
pub mod simulate;
pub mod transport;

pub use compare::compare;
pub use rows::{Comparison, ComparisonRow};
