//! Numbers that know no control theory: batches of points, random streams, estimates with errors,
//! quadrature, log-sum-exp and thin linear algebra.

pub mod batch;
pub mod blocks;
pub mod estimate;
pub mod random;
