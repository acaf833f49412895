//! Binary operators between scalars, vectors and matrices.

use super::elaborate::Elaborator;
use super::error::ExprError;
use super::graph::{Expr, Graph, Relation};
use super::linear::transposed;
use super::scope::Value;
use super::syntax::Link;
use std::ops::Range;

type Scalar = fn(&mut Graph, Expr, Expr) -> Expr;

impl Elaborator<'_> {
    pub(super) fn map(&mut self, value: &Value, f: impl Fn(&mut Graph, Expr) -> Expr) -> Value {
        let entries = value.components().into_iter();
        value.with_components(entries.map(|e| f(self.graph, e)).collect())
    }

    /// `left op right`, with the shapes each operator allows.
    pub(super) fn binary(
        &mut self,
        link: &Link,
        (left, left_span): (Value, &Range<usize>),
        right: Value,
    ) -> Option<Value> {
        self.forbid_infinity(link, &left, &right)?;
        let scalars = matches!((&left, &right), (Value::Scalar(_), Value::Scalar(_)));
        if let (Value::Scalar(a), Value::Scalar(b)) = (&left, &right) {
            let short = match link.operator {
                "+" | "-" => self.short_sum(&[*a, *b]),
                "*" | "/" | ".*" | "./" | "%" => self.short_product(&[*a, *b]),
                _ => true,
            };
            if !short {
                return self.long_numbers(&link.operator_span);
            }
        }
        match link.operator {
            "+" => self.elementwise(link, &left, &right, |g, a, b| g.add(&[a, b])),
            "-" => self.elementwise(link, &left, &right, Graph::sub),
            "*" | ".*" if scalars => {
                self.elementwise(link, &left, &right, |g, a, b| g.mul(&[a, b]))
            }
            "*" => match (&left, &right) {
                (Value::Scalar(s), other) | (other, Value::Scalar(s)) => {
                    let s = *s;
                    Some(self.map(other, |g, e| g.mul(&[s, e])))
                }
                _ => self.ambiguous(link, left_span, &left, &right),
            },
            "/" | "./" => {
                if right.components().iter().any(|e| self.graph.is_zero(*e)) {
                    let span = link.right.span.clone();
                    return self.fail(ExprError::new(
                        "E126",
                        span,
                        "division by zero",
                        "this is 0",
                    ));
                }
                match (&left, &right) {
                    (_, Value::Scalar(s)) => {
                        let s = *s;
                        Some(self.map(&left, |g, e| g.div(e, s)))
                    }
                    _ if link.operator == "./" => self.elementwise(link, &left, &right, Graph::div),
                    _ => self.ambiguous(link, left_span, &left, &right),
                }
            }
            "^" if scalars => self.elementwise(link, &left, &right, Graph::pow),
            "^" => self.ambiguous(link, left_span, &left, &right),
            ".*" => self.elementwise(link, &left, &right, |g, a, b| g.mul(&[a, b])),
            ".^" => self.elementwise(link, &left, &right, Graph::pow),
            "@" => self.matrix_product(link, &left, &right),
            "%" if scalars => self.elementwise(link, &left, &right, remainder),
            "and" if scalars => self.elementwise(link, &left, &right, |g, a, b| g.and(&[a, b])),
            "or" if scalars => self.elementwise(link, &left, &right, |g, a, b| g.or(&[a, b])),
            _ => match comparison(link.operator).filter(|_| scalars) {
                Some(compare) => self.elementwise(link, &left, &right, compare),
                None => {
                    let message = format!("`{}` is between scalars", link.operator);
                    self.shapes(link, message, &left, &right)
                }
            },
        }
    }

    /// `inf` may be a value (a bound, a branch) but not an operand: `inf - inf` has no value.
    fn forbid_infinity(&mut self, link: &Link, left: &Value, right: &Value) -> Option<()> {
        let arithmetic = comparison(link.operator).is_none();
        let mut components = left.components();
        components.extend(right.components());
        if arithmetic && components.iter().any(|e| self.is_infinite(*e)) {
            let span = link.operator_span.clone();
            let message = format!("`{}` with `inf`", link.operator);
            return self.fail(ExprError::new("E126", span, message, "inf is not a number"));
        }
        Some(())
    }

    /// Componentwise; a scalar goes with every component of a vector.
    fn elementwise(
        &mut self,
        link: &Link,
        left: &Value,
        right: &Value,
        f: Scalar,
    ) -> Option<Value> {
        let pairwise = left.shape() == right.shape();
        match (left, right) {
            _ if pairwise => {
                let pairs = left.components().into_iter().zip(right.components());
                let results = pairs.map(|(a, b)| f(self.graph, a, b));
                Some(left.with_components(results.collect()))
            }
            (Value::Vector(_), Value::Scalar(b)) => Some(self.map(left, |g, a| f(g, a, *b))),
            (Value::Scalar(a), Value::Vector(_)) => Some(self.map(right, |g, b| f(g, *a, b))),
            (Value::Matrix(_), Value::Scalar(b)) if link.operator.starts_with('.') => {
                Some(self.map(left, |g, a| f(g, a, *b)))
            }
            _ => {
                let message = between(link, left, right);
                self.shapes(link, message, left, right)
            }
        }
    }

    fn shapes<T>(
        &mut self,
        link: &Link,
        message: String,
        left: &Value,
        right: &Value,
    ) -> Option<T> {
        let label = format!("left: {}, right: {}", left.shape(), right.shape());
        let span = link.operator_span.clone();
        self.fail(ExprError::new("E122", span, message, label))
    }

    /// `*`, `/`, `^` where several products are possible.
    fn ambiguous<T>(
        &mut self,
        link: &Link,
        left_span: &Range<usize>,
        left: &Value,
        right: &Value,
    ) -> Option<T> {
        let (a, b) = (
            self.snippet(left_span, "a"),
            self.snippet(&link.right.span, "b"),
        );
        let message = match (left, right) {
            (Value::Vector(v), Value::Vector(w)) if v.len() == w.len() => {
                format!(
                    "`{}` between two vectors of length {}",
                    link.operator,
                    v.len()
                )
            }
            _ => between(link, left, right),
        };
        let help = match (link.operator, left, right) {
            ("*", Value::Vector(_), Value::Vector(_)) => format!(
                "elementwise `{a} .* {b}`, inner product `dot({a}, {b})`, or outer product `outer({a}, {b})`"
            ),
            ("*", ..) => format!("the matrix product is `{a} @ {b}`"),
            ("/", ..) => format!("elementwise division is `{a} ./ {b}`"),
            _ => format!(
                "elementwise `{a} .^ {b}`, squared length `norm2({a})`, or `outer({a}, {a})`"
            ),
        };
        let label = format!("left: {}, right: {}", left.shape(), right.shape());
        let error = ExprError::new("E121", link.operator_span.clone(), message, label);
        let error = error.help(help).second(left_span.clone(), left.shape());
        self.fail(error)
    }

    fn matrix_product(&mut self, link: &Link, left: &Value, right: &Value) -> Option<Value> {
        let columns = match right {
            Value::Matrix(m) => m.first().map_or(0, Vec::len),
            _ => 1,
        };
        let steps = left.components().len().saturating_mul(columns);
        self.spend(steps, &link.operator_span)?;
        let g = &mut *self.graph;
        let inner = |g: &mut Graph, v: &[Expr], w: &[Expr]| {
            let products: Vec<_> = v.iter().zip(w).map(|(a, b)| g.mul(&[*a, *b])).collect();
            g.add(&products)
        };
        match (left, right) {
            (Value::Matrix(m), Value::Vector(v)) if m.iter().all(|row| row.len() == v.len()) => {
                Some(Value::Vector(
                    m.iter().map(|row| inner(g, row, v)).collect(),
                ))
            }
            (Value::Vector(v), Value::Matrix(m)) if m.len() == v.len() => {
                let columns = transposed(m);
                Some(Value::Vector(
                    columns.iter().map(|c| inner(g, c, v)).collect(),
                ))
            }
            (Value::Matrix(m), Value::Matrix(n)) if m.iter().all(|row| row.len() == n.len()) => {
                let columns = transposed(n);
                let rows = m
                    .iter()
                    .map(|row| columns.iter().map(|c| inner(&mut *g, row, c)).collect());
                Some(Value::Matrix(rows.collect()))
            }
            _ => {
                let message = between(link, left, right);
                if let (Value::Vector(_), Value::Vector(_)) = (left, right) {
                    let label = format!("left: {}, right: {}", left.shape(), right.shape());
                    let span = link.operator_span.clone();
                    let error = ExprError::new("E122", span, message, label);
                    return self.fail(error.help("the inner product is `dot(a, b)`"));
                }
                self.shapes(link, message, left, right)
            }
        }
    }
}

fn between(link: &Link, left: &Value, right: &Value) -> String {
    let (a, b) = (left.shape(), right.shape());
    format!("`{}` between {a} and {b}", link.operator)
}

fn comparison(operator: &str) -> Option<Scalar> {
    Some(match operator {
        "<" => Graph::less,
        "<=" => Graph::less_or_equal,
        ">" => |g, a, b| g.less(b, a),
        ">=" => |g, a, b| g.less_or_equal(b, a),
        "==" => |g, a, b| g.compare(Relation::Equal, a, b),
        "!=" => |g, a, b| g.compare(Relation::NotEqual, a, b),
        _ => return None,
    })
}

/// `a - b floor(a / b)`: has the sign of `b`, so `(i - 1) % d` wraps around.
fn remainder(g: &mut Graph, a: Expr, b: Expr) -> Expr {
    let ratio = g.div(a, b);
    let whole = g.apply(super::function::Function::Floor, &[ratio]);
    let part = g.mul(&[b, whole]);
    g.sub(a, part)
}
