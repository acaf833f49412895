//! Axes: ranges, ticks and their labels.

use crate::report::number;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Base ten; values that are not positive are not drawn.
    Log,
}

#[derive(Clone, Debug)]
pub struct Axis {
    pub label: String,
    pub scale: Scale,
    /// The value at the left or lower end, and at the other; a reversed axis has them reversed.
    pub range: (f64, f64),
    /// Named places instead of numbers.
    pub names: Vec<(f64, String)>,
}

impl Axis {
    /// Spans the finite values with a margin of 5 %.
    pub fn linear(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extent(values, |_| true).unwrap_or((0.0, 1.0));
        let margin = if high > low {
            0.05 * (high - low)
        } else {
            0.5 * high.abs().max(1.0)
        };
        Self::between(label, low - margin, high + margin)
    }

    /// Spans exactly these values.
    pub fn between(label: &str, from: f64, to: f64) -> Self {
        Self {
            label: label.to_owned(),
            scale: Scale::Linear,
            range: (from, to),
            names: Vec::new(),
        }
    }

    /// Spans a grid from its first value to its last; `None` where it is empty.
    pub fn over(label: &str, grid: &[f64]) -> Option<Self> {
        Some(Self::between(label, *grid.first()?, *grid.last()?))
    }

    /// Spans the positive values with a margin of a tenth of a decade or more.
    pub fn log(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extent(values, |v| v > 0.0).unwrap_or((0.1, 1.0));
        let margin = (0.05 * (high / low).log10()).max(0.1);
        let margin = 10f64.powf(margin);
        Self {
            scale: Scale::Log,
            ..Self::between(label, low / margin, high * margin)
        }
    }

    /// One row per name, the first at the top of a vertical axis.
    pub fn categories(names: &[String]) -> Self {
        let last = names.len() as f64;
        let names = names.iter().enumerate();
        Self {
            names: names.map(|(n, name)| (n as f64, name.clone())).collect(),
            ..Self::between("", last - 0.4, -0.6)
        }
    }

    /// Where a value lies: 0 at the first end, 1 at the other; `None` if it has no place.
    pub fn place(&self, value: f64) -> Option<f64> {
        let (from, to) = self.range;
        let place = match self.scale {
            Scale::Linear => (value - from) / (to - from),
            Scale::Log if value > 0.0 => (value / from).ln() / (to / from).ln(),
            Scale::Log => return None,
        };
        place.is_finite().then_some(place)
    }

    /// Values and labels of about `count` ticks.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        if !self.names.is_empty() {
            return self.names.clone();
        }
        match self.scale {
            Scale::Linear => self.linear_ticks(count),
            Scale::Log => self.log_ticks(count),
        }
    }

    /// Places and labels of the ticks that lie between the ends.
    pub fn placed_ticks(&self, count: usize) -> impl Iterator<Item = (f64, String)> {
        let ticks = self.ticks(count).into_iter();
        ticks.filter_map(|(value, label)| {
            let place = self.place(value)?;
            (-1e-9..=1.0 + 1e-9)
                .contains(&place)
                .then_some((place, label))
        })
    }

    fn linear_ticks(&self, count: usize) -> Vec<(f64, String)> {
        let (low, high) = ordered(self.range);
        let raw = (high - low) / count.max(1) as f64;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * power)
            .find(|step| *step >= raw * (1.0 - 1e-9))
            .unwrap_or(10.0 * power);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let large = low.abs().max(high.abs()) >= 1e5 || step < 1e-4;
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        (first..=last)
            .map(|n| {
                let value = n as f64 * step;
                let label = if large {
                    number::typeset(value, 3)
                } else {
                    format!("{value:.decimals$}").replace('-', "−")
                };
                (value, label)
            })
            .collect()
    }

    fn log_ticks(&self, count: usize) -> Vec<(f64, String)> {
        let (low, high) = ordered(self.range);
        let (first, last) = (low.log10().ceil() as i32, high.log10().floor() as i32);
        let decades = (last - first + 1).max(0) as usize;
        if decades < 2 {
            // Less than two powers of ten in sight: 1, 2, 5 in each.
            return (first - 1..=last + 1)
                .flat_map(|power| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(power)))
                .filter(|value| (low..=high).contains(value))
                .map(|value| (value, number::typeset(value, 2)))
                .collect();
        }
        let stride = decades.div_ceil(count.max(1)).max(1);
        (first..=last)
            .step_by(stride)
            .map(|power| {
                let label = match power {
                    0 => "1".to_owned(),
                    1 => "10".to_owned(),
                    _ => format!("10{}", number::superscript(power)),
                };
                (10f64.powi(power), label)
            })
            .collect()
    }
}

fn ordered((a, b): (f64, f64)) -> (f64, f64) {
    (a.min(b), a.max(b))
}

/// Smallest and largest finite value that is wanted.
pub fn extent(
    values: impl IntoIterator<Item = f64>,
    wanted: impl Fn(f64) -> bool,
) -> Option<(f64, f64)> {
    values
        .into_iter()
        .filter(|v| v.is_finite() && wanted(*v))
        .fold(None, |extent, v| match extent {
            None => Some((v, v)),
            Some((low, high)) => Some((low.min(v), high.max(v))),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, count: usize) -> Vec<String> {
        axis.ticks(count).into_iter().map(|(_, l)| l).collect()
    }

    #[test]
    fn ticks_are_round_numbers_inside_the_range() {
        assert_eq!(
            labels(&Axis::between("", -2.2, 2.3), 5),
            ["−2", "−1", "0", "1", "2"]
        );
        assert_eq!(
            labels(&Axis::between("", 1.0, 0.0), 4),
            ["0.0", "0.5", "1.0"]
        );
        assert_eq!(
            labels(&Axis::between("", 0.0, 0.03), 3),
            ["0.00", "0.01", "0.02", "0.03"]
        );
        assert_eq!(
            labels(&Axis::log("", [2e-4, 30.0]), 5),
            ["10⁻³", "10⁻²", "10⁻¹", "1", "10"]
        );
        assert_eq!(labels(&Axis::log("", [0.13, 0.4]), 5), ["0.2", "0.5"]);
    }

    #[test]
    fn a_value_without_a_place_is_none() {
        let axis = Axis::log("", [1e-2, 1.0]);
        assert_eq!(axis.place(0.0), None);
        assert!((axis.place(0.1).expect("inside") - 0.5).abs() < 1e-12);
        assert_eq!(Axis::between("", 1.0, 0.0).place(0.25), Some(0.75));
        assert_eq!(Axis::linear("", [1.0, 2.0]).place(f64::NAN), None);
    }
}
