//! What every page is made of: head and styles, tables, running text.

use crate::report::chart::sheet::page_style;
use crate::report::record::Environment;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// A page with its head and styles.
pub(super) fn document(title: &str, environment: &Environment, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content={ (environment.program) " " (environment.version) };
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(page_style())) }
            }
            body { main { (body) } }
        }
    };
    without_controls(page.into_string())
}

/// The same without characters that a terminal or a browser would obey instead of showing them: they come from a problem
/// file. Marks without width stay, since formulas are made of some.
fn without_controls(page: String) -> String {
    let obeyed = |c: char| {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        turns || (c.is_control() && !matches!(c, '\n' | '\t'))
    };
    match page.contains(obeyed) {
        true => page.replace(obeyed, "\u{fffd}"),
        false => page,
    }
}

/// A table that scrolls on its own where the page is narrow.
pub(super) fn table(titles: &[&str], rows: &Markup) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { @for title in titles { th { (title) } } } }
            tbody { (rows) }
        } }
    }
}

/// Running text whose `quoted` words are set as code.
pub(super) fn with_code(text: &str) -> Markup {
    html! {
        @for (n, part) in text.split('`').enumerate() {
            @if n % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
