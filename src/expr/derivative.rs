//! Derivatives, memoised per node and variable.

use super::graph::{Expr, Graph, Node};
use super::rational::Rational;

impl Graph {
    /// The derivative of `e` with respect to the symbol `wrt`.
    ///
    /// Everywhere-derivatives: at a kink of `abs`, `min`, `max`, `if` this is the derivative of the
    /// branch taken. `d floor` and `d sign` are zero.
    ///
    /// # Cost
    /// Linear in the number of nodes below `e` that were not differentiated before.
    pub fn derivative(&mut self, e: Expr, wrt: Expr) -> Expr {
        let order = self.reachable_until(&[e], |n| {
            n < wrt || self.derivatives.contains_key(&(n, wrt))
        });
        self.pay(order.len());
        for n in order {
            let node = self.shared(n);
            let before = self.len();
            let value = self.derivative_of_node(n, &node, wrt);
            self.mark_derived(n, before);
            self.derivatives.insert((n, wrt), value);
        }
        self.known_derivative(e, wrt)
    }

    /// Derivative of a child, known because children are differentiated before parents.
    fn known_derivative(&mut self, e: Expr, wrt: Expr) -> Expr {
        if e < wrt {
            // Older than the symbol: cannot contain it.
            return self.zero();
        }
        self.derivatives[&(e, wrt)]
    }

    fn derivative_of_node(&mut self, whole: Expr, node: &Node, wrt: Expr) -> Expr {
        match node {
            Node::Symbol(_) if whole == wrt => self.one(),
            Node::Sum(_, terms) => {
                let parts: Vec<_> = terms
                    .iter()
                    .map(|(term, c)| (c.clone(), self.known_derivative(*term, wrt)))
                    .collect();
                self.linear(&parts)
            }
            Node::Product(coefficient, factors) => {
                self.derivative_of_product(coefficient, factors, wrt)
            }
            Node::Apply(_, arguments) | Node::Unknown(_, arguments, _) => {
                let mut parts = Vec::new();
                for (slot, argument) in arguments.iter().enumerate() {
                    if self.is_exhausted() {
                        return self.undefined();
                    }
                    let inner = self.known_derivative(*argument, wrt);
                    if !self.is_zero(inner) {
                        let outer = self.partial(node, slot, whole);
                        parts.push(self.mul(&[outer, inner]));
                    }
                }
                self.add(&parts)
            }
            Node::Choose(condition, yes, no) => {
                let yes = self.known_derivative(*yes, wrt);
                let no = self.known_derivative(*no, wrt);
                self.choose(*condition, yes, no)
            }
            _ => self.zero(),
        }
    }

    /// `d prod b^e = prod b^e * sum (e b'/b + e' log b)`, with `b^(e-1)` kept as one power.
    fn derivative_of_product(
        &mut self,
        coefficient: &Rational,
        factors: &[(Expr, Expr)],
        wrt: Expr,
    ) -> Expr {
        let (one, minus) = (self.one(), self.integer(-1));
        let mut parts = Vec::new();
        for (i, (base, exponent)) in factors.iter().enumerate() {
            if self.is_exhausted() {
                return self.undefined();
            }
            let inner = self.known_derivative(*base, wrt);
            if !self.is_zero(inner) {
                let mut changed = factors.to_vec();
                changed[i].1 = self.add(&[*exponent, minus]);
                changed.push((*exponent, one));
                changed.push((inner, one));
                parts.push(self.product(coefficient.clone(), changed));
            }
            let inner = self.known_derivative(*exponent, wrt);
            if !self.is_zero(inner) {
                let mut changed = factors.to_vec();
                changed.push((self.log(*base), one));
                changed.push((inner, one));
                parts.push(self.product(coefficient.clone(), changed));
            }
        }
        self.add(&parts)
    }
}
