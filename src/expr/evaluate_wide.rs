//! Evaluation at one point to about 30 digits.

use super::evaluate::{Number, call, evaluate_node};
use super::function::Function;
use super::graph::{Expr, Graph, Node};
use super::rational::Rational;
use super::wide::{PI, Wide};
use rustc_hash::FxHashMap;

/// Values to many digits, unless a function is known in double precision only.
pub(super) struct WideValues {
    pub(super) roots: Vec<Wide>,
    /// Largest absolute value met; terms of sums count with their coefficients.
    pub(super) largest: f64,
    /// Everything was finite.
    pub(super) finite: bool,
    /// `lgamma` or `polygamma` was used: about 15 digits.
    pub(super) coarse: bool,
}

impl Graph {
    /// As [`Graph::evaluate_all`] in double-double arithmetic. Values of branches that are not taken and of
    /// conditions do not count for `finite` and `largest`.
    pub(super) fn evaluate_wide(&self, roots: &[Expr], at: &[(Expr, f64)]) -> Option<WideValues> {
        let mut values: FxHashMap<Expr, Wide> =
            at.iter().map(|(e, v)| (*e, Wide::from(*v))).collect();
        let (mut coarse, mut largest) = (false, 0.0_f64);
        for n in self.reachable_until(roots, |n| at.iter().any(|(known, _)| *known == n)) {
            let node = self.node(n);
            let value = evaluate_node(node, |child| values[&child])?;
            coarse |= matches!(node, Node::Apply(Function::Lgamma | Function::Polygamma, _));
            if let Node::Sum(_, terms) = node {
                let sizes = terms.iter().map(|(e, c)| values[e].high * c.to_f64());
                largest = finite_sizes(sizes).fold(largest, f64::max);
            }
            values.insert(n, value);
        }
        let roots: Vec<Wide> = roots.iter().map(|root| values[root]).collect();
        let finite = roots.iter().all(|v| v.is_finite());
        let met = values.values().map(|v| v.high);
        largest = finite_sizes(met).fold(largest, f64::max);
        Some(WideValues {
            roots,
            largest,
            finite,
            coarse,
        })
    }
}

fn finite_sizes(values: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
    values.map(f64::abs).filter(|size| size.is_finite())
}

impl Number for Wide {
    const PI: Self = PI;

    fn rational(value: &Rational) -> Self {
        Self::rational(value)
    }

    fn power(self, exponent: Self) -> Self {
        power(self, exponent)
    }

    fn call(function: Function, arguments: &[Self]) -> Self {
        applied(function, arguments)
    }
}

fn power(base: Wide, exponent: Wide) -> Wide {
    let r = exponent.to_f64();
    let exact = Wide::from(r) == exponent;
    if exact && r == r.floor() && r.abs() <= 64.0 {
        base.integer_power(r as i64)
    } else if exact && 2.0 * r == (2.0 * r).floor() && r.abs() <= 64.0 {
        base.sqrt().integer_power((2.0 * r) as i64)
    } else if base.high > 0.0 {
        (exponent * base.log()).exp()
    } else {
        Wide::from(base.high.powf(r))
    }
}

fn applied(function: Function, arguments: &[Wide]) -> Wide {
    let a = arguments[0];
    let one = Wide::ONE;
    match function {
        Function::Exp => a.exp(),
        Function::Log => a.log(),
        Function::Sin => a.sin_cos().0,
        Function::Cos => a.sin_cos().1,
        Function::Tan => {
            let (sin, cos) = a.sin_cos();
            sin / cos
        }
        Function::Sinh => a.sinh(),
        Function::Cosh => a.cosh(),
        Function::Tanh if a.high.abs() > 40.0 => Wide::from(a.high.signum()),
        Function::Tanh => a.sinh() / a.cosh(),
        Function::Asin => a.atan2((one - a * a).sqrt()),
        Function::Acos => (one - a * a).sqrt().atan2(a),
        Function::Atan => a.atan2(one),
        Function::Atan2 => a.atan2(arguments[1]),
        Function::Abs => a.abs(),
        Function::Sign => Wide::from(super::evaluate::sign(a.high)),
        Function::Min => arguments.iter().fold(a, |m, b| if *b < m { *b } else { m }),
        Function::Max => arguments.iter().fold(a, |m, b| if *b > m { *b } else { m }),
        Function::Floor => a.floor(),
        Function::Erf => a.erf(),
        Function::Lgamma | Function::Polygamma => {
            let rounded: Vec<f64> = arguments.iter().map(|a| a.to_f64()).collect();
            Wide::from(call(function, &rounded))
        }
        Function::Sigmoid => one / (one + (-a).exp()),
        Function::Softplus => {
            let small = (-a.abs()).exp();
            let above = if a.high > 0.0 { a } else { Wide::ZERO };
            above + (one + small).log()
        }
        Function::Log1p => (one + a).log(),
        Function::Expm1 => a.exp_m1(),
        Function::LogSumExp => {
            let top = arguments.iter().fold(a, |m, b| if *b > m { *b } else { m });
            if !top.is_finite() {
                return top;
            }
            let sum = arguments
                .iter()
                .fold(Wide::ZERO, |sum, b| sum + (*b - top).exp());
            top + sum.log()
        }
    }
}
