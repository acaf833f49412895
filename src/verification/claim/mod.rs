//! Claims of the user: proved where normal forms suffice, measured everywhere, probed where they fail.

pub mod decide;
mod line;
pub mod measure;
pub mod measurement;
mod meter;
pub mod numbers;
mod paths;
mod points;
pub mod probe;
mod stencil;
mod value;

pub use decide::{Decided, Evidence, decide};
pub use meter::Effort;

#[cfg(test)]
mod tests;
