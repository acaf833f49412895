//! Symbolic expressions: parsed with spans, hash-consed with exact rationals, differentiated with
//! memoisation, printed as text and LaTeX, compiled to kernels over blocks of points.

/// A node of a [`Graph`]. Equal handles of one graph are equal expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expr(u32);

/// Hash-consed expressions.
#[derive(Clone, Debug, Default)]
pub struct Graph {}
