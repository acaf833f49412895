//! Reads `[dynamics]`: presets and user-written coefficients, both ending as symbols.

use crate::expr::Expr;
use crate::problem::diagnostic::Diagnostic;
use crate::problem::document::{Entry, Value};
use crate::problem::model::{Calculus, Dynamics};
use crate::problem::names::Shaped;
use crate::problem::presets::preset_dynamics;
use crate::problem::reader::{Reader, Section};
use crate::problem::resolved::{floats, quote};

/// `[t0, t1]`; this version starts at 0.
pub(crate) fn read_horizon(reader: &mut Reader, section: &Section<'_>) -> (f64, f64) {
    let default = (0.0, 1.0);
    let Some(entry) = section.take("horizon") else {
        reader.record(section, "horizon", floats(&[default.0, default.1]));
        return default;
    };
    reader.record_entry(section, entry);
    let Some((start, end)) = reader.interval_at(&entry.node, "dynamics.horizon") else {
        return default;
    };
    if start != 0.0 {
        reader.push(
            Diagnostic::error(
                "E023",
                entry.node.span.clone(),
                format!("the horizon starts at {start}; this version starts at 0"),
            )
            .help("shift time in your expressions and in the horizon"),
        );
        return default;
    }
    (start, end)
}

/// Reads everything but the horizon and the state. Without state symbols (the data are broken) a preset
/// is still read for its own mistakes; `None` then.
pub(crate) fn read_dynamics(
    reader: &mut Reader,
    section: &Section<'_>,
    horizon: (f64, f64),
) -> Option<Dynamics> {
    let domain = read_domain(reader, section);
    let preset = section.take("preset");
    let dynamics = match preset {
        Some(entry) => {
            reader.record_entry(section, entry);
            let calculus = read_calculus(reader, section).unwrap_or(Calculus::Ito);
            preset_dynamics(reader, section, entry, horizon, calculus)
        }
        None if reader.formulas.state().is_empty() => return None,
        None => custom_dynamics(reader, section, horizon),
    };
    let context = match preset.map(|entry| &entry.node.value) {
        Some(Value::Text(name)) => format!("preset `{name}`"),
        _ => "user-written dynamics (no preset)".to_owned(),
    };
    reader.finish(section, &context);
    dynamics.map(|dynamics| Dynamics { domain, ..dynamics })
}

fn read_domain(reader: &mut Reader, section: &Section<'_>) -> Option<Vec<(f64, f64)>> {
    let dimension = reader.formulas.state().len();
    let Some(entry) = section.take("domain") else {
        reader.record(section, "domain", quote("auto"));
        return None;
    };
    reader.record_entry(section, entry);
    match &entry.node.value {
        Value::Text(text) if text == "auto" => None,
        Value::Array(items) if items.iter().any(|i| matches!(i.value, Value::Array(_))) => {
            let pairs: Vec<Option<(f64, f64)>> = items
                .iter()
                .map(|item| reader.interval_at(item, "dynamics.domain"))
                .collect();
            let pairs: Vec<(f64, f64)> = pairs.into_iter().collect::<Option<_>>()?;
            if dimension > 0 && pairs.len() != dimension {
                reader.push(Diagnostic::error(
                    "E015",
                    entry.node.span.clone(),
                    format!(
                        "`dynamics.domain` has {} intervals, the state has {dimension} components",
                        pairs.len()
                    ),
                ));
                return None;
            }
            Some(pairs)
        }
        Value::Array(_) => reader
            .interval_at(&entry.node, "dynamics.domain")
            .map(|pair| vec![pair; dimension]),
        _ => {
            reader.wrong_type(
                section,
                entry,
                "\"auto\", [lo, hi], or one [lo, hi] per component",
            );
            None
        }
    }
}

fn read_calculus(reader: &mut Reader, section: &Section<'_>) -> Option<Calculus> {
    if !section.has("calculus") {
        section.take("calculus");
        return None;
    }
    match reader.choice(
        section,
        "calculus",
        &["ito", "stratonovich", "klimontovich"],
        None,
    )? {
        "ito" => Some(Calculus::Ito),
        "stratonovich" => Some(Calculus::Stratonovich),
        _ => Some(Calculus::Klimontovich),
    }
}

fn custom_dynamics(
    reader: &mut Reader,
    section: &Section<'_>,
    horizon: (f64, f64),
) -> Option<Dynamics> {
    let calculus = read_calculus(reader, section);
    let drift_entry = section.take("drift");
    let diffusion_entry = section.take("diffusion");
    if drift_entry.is_none() && diffusion_entry.is_none() {
        if section.has_unknown_keys() {
            return None;
        }
        reader.push(
            Diagnostic::error(
                "E011",
                section.span.clone(),
                "[dynamics] needs `preset`, or `drift` and `diffusion`",
            )
            .help("add preset = \"vp\""),
        );
        return None;
    }
    for (entry, key, example) in [
        (drift_entry, "drift", "\"-x\""),
        (diffusion_entry, "diffusion", "1.0"),
    ] {
        match entry {
            Some(entry) => reader.record_entry(section, entry),
            None => reader.missing(section, key, example),
        }
    }
    let drift = drift_entry.and_then(|entry| read_drift(reader, entry));
    let diffusion = diffusion_entry.and_then(|entry| read_diffusion(reader, entry));
    let (drift, diffusion) = (drift?, diffusion?);
    let correction = noise_drift(reader, &diffusion);
    let state = reader.formulas.state().to_vec();
    let depends = diffusion
        .iter()
        .flatten()
        .any(|entry| reader.formulas.graph.depends_on_any(*entry, &state));
    if depends && calculus.is_none() {
        missing_calculus(reader, diffusion_entry?, &drift, &correction);
        return None;
    }
    let calculus = calculus.unwrap_or(Calculus::Ito);
    let drift = ito_drift(reader, &drift, &correction, calculus);
    Some(Dynamics {
        horizon,
        preset: None,
        drift,
        diffusion,
        calculus,
        domain: None,
    })
}

fn missing_calculus(reader: &mut Reader, entry: &Entry, drift: &[Expr], correction: &[Expr]) {
    let stratonovich = ito_drift(reader, drift, correction, Calculus::Stratonovich);
    let shown = |drift: &[Expr]| -> String {
        let parts: Vec<String> = drift
            .iter()
            .map(|f| reader.formulas.graph.text(*f))
            .collect();
        if parts.len() == 1 {
            parts[0].clone()
        } else {
            format!("[{}]", parts.join(", "))
        }
    };
    let (ito, stratonovich) = (shown(drift), shown(&stratonovich));
    reader.push(
        Diagnostic::error(
            "E204",
            entry.key_span.clone(),
            "`calculus` is missing and the diffusion depends on the state",
        )
        .note(format!("Ito drift          : {ito}"))
        .note(format!(
            "if Stratonovich    : {stratonovich}   (the Ito drift this would mean)"
        ))
        .help("add calculus = \"ito\" or calculus = \"stratonovich\""),
    );
}

/// `sum_jk G_jk d_j G_ik`, the drift by which anti-Itô and Itô readings of the same noise differ.
fn noise_drift(reader: &mut Reader, diffusion: &[Vec<Expr>]) -> Vec<Expr> {
    let state = reader.formulas.state().to_vec();
    let graph = &mut reader.formulas.graph;
    diffusion
        .iter()
        .map(|row| {
            let mut terms = Vec::new();
            for (k, entry) in row.iter().enumerate() {
                for (j, x) in state.iter().enumerate() {
                    let slope = graph.derivative(*entry, *x);
                    terms.push(graph.mul(&[diffusion[j][k], slope]));
                }
            }
            graph.add(&terms)
        })
        .collect()
}

/// The Itô drift of `f` read at `alpha`: `f_i + alpha sum_jk G_jk d_j G_ik`, with `alpha` 0 (Itô),
/// 1/2 (Stratonovich) or 1 (Klimontovich, anti-Itô).
fn ito_drift(
    reader: &mut Reader,
    drift: &[Expr],
    correction: &[Expr],
    calculus: Calculus,
) -> Vec<Expr> {
    let graph = &mut reader.formulas.graph;
    let alpha = match calculus {
        Calculus::Ito => graph.zero(),
        Calculus::Stratonovich => graph.rational(1, 2),
        Calculus::Klimontovich => graph.one(),
    };
    drift
        .iter()
        .zip(correction)
        .map(|(f, c)| {
            let shift = graph.mul(&[alpha, *c]);
            graph.add(&[*f, shift])
        })
        .collect()
}

fn read_drift(reader: &mut Reader, entry: &Entry) -> Option<Vec<Expr>> {
    let dimension = reader.formulas.state().len();
    let drift = reader.components_at(&entry.node, "dynamics.drift")?;
    if drift.len() == dimension {
        return Some(drift);
    }
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    reader.push(
        Diagnostic::error(
            "E015",
            entry.node.span.clone(),
            format!(
                "`dynamics.drift` has {} component{}, the state has {dimension}",
                drift.len(),
                plural(drift.len())
            ),
        )
        .help("give one expression per state, drift = [\"...\", \"...\"]"),
    );
    None
}

/// A number or scalar expression (isotropic), an array (diagonal) or a matrix (states by noises).
fn read_diffusion(reader: &mut Reader, entry: &Entry) -> Option<Vec<Vec<Expr>>> {
    let dimension = reader.formulas.state().len();
    let zero = reader.formulas.graph.zero();
    let rows = reader.matrix_at(&entry.node, "dynamics.diffusion")?;
    let diagonal = |values: &[Expr]| -> Vec<Vec<Expr>> {
        (0..dimension)
            .map(|i| {
                (0..dimension)
                    .map(|j| if i == j { values[i] } else { zero })
                    .collect()
            })
            .collect()
    };
    let (found, matrix) = match rows {
        Shaped::Scalar(value) => return Some(diagonal(&vec![value; dimension])),
        Shaped::Vector(values) if values.len() == dimension => return Some(diagonal(&values)),
        Shaped::Vector(values) => (format!("a diagonal of {}", values.len()), None),
        Shaped::Matrix(rows) => {
            let width = rows.first().map_or(0, Vec::len);
            let good =
                rows.len() == dimension && width > 0 && rows.iter().all(|row| row.len() == width);
            (
                format!("a {} x {width} matrix", rows.len()),
                good.then_some(rows),
            )
        }
    };
    if matrix.is_none() {
        reader.push(
            Diagnostic::error(
                "E015",
                entry.node.span.clone(),
                format!(
                    "`dynamics.diffusion` is {found}, the state has {dimension} components"
                ),
            )
            .note("accepted: a number or expression, an array with one entry per state, or a matrix of states by noises"),
        );
    }
    matrix
}
