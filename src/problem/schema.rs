//! Which tables and keys exist, and which of them this version solves.

use crate::problem::diagnostic::Diagnostic;
use crate::problem::document::{Entry, Node, Table, Value};
use crate::problem::suggest::{did_you_mean, synonym};
use std::ops::Range;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `[name]` with the listed keys.
    Single,
    /// `[name]` with keys of the user's choice.
    Free,
    /// `[[name]]`, any number of times.
    List,
    /// `[name.NAME]`, each with the listed keys.
    Named,
}

/// Whether `kind = "reverse"` may use a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Used,
    /// Part of the format, not of this version.
    Later,
    /// Belongs to other kinds.
    OtherKind(&'static str),
}

/// One table of the format.
#[derive(Clone, Copy, Debug)]
pub struct TableSchema {
    pub name: &'static str,
    pub shape: Shape,
    pub standing: Standing,
    pub keys: &'static [&'static str],
    /// Keys of the format that this version does not act on.
    pub later: &'static [&'static str],
}

/// Kinds of the format; only the first is solved by this version.
pub const KINDS: [&str; 6] = ["reverse", "control", "bridge", "path", "sample", "simulate"];

/// Every table, in the order of `check --resolved`.
pub const TABLES: &[TableSchema] = &[
    used(
        "problem",
        Shape::Single,
        &["name", "kind", "title", "about", "tags", "expect"],
        &[],
    ),
    used("params", Shape::Free, &[], &[]),
    used("define", Shape::Free, &[], &[]),
    used("data", Shape::Single, LAW_KEYS, &["exact"]),
    used("prior", Shape::Single, LAW_KEYS, &["exact"]),
    used(
        "dynamics",
        Shape::Single,
        &[
            "state",
            "horizon",
            "preset",
            "beta",
            "sigma",
            "rate",
            "mean",
            "A",
            "a",
            "S",
            "drift",
            "diffusion",
            "calculus",
            "domain",
        ],
        &[
            "control",
            "potential",
            "temperature",
            "mass",
            "friction",
            "control_bounds",
            "boundary",
        ],
    ),
    used(
        "time",
        Shape::Single,
        &["steps", "spacing", "t_min", "record"],
        &[],
    ),
    used(
        "run",
        Shape::Single,
        &[
            "solvers", "checks", "plots", "seed", "paths", "threads", "max_time",
        ],
        &["precision"],
    ),
    used(
        "solver",
        Shape::List,
        &[
            "id",
            "method",
            "field",
            "optimizer",
            "objective",
            "paths",
            "steps",
            "points",
            "samples",
            "ridge",
            "tol",
            "max_iter",
        ],
        &[
            "use",
            "integrator",
            "h",
            "score",
            "rtol",
            "scheme",
            "duration",
            "functional",
            "images",
            "particles",
            "step_size",
            "warmup",
            "estimator",
            "weighting",
            "checkpoint",
            "potential",
            "potentials",
            "levels",
            "kernel",
            "alpha",
        ],
    ),
    used(
        "check",
        Shape::List,
        &[
            "check",
            "id",
            "on",
            "tol",
            "rtol",
            "confidence",
            "samples",
            "severity",
        ],
        &["against", "order", "levels", "until"],
    ),
    used(
        "sample",
        Shape::Single,
        &["h", "integrator", "steps", "spacing", "paths"],
        &[],
    ),
    used("reference", Shape::Named, &["value", "tol", "source"], &[]),
    used(
        "output",
        Shape::Single,
        &["dir", "save", "report", "arrays", "events"],
        &[],
    ),
    later("plot"),
    later("units"),
    later("grid"),
    later("sweep"),
    later("identity"),
    later("analysis"),
    later("observe"),
    later("event"),
    other("initial", "simulate and control"),
    other("source", "bridge"),
    other("target", "bridge and sample"),
    other("cost", "control"),
    other("path", "path"),
];

const LAW_KEYS: &[&str] = &[
    "family",
    "mean",
    "cov",
    "weights",
    "means",
    "covs",
    "file",
    "columns",
    "weight",
    "limit",
    "standardize",
    "holdout",
    "bandwidth",
    "centre",
    "width",
    "log_density",
    "log_z",
];

const fn used(
    name: &'static str,
    shape: Shape,
    keys: &'static [&'static str],
    later: &'static [&'static str],
) -> TableSchema {
    TableSchema {
        name,
        shape,
        standing: Standing::Used,
        keys,
        later,
    }
}

const fn later(name: &'static str) -> TableSchema {
    TableSchema {
        name,
        shape: Shape::Free,
        standing: Standing::Later,
        keys: &[],
        later: &[],
    }
}

const fn other(name: &'static str, kinds: &'static str) -> TableSchema {
    TableSchema {
        name,
        shape: Shape::Free,
        standing: Standing::OtherKind(kinds),
        keys: &[],
        later: &[],
    }
}

/// The schema of a table.
pub fn table(name: &str) -> Option<&'static TableSchema> {
    TABLES.iter().find(|table| table.name == name)
}

/// Names of the tables a `reverse` problem may use.
pub fn used_tables() -> Vec<&'static str> {
    TABLES
        .iter()
        .filter(|table| table.standing == Standing::Used)
        .map(|table| table.name)
        .collect()
}

/// Checks that every table and key exists, before anything is interpreted.
pub(crate) fn check_keys(root: &Table) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for entry in &root.entries {
        if entry.key == "format" {
            continue;
        }
        match table(&entry.key) {
            None => diagnostics.push(unknown_table(entry)),
            Some(schema) => check_table(schema, entry, &mut diagnostics),
        }
    }
    diagnostics
}

fn unknown_table(entry: &Entry) -> Diagnostic {
    let names = TABLES.iter().map(|table| table.name);
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
    let diagnostic = match suggestion {
        Some(text) => diagnostic.label(text),
        None => diagnostic,
    };
    diagnostic.note(format!("tables: {}", used_tables().join(", ")))
}

fn check_table(schema: &TableSchema, entry: &Entry, diagnostics: &mut Vec<Diagnostic>) {
    let place = entry.key_span.clone();
    match schema.standing {
        Standing::Later => {
            diagnostics.push(
                Diagnostic::error(
                    "E023",
                    place,
                    format!(
                        "[{}] is part of the format but not of this version",
                        schema.name
                    ),
                )
                .help("remove the table; nothing else in the file depends on it"),
            );
            return;
        }
        Standing::OtherKind(kinds) => {
            diagnostics.push(Diagnostic::error(
                "E020",
                place,
                format!(
                    "[{}] does not belong to kind `reverse`; it belongs to {kinds}",
                    schema.name
                ),
            ));
            return;
        }
        Standing::Used => {}
    }
    match (schema.shape, &entry.node.value) {
        (Shape::Single, Value::Table(table)) => {
            check_entries(schema, schema.name, table, diagnostics);
        }
        (Shape::Free, Value::Table(_)) => {}
        (Shape::List, Value::Array(items)) if items.iter().all(is_table) => {
            for item in items {
                if let Value::Table(table) = &item.value {
                    check_entries(schema, schema.name, table, diagnostics);
                }
            }
        }
        (Shape::Named, Value::Table(table)) => check_named(schema, table, diagnostics),
        (shape, value) => {
            let wanted = match shape {
                Shape::Single | Shape::Free => format!("a table, [{}]", schema.name),
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

fn check_named(schema: &TableSchema, table: &Table, diagnostics: &mut Vec<Diagnostic>) {
    for entry in &table.entries {
        match &entry.node.value {
            Value::Table(inner) => {
                let place = format!("{}.{}", schema.name, entry.key);
                check_entries(schema, &place, inner, diagnostics);
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
    schema: &TableSchema,
    place: &str,
    table: &Table,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for entry in &table.entries {
        let key = entry.key.as_str();
        if schema.keys.contains(&key) {
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
            unknown_key(schema, place, key, entry.key_span.clone())
        });
    }
}

fn unknown_key(schema: &TableSchema, place: &str, key: &str, span: Range<usize>) -> Diagnostic {
    if key == "format" || table(key).is_some() {
        return Diagnostic::error(
            "E022",
            span,
            format!("`{key}` belongs at the top of the file, but stands in [{place}]"),
        )
        .note("in TOML a key belongs to the last [table] above it")
        .help(format!("move `{key}` above the first [table]"));
    }
    let diagnostic = Diagnostic::error("E021", span, format!("unknown key `{key}` in [{place}]"));
    let advice = did_you_mean(key, schema.keys.iter().copied())
        .or_else(|| synonym(key, schema.keys))
        .or_else(|| home_of(key).map(|home| format!("`{key}` belongs to [{home}]")));
    let diagnostic = match advice {
        Some(text) => diagnostic.label(text),
        None => diagnostic,
    };
    diagnostic.note(format!("valid here: {}", schema.keys.join(", ")))
}

/// The only table that has this key, if there is just one.
fn home_of(key: &str) -> Option<&'static str> {
    let mut homes = TABLES.iter().filter(|table| table.keys.contains(&key));
    match (homes.next(), homes.next()) {
        (Some(home), None) => Some(home.name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::document::parse;

    fn codes(text: &str) -> Vec<(&'static str, String)> {
        check_keys(&parse(text).expect("valid TOML"))
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
        assert_eq!(codes("[sweep]\nmode = \"grid\"\n")[0].0, "E023");
        assert_eq!(codes("[[solver]]\nkernel = \"transfer\"\n")[0].0, "E023");
        assert_eq!(codes("[cost]\nrunning = 1\n")[0].0, "E020");
    }
}
