//! Optimal control: dynamic programming, the minimiser, temperature and the linear equation, quadratic and
//! separable values, small noise.

pub mod bellman;
pub mod classical_limit;
pub mod completed_square;
pub mod hamilton_jacobi_bellman;
pub mod hopf_cole;
pub(crate) mod in_matrices;
pub mod optimal_control;
pub mod product_form;
pub mod riccati;
pub mod temperature;
pub mod wkb;
