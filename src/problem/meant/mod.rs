//! What was meant: the validated problem. Nothing in it can be malformed.

pub mod claim;
pub mod grid;
pub mod kind;
pub mod law;
pub mod model;
pub mod named;
pub mod options;
pub mod setup;
pub mod solver;
pub mod task;
