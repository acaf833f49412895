//! Canonical form, calculus and printing against independent evaluations.

mod canonical;
mod parsing;
