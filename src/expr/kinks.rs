//! Where an expression is not smooth.

use super::function::Function;
use super::graph::{Expr, Graph, Node};
use super::origin::Origin;

/// A subexpression that is not smooth, and where it switches.
#[derive(Clone, Debug, PartialEq)]
pub struct Kink {
    /// An `abs`, `sign`, `min`, `max`, `floor` or `if`.
    pub expression: Expr,
    /// The branches meet where one of these is zero (for `floor`: an integer).
    pub switches: Vec<Expr>,
    pub origin: Option<Origin>,
}

impl Graph {
    /// The nodes below `e` that may jump: `sign`, `floor` and `if`. Off the jumps their derivatives exist, and say nothing
    /// about what happens across them.
    pub fn jumps(&self, e: Expr) -> Vec<Expr> {
        let mut found = self.kinks(e);
        found.retain(|e| match self.node(*e) {
            Node::Apply(function, _) => matches!(function, Function::Sign | Function::Floor),
            _ => true,
        });
        found
    }

    /// The nodes below `e` that are not smooth, with the sets where they switch.
    ///
    /// Conditions between two branches list both sides' difference; `min` and `max` of `n` arguments list the
    /// `n (n - 1) / 2` differences.
    pub fn kink_list(&mut self, e: Expr) -> Vec<Kink> {
        let found = self.kinks(e);
        let kink = |expression: Expr| Kink {
            expression,
            switches: self.switches(expression),
            origin: self.origin(expression),
        };
        found.into_iter().map(kink).collect()
    }

    fn switches(&mut self, e: Expr) -> Vec<Expr> {
        let node = self.shared(e);
        let mut switches = Vec::new();
        match &*node {
            Node::Apply(Function::Min | Function::Max, arguments) => {
                for (i, a) in arguments.iter().enumerate() {
                    for b in &arguments[..i] {
                        switches.push(self.sub(*a, *b));
                    }
                }
            }
            Node::Apply(_, arguments) => switches.push(arguments[0]),
            Node::Choose(condition, ..) => {
                for part in self.reachable_until(&[*condition], |n| !self.is_condition(n)) {
                    if let Node::Compare(_, a, b) = *self.node(part) {
                        switches.push(self.sub(a, b));
                    }
                }
            }
            _ => {}
        }
        switches
    }
}
