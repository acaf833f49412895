//! Chains and populations of particles that sample a density.

pub mod annealed;
pub mod chains;
pub mod tempered;
