//! Error function, log-gamma and polygamma in double precision.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// `2/sqrt(pi) int_0^x exp(-s^2) ds`.
///
/// Kummer's series `2/sqrt(pi) x exp(-x^2) sum (2 x^2)^n / (2n+1)!!` below 2.5 (all terms have one sign,
/// so nothing cancels), the continued fraction of `erfc` above. Source: DLMF 7.6.2 and 7.9.1.
pub(super) fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return x;
    }
    let value = if a < 2.5 {
        let (mut term, mut sum, mut n) = (a, a, 1.0);
        while term > sum * 1e-17 {
            term *= 2.0 * a * a / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        FRAC_2_SQRT_PI * (-a * a).exp() * sum
    } else if a < 6.0 {
        // erfc(x) = exp(-x^2)/sqrt(pi) / (x + (1/2)/(x + 1/(x + (3/2)/(x + ...))))
        let tail = (1..=60)
            .rev()
            .fold(a, |inner, k| a + 0.5 * f64::from(k) / inner);
        1.0 - 0.5 * FRAC_2_SQRT_PI * (-a * a).exp() / tail
    } else {
        1.0
    };
    value.copysign(x)
}

/// `log |Gamma(x)|`: recurrence up to 10, then Stirling's series. Source: DLMF 5.11.1.
pub(super) fn lgamma(x: f64) -> f64 {
    if x < 0.5 {
        if x == x.floor() {
            return f64::INFINITY;
        }
        // Reflection: Gamma(x) Gamma(1 - x) = pi / sin(pi x).
        let turn = x - 2.0 * (0.5 * x).floor();
        return (PI / (PI * turn).sin().abs()).ln() - lgamma(1.0 - x);
    }
    let (mut y, mut product) = (x, 1.0);
    while y < 10.0 {
        product *= y;
        y += 1.0;
    }
    let (r, half_log_tau) = (1.0 / (y * y), 0.918_938_533_204_672_8);
    // B_2k / (2k (2k-1)), k = 1..8
    const STIRLING: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
        -3617.0 / 122_400.0,
    ];
    let series = STIRLING.iter().rev().fold(0.0, |sum, c| sum * r + c) / y;
    (y - 0.5) * y.ln() - y + half_log_tau + series - product.ln()
}

/// `d^(n+1) log Gamma / dx^(n+1)` for integer `n >= 0`; NaN for other `n` and for `n > 0` at `x <= 0`.
///
/// Recurrence to `x >= 20 + n`, then the asymptotic series. Source: DLMF 5.15.1 to 5.15.8.
pub(super) fn polygamma(order: f64, x: f64) -> f64 {
    if order < 0.0 || order != order.floor() || order > 100.0 {
        return f64::NAN;
    }
    if order == 0.0 && x < 0.5 {
        if x == x.floor() {
            return f64::NAN;
        }
        return polygamma(0.0, 1.0 - x) - PI / (PI * x).tan();
    }
    if x <= 0.0 {
        return f64::NAN;
    }
    let n = order as i32;
    let factorial = |k: i32| (1..=k).fold(1.0, |p, i| p * f64::from(i));
    let (mut y, mut sum) = (x, 0.0);
    let sign = if n % 2 == 0 { -1.0 } else { 1.0 }; // (-1)^(n+1)
    while y < 20.0 + order {
        // psi_n(y) = psi_n(y + 1) + (-1)^(n+1) n! / y^(n+1)
        sum += sign * factorial(n) / y.powi(n + 1);
        y += 1.0;
    }
    const BERNOULLI: [f64; 7] = [
        1.0 / 6.0,
        -1.0 / 30.0,
        1.0 / 42.0,
        -1.0 / 30.0,
        5.0 / 66.0,
        -691.0 / 2730.0,
        7.0 / 6.0,
    ];
    if n == 0 {
        let tail: f64 = (1..)
            .zip(BERNOULLI)
            .map(|(k, b)| b / (2.0 * f64::from(k) * y.powi(2 * k)))
            .sum();
        return sum + y.ln() - 0.5 / y - tail;
    }
    let mut series = factorial(n - 1) / y.powi(n) + factorial(n) / (2.0 * y.powi(n + 1));
    for (k, b) in (1..).zip(BERNOULLI) {
        // B_2k (2k + n - 1)! / ((2k)! y^(2k+n))
        let ratio = (2 * k + 1..2 * k + n).fold(1.0, |p, i| p * f64::from(i));
        series += b * ratio / y.powi(2 * k + n);
    }
    sum + sign * series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: f64, expected: f64) {
        let error = (value - expected).abs() / expected.abs().max(1e-300);
        assert!(error < 4e-15, "{value} against {expected}: {error:e}");
    }

    // Expected values: DLMF and Abramowitz & Stegun tables 6.1, 7.1, mpmath for the rest.
    #[test]
    fn erf_matches_tables() {
        close(erf(0.5), 0.520_499_877_813_046_5);
        close(erf(1.0), 0.842_700_792_949_714_9);
        close(erf(-2.0), -0.995_322_265_018_952_7);
        close(erf(3.0), 0.999_977_909_503_001_4);
        assert_eq!(erf(0.0), 0.0);
        // Both branches meet.
        close(erf(2.5 - 1e-15), erf(2.5));
    }

    #[test]
    fn lgamma_matches_factorials_and_half_integers() {
        close(lgamma(5.0), 24.0_f64.ln());
        close(lgamma(0.5), 0.5 * PI.ln());
        close(lgamma(101.0), (1..=100).map(|k| f64::from(k).ln()).sum());
        // Gamma(-1/2) = -2 sqrt(pi)
        close(lgamma(-0.5), (2.0 * PI.sqrt()).ln());
    }

    #[test]
    fn polygamma_matches_closed_forms() {
        let euler = 0.577_215_664_901_532_9;
        close(polygamma(0.0, 1.0), -euler);
        close(polygamma(0.0, 0.5), -euler - 2.0 * 2.0_f64.ln());
        close(polygamma(1.0, 1.0), PI * PI / 6.0);
        close(polygamma(2.0, 1.0), -2.0 * 1.202_056_903_159_594_2); // -2 zeta(3)
        close(polygamma(3.0, 0.5), PI.powi(4));
    }
}
