//! Compiled expressions on blocks of points.

use super::graph::{Expr, Graph, Node};
use crate::numeric::batch::{BatchMut, BatchRef};
use thiserror::Error;

/// Why an expression cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompileError {
    #[error("the value of {names:?} is not known (inputs are {inputs:?})")]
    FreeSymbols {
        names: Vec<String>,
        inputs: Vec<String>,
    },
    #[error("unknown functions cannot be evaluated: {names:?}")]
    UnknownFunctions { names: Vec<String> },
}

/// A batch evaluator of several outputs.
///
/// Outside the real domain (`log(-1)`) a value is NaN.
#[derive(Clone, Debug)]
pub struct Kernel {
    graph: Graph,
    outputs: Vec<Expr>,
    time: Expr,
    state: Vec<Expr>,
}

impl Kernel {
    /// Compiles `outputs` as functions of `time` and `state`.
    pub fn compile(
        graph: &Graph,
        outputs: &[Expr],
        time: Expr,
        state: &[Expr],
    ) -> Result<Self, CompileError> {
        let known = |e: &Expr| *e == time || state.contains(e);
        let name = |e: &Expr| graph.text(*e);
        let unknowns = graph.unknowns(outputs);
        if !unknowns.is_empty() {
            return Err(CompileError::UnknownFunctions {
                names: unknowns.iter().map(name).collect(),
            });
        }
        let free: Vec<_> = graph
            .symbols(outputs)
            .into_iter()
            .filter(|e| !known(e))
            .collect();
        if !free.is_empty() {
            let inputs = std::iter::once(&time).chain(state);
            return Err(CompileError::FreeSymbols {
                names: free.iter().map(name).collect(),
                inputs: inputs.map(name).collect(),
            });
        }
        debug_assert!(matches!(graph.node(time), Node::Symbol(_)));
        Ok(Self {
            graph: graph.clone(),
            outputs: outputs.to_vec(),
            time,
            state: state.to_vec(),
        })
    }

    pub fn inputs(&self) -> usize {
        self.state.len()
    }

    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Evaluates all outputs at time `t` for every point of `x`.
    pub fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        assert_eq!(x.columns(), self.inputs(), "one column per state component");
        assert_eq!(out.columns(), self.outputs(), "one column per output");
        assert_eq!(x.points(), out.points(), "as many results as points");
        for i in 0..x.points() {
            let mut at = vec![(self.time, t)];
            at.extend(
                self.state
                    .iter()
                    .enumerate()
                    .map(|(j, s)| (*s, x.get(i, j))),
            );
            let values = self
                .graph
                .evaluate_all(&self.outputs, &at)
                .expect("compilation checked that every symbol is an input");
            for (j, value) in values.into_iter().enumerate() {
                out.column_mut(j)[i] = value;
            }
        }
    }
}
