//! Reads `[run] solvers` and `[[solver]]`, and chooses solvers when the file does not.

use crate::problem::format::vocabulary::{METHODS, all, of_kind};
use crate::problem::meant::model::{MethodSpec, SolverSpec};
use crate::problem::meant::task::Kind;
use crate::problem::read::options::read_options;
use crate::problem::read::structure::Context;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Node, Table, Value};
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::quote;
use crate::problem::text::suggest::did_you_mean;

/// Every solver the file asks for, its options filled in, and whether the choice is left to the
/// structure of the problem.
pub(crate) fn read_solvers(
    reader: &mut Reader,
    root: &Table,
    run: &Section<'_>,
    context: Context<'_>,
) -> (Vec<SolverSpec>, bool) {
    let listed = listed_names(reader, run);
    let mut solvers: Vec<(SolverSpec, std::ops::Range<usize>)> = Vec::new();
    let entries: &[Node] = match root.get("solver").map(|entry| &entry.node.value) {
        Some(Value::Array(items)) => items,
        _ => &[],
    };
    let names = match &listed {
        Some(names) => names.clone(),
        None if entries.is_empty() => vec![("auto".to_owned(), 0..0)],
        None => Vec::new(),
    };
    let mut automatic = false;
    for (name, span) in names {
        if name == "auto" && context.kind == Kind::Reverse {
            automatic = true;
            for method in context.structure.automatic() {
                solvers.push((default_solver(reader, method, context), span.clone()));
            }
        } else if name == "auto" {
            // What a control, a bridge, a path admits is found by the derivation, not here.
            automatic = true;
            reader.record(run, "solvers", quote("auto"));
        } else if let Some(method) = known_method(reader, &name, &span, context.kind) {
            solvers.push((default_solver(reader, method, context), span));
        }
    }
    for node in entries {
        let Value::Table(table) = &node.value else {
            continue;
        };
        let span = table
            .get("method")
            .or_else(|| table.entries.first())
            .map_or(node.span.clone(), |entry| entry.key_span.clone());
        let section = reader.element("solver", "[[solver]]".to_owned(), span.clone(), table);
        if let Some(solver) = read_solver(reader, &section, context) {
            solvers.push((solver, span));
        }
    }
    let solvers = distinct_ids(reader, solvers);
    known_importance(reader, entries, &solvers);
    (solvers, automatic)
}

/// `use` must name another solver, and no two solvers may use each other.
fn known_importance(reader: &mut Reader, entries: &[Node], solvers: &[SolverSpec]) {
    for node in entries {
        let Value::Table(table) = &node.value else {
            continue;
        };
        let Some(entry) = table.get("use") else {
            continue;
        };
        let Value::Text(wanted) = &entry.node.value else {
            continue;
        };
        let target = solvers.iter().find(|solver| solver.id == *wanted);
        let is_weighted = |solver: &&SolverSpec| {
            matches!(solver.method, MethodSpec::PathIntegral { rounds: 0, .. })
        };
        if target.is_some_and(|solver| !is_weighted(&solver)) {
            continue;
        }
        let ids: Vec<&str> = solvers
            .iter()
            .filter(|solver| !is_weighted(solver))
            .map(|solver| solver.id.as_str())
            .collect();
        let message = if target.is_some() {
            format!("solver `{wanted}` is weighted paths itself and has no policy to use")
        } else {
            format!("no solver has the id `{wanted}`")
        };
        let diagnostic = Diagnostic::error("E025", entry.node.span.clone(), message)
            .note(format!("solvers with a policy: {}", ids.join(", ")));
        reader.push(match did_you_mean(wanted, ids.iter().copied()) {
            Some(label) => diagnostic.label(label),
            None => diagnostic,
        });
    }
}

fn listed_names(
    reader: &mut Reader,
    run: &Section<'_>,
) -> Option<Vec<(String, std::ops::Range<usize>)>> {
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

fn distinct_ids(
    reader: &mut Reader,
    solvers: Vec<(SolverSpec, std::ops::Range<usize>)>,
) -> Vec<SolverSpec> {
    let mut seen: Vec<(String, std::ops::Range<usize>)> = Vec::new();
    let mut result = Vec::new();
    for (solver, span) in solvers {
        if let Some((id, first)) = seen.iter().find(|(id, _)| *id == solver.id) {
            reader.push(
                Diagnostic::error("E024", span, format!("two solvers have the id `{id}`"))
                    .also(first.clone(), "the first one")
                    .help("give each [[solver]] its own id"),
            );
            continue;
        }
        seen.push((solver.id.clone(), span));
        result.push(solver);
    }
    result
}

fn known_method(
    reader: &mut Reader,
    name: &str,
    span: &std::ops::Range<usize>,
    kind: Kind,
) -> Option<&'static str> {
    let known = of_kind(METHODS, kind);
    if !known.contains(&name) && all(METHODS).contains(&name) {
        reader.push(
            Diagnostic::error(
                "E014",
                span.clone(),
                format!("method `{name}` is not for kind `{kind}`"),
            )
            .note(format!("methods of this kind: {}", known.join(", "))),
        );
        return None;
    }
    let node = Node {
        span: span.clone(),
        value: Value::Text(name.to_owned()),
    };
    reader.named_choice(&node, name, "method", &known)
}

/// A solver with every option at its default, written to the resolved file.
fn default_solver(reader: &mut Reader, method: &'static str, context: Context<'_>) -> SolverSpec {
    let empty = Table::default();
    let section = reader.element("solver", "[[solver]]".to_owned(), 0..0, &empty);
    reader.record(&section, "id", quote(method));
    reader.record(&section, "method", quote(method));
    SolverSpec {
        id: method.to_owned(),
        method: read_options(reader, &section, method, context),
    }
}

fn read_solver(
    reader: &mut Reader,
    section: &Section<'_>,
    context: Context<'_>,
) -> Option<SolverSpec> {
    let id = reader.text(section, "id");
    let Some(entry) = section.take("method") else {
        reader.missing(section, "method", "\"exact\"");
        return None;
    };
    reader.record_entry(section, entry);
    let Value::Text(name) = &entry.node.value else {
        reader.wrong_type(section, entry, "the name of a method");
        return None;
    };
    let method = known_method(reader, name, &entry.node.span, context.kind)?;
    let id = id.unwrap_or_else(|| method.to_owned());
    reader.record(section, "id", quote(&id));
    let options = read_options(reader, section, method, context);
    reader.finish(section, &format!("method `{method}`"));
    Some(SolverSpec {
        id,
        method: options,
    })
}
