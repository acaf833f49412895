//! Numbers as people read them: as many digits as the error allows.

use crate::numeric::estimate::{ErrorKind, Estimate};

/// A value and its error, scaled by a power of ten and cut to meaningful digits.
struct Rounded {
    value: String,
    /// `None` for an exact value.
    error: Option<String>,
    /// Both are to be multiplied by ten to this power.
    exponent: i32,
    /// The error carries its own power of ten instead.
    apart: bool,
}

/// Significant digits of a value without a known error.
const DIGITS: usize = 5;
/// Significant digits beyond which an error is told apart from its value.
const LONGEST: i32 = 7;
/// Significant digits of a closed-form value.
const CLOSED_FORM_DIGITS: usize = 10;

/// A value with its error: `10.5413 ± 0.0028`, `1.234e-4 ± 2.2e-6`, `0.41 ± ?`.
///
/// Errors keep one or two digits by the rule of the Particle Data Group: two when they start with
/// 100 to 354, one up to 949, rounded up to 10 above.
pub fn with_error(estimate: &Estimate) -> String {
    let Rounded {
        value,
        error,
        exponent,
        apart,
    } = rounded(estimate);
    let power = if exponent == 0 {
        String::new()
    } else {
        format!("e{exponent}")
    };
    match error {
        None => format!("{value}{power}"),
        Some(error) if apart || error == "?" => format!("{value}{power} ± {error}"),
        Some(error) => format!("{value}{power} ± {error}{power}"),
    }
}

/// The same for typeset text: `10.5413 ± 0.0028`, `(1.234 ± 0.022) × 10⁻⁴`.
pub fn typeset_with_error(estimate: &Estimate) -> String {
    let Rounded {
        value,
        error,
        exponent,
        apart,
    } = rounded(estimate);
    let value = value.replace('-', "−");
    let power = match exponent {
        0 => String::new(),
        _ => format!(" × 10{}", superscript(exponent)),
    };
    match error {
        None => format!("{value}{power}"),
        Some(_) if apart => format!("{value}{power} ± {}", typeset(estimate.error, 1)),
        Some(error) if exponent == 0 => format!("{value} ± {error}"),
        Some(error) => format!("({value} ± {error}){power}"),
    }
}

/// A number to `digits` significant digits, without trailing noise: `0.0123`, `1.2e-7`, `65536`.
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = exponent_of(value, digits);
    if (-3..6).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        trim(&format!("{value:.decimals$}"))
    } else {
        let text = format!("{value:.*e}", digits - 1);
        match text.split_once('e') {
            Some((mantissa, power)) => format!("{}e{power}", trim(mantissa)),
            None => text,
        }
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
            value: not_finite(value),
            error: None,
            exponent: 0,
            apart: false,
        };
    }
    if kind == ErrorKind::Rounding {
        return exact(value, CLOSED_FORM_DIGITS);
    }
    if !error.is_finite() || kind == ErrorKind::Unknown {
        return Rounded {
            error: Some("?".to_owned()),
            ..exact(value, DIGITS)
        };
    }
    if error <= 0.0 {
        return exact(value, CLOSED_FORM_DIGITS);
    }
    if error < value.abs() * 10f64.powi(-LONGEST) {
        // The error is told apart from a value that has enough digits already.
        return Rounded {
            error: Some(significant(error, 1)),
            apart: true,
            ..exact(value, LONGEST as usize)
        };
    }
    let (place, error) = round_error(error);
    let lead = if value == 0.0 {
        exponent_of(error, 1)
    } else {
        exponent_of(value, 1).max(exponent_of(error, 1))
    };
    let exponent = if (-3..6).contains(&lead) && place < 1 {
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
        apart: false,
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

fn exact(value: f64, digits: usize) -> Rounded {
    let text = significant(value, digits);
    let (value, exponent) = match text.split_once('e') {
        Some((mantissa, power)) => (mantissa.to_owned(), power.parse().unwrap_or(0)),
        None => (text, 0),
    };
    Rounded {
        value,
        error: None,
        exponent,
        apart: false,
    }
}

/// The power of ten of a number once it is rounded to `digits`; 9.99 to two digits has 1.
fn exponent_of(value: f64, digits: usize) -> i32 {
    let text = format!("{:.*e}", digits - 1, value.abs());
    text.split_once('e')
        .and_then(|(_, power)| power.parse().ok())
        .unwrap_or(0)
}

fn not_finite(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else if value > 0.0 {
        "inf".to_owned()
    } else {
        "-inf".to_owned()
    }
}

/// Drops zeros after the decimal point.
fn trim(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
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
        assert_eq!(shown(1.2345e-5, 2.2e-7), "1.234e-5 ± 0.022e-5");
        assert_eq!(shown(-1.2345e7, 2.2e4), "-1.2345e7 ± 0.0022e7");
        assert_eq!(shown(-0.0004, 0.012), "0.000 ± 0.012");
        assert_eq!(shown(6.329058187, 2.6e-8), "6.329058 ± 3e-8");
        assert_eq!(shown(0.41, f64::INFINITY), "0.41 ± ?");
        assert_eq!(shown(f64::NAN, 1.0), "nan");
        assert_eq!(shown(1234.0, 250.0), "1.23e3 ± 0.25e3");
        assert_eq!(shown(65536.0, 500.0), "6.55e4 ± 0.05e4");
    }

    #[test]
    fn closed_forms_show_no_error() {
        assert_eq!(with_error(&Estimate::closed_form(0.1 + 0.2)), "0.3");
        assert_eq!(
            with_error(&Estimate::closed_form(-23.520293712)),
            "-23.52029371"
        );
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
            "−6.329058 × 10⁻⁵ ± 3 × 10⁻¹³"
        );
    }

    #[test]
    fn significant_digits_survive_carries() {
        assert_eq!(significant(0.0099999, 2), "0.01");
        assert_eq!(significant(999.96, 4), "1000");
        assert_eq!(significant(12345.678, 3), "12346");
        assert_eq!(significant(f64::NEG_INFINITY, 3), "-inf");
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
