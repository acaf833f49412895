//! Structure queries: is an expression affine in given symbols?

use super::graph::{Expr, Graph};

/// Factors an expansion may handle: a fraction of a second.
const FACTORS: usize = 200_000;

impl Graph {
    /// Coefficients `c` and constant `c0` with `e = sum c_i s_i + c0`, none of them depending on `symbols`.
    ///
    /// `None` unless proved: each derivative is free of the symbols, if need be after an expansion of moderate length.
    pub fn affine_coefficients(&mut self, e: Expr, symbols: &[Expr]) -> Option<(Vec<Expr>, Expr)> {
        if let Some(form) = self.quadratic_form(e, symbols) {
            let mut squares = form.quadratic.values();
            let is_affine = squares.all(|c| self.is_provably_zero(*c));
            return is_affine.then_some((form.linear, form.constant));
        }
        let mut coefficients = self.gradient(e, symbols);
        for coefficient in &mut coefficients {
            if self.depends_on_any(*coefficient, symbols) {
                *coefficient = self.expand_within(*coefficient, FACTORS)?;
            }
        }
        if coefficients
            .iter()
            .any(|c| self.depends_on_any(*c, symbols))
        {
            return None;
        }
        let zero = self.zero();
        let origin: Vec<_> = symbols.iter().map(|s| (*s, zero)).collect();
        let constant = self.substitute(e, &origin);
        Some((coefficients, constant))
    }
}
