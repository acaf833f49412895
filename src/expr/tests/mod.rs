//! Canonical form, calculus and printing against independent evaluations.

mod algebra;
mod canonical;
mod deciding;
mod kernels;
mod language;
mod origins;
mod parsing;
mod random;
mod scaling;
mod units;
