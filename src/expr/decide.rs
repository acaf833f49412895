//! Whether two expressions are equal: proved by named rules, refuted by a witness, or tested at points.

use super::evaluate_wide::WideValues;
use super::function::Function;
use super::graph::{Expr, Graph, Node};
use super::rational::Rational;
use std::collections::BTreeSet;
use std::fmt;

/// A rule a proof used, beyond the canonical form that every expression is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Sums, products and whole powers multiplied out; `cos^2 = 1 - sin^2`; logarithms of products with
    /// positive parts split.
    Expansion,
    /// `sinh`, `cosh`, `tanh`, `sigmoid`, `softplus`, `log1p`, `expm1`, `logsumexp` by `exp` and `log`, and
    /// `tan` by `sin` and `cos`.
    Exponentials,
    /// Denominators cleared.
    CommonDenominator,
    /// Sines and cosines of sums and multiples.
    AdditionTheorems,
    /// `sum n log(u) + r = 0` as `prod u^n exp(r) = 1`.
    JoinedLogarithms,
    /// A positive quantity written as `exp` of its logarithm.
    PositiveQuantities,
}

/// What a proof needs besides the rules: it holds where all of these do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SideCondition {
    NotZero(Expr),
    Positive(Expr),
}

/// What is known about the symbols and unknown functions of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assumptions {
    /// Symbols and unknown functions that are positive.
    pub positive: Vec<Expr>,
    /// Symbols and unknown functions that stay in an interval.
    pub within: Vec<(Expr, f64, f64)>,
}

/// The outcome of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Equal wherever the side conditions hold and both sides are defined.
    Proved {
        rules: Vec<Rule>,
        side_conditions: Vec<SideCondition>,
    },
    /// Different at a point.
    Refuted {
        at: Vec<(String, f64)>,
        left: f64,
        right: f64,
    },
    /// Equal to about 22 digits at seeded random points, not proved.
    Tested {
        points: usize,
        largest_relative_difference: f64,
        /// See [`Graph::decide`].
        false_positive_probability: f64,
    },
    Undecided {
        why: Doubt,
    },
}

impl Decision {
    pub fn is_proved(&self) -> bool {
        matches!(self, Self::Proved { .. })
    }
}

/// Why nothing could be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// No random point gave finite values on both sides.
    NowhereDefined,
    /// Both sides agree to some digits but not to all, everywhere: rounding hides the answer.
    IllConditioned,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NowhereDefined => "no random point gave finite values on both sides",
            Self::IllConditioned => "rounding hides whether the sides differ",
        })
    }
}

/// Points of a test, and the draws allowed to find that many where both sides are finite.
const POINTS: usize = 64;
const DRAWS: usize = 1024;
/// Operations that a test is worth, and the points it takes at least: at eight the bound on false positives of anything
/// without kinks is far below the chance of a broken machine.
const OPERATIONS: usize = 4_000_000;
const FEWEST_POINTS: usize = 8;
/// Points tried before a proof is attempted: most wrong claims fail at once.
const FIRST_POINTS: usize = 3;
/// Factors that the products of a proof may have, together; a claim that needs more is tested at points.
const PROOF: usize = 3_000_000;
/// The same for all attempts of one graph that came to nothing, and what every claim is given when that is spent.
const ATTEMPTS: usize = 6_000_000;
const LITTLE: usize = 50_000;
/// Values a coordinate is drawn from.
const LATTICE: f64 = (1_u64 << 32) as f64;

/// Differences relative to the largest value met. Double-double rounding is 1e-31; ten digits are granted to
/// conditioning. Above the second bound the sides differ; between the two nothing is concluded.
const EQUAL: f64 = 1e-22;
const DIFFERENT: f64 = 1e-16;
/// Sides that differ by this much of their own size differ whenever rounding inside is smaller.
const GROSS: f64 = 1e-3;
/// The first two where a function is known to double precision only.
const COARSELY_EQUAL: f64 = 1e-11;
const COARSELY_DIFFERENT: f64 = 1e-8;

impl Graph {
    /// Decides whether `a = b` for all values of their symbols, unknown functions being independent of each
    /// other and of their own derivatives.
    ///
    /// Evidence is tried in this order: the canonical form; a few random points, where most wrong claims
    /// fail; proof by the [`Rule`]s, one after another, as far as what is multiplied out has at most three million
    /// factors; 64 random points in double-double arithmetic, or as few as eight for large expressions without kinks.
    /// Quantities whose logarithm or even root occurs may be taken as positive, since the sides are defined
    /// only there; a proof that did so says so. Points are drawn from `[-2, 2]` and `(0, 2)` in turn, or as
    /// assumed; the seed is fixed.
    ///
    /// # False positives
    /// Coordinates are drawn from 2^32 values, so a nonzero rational function of degree `d` vanishes at one
    /// point with probability at most `d / 2^32` (Schwartz 1980, Zippel 1979), and at all of them with that to
    /// the number of points. The stated probability is this bound with function values counted as independent
    /// variables of degree one; it is a heuristic where they are not independent. A difference confined to a
    /// branch of `if` or a side of `abs`, `min`, `max` is missed when no point falls there, so with kinks the
    /// probability stated is that of missing a quarter of the box, `0.75^points`.
    pub fn decide(&mut self, a: Expr, b: Expr, assumptions: &Assumptions) -> Decision {
        let difference = self.sub(a, b);
        if self.is_zero(difference) {
            return Decision::Proved {
                rules: Vec::new(),
                side_conditions: Vec::new(),
            };
        }
        let first = self.test(a, b, assumptions, FIRST_POINTS);
        if let Decision::Refuted { .. } = first {
            return first;
        }
        let left = ATTEMPTS.saturating_sub(self.attempted);
        let budget = PROOF.min(left).max(LITTLE);
        if let Some(proof) = self.prove(difference, &[a, b], assumptions, budget) {
            return proof;
        }
        self.test(a, b, assumptions, self.points_for(a, b))
    }

    fn points_for(&self, a: Expr, b: Expr) -> usize {
        if self.is_kinked(a) || self.is_kinked(b) {
            return POINTS;
        }
        let mut operations = 0;
        for n in self.reachable(&[a, b]) {
            self.node(n).children(|_| operations += 1);
        }
        (OPERATIONS / (operations + 1)).clamp(FEWEST_POINTS, POINTS)
    }

    fn prove(
        &mut self,
        difference: Expr,
        sides: &[Expr],
        assumptions: &Assumptions,
        budget: usize,
    ) -> Option<Decision> {
        let mut rules = vec![Rule::Expansion];
        let expanded = self.attempt(difference, budget)?;
        if self.is_zero(expanded) {
            return Some(proved(rules, Vec::new()));
        }
        let elementary = self.elementary(difference);
        if elementary != difference {
            rules.push(Rule::Exponentials);
        }
        if let Some(proof) = self.prove_rational(elementary, &rules, budget) {
            return Some(proof);
        }
        let turned = self.addition_theorems(elementary);
        if turned != elementary {
            rules.push(Rule::AdditionTheorems);
            if let Some(proof) = self.prove_rational(turned, &rules, budget) {
                return Some(proof);
            }
        }
        if let Some(joined) = self.joined_logarithms(turned) {
            let mut rules = rules.clone();
            rules.push(Rule::JoinedLogarithms);
            if let Some(proof) = self.prove_rational(joined, &rules, budget) {
                return Some(proof);
            }
        }
        let positive = self.positive_quantities(sides, assumptions);
        if positive.is_empty() {
            return None;
        }
        let logarithmic = self.by_logarithms(turned, &positive);
        rules.push(Rule::PositiveQuantities);
        let proof = self.prove_rational(logarithmic, &rules, budget)?;
        let Decision::Proved {
            rules,
            mut side_conditions,
        } = proof
        else {
            return None;
        };
        // Denominators of the rewritten form speak of logarithms, not of what was asked.
        side_conditions.clear();
        side_conditions.extend(positive.into_iter().map(SideCondition::Positive));
        Some(proved(rules, side_conditions))
    }

    /// Multiplies out as far as the budget goes, and remembers what was spent on nothing.
    fn attempt(&mut self, e: Expr, budget: usize) -> Option<Expr> {
        let expanded = self.expand_within(e, budget);
        if expanded.is_none() {
            self.attempted = self.attempted.saturating_add(budget);
        }
        expanded
    }

    /// Whether `e` is zero as a rational function of its atoms.
    fn prove_rational(&mut self, e: Expr, rules: &[Rule], budget: usize) -> Option<Decision> {
        let expanded = self.attempt(e, budget)?;
        if self.is_zero(expanded) {
            return Some(proved(rules.to_vec(), Vec::new()));
        }
        let numerator = self.numerator(expanded)?;
        if !self.is_zero(numerator) {
            return None;
        }
        let mut rules = rules.to_vec();
        rules.push(Rule::CommonDenominator);
        let mut cleared = BTreeSet::new();
        for n in self.reachable(&[expanded]) {
            if let Node::Product(_, factors) = self.node(n) {
                for (base, exponent) in factors {
                    if self.as_number(*exponent).is_some_and(|r| r.is_negative()) {
                        cleared.insert(SideCondition::NotZero(*base));
                    }
                }
            }
        }
        Some(proved(rules, cleared.into_iter().collect()))
    }

    /// `prod u^n exp(r) - 1` where `e = sum n log(u) + r` with whole `n`: zero exactly where `e` is.
    fn joined_logarithms(&mut self, e: Expr) -> Option<Expr> {
        let expanded = self.expand(e);
        let node = self.shared(expanded);
        let Node::Sum(constant, terms) = &*node else {
            return None;
        };
        let (mut rest, mut factors) = (
            vec![(Rational::one(), self.exact(constant.clone()))],
            vec![],
        );
        for (term, coefficient) in terms {
            match self.node(*term) {
                Node::Apply(Function::Log, arguments) if coefficient.is_integer() => {
                    let argument = arguments[0];
                    let power = self.exact(coefficient.clone());
                    factors.push(self.pow(argument, power));
                }
                _ => rest.push((coefficient.clone(), *term)),
            }
        }
        if factors.is_empty() {
            return None;
        }
        let rest = self.linear(&rest);
        factors.push(self.exp(rest));
        let (product, one) = (self.mul(&factors), self.one());
        Some(self.sub(product, one))
    }

    /// Symbols and unknown functions that are positive by assumption, or because their logarithm or even root
    /// occurs in one of the sides outside the branches of an `if`.
    fn positive_quantities(&self, sides: &[Expr], assumptions: &Assumptions) -> Vec<Expr> {
        let mut found: BTreeSet<Expr> = assumptions.positive.iter().copied().collect();
        let below = |e: &&(Expr, f64, f64)| e.1 > 0.0;
        found.extend(assumptions.within.iter().filter(below).map(|(e, ..)| *e));
        let is_choice = |n: Expr| matches!(self.node(n), Node::Choose(..));
        for n in self.reachable_until(sides, is_choice) {
            match self.node(n) {
                Node::Apply(Function::Log, arguments) => {
                    found.insert(arguments[0]);
                }
                Node::Product(_, factors) => {
                    let even_root = |(_, exponent): &&(Expr, Expr)| {
                        let parts = self.as_number(*exponent).and_then(|r| r.small());
                        parts.is_some_and(|(_, d)| d % 2 == 0)
                    };
                    found.extend(factors.iter().filter(even_root).map(|(base, _)| *base));
                }
                _ => {}
            }
        }
        let is_quantity = |e: &Expr| match self.node(*e) {
            Node::Symbol(_) => true,
            Node::Unknown(_, arguments, orders) => {
                orders.iter().all(|o| *o == 0)
                    && arguments.iter().all(|a| self.symbol_name(*a).is_some())
            }
            _ => false,
        };
        found.into_iter().filter(is_quantity).collect()
    }

    fn by_logarithms(&mut self, e: Expr, positive: &[Expr]) -> Expr {
        let mut replacements = Vec::with_capacity(positive.len());
        for quantity in positive {
            let node = self.shared(*quantity);
            let name = format!("log({})", self.text(*quantity));
            let logarithm = match &*node {
                Node::Unknown(_, arguments, _) => self.unknown(&name, arguments),
                _ => self.symbol(&name),
            };
            replacements.push((*quantity, self.exp(logarithm)));
        }
        self.substitute(e, &replacements)
    }

    fn test(&self, a: Expr, b: Expr, assumptions: &Assumptions, wanted: usize) -> Decision {
        let mut inputs = self.symbols(&[a, b]);
        inputs.extend(self.unknowns(&[a, b]));
        let (mut roots, mut coefficients) = (vec![a, b], vec![1.0, 1.0]);
        for side in [a, b] {
            if let Node::Sum(_, terms) = self.node(side) {
                roots.extend(terms.iter().map(|(term, _)| *term));
                coefficients.extend(terms.iter().map(|(_, c)| c.to_f64()));
            }
        }
        let (mut points, mut unclear, mut largest) = (0, 0, 0.0_f64);
        let mut state = 0x6f6e_7361_6765_7221_u64;
        for draw in 0..DRAWS {
            let at: Vec<(Expr, f64)> = inputs
                .iter()
                .map(|e| (*e, coordinate(*e, draw, assumptions, &mut state)))
                .collect();
            let values = self.evaluate_wide(&roots, &at);
            let Some(values) = values.filter(|v| v.finite) else {
                continue;
            };
            match compare(&values, &coefficients) {
                Comparison::Equal(difference) => {
                    largest = largest.max(difference);
                    points += 1;
                }
                Comparison::Unclear => unclear += 1,
                Comparison::Different => {
                    return Decision::Refuted {
                        at: at.iter().map(|(e, v)| (self.text(*e), *v)).collect(),
                        left: values.roots[0].to_f64(),
                        right: values.roots[1].to_f64(),
                    };
                }
            }
            if points == wanted {
                break;
            }
        }
        let why = match (points, unclear) {
            (0, 0) => Doubt::NowhereDefined,
            _ if unclear > points => Doubt::IllConditioned,
            _ => {
                return Decision::Tested {
                    points,
                    largest_relative_difference: largest,
                    false_positive_probability: self.false_positive(a, b, points),
                };
            }
        };
        Decision::Undecided { why }
    }

    fn false_positive(&self, a: Expr, b: Expr, points: usize) -> f64 {
        let points = i32::try_from(points).unwrap_or(i32::MAX);
        if self.is_kinked(a) || self.is_kinked(b) {
            return 0.75_f64.powi(points);
        }
        let degree = self.degree(a) + self.degree(b);
        (degree / LATTICE)
            .min(1.0)
            .powi(points)
            .max(f64::MIN_POSITIVE)
    }

    /// A bound of the degrees of numerator and denominator together, atoms being of degree one.
    fn degree(&self, e: Expr) -> f64 {
        let mut degrees = std::collections::BTreeMap::new();
        for n in self.reachable(&[e]) {
            let degree = match self.node(n) {
                Node::Number(_) | Node::Pi => 0.0,
                // Common denominators add up.
                Node::Sum(_, terms) => terms.iter().map(|(term, _)| degrees[term]).sum(),
                Node::Product(_, factors) => {
                    let part = |(base, exponent): &(Expr, Expr)| match self.as_number(*exponent) {
                        Some(power) => degrees[base] * power.to_f64().abs().max(1.0),
                        None => 1.0,
                    };
                    factors.iter().map(part).sum()
                }
                _ => 1.0_f64,
            };
            degrees.insert(n, degree);
        }
        degrees[&e]
    }
}

enum Comparison {
    /// With the difference relative to the largest value met.
    Equal(f64),
    Unclear,
    Different,
}

/// Compares the first two roots; the others are the terms they are sums of, with these coefficients.
fn compare(values: &WideValues, coefficients: &[f64]) -> Comparison {
    let gap = (values.roots[0] - values.roots[1]).to_f64().abs();
    let terms = values.roots.iter().zip(coefficients);
    let terms = terms.map(|(v, c)| (v.to_f64() * c).abs());
    let own = gap / terms.fold(f64::MIN_POSITIVE, f64::max);
    let inside = gap / values.largest.max(f64::MIN_POSITIVE);
    let (equal, different) = if values.coarse {
        (COARSELY_EQUAL, COARSELY_DIFFERENT)
    } else {
        (EQUAL, DIFFERENT)
    };
    // What happens inside may be large and yet not hide a difference of the sides, nor excuse one.
    if inside <= equal && own <= COARSELY_EQUAL {
        Comparison::Equal(own)
    } else if inside > different || (inside > equal && own > GROSS) {
        Comparison::Different
    } else {
        Comparison::Unclear
    }
}

fn proved(mut rules: Vec<Rule>, side_conditions: Vec<SideCondition>) -> Decision {
    rules.sort_unstable();
    Decision::Proved {
        rules,
        side_conditions,
    }
}

fn coordinate(e: Expr, draw: usize, assumptions: &Assumptions, state: &mut u64) -> f64 {
    let u = uniform(state);
    let within = assumptions.within.iter().find(|(known, ..)| *known == e);
    match within {
        Some((_, low, high)) => low + (high - low) * u,
        None if draw % 2 == 1 || assumptions.positive.contains(&e) => 2.0 * u,
        None => 4.0 * u - 2.0,
    }
}

/// SplitMix64 (Steele, Lea & Flood 2014), to 2^32 values in (0, 1).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((z >> 32) as f64 + 0.5) / LATTICE
}
