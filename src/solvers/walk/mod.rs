//! Simulated paths, with and without a control.

mod exits;
pub mod paths;
pub mod reverse_sampling;
pub mod steered_walk;
pub(crate) mod stopping;
pub mod weights;
