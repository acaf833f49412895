//! Are two expressions equal: proved, tested, or refuted at a point.

use super::decide::{Assumptions, Decision};
use super::graph::{Expr, Graph};

/// Answer of a comparison of two expressions, without the proof.
#[derive(Clone, Debug, PartialEq)]
pub enum Equality {
    /// Equal by rules.
    Proved,
    /// Equal at every random point where both are finite; zero points mean that none was, or that rounding
    /// hid the answer.
    Tested {
        points: usize,
        largest_relative_difference: f64,
    },
    /// Not equal: the values at a point.
    Different {
        at: Vec<(String, f64)>,
        left: f64,
        right: f64,
    },
}

impl Graph {
    /// [`Graph::decide`] without assumptions, for callers that need no more than the outcome.
    pub fn equal(&mut self, a: Expr, b: Expr) -> Equality {
        match self.decide(a, b, &Assumptions::default()) {
            Decision::Proved { .. } => Equality::Proved,
            Decision::Refuted { at, left, right } => Equality::Different { at, left, right },
            Decision::Tested {
                points,
                largest_relative_difference,
                ..
            } => Equality::Tested {
                points,
                largest_relative_difference,
            },
            Decision::Undecided { .. } => Equality::Tested {
                points: 0,
                largest_relative_difference: 0.0,
            },
        }
    }

    /// Whether the normal form of `e` is zero.
    pub fn is_provably_zero(&mut self, e: Expr) -> bool {
        let expanded = self.expand(e);
        if self.is_zero(expanded) {
            return true;
        }
        let elementary = self.elementary(e);
        let expanded = self.expand(elementary);
        self.numerator(expanded).is_some_and(|n| self.is_zero(n))
    }
}
