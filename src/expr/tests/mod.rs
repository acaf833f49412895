//! Canonical form, calculus and printing against independent evaluations.

mod algebra;
mod canonical;
mod kernels;
mod parsing;
mod random;
