//! Reads what later stages interpret: `[[identity]]`, `[sweep]`, `[units]`.

use crate::problem::format::schema;
use crate::problem::format::tables::Shape;
use crate::problem::meant::claim::{
    Binding, Claim, IdentitySpec, Sweep, SweepAxis, SweepMode, Typed, Under,
};
use crate::problem::meant::named::Named;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Entry, Node, Table, Value, offset_in_token};
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::float;
use crate::problem::text::suggest::did_you_mean;

/// Most values of one swept key.
const MOST_VALUES: usize = 10_000;

fn typed(reader: &mut Reader, node: &Node, place: &str) -> Option<Typed> {
    match &node.value {
        Value::Text(text) => Some(Typed {
            text: text.clone(),
            span: node.span.clone(),
        }),
        Value::Integer(_) | Value::Float(_) => Some(Typed {
            text: reader.typed(node),
            span: node.span.clone(),
        }),
        other => {
            let label = format!("this is {}", other.kind());
            let message = format!("`{place}` must be an expression");
            reader.push(Diagnostic::error("E012", node.span.clone(), message).label(label));
            None
        }
    }
}

fn typed_key(reader: &mut Reader, section: &Section<'_>, key: &'static str) -> Option<Typed> {
    let entry = section.take(key)?;
    reader.record_entry(section, entry);
    typed(reader, &entry.node, &format!("identity.{key}"))
}

/// Reads every `[[identity]]`.
pub(crate) fn read_identities(reader: &mut Reader, root: &Table) -> Vec<IdentitySpec> {
    let items: &[Node] = match root.get("identity").map(|entry| &entry.node.value) {
        Some(Value::Array(items)) => items,
        _ => &[],
    };
    let mut identities: Vec<IdentitySpec> = Vec::new();
    for node in items {
        let Value::Table(table) = &node.value else {
            continue;
        };
        let span = table
            .entries
            .first()
            .map_or(node.span.clone(), |entry| entry.key_span.clone());
        let section = reader.element("identity", "[[identity]]".to_owned(), span.clone(), table);
        let Some(identity) = read_identity(reader, &section) else {
            continue;
        };
        if let Some(first) = identities.iter().find(|other| other.name == identity.name) {
            let message = format!("two identities have the name `{}`", identity.name);
            let diagnostic =
                Diagnostic::error("E024", span, message).also(first.span.clone(), "the first one");
            reader.push(diagnostic);
            continue;
        }
        identities.push(identity);
    }
    identities
}

fn read_identity(reader: &mut Reader, section: &Section<'_>) -> Option<IdentitySpec> {
    let name = reader.name(section, "name");
    if name.is_none() && section.take("name").is_none() {
        reader.missing(section, "name", "\"my-claim\"");
    }
    let bindings = section.take("let").map_or(Some(Vec::new()), |entry| {
        read_bindings(reader, section, entry)
    });
    let under = section.take("under").map_or(Some(None), |entry| {
        read_under(reader, section, entry).map(Some)
    });
    let at = reader.optional_number(section, "at");
    let claim = read_claim(reader, section);
    reader.finish(section, "this identity");
    Some(IdentitySpec {
        name: name?,
        span: section.span.clone(),
        bindings: bindings?,
        under: under?,
        at,
        claim: claim?,
    })
}

fn read_bindings(
    reader: &mut Reader,
    section: &Section<'_>,
    entry: &Entry,
) -> Option<Vec<Binding>> {
    reader.record_entry(section, entry);
    let Value::Table(table) = &entry.node.value else {
        reader.wrong_type(section, entry, "a table, let = { v = [\"...\"] }");
        return None;
    };
    let bindings: Vec<Option<Binding>> = table
        .entries
        .iter()
        .map(|entry| {
            let place = format!("identity.let.{}", entry.key);
            let nodes: Vec<&Node> = match &entry.node.value {
                Value::Array(items) => items.iter().collect(),
                _ => vec![&entry.node],
            };
            let components: Vec<Option<Typed>> = nodes
                .into_iter()
                .map(|node| typed(reader, node, &place))
                .collect();
            Some(Binding {
                name: entry.key.clone(),
                components: components.into_iter().collect::<Option<_>>()?,
                list: matches!(entry.node.value, Value::Array(_)),
            })
        })
        .collect();
    bindings.into_iter().collect()
}

/// `forward`, `reverse` or `controlled(...)`.
fn read_under(reader: &mut Reader, section: &Section<'_>, entry: &Entry) -> Option<Under> {
    reader.record_entry(section, entry);
    let Value::Text(text) = &entry.node.value else {
        reader.wrong_type(
            section,
            entry,
            "\"forward\", \"reverse\" or \"controlled(v)\"",
        );
        return None;
    };
    let inside = text
        .strip_prefix("controlled(")
        .and_then(|rest| rest.strip_suffix(')'));
    match (text.as_str(), inside) {
        ("forward", _) => Some(Under::Forward),
        ("reverse", _) => Some(Under::Reverse),
        (_, Some(inside)) => {
            let raw = reader.source.slice(entry.node.span.clone()).to_owned();
            let start = "controlled(".len();
            let locate = |offset: usize| entry.node.span.start + offset_in_token(&raw, offset);
            Some(Under::Controlled(Typed {
                text: inside.to_owned(),
                span: locate(start)..locate(start + inside.len()),
            }))
        }
        _ => {
            let names = ["forward", "reverse", "controlled(v)"];
            let diagnostic = Diagnostic::error(
                "E014",
                entry.node.span.clone(),
                format!("unknown name `{text}` for `identity.under`"),
            )
            .note(format!("accepted: {}", names.join(", ")));
            reader.push(diagnostic.hint(did_you_mean(text, names)));
            None
        }
    }
}

/// `lhs` and `rhs`, or `claim`, or `steps`.
fn read_claim(reader: &mut Reader, section: &Section<'_>) -> Option<Claim> {
    let stated = [
        section.has("lhs") || section.has("rhs"),
        section.has("claim"),
        section.has("steps"),
    ];
    let left = typed_key(reader, section, "lhs");
    let right = typed_key(reader, section, "rhs");
    let statement = typed_key(reader, section, "claim");
    let steps = section.take("steps").map(|entry| {
        reader.record_entry(section, entry);
        read_steps(reader, section, entry)
    });
    if stated.iter().filter(|stated| **stated).count() != 1 {
        reader.push(
            Diagnostic::error(
                "E011",
                section.span.clone(),
                "[[identity]] needs one of: `lhs` with `rhs`, `claim`, `steps`",
            )
            .help("write lhs = \"E[ norm2(score) ]\" and rhs = \"-E[ div(score) ]\""),
        );
        return None;
    }
    if let Some(steps) = steps {
        return steps.map(Claim::Steps);
    }
    if let Some(statement) = statement {
        return Some(Claim::Statement(statement));
    }
    if stated[0] && left.is_some() != right.is_some() {
        let missing = if left.is_none() { "lhs" } else { "rhs" };
        if !section.has(missing) {
            reader.missing(section, missing, "\"...\"");
        }
    }
    Some(Claim::Sides {
        left: left?,
        right: right?,
    })
}

fn read_steps(reader: &mut Reader, section: &Section<'_>, entry: &Entry) -> Option<Vec<Typed>> {
    let items = match &entry.node.value {
        Value::Array(items) if items.len() >= 2 => items,
        _ => {
            reader.wrong_type(section, entry, "a list of at least two expressions");
            return None;
        }
    };
    let steps: Vec<Option<Typed>> = items
        .iter()
        .enumerate()
        .map(|(i, item)| typed(reader, item, &format!("identity.steps[{i}]")))
        .collect();
    steps.into_iter().collect()
}

/// Reads `[units]`: the unit of `t`, of the state, its components and the parameters, as typed.
pub(crate) fn read_units(
    reader: &mut Reader,
    section: &Section<'_>,
    state: Option<&str>,
    known: &[String],
) -> Vec<(String, Typed)> {
    let mut names: Vec<&str> = vec!["t"];
    names.extend(state);
    names.extend(known.iter().map(String::as_str));
    let mut units = Vec::new();
    for entry in section.entries() {
        reader.record_named(section, entry);
        if !names.contains(&entry.key.as_str()) {
            let diagnostic = Diagnostic::error(
                "E025",
                entry.key_span.clone(),
                format!("`{}` has no unit: nothing has this name", entry.key),
            )
            .note(format!("names with a unit: {}", names.join(", ")));
            reader.push(diagnostic.hint(did_you_mean(&entry.key, names.iter().copied())));
            continue;
        }
        let place = format!("units.{}", entry.key);
        if let Some(text) = typed(reader, &entry.node, &place) {
            units.push((entry.key.clone(), text));
        }
    }
    units
}

/// Reads `[sweep]`.
pub(crate) fn read_sweep(
    reader: &mut Reader,
    root: &Table,
    section: &Section<'_>,
    solvers: &[&str],
) -> Option<Sweep> {
    if !section.is_present() {
        return None;
    }
    let mode = reader.one(section, "mode").unwrap_or(SweepMode::Grid);
    let repeat = reader.count(section, "repeat");
    let samples = if mode == SweepMode::Random && section.has("samples") {
        reader.optional_count(section, "samples")
    } else {
        None
    };
    if mode == SweepMode::Random && samples.is_none() {
        reader.missing(section, "samples", "20");
    }
    let collect = match section.take("collect") {
        None => Vec::new(),
        Some(entry) => {
            reader.record_entry(section, entry);
            let names = reader.names_at(&entry.node, "sweep.collect");
            names
                .unwrap_or_default()
                .into_iter()
                .map(|(name, _)| name)
                .collect()
        }
    };
    let over = section.take("over");
    reader.finish(section, &format!("mode `{}`", mode.name()));
    let Some(over) = over else {
        reader.missing(section, "over", "{ \"params.a\" = [0.5, 1.0] }");
        return None;
    };
    let Value::Table(table) = &over.node.value else {
        reader.wrong_type(section, over, "a table, [sweep.over]");
        return None;
    };
    let values = reader.element(
        "sweep.over",
        "[sweep.over]".to_owned(),
        over.key_span.clone(),
        table,
    );
    let mut axes = Vec::new();
    for entry in &table.entries {
        reader.record_named(&values, entry);
        let known = known_path(reader, root, entry, solvers);
        if let (true, Some(values)) = (known, read_values(reader, entry)) {
            axes.push(SweepAxis {
                key: entry.key.clone(),
                values,
            });
        }
    }
    same_lengths(reader, over, mode, &axes);
    Some(Sweep {
        mode,
        repeat,
        samples,
        collect,
        axes,
    })
}

/// Values swept together must be as many.
fn same_lengths(reader: &mut Reader, over: &Entry, mode: SweepMode, axes: &[SweepAxis]) {
    let Some(first) = axes.first() else { return };
    let other = axes
        .iter()
        .find(|axis| axis.values.len() != first.values.len());
    if let (SweepMode::Zip, Some(other)) = (mode, other) {
        reader.push(Diagnostic::error(
            "E015",
            over.key_span.clone(),
            format!(
                "mode `zip` needs equally many values: `{}` has {}, `{}` has {}",
                first.key,
                first.values.len(),
                other.key,
                other.values.len()
            ),
        ));
    }
}

/// Whether a swept path leads to a parameter, a key of a table, or an option of a solver.
fn known_path(reader: &mut Reader, root: &Table, entry: &Entry, solvers: &[&str]) -> bool {
    let parts: Vec<&str> = entry.key.split('.').collect();
    let parameters = || -> Vec<&str> {
        match root.get("params").map(|entry| &entry.node.value) {
            Some(Value::Table(table)) => table.entries.iter().map(|e| e.key.as_str()).collect(),
            _ => Vec::new(),
        }
    };
    let (typed, valid, what): (&str, Vec<&str>, String) = match parts.as_slice() {
        ["params", name] => (name, parameters(), "no parameter".to_owned()),
        ["solver", id, _] if !solvers.contains(id) => {
            (id, solvers.to_vec(), "no solver has the id".to_owned())
        }
        ["solver", _, option] => match schema::table("solver") {
            Some(table) => (
                option,
                schema::keys(table, &reader.vocabulary)
                    .iter()
                    .map(|key| key.name)
                    .collect(),
                "no solver has the option".to_owned(),
            ),
            None => return false,
        },
        [name, key] => match schema::table(name) {
            Some(table) if matches!(table.shape, Shape::Single) => (
                key,
                table.key_names().collect(),
                format!("[{name}] has no key"),
            ),
            _ => (
                name,
                vec!["params", "dynamics", "time", "run", "sample", "solver"],
                "no table".to_owned(),
            ),
        },
        _ => {
            reader.push(
                Diagnostic::error(
                    "E025",
                    entry.key_span.clone(),
                    format!("`{}` is not the path of a key", entry.key),
                )
                .note("accepted: params.NAME, TABLE.KEY, solver.ID.OPTION"),
            );
            return false;
        }
    };
    if valid.contains(&typed) {
        return true;
    }
    let diagnostic = Diagnostic::error(
        "E025",
        entry.key_span.clone(),
        format!("{what} `{typed}`, so `{}` cannot be swept", entry.key),
    );
    let diagnostic = diagnostic.hint(did_you_mean(typed, valid.iter().copied()));
    reader.push(if valid.is_empty() {
        diagnostic
    } else {
        diagnostic.note(format!("known: {}", valid.join(", ")))
    });
    false
}

/// A list of values, `linspace(a, b, n)` or `logspace(a, b, n)`.
fn read_values(reader: &mut Reader, entry: &Entry) -> Option<Vec<String>> {
    match &entry.node.value {
        Value::Array(items) if !items.is_empty() => {
            let texts = items.iter().map(|item| reader.typed(item));
            Some(texts.collect())
        }
        Value::Text(text) => {
            let values = spaced(text);
            if values.is_none() {
                not_values(reader, entry);
            }
            values
        }
        _ => {
            not_values(reader, entry);
            None
        }
    }
}

fn not_values(reader: &mut Reader, entry: &Entry) {
    reader.push(
        Diagnostic::error(
            "E013",
            entry.node.span.clone(),
            format!("`{}` has no values to sweep", entry.key),
        )
        .note("accepted: [0.1, 0.2], \"linspace(from, to, count)\", \"logspace(from, to, count)\" with exponents of ten"),
    );
}

fn spaced(text: &str) -> Option<Vec<String>> {
    let (name, rest) = text.trim().split_once('(')?;
    let parts: Vec<&str> = rest.strip_suffix(')')?.split(',').map(str::trim).collect();
    let [from, to, count] = parts.as_slice() else {
        return None;
    };
    let (from, to): (f64, f64) = (from.parse().ok()?, to.parse().ok()?);
    let count: usize = count.parse().ok()?;
    if !(2..=MOST_VALUES).contains(&count) || !from.is_finite() || !to.is_finite() {
        return None;
    }
    let at = |k: usize| from + (to - from) * k as f64 / (count - 1) as f64;
    let value = |k: usize| match name.trim() {
        "linspace" => Some(at(k)),
        "logspace" => Some(10.0_f64.powf(at(k))),
        _ => None,
    };
    (0..count).map(|k| value(k).map(float)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenly_and_logarithmically_spaced_values() {
        let values = |text: &str| spaced(text).expect("values");
        assert_eq!(values("linspace(0, 1, 3)"), ["0.0", "0.5", "1.0"]);
        assert_eq!(values("logspace(-2, 0, 3)"), ["0.01", "0.1", "1.0"]);
        for text in [
            "linspace(0, 1)",
            "linspace(0, 1, 1)",
            "cubes(0, 1, 3)",
            "0:3",
        ] {
            assert_eq!(spaced(text), None, "{text}");
        }
    }
}
