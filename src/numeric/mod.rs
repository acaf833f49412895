//! Numbers that know no control theory: batches of points, random streams, estimates with errors,
//! elementary functions on slices, quadrature, log-sum-exp, interpolation and thin linear algebra.

pub mod algebraic_riccati;
pub mod batch;
pub mod blocks;
pub mod brownian;
pub mod crossing;
pub mod dense;
pub mod digits;
pub mod dispatch;
pub mod elementary;
pub mod estimate;
pub mod interpolation;
pub mod least_squares;
pub mod line_minimum;
pub mod line_spline;
pub mod log_sum_exp;
pub mod panels;
pub mod pentadiagonal;
pub mod quadrature;
pub mod random;
pub mod runge_kutta;
pub mod spectrum;
pub mod sums;
pub mod symplectic;
pub mod time_limit;
pub mod tridiagonal;
