//! Gradients by reverse accumulation: one sweep for all variables.

use super::graph::{Expr, Graph, Node};
use super::rational::Rational;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// From this many variables on one reverse sweep replaces one forward sweep each. Below, results keep the
/// shape in which forward differentiation writes them.
const MANY: usize = 12;

/// Contributions to the derivative with respect to a node.
type Adjoints = FxHashMap<Expr, Vec<(Rational, Expr)>>;

impl Graph {
    /// `[d e / d w for w in wrt]` for symbols `wrt`.
    ///
    /// # Cost
    /// Few variables: one pass over the nodes below `e` each. Many: one backward pass in all, unless an `if`
    /// occurs below `e`, whose branch not taken a backward pass would multiply by zero instead of ignoring.
    pub fn gradient(&mut self, e: Expr, wrt: &[Expr]) -> Vec<Expr> {
        let known = wrt.iter().all(|w| self.derivatives.contains_key(&(e, *w)));
        if wrt.len() >= MANY && !known {
            self.reverse_sweep(e, wrt);
        }
        wrt.iter().map(|w| self.derivative(e, *w)).collect()
    }

    /// Memoises the derivatives of `e` with respect to all of `wrt`.
    fn reverse_sweep(&mut self, e: Expr, wrt: &[Expr]) {
        let variables: BTreeSet<Expr> = wrt.iter().copied().collect();
        let below = self.reachable(&[e]);
        self.pay(below.len());
        if below
            .iter()
            .any(|n| matches!(self.node(*n), Node::Choose(..)))
        {
            return;
        }
        // Nodes that depend on a variable; adjoints of others are not needed.
        let mut active: BTreeSet<Expr> = BTreeSet::new();
        for n in below {
            let mut depends = variables.contains(&n);
            self.node(n)
                .children(|child| depends |= active.contains(&child));
            if depends {
                active.insert(n);
            }
        }
        let mut adjoints = Adjoints::from_iter([(e, vec![(Rational::one(), self.one())])]);
        while let Some(n) = active.pop_last() {
            // Every reader of a node is newer, so all contributions have arrived.
            let parts = adjoints.remove(&n).unwrap_or_default();
            let adjoint = self.linear(&parts);
            if variables.contains(&n) {
                self.derivatives.insert((e, n), adjoint);
            }
            let before = self.len();
            self.pass_back(n, adjoint, &active, &mut adjoints);
            self.mark_derived(n, before);
        }
        let zero = self.zero();
        for w in wrt {
            self.derivatives.entry((e, *w)).or_insert(zero);
        }
    }

    /// Adds to the adjoints of the active operands of `n`.
    fn pass_back(
        &mut self,
        n: Expr,
        adjoint: Expr,
        active: &BTreeSet<Expr>,
        adjoints: &mut Adjoints,
    ) {
        let node = self.shared(n);
        let mut give = |operand: Expr, coefficient: Rational, slope: Expr| {
            let parts = adjoints.entry(operand).or_default();
            parts.push((coefficient, slope));
        };
        match &*node {
            Node::Sum(_, terms) => {
                for (term, coefficient) in terms.iter().filter(|(t, _)| active.contains(t)) {
                    give(*term, coefficient.clone(), adjoint);
                }
            }
            Node::Product(coefficient, factors) => {
                let one = self.one();
                for (i, (base, exponent)) in factors.iter().enumerate() {
                    if self.is_exhausted() {
                        return;
                    }
                    if active.contains(base) {
                        let mut changed = factors.clone();
                        let minus = self.integer(-1);
                        changed[i].1 = self.add(&[*exponent, minus]);
                        changed.extend([(*exponent, one), (adjoint, one)]);
                        let slope = self.product(coefficient.clone(), changed);
                        give(*base, Rational::one(), slope);
                    }
                    if active.contains(exponent) {
                        let log = self.log(*base);
                        let slope = self.mul(&[n, log, adjoint]);
                        give(*exponent, Rational::one(), slope);
                    }
                }
            }
            Node::Apply(_, arguments) | Node::Unknown(_, arguments, _) => {
                for (slot, argument) in arguments.iter().enumerate() {
                    if self.is_exhausted() {
                        return;
                    }
                    if active.contains(argument) {
                        let outer = self.partial(&node, slot, n);
                        let slope = self.mul(&[outer, adjoint]);
                        give(*argument, Rational::one(), slope);
                    }
                }
            }
            _ => {}
        }
    }
}
