//! Is an expression zero, or equal to another, wherever both are defined.

use super::decide::{Assumptions, Decision};
use super::graph::{Expr, Graph};

impl Graph {
    /// [`Graph::decide`] without assumptions.
    pub fn equal(&mut self, a: Expr, b: Expr) -> Decision {
        self.decide(a, b, &Assumptions::default())
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
