//! Reads a role table, such as `[data]` or `[target]`, into a [`Law`].

use crate::numeric::dense::factorise_alone;
use crate::problem::format::key::Bound;
use crate::problem::format::names::{FAMILIES, families};
use crate::problem::format::tables::part;
use crate::problem::meant::law::{Covariance, ExactDraws, Law, LogDensity, Mixture};
use crate::problem::read::curve;
use crate::problem::read::densities::{finite_integral, positive_density};
use crate::problem::read::samples::read_samples;
use crate::problem::read::state::read_shape;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Node, Value};
use crate::problem::text::folder::DataFolder;
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::float;
use faer::{Mat, Side};

/// Weights may miss one by this much; they are then divided by their sum.
const WEIGHT_SLACK: f64 = 1e-9;

/// Reads the family named in the section.
pub(crate) fn read_law(
    reader: &mut Reader,
    section: &Section<'_>,
    folder: &DataFolder,
    seed: u64,
) -> Option<Law> {
    let families = families(&section.name);
    if let Some(entry) = section.take("family")
        && let Value::Text(name) = &entry.node.value
        && FAMILIES.iter().any(|family| family.name == name)
        && !families.contains(&name.as_str())
    {
        reader.push(
            Diagnostic::error(
                "E014",
                entry.node.span.clone(),
                format!("family `{name}` cannot be the law of [{}]", section.name),
            )
            .note(format!("accepted: {}", families.join(", "))),
        );
        return None;
    }
    let family = reader.choice_of(section, "family", &families)?;
    let law = match family {
        "gaussian" => gaussian(reader, section).map(Law::Gaussian),
        "mixture" => mixture(reader, section).map(Law::Mixture),
        "samples" => read_samples(reader, section, folder, seed).map(Law::Samples),
        "curve" => curve::read_curve(reader, section).map(Law::Curve),
        "delta" => delta(reader, section).map(Law::Delta),
        "uniform" => uniform(reader, section).map(Law::Uniform),
        "density" => density(reader, section).map(Law::LogDensity),
        "log-density" => log_density(reader, section).map(Law::LogDensity),
        _ => unreachable!("only listed families are returned"),
    };
    reader.finish(section, &format!("family `{family}`"));
    law
}

/// Whether the law is an expression of the state, which must then be declared before it is read.
pub(crate) fn is_formula(section: &Section<'_>) -> bool {
    section.is_text("family", "log-density") || section.is_text("family", "density")
}

fn delta(reader: &mut Reader, section: &Section<'_>) -> Option<Vec<f64>> {
    let Some(entry) = section.take("at") else {
        reader.missing(section, "at", "[0.0, 0.0]");
        return None;
    };
    reader.record_entry(section, entry);
    point(reader, &entry.node, &format!("{}.at", section.name))
}

/// `box = [lo, hi]` in one dimension, or one pair per component.
fn uniform(reader: &mut Reader, section: &Section<'_>) -> Option<Vec<(f64, f64)>> {
    let Some(entry) = section.take("box") else {
        reader.missing(section, "box", "[[-1.0, 1.0], [-1.0, 1.0]]");
        return None;
    };
    reader.record_entry(section, entry);
    let place = format!("{}.box", section.name);
    match &entry.node.value {
        Value::Array(items) if items.iter().any(|i| matches!(i.value, Value::Array(_))) => {
            let pairs: Vec<Option<(f64, f64)>> = items
                .iter()
                .enumerate()
                .map(|(i, item)| reader.interval_at(item, &format!("{place}[{i}]")))
                .collect();
            pairs.into_iter().collect()
        }
        _ => Some(vec![reader.interval_at(&entry.node, &place)?]),
    }
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
    for (i, row) in matrix.iter().enumerate() {
        for (j, &a) in row.iter().enumerate().take(i) {
            let b = matrix[j][i];
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
    factorise_alone();
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

fn log_density(reader: &mut Reader, section: &Section<'_>) -> Option<LogDensity> {
    let log_normalizer = reader.optional_number(section, "log_z");
    let exact = read_exact(reader, section);
    let Some(entry) = section.take("log_density") else {
        reader.missing(section, "log_density", "\"-norm2(x)/2\"");
        return None;
    };
    reader.record_entry(section, entry);
    let place = format!("{}.log_density", section.name);
    let log_density = reader.scalar_at(&entry.node, &place)?;
    reader.of_state_alone(&entry.node, &place, log_density)?;
    finite_integral(reader, &entry.node, &place, log_density)?;
    Some(LogDensity {
        log_density,
        density: None,
        log_normalizer,
        exact: exact?,
    })
}

fn density(reader: &mut Reader, section: &Section<'_>) -> Option<LogDensity> {
    let log_normalizer = reader.optional_number(section, "log_z");
    let exact = read_exact(reader, section);
    let Some(entry) = section.take("density") else {
        reader.missing(section, "density", "\"exp(-norm2(x)/2)\"");
        return None;
    };
    reader.record_entry(section, entry);
    let place = format!("{}.density", section.name);
    let density = reader.scalar_at(&entry.node, &place)?;
    reader.of_state_alone(&entry.node, &place, density)?;
    positive_density(reader, &entry.node, &place, density)?;
    let log_density = reader.formulas.graph.log(density);
    finite_integral(reader, &entry.node, &place, log_density)?;
    Some(LogDensity {
        log_density,
        density: Some(density),
        log_normalizer,
        exact: exact?,
    })
}

/// Sub-table `exact`: the outer option is `None` after an error, the inner one without the table.
fn read_exact(reader: &mut Reader, section: &Section<'_>) -> Option<Option<ExactDraws>> {
    let Some(entry) = section.take("exact") else {
        return Some(None);
    };
    let Value::Table(table) = &entry.node.value else {
        return None;
    };
    let place = format!("{}.exact", section.name);
    let inner = reader.element(&place, format!("[{place}]"), entry.key_span.clone(), table);
    let (Some(noise), Some(map)) = (inner.take("noise"), inner.take("map")) else {
        let known = |key: &str| part("target.exact").iter().any(|known| known.name == key);
        // A key nobody knows was reported and is probably the missing one.
        if table.entries.iter().all(|entry| known(&entry.key)) {
            reader.push(
                Diagnostic::error(
                    "E011",
                    entry.key_span.clone(),
                    format!("[{place}] needs `noise` and `map`"),
                )
                .help("add noise = \"z[2]\" and map = [\"z[0]\", \"2*z[1]\"]"),
            );
        }
        return None;
    };
    reader.record_entry(&inner, noise);
    reader.record_entry(&inner, map);
    let shape = read_shape(reader, &inner, noise, "noise")?;
    let dimension = reader.formulas.state().len();
    let (noise, components) = reader.with_variable(&shape, |reader| {
        reader.components_at(&map.node, &format!("{place}.map"))
    });
    let components = components?;
    if components.len() != dimension {
        reader.push(Diagnostic::error(
            "E015",
            map.node.span.clone(),
            format!(
                "`{place}.map` has {} components, the state has {dimension}",
                components.len()
            ),
        ));
        return None;
    }
    for (k, component) in components.iter().enumerate() {
        let foreign = reader.formulas.graph.symbols(&[*component]);
        if let Some(name) = foreign
            .iter()
            .filter(|symbol| !noise.contains(symbol))
            .find_map(|symbol| reader.formulas.graph.symbol_name(*symbol))
        {
            let message = format!(
                "`{place}.map[{k}]` depends on {name}; a draw depends on {} only",
                shape.base
            );
            reader.push(Diagnostic::error("E208", map.node.span.clone(), message));
            return None;
        }
    }
    Some(Some(ExactDraws {
        noise,
        map: components,
    }))
}
