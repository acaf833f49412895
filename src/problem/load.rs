//! From a file to a validated problem, or to everything that is wrong with it.

use crate::expr::Expr;
use crate::problem::checks::{Applicable, read_checks};
use crate::problem::diagnostic::{Diagnostic, Report, Source, sort};
use crate::problem::document::{self, Override, Table, Value, apply_overrides};
use crate::problem::dynamics::{read_control, read_control_bounds, read_dynamics, read_horizon};
use crate::problem::folder::DataFolder;
use crate::problem::law::Law;
use crate::problem::laws::{is_formula, read_law};
use crate::problem::lint;
use crate::problem::methods::{Context, Structure, read_solvers};
use crate::problem::model::{Dynamics, Preset, Problem, Spacing};
use crate::problem::names::Formulas;
use crate::problem::objective::{
    Ends, read_cost, read_events, read_grid, read_observables, read_path,
};
use crate::problem::prior::{AffineSystem, default_prior};
use crate::problem::reader::{Reader, Section};
use crate::problem::resolved::{Resolved, law_entries};
use crate::problem::schema;
use crate::problem::settings::{
    read_identity, read_output, read_references, read_run, read_sample, read_seed, read_time,
};
use crate::problem::state::{StateSpec, read_state};
use crate::problem::statements::{read_identities, read_sweep, read_units};
use crate::problem::suggest::did_you_mean;
use crate::problem::task::{Bridge, Control, Duration, Kind, Reverse, Sample, Simulate, Task};
use crate::problem::vocabulary::{METHODS, of_kind};
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
    let kind = match find_kind(&root) {
        Ok(kind) => kind,
        Err(diagnostic) => {
            // Tables and keys mean something else for another kind.
            let diagnostics = check_format(&root).into_iter().chain([diagnostic]);
            return Err(Report::new(source, diagnostics.collect()));
        }
    };
    let tables = schema::tables_of(kind);
    let mut diagnostics = apply_overrides(&mut root, &mut source, overrides, &tables);
    diagnostics.extend(check_format(&root));
    diagnostics.extend(schema::check_keys(&root, kind));
    let mut reader = Reader {
        source,
        formulas: Formulas::new(),
        resolved: Resolved::default(),
        diagnostics,
    };
    let problem = read_problem(&mut reader, &root, folder, kind);
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

/// The kind of the problem. Without one the file is read as a reverse problem, whose missing key is
/// reported with everything else.
fn find_kind(root: &Table) -> Result<Kind, Diagnostic> {
    let Some(Value::Table(problem)) = root.get("problem").map(|entry| &entry.node.value) else {
        return Ok(Kind::Reverse);
    };
    let Some(entry) = problem.get("kind") else {
        return Ok(Kind::Reverse);
    };
    let Value::Text(name) = &entry.node.value else {
        return Ok(Kind::Reverse);
    };
    Kind::from_name(name).ok_or_else(|| {
        let kinds = Kind::ALL.map(Kind::name);
        let diagnostic = Diagnostic::error(
            "E003",
            entry.node.span.clone(),
            format!("unknown kind `{name}`"),
        )
        .note(format!("kinds: {}", kinds.join(", ")));
        match did_you_mean(name, kinds) {
            Some(label) => diagnostic.label(label),
            None => diagnostic,
        }
    })
}

/// The tables of a problem, opened in the order of the resolved file.
struct Sections<'d> {
    problem: Section<'d>,
    params: Section<'d>,
    units: Section<'d>,
    define: Section<'d>,
    /// `[data]`, `[initial]` or `[source]`.
    start: Section<'d>,
    target: Section<'d>,
    prior: Section<'d>,
    dynamics: Section<'d>,
    cost: Section<'d>,
    path: Section<'d>,
    time: Section<'d>,
    grid: Section<'d>,
    observe: Section<'d>,
    run: Section<'d>,
}

impl<'d> Sections<'d> {
    fn open(reader: &mut Reader, root: &'d Table, kind: Kind) -> Self {
        let start = match kind {
            Kind::Bridge => "source",
            Kind::Control | Kind::Simulate => "initial",
            Kind::Reverse | Kind::Sample | Kind::Path => "data",
        };
        Self {
            problem: reader.section(root, "problem"),
            params: reader.section(root, "params"),
            units: reader.section(root, "units"),
            define: reader.section(root, "define"),
            start: reader.section(root, start),
            target: reader.section(root, "target"),
            prior: reader.section(root, "prior"),
            dynamics: reader.section(root, "dynamics"),
            cost: reader.section(root, "cost"),
            path: reader.section(root, "path"),
            time: reader.section(root, "time"),
            grid: reader.section(root, "grid"),
            observe: reader.section(root, "observe"),
            run: reader.section(root, "run"),
        }
    }

    /// The tables that state a law of this kind of problem, the prior apart.
    fn roles(&self, kind: Kind) -> Vec<&Section<'d>> {
        match kind {
            Kind::Reverse | Kind::Control | Kind::Simulate => vec![&self.start],
            Kind::Sample => vec![&self.target],
            Kind::Bridge => vec![&self.start, &self.target],
            Kind::Path => Vec::new(),
        }
    }
}

/// What the tables say about the state, the process and the laws.
struct Statement {
    names: Option<Vec<String>>,
    control_names: Vec<String>,
    control_bounds: Option<Vec<(f64, f64)>>,
    /// In the order of [`Sections::roles`].
    laws: Vec<Option<Law>>,
    dynamics: Option<Dynamics>,
    horizon: (f64, f64),
    ends: Ends,
}

fn read_statement(
    reader: &mut Reader,
    sections: &Sections<'_>,
    folder: &DataFolder,
    seed: u64,
    kind: Kind,
) -> Statement {
    let ends = Ends::read(reader, &sections.path);
    let (names, laws) = read_state_and_laws(reader, sections, folder, seed, kind, &ends);
    let control_names = if kind == Kind::Control {
        read_control(reader, &sections.dynamics)
    } else {
        Vec::new()
    };
    let control_bounds = if control_names.is_empty() {
        None
    } else {
        read_control_bounds(reader, &sections.dynamics)
    };
    let horizon = read_horizon(reader, &sections.dynamics, kind);
    // Without the control its expressions would only give follow-ups.
    let broken = kind == Kind::Control && control_names.is_empty();
    let dynamics = if sections.dynamics.is_present() && !broken {
        read_dynamics(reader, &sections.dynamics, horizon, kind)
    } else {
        None
    };
    Statement {
        names,
        control_names,
        control_bounds,
        laws,
        dynamics,
        horizon,
        ends,
    }
}

fn read_problem(reader: &mut Reader, root: &Table, folder: &Path, kind: Kind) -> Option<Problem> {
    let sections = Sections::open(reader, root, kind);
    require_tables(reader, root, kind);
    let identity = read_identity(reader, &sections.problem, kind);
    if sections.problem.is_present() {
        reader.choice(&sections.problem, "kind", &Kind::ALL.map(Kind::name), None);
    }
    reader.read_parameters(&sections.params);
    reader.read_definitions(&sections.define);
    let seed = read_seed(reader, &sections.run);
    let folder = DataFolder::new(folder);
    let mut statement = read_statement(reader, &sections, &folder, seed, kind);
    let dynamics = statement.dynamics.take();
    let task = read_task(
        reader,
        root,
        &sections,
        &folder,
        seed,
        kind,
        &mut statement,
        dynamics.as_ref(),
    );
    let law = task.as_ref().and_then(Task::start_law);
    let structure = structure(reader, law, dynamics.as_ref());
    let spacing = default_spacing(kind, dynamics.as_ref());
    let horizon = match &task {
        Some(Task::Path(path)) => match path.duration {
            Duration::Fixed(duration) => (0.0, duration),
            Duration::Free => statement.horizon,
        },
        _ => statement.horizon,
    };
    let time_settings = read_time(reader, &sections.time, horizon, spacing, kind);
    let grid = read_grid(reader, &sections.grid, kind);
    let observe = read_observables(reader, &sections.observe);
    let paths = default_paths(structure, time_settings.steps);
    let run = read_run(reader, &sections.run, seed, paths, kind);
    let context = Context {
        kind,
        structure,
        grid: &grid,
        steps: time_settings.steps,
        paths: run.paths,
        path: match &task {
            Some(Task::Path(path)) => Some(path),
            _ => None,
        },
    };
    let (solvers, automatic) = read_solvers(reader, root, &sections.run, context);
    let mut ids: Vec<&str> = solvers.iter().map(|solver| solver.id.as_str()).collect();
    if automatic {
        // Whichever of them the structure will choose.
        ids.extend(of_kind(METHODS, kind));
    }
    let facts = applicable(kind, law);
    let checks = read_checks(reader, root, &sections.run, &ids, facts);
    reader.finish(&sections.run, &format!("kind `{kind}`"));
    let sample_section = reader.section(root, "sample");
    let sample = read_sample(reader, &sample_section, &time_settings, paths.min(4096));
    if !schema::tables_of(kind).contains(&"sample") {
        reader.resolved.forget(sample_section.resolved);
    }
    let identities = read_identities(reader, root);
    let sweep_section = reader.section(root, "sweep");
    let sweep = read_sweep(reader, root, &sweep_section, &ids);
    let references = read_references(reader, root, kind);
    let output_section = reader.section(root, "output");
    let output = read_output(reader, &output_section);
    reader.check_unused_definitions(matches!(law, Some(Law::Curve(_))));
    lint::unused_parameters(reader, root);
    let definitions = reader.defined_values(&sections.define);
    let units = read_unit_table(reader, root, &sections, statement.names.as_deref());
    let (task, dynamics) = (task?, dynamics?);
    if let Some(law) = task.start_law() {
        let role = sections
            .roles(kind)
            .first()
            .map_or("", |role| role.name.as_str())
            .to_owned();
        lint::domain_mass(reader, &sections.dynamics, &role, law, &dynamics);
    }
    let state: Vec<Expr> = reader.formulas.state().to_vec();
    Some(Problem {
        name: identity.name,
        title: identity.title,
        about: identity.about,
        tags: identity.tags,
        expect: identity.expect,
        graph: std::mem::take(&mut reader.formulas.graph),
        time: reader.formulas.time(),
        state,
        state_names: statement.names?,
        control: std::mem::take(&mut reader.formulas.control),
        control_names: statement.control_names,
        control_bounds: statement.control_bounds,
        parameters: std::mem::take(&mut reader.formulas.parameters),
        definitions,
        units,
        dynamics,
        task,
        observe,
        time_settings,
        grid,
        run,
        solvers,
        automatic,
        checks,
        sample,
        identities,
        sweep,
        references,
        output,
        places: std::mem::take(&mut reader.formulas.places),
    })
}

/// `[units]`, whose names are the time, the state, its components and the parameters.
fn read_unit_table(
    reader: &mut Reader,
    root: &Table,
    sections: &Sections<'_>,
    names: Option<&[String]>,
) -> Vec<(String, crate::problem::claim::Typed)> {
    let mut known: Vec<String> = names.unwrap_or_default().to_vec();
    known.extend(reader.formulas.control.iter().filter_map(|u| {
        let name = reader.formulas.graph.symbol_name(*u)?;
        Some(name.to_owned())
    }));
    if let Some(Value::Table(params)) = root.get("params").map(|entry| &entry.node.value) {
        known.extend(params.entries.iter().map(|entry| entry.key.clone()));
    }
    known.dedup();
    let base = match sections
        .dynamics
        .take("state")
        .map(|entry| &entry.node.value)
    {
        Some(Value::Text(text)) => text.split('[').next().map(str::trim),
        _ => Some("x"),
    };
    let base = base.filter(|base| !known.iter().any(|name| name == base));
    read_units(reader, &sections.units, base, &known)
}

/// What is asked, from the laws and the tables of the kind.
#[allow(clippy::too_many_arguments)] // one reader of everything a kind may say
fn read_task(
    reader: &mut Reader,
    root: &Table,
    sections: &Sections<'_>,
    folder: &DataFolder,
    seed: u64,
    kind: Kind,
    statement: &mut Statement,
    dynamics: Option<&Dynamics>,
) -> Option<Task> {
    let mut laws = std::mem::take(&mut statement.laws).into_iter();
    let mut law = || laws.next().flatten();
    match kind {
        Kind::Reverse | Kind::Sample => {
            let data = law();
            let prior = read_prior(reader, sections, folder, seed, dynamics, data.as_ref());
            let (data, prior) = (data?, prior?);
            Some(if kind == Kind::Reverse {
                Task::Reverse(Reverse { data, prior })
            } else {
                Task::Sample(Sample {
                    target: data,
                    prior,
                })
            })
        }
        Kind::Control => {
            let initial = law();
            let bounded = sections.dynamics.has("control_bounds");
            // Without a control the cost would only give follow-ups.
            let cost = if sections.cost.is_present() && !statement.control_names.is_empty() {
                read_cost(reader, &sections.cost, bounded)
            } else {
                None
            };
            let events = read_events(reader, root);
            Some(Task::Control(Control {
                initial: initial?,
                cost: cost?,
                events,
            }))
        }
        Kind::Bridge => {
            let (source, target) = (law(), law());
            Some(Task::Bridge(Bridge {
                source: source?,
                target: target?,
            }))
        }
        Kind::Path => {
            let ends = std::mem::replace(
                &mut statement.ends,
                Ends {
                    from: None,
                    to: None,
                },
            );
            read_path(reader, &sections.path, ends, dynamics).map(Task::Path)
        }
        Kind::Simulate => {
            let initial = law();
            let events = read_events(reader, root);
            Some(Task::Simulate(Simulate {
                initial: initial?,
                events,
            }))
        }
    }
}

/// One error for all missing tables. A table that slid into another one was reported there.
fn require_tables(reader: &mut Reader, root: &Table, kind: Kind) {
    let problem = format!("[problem] with name = \"...\" and kind = \"{kind}\"");
    let mut needed = vec![("problem", problem.as_str())];
    let mut tables = kind.required_tables().to_vec();
    // The order in which a file states them: laws first.
    tables.sort_by_key(|name| matches!(*name, "dynamics" | "cost" | "path"));
    needed.extend(tables.into_iter().map(|name| {
        let example = match name {
            "data" => {
                "[data] with family = \"gaussian\", \"mixture\", \"samples\", \"curve\" or \"log-density\""
            }
            "initial" => "[initial] with family = \"delta\" and at = [0.0]",
            "source" => "[source] with family = \"gaussian\", \"mixture\" or \"samples\"",
            "target" => {
                "[target] with family = \"log-density\", \"gaussian\", \"mixture\" or \"samples\""
            }
            "cost" => "[cost] with running = \"u^2/2\" and terminal = \"x^2\"",
            "path" => "[path] with from = [-1.0] and to = [1.0]",
            _ => match kind {
                Kind::Reverse | Kind::Sample => "[dynamics] with preset = \"vp\"",
                Kind::Bridge => "[dynamics] with preset = \"brownian\"",
                Kind::Control => {
                    "[dynamics] with state = \"x\", control = \"u\", drift = \"u\", diffusion = 1.0"
                }
                Kind::Path | Kind::Simulate => {
                    "[dynamics] with state = \"x\", drift = \"x - x^3\", diffusion = 0.5"
                }
            },
        };
        (name, example)
    }));
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

/// Reads the laws and declares the state, whichever of them knows the number of components.
fn read_state_and_laws(
    reader: &mut Reader,
    sections: &Sections<'_>,
    folder: &DataFolder,
    seed: u64,
    kind: Kind,
    ends: &Ends,
) -> (Option<Vec<String>>, Vec<Option<Law>>) {
    let spec = read_state(reader, &sections.dynamics);
    let roles = sections.roles(kind);
    let mut laws: Vec<Option<Law>> = vec![None; roles.len()];
    // Laws that tell their size come first: expressions need the state they are of.
    for (law, section) in laws.iter_mut().zip(&roles) {
        if section.is_present() && !is_formula(section) {
            *law = read_law(reader, section, folder, seed);
        }
    }
    let sized = roles
        .iter()
        .zip(&laws)
        .find_map(|(section, law)| law.as_ref().map(|law| (*section, law)));
    let names = match (
        sized,
        ends.dimension(),
        roles.iter().find(|s| is_formula(s)),
    ) {
        (Some((section, law)), ..) => {
            let columns = match law {
                Law::Samples(samples) => Some(samples.columns.as_slice()),
                _ => None,
            };
            let dimension = law.dimension();
            spec.as_ref()
                .zip(dimension)
                .and_then(|(spec, dimension)| spec.names(reader, section, dimension, columns))
        }
        (None, Some(dimension), _) => spec
            .as_ref()
            .and_then(|spec| spec.names(reader, &sections.path, dimension, None)),
        (None, None, Some(section)) => spec
            .as_ref()
            .and_then(|spec| spec.names_alone(reader, section)),
        (None, None, None) => {
            declare_alone(reader, sections, spec.as_ref());
            None
        }
    };
    let Some(names) = names else {
        return (None, laws);
    };
    reader.declare(&sections.dynamics, &names);
    for (law, section) in laws.iter_mut().zip(&roles) {
        if section.is_present() && is_formula(section) {
            *law = read_law(reader, section, folder, seed);
        }
        check_size(reader, section, law, names.shown.len());
    }
    (Some(names.shown), laws)
}

/// A second law must have as many components as the state.
fn check_size(reader: &mut Reader, section: &Section<'_>, law: &mut Option<Law>, wanted: usize) {
    let found = law.as_ref().and_then(Law::dimension);
    if let Some(found) = found.filter(|found| *found != wanted) {
        let plural = if found == 1 { "" } else { "s" };
        reader.push(Diagnostic::error(
            "E015",
            section.span.clone(),
            format!(
                "[{}] has {found} component{plural}, the state has {wanted}",
                section.name
            ),
        ));
        *law = None;
    }
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
        if dimension == 0 && is_formula(section) {
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
        dynamics.preset.as_ref().is_some_and(Preset::is_affine)
            || AffineSystem::new(&mut reader.formulas.graph, time, &state, dynamics).is_some()
    });
    Structure {
        dimension: state.len().max(1),
        components: data.and_then(Law::mixture).map(|m| m.components()),
        affine,
    }
}

/// Time nodes follow the signal-to-noise ratio where it is one number.
fn default_spacing(kind: Kind, dynamics: Option<&Dynamics>) -> Spacing {
    if !matches!(kind, Kind::Reverse | Kind::Sample) {
        return Spacing::Uniform;
    }
    match dynamics.and_then(|dynamics| dynamics.preset.as_ref()) {
        Some(Preset::Linear { .. } | Preset::Langevin { .. } | Preset::Underdamped { .. })
        | None => Spacing::Log,
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

fn applicable(kind: Kind, data: Option<&Law>) -> Applicable {
    match data {
        Some(Law::Samples(samples)) if kind == Kind::Reverse => Applicable {
            kind,
            samples: true,
            holdout: !samples.holdout.is_empty(),
        },
        _ => Applicable {
            kind,
            samples: false,
            holdout: false,
        },
    }
}
