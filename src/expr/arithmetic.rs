//! Arithmetic on handles by operators: `graph.of(b * u - q / 2)`.
//!
//! A handle knows no graph, so operators only note what is meant; [`Graph::of`] makes the node. Sums and
//! products stay flat: `a * b * c` is one product of three factors, as the canonical constructors want it.
//! A factor that was made a node before stays one, so `graph.of(2 * (a + b))` is `2 a + 2 b`, and times `c`
//! it is another product than `graph.of(2 * (a + b) * c)`, though an equal one.

use super::function::Function;
use super::graph::{Expr, Graph};
use super::rational::Rational;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What is to be made of handles and numbers.
#[derive(Clone, Debug)]
pub struct Arithmetic(Form);

#[derive(Clone, Debug)]
enum Form {
    Known(Expr),
    Number(Rational),
    Sum(Vec<(Rational, Form)>),
    Product(Rational, Vec<(Form, Form)>),
    Apply(Function, Box<Form>),
    Derivative(Box<Form>, Expr),
}

impl From<Expr> for Arithmetic {
    fn from(e: Expr) -> Self {
        Self(Form::Known(e))
    }
}

impl From<i32> for Arithmetic {
    fn from(value: i32) -> Self {
        Self(Form::Number(Rational::integer(value.into())))
    }
}

/// `sum part`; zero for none.
pub fn sum<T: Into<Arithmetic>>(parts: impl IntoIterator<Item = T>) -> Arithmetic {
    let parts = parts
        .into_iter()
        .map(|part| (Rational::one(), part.into().0));
    Arithmetic(Form::Sum(parts.collect()))
}

/// `sum_i a_i b_i`.
pub fn dot(a: &[Expr], b: &[Expr]) -> Arithmetic {
    sum(a.iter().zip(b).map(|(a, b)| *a * *b))
}

/// `base^exponent`.
pub fn power(base: impl Into<Arithmetic>, exponent: impl Into<Arithmetic>) -> Arithmetic {
    let factors = vec![(base.into().0, exponent.into().0)];
    Arithmetic(Form::Product(Rational::one(), factors))
}

pub fn sqrt(a: impl Into<Arithmetic>) -> Arithmetic {
    power(a, Arithmetic::from(1) / 2)
}

pub fn exp(a: impl Into<Arithmetic>) -> Arithmetic {
    Arithmetic(Form::Apply(Function::Exp, Box::new(a.into().0)))
}

pub fn log(a: impl Into<Arithmetic>) -> Arithmetic {
    Arithmetic(Form::Apply(Function::Log, Box::new(a.into().0)))
}

/// The derivative of `a` in `x`.
pub fn partial(a: impl Into<Arithmetic>, x: Expr) -> Arithmetic {
    Arithmetic(Form::Derivative(Box::new(a.into().0), x))
}

impl Form {
    fn terms(self) -> Vec<(Rational, Form)> {
        match self {
            Self::Sum(terms) => terms,
            Self::Product(coefficient, factors) if !coefficient.is_one() => {
                vec![(coefficient, Self::Product(Rational::one(), factors))]
            }
            other => vec![(Rational::one(), other)],
        }
    }

    fn factors(self) -> (Rational, Vec<(Form, Form)>) {
        match self {
            Self::Product(coefficient, factors) => (coefficient, factors),
            Self::Number(value) => (value, Vec::new()),
            other => (
                Rational::one(),
                vec![(other, Self::Number(Rational::one()))],
            ),
        }
    }

    fn plus(self, other: Self) -> Self {
        let mut terms = self.terms();
        terms.extend(other.terms());
        Self::Sum(terms)
    }

    fn times(self, other: Self) -> Self {
        let (a, mut factors) = self.factors();
        let (b, more) = other.factors();
        factors.extend(more);
        Self::Product(&a * &b, factors)
    }

    fn negative(self) -> Self {
        let terms = self.terms().into_iter();
        Self::Sum(terms.map(|(c, term)| (-&c, term)).collect())
    }

    fn inverse(self) -> Self {
        match self {
            Self::Number(value) => match value.reciprocal() {
                Some(value) => Self::Number(value),
                // Left to the constructors, which know that it is undefined.
                None => power(0, -1).0,
            },
            other => {
                let minus = Self::Number(Rational::integer(-1));
                Self::Product(Rational::one(), vec![(other, minus)])
            }
        }
    }
}

impl Graph {
    /// The node that is meant.
    pub fn of(&mut self, meant: impl Into<Arithmetic>) -> Expr {
        self.node_of(meant.into().0)
    }

    fn node_of(&mut self, form: Form) -> Expr {
        match form {
            Form::Known(e) => e,
            Form::Number(value) => self.exact(value),
            Form::Sum(terms) => {
                let terms = terms.into_iter().map(|(c, term)| (c, self.node_of(term)));
                let terms: Vec<_> = terms.collect();
                self.linear(&terms)
            }
            Form::Product(coefficient, factors) => {
                let factors = factors.into_iter();
                let factors = factors.map(|(base, e)| (self.node_of(base), self.node_of(e)));
                let factors = factors.collect();
                self.product(coefficient, factors)
            }
            Form::Apply(function, argument) => {
                let argument = self.node_of(*argument);
                self.apply(function, &[argument])
            }
            Form::Derivative(e, x) => {
                let e = self.node_of(*e);
                self.derivative(e, x)
            }
        }
    }

    /// A node for each.
    pub fn each(&mut self, meant: impl IntoIterator<Item = Arithmetic>) -> Vec<Expr> {
        meant.into_iter().map(|meant| self.of(meant)).collect()
    }

    /// `f(a_i, b_i)` for every component.
    pub fn pairwise(
        &mut self,
        a: &[Expr],
        b: &[Expr],
        f: impl Fn(Expr, Expr) -> Arithmetic,
    ) -> Vec<Expr> {
        self.each(a.iter().zip(b).map(|(a, b)| f(*a, *b)))
    }
}

macro_rules! operators {
    ($($left:ty),*) => {$(
        impl<T: Into<Arithmetic>> Add<T> for $left {
            type Output = Arithmetic;
            fn add(self, other: T) -> Arithmetic {
                Arithmetic(Arithmetic::from(self).0.plus(other.into().0))
            }
        }
        impl<T: Into<Arithmetic>> Sub<T> for $left {
            type Output = Arithmetic;
            fn sub(self, other: T) -> Arithmetic {
                Arithmetic(Arithmetic::from(self).0.plus(other.into().0.negative()))
            }
        }
        impl<T: Into<Arithmetic>> Mul<T> for $left {
            type Output = Arithmetic;
            fn mul(self, other: T) -> Arithmetic {
                Arithmetic(Arithmetic::from(self).0.times(other.into().0))
            }
        }
        impl<T: Into<Arithmetic>> Div<T> for $left {
            type Output = Arithmetic;
            fn div(self, other: T) -> Arithmetic {
                Arithmetic(Arithmetic::from(self).0.times(other.into().0.inverse()))
            }
        }
        impl Neg for $left {
            type Output = Arithmetic;
            fn neg(self) -> Arithmetic {
                Arithmetic(Arithmetic::from(self).0.negative())
            }
        }
    )*};
}
operators!(Expr, Arithmetic);

macro_rules! numbers_before {
    ($($right:ty),*) => {$(
        impl Add<$right> for i32 {
            type Output = Arithmetic;
            fn add(self, other: $right) -> Arithmetic {
                Arithmetic::from(self) + other
            }
        }
        impl Sub<$right> for i32 {
            type Output = Arithmetic;
            fn sub(self, other: $right) -> Arithmetic {
                Arithmetic::from(self) - other
            }
        }
        impl Mul<$right> for i32 {
            type Output = Arithmetic;
            fn mul(self, other: $right) -> Arithmetic {
                Arithmetic::from(self) * other
            }
        }
    )*};
}
numbers_before!(Expr, Arithmetic);

#[cfg(test)]
mod tests {
    use super::{dot, exp, log, partial, power, sqrt, sum};
    use crate::expr::{Decision, Graph};

    #[test]
    fn operators_make_the_nodes_of_the_constructors() {
        let mut g = Graph::new();
        let (a, b, x) = (g.symbol("a"), g.symbol("b"), g.symbol("x"));
        let (half, two) = (g.rational(1, 2), g.integer(2));
        let s = g.add(&[a, b]);
        for (meant, made) in [
            (a + b, s),
            (a - b, g.sub(a, b)),
            (-(a * b), {
                let product = g.mul(&[a, b]);
                g.neg(product)
            }),
            (s * x / 2, g.mul(&[half, s, x])),
            (2 * s * x, g.mul(&[two, s, x])),
            (a / b, g.div(a, b)),
            (1 - a, {
                let one = g.one();
                g.sub(one, a)
            }),
            (power(x, 2), g.powi(x, 2)),
            (sqrt(x), g.sqrt(x)),
            (exp(-log(x)), {
                let log = g.log(x);
                let minus = g.neg(log);
                g.exp(minus)
            }),
            (partial(x * x * a, x), g.mul(&[two, a, x])),
            (dot(&[a, x], &[b, x]), {
                let (first, second) = (g.mul(&[a, b]), g.powi(x, 2));
                g.add(&[first, second])
            }),
            (sum([a, b, a]) - b, g.mul(&[two, a])),
        ] {
            assert_eq!(g.of(meant.clone()), made, "{meant:?}");
        }
        let all = g.pairwise(&[a, b], &[b, x], |a, b| a * b);
        assert_eq!(all, [g.mul(&[a, b]), g.mul(&[b, x])]);
    }

    #[test]
    fn a_division_by_zero_is_undefined() {
        let mut g = Graph::new();
        let a = g.symbol("a");
        assert_eq!(g.of(a / 0), g.undefined());
    }

    #[test]
    fn a_number_distributes_over_a_sum_that_stands_alone() {
        let mut g = Graph::new();
        let (a, b, x) = (g.symbol("a"), g.symbol("b"), g.symbol("x"));
        let s = g.of(a + b);
        let doubled = g.of(2 * s);
        assert_eq!(doubled, g.of(2 * a + 2 * b));
        let (late, early) = (g.of(doubled * x), g.of(2 * s * x));
        assert_ne!(late, early);
        assert!(matches!(g.equal(late, early), Decision::Proved { .. }));
    }
}
