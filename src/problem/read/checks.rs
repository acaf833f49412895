//! Reads `[run] checks` and `[[check]]`, and expands `"standard"`.

use crate::problem::format::card::CheckCard;
use crate::problem::format::vocabulary::readable;
use crate::problem::meant::model::{Against, CheckSpec, Severity};
use crate::problem::meant::named::Named;
use crate::problem::meant::task::Kind;
use crate::problem::read::methods::known_card;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Node, Table, Value};
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::{float, quote, quotes};
use crate::problem::text::suggest::did_you_mean;
use std::ops::Range;

/// Standard errors within which a statistical check passes.
const CONFIDENCE: f64 = 4.0;

/// Which checks apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applicable {
    pub kind: Kind,
    /// The data are a table.
    pub samples: bool,
    pub holdout: bool,
}

/// Every check the file asks for; `solvers` are the ids a check may name.
pub(crate) fn read_checks(
    reader: &mut Reader,
    root: &Table,
    run: &Section<'_>,
    solvers: &[&str],
    facts: Applicable,
) -> Vec<CheckSpec> {
    // Nobody runs them.
    if reader.vocabulary.checks.is_empty() {
        run.take("checks");
        return Vec::new();
    }
    let mut checks: Vec<CheckSpec> = listed(reader, run, facts)
        .into_iter()
        .map(default_check)
        .collect();
    let mut given: Vec<(String, Range<usize>)> = Vec::new();
    for (table, span) in root.list("check") {
        // The merged list is written to the resolved file below.
        let section = reader.element("check", String::new(), span.clone(), table);
        let Some(check) = read_check(reader, &section, solvers, facts.kind) else {
            continue;
        };
        if let Some((id, first)) = given.iter().find(|(id, _)| *id == check.id) {
            reader.push(
                Diagnostic::error("E024", span, format!("two checks have the id `{id}`"))
                    .also(first.clone(), "the first one")
                    .help("give each [[check]] its own id"),
            );
            continue;
        }
        given.push((check.id.clone(), span));
        // Same name: the entry replaces the default settings.
        match checks.iter_mut().find(|c| c.id == check.id) {
            Some(slot) => *slot = check,
            None => checks.push(check),
        }
    }
    if let (true, Some(entry)) = (checks.is_empty(), run.take("checks")) {
        reader.push(
            Diagnostic::warning("W412", entry.node.span.clone(), "checks are disabled")
                .note("results will be marked UNVERIFIED"),
        );
    }
    // The resolved file lists every check with its settings.
    reader.record(run, "checks", quote("none"));
    for check in &checks {
        record(reader, check);
    }
    checks
}

fn default_check(name: &str) -> CheckSpec {
    CheckSpec {
        id: name.to_owned(),
        check: name.to_owned(),
        on: Vec::new(),
        against: None,
        tolerance: None,
        relative_tolerance: None,
        confidence: CONFIDENCE,
        samples: None,
        order: None,
        levels: None,
        until: None,
        severity: Severity::Fail,
    }
}

/// Whether a check only makes sense for a table of points.
fn of_tables(cards: &[&'static CheckCard], name: &str) -> bool {
    cards
        .iter()
        .any(|card| card.tables_only && card.page.name == name)
}

/// The names in `[run] checks`, expanded.
fn listed(reader: &mut Reader, run: &Section<'_>, facts: Applicable) -> Vec<&'static str> {
    let cards = reader.vocabulary.checks.clone();
    let known = readable(&cards, facts.kind);
    let fits = |name: &&'static str| facts.samples || !of_tables(&cards, name);
    let standard = || -> Vec<&'static str> {
        let mut names = facts.kind.standard_checks();
        names.retain(|name| known.contains(name));
        if facts.samples {
            names.push("memorisation");
        }
        if facts.holdout {
            names.push("holdout-nll");
        }
        names
    };
    let Some(entry) = run.take("checks") else {
        return standard();
    };
    let Some(names) = reader.names_at(&entry.node, "run.checks") else {
        return Vec::new();
    };
    let mut result: Vec<&'static str> = Vec::new();
    for (name, node) in names {
        match name.as_str() {
            "standard" => result.extend(standard()),
            "all" => result.extend(known.iter().copied().filter(fits)),
            "none" => {}
            _ => result.extend(known_check(reader, &node, &name, "run.checks", facts.kind)),
        }
    }
    let mut seen = Vec::new();
    result.retain(|name| {
        let new = !seen.contains(name);
        seen.push(*name);
        new
    });
    result
}

/// The check of a name, if this kind has it.
fn known_check(
    reader: &mut Reader,
    node: &Node,
    name: &str,
    place: &str,
    kind: Kind,
) -> Option<&'static str> {
    let cards = reader.vocabulary.checks.clone();
    let card = known_card(reader, &cards, "check", (node, name, place), kind)?;
    Some(card.page.name)
}

fn read_check(
    reader: &mut Reader,
    section: &Section<'_>,
    solvers: &[&str],
    kind: Kind,
) -> Option<CheckSpec> {
    let Some(entry) = section.take("check") else {
        reader.missing(section, "check", "\"derivatives\"");
        return None;
    };
    let Value::Text(name) = &entry.node.value else {
        reader.wrong_type(section, entry, "the name of a check");
        return None;
    };
    let check = known_check(reader, &entry.node, name, "check.check", kind)?;
    let id = reader
        .name(section, "id")
        .unwrap_or_else(|| check.to_owned());
    let on = read_targets(reader, section, solvers);
    let mut spec = CheckSpec {
        id,
        check: check.to_owned(),
        on,
        against: None,
        tolerance: reader.optional_number(section, "tol"),
        relative_tolerance: reader.optional_number(section, "rtol"),
        confidence: reader.number(section, "confidence"),
        samples: reader.optional_count(section, "samples"),
        order: None,
        levels: None,
        until: None,
        severity: reader.one(section, "severity").unwrap_or(Severity::Fail),
    };
    // The checks of reverse diffusion choose their own refinements and comparisons.
    if !kind.is_reverse() {
        spec.against = read_against(reader, section, solvers);
        spec.order = reader.optional_number(section, "order");
        spec.until = reader.optional_number(section, "until");
        spec.levels = reader.optional_count(section, "levels");
    }
    reader.finish(section, &format!("check `{check}`"));
    Some(spec)
}

/// What the answer is compared with: a solver, `reference` or `exact`.
fn read_against(reader: &mut Reader, section: &Section<'_>, solvers: &[&str]) -> Option<Against> {
    let name = reader.text(section, "against")?;
    let entry = section.take("against")?;
    match name.as_str() {
        "reference" => Some(Against::Reference),
        "exact" => Some(Against::Exact),
        _ => known_solver(reader, &entry.node, &name, solvers).then_some(Against::Solver(name)),
    }
}

/// Whether a solver has this id; reports it when none has.
fn known_solver(reader: &mut Reader, node: &Node, name: &str, solvers: &[&str]) -> bool {
    if solvers.contains(&name) {
        return true;
    }
    let diagnostic = Diagnostic::error(
        "E025",
        node.span.clone(),
        format!("no solver has the id `{name}`"),
    )
    .note(format!("solvers: {}", solvers.join(", ")))
    .hint(did_you_mean(name, solvers.iter().copied()));
    reader.push(diagnostic);
    false
}

fn read_targets(reader: &mut Reader, section: &Section<'_>, solvers: &[&str]) -> Vec<String> {
    let Some(entry) = section.take("on") else {
        return Vec::new();
    };
    let Some(names) = reader.names_at(&entry.node, "check.on") else {
        return Vec::new();
    };
    names
        .into_iter()
        .filter(|(name, node)| known_solver(reader, node, name, solvers))
        .map(|(name, _)| name)
        .collect()
}

fn record(reader: &mut Reader, check: &CheckSpec) {
    let empty = Table::default();
    let section = reader.element("check", "[[check]]".to_owned(), 0..0, &empty);
    reader.record(&section, "check", quote(&check.check));
    reader.record(&section, "id", quote(&check.id));
    if !check.on.is_empty() {
        reader.record(&section, "on", quotes(&check.on));
    }
    for (key, value) in [
        ("tol", check.tolerance),
        ("rtol", check.relative_tolerance),
        ("order", check.order),
        ("until", check.until),
        ("confidence", Some(check.confidence)),
    ] {
        if let Some(value) = value {
            reader.record(&section, key, float(value));
        }
    }
    match &check.against {
        Some(Against::Solver(id)) => reader.record(&section, "against", quote(id)),
        Some(Against::Reference) => reader.record(&section, "against", quote("reference")),
        Some(Against::Exact) => reader.record(&section, "against", quote("exact")),
        None => {}
    }
    for (key, value) in [("samples", check.samples), ("levels", check.levels)] {
        if let Some(value) = value {
            reader.record(&section, key, value.to_string());
        }
    }
    reader.record(&section, "severity", quote(check.severity.name()));
}
