//! The noising process as symbols, with the derived coefficients every step uses.

use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::matrix;
use crate::expr::arithmetic::{self, Arithmetic, log, partial, sum};
use crate::expr::{Expr, Graph, Node};
use crate::problem::meant::model::Problem;

/// `dX = f dt + G dW` (Itô) with `D = G G'`, and what follows from it by differentiation.
///
/// | field | formula | shape |
/// |---|---|---|
/// | `drift_divergence` | `div f` | 1 |
/// | `diffusivity_divergence` | `(div D)_i = sum_j d_j D_ij` | d |
/// | `double_divergence` | `sum_ij d_i d_j D_ij` | 1 |
/// | `reverse_drift` | `b = -f + div D` | d |
/// | `running_cost` | `q = div f - 1/2 div div D` | 1 |
#[derive(Clone, Debug)]
pub struct Noising {
    pub graph: Graph,
    pub time: Expr,
    pub state: Vec<Expr>,
    pub drift: Vec<Expr>,
    /// States × noises.
    pub diffusion: Vec<Vec<Expr>>,
    pub diffusivity: Vec<Vec<Expr>>,
    pub drift_divergence: Expr,
    pub diffusivity_divergence: Vec<Expr>,
    pub double_divergence: Expr,
    pub reverse_drift: Vec<Expr>,
    pub running_cost: Expr,
    /// Names printed in place of longer expressions, with what they stand for.
    pub definitions: Vec<(String, Expr)>,
    /// Components too many to be printed, with a short form for them in matrices.
    pub abbreviations: Vec<(Vec<Expr>, String)>,
}

impl Noising {
    /// Derives the coefficients.
    pub fn new(
        mut graph: Graph,
        time: Expr,
        state: Vec<Expr>,
        drift: Vec<Expr>,
        diffusion: Vec<Vec<Expr>>,
    ) -> Self {
        let g = &mut graph;
        let diffusivity = matrix::product(g, &diffusion, &matrix::transpose(&diffusion));
        let drift_divergence = g.of(divergence(&drift, &state));
        let still = |g: &Graph, row: &[Expr]| row.iter().all(|e| g.as_number(*e).is_some());
        let diffusivity_divergence = diffusivity.iter().map(|row| {
            if still(g, row) {
                return g.zero();
            }
            g.of(divergence(row, &state))
        });
        let diffusivity_divergence: Vec<Expr> = diffusivity_divergence.collect();
        let double_divergence = g.of(divergence(&diffusivity_divergence, &state));
        let reverse_drift = g.pairwise(&drift, &diffusivity_divergence, |f, e| e - f);
        let running_cost = g.of(drift_divergence - double_divergence / 2);
        Self {
            graph,
            time,
            state,
            drift,
            diffusion,
            diffusivity,
            drift_divergence,
            diffusivity_divergence,
            double_divergence,
            reverse_drift,
            running_cost,
            definitions: Vec::new(),
            abbreviations: Vec::new(),
        }
    }

    /// The process of `[dynamics]`, as the user wrote it.
    pub fn of_problem(problem: &Problem) -> Self {
        let (drift, diffusion) = (&problem.dynamics.drift, &problem.dynamics.diffusion);
        let (graph, state) = (problem.graph.clone(), problem.state.clone());
        Self::new(graph, problem.time, state, drift.clone(), diffusion.clone())
    }

    pub fn dimension(&self) -> usize {
        self.state.len()
    }

    /// The same noise under another drift.
    pub fn with_drift(&self, drift: Vec<Expr>) -> Self {
        let (graph, state) = (self.graph.clone(), self.state.clone());
        Self::new(graph, self.time, state, drift, self.diffusion.clone())
    }

    /// The states, and time.
    pub fn coordinates(&self) -> Vec<Expr> {
        let mut coordinates = self.state.clone();
        coordinates.push(self.time);
        coordinates
    }

    /// Drift and noise, entry by entry.
    pub fn coefficients(&self) -> impl Iterator<Item = Expr> {
        self.drift
            .iter()
            .chain(self.diffusion.iter().flatten())
            .copied()
    }

    pub fn noises(&self) -> usize {
        self.diffusion[0].len()
    }

    /// Whether `D` depends on the state.
    pub fn is_multiplicative(&self) -> bool {
        let mut entries = self.diffusion.iter().flatten();
        entries.any(|entry| self.graph.depends_on_any(*entry, &self.state))
    }

    /// A free constant. Unknown functions of nothing never meet a symbol of the user's.
    pub fn constant(&mut self, name: &str) -> Expr {
        self.graph.unknown(name, &[])
    }

    /// Free constants `name[0]`, `name[1]`, ... (just `name` for one).
    pub fn constants(&mut self, name: &str, count: usize) -> Vec<Expr> {
        if count == 1 {
            return vec![self.constant(name)];
        }
        (0..count)
            .map(|k| self.constant(&format!("{name}[{k}]")))
            .collect()
    }

    /// The unknown function `name(x, t)`.
    pub fn field(&mut self, name: &str) -> Expr {
        self.at_time(name, self.time)
    }

    /// The unknown vector field with components `name[0](x, t)`, `name[1](x, t)`, ... (just `name` in one
    /// dimension).
    pub fn vector_field(&mut self, name: &str) -> Vec<Expr> {
        match self.dimension() {
            1 => vec![self.field(name)],
            d => (0..d)
                .map(|i| self.field(&format!("{name}[{i}]")))
                .collect(),
        }
    }

    /// The unknown `name` at noising time `at`.
    pub fn at_time(&mut self, name: &str, at: Expr) -> Expr {
        let mut arguments = self.state.clone();
        arguments.push(at);
        self.graph.unknown(name, &arguments)
    }

    /// The unknown function of the state alone.
    pub fn at_end(&mut self, name: &str) -> Expr {
        self.graph.unknown(name, &self.state)
    }

    /// Executes `left = right`.
    ///
    /// # Errors
    /// [`Refuted`] with a point where the sides differ.
    pub fn equal(
        &mut self,
        claim: &str,
        left: impl Into<Arithmetic>,
        right: impl Into<Arithmetic>,
    ) -> Result<Evidence, Refuted> {
        equal(&mut self.graph, claim, left, right)
    }

    /// The node that is meant.
    pub fn of(&mut self, meant: impl Into<Arithmetic>) -> Expr {
        self.graph.of(meant)
    }

    /// `e_t`.
    pub fn rate(&self, e: impl Into<Arithmetic>) -> Arithmetic {
        partial(e, self.time)
    }

    /// `grad log e`.
    pub fn score(&mut self, e: Expr) -> Vec<Expr> {
        let log = self.of(log(e));
        self.gradient(log)
    }

    pub fn gradient(&mut self, e: Expr) -> Vec<Expr> {
        self.graph.gradient(e, &self.state)
    }

    pub fn divergence(&mut self, vector: &[Expr]) -> Expr {
        self.graph.of(divergence(vector, &self.state))
    }

    /// `D v`.
    pub fn diffuse(&mut self, vector: &[Expr]) -> Vec<Expr> {
        matrix::apply(&mut self.graph, &self.diffusivity, vector)
    }

    /// `G' v`, one entry per noise.
    pub fn through_noise(&mut self, vector: &[Expr]) -> Vec<Expr> {
        let columns = matrix::transpose(&self.diffusion);
        matrix::apply(&mut self.graph, &columns, vector)
    }

    /// `1/2 D : grad grad e`.
    pub fn half_curvature(&mut self, e: Expr) -> Expr {
        let graph = &mut self.graph;
        let mut terms = Vec::new();
        for (row, x) in self.diffusivity.iter().zip(&self.state) {
            let slope = graph.derivative(e, *x);
            for (entry, y) in row.iter().zip(&self.state) {
                if !graph.is_zero(*entry) {
                    terms.push(graph.of(*entry * partial(slope, *y) / 2));
                }
            }
        }
        graph.of(sum(terms))
    }

    /// The Fokker–Planck operator `-div(f p) + 1/2 div div(D p)`, from the definition.
    pub fn forward_operator(&mut self, p: Expr) -> Expr {
        let drift = self.drift.clone();
        let flux = self.carried(&drift, p);
        let spread = self.half_flux(p);
        let carried = self.divergence(&flux);
        let spread = self.divergence(&spread);
        self.of(spread - carried)
    }

    /// `v p`, a vector.
    pub fn carried(&mut self, vector: &[Expr], p: Expr) -> Vec<Expr> {
        self.graph.each(vector.iter().map(|v| *v * p))
    }

    /// `1/2 div(D p)`, a vector.
    pub fn half_flux(&mut self, p: Expr) -> Vec<Expr> {
        let rows = self.diffusivity.iter();
        rows.map(|row| {
            let scaled = self.graph.each(row.iter().map(|entry| *entry * p / 2));
            self.graph.of(divergence(&scaled, &self.state))
        })
        .collect()
    }

    /// `v . grad e + 1/2 D : grad grad e`.
    pub fn generator(&mut self, drift: &[Expr], e: Expr) -> Expr {
        let slope = self.gradient(e);
        let carried = self.dot(drift, &slope);
        let spread = self.half_curvature(e);
        self.of(carried + spread)
    }

    /// `f . grad e + 1/2 D : grad grad e`.
    pub fn generated(&mut self, e: Expr) -> Expr {
        let drift = self.drift.clone();
        self.generator(&drift, e)
    }

    /// `v . w`.
    pub fn dot(&mut self, a: &[Expr], b: &[Expr]) -> Expr {
        self.of(arithmetic::dot(a, b))
    }

    /// `1/2 |v|^2`.
    pub fn half_square(&mut self, vector: &[Expr]) -> Expr {
        let square = self.dot(vector, vector);
        self.of(square / 2)
    }

    /// `sum_k coefficient_k vector_k`, component by component.
    pub fn combine(&mut self, parts: &[(Expr, &[Expr])]) -> Vec<Expr> {
        let component = |i: usize| sum(parts.iter().map(|(c, vector)| *c * vector[i]));
        self.graph.each((0..self.state.len()).map(component))
    }

    /// `p_t - (-div(f p) + 1/2 div div(D p))`.
    pub fn fokker_planck_residual(&mut self, p: Expr) -> Expr {
        let rate = self.graph.derivative(p, self.time);
        let right = self.forward_operator(p);
        self.of(rate - right)
    }
}

/// `sum_i d v_i / d x_i`.
pub(crate) fn divergence(vector: &[Expr], state: &[Expr]) -> Arithmetic {
    sum(vector.iter().zip(state).map(|(v, x)| partial(*v, *x)))
}

/// The terms of a sum; the expression itself if it is none.
pub(crate) fn terms(graph: &mut Graph, e: Expr) -> Vec<Expr> {
    let Node::Sum(constant, terms) = graph.node(e).clone() else {
        return vec![e];
    };
    let mut parts = Vec::new();
    for (term, coefficient) in terms {
        parts.push(graph.linear(&[(coefficient, term)]));
    }
    if !constant.is_zero() {
        parts.push(graph.exact(constant));
    }
    parts
}
