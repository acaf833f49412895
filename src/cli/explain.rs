//! `list` and `explain`: every name of the program, and a page about each.

use crate::cli::examples::EXAMPLES;
use crate::cli::exit::Exit;
use crate::cli::output::say;
use crate::derivation::pages::structures;
use crate::problem::format::card::Card;
use crate::problem::format::codes::codes;
use crate::problem::format::page::Page;
use crate::problem::format::vocabulary::{with_code, working};
use crate::problem::meant::task::Kind;
use crate::problem::text::suggest::did_you_mean;
use crate::report::table::Table;
use crate::report::terminal::Style;
use crate::verification::claim::catalogue::text_of;
use crate::verification::vocabulary::standard;
use std::io::IsTerminal;

/// What `list` can list.
const LISTS: [&str; 6] = [
    "kinds",
    "methods",
    "checks",
    "structures",
    "examples",
    "codes",
];

/// Pages with code behind them, and what each is about; a name may stand in several.
fn all_pages() -> Vec<(&'static str, Page)> {
    let words = standard();
    let methods = with_code(&words.methods).map(|card| ("method", card.page));
    let checks = with_code(&words.checks).map(|card| ("check", card.page));
    let structures = structures().into_iter().map(|page| ("structure", page));
    let codes = codes().into_iter().map(|page| ("code", page));
    methods
        .chain(checks)
        .chain(structures)
        .chain(codes)
        .collect()
}

/// Prints one name per row with a line about it.
pub fn list(what: &str) -> Exit {
    let width = Style::of_terminal(std::io::stdout().is_terminal()).width;
    let pages = |of: &str| -> Vec<Vec<String>> {
        let pages = all_pages().into_iter().filter(|(what, _)| *what == of);
        pages
            .map(|(_, page)| vec![page.name.to_owned(), page.summary().to_owned()])
            .collect()
    };
    let (columns, rows): (&[&str], Vec<Vec<String>>) = match what {
        "kinds" => (
            &["kind", "required tables", "asks for"],
            Kind::ALL.into_iter().map(kind_row).collect(),
        ),
        "methods" => (
            &["method", "kinds", "what it does"],
            with_code(&standard().methods).map(method_row).collect(),
        ),
        "checks" => (&["check", "claim"], pages("check")),
        "structures" => (&["structure", "what it is"], pages("structure")),
        "codes" => (&["code", "meaning"], pages("code")),
        "examples" => (
            &["file", "title"],
            EXAMPLES
                .iter()
                .map(|example| vec![format!("problems/{}", example.file), example.title()])
                .collect(),
        ),
        _ => {
            let hint = did_you_mean(what, LISTS).map_or(String::new(), |hint| format!(", {hint}"));
            eprintln!("error: no list `{what}`{hint}; lists: {}", LISTS.join(", "));
            return Exit::BadInput;
        }
    };
    let mut table = Table::new(columns);
    for row in rows {
        table.push(row);
    }
    say(&table.render(width));
    Exit::Solved
}

fn kind_row(kind: Kind) -> Vec<String> {
    vec![
        kind.name().to_owned(),
        kind.required_tables().join(", "),
        kind.asks_for().to_owned(),
    ]
}

fn method_row(card: &Card) -> Vec<String> {
    let kinds: Vec<&str> = card.kinds.iter().map(|kind| kind.name()).collect();
    vec![
        card.page.name.to_owned(),
        kinds.join(", "),
        card.page.summary().to_owned(),
    ]
}

/// Prints every page of a name.
pub fn explain(name: &str) -> Exit {
    let mut texts: Vec<String> = Vec::new();
    if name == "exit-codes" {
        texts.push(exit_codes());
    }
    if let Some(kind) = Kind::from_name(name) {
        texts.push(format!("kind {}", about_kind(kind)));
    }
    for (what, page) in all_pages() {
        if page.name == name {
            texts.push(format!("{what} {}", page.text()));
            if what == "check"
                && let Some(text) = text_of(name)
            {
                texts.push(format!("In a problem file:\n\n{text}"));
            }
        }
    }
    if texts.is_empty() {
        let known = every_name();
        let hint = did_you_mean(name, known.iter().copied());
        let hint = hint.map_or(String::new(), |hint| format!(", {hint}"));
        eprintln!(
            "error: nothing is called `{name}`{hint}; names: onsager list {}",
            LISTS.join("|")
        );
        return Exit::BadInput;
    }
    say(&texts.join("\n"));
    Exit::Solved
}

fn every_name() -> Vec<&'static str> {
    let pages = all_pages().into_iter().map(|(_, page)| page.name);
    Kind::ALL
        .into_iter()
        .map(Kind::name)
        .chain(["exit-codes"])
        .chain(pages)
        .collect()
}

fn about_kind(kind: Kind) -> String {
    let checks = kind.standard_checks().join(", ");
    let methods = working(&standard().methods, kind);
    let tables: Vec<String> = kind
        .required_tables()
        .iter()
        .map(|table| format!("[{table}]"))
        .collect();
    format!(
        "{kind} - {}\n\n  needs      {}\n  methods    {}\n  checks     {checks}\n",
        kind.asks_for(),
        tables.join(" "),
        methods.join(", "),
    )
}

fn exit_codes() -> String {
    let mut text = String::from("exit-codes - how a command ended, the same for every command\n\n");
    for exit in Exit::ALL {
        text.push_str(&format!("  {}   {}\n", exit.code(), exit.meaning()));
    }
    text.push_str("\n  when several apply: 2, 5, 6, 3, 1, 4, in this order\n");
    text
}
