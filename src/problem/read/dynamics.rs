//! Reads `[dynamics]`: presets and user-written coefficients, both ending as symbols.

use crate::expr::Expr;
use crate::problem::format::card::PresetCard;
use crate::problem::meant::grid::GridSettings;
use crate::problem::meant::model::{Boundary, Calculus, Dynamics};
use crate::problem::meant::named::Named;
use crate::problem::meant::setup::Setup;
use crate::problem::meant::task::Kind;
use crate::problem::read::options::read_options;
use crate::problem::read::presets::preset_dynamics;
use crate::problem::read::state::read_shape;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Entry, Node, Value};
use crate::problem::text::names::Shaped;
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::{floats, quote};

/// `[t0, t1]`, for control also `[t0, inf]`. Noising processes and presets start at 0. A path has a duration instead.
pub(crate) fn read_horizon(reader: &mut Reader, section: &Section<'_>, kind: Kind) -> (f64, f64) {
    let default = (0.0, 1.0);
    if kind.is_path() {
        if let Some(entry) = section.take("horizon") {
            reader.push(
                Diagnostic::error(
                    "E016",
                    entry.key_span.clone(),
                    "`horizon` has no meaning for kind `path`",
                )
                .help("set path.duration: a number, or \"free\""),
            );
        }
        return default;
    }
    let Some(entry) = section.take("horizon") else {
        reader.record(section, "horizon", floats(&[default.0, default.1]));
        return default;
    };
    reader.record_entry(section, entry);
    let Some((start, end)) = horizon_at(reader, section, entry, kind) else {
        return default;
    };
    let at_zero = section.has("preset") || kind.generates();
    if start != 0.0 && at_zero {
        reader.push(
            Diagnostic::error(
                "E023",
                entry.node.span.clone(),
                format!(
                    "the horizon starts at {start}; kinds reverse and sample and all presets start at 0"
                ),
            )
            .help("shift time in your expressions and in the horizon"),
        );
        return default;
    }
    (start, end)
}

/// Both ends; the second may be infinite where a process that runs forwards states its coefficients.
fn horizon_at(
    reader: &mut Reader,
    section: &Section<'_>,
    entry: &Entry,
    kind: Kind,
) -> Option<(f64, f64)> {
    let (start, end) = reader.bounds_at(&entry.node, "dynamics.horizon")?;
    let forwards = kind.has_cost() || kind == Kind::Simulate;
    let stated = forwards && !section.has("preset");
    if start.is_finite() && (end.is_finite() || stated) {
        return Some((start, end));
    }
    let reason = format!("`dynamics.horizon` = [{start}, {end}] must be finite");
    let diagnostic = Diagnostic::error("E013", entry.node.span.clone(), reason);
    reader.push(diagnostic.note(
        "accepted: [t0, t1]; for kinds control and simulate with `drift` and `diffusion` [t0, inf]",
    ));
    None
}

/// Declares `dynamics.control` and returns the names of its components; kind `control` only.
pub(crate) fn read_control(reader: &mut Reader, section: &Section<'_>) -> Vec<String> {
    let Some(entry) = section.take("control") else {
        if section.is_present() {
            reader.missing(section, "control", "\"u\"");
        }
        return Vec::new();
    };
    reader.record_entry(section, entry);
    let Some(names) = read_shape(reader, section, entry, "control") else {
        return Vec::new();
    };
    match reader.declare_control(entry, &names) {
        Some(()) => names.shown,
        None => Vec::new(),
    }
}

/// Bounds of each control: `[lo, hi]` or one pair per component; one side may be infinite.
pub(crate) fn read_control_bounds(
    reader: &mut Reader,
    section: &Section<'_>,
) -> Option<Vec<(f64, f64)>> {
    let entry = section.take("control_bounds")?;
    reader.record_entry(section, entry);
    let controls = reader.formulas.control.len();
    let nested = match &entry.node.value {
        Value::Array(items) => items.iter().any(|i| matches!(i.value, Value::Array(_))),
        _ => false,
    };
    let place = "dynamics.control_bounds";
    if !nested {
        let pair = reader.bounds_at(&entry.node, place)?;
        return Some(vec![pair; controls]);
    }
    let Value::Array(items) = &entry.node.value else {
        return None;
    };
    if items.len() != controls {
        reader.push(
            Diagnostic::error(
                "E015",
                entry.node.span.clone(),
                format!(
                    "`{place}` has {} intervals, the control has {controls} component{}",
                    items.len(),
                    if controls == 1 { "" } else { "s" }
                ),
            )
            .note("accepted: [lo, hi] for all components, or one pair per component"),
        );
        return None;
    }
    let pairs: Vec<Option<(f64, f64)>> = items
        .iter()
        .enumerate()
        .map(|(i, item)| reader.bounds_at(item, &format!("{place}[{i}]")))
        .collect();
    pairs.into_iter().collect()
}

/// What happens at the edge of the domain: one name, or one per state.
fn read_boundary(
    reader: &mut Reader,
    section: &Section<'_>,
    kind: Kind,
    domain: bool,
) -> Vec<Boundary> {
    let dimension = reader.formulas.state().len();
    let natural = vec![Boundary::Natural; dimension];
    let Some(entry) = section.take("boundary") else {
        reader.record(section, "boundary", quote("natural"));
        return natural;
    };
    reader.record_entry(section, entry);
    let Some(names) = reader.names_at(&entry.node, "dynamics.boundary") else {
        return natural;
    };
    let one = !matches!(entry.node.value, Value::Array(_));
    if !one && dimension > 0 && names.len() != dimension {
        reader.push(
            Diagnostic::error(
                "E015",
                entry.node.span.clone(),
                format!(
                    "`dynamics.boundary` has {} entries, the state has {dimension} components",
                    names.len()
                ),
            )
            .note("accepted: one name for all components, or one per component"),
        );
        return natural;
    }
    let mut boundaries = Vec::new();
    for (name, node) in names {
        let found = reader.named_choice(&node, &name, "dynamics.boundary", &Boundary::names());
        let Some(boundary) = found.and_then(Boundary::from_name) else {
            return natural;
        };
        let found = boundary.name();
        if boundary != Boundary::Natural && !kind.has_events() {
            reader.push(
                Diagnostic::error(
                    "E023",
                    node.span.clone(),
                    format!("boundary `{found}` is not available for kind `{kind}`"),
                )
                .note("kinds control and simulate have boundaries; the others live on the whole space"),
            );
        } else if boundary != Boundary::Natural && !domain {
            reader.push(
                Diagnostic::error(
                    "E011",
                    node.span.clone(),
                    format!("boundary `{found}` needs `dynamics.domain`"),
                )
                .help("add domain = [lo, hi]: the edge at which it holds"),
            );
        }
        boundaries.push(boundary);
    }
    if one {
        vec![boundaries[0]; dimension]
    } else {
        boundaries
    }
}

/// Reads everything but the horizon, the state and the control. Without state symbols (the data are
/// broken) a preset is still read for its own mistakes; `None` then.
pub(crate) fn read_dynamics(
    reader: &mut Reader,
    section: &Section<'_>,
    horizon: (f64, f64),
    kind: Kind,
) -> Option<Dynamics> {
    let domain = read_domain(reader, section);
    let boundary = read_boundary(reader, section, kind, domain.is_some());
    let preset = section.take("preset");
    let dynamics = match preset {
        Some(entry) if kind.has_cost() => {
            reader.push(
                Diagnostic::error(
                    "E016",
                    entry.key_span.clone(),
                    "`preset` has no meaning for kind `control`",
                )
                .help("write `drift` with the control in it, and `diffusion`"),
            );
            return None;
        }
        Some(entry) => {
            reader.record_entry(section, entry);
            let calculus = read_calculus(reader, section).unwrap_or(Calculus::Ito);
            match added_preset(reader, entry) {
                Some(card) => added_dynamics(reader, section, (entry, card), horizon, kind),
                None => preset_dynamics(reader, section, entry, horizon, calculus),
            }
        }
        None if reader.formulas.state().is_empty() => return None,
        None => custom_dynamics(reader, section, horizon),
    };
    let context = match preset.map(|entry| &entry.node.value) {
        Some(Value::Text(name)) => format!("preset `{name}` in kind `{kind}`"),
        _ => format!("user-written dynamics (no preset) in kind `{kind}`"),
    };
    reader.finish(section, &context);
    dynamics.map(|dynamics| Dynamics {
        domain,
        boundary,
        ..dynamics
    })
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
    reader.one(section, "calculus")
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
        if reader.has_unknown_keys(section) {
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
    stated_dynamics(reader, drift_entry, diffusion_entry, calculus, horizon)
}

/// A preset beside those of the format.
fn added_preset(reader: &Reader, entry: &Entry) -> Option<&'static PresetCard> {
    let mut cards = reader.vocabulary.presets.iter();
    let named = |card: &&&'static PresetCard| matches!(&entry.node.value, Value::Text(name) if name == card.page.name);
    cards.find(named).copied()
}

/// The coefficients that such a preset states, read like those of a file.
fn added_dynamics(
    reader: &mut Reader,
    section: &Section<'_>,
    (entry, card): (&Entry, &'static PresetCard),
    horizon: (f64, f64),
    kind: Kind,
) -> Option<Dynamics> {
    let grid = GridSettings {
        points: None,
        stretch: 1.0,
        scheme: None,
        levels: None,
    };
    let setup = Setup {
        kind,
        dimension: reader.formulas.state().len(),
        components: None,
        affine: false,
        additive: true,
        grid: &grid,
        endless: false,
        steps: 0,
        paths: 0,
        path: None,
    };
    let options = read_options(reader, section, card.options, &setup);
    if reader.formulas.state().is_empty() {
        return None;
    }
    let [drift, diffusion] = (card.coefficients)(&options).map(|text| Entry {
        node: Node {
            value: Value::Text(text),
            ..entry.node.clone()
        },
        ..entry.clone()
    });
    let calculus = Some(Calculus::Ito);
    stated_dynamics(reader, Some(&drift), Some(&diffusion), calculus, horizon)
}

fn stated_dynamics(
    reader: &mut Reader,
    drift_entry: Option<&Entry>,
    diffusion_entry: Option<&Entry>,
    calculus: Option<Calculus>,
    horizon: (f64, f64),
) -> Option<Dynamics> {
    let drift = drift_entry.and_then(|entry| read_drift(reader, entry));
    let diffusion = diffusion_entry.and_then(|entry| read_diffusion(reader, entry));
    let (drift, diffusion) = (drift?, diffusion?);
    steered(reader, drift_entry?, &drift)?;
    for entry in diffusion.iter().flatten() {
        if reader.refuses_control(&diffusion_entry?.node, "the diffusion", *entry) {
            return None;
        }
    }
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
        boundary: Vec::new(),
    })
}

/// Every control must act somewhere.
fn steered(reader: &mut Reader, entry: &Entry, drift: &[Expr]) -> Option<()> {
    let graph = &reader.formulas.graph;
    let acting = graph.symbols(drift);
    let idle = reader.formulas.control.iter().find(|u| !acting.contains(u));
    let Some(idle) = idle else { return Some(()) };
    let name = graph.symbol_name(*idle).unwrap_or_default().to_owned();
    reader.push(
        Diagnostic::error(
            "E210",
            entry.node.span.clone(),
            format!("the control `{name}` does not stand in the drift"),
        )
        .help(format!(
            "add it where it acts, as in drift = \"-x + {name}\", or leave it out of `control`"
        )),
    );
    None
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
                if !graph.depends_on_any(*entry, &state) {
                    continue;
                }
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
    reader.remember("dynamics.drift", &entry.node);
    if let Value::Array(items) = &entry.node.value {
        for (i, item) in items.iter().enumerate() {
            reader.remember(format!("dynamics.drift[{i}]"), item);
        }
    }
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
    reader.remember("dynamics.diffusion", &entry.node);
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
