//! Expressions in the file: the graph, the names they may use, and where they stand.

use crate::expr::{Expr, Graph};
use crate::problem::diagnostic::Diagnostic;
use crate::problem::document::{Node, Value};
use crate::problem::reader::{Reader, Section};
use crate::problem::state::StateNames;
use std::collections::BTreeMap;

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
    time: Expr,
    state: Vec<Expr>,
    pub parameters: BTreeMap<String, f64>,
}

impl Formulas {
    pub(crate) fn new() -> Self {
        let mut graph = Graph::new();
        let time = graph.symbol("t");
        Self {
            graph,
            time,
            state: Vec::new(),
            parameters: BTreeMap::new(),
        }
    }

    pub(crate) fn time(&self) -> Expr {
        self.time
    }

    pub(crate) fn state(&self) -> &[Expr] {
        &self.state
    }

    /// Declares the state symbols.
    pub(crate) fn set_state(&mut self, names: &[String]) {
        self.state = names.iter().map(|name| self.graph.symbol(name)).collect();
    }

    /// The value of an expression without free symbols.
    pub(crate) fn value_of(&self, e: Expr) -> Option<f64> {
        self.graph.evaluate(e, &[])
    }

    pub(crate) fn begin_curve(&mut self) -> Expr {
        self.graph.symbol("s")
    }

    pub(crate) fn end_curve(&mut self) {}
}

impl Reader {
    pub(crate) fn constant(&mut self, node: &Node, text: &str, place: &str) -> Option<f64> {
        self.parse(node, text, place)
            .and_then(|shaped| match shaped {
                Shaped::Scalar(e) => self.formulas.value_of(e),
                _ => None,
            })
    }

    fn parse(&mut self, node: &Node, text: &str, place: &str) -> Option<Shaped> {
        match text.trim().parse::<f64>() {
            Ok(value) => Some(Shaped::Scalar(self.formulas.graph.number(value))),
            Err(_) => {
                self.push(Diagnostic::error(
                    "E100",
                    node.span.clone(),
                    format!("`{place}`: expressions are not read yet"),
                ));
                None
            }
        }
    }

    pub(crate) fn read_parameters(&mut self, section: &Section<'_>) {
        for entry in section.entries() {
            self.record_entry(section, entry);
            let place = format!("params.{}", entry.key);
            if let Some(value) = self.number_at(&entry.node, &place) {
                self.formulas.parameters.insert(entry.key.clone(), value);
            }
        }
    }

    pub(crate) fn integer_parameter(&self, name: &str) -> Option<usize> {
        let value = *self.formulas.parameters.get(name)?;
        (value.fract() == 0.0 && value >= 1.0).then_some(value as usize)
    }

    pub(crate) fn declare(
        &mut self,
        dynamics: &Section<'_>,
        _define: &Section<'_>,
        names: &StateNames,
    ) {
        self.record(dynamics, "state", names.typed.clone());
        self.formulas.set_state(&names.symbols);
    }

    pub(crate) fn unused_parameters(
        &self,
        _section: &Section<'_>,
    ) -> Vec<(String, std::ops::Range<usize>)> {
        Vec::new()
    }

    pub(crate) fn scalar_at(&mut self, node: &Node, place: &str) -> Option<Expr> {
        let value = match &node.value {
            Value::Text(text) => match self.parse(node, text, place)? {
                Shaped::Scalar(e) => return Some(e),
                _ => return None,
            },
            _ => self.number_at(node, place)?,
        };
        Some(self.formulas.graph.number(value))
    }

    pub(crate) fn components_at(&mut self, node: &Node, place: &str) -> Option<Vec<Expr>> {
        match &node.value {
            Value::Array(items) => items
                .iter()
                .map(|item| self.scalar_at(item, place))
                .collect(),
            _ => Some(vec![self.scalar_at(node, place)?]),
        }
    }

    pub(crate) fn matrix_at(&mut self, node: &Node, place: &str) -> Option<Shaped> {
        match &node.value {
            Value::Array(items) if items.iter().any(|i| matches!(i.value, Value::Array(_))) => {
                let rows: Option<Vec<Vec<Expr>>> = items
                    .iter()
                    .map(|item| self.components_at(item, place))
                    .collect();
                Some(Shaped::Matrix(rows?))
            }
            Value::Array(_) => Some(Shaped::Vector(self.components_at(node, place)?)),
            _ => Some(Shaped::Scalar(self.scalar_at(node, place)?)),
        }
    }
}
