//! Answers in closed form, or by ordinary differential equations and quadrature.

pub mod exact;
pub mod moments;
pub mod passage;
pub mod riccati;
pub mod stationary;
