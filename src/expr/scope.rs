//! What names mean where an expression is read.

use super::error::ExprError;
use super::graph::{Expr, Graph};
use super::stack::{nesting_bound, with_room};
use super::syntax::{self, Syntax};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The meaning of an expression: components, already elaborated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Scalar(Expr),
    Vector(Vec<Expr>),
    /// Rows; all have the same length.
    Matrix(Vec<Vec<Expr>>),
}

impl Value {
    /// `scalar`, `vector[3]`, `matrix[2, 3]`.
    pub fn shape(&self) -> String {
        match self {
            Self::Scalar(_) => "scalar".to_owned(),
            Self::Vector(v) => format!("vector[{}]", v.len()),
            Self::Matrix(m) => format!("matrix[{}, {}]", m.len(), m.first().map_or(0, Vec::len)),
        }
    }

    /// An error about this value at `span`, where something of another shape is wanted.
    pub(super) fn unfit(&self, wanted: &str, span: &Range<usize>) -> ExprError {
        let shape = self.shape();
        let message = format!("{wanted}, this is a {shape}");
        ExprError::new("E122", span.clone(), message, shape)
    }

    /// Number of components.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Scalar(_) => 1,
            Self::Vector(v) => v.len(),
            Self::Matrix(rows) => rows.iter().map(Vec::len).sum(),
        }
    }

    /// The scalar, or the only entry of a vector or matrix.
    pub fn as_scalar(&self) -> Option<Expr> {
        match self {
            Self::Scalar(e) => Some(*e),
            Self::Vector(v) if v.len() == 1 => Some(v[0]),
            Self::Matrix(m) if m.len() == 1 && m[0].len() == 1 => Some(m[0][0]),
            _ => None,
        }
    }

    /// The same shape with other entries, row by row.
    pub fn with_components(&self, entries: Vec<Expr>) -> Self {
        let mut entries = entries.into_iter();
        match self {
            Self::Scalar(e) => Self::Scalar(entries.next().unwrap_or(*e)),
            Self::Vector(_) => Self::Vector(entries.collect()),
            Self::Matrix(rows) => Self::Matrix(
                rows.iter()
                    .map(|row| entries.by_ref().take(row.len()).collect())
                    .collect(),
            ),
        }
    }

    /// All entries, row by row.
    pub fn components(&self) -> Vec<Expr> {
        match self {
            Self::Scalar(e) => vec![*e],
            Self::Vector(v) => v.clone(),
            Self::Matrix(m) => m.concat(),
        }
    }
}

/// How a variable is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    Scalar,
    /// Components `name[0]`, `name[1]`, ...
    Vector(usize),
    /// Components with names of their own; `name[0]` works too.
    Named(Vec<String>),
}

/// `name(parameters) = body`, or a value when there are no parameters.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) parameters: Option<Vec<String>>,
    pub(super) body: Syntax,
    pub(super) source: String,
}

/// Names and what they stand for: variables, values, definitions, loop indices.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub(super) values: BTreeMap<String, Value>,
    pub(super) definitions: BTreeMap<String, Definition>,
    /// The variables `grad`, `div`, `lap`, `hess`, `jac` differentiate by.
    pub(super) state: Vec<Expr>,
    pub(super) scalar_state: bool,
    /// Scalar variables, which may also be written `name[0]`.
    pub(super) indexable: BTreeSet<String>,
    /// The name of the state variable, for hints.
    pub(super) state_name: Option<String>,
    /// Bound of the nesting of all definitions together.
    pub(super) nesting: usize,
}

impl Scope {
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares the time variable `t`.
    pub fn time(&mut self, graph: &mut Graph) -> Expr {
        let t = graph.symbol("t");
        self.values.insert("t".to_owned(), Value::Scalar(t));
        t
    }

    /// Declares a variable and returns its components.
    pub fn variable(&mut self, graph: &mut Graph, name: &str, shape: &Shape) -> Vec<Expr> {
        let symbols: Vec<Expr> = match shape {
            Shape::Scalar => vec![graph.symbol(name)],
            Shape::Vector(n) => (0..*n)
                .map(|i| graph.symbol(&format!("{name}[{i}]")))
                .collect(),
            Shape::Named(names) => names.iter().map(|n| graph.symbol(n)).collect(),
        };
        let value = match shape {
            Shape::Scalar => {
                self.indexable.insert(name.to_owned());
                Value::Scalar(symbols[0])
            }
            _ => Value::Vector(symbols.clone()),
        };
        self.values.insert(name.to_owned(), value);
        if let Shape::Named(names) = shape {
            for (name, symbol) in names.iter().zip(&symbols) {
                self.values.insert(name.clone(), Value::Scalar(*symbol));
            }
        }
        symbols
    }

    /// Declares the state: a variable that `grad`, `div`, `lap`, `hess` and `jac` refer to.
    pub fn state(&mut self, graph: &mut Graph, name: &str, shape: &Shape) -> Vec<Expr> {
        let symbols = self.variable(graph, name, shape);
        self.state.clone_from(&symbols);
        self.scalar_state = *shape == Shape::Scalar;
        self.state_name = Some(name.to_owned());
        symbols
    }

    /// Binds a name to a value that is already elaborated.
    pub fn bind(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// Binds a name to a number (the decimal that was typed, exactly).
    pub fn bind_number(&mut self, graph: &mut Graph, name: &str, value: f64) {
        let e = graph.number(value);
        self.bind(name, Value::Scalar(e));
    }

    /// Binds a name to a vector of numbers.
    pub fn bind_vector(&mut self, graph: &mut Graph, name: &str, values: &[f64]) {
        let components = values.iter().map(|v| graph.number(*v)).collect();
        self.bind(name, Value::Vector(components));
    }

    /// Binds a name to a matrix of numbers given by rows of equal length.
    pub fn bind_matrix(&mut self, graph: &mut Graph, name: &str, rows: &[Vec<f64>]) {
        let rows = rows
            .iter()
            .map(|row| row.iter().map(|v| graph.number(*v)).collect())
            .collect();
        self.bind(name, Value::Matrix(rows));
    }

    /// Adds a definition: `head` is `U` or `well(s, k)`. Bodies may refer to definitions added later.
    ///
    /// # Errors
    /// Syntax errors; their `definition` is `None` for the head and the name for the body.
    pub fn define(&mut self, head: &str, body: &str) -> Result<(), ExprError> {
        let (name, parameters) = syntax::parse_head(head)?;
        let nesting = nesting_bound(body);
        let syntax = with_room(nesting, || syntax::parse_syntax(body)).map_err(|mut error| {
            error.definition = Some(name.as_str().into());
            error
        })?;
        self.nesting += nesting + 1;
        let definition = Definition {
            parameters,
            body: syntax,
            source: body.to_owned(),
        };
        self.definitions.insert(name, definition);
        Ok(())
    }

    /// The same names over a graph of their own, in which nothing has been read: origins of what is read
    /// there are the texts read there.
    pub fn transplanted(&self, graph: &Graph) -> (Graph, Self) {
        let (mut fresh, mut scope) = (Graph::new(), self.clone());
        for e in &mut scope.state {
            *e = fresh.import(graph, &[*e])[0];
        }
        for value in scope.values.values_mut() {
            let moved = fresh.import(graph, &value.components());
            *value = value.with_components(moved);
        }
        (fresh, scope)
    }

    /// Whether anything has this name.
    pub fn contains(&self, name: &str) -> bool {
        self.values.contains_key(name) || self.definitions.contains_key(name)
    }

    /// The value bound to a name.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The names `source` refers to (unknown ones included), for usage checks. Empty on syntax errors.
    pub fn names_in(source: &str) -> Vec<String> {
        let Ok(lexemes) = super::lexer::lex(source) else {
            return Vec::new();
        };
        let mut names: Vec<String> = lexemes
            .iter()
            .filter(|l| l.token == super::lexer::Token::Name)
            .map(|l| source[l.span.clone()].to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}
