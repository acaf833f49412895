//! Evaluation at one point, node by node, with the standard library: the slow, plain reference.

use super::function::Function;
use super::graph::{Expr, Graph, Node, Relation};
use super::rational::Rational;
use super::special;
use crate::numeric::time_limit::look;
use rustc_hash::FxHashMap;
use std::ops::{Add, Mul};

impl Graph {
    /// The value of `e` where the given symbols (or unknowns) have the given values.
    ///
    /// `None` if a symbol or unknown has no value. Conditions count as 1 and 0. Outside the real domain
    /// (`log(-1)`, `sqrt(-1)`) the value is NaN; the branch of `if` not taken does not matter.
    pub fn evaluate(&self, e: Expr, at: &[(Expr, f64)]) -> Option<f64> {
        self.evaluate_all(&[e], at).map(|values| values[0])
    }

    /// The largest finite value met on the way to `e`, terms of sums with their coefficients: what rounding is measured by.
    pub fn largest_inside(&self, e: Expr, at: &[(Expr, f64)]) -> Option<f64> {
        let nodes = self.reachable_until(&[e], |n| at.iter().any(|(known, _)| *known == n));
        let values = self.evaluate_all(&nodes, at)?;
        let of: FxHashMap<Expr, f64> = nodes.iter().copied().zip(values.iter().copied()).collect();
        let mut sizes = values;
        for n in nodes {
            if let Node::Sum(_, terms) = self.node(n) {
                let known = terms
                    .iter()
                    .filter_map(|(term, c)| Some((of.get(term)?, c)));
                sizes.extend(known.map(|(value, c)| value * c.to_f64()));
            }
        }
        let sizes = sizes.into_iter().map(f64::abs);
        Some(sizes.filter(|size| size.is_finite()).fold(0.0, f64::max))
    }

    /// As [`Self::evaluate`], sharing common parts.
    pub fn evaluate_all(&self, roots: &[Expr], at: &[(Expr, f64)]) -> Option<Vec<f64>> {
        look();
        let mut values: FxHashMap<Expr, f64> = at.iter().copied().collect();
        for n in self.reachable_until(roots, |n| values.contains_key(&n)) {
            let value = evaluate_node(self.node(n), |child| values[&child])?;
            values.insert(n, value);
        }
        Some(roots.iter().map(|root| values[root]).collect())
    }
}

/// Numbers that an expression can be evaluated in.
pub(super) trait Number:
    Copy + PartialOrd + From<f64> + Add<Output = Self> + Mul<Output = Self>
{
    const PI: Self;
    fn rational(value: &Rational) -> Self;
    fn power(self, exponent: Self) -> Self;
    fn call(function: Function, arguments: &[Self]) -> Self;
}

impl Number for f64 {
    const PI: Self = std::f64::consts::PI;

    fn rational(value: &Rational) -> Self {
        value.to_f64()
    }

    fn power(self, exponent: Self) -> Self {
        power(self, exponent)
    }

    fn call(function: Function, arguments: &[Self]) -> Self {
        call(function, arguments)
    }
}

/// The value of a node from those of its operands; `None` for a symbol or unknown function.
pub(super) fn evaluate_node<N: Number>(node: &Node, value: impl Fn(Expr) -> N) -> Option<N> {
    let truth = |holds: bool| N::from(f64::from(holds));
    let holds = |e: &Expr| value(*e) != truth(false);
    Some(match node {
        Node::Symbol(_) | Node::Unknown(..) => return None,
        Node::Number(number) => N::rational(number),
        Node::Pi => N::PI,
        Node::Infinity => N::from(f64::INFINITY),
        Node::Undefined => N::from(f64::NAN),
        Node::Truth(value) => truth(*value),
        Node::Sum(constant, terms) => {
            let add = |sum, (term, c): &(Expr, Rational)| sum + N::rational(c) * value(*term);
            terms.iter().fold(N::rational(constant), add)
        }
        Node::Product(coefficient, factors) => {
            let multiply = |product, (b, e): &(Expr, Expr)| product * value(*b).power(value(*e));
            factors.iter().fold(N::rational(coefficient), multiply)
        }
        Node::Apply(function, arguments) => {
            let arguments: Vec<N> = arguments.iter().map(|a| value(*a)).collect();
            N::call(*function, &arguments)
        }
        Node::Compare(relation, a, b) => {
            let (a, b) = (value(*a), value(*b));
            truth(match relation {
                Relation::Less => a < b,
                Relation::LessOrEqual => a <= b,
                Relation::Equal => a == b,
                Relation::NotEqual => a != b,
            })
        }
        Node::And(parts) => truth(parts.iter().all(holds)),
        Node::Or(parts) => truth(parts.iter().any(holds)),
        Node::Not(a) => truth(!holds(a)),
        Node::Choose(condition, yes, no) => value(if holds(condition) { *yes } else { *no }),
    })
}

/// `base^exponent`, exact in style: multiplications for small integers, `sqrt` for one half.
pub(super) fn power(base: f64, exponent: f64) -> f64 {
    if exponent == 1.0 {
        base
    } else if exponent == 0.5 {
        base.sqrt()
    } else if exponent == exponent.floor() && exponent.abs() <= 64.0 {
        base.powi(exponent as i32)
    } else {
        base.powf(exponent)
    }
}

pub(super) fn call(function: Function, arguments: &[f64]) -> f64 {
    let a = arguments[0];
    match function {
        Function::Exp => a.exp(),
        Function::Log => a.ln(),
        Function::Sin => a.sin(),
        Function::Cos => a.cos(),
        Function::Tan => a.tan(),
        Function::Sinh => a.sinh(),
        Function::Cosh => a.cosh(),
        Function::Tanh => a.tanh(),
        Function::Asin => a.asin(),
        Function::Acos => a.acos(),
        Function::Atan => a.atan(),
        Function::Atan2 => a.atan2(arguments[1]),
        Function::Abs => a.abs(),
        Function::Sign => sign(a),
        Function::Min => arguments.iter().copied().fold(a, minimum),
        Function::Max => arguments.iter().copied().fold(a, maximum),
        Function::Floor => a.floor(),
        Function::Erf => special::erf(a),
        Function::Lgamma => special::lgamma(a),
        Function::Polygamma => special::polygamma(a, arguments[1]),
        Function::Sigmoid => sigmoid(a),
        Function::Softplus => a.max(0.0) + (-a.abs()).exp().ln_1p(),
        Function::Log1p => a.ln_1p(),
        Function::Expm1 => a.exp_m1(),
        Function::LogSumExp => {
            let top = arguments.iter().copied().fold(a, maximum);
            if top.is_infinite() {
                return top;
            }
            let sum: f64 = arguments.iter().map(|b| (b - top).exp()).sum();
            top + sum.ln()
        }
    }
}

/// Zero at zero, unlike `f64::signum`.
#[inline(always)]
pub(super) fn sign(a: f64) -> f64 {
    if a > 0.0 {
        1.0
    } else if a < 0.0 {
        -1.0
    } else {
        a
    }
}

/// NaN if either argument is, unlike `f64::min`.
#[inline(always)]
pub(super) fn minimum(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}

/// NaN if either argument is, unlike `f64::max`.
#[inline(always)]
pub(super) fn maximum(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// `1 / (1 + exp(-a))` without overflow.
fn sigmoid(a: f64) -> f64 {
    let small = (-a.abs()).exp();
    if a >= 0.0 {
        1.0 / (1.0 + small)
    } else {
        small / (1.0 + small)
    }
}
