//! Grids that are solved along one state after the other, line by line: the nonlinear equation of the value, and the
//! linear one where edges or events end or turn paths.

pub(super) mod best;
pub(super) mod level;
pub(super) mod line;
pub(super) mod rest;
