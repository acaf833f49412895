//! The result of a run on standard output: tall tables, numbers with their errors, then what to do next.

use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::report::number;
use crate::report::record::{
    CheckRow, Record, ReferenceRow, Solved, SolverOutcome, SolverRow, StructureFinding, solved,
};
use crate::report::shell::quoted;
use crate::report::table::{Table, paragraph, wrap};
use crate::verification::verdict::Verdict;
use std::path::Path;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Characters per line.
    pub width: usize,
    /// Whether verdict words are coloured.
    pub colour: bool,
}

impl Style {
    /// For files and pipes.
    pub const PLAIN: Self = Self {
        width: 110,
        colour: false,
    };

    /// As wide as the shell says its terminal is (`COLUMNS`), else as [`Self::PLAIN`].
    pub fn of_terminal(colour: bool) -> Self {
        let width = std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse::<usize>().ok())
            .map_or(Self::PLAIN.width, |columns| columns.max(60));
        Self { width, colour }
    }
}

/// Hints shown for one problem.
const HINTS: usize = 3;

/// Everything `solve` prints at its end.
pub fn summary(record: &Record, run_folder: Option<&Path>, style: Style) -> String {
    let mut sections = vec![
        heading(record, style),
        comparison(&record.solvers, style),
        unsolved(&record.solvers, style),
        verdicts(&record.checks, &record.references, style),
        judgement(record, style),
        places(record, run_folder, style),
    ];
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

fn heading(record: &Record, style: Style) -> String {
    let identity = &record.identity;
    let states = match identity.states.len() {
        1 => "1 state".to_owned(),
        n => format!("{n} states"),
    };
    let mut out = format!(
        "{}   {}, {states}, hash {}, seed {}\n",
        identity.name, identity.kind, identity.hash, record.environment.seed
    );
    if !record.headline.is_empty() {
        out.push_str(&paragraph(&record.headline, style.width, 0));
    }
    for warning in &record.warnings {
        let text = format!("warning: {warning}");
        out.push_str(&paragraph(&text, style.width, 2));
    }
    out
}

/// Structure table of `check`: name, found, evidence, because.
pub fn structures(findings: &[StructureFinding], style: Style) -> String {
    let mut table = Table::new(&["structure", "found", "evidence", "because"]);
    for finding in findings {
        table.push(vec![
            finding.name.clone(),
            if finding.found { "yes" } else { "no" }.to_owned(),
            finding.evidence.name().to_owned(),
            finding.because.clone(),
        ]);
    }
    table.render_rows(style.width.max(160))
}

/// One row per solver, how close it is to the optimum and what it cost; then one row per solver and
/// noise level, how good its samples are.
fn comparison(solvers: &[SolverRow], style: Style) -> String {
    let titles = cells(&Solved::default()).map(|(title, _)| title);
    let mut table = Table::new(&[&["solver", "method"], &titles[..]].concat());
    for (row, solved) in solved(solvers) {
        let names = [row.id.clone(), row.method.clone()].into_iter();
        table.push(names.chain(cells(solved).map(|(_, cell)| cell)).collect());
    }
    let mut parts = vec![
        table.without_empty_columns().render_rows(style.width),
        samples(solvers, style),
        quantities(solvers, style),
    ];
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// Named numbers, one column per solver.
fn quantities(solvers: &[SolverRow], style: Style) -> String {
    let found: Vec<(&SolverRow, &Solved)> = solved(solvers)
        .filter(|(_, solved)| !solved.quantities.is_empty())
        .collect();
    let mut names: Vec<&str> = Vec::new();
    for quantity in found.iter().flat_map(|(_, solved)| &solved.quantities) {
        if !names.contains(&quantity.name.as_str()) {
            names.push(&quantity.name);
        }
    }
    let ids = found.iter().map(|(row, _)| row.id.as_str());
    let titles: Vec<&str> = std::iter::once("quantity").chain(ids).collect();
    let mut table = Table::new(&titles);
    for name in names {
        let cells = found.iter().map(|(_, solved)| {
            let own = solved.quantities.iter().find(|q| q.name == name);
            own.map_or(String::new(), |q| shown(&q.value))
        });
        table.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    table.render_rows(style.width)
}

/// An estimate, or nothing where it was not measured.
fn shown(estimate: &Option<Estimate>) -> String {
    estimate
        .as_ref()
        .map(number::with_error)
        .unwrap_or_default()
}

/// What is said of an answer, each with its title.
fn cells(solved: &Solved) -> [(&'static str, String); 14] {
    let control_error = match (&solved.control_error, solved.against.is_empty()) {
        (None, true) => "reference".to_owned(),
        (error, _) => shown(error),
    };
    let own_error = solved.own_error.map(|error| number::significant(error, 2));
    [
        ("value V", shown(&solved.value)),
        ("log Z", shown(&solved.log_normalizer)),
        ("control error", control_error),
        ("relative", shown(&solved.relative_control_error)),
        ("action S", shown(&solved.action)),
        ("S - V", shown(&solved.gap)),
        ("path KL", shown(&solved.path_kl)),
        ("ESS", share(solved.effective_sample_size)),
        ("std log w", share(solved.log_weight_spread)),
        ("NLL held out", shown(&solved.held_out_nll)),
        ("own error", own_error.unwrap_or_default()),
        ("time", number::seconds(solved.seconds)),
        ("stopped", solved.stopped.clone()),
        ("work", work(solved)),
    ]
}

/// Three digits, or nothing where it was not measured.
fn share(value: Option<f64>) -> String {
    value
        .map(|value| number::significant(value, 3))
        .unwrap_or_default()
}

/// Distances of generated samples to the data law, each beside its sampling floor.
fn samples(solvers: &[SolverRow], style: Style) -> String {
    let mut table = Table::new(&[
        "samples",
        "h",
        "W2",
        "floor",
        "energy distance",
        "floor",
        "mode weights",
    ]);
    for (row, solved) in solved(solvers) {
        for generated in &solved.generated {
            table.push(vec![
                row.id.clone(),
                number::significant(generated.noise_level, 3),
                shown(&generated.transport),
                shown(&generated.transport_floor),
                shown(&generated.energy_distance),
                shown(&generated.energy_floor),
                mode_weights(&generated.mode_weights),
            ]);
        }
    }
    table.without_empty_columns().render_rows(style.width)
}

/// Weights of a mixture as long as they fit a cell.
pub(crate) fn mode_weights(weights: &[f64]) -> String {
    const SHOWN: usize = 5;
    let shown = weights
        .iter()
        .take(SHOWN)
        .map(|weight| format!("{weight:.3}"));
    let more = (weights.len() > SHOWN).then(|| format!("... ({})", weights.len()));
    shown.chain(more).collect::<Vec<_>>().join(" ")
}

/// Work counters that counted something: `iterations 120, normals 65.5 k`.
pub(crate) fn work(solved: &Solved) -> String {
    solved
        .work
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {}", number::count(*count)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Methods that gave no solution, with the reason and what would be accepted.
fn unsolved(solvers: &[SolverRow], style: Style) -> String {
    let mut out = String::new();
    for row in solvers {
        let text = match &row.outcome {
            SolverOutcome::Solved(_) => continue,
            SolverOutcome::Refused { reason, accepted } => format!(
                "refused: {} ({}) - {reason}; accepted: {accepted}",
                row.id, row.method
            ),
            SolverOutcome::Failed { message } => {
                format!("failed: {} ({}) - {message}", row.id, row.method)
            }
        };
        out.push_str(&paragraph(&text, style.width, 2));
    }
    out
}

/// One row per check and reference, verdict last.
fn verdicts(checks: &[CheckRow], references: &[ReferenceRow], style: Style) -> String {
    let mut table = Table::new(&["check", "on", "measured", "limit", "verdict"]);
    for row in checks {
        table.push(vec![
            row.check.clone(),
            row.on.clone(),
            measured(row),
            limit(row),
            row.verdict.name().to_owned(),
        ]);
    }
    for row in references {
        let [difference, limit] = reference_cells(row);
        table.push(vec![
            format!("reference:{}", row.name),
            row.on.clone(),
            difference,
            limit,
            row.verdict.name().to_owned(),
        ]);
    }
    let text = table.render_rows(style.width.max(120));
    match style.colour {
        true => text.lines().map(paint_line).collect(),
        false => text,
    }
}

/// What a check measured, in words where it has them.
pub(crate) fn measured(row: &CheckRow) -> String {
    if !row.measured_text.is_empty() {
        return row.measured_text.clone();
    }
    match (row.measured, row.se) {
        (Some(value), Some(error)) => {
            number::with_error(&Estimate::new(value, error, ErrorKind::StandardError))
        }
        (Some(value), None) => number::significant(value, 3),
        (None, _) => String::new(),
    }
}

/// The limit of a check, in words where it has them.
pub(crate) fn limit(row: &CheckRow) -> String {
    if !row.limit_text.is_empty() {
        return row.limit_text.clone();
    }
    match row.limit {
        Some(limit) if row.target != 0.0 => format!(
            "{} ± {}",
            number::significant(row.target, 3),
            number::significant(limit, 2)
        ),
        Some(limit) => number::significant(limit, 3),
        None => String::new(),
    }
}

/// `|diff| 3e-7` and `2e-6 + own 2.8e-4`.
pub(crate) fn reference_cells(row: &ReferenceRow) -> [String; 2] {
    let Some(measured) = row.measured else {
        return [String::new(), number::significant(row.tolerance, 2)];
    };
    let two = |value| number::significant(value, 2);
    let difference = two((measured.value - row.value).abs());
    let (tolerance, own) = (two(row.tolerance), two(measured.error));
    [
        format!("|diff| {difference}"),
        format!("{tolerance} + own {own}"),
    ]
}

/// Counts, then every verdict that asks for attention with its reason and what to try.
fn judgement(record: &Record, style: Style) -> String {
    let mut out = String::new();
    if let Some(why) = &record.unverified {
        let text = format!("UNVERIFIED: {why}");
        out.push_str(&paint(&wrap(&text, style.width, 2), "33", style.colour));
        out.push('\n');
    }
    if !record.checks.is_empty() || !record.references.is_empty() {
        out.push_str(&record.counts().to_string());
        out.push('\n');
    }
    for wanted in [Verdict::Fail, Verdict::Inconclusive, Verdict::Skipped] {
        for row in record.checks.iter().filter(|row| row.verdict == wanted) {
            let name = format!("{} on {}", row.check, row.on);
            out.push_str(&complaint(wanted, &name, &row.reason, &row.hints, style));
        }
        let references = record.references.iter();
        for row in references.filter(|row| row.verdict == wanted) {
            let name = format!("reference:{}", row.name);
            out.push_str(&complaint(wanted, &name, &row.reason, &[], style));
        }
    }
    out
}

fn complaint(verdict: Verdict, name: &str, reason: &str, hints: &[String], style: Style) -> String {
    let text = wrap(
        &format!("{}: {name} - {reason}", verdict.name()),
        style.width,
        2,
    );
    let mut out = paint_start(&text, verdict, style.colour);
    out.push('\n');
    for (number, hint) in hints.iter().take(HINTS).enumerate() {
        let text = format!("try {}. {hint}", number + 1);
        out.push_str("  ");
        out.push_str(&paragraph(&text, style.width.saturating_sub(2), 9));
    }
    out
}

/// Where the results are, and what comes next.
fn places(record: &Record, run_folder: Option<&Path>, style: Style) -> String {
    let mut out = String::new();
    if let Some(folder) = run_folder {
        out.push_str(&format!("run     {}\n", quoted(folder)));
        let report = folder.join("report.html");
        if report.exists() {
            out.push_str(&format!("report  {}\n", quoted(&report)));
        }
    }
    if !record.next.is_empty() {
        let text = wrap(&record.next.join(" | "), style.width.saturating_sub(8), 0);
        out.push_str(&format!("next    {}\n", text.replace('\n', "\n        ")));
    }
    out
}

/// ANSI colour of a verdict.
fn code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proved | Verdict::Pass => "32",
        Verdict::Fail => "31;1",
        Verdict::Inconclusive => "33",
        Verdict::Skipped => "2",
    }
}

fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Colours the verdict word a line ends with.
fn paint_line(line: &str) -> String {
    for verdict in [
        Verdict::Proved,
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Inconclusive,
        Verdict::Skipped,
    ] {
        if let Some(rest) = line.strip_suffix(verdict.name())
            && rest.ends_with(' ')
        {
            return format!("{rest}{}\n", paint(verdict.name(), code(verdict), true));
        }
    }
    format!("{line}\n")
}

/// Colours the verdict word a text starts with.
fn paint_start(text: &str, verdict: Verdict, colour: bool) -> String {
    match text.strip_prefix(verdict.name()) {
        Some(rest) => format!("{}{rest}", paint(verdict.name(), code(verdict), colour)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(verdict: Verdict) -> CheckRow {
        CheckRow {
            check: "girsanov".into(),
            on: "mc".into(),
            measured: Some(0.412),
            target: 0.0,
            se: Some(f64::INFINITY),
            measured_text: String::new(),
            limit: Some(1.0),
            limit_text: String::new(),
            latex: String::new(),
            formula: String::new(),
            meaning: String::new(),
            verdict,
            reason: "rare paths carry the mean".into(),
            hints: ["a", "b", "c", "d"].map(String::from).to_vec(),
        }
    }

    fn record() -> Record {
        Record {
            solvers: vec![
                SolverRow {
                    id: "closed".into(),
                    method: "exact".into(),
                    settings: String::new(),
                    outcome: SolverOutcome::Solved(Box::new(Solved {
                        stopped: "direct".into(),
                        action: Some(Estimate::new(1.5, 0.012, ErrorKind::StandardError)),
                        work: vec![("iterations".into(), 0), ("normals".into(), 65536)],
                        seconds: 0.31,
                        ..Solved::default()
                    })),
                },
                SolverRow {
                    id: "grid".into(),
                    method: "hopf-cole".into(),
                    settings: String::new(),
                    outcome: SolverOutcome::Refused {
                        reason: "4 states".into(),
                        accepted: "1 or 2 states".into(),
                    },
                },
            ],
            checks: vec![check(Verdict::Pass), check(Verdict::Inconclusive)],
            ..Record::default()
        }
    }

    #[test]
    fn every_part_is_said_once() {
        let text = summary(&record(), None, Style::PLAIN);
        assert!(text.contains(
            "solver  method  control error  action S       time    stopped  work\n\
             closed  exact   reference      1.500 ± 0.012  0.31 s  direct   normals 65.5 k\n"
        ));
        assert!(text.contains("refused: grid (hopf-cole) - 4 states; accepted: 1 or 2 states\n"));
        assert!(text.contains("1 pass, 0 fail, 1 inconclusive, 0 skipped\n"));
        assert!(text.contains("girsanov  mc  0.412 ± ?  1      pass\n"));
        assert!(text.contains(
            "inconclusive: girsanov on mc - rare paths carry the mean\n  try 1. a\n  try 2. b\n  try 3. c\n"
        ));
        assert!(!text.contains("try 4"));
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn colour_touches_verdict_words_only() {
        let style = Style {
            colour: true,
            ..Style::PLAIN
        };
        let text = summary(&record(), None, style);
        assert!(text.contains("1      \x1b[32mpass\x1b[0m\n"));
        let plain = text
            .replace("\x1b[32m", "")
            .replace("\x1b[33m", "")
            .replace("\x1b[0m", "");
        assert_eq!(plain, summary(&record(), None, Style::PLAIN));
    }

    #[test]
    fn missing_verification_is_shouted() {
        let record = Record {
            unverified: Some("checks were filtered by --only".into()),
            ..Record::default()
        };
        assert!(summary(&record, None, Style::PLAIN).contains("UNVERIFIED: checks were filtered"));
    }
}
