//! Claims of the user: proved where normal forms suffice, measured everywhere, probed where they fail.

pub mod decide;
pub mod measure;
mod meter;
pub mod numbers;
mod paths;
pub mod probe;
mod stencil;
mod value;

pub use decide::{Decided, Evidence, Undecided, decide};
pub use meter::Effort;

#[cfg(test)]
mod tests;
