//! The noising process as symbols, with the derived coefficients every step uses.

use crate::expr::{Expr, Graph, Node};

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
        let diffusivity: Vec<Vec<Expr>> = diffusion
            .iter()
            .map(|a| diffusion.iter().map(|b| dot(g, a, b)).collect())
            .collect();
        let drift_divergence = divergence(g, &drift, &state);
        let diffusivity_divergence: Vec<Expr> = diffusivity
            .iter()
            .map(|row| divergence(g, row, &state))
            .collect();
        let double_divergence = divergence(g, &diffusivity_divergence, &state);
        let reverse_drift = drift
            .iter()
            .zip(&diffusivity_divergence)
            .map(|(f, e)| g.sub(*e, *f))
            .collect();
        let half = g.rational(1, 2);
        let jacobian = g.mul(&[half, double_divergence]);
        let running_cost = g.sub(drift_divergence, jacobian);
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
        }
    }

    pub fn dimension(&self) -> usize {
        self.state.len()
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
        let mut arguments = self.state.clone();
        arguments.push(self.time);
        self.graph.unknown(name, &arguments)
    }

    /// The unknown vector field with components `name[0](x, t)`, `name[1](x, t)`, ... (just `name` in one
    /// dimension).
    pub fn vector_field(&mut self, name: &str) -> Vec<Expr> {
        if self.dimension() == 1 {
            return vec![self.field(name)];
        }
        (0..self.dimension())
            .map(|i| self.field(&format!("{name}[{i}]")))
            .collect()
    }

    /// The unknown `name` at noising time `at`.
    pub fn at_time(&mut self, name: &str, at: Expr) -> Expr {
        let mut arguments = self.state.clone();
        arguments.push(at);
        self.graph.unknown(name, &arguments)
    }

    /// The unknown function of the state alone.
    pub fn at_end(&mut self, name: &str) -> Expr {
        let arguments = self.state.clone();
        self.graph.unknown(name, &arguments)
    }

    pub fn gradient(&mut self, e: Expr) -> Vec<Expr> {
        self.graph.gradient(e, &self.state)
    }

    pub fn divergence(&mut self, vector: &[Expr]) -> Expr {
        divergence(&mut self.graph, vector, &self.state)
    }

    /// `D v`.
    pub fn diffuse(&mut self, vector: &[Expr]) -> Vec<Expr> {
        let graph = &mut self.graph;
        self.diffusivity
            .iter()
            .map(|row| dot(graph, row, vector))
            .collect()
    }

    /// `G' v`, one entry per noise.
    pub fn through_noise(&mut self, vector: &[Expr]) -> Vec<Expr> {
        let graph = &mut self.graph;
        (0..self.diffusion[0].len())
            .map(|k| {
                let column: Vec<Expr> = self.diffusion.iter().map(|row| row[k]).collect();
                dot(graph, &column, vector)
            })
            .collect()
    }

    /// `1/2 D : grad grad e`.
    pub fn half_curvature(&mut self, e: Expr) -> Expr {
        let graph = &mut self.graph;
        let half = graph.rational(1, 2);
        let mut terms = Vec::new();
        for (row, x) in self.diffusivity.iter().zip(&self.state) {
            let slope = graph.derivative(e, *x);
            for (entry, y) in row.iter().zip(&self.state) {
                if !graph.is_zero(*entry) {
                    let second = graph.derivative(slope, *y);
                    terms.push(graph.mul(&[half, *entry, second]));
                }
            }
        }
        graph.add(&terms)
    }

    /// The Fokker–Planck operator `-div(f p) + 1/2 div div(D p)`, from the definition.
    pub fn forward_operator(&mut self, p: Expr) -> Expr {
        let flux: Vec<Expr> = self
            .drift
            .iter()
            .map(|f| self.graph.mul(&[*f, p]))
            .collect();
        let spread = self.half_flux(p);
        let carried = self.divergence(&flux);
        let spread = self.divergence(&spread);
        self.graph.sub(spread, carried)
    }

    /// `1/2 div(D p)`, a vector.
    pub fn half_flux(&mut self, p: Expr) -> Vec<Expr> {
        let graph = &mut self.graph;
        let half = graph.rational(1, 2);
        self.diffusivity
            .iter()
            .map(|row| {
                let scaled: Vec<Expr> = row
                    .iter()
                    .map(|entry| graph.mul(&[half, *entry, p]))
                    .collect();
                divergence(graph, &scaled, &self.state)
            })
            .collect()
    }

    /// `v . grad e + 1/2 D : grad grad e`.
    pub fn generator(&mut self, drift: &[Expr], e: Expr) -> Expr {
        let slope = self.gradient(e);
        let carried = dot(&mut self.graph, drift, &slope);
        let spread = self.half_curvature(e);
        self.graph.add(&[carried, spread])
    }

    /// `v . w`.
    pub fn dot(&mut self, a: &[Expr], b: &[Expr]) -> Expr {
        dot(&mut self.graph, a, b)
    }

    /// `1/2 |v|^2`.
    pub fn half_square(&mut self, vector: &[Expr]) -> Expr {
        let square = dot(&mut self.graph, vector, vector);
        let half = self.graph.rational(1, 2);
        self.graph.mul(&[half, square])
    }

    /// `sum_k coefficient_k vector_k`, component by component.
    pub fn combine(&mut self, parts: &[(Expr, &[Expr])]) -> Vec<Expr> {
        let graph = &mut self.graph;
        (0..self.state.len())
            .map(|i| {
                let terms: Vec<Expr> = parts
                    .iter()
                    .map(|(c, vector)| graph.mul(&[*c, vector[i]]))
                    .collect();
                graph.add(&terms)
            })
            .collect()
    }

    /// `p_t - (-div(f p) + 1/2 div div(D p))`.
    pub fn fokker_planck_residual(&mut self, p: Expr) -> Expr {
        let rate = self.graph.derivative(p, self.time);
        let right = self.forward_operator(p);
        self.graph.sub(rate, right)
    }
}

/// `sum_i a_i b_i`.
pub(crate) fn dot(graph: &mut Graph, a: &[Expr], b: &[Expr]) -> Expr {
    let terms: Vec<Expr> = a.iter().zip(b).map(|(a, b)| graph.mul(&[*a, *b])).collect();
    graph.add(&terms)
}

/// `sum_i d v_i / d x_i`.
pub(crate) fn divergence(graph: &mut Graph, vector: &[Expr], state: &[Expr]) -> Expr {
    let terms: Vec<Expr> = vector
        .iter()
        .zip(state)
        .map(|(v, x)| graph.derivative(*v, *x))
        .collect();
    graph.add(&terms)
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
