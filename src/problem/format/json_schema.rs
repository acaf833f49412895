//! The format as a JSON Schema and as text, both from the tables the checker uses.

use crate::problem::format::card::{Card, Listed};
use crate::problem::format::key::{Bound, Fallback, Form, Key, Names};
use crate::problem::format::tables::{Shape, TableSchema, part, tables};
use crate::problem::format::vocabulary::{Vocabulary, with_code};
use crate::problem::meant::kind::{EVERY, Kind};
use serde_json::{Map, Value, json};

/// The whole format as a JSON Schema (draft 2020-12), for the completion of editors.
pub fn json_schema(vocabulary: &Vocabulary) -> Value {
    let mut properties = Map::new();
    properties.insert("format".to_owned(), json!({ "const": 1 }));
    for table in tables() {
        if !matches!(table.shape, Shape::Later) {
            properties.insert(table.name.to_owned(), table_schema(table, vocabulary));
        }
    }
    let kinds: Vec<Value> = EVERY.iter().copied().map(of_kind).collect();
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
pub fn json_schema_of(table: &TableSchema, vocabulary: &Vocabulary) -> Value {
    let mut schema = table_schema(table, vocabulary);
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
    for table in tables() {
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

fn table_schema(table: &TableSchema, vocabulary: &Vocabulary) -> Value {
    let added = match table.name {
        "dynamics" => vocabulary.preset_keys(),
        _ => Vec::new(),
    };
    let object = || object(table.keys.iter().chain(added.iter().copied()), vocabulary);
    let mut schema = match table.shape {
        Shape::Single => object(),
        Shape::Free(form) => named(&form, vocabulary),
        Shape::List if table.name == "solver" => {
            json!({ "type": "array", "items": solver_schema(table, vocabulary) })
        }
        Shape::List => json!({ "type": "array", "items": object() }),
        Shape::Named => json!({ "type": "object", "additionalProperties": object() }),
        Shape::Part | Shape::Later => json!(false),
    };
    schema["description"] = json!(table.about);
    schema
}

/// `[[solver]]`: its method says which other keys it has.
fn solver_schema(table: &TableSchema, vocabulary: &Vocabulary) -> Value {
    let of_method = |card: &&'static Card| {
        let mut keys: Vec<&Key> = table.keys.iter().collect();
        for key in card.options {
            if keys.iter().all(|known| known.name != key.name) {
                keys.push(key);
            }
        }
        json!({
            "if": { "properties": { "method": { "const": card.name() } } },
            "then": object(keys.into_iter(), vocabulary),
        })
    };
    let methods: Vec<Value> = vocabulary.methods.iter().map(of_method).collect();
    json!({
        "type": "object",
        "properties": { "method": names_schema(Names::Methods, vocabulary) },
        "required": ["method"],
        "allOf": methods,
    })
}

fn object<'k>(keys: impl Iterator<Item = &'k Key>, vocabulary: &Vocabulary) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for key in keys {
        let mut schema = form_schema(&key.form, vocabulary);
        let description = match key.default {
            Fallback::Absent => key.about.to_owned(),
            Fallback::Required => {
                required.push(key.name);
                key.about.to_owned()
            }
            default => format!("{} (default: {})", key.about, default.text()),
        };
        schema["description"] = json!(description);
        properties.insert(key.name.to_owned(), schema);
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The names with code; those that are only read stand apart.
fn names_schema(names: Names, vocabulary: &Vocabulary) -> Value {
    let all = vocabulary.names(names);
    let coded = with_code_of(names, vocabulary);
    let (coded, later): (Vec<&str>, Vec<&str>) =
        all.into_iter().partition(|name| coded.contains(name));
    if later.is_empty() {
        return json!({ "enum": coded });
    }
    let about = "part of the format, without code in this version";
    json!({ "anyOf": [{ "enum": coded }, { "enum": later, "description": about }] })
}

/// The names of a key with code.
fn with_code_of(names: Names, vocabulary: &Vocabulary) -> Vec<&'static str> {
    match names {
        Names::Methods => with_code(&vocabulary.methods).map(Listed::name).collect(),
        Names::Checks => with_code(&vocabulary.checks).map(Listed::name).collect(),
        other => vocabulary.names(other),
    }
}

/// A family of fields with its sizes.
fn field_schema(vocabulary: &Vocabulary) -> Value {
    let families = vocabulary.families.iter().map(|card| {
        let mut schema = object(card.options.iter(), vocabulary);
        schema["properties"]["family"] = json!({ "const": card.name });
        schema["required"] = json!(["family"]);
        schema["description"] = json!(card.about);
        schema
    });
    let names = [names_schema(Names::Families, vocabulary)];
    let forms: Vec<Value> = names.into_iter().chain(families).collect();
    json!({ "anyOf": forms })
}

/// Values by names of the user's; numbers may come from a file.
fn named(form: &Form, vocabulary: &Vocabulary) -> Value {
    let mut value = form_schema(form, vocabulary);
    if matches!(form, Form::Numbers) {
        let file = json!({
            "type": "object",
            "properties": { "file": { "type": "string" } },
            "required": ["file"],
            "additionalProperties": false,
        });
        value = json!({ "anyOf": [value, file] });
    }
    json!({ "type": "object", "additionalProperties": value })
}

fn form_schema(form: &Form, vocabulary: &Vocabulary) -> Value {
    let count = |least: usize| json!({ "type": "integer", "minimum": least });
    let or_list = |one: Value| json!({ "anyOf": [one, { "type": "array", "items": one }] });
    match form {
        Form::Text | Form::Solver => json!({ "type": "string" }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Count(least) => count(*least),
        Form::Counts(least) => or_list(count(*least)),
        Form::Layers => json!({ "type": "array", "items": count(1) }),
        Form::Number(bound) => number_schema(*bound),
        Form::Expression => json!({ "type": ["number", "string"] }),
        Form::Numbers | Form::Expressions => json!({ "$ref": "#/$defs/numbers" }),
        Form::Choice(names) => names_schema(*names, vocabulary),
        Form::Choices([], names) => or_list(names_schema(*names, vocabulary)),
        Form::Choices(words, names) => {
            let names = names_schema(*names, vocabulary);
            or_list(json!({ "anyOf": [{ "enum": words }, names] }))
        }
        Form::Names => or_list(json!({ "type": "string" })),
        Form::Field(_) => field_schema(vocabulary),
        Form::Table(name) => object(part(name).iter(), vocabulary),
        Form::Free(form) => named(form, vocabulary),
        Form::Either(forms) => {
            let forms: Vec<Value> = forms.iter().map(|f| form_schema(f, vocabulary)).collect();
            json!({ "anyOf": forms })
        }
        Form::Word(word) => json!({ "const": word }),
    }
}

/// A number in its range, or a string that evaluates to one.
fn number_schema(bound: Bound) -> Value {
    let mut schema = json!({ "type": ["number", "string"] });
    match bound {
        Bound::Finite => {}
        Bound::Positive => schema["exclusiveMinimum"] = json!(0),
        Bound::NotNegative => schema["minimum"] = json!(0),
        Bound::Fraction => {
            schema["minimum"] = json!(0);
            schema["exclusiveMaximum"] = json!(1);
        }
    }
    schema
}

/// What a key holds, in a few words.
pub fn form_text(form: &Form, vocabulary: &Vocabulary) -> String {
    let choice = |names: Names| choice(&with_code_of(names, vocabulary));
    match form {
        Form::Text => "string".to_owned(),
        Form::Solver => "id of a solver".to_owned(),
        Form::Flag => "true or false".to_owned(),
        Form::Count(_) => "whole number".to_owned(),
        Form::Counts(_) => "whole number or one per state".to_owned(),
        Form::Layers => "list of whole numbers".to_owned(),
        Form::Number(_) => "number".to_owned(),
        Form::Numbers => "number, array or matrix".to_owned(),
        Form::Expression => "expression".to_owned(),
        Form::Expressions => "expression, array or matrix".to_owned(),
        Form::Choice(names) => choice(*names),
        Form::Choices([], names) => format!("list of {}", choice(*names)),
        Form::Choices(words, names) => {
            format!("{} | list of {}", words.join(" | "), choice(*names))
        }
        Form::Names => "list of names".to_owned(),
        Form::Field(_) => format!("{}, or a table", choice(Names::Families)),
        Form::Table(name) => {
            let names: Vec<&str> = part(name).iter().map(|key| key.name).collect();
            format!("table of {}", names.join(", "))
        }
        Form::Free(form) => format!("table of {}", form_text(form, vocabulary)),
        Form::Either(forms) => {
            let forms: Vec<String> = forms.iter().map(|f| form_text(f, vocabulary)).collect();
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
