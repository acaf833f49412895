//! From a file to a validated problem, or to everything that is wrong with it.

use crate::problem::format::schema;
use crate::problem::format::vocabulary::{Vocabulary, readable};
use crate::problem::meant::claim::{IdentitySpec, Sweep};
use crate::problem::meant::kind::{EVERY, Kind};
use crate::problem::meant::law::Law;
use crate::problem::meant::model::{
    CheckSpec, Dynamics, OutputSettings, Preset, Problem, Reference, SampleSettings, Spacing,
    TimeSettings,
};
use crate::problem::meant::named::Named;
use crate::problem::meant::setup::Setup;
use crate::problem::meant::solver::SolverSpec;
use crate::problem::meant::task::{Duration, Path as PathTask, Task};
use crate::problem::read::checks::{Applicable, read_checks};
use crate::problem::read::dynamics::{
    read_control, read_control_bounds, read_dynamics, read_horizon,
};
use crate::problem::read::endless::check_endless;
use crate::problem::read::lint;
use crate::problem::read::methods::read_solvers;
use crate::problem::read::objective::{Ends, read_grid, read_observables};
use crate::problem::read::prior::AffineSystem;
use crate::problem::read::roles::{
    DataSource, Sections, read_state_and_laws, require_tables, slid,
};
use crate::problem::read::settings::{
    Identity, read_identity, read_output, read_references, read_run, read_sample, read_seed,
    read_time,
};
use crate::problem::read::statements::{read_identities, read_sweep, read_units};
use crate::problem::read::task::{Statement, read_task};
use crate::problem::read::units::check_units;
use crate::problem::text::diagnostic::{Diagnostic, Report, Source, sort};
use crate::problem::text::document::{self, Node, Override, Table, Value, apply_overrides};
use crate::problem::text::folder::DataFolder;
use crate::problem::text::names::Formulas;
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::Resolved;
use crate::problem::text::suggest::did_you_mean;
use std::io::Read;
use std::path::Path;

/// Largest problem file.
const MOST_BYTES: u64 = 8 << 20;

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
    /// The same, table by table.
    pub(crate) written: Resolved,
    /// SHA-256 of the tables of numbers that it names.
    pub tables: String,
}

/// Reads and validates a problem file.
///
/// # Errors
/// A [`Report`] with every independent error of the file, in order of position.
pub fn load(
    path: &Path,
    overrides: &[Override],
    vocabulary: &Vocabulary,
) -> Result<Loaded, Report> {
    let name = path.to_string_lossy().into_owned();
    let unreadable = |reason: String| {
        let message = format!("cannot read the problem file `{name}`: {reason}");
        let diagnostic = Diagnostic::without_place("E601", message);
        Report::new(Source::new(name.as_str(), ""), vec![diagnostic])
    };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| {
        unreadable(match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            kind => kind.to_string(),
        })
    })?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(unreadable(format!(
            "it has more than {MOST_BYTES} bytes; numbers belong into tables beside it"
        )));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    parse_text(&name, &text, folder, overrides, vocabulary)
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
    vocabulary: &Vocabulary,
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
            let diagnostics = check_format(&root).into_iter().chain([*diagnostic]);
            return Err(Report::new(source, diagnostics.collect()));
        }
    };
    let tables = schema::tables_of(kind);
    let mut diagnostics = apply_overrides(&mut root, &mut source, overrides, &tables);
    diagnostics.extend(check_format(&root));
    diagnostics.extend(schema::check_keys(&root, kind, vocabulary));
    let mut reader = Reader {
        source,
        formulas: Formulas::new(),
        resolved: Resolved::default(),
        diagnostics,
        vocabulary: vocabulary.clone(),
        data: Vec::new(),
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
                tables: reader.data.join(" "),
                written: reader.resolved,
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
fn find_kind(root: &Table) -> Result<Kind, Box<Diagnostic>> {
    let stated = root
        .table("problem")
        .and_then(|problem| problem.get("kind"));
    let Some(Node {
        span,
        value: Value::Text(name),
    }) = stated.map(|entry| &entry.node)
    else {
        return Ok(EVERY[0]);
    };
    Kind::from_name(name).ok_or_else(|| {
        let kinds = Kind::names();
        let diagnostic = Diagnostic::error("E003", span.clone(), format!("unknown kind `{name}`"))
            .note(format!("kinds: {}", kinds.join(", ")));
        Box::new(diagnostic.hint(did_you_mean(name, kinds)))
    })
}

fn read_statement(
    reader: &mut Reader,
    sections: &Sections<'_>,
    source: DataSource<'_>,
    kind: Kind,
) -> Statement {
    let ends = Ends::read(reader, &sections.path);
    let (names, laws) = read_state_and_laws(reader, sections, source, kind, &ends);
    let control_names = if kind.has_cost() {
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
    let broken = kind.has_cost() && control_names.is_empty();
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

/// What a file asks for once the process and the task are known.
struct Asked {
    solvers: Vec<SolverSpec>,
    automatic: bool,
    checks: Vec<CheckSpec>,
    sample: SampleSettings,
    identities: Vec<IdentitySpec>,
    sweep: Option<Sweep>,
    references: Vec<Reference>,
    output: OutputSettings,
}

fn read_asked(
    reader: &mut Reader,
    root: &Table,
    run: &Section<'_>,
    setup: &Setup<'_>,
    law: Option<&Law>,
    (time, paths): (&TimeSettings, usize),
) -> Asked {
    let kind = setup.kind;
    let (solvers, automatic) = read_solvers(reader, root, run, setup);
    let mut ids: Vec<&str> = solvers.iter().map(|solver| solver.id.as_str()).collect();
    if automatic && solvers.is_empty() {
        // Whichever of them the structure will choose.
        ids.extend(readable(&reader.vocabulary.methods, kind));
    }
    let facts = applicable(kind, law);
    let checks = read_checks(reader, root, run, &ids, facts);
    reader.finish(run, &format!("kind `{kind}`"));
    let sample_section = reader.section(root, "sample");
    let sample = read_sample(reader, &sample_section, time, paths.min(4096));
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
    Asked {
        solvers,
        automatic,
        checks,
        sample,
        identities,
        sweep,
        references,
        output,
    }
}

fn read_problem(reader: &mut Reader, root: &Table, folder: &Path, kind: Kind) -> Option<Problem> {
    let sections = Sections::open(reader, root, kind);
    require_tables(reader, root, kind);
    let identity = read_identity(reader, &sections.problem, kind);
    if sections.problem.is_present() {
        reader.choice(&sections.problem, "kind");
    }
    let folder = DataFolder::new(folder);
    reader.read_parameters(&sections.params, &folder);
    reader.read_definitions(&sections.define);
    let seed = read_seed(reader, &sections.run);
    let source = DataSource {
        folder: &folder,
        seed,
    };
    let mut statement = read_statement(reader, &sections, source, kind);
    let dynamics = statement.dynamics.take();
    let task = read_task(
        reader,
        root,
        &sections,
        source,
        kind,
        &mut statement,
        dynamics.as_ref(),
    );
    let said = Said {
        kind,
        seed,
        identity,
        statement,
        dynamics,
        task,
    };
    read_rest(reader, root, &sections, said)
}

/// What the file says of the process and the task.
struct Said {
    kind: Kind,
    seed: u64,
    identity: Identity,
    statement: Statement,
    dynamics: Option<Dynamics>,
    task: Option<Task>,
}

/// Warns of a law that lies outside the domain, refuses what a horizon without an end leaves no room for.
fn check_together(reader: &mut Reader, sections: &Sections<'_>, task: &Task, dynamics: &Dynamics) {
    check_endless(reader, dynamics, task);
    if let Some(law) = task.start_law() {
        let roles = sections.roles(task.kind());
        let role = roles.first().map_or("", |role| role.name.as_str());
        let role = role.to_owned();
        lint::domain_mass(reader, &sections.dynamics, &role, law, dynamics);
    }
}

/// `[time]`, over the horizon of the process or the duration of a path.
fn read_clock(
    reader: &mut Reader,
    section: &Section<'_>,
    (kind, horizon): (Kind, (f64, f64)),
    dynamics: Option<&Dynamics>,
    path: Option<&PathTask>,
) -> TimeSettings {
    let spacing = default_spacing(kind, dynamics);
    let horizon = match path.map(|path| path.duration) {
        Some(Duration::Fixed(duration)) => (0.0, duration),
        _ => horizon,
    };
    read_time(reader, section, horizon, spacing, kind)
}

/// How it is to be solved, and everything together.
fn read_rest(
    reader: &mut Reader,
    root: &Table,
    sections: &Sections<'_>,
    said: Said,
) -> Option<Problem> {
    let (kind, statement, identity) = (said.kind, said.statement, said.identity);
    let law = said.task.as_ref().and_then(Task::start_law);
    let components = law.and_then(Law::mixture).map(|m| m.components());
    let path = said.task.as_ref().and_then(Task::path);
    let span = (kind, statement.horizon);
    let time_settings = read_clock(reader, &sections.time, span, said.dynamics.as_ref(), path);
    let grid = read_grid(reader, &sections.grid, kind);
    let observe = read_observables(reader, &sections.observe);
    let dimension = reader.formulas.state().len().max(1);
    let paths = default_paths(dimension, components, time_settings.steps);
    let run = read_run(reader, &sections.run, said.seed, paths, kind);
    let (affine, additive) = forms(reader, said.dynamics.as_ref());
    let setup = Setup {
        kind,
        dimension,
        components,
        affine,
        additive,
        grid: &grid,
        endless: statement.horizon.1.is_infinite(),
        steps: time_settings.steps,
        paths: run.paths,
        path,
    };
    let asked = read_asked(
        reader,
        root,
        &sections.run,
        &setup,
        law,
        (&time_settings, paths),
    );
    let definitions = reader.defined_values(&sections.define);
    let units = read_unit_table(reader, root, sections, statement.names.as_deref());
    let (task, dynamics) = (said.task?, said.dynamics?);
    check_together(reader, sections, &task, &dynamics);
    let formulas = &mut reader.formulas;
    Some(Problem {
        state: formulas.state().to_vec(),
        time: formulas.time(),
        graph: std::mem::take(&mut formulas.graph),
        control: std::mem::take(&mut formulas.control),
        parameters: std::mem::take(&mut formulas.parameters),
        places: std::mem::take(&mut formulas.places),
        name: identity.name,
        title: identity.title,
        about: identity.about,
        tags: identity.tags,
        expect: identity.expect,
        state_names: statement.names?,
        control_names: statement.control_names,
        control_bounds: statement.control_bounds,
        definitions,
        units,
        dynamics,
        affine,
        task,
        observe,
        time_settings,
        grid,
        run,
        solvers: asked.solvers,
        automatic: asked.automatic,
        checks: asked.checks,
        sample: asked.sample,
        identities: asked.identities,
        sweep: asked.sweep,
        references: asked.references,
        output: asked.output,
    })
}

/// `[units]`, whose names are the time, the state, its components and the parameters.
fn read_unit_table(
    reader: &mut Reader,
    root: &Table,
    sections: &Sections<'_>,
    names: Option<&[String]>,
) -> Vec<(String, crate::problem::meant::claim::Typed)> {
    let mut known: Vec<String> = names.unwrap_or_default().to_vec();
    known.extend(reader.formulas.control.iter().filter_map(|u| {
        let name = reader.formulas.graph.symbol_name(*u)?;
        Some(name.to_owned())
    }));
    if let Some(Value::Text(text)) = sections.dynamics.take("control").map(|e| &e.node.value) {
        let base = text.split('[').next().map_or("", str::trim);
        if !base.is_empty() && !known.iter().any(|name| name == base) {
            known.push(base.to_owned());
        }
    }
    if let Some(params) = root.table("params") {
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
    let units = read_units(reader, &sections.units, base, &known);
    check_units(reader, root, &units);
    units
}

/// Whether the drift is affine and the noise free of the state; whether the noise is.
fn forms(reader: &mut Reader, dynamics: Option<&Dynamics>) -> (bool, bool) {
    let time = reader.formulas.time();
    let state = reader.formulas.state().to_vec();
    let Some(dynamics) = dynamics else {
        return (false, true);
    };
    let graph = &mut reader.formulas.graph;
    let affine = dynamics.preset.as_ref().is_some_and(Preset::is_affine)
        || AffineSystem::new(graph, time, &state, dynamics).is_some();
    (affine, dynamics.is_additive(graph, &state))
}

/// Time nodes follow the signal-to-noise ratio where it is one number.
fn default_spacing(kind: Kind, dynamics: Option<&Dynamics>) -> Spacing {
    if !kind.generates() {
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
fn default_paths(dimension: usize, components: Option<usize>, steps: usize) -> usize {
    const MOST: usize = 20_000;
    const LEAST: usize = 512;
    /// Component evaluations times dimension, spent in seconds on two cores.
    const BUDGET: usize = 20_000_000_000;
    let one = steps * dimension * components.unwrap_or(1);
    (BUDGET / one.max(1)).clamp(LEAST, MOST)
}

fn applicable(kind: Kind, data: Option<&Law>) -> Applicable {
    match data {
        Some(Law::Samples(samples)) if kind.is_reverse() => Applicable {
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
