//! The format as a JSON Schema and as text, both from the tables the checker uses.

use crate::problem::format::key::{Form, Key, REQUIRED};
use crate::problem::format::tables::{Shape, TABLES, TableSchema};
use crate::problem::meant::task::Kind;
use serde_json::{Map, Value, json};

/// The whole format as a JSON Schema (draft 2020-12), for the completion of editors.
pub fn json_schema() -> Value {
    let mut properties = Map::new();
    properties.insert("format".to_owned(), json!({ "const": 1 }));
    for table in TABLES {
        if !matches!(table.shape, Shape::Later) {
            properties.insert(table.name.to_owned(), table_schema(table));
        }
    }
    let kinds: Vec<Value> = Kind::ALL.into_iter().map(of_kind).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Onsager problem",
        "type": "object",
        "properties": properties,
        "required": ["format", "problem"],
        "additionalProperties": false,
        "allOf": kinds,
        "$defs": {
            "numbers": nested(),
        },
    })
}

/// One table as a JSON Schema.
pub fn json_schema_of(table: &TableSchema) -> Value {
    let mut schema = table_schema(table);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["$defs"] = json!({ "numbers": nested() });
    schema
}

/// Numbers and expressions in arrays of any depth.
fn nested() -> Value {
    json!({
        "anyOf": [
            { "type": ["number", "string"] },
            { "type": "array", "items": { "$ref": "#/$defs/numbers" } },
        ],
    })
}

/// Tables a kind needs and those that do not belong to it.
fn of_kind(kind: Kind) -> Value {
    let mut foreign = Map::new();
    for table in TABLES {
        if !matches!(table.shape, Shape::Later) && !table.kinds.contains(&kind) {
            foreign.insert(table.name.to_owned(), json!(false));
        }
    }
    json!({
        "if": {
            "properties": { "problem": { "properties": { "kind": { "const": kind.name() } } } },
        },
        "then": {
            "required": kind.required_tables(),
            "properties": foreign,
        },
    })
}

fn table_schema(table: &TableSchema) -> Value {
    let mut schema = match table.shape {
        Shape::Single => object(table.keys),
        Shape::Free(form) => {
            json!({ "type": "object", "additionalProperties": form_schema(&form) })
        }
        Shape::List => json!({ "type": "array", "items": object(table.keys) }),
        Shape::Named => json!({ "type": "object", "additionalProperties": object(table.keys) }),
        Shape::Later => json!(false),
    };
    schema["description"] = json!(table.about);
    schema
}

fn object(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut schema = form_schema(&key.form);
        let description = match key.default {
            "" | REQUIRED => key.about.to_owned(),
            default => format!("{} (default: {default})", key.about),
        };
        schema["description"] = json!(description);
        properties.insert(key.name.to_owned(), schema);
    }
    let required: Vec<&str> = keys
        .iter()
        .filter(|key| key.default == REQUIRED)
        .map(|key| key.name)
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn form_schema(form: &Form) -> Value {
    let count = || json!({ "type": "integer", "minimum": 0 });
    let or_list = |one: Value| json!({ "anyOf": [one, { "type": "array", "items": one }] });
    match form {
        Form::Text => json!({ "type": "string" }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Count => count(),
        Form::Counts => or_list(count()),
        Form::Number | Form::Expression => json!({ "type": ["number", "string"] }),
        Form::Numbers | Form::Expressions => json!({ "$ref": "#/$defs/numbers" }),
        Form::Choice(names) => json!({ "enum": names() }),
        Form::Choices(names) => or_list(json!({ "enum": names() })),
        Form::Names => or_list(json!({ "type": "string" })),
        Form::Table(keys) => object(keys),
        Form::Free(form) => json!({
            "type": "object",
            "additionalProperties": form_schema(form),
        }),
        Form::Either(forms) => {
            let forms: Vec<Value> = forms.iter().map(form_schema).collect();
            json!({ "anyOf": forms })
        }
        Form::Word(word) => json!({ "const": word }),
    }
}

/// What a key holds, in a few words.
pub fn form_text(form: &Form) -> String {
    match form {
        Form::Text => "string".to_owned(),
        Form::Flag => "true or false".to_owned(),
        Form::Count => "whole number".to_owned(),
        Form::Counts => "whole number or one per state".to_owned(),
        Form::Number => "number".to_owned(),
        Form::Numbers => "number, array or matrix".to_owned(),
        Form::Expression => "expression".to_owned(),
        Form::Expressions => "expression, array or matrix".to_owned(),
        Form::Choice(names) => choice(&names()),
        Form::Choices(names) => format!("list of {}", choice(&names())),
        Form::Names => "list of names".to_owned(),
        Form::Table(keys) => {
            let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
            format!("table of {}", names.join(", "))
        }
        Form::Free(form) => format!("table of {}", form_text(form)),
        Form::Either(forms) => {
            let forms: Vec<String> = forms.iter().map(form_text).collect();
            forms.join(" or ")
        }
        Form::Word(word) => format!("\"{word}\""),
    }
}

/// The names, or how many there are and where they are listed.
fn choice(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    if names.len() > SHOWN {
        format!(
            "{}, ... ({} names)",
            names[..SHOWN].join(" | "),
            names.len()
        )
    } else {
        names.join(" | ")
    }
}
