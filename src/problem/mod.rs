//! What the user means: the file as typed, checked and turned into a validated problem.

pub mod law;
pub mod model;
