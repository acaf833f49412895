//! Polynomials of many variables in products of Hermite polynomials, few of them joined by a term.
//!
//! ```text
//! V(z) = sum over alpha of c_alpha prod_j h_{alpha_j}(z_j),      |alpha| <= degree, at most `interaction` alpha_j > 0
//! h_0 = 1, h_1 = z, sqrt(n + 1) h_{n+1} = z h_n - sqrt(n) h_{n-1};      h_n' = sqrt(n) h_{n-1}
//! ```
//!
//! The `h_n` are orthonormal under a standard normal. With a term all terms below it belong to the set, so derivatives
//! stay within it and are maps of the coefficients.
//!
//! # Cost
//! One product a term and point; a derivative costs one product a term, whatever the number of points.
//!
//! # Source
//! Cohen and Migliorati, *Multivariate approximation in downward closed polynomial spaces* (2018).

use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use std::collections::HashMap;

/// A term as a product of one of fewer variables and a polynomial of one.
#[derive(Clone, Copy, Debug)]
struct Product {
    rest: usize,
    variable: usize,
    order: usize,
}

/// `d/dz_j` of term `of` is `factor` times term `is`.
#[derive(Clone, Copy, Debug)]
struct Lowering {
    of: usize,
    is: usize,
    factor: f64,
}

/// A downward closed set of terms, by ascending degree.
#[derive(Clone, Debug)]
pub struct HermiteTerms {
    dimension: usize,
    /// All terms but the first, which is 1.
    products: Vec<Product>,
    /// By variable.
    lowerings: Vec<Vec<Lowering>>,
    /// How many terms have degree 0, at most 1, ...
    counts: Vec<usize>,
}

/// More terms than asked for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("degree {degree} already has {terms} terms")]
pub struct TooManyTerms {
    /// The first degree that is too much.
    pub degree: usize,
    pub terms: usize,
}

impl HermiteTerms {
    /// All terms of `dimension` variables up to `degree` that join at most `interaction` of them.
    ///
    /// # Errors
    /// [`TooManyTerms`] where they are more than `most`.
    pub fn new(
        dimension: usize,
        degree: usize,
        interaction: usize,
        most: usize,
    ) -> Result<Self, TooManyTerms> {
        let mut orders = vec![vec![0_usize; dimension]];
        let mut places = HashMap::from([(orders[0].clone(), 0)]);
        let mut products = Vec::new();
        let mut counts = vec![1];
        let mut level = 0..1;
        for n in 1..=degree {
            for k in level.clone() {
                let last = orders[k].iter().rposition(|a| *a > 0).unwrap_or(0);
                for j in last..dimension {
                    let mut next = orders[k].clone();
                    next[j] += 1;
                    let order = next[j];
                    if next.iter().filter(|a| **a > 0).count() > interaction {
                        continue;
                    }
                    let mut rest = next.clone();
                    rest[j] = 0;
                    products.push(Product {
                        rest: places[&rest],
                        variable: j,
                        order,
                    });
                    places.insert(next.clone(), orders.len());
                    orders.push(next);
                }
            }
            if orders.len() > most {
                return Err(TooManyTerms {
                    degree: n,
                    terms: orders.len(),
                });
            }
            level = counts[n - 1]..orders.len();
            counts.push(orders.len());
        }
        let lowering = |j: usize| {
            let lower = |(k, order): (usize, &Vec<usize>)| {
                let mut below = order.clone();
                below[j] = order[j].checked_sub(1)?;
                Some(Lowering {
                    of: k,
                    is: places[&below],
                    factor: (order[j] as f64).sqrt(),
                })
            };
            orders.iter().enumerate().filter_map(lower).collect()
        };
        Ok(Self {
            dimension,
            products,
            lowerings: (0..dimension).map(lowering).collect(),
            counts,
        })
    }

    pub fn dimension(&self) -> usize {
        self.dimension
    }

    pub fn degree(&self) -> usize {
        self.counts.len() - 1
    }

    /// How many terms there are.
    pub fn terms(&self) -> usize {
        self.products.len() + 1
    }

    /// How many have at most this degree: they come first.
    pub fn terms_up_to(&self, degree: usize) -> usize {
        self.counts[degree.min(self.degree())]
    }

    /// `out`: points × terms at the points `z`; the first terms only where `out` has fewer columns.
    pub fn eval(&self, z: BatchRef<'_>, mut out: BatchMut<'_>) {
        let points = z.points();
        let highest = self.degree();
        // Column j * highest + n - 1: h_n(z_j).
        let mut single = Batch::zeros(points, self.dimension * highest);
        for j in 0..self.dimension {
            for n in 1..=highest {
                let column = |n: usize| j * highest + n - 1;
                let (a, b) = ((1.0 / n as f64).sqrt(), ((n - 1) as f64 / n as f64).sqrt());
                for i in 0..points {
                    let x = z.get(i, j);
                    let value = match n {
                        1 => x,
                        2 => a * x * x - b,
                        _ => {
                            a * x * single.get(i, column(n - 1)) - b * single.get(i, column(n - 2))
                        }
                    };
                    single.column_mut(column(n))[i] = value;
                }
            }
        }
        out.column_mut(0).fill(1.0);
        for (k, product) in self.products.iter().enumerate().take(out.columns() - 1) {
            let one = single.column(product.variable * highest + product.order - 1);
            if product.rest == 0 {
                out.column_mut(k + 1).copy_from_slice(one);
                continue;
            }
            let (rest, to) = out.column_and_later(product.rest, k + 1);
            for ((to, rest), one) in to.iter_mut().zip(rest).zip(one) {
                *to = rest * one;
            }
        }
    }

    /// `out`: the coefficients of the derivative in variable `j`; of the first terms only where fewer are given.
    pub fn differentiate(&self, coefficients: &[f64], j: usize, out: &mut [f64]) {
        out.fill(0.0);
        let given = |lowering: &&Lowering| lowering.of < coefficients.len();
        for lowering in self.lowerings[j].iter().take_while(given) {
            out[lowering.is] += lowering.factor * coefficients[lowering.of];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_counted_by_degree_and_interaction() {
        let all = HermiteTerms::new(5, 4, 5, 1000).expect("few");
        // Binomials (5 + n over n).
        assert_eq!(all.counts, [1, 6, 21, 56, 126]);
        let pairs = HermiteTerms::new(5, 4, 2, 1000).expect("few");
        // 1, singles 4 a variable, pairs (1,1), (1,2), (2,1), (1,3), (3,1), (2,2).
        assert_eq!(pairs.terms(), 1 + 5 * 4 + 10 * 6);
        let refused = HermiteTerms::new(20, 8, 20, 3000).map(|_| ());
        let degree = 4;
        let terms = 10626;
        assert_eq!(refused, Err(TooManyTerms { degree, terms }));
    }

    /// `h_n` from its definition by the Rodrigues formula, written out to order four.
    fn hermite(n: usize, z: f64) -> f64 {
        match n {
            0 => 1.0,
            1 => z,
            2 => (z * z - 1.0) / 2_f64.sqrt(),
            3 => (z.powi(3) - 3.0 * z) / 6_f64.sqrt(),
            _ => (z.powi(4) - 6.0 * z * z + 3.0) / 24_f64.sqrt(),
        }
    }

    #[test]
    fn every_product_of_written_out_polynomials_is_among_the_terms_once() {
        let terms = HermiteTerms::new(3, 4, 2, 1000).expect("few");
        let z = [0.7, -1.3, 2.1];
        let mut found = Batch::zeros(1, terms.terms());
        terms.eval(Batch::from_rows(3, &[z]).as_ref(), found.as_mut());
        let mut found = found.row(0);
        let mut expected = Vec::new();
        for a in 0..=4_usize {
            for b in 0..=4 - a {
                for c in 0..=4 - a - b {
                    if [a, b, c].iter().filter(|n| **n > 0).count() <= 2 {
                        expected.push(hermite(a, z[0]) * hermite(b, z[1]) * hermite(c, z[2]));
                    }
                }
            }
        }
        found.sort_by(f64::total_cmp);
        expected.sort_by(f64::total_cmp);
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(&expected) {
            assert!((f - e).abs() < 1e-13 * (1.0 + e.abs()), "{f} {e}");
        }
    }

    #[test]
    fn derivatives_are_limits_of_differences() {
        let terms = HermiteTerms::new(2, 5, 2, 1000).expect("few");
        let coefficients: Vec<f64> = (0..terms.terms()).map(|k| (k as f64).sin()).collect();
        let value = |coefficients: &[f64], z: [f64; 2]| {
            let mut values = Batch::zeros(1, coefficients.len());
            terms.eval(Batch::from_rows(2, &[z]).as_ref(), values.as_mut());
            let values = values.row(0);
            values
                .iter()
                .zip(coefficients)
                .map(|(v, c)| v * c)
                .sum::<f64>()
        };
        // All terms, and those of degree at most three.
        for count in [terms.terms(), terms.terms_up_to(3)] {
            let own = &coefficients[..count];
            let mut slope = vec![0.0; count];
            terms.differentiate(own, 1, &mut slope);
            let (z, h) = ([0.4, -0.8], 1e-5);
            let up = value(own, [z[0], z[1] + h]);
            let down = value(own, [z[0], z[1] - h]);
            let difference = (up - down) / (2.0 * h);
            assert!((value(&slope, z) - difference).abs() < 1e-8);
        }
    }
}
