//! `schema`: the tables and keys of the format.

use crate::cli::arguments::Common;
use crate::cli::output::{complain, say};
use crate::problem::format::json_schema::{form_text, json_schema, json_schema_of};
use crate::problem::format::key::Key;
use crate::problem::format::schema::table;
use crate::problem::format::tables::{Shape, TableSchema, tables};
use crate::problem::format::vocabulary::{Vocabulary, with_code};
use crate::problem::meant::kind::EVERY;
use crate::problem::text::suggest::did_you_mean;
use crate::report::table::Table;
use crate::report::terminal::Style;
use crate::study::exit::Exit;
use crate::verification::vocabulary::standard;
use std::io::IsTerminal;

/// Prints one table, or all of them; with `--json` a JSON Schema.
pub fn schema(name: Option<&str>, common: &Common) -> Exit {
    let vocabulary = standard();
    let found = match name {
        None => None,
        Some(name) => match table(name) {
            Some(found) => Some(found),
            None => {
                let names = tables().map(|table| table.name);
                let hint = did_you_mean(name, names.clone())
                    .map_or(String::new(), |hint| format!(", {hint}"));
                let names: Vec<&str> = names.collect();
                complain(format!(
                    "no table `{name}`{hint}; tables: {}",
                    names.join(", ")
                ));
                return Exit::BadInput;
            }
        },
    };
    if common.json {
        let schema = match found {
            Some(table) => json_schema_of(table, &vocabulary),
            None => json_schema(&vocabulary),
        };
        say(&format!("{schema:#}\n"));
        return Exit::Solved;
    }
    let width = Style::of_terminal(std::io::stdout().is_terminal()).width;
    match found {
        Some(table) => say(&one(table, &vocabulary, width)),
        None => say(&all(width)),
    }
    Exit::Solved
}

fn header(table: &TableSchema) -> String {
    match table.shape {
        Shape::Single | Shape::Part | Shape::Free(_) => format!("[{}]", table.name),
        Shape::List | Shape::Later => format!("[[{}]]", table.name),
        Shape::Named => format!("[{}.NAME]", table.name),
    }
}

fn kinds(table: &TableSchema) -> String {
    let names: Vec<&str> = table.kinds.iter().map(|kind| kind.name()).collect();
    if names.len() == EVERY.len() {
        "all kinds".to_owned()
    } else {
        names.join(", ")
    }
}

fn all(width: usize) -> String {
    let mut rows = Table::new(&["table", "kinds", "what it says"]);
    for table in tables() {
        rows.push(vec![header(table), kinds(table), table.about.to_owned()]);
    }
    format!(
        "{}\nnext: onsager schema dynamics | onsager schema --json\n",
        rows.render(width)
    )
}

fn one(table: &'static TableSchema, vocabulary: &Vocabulary, width: usize) -> String {
    let mut text = format!(
        "{}   {}   ({})\n\n",
        header(table),
        table.about,
        kinds(table)
    );
    if let Shape::Free(form) = table.shape {
        text.push_str(&format!("NAME = {}\n", form_text(&form, vocabulary)));
        return text;
    }
    let mut rows = Table::new(&["key", "holds", "default", "meaning"]);
    for key in &table.keys {
        rows.push(key_row(key, vocabulary, ""));
    }
    if table.name == "solver" {
        for (key, methods) in options(vocabulary) {
            rows.push(key_row(
                key,
                vocabulary,
                &format!("{}: ", methods.join(", ")),
            ));
        }
    }
    text.push_str(&rows.render(width));
    text
}

fn key_row(key: &Key, vocabulary: &Vocabulary, before: &str) -> Vec<String> {
    vec![
        key.name.to_owned(),
        form_text(&key.form, vocabulary),
        key.default.text(),
        format!("{before}{}", key.about),
    ]
}

/// The options of all methods with code, those that say the same together.
fn options(vocabulary: &Vocabulary) -> Vec<(&'static Key, Vec<&'static str>)> {
    let mut found: Vec<(&Key, Vec<&str>)> = Vec::new();
    for name in vocabulary.options().iter().map(|key| key.name) {
        for card in with_code(&vocabulary.methods) {
            for key in card.options.iter().filter(|key| key.name == name) {
                let same = |known: &Key| {
                    (known.name, known.about, known.default.text())
                        == (key.name, key.about, key.default.text())
                };
                match found.iter_mut().find(|(known, _)| same(known)) {
                    Some((_, methods)) => methods.push(card.page.name),
                    None => found.push((key, vec![card.page.name])),
                }
            }
        }
    }
    found
}
