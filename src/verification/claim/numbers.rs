//! Numbers for the unknown functions of claims: the exact law of a noised mixture, written out.
//!
//! `log p_t` becomes `log sum_k exp( w_k - 1/2 (x - m_k)' P_k (x - m_k) )` with `m_k`, `P_k`, `w_k` known
//! functions of time, differentiated by the state symbolically and by time with stencils on `m_k`, `P_k`
//! and `w_k`. The Fokker–Planck equation enters nowhere, so it can be checked.

use crate::derivation::claim::ground::{Ground, Law as PathLaw, horizon};
use crate::discretization::noising::Noising;
use crate::expr::arithmetic::dot;
use crate::expr::{CompileError, Expr, Function, Graph, Kernel, Node};
use crate::field::noised_mixture::NoisedMixture;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::random::Streams;
use crate::problem::meant::law::{Covariance, Law, Mixture};
use crate::problem::meant::model::Problem;
use crate::verification::claim::stencil;
use nalgebra::DMatrix;

/// Components times squared dimension of a law that is written out.
const LARGEST: usize = 400;

/// Step of time derivatives of the law, relative to the horizon.
const RATE_STEP: f64 = 2e-3;

/// Why a claim was not measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unmeasured {
    #[error("the law has no closed form here (mixture data under affine drift have one)")]
    NoLaw,
    #[error("the law has {components} components in {dimension} states, more than are written out")]
    LargeLaw { components: usize, dimension: usize },
    #[error("{0} has no value here")]
    NoValue(String),
    #[error("no measurement of {0}")]
    Unsupported(&'static str),
    #[error("time derivatives of the law beyond the second")]
    HighRate,
    #[error("no finite value: {0}")]
    Infinite(String),
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// A function of time of the written-out law.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Parameter {
    Weight(usize),
    Mean(usize, usize),
    Precision(usize, usize, usize),
    /// Transition from the start: map, shift, precision.
    Map(usize, usize),
    Shift(usize),
    TransitionPrecision(usize, usize),
}

/// The functions of time that were written out, as unknowns.
struct Table {
    time: Expr,
    known: Vec<(Expr, Parameter)>,
}

impl Table {
    fn known(&mut self, graph: &mut Graph, parameter: Parameter) -> Expr {
        let e = graph.unknown(&format!("#law{}", self.known.len()), &[self.time]);
        self.known.push((e, parameter));
        e
    }

    fn row(&mut self, graph: &mut Graph, d: usize, at: impl Fn(usize) -> Parameter) -> Vec<Expr> {
        (0..d).map(|j| self.known(graph, at(j))).collect()
    }
}

/// The laws of a problem, as numbers and as expressions over functions of time.
#[derive(Clone, Debug)]
pub struct Numbers {
    pub exact: Option<NoisedMixture>,
    pub data: Option<Mixture>,
    pub prior: Option<Mixture>,
    pub start: f64,
    pub end: f64,
    pub streams: Streams,
    known: Known,
}

/// A law that holds at the start of the horizon alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Always,
    AtStart,
}

/// Expressions compiled over state, start point, random direction and functions of time.
pub struct Compiled {
    kernel: Kernel,
    dimension: usize,
    parameters: Vec<(Parameter, u32)>,
    needs_law: bool,
    /// Whether the start point of the path enters.
    pub uses_origin: bool,
    /// Whether a random direction enters.
    pub uses_slice: bool,
}

/// What the law is at one time and around it.
struct Snapshot {
    weights: Vec<f64>,
    means: Vec<Vec<f64>>,
    precisions: Vec<DMatrix<f64>>,
    map: DMatrix<f64>,
    shift: Vec<f64>,
    transition_precision: Option<DMatrix<f64>>,
}

impl Numbers {
    /// The laws of a reverse problem, from the start of its horizon where the data have a density there,
    /// else from `t_min`.
    pub fn new(problem: &Problem) -> Self {
        let data = problem.task.start_law().and_then(Law::mixture);
        let prior = problem.task.prior().and_then(Law::mixture);
        let (start, end) = horizon(problem);
        let exact = match (Noising::new(problem), &data) {
            (Ok(noising), Some(mixture)) => noising.transition().map(|transition| {
                NoisedMixture::new(mixture.clone(), transition.clone(), noising.start())
            }),
            _ => None,
        };
        Self {
            exact,
            data,
            prior,
            start,
            end,
            streams: Streams::new(problem.run.seed).scoped("claims"),
            known: Known::Always,
        }
    }

    /// The laws at the start of the horizon, where the data have a density there: then `log p` is theirs,
    /// without time derivatives.
    pub fn at_start(&self) -> Option<Self> {
        let data = self.data.as_ref()?;
        let dense = |c: &Covariance| inverse(c, data.dimension()).is_some();
        data.covariances.iter().all(dense).then(|| Self {
            exact: None,
            known: Known::AtStart,
            ..self.clone()
        })
    }

    /// The law of the state at a time, where it is known.
    pub fn law_at(&self, law: &PathLaw, t: f64) -> Option<Mixture> {
        match (law, &self.exact) {
            (PathLaw::Forward | PathLaw::Reverse, Some(exact)) => Some(exact.mixture_at(t)),
            (PathLaw::Forward, None) if t == self.start => self.data.clone(),
            (PathLaw::Controlled(_), _) if t == self.end => self.prior.clone(),
            _ => None,
        }
    }

    /// Where points of a claim about every point lie, coordinate by coordinate: around the law at the start,
    /// on one side of zero for a start at a point.
    pub fn region(&self, dimension: usize) -> Vec<(f64, f64)> {
        let around = |(mean, variance): (f64, f64)| {
            let half = match (variance > 0.0, mean == 0.0) {
                // A density reaches both signs.
                (true, _) => mean.abs() + 2.0 * variance.sqrt(),
                (false, true) => 1.0,
                (false, false) => 0.75 * mean.abs(),
            };
            (mean - half, mean + half)
        };
        match &self.data {
            Some(data) => data
                .mean()
                .into_iter()
                .zip(data.variances())
                .map(around)
                .collect(),
            None => vec![(-2.0, 2.0); dimension],
        }
    }

    /// Symbols of the columns after the state: origin, slice.
    fn origin(graph: &mut Graph, d: usize) -> Vec<Expr> {
        (0..d)
            .map(|i| graph.symbol(&format!("#origin{i}")))
            .collect()
    }

    /// Compiles expressions in a scratch copy of the graph.
    ///
    /// # Errors
    /// [`Unmeasured`] where something has no value.
    pub fn compile(&self, ground: &Ground, outputs: &[Expr]) -> Result<Compiled, Unmeasured> {
        let mut graph = ground.noising.graph.clone();
        let d = ground.noising.dimension();
        let origin = Self::origin(&mut graph, d);
        let mut table = Table {
            time: ground.noising.time,
            known: Vec::new(),
        };
        let mut replacements = Vec::new();
        let named = |graph: &Graph, outputs: &[Expr], name: &str| {
            graph.unknowns(outputs).into_iter().any(
                |n| matches!(graph.node(n), Node::Unknown(found, ..) if found.starts_with(name)),
            )
        };
        let needs_density = named(&graph, outputs, "log_p");
        let needs_start = named(&graph, outputs, "conditional_score");
        let frozen = self.known == Known::AtStart;
        let needs_law = needs_density && !frozen || needs_start;
        if needs_law && self.exact.is_none() {
            return Err(Unmeasured::NoLaw);
        }
        if needs_density && frozen {
            let data = self.data.as_ref().ok_or(Unmeasured::NoLaw)?;
            let density = constant_density(&mut graph, &ground.noising.state, data);
            replacements.push((ground.log_p, density));
        } else if needs_density {
            let density = self.density(&mut graph, ground, &mut table)?;
            replacements.push((ground.log_p, density));
        }
        if needs_start {
            let conditional = conditional(&mut graph, ground, &origin, &mut table);
            replacements.extend(ground.conditional_score.iter().copied().zip(conditional));
        }
        if named(&graph, outputs, "log_prior") {
            let prior = self.prior.as_ref().ok_or(Unmeasured::NoLaw)?;
            let density = constant_density(&mut graph, &ground.noising.state, prior);
            replacements.push((ground.log_prior, density));
        }
        let mut outputs: Vec<Expr> = outputs
            .iter()
            .map(|e| graph.substitute(*e, &replacements))
            .collect();
        let (parameters, symbols, images) = parameters(&mut graph, &outputs, &table.known)?;
        for e in &mut outputs {
            *e = graph.substitute(*e, &images);
        }
        let used = graph.symbols(&outputs);
        let mut inputs = ground.noising.state.clone();
        inputs.extend(&origin);
        inputs.extend(&ground.slice);
        inputs.extend(symbols);
        let kernel = Kernel::compile(&graph, &outputs, ground.noising.time, &inputs)?;
        Ok(Compiled {
            kernel,
            dimension: d,
            parameters,
            needs_law,
            uses_origin: used.iter().any(|e| origin.contains(e)),
            uses_slice: used.iter().any(|e| ground.slice.contains(e)),
        })
    }

    /// `log sum_k exp( w_k - 1/2 (x - m_k)' P_k (x - m_k) )`.
    fn density(
        &self,
        graph: &mut Graph,
        ground: &Ground,
        table: &mut Table,
    ) -> Result<Expr, Unmeasured> {
        let exact = self.exact.as_ref().ok_or(Unmeasured::NoLaw)?;
        let (d, components) = (ground.noising.dimension(), exact.mixture().components());
        if components * d * d > LARGEST {
            return Err(Unmeasured::LargeLaw {
                components,
                dimension: d,
            });
        }
        let mut logs = Vec::with_capacity(components);
        for k in 0..components {
            let offset: Vec<Expr> = (0..d)
                .map(|i| {
                    let mean = table.known(graph, Parameter::Mean(k, i));
                    graph.sub(ground.noising.state[i], mean)
                })
                .collect();
            let mut terms = vec![table.known(graph, Parameter::Weight(k))];
            for i in 0..d {
                for j in i..d {
                    let precision = table.known(graph, Parameter::Precision(k, i, j));
                    let factor = if i == j {
                        graph.rational(-1, 2)
                    } else {
                        graph.integer(-1)
                    };
                    terms.push(graph.mul(&[factor, precision, offset[i], offset[j]]));
                }
            }
            logs.push(graph.add(&terms));
        }
        Ok(match logs.as_slice() {
            [one] => *one,
            _ => graph.apply(Function::LogSumExp, &logs),
        })
    }

    fn snapshot(&self, t: f64) -> Result<Snapshot, Unmeasured> {
        let exact = self.exact.as_ref().ok_or(Unmeasured::NoLaw)?;
        let mixture = exact.mixture_at(t);
        let kernel = exact.transition().between(self.start, t);
        let d = mixture.dimension();
        let (mut weights, mut precisions) = (Vec::new(), Vec::new());
        for (weight, covariance) in mixture.weights.iter().zip(&mixture.covariances) {
            let (precision, log_determinant) = inverse(covariance, d).ok_or(Unmeasured::NoLaw)?;
            weights.push(
                weight.ln() - 0.5 * (log_determinant + d as f64 * std::f64::consts::TAU.ln()),
            );
            precisions.push(precision);
        }
        let map = kernel.factor.dense(d);
        Ok(Snapshot {
            weights,
            means: mixture.means,
            precisions,
            map,
            shift: kernel.shift.clone(),
            transition_precision: inverse(&kernel.covariance, d).map(|(p, _)| p),
        })
    }
}

impl Snapshot {
    fn value(&self, parameter: Parameter) -> Option<f64> {
        Some(match parameter {
            Parameter::Weight(k) => self.weights[k],
            Parameter::Mean(k, i) => self.means[k][i],
            Parameter::Precision(k, i, j) => self.precisions[k][(i, j)],
            Parameter::Map(i, j) => self.map[(i, j)],
            Parameter::Shift(i) => self.shift[i],
            Parameter::TransitionPrecision(i, j) => self.transition_precision.as_ref()?[(i, j)],
        })
    }
}

/// Inverse and log determinant of a positive definite covariance.
fn inverse(covariance: &Covariance, d: usize) -> Option<(DMatrix<f64>, f64)> {
    let factor = covariance.dense(d).cholesky()?;
    let log_determinant = 2.0 * factor.l().diagonal().iter().map(|v| v.ln()).sum::<f64>();
    Some((factor.inverse(), log_determinant))
}

/// `-C^-1 (x - Phi x_0 - c)`.
fn conditional(
    graph: &mut Graph,
    ground: &Ground,
    origin: &[Expr],
    table: &mut Table,
) -> Vec<Expr> {
    let d = origin.len();
    let offset: Vec<Expr> = (0..d)
        .map(|i| {
            let shift = table.known(graph, Parameter::Shift(i));
            let map = table.row(graph, d, |j| Parameter::Map(i, j));
            graph.of(shift + dot(&map, origin) - ground.noising.state[i])
        })
        .collect();
    (0..d)
        .map(|i| {
            let precision = table.row(graph, d, |j| Parameter::TransitionPrecision(i, j));
            graph.of(dot(&precision, &offset))
        })
        .collect()
}

/// The log density of a mixture as an expression with numbers.
fn constant_density(graph: &mut Graph, state: &[Expr], mixture: &Mixture) -> Expr {
    let d = state.len();
    let mut logs = Vec::new();
    for (k, covariance) in mixture.covariances.iter().enumerate() {
        let Some((precision, log_determinant)) = inverse(covariance, d) else {
            return graph.undefined();
        };
        let weight = mixture.weights[k].ln()
            - 0.5 * (log_determinant + d as f64 * std::f64::consts::TAU.ln());
        let mut terms = vec![graph.binary(weight)];
        for i in 0..d {
            for j in 0..d {
                let factor = graph.binary(-0.5 * precision[(i, j)]);
                let offsets = [i, j].map(|i| {
                    let mean = graph.binary(mixture.means[k][i]);
                    graph.sub(state[i], mean)
                });
                terms.push(graph.mul(&[factor, offsets[0], offsets[1]]));
            }
        }
        logs.push(graph.add(&terms));
    }
    graph.apply(Function::LogSumExp, &logs)
}

type Parameters = (Vec<(Parameter, u32)>, Vec<Expr>, Vec<(Expr, Expr)>);

/// The functions of time below `outputs`, each with a symbol in its place.
fn parameters(
    graph: &mut Graph,
    outputs: &[Expr],
    table: &[(Expr, Parameter)],
) -> Result<Parameters, Unmeasured> {
    let (mut found, mut symbols, mut images) = (Vec::new(), Vec::new(), Vec::new());
    for node in graph.unknowns(outputs) {
        let Node::Unknown(name, _, orders) = graph.node(node) else {
            continue;
        };
        let base = table
            .iter()
            .find(|(e, _)| matches!(graph.node(*e), Node::Unknown(known, ..) if known == name));
        let Some((_, parameter)) = base else {
            return Err(Unmeasured::NoValue(graph.text(node)));
        };
        if orders[0] > 2 {
            return Err(Unmeasured::HighRate);
        }
        found.push((*parameter, orders[0]));
        let symbol = graph.symbol(&format!("#known{}", symbols.len()));
        symbols.push(symbol);
        images.push((node, symbol));
    }
    Ok((found, symbols, images))
}

impl Compiled {
    pub fn outputs(&self) -> usize {
        self.kernel.outputs()
    }

    /// Whether functions of time are differentiated by it.
    pub fn has_rates(&self) -> bool {
        self.parameters.iter().any(|(_, order)| *order > 0)
    }

    /// The functions of time at one time, ready for any number of blocks.
    ///
    /// # Errors
    /// A law without a density at this time.
    pub fn at(&self, numbers: &Numbers, t: f64) -> Result<Vec<f64>, Unmeasured> {
        self.with_step(numbers, t, RATE_STEP)
    }

    /// The same with time derivatives from half the step, which shows their error.
    ///
    /// # Errors
    /// A law without a density at this time.
    pub fn at_again(&self, numbers: &Numbers, t: f64) -> Result<Vec<f64>, Unmeasured> {
        self.with_step(numbers, t, 0.5 * RATE_STEP)
    }

    fn with_step(&self, numbers: &Numbers, t: f64, step: f64) -> Result<Vec<f64>, Unmeasured> {
        if !self.needs_law {
            return Ok(Vec::new());
        }
        if !self.has_rates() {
            let snapshot = numbers.snapshot(t)?;
            return self
                .parameters
                .iter()
                .map(|(p, _)| snapshot.value(*p).ok_or(Unmeasured::NoLaw))
                .collect();
        }
        let step = step * (numbers.end - numbers.start);
        let nodes = stencil::nodes(t, numbers.start, numbers.end, step);
        let weights = stencil::weights(t, &nodes);
        let snapshots: Vec<Snapshot> = nodes
            .iter()
            .map(|t| numbers.snapshot(*t))
            .collect::<Result<_, _>>()?;
        self.parameters
            .iter()
            .map(|(parameter, order)| {
                let weights = &weights[*order as usize];
                let terms = weights.iter().zip(&snapshots).map(|(w, s)| {
                    let value = s.value(*parameter).ok_or(Unmeasured::NoLaw)?;
                    Ok(w * value)
                });
                terms.sum()
            })
            .collect()
    }

    /// Evaluates at time `t`, where `known` came from [`Self::at`]. `origin` and `slice` hold start points
    /// and random directions (points × d), or are not needed.
    pub fn eval(
        &self,
        t: f64,
        known: &[f64],
        x: BatchRef<'_>,
        origin: Option<BatchRef<'_>>,
        slice: Option<BatchRef<'_>>,
        out: BatchMut<'_>,
    ) {
        let (points, d) = (x.points(), self.dimension);
        let mut inputs = Batch::zeros(points, 3 * d + known.len());
        for j in 0..d {
            inputs.column_mut(j).copy_from_slice(x.column(j));
            if let Some(origin) = origin {
                inputs.column_mut(d + j).copy_from_slice(origin.column(j));
            }
            if let Some(slice) = slice {
                inputs
                    .column_mut(2 * d + j)
                    .copy_from_slice(slice.column(j));
            }
        }
        for (k, value) in known.iter().enumerate() {
            inputs.column_mut(3 * d + k).fill(*value);
        }
        self.kernel.eval(t, inputs.as_ref(), out);
    }
}
