//! Reads `[run] solvers` and `[[solver]]`, and chooses solvers when the file does not.

use crate::problem::diagnostic::Diagnostic;
use crate::problem::document::{Node, Table, Value};
use crate::problem::model::{FieldSpec, MethodSpec, Optimizer, ScoreObjective, SolverSpec};
use crate::problem::reader::{Bound, Reader, Section};
use crate::problem::resolved::quote;

/// Methods this version has.
pub const METHODS: [&str; 6] = [
    "exact",
    "action",
    "score-matching",
    "hopf-cole",
    "fokker-planck",
    "bridge",
];

/// Methods of the format that this version does not have.
const LATER_METHODS: [&str; 2] = ["path-integral", "hjb"];

const FIELDS: [&str; 4] = ["affine", "rbf", "mixture", "chebyshev"];
const LATER_FIELDS: [&str; 3] = ["fourier", "grid", "network"];

/// Minimisers of argmin that `action` and `score-matching` may use.
pub const OPTIMIZERS: [(&str, Optimizer); 6] = [
    ("lbfgs", Optimizer::Lbfgs),
    ("nonlinear-cg", Optimizer::NonlinearCg),
    ("trust-region", Optimizer::TrustRegion),
    ("newton-cg", Optimizer::NewtonCg),
    ("gauss-newton", Optimizer::GaussNewton),
    ("nelder-mead", Optimizer::NelderMead),
];

/// What the choice of methods and their default sizes depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    pub dimension: usize,
    /// Gaussian components of the data, if they are a mixture.
    pub components: Option<usize>,
    /// Affine drift and state-free noise.
    pub affine: bool,
}

impl Structure {
    /// The solvers meant by `auto`.
    fn automatic(self) -> Vec<&'static str> {
        let grids = self.dimension <= 2;
        match (self.components.is_some(), self.affine) {
            (true, true) if grids => {
                vec!["exact", "action", "score-matching", "hopf-cole", "bridge"]
            }
            (true, true) => vec!["exact", "action", "score-matching"],
            // Without a closed form the grid methods check one another.
            _ if grids => vec!["hopf-cole", "fokker-planck"],
            _ => vec!["action", "score-matching"],
        }
    }

    fn points(self) -> Vec<usize> {
        if self.dimension == 1 {
            vec![801]
        } else {
            vec![256; self.dimension]
        }
    }

    /// The mixture family has twice the bumps of the data, between 6 and 12: with just as many, two may
    /// settle on one mode and leave another without. A single Gaussian needs no spare. Where a free covariance per
    /// component is too much, an affine field shows what second moments alone can do.
    fn action_field(self) -> FieldSpec {
        match self.components {
            Some(components) if self.affine && self.dimension <= 8 => FieldSpec::Mixture {
                components: spare(components),
            },
            _ if self.dimension <= 2 => FieldSpec::Chebyshev {
                degree: 8,
                nodes: 16,
            },
            _ => FieldSpec::Affine { nodes: 24 },
        }
    }

    fn score_field(self) -> FieldSpec {
        if self.dimension <= 8 {
            FieldSpec::Rbf {
                centers: 200,
                nodes: 24,
            }
        } else {
            FieldSpec::Affine { nodes: 24 }
        }
    }
}

/// More components than this are the rows of a table.
const TABLE: usize = 24;

/// Bumps for a mixture field on data of `components` components.
fn spare(components: usize) -> usize {
    if components == 1 {
        1
    } else if components > TABLE {
        // A table has a component a row; a few bumps carry its shape.
        5
    } else {
        (2 * components).clamp(6, 12)
    }
}

/// Every solver the file asks for, its options filled in.
pub(crate) fn read_solvers(
    reader: &mut Reader,
    root: &Table,
    run: &Section<'_>,
    structure: Structure,
) -> Vec<SolverSpec> {
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
    for (name, span) in names {
        if name == "auto" {
            for method in structure.automatic() {
                solvers.push((default_solver(reader, method, structure), span.clone()));
            }
        } else if let Some(method) = known_method(reader, &name, &span) {
            solvers.push((default_solver(reader, method, structure), span));
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
        if let Some(solver) = read_solver(reader, &section, structure) {
            solvers.push((solver, span));
        }
    }
    distinct_ids(reader, solvers)
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
) -> Option<&'static str> {
    if later(reader, name, span, "method", &LATER_METHODS) {
        return None;
    }
    let node = Node {
        span: span.clone(),
        value: Value::Text(name.to_owned()),
    };
    reader.named_choice(&node, name, "method", &METHODS)
}

/// Reports a name of the format that this version does not have.
fn later(
    reader: &mut Reader,
    name: &str,
    span: &std::ops::Range<usize>,
    what: &str,
    names: &[&str],
) -> bool {
    let found = names.contains(&name);
    if found {
        reader.push(Diagnostic::error(
            "E023",
            span.clone(),
            format!("{what} `{name}` is part of the format but not of this version"),
        ));
    }
    found
}

/// A solver with every option at its default, written to the resolved file.
fn default_solver(reader: &mut Reader, method: &'static str, structure: Structure) -> SolverSpec {
    let empty = Table::default();
    let section = reader.element("solver", "[[solver]]".to_owned(), 0..0, &empty);
    reader.record(&section, "id", quote(method));
    reader.record(&section, "method", quote(method));
    SolverSpec {
        id: method.to_owned(),
        method: read_options(reader, &section, method, structure),
    }
}

fn read_solver(
    reader: &mut Reader,
    section: &Section<'_>,
    structure: Structure,
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
    let method = known_method(reader, name, &entry.node.span)?;
    let id = id.unwrap_or_else(|| method.to_owned());
    reader.record(section, "id", quote(&id));
    let options = read_options(reader, section, method, structure);
    reader.finish(section, &format!("method `{method}`"));
    Some(SolverSpec {
        id,
        method: options,
    })
}

fn read_options(
    reader: &mut Reader,
    section: &Section<'_>,
    method: &str,
    structure: Structure,
) -> MethodSpec {
    match method {
        "action" => MethodSpec::Action {
            field: read_field(reader, section, structure.action_field(), structure),
            optimizer: read_optimizer(reader, section),
            // The noise vanishes at the optimum, so few paths suffice; steps are exact for Gaussians, so
            // few of them do, too.
            paths: reader.count(section, "paths", 512, 2),
            steps: reader.count(section, "steps", 64, 1),
            // Measured in natural coordinates: a gradient of norm g leaves a gap of about g^2/2 nats, here
            // 5e-3, below what the sampling of paths leaves.
            tolerance: reader.number_or(section, "tol", 0.1, Bound::NotNegative),
            max_iterations: reader.count(section, "max_iter", 300, 1),
        },
        "score-matching" => MethodSpec::ScoreMatching {
            objective: match reader.choice(
                section,
                "objective",
                &["denoising", "implicit"],
                Some(if structure.affine {
                    "denoising"
                } else {
                    "implicit"
                }),
            ) {
                Some("implicit") => ScoreObjective::Implicit,
                _ => ScoreObjective::Denoising,
            },
            field: read_field(reader, section, structure.score_field(), structure),
            samples: reader.count(
                section,
                "samples",
                if structure.dimension <= 2 {
                    100_000
                } else {
                    20_000
                },
                2,
            ),
            ridge: reader.number_or(section, "ridge", 1e-8, Bound::NotNegative),
            optimizer: read_optimizer(reader, section),
            tolerance: reader.number_or(section, "tol", 1e-6, Bound::NotNegative),
            max_iterations: reader.count(section, "max_iter", 200, 1),
        },
        "hopf-cole" => MethodSpec::HopfCole {
            points: read_points(reader, section, structure, structure.points()),
            steps: reader.count(section, "steps", 200, 1),
        },
        "fokker-planck" => MethodSpec::FokkerPlanck {
            points: read_points(reader, section, structure, structure.points()),
            steps: reader.count(section, "steps", 200, 1),
        },
        "bridge" => MethodSpec::Bridge {
            points: read_points(
                reader,
                section,
                structure,
                if structure.dimension == 1 {
                    vec![401]
                } else {
                    vec![128; structure.dimension]
                },
            ),
            tolerance: reader.number_or(section, "tol", 1e-9, Bound::NotNegative),
            max_iterations: reader.count(section, "max_iter", 2000, 1),
        },
        _ => MethodSpec::Exact,
    }
}

fn read_optimizer(reader: &mut Reader, section: &Section<'_>) -> Optimizer {
    let names: Vec<&'static str> = OPTIMIZERS.iter().map(|(name, _)| *name).collect();
    let chosen = reader.choice(section, "optimizer", &names, Some("lbfgs"));
    OPTIMIZERS
        .iter()
        .find(|(name, _)| Some(*name) == chosen)
        .map_or(Optimizer::Lbfgs, |(_, optimizer)| *optimizer)
}

fn read_points(
    reader: &mut Reader,
    section: &Section<'_>,
    structure: Structure,
    default: Vec<usize>,
) -> Vec<usize> {
    let Some(entry) = section.take("points") else {
        reader.record(section, "points", format!("{default:?}"));
        return default;
    };
    reader.record_entry(section, entry);
    let place = format!("{}.points", section.name);
    let Value::Array(items) = &entry.node.value else {
        return match reader.whole_number(&entry.node, &place, 5) {
            Some(points) => vec![points; structure.dimension],
            None => default,
        };
    };
    if items.len() != structure.dimension {
        reader.push(Diagnostic::error(
            "E015",
            entry.node.span.clone(),
            format!(
                "`{place}` has {} entries, the state has {} components",
                items.len(),
                structure.dimension
            ),
        ));
        return default;
    }
    let points: Vec<Option<usize>> = items
        .iter()
        .map(|item| reader.whole_number(item, &place, 5))
        .collect();
    points.into_iter().collect::<Option<_>>().unwrap_or(default)
}

fn read_field(
    reader: &mut Reader,
    section: &Section<'_>,
    default: FieldSpec,
    structure: Structure,
) -> FieldSpec {
    let field = match section.take("field") {
        Some(entry) => read_field_entry(reader, &entry.node, structure).unwrap_or(default),
        None => default,
    };
    reader.record(section, "field", field_text(&field));
    field
}

/// `"rbf"` or `{ family = "rbf", centers = 200, time = "nodes", nodes = 24 }`.
fn read_field_entry(reader: &mut Reader, node: &Node, structure: Structure) -> Option<FieldSpec> {
    let empty = Table::default();
    let (family, table) = match &node.value {
        Value::Text(name) => (Some((name, node)), &empty),
        Value::Table(table) => {
            let family = table.get("family").map(|entry| &entry.node);
            let family = family.and_then(|node| match &node.value {
                Value::Text(name) => Some((name, node)),
                _ => None,
            });
            (family, table)
        }
        _ => (None, &empty),
    };
    let Some((name, family_node)) = family else {
        reader.push(
            Diagnostic::error(
                "E012",
                node.span.clone(),
                "`solver.field` must name a family".to_owned(),
            )
            .help("write field = { family = \"rbf\", centers = 200, nodes = 24 }"),
        );
        return None;
    };
    if later(
        reader,
        name,
        &family_node.span,
        "field family",
        &LATER_FIELDS,
    ) {
        return None;
    }
    let family = reader.named_choice(family_node, name, "solver.field.family", &FIELDS)?;
    let valid: &[&str] = match family {
        "affine" => &["family", "time", "nodes"],
        "rbf" => &["family", "time", "nodes", "centers"],
        "mixture" => &["family", "components"],
        _ => &["family", "time", "nodes", "degree"],
    };
    check_field_keys(reader, table, family, valid)?;
    let count = |reader: &mut Reader, key: &str, default: usize, least: usize| {
        let entry = table.get(key);
        entry.map_or(Some(default), |entry| {
            reader.whole_number(&entry.node, &format!("solver.field.{key}"), least)
        })
    };
    match family {
        "affine" => Some(FieldSpec::Affine {
            nodes: count(reader, "nodes", 24, 1)?,
        }),
        "rbf" => Some(FieldSpec::Rbf {
            centers: count(reader, "centers", 200, 1)?,
            nodes: count(reader, "nodes", 24, 1)?,
        }),
        "mixture" => Some(FieldSpec::Mixture {
            components: count(
                reader,
                "components",
                structure.components.map_or(12, spare),
                1,
            )?,
        }),
        _ if structure.dimension > 2 => {
            reader.push(Diagnostic::error(
                "E205",
                family_node.span.clone(),
                format!(
                    "field family `chebyshev` is for one or two states; this problem has {}",
                    structure.dimension
                ),
            ));
            None
        }
        _ => Some(FieldSpec::Chebyshev {
            degree: count(reader, "degree", 8, 1)?,
            nodes: count(reader, "nodes", 16, 1)?,
        }),
    }
}

fn check_field_keys(
    reader: &mut Reader,
    table: &Table,
    family: &str,
    valid: &[&str],
) -> Option<()> {
    let mut good = Some(());
    for entry in &table.entries {
        if !valid.contains(&entry.key.as_str()) {
            good = None;
            let diagnostic = Diagnostic::error(
                "E021",
                entry.key_span.clone(),
                format!("unknown key `{}` in field `{family}`", entry.key),
            )
            .note(format!("valid here: {}", valid.join(", ")));
            let advice = crate::problem::suggest::did_you_mean(&entry.key, valid.iter().copied());
            reader.push(match advice {
                Some(label) => diagnostic.label(label),
                None => diagnostic,
            });
        }
    }
    if let Some(entry) = table.get("time") {
        match &entry.node.value {
            Value::Text(time) if time == "nodes" => {}
            Value::Text(time) => {
                let known = later(reader, time, &entry.node.span, "field time", &["input"]);
                if !known {
                    reader.named_choice(&entry.node, time, "solver.field.time", &["nodes"]);
                }
                good = None;
            }
            _ => {
                reader.push(Diagnostic::error(
                    "E012",
                    entry.node.span.clone(),
                    "`solver.field.time` must be \"nodes\"".to_owned(),
                ));
                good = None;
            }
        }
    }
    good
}

fn field_text(field: &FieldSpec) -> String {
    match field {
        FieldSpec::Affine { nodes } => {
            format!("{{ family = \"affine\", time = \"nodes\", nodes = {nodes} }}")
        }
        FieldSpec::Rbf { centers, nodes } => format!(
            "{{ family = \"rbf\", centers = {centers}, time = \"nodes\", nodes = {nodes} }}"
        ),
        FieldSpec::Mixture { components } => {
            format!("{{ family = \"mixture\", components = {components} }}")
        }
        FieldSpec::Chebyshev { degree, nodes } => format!(
            "{{ family = \"chebyshev\", degree = {degree}, time = \"nodes\", nodes = {nodes} }}"
        ),
    }
}
