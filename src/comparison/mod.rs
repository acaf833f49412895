//! Distances between answers, each with its error. No verdicts.

pub mod agreement;
pub mod compare;
pub mod control_error;
pub mod controlled_paths;
pub mod effort;
pub mod evidence;
pub mod expectation;
pub mod flow_likelihood;
pub mod gaussian_family;
pub mod generated;
pub mod likelihood;
mod linear_moments;
mod path_ends;
pub mod performance;
pub mod policies;
pub mod policy_paths;
pub mod portraits;
pub mod quantities;
pub mod reference_law;
pub mod rows;
pub mod transport;

pub use compare::{compare, compares_scores};
pub use rows::{Comparison, ComparisonRow};
