//! Symbolic expressions: parsed with spans, hash-consed with exact rationals, differentiated with
//! memoisation, printed as text and LaTeX, compiled to kernels over blocks of points.

use crate::numeric::batch::{BatchMut, BatchRef};

/// A node of a [`Graph`]. Equal handles of one graph are equal expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expr(u32);

/// Hash-consed expressions.
#[derive(Clone, Debug, Default)]
pub struct Graph {}

/// Expressions compiled to a kernel over blocks of points.
#[derive(Clone, Debug)]
pub struct Kernel {}

/// Why expressions could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {}

impl Graph {
    pub fn depends_on(&self, _: Expr, _: Expr) -> bool {
        unimplemented!()
    }
    pub fn derivative(&mut self, _: Expr, _: Expr) -> Expr {
        unimplemented!()
    }
    pub fn add(&mut self, _: &[Expr]) -> Expr {
        unimplemented!()
    }
    pub fn mul(&mut self, _: &[Expr]) -> Expr {
        unimplemented!()
    }
    pub fn affine_coefficients(&mut self, _: Expr, _: &[Expr]) -> Option<(Vec<Expr>, Expr)> {
        unimplemented!()
    }
}

impl Kernel {
    pub fn compile(_: &Graph, _: &[Expr], _: Expr, _: &[Expr]) -> Result<Self, CompileError> {
        unimplemented!()
    }
    pub fn eval(&self, _: f64, _: BatchRef<'_>, _: BatchMut<'_>) {
        unimplemented!()
    }
}
