//! Checks that every table and key of a file exists and belongs to its kind.

use crate::problem::format::key::{Form, Key};
use crate::problem::format::tables::{Shape, TableSchema, part, tables};
use crate::problem::format::vocabulary::Vocabulary;
use crate::problem::meant::kind::Kind;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Entry, Node, Table, Value};
use crate::problem::text::suggest::{did_you_mean, synonym};
use std::ops::Range;

/// The schema of a table.
pub fn table(name: &str) -> Option<&'static TableSchema> {
    tables().find(|table| table.name == name)
}

/// The keys of a table; `[[solver]]` has those of every method, `[dynamics]` those of every preset.
pub fn keys(table: &'static TableSchema, vocabulary: &Vocabulary) -> Vec<&'static Key> {
    let own = table.keys.iter();
    match table.name {
        "solver" => own.chain(vocabulary.options()).collect(),
        "dynamics" => own.chain(vocabulary.preset_keys()).collect(),
        _ => own.collect(),
    }
}

/// Names of the tables a problem of this kind may use.
pub fn tables_of(kind: Kind) -> Vec<&'static str> {
    tables()
        .filter(|table| !matches!(table.shape, Shape::Later) && table.kinds.contains(&kind))
        .map(|table| table.name)
        .collect()
}

/// Checks that every table and key exists, before anything is interpreted.
pub(crate) fn check_keys(root: &Table, kind: Kind, vocabulary: &Vocabulary) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for entry in &root.entries {
        if entry.key == "format" {
            continue;
        }
        match table(&entry.key) {
            None => diagnostics.push(unknown_table(entry, kind)),
            Some(schema) => {
                let keys = keys(schema, vocabulary);
                check_table(schema, &keys, entry, kind, &mut diagnostics);
            }
        }
    }
    diagnostics
}

fn unknown_table(entry: &Entry, kind: Kind) -> Diagnostic {
    let names = tables().map(|table| table.name);
    let is_table = matches!(entry.node.value, Value::Table(_) | Value::Array(_));
    let home = home_of(&entry.key);
    let diagnostic = if is_table {
        Diagnostic::error(
            "E020",
            entry.key_span.clone(),
            format!("unknown table [{}]", entry.key),
        )
    } else {
        Diagnostic::error(
            "E021",
            entry.key_span.clone(),
            format!("unknown key `{}` at the top of the file", entry.key),
        )
    };
    let suggestion = did_you_mean(&entry.key, names)
        .or_else(|| home.map(|home| format!("`{}` belongs to [{home}]", entry.key)));
    let diagnostic = diagnostic.hint(suggestion);
    diagnostic.note(format!("tables: {}", tables_of(kind).join(", ")))
}

/// What is wrong with a table that this version or this kind does not have.
fn misplaced(
    schema: &'static TableSchema,
    place: &std::ops::Range<usize>,
    kind: Kind,
) -> Option<Diagnostic> {
    let name = schema.name;
    if matches!(schema.shape, Shape::Later) {
        let message = format!("[{name}] is part of the format but not of this version");
        let diagnostic = Diagnostic::error("E023", place.clone(), message);
        return Some(diagnostic.help("remove the table; nothing else in the file depends on it"));
    }
    if schema.kinds.contains(&kind) {
        return None;
    }
    let kinds: Vec<&str> = schema.kinds.iter().map(|kind| kind.name()).collect();
    let message = format!(
        "[{name}] does not belong to kind `{kind}`; it belongs to {}",
        kinds.join(" and ")
    );
    let diagnostic = Diagnostic::error("E020", place.clone(), message);
    if schema.key("family").is_none() || name == "prior" {
        return Some(diagnostic);
    }
    let required = kind.required_tables();
    let homes = tables_of(kind).into_iter();
    let laws = homes.filter(|name| required.contains(name) && *name != "dynamics");
    let laws: Vec<String> = laws.map(|name| format!("[{name}]")).collect();
    Some(diagnostic.note(format!("kind `{kind}` needs {}", laws.join(" and "))))
}

fn check_table(
    schema: &'static TableSchema,
    keys: &[&'static Key],
    entry: &Entry,
    kind: Kind,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let place = entry.key_span.clone();
    if let Some(diagnostic) = misplaced(schema, &place, kind) {
        diagnostics.push(diagnostic);
        return;
    }
    match (schema.shape, &entry.node.value) {
        (Shape::Single, Value::Table(table)) => {
            check_entries(schema, keys, schema.name, table, diagnostics);
        }
        (Shape::Free(_), Value::Table(_)) => {}
        (Shape::List, Value::Array(items)) if items.iter().all(is_table) => {
            for item in items {
                if let Value::Table(table) = &item.value {
                    check_entries(schema, keys, schema.name, table, diagnostics);
                }
            }
        }
        (Shape::Named, Value::Table(table)) => check_named(schema, keys, table, diagnostics),
        (shape, value) => {
            let wanted = match shape {
                Shape::Single | Shape::Free(_) | Shape::Part | Shape::Later => {
                    format!("a table, [{}]", schema.name)
                }
                Shape::List => format!("a list of tables, [[{}]]", schema.name),
                Shape::Named => format!("tables [{}.NAME]", schema.name),
            };
            diagnostics.push(
                Diagnostic::error("E012", place, format!("`{}` must be {wanted}", schema.name))
                    .label(format!("this is {}", value.kind())),
            );
        }
    }
}

fn is_table(node: &Node) -> bool {
    matches!(node.value, Value::Table(_))
}

fn check_named(
    schema: &'static TableSchema,
    keys: &[&'static Key],
    table: &Table,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for entry in &table.entries {
        match &entry.node.value {
            Value::Table(inner) => {
                let place = format!("{}.{}", schema.name, entry.key);
                check_entries(schema, keys, &place, inner, diagnostics);
            }
            value => diagnostics.push(
                Diagnostic::error(
                    "E012",
                    entry.key_span.clone(),
                    format!("`{}.{}` must be a table", schema.name, entry.key),
                )
                .label(format!("this is {}", value.kind()))
                .help(format!(
                    "write [{}.{}] and give it value = ...",
                    schema.name, entry.key
                )),
            ),
        }
    }
}

fn check_entries(
    schema: &'static TableSchema,
    keys: &[&'static Key],
    place: &str,
    table: &Table,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for entry in &table.entries {
        let key = entry.key.as_str();
        if let Some(known) = keys.iter().find(|known| known.name == key) {
            check_inner(known, place, &entry.node, diagnostics);
            continue;
        }
        diagnostics.push(if schema.later.contains(&key) {
            Diagnostic::error(
                "E023",
                entry.key_span.clone(),
                format!("`{place}.{key}` is part of the format but not of this version"),
            )
            .help("remove the key")
        } else {
            unknown_key(keys, place, key, entry.key_span.clone())
        });
    }
}

/// Keys of a table inside a table.
fn check_inner(key: &Key, place: &str, node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    let Form::Table(name) = key.form else { return };
    let keys: Vec<&Key> = part(name).iter().collect();
    let place = format!("{place}.{}", key.name);
    let Value::Table(table) = &node.value else {
        diagnostics.push(
            Diagnostic::error(
                "E012",
                node.span.clone(),
                format!("`{place}` must be a table, [{place}]"),
            )
            .label(format!("this is {}", node.value.kind())),
        );
        return;
    };
    for entry in &table.entries {
        if !keys.iter().any(|known| known.name == entry.key) {
            diagnostics.push(unknown_key(
                &keys,
                &place,
                &entry.key,
                entry.key_span.clone(),
            ));
        }
    }
}

fn unknown_key(keys: &[&Key], place: &str, key: &str, span: Range<usize>) -> Diagnostic {
    if key == "format" || table(key).is_some() {
        return Diagnostic::error(
            "E022",
            span,
            format!("`{key}` belongs at the top of the file, but stands in [{place}]"),
        )
        .note("in TOML a key belongs to the last [table] above it")
        .help(format!("move `{key}` above the first [table]"));
    }
    let valid: Vec<&str> = keys.iter().map(|key| key.name).collect();
    let diagnostic = Diagnostic::error("E021", span, format!("unknown key `{key}` in [{place}]"));
    let advice = did_you_mean(key, valid.iter().copied())
        .or_else(|| synonym(key, &valid))
        .or_else(|| home_of(key).map(|home| format!("`{key}` belongs to [{home}]")));
    let diagnostic = diagnostic.hint(advice);
    let table = place.split('.').next().unwrap_or(place);
    diagnostic.note(format!("valid here: {}", listed(&valid, table)))
}

/// The names of a list, cut where the whole of it would bury the message.
fn listed(names: &[&str], table: &str) -> String {
    const MOST: usize = 15;
    const SHOWN: usize = 10;
    if names.len() <= MOST {
        return names.join(", ");
    }
    format!(
        "{}, ... (onsager schema {table})",
        names[..SHOWN].join(", ")
    )
}

/// The only table that has this key, if there is just one.
fn home_of(key: &str) -> Option<&'static str> {
    let mut homes = tables().filter(|table| table.key(key).is_some());
    match (homes.next(), homes.next()) {
        (Some(home), None) => Some(home.name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::text::document::parse;

    fn codes(text: &str) -> Vec<(&'static str, String)> {
        check_keys(
            &parse(text).expect("valid TOML"),
            Kind::Reverse,
            &Vocabulary::empty(),
        )
        .into_iter()
        .map(|d| (d.code, d.label))
        .collect()
    }

    #[test]
    fn a_misspelt_key_a_foreign_key_and_a_misspelt_table_are_found_in_one_pass() {
        let found = codes("[dynamics]\ndifusion = 1\nt_min = 2\n[tyme]\nsteps = 3\n");
        assert_eq!(
            found,
            vec![
                ("E021", "did you mean `diffusion`?".to_owned()),
                ("E021", "`t_min` belongs to [time]".to_owned()),
                ("E020", "did you mean `time`?".to_owned()),
            ]
        );
    }

    #[test]
    fn a_key_that_slid_into_a_table_is_recognised() {
        assert_eq!(codes("[problem]\nname = \"a\"\nformat = 1\n")[0].0, "E022");
    }

    #[test]
    fn features_of_later_versions_are_named_as_such() {
        assert_eq!(codes("[analysis]\nwkb = true\n")[0].0, "E023");
        assert_eq!(codes("[[solver]]\ncheckpoint = 3\n")[0].0, "E023");
        assert_eq!(codes("[cost]\nrunning = 1\n")[0].0, "E020");
    }
}
