//! Calls: functions of numbers, of vectors and matrices, and derivatives.

use super::elaborate::Elaborator;
use super::error::{ExprError, closest};
use super::function::{Arity, Function};
use super::graph::{Expr, Graph, Node};
use super::scope::Value;
use super::syntax::{FOLDS, Syntax};
use super::vocabulary::{SPECIAL, names};
use std::ops::Range;

impl<'a> Elaborator<'a> {
    pub(super) fn call(
        &mut self,
        name: &str,
        name_span: &Range<usize>,
        arguments: &[Syntax],
        span: &Range<usize>,
    ) -> Option<Value> {
        let scope = self.scope;
        if let Some((name, definition)) = scope.definitions.get_key_value(name)
            && let Some(parameters) = &definition.parameters
        {
            let values = self.arguments(arguments);
            self.count(name, name_span, parameters.len(), arguments.len())?;
            let bound = parameters.iter().cloned().zip(values?).collect();
            return self.enter(name, definition, bound, name_span);
        }
        if let Some((_, count)) = SPECIAL.iter().find(|(known, _)| *known == name) {
            self.count(name, name_span, *count, arguments.len())?;
            return self.special(name, arguments, span);
        }
        if FOLDS.contains(&name) {
            return self.fold_call(name, name_span, arguments, span);
        }
        let Some(function) = Function::from_name(name) else {
            return self.unknown_function(name, name_span, arguments);
        };
        let values = self.arguments(arguments);
        if let Arity::Exactly(count) = function.arity() {
            self.count(name, name_span, count, arguments.len())?;
        }
        let values = values?;
        if let [value] = values.as_slice() {
            return Some(self.map(value, |g, e| g.apply(function, &[e])));
        }
        let scalars = self.all_scalars(name, &values, arguments)?;
        Some(Value::Scalar(self.graph.apply(function, &scalars)))
    }

    fn arguments(&mut self, arguments: &[Syntax]) -> Option<Vec<Value>> {
        let values: Vec<_> = arguments.iter().map(|a| self.value(a)).collect();
        values.into_iter().collect()
    }

    fn all_scalars(
        &mut self,
        name: &str,
        values: &[Value],
        arguments: &[Syntax],
    ) -> Option<Vec<Expr>> {
        let mut scalars = Vec::with_capacity(values.len());
        for (value, syntax) in values.iter().zip(arguments) {
            let Value::Scalar(e) = value else {
                let wanted = format!("`{name}` takes scalars");
                return self.fail(value.unfit(&wanted, &syntax.span));
            };
            scalars.push(*e);
        }
        Some(scalars)
    }

    fn count(
        &mut self,
        name: &str,
        span: &Range<usize>,
        expected: usize,
        found: usize,
    ) -> Option<()> {
        if expected == found {
            return Some(());
        }
        let plural = if expected == 1 {
            "argument"
        } else {
            "arguments"
        };
        let message = format!("`{name}` takes {expected} {plural}, {found} given");
        let label = format!("expected {expected} {plural}");
        self.fail(ExprError::new("E114", span.clone(), message, label))
    }

    fn unknown_function(
        &mut self,
        name: &str,
        span: &Range<usize>,
        arguments: &[Syntax],
    ) -> Option<Value> {
        let message = format!("unknown function `{name}`");
        let mut error = ExprError::new("E112", span.clone(), message, "not a function");
        if self.scope.contains(name) {
            let inside = arguments.first().map(|a| self.snippet(&a.span, "i"));
            let inside = inside.unwrap_or_else(|| "i".to_owned());
            error.label = format!("`{name}` is a value, not a function");
            error = error.help(format!(
                "components are written `{name}[{inside}]`, products `{name}*({inside})`"
            ));
        } else if name == "ln" {
            error.label = "the natural logarithm is `log`".to_owned();
        } else {
            let mut candidates: Vec<&str> = names().collect();
            let definitions = self.scope.definitions.iter();
            let defined = definitions.filter(|(_, d)| d.parameters.is_some());
            candidates.extend(defined.map(|(name, _)| name.as_str()));
            if let Some(best) = closest(name, candidates.into_iter()) {
                error.label = format!("did you mean `{best}`?");
            }
        }
        self.fail(error)
    }

    /// `max(a, b)`, or `sum(v)` over the components of one vector.
    fn fold_call(
        &mut self,
        name: &str,
        name_span: &Range<usize>,
        arguments: &[Syntax],
        span: &Range<usize>,
    ) -> Option<Value> {
        let values = self.arguments(arguments)?;
        let scalars = match values.as_slice() {
            [Value::Vector(v)] => v.clone(),
            [] => {
                self.count(name, name_span, 1, 0)?;
                return None;
            }
            _ => self.all_scalars(name, &values, arguments)?,
        };
        self.reduce(name, &scalars, span).map(Value::Scalar)
    }

    /// Combines scalars by the fold of this name. Empty sums are 0, empty products 1.
    pub(super) fn reduce(
        &mut self,
        name: &str,
        terms: &[Expr],
        span: &Range<usize>,
    ) -> Option<Expr> {
        let function = match name {
            "sum" if self.short_sum(terms) => return Some(self.graph.add(terms)),
            "prod" if self.short_product(terms) => return Some(self.graph.mul(terms)),
            "sum" | "prod" => return self.long_numbers(span),
            "max" => Function::Max,
            "min" => Function::Min,
            _ => Function::LogSumExp,
        };
        if terms.is_empty() {
            let message = format!("`{name}` of nothing has no value");
            return self.fail(ExprError::new("E124", span.clone(), message, "empty range"));
        }
        Some(self.graph.apply(function, terms))
    }

    pub(super) fn vector(&mut self, syntax: &Syntax) -> Option<Vec<Expr>> {
        match self.value(syntax)? {
            Value::Vector(v) => Some(v),
            // A scalar is a vector of length one to dot, norm and div.
            Value::Scalar(e) => Some(vec![e]),
            matrix => self.fail(matrix.unfit("a vector is needed", &syntax.span)),
        }
    }

    /// Two vectors of one length.
    fn vectors(&mut self, arguments: &[Syntax], name: &str) -> Option<(Vec<Expr>, Vec<Expr>)> {
        let (v, w) = (self.vector(&arguments[0]), self.vector(&arguments[1]));
        let (v, w) = (v?, w?);
        if v.len() == w.len() {
            return Some((v, w));
        }
        let message = format!("`{name}` of vectors of lengths {} and {}", v.len(), w.len());
        let label = format!("vector[{}]", w.len());
        let error = ExprError::new("E122", arguments[1].span.clone(), message, label);
        let label = format!("vector[{}]", v.len());
        self.fail(error.second(arguments[0].span.clone(), label))
    }

    pub(super) fn dot(&mut self, v: &[Expr], w: &[Expr]) -> Expr {
        let products: Vec<_> = v
            .iter()
            .zip(w)
            .map(|(a, b)| self.graph.mul(&[*a, *b]))
            .collect();
        self.graph.add(&products)
    }

    fn special(&mut self, name: &str, arguments: &[Syntax], span: &Range<usize>) -> Option<Value> {
        let scalar = |e| Some(Value::Scalar(e));
        match name {
            "sqrt" => {
                let value = self.value(&arguments[0])?;
                Some(self.map(&value, Graph::sqrt))
            }
            "if" => self.choice(arguments, span),
            "dot" => {
                let (v, w) = self.vectors(arguments, name)?;
                scalar(self.dot(&v, &w))
            }
            "norm" | "norm2" => {
                let v = self.vector(&arguments[0])?;
                let square = self.dot(&v, &v);
                scalar(if name == "norm" {
                    self.graph.sqrt(square)
                } else {
                    square
                })
            }
            "outer" | "quad" | "trace" | "diag" | "eye" | "det" | "inv" | "solve" => {
                self.matrix_call(name, arguments, span)
            }
            _ => self.calculus(name, arguments, span),
        }
    }

    fn choice(&mut self, arguments: &[Syntax], span: &Range<usize>) -> Option<Value> {
        let condition = self.condition(&arguments[0]);
        // Decided while reading, as with loop indices: the other branch may index out of range.
        match condition.map(|c| self.graph.node(c)) {
            Some(Node::Truth(true)) => return self.value(&arguments[1]),
            Some(Node::Truth(false)) => return self.value(&arguments[2]),
            _ => {}
        }
        let (yes, no) = (self.value(&arguments[1]), self.value(&arguments[2]));
        let (condition, yes, no) = (condition?, yes?, no?);
        if yes.shape() != no.shape() {
            let message = format!("branches of `if` are {} and {}", yes.shape(), no.shape());
            let label = "both branches need one shape";
            return self.fail(ExprError::new("E122", span.clone(), message, label));
        }
        let parts = yes.components().into_iter().zip(no.components());
        let chosen = parts.map(|(a, b)| self.graph.choose(condition, a, b));
        Some(yes.with_components(chosen.collect()))
    }

    fn calculus(&mut self, name: &str, arguments: &[Syntax], span: &Range<usize>) -> Option<Value> {
        if name == "D" {
            let (value, variable) = (self.value(&arguments[0]), self.scalar(&arguments[1]));
            let (value, variable) = (value?, variable?);
            if !matches!(self.graph.node(variable), Node::Symbol(_)) {
                let found = self.graph.text(variable);
                let message = format!("`{found}` is not a variable");
                let label = "differentiate by a component of the state or by t";
                let error = ExprError::new("E127", arguments[1].span.clone(), message, label);
                return self.fail(error);
            }
            let derivative = self.map(&value, |g, e| g.derivative(e, variable));
            self.spend(0, span)?;
            return Some(derivative);
        }
        let state = self.scope.state.clone();
        if state.is_empty() {
            let message = format!("`{name}` differentiates by the state, and there is none here");
            return self.fail(ExprError::new("E127", span.clone(), message, "no state"));
        }
        if matches!(name, "grad" | "lap" | "hess") {
            let e = self.scalar(&arguments[0])?;
            let slopes = self.slopes(e, &state, span)?;
            return match name {
                "grad" => Some(self.state_vector(slopes)),
                "lap" => self.divergence(&slopes, &state, span),
                _ => self.jacobian(&slopes, &state, span),
            };
        }
        let v = self.vector(&arguments[0])?;
        if name == "jac" {
            return self.jacobian(&v, &state, span);
        }
        if v.len() != state.len() {
            let message = format!("`div` of vector[{}]", v.len());
            let label = format!("the state has {} components", state.len());
            let error = ExprError::new("E122", arguments[0].span.clone(), message, label);
            return self.fail(error);
        }
        self.divergence(&v, &state, span)
    }

    /// A scalar where the state was declared as one.
    fn state_vector(&self, v: Vec<Expr>) -> Value {
        match v.as_slice() {
            [e] if self.scope.scalar_state => Value::Scalar(*e),
            _ => Value::Vector(v),
        }
    }

    fn slopes(&mut self, e: Expr, state: &[Expr], span: &Range<usize>) -> Option<Vec<Expr>> {
        self.spend(state.len(), span)?;
        let slopes = self.graph.gradient(e, state);
        self.spend(0, span)?;
        Some(slopes)
    }

    fn divergence(&mut self, v: &[Expr], state: &[Expr], span: &Range<usize>) -> Option<Value> {
        let mut parts = Vec::with_capacity(v.len());
        for (e, s) in v.iter().zip(state) {
            parts.push(self.graph.derivative(*e, *s));
            self.spend(1, span)?;
        }
        Some(Value::Scalar(self.graph.add(&parts)))
    }

    /// Rows are components of `v`, columns derivatives.
    fn jacobian(&mut self, v: &[Expr], state: &[Expr], span: &Range<usize>) -> Option<Value> {
        let mut rows = Vec::with_capacity(v.len());
        for e in v {
            rows.push(self.slopes(*e, state, span)?);
        }
        Some(match rows.as_slice() {
            [row] if row.len() == 1 && self.scope.scalar_state => Value::Scalar(row[0]),
            _ => Value::Matrix(rows),
        })
    }
}
