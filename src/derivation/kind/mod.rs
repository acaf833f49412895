//! The derivation of a problem of each kind, and how it is printed.

pub mod bridge;
pub mod control;
pub mod cross_check;
pub mod dispatch;
pub mod expectation;
pub mod lowering;
pub mod path;
pub mod print;
pub mod reverse;
pub mod simulate;
pub mod whole;
