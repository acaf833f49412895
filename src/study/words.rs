//! Every name of the program, and a page about each.

use crate::derivation::pages::structures;
use crate::problem::format::card::Card;
use crate::problem::format::codes::codes;
use crate::problem::format::key::Names;
use crate::problem::format::page::Page;
use crate::problem::format::vocabulary::{with_code, working};
use crate::problem::meant::kind::{EVERY, Kind};
use crate::report::table::Table;
use crate::study::examples::EXAMPLES;
use crate::study::exit::Exit;
use crate::study::registry::Registry;

/// Name of the page about files, kills, other runs and hostile files.
const SAFETY: &str = "safety";

impl Registry {
    /// What [`Registry::list`] can list.
    pub const LISTS: [&str; 7] = [
        "kinds",
        "methods",
        "checks",
        "presets",
        "structures",
        "examples",
        "codes",
    ];

    /// One name per row with a line about it; `None` where there is no such list.
    pub fn list(&self, what: &str) -> Option<Table> {
        let pages = |of: &str| -> Vec<Vec<String>> {
            let pages = self.pages().into_iter().filter(|(what, _)| *what == of);
            pages
                .map(|(_, page)| vec![page.name.to_owned(), page.summary().to_owned()])
                .collect()
        };
        let (columns, rows): (&[&str], Vec<Vec<String>>) = match what {
            "kinds" => (
                &["kind", "required tables", "asks for"],
                EVERY.iter().copied().map(kind_row).collect(),
            ),
            "methods" => (
                &["method", "kinds", "what it does"],
                with_code(&self.words().methods).map(method_row).collect(),
            ),
            "checks" => (&["check", "claim"], pages("check")),
            "presets" => (&["preset", "process"], self.preset_rows()),
            "structures" => (&["structure", "what it is"], pages("structure")),
            "codes" => (&["code", "meaning"], pages("code")),
            "examples" => (
                &["file", "title"],
                EXAMPLES
                    .iter()
                    .map(|example| vec![format!("problems/{}", example.file), example.title()])
                    .collect(),
            ),
            _ => return None,
        };
        let mut table = Table::new(columns);
        rows.into_iter().for_each(|row| table.push(row));
        Some(table)
    }

    /// Every page of a name; `None` where nothing is called so.
    pub fn explain(&self, name: &str) -> Option<String> {
        let mut texts: Vec<String> = Vec::new();
        if name == Exit::PAGE {
            texts.push(Exit::page());
        }
        if name == SAFETY {
            texts.push(include_str!("safety.md").to_owned());
        }
        if let Some(kind) = Kind::from_name(name) {
            texts.push(format!("kind {}", self.about_kind(kind)));
        }
        let pages = self.pages().into_iter();
        let pages = pages.filter(|(_, page)| page.name == name);
        texts.extend(pages.map(|(what, page)| format!("{what} {}", page.text())));
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    /// Every name that has a page.
    pub fn names(&self) -> Vec<&'static str> {
        let pages = self.pages().into_iter().map(|(_, page)| page.name);
        let kinds = EVERY.iter().copied().map(Kind::name);
        kinds.chain([Exit::PAGE, SAFETY]).chain(pages).collect()
    }

    /// Pages with code behind them, and what each is about; a name may stand in several.
    fn pages(&self) -> Vec<(&'static str, Page)> {
        let words = self.words();
        let methods = with_code(&words.methods).map(|card| ("method", card.page));
        let checks = with_code(&words.checks).map(|card| ("check", card.page));
        let presets = words.presets.iter().map(|card| ("preset", card.page));
        let structures = structures().into_iter().map(|page| ("structure", page));
        let codes = codes().into_iter().map(|page| ("code", page));
        let added = methods.chain(checks).chain(presets);
        added.chain(structures).chain(codes).collect()
    }

    /// Presets of the format, then those that were added.
    fn preset_rows(&self) -> Vec<Vec<String>> {
        let words = self.words();
        let summary = |name: &str| {
            let mut cards = words.presets.iter();
            let card = cards.find(|card| card.page.name == name);
            card.map_or("", |card| card.page.summary()).to_owned()
        };
        let names = words.names(Names::Presets).into_iter();
        names
            .map(|name| vec![name.to_owned(), summary(name)])
            .collect()
    }

    fn about_kind(&self, kind: Kind) -> String {
        let checks = kind.standard_checks().join(", ");
        let methods = working(&self.words().methods, kind);
        let tables = kind.required_tables();
        let tables: Vec<String> = tables.iter().map(|table| format!("[{table}]")).collect();
        format!(
            "{kind} - {}\n\n  needs      {}\n  methods    {}\n  checks     {checks}\n",
            kind.asks_for(),
            tables.join(" "),
            methods.join(", "),
        )
    }
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
