//! Statement, derivation and structure.

use crate::report::html::frame::table;
use crate::report::html::typeset::Typesetter;
use crate::report::record::{DerivationStep, Evidence, Record, StatementLine};
use maud::{Markup, html};

/// The file with line numbers beside the typeset problem; both carry the same tags.
pub(super) fn statement(record: &Record, typesetter: &Typesetter) -> Markup {
    let lines = &record.statement;
    html! {
        div.file {
            (source(&record.identity.text, lines))
            ol.said {
                @for (n, line) in lines.iter().enumerate() {
                    li id={ "S" (n + 1) } {
                        span.tag { "S" (n + 1) }
                        (line.name)
                        @match line.lines {
                            Some((first, last)) if first == last => {
                                a.where href={ "#L" (first) } { "line " (first) }
                            }
                            Some((first, last)) => {
                                a.where href={ "#L" (first) } { "lines " (first) "–" (last) }
                            }
                            None => { span.where { "by default" } }
                        }
                        (typesetter.display(&line.latex, &line.text))
                    }
                }
            }
        }
    }
}

fn source(text: &str, lines: &[StatementLine]) -> Markup {
    let says = |number: usize, line: &StatementLine| {
        line.lines
            .is_some_and(|(first, last)| (first..=last).contains(&number))
    };
    html! {
        pre.src {
            @for (n, row) in text.lines().enumerate() {
                @let number = n + 1;
                span.row.told[lines.iter().any(|line| says(number, line))]
                    id={ "L" (number) } data-n=(number) {
                    @for (s, line) in lines.iter().enumerate() {
                        @if line.lines.is_some_and(|(first, _)| first == number) { b { "S" (s + 1) } }
                    }
                    (row)
                }
            }
        }
    }
}

/// Numbered steps with their rules, assumptions and sources.
pub(super) fn derivation(record: &Record, typesetter: &Typesetter) -> Markup {
    let steps = record.derivation.iter();
    let tested = steps.filter(|s| s.evidence == Evidence::Tested).count();
    html! {
        @for step in &record.derivation { (derivation_step(step, typesetter)) }
        @if tested > 0 {
            p.note {
                (tested) " of " (record.derivation.len())
                " steps rest on tests at random points instead of a proof; they are marked " span.tested { "tested" } "."
            }
        }
    }
}

fn derivation_step(step: &DerivationStep, typesetter: &Typesetter) -> Markup {
    html! {
        div.step id={ "step-" (step.number) } {
            div.no { "(" (step.number) ")" }
            div {
                span.name { (step.name) }
                @if !step.rule.is_empty() { span.rule { "  by " (step.rule) } }
                span.rule { ", " }
                span.rule.tested[step.evidence == Evidence::Tested] { (step.evidence.name()) }
                (typesetter.display(&step.latex, &step.text))
                @if !step.assumptions.is_empty() {
                    p.note { "Assumes " (step.assumptions.join("; ")) "." }
                }
                @if !step.source.is_empty() { p.note { (step.source) } }
                @if !step.latex.is_empty() {
                    details.tex {
                        summary { "LaTeX" }
                        pre { (step.latex) }
                    }
                }
            }
        }
    }
}

/// What was detected, and what near misses would unlock.
pub(super) fn structure(record: &Record) -> Markup {
    let unlocks = record.structures.iter().any(|s| !s.unlocks.is_empty());
    let titles = ["structure", "found", "evidence", "because", "unlocks"];
    let rows = html! {
        @for finding in &record.structures {
            tr {
                td.n { (finding.name) }
                td { @if finding.found { b { "yes" } } @else { "no" } }
                td { (finding.evidence.name()) }
                td { (finding.because) }
                @if unlocks { td { (finding.unlocks) } }
            }
        }
    };
    html! {
        @if !record.structures.is_empty() {
            (table(&titles[..if unlocks { 5 } else { 4 }], &rows))
        }
    }
}
