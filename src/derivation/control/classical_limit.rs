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
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::expr::arithmetic::{dot, partial};
use crate::expr::{Expr, Graph};

const SOURCE: &str = "Pontryagin et al. (1962); Fleming & Rishel (1975), chapter II";

/// `H(x, p, t) = q + p . b - 1/2 p . A p`.
pub fn hamiltonian(controlled: &mut ControlledDiffusion, momentum: &[Expr]) -> Expr {
    let authority = controlled.authority();
    let process = &mut controlled.process;
    let along = process.dot(momentum, &process.drift.clone());
    let pulled = matrix::apply(&mut process.graph, &authority, momentum);
    process.of(controlled.running + along - dot(momentum, &pulled) / 2)
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
    symbols(graph, state, |x| format!("p_{{{x}}}"))
}

/// Symbols for the velocity whose names no file can contain.
pub fn velocity(graph: &mut Graph, state: &[Expr]) -> Vec<Expr> {
    symbols(graph, state, |x| format!("{x}'"))
}

fn symbols(graph: &mut Graph, state: &[Expr], name: impl Fn(String) -> String) -> Vec<Expr> {
    let names: Vec<String> = state.iter().map(|x| name(graph.text(*x))).collect();
    names.iter().map(|name| graph.symbol(name)).collect()
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
    Canonical {
        momentum: momentum.to_vec(),
        velocity,
        force: graph.each(slope.iter().map(|s| -*s)),
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
    let (graph, time) = (&mut process.graph, process.time);
    let momentum = canonical.momentum.iter().copied();
    let at: Vec<(Expr, Expr)> = momentum.zip(slope.iter().copied()).collect();
    let there = graph.substitute(hamiltonian, &at);
    let equation = graph.of(partial(value, time) + there);
    let left = graph.gradient(equation, &process.state);
    let velocity = canonical.velocity.iter();
    let velocity: Vec<Expr> = velocity.map(|v| graph.substitute(*v, &at)).collect();
    let mut right = Vec::new();
    for (s, force) in slope.iter().zip(&canonical.force) {
        let row = graph.gradient(*s, &process.state);
        let force = graph.substitute(*force, &at);
        right.push(graph.of(partial(*s, time) + dot(&row, &velocity) - force));
    }
    let claim = "p = grad V moves by -dH/dx along x' = dH/dp";
    all_equal(graph, claim, &left, &right)
}

/// A mechanical system: its coordinates, `b`, `A`, and `q`, with symbols that stand for `x'`.
pub struct Motion<'a> {
    pub state: &'a [Expr],
    pub time: Expr,
    pub drift: &'a [Expr],
    pub authority: &'a Matrix,
    pub potential: Expr,
    pub velocity: &'a [Expr],
}

impl Motion<'_> {
    /// `x''` of the least-action path, where `A` is invertible and free of state and time.
    pub fn acceleration(&self, graph: &mut Graph) -> Option<Vec<Expr>> {
        let (state, drift, time) = (self.state, self.drift, self.time);
        let mut moving = state.to_vec();
        moving.push(time);
        let mut entries = self.authority.iter().flatten();
        if entries.any(|e| graph.depends_on_any(*e, &moving)) {
            return None;
        }
        let inverse = matrix::inverse(graph, self.authority)?;
        let jacobian: Matrix = drift.iter().map(|b| graph.gradient(*b, state)).collect();
        let slope = graph.gradient(self.potential, state);
        let missed = graph.pairwise(self.velocity, drift, |v, b| v - b);
        // p = -A^-1 (x' - b), so x'' = b_t + J x' + A (grad q - J' A^-1 (x' - b)).
        let pulled = matrix::apply(graph, &inverse, &missed);
        let across = matrix::transpose(&jacobian);
        let turned = matrix::apply(graph, &across, &pulled);
        let pressed = graph.pairwise(&slope, &turned, |q, w| q - w);
        let driven = matrix::apply(graph, self.authority, &pressed);
        let carried = matrix::apply(graph, &jacobian, self.velocity);
        let forces = drift.iter().zip(carried.iter().zip(&driven));
        let sums = graph.each(forces.map(|(b, (c, w))| partial(*b, time) + *c + *w));
        Some(sums.iter().map(|sum| graph.expand_quickly(*sum)).collect())
    }

    /// `d/dt dL/dx' - dL/dx = A^-1 (x'' - acceleration)` at unknown paths `x(t)`, for
    /// `L = q + 1/2 (x' - b) . A^-1 (x' - b)`.
    ///
    /// # Errors
    /// [`Refuted`] if the acceleration is not stationary for the action.
    pub fn execute(&self, graph: &mut Graph, acceleration: &[Expr]) -> Result<Evidence, Refuted> {
        let (state, velocity, time) = (self.state, self.velocity, self.time);
        let inverse = matrix::inverse(graph, self.authority);
        let inverse = inverse.expect("the acceleration has an inverse");
        let missed = graph.pairwise(velocity, self.drift, |v, b| v - b);
        let pulled = matrix::apply(graph, &inverse, &missed);
        let lagrangian = graph.of(dot(&missed, &pulled) / 2 + self.potential);
        let paths: Vec<Expr> = (0..state.len())
            .map(|i| graph.unknown(&format!("X*[{i}]"), &[time]))
            .collect();
        let rates: Vec<Expr> = paths.iter().map(|x| graph.derivative(*x, time)).collect();
        let mut on_path: Vec<(Expr, Expr)> = state.iter().copied().zip(paths).collect();
        on_path.extend(velocity.iter().copied().zip(rates.iter().copied()));
        let mut left = Vec::new();
        for (x, v) in state.iter().zip(velocity) {
            let slopes = [*v, *x].map(|by| graph.derivative(lagrangian, by));
            let [momentum, force] = slopes.map(|slope| graph.substitute(slope, &on_path));
            left.push(graph.of(partial(momentum, time) - force));
        }
        let mut excess = Vec::new();
        for (rate, a) in rates.iter().zip(acceleration) {
            let stated = graph.substitute(*a, &on_path);
            excess.push(graph.of(partial(*rate, time) - stated));
        }
        let right = matrix::apply(graph, &inverse, &excess);
        let claim = "the first variation of the action vanishes";
        all_equal(graph, claim, &left, &right)
    }
}

/// The side result.
///
/// # Errors
/// [`Refuted`] if characteristics or the Euler–Lagrange equation are wrong.
pub fn step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Step, Refuted> {
    let (h, system) = system_of(exact);
    let mut evidence = execute(exact, h, &system)?;
    let name = control_name(shown);
    let end = notation::time_of_end(&mut shown.process, shown.horizon.1);
    let equations = "x' = dH/dp,   p' = -dH/dx,   p({}) = grad Phi,   {} = -R^-1 B' p";
    let name_of_step = "zero-noise limit: adjoint and Euler-Lagrange";
    let mut step = Step::new(name_of_step, "el", SOURCE)
        .assuming(&[Assumption::NoCaustics])
        .line("H(x,p,t) = q + p.b - 1/2 p.B R^-1 B' p,   p = grad V")
        .line(Formula::of(equations, &[&end, &name]));
    if exact.dimension() <= 3 {
        let (_, written) = system_of(shown);
        step = step
            .line(notation::vector(
                &mut shown.process,
                "x'",
                &written.velocity,
            ))
            .line(notation::vector(&mut shown.process, "p'", &written.force));
    }
    if let Some((found, line)) = euler_lagrange(exact, shown)? {
        evidence = evidence.and(found);
        step = step.line(line);
    }
    let executes = "characteristics of V_t + H(x, grad V) = 0; the first variation of the action";
    Ok(step.executed(executes, evidence))
}

fn system_of(controlled: &mut ControlledDiffusion) -> (Expr, Canonical) {
    let state = controlled.process.state.clone();
    let p = momentum(&mut controlled.process.graph, &state);
    let h = hamiltonian(controlled, &p);
    (h, canonical(&mut controlled.process.graph, &state, &p, h))
}

fn euler_lagrange(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Option<(Evidence, Formula)>, Refuted> {
    fn found<T>(
        controlled: &mut ControlledDiffusion,
        then: impl FnOnce(&mut Graph, &Motion<'_>, Vec<Expr>) -> T,
    ) -> Option<T> {
        let authority = controlled.authority();
        let process = &mut controlled.process;
        let graph = &mut process.graph;
        let motion = Motion {
            state: &process.state,
            time: process.time,
            drift: &process.drift,
            authority: &authority,
            potential: controlled.running,
            velocity: &velocity(graph, &process.state),
        };
        let acceleration = motion.acceleration(graph)?;
        Some(then(graph, &motion, acceleration))
    }
    let Some(evidence) = found(exact, |graph, motion, a| motion.execute(graph, &a)) else {
        return Ok(None);
    };
    let (evidence, written) = (evidence?, found(shown, |_, _, a| a));
    Ok(written.map(|a| (evidence, notation::vector(&mut shown.process, "x''", &a))))
}
