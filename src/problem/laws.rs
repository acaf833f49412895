//! Reads a role table, `[data]` or `[prior]`, into a [`Law`].

use crate::problem::curve;
use crate::problem::diagnostic::Diagnostic;
use crate::problem::document::{Node, Value};
use crate::problem::folder::DataFolder;
use crate::problem::law::{Covariance, Law, LogDensity, Mixture, Samples};
use crate::problem::reader::{Bound, Reader, Section, float};
use crate::problem::samples::{
    Units, degenerate_columns, silverman, split, standardization, standardize,
};
use crate::problem::table::{Column, Numbers, read};
use faer::{Mat, Side};

/// Weights may miss one by this much; they are then divided by their sum.
const WEIGHT_SLACK: f64 = 1e-9;

const FAMILIES: [&str; 5] = ["gaussian", "mixture", "samples", "curve", "log-density"];

/// Reads the family named in the section.
pub(crate) fn read_law(
    reader: &mut Reader,
    section: &Section<'_>,
    folder: &DataFolder,
    seed: u64,
) -> Option<Law> {
    let family = reader.choice(section, "family", &FAMILIES, None)?;
    let law = match family {
        "gaussian" => gaussian(reader, section).map(Law::Gaussian),
        "mixture" => mixture(reader, section).map(Law::Mixture),
        "samples" => samples(reader, section, folder, seed).map(Law::Samples),
        "curve" => curve::read_curve(reader, section).map(Law::Curve),
        "log-density" => log_density(reader, section),
        _ => unreachable!("only listed families are returned"),
    };
    reader.finish(section, &format!("family `{family}`"));
    law
}

fn gaussian(reader: &mut Reader, section: &Section<'_>) -> Option<Mixture> {
    let mean = match section.take("mean") {
        Some(entry) => {
            reader.record_entry(section, entry);
            point(reader, &entry.node, &format!("{}.mean", section.name))
        }
        None => {
            reader.missing(section, "mean", "[0.0, 0.0]");
            None
        }
    };
    let Some(cov) = section.take("cov") else {
        reader.missing(section, "cov", "1.0");
        return None;
    };
    reader.record_entry(section, cov);
    // Without a mean the dimension is unknown and the covariance would only give follow-ups.
    let mean = mean?;
    let place = format!("{}.cov", section.name);
    let covariance = covariance(reader, &cov.node, &place, mean.len())?;
    Some(Mixture::gaussian(mean, covariance))
}

/// A point: an array of numbers, or a number in one dimension.
fn point(reader: &mut Reader, node: &Node, place: &str) -> Option<Vec<f64>> {
    let values = match &node.value {
        Value::Array(_) => reader.numbers_at(node, place)?,
        _ => vec![reader.number_at(node, place)?],
    };
    if values.is_empty() {
        reader.push(Diagnostic::error(
            "E015",
            node.span.clone(),
            format!("`{place}` is empty; it needs one number per state"),
        ));
        return None;
    }
    for value in &values {
        reader.bounded(node, place, *value, Bound::Finite)?;
    }
    Some(values)
}

fn mixture(reader: &mut Reader, section: &Section<'_>) -> Option<Mixture> {
    let weights = section.take("weights");
    let means = section.take("means");
    let covs = section.take("covs");
    for (entry, key, example) in [
        (weights, "weights", "[0.5, 0.5]"),
        (means, "means", "[[-1.0, 0.0], [1.0, 0.0]]"),
        (covs, "covs", "0.1"),
    ] {
        match entry {
            Some(entry) => reader.record_entry(section, entry),
            None => reader.missing(section, key, example),
        }
    }
    let weights = weights.and_then(|entry| read_weights(reader, &entry.node, &section.name));
    let points = means.and_then(|entry| read_means(reader, &entry.node, &section.name));
    let means_node = means.map(|entry| entry.node.clone());
    let points = points?;
    let components = points.len();
    let weights = weights.and_then(|(weights, node)| {
        if weights.len() == components {
            return Some(weights);
        }
        reader.push(
            Diagnostic::error(
                "E015",
                node.span.clone(),
                format!(
                    "`{0}.weights` has {1} entries, `{0}.means` has {components}",
                    section.name,
                    weights.len()
                ),
            )
            .also(
                means_node.map_or(0..0, |node| node.span),
                format!("{components} components"),
            ),
        );
        None
    });
    let covariances = read_covariances(reader, &covs?.node, section, components, points[0].len());
    Some(Mixture {
        weights: weights?,
        means: points,
        covariances: covariances?,
    })
}

fn read_weights<'d>(
    reader: &mut Reader,
    node: &'d Node,
    section: &str,
) -> Option<(Vec<f64>, &'d Node)> {
    let place = format!("{section}.weights");
    let weights = reader.numbers_at(node, &place)?;
    if let Some(i) = weights.iter().position(|w| !(w.is_finite() && *w > 0.0)) {
        reader.push(
            Diagnostic::error(
                "E040",
                node.span.clone(),
                format!("`{place}[{i}]` is {}; weights must be positive", weights[i]),
            )
            .help("leave components of weight zero out"),
        );
        return None;
    }
    let sum: f64 = weights.iter().sum();
    let normalised: Vec<f64> = weights.iter().map(|w| w / sum).collect();
    if weights.is_empty() || (sum - 1.0).abs() > WEIGHT_SLACK {
        let shown: Vec<String> = normalised.iter().map(|w| float(*w)).collect();
        let diagnostic = Diagnostic::error(
            "E040",
            node.span.clone(),
            format!("`{place}` sums to {sum}, not to 1"),
        );
        reader.push(if weights.is_empty() {
            diagnostic
        } else {
            diagnostic.help(format!("divided by the sum: [{}]", shown.join(", ")))
        });
        return None;
    }
    Some((normalised, node))
}

fn read_means(reader: &mut Reader, node: &Node, section: &str) -> Option<Vec<Vec<f64>>> {
    let place = format!("{section}.means");
    let Value::Array(items) = &node.value else {
        reader.push(
            Diagnostic::error(
                "E012",
                node.span.clone(),
                format!("`{place}` must be an array with one mean per component"),
            )
            .label(format!("this is {}", node.value.kind())),
        );
        return None;
    };
    if items.is_empty() {
        reader.push(Diagnostic::error(
            "E015",
            node.span.clone(),
            format!("`{place}` is empty; it needs one mean per component"),
        ));
        return None;
    }
    let points: Vec<Option<Vec<f64>>> = items
        .iter()
        .enumerate()
        .map(|(k, item)| point(reader, item, &format!("{place}[{k}]")))
        .collect();
    let points: Vec<Vec<f64>> = points.into_iter().collect::<Option<_>>()?;
    let wanted = points[0].len();
    let mut good = true;
    for (k, other) in points.iter().enumerate() {
        if other.len() != wanted {
            good = false;
            reader.push(
                Diagnostic::error(
                    "E015",
                    items[k].span.clone(),
                    format!(
                        "`{place}[{k}]` has {} component{}, `{place}[0]` has {wanted}",
                        other.len(),
                        if other.len() == 1 { "" } else { "s" }
                    ),
                )
                .also(items[0].span.clone(), format!("{wanted} components")),
            );
        }
    }
    good.then_some(points)
}

fn read_covariances(
    reader: &mut Reader,
    node: &Node,
    section: &Section<'_>,
    components: usize,
    dimension: usize,
) -> Option<Vec<Covariance>> {
    let place = format!("{}.covs", section.name);
    let Value::Array(items) = &node.value else {
        let one = covariance(reader, node, &place, dimension)?;
        return Some(vec![one; components]);
    };
    if items.len() != components {
        reader.push(
            Diagnostic::error(
                "E015",
                node.span.clone(),
                format!(
                    "`{place}` has {} entries, `{}.means` has {components}",
                    items.len(),
                    section.name
                ),
            )
            .note("accepted: one number for all components, or one entry per component")
            .note("an entry is a number, an array (diagonal) or a matrix"),
        );
        return None;
    }
    let all: Vec<Option<Covariance>> = items
        .iter()
        .enumerate()
        .map(|(k, item)| covariance(reader, item, &format!("{place}[{k}]"), dimension))
        .collect();
    all.into_iter().collect()
}

/// A covariance: a positive number, an array (diagonal), or a symmetric positive definite matrix.
fn covariance(
    reader: &mut Reader,
    node: &Node,
    place: &str,
    dimension: usize,
) -> Option<Covariance> {
    let Value::Array(items) = &node.value else {
        let value = reader.number_at(node, place)?;
        return not_positive(reader, node, place, value).map(Covariance::Isotropic);
    };
    let rows = items.iter().any(|i| matches!(i.value, Value::Array(_)));
    let shape_error = |reader: &mut Reader, found: String| {
        reader.push(
            Diagnostic::error(
                "E015",
                node.span.clone(),
                format!(
                    "`{place}` is {found}, but the mean has {dimension} components"
                ),
            )
            .note(format!(
                "accepted: a number, {dimension} numbers (diagonal), or a {dimension} x {dimension} matrix"
            )),
        );
    };
    if !rows {
        let diagonal = reader.numbers_at(node, place)?;
        if diagonal.len() != dimension {
            shape_error(reader, format!("a diagonal of {}", diagonal.len()));
            return None;
        }
        for (i, value) in diagonal.iter().enumerate() {
            not_positive(reader, &items[i], &format!("{place}[{i}]"), *value)?;
        }
        return Some(Covariance::Diagonal(diagonal));
    }
    let matrix: Vec<Option<Vec<f64>>> = items
        .iter()
        .enumerate()
        .map(|(i, item)| reader.numbers_at(item, &format!("{place}[{i}]")))
        .collect();
    let matrix: Vec<Vec<f64>> = matrix.into_iter().collect::<Option<_>>()?;
    if matrix.len() != dimension || matrix.iter().any(|row| row.len() != dimension) {
        let lengths: Vec<String> = matrix.iter().map(|row| row.len().to_string()).collect();
        shape_error(
            reader,
            format!("a matrix with rows of length {}", lengths.join(", ")),
        );
        return None;
    }
    positive_definite(reader, node, place, &matrix)?;
    Some(Covariance::Full(matrix))
}

fn not_positive(reader: &mut Reader, node: &Node, place: &str, value: f64) -> Option<f64> {
    if value.is_finite() && value > 0.0 {
        return Some(value);
    }
    reader.push(
        Diagnostic::error(
            "E042",
            node.span.clone(),
            format!("`{place}` is {value}; a variance must be positive"),
        )
        .help("for point masses use family = \"samples\" with bandwidth = 0"),
    );
    None
}

fn positive_definite(
    reader: &mut Reader,
    node: &Node,
    place: &str,
    matrix: &[Vec<f64>],
) -> Option<()> {
    let d = matrix.len();
    for i in 0..d {
        for j in 0..i {
            let (a, b) = (matrix[i][j], matrix[j][i]);
            // Typed decimals are equal or not; a relative 1e-12 forgives printed products.
            let equal = (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
            if !equal {
                reader.push(Diagnostic::error(
                    "E041",
                    node.span.clone(),
                    format!(
                        "`{place}` is not symmetric: entry [{j}][{i}] is {b}, entry [{i}][{j}] is {a}"
                    ),
                ));
                return None;
            }
        }
    }
    let symmetric = Mat::from_fn(d, d, |i, j| 0.5 * (matrix[i][j] + matrix[j][i]));
    let smallest = symmetric
        .self_adjoint_eigenvalues(Side::Lower)
        .ok()
        .and_then(|values| values.into_iter().reduce(f64::min))
        .unwrap_or(f64::NAN);
    if smallest > 0.0 {
        return Some(());
    }
    let shown = if smallest.is_nan() {
        "an entry is not a finite number".to_owned()
    } else {
        format!("its smallest eigenvalue is {smallest:.6e}")
    };
    reader.push(Diagnostic::error(
        "E042",
        node.span.clone(),
        format!("`{place}` is not positive definite: {shown}"),
    ));
    None
}

fn log_density(reader: &mut Reader, section: &Section<'_>) -> Option<Law> {
    let log_normalizer = reader.optional_number(section, "log_z", Bound::Finite);
    let Some(entry) = section.take("log_density") else {
        reader.missing(section, "log_density", "\"-norm2(x)/2\"");
        return None;
    };
    reader.record_entry(section, entry);
    let place = format!("{}.log_density", section.name);
    let log_density = reader.scalar_at(&entry.node, &place)?;
    Some(Law::LogDensity(LogDensity {
        log_density,
        log_normalizer,
    }))
}

fn samples(
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
    let limit = section.take("limit").and_then(|entry| {
        reader.record_entry(section, entry);
        reader.whole_number(&entry.node, &format!("{}.limit", section.name), 1)
    });
    let units = read_units(reader, section);
    let holdout = reader.number_or(section, "holdout", 0.0, Bound::Fraction);
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
    let path = match folder.resolve(name) {
        Ok(path) => path,
        Err(error) => {
            reader.push(
                Diagnostic::error("E603", file.node.span.clone(), error.to_string())
                    .help(error.advice()),
            );
            return None;
        }
    };
    let mut asked = columns.clone();
    if let (Some(asked), Some(weight)) = (&mut asked, &weight) {
        asked.push(Column::Name(weight.clone()));
    }
    let numbers = match read(&path, name, asked.as_deref()) {
        Ok(numbers) => numbers,
        Err(errors) => {
            for error in errors {
                let diagnostic =
                    Diagnostic::error(error.code(), file.node.span.clone(), error.to_string());
                reader.push(match error.advice() {
                    Some(advice) => diagnostic.help(advice),
                    None => diagnostic,
                });
            }
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
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    warn_degenerate(reader, node, file, &table.columns, &training);
    let standardization = standardization(&training, &weights, units);
    if let Some(units) = &standardization {
        standardize(&mut training, units);
        standardize(&mut aside, units);
    }
    let bandwidth = bandwidth.unwrap_or_else(|| silverman(&training, &weights));
    reader.record(section, "bandwidth", float(bandwidth));
    reader.record(
        section,
        "columns",
        crate::problem::reader::quotes(&table.columns),
    );
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
        _ => reader.number_in(section, entry, Bound::NotNegative),
    }
}
