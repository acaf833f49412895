//! `report.html`: one page with the statement, the derivation, the results and the verdicts.
//!
//! It needs no network, no script and no font: equations are MathML, figures inline SVG, colours follow
//! the reader's light or dark preference, and the page prints.

mod answers;
pub mod badge;
mod frame;
mod problem;
pub mod typeset;
pub mod work_precision;

use crate::report::figures::drawing::Drawing;
use crate::report::html::badge::symbol;
use crate::report::html::frame::{document, table, with_code};
use crate::report::html::typeset::Typesetter;
use crate::report::json;
use crate::report::number;
use crate::report::record::Record;
use crate::verification::verdict::Verdict;
use maud::{Markup, PreEscaped, html};

const NOT_SHOWN: &str = "What this does not show";

/// The whole page.
pub fn page(record: &Record, drawings: &[Drawing]) -> Result<String, serde_json::Error> {
    let typesetter = Typesetter::default();
    let result = json::result(record)?;
    let title = record.identity.shown_title();
    let statement = problem::statement(record, &typesetter);
    let derivation = problem::derivation(record, &typesetter);
    let verification = answers::verification(record, &typesetter);
    let sections = [
        ("statement", "Statement", statement),
        ("derivation", "Derivation", derivation),
        ("structure", "Structure", problem::structure(record)),
        ("solvers", "Solvers", answers::solvers(record)),
        ("verification", "Verification", verification),
        ("figures", "Figures", figures(drawings)),
        ("limitations", NOT_SHOWN, limitations(record)),
        ("reproduce", "Reproduce", reproduce(record, &result)),
    ];
    let body = html! {
        (banner(record, title))
        nav {
            @for (id, name, _) in sections.iter().filter(|s| !is_empty(&s.2)) {
                a href={ "#" (id) } { (name) } " "
            }
        }
        @for (id, name, body) in sections.iter().filter(|s| !is_empty(&s.2)) {
            section id=(id) {
                h2 { (name) }
                (body)
            }
        }
    };
    Ok(document(title, &record.environment, &body))
}

fn is_empty(markup: &Markup) -> bool {
    markup.0.is_empty()
}

fn banner(record: &Record, title: &str) -> Markup {
    let identity = &record.identity;
    let counts = record.counts();
    let chips = [
        (Verdict::Proved, counts.proved),
        (Verdict::Pass, counts.pass),
        (Verdict::Fail, counts.fail),
        (Verdict::Inconclusive, counts.inconclusive),
        (Verdict::Skipped, counts.skipped),
    ];
    let states = match identity.states.len() {
        1 => "1 state".to_owned(),
        n => format!("{n} states"),
    };
    html! {
        header {
            h1 { (title) }
            p.sub {
                span.mono { (identity.name) } ", " (identity.kind) ", " (states)
                @if !identity.states.is_empty() && identity.states.len() <= 6 {
                    " (" (identity.states.join(", ")) ")"
                }
            }
            @if !record.headline.is_empty() { p.headline { (with_code(&record.headline)) } }
            @if let Some(why) = &record.unverified {
                div.alarm { b { "UNVERIFIED" } " " (why) }
            }
            @if !record.checks.is_empty() || !record.references.is_empty() {
                div.chips {
                    @for (verdict, count) in chips {
                        span.v.(verdict.name()).none[count == 0] {
                            (symbol(verdict)) " " (count) " " (verdict.name())
                        }
                    }
                }
            }
            @if !identity.about.is_empty() {
                @for paragraph in identity.about.split("\n\n") { p { (with_code(paragraph)) } }
            }
            @for warning in &record.warnings { p { b { "Warning. " } (with_code(warning)) } }
        }
    }
}

fn figures(drawings: &[Drawing]) -> Markup {
    html! {
        @for drawing in drawings {
            figure id={ "figure-" (drawing.name) } {
                (PreEscaped(drawing.sheet.inline(drawing.name, drawing.title)))
                figcaption {
                    b { (drawing.title) "." }
                    " " (drawing.caption)
                }
            }
        }
    }
}

fn limitations(record: &Record) -> Markup {
    html! {
        @if !record.limitations.is_empty() {
            ul.limits {
                @for limitation in &record.limitations { li { (with_code(limitation)) } }
            }
        }
    }
}

fn reproduce(record: &Record, result: &str) -> Markup {
    let environment = &record.environment;
    // `<` stands only inside JSON strings; as an escape it cannot end the block.
    let data = result.replace('<', "\\u003c");
    html! {
        dl {
            dt { "command" } dd { code { (environment.command) } }
            dt { "program" } dd { (environment.program) " " (environment.version) }
            dt { "problem" } dd { (record.identity.file) ", hash " code { (record.identity.hash) } }
            dt { "seed" } dd { (environment.seed) }
            dt { "threads" } dd { (environment.threads) " (results do not depend on it)" }
            @if !environment.machine.is_empty() { dt { "machine" } dd { (environment.machine) } }
            dt { "wall time" }
            dd {
                (number::seconds(environment.seconds()))
                @if environment.phases.len() > 1 {
                    " ("
                    @for (n, phase) in environment.phases.iter().enumerate() {
                        @if n > 0 { ", " }
                        (phase.name) " " (number::seconds(phase.seconds))
                    }
                    ")"
                }
            }
            dt { "files" }
            dd {
                code { "problem.toml" } ", " code { "resolved.toml" } ", " code { "derivation.json" } ", "
                code { "result.json" } " (also inside this page), " code { "arrays.npz" } ", "
                code { "events.jsonl" } ", " code { "plots/*.svg" }
            }
        }
        @if !record.arrays.is_empty() {
            details {
                summary { (record.arrays.len()) " arrays in arrays.npz" }
                (table(&["key", "shape", "axes", "unit"], &html! {
                    @for array in &record.arrays {
                        tr {
                            td.mono { (array.key) }
                            td.n {
                                @for (n, size) in array.shape.iter().enumerate() {
                                    @if n > 0 { " × " } (size)
                                }
                            }
                            td { (array.axes.join(", ")) }
                            td { (array.unit) }
                        }
                    }
                }))
            }
        }
        details {
            summary { "resolved.toml: the problem with every default filled in" }
            pre { (record.identity.resolved) }
        }
        script type="application/json" id="result" { (PreEscaped(data)) }
    }
}
