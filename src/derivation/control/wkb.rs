//! Small noise to first order: the eikonal and the transport equation.
//!
//! With `D` scaled by a small `h`, `V = V_0 + h V_1 + O(h^2)` where
//!
//! ```text
//! V_0t + q + b . grad V_0 - 1/2 grad V_0 . A grad V_0 = 0,        V_0(x, T) = Phi       (eikonal)
//! V_1t + (b - A grad V_0) . grad V_1 + 1/2 D : grad grad V_0 = 0, V_1(x, T) = 0         (transport)
//! ```
//!
//! and `A = B R^-1 B'`. Along the least-action path `x' = b - A grad V_0`, so
//! `V_1 = 1/2 int_t^T D : grad grad V_0 ds`, with the curvature from a Riccati equation on the path.
//!
//! # Assumptions
//! No caustics; `A` does not scale with `h` (where `G G' = lambda A`, this is `lambda = O(h)`).
//!
//! # Source
//! Maslov & Fedoriuk (1981); Fleming & Souganidis (1986); Fleming & Soner (2006), chapter VII.
//!
//! # Executed by
//! Orders 0 and 1 in `h` of the Hamilton–Jacobi–Bellman residual at `V_0 + h V_1`.

use crate::derivation::control::bellman;
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::matrix;
use crate::derivation::ground::step::Step;
use crate::expr::Expr;
use crate::expr::arithmetic::{dot, partial};

const SOURCE: &str = "Maslov & Fedoriuk (1981); Fleming & Souganidis (1986)";

/// `V_0t + q + b . grad V_0 - 1/2 grad V_0 . A grad V_0`, with the discount.
pub fn eikonal(controlled: &mut ControlledDiffusion, leading: Expr) -> Expr {
    let whole = bellman::residual(controlled, leading);
    let curved = controlled.process.half_curvature(leading);
    controlled.process.of(whole - curved)
}

/// `V_1t + (b - A grad V_0) . grad V_1 + 1/2 D : grad grad V_0`, with the discount.
pub fn transport(controlled: &mut ControlledDiffusion, leading: Expr, next: Expr) -> Expr {
    let authority = controlled.authority();
    let process = &mut controlled.process;
    let (first, second) = (process.gradient(leading), process.gradient(next));
    let curved = process.half_curvature(leading);
    let graph = &mut process.graph;
    let pulled = matrix::apply(graph, &authority, &first);
    let velocity = graph.pairwise(&process.drift, &pulled, |b, p| b - p);
    let right = bellman::passing(controlled, next) + dot(&velocity, &second) + curved;
    controlled.process.of(right)
}

/// Orders 0 and 1 in `h` of the residual at `V_0 + h V_1`, with `h D` for `D`.
///
/// # Errors
/// [`Refuted`] if either equation is another one.
pub fn execute(
    controlled: &mut ControlledDiffusion,
    eikonal: Expr,
    transport: Expr,
) -> Result<Evidence, Refuted> {
    let process = &mut controlled.process;
    let (leading, next) = (process.field("V_0"), process.field("V_1"));
    let small = process.graph.symbol("h*");
    let value = process.of(leading + small * next);
    let whole = bellman::residual(controlled, value);
    let curved = controlled.process.half_curvature(value);
    let graph = &mut controlled.process.graph;
    // D enters only through the curvature: replace it by h D.
    let family = graph.of(whole - curved + small * curved);
    let zero = graph.zero();
    let at_zero = graph.substitute(family, &[(small, zero)]);
    let first = graph.of(partial(family, small));
    let first = graph.substitute(first, &[(small, zero)]);
    let claim = "order 0 is the eikonal equation";
    let leading = equal(graph, claim, at_zero, eikonal)?;
    let claim = "order 1 is the transport equation";
    let next = equal(graph, claim, first, transport)?;
    Ok(leading.and(next))
}

/// The side result.
///
/// # Errors
/// [`Refuted`] if either order is another equation.
pub fn step(exact: &mut ControlledDiffusion) -> Result<Step, Refuted> {
    let process = &mut exact.process;
    let (leading, next) = (process.field("V_0"), process.field("V_1"));
    let first = eikonal(exact, leading);
    let second = transport(exact, leading, next);
    let evidence = execute(exact, first, second)?;
    let executes = "orders 0 and 1 in h of the Hamilton-Jacobi-Bellman equation at V_0 + h V_1, with h D for D";
    Ok(Step::new("small noise to first order", "wkb", SOURCE)
        .executed(executes, evidence)
        .assuming(&[Assumption::NoCaustics])
        .line("V_0t + q + b.grad V_0 - 1/2 grad V_0.B R^-1 B' grad V_0 = 0,   V_0(x,T) = Phi")
        .line(
            "V_1t + (b - B R^-1 B' grad V_0).grad V_1 + 1/2 D : grad grad V_0 = 0,   V_1(x,T) = 0",
        )
        .line("along the least-action path:  V_1 = 1/2 int_t^T D : grad grad V_0 ds"))
}
