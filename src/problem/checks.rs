//! Reads `[run] checks` and `[[check]]`, and expands `"standard"`.

use crate::problem::diagnostic::Diagnostic;
use crate::problem::document::{Node, Table, Value};
use crate::problem::model::{CheckSpec, Severity, SolverSpec};
use crate::problem::reader::{Bound, Reader, Section};
use crate::problem::resolved::{float, quote, quotes};
use crate::problem::suggest::did_you_mean;
use std::ops::Range;

/// Checks of every `reverse` problem.
pub const STANDARD: [&str; 15] = [
    "derivatives",
    "hjb-residual",
    "hopf-cole",
    "verification",
    "gap",
    "pathwise",
    "explicit-implicit",
    "explicit-denoising",
    "stationarity",
    "path-kl",
    "h-invariance",
    "likelihood",
    "entropy-balance",
    "score-identity",
    "grid-order",
];

/// Checks that only make sense for a table of points.
pub const TABLE_CHECKS: [&str; 2] = ["memorisation", "holdout-nll"];

/// Standard errors within which a statistical check passes.
const CONFIDENCE: f64 = 4.0;

/// Every check this version has.
pub fn known() -> Vec<&'static str> {
    STANDARD.into_iter().chain(TABLE_CHECKS).collect()
}

/// Which checks of tables apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableFacts {
    pub samples: bool,
    pub holdout: bool,
}

/// Every check the file asks for.
pub(crate) fn read_checks(
    reader: &mut Reader,
    root: &Table,
    run: &Section<'_>,
    solvers: &[SolverSpec],
    facts: TableFacts,
) -> Vec<CheckSpec> {
    let mut checks: Vec<CheckSpec> = listed(reader, run, facts)
        .into_iter()
        .map(default_check)
        .collect();
    let entries: &[Node] = match root.get("check").map(|entry| &entry.node.value) {
        Some(Value::Array(items)) => items,
        _ => &[],
    };
    let mut given: Vec<(String, Range<usize>)> = Vec::new();
    for node in entries {
        let Value::Table(table) = &node.value else {
            continue;
        };
        let span = table
            .entries
            .first()
            .map_or(node.span.clone(), |entry| entry.key_span.clone());
        // The merged list is written to the resolved file below.
        let section = reader.element("check", String::new(), span.clone(), table);
        let Some(check) = read_check(reader, &section, solvers) else {
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
        tolerance: None,
        relative_tolerance: None,
        confidence: CONFIDENCE,
        samples: None,
        severity: Severity::Fail,
    }
}

/// The names in `[run] checks`, expanded.
fn listed(reader: &mut Reader, run: &Section<'_>, facts: TableFacts) -> Vec<&'static str> {
    let standard = || -> Vec<&'static str> {
        let mut names = STANDARD.to_vec();
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
            "all" => {
                result.extend(STANDARD);
                if facts.samples {
                    result.extend(TABLE_CHECKS);
                }
            }
            "none" => {}
            _ => {
                let known = known();
                if let Some(found) = reader.named_choice(&node, &name, "run.checks", &known) {
                    result.push(found);
                }
            }
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

fn read_check(
    reader: &mut Reader,
    section: &Section<'_>,
    solvers: &[SolverSpec],
) -> Option<CheckSpec> {
    let known = known();
    let check = reader.choice(section, "check", &known, None)?;
    let id = reader
        .text(section, "id")
        .unwrap_or_else(|| check.to_owned());
    let on = read_targets(reader, section, solvers);
    let spec = CheckSpec {
        id,
        check: check.to_owned(),
        on,
        tolerance: reader.optional_number(section, "tol", Bound::Positive),
        relative_tolerance: reader.optional_number(section, "rtol", Bound::Positive),
        confidence: reader
            .optional_number(section, "confidence", Bound::Positive)
            .unwrap_or(CONFIDENCE),
        samples: section
            .take("samples")
            .and_then(|entry| reader.whole_number(&entry.node, "check.samples", 2)),
        severity: match reader.choice(section, "severity", &["fail", "warn"], Some("fail")) {
            Some("warn") => Severity::Warn,
            _ => Severity::Fail,
        },
    };
    reader.finish(section, &format!("check `{check}`"));
    Some(spec)
}

fn read_targets(reader: &mut Reader, section: &Section<'_>, solvers: &[SolverSpec]) -> Vec<String> {
    let Some(entry) = section.take("on") else {
        return Vec::new();
    };
    let Some(names) = reader.names_at(&entry.node, "check.on") else {
        return Vec::new();
    };
    let ids: Vec<&str> = solvers.iter().map(|solver| solver.id.as_str()).collect();
    let mut targets = Vec::new();
    for (name, node) in names {
        if ids.contains(&name.as_str()) {
            targets.push(name);
            continue;
        }
        let diagnostic = Diagnostic::error(
            "E025",
            node.span.clone(),
            format!("no solver has the id `{name}`"),
        )
        .note(format!("solvers: {}", ids.join(", ")));
        reader.push(match did_you_mean(&name, ids.iter().copied()) {
            Some(label) => diagnostic.label(label),
            None => diagnostic,
        });
    }
    targets
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
        ("confidence", Some(check.confidence)),
    ] {
        if let Some(value) = value {
            reader.record(&section, key, float(value));
        }
    }
    if let Some(samples) = check.samples {
        reader.record(&section, "samples", samples.to_string());
    }
    let severity = match check.severity {
        Severity::Fail => "fail",
        Severity::Warn => "warn",
    };
    reader.record(&section, "severity", quote(severity));
}
