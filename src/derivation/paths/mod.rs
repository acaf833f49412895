//! Weights of whole paths: the action of a path and of a control, bridges.

pub mod action;
pub mod path_action;
pub mod schrodinger;
