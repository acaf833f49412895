//! Equations on grids of states: values, densities.

pub(crate) mod at_start;
pub mod density;
pub mod discrete_value;
pub(crate) mod end_cost;
pub mod fokker_planck;
pub(crate) mod grid_ladder;
pub mod grid_order;
pub(crate) mod grid_record;
pub(crate) mod grid_start;
pub(crate) mod grid_sums;
pub(crate) mod groups;
pub mod hjb;
pub mod hopf_cole;
pub mod line;
pub(crate) mod lines;
pub mod long_horizon;
pub mod noised_value;
pub(crate) mod region;
pub mod separable;
pub(crate) mod space_time;
pub mod spectral;
#[cfg(test)]
pub(crate) mod three_states;
