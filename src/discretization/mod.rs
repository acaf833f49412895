//! Formulas to finite arrays: noise schedules and transition kernels, time grids, state grids,
//! stencils and stochastic schemes. Nothing here iterates to convergence.

pub mod noising;
pub mod path_action;
pub mod path_weight;
pub mod schedule;
pub mod time_grid;
