//! Symbolic expressions: parsed with spans, hash-consed with exact rationals, differentiated with
//! memoisation, printed as text and LaTeX, compiled to kernels over blocks of points.
//!
//! A [`Graph`] owns every node; an [`Expr`] is a handle into one graph, and equal handles of one graph
//! are equal expressions. Constructors canonicalise: sums and products are flat and sorted, like terms
//! and like powers are collected, numbers stay exact rationals. A child always has a smaller handle
//! than its parent, so every pass is a loop over handles and none recurses.

mod affine;
mod apply;
pub mod arithmetic;
mod builtins;
mod construct;
mod decide;
mod derivative;
mod diagnose;
mod dimension;
mod elaborate;
mod equality;
mod error;
mod evaluate;
mod evaluate_wide;
mod function;
mod graph;
mod kernel;
mod kinks;
mod latex;
mod lexer;
mod linear;
mod lower;
mod matrices;
mod normal;
mod operators;
mod origin;
mod parse;
mod provenance;
mod quadratic;
mod rational;
mod registers;
mod reverse;
mod scope;
mod special;
mod stack;
mod substitute;
pub mod syntax;
mod tape;
mod taylor;
mod text;
mod trigonometry;
mod units;
mod vocabulary;
mod wide;

pub use decide::{Assumptions, Decision, Doubt, Rule, SideCondition};
pub use diagnose::{Fault, FaultKind};
pub use dimension::{Dimensions, UnitFault};
pub use error::ExprError;
pub use function::{Arity, Function};
pub use graph::{Expr, Graph, Node, Relation};
pub use kernel::{CompileError, Kernel};
pub use kinks::Kink;
pub use latex::latex_name;
pub use origin::Origin;
pub use parse::{
    check_definitions, elaborate, parse, parse_components, parse_condition, parse_scalar,
};
pub use quadratic::QuadraticForm;
pub use rational::Rational;
pub use scope::{Scope, Shape, Value};
pub use units::Unit;
pub use vocabulary::is_function;

#[cfg(test)]
mod tests;
