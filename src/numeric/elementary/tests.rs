//! Every function against exact integer arithmetic with 320 fractional bits.

use super::*;
use crate::numeric::dispatch::Isa;
use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

const BITS: i64 = 320;

/// A fixed-point number: the integer divided by `2^BITS`.
fn fixed(x: f64) -> BigInt {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i64;
    let fraction = bits & 0x000f_ffff_ffff_ffff;
    let (mantissa, power) = if exponent == 0 {
        (fraction, -1074)
    } else {
        (fraction | (1 << 52), exponent - 1075)
    };
    let magnitude = shift(BigInt::from(mantissa), power + BITS);
    if x < 0.0 { -magnitude } else { magnitude }
}

fn shift(x: BigInt, by: i64) -> BigInt {
    if by >= 0 { x << by } else { x >> -by }
}

fn one() -> BigInt {
    BigInt::from(1) << BITS
}

/// `Σ x^n / n!` over the terms `n = first, first + stride, ...`, with signs alternating if asked.
fn series(x: &BigInt, first: u32, stride: u32, alternate: bool) -> BigInt {
    let mut term = one();
    let mut sum = BigInt::zero();
    let mut negative = false;
    for n in 0.. {
        if n > 0 {
            term = ((term * x) >> BITS) / n;
        }
        if n >= first && (n - first).is_multiple_of(stride) {
            sum += if negative { -&term } else { term.clone() };
            negative ^= alternate;
        }
        if n > first && term.is_zero() || n > 400 {
            return sum;
        }
    }
    unreachable!("the series ends");
}

/// `2 atanh(1/3)`.
fn log_2() -> BigInt {
    let mut power = one() / 3;
    let mut sum = BigInt::zero();
    for n in 0..200 {
        sum += &power / (2 * n + 1);
        power /= 9;
    }
    sum * 2
}

/// Machin: `pi/4 = 4 atan(1/5) - atan(1/239)`.
fn pi() -> BigInt {
    let arctangent = |q: i64| {
        let mut power = one() / q;
        let mut sum = BigInt::zero();
        for n in 0..200_i64 {
            let term: BigInt = &power / (2 * n + 1);
            sum += if n % 2 == 0 { term } else { -term };
            power /= q * q;
        }
        sum
    };
    (arctangent(5) * 4 - arctangent(239)) * 4
}

/// `exp(x) = 2^n * fixed`.
fn exact_exp(x: &BigInt) -> (i64, BigInt) {
    let n: BigInt = (x * 2 + log_2()) / (log_2() * 2);
    let r = x - &n * log_2();
    (n.to_i64().expect("moderate"), series(&r, 0, 1, false))
}

/// `|2^power * exact - got|` in units of the last place of `got`.
fn ulps(got: f64, exact: &BigInt, power: i64) -> f64 {
    let spacing = f64::from_bits(got.abs().to_bits() + 1) - got.abs();
    // Divide everything by the spacing, a power of two, before going to fixed point.
    let exponent = (spacing.to_bits() >> 52) as i64;
    let spacing_log = if exponent == 0 {
        i64::from(spacing.to_bits().trailing_zeros()) - 1074
    } else {
        exponent - 1023
    };
    let digits = BigInt::from((got.abs() / spacing) as u64) << BITS;
    let digits = if got < 0.0 { -digits } else { digits };
    let difference = shift(exact.clone(), power - spacing_log) - digits;
    let bits: BigInt = difference.abs() >> (BITS - 60);
    bits.to_f64().expect("finite") / (1_u64 << 60) as f64
}

/// Low-discrepancy numbers in (0, 1).
fn fractions(count: u64) -> impl Iterator<Item = f64> {
    (1..=count).map(|k| (k as f64 * 0.618_033_988_749_894_9).fract())
}

/// Largest error in ulp of a function over arguments, for every instruction set.
fn worst(
    function: Function,
    arguments: &[f64],
    error: impl Fn(f64, f64) -> f64,
) -> (f64, f64, &'static str) {
    let mut worst = (0.0, f64::NAN, "");
    for isa in Isa::available() {
        let mut values = arguments.to_vec();
        isa.run(Apply {
            function,
            values: &mut values,
        });
        for (x, y) in arguments.iter().zip(&values) {
            let e = error(*x, *y);
            if e.is_nan() || e > worst.0 {
                worst = (e, *x, isa.name());
            }
        }
    }
    worst
}

#[test]
fn exp_is_within_one_ulp_down_to_the_subnormals() {
    let mut arguments: Vec<f64> = fractions(600).map(|u| -745.0 + 1454.7 * u).collect();
    arguments.extend(fractions(400).map(|u| 2.0 * u - 1.0));
    arguments.extend([1e-300, -1e-20, 0.346_573, 709.78, -708.4, -744.4, -745.13]);
    let (error, at, isa) = worst(Function::Exp, &arguments, |x, y| {
        let (n, exact) = exact_exp(&fixed(x));
        ulps(y, &exact, n)
    });
    assert!(error <= 1.0, "{error} ulp at {at} with {isa}");
}

/// The slice form only exists for the test.
struct Negative<'a>(&'a mut [f64]);

impl Kernel for Negative<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for x in self.0 {
            *x = exp_of_negative::<FMA>(*x);
        }
    }
}

#[test]
fn exp_of_negative_numbers_is_exp_until_results_are_subnormal() {
    let mut arguments: Vec<f64> = fractions(3000).map(|u| -760.0 * u).collect();
    arguments.extend(fractions(500).map(|u| -u));
    arguments.extend([0.0, -0.0, -5e-324, -1e-20, -708.396, -708.396_418, -708.397]);
    arguments.extend([SMALLEST_NORMAL_LOG, f64::NEG_INFINITY, f64::MIN]);
    for isa in Isa::available() {
        let (mut values, mut full) = (arguments.clone(), arguments.clone());
        isa.run(Negative(&mut values));
        isa.run(Apply {
            function: Function::Exp,
            values: &mut full,
        });
        for ((x, value), full) in arguments.iter().zip(values).zip(full) {
            let expected = if *x < SMALLEST_NORMAL_LOG { 0.0 } else { full };
            assert_eq!(
                value.to_bits(),
                expected.to_bits(),
                "{x} with {}",
                isa.name()
            );
            assert!(value > 0.0 || full < 2.3e-308, "{x}: {full:e}");
        }
        let mut missing = [f64::NAN; 9];
        isa.run(Negative(&mut missing));
        assert!(missing[8].is_nan());
    }
}

/// The slice form only exists for the test.
struct PowerOfTwo<'a>(&'a mut [f64]);

impl Kernel for PowerOfTwo<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (fours, rest) = self.0.as_chunks_mut::<4>();
        for four in fours {
            *four = exp2_of_negative::<FMA, 4>(*four);
        }
        for x in rest {
            [*x] = exp2_of_negative::<FMA, 1>([*x]);
        }
    }
}

#[test]
fn powers_of_two_are_within_an_ulp_and_a_half_and_never_vanish() {
    let mut arguments: Vec<f64> = fractions(700).map(|u| -1021.0 * u).collect();
    arguments.extend(fractions(1500).map(|u| -u));
    arguments.extend([
        -1e-20,
        -5e-324,
        -0.5,
        -0.500_000_1,
        -1020.999,
        -1020.5,
        -1021.0,
    ]);
    for isa in Isa::available() {
        let mut values = arguments.clone();
        isa.run(PowerOfTwo(&mut values));
        for (x, value) in arguments.iter().zip(&values) {
            let (n, exact) = exact_exp(&((fixed(*x) * log_2()) >> BITS));
            let error = ulps(*value, &exact, n);
            assert!(error <= 1.5, "{error} ulp at {x} with {}", isa.name());
        }
        let integers: Vec<f64> = (0..=1021).map(|n| -f64::from(n)).collect();
        let mut values = integers.clone();
        isa.run(PowerOfTwo(&mut values));
        for (x, value) in integers.iter().zip(values) {
            assert_eq!(value, x.exp2());
        }
        let mut held = [-1021.5, f64::NEG_INFINITY, f64::MIN, -0.0, f64::NAN];
        isa.run(PowerOfTwo(&mut held));
        assert_eq!(held[..3], [2.0_f64.powi(-1021); 3]);
        assert_eq!(held[3], 1.0);
        assert!(held[4].is_nan());
    }
}

#[test]
fn log_is_within_one_ulp() {
    let mut arguments: Vec<f64> = fractions(500).map(|u| (1400.0 * u - 700.0).exp()).collect();
    arguments.extend(fractions(500).map(|u| 0.5 + 1.5 * u));
    arguments.extend([
        5e-324,
        1e-310,
        f64::MIN_POSITIVE,
        f64::MAX,
        1.0 - 1e-16,
        1.0 + 3e-16,
        std::f64::consts::SQRT_2,
    ]);
    let (error, at, isa) = worst(Function::Log, &arguments, |x, y| {
        // log x - y = log(x exp(-y)), and the bracket is 1 to sixteen digits: no logarithm needed.
        let (n, power) = exact_exp(&-fixed(y));
        let (mantissa, scale) = if x < 1e-290 {
            (x * 2_f64.powi(100), -100)
        } else {
            (x, 0)
        };
        let e = (mantissa.to_bits() >> 52) as i64 - 1023;
        let unit = fixed(f64::from_bits(
            (mantissa.to_bits() & 0x000f_ffff_ffff_ffff) | (1023 << 52),
        ));
        let ratio = shift((unit * power) >> BITS, n + e + scale);
        let delta = (ratio - one()).to_f64().expect("finite") * 2_f64.powi(-(BITS as i32));
        let spacing = f64::from_bits(y.abs().to_bits() + 1) - y.abs();
        (delta / spacing).abs()
    });
    assert!(error <= 1.0, "{error} ulp at {at} with {isa}");
}

#[test]
fn tanh_is_within_two_ulp() {
    let mut arguments: Vec<f64> = fractions(600).map(|u| 40.0 * u - 20.0).collect();
    arguments.extend(fractions(600).map(|u| 2.0 * u - 1.0));
    arguments.extend([1e-8, -1e-12, 0.625, 0.624_999]);
    let (error, at, isa) = worst(Function::Tanh, &arguments, |x, y| {
        let (n, power) = exact_exp(&(fixed(x) * 2));
        let square = shift(power, n);
        let exact = ((&square - one()) << BITS) / (&square + one());
        ulps(y, &exact, 0)
    });
    assert!(error <= 2.0, "{error} ulp at {at} with {isa}");
}

#[test]
fn sine_and_cosine_are_within_two_ulp_even_next_to_their_zeros() {
    let mut arguments: Vec<f64> = fractions(500).map(|u| 2e5 * u - 1e5).collect();
    arguments.extend(fractions(500).map(|u| 20.0 * u - 10.0));
    arguments.extend(
        (1..400).map(|k| f64::from(k * k) * std::f64::consts::FRAC_PI_2), // the double next to a zero
    );
    arguments.extend([1e-3, 1e-7, 1e5, 1e6, -1e6]);
    let turn = pi() * 2;
    let reduce = |x: f64| fixed(x) % &turn;
    let (error, at, isa) = worst(Function::Sin, &arguments, |x, y| {
        ulps(y, &series(&reduce(x), 1, 2, true), 0)
    });
    assert!(error <= 1.5, "sin: {error} ulp at {at} with {isa}");
    let (error, at, isa) = worst(Function::Cos, &arguments, |x, y| {
        ulps(y, &series(&reduce(x), 0, 2, true), 0)
    });
    assert!(error <= 1.5, "cos: {error} ulp at {at} with {isa}");
}

#[test]
fn turns_agree_with_radians() {
    for v in fractions(2000) {
        let (sine, cosine) = sin_cos_turns::<false>(v);
        let exact = (TAU * v).sin_cos();
        assert!((sine - exact.0).abs() < 1e-15 && (cosine - exact.1).abs() < 1e-15);
    }
    assert_eq!(sin_cos_turns::<false>(1.0), (0.0, 1.0));
    assert_eq!(sin_cos_turns::<false>(0.25), (1.0, 0.0));
}

#[test]
fn special_values_follow_the_standard() {
    let inf = f64::INFINITY;
    for isa in Isa::available() {
        let apply = |function, x: f64| {
            let mut values = [x; 9];
            isa.run(Apply {
                function,
                values: &mut values,
            });
            values[8]
        };
        assert_eq!(apply(Function::Exp, 0.0), 1.0);
        assert_eq!(apply(Function::Exp, -inf), 0.0);
        assert_eq!(apply(Function::Exp, inf), inf);
        assert_eq!(apply(Function::Exp, 709.8), inf);
        assert_eq!(apply(Function::Exp, -745.2), 0.0);
        assert_eq!(apply(Function::Log, 1.0).to_bits(), 0.0_f64.to_bits());
        assert_eq!(apply(Function::Log, 0.0), -inf);
        assert_eq!(apply(Function::Log, -0.0), -inf);
        assert_eq!(apply(Function::Log, inf), inf);
        assert!(apply(Function::Log, -1.0).is_nan() && apply(Function::Log, -inf).is_nan());
        assert_eq!(apply(Function::Tanh, inf), 1.0);
        assert_eq!(apply(Function::Tanh, -1e200), -1.0);
        assert_eq!(apply(Function::Tanh, 5e-324), 5e-324);
        for function in [Function::Tanh, Function::Sin] {
            assert_eq!(apply(function, -0.0).to_bits(), (-0.0_f64).to_bits());
            assert_eq!(apply(function, 1e-310), 1e-310);
        }
        assert_eq!(apply(Function::Cos, 0.0), 1.0);
        assert!(apply(Function::Sin, inf).is_nan() && apply(Function::Cos, -inf).is_nan());
        for function in [
            Function::Exp,
            Function::Log,
            Function::Tanh,
            Function::Sin,
            Function::Cos,
        ] {
            assert!(apply(function, f64::NAN).is_nan());
        }
    }
}

#[test]
fn far_angles_use_the_standard_library_and_leave_their_neighbours_alone() {
    let mut mixed = [0.5, 1e10, -2e7, 3.0];
    sin_in_place(&mut mixed);
    let mut alone = [0.5, 3.0];
    sin_in_place(&mut alone);
    assert_eq!(mixed[1], 1e10_f64.sin());
    assert_eq!(mixed[2], (-2e7_f64).sin());
    assert_eq!((mixed[0], mixed[3]), (alone[0], alone[1]));
    let mut cosine = [1e300];
    cos_in_place(&mut cosine);
    assert_eq!(cosine[0], 1e300_f64.cos());
}
