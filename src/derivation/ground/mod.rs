//! What every derivation stands on: a process and its derivatives, steps and their evidence, matrices of
//! expressions, the problem as typed and taken apart.

pub mod as_typed;
pub mod assumption;
pub mod controlled;
pub mod definedness;
pub mod evidence;
pub mod matrix;
pub mod noising;
pub(crate) mod notation;
pub mod smoothness;
pub mod stated;
pub mod step;
mod typeset;
pub(crate) mod words;
