//! Every name has a page, and the JSON schema says what the checker says.

use onsager::derivation::pages::structures;
use onsager::problem::format::codes::codes;
use onsager::problem::format::json_schema::json_schema;
use onsager::problem::format::names;
use onsager::problem::format::vocabulary::{all, readable, with_code, working};
use onsager::problem::load;
use onsager::problem::meant::kind::{Kind, PINNED};
use onsager::verification::catalogue::CHECKS;
use onsager::verification::identity::{Identity, Measure};
use onsager::verification::vocabulary::standard;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn shipped() -> Vec<PathBuf> {
    let folders = Kind::ALL.map(|kind| root().join("problems").join(kind.name()));
    folders
        .iter()
        .flat_map(|folder| files(folder, "toml"))
        .collect()
}

/// String literals of the form E123 or W123.
fn codes_in(source: &str) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for window in source.as_bytes().windows(6) {
        let [b'"', letter @ (b'E' | b'W'), digits @ .., b'"'] = window else {
            continue;
        };
        if digits.iter().all(u8::is_ascii_digit) {
            let digits = String::from_utf8_lossy(digits);
            codes.insert(format!("{}{digits}", *letter as char));
        }
    }
    codes
}

#[test]
fn exactly_the_codes_that_can_be_emitted_have_a_page() {
    let mut emitted = BTreeSet::new();
    for path in files(&root().join("src"), "rs") {
        if !path.ends_with("problem/codes.rs") {
            let source = std::fs::read_to_string(&path).expect("a source file");
            emitted.extend(codes_in(&source));
        }
    }
    assert!(emitted.len() > 50, "{emitted:?}");
    let explained: BTreeSet<String> = codes().iter().map(|page| page.name.to_owned()).collect();
    assert_eq!(emitted, explained);
}

#[test]
fn every_name_has_one_page_and_every_standard_is_a_name() {
    let words = standard();
    let once = |names: Vec<&'static str>| {
        let different: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(different.len(), names.len(), "two pages of one name");
    };
    once(all(&words.methods));
    once(all(&words.checks));
    let pages: Vec<&str> = structures().iter().map(|p| p.name).collect();
    once(pages.clone());
    assert_eq!(
        pages.into_iter().collect::<BTreeSet<_>>(),
        names::all(names::STRUCTURES).into_iter().collect()
    );
    for kind in Kind::ALL {
        let known = readable(&words.checks, kind);
        let standard = kind.standard_checks();
        assert!(standard.iter().all(|check| known.contains(check)), "{kind}");
        let plots = names::of_kind(names::PLOTS, kind);
        let standard = kind.standard_plots();
        assert!(standard.iter().all(|plot| plots.contains(plot)), "{kind}");
    }
}

#[test]
fn names_without_code_are_read_and_not_listed() {
    let words = standard();
    for kind in Kind::ALL {
        let (read, work) = (
            readable(&words.methods, kind),
            working(&words.methods, kind),
        );
        assert!(!read.is_empty() && work.iter().all(|name| read.contains(name)));
        assert_eq!(work.is_empty(), PINNED.contains(&kind), "{kind}");
    }
    let listed: Vec<&str> = with_code(&words.methods).map(|c| c.page.name).collect();
    assert!(listed.contains(&"hopf-cole") && !listed.contains(&"sinkhorn"));
}

#[test]
fn only_reverse_problems_have_checks_of_claims_alone() {
    for check in CHECKS {
        let beyond = check.card.kinds.iter().any(|kind| !kind.is_reverse());
        let claims = |identity: &Identity| matches!(identity.measure, Measure::Claim { .. });
        let alone = check.identities.iter().all(claims);
        assert_ne!(beyond, alone, "{}", check.card.page.name);
    }
}

/// The keywords of JSON Schema that the schema uses; `Err` names the place of the first violation.
fn validate(schema: &Value, root: &Value, value: &Value, place: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("{place}: {why}"));
    match schema {
        Value::Bool(true) => return Ok(()),
        Value::Bool(false) => return wrong("does not belong here"),
        _ => {}
    }
    for (keyword, rule) in schema.as_object().expect("a schema") {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().expect("a pointer").trim_start_matches('#');
                let target = root.pointer(pointer).expect("a definition");
                validate(target, root, value, place)?;
            }
            "type" => {
                let names: Vec<&str> = match rule {
                    Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                    one => one.as_str().into_iter().collect(),
                };
                let fits = names.iter().any(|name| match *name {
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("unknown type {other}"),
                });
                if !fits {
                    return wrong(&format!("{value} is no {rule}"));
                }
            }
            "minimum" => {
                if value
                    .as_f64()
                    .is_some_and(|v| v < rule.as_f64().expect("a number"))
                {
                    return wrong("too small");
                }
            }
            "exclusiveMinimum"
                if value
                    .as_f64()
                    .is_some_and(|v| v <= rule.as_f64().expect("a number")) =>
            {
                return wrong("too small");
            }
            "exclusiveMaximum"
                if value
                    .as_f64()
                    .is_some_and(|v| v >= rule.as_f64().expect("a number")) =>
            {
                return wrong("too large");
            }
            "const" if rule != value => return wrong(&format!("{value} is not {rule}")),
            "enum" if !rule.as_array().expect("a list").contains(value) => {
                return wrong(&format!("{value} is none of {rule}"));
            }
            "anyOf" => {
                let mut forms = rule.as_array().expect("a list").iter();
                if !forms.any(|form| validate(form, root, value, place).is_ok()) {
                    return wrong(&format!("{value} has none of the accepted forms"));
                }
            }
            "allOf" => {
                for part in rule.as_array().expect("a list") {
                    validate(part, root, value, place)?;
                }
            }
            "if" => {
                if validate(rule, root, value, place).is_ok() {
                    validate(&schema["then"], root, value, place)?;
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    validate(rule, root, item, &format!("{place}[{i}]"))?;
                }
            }
            "required" => {
                for name in rule.as_array().expect("a list") {
                    let name = name.as_str().expect("a name");
                    if value.is_object() && value.get(name).is_none() {
                        return wrong(&format!("`{name}` is missing"));
                    }
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().expect("properties") {
                    if let Some(inner) = value.get(name) {
                        validate(rule, root, inner, &format!("{place}.{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, inner) in value.as_object().into_iter().flatten() {
                    if !known.is_some_and(|known| known.contains_key(name)) {
                        validate(rule, root, inner, &format!("{place}.{name}"))?;
                    }
                }
            }
            "exclusiveMinimum" | "exclusiveMaximum" | "const" | "enum" | "then" | "description"
            | "title" | "$schema" | "$defs" => {}
            other => panic!("unknown keyword {other}"),
        }
    }
    Ok(())
}

/// A file as JSON, whose numbers are finite: `inf` is a number of TOML that becomes none there, and stands as a large one.
fn as_json(text: &str) -> Value {
    let value: Value = toml::from_str(text).expect("TOML without dates");
    serde_json::from_str(&value.to_string().replace("null", "1e308")).expect("JSON")
}

fn holds(schema: &Value, value: &Value) -> Result<(), String> {
    validate(schema, schema, value, "")
}

#[test]
fn the_schema_accepts_every_shipped_problem_and_its_resolved_text() {
    let schema = json_schema(&standard());
    let files = shipped();
    assert!(files.len() >= 19);
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a file");
        holds(&schema, &as_json(&text)).unwrap_or_else(|why| panic!("{}{why}", path.display()));
        let loaded = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
        holds(&schema, &as_json(&loaded.resolved))
            .unwrap_or_else(|why| panic!("resolved {}{why}", path.display()));
    }
}

#[test]
fn the_schema_refuses_an_unknown_key_in_every_table() {
    let schema = json_schema(&standard());
    for path in shipped() {
        let value = as_json(&std::fs::read_to_string(&path).expect("a file"));
        let tables = value.as_object().expect("tables");
        for name in tables.keys() {
            // Tables with names of the user's choice have no unknown ones.
            if ["format", "params", "define", "units", "observe"].contains(&name.as_str()) {
                continue;
            }
            let mut broken = value.clone();
            let table = match &mut broken[name] {
                Value::Array(items) => &mut items[0],
                table => table,
            };
            table["no_such_key"] = Value::Null;
            assert!(
                holds(&schema, &broken).is_err(),
                "{} {name}",
                path.display()
            );
        }
        let mut broken = value.clone();
        broken["no_such_table"] = serde_json::json!({});
        assert!(holds(&schema, &broken).is_err());
    }
}

#[test]
fn the_schema_refuses_what_the_checker_refuses_for_keys_types_and_kinds() {
    let schema = json_schema(&standard());
    for name in [
        "unknown_keys",
        "unknown_kind",
        "missing_tables",
        "missing_tables_of_kind",
        "slid_key",
        "roles",
        "later_features",
    ] {
        let path = root()
            .join("problems/refused")
            .join(name)
            .with_extension("toml");
        let text = std::fs::read_to_string(path).expect("a file");
        assert!(holds(&schema, &as_json(&text)).is_err(), "{name}");
    }
}

fn onsager(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onsager"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn said(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn names_are_listed_and_explained_and_wrong_ones_get_a_suggestion() {
    for (list, row) in [
        ("kinds", "simulate"),
        ("methods", "long-horizon"),
        ("checks", "zero-variance"),
        ("structures", "hopf-cole"),
        ("examples", "problems/control/lq_oscillator.toml"),
        ("codes", "E204"),
    ] {
        let output = onsager(&["list", list]);
        assert!(output.status.success());
        assert!(said(&output).0.contains(row), "{list}");
    }
    // One name may be a method, a check and a structure.
    let (text, _) = said(&onsager(&["explain", "hopf-cole"]));
    for what in ["method hopf-cole", "check hopf-cole", "structure hopf-cole"] {
        assert!(text.contains(what), "{text}");
    }
    assert!(
        said(&onsager(&["explain", "exit-codes"]))
            .0
            .contains("  5   input")
    );
    for (arguments, suggestion) in [
        (["explain", "zero-varance"], "did you mean `zero-variance`?"),
        (["list", "metods"], "did you mean `methods`?"),
        (["schema", "dynamic"], "did you mean `dynamics`?"),
    ] {
        let output = onsager(&arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).1.contains(suggestion), "{arguments:?}");
    }
}

#[test]
fn the_schema_of_a_table_is_text_or_json() {
    let (text, _) = said(&onsager(&["schema", "cost"]));
    assert!(
        text.contains("running") && text.contains("expression"),
        "{text}"
    );
    let (text, _) = said(&onsager(&["schema", "cost", "--json"]));
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    assert!(schema["properties"]["terminal"].is_object());
    let (text, _) = said(&onsager(&["schema", "--json"]));
    let whole: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(whole, json_schema(&standard()));
}

#[test]
fn a_kind_without_solvers_is_refused_before_anything_is_written() {
    let folder = std::env::temp_dir().join(format!("onsager-unsolved-{}", std::process::id()));
    let out = folder.to_string_lossy().into_owned();
    for file in ["problems/bridge/corners.toml", "problems/path/tilted.toml"] {
        let output = onsager(&["solve", file, "--out", &out]);
        let (text, complaint) = said(&output);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(
            complaint.contains("no solvers for problems of kind"),
            "{complaint}"
        );
        assert!(complaint.contains("onsager derive"), "{complaint}");
        assert!(text.is_empty(), "{text}");
        assert!(!folder.exists());
    }
}
