//! Exact rational numbers: machine words while they fit, big integers when they do not.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Add, Mul, Neg, Sub};

/// An exact rational in lowest terms with positive denominator.
///
/// The small form is used whenever it fits, so equality and hashing of the forms are those of numbers.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rational(Form);

#[derive(Clone)]
enum Form {
    Small(i64, i64),
    Big(Box<BigRational>),
}

// Written out because those of `BigRational` divide until they know that two fractions in lowest terms are equal.
impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Small(a, b), Self::Small(c, d)) => a == c && b == d,
            (Self::Big(a), Self::Big(b)) => a.numer() == b.numer() && a.denom() == b.denom(),
            _ => false,
        }
    }
}

impl Eq for Form {}

impl Hash for Form {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Small(n, d) => (n, d).hash(state),
            Self::Big(value) => (value.numer(), value.denom()).hash(state),
        }
    }
}

/// Digits of a number that is read.
const MOST_DIGITS: usize = 1000;

/// Powers whose result would have more bits than this stay symbolic.
const POWER_BITS: u64 = 8192;

impl Rational {
    pub fn zero() -> Self {
        Self(Form::Small(0, 1))
    }

    pub fn one() -> Self {
        Self(Form::Small(1, 1))
    }

    pub fn integer(value: i64) -> Self {
        Self(Form::Small(value, 1))
    }

    /// `numerator / denominator`, `None` for a zero denominator.
    pub fn new(numerator: i64, denominator: i64) -> Option<Self> {
        (denominator != 0).then(|| Self::from_wide(i128::from(numerator), i128::from(denominator)))
    }

    /// `numerator / denominator` for a denominator that is not zero.
    pub(super) fn fraction(numerator: i128, denominator: i128) -> Self {
        Self::from_wide(numerator, denominator)
    }

    fn from_wide(numerator: i128, denominator: i128) -> Self {
        if denominator == 1 {
            return Self::whole(numerator);
        }
        let divisor = gcd(numerator.unsigned_abs(), denominator.unsigned_abs()) as i128;
        let sign = if denominator < 0 { -1 } else { 1 };
        let (n, d) = (sign * (numerator / divisor), sign * (denominator / divisor));
        match (i64::try_from(n), i64::try_from(d)) {
            (Ok(n), Ok(d)) => Self(Form::Small(n, d)),
            _ => Self(Form::Big(Box::new(BigRational::new_raw(
                BigInt::from(n),
                BigInt::from(d),
            )))),
        }
    }

    fn whole(value: i128) -> Self {
        match i64::try_from(value) {
            Ok(value) => Self(Form::Small(value, 1)),
            Err(_) => Self(Form::Big(Box::new(BigRational::from_integer(value.into())))),
        }
    }

    fn from_big(value: BigRational) -> Self {
        match (value.numer().to_i64(), value.denom().to_i64()) {
            (Some(n), Some(d)) => Self(Form::Small(n, d)),
            _ => Self(Form::Big(Box::new(value))),
        }
    }

    fn big(&self) -> BigRational {
        match &self.0 {
            Form::Small(n, d) => BigRational::new_raw(BigInt::from(*n), BigInt::from(*d)),
            Form::Big(value) => (**value).clone(),
        }
    }

    /// The exact binary value; `None` unless finite.
    pub fn binary(value: f64) -> Option<Self> {
        BigRational::from_float(value).map(Self::from_big)
    }

    /// The shortest decimal that reads back as `value` (0.9 is 9/10); `None` unless finite.
    pub fn shortest(value: f64) -> Option<Self> {
        value
            .is_finite()
            .then(|| Self::parse(&format!("{value:e}")))
            .flatten()
    }

    /// Reads `12`, `0.25`, `1.5e-3` exactly; `None` if malformed, if the exponent exceeds 400 or if
    /// there are more than 1000 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.len() + fraction.len() > MOST_DIGITS {
            return None;
        }
        if exponent.abs() > 400 || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let digits: BigInt = format!("{whole}{fraction}").parse().ok()?;
        let shift = exponent - i32::try_from(fraction.len()).ok()?;
        let scale = BigInt::from(10).pow(shift.unsigned_abs());
        Some(Self::from_big(if shift < 0 {
            BigRational::new(digits, scale)
        } else {
            BigRational::from_integer(digits * scale)
        }))
    }

    pub fn is_zero(&self) -> bool {
        matches!(self.0, Form::Small(0, _))
    }

    pub fn is_one(&self) -> bool {
        matches!(self.0, Form::Small(1, 1))
    }

    pub fn is_negative(&self) -> bool {
        match &self.0 {
            Form::Small(n, _) => *n < 0,
            Form::Big(value) => value.is_negative(),
        }
    }

    pub fn is_integer(&self) -> bool {
        match &self.0 {
            Form::Small(_, d) => *d == 1,
            Form::Big(value) => value.is_integer(),
        }
    }

    /// Numerator and denominator when both are machine words.
    pub fn small(&self) -> Option<(i64, i64)> {
        match &self.0 {
            Form::Small(n, d) => Some((*n, *d)),
            Form::Big(_) => None,
        }
    }

    /// The value when it is an integer that fits a machine word.
    pub fn to_integer(&self) -> Option<i64> {
        match self.small() {
            Some((n, 1)) => Some(n),
            _ => None,
        }
    }

    /// Length in bits of the longer of numerator and denominator.
    pub(super) fn bits(&self) -> u64 {
        match &self.0 {
            Form::Small(n, d) => {
                let widest = n.unsigned_abs().max(d.unsigned_abs());
                u64::from(64 - widest.leading_zeros())
            }
            Form::Big(value) => value.numer().bits().max(value.denom().bits()),
        }
    }

    /// Pairs of words that one sum or product with a number of this length handles, in steps of reading;
    /// nothing for machine words.
    pub(super) fn steps(&self) -> usize {
        self.steps_with(self)
    }

    /// Pairs of words that a common divisor with `other` handles; nothing for machine words.
    pub(super) fn steps_with(&self, other: &Self) -> usize {
        if self.small().is_some() && other.small().is_some() {
            return 0;
        }
        let words = |value: &Self| usize::try_from(value.bits() / 32 + 1).unwrap_or(usize::MAX);
        // Each number is also allocated.
        words(self).saturating_mul(words(other)).saturating_add(8)
    }

    /// `1 / denominator`.
    pub(super) fn unit_fraction(&self) -> Self {
        match &self.0 {
            Form::Small(_, d) => Self(Form::Small(1, *d)),
            Form::Big(value) => {
                let unit = BigRational::new_raw(BigInt::one(), value.denom().clone());
                Self::from_big(unit)
            }
        }
    }

    pub fn is_even(&self) -> bool {
        self.to_integer().is_some_and(|n| n % 2 == 0)
    }

    /// Nearest `f64` (overflow gives an infinity).
    pub fn to_f64(&self) -> f64 {
        match &self.0 {
            // Both words are exact in f64, so one division rounds once.
            Form::Small(n, d) if n.unsigned_abs() < 1 << 53 && *d < 1 << 53 => {
                *n as f64 / *d as f64
            }
            _ => self.big().to_f64().unwrap_or(f64::NAN),
        }
    }

    pub fn abs(&self) -> Self {
        if self.is_negative() {
            -self
        } else {
            self.clone()
        }
    }

    /// `1 / self`, `None` for zero.
    pub fn reciprocal(&self) -> Option<Self> {
        match &self.0 {
            Form::Small(0, _) => None,
            Form::Small(n, d) => Some(Self::from_wide(i128::from(*d), i128::from(*n))),
            Form::Big(value) => Some(Self::from_big(value.recip())),
        }
    }

    pub fn floor(&self) -> Self {
        match &self.0 {
            Form::Small(n, d) => Self::integer(n.div_euclid(*d)),
            Form::Big(value) => Self::from_big(value.floor()),
        }
    }

    /// `self^exponent`; `None` for a negative power of zero or a result too long to write down.
    pub fn power(&self, exponent: i64) -> Option<Self> {
        if exponent < 0 {
            return self.reciprocal()?.power(exponent.checked_neg()?);
        }
        if self.is_one() || self.is_zero() {
            return Some(if exponent == 0 {
                Self::one()
            } else {
                self.clone()
            });
        }
        let big = self.big();
        let bits = big.numer().bits().max(big.denom().bits());
        let exponent = u32::try_from(exponent).ok()?;
        if bits.saturating_mul(u64::from(exponent)) > POWER_BITS {
            return None;
        }
        Some(Self::from_big(BigRational::new_raw(
            big.numer().pow(exponent),
            big.denom().pow(exponent),
        )))
    }

    /// Greatest positive rational dividing both: `gcd(numerators) / lcm(denominators)`.
    pub fn common_divisor(&self, other: &Self) -> Self {
        if self.is_zero() {
            return other.abs();
        }
        if other.is_zero() {
            return self.abs();
        }
        let (a, b) = (self.big(), other.big());
        let numerator = big_gcd(a.numer().abs(), b.numer().abs());
        let denominator = a.denom() / big_gcd(a.denom().clone(), b.denom().clone()) * b.denom();
        // A divisor of both numerators has nothing in common with either denominator.
        Self::from_big(BigRational::new_raw(numerator, denominator))
    }

    /// Splits the positive number `self^(1/root)` into `outside * inside^(1/root)` with an integer
    /// `inside` free of small `root`-th powers. `None` when the number is too long to factor.
    pub(super) fn split_root(&self, root: u32) -> Option<(Self, Self)> {
        let (n, d) = self.small()?;
        let mut inside = i128::from(n);
        for _ in 1..root {
            inside = inside.checked_mul(i128::from(d))?;
        }
        let mut outside: i128 = 1;
        let mut divisor: i128 = 2;
        while divisor < 200 {
            let Some(power) = divisor.checked_pow(root).filter(|p| *p <= inside) else {
                break;
            };
            while inside % power == 0 {
                inside /= power;
                outside = outside.checked_mul(divisor)?;
            }
            divisor += 1;
        }
        let exact = (inside as f64).powf(1.0 / f64::from(root)).round() as i128;
        if exact.checked_pow(root) == Some(inside) {
            inside = 1;
            outside = outside.checked_mul(exact)?;
        }
        let inside = i64::try_from(inside).ok()?;
        Some((
            Self::from_wide(outside, i128::from(d)),
            Self::integer(inside),
        ))
    }

    /// Whether this is a decimal of 15 digits at most: the double next to it is printed by these digits.
    fn is_short_decimal(&self) -> bool {
        let Some((above, below)) = self.small() else {
            return false;
        };
        let mut power = 1_i64;
        while power % below != 0 && power < 1_000_000_000_000_000 {
            power *= 10;
        }
        let digits = above.checked_mul(power / below).map(i64::unsigned_abs);
        power % below == 0 && digits.is_some_and(|digits| digits < 1_000_000_000_000_000)
    }

    /// A terminating decimal of at most `digits` significant digits, if that is exact.
    pub(super) fn decimal(&self, digits: usize) -> Option<String> {
        let value = self.to_f64();
        let text = format!("{value}");
        let significant = text.chars().filter(char::is_ascii_digit).count();
        if self.is_short_decimal() {
            return (significant <= digits).then_some(text);
        }
        (value.is_finite() && significant <= digits && Self::parse(&text)? == *self).then_some(text)
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    // Machine words divide several times faster.
    while b > u128::from(u64::MAX) {
        (a, b) = (b, a % b);
    }
    if b == 0 {
        return a.max(1);
    }
    let (mut a, mut b) = (b as u64, (a % b) as u64);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    u128::from(a)
}

/// Of two positive words; `None` where it is none.
pub(super) fn least_common_multiple(a: i64, b: i64) -> Option<i64> {
    let (a, b) = (a.unsigned_abs().into(), b.unsigned_abs().into());
    i64::try_from(a / gcd(a, b) * b).ok()
}

fn big_gcd(mut a: BigInt, mut b: BigInt) -> BigInt {
    while !b.is_zero() {
        let rest = &a % &b;
        a = b;
        b = rest;
    }
    if a.is_zero() { BigInt::one() } else { a }
}

impl Add for &Rational {
    type Output = Rational;

    fn add(self, other: Self) -> Rational {
        match (&self.0, &other.0) {
            (Form::Small(a, b), Form::Small(c, d)) if b == d => {
                Rational::from_wide(i128::from(*a) + i128::from(*c), i128::from(*b))
            }
            (Form::Small(a, b), Form::Small(c, d)) => {
                let (a, b, c, d) = (
                    i128::from(*a),
                    i128::from(*b),
                    i128::from(*c),
                    i128::from(*d),
                );
                Rational::from_wide(a * d + c * b, b * d)
            }
            (Form::Small(0, _), _) => other.clone(),
            (_, Form::Small(0, _)) => self.clone(),
            _ => Rational::from_big(self.big() + other.big()),
        }
    }
}

impl Sub for &Rational {
    type Output = Rational;

    fn sub(self, other: Self) -> Rational {
        self + &-other
    }
}

impl Mul for &Rational {
    type Output = Rational;

    fn mul(self, other: Self) -> Rational {
        match (&self.0, &other.0) {
            // Numbers look for common divisors, which takes most of the time.
            (Form::Small(1, 1), _) => other.clone(),
            (_, Form::Small(1, 1)) => self.clone(),
            (Form::Small(a, b), Form::Small(c, d)) => Rational::from_wide(
                i128::from(*a) * i128::from(*c),
                i128::from(*b) * i128::from(*d),
            ),
            (Form::Small(-1, 1), _) => -other,
            (_, Form::Small(-1, 1)) => -self,
            _ => Rational::from_big(self.big() * other.big()),
        }
    }
}

impl Neg for &Rational {
    type Output = Rational;

    fn neg(self) -> Rational {
        match &self.0 {
            Form::Small(n, d) => Rational::from_wide(-i128::from(*n), i128::from(*d)),
            Form::Big(value) => Rational::from_big(-&**value),
        }
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Form::Small(a, b), Form::Small(c, d)) => {
                (i128::from(*a) * i128::from(*d)).cmp(&(i128::from(*c) * i128::from(*b)))
            }
            _ => self.big().cmp(&other.big()),
        }
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Small(n, 1) => write!(f, "{n}"),
            Form::Small(n, d) => write!(f, "{n}/{d}"),
            Form::Big(value) => write!(f, "{value}"),
        }
    }
}

impl fmt::Debug for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(n: i64, d: i64) -> Rational {
        Rational::new(n, d).expect("nonzero denominator")
    }

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(Rational::parse("0.9"), Some(ratio(9, 10)));
        assert_eq!(Rational::parse("1.5e-3"), Some(ratio(3, 2000)));
        assert_eq!(Rational::parse("2e3"), Some(ratio(2000, 1)));
        assert_eq!(Rational::parse("1e999"), None);
        assert_eq!(Rational::shortest(0.1), Some(ratio(1, 10)));
        assert_ne!(Rational::binary(0.1), Some(ratio(1, 10)));
        assert_eq!(
            Rational::shortest(-3e-300).map(|r| r.to_f64()),
            Some(-3e-300)
        );
    }

    #[test]
    fn overflow_moves_to_big_integers_and_back() {
        let large = Rational::integer(i64::MAX);
        let square = &large * &large;
        assert!(square.small().is_none());
        let back = &square * &large.reciprocal().expect("nonzero");
        assert_eq!(back, large);
        assert_eq!((&square - &square), Rational::zero());
        assert!(square > large);
    }

    #[test]
    fn roots_split_into_outside_and_inside() {
        // sqrt(8/9) = (2/3) sqrt(2); sqrt(7/20) = sqrt(35)/10; cbrt(1/2) = cbrt(4)/2.
        assert_eq!(ratio(8, 9).split_root(2), Some((ratio(2, 3), ratio(2, 1))));
        assert_eq!(
            ratio(7, 20).split_root(2),
            Some((ratio(1, 10), ratio(35, 1)))
        );
        assert_eq!(ratio(1, 2).split_root(3), Some((ratio(1, 2), ratio(4, 1))));
    }

    #[test]
    fn common_divisor_is_gcd_over_lcm() {
        assert_eq!(ratio(3, 4).common_divisor(&ratio(9, 10)), ratio(3, 20));
    }
}
