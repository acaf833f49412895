//! Are two expressions equal: proved, tested, or refuted at a point.

use super::graph::{Expr, Graph, Node};

/// Outcome of a comparison of two expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum Equality {
    /// The difference is zero in normal form.
    Proved,
    /// Equal at every random point where both are finite; zero points mean that none was.
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

/// Points of a test, and the draws allowed to find that many where both sides are finite.
const POINTS: usize = 64;
const DRAWS: usize = 1024;

/// Differences below this, relative to the largest term, are rounding: about 5e6 units in the last
/// place, far above what 64 benign points lose and far below any difference of formulas.
const TOLERANCE: f64 = 1e-9;

impl Graph {
    /// Decides whether `a = b` for all values of their symbols, unknown functions being independent of
    /// each other and of their own derivatives.
    ///
    /// The difference is expanded, with hyperbolic and logistic functions written by exponentials and
    /// denominators cleared; if it is not the zero expression, both sides are evaluated at 64 seeded
    /// random points of [-2, 2] (or (0, 2), for every other draw).
    pub fn equal(&mut self, a: Expr, b: Expr) -> Equality {
        let difference = self.sub(a, b);
        if self.is_zero(difference) || self.is_provably_zero(difference) {
            return Equality::Proved;
        }
        self.test_equal(a, b)
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

    fn test_equal(&self, a: Expr, b: Expr) -> Equality {
        let mut inputs = self.symbols(&[a, b]);
        inputs.extend(self.unknowns(&[a, b]));
        let mut roots = vec![a, b];
        for side in [a, b] {
            if let Node::Sum { terms, .. } = self.node(side) {
                roots.extend(terms.iter().map(|(term, _)| *term));
            }
        }
        let (mut points, mut largest) = (0, 0.0_f64);
        let mut state = 0x6f6e_7361_6765_7221_u64;
        for draw in 0..DRAWS {
            let at: Vec<(Expr, f64)> = inputs
                .iter()
                .map(|e| {
                    let u = uniform(&mut state);
                    (
                        *e,
                        if draw % 2 == 0 {
                            4.0 * u - 2.0
                        } else {
                            2.0 * u
                        },
                    )
                })
                .collect();
            let Some(values) = self.evaluate_all(&roots, &at) else {
                continue;
            };
            if values.iter().any(|v| !v.is_finite()) {
                continue;
            }
            let scale = values.iter().fold(f64::MIN_POSITIVE, |s, v| s.max(v.abs()));
            let difference = (values[0] - values[1]).abs() / scale;
            if difference > TOLERANCE {
                let named = at.iter().map(|(e, v)| (self.text(*e), *v)).collect();
                return Equality::Different {
                    at: named,
                    left: values[0],
                    right: values[1],
                };
            }
            largest = largest.max(difference);
            points += 1;
            if points == POINTS {
                break;
            }
        }
        Equality::Tested {
            points,
            largest_relative_difference: largest,
        }
    }
}

/// SplitMix64 (Steele, Lea & Flood 2014), to (0, 1).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((z >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}
