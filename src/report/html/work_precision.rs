//! The page of `bench`.

use crate::report::figures::work_precision::work_precision;
use crate::report::html::frame::{document, table, with_code};
use crate::report::number;
use crate::report::work_precision::{
    BenchRecord, RUNG_TITLES, error_text, failure_texts, loss_text, rates_text, truth_text,
};
use crate::verification::work_precision::Ladder;
use maud::{Markup, PreEscaped, html};

/// The whole page.
pub fn page(record: &BenchRecord) -> String {
    let identity = &record.identity;
    let title = identity.shown_title();
    let losses: Vec<String> = record.losses().iter().map(loss_text).collect();
    let body = html! {
        header {
            h1 { (title) }
            p.sub { span.mono { (identity.name) } ", " (identity.kind) ", work against precision" }
            @if let Some(sentence) = record.ended.sentence() { p.sub { (sentence) } }
        }
        section id="figure" {
            h2 { "Work against precision" }
            figure {
                (PreEscaped(work_precision(record).inline("work-precision", "error against time")))
                figcaption {
                    "Distance from the truth against wall time. A ring is a bound: the distance is below the tolerance of the truth \
                     (grey) or below two standard errors of the answer. A cross is an attempt without an answer. The thin line is \
                     what the method says of its own error."
                }
            }
        }
        section id="tables" {
            h2 { "Rungs" }
            @for ladder in &record.ladders { (ladder_table(ladder)) }
        }
        @if !losses.is_empty() {
            section id="losses" { h2 { "Where a method loses" } (list(&losses)) }
        }
        @if record.failures().next().is_some() {
            section id="failures" { h2 { "No answer" } (list(&failure_texts(record))) }
        }
        section id="reproduce" {
            h2 { "Reproduce" }
            dl {
                dt { "command" } dd { code { (record.environment.command) } }
                dt { "program" } dd { (record.environment.program) " " (record.environment.version) }
                dt { "problem" } dd { (identity.file) ", hash " code { (identity.hash) } }
                dt { "seed" } dd { (record.environment.seed) }
                dt { "threads" } dd { (record.environment.threads) }
                dt { "machine" } dd { (record.environment.machine) }
                dt { "files" } dd { code { "problem.toml" } ", " code { "bench.jsonl" } }
            }
        }
    };
    document(title, &record.environment, &body)
}

fn ladder_table(ladder: &Ladder) -> Markup {
    let rates = rates_text(ladder);
    html! {
        h3 { (ladder.quantity) }
        p { "Truth: " (with_code(&truth_text(ladder))) "." }
        (table(&RUNG_TITLES, &html! {
            @for rung in &ladder.rungs {
                tr {
                    td.mono { (rung.solver) }
                    td { (rung.method) }
                    td { (rung.settings) }
                    td.n { (number::seconds(rung.seconds)) }
                    td.n { (error_text(rung)) }
                    td.n { (number::typeset(rung.own.error, 2)) " " (rung.own.kind.name()) }
                }
            }
        }))
        @if !rates.is_empty() { p { "Error falls as " (with_code(&rates.join(", "))) "." } }
    }
}

fn list(items: &[String]) -> Markup {
    html! { ul { @for item in items { li { (with_code(item)) } } } }
}
