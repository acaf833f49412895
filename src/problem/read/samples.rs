//! Rows of a table turned into the law of the data: choice of rows, held-out part, units, bandwidth.

use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::problem::meant::law::{Samples, Standardization};
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Node, Value};
use crate::problem::text::folder::DataFolder;
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::{float, quotes};
use crate::problem::text::table::{Column, Numbers, parse};

/// How columns are brought to working units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Units {
    /// As in the file.
    Raw,
    /// Every column to mean 0 and variance 1.
    EachColumn,
    /// Every column to mean 0, all divided by one scale that makes the average variance 1.
    Common,
}

/// Which rows are used and which are held out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Split {
    training: Vec<usize>,
    holdout: Vec<usize>,
}

/// Chooses at most `limit` rows and holds out a fraction of them. The choice depends on the seed
/// only; both parts keep the order of the file.
fn split(rows: usize, limit: Option<usize>, holdout: f64, seed: u64) -> Split {
    let mut order: Vec<usize> = (0..rows).collect();
    let mut keys = Batch::zeros(rows, 1);
    Streams::new(seed)
        .role("data-rows")
        .uniforms(0, 0, keys.as_mut());
    let keys = keys.column(0);
    order.sort_by(|a, b| keys[*a].total_cmp(&keys[*b]).then(a.cmp(b)));
    order.truncate(limit.unwrap_or(rows));
    let aside = (holdout * order.len() as f64).round() as usize;
    let mut training = order.split_off(aside);
    let mut holdout = order;
    training.sort_unstable();
    holdout.sort_unstable();
    Split { training, holdout }
}

/// Weighted mean and population variance of each column.
fn moments(rows: &[Vec<f64>], weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let columns = rows.first().map_or(0, Vec::len);
    let mut mean = vec![0.0; columns];
    let mut variance = vec![0.0; columns];
    for (row, w) in rows.iter().zip(weights) {
        for (m, x) in mean.iter_mut().zip(row) {
            *m += w * x;
        }
    }
    for (row, w) in rows.iter().zip(weights) {
        for j in 0..columns {
            variance[j] += w * (row[j] - mean[j]).powi(2);
        }
    }
    (mean, variance)
}

/// Shift and scale of the working units, from the training rows only. A constant column keeps its
/// scale.
fn standardization(rows: &[Vec<f64>], weights: &[f64], units: Units) -> Option<Standardization> {
    let (shift, variance) = moments(rows, weights);
    let safe = |v: f64| if v > 0.0 { v.sqrt() } else { 1.0 };
    let scale = match units {
        Units::Raw => return None,
        Units::EachColumn => variance.iter().map(|v| safe(*v)).collect(),
        Units::Common => {
            let mean = variance.iter().sum::<f64>() / variance.len() as f64;
            vec![safe(mean); variance.len()]
        }
    };
    Some(Standardization { shift, scale })
}

/// Applies `(raw - shift) / scale`.
fn standardize(rows: &mut [Vec<f64>], units: &Standardization) {
    for row in rows {
        for ((x, shift), scale) in row.iter_mut().zip(&units.shift).zip(&units.scale) {
            *x = (*x - shift) / scale;
        }
    }
}

/// Silverman's rule for an isotropic Gaussian kernel in `d` dimensions,
/// `b = s (4 / ((d + 2) n))^(1/(d + 4))`, with `s^2` the average variance of the columns and
/// `n = 1 / sum w^2` the effective number of rows.
///
/// # Source
/// Silverman, *Density Estimation for Statistics and Data Analysis* (1986), eq. 4.14.
fn silverman(rows: &[Vec<f64>], weights: &[f64]) -> f64 {
    let (_, variance) = moments(rows, weights);
    let d = variance.len() as f64;
    let n = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
    let spread = (variance.iter().sum::<f64>() / d).sqrt();
    spread * (4.0 / ((d + 2.0) * n)).powf(1.0 / (d + 4.0))
}

/// Columns that never vary, and pairs of equal columns.
fn degenerate_columns(rows: &[Vec<f64>]) -> (Vec<usize>, Vec<(usize, usize)>) {
    let columns = rows.first().map_or(0, Vec::len);
    let constant: Vec<usize> = (0..columns)
        .filter(|&j| rows.iter().all(|row| row[j] == rows[0][j]))
        .collect();
    let mut equal = Vec::new();
    for j in 0..columns {
        for k in j + 1..columns {
            if !constant.contains(&j) && rows.iter().all(|row| row[j] == row[k]) {
                equal.push((j, k));
            }
        }
    }
    (constant, equal)
}

/// Family `samples`: a CSV table with its options.
pub(crate) fn read_samples(
    reader: &mut Reader,
    section: &Section<'_>,
    folder: &DataFolder,
    seed: u64,
) -> Option<Samples> {
    let columns = match section.take("columns") {
        Some(entry) => {
            reader.record_entry(section, entry);
            Some(read_columns(reader, &entry.node, &section.name)?)
        }
        None => None,
    };
    let weight = reader.text(section, "weight");
    let limit = reader.optional_count(section, "limit");
    let units = read_units(reader, section);
    let holdout = reader.number(section, "holdout");
    let bandwidth = read_bandwidth(reader, section);
    let Some(file) = section.take("file") else {
        reader.missing(section, "file", "\"data/points.csv\"");
        return None;
    };
    reader.record_entry(section, file);
    let Value::Text(name) = &file.node.value else {
        reader.wrong_type(section, file, "the path of a CSV file");
        return None;
    };
    let bytes = reader.data(folder, &file.node, name)?;
    let mut asked = columns.clone();
    if let (Some(asked), Some(weight)) = (&mut asked, &weight) {
        asked.push(Column::Name(weight.clone()));
    }
    let numbers = match parse(&bytes, name, asked.as_deref()) {
        Ok(numbers) => numbers,
        Err(errors) => {
            reader.table_errors(&file.node, errors);
            return None;
        }
    };
    let table = separate_weights(reader, numbers, weight.as_deref(), &file.node, name)?;
    build_samples(
        reader, section, &file.node, name, table, limit, holdout, seed, units, bandwidth,
    )
}

/// Values of a table beside the weights of its rows.
struct Weighted {
    columns: Vec<String>,
    rows: Vec<Vec<f64>>,
    weights: Vec<f64>,
}

fn separate_weights(
    reader: &mut Reader,
    numbers: Numbers,
    weight: Option<&str>,
    node: &Node,
    file: &str,
) -> Option<Weighted> {
    let Numbers {
        mut columns,
        mut rows,
    } = numbers;
    let mut weights = vec![1.0; rows.len()];
    if let Some(weight) = weight {
        let Some(position) = columns.iter().rposition(|c| c == weight) else {
            reader.push(
                Diagnostic::error(
                    "E607",
                    node.span.clone(),
                    format!("the table `{file}` has no column `{weight}`"),
                )
                .note(format!("columns: {}", columns.join(", "))),
            );
            return None;
        };
        columns.remove(position);
        for (row, w) in rows.iter_mut().zip(&mut weights) {
            *w = row.remove(position);
        }
        if let Some(i) = weights.iter().position(|w| *w <= 0.0) {
            reader.push(Diagnostic::error(
                "E040",
                node.span.clone(),
                format!(
                    "row {} of `{file}` has weight {}; weights must be positive",
                    i + 1,
                    weights[i]
                ),
            ));
            return None;
        }
    }
    Some(Weighted {
        columns,
        rows,
        weights,
    })
}

#[expect(
    clippy::too_many_arguments,
    reason = "the options of one table, each read elsewhere"
)]
fn build_samples(
    reader: &mut Reader,
    section: &Section<'_>,
    node: &Node,
    file: &str,
    table: Weighted,
    limit: Option<usize>,
    holdout: f64,
    seed: u64,
    units: Units,
    bandwidth: Option<f64>,
) -> Option<Samples> {
    let parts = split(table.rows.len(), limit, holdout, seed);
    if parts.training.len() < 2 || (holdout > 0.0 && parts.holdout.is_empty()) {
        reader.push(Diagnostic::error(
            "E608",
            node.span.clone(),
            format!(
                "`{file}` leaves {} rows for the score and {} held out; at least 2 and 1 are needed",
                parts.training.len(),
                parts.holdout.len()
            ),
        ));
        return None;
    }
    let pick =
        |rows: &[usize]| -> Vec<Vec<f64>> { rows.iter().map(|&i| table.rows[i].clone()).collect() };
    let mut training = pick(&parts.training);
    let mut aside = pick(&parts.holdout);
    let mut weights: Vec<f64> = parts.training.iter().map(|&i| table.weights[i]).collect();
    // By the largest first: the sum may overflow.
    let largest = weights.iter().copied().fold(0.0, f64::max);
    weights.iter_mut().for_each(|w| *w /= largest);
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    if let Some(i) = weights.iter().position(|w| *w <= 0.0) {
        let row = parts.training[i] + 1;
        let message =
            format!("row {row} of `{file}` has no weight beside the largest, {largest:e}");
        reader.push(Diagnostic::error("E040", node.span.clone(), message));
        return None;
    }
    warn_degenerate(reader, node, file, &table.columns, &training);
    let standardization = standardization(&training, &weights, units);
    if let Some(units) = &standardization {
        standardize(&mut training, units);
        standardize(&mut aside, units);
    }
    let bandwidth = bandwidth.unwrap_or_else(|| silverman(&training, &weights));
    reader.record(section, "bandwidth", float(bandwidth));
    reader.record(section, "columns", quotes(&table.columns));
    Some(Samples {
        file: file.to_owned(),
        columns: table.columns,
        training,
        holdout: aside,
        weights,
        bandwidth,
        standardization,
    })
}

fn warn_degenerate(
    reader: &mut Reader,
    node: &Node,
    file: &str,
    columns: &[String],
    rows: &[Vec<f64>],
) {
    let (constant, equal) = degenerate_columns(rows);
    if !constant.is_empty() {
        let names: Vec<&str> = constant.iter().map(|&j| columns[j].as_str()).collect();
        reader.push(
            Diagnostic::warning(
                "W409",
                node.span.clone(),
                format!("constant columns in `{file}`: {}", names.join(", ")),
            )
            .note("they keep their scale; the kernel bandwidth gives them their only width"),
        );
    }
    if !equal.is_empty() {
        let pairs: Vec<String> = equal
            .iter()
            .map(|&(j, k)| format!("{} = {}", columns[j], columns[k]))
            .collect();
        reader.push(Diagnostic::warning(
            "W409",
            node.span.clone(),
            format!("equal columns in `{file}`: {}", pairs.join(", ")),
        ));
    }
}

fn read_columns(reader: &mut Reader, node: &Node, section: &str) -> Option<Vec<Column>> {
    let place = format!("{section}.columns");
    let items: &[Node] = match &node.value {
        Value::Array(items) if !items.is_empty() => items,
        Value::Array(_) => {
            reader.push(Diagnostic::error(
                "E015",
                node.span.clone(),
                format!("`{place}` is empty; leave it out to use every column"),
            ));
            return None;
        }
        _ => std::slice::from_ref(node),
    };
    let mut columns = Vec::new();
    for item in items {
        match &item.value {
            Value::Text(name) => columns.push(Column::Name(name.clone())),
            Value::Integer(position) if *position >= 0 => {
                columns.push(Column::Position(
                    usize::try_from(*position).unwrap_or(usize::MAX),
                ));
            }
            other => {
                let label = format!("this is {}", other.kind());
                reader.push(
                    Diagnostic::error(
                        "E012",
                        item.span.clone(),
                        format!("`{place}` must hold column names, or positions from 0"),
                    )
                    .label(label),
                );
                return None;
            }
        }
    }
    Some(columns)
}

fn read_units(reader: &mut Reader, section: &Section<'_>) -> Units {
    let Some(entry) = section.take("standardize") else {
        reader.record(section, "standardize", "false");
        return Units::Raw;
    };
    reader.record_entry(section, entry);
    match &entry.node.value {
        Value::Boolean(true) => Units::EachColumn,
        Value::Boolean(false) => Units::Raw,
        Value::Text(text) if text == "common" => Units::Common,
        _ => {
            reader.wrong_type(
                section,
                entry,
                "true (each column), \"common\" (one scale for all) or false",
            );
            Units::Raw
        }
    }
}

/// The kernel width; `None` asks for Silverman's rule.
fn read_bandwidth(reader: &mut Reader, section: &Section<'_>) -> Option<f64> {
    let entry = section.take("bandwidth")?;
    match &entry.node.value {
        Value::Text(text) if text == "auto" => None,
        _ => reader.number_in(section, entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_a_partition_that_depends_on_the_seed_only() {
        let one = split(100, Some(50), 0.2, 7);
        assert_eq!(one, split(100, Some(50), 0.2, 7));
        assert_ne!(one, split(100, Some(50), 0.2, 8));
        assert_eq!((one.training.len(), one.holdout.len()), (40, 10));
        assert!(one.holdout.iter().all(|row| !one.training.contains(row)));
        assert!(one.training.is_sorted());
    }

    #[test]
    fn standardized_columns_have_mean_zero_and_variance_one() {
        let mut rows = vec![vec![1.0, 5.0], vec![2.0, 5.0], vec![6.0, 5.0]];
        let weights = [0.5, 0.25, 0.25];
        let units = standardization(&rows, &weights, Units::EachColumn).expect("units");
        // The constant column keeps its scale.
        assert_eq!(units.scale[1], 1.0);
        standardize(&mut rows, &units);
        let (mean, variance) = moments(&rows, &weights);
        assert!(mean[0].abs() < 1e-15 && (variance[0] - 1.0).abs() < 1e-14);
        assert_eq!(degenerate_columns(&rows), (vec![1], vec![]));
    }

    #[test]
    fn common_units_keep_ratios_and_average_variance_is_one() {
        let rows = vec![vec![0.0, 0.0], vec![2.0, 4.0]];
        let weights = [0.5, 0.5];
        let units = standardization(&rows, &weights, Units::Common).expect("units");
        // Variances 1 and 4: the common scale is sqrt(5/2).
        assert!((units.scale[0] - 2.5_f64.sqrt()).abs() < 1e-15);
        assert_eq!(units.scale[0], units.scale[1]);
    }

    #[test]
    fn silverman_in_one_dimension_is_the_textbook_factor() {
        // (4/3)^(1/5) sigma n^(-1/5) = 1.0592 for sigma = 1, n = 1.
        let rows = vec![vec![-1.0], vec![1.0]];
        let b = silverman(&rows, &[0.5, 0.5]);
        let expected = (4.0_f64 / 3.0 / 2.0).powf(0.2);
        assert!((b - expected).abs() < 1e-15);
    }
}
