//! Fitted fields: scores, controls, values.

pub mod action;
pub mod ddp;
pub mod euler_walk;
pub mod fresh_cost;
pub mod gram;
pub mod ground;
pub mod layout;
pub mod metric;
pub mod objective;
pub mod optimizer;
pub mod path_cost;
pub mod path_integral;
pub mod path_ratio;
pub mod polynomial;
pub mod regression;
pub mod reverse_walk;
pub mod round;
pub mod score_descent;
pub mod score_matching;
pub mod score_samples;
pub mod stepped;
mod unhindered;
pub mod unknown;
