//! From a file to a validated problem, or to everything that is wrong with it.

use crate::expr::Expr;
use crate::problem::checks::{TableFacts, read_checks};
use crate::problem::diagnostic::{Diagnostic, Report, Source, sort};
use crate::problem::document::{self, Override, Table, Value, apply_overrides};
use crate::problem::dynamics::{read_dynamics, read_horizon};
use crate::problem::folder::DataFolder;
use crate::problem::law::Law;
use crate::problem::laws::read_law;
use crate::problem::lint;
use crate::problem::methods::{Structure, read_solvers};
use crate::problem::model::{Dynamics, Kind, Preset, Problem, Spacing};
use crate::problem::names::Formulas;
use crate::problem::prior::{AffineSystem, default_prior};
use crate::problem::reader::{Reader, Section};
use crate::problem::resolved::{Resolved, law_entries};
use crate::problem::schema::{self, KINDS};
use crate::problem::settings::{
    read_identity, read_output, read_references, read_run, read_sample, read_seed, read_time,
};
use crate::problem::state::{StateSpec, read_state};
use crate::problem::suggest::did_you_mean;
use std::path::Path;

/// A problem that can be solved, and what came with it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub problem: Problem,
    /// Lints, in order of position.
    pub warnings: Vec<Diagnostic>,
    /// What spans point into.
    pub source: Source,
    /// The full file with every default and every override filled in. It loads to the same problem.
    pub resolved: String,
}

/// Reads and validates a problem file.
///
/// # Errors
/// A [`Report`] with every independent error of the file, in order of position.
pub fn load(path: &Path, overrides: &[Override]) -> Result<Loaded, Report> {
    let name = path.to_string_lossy().into_owned();
    let unreadable = |reason: String| {
        let message = format!("cannot read the problem file `{name}`: {reason}");
        let diagnostic = Diagnostic::without_place("E601", message);
        Report::new(Source::new(name.as_str(), ""), vec![diagnostic])
    };
    let bytes = std::fs::read(path).map_err(|error| {
        unreadable(match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            kind => kind.to_string(),
        })
    })?;
    let text =
        String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    parse_text(&name, &text, folder, overrides)
}

/// Validates the text of a problem file. `name` is used in messages, `folder` is where relative data
/// paths start.
///
/// # Errors
/// As [`load`].
pub fn parse_text(
    name: &str,
    text: &str,
    folder: &Path,
    overrides: &[Override],
) -> Result<Loaded, Report> {
    let mut source = Source::new(name, text);
    let mut root = match document::parse(text) {
        Ok(root) => root,
        Err(diagnostics) => return Err(Report::new(source, diagnostics)),
    };
    let tables = schema::used_tables();
    let mut diagnostics = apply_overrides(&mut root, &mut source, overrides, &tables);
    diagnostics.extend(check_format(&root));
    if let Some(diagnostic) = check_kind(&root) {
        // Tables and keys mean something else for another kind.
        diagnostics.push(diagnostic);
        return Err(Report::new(source, diagnostics));
    }
    diagnostics.extend(schema::check_keys(&root));
    let mut reader = Reader {
        source,
        formulas: Formulas::new(),
        resolved: Resolved::default(),
        diagnostics,
    };
    let problem = read_problem(&mut reader, &root, folder);
    match problem {
        Some(problem) if !reader.has_errors() => {
            let mut warnings = reader.diagnostics;
            sort(&mut warnings);
            Ok(Loaded {
                problem,
                warnings,
                source: reader.source,
                resolved: reader.resolved.to_text(),
            })
        }
        _ => Err(Report::new(reader.source, reader.diagnostics)),
    }
}

fn check_format(root: &Table) -> Option<Diagnostic> {
    let Some(entry) = root.get("format") else {
        if slid(root, "format") {
            return None;
        }
        return Some(
            Diagnostic::error("E002", 0..0, "the file does not say `format = 1`")
                .help("make format = 1 the first line"),
        );
    };
    match entry.node.value {
        Value::Integer(1) => {}
        _ => {
            return Some(
                Diagnostic::error("E002", entry.node.span.clone(), "unknown format")
                    .note("this version reads format = 1"),
            );
        }
    }
    let first = root.entries.first().map(|entry| entry.key.as_str());
    (first != Some("format")).then(|| {
        Diagnostic::error(
            "E002",
            entry.key_span.clone(),
            "`format` must be the first key of the file",
        )
    })
}

/// The kind, when it is there and not one this version solves.
fn check_kind(root: &Table) -> Option<Diagnostic> {
    let Value::Table(problem) = &root.get("problem")?.node.value else {
        return None;
    };
    let entry = problem.get("kind")?;
    let Value::Text(kind) = &entry.node.value else {
        return None;
    };
    if kind == "reverse" {
        return None;
    }
    let span = entry.node.span.clone();
    Some(if KINDS.contains(&kind.as_str()) {
        Diagnostic::error(
            "E003",
            span,
            format!("kind `{kind}` is part of the format but not of this version"),
        )
        .note("this version solves kind = \"reverse\"")
    } else {
        let diagnostic = Diagnostic::error("E003", span, format!("unknown kind `{kind}`")).note(
            format!("kinds: {}; this version solves reverse", KINDS.join(", ")),
        );
        match did_you_mean(kind, KINDS) {
            Some(label) => diagnostic.label(label),
            None => diagnostic,
        }
    })
}

/// The tables of a problem, opened in the order of the resolved file.
struct Sections<'d> {
    problem: Section<'d>,
    params: Section<'d>,
    define: Section<'d>,
    data: Section<'d>,
    prior: Section<'d>,
    dynamics: Section<'d>,
    time: Section<'d>,
    run: Section<'d>,
}

impl<'d> Sections<'d> {
    fn open(reader: &mut Reader, root: &'d Table) -> Self {
        Self {
            problem: reader.section(root, "problem"),
            params: reader.section(root, "params"),
            define: reader.section(root, "define"),
            data: reader.section(root, "data"),
            prior: reader.section(root, "prior"),
            dynamics: reader.section(root, "dynamics"),
            time: reader.section(root, "time"),
            run: reader.section(root, "run"),
        }
    }
}

fn read_problem(reader: &mut Reader, root: &Table, folder: &Path) -> Option<Problem> {
    let sections = Sections::open(reader, root);
    require_tables(reader, root);
    let identity = read_identity(reader, &sections.problem);
    if sections.problem.is_present() {
        reader.choice(&sections.problem, "kind", &["reverse"], None);
    }
    reader.read_parameters(&sections.params);
    reader.read_definitions(&sections.define);
    let seed = read_seed(reader, &sections.run);
    let folder = DataFolder::new(folder);
    let data = read_data(reader, &sections, &folder, seed);
    let horizon = read_horizon(reader, &sections.dynamics);
    let dynamics = if sections.dynamics.is_present() {
        read_dynamics(reader, &sections.dynamics, horizon)
    } else {
        None
    };
    let law = data.as_ref().map(|(law, _)| law);
    let prior = read_prior(reader, &sections, &folder, seed, dynamics.as_ref(), law);
    let structure = structure(reader, law, dynamics.as_ref());
    let spacing = default_spacing(dynamics.as_ref());
    let time_settings = read_time(reader, &sections.time, horizon, spacing);
    let paths = default_paths(structure, time_settings.steps);
    let run = read_run(reader, &sections.run, seed, paths);
    let solvers = read_solvers(reader, root, &sections.run, structure);
    let facts = table_facts(law);
    let checks = read_checks(reader, root, &sections.run, &solvers, facts);
    reader.finish(&sections.run, "this problem");
    let sample_section = reader.section(root, "sample");
    let sample = read_sample(reader, &sample_section, &time_settings, paths.min(4096));
    let references = read_references(reader, root);
    let output_section = reader.section(root, "output");
    let output = read_output(reader, &output_section);
    reader.check_unused_definitions(matches!(law, Some(Law::Curve(_))));
    lint::unused_parameters(reader, root);
    let (data, names) = data?;
    let dynamics = dynamics?;
    lint::domain_mass(reader, &sections.dynamics, &data, &dynamics);
    let state: Vec<Expr> = reader.formulas.state().to_vec();
    Some(Problem {
        name: identity.name,
        kind: Kind::Reverse,
        title: identity.title,
        about: identity.about,
        tags: identity.tags,
        expect: identity.expect,
        graph: std::mem::take(&mut reader.formulas.graph),
        time: reader.formulas.time(),
        state,
        state_names: names,
        parameters: std::mem::take(&mut reader.formulas.parameters),
        dynamics,
        data,
        prior: prior?,
        time_settings,
        run,
        solvers,
        checks,
        sample,
        references,
        output,
    })
}

/// One error for all missing tables. A table that slid into another one was reported there.
fn require_tables(reader: &mut Reader, root: &Table) {
    let needed = [
        (
            "problem",
            "[problem] with name = \"...\" and kind = \"reverse\"",
        ),
        (
            "data",
            "[data] with family = \"gaussian\", \"mixture\", \"samples\", \"curve\" or \"log-density\"",
        ),
        ("dynamics", "[dynamics] with preset = \"vp\""),
    ];
    let missing: Vec<_> = needed
        .iter()
        .filter(|(name, _)| root.get(name).is_none() && !slid(root, name))
        .collect();
    if missing.is_empty() {
        return;
    }
    let names: Vec<String> = missing
        .iter()
        .map(|(name, _)| format!("[{name}]"))
        .collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    let mut diagnostic =
        Diagnostic::error("E010", 0..0, format!("{} {verb} missing", names.join(", ")));
    for (_, help) in missing {
        diagnostic = diagnostic.help(format!("add {help}"));
    }
    reader.push(diagnostic);
}

/// Whether a key of the top level stands in some table.
fn slid(root: &Table, key: &str) -> bool {
    root.entries.iter().any(|entry| match &entry.node.value {
        Value::Table(table) => table.get(key).is_some(),
        _ => false,
    })
}

/// Reads `[data]` and declares the state, whichever of the two knows the number of components.
fn read_data(
    reader: &mut Reader,
    sections: &Sections<'_>,
    folder: &DataFolder,
    seed: u64,
) -> Option<(Law, Vec<String>)> {
    let spec = read_state(reader, &sections.dynamics);
    if !sections.data.is_present() {
        declare_alone(reader, sections, spec.as_ref());
        return None;
    }
    let by_formula = sections.data.is_text("family", "log-density");
    if by_formula {
        // The state must be declared before its density can be read.
        let names = spec?.names_alone(reader, &sections.data)?;
        reader.declare(&sections.dynamics, &names);
        let law = read_law(reader, &sections.data, folder, seed)?;
        return Some((law, names.shown));
    }
    let Some(law) = read_law(reader, &sections.data, folder, seed) else {
        declare_alone(reader, sections, spec.as_ref());
        return None;
    };
    let dimension = match &law {
        Law::Gaussian(mixture) | Law::Mixture(mixture) => mixture.dimension(),
        Law::Samples(samples) => samples.columns.len(),
        Law::Curve(curve) => curve.centre.len(),
        Law::LogDensity(_) => return None,
    };
    let columns = match &law {
        Law::Samples(samples) => Some(samples.columns.as_slice()),
        _ => None,
    };
    let spec: StateSpec = spec?;
    let names = spec.names(reader, &sections.data, dimension, columns)?;
    reader.declare(&sections.dynamics, &names);
    Some((law, names.shown))
}

/// Declares the state from its own words when the data do not tell its size, so that the expressions of
/// the file can be read.
fn declare_alone(reader: &mut Reader, sections: &Sections<'_>, spec: Option<&StateSpec>) {
    if let Some(names) = spec.and_then(StateSpec::sized) {
        reader.declare(&sections.dynamics, &names);
    }
}

/// The law of `[prior]`, or the default one. Without data and dynamics it is read for its own mistakes.
fn read_prior(
    reader: &mut Reader,
    sections: &Sections<'_>,
    folder: &DataFolder,
    seed: u64,
    dynamics: Option<&Dynamics>,
    data: Option<&Law>,
) -> Option<Law> {
    let section = &sections.prior;
    let dimension = reader.formulas.state().len();
    if section.is_present() {
        if dimension == 0 && section.is_text("family", "log-density") {
            return None;
        }
        let law = read_law(reader, section, folder, seed)?;
        let found = law.mixture().map_or(dimension, |m| m.dimension());
        if dimension > 0 && found != dimension {
            reader.push(Diagnostic::error(
                "E015",
                section.span.clone(),
                format!("the dimension of [prior] is {found}, that of [data] is {dimension}"),
            ));
            return None;
        }
        return Some(law);
    }
    let (dynamics, data) = (dynamics?, data?);
    let time = reader.formulas.time();
    let state = reader.formulas.state().to_vec();
    let graph = &mut reader.formulas.graph;
    let Some(prior) = default_prior(graph, time, &state, dynamics, data) else {
        reader.push(
            Diagnostic::error(
                "E207",
                sections.dynamics.span.clone(),
                "[prior] is missing and has no default for these dynamics and data",
            )
            .note("the end law is only known for affine drift, state-free noise and mixture data")
            .help("add [prior] with family = \"gaussian\" and the mean and cov you expect at the end of the horizon"),
        );
        return None;
    };
    for (key, value) in law_entries(&prior) {
        reader.record(section, key, value);
    }
    Some(prior)
}

fn structure(reader: &mut Reader, data: Option<&Law>, dynamics: Option<&Dynamics>) -> Structure {
    let time = reader.formulas.time();
    let state = reader.formulas.state().to_vec();
    let affine = dynamics.is_some_and(|dynamics| {
        dynamics.preset.is_some()
            || AffineSystem::new(&mut reader.formulas.graph, time, &state, dynamics).is_some()
    });
    Structure {
        dimension: state.len().max(1),
        components: data.and_then(Law::mixture).map(|m| m.components()),
        affine,
    }
}

/// Time nodes follow the signal-to-noise ratio where it is one number.
fn default_spacing(dynamics: Option<&Dynamics>) -> Spacing {
    match dynamics.and_then(|dynamics| dynamics.preset.as_ref()) {
        Some(Preset::Linear { .. }) | None => Spacing::Log,
        Some(_) => Spacing::LogSnr,
    }
}

/// Paths of the Monte Carlo checks: 20 000, fewer when one path through the exact score of all
/// components is expensive.
fn default_paths(structure: Structure, steps: usize) -> usize {
    const MOST: usize = 20_000;
    const LEAST: usize = 512;
    /// Component evaluations times dimension, spent in seconds on two cores.
    const BUDGET: usize = 20_000_000_000;
    let one = steps * structure.dimension * structure.components.unwrap_or(1);
    (BUDGET / one.max(1)).clamp(LEAST, MOST)
}

fn table_facts(data: Option<&Law>) -> TableFacts {
    match data {
        Some(Law::Samples(samples)) => TableFacts {
            samples: true,
            holdout: !samples.holdout.is_empty(),
        },
        _ => TableFacts {
            samples: false,
            holdout: false,
        },
    }
}
