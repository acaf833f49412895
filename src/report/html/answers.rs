//! Solvers and verification.

use crate::numeric::estimate::Estimate;
use crate::report::chart::ink::Ink;
use crate::report::figures::drawing::Cast;
use crate::report::html::badge::badge;
use crate::report::html::frame::table;
use crate::report::html::typeset::Typesetter;
use crate::report::number;
use crate::report::record::{CheckRow, Record, Solved, SolverOutcome, SolverRow, solved};
use crate::report::terminal;
use crate::verification::verdict::Verdict;
use maud::{Markup, html};

fn typeset(estimate: &Option<Estimate>) -> String {
    estimate
        .as_ref()
        .map_or_else(|| "–".to_owned(), number::typeset_with_error)
}

/// The solver's colour and dash, as in the figures.
fn swatch(ink: Ink) -> Markup {
    html! {
        svg.chart.swatch viewBox="0 0 22 10" aria-hidden="true" {
            path class={ "s " (ink.class()) } stroke-dasharray=[Some(ink.dash()).filter(|d| !d.is_empty())] d="M0 5h22" {}
        }
    }
}

/// Comparison, sample quality, refusals, then the details of each solver.
pub(super) fn solvers(record: &Record) -> Markup {
    let cast = Cast::new(record);
    let solved: Vec<(&SolverRow, &Solved)> = solved(&record.solvers).collect();
    html! {
        @if !solved.is_empty() {
            (comparison(&solved, &cast))
            (samples(&solved, &cast))
        }
        (unsolved(&record.solvers))
        @for (row, solved) in &solved { (details(row, solved)) }
    }
}

/// A column: its title, its unit and its cell.
type Column<'a> = (&'a str, &'a str, &'a dyn Fn(&Solved) -> Option<String>);

/// How near the optimum each answer is, then what it cost.
fn comparison(solved: &[(&SolverRow, &Solved)], cast: &Cast<'_>) -> Markup {
    let estimate = |e: &Option<Estimate>| e.as_ref().map(number::typeset_with_error);
    let control_error = |s: &Solved| match (&s.control_error, s.against.is_empty()) {
        (None, true) => Some("reference".to_owned()),
        (error, _) => estimate(error),
    };
    let against = solved
        .iter()
        .map(|(_, s)| s.against.as_str())
        .find(|id| !id.is_empty());
    html! {
        (columns(solved, cast, &[
            ("value V", "", &|s| estimate(&s.value)),
            ("log Z", "nats", &|s| estimate(&s.log_normalizer)),
            ("control error", "1/√time", &control_error),
            ("relative", "", &|s| estimate(&s.relative_control_error)),
            ("action S", "nats", &|s| estimate(&s.action)),
            ("gap S − V", "nats", &|s| estimate(&s.gap)),
            ("½E∫|u − u*|²", "nats", &|s| estimate(&s.gap_integral)),
            ("path KL", "nats", &|s| estimate(&s.path_kl)),
            ("ESS", "share of paths", &|s| s.effective_sample_size.map(|e| number::typeset(e, 3))),
            ("std log w", "", &|s| s.log_weight_spread.map(|e| number::typeset(e, 3))),
        ]))
        p.note {
            "Errors are one standard error or the error estimate of the method. "
            @if let Some(id) = against { "Control errors are against " (id) "." }
        }
        (columns(solved, cast, &[
            ("NLL held out", "nats per point", &|s| estimate(&s.held_out_nll)),
            ("own error", "", &|s| s.own_error.map(|e| number::typeset(e, 2))),
            ("time", "", &|s| Some(number::seconds(s.seconds))),
            ("work", "", &|s| Some(terminal::work(s)).filter(|work| !work.is_empty())),
            ("stopped", "", &|s| Some(s.stopped.clone())),
        ]))
    }
}

/// A table with one row per solver; columns without any number are left out.
fn columns(solved: &[(&SolverRow, &Solved)], cast: &Cast<'_>, columns: &[Column<'_>]) -> Markup {
    let shown: Vec<&Column<'_>> = columns
        .iter()
        .filter(|(_, _, cell)| solved.iter().any(|(_, s)| cell(s).is_some()))
        .collect();
    html! {
        div.scroll { table {
            thead { tr {
                th { "solver" } th { "method" }
                @for (title, unit, _) in &shown {
                    th { (title) @if !unit.is_empty() { small { (unit) } } }
                }
            } }
            tbody {
                @for (row, s) in solved {
                    tr {
                        td.n { (swatch(cast.ink(&row.id))) (row.id) }
                        td.n { (row.method) }
                        @for (title, _, cell) in &shown {
                            td.n[*title != "work"] { (cell(s).unwrap_or_else(|| "–".to_owned())) }
                        }
                    }
                }
            }
        } }
    }
}

fn samples(solved: &[(&SolverRow, &Solved)], cast: &Cast<'_>) -> Markup {
    let generated = || {
        let rows = solved.iter();
        rows.flat_map(|(row, s)| s.generated.iter().map(move |generated| (row, generated)))
    };
    let modes = generated().any(|(_, g)| !g.mode_weights.is_empty());
    let titles = [
        "solver",
        "h",
        "W₂",
        "floor",
        "energy distance",
        "floor",
        "mode weights",
    ];
    let expected = solved
        .iter()
        .map(|(_, s)| &s.expected_mode_weights)
        .find(|weights| !weights.is_empty());
    let rows = html! {
        @for (row, generated) in generated() {
            tr {
                td.n { (swatch(cast.ink(&row.id))) (row.id) }
                td.n { (number::typeset(generated.noise_level, 3)) }
                td.n { (typeset(&generated.transport)) }
                td.n { (typeset(&generated.transport_floor)) }
                td.n { (typeset(&generated.energy_distance)) }
                td.n { (typeset(&generated.energy_floor)) }
                @if modes { td.n { (terminal::mode_weights(&generated.mode_weights)) } }
            }
        }
    };
    html! {
        @if generated().next().is_some() {
            h3 { "Generated samples" }
            (table(&titles[..if modes { 7 } else { 6 }], &rows))
            p.note {
                "The floor is the same distance between two sets of true draws. "
                @if let Some(weights) = expected { "Weights of the data law: " (terminal::mode_weights(weights)) "." }
            }
        }
    }
}

fn unsolved(solvers: &[SolverRow]) -> Markup {
    html! {
        @for row in solvers {
            @match &row.outcome {
                SolverOutcome::Solved(_) => {}
                SolverOutcome::Refused { reason, accepted } => {
                    p { b { (row.id) } " (" (row.method) ") does not apply: " (reason) ". Accepted: " (accepted) "." }
                }
                SolverOutcome::Failed { message } => {
                    p { b { (row.id) } " (" (row.method) ") failed: " (message) }
                }
            }
        }
    }
}

fn details(row: &SolverRow, solved: &Solved) -> Markup {
    html! {
        details {
            summary { b { (row.id) } ": " (solved.stopped) }
            dl {
                @if !row.settings.is_empty() { dt { "settings" } dd { (row.settings) } }
                @let work = terminal::work(solved);
                @if !work.is_empty() { dt { "work" } dd { (work) } }
                @if let Some(bias) = solved.step_bias {
                    dt { "step bias of S" } dd { (number::typeset(bias, 2)) }
                }
                @for quantity in &solved.quantities {
                    dt { (quantity.name) } dd { (typeset(&quantity.value)) }
                }
                @for fact in &solved.facts {
                    dt { (fact.name) } dd { (number::typeset(fact.value, 4)) }
                }
            }
            @if solved.history.len() > 1 {
                (history(solved))
            }
        }
    }
}

/// First, last and some entries between.
fn history(solved: &Solved) -> Markup {
    const SHOWN: usize = 12;
    let last = solved.history.len() - 1;
    let count = SHOWN.min(solved.history.len());
    let chosen = (0..count).map(|n| &solved.history[n * last / (count - 1)]);
    let rows = html! {
        @for point in chosen {
            tr {
                td.n { (point.iteration) }
                td.n { (number::typeset(point.objective, 8)) }
                td.n { (number::typeset(point.measured, 3)) }
            }
        }
    };
    table(&["iteration", "objective", "measured"], &rows)
}

/// Checks by identity, then references; what is not passed says why and what would decide it.
pub(super) fn verification(record: &Record, typesetter: &Typesetter) -> Markup {
    let checks = ["check", "on", "measured", "limit", "verdict", "remark"];
    let references = [
        "verdict",
        "name",
        "known",
        "measured",
        "difference",
        "limit",
        "source",
    ];
    html! {
        @if !record.checks.is_empty() {
            (table(&checks, &html! {
                @for group in record.checks.chunk_by(|a, b| a.check == b.check) {
                    (identity(&group[0], typesetter))
                    @for row in group { (check(row)) }
                }
            }))
        }
        @if !record.references.is_empty() {
            h3 { "References" }
            (table(&references, &html! {
                @for row in &record.references {
                    @let [difference, limit] = terminal::reference_cells(row);
                    tr {
                        td { (badge(row.verdict)) }
                        td.n { (row.name) }
                        td.n { (number::typeset(row.value, 10)) }
                        td.n { (typeset(&row.measured)) }
                        td.n { (difference) }
                        td.n { (limit) }
                        td { (row.source) }
                    }
                    @if !row.reason.is_empty() {
                        tr.why { td {} td colspan="6" { (row.reason) } }
                    }
                }
            }))
        }
    }
}

/// Name, equation and meaning of a check.
fn identity(row: &CheckRow, typesetter: &Typesetter) -> Markup {
    html! {
        tr.group {
            td.n { b { (row.check) } }
            td colspan="5" {
                @if !row.latex.is_empty() || !row.formula.is_empty() {
                    (typesetter.inline(&row.latex, &row.formula))
                }
                @if !row.meaning.is_empty() { div.note { (row.meaning) } }
            }
        }
    }
}

fn check(row: &CheckRow) -> Markup {
    let open = !matches!(row.verdict, Verdict::Pass | Verdict::Proved);
    html! {
        tr.member {
            td {}
            td.n { (row.on) }
            td.n { (terminal::measured(row)) }
            td.n { (terminal::limit(row)) }
            td { (badge(row.verdict)) }
            td.reason {
                (row.reason)
                @if open && !row.hints.is_empty() {
                    ol { @for hint in row.hints.iter().take(3) { li { (hint) } } }
                }
            }
        }
    }
}
