//! Structure queries: is an expression affine, or a polynomial, in given symbols?

use super::graph::{Expr, Graph, Node};
use std::collections::BTreeMap;

/// Factors an expansion may handle: a fraction of a second.
const FACTORS: usize = 50_000;

impl Graph {
    /// As [`Self::expand`] where that takes a fraction of a second, else as it is.
    pub fn expand_quickly(&mut self, e: Expr) -> Expr {
        self.expand_within(e, FACTORS).unwrap_or(e)
    }

    /// Coefficients `c` and constant `c0` with `e = sum c_i s_i + c0`, none of them depending on `symbols`.
    ///
    /// `None` unless proved: a polynomial each of whose derivatives is free of the symbols, if need be after an expansion of
    /// moderate length. Derivatives alone prove nothing: those of `sign` and `floor` vanish off the jumps.
    pub fn affine_coefficients(&mut self, e: Expr, symbols: &[Expr]) -> Option<(Vec<Expr>, Expr)> {
        if let Some(form) = self.quadratic_form(e, symbols) {
            let mut squares = form.quadratic.values();
            let is_affine = squares.all(|c| self.is_provably_zero(*c));
            return is_affine.then_some((form.linear, form.constant));
        }
        if self.written_degree(e, symbols).is_none() {
            let expanded = self.expand_within(e, FACTORS)?;
            self.written_degree(expanded, symbols)?;
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

    /// The degree of a polynomial in `symbols`, read off the way it is written: terms that would cancel are counted.
    /// `None` where a symbol stands in a function, a condition, an exponent or under a power that is no whole number.
    pub fn written_degree(&self, e: Expr, symbols: &[Expr]) -> Option<usize> {
        let mut degrees: BTreeMap<Expr, Option<usize>> = BTreeMap::new();
        for n in self.reachable(&[e]) {
            let degree = match self.node(n) {
                Node::Sum(_, terms) => {
                    let mut parts = terms.iter().map(|(term, _)| degrees[term]);
                    parts.try_fold(0, |most, degree| Some(most.max(degree?)))
                }
                Node::Product(_, factors) => {
                    let part = |(base, exponent): &(Expr, Expr)| match (
                        degrees[base]?,
                        degrees[exponent]?,
                    ) {
                        (0, 0) => Some(0),
                        (degree, 0) => {
                            let power = self.as_number(*exponent)?.to_integer()?;
                            degree.checked_mul(usize::try_from(power).ok()?)
                        }
                        _ => None,
                    };
                    let mut parts = factors.iter().map(part);
                    parts.try_fold(0_usize, |all, degree| all.checked_add(degree?))
                }
                Node::Symbol(_) => Some(usize::from(symbols.contains(&n))),
                node => {
                    let mut free = true;
                    node.children(|child| free &= degrees[&child] == Some(0));
                    free.then_some(0)
                }
            };
            degrees.insert(n, degree);
        }
        degrees[&e]
    }
}
