//! Reads `[problem]`, `[time]`, `[run]`, `[sample]`, `[reference.*]` and `[output]`.

use crate::problem::format::key::Bound;
use crate::problem::format::names::{PLOTS, SAVES, SPACINGS, STRUCTURES, of_kind};
use crate::problem::meant::model::{
    Expectation, Integrator, OutputSettings, Reference, RunSettings, SampleSettings, Spacing,
    TimeSettings,
};
use crate::problem::meant::task::Kind;
use crate::problem::read::sizes::{MOST_RECORDED, plain};
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Entry, Node, Table, Value};
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::{self, float, floats, quote, quotes};
use crate::problem::text::suggest::did_you_mean;
use std::ops::Range;
use std::path::PathBuf;

/// Longest time that is waited for, in seconds.
const LONGEST: f64 = 3.2e9;

/// `[problem]` apart from the kind.
pub(crate) struct Identity {
    pub name: String,
    pub title: String,
    pub about: String,
    pub tags: Vec<String>,
    pub expect: Vec<Expectation>,
}

pub(crate) fn read_identity(reader: &mut Reader, section: &Section<'_>, kind: Kind) -> Identity {
    let name = match section.take("name") {
        // A missing table was reported as such.
        None if !section.is_present() => String::new(),
        None => {
            reader.missing(section, "name", "\"my-problem\"");
            String::new()
        }
        Some(entry) => {
            reader.record_entry(section, entry);
            read_name(reader, section, entry)
        }
    };
    let title = reader.text_or(section, "title", &name);
    let about = reader.text_or(section, "about", "");
    let tags = names(reader, section, "tags", None);
    let expect = spanned_names(reader, section, "expect", Some(&of_kind(STRUCTURES, kind)))
        .into_iter()
        .map(|(structure, span)| Expectation { structure, span })
        .collect();
    Identity {
        name,
        title,
        about,
        tags,
        expect,
    }
}

fn read_name(reader: &mut Reader, section: &Section<'_>, entry: &Entry) -> String {
    let Value::Text(name) = &entry.node.value else {
        reader.wrong_type(section, entry, "a string");
        return String::new();
    };
    reader.check_name(&entry.node, name, "problem.name");
    name.clone()
}

/// A list of names, checked against the known ones when there are any.
fn names(
    reader: &mut Reader,
    section: &Section<'_>,
    key: &'static str,
    known: Option<&[&'static str]>,
) -> Vec<String> {
    spanned_names(reader, section, key, known)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

/// The same, each with its place.
fn spanned_names(
    reader: &mut Reader,
    section: &Section<'_>,
    key: &'static str,
    known: Option<&[&'static str]>,
) -> Vec<(String, Range<usize>)> {
    let Some(entry) = section.take(key) else {
        return Vec::new();
    };
    reader.record_entry(section, entry);
    let place = format!("{}.{key}", section.name);
    let Some(list) = reader.names_at(&entry.node, &place) else {
        return Vec::new();
    };
    list.into_iter()
        .filter_map(|(name, node)| match known {
            Some(known) => reader
                .named_choice(&node, &name, &place, known)
                .map(|name| (name.to_owned(), node.span.clone())),
            None => Some((name, node.span)),
        })
        .collect()
}

/// Whether times run back to a `t_min` after the start of the horizon.
fn stops_early(kind: Kind) -> bool {
    kind.generates()
}

/// Reads `[time]`; `spacing` is the default spacing.
pub(crate) fn read_time(
    reader: &mut Reader,
    section: &Section<'_>,
    horizon: (f64, f64),
    spacing: Spacing,
    kind: Kind,
) -> TimeSettings {
    let window = read_window(reader, section, horizon);
    let (start, end) = (horizon.0, horizon.0 + window);
    let steps = reader.count(section, "steps");
    charge(reader, section, "steps", steps);
    let spacing = read_spacing(reader, section, spacing);
    let t_min = if stops_early(kind) {
        let default = start + 1e-3 * (end - start);
        reader.number_or(section, "t_min", default)
    } else {
        start
    };
    let place = |section: &Section<'_>, key: &'static str| {
        section
            .take(key)
            .map_or(section.span.clone(), |entry| entry.node.span.clone())
    };
    if t_min >= end {
        reader.push(Diagnostic::error(
            "E013",
            place(section, "t_min"),
            format!("`time.t_min` = {t_min} is not before the end of the horizon, {end}"),
        ));
    } else if t_min <= start && spacing != Spacing::Uniform && spacing != Spacing::Cosine {
        reader.push(if stops_early(kind) {
            Diagnostic::error(
                "E013",
                place(section, "t_min"),
                format!(
                    "spacing `{}` needs `time.t_min` after {start}",
                    spacing_name(spacing)
                ),
            )
            .help("set t_min = 1e-3, or spacing = \"uniform\"")
        } else {
            Diagnostic::error(
                "E016",
                place(section, "spacing"),
                format!(
                    "spacing `{}` has no meaning for kind `{kind}`",
                    spacing_name(spacing)
                ),
            )
            .note("accepted: uniform, cosine")
        });
    }
    let t_min = if t_min < end { t_min } else { start };
    let record = read_record(reader, section, t_min, end);
    reader.finish(section, &format!("kind `{kind}`"));
    TimeSettings {
        steps,
        spacing,
        t_min,
        window,
        record,
    }
}

/// Time over which paths are walked: all of the horizon where that ends.
fn read_window(reader: &mut Reader, section: &Section<'_>, (start, end): (f64, f64)) -> f64 {
    if end.is_infinite() {
        return reader.number(section, "window");
    }
    // Asked for it would stand among the keys that are valid here.
    if section.has("window")
        && let Some(entry) = section.take("window")
    {
        let reason = "`time.window` has no meaning where the horizon ends";
        reader.push(Diagnostic::error("E016", entry.key_span.clone(), reason));
    }
    end - start
}

fn spacing_name(spacing: Spacing) -> &'static str {
    match spacing {
        Spacing::Uniform => "uniform",
        Spacing::Log => "log",
        Spacing::LogSnr => "log-snr",
        Spacing::Cosine => "cosine",
        Spacing::Edm { .. } => "edm",
    }
}

fn spacing_text(spacing: Spacing) -> String {
    match spacing {
        Spacing::Edm { rho } => format!("{{ kind = \"edm\", rho = {} }}", float(rho)),
        other => quote(spacing_name(other)),
    }
}

fn read_spacing(reader: &mut Reader, section: &Section<'_>, default: Spacing) -> Spacing {
    let spacing = match section.take("spacing") {
        Some(entry) => spacing_at(reader, &entry.node, &section.name).unwrap_or(default),
        None => default,
    };
    reader.record(section, "spacing", spacing_text(spacing));
    spacing
}

fn spacing_at(reader: &mut Reader, node: &Node, section: &str) -> Option<Spacing> {
    let place = format!("{section}.spacing");
    let choices = SPACINGS;
    let (name, name_node, rho) = match &node.value {
        Value::Text(name) => (name, node, None),
        Value::Table(table) => {
            for entry in &table.entries {
                if !matches!(entry.key.as_str(), "kind" | "rho") {
                    reader.push(
                        Diagnostic::error(
                            "E021",
                            entry.key_span.clone(),
                            format!("unknown key `{}` in `{place}`", entry.key),
                        )
                        .note("valid here: kind, rho"),
                    );
                    return None;
                }
            }
            match table.get("kind").map(|entry| &entry.node) {
                Some(
                    kind @ Node {
                        value: Value::Text(name),
                        ..
                    },
                ) => (name, kind, table.get("rho")),
                _ => {
                    reader.push(
                        Diagnostic::error(
                            "E011",
                            node.span.clone(),
                            format!("`{place}` needs `kind`"),
                        )
                        .help("write spacing = { kind = \"edm\", rho = 7.0 }"),
                    );
                    return None;
                }
            }
        }
        other => {
            let label = format!("this is {}", other.kind());
            reader.push(
                Diagnostic::error(
                    "E012",
                    node.span.clone(),
                    format!("`{place}` must be the name of a spacing"),
                )
                .label(label)
                .note(format!("accepted: {}", choices.join(", "))),
            );
            return None;
        }
    };
    let rho = match rho {
        Some(entry) => {
            let value = reader.number_at(&entry.node, &format!("{place}.rho"))?;
            reader.bounded(&entry.node, &format!("{place}.rho"), value, Bound::Positive)?
        }
        None => 7.0,
    };
    match reader.named_choice(name_node, name, &place, &choices)? {
        "uniform" => Some(Spacing::Uniform),
        "log" => Some(Spacing::Log),
        "log-snr" => Some(Spacing::LogSnr),
        "cosine" => Some(Spacing::Cosine),
        _ => Some(Spacing::Edm { rho }),
    }
}

/// Refuses a size of a table that asks for too much.
fn charge(reader: &mut Reader, section: &Section<'_>, key: &'static str, count: usize) {
    if let Some(entry) = section.take(key) {
        let dimension = reader.formulas.state().len().max(1);
        let place = format!("{}.{key}", section.name);
        reader.charge(&entry.node, &place, plain(key, count, dimension));
    }
}

/// Times at which densities are recorded: given, or `count` of them, closer together near `t_min`.
fn read_record(reader: &mut Reader, section: &Section<'_>, t_min: f64, end: f64) -> Vec<f64> {
    let spread = |count: usize| -> Vec<f64> {
        (0..count)
            .map(|k| {
                let fraction = k as f64 / (count - 1) as f64;
                t_min + (end - t_min) * fraction * fraction
            })
            .collect()
    };
    let times = match section.take("record") {
        None => spread(9),
        Some(entry) => match &entry.node.value {
            Value::Array(_) => {
                let times = reader
                    .numbers_at(&entry.node, "time.record")
                    .unwrap_or_default();
                let slack = 1e-12 * end.abs();
                if let Some(t) = times
                    .iter()
                    .find(|t| !(**t >= t_min - slack && **t <= end + slack))
                {
                    reader.push(Diagnostic::error(
                        "E013",
                        entry.node.span.clone(),
                        format!("`time.record` holds {t}, outside [{t_min}, {end}]"),
                    ));
                }
                let mut times: Vec<f64> = times
                    .iter()
                    .map(|t| t.clamp(t_min, end.max(t_min)))
                    .collect();
                times.sort_by(f64::total_cmp);
                times
            }
            _ => {
                let count = reader.whole_number(&entry.node, "time.record", 2);
                if count.is_some_and(|count| count > MOST_RECORDED) {
                    let message = format!("`time.record` asks for more than {MOST_RECORDED} times");
                    let span = entry.node.span.clone();
                    reader.push(Diagnostic::error("E610", span, message));
                }
                spread(count.filter(|count| *count <= MOST_RECORDED).unwrap_or(9))
            }
        },
    };
    reader.record(section, "record", floats(&times));
    times
}

/// `[run] seed`, which the choice of table rows needs before everything else.
pub(crate) fn read_seed(reader: &mut Reader, section: &Section<'_>) -> u64 {
    reader.count(section, "seed") as u64
}

/// The rest of `[run]`; `paths` is the default number of paths.
pub(crate) fn read_run(
    reader: &mut Reader,
    section: &Section<'_>,
    seed: u64,
    paths: usize,
    kind: Kind,
) -> RunSettings {
    let paths = reader.count_or(section, "paths", paths);
    charge(reader, section, "paths", paths);
    let threads = reader.count(section, "threads");
    let plots = read_plots(reader, section, kind);
    let max_time = reader.optional_number(section, "max_time");
    if let (Some(entry), Some(_)) = (section.take("max_time"), max_time.filter(|s| *s > LONGEST)) {
        let message = format!("`run.max_time` is more than {LONGEST} seconds, a century");
        reader.push(Diagnostic::error("E013", entry.node.span.clone(), message));
    }
    RunSettings {
        seed,
        paths,
        threads,
        plots,
        max_time,
    }
}

fn read_plots(reader: &mut Reader, section: &Section<'_>, kind: Kind) -> Vec<String> {
    if section.has("plots") {
        return names(reader, section, "plots", Some(&of_kind(PLOTS, kind)));
    }
    section.take("plots");
    let plots: Vec<String> = kind
        .standard_plots()
        .iter()
        .map(|plot| (*plot).to_owned())
        .collect();
    reader.record(section, "plots", quotes(&plots));
    plots
}

pub(crate) fn read_sample(
    reader: &mut Reader,
    section: &Section<'_>,
    time: &TimeSettings,
    paths: usize,
) -> SampleSettings {
    let noise_levels = match section.take("h") {
        None => {
            reader.record(section, "h", floats(&[0.0, 1.0]));
            vec![0.0, 1.0]
        }
        Some(entry) => {
            reader.record_entry(section, entry);
            let levels = match &entry.node.value {
                Value::Array(_) => reader.numbers_at(&entry.node, "sample.h"),
                _ => reader.number_at(&entry.node, "sample.h").map(|h| vec![h]),
            };
            let levels = levels.unwrap_or_default();
            for h in &levels {
                reader.bounded(&entry.node, "sample.h", *h, Bound::NotNegative);
            }
            levels
        }
    };
    let integrator = reader
        .one(section, "integrator")
        .unwrap_or(Integrator::Heun);
    let steps = reader.count_or(section, "steps", time.steps);
    charge(reader, section, "steps", steps);
    let spacing = read_spacing(reader, section, time.spacing);
    let paths = reader.count_or(section, "paths", paths);
    charge(reader, section, "paths", paths);
    reader.finish(section, "this problem");
    SampleSettings {
        noise_levels,
        integrator,
        steps,
        spacing,
        paths,
    }
}

/// Every `[reference.NAME]`; one with several components becomes `NAME[0]`, `NAME[1]`, ...
pub(crate) fn read_references(reader: &mut Reader, root: &Table, kind: Kind) -> Vec<Reference> {
    let mut references = Vec::new();
    let Some(tables) = root.table("reference") else {
        return references;
    };
    for entry in &tables.entries {
        let Value::Table(table) = &entry.node.value else {
            continue;
        };
        if let Some(found) = read_reference(reader, entry, table, kind) {
            references.extend(found);
        }
    }
    references
}

fn read_reference(
    reader: &mut Reader,
    entry: &Entry,
    table: &Table,
    kind: Kind,
) -> Option<Vec<Reference>> {
    reader.check_key(entry, "reference");
    let place = format!("reference.{}", entry.key);
    let header = format!("[reference.{}]", resolved::key(&entry.key));
    let section = reader.element(&place, header, entry.key_span.clone(), table);
    if kind.is_reverse() && !REFERENCES.contains(&entry.key.as_str()) {
        let diagnostic = unknown_reference(entry);
        reader.push(diagnostic.hint(did_you_mean(&entry.key, REFERENCES)));
        return None;
    }
    let Some(value) = section.take("value") else {
        reader.missing(&section, "value", "a number");
        return None;
    };
    reader.record_entry(&section, value);
    let place = format!("{place}.value");
    let several = !kind.is_reverse() && matches!(value.node.value, Value::Array(_));
    let values = if several {
        reader.numbers_at(&value.node, &place)
    } else {
        reader
            .number_at(&value.node, &place)
            .map(|value| vec![value])
    };
    let tolerance = reader.number(&section, "tol");
    let source = reader.text_or(&section, "source", "");
    let values = values?;
    for number in &values {
        reader.bounded(&value.node, &place, *number, Bound::Finite)?;
    }
    let named = values.into_iter().enumerate().map(|(i, value)| Reference {
        name: if several {
            format!("{}[{i}]", entry.key)
        } else {
            entry.key.clone()
        },
        value,
        tolerance,
        source: source.clone(),
    });
    Some(named.collect())
}

/// Quantities of a reverse run a known number may be compared with: entropies of the data and of the law at
/// the end of the horizon, negative log-likelihood of the data under the reverse law (at every or at a
/// given noise level), and 2-Wasserstein distance between that law and the data.
pub const REFERENCES: [&str; 8] = [
    "value",
    "entropy_data",
    "entropy_end",
    "nll",
    "nll_h0",
    "nll_h1",
    "w2_h0",
    "w2_h1",
];

fn unknown_reference(entry: &Entry) -> Diagnostic {
    Diagnostic::error(
        "E025",
        entry.key_span.clone(),
        format!("no quantity is called `{}`", entry.key),
    )
    .note(format!("quantities: {}", REFERENCES.join(", ")))
}

pub(crate) fn read_output(reader: &mut Reader, section: &Section<'_>) -> OutputSettings {
    let directory = reader.text_or(section, "dir", "runs");
    if let Some(entry) = section.take("dir") {
        let places = &mut reader.formulas.places;
        places.insert("output.dir".to_owned(), entry.node.span.clone());
    }
    let save = names(reader, section, "save", Some(&SAVES));
    let html = is_written(reader, section, "report");
    let arrays = is_written(reader, section, "arrays");
    let events = is_written(reader, section, "events");
    reader.finish(section, "this problem");
    OutputSettings {
        directory: PathBuf::from(directory),
        html,
        arrays,
        events,
        save,
    }
}

/// Whether a file is written in its format, or not at all.
fn is_written(reader: &mut Reader, section: &Section<'_>, key: &'static str) -> bool {
    reader
        .choice(section, key)
        .is_some_and(|format| format != "none")
}
