//! A controlled diffusion with quadratic effort, from the expressions as typed.
//!
//! ```text
//! dX = ( b(X,t) + B(X,t) u ) dt + G(X,t) dW,      D = G G'
//! S[u] = E[ Phi(X_T) + int_0^T e^{-rho t} ( q(X,t) + 1/2 u' R(X,t) u ) dt ]
//! ```
//!
//! The drift is taken apart as `b = f(x, 0, t)`, `B = df/du`, the running cost as `q = l(x, 0, t)`,
//! `R = d2 l / du du`. What does not fit is named by an [`Obstacle`]: then there is still a
//! Hamilton–Jacobi–Bellman equation, but no closed minimiser.
//!
//! # Executed by
//! Putting the parts together again: `f = b + B u` and `l = q + 1/2 u' R u` for every `u`.

use crate::derivation::ground::as_typed::points;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal, equal};
use crate::derivation::ground::matrix::{self, Matrix};
use crate::derivation::ground::noising::{Noising, terms};
use crate::derivation::ground::stated::{Clock, Stated, Terminal};
use crate::expr::arithmetic::{dot, sum};
use crate::expr::{Expr, Graph};
use crate::problem::meant::law::Law;
use nalgebra::DMatrix;

/// Why the minimiser has no closed form of this kind. Texts are in the user's expressions.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Obstacle {
    #[error("the diffusion contains the control: G[{row}][{column}] = {entry}")]
    NoiseDependsOnControl {
        row: usize,
        column: usize,
        entry: String,
    },
    #[error("the drift is not affine in the control: f[{component}] contains {term}")]
    NotControlAffine { component: usize, term: String },
    #[error("the running cost is not quadratic in the control: it contains {term}")]
    NotQuadratic { term: String },
    #[error(
        "the running cost couples control and state: {term}; write u = v - R^-1 N with that term as N.u, and pose the problem in v"
    )]
    CrossTerm { term: String },
    #[error("R = {matrix} is not positive definite{at}, so the minimum is not attained")]
    NotPositive { matrix: String, at: String },
    #[error("R = {matrix} has no closed inverse")]
    NoInverse { matrix: String },
}

/// The one object behind every kind: a controlled diffusion and what steering it costs.
#[derive(Clone, Debug)]
pub struct ControlledDiffusion {
    /// The process without control, with `b` as its drift.
    pub process: Noising,
    pub control: Vec<Expr>,
    /// `B`, states × controls.
    pub channel: Matrix,
    /// `q`.
    pub running: Expr,
    /// `R`, controls × controls.
    pub effort: Matrix,
    /// `R^-1`.
    pub inverse_effort: Matrix,
    /// `Phi` as an expression; zero where [`Terminal`] has none.
    pub terminal: Expr,
    pub end: Terminal,
    pub discount: Expr,
    pub horizon: (f64, f64),
    pub clock: Clock,
    /// Law of `X` at the start, where it is known.
    pub start: Option<Law>,
}

impl ControlledDiffusion {
    /// Whether the horizon has no end: value and policy are then free of time.
    pub fn is_endless(&self) -> bool {
        self.horizon.1.is_infinite()
    }

    /// Whether the least cost per time is asked for, for ever and not discounted.
    pub fn averages(&self) -> bool {
        self.is_endless() && self.process.graph.is_zero(self.discount)
    }
}

/// The process the user's problem has at `u = 0`.
pub fn uncontrolled(stated: &Stated) -> Noising {
    let mut graph = stated.graph.clone();
    let zero = graph.zero();
    let off: Vec<(Expr, Expr)> = stated.control.iter().map(|u| (*u, zero)).collect();
    let drift = stated.drift.iter();
    let drift = drift.map(|f| graph.substitute(*f, &off)).collect();
    let (state, diffusion) = (stated.state.clone(), stated.diffusion.clone());
    Noising::new(graph, stated.time, state, drift, diffusion)
}

/// Takes the problem apart.
///
/// # Errors
/// The first [`Obstacle`] on the way to a closed minimiser.
pub fn take_apart(stated: &Stated) -> Result<ControlledDiffusion, Obstacle> {
    let mut process = uncontrolled(stated);
    let graph = &mut process.graph;
    for (row, entries) in stated.diffusion.iter().enumerate() {
        for (column, entry) in entries.iter().enumerate() {
            if graph.depends_on_any(*entry, &stated.control) {
                return Err(Obstacle::NoiseDependsOnControl {
                    row,
                    column,
                    entry: graph.text(*entry),
                });
            }
        }
    }
    let channel = channel(graph, stated)?;
    let (running, effort) = effort(graph, stated)?;
    positive(graph, stated, &effort)?;
    let inverse_effort = matrix::inverse(graph, &effort).ok_or_else(|| Obstacle::NoInverse {
        matrix: matrix_text(graph, &effort),
    })?;
    Ok(ControlledDiffusion {
        process,
        control: stated.control.clone(),
        channel,
        running,
        effort,
        inverse_effort,
        terminal: stated.terminal,
        end: stated.end.clone(),
        discount: stated.discount,
        horizon: stated.horizon,
        clock: stated.clock,
        start: None,
    })
}

/// `B`, free of the control.
pub(crate) fn channel(graph: &mut Graph, stated: &Stated) -> Result<Matrix, Obstacle> {
    let mut rows = Vec::new();
    for (component, f) in stated.drift.iter().enumerate() {
        match graph.affine_coefficients(*f, &stated.control) {
            Some((row, _)) => rows.push(row),
            None => {
                return Err(Obstacle::NotControlAffine {
                    component,
                    term: offending(graph, *f, &stated.control, 2),
                });
            }
        }
    }
    Ok(rows)
}

/// `q` and `R`; `R` is free of the control and the gradient in `u` vanishes at `u = 0`.
pub(crate) fn effort(graph: &mut Graph, stated: &Stated) -> Result<(Expr, Matrix), Obstacle> {
    let control = &stated.control;
    let zero = graph.zero();
    let off: Vec<(Expr, Expr)> = control.iter().map(|u| (*u, zero)).collect();
    let running = graph.substitute(stated.running, &off);
    let slope = graph.gradient(stated.running, control);
    let mut effort = Vec::new();
    for s in &slope {
        let mut row = graph.gradient(*s, control);
        for entry in &mut row {
            if graph.depends_on_any(*entry, control) {
                *entry = graph.expand(*entry);
            }
            if graph.depends_on_any(*entry, control) {
                let term = offending(graph, stated.running, control, 3);
                return Err(Obstacle::NotQuadratic { term });
            }
        }
        effort.push(row);
    }
    for (s, u) in slope.iter().zip(control) {
        let linear = graph.substitute(*s, &off);
        if !graph.is_provably_zero(linear) {
            let term = graph.of(linear * *u);
            let term = graph.text(term);
            return Err(Obstacle::CrossTerm { term });
        }
    }
    Ok((running, effort))
}

/// The terms of a sum whose derivative of this order in the control does not vanish.
fn offending(graph: &mut Graph, e: Expr, control: &[Expr], order: usize) -> String {
    let expanded = graph.expand(e);
    let terms = terms(graph, expanded);
    let mut kept = Vec::new();
    for term in terms {
        let mut derivatives = vec![term];
        for _ in 0..order {
            derivatives = derivatives
                .iter()
                .flat_map(|e| graph.gradient(*e, control))
                .collect();
        }
        if derivatives.iter().any(|e| !graph.is_zero(*e)) {
            kept.push(term);
        }
    }
    let sum = graph.of(sum(kept));
    graph.text(sum)
}

/// `[[a, b], [c, d]]`.
pub fn matrix_text(graph: &Graph, matrix: &[Vec<Expr>]) -> String {
    if let [row] = matrix
        && let [entry] = row.as_slice()
    {
        return graph.text(*entry);
    }
    let rows: Vec<String> = matrix
        .iter()
        .map(|row| {
            let entries: Vec<String> = row.iter().map(|e| graph.text(*e)).collect();
            format!("[{}]", entries.join(", "))
        })
        .collect();
    format!("[{}]", rows.join(", "))
}

/// The smallest eigenvalue of `R`, over seeded points of the state (one point where `R` is constant).
pub(crate) fn positive(
    graph: &Graph,
    stated: &Stated,
    effort: &[Vec<Expr>],
) -> Result<f64, Obstacle> {
    let entries: Vec<Expr> = effort.iter().flatten().copied().collect();
    let size = effort.len();
    let mut smallest = f64::INFINITY;
    if size == 0 {
        return Ok(smallest);
    }
    let places = points(&stated.state, stated.time, None, stated.horizon);
    for at in places.iter().take(64) {
        let Some(values) = graph.evaluate_all(&entries, at) else {
            continue;
        };
        if values.iter().any(|v| !v.is_finite()) {
            continue;
        }
        let rows = DMatrix::from_row_slice(size, size, &values);
        let eigenvalues = rows.symmetric_eigenvalues();
        smallest = smallest.min(eigenvalues.min());
        // A margin: rounding must not make a singular matrix positive.
        if eigenvalues.min() <= 1e-12 * eigenvalues.amax() {
            let constant = entries.iter().all(|e| graph.as_number(*e).is_some());
            let place: Vec<String> = at
                .iter()
                .map(|(e, v)| format!("{} = {v:.3}", graph.text(*e)))
                .collect();
            return Err(Obstacle::NotPositive {
                matrix: matrix_text(graph, effort),
                at: if constant {
                    String::new()
                } else {
                    format!(" at {}", place.join(", "))
                },
            });
        }
    }
    Ok(smallest)
}

/// `f = b + B u`, `l = q + 1/2 u' R u` and `R R^-1 = I`.
///
/// # Errors
/// [`Refuted`] if the parts do not make up what was typed.
pub fn execute(controlled: &mut ControlledDiffusion, stated: &Stated) -> Result<Evidence, Refuted> {
    let control = controlled.control.clone();
    let steered = controlled.steered(&control);
    let cost = controlled.cost_rate(&control);
    let graph = &mut controlled.process.graph;
    let claim = "the drift is b + B u";
    let drift = all_equal(graph, claim, &stated.drift, &steered)?;
    let claim = "the running cost is q + 1/2 u'R u";
    let running = equal(graph, claim, stated.running, cost)?;
    let one = matrix::identity(graph, control.len());
    let back = matrix::product(graph, &controlled.effort, &controlled.inverse_effort);
    let claim = "R R^-1 = I";
    let inverse = all_equal(graph, claim, &back.concat(), &one.concat())?;
    Ok(drift.and(running).and(inverse))
}

impl ControlledDiffusion {
    pub fn dimension(&self) -> usize {
        self.process.dimension()
    }

    /// `B u`.
    pub fn push(&mut self, control: &[Expr]) -> Vec<Expr> {
        matrix::apply(&mut self.process.graph, &self.channel, control)
    }

    /// `b + B u`.
    pub fn steered(&mut self, control: &[Expr]) -> Vec<Expr> {
        let push = self.push(control);
        let process = &mut self.process;
        process.graph.pairwise(&process.drift, &push, |b, p| b + p)
    }

    /// `1/2 u' R u`.
    pub fn effort_rate(&mut self, control: &[Expr]) -> Expr {
        let graph = &mut self.process.graph;
        let priced = matrix::apply(graph, &self.effort, control);
        graph.of(dot(control, &priced) / 2)
    }

    /// `q + 1/2 u' R u`.
    pub fn cost_rate(&mut self, control: &[Expr]) -> Expr {
        let effort = self.effort_rate(control);
        self.process.of(self.running + effort)
    }

    /// `B' v`.
    pub fn through_channel(&mut self, vector: &[Expr]) -> Vec<Expr> {
        let columns = matrix::transpose(&self.channel);
        matrix::apply(&mut self.process.graph, &columns, vector)
    }

    /// `B R^-1 B'`, states × states.
    pub fn authority(&mut self) -> Matrix {
        let graph = &mut self.process.graph;
        let columns = matrix::transpose(&self.channel);
        let priced = matrix::product(graph, &self.channel, &self.inverse_effort);
        matrix::product(graph, &priced, &columns)
    }

    /// `-R^-1 B' v`: the control that minimises `1/2 u' R u + (B u) . v`.
    pub fn best_response(&mut self, slope: &[Expr]) -> Vec<Expr> {
        let pulled = self.through_channel(slope);
        let graph = &mut self.process.graph;
        let scaled = matrix::apply(graph, &self.inverse_effort, &pulled);
        graph.each(scaled.iter().map(|u| -*u))
    }
}
