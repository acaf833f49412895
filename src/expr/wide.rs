//! Numbers of about 31 digits: unevaluated sums of two doubles.
//!
//! Source: Dekker (1971); Hida, Li & Bailey, "Quad-double arithmetic" (2000). Relative error of the
//! arithmetic: below 2^-102; of the functions: a few times that, for arguments of moderate size.

use super::rational::Rational;
use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// `high + low`, with `low` below half a unit in the last place of `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wide {
    pub(super) high: f64,
    low: f64,
}

const LN_2: Wide = Wide::exactly(std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17);
const HALF_PI: Wide = Wide::exactly(std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17);
pub(super) const PI: Wide = Wide::exactly(std::f64::consts::PI, 1.224_646_799_147_353_2e-16);

impl Wide {
    pub(super) const ZERO: Self = Self::exactly(0.0, 0.0);
    pub(super) const ONE: Self = Self::exactly(1.0, 0.0);

    const fn exactly(high: f64, low: f64) -> Self {
        Self { high, low }
    }

    pub(super) fn rational(value: &Rational) -> Self {
        let high = value.to_f64();
        match Rational::binary(high) {
            Some(rounded) => Self::quick(high, (value - &rounded).to_f64()),
            None => Self::from(high),
        }
    }

    pub(super) fn to_f64(self) -> f64 {
        self.high + self.low
    }

    pub(super) fn is_finite(self) -> bool {
        self.high.is_finite()
    }

    /// The exact sum of `a` and `b`, `|a| >= |b|`.
    fn quick(a: f64, b: f64) -> Self {
        let high = a + b;
        if !high.is_finite() {
            return Self::exactly(high, 0.0);
        }
        Self::exactly(high, b - (high - a))
    }

    /// The exact sum of `a` and `b`.
    fn sum(a: f64, b: f64) -> Self {
        let high = a + b;
        if !high.is_finite() {
            return Self::exactly(high, 0.0);
        }
        let shift = high - a;
        Self::exactly(high, (a - (high - shift)) + (b - shift))
    }

    fn scaled(self, factor: f64) -> Self {
        self * Self::from(factor)
    }

    pub(super) fn abs(self) -> Self {
        if self.high < 0.0 { -self } else { self }
    }

    pub(super) fn floor(self) -> Self {
        let high = self.high.floor();
        if high == self.high {
            Self::quick(high, self.low.floor())
        } else {
            Self::from(high)
        }
    }

    pub(super) fn sqrt(self) -> Self {
        if self.high <= 0.0 || !self.is_finite() {
            return Self::from(self.high.sqrt());
        }
        // One step of Newton's method doubles the digits.
        let root = Self::from(self.high.sqrt());
        root + (self - root * root) / root.scaled(2.0)
    }

    pub(super) fn integer_power(self, n: i64) -> Self {
        let (mut base, mut rest, mut total) = (self, n.unsigned_abs(), Self::ONE);
        while rest > 0 {
            if rest & 1 == 1 {
                total = total * base;
            }
            base = base * base;
            rest >>= 1;
        }
        if n < 0 { Self::ONE / total } else { total }
    }

    /// `sum x^n / n!` over odd or even `n`, with alternating signs if `sign` is -1.
    fn series(self, first: Self, from: i32, sign: f64) -> Self {
        let square = (self * self).scaled(sign);
        let (mut term, mut total, mut n) = (first, first, from);
        while term.high.abs() > 1e-35 * total.high.abs() && n < 80 {
            term = term * square / Self::from(f64::from((n + 1) * (n + 2)));
            total = total + term;
            n += 2;
        }
        total
    }

    pub(super) fn exp(self) -> Self {
        if self.high.is_nan() || self.high.abs() >= 700.0 {
            return Self::from(self.high.exp());
        }
        let k = (self.high / LN_2.high).round();
        let r = (self - LN_2.scaled(k)).scaled(1.0 / 512.0);
        let (mut term, mut less_one) = (r, r);
        for n in 2..12 {
            term = term * r / Self::from(f64::from(n));
            less_one = less_one + term;
        }
        for _ in 0..9 {
            less_one = less_one.scaled(2.0) + less_one * less_one;
        }
        let value = less_one + Self::ONE;
        let scale = 2.0_f64.powi(k as i32);
        Self::exactly(value.high * scale, value.low * scale)
    }

    pub(super) fn log(self) -> Self {
        if self.high <= 0.0 || !self.is_finite() {
            return Self::from(self.high.ln());
        }
        let start = Self::from(self.high.ln());
        start + (self * (-start).exp() - Self::ONE)
    }

    pub(super) fn sin_cos(self) -> (Self, Self) {
        let k = (self.high / HALF_PI.high).round();
        if k.is_nan() || k.abs() >= 1e9 {
            let undefined = Self::from(f64::NAN);
            return (undefined, undefined);
        }
        let r = self - HALF_PI.scaled(k);
        let (sin, cos) = (r.series(r, 1, -1.0), r.series(Self::ONE, 0, -1.0));
        match (k as i64).rem_euclid(4) {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        }
    }

    pub(super) fn sinh(self) -> Self {
        if self.high.abs() < 0.5 {
            return self.series(self, 1, 1.0);
        }
        let up = self.exp();
        (up - Self::ONE / up).scaled(0.5)
    }

    pub(super) fn cosh(self) -> Self {
        let up = self.exp();
        (up + Self::ONE / up).scaled(0.5)
    }

    pub(super) fn exp_m1(self) -> Self {
        if self.high.abs() < 0.5 {
            // exp(x) - 1 = 2 sinh(x/2) exp(x/2)
            let half = self.scaled(0.5);
            return half.sinh().scaled(2.0) * half.exp();
        }
        self.exp() - Self::ONE
    }

    /// The angle of the point `(x, self)`.
    pub(super) fn atan2(self, x: Self) -> Self {
        let start = Self::from(self.high.atan2(x.high));
        if !start.is_finite() || (self.high == 0.0 && x.high == 0.0) {
            return start;
        }
        // The angle that is missing is its own tangent to all digits.
        let (sin, cos) = start.sin_cos();
        start + (self * cos - x * sin) / (x * cos + self * sin)
    }

    /// As [`super::special::erf`]: Kummer's series, all terms of one sign. Source: DLMF 7.6.2.
    pub(super) fn erf(self) -> Self {
        if self.high.abs() > 8.5 {
            return Self::from(self.high.signum());
        }
        let double_square = (self * self).scaled(2.0);
        let (mut term, mut total, mut n) = (self, self, 1.0);
        while term.high.abs() > 1e-34 * total.high.abs() {
            term = term * double_square / Self::from(2.0 * n + 1.0);
            total = total + term;
            n += 1.0;
        }
        let bell = (-(self * self)).exp();
        total * bell * (Self::from(2.0) / PI.sqrt())
    }
}

impl From<f64> for Wide {
    fn from(value: f64) -> Self {
        Self::exactly(value, 0.0)
    }
}

impl Neg for Wide {
    type Output = Self;

    fn neg(self) -> Self {
        Self::exactly(-self.high, -self.low)
    }
}

impl Add for Wide {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (high, low) = (
            Self::sum(self.high, other.high),
            Self::sum(self.low, other.low),
        );
        let carried = Self::quick(high.high, high.low + low.high);
        Self::quick(carried.high, carried.low + low.low)
    }
}

impl Sub for Wide {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Wide {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let high = self.high * other.high;
        if !high.is_finite() {
            return Self::from(high);
        }
        let error = self.high.mul_add(other.high, -high);
        Self::quick(
            high,
            error + (self.high * other.low + self.low * other.high),
        )
    }
}

impl Div for Wide {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let first = self.high / other.high;
        if !first.is_finite() || !other.is_finite() {
            return Self::from(first);
        }
        let rest = self - other * Self::from(first);
        let second = rest.high / other.high;
        let rest = rest - other * Self::from(second);
        Self::quick(first, second) + Self::from(rest.high / other.high)
    }
}

impl PartialOrd for Wide {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.high.partial_cmp(&other.high) {
            Some(Ordering::Equal) => self.low.partial_cmp(&other.low),
            decided => decided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value as an exact rational against a decimal with 33 digits.
    fn close(value: Wide, expected: &str) {
        let negative = expected.starts_with('-');
        let digits = Rational::parse(expected.trim_start_matches('-')).expect("a decimal");
        let expected = Wide::rational(&if negative { -&digits } else { digits });
        let error = ((value - expected).high / expected.high).abs();
        assert!(error < 2e-31, "{value:?} against {expected:?}: {error:e}");
    }

    // Expected digits: published tables of constants (OEIS A001113, A002162, A049470, A049469, ...).
    #[test]
    fn constants_have_thirty_one_digits() {
        let one = Wide::ONE;
        close(one.exp(), "2.71828182845904523536028747135266250");
        close(
            Wide::from(2.0).log(),
            "0.693147180559945309417232121458176568",
        );
        close(
            Wide::from(10.0).log(),
            "2.30258509299404568401799145468436421",
        );
        close(
            Wide::from(2.0).sqrt(),
            "1.41421356237309504880168872420969808",
        );
        let (sin, cos) = one.sin_cos();
        close(sin, "0.841470984807896506652502321630298999");
        close(cos, "0.540302305868139717400936607442976603");
        close(one.sinh(), "1.17520119364380145688238185059560082");
        close(one.cosh(), "1.54308063481524377847790562075706168");
        close(
            one.atan2(one).scaled(4.0),
            "3.14159265358979323846264338327950288",
        );
        close(one.erf(), "0.842700792949714869341220635082609259");
        close(PI.sqrt(), "1.77245385090551602729816748334114518");
    }

    #[test]
    fn functions_undo_each_other() {
        for x in [-1.7, -0.3, 0.2, 0.9, 2.6] {
            let x = Wide::rational(&Rational::shortest(x).expect("finite")) / Wide::from(3.0);
            let error = (x.exp().log() - x).high.abs();
            assert!(error < 1e-30, "{x:?}: {error:e}");
            let (sin, cos) = x.sin_cos();
            assert!((sin * sin + cos * cos - Wide::ONE).high.abs() < 1e-30);
            assert!((sin.atan2(cos) - x).high.abs() < 1e-30);
            assert!((x.exp_m1() + Wide::ONE - x.exp()).high.abs() < 1e-30);
            let (c, s) = (x.cosh(), x.sinh());
            assert!((c * c - s * s - Wide::ONE).high.abs() < 1e-29);
            assert!((x * x * x - x.integer_power(3)).high.abs() < 1e-30);
        }
        assert!(Wide::from(-1.0).log().high.is_nan());
        assert_eq!(Wide::from(1e308).scaled(10.0).high, f64::INFINITY);
        assert_eq!(Wide::from(-2.5).floor().high, -3.0);
    }
}
