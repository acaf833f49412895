//! The validated problem: what the user means. Nothing in it can be malformed.

pub mod claim;
pub mod law;
pub mod method;
pub mod model;
pub mod task;
pub mod work_ladder;
