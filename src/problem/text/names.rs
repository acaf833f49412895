//! The expression graph of a file and the names known while it is read.

use crate::expr::{Expr, Graph, Scope};
use std::collections::BTreeMap;
use std::ops::Range;

/// A value with the shape it was written in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shaped {
    Scalar(Expr),
    Vector(Vec<Expr>),
    Matrix(Vec<Vec<Expr>>),
}

/// The expression graph and the names known so far.
pub(crate) struct Formulas {
    pub graph: Graph,
    pub scope: Scope,
    time: Expr,
    pub state: Vec<Expr>,
    pub control: Vec<Expr>,
    /// Scalar parameters by name, entries of arrays as `name[i]` and `name[i][j]`.
    pub parameters: BTreeMap<String, f64>,
    /// Where the text of a definition stands, for errors found when it is used.
    pub definitions: BTreeMap<String, Range<usize>>,
    /// Where the expressions of the problem stand, by key.
    pub places: BTreeMap<String, Range<usize>>,
}

impl Formulas {
    pub(crate) fn new() -> Self {
        let mut graph = Graph::new();
        // `t` is not in scope while parameters are read: they are constants.
        let time = graph.symbol("t");
        Self {
            graph,
            scope: Scope::new(),
            time,
            state: Vec::new(),
            control: Vec::new(),
            parameters: BTreeMap::new(),
            definitions: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    pub(crate) fn time(&self) -> Expr {
        self.time
    }

    pub(crate) fn state(&self) -> &[Expr] {
        &self.state
    }

    /// The value of an expression without free symbols.
    pub(crate) fn value_of(&self, e: Expr) -> Option<f64> {
        self.graph.evaluate(e, &[])
    }
}
