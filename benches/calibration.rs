//! Whether errors are as large as they say: random problems with exact truths, every method that admits them, three
//! resolutions; how often the truth lies within one, two and three errors, and how sharp these are.
//!
//! `cargo bench --bench calibration -- 60 7 lq` draws 60 problems a family from seed 7, of the families with `lq` in their
//! name; without a seed it is taken from the clock and printed. Ratios above four are listed, with their problem.

#[path = "calibration/families.rs"]
mod families;

use families::{Draws, FAMILIES, measured};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Relative size of rounding in the truths.
const ROUNDING: f64 = 1e-9;

/// One number: distance from the truth, error, both over the size of the truth.
#[derive(Clone, Copy)]
struct Row {
    distance: f64,
    bar: f64,
}

impl Row {
    fn ratio(self) -> f64 {
        if self.distance == 0.0 {
            0.0
        } else {
            self.distance / self.bar
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let clock = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |t| t.as_nanos() as u64)
    };
    let mut numbers = words.iter().filter_map(|word| word.parse::<u64>().ok());
    let (count, seed) = (
        numbers.next().unwrap_or(20),
        numbers.next().unwrap_or_else(clock),
    );
    let wanted: Vec<&String> = words
        .iter()
        .filter(|word| word.parse::<u64>().is_err())
        .collect();
    println!("{count} draws a family from seed {seed}");
    let mut cells: BTreeMap<(&str, &str, &str), Vec<Row>> = BTreeMap::new();
    for (number, (name, draw)) in (0_u64..).zip(FAMILIES) {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let mut draws = Draws(seed.wrapping_add(number.wrapping_mul(0x9e37_79b9)));
        for index in 0..count {
            let drawn = draw(&mut draws);
            for method in drawn.methods {
                for resolution in 0..3 {
                    for (quantity, truth, found) in
                        measured(&drawn, method, (resolution, seed ^ index))
                    {
                        let size = truth.abs().max(f64::MIN_POSITIVE);
                        let distance = ((found.value - truth).abs() - ROUNDING * size).max(0.0);
                        let row = Row {
                            distance: distance / size,
                            bar: found.error / size,
                        };
                        if row.ratio() > 4.0 || row.ratio().is_nan() {
                            println!(
                                "{name} {index} {method} {resolution}: {quantity} = {:e} +- {:.1e}, truth {truth:e}, {:.1} bars\n{}",
                                found.value,
                                found.error,
                                row.ratio(),
                                drawn.text.trim_end().replace('\n', " | ")
                            );
                        }
                        cells
                            .entry((*name, *method, quantity))
                            .or_default()
                            .push(row);
                    }
                }
            }
        }
    }
    table(&cells);
}

fn table(cells: &BTreeMap<(&str, &str, &str), Vec<Row>>) {
    println!(
        "| family | method | quantity | n | 1 bar | 2 bars | 3 bars | worst | median bar | median error |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for ((family, method, quantity), rows) in cells {
        let ratios: Vec<f64> = rows.iter().map(|row| row.ratio()).collect();
        let within = |bars: f64| {
            let held = ratios.iter().filter(|ratio| **ratio <= bars).count();
            format!("{:.1} %", 100.0 * held as f64 / rows.len() as f64)
        };
        let median = |of: &dyn Fn(&Row) -> f64| {
            let mut values: Vec<f64> = rows.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        println!(
            "| {family} | {method} | {quantity} | {} | {} | {} | {} | {:.1} | {:.1e} | {:.1e} |",
            rows.len(),
            within(1.0),
            within(2.0),
            within(3.0),
            ratios.iter().copied().fold(0.0, f64::max),
            median(&|row| row.bar),
            median(&|row| row.distance),
        );
    }
}
