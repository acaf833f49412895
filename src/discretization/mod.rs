//! Formulas to finite arrays: noise schedules and transition kernels, time grids, state grids,
//! stencils and stochastic schemes. Nothing here iterates to convergence.

pub mod axis_noise;
pub mod density_step;
pub(crate) mod matrix_field;
pub mod noising;
pub mod path_action;
pub mod path_weight;
pub mod reverse_step;
pub mod schedule;
pub mod scheme;
pub mod short_time_kernel;
pub mod splitting;
pub mod state_grid;
pub mod steered;
pub mod steered_slopes;
pub mod time_grid;
pub mod transport;
pub mod value_step;
pub mod waves;
