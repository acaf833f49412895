//! `list` and `explain`: every name of the program, and a page about each.

use crate::cli::output::{complain, say};
use crate::problem::text::suggest::did_you_mean;
use crate::report::terminal::Style;
use crate::study::Registry;
use crate::study::exit::Exit;
use std::io::IsTerminal;

/// Prints one name per row with a line about it.
pub fn list(what: &str) -> Exit {
    let width = Style::of_terminal(std::io::stdout().is_terminal()).width;
    match Registry::standard().list(what) {
        Some(table) => {
            say(&table.render(width));
            Exit::Solved
        }
        None => {
            let lists = Registry::LISTS;
            let hint = did_you_mean(what, lists).map_or(String::new(), |hint| format!(", {hint}"));
            complain(format!(
                "no list `{what}`{hint}; lists: {}",
                lists.join(", ")
            ));
            Exit::BadInput
        }
    }
}

/// Prints every page of a name.
pub fn explain(name: &str) -> Exit {
    let registry = Registry::standard();
    match registry.explain(name) {
        Some(text) => {
            say(&text);
            Exit::Solved
        }
        None => {
            let hint = did_you_mean(name, registry.names());
            let hint = hint.map_or(String::new(), |hint| format!(", {hint}"));
            let lists = Registry::LISTS.join("|");
            complain(format!(
                "nothing is called `{name}`{hint}; names: onsager list {lists}"
            ));
            Exit::BadInput
        }
    }
}
