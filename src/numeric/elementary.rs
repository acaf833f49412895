//! exp, log, tanh, sin and cos, branch-free, so that loops over slices vectorise.
//!
//! The slice forms choose the widest instruction set at run time. The scalar forms are inlined into
//! other [kernels](crate::numeric::dispatch::Kernel): with `FMA = false` they give the same bits on every
//! machine, with `FMA = true` they must only run where the hardware has fused multiply-add. The value
//! at a number never depends on its place in a slice.
//!
//! | function | largest error | range of the claim |
//! |---|---|---|
//! | exp, log | 1 ulp | everywhere, subnormal arguments and results included |
//! | tanh | 2 ulp | everywhere |
//! | exp2 of a negative number | 1.5 ulp | from -1021 to 0 |
//! | sin, cos | 1.5 ulp | magnitude up to [`TRIGONOMETRIC_RANGE`]; beyond it slices fall back on `std`, scalars are meaningless |
//!
//! Zero (with its sign), infinities and NaN give what IEEE 754 recommends.
//!
//! # Source
//! Argument reduction after Cody and Waite, *Software Manual for the Elementary Functions* (1980). The
//! polynomials of log, sin and cos are those of fdlibm (Sun Microsystems, 1993), the rational function
//! of tanh is Moshier's (Cephes); exp is its Taylor polynomial of degree 13 on |r| <= log(2)/2. The
//! minimax polynomial of `2^r` was computed for this file by Remez's exchange.

use crate::numeric::dispatch::{Kernel, dispatch, multiply_add};
use std::f64::consts::{LOG2_E, TAU};

/// Largest magnitude for which [`sin`], [`cos`] and [`sin_cos`] reduce their argument accurately.
pub const TRIGONOMETRIC_RANGE: f64 = 1e6;

/// Adding and subtracting it rounds to an integer, which sits in the low bits of the sum.
const ROUNDER: f64 = 6_755_399_441_055_744.0; // 3 * 2^51
/// `2^52`: an integer below it, or-ed into its bits, becomes a double.
const INTEGER_BITS: u64 = 0x4330_0000_0000_0000;

// log 2 = HIGH + LOW; HIGH has 33 bits, so that n HIGH is exact for |n| < 2^20.
const LOG_2_HIGH: f64 = 0.693_147_180_485_539_1;
const LOG_2_LOW: f64 = 7.440_617_110_012_397e-11;

/// `-1022 log 2`, rounded up.
const SMALLEST_NORMAL_LOG: f64 = -708.396_418_532_264;

/// `1/2! , ..., 1/13!`.
const INVERSE_FACTORIALS: [f64; 12] = [
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];

/// Coefficients c_1, ..., c_11 of the polynomial `1 + Σ c_j r^j` next to `2^r` on |r| ≤ 1/2 (Remez's exchange for
/// the relative error, which is 1.8e-17 at most).
const POWER_OF_TWO: [f64; 11] = [
    0.693_147_180_559_945_7,
    0.240_226_506_959_100_97,
    0.055_504_108_664_790_39,
    0.009_618_129_107_607_003,
    0.001_333_355_815_343_996_6,
    0.000_154_035_304_415_721_3,
    1.525_272_738_519_386_8e-5,
    1.321_544_267_532_983e-6,
    1.018_064_765_923_413_9e-7,
    7.072_570_412_814_423e-9,
    4.078_071_929_588_337e-10,
];

/// `exp(x)`.
#[inline(always)]
pub fn exp<const FMA: bool>(x: f64) -> f64 {
    // Beyond these bounds the result is 0 or infinity; NaN passes both comparisons.
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let n = multiply_add::<FMA>(x, LOG2_E, ROUNDER) - ROUNDER;
    let power = fraction_power::<FMA>(x, n);
    // 2^n in two factors: either may be needed when the result over- or underflows.
    let half = 0.5 * n + ROUNDER;
    let first = f64::from_bits(half.to_bits().wrapping_add(1023) << 52);
    let rest = n - (half - ROUNDER) + ROUNDER;
    let second = f64::from_bits(rest.to_bits().wrapping_add(1023) << 52);
    power * first * second
}

/// `exp(x)` for x ≤ 0, with 0 for results below `2^-1022`: cheaper than [`exp`] by one scaling and one bound.
/// Elsewhere it agrees with [`exp`] to the bit; above 0 it is meaningless.
#[inline(always)]
pub fn exp_of_negative<const FMA: bool>(x: f64) -> f64 {
    // exp of it is 2^-1022. NaN stays.
    let bounded = if x < SMALLEST_NORMAL_LOG {
        SMALLEST_NORMAL_LOG
    } else {
        x
    };
    let shifted = multiply_add::<FMA>(bounded, LOG2_E, ROUNDER);
    let power = fraction_power::<FMA>(bounded, shifted - ROUNDER);
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    if x < SMALLEST_NORMAL_LOG {
        0.0
    } else {
        power * scale
    }
}

/// `2^x` for several x ≤ 0, held at `2^-1021` below -1021; above 0 it is meaningless. The cheapest exponential here:
/// the reduction is exact and the scaling an addition of integers.
///
/// Several numbers go side by side, because one dependence chain after the other keeps the processor waiting.
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "zipped iterators hide the lockstep and keep callers from vectorising"
)]
pub fn exp2_of_negative<const FMA: bool, const N: usize>(x: [f64; N]) -> [f64; N] {
    let x = x.map(|x| if x < -1021.0 { -1021.0 } else { x });
    let shifted = x.map(|x| x + ROUNDER);
    let r: [f64; N] = std::array::from_fn(|n| x[n] - (shifted[n] - ROUNDER));
    let [inner @ .., outermost] = &POWER_OF_TWO;
    let mut sums = [*outermost; N];
    for c in inner.iter().rev() {
        for n in 0..N {
            sums[n] = multiply_add::<FMA>(sums[n], r[n], *c);
        }
    }
    for n in 0..N {
        sums[n] = multiply_add::<FMA>(sums[n], r[n], 1.0);
    }
    // The sum is at least 1/√2, so its exponent field has room for the -1021.
    std::array::from_fn(|n| {
        f64::from_bits(sums[n].to_bits().wrapping_add(shifted[n].to_bits() << 52))
    })
}

/// `exp(x) / 2^n` for the integer n next to `x / log 2`.
#[inline(always)]
fn fraction_power<const FMA: bool>(x: f64, n: f64) -> f64 {
    let r = multiply_add::<FMA>(n, -LOG_2_HIGH, x);
    let r = multiply_add::<FMA>(n, -LOG_2_LOW, r);
    let c = &INVERSE_FACTORIALS;
    let m = |a: f64, b: f64, c: f64| multiply_add::<FMA>(a, b, c);
    // Estrin's scheme: short dependence chains.
    let r2 = r * r;
    let r4 = r2 * r2;
    let low = m(r2, m(r, c[3], c[2]), m(r, c[1], c[0]));
    let middle = m(r2, m(r, c[7], c[6]), m(r, c[5], c[4]));
    let high = m(r2, m(r, c[11], c[10]), m(r, c[9], c[8]));
    let tail = m(r4, m(r4, high, middle), low);
    1.0 + m(r2, tail, r)
}

/// `log(x)`: minus infinity at 0, NaN below.
#[inline(always)]
pub fn log<const FMA: bool>(x: f64) -> f64 {
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
    const ONE_BITS: u64 = 0x3ff0_0000_0000_0000;
    let subnormal = x < f64::MIN_POSITIVE;
    let scaled = if subnormal {
        x * 18_014_398_509_481_984.0 // 2^54
    } else {
        x
    };
    // x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2).
    let shifted = scaled.to_bits().wrapping_add(ONE_BITS - SQRT_HALF_BITS);
    let exponent = f64::from_bits((shifted >> 52) | INTEGER_BITS) - 4_503_599_627_370_496.0;
    let k = exponent - if subnormal { 1077.0 } else { 1023.0 };
    let mantissa = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff) + SQRT_HALF_BITS);
    let f = mantissa - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let m = |a: f64, b: f64, c: f64| multiply_add::<FMA>(a, b, c);
    let even = w * m(
        w,
        m(w, 1.531_383_769_920_937_3e-1, 2.222_219_843_214_978_4e-1),
        3.999_999_999_940_942e-1,
    );
    let odd = z * m(
        w,
        m(
            w,
            m(w, 1.479_819_860_511_658_6e-1, 1.818_357_216_161_805e-1),
            2.857_142_874_366_239e-1,
        ),
        6.666_666_666_666_735e-1,
    );
    let half_square = 0.5 * f * f;
    let correction = s * (half_square + (even + odd));
    let value = k * LOG_2_HIGH - ((half_square - (correction + k * LOG_2_LOW)) - f);
    let value = if x == f64::INFINITY { x } else { value };
    let value = if x == 0.0 { f64::NEG_INFINITY } else { value };
    // Also true for NaN.
    if x >= 0.0 { value } else { f64::NAN }
}

/// `tanh(x)`.
#[inline(always)]
pub fn tanh<const FMA: bool>(x: f64) -> f64 {
    let magnitude = x.abs();
    let z = x * x;
    let m = |a: f64, b: f64, c: f64| multiply_add::<FMA>(a, b, c);
    let numerator = m(
        m(z, -9.643_991_794_250_523e-1, -9.928_772_310_019_185e1),
        z,
        -1.614_687_684_417_084_5e3,
    );
    let denominator = m(
        m(z + 1.128_116_784_916_329_3e2, z, 2.235_488_390_601_004_5e3),
        z,
        4.844_063_053_251_255e3,
    );
    let small = m(magnitude * z, numerator / denominator, magnitude);
    let large = 1.0 - 2.0 / (exp::<FMA>(2.0 * magnitude) + 1.0);
    // A square that overflowed makes `small` NaN where it is not used.
    let value = if magnitude < 0.625 { small } else { large };
    value.copysign(x)
}

/// `sin(x)` for magnitudes up to [`TRIGONOMETRIC_RANGE`].
#[inline(always)]
pub fn sin<const FMA: bool>(x: f64) -> f64 {
    sin_cos::<FMA>(x).0
}

/// `cos(x)` for magnitudes up to [`TRIGONOMETRIC_RANGE`].
#[inline(always)]
pub fn cos<const FMA: bool>(x: f64) -> f64 {
    sin_cos::<FMA>(x).1
}

/// `(sin(x), cos(x))` for magnitudes up to [`TRIGONOMETRIC_RANGE`].
#[inline(always)]
pub fn sin_cos<const FMA: bool>(x: f64) -> (f64, f64) {
    // pi/2 in three parts; the first two have 33 bits, so their products with the quadrant are exact.
    const FIRST: f64 = 1.570_796_326_734_125_6;
    const SECOND: f64 = 6.077_100_506_303_966e-11;
    const THIRD: f64 = 2.022_266_248_795_950_6e-21;
    let quadrant = x * std::f64::consts::FRAC_2_PI + ROUNDER;
    let n = quadrant - ROUNDER;
    let (sum, error) = two_sum(x - n * FIRST, -(n * SECOND));
    let (high, low) = two_sum(sum, error - n * THIRD);
    let (sine, cosine) = quarter_turn::<FMA>(high, low);
    let (sine, cosine) = rotate(quadrant.to_bits(), sine, cosine);
    // Keeps the sign of zero, which the reduction loses.
    (if x.abs() < 1e-8 { x } else { sine }, cosine)
}

/// `(sin(2 pi v), cos(2 pi v))` for an angle in turns, to 1e-15 absolute.
#[inline(always)]
pub fn sin_cos_turns<const FMA: bool>(turns: f64) -> (f64, f64) {
    let quadrant = 4.0 * turns + ROUNDER;
    let angle = (turns - 0.25 * (quadrant - ROUNDER)) * TAU;
    let (sine, cosine) = quarter_turn::<FMA>(angle, 0.0);
    rotate(quadrant.to_bits(), sine, cosine)
}

/// Undoes the reduction by `quadrant` quarter turns.
#[inline(always)]
fn rotate(quadrant: u64, sine: f64, cosine: f64) -> (f64, f64) {
    let odd = quadrant & 1 == 1;
    let (s, c) = if odd { (cosine, sine) } else { (sine, cosine) };
    let sine_sign = (quadrant & 2) << 62;
    let cosine_sign = (quadrant.wrapping_add(1) & 2) << 62;
    (
        f64::from_bits(s.to_bits() ^ sine_sign),
        f64::from_bits(c.to_bits() ^ cosine_sign),
    )
}

/// Sine and cosine of `x + low`, at most pi/4 in magnitude.
#[inline(always)]
fn quarter_turn<const FMA: bool>(x: f64, low: f64) -> (f64, f64) {
    let m = |a: f64, b: f64, c: f64| multiply_add::<FMA>(a, b, c);
    let z = x * x;
    let w = z * z;
    let v = z * x;
    let sine_tail = m(
        z * w,
        m(z, 1.589_690_995_211_55e-10, -2.505_076_025_340_686_3e-8),
        m(
            z,
            m(z, 2.755_731_370_707_006_8e-6, -1.984_126_982_985_795e-4),
            8.333_333_333_322_49e-3,
        ),
    );
    let sine = x - ((z * (0.5 * low - v * sine_tail) - low) - v * -1.666_666_666_666_663_2e-1);
    let near = m(
        z,
        m(z, 2.480_158_728_947_673e-5, -1.388_888_888_887_411e-3),
        4.166_666_666_666_66e-2,
    );
    let far = m(
        z,
        m(z, -1.135_964_755_778_819_5e-11, 2.087_572_321_298_175e-9),
        -2.755_731_435_139_066_3e-7,
    );
    let cosine_tail = z * near + w * w * far;
    let half = 0.5 * z;
    let one = 1.0 - half;
    let cosine = one + (((1.0 - one) - half) + (z * cosine_tail - x * low));
    (sine, cosine)
}

/// `a + b` and its rounding error.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let back = sum - a;
    (sum, (a - (sum - back)) + (b - back))
}

/// Which function a slice kernel applies.
#[derive(Clone, Copy)]
enum Function {
    Exp,
    Log,
    Tanh,
    Sin,
    Cos,
}

struct Apply<'a> {
    function: Function,
    values: &'a mut [f64],
}

impl Kernel for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match self.function {
            Function::Exp => self.values.iter_mut().for_each(|x| *x = exp::<FMA>(*x)),
            Function::Log => self.values.iter_mut().for_each(|x| *x = log::<FMA>(*x)),
            Function::Tanh => self.values.iter_mut().for_each(|x| *x = tanh::<FMA>(*x)),
            Function::Sin => self.values.iter_mut().for_each(|x| *x = sin::<FMA>(*x)),
            Function::Cos => self.values.iter_mut().for_each(|x| *x = cos::<FMA>(*x)),
        }
    }
}

/// Replaces every number by its exponential.
pub fn exp_in_place(values: &mut [f64]) {
    let function = Function::Exp;
    dispatch(Apply { function, values });
}

/// Replaces every number by its natural logarithm.
pub fn log_in_place(values: &mut [f64]) {
    let function = Function::Log;
    dispatch(Apply { function, values });
}

/// Replaces every number by its hyperbolic tangent.
pub fn tanh_in_place(values: &mut [f64]) {
    let function = Function::Tanh;
    dispatch(Apply { function, values });
}

/// Replaces every number by its sine.
pub fn sin_in_place(values: &mut [f64]) {
    trigonometric(Function::Sin, values, f64::sin);
}

/// Replaces every number by its cosine.
pub fn cos_in_place(values: &mut [f64]) {
    trigonometric(Function::Cos, values, f64::cos);
}

fn trigonometric(function: Function, values: &mut [f64], beyond: impl Fn(f64) -> f64) {
    // Far arguments are rare, but a drift that blows up must not turn into noise silently. The choice
    // is made per number, so that its place in the slice does not matter.
    const PIECE: usize = 256;
    for piece in values.chunks_mut(PIECE) {
        let far = |x: f64| x.abs() > TRIGONOMETRIC_RANGE;
        if piece.iter().any(|x| far(*x)) {
            for x in piece {
                if far(*x) {
                    *x = beyond(*x);
                } else {
                    let values = std::slice::from_mut(x);
                    dispatch(Apply { function, values });
                }
            }
        } else {
            dispatch(Apply {
                function,
                values: piece,
            });
        }
    }
}

#[cfg(test)]
mod tests;
