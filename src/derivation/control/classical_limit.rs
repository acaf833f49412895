//! The zero-noise limit of a control problem: Pontryagin's equations and the least-action path.
//!
//! With `A = B R^-1 B'`, `H(x, p, t) = q + p . b - 1/2 p . A p` and the adjoint `p = grad V`:
//!
//! ```text
//! x' = dH/dp = b - A p,      p' = -dH/dx,      p(T) = grad Phi,      u = -R^-1 B' p
//! x'' = b_t + (J - A J' A^-1) x' + A J' A^-1 b + A grad q          (A invertible and constant)
//! ```
//!
//! with `J = db/dx`.
//!
//! # Assumptions
//! Characteristics do not cross.
//!
//! # Source
//! Pontryagin et al. (1962); Fleming & Rishel (1975), chapter II; Courant & Hilbert II, chapter II.
//!
//! # Executed by
//! The method of characteristics: the gradient of the first-order equation `V_t + H(x, grad V) = 0` is
//! `p' + dH/dx` along `x' = dH/dp`. The Euler–Lagrange equation from the Lagrangian
//! `q + 1/2 (x' - b) . A^-1 (x' - b)` at unknown paths.

use crate::derivation::control::bellman::control_name;
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal};
use crate::derivation::ground::matrix::{self, Matrix};
use crate::derivation::ground::noising::dot;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::expr::{Expr, Graph};

const SOURCE: &str = "Pontryagin et al. (1962); Fleming & Rishel (1975), chapter II";

/// `H(x, p, t) = q + p . b - 1/2 p . A p`.
pub fn hamiltonian(controlled: &mut ControlledDiffusion, momentum: &[Expr]) -> Expr {
    let authority = controlled.authority();
    let process = &mut controlled.process;
    let along = process.dot(momentum, &process.drift.clone());
    let graph = &mut process.graph;
    let pulled = matrix::apply(graph, &authority, momentum);
    let square = dot(graph, momentum, &pulled);
    let half = graph.rational(-1, 2);
    let kinetic = graph.mul(&[half, square]);
    graph.add(&[controlled.running, along, kinetic])
}

/// Right sides of `x' = dH/dp` and `p' = -dH/dx`.
#[derive(Clone, Debug, PartialEq)]
pub struct Canonical {
    pub momentum: Vec<Expr>,
    pub velocity: Vec<Expr>,
    pub force: Vec<Expr>,
}

/// Symbols for the momentum, `p_{x}` for the state `x`: names no file can contain.
pub fn momentum(graph: &mut Graph, state: &[Expr]) -> Vec<Expr> {
    state
        .iter()
        .map(|x| {
            let name = format!("p_{{{}}}", graph.text(*x));
            graph.symbol(&name)
        })
        .collect()
}

/// The canonical equations of a Hamiltonian.
pub fn canonical(
    graph: &mut Graph,
    state: &[Expr],
    momentum: &[Expr],
    hamiltonian: Expr,
) -> Canonical {
    let velocity = graph.gradient(hamiltonian, momentum);
    let slope = graph.gradient(hamiltonian, state);
    let force = slope.iter().map(|s| graph.neg(*s)).collect();
    Canonical {
        momentum: momentum.to_vec(),
        velocity,
        force,
    }
}

/// Along `x' = velocity` the gradient of a solution of `V_t + H(x, grad V) = 0` moves by `force`:
/// `d_i (V_t + H(x, grad V)) = d_i V_t + sum_j V_ij velocity_j - force_i`, all at `p = grad V`.
///
/// # Errors
/// [`Refuted`] if the canonical equations belong to another Hamiltonian.
pub fn execute(
    controlled: &mut ControlledDiffusion,
    hamiltonian: Expr,
    canonical: &Canonical,
) -> Result<Evidence, Refuted> {
    let process = &mut controlled.process;
    let value = process.field("V");
    let slope = process.gradient(value);
    let graph = &mut process.graph;
    let at: Vec<(Expr, Expr)> = canonical
        .momentum
        .iter()
        .copied()
        .zip(slope.iter().copied())
        .collect();
    let there = graph.substitute(hamiltonian, &at);
    let rate = graph.derivative(value, process.time);
    let equation = graph.add(&[rate, there]);
    let left = graph.gradient(equation, &process.state);
    let velocity: Vec<Expr> = canonical
        .velocity
        .iter()
        .map(|v| graph.substitute(*v, &at))
        .collect();
    let mut right = Vec::new();
    for (s, force) in slope.iter().zip(&canonical.force) {
        let change = graph.derivative(*s, process.time);
        let row = graph.gradient(*s, &process.state);
        let carried = dot(graph, &row, &velocity);
        let force = graph.substitute(*force, &at);
        let force = graph.neg(force);
        right.push(graph.add(&[change, carried, force]));
    }
    let claim = "p = grad V moves by -dH/dx along x' = dH/dp";
    all_equal(graph, claim, &left, &right)
}

/// `x''` of the least-action path, where `A` is invertible and free of state and time; `velocity` stands
/// for `x'`.
pub fn acceleration(
    graph: &mut Graph,
    (state, time): (&[Expr], Expr),
    drift: &[Expr],
    authority: &Matrix,
    potential: Expr,
    velocity: &[Expr],
) -> Option<Vec<Expr>> {
    let mut moving = state.to_vec();
    moving.push(time);
    let constant = !authority
        .iter()
        .flatten()
        .any(|e| graph.depends_on_any(*e, &moving));
    if !constant {
        return None;
    }
    let inverse = matrix::inverse(graph, authority)?;
    let jacobian: Matrix = drift.iter().map(|b| graph.gradient(*b, state)).collect();
    let slope = graph.gradient(potential, state);
    let missed: Vec<Expr> = velocity
        .iter()
        .zip(drift)
        .map(|(v, b)| graph.sub(*v, *b))
        .collect();
    // p = -A^-1 (x' - b), so x'' = b_t + J x' + A (grad q - J' A^-1 (x' - b)).
    let pulled = matrix::apply(graph, &inverse, &missed);
    let across = matrix::transpose(&jacobian);
    let turned = matrix::apply(graph, &across, &pulled);
    let pressed: Vec<Expr> = slope
        .iter()
        .zip(&turned)
        .map(|(q, w)| graph.sub(*q, *w))
        .collect();
    let driven = matrix::apply(graph, authority, &pressed);
    let carried = matrix::apply(graph, &jacobian, velocity);
    Some(
        drift
            .iter()
            .zip(carried.iter().zip(&driven))
            .map(|(b, (c, w))| {
                let rate = graph.derivative(*b, time);
                let sum = graph.add(&[rate, *c, *w]);
                graph.expand(sum)
            })
            .collect(),
    )
}

/// `d/dt dL/dx' - dL/dx = A^-1 (x'' - acceleration)` at unknown paths `x(t)`, for
/// `L = q + 1/2 (x' - b) . A^-1 (x' - b)`.
///
/// # Errors
/// [`Refuted`] if the acceleration is not stationary for the action.
pub fn execute_euler_lagrange(
    graph: &mut Graph,
    (state, time): (&[Expr], Expr),
    drift: &[Expr],
    authority: &Matrix,
    potential: Expr,
    (velocity, acceleration): (&[Expr], &[Expr]),
) -> Result<Evidence, Refuted> {
    let inverse = matrix::inverse(graph, authority).expect("the acceleration has an inverse");
    let missed: Vec<Expr> = velocity
        .iter()
        .zip(drift)
        .map(|(v, b)| graph.sub(*v, *b))
        .collect();
    let pulled = matrix::apply(graph, &inverse, &missed);
    let square = dot(graph, &missed, &pulled);
    let half = graph.rational(1, 2);
    let kinetic = graph.mul(&[half, square]);
    let lagrangian = graph.add(&[kinetic, potential]);
    let paths: Vec<Expr> = (0..state.len())
        .map(|i| graph.unknown(&format!("X*[{i}]"), &[time]))
        .collect();
    let rates: Vec<Expr> = paths.iter().map(|x| graph.derivative(*x, time)).collect();
    let mut on_path: Vec<(Expr, Expr)> = state.iter().copied().zip(paths).collect();
    on_path.extend(velocity.iter().copied().zip(rates.iter().copied()));
    let mut left = Vec::new();
    for (x, v) in state.iter().zip(velocity) {
        let momentum = graph.derivative(lagrangian, *v);
        let momentum = graph.substitute(momentum, &on_path);
        let change = graph.derivative(momentum, time);
        let force = graph.derivative(lagrangian, *x);
        let force = graph.substitute(force, &on_path);
        left.push(graph.sub(change, force));
    }
    let mut excess = Vec::new();
    for (rate, a) in rates.iter().zip(acceleration) {
        let second = graph.derivative(*rate, time);
        let stated = graph.substitute(*a, &on_path);
        excess.push(graph.sub(second, stated));
    }
    let right = matrix::apply(graph, &inverse, &excess);
    let claim = "the first variation of the action vanishes";
    all_equal(graph, claim, &left, &right)
}

/// Symbols for the velocity whose names no file can contain.
pub fn velocity(graph: &mut Graph, state: &[Expr]) -> Vec<Expr> {
    state
        .iter()
        .map(|x| {
            let name = format!("{}'", graph.text(*x));
            graph.symbol(&name)
        })
        .collect()
}

/// The side result.
///
/// # Errors
/// [`Refuted`] if characteristics or the Euler–Lagrange equation are wrong.
pub fn step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Step, Refuted> {
    let d = exact.dimension();
    let state = exact.process.state.clone();
    let p = momentum(&mut exact.process.graph, &state);
    let h = hamiltonian(exact, &p);
    let system = canonical(&mut exact.process.graph, &state, &p, h);
    let mut evidence = execute(exact, h, &system)?;
    let name = control_name(shown);
    let end = notation::time_of_end(&mut shown.process, shown.horizon.1);
    let mut step = Step::new(
        "zero-noise limit: adjoint and Euler-Lagrange",
        "el",
        SOURCE,
        "characteristics of V_t + H(x, grad V) = 0; the first variation of the action",
        Evidence::Proved,
    )
    .assuming(&[Assumption::NoCaustics])
    .line(
        "H(x,p,t) = q + p.b - 1/2 p.B R^-1 B' p,   p = grad V",
        "H(x,p,t) = q + p \\cdot b - \\frac{1}{2} p^\\top B R^{-1} B^\\top p, \\qquad p = \\nabla V",
    )
    .line(
        format!(
            "x' = dH/dp,   p' = -dH/dx,   p({}) = grad Phi,   {} = -R^-1 B' p",
            end.text, name.text
        ),
        format!(
            "\\dot{{x}} = \\partial_p H, \\qquad \\dot{{p}} = -\\partial_x H, \\qquad p({}) = \\nabla \\Phi, \\qquad {} = -R^{{-1}} B^\\top p",
            end.latex, name.latex
        ),
    );
    if d <= 3 {
        let state = shown.process.state.clone();
        let p = momentum(&mut shown.process.graph, &state);
        let h = hamiltonian(shown, &p);
        let written = canonical(&mut shown.process.graph, &state, &p, h);
        let process = &mut shown.process;
        step = step.lines([
            notation::vector(process, &Formula::new("x'", "\\dot{x}"), &written.velocity),
            notation::vector(process, &Formula::new("p'", "\\dot{p}"), &written.force),
        ]);
    }
    if let Some((found, line)) = euler_lagrange(exact, shown)? {
        evidence = evidence.and(found);
        step.statement.push(line);
    }
    step.evidence = evidence;
    Ok(step)
}

fn euler_lagrange(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Option<(Evidence, Formula)>, Refuted> {
    let second = |controlled: &mut ControlledDiffusion| {
        let authority = controlled.authority();
        let process = &mut controlled.process;
        let v = velocity(&mut process.graph, &process.state);
        let found = acceleration(
            &mut process.graph,
            (&process.state, process.time),
            &process.drift,
            &authority,
            controlled.running,
            &v,
        );
        found.map(|a| (authority, v, a))
    };
    let Some((authority, v, a)) = second(exact) else {
        return Ok(None);
    };
    let process = &mut exact.process;
    let evidence = execute_euler_lagrange(
        &mut process.graph,
        (&process.state, process.time),
        &process.drift,
        &authority,
        exact.running,
        (&v, &a),
    )?;
    let Some((_, _, written)) = second(shown) else {
        return Ok(None);
    };
    let name = Formula::new("x''", "\\ddot{x}");
    let line = notation::vector(&mut shown.process, &name, &written);
    Ok(Some((evidence, line)))
}
