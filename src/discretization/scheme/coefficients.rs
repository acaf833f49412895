//! Coefficients of a stochastic differential equation, compiled from expressions.

use crate::discretization::matrix_field::MatrixField;
use crate::discretization::scheme::{Coefficients, SchemeRefusal};
use crate::expr::{CompileError, Expr, Graph, Kernel, Node};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::problem::meant::model::Problem;
use nalgebra::{DMatrix, DVector};

/// Why an equation could not be turned into numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdeError {
    #[error("the dynamics could not be compiled: {0}")]
    Compile(#[from] CompileError),
}

/// What the noise does with the state; each entry says more than the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseStructure {
    /// G does not depend on the state.
    Additive,
    /// `(G_j·∇) G_k = (G_k·∇) G_j` for every two noises.
    Commutative,
    /// Neither was proved. The first blocking entry: the component, and the two noises.
    General {
        row: usize,
        first: usize,
        second: usize,
    },
}

/// A control as a function of time and state: writes points × controls.
pub type Policy<'a> = dyn Fn(f64, BatchRef<'_>, BatchMut<'_>) + Sync + 'a;

/// `dX = f(X,u,t) dt + G(X,t) dW` (Itô) with everything schemes ask for compiled.
#[derive(Clone, Debug)]
pub struct Sde {
    states: usize,
    controls: usize,
    /// Of (state, control).
    drift: Kernel,
    /// `½ Σ (G_j·∇) G_j`; `None` where it vanishes.
    correction: Option<Kernel>,
    diffusion: MatrixField,
    brackets: Vec<(usize, usize, usize)>,
    bracket_values: Kernel,
    structure: NoiseStructure,
    /// First entry of G that depends on the state.
    multiplicative: Option<(usize, usize)>,
    linear: LinearPart,
}

/// `f = A x + a + rest` with constant A and a.
#[derive(Clone, Debug)]
pub(super) struct LinearPart {
    pub(super) matrix: DMatrix<f64>,
    pub(super) shift: DVector<f64>,
}

impl Sde {
    /// The equation of a problem: its own coefficients, with its control where it has one.
    ///
    /// # Errors
    /// Names without a value.
    pub fn of(problem: &Problem) -> Result<Self, SdeError> {
        let dynamics = &problem.dynamics;
        Self::compile(
            &mut problem.graph.clone(),
            problem.time,
            &problem.state,
            &problem.control,
            &dynamics.drift,
            &dynamics.diffusion,
        )
    }

    /// `drift` (one entry per state, in Itô's reading) as expressions of time, state and control,
    /// `diffusion` (states × noises) of time and state.
    ///
    /// # Errors
    /// Names without a value; a control in the diffusion is one.
    pub fn compile(
        graph: &mut Graph,
        time: Expr,
        state: &[Expr],
        control: &[Expr],
        drift: &[Expr],
        diffusion: &[Vec<Expr>],
    ) -> Result<Self, SdeError> {
        let transport = Transport::new(graph, state, diffusion);
        let (brackets, bracket_entries) = transport.brackets(graph);
        let correction = transport.correction(graph);
        let plain = correction.iter().all(|c| graph.is_zero(*c));
        let inputs: Vec<Expr> = state.iter().chain(control).copied().collect();
        Ok(Self {
            states: state.len(),
            controls: control.len(),
            drift: Kernel::compile(graph, drift, time, &inputs)?,
            correction: if plain {
                None
            } else {
                Some(Kernel::compile(graph, &correction, time, state)?)
            },
            diffusion: MatrixField::new(graph, diffusion, time, state)?,
            bracket_values: Kernel::compile(graph, &bracket_entries, time, state)?,
            structure: transport.structure(graph),
            multiplicative: transport.multiplicative(graph),
            linear: linear_part(graph, time, state, &inputs, drift)?,
            brackets,
        })
    }

    pub fn states(&self) -> usize {
        self.states
    }

    pub fn noises(&self) -> usize {
        self.diffusion.columns()
    }

    pub fn controls(&self) -> usize {
        self.controls
    }

    pub fn structure(&self) -> NoiseStructure {
        self.structure
    }

    /// For schemes that need additive noise.
    ///
    /// # Errors
    /// The first entry that depends on the state.
    pub(super) fn additive(&self, scheme: &'static str) -> Result<(), SchemeRefusal> {
        match self.multiplicative {
            None => Ok(()),
            Some((row, column)) => Err(SchemeRefusal::NotAdditive {
                scheme,
                row,
                column,
            }),
        }
    }

    /// For schemes that need commutative noise.
    pub(super) fn commutative(&self, scheme: &'static str) -> Result<(), SchemeRefusal> {
        match self.structure {
            NoiseStructure::General { row, first, second } => Err(SchemeRefusal::NotCommutative {
                scheme,
                first,
                second,
                row,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn noise_moves(&self) -> bool {
        self.diffusion.depends_on_time()
    }

    pub(super) fn linear(&self) -> &LinearPart {
        &self.linear
    }

    /// The equation for blocks of at most `points` points.
    ///
    /// # Panics
    /// If it has a control and no policy is given.
    pub fn equation<'a>(&'a self, points: usize, policy: Option<&'a Policy<'a>>) -> Equation<'a> {
        assert!(
            policy.is_some() || self.controls == 0,
            "an equation with a control needs a policy"
        );
        Equation {
            sde: self,
            policy,
            inputs: Batch::zeros(points, self.states + self.controls),
            correction: Batch::zeros(points, self.states),
        }
    }
}

/// An [`Sde`] with its control closed by a policy, and room for one block.
pub struct Equation<'a> {
    sde: &'a Sde,
    policy: Option<&'a Policy<'a>>,
    /// States, then controls.
    inputs: Batch,
    correction: Batch,
}

impl Coefficients for Equation<'_> {
    fn states(&self) -> usize {
        self.sde.states
    }

    fn noises(&self) -> usize {
        self.sde.noises()
    }

    fn structure(&self) -> NoiseStructure {
        self.sde.structure
    }

    fn drift(&mut self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let Some(policy) = self.policy.filter(|_| self.sde.controls > 0) else {
            self.sde.drift.eval(t, x, out);
            return;
        };
        let (points, states) = (x.points(), self.sde.states);
        let stride = self.inputs.points();
        let (state, control) = self.inputs.as_mut_slice().split_at_mut(states * stride);
        BatchMut::new(state, points, states, stride).copy_from(x);
        policy(
            t,
            x,
            BatchMut::new(control, points, self.sde.controls, stride),
        );
        let inputs = self.inputs.as_ref().rows(0..points);
        self.sde.drift.eval(t, inputs, out);
    }

    fn stratonovich_drift(&mut self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        self.drift(t, x, out.reborrow());
        let Some(correction) = &self.sde.correction else {
            return;
        };
        let mut room = self.correction.as_mut();
        correction.eval(t, x, room.rows_mut(0..x.points()));
        for j in 0..self.sde.states {
            for (f, c) in out.column_mut(j).iter_mut().zip(self.correction.column(j)) {
                *f -= c;
            }
        }
    }

    fn entries(&self) -> &[(usize, usize)] {
        self.sde.diffusion.places()
    }

    fn diffusion(&mut self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.sde.diffusion.write_values(t, x, out);
    }

    fn brackets(&self) -> &[(usize, usize, usize)] {
        &self.sde.brackets
    }

    fn bracket_values(&mut self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.sde.bracket_values.eval(t, x, out);
    }
}

/// The columns of G and their derivatives along each other.
struct Transport<'a> {
    state: &'a [Expr],
    diffusion: &'a [Vec<Expr>],
    /// `((G_j·∇) G_k)_i` at `[i][j][k]`; empty where no entry depends on the state.
    along: Vec<Vec<Vec<Expr>>>,
}

impl<'a> Transport<'a> {
    fn new(graph: &mut Graph, state: &'a [Expr], diffusion: &'a [Vec<Expr>]) -> Self {
        let mut transport = Self {
            state,
            diffusion,
            along: Vec::new(),
        };
        if transport.multiplicative(graph).is_none() {
            return transport;
        }
        let noises = diffusion[0].len();
        for row in diffusion {
            let slopes: Vec<Vec<Expr>> = row.iter().map(|e| graph.gradient(*e, state)).collect();
            let component = (0..noises)
                .map(|j| {
                    slopes
                        .iter()
                        .map(|slope| {
                            let terms: Vec<Expr> = slope
                                .iter()
                                .zip(diffusion)
                                .map(|(s, g)| graph.mul(&[*s, g[j]]))
                                .collect();
                            graph.add(&terms)
                        })
                        .collect()
                })
                .collect();
            transport.along.push(component);
        }
        transport
    }

    fn multiplicative(&self, graph: &Graph) -> Option<(usize, usize)> {
        let rows = self.diffusion.iter().enumerate();
        rows.flat_map(|(i, row)| row.iter().enumerate().map(move |(k, e)| (i, k, *e)))
            .find(|(_, _, e)| graph.depends_on_any(*e, self.state))
            .map(|(i, k, _)| (i, k))
    }

    fn brackets(&self, graph: &Graph) -> (Vec<(usize, usize, usize)>, Vec<Expr>) {
        let mut found = (Vec::new(), Vec::new());
        for (i, component) in self.along.iter().enumerate() {
            for (j, row) in component.iter().enumerate() {
                for (k, e) in row.iter().enumerate().skip(j) {
                    if !graph.is_zero(*e) {
                        found.0.push((i, j, k));
                        found.1.push(*e);
                    }
                }
            }
        }
        found
    }

    /// `½ Σ_j (G_j·∇) G_j`
    fn correction(&self, graph: &mut Graph) -> Vec<Expr> {
        let half = graph.rational(1, 2);
        let zero = graph.zero();
        if self.along.is_empty() {
            return vec![zero; self.diffusion.len()];
        }
        self.along
            .iter()
            .map(|component| {
                let terms: Vec<Expr> = (0..component.len()).map(|j| component[j][j]).collect();
                let sum = graph.add(&terms);
                graph.mul(&[half, sum])
            })
            .collect()
    }

    fn structure(&self, graph: &mut Graph) -> NoiseStructure {
        if self.along.is_empty() {
            return NoiseStructure::Additive;
        }
        for (row, component) in self.along.iter().enumerate() {
            for (first, along) in component.iter().enumerate() {
                for (second, back) in component.iter().enumerate().skip(first + 1) {
                    let bracket = graph.sub(along[second], back[first]);
                    if !graph.is_provably_zero(bracket) {
                        return NoiseStructure::General { row, first, second };
                    }
                }
            }
        }
        NoiseStructure::Commutative
    }
}

/// The terms of an expanded drift that are affine in the state with constant coefficients.
fn linear_part(
    graph: &mut Graph,
    time: Expr,
    state: &[Expr],
    inputs: &[Expr],
    drift: &[Expr],
) -> Result<LinearPart, SdeError> {
    let d = state.len();
    let mut moving = inputs.to_vec();
    moving.push(time);
    let (mut places, mut values) = (Vec::new(), Vec::new());
    for (i, f) in drift.iter().enumerate() {
        let expanded = graph.expand(*f);
        let terms: Vec<Expr> = match graph.node(expanded).clone() {
            Node::Sum(constant, terms) => {
                let mut parts: Vec<Expr> = terms
                    .into_iter()
                    .map(|(term, factor)| graph.linear(&[(factor, term)]))
                    .collect();
                parts.push(graph.exact(constant));
                parts
            }
            _ => vec![expanded],
        };
        for term in terms {
            let Some((coefficients, constant)) = graph.affine_coefficients(term, state) else {
                continue;
            };
            let all = coefficients.into_iter().chain([constant]).enumerate();
            for (j, value) in all {
                if !graph.is_zero(value) && !graph.depends_on_any(value, &moving) {
                    places.push((i, j));
                    values.push(value);
                }
            }
        }
    }
    let kernel = Kernel::compile(graph, &values, time, &[])?;
    let mut numbers = vec![0.0; values.len()];
    kernel.eval_point(0.0, &[], &mut numbers);
    let mut part = LinearPart {
        matrix: DMatrix::zeros(d, d),
        shift: DVector::zeros(d),
    };
    for ((i, j), value) in places.into_iter().zip(numbers) {
        if j < d {
            part.matrix[(i, j)] += value;
        } else {
            part.shift[i] += value;
        }
    }
    Ok(part)
}
