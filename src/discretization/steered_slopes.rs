//! Derivatives of a steered process and its costs along paths.
//!
//! ```text
//! d/dx [ a.(b + B u) ],    d/dx [ q + 1/2 u'R u ],    d/dx [ a.(G w) ],    dPhi/dx
//! ```
//!
//! each differentiated symbolically and compiled once. They are what a discrete adjoint needs: the derivative of a
//! step in the state, times a vector.
//!
//! # Checked by
//! `s08.discrete_adjoint` of the reference numbers; central differences of the discretized cost.

use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::discretization::matrix_field::MatrixField;
use crate::expr::{CompileError, Expr, Graph, Kernel};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};

/// Compiled derivatives.
#[derive(Clone, Debug)]
pub struct SteeredSlopes {
    states: usize,
    /// Of `x`, `u`, `a`: the derivatives of the drift's product, then those of the cost.
    steered: Kernel,
    /// Of `x`, `a`: the same at `u = 0`.
    free: Kernel,
    /// Of `x`, `a`, `w`; `None` where the noise is free of the state.
    noise: Option<Kernel>,
    terminal: Kernel,
    end: f64,
}

fn symbols(graph: &mut Graph, name: &str, count: usize) -> Vec<Expr> {
    (0..count)
        .map(|i| graph.symbol(&format!("{name}*[{i}]")))
        .collect()
}

fn product(graph: &mut Graph, a: &[Expr], b: &[Expr]) -> Expr {
    let terms: Vec<Expr> = a.iter().zip(b).map(|(a, b)| graph.mul(&[*a, *b])).collect();
    graph.add(&terms)
}

impl SteeredSlopes {
    /// Differentiates and compiles.
    ///
    /// # Errors
    /// Names without a value.
    pub fn new(parts: &ControlledDiffusion) -> Result<Self, CompileError> {
        let mut parts = parts.clone();
        let control = parts.control.clone();
        let drift = parts.steered(&control);
        let cost = parts.cost_rate(&control);
        let (time, state) = (parts.process.time, parts.process.state.clone());
        let diffusion = parts.process.diffusion.clone();
        let free_drift = parts.process.drift.clone();
        let (running, terminal) = (parts.running, parts.terminal);
        let graph = &mut parts.process.graph;
        let adjoint = symbols(graph, "a", state.len());
        let normals = symbols(graph, "w", diffusion.first().map_or(0, Vec::len));
        let compile = |graph: &mut Graph, sums: &[Expr], inputs: &[&[Expr]]| {
            let outputs: Vec<Expr> = sums
                .iter()
                .flat_map(|sum| graph.gradient(*sum, &state))
                .collect();
            let inputs: Vec<Expr> = inputs
                .iter()
                .flat_map(|group| group.iter().copied())
                .collect();
            Kernel::compile(graph, &outputs, time, &inputs)
        };
        let pushed = product(graph, &adjoint, &drift);
        let steered = compile(graph, &[pushed, cost], &[&state, &control, &adjoint])?;
        let pushed = product(graph, &adjoint, &free_drift);
        let free = compile(graph, &[pushed, running], &[&state, &adjoint])?;
        let moving = diffusion
            .iter()
            .flatten()
            .any(|entry| graph.depends_on_any(*entry, &state));
        let noise = if moving {
            let shaken: Vec<Expr> = diffusion
                .iter()
                .map(|row| product(graph, row, &normals))
                .collect();
            let shaken = product(graph, &adjoint, &shaken);
            Some(compile(graph, &[shaken], &[&state, &adjoint, &normals])?)
        } else {
            None
        };
        Ok(Self {
            states: state.len(),
            steered,
            free,
            noise,
            terminal: compile(graph, &[terminal], &[&state])?,
            end: parts.horizon.1,
        })
    }

    /// `out = dPhi/dx`.
    pub fn terminal(&self, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.terminal.eval(self.end, x, out);
    }

    /// `out += dt d/dx [a.(b + B u)] + price d/dx [q + 1/2 u'R u]`.
    pub fn add_steered(
        &self,
        t: f64,
        [x, control, adjoint]: [BatchRef<'_>; 3],
        [dt, price]: [f64; 2],
        out: BatchMut<'_>,
    ) {
        self.add(&self.steered, t, &[x, control, adjoint], &[dt, price], out);
    }

    /// `out += dt d/dx [a.b] + price dq/dx`.
    pub fn add_free(
        &self,
        t: f64,
        [x, adjoint]: [BatchRef<'_>; 2],
        [dt, price]: [f64; 2],
        out: BatchMut<'_>,
    ) {
        self.add(&self.free, t, &[x, adjoint], &[dt, price], out);
    }

    /// `out += d/dx [a.(G w)]`.
    pub fn add_noise(&self, t: f64, [x, adjoint, increment]: [BatchRef<'_>; 3], out: BatchMut<'_>) {
        if let Some(noise) = &self.noise {
            self.add(noise, t, &[x, adjoint, increment], &[1.0], out);
        }
    }

    fn add(
        &self,
        kernel: &Kernel,
        t: f64,
        inputs: &[BatchRef<'_>],
        factors: &[f64],
        mut out: BatchMut<'_>,
    ) {
        let points = out.points();
        let mut joined = Batch::zeros(points, kernel.inputs());
        let mut column = 0;
        for group in inputs {
            for j in 0..group.columns() {
                joined.column_mut(column).copy_from_slice(group.column(j));
                column += 1;
            }
        }
        let mut slopes = Batch::zeros(points, kernel.outputs());
        kernel.eval(t, joined.as_ref(), slopes.as_mut());
        for (k, factor) in factors.iter().enumerate() {
            for l in 0..self.states {
                let slope = slopes.column(k * self.states + l);
                for (o, s) in out.column_mut(l).iter_mut().zip(slope) {
                    *o += factor * s;
                }
            }
        }
    }
}

/// First and second derivatives at a point, for Newton steps along a path without noise.
///
/// Inputs are the state, then the control, then (second derivatives only) the slope `a` of the value.
#[derive(Clone, Debug)]
pub struct SteeredCurvature {
    /// `d(b + B u)/dx`, states × states.
    pub drift: MatrixField,
    /// `d(q + 1/2 u'R u)/d(x, u)`, one row.
    pub cost: MatrixField,
    /// Second derivatives of `a.(b + B u)` in `(x, u)`.
    pub drift_curvature: MatrixField,
    /// Second derivatives of `q + 1/2 u'R u` in `(x, u)`.
    pub cost_curvature: MatrixField,
    /// `dPhi/dx`, one row.
    pub end: MatrixField,
    /// `d2 Phi/dx2`.
    pub end_curvature: MatrixField,
}

impl SteeredCurvature {
    /// Differentiates and compiles.
    ///
    /// # Errors
    /// Names without a value.
    pub fn new(parts: &ControlledDiffusion) -> Result<Self, CompileError> {
        let mut parts = parts.clone();
        let control = parts.control.clone();
        let drift = parts.steered(&control);
        let cost = parts.cost_rate(&control);
        let (time, state) = (parts.process.time, parts.process.state.clone());
        let terminal = parts.terminal;
        let graph = &mut parts.process.graph;
        let adjoint = symbols(graph, "a", state.len());
        let both = [state.as_slice(), &control].concat();
        let all = [both.as_slice(), &adjoint].concat();
        let jacobian: Vec<Vec<Expr>> = drift.iter().map(|f| graph.gradient(*f, &state)).collect();
        let pushed = product(graph, &adjoint, &drift);
        let slope = graph.gradient(cost, &both);
        let end = graph.gradient(terminal, &state);
        let mut hessian = |e: Expr, wrt: &[Expr]| -> Vec<Vec<Expr>> {
            let slope = graph.gradient(e, wrt);
            slope.iter().map(|s| graph.gradient(*s, wrt)).collect()
        };
        let [pushed, bent] = [pushed, cost].map(|e| hessian(e, &both));
        let end_bent = hessian(terminal, &state);
        let graph = &parts.process.graph;
        Ok(Self {
            drift: MatrixField::new(graph, &jacobian, time, &both)?,
            cost: MatrixField::new(graph, &[slope], time, &both)?,
            drift_curvature: MatrixField::new(graph, &pushed, time, &all)?,
            cost_curvature: MatrixField::new(graph, &bent, time, &both)?,
            end: MatrixField::new(graph, &[end], time, &state)?,
            end_curvature: MatrixField::new(graph, &end_bent, time, &state)?,
        })
    }
}
