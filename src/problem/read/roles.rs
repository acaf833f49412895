//! The tables of a problem, the laws they state, and the state those are laws of.

use crate::problem::meant::law::Law;
use crate::problem::meant::model::Dynamics;
use crate::problem::meant::task::Kind;
use crate::problem::read::laws::{is_formula, read_law};
use crate::problem::read::objective::Ends;
use crate::problem::read::prior::default_prior;
use crate::problem::read::state::{StateSpec, read_state};
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Table, Value};
use crate::problem::text::folder::DataFolder;
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::law_entries;

/// The tables of a problem, opened in the order of the resolved file.
pub(crate) struct Sections<'d> {
    pub problem: Section<'d>,
    pub params: Section<'d>,
    pub units: Section<'d>,
    pub define: Section<'d>,
    /// `[data]`, `[initial]` or `[source]`.
    pub start: Section<'d>,
    pub target: Section<'d>,
    pub prior: Section<'d>,
    pub dynamics: Section<'d>,
    pub cost: Section<'d>,
    pub path: Section<'d>,
    pub time: Section<'d>,
    pub grid: Section<'d>,
    pub observe: Section<'d>,
    pub run: Section<'d>,
}

impl<'d> Sections<'d> {
    pub(crate) fn open(reader: &mut Reader, root: &'d Table, kind: Kind) -> Self {
        // Without a law at the start its table is one that the file cannot have.
        let mut laws = kind.laws().into_iter();
        let start = laws.find(|law| *law != "target").unwrap_or("data");
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
    pub(crate) fn roles(&self, kind: Kind) -> Vec<&Section<'d>> {
        let laws = kind.laws().into_iter();
        laws.map(|law| match law {
            "target" => &self.target,
            _ => &self.start,
        })
        .collect()
    }
}

/// Where tables of numbers come from, and which of their rows are used.
#[derive(Clone, Copy)]
pub(crate) struct DataSource<'a> {
    pub folder: &'a DataFolder,
    pub seed: u64,
}

/// One error for all missing tables. A table that slid into another one was reported there.
pub(crate) fn require_tables(reader: &mut Reader, root: &Table, kind: Kind) {
    let problem = format!("[problem] with name = \"...\" and kind = \"{kind}\"");
    let dynamics = format!("[dynamics] with {}", kind.short_dynamics());
    let mut needed = vec![("problem", problem.as_str())];
    let mut tables = kind.required_tables();
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
            _ => dynamics.as_str(),
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
pub(crate) fn slid(root: &Table, key: &str) -> bool {
    root.entries.iter().any(|entry| match &entry.node.value {
        Value::Table(table) => table.get(key).is_some(),
        _ => false,
    })
}

/// Reads the laws and declares the state, whichever of them knows the number of components.
pub(crate) fn read_state_and_laws(
    reader: &mut Reader,
    sections: &Sections<'_>,
    source: DataSource<'_>,
    kind: Kind,
    ends: &Ends,
) -> (Option<Vec<String>>, Vec<Option<Law>>) {
    let spec = read_state(reader, &sections.dynamics);
    let roles = sections.roles(kind);
    let mut laws: Vec<Option<Law>> = vec![None; roles.len()];
    // Laws that tell their size come first: expressions need the state they are of.
    for (law, section) in laws.iter_mut().zip(&roles) {
        if section.is_present() && !is_formula(section) {
            *law = read_law(reader, section, source.folder, source.seed);
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
            *law = read_law(reader, section, source.folder, source.seed);
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
pub(crate) fn read_prior(
    reader: &mut Reader,
    sections: &Sections<'_>,
    source: DataSource<'_>,
    dynamics: Option<&Dynamics>,
    data: Option<&Law>,
) -> Option<Law> {
    let section = &sections.prior;
    let dimension = reader.formulas.state().len();
    if section.is_present() {
        if dimension == 0 && is_formula(section) {
            return None;
        }
        let law = read_law(reader, section, source.folder, source.seed)?;
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
