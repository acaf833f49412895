//! Function nodes: exact values, parity, derivatives.

use super::function::{Arity, Function};
use super::graph::{Expr, Graph, Node, Relation};
use super::rational::Rational;

impl Graph {
    /// Applies a function; exact values are folded and parity is normalised.
    ///
    /// Panics if the number of arguments is wrong (the parser checks it before).
    pub fn apply(&mut self, function: Function, arguments: &[Expr]) -> Expr {
        match function.arity() {
            Arity::Exactly(n) => assert_eq!(arguments.len(), n, "arity of {}", function.name()),
            Arity::AtLeastOne => assert!(!arguments.is_empty(), "arity of {}", function.name()),
        }
        if let Some(undefined) = arguments
            .iter()
            .find(|a| matches!(self.node(**a), Node::Undefined))
        {
            return *undefined;
        }
        match function {
            Function::Min | Function::Max => self.extremum(function, arguments),
            Function::LogSumExp if arguments.len() == 1 => arguments[0],
            Function::LogSumExp | Function::Atan2 | Function::Polygamma => {
                self.intern(Node::Apply(function, arguments.to_vec()))
            }
            _ => self.apply_one(function, arguments[0]),
        }
    }

    fn apply_one(&mut self, function: Function, a: Expr) -> Expr {
        if let Some(value) = self.as_number(a).cloned()
            && let Some(folded) = self.fold(function, &value)
        {
            return folded;
        }
        let node = self.shared(a);
        match (function, &*node) {
            (Function::Exp, Node::Apply(Function::Log, inner))
            | (Function::Log, Node::Apply(Function::Exp, inner)) => return inner[0],
            // exp(r log(u)) = u^r
            (Function::Exp, Node::Product(coefficient, factors)) => {
                if let [(base, exponent)] = factors.as_slice()
                    && self.is_one(*exponent)
                    && let Node::Apply(Function::Log, inner) = &*self.shared(*base)
                {
                    let power = self.exact(coefficient.clone());
                    return self.pow(inner[0], power);
                }
            }
            (Function::Abs, Node::Apply(Function::Exp | Function::Abs | Function::Sigmoid, _))
            | (Function::Abs, Node::Pi | Node::Infinity) => return a,
            (Function::Abs, Node::Product(..)) => return self.abs_product(a, &node),
            _ => {}
        }
        if (function.is_odd() || function.is_even()) && self.is_negative_form(a) {
            let flipped = self.neg(a);
            let value = self.intern(Node::Apply(function, vec![flipped]));
            return if function.is_odd() {
                self.neg(value)
            } else {
                value
            };
        }
        self.intern(Node::Apply(function, vec![a]))
    }

    /// `abs(c u^2 v)` = `abs(c) u^2 abs(v)`.
    fn abs_product(&mut self, whole: Expr, node: &Node) -> Expr {
        let Node::Product(coefficient, factors) = node else {
            return whole;
        };
        let (even, rest): (Vec<_>, Vec<_>) = factors
            .iter()
            .partition(|(_, e)| self.as_number(*e).is_some_and(Rational::is_even));
        if rest.is_empty() {
            return self.product(coefficient.abs(), even);
        }
        let rest = self.product(Rational::one(), rest);
        let size = if self.is_negative_form(rest) {
            self.neg(rest)
        } else {
            rest
        };
        let size = match self.node(size) {
            Node::Apply(Function::Exp | Function::Abs | Function::Sigmoid, _) => size,
            _ => self.intern(Node::Apply(Function::Abs, vec![size])),
        };
        let one = self.one();
        let mut all = even;
        all.push((size, one));
        self.product(coefficient.abs(), all)
    }

    /// Whether the canonical form leads with a minus sign.
    fn is_negative_form(&self, a: Expr) -> bool {
        match self.node(a) {
            Node::Number(value) => value.is_negative(),
            Node::Product(coefficient, _) => coefficient.is_negative(),
            Node::Sum(_, terms) => terms[0].1.is_negative(),
            _ => false,
        }
    }

    fn fold(&mut self, function: Function, value: &Rational) -> Option<Expr> {
        if value.is_zero()
            && let Some(at_zero) = function.at_zero()
        {
            return Some(self.integer(at_zero));
        }
        let folded = match function {
            Function::Abs => value.abs(),
            Function::Floor => value.floor(),
            Function::Sign => Rational::integer(if value.is_negative() { -1 } else { 1 }),
            Function::Log if value.is_one() => Rational::zero(),
            Function::Sigmoid if value.is_zero() => Rational::new(1, 2)?,
            _ => return None,
        };
        Some(self.exact(folded))
    }

    fn extremum(&mut self, function: Function, arguments: &[Expr]) -> Expr {
        let mut best: Option<Rational> = None;
        let mut others = Vec::new();
        let mut open: Vec<Expr> = arguments.to_vec();
        while let Some(a) = open.pop() {
            match self.node(a) {
                Node::Number(value) => {
                    best = Some(match best {
                        Some(b) if (b < *value) == (function == Function::Min) => b,
                        _ => value.clone(),
                    });
                }
                Node::Apply(inner, parts) if *inner == function => open.extend(parts),
                _ => others.push(a),
            }
        }
        if let Some(value) = best {
            others.push(self.exact(value));
        }
        others.sort_unstable();
        others.dedup();
        match others.as_slice() {
            [single] => *single,
            _ => self.intern(Node::Apply(function, others)),
        }
    }

    /// `d whole / d arguments[slot]` of a function of `arguments`, a built-in or an unknown one.
    pub(super) fn partial(&mut self, node: &Node, slot: usize, whole: Expr) -> Expr {
        match node {
            Node::Apply(function, arguments) => {
                self.partial_of_call(*function, arguments, slot, whole)
            }
            Node::Unknown(name, arguments, orders) => {
                let mut orders = orders.clone();
                orders[slot] += 1;
                self.intern(Node::Unknown(name.clone(), arguments.clone(), orders))
            }
            _ => unreachable!("only functions have arguments"),
        }
    }

    fn partial_of_call(
        &mut self,
        function: Function,
        arguments: &[Expr],
        slot: usize,
        whole: Expr,
    ) -> Expr {
        let u = arguments[0];
        let one = self.one();
        match function {
            Function::Atan2 => {
                let (y, x) = (u, arguments[1]);
                let (yy, xx) = (self.powi(y, 2), self.powi(x, 2));
                let radius = self.add(&[yy, xx]);
                let top = if slot == 0 { x } else { self.neg(y) };
                self.div(top, radius)
            }
            Function::Min | Function::Max => {
                // The extreme argument takes the whole derivative; ties go to the first.
                let mut before = vec![self.compare(Relation::Equal, arguments[slot], whole)];
                for earlier in &arguments[..slot] {
                    before.push(self.compare(Relation::NotEqual, *earlier, whole));
                }
                let condition = self.and(&before);
                let zero = self.zero();
                self.choose(condition, one, zero)
            }
            Function::Polygamma if slot == 0 => self.undefined(),
            Function::Polygamma => {
                let order = self.add(&[u, one]);
                self.apply(Function::Polygamma, &[order, arguments[1]])
            }
            Function::LogSumExp => {
                let exponent = self.sub(arguments[slot], whole);
                self.exp(exponent)
            }
            _ => self.slope(function, u, whole, one),
        }
    }

    /// The derivative of `whole = function(u)` for a function of one variable.
    fn slope(&mut self, function: Function, u: Expr, whole: Expr, one: Expr) -> Expr {
        match function {
            Function::Exp => whole,
            Function::Log => self.powi(u, -1),
            Function::Sin => self.apply(Function::Cos, &[u]),
            Function::Cos => {
                let sin = self.apply(Function::Sin, &[u]);
                self.neg(sin)
            }
            Function::Sinh => self.apply(Function::Cosh, &[u]),
            Function::Cosh => self.apply(Function::Sinh, &[u]),
            Function::Tan => {
                let square = self.powi(whole, 2);
                self.add(&[one, square])
            }
            Function::Tanh => {
                let square = self.powi(whole, 2);
                self.sub(one, square)
            }
            Function::Asin => {
                let square = self.powi(u, 2);
                let inside = self.sub(one, square);
                let power = self.rational(-1, 2);
                self.pow(inside, power)
            }
            Function::Acos => {
                let slope = self.slope(Function::Asin, u, whole, one);
                self.neg(slope)
            }
            Function::Atan => {
                let square = self.powi(u, 2);
                let inside = self.add(&[one, square]);
                self.powi(inside, -1)
            }
            Function::Abs => self.apply(Function::Sign, &[u]),
            Function::Sign | Function::Floor => self.zero(),
            Function::Erf => {
                let square = self.powi(u, 2);
                let negative = self.neg(square);
                let bell = self.exp(negative);
                let (pi, power, two) = (self.pi(), self.rational(-1, 2), self.integer(2));
                let scale = self.pow(pi, power);
                self.mul(&[two, scale, bell])
            }
            Function::Lgamma => {
                let order = self.zero();
                self.apply(Function::Polygamma, &[order, u])
            }
            Function::Sigmoid => {
                let rest = self.sub(one, whole);
                self.mul(&[whole, rest])
            }
            Function::Softplus => self.apply(Function::Sigmoid, &[u]),
            Function::Log1p => {
                let inside = self.add(&[one, u]);
                self.powi(inside, -1)
            }
            Function::Expm1 => self.exp(u),
            Function::Atan2
            | Function::Min
            | Function::Max
            | Function::Polygamma
            | Function::LogSumExp => unreachable!("functions of several variables"),
        }
    }
}
