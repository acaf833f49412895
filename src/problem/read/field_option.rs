//! Reads `solver.field`: the family of unknown fields a method fits.

use crate::problem::format::vocabulary::{FIELDS, LATER_FIELDS};
use crate::problem::meant::model::FieldSpec;
use crate::problem::read::structure::{Structure, spare};
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Node, Table, Value};
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::suggest::did_you_mean;

/// `field` of a control: every family takes any number of states, because `chebyshev` is then a sum of polynomials
/// in one state each.
pub(crate) fn read_policy_field(
    reader: &mut Reader,
    section: &Section<'_>,
    structure: Structure,
) -> FieldSpec {
    let separate = Structure {
        dimension: 1,
        ..structure
    };
    read_field(reader, section, FieldSpec::Affine { nodes: 8 }, separate)
}

/// `field`, with a default.
pub(crate) fn read_field(
    reader: &mut Reader,
    section: &Section<'_>,
    default: FieldSpec,
    structure: Structure,
) -> FieldSpec {
    let field = match section.take("field") {
        Some(entry) => read_field_entry(reader, &entry.node, structure).unwrap_or(default),
        None => default,
    };
    reader.record(section, "field", field_text(&field));
    field
}

/// `"rbf"` or `{ family = "rbf", centers = 200, time = "nodes", nodes = 24 }`.
fn read_field_entry(reader: &mut Reader, node: &Node, structure: Structure) -> Option<FieldSpec> {
    let empty = Table::default();
    let (family, table) = match &node.value {
        Value::Text(name) => (Some((name, node)), &empty),
        Value::Table(table) => {
            let family = table.get("family").map(|entry| &entry.node);
            let family = family.and_then(|node| match &node.value {
                Value::Text(name) => Some((name, node)),
                _ => None,
            });
            (family, table)
        }
        _ => (None, &empty),
    };
    let Some((name, family_node)) = family else {
        reader.push(
            Diagnostic::error(
                "E012",
                node.span.clone(),
                "`solver.field` must name a family".to_owned(),
            )
            .help("write field = { family = \"rbf\", centers = 200, nodes = 24 }"),
        );
        return None;
    };
    if later(
        reader,
        name,
        &family_node.span,
        "field family",
        &LATER_FIELDS,
    ) {
        return None;
    }
    let family = reader.named_choice(family_node, name, "solver.field.family", &FIELDS)?;
    let valid: &[&str] = match family {
        "affine" => &["family", "time", "nodes"],
        "rbf" => &["family", "time", "nodes", "centers"],
        "mixture" => &["family", "components"],
        "network" => &["family", "layers"],
        _ => &["family", "time", "nodes", "degree"],
    };
    check_field_keys(reader, table, family, valid)?;
    let count = |reader: &mut Reader, key: &str, default: usize, least: usize| {
        let entry = table.get(key);
        entry.map_or(Some(default), |entry| {
            reader.whole_number(&entry.node, &format!("solver.field.{key}"), least)
        })
    };
    match family {
        "affine" => Some(FieldSpec::Affine {
            nodes: count(reader, "nodes", 24, 1)?,
        }),
        "rbf" => Some(FieldSpec::Rbf {
            centers: count(reader, "centers", 200, 1)?,
            nodes: count(reader, "nodes", 24, 1)?,
        }),
        "mixture" => Some(FieldSpec::Mixture {
            components: count(
                reader,
                "components",
                structure.components.map_or(12, spare),
                1,
            )?,
        }),
        "network" => Some(FieldSpec::Network {
            layers: match table.get("layers") {
                Some(entry) => reader.whole_numbers(
                    &entry.node,
                    "solver.field.layers",
                    "one width per layer",
                )?,
                None => vec![64, 64],
            },
        }),
        _ if structure.dimension > 2 => {
            reader.push(Diagnostic::error(
                "E205",
                family_node.span.clone(),
                format!(
                    "field family `chebyshev` is for one or two states; this problem has {}",
                    structure.dimension
                ),
            ));
            None
        }
        _ => Some(FieldSpec::Chebyshev {
            degree: count(reader, "degree", 8, 1)?,
            nodes: count(reader, "nodes", 16, 1)?,
        }),
    }
}

fn check_field_keys(
    reader: &mut Reader,
    table: &Table,
    family: &str,
    valid: &[&str],
) -> Option<()> {
    let mut good = Some(());
    for entry in &table.entries {
        if !valid.contains(&entry.key.as_str()) {
            good = None;
            let diagnostic = Diagnostic::error(
                "E021",
                entry.key_span.clone(),
                format!("unknown key `{}` in field `{family}`", entry.key),
            )
            .note(format!("valid here: {}", valid.join(", ")));
            let advice = did_you_mean(&entry.key, valid.iter().copied());
            reader.push(match advice {
                Some(label) => diagnostic.label(label),
                None => diagnostic,
            });
        }
    }
    if let Some(entry) = table.get("time") {
        match &entry.node.value {
            Value::Text(time) if time == "nodes" => {}
            Value::Text(time) => {
                let known = later(reader, time, &entry.node.span, "field time", &["input"]);
                if !known {
                    reader.named_choice(&entry.node, time, "solver.field.time", &["nodes"]);
                }
                good = None;
            }
            _ => {
                reader.push(Diagnostic::error(
                    "E012",
                    entry.node.span.clone(),
                    "`solver.field.time` must be \"nodes\"".to_owned(),
                ));
                good = None;
            }
        }
    }
    good
}

fn field_text(field: &FieldSpec) -> String {
    match field {
        FieldSpec::Affine { nodes } => {
            format!("{{ family = \"affine\", time = \"nodes\", nodes = {nodes} }}")
        }
        FieldSpec::Rbf { centers, nodes } => format!(
            "{{ family = \"rbf\", centers = {centers}, time = \"nodes\", nodes = {nodes} }}"
        ),
        FieldSpec::Mixture { components } => {
            format!("{{ family = \"mixture\", components = {components} }}")
        }
        FieldSpec::Network { layers } => {
            format!("{{ family = \"network\", layers = {layers:?} }}")
        }
        FieldSpec::Chebyshev { degree, nodes } => format!(
            "{{ family = \"chebyshev\", degree = {degree}, time = \"nodes\", nodes = {nodes} }}"
        ),
    }
}

/// Reports a name of the format that this version does not have.
fn later(
    reader: &mut Reader,
    name: &str,
    span: &std::ops::Range<usize>,
    what: &str,
    names: &[&str],
) -> bool {
    let found = names.contains(&name);
    if found {
        reader.push(Diagnostic::error(
            "E023",
            span.clone(),
            format!("{what} `{name}` is part of the format but not of this version"),
        ));
    }
    found
}
