//! Identities between matrices and vectors of any size: sums of words in letters that do not commute.
//!
//! A scalar such as `u'R u` or `tr(D H)` is a word of letters whose entries are never written. Words are brought to a
//! normal form: scalar parts are split off and commute, a scalar equals its transpose, a trace may be turned around,
//! and a matrix next to its inverse vanishes. Two sums that agree in normal form agree for every size and every entry.
//!
//! # Executed by
//! The tests compare words with the same products of random matrices.

use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::expr::Rational;
use std::collections::BTreeMap;
use std::ops::{Add, Mul, Neg, Sub};

/// States and controls up to which steps are executed entry by entry.
pub(crate) const WRITTEN_OUT: usize = 12;

/// A vector or matrix, perhaps transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Letter {
    name: &'static str,
    is_vector: bool,
    is_symmetric: bool,
    transposed: bool,
}

impl Letter {
    fn turned(self) -> Self {
        Self {
            transposed: !self.transposed && !self.is_symmetric,
            ..self
        }
    }
}

/// What commutes with everything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scalar {
    Name(&'static str),
    /// A row, matrices, a column.
    Form(Vec<Letter>),
    Trace(Vec<Letter>),
}

/// Scalars times a product of matrices.
type Word = (Vec<Scalar>, Vec<Letter>);

/// A sum of words with numbers before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words(BTreeMap<Word, Rational>);

/// A vector of any length.
pub(crate) fn vector(name: &'static str) -> Words {
    letter(name, true, false)
}

/// A matrix of any shape.
pub(crate) fn matrix(name: &'static str) -> Words {
    letter(name, false, false)
}

/// A matrix that equals its transpose.
pub(crate) fn symmetric(name: &'static str) -> Words {
    letter(name, false, true)
}

/// A number that has a name.
pub(crate) fn scalar(name: &'static str) -> Words {
    Words::of(vec![Scalar::Name(name)], Vec::new(), Rational::one())
}

/// One half.
pub(crate) fn half() -> Words {
    let value = Rational::new(1, 2).expect("the denominator is not zero");
    Words::of(Vec::new(), Vec::new(), value)
}

fn letter(name: &'static str, is_vector: bool, is_symmetric: bool) -> Words {
    let letter = Letter {
        name,
        is_vector,
        is_symmetric,
        transposed: false,
    };
    Words::of(Vec::new(), vec![letter], Rational::one())
}

/// A word and its transpose are one scalar.
fn form(word: Vec<Letter>) -> Scalar {
    let turned = transposed(&word);
    Scalar::Form(word.min(turned))
}

/// A trace is the same turned around and transposed; a column in it makes it a form.
fn trace(word: &[Letter]) -> Scalar {
    let turn = |at: usize| -> Vec<Letter> { [&word[at..], &word[..at]].concat() };
    if let Some(at) = word.iter().position(|l| l.is_vector && !l.transposed) {
        return form(turn((at + 1) % word.len()));
    }
    let turns = (0..word.len()).map(turn);
    let all = turns.flat_map(|word| [transposed(&word), word]);
    Scalar::Trace(all.min().unwrap_or_default())
}

fn transposed(word: &[Letter]) -> Vec<Letter> {
    word.iter().rev().map(|letter| letter.turned()).collect()
}

impl Words {
    fn of(mut scalars: Vec<Scalar>, letters: Vec<Letter>, number: Rational) -> Self {
        // A row that meets a column further on is a scalar.
        let mut rest: Vec<Letter> = Vec::new();
        for letter in letters {
            rest.push(letter);
            if letter.is_vector && !letter.transposed {
                let row = rest.iter().rposition(|l| l.is_vector && l.transposed);
                if let Some(row) = row {
                    scalars.push(form(rest.split_off(row)));
                }
            }
        }
        scalars.sort();
        Self(BTreeMap::from([((scalars, rest), number)]))
    }

    fn plus(mut self, other: Self, sign: &Rational) -> Self {
        for (word, number) in other.0 {
            let entry = self.0.entry(word).or_insert_with(Rational::zero);
            *entry = &*entry + &(sign * &number);
        }
        self.0.retain(|_, number| !number.is_zero());
        self
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = Self::default();
        for ((s, a), x) in &self.0 {
            for ((t, b), y) in &other.0 {
                let word = Self::of([&s[..], t].concat(), [&a[..], b].concat(), x * y);
                product = product.plus(word, &Rational::one());
            }
        }
        product
    }

    /// Every word made anew by `change`.
    fn mapped(&self, change: impl Fn(&Word) -> Self) -> Self {
        let mut sum = Self::default();
        for (word, number) in &self.0 {
            sum = sum.plus(change(word), number);
        }
        sum
    }

    pub(crate) fn transpose(&self) -> Self {
        self.mapped(|(s, w)| Self::of(s.clone(), transposed(w), Rational::one()))
    }

    /// `tr`.
    pub(crate) fn trace(&self) -> Self {
        self.mapped(|(s, w)| {
            let mut scalars = s.clone();
            scalars.push(trace(w));
            Self::of(scalars, Vec::new(), Rational::one())
        })
    }

    /// `self' other`.
    pub(crate) fn dot(&self, other: &Self) -> Self {
        self.transpose().times(other)
    }

    /// With another expression for a letter or named scalar.
    pub(crate) fn with(&self, name: &'static str, value: &Self) -> Self {
        let back = value.transpose();
        let product = |word: &[Letter]| {
            word.iter().fold(Self::one(), |product, letter| {
                product.times(&match (letter.name == name, letter.transposed) {
                    (false, _) => Self(BTreeMap::from([(
                        (Vec::new(), vec![*letter]),
                        Rational::one(),
                    )])),
                    (true, false) => value.clone(),
                    (true, true) => back.clone(),
                })
            })
        };
        self.mapped(|(scalars, word)| {
            scalars.iter().fold(product(word), |rest, scalar| {
                rest.times(&match scalar {
                    Scalar::Name(known) if *known == name => value.clone(),
                    Scalar::Name(known) => self::scalar(known),
                    Scalar::Form(word) => product(word),
                    Scalar::Trace(word) => product(word).trace(),
                })
            })
        })
    }

    fn one() -> Self {
        Self::of(Vec::new(), Vec::new(), Rational::one())
    }

    /// Without the products `a b` and `b a` of matrices that are inverse to each other.
    pub(crate) fn cancelling(&self, a: &'static str, b: &'static str) -> Self {
        let inverse =
            |x: &Letter, y: &Letter| (x.name == a && y.name == b) || (x.name == b && y.name == a);
        let reduced = |word: &[Letter]| {
            let mut kept: Vec<Letter> = Vec::new();
            for letter in word {
                match kept.last() {
                    Some(last) if inverse(last, letter) => drop(kept.pop()),
                    _ => kept.push(*letter),
                }
            }
            kept
        };
        self.mapped(|(scalars, word)| {
            let scalars = scalars.iter().map(|scalar| match scalar {
                Scalar::Name(name) => Scalar::Name(name),
                Scalar::Form(word) => form(reduced(word)),
                Scalar::Trace(word) => trace(&reduced(word)),
            });
            Self::of(scalars.collect(), reduced(word), Rational::one())
        })
    }

    /// The gradient of a scalar in a vector.
    pub(crate) fn gradient(&self, name: &'static str) -> Self {
        self.mapped(|(scalars, word)| {
            let mut sum = Self::default();
            for (i, scalar) in scalars.iter().enumerate() {
                let Scalar::Form(form) = scalar else { continue };
                let others = [&scalars[..i], &scalars[i + 1..]].concat();
                for one_way in [form.clone(), transposed(form)] {
                    if let Some((last, rest)) = one_way.split_last()
                        && last.name == name
                    {
                        let letters = [&word[..], &transposed(rest)].concat();
                        let slope = Self::of(others.clone(), letters, Rational::one());
                        sum = sum.plus(slope, &Rational::one());
                    }
                }
            }
            sum
        })
    }
}

/// Executes `left = right` for every size.
///
/// # Errors
/// [`Refuted`] with the number of words in which the sides differ.
pub(crate) fn same(claim: &str, left: &Words, right: &Words) -> Result<Evidence, Refuted> {
    let rest = left - right;
    if rest.0.is_empty() {
        return Ok(Evidence::Proved);
    }
    Err(Refuted {
        claim: claim.to_owned(),
        at: Vec::new(),
        left: rest.0.len() as f64,
        right: 0.0,
    })
}

macro_rules! operators {
    ($(($left:ty, $right:ty)),*) => {$(
        impl Add<$right> for $left {
            type Output = Words;
            fn add(self, other: $right) -> Words {
                self.clone().plus(other.clone(), &Rational::one())
            }
        }
        impl Sub<$right> for $left {
            type Output = Words;
            fn sub(self, other: $right) -> Words {
                self.clone().plus(other.clone(), &Rational::integer(-1))
            }
        }
        impl Mul<$right> for $left {
            type Output = Words;
            fn mul(self, other: $right) -> Words {
                self.times(&other)
            }
        }
    )*};
}
operators!(
    (Words, Words),
    (Words, &Words),
    (&Words, Words),
    (&Words, &Words)
);

impl Neg for Words {
    type Output = Words;
    fn neg(self) -> Words {
        Words::default().plus(self, &Rational::integer(-1))
    }
}

#[cfg(test)]
mod tests {
    use super::{half, matrix, same, scalar, symmetric, vector};

    #[test]
    fn scalars_commute_and_equal_their_transposes() {
        let (a, b) = (matrix("A"), symmetric("B"));
        let (x, y) = (vector("x"), vector("y"));
        let there = x.dot(&(&a * &b * &y));
        let back = y.dot(&(&b * a.transpose() * &x));
        assert_eq!(there, back);
        assert_eq!((&a * &b).trace(), (a.transpose() * &b).trace());
        assert_eq!((&x * y.transpose() * &a).trace(), y.dot(&(&a * &x)));
        let outer = &a * &x * y.transpose() * &x;
        assert_eq!(outer, y.dot(&x) * (&a * &x));
        assert_ne!(&a * &b, &b * &a);
        assert_ne!(x.dot(&(&a * &y)), y.dot(&(&a * &x)));
    }

    #[test]
    fn the_square_completes() {
        let (r, k, b) = (symmetric("R"), symmetric("K"), matrix("B"));
        let (u, g) = (vector("u"), vector("g"));
        let best = -(&k * b.transpose() * &g);
        let whole = half() * u.dot(&(&r * &u)) + u.dot(&(b.transpose() * &g));
        let missed = &u - &best;
        let square = half() * missed.dot(&(&r * &missed));
        let least = -(half() * g.dot(&(&b * &k * b.transpose() * &g)));
        let right = (&square + &least).cancelling("R", "K");
        assert!(same("the square completes", &whole, &right).is_ok());
        assert!(same("twice the least", &whole, &(right + least)).is_err());
        let slope = whole.gradient("u");
        assert_eq!(slope, &r * &u + b.transpose() * &g);
        let there = slope.with("u", &best).cancelling("R", "K");
        assert!(same("stationary", &there, &(scalar("z") - scalar("z"))).is_ok());
    }
}
