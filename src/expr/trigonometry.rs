//! Addition theorems: sines and cosines of sums and multiples in terms of those of common base angles.

use super::function::Function;
use super::graph::{Expr, Graph, Node};
use super::rational::Rational;
use std::collections::BTreeMap;

/// Multiples of a base angle beyond this stay as they are.
const HIGHEST: i64 = 24;
/// Angles with more terms than this stay as they are.
const LONGEST: usize = 6;

type Pair = (Expr, Expr);

impl Graph {
    /// Rewrites every `sin` and `cos` below `e` so that identities between them become polynomial ones
    /// (together with `cos^2 = 1 - sin^2`, which [`Graph::expand`] applies).
    ///
    /// Angles are expanded; each of their terms is written as a whole multiple of the largest angle that
    /// divides it in all of them; multiples of pi that have values in square roots get them.
    pub(super) fn addition_theorems(&mut self, e: Expr) -> Expr {
        let reachable = self.reachable(&[e]);
        let mut angles: BTreeMap<Expr, Vec<(Expr, Rational)>> = BTreeMap::new();
        let mut bases: BTreeMap<Expr, Rational> = BTreeMap::new();
        for n in &reachable {
            if let Node::Apply(Function::Sin | Function::Cos, arguments) = self.node(*n) {
                let angle = arguments[0];
                let parts = self.angle_parts(angle);
                for (term, coefficient) in &parts {
                    let entry = bases.entry(*term).or_insert_with(Rational::zero);
                    *entry = entry.common_divisor(coefficient);
                }
                angles.insert(angle, parts);
            }
        }
        if angles.is_empty() {
            return e;
        }
        let mut images: BTreeMap<Expr, Expr> = BTreeMap::new();
        for n in reachable {
            let node = self.shared(n);
            let turned = match &*node {
                Node::Apply(function @ (Function::Sin | Function::Cos), arguments) => {
                    let pair = self.sine_and_cosine(&angles[&arguments[0]], &bases);
                    pair.map(|(sin, cos)| if *function == Function::Sin { sin } else { cos })
                }
                _ => None,
            };
            let image = turned.unwrap_or_else(|| self.rebuild(&node, |child| images[&child]));
            images.insert(n, image);
        }
        images[&e]
    }

    /// The terms of an expanded angle; its constant is a multiple of the node 1.
    fn angle_parts(&mut self, angle: Expr) -> Vec<(Expr, Rational)> {
        let expanded = self.expand(angle);
        let one = self.one();
        let node = self.shared(expanded);
        match &*node {
            Node::Number(value) => vec![(one, value.clone())],
            Node::Sum(constant, terms) => {
                let mut parts = terms.clone();
                if !constant.is_zero() {
                    parts.push((one, constant.clone()));
                }
                parts
            }
            Node::Product(coefficient, factors) => {
                let bare = self.product(Rational::one(), factors.clone());
                vec![(bare, coefficient.clone())]
            }
            _ => vec![(expanded, Rational::one())],
        }
    }

    fn sine_and_cosine(
        &mut self,
        parts: &[(Expr, Rational)],
        bases: &BTreeMap<Expr, Rational>,
    ) -> Option<Pair> {
        if parts.len() > LONGEST {
            return None;
        }
        let mut total = (self.zero(), self.one());
        for (term, coefficient) in parts {
            let exact = match self.node(*term) {
                Node::Pi => self.turn_of_pi(coefficient),
                _ => None,
            };
            let pair = match exact {
                Some(pair) => pair,
                None => {
                    let base = &bases[term];
                    let multiple = coefficient * &base.reciprocal()?;
                    self.multiple(*term, base, multiple.to_integer()?)?
                }
            };
            total = self.added(total, pair);
        }
        Some(total)
    }

    /// Sine and cosine of `n base term`.
    fn multiple(&mut self, term: Expr, base: &Rational, n: i64) -> Option<Pair> {
        if n.abs() > HIGHEST {
            return None;
        }
        let angle = self.linear(&[(base.clone(), term)]);
        let once = (
            self.apply(Function::Sin, &[angle]),
            self.apply(Function::Cos, &[angle]),
        );
        let mut total = (self.zero(), self.one());
        for _ in 0..n.abs() {
            let (sin, cos) = self.added(total, once);
            total = (self.expand(sin), self.expand(cos));
        }
        if n < 0 {
            total.0 = self.neg(total.0);
        }
        Some(total)
    }

    /// `sin(a + b) = sin a cos b + cos a sin b`, `cos(a + b) = cos a cos b - sin a sin b`.
    fn added(&mut self, a: Pair, b: Pair) -> Pair {
        let (up, down) = (self.mul(&[a.0, b.1]), self.mul(&[a.1, b.0]));
        let sin = self.add(&[up, down]);
        let (up, down) = (self.mul(&[a.1, b.1]), self.mul(&[a.0, b.0]));
        (sin, self.sub(up, down))
    }

    /// Sine and cosine of `coefficient * pi` where they are square roots of rationals.
    fn turn_of_pi(&mut self, coefficient: &Rational) -> Option<Pair> {
        let (n, d) = coefficient.small()?;
        if ![1, 2, 3, 4, 6].contains(&d) {
            return None;
        }
        // In twelfths of pi, once around.
        let twelfths = n.rem_euclid(2 * d) * (12 / d);
        let sin = self.sine_of_twelfths(twelfths)?;
        let cos = self.sine_of_twelfths((twelfths + 6) % 24)?;
        Some((sin, cos))
    }

    fn sine_of_twelfths(&mut self, twelfths: i64) -> Option<Expr> {
        let (folded, sign) = match twelfths {
            0..=6 => (twelfths, 1),
            7..=12 => (12 - twelfths, 1),
            13..=18 => (twelfths - 12, -1),
            _ => (24 - twelfths, -1),
        };
        // sin^2 of 0, 30, 45, 60, 90 degrees
        let (n, d) = match folded {
            0 => (0, 1),
            2 => (1, 4),
            3 => (1, 2),
            4 => (3, 4),
            6 => (1, 1),
            _ => return None,
        };
        let square = self.rational(n, d);
        let root = self.sqrt(square);
        Some(if sign < 0 { self.neg(root) } else { root })
    }
}
