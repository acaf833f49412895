//! Reads `[run] solvers` and `[[solver]]`, and chooses solvers when the file does not.

use crate::problem::format::card::{Card, Listed};
use crate::problem::format::key::{Form, Key};
use crate::problem::format::vocabulary::{all, readable};
use crate::problem::meant::setup::Setup;
use crate::problem::meant::solver::SolverSpec;
use crate::problem::meant::task::Kind;
use crate::problem::read::options::read_options;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Node, Table, Value};
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::quote;
use crate::problem::text::suggest::did_you_mean;
use std::ops::Range;

/// Every solver the file asks for, its options filled in, and whether the choice is left to the
/// structure of the problem.
pub(crate) fn read_solvers(
    reader: &mut Reader,
    root: &Table,
    run: &Section<'_>,
    setup: &Setup<'_>,
) -> (Vec<SolverSpec>, bool) {
    let listed = listed_names(reader, run);
    let entries = root.list("solver");
    let names = match listed {
        Some(names) => names,
        None if entries.is_empty() => vec![("auto".to_owned(), 0..0)],
        None => Vec::new(),
    };
    let mut solvers: Vec<(SolverSpec, Range<usize>)> = Vec::new();
    let mut automatic = false;
    reader.resolved.mark_solvers();
    for (name, span) in names {
        if name == "auto" {
            automatic = true;
            match (reader.vocabulary.automatic)(setup) {
                Some(methods) => {
                    let chosen = chosen_solvers(reader, &methods, &Table::default(), setup);
                    solvers.extend(chosen.into_iter().map(|(solver, _)| (solver, span.clone())));
                }
                // Found by the derivation, not here.
                None => reader.record(run, "solvers", quote("auto")),
            }
        } else if let Some(card) = known_method(reader, &name, &span, setup.kind) {
            solvers.push((default_solver(reader, card, setup), span));
        }
    }
    solvers.extend(chosen_solvers(reader, &[], root, setup));
    let solvers = distinct_ids(reader, solvers);
    known_importance(reader, &entries, &solvers);
    (solvers, automatic)
}

/// Methods at their defaults, then the solvers of `[[solver]]` tables, each with its place.
pub(crate) fn chosen_solvers(
    reader: &mut Reader,
    methods: &[&str],
    root: &Table,
    setup: &Setup<'_>,
) -> Vec<(SolverSpec, Range<usize>)> {
    let mut solvers = Vec::new();
    for name in methods {
        if let Some(card) = known_method(reader, name, &(0..0), setup.kind) {
            solvers.push((default_solver(reader, card, setup), 0..0));
        }
    }
    for (table, place) in root.list("solver") {
        let method = table.get("method");
        let span = method.map_or(place, |entry| entry.key_span.clone());
        let section = reader.element("solver", "[[solver]]".to_owned(), span.clone(), table);
        if let Some(solver) = read_solver(reader, &section, setup) {
            solvers.push((solver, span));
        }
    }
    solvers
}

/// A solver that another one names must be there and have a policy: one that could name another itself has none,
/// unless it fits its own in rounds.
fn known_importance(
    reader: &mut Reader,
    entries: &[(&Table, Range<usize>)],
    solvers: &[SolverSpec],
) {
    let names_another = |key: &Key| matches!(key.form, Form::Solver);
    let with_policy = |solver: &&SolverSpec| {
        !solver.card.options.iter().any(names_another) || solver.options.count("rounds") > 0
    };
    for (table, _) in entries {
        let (Some(entry), Some(wanted)) = (table.get("use"), table.text("use")) else {
            continue;
        };
        let target = solvers.iter().find(|solver| solver.id == wanted);
        if target.is_some_and(|solver| with_policy(&solver)) {
            continue;
        }
        let able = solvers.iter().filter(with_policy);
        let ids: Vec<&str> = able.map(|solver| solver.id.as_str()).collect();
        let message = if target.is_some() {
            format!("solver `{wanted}` is weighted paths itself and has no policy to use")
        } else {
            format!("no solver has the id `{wanted}`")
        };
        reader.push(
            Diagnostic::error("E025", entry.node.span.clone(), message)
                .note(format!("solvers with a policy: {}", ids.join(", ")))
                .hint(did_you_mean(wanted, ids.iter().copied())),
        );
    }
}

fn listed_names(reader: &mut Reader, run: &Section<'_>) -> Option<Vec<(String, Range<usize>)>> {
    let entry = run.take("solvers")?;
    let names = reader.names_at(&entry.node, "run.solvers")?;
    if names.is_empty() {
        reader.push(
            Diagnostic::error(
                "E013",
                entry.node.span.clone(),
                "`run.solvers` names no solver",
            )
            .help("leave it out for the automatic choice, or list methods"),
        );
    }
    Some(
        names
            .into_iter()
            .map(|(name, node)| (name, node.span))
            .collect(),
    )
}

pub(crate) fn distinct_ids(
    reader: &mut Reader,
    solvers: Vec<(SolverSpec, Range<usize>)>,
) -> Vec<SolverSpec> {
    let mut result: Vec<(SolverSpec, Range<usize>)> = Vec::new();
    for (solver, span) in solvers {
        if let Some((same, first)) = result.iter().find(|(known, _)| known.id == solver.id) {
            let message = format!("two solvers have the id `{}`", same.id);
            reader.push(
                Diagnostic::error("E024", span, message)
                    .also(first.clone(), "the first one")
                    .help("give each [[solver]] its own id"),
            );
            continue;
        }
        result.push((solver, span));
    }
    result.into_iter().map(|(solver, _)| solver).collect()
}

/// The card of a name, if files of this kind may use it.
pub(crate) fn known_card<T: Listed>(
    reader: &mut Reader,
    cards: &[&'static T],
    what: &str,
    (node, name, place): (&Node, &str, &str),
    kind: Kind,
) -> Option<&'static T> {
    let known = readable(cards, kind);
    if !known.contains(&name) && all(cards).contains(&name) {
        reader.push(
            Diagnostic::error(
                "E014",
                node.span.clone(),
                format!("{what} `{name}` is not for kind `{kind}`"),
            )
            .note(format!("{what}s of this kind: {}", known.join(", "))),
        );
        return None;
    }
    let name = reader.named_choice(node, name, place, &known)?;
    find(cards, name)
}

fn find<T: Listed>(cards: &[&'static T], name: &str) -> Option<&'static T> {
    cards.iter().find(|card| card.name() == name).copied()
}

fn known_method(
    reader: &mut Reader,
    name: &str,
    span: &Range<usize>,
    kind: Kind,
) -> Option<&'static Card> {
    let node = Node {
        span: span.clone(),
        value: Value::Text(name.to_owned()),
    };
    let cards = reader.vocabulary.methods.clone();
    known_card(reader, &cards, "method", (&node, name, "method"), kind)
}

/// A solver with every option at its default, written to the resolved file.
fn default_solver(reader: &mut Reader, card: &'static Card, setup: &Setup<'_>) -> SolverSpec {
    let empty = Table::default();
    let section = reader.element("solver", "[[solver]]".to_owned(), 0..0, &empty);
    reader.record(&section, "id", quote(card.name()));
    reader.record(&section, "method", quote(card.name()));
    SolverSpec {
        id: card.name().to_owned(),
        card,
        options: read_options(reader, &section, card.options, setup),
    }
}

fn read_solver(
    reader: &mut Reader,
    section: &Section<'_>,
    setup: &Setup<'_>,
) -> Option<SolverSpec> {
    let id = reader.name(section, "id");
    let Some(entry) = section.take("method") else {
        reader.missing(section, "method", "\"exact\"");
        return None;
    };
    let Value::Text(name) = &entry.node.value else {
        reader.wrong_type(section, entry, "the name of a method");
        return None;
    };
    let card = known_method(reader, name, &entry.node.span, setup.kind)?;
    let id = id.unwrap_or_else(|| card.name().to_owned());
    reader.record(section, "id", quote(&id));
    reader.record_entry(section, entry);
    let options = read_options(reader, section, card.options, setup);
    reader.finish(section, &format!("method `{}`", card.name()));
    Some(SolverSpec { id, card, options })
}
