//! Numbers as people read them: as many digits as the error allows.

pub use crate::numeric::digits::significant;
use crate::numeric::digits::{PLAIN, exponent_of};
use crate::numeric::estimate::{ErrorKind, Estimate};

/// A value and its error, scaled by a power of ten and cut to meaningful digits.
struct Rounded {
    value: String,
    /// `None` where every digit shown is certain.
    error: Option<String>,
    /// Both are to be multiplied by ten to this power.
    exponent: i32,
}

/// Significant digits of a value whose error says nothing about them: unknown, or rounding only.
const DIGITS: usize = 4;
/// Significant digits of the most precise values; an error below the last of them is not shown.
const LONGEST: i32 = 6;
/// Relative error that is rounding of the value, not an error of it.
const ROUNDING: f64 = 1e-12;

/// A value with its error: `10.5413 ± 0.0028`, `(1.234 ± 0.022)e-5`, `0.41 ± ?`. Without one, the digits
/// shown are certain.
///
/// Errors keep one or two digits by the rule of the Particle Data Group: two when they start with
/// 100 to 354, one up to 949, rounded up to 10 above.
pub fn with_error(estimate: &Estimate) -> String {
    written(estimate, |exponent| format!("e{exponent}"))
}

/// The same for typeset text: `10.5413 ± 0.0028`, `(1.234 ± 0.022) × 10⁻⁵`.
pub fn typeset_with_error(estimate: &Estimate) -> String {
    let power = |exponent| format!(" × 10{}", superscript(exponent));
    written(estimate, power).replace('-', "−")
}

fn written(estimate: &Estimate, power: impl Fn(i32) -> String) -> String {
    let rounded = rounded(estimate);
    let power = match rounded.exponent {
        0 => String::new(),
        exponent => power(exponent),
    };
    let value = rounded.value;
    match rounded.error {
        None => value + &power,
        Some(error) if power.is_empty() => format!("{value} ± {error}"),
        Some(error) => format!("({value} ± {error}){power}"),
    }
}

/// [`significant`] for typeset text: a true minus sign and powers of ten.
pub fn typeset(value: f64, digits: usize) -> String {
    let text = significant(value, digits);
    match text.split_once('e') {
        Some((mantissa, power)) if value.is_finite() => {
            let power = power.parse::<i32>().unwrap_or(0);
            let mantissa = mantissa.replace('-', "−");
            match mantissa.as_str() {
                "1" => format!("10{}", superscript(power)),
                _ => format!("{mantissa} × 10{}", superscript(power)),
            }
        }
        _ => text.replace('-', "−"),
    }
}

/// Seconds: `0.31 s`, `12.4 s`, `3 min 02 s`.
pub fn seconds(seconds: f64) -> String {
    if seconds < 0.01 {
        format!("{:.1} ms", 1e3 * seconds)
    } else if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

/// A count with its prefix: `4803`, `65.5 k`, `12.3 M`.
pub fn count(count: u64) -> String {
    let value = count as f64;
    match count {
        0..10_000 => count.to_string(),
        10_000..10_000_000 => format!("{} k", significant(value / 1e3, 3)),
        10_000_000..10_000_000_000 => format!("{} M", significant(value / 1e6, 3)),
        _ => format!("{} G", significant(value / 1e9, 3)),
    }
}

/// An integer in superscript digits.
pub fn superscript(value: i32) -> String {
    value
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            c => char::from_u32('⁰' as u32 + c.to_digit(10).unwrap_or(0)).unwrap_or(c),
        })
        .collect()
}

fn rounded(estimate: &Estimate) -> Rounded {
    let Estimate { value, error, kind } = *estimate;
    if !value.is_finite() {
        return Rounded {
            value: significant(value, DIGITS),
            error: None,
            exponent: 0,
        };
    }
    let size = value.abs();
    if matches!(kind, ErrorKind::Grid | ErrorKind::Quadrature) && error <= ROUNDING * size {
        return certain(value, LONGEST as usize);
    }
    if kind == ErrorKind::Rounding || error <= ROUNDING * size {
        return certain(value, DIGITS);
    }
    if !error.is_finite() || kind == ErrorKind::Unknown {
        return Rounded {
            error: Some("?".to_owned()),
            ..certain(value, DIGITS)
        };
    }
    if error < 0.5 * 10f64.powi(exponent_of(value, 1) - LONGEST + 1) && size > 0.0 {
        return certain(value, LONGEST as usize);
    }
    let (place, error) = round_error(error);
    let lead = if value == 0.0 {
        exponent_of(error, 1)
    } else {
        exponent_of(value, 1).max(exponent_of(error, 1))
    };
    let exponent = if PLAIN.contains(&lead) && place < 1 {
        0
    } else {
        lead
    };
    let decimals = (exponent - place).max(0) as usize;
    let scale = 10f64.powi(exponent);
    let mut text = format!("{:.decimals$}", value / scale);
    if text.starts_with('-') && text.bytes().all(|c| !c.is_ascii_digit() || c == b'0') {
        text.remove(0);
    }
    Rounded {
        value: text,
        error: Some(format!("{:.decimals$}", error / scale)),
        exponent,
    }
}

/// The decimal place of the last kept digit, and the error rounded to it.
fn round_error(error: f64) -> (i32, f64) {
    let exponent = exponent_of(error, 3);
    let lead = (error / 10f64.powi(exponent) * 100.0).round();
    if lead < 355.0 {
        (exponent - 1, error)
    } else if lead < 950.0 {
        (exponent, error)
    } else {
        (exponent, 10f64.powi(exponent + 1))
    }
}

fn certain(value: f64, digits: usize) -> Rounded {
    let text = significant(value, digits);
    let (value, exponent) = match text.split_once('e') {
        Some((mantissa, power)) => (mantissa.to_owned(), power.parse().unwrap_or(0)),
        None => (text, 0),
    };
    Rounded {
        value,
        error: None,
        exponent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: f64, error: f64) -> String {
        with_error(&Estimate::new(value, error, ErrorKind::StandardError))
    }

    #[test]
    fn the_error_decides_the_digits() {
        assert_eq!(shown(10.541267, 2.8e-4), "10.54127 ± 0.00028");
        assert_eq!(shown(10.541267, 0.0161), "10.541 ± 0.016");
        assert_eq!(shown(10.541267, 0.0361), "10.54 ± 0.04");
        assert_eq!(shown(10.541267, 0.0957), "10.54 ± 0.10");
        assert_eq!(shown(1.2345e-5, 2.2e-7), "(1.234 ± 0.022)e-5");
        assert_eq!(shown(-1.2345e7, 2.2e4), "(-1.2345 ± 0.0022)e7");
        assert_eq!(shown(-0.0004, 0.012), "0.000 ± 0.012");
        assert_eq!(shown(6.329058187, 2.6e-8), "6.32906");
        assert_eq!(shown(0.41, f64::INFINITY), "0.41 ± ?");
        assert_eq!(shown(f64::NAN, 1.0), "diverged");
        assert_eq!(shown(1234.0, 250.0), "(1.23 ± 0.25)e3");
        assert_eq!(shown(65536.0, 500.0), "(6.55 ± 0.05)e4");
    }

    #[test]
    fn an_error_that_says_nothing_is_not_shown() {
        assert_eq!(with_error(&Estimate::closed_form(0.1 + 0.2)), "0.3");
        assert_eq!(with_error(&Estimate::closed_form(-23.520293712)), "-23.52");
        assert_eq!(shown(0.001925736, 1e-17), "0.001926");
        let measured = Estimate::new(5.818224933, 1e-14, ErrorKind::Quadrature);
        assert_eq!(with_error(&measured), "5.81822");
        assert_eq!(shown(2.8123e-5, 1e-19), "2.812e-5");
        assert_eq!(shown(0.0, 0.0), "0");
        assert_eq!(shown(-7.04e-4, 4.1e-4), "-0.0007 ± 0.0004");
        // An error below the digits shown, and one that reaches them.
        assert_eq!(shown(1.234567, 4e-6), "1.23457");
        assert_eq!(shown(1.234567, 6e-6), "1.234567 ± 0.000006");
    }

    #[test]
    fn typeset_numbers_use_powers_of_ten() {
        assert_eq!(typeset(1.25e-7, 3), "1.25 × 10⁻⁷");
        assert_eq!(typeset(-1e-9, 2), "−1 × 10⁻⁹");
        assert_eq!(typeset(1e12, 2), "10¹²");
        assert_eq!(
            typeset_with_error(&Estimate::new(1.2345e-5, 2.2e-7, ErrorKind::Grid)),
            "(1.234 ± 0.022) × 10⁻⁵"
        );
        assert_eq!(
            typeset_with_error(&Estimate::new(-6.329058187e-5, 2.6e-13, ErrorKind::Grid)),
            "−6.32906 × 10⁻⁵"
        );
    }

    #[test]
    fn counts_and_times_are_short() {
        assert_eq!(count(4803), "4803");
        assert_eq!(count(65_536), "65.5 k");
        assert_eq!(count(12_345_678), "12.3 M");
        assert_eq!(seconds(0.0004), "0.4 ms");
        assert_eq!(seconds(182.2), "3 min 02 s");
    }
}
