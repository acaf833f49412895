//! Why a value is not a number: the first subexpression that fails, and where it was written.

use super::evaluate::{evaluate_node, power};
use super::function::Function;
use super::graph::{Expr, Graph, Node};
use super::origin::Origin;
use super::rational::Rational;
use rustc_hash::FxHashMap;
use std::fmt;

/// What went wrong in a subexpression whose operands were in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    LogOfNegative,
    LogOfZero,
    RootOfNegative,
    DivisionByZero,
    /// An argument outside the domain of another function.
    OutsideDomain(Function),
    /// Finite operands, a result too large for a double.
    Overflow,
    /// A symbol or unknown function without a value.
    NoValue,
    /// The expression has no value anywhere, or is infinite by itself.
    Undefined,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogOfNegative => f.write_str("log of a negative number"),
            Self::LogOfZero => f.write_str("log of zero"),
            Self::RootOfNegative => f.write_str("fractional power of a negative number"),
            Self::DivisionByZero => f.write_str("division by zero"),
            Self::OutsideDomain(function) => write!(f, "`{}` outside its domain", function.name()),
            Self::Overflow => f.write_str("overflow"),
            Self::NoValue => f.write_str("a name without a value"),
            Self::Undefined => f.write_str("an expression without a value"),
        }
    }
}

/// The first failing subexpression of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Its operands are finite, its value is not.
    pub expression: Expr,
    pub kind: FaultKind,
    /// The operand that is to blame, and its value.
    pub operand: Expr,
    pub argument: f64,
    /// Where it was written; for a derived expression, where that which it was derived from was written.
    pub origin: Option<Origin>,
}

impl Graph {
    /// Why `e` has no finite value at a point: `None` if it has one.
    ///
    /// Follows the value from `e` towards its operands, through the branches of `if` that were taken, down to
    /// a subexpression with finite operands. Among several failing operands NaN goes before infinity and
    /// older before newer. A symbol missing in `at` is a fault of its own.
    ///
    /// # Cost
    /// One evaluation.
    pub fn diagnose(&self, e: Expr, at: &[(Expr, f64)]) -> Option<Fault> {
        let mut values: FxHashMap<Expr, f64> = at.iter().copied().collect();
        for n in self.reachable_until(&[e], |n| at.iter().any(|(known, _)| *known == n)) {
            let value = evaluate_node(self.node(n), |child| values[&child]);
            // A name without a value behaves as NaN, and matters only where it is used.
            values.insert(n, value.unwrap_or(f64::NAN));
        }
        if values[&e].is_finite() {
            return None;
        }
        let mut failing = e;
        loop {
            let mut guilty: Option<(bool, Expr)> = None;
            self.used_operands(failing, &values, |operand| {
                let value = values[&operand];
                let candidate = (!value.is_nan(), operand);
                if !value.is_finite() && guilty.is_none_or(|best| candidate < best) {
                    guilty = Some(candidate);
                }
            });
            match guilty {
                Some((_, operand)) => failing = operand,
                None => return Some(self.fault(failing, &values)),
            }
        }
    }

    /// The operands that decide the value of a node.
    fn used_operands(&self, e: Expr, values: &FxHashMap<Expr, f64>, mut visit: impl FnMut(Expr)) {
        match self.node(e) {
            Node::Choose(condition, yes, no) => {
                visit(*condition);
                visit(if values[condition] != 0.0 { *yes } else { *no });
            }
            Node::Symbol(_) | Node::Unknown(..) => {}
            node => node.children(visit),
        }
    }

    fn fault(&self, e: Expr, values: &FxHashMap<Expr, f64>) -> Fault {
        let (kind, operand) = match self.node(e) {
            Node::Symbol(_) | Node::Unknown(..) if values[&e].is_nan() => (FaultKind::NoValue, e),
            Node::Product(_, factors) => return self.failing_product(e, factors, values),
            Node::Apply(function, arguments) => {
                let operand = arguments[0];
                let argument = values[&operand];
                let kind = match function {
                    Function::Log if argument < 0.0 => FaultKind::LogOfNegative,
                    Function::Log => FaultKind::LogOfZero,
                    _ if values[&e].is_nan() => FaultKind::OutsideDomain(*function),
                    Function::Exp | Function::Expm1 | Function::Sinh | Function::Cosh => {
                        FaultKind::Overflow
                    }
                    _ => FaultKind::OutsideDomain(*function),
                };
                (kind, operand)
            }
            Node::Sum(_, terms) => (FaultKind::Overflow, terms[0].0),
            _ => (FaultKind::Undefined, e),
        };
        Fault {
            expression: e,
            kind,
            operand,
            argument: values[&operand],
            origin: self.origin(e).or_else(|| self.origin(operand)),
        }
    }

    /// Products are flat, so the factor to blame may have been written apart, or derived from a function of
    /// its own: its origin is nearer than that of the product.
    fn failing_product(
        &self,
        e: Expr,
        factors: &[(Expr, Expr)],
        values: &FxHashMap<Expr, f64>,
    ) -> Fault {
        let guilty = factors
            .iter()
            .find(|(base, exponent)| !power(values[base], values[exponent]).is_finite());
        let (kind, operand) = match guilty {
            None => (FaultKind::Overflow, factors[0].0),
            Some((base, exponent)) => match (values[base], values[exponent]) {
                (x, r) if x == 0.0 && r < 0.0 => (FaultKind::DivisionByZero, *base),
                (x, r) if x < 0.0 && r != r.floor() => (FaultKind::RootOfNegative, *base),
                _ => (FaultKind::Overflow, *base),
            },
        };
        let alone =
            guilty.and_then(|factor| self.find(&Node::Product(Rational::one(), vec![*factor])));
        let origin = alone.and_then(|factor| self.origin(factor));
        Fault {
            expression: e,
            kind,
            operand,
            argument: values[&operand],
            origin: origin
                .or_else(|| self.origin(e))
                .or_else(|| self.origin(operand)),
        }
    }
}
