//! Where an expression is not smooth.

use super::function::Function;
use super::graph::{Expr, Graph, Node};
use super::origin::Origin;
use super::rational::Rational;

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

    /// Where `e` has a kink, a jump or a pole: each place is where one of these is zero (for a `floor`: an
    /// integer). The second entry tells a `floor`.
    pub fn breaks(&mut self, e: Expr) -> Vec<(Expr, bool)> {
        let mut found = Vec::new();
        for n in self.reachable(&[e]) {
            match &*self.shared(n) {
                Node::Product(_, factors) => {
                    let bases = factors
                        .iter()
                        .filter(|(_, power)| self.as_integer(*power).is_none_or(|power| power < 0));
                    found.extend(bases.map(|(base, _)| (*base, false)));
                }
                Node::Apply(Function::Log, arguments) => found.push((arguments[0], false)),
                Node::Apply(function, _) if function.is_kinked() => {
                    let floor = *function == Function::Floor;
                    found.extend(self.switches(n).into_iter().map(|e| (e, floor)));
                }
                Node::Choose(..) => {
                    found.extend(self.switches(n).into_iter().map(|e| (e, false)));
                }
                _ => {}
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether `e` has continuous derivatives of every order in `variables`, where those in `positive` are
    /// above zero. What cannot be seen from signs counts as not smooth.
    pub fn is_smooth(&self, e: Expr, variables: &[Expr], positive: &[Expr]) -> bool {
        use Function::{Acos, Asin, Atan2, Lgamma, Log, Log1p, Polygamma, Tan};
        let moves = |e: Expr| self.depends_on_any(e, variables);
        let found = self.reachable(&[e]);
        found
            .into_iter()
            .filter(|n| moves(*n))
            .all(|n| match self.node(n) {
                Node::Choose(..) => false,
                Node::Apply(Log | Lgamma, arguments) => self.is_above(arguments[0], positive, true),
                Node::Apply(Log1p, arguments) => self.is_above(arguments[0], positive, false),
                Node::Apply(Tan | Asin | Acos | Atan2 | Polygamma, _) => false,
                Node::Apply(function, _) => !function.is_kinked(),
                Node::Product(_, factors) => factors.iter().all(|(base, power)| {
                    let whole = self.as_integer(*power).is_some_and(|power| power >= 0);
                    whole
                        || self.is_above(*base, positive, true)
                        || !(moves(*base) || moves(*power))
                }),
                _ => true,
            })
    }

    /// Whether signs show that `e` is positive (`strict`) or at least not negative.
    fn is_above(&self, e: Expr, positive: &[Expr], strict: bool) -> bool {
        let above = |e: Expr, strict: bool| self.is_above(e, positive, strict);
        match self.node(e) {
            Node::Number(value) => !(value.is_negative() || strict && value.is_zero()),
            Node::Pi | Node::Infinity => true,
            Node::Apply(
                Function::Exp | Function::Cosh | Function::Sigmoid | Function::Softplus,
                _,
            ) => true,
            Node::Apply(Function::Abs, _) => !strict,
            Node::Sum(constant, terms) => {
                let mut lowest = constant.clone();
                let mut rest = Vec::with_capacity(terms.len());
                for (term, factor) in terms {
                    match self.node(*term) {
                        Node::Apply(function, _) if function.is_below_one() => {
                            let size = if factor.is_negative() {
                                -factor
                            } else {
                                factor.clone()
                            };
                            lowest = &lowest - &size;
                        }
                        _ => rest.push((*term, factor.clone())),
                    }
                }
                let (constant, terms) = (&lowest, &rest);
                let part = |(term, factor): &(Expr, Rational), strict: bool| {
                    !factor.is_negative() && above(*term, strict)
                };
                let lifted = !strict
                    || !(constant.is_zero() || constant.is_negative())
                    || terms.iter().any(|term| part(term, true));
                !constant.is_negative() && lifted && terms.iter().all(|term| part(term, false))
            }
            Node::Product(coefficient, factors) => {
                let part = |(base, power): &(Expr, Expr)| {
                    let even = self.as_integer(*power).is_some_and(|power| power % 2 == 0);
                    above(*base, true) || !strict && (even || above(*base, false))
                };
                !coefficient.is_negative() && factors.iter().all(part)
            }
            _ => positive.contains(&e),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_show_what_is_smooth_and_where_it_breaks() {
        let mut g = Graph::new();
        let (x, y) = (g.symbol("x"), g.symbol("y"));
        let (one, two) = (g.one(), g.integer(2));
        let square = g.powi(x, 2);
        let above = g.add(&[one, square]);
        let cosine = g.apply(Function::Cos, &[x]);
        let wave = g.add(&[two, cosine]);
        let size = g.apply(Function::Abs, &[x]);
        let other = g.powi(y, 2);
        let radius = g.add(&[square, other]);
        let smooth = [
            g.powi(above, -1),
            g.log(above),
            g.powi(wave, -1),
            g.exp(square),
            g.log(y),
        ];
        for e in smooth {
            assert!(g.is_smooth(e, &[x, y], &[y]), "{}", g.text(e));
        }
        let pole = g.powi(radius, -1);
        for e in [size, g.log(square), pole, g.log(y), g.sqrt(square)] {
            assert!(!g.is_smooth(e, &[x, y], &[]), "{}", g.text(e));
        }
        assert_eq!(g.breaks(size), [(x, false)]);
        assert_eq!(g.breaks(above), []);
    }
}
