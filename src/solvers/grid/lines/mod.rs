//! Grids that are solved along one state after the other, line by line: the nonlinear equation of the value, and the
//! linear one where edges or events end or turn paths.

mod any_price;
pub(super) mod best;
pub(super) mod level;
pub(super) mod line;
mod positive;
pub(super) mod rest;
