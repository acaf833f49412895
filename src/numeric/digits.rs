//! A number in as many digits as it deserves.

/// A number to `digits` significant digits, without trailing noise: `0.0123`, `1.2e-7`, `65536`. What is
/// not finite is said in words.
pub fn significant(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "diverged".to_owned();
    }
    if value.is_infinite() {
        let word = if value > 0.0 {
            "infinite"
        } else {
            "minus infinity"
        };
        return word.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = exponent_of(value, digits);
    if PLAIN.contains(&exponent) {
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

/// Powers of ten of numbers that are written without one.
pub const PLAIN: std::ops::Range<i32> = -4..6;

/// The power of ten of a number once it is rounded to `digits`; 9.99 to two digits has 1.
pub fn exponent_of(value: f64, digits: usize) -> i32 {
    let text = format!("{:.*e}", digits - 1, value.abs());
    text.split_once('e')
        .and_then(|(_, power)| power.parse().ok())
        .unwrap_or(0)
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

    #[test]
    fn significant_digits_survive_carries() {
        assert_eq!(significant(0.0099999, 2), "0.01");
        assert_eq!(significant(999.96, 4), "1000");
        assert_eq!(significant(12345.678, 3), "12346");
        assert_eq!(significant(0.00012345, 2), "0.00012");
        assert_eq!(significant(-0.000012345, 2), "-1.2e-5");
    }

    #[test]
    fn what_is_no_number_is_said_in_words() {
        assert_eq!(significant(f64::NAN, 3), "diverged");
        assert_eq!(significant(f64::INFINITY, 3), "infinite");
        assert_eq!(significant(f64::NEG_INFINITY, 3), "minus infinity");
    }
}
