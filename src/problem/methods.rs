//! Reads `[run] solvers` and `[[solver]]`, and chooses solvers when the file does not.

use crate::problem::diagnostic::Diagnostic;
use crate::problem::document::{Node, Table, Value};
use crate::problem::model::{
    FieldSpec, GridSettings, MethodSpec, Optimizer, PathKernel, Scheme, ScoreObjective, SolverSpec,
    Stepper, Walk,
};
use crate::problem::objective::read_scheme;
use crate::problem::reader::{Bound, Reader, Section};
use crate::problem::resolved::quote;
use crate::problem::suggest::did_you_mean;
use crate::problem::task::{Duration, Kind, Path, PathFunctional};
use crate::problem::vocabulary::{
    FIELDS, KERNELS, LATER_FIELDS, METHODS, OBJECTIVES, OPTIMIZERS, all, of_kind,
};

/// What the choice of methods and their default sizes depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    pub dimension: usize,
    /// Gaussian components of the data, if they are a mixture.
    pub components: Option<usize>,
    /// Affine drift and state-free noise.
    pub affine: bool,
}

/// What the options of a method and their defaults depend on.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub kind: Kind,
    pub structure: Structure,
    pub grid: &'a GridSettings,
    /// Steps of `[time]`.
    pub steps: usize,
    /// Paths of `[run]`.
    pub paths: usize,
    /// Kind `path` only.
    pub path: Option<&'a Path>,
}

impl Context<'_> {
    /// Points per state: `[grid]` where it says so.
    fn points(self, reader: &mut Reader, section: &Section<'_>, default: Vec<usize>) -> Vec<usize> {
        let default = self.grid.points.clone().unwrap_or(default);
        read_points(reader, section, self.structure, default)
    }

    /// Points of a grid of all states, fewer per state the more there are.
    fn lattice(self) -> Vec<usize> {
        let points = match self.structure.dimension {
            1 => 801,
            2 => 201,
            _ => 61,
        };
        vec![points; self.structure.dimension]
    }
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
        let is_weighted =
            |solver: &&SolverSpec| matches!(solver.method, MethodSpec::PathIntegral { .. });
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

/// The options of a method.
fn read_options(
    reader: &mut Reader,
    section: &Section<'_>,
    method: &str,
    context: Context<'_>,
) -> MethodSpec {
    match context.kind {
        Kind::Bridge => bridge_options(reader, section, method, context),
        Kind::Path => path_options(reader, section, method, context),
        Kind::Simulate => simulation_options(reader, section, method, context),
        Kind::Sample | Kind::Control | Kind::Reverse => {
            control_options(reader, section, method, context)
        }
    }
}

fn control_options(
    reader: &mut Reader,
    section: &Section<'_>,
    method: &str,
    context: Context<'_>,
) -> MethodSpec {
    let structure = context.structure;
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
        "score-matching" => score_options(reader, section, structure),
        "hopf-cole" => MethodSpec::HopfCole {
            points: context.points(reader, section, structure.points()),
            steps: reader.count(section, "steps", 200, 1),
        },
        "fokker-planck" => MethodSpec::FokkerPlanck {
            points: context.points(reader, section, structure.points()),
            steps: reader.count(section, "steps", 200, 1),
        },
        "bridge" => MethodSpec::Bridge {
            points: context.points(
                reader,
                section,
                if structure.dimension == 1 {
                    vec![401]
                } else {
                    vec![128; structure.dimension]
                },
            ),
            tolerance: reader.number_or(section, "tol", 1e-9, Bound::NotNegative),
            max_iterations: reader.count(section, "max_iter", 2000, 1),
        },
        "path-integral" => path_integral_options(reader, section, context),
        "hjb" => MethodSpec::Hjb {
            points: context.points(reader, section, context.lattice()),
            steps: reader.count(section, "steps", context.steps, 1),
            scheme: scheme(reader, section, context, Scheme::Monotone),
            tolerance: reader.number_or(section, "tol", 1e-9, Bound::Positive),
            max_iterations: reader.count(section, "max_iter", 50, 1),
        },
        "riccati" => MethodSpec::Riccati {
            relative_tolerance: reader.number_or(section, "rtol", 1e-10, Bound::Positive),
        },
        "separable" => MethodSpec::Separable {
            points: context.points(reader, section, vec![801; structure.dimension]),
            steps: reader.count(section, "steps", context.steps, 1),
        },
        "ddp" => MethodSpec::Ddp {
            steps: reader.count(section, "steps", context.steps, 1),
            tolerance: reader.number_or(section, "tol", 1e-9, Bound::Positive),
            max_iterations: reader.count(section, "max_iter", 200, 1),
        },
        "annealed" => MethodSpec::Annealed {
            particles: reader.count(section, "particles", 8192, 2),
            steps: reader.count(section, "steps", context.steps, 1),
        },
        "langevin" => walk_options(reader, section, Walk::Langevin, context),
        "mala" => walk_options(reader, section, Walk::Mala, context),
        "hmc" => walk_options(reader, section, Walk::Hmc, context),
        _ => MethodSpec::Exact,
    }
}

fn score_options(reader: &mut Reader, section: &Section<'_>, structure: Structure) -> MethodSpec {
    let objective = if structure.affine {
        "denoising"
    } else {
        "implicit"
    };
    let samples = if structure.dimension <= 2 {
        100_000
    } else {
        20_000
    };
    MethodSpec::ScoreMatching {
        objective: match reader.choice(section, "objective", &OBJECTIVES, Some(objective)) {
            Some("implicit") => ScoreObjective::Implicit,
            _ => ScoreObjective::Denoising,
        },
        field: read_field(reader, section, structure.score_field(), structure),
        samples: reader.count(section, "samples", samples, 2),
        ridge: reader.number_or(section, "ridge", 1e-8, Bound::NotNegative),
        optimizer: read_optimizer(reader, section),
        tolerance: reader.number_or(section, "tol", 1e-6, Bound::NotNegative),
        max_iterations: reader.count(section, "max_iter", 200, 1),
    }
}

fn path_integral_options(
    reader: &mut Reader,
    section: &Section<'_>,
    context: Context<'_>,
) -> MethodSpec {
    let few = context.kind != Kind::Control && context.structure.dimension <= 2;
    let default = if few { "transfer" } else { "monte-carlo" };
    let kernel = match reader.choice(section, "kernel", &KERNELS, Some(default)) {
        Some("transfer") => PathKernel::Transfer,
        _ => PathKernel::MonteCarlo,
    };
    let steps = reader.count(section, "steps", context.steps, 1);
    let (points, paths, importance) = match kernel {
        PathKernel::Transfer => (context.points(reader, section, context.lattice()), 0, None),
        PathKernel::MonteCarlo => (
            Vec::new(),
            reader.count(section, "paths", context.paths, 2),
            reader.text(section, "use"),
        ),
    };
    MethodSpec::PathIntegral {
        kernel,
        paths,
        steps,
        points,
        importance,
    }
}

fn walk_options(
    reader: &mut Reader,
    section: &Section<'_>,
    walk: Walk,
    context: Context<'_>,
) -> MethodSpec {
    MethodSpec::Walk {
        walk,
        paths: reader.count(section, "paths", context.paths, 1),
        steps: reader.count(section, "steps", 10 * context.steps, 1),
        step_size: reader.number_or(section, "step_size", 0.1, Bound::Positive),
        warmup: reader.count(section, "warmup", 1000, 0),
    }
}

fn bridge_options(
    reader: &mut Reader,
    section: &Section<'_>,
    method: &str,
    context: Context<'_>,
) -> MethodSpec {
    match method {
        "sinkhorn" => MethodSpec::Sinkhorn {
            points: context.points(reader, section, context.lattice()),
            tolerance: reader.number_or(section, "tol", 1e-10, Bound::Positive),
            max_iterations: reader.count(section, "max_iter", 5000, 1),
        },
        "light-bridge" => MethodSpec::LightBridge {
            potentials: reader.count(section, "potentials", 4, 1),
            samples: reader.count(section, "samples", context.paths, 2),
            tolerance: reader.number_or(section, "tol", 1e-8, Bound::Positive),
            max_iterations: reader.count(section, "max_iter", 20_000, 1),
        },
        "ipf" => MethodSpec::Ipf {
            field: read_field(
                reader,
                section,
                context.structure.score_field(),
                context.structure,
            ),
            paths: reader.count(section, "paths", context.paths, 2),
            steps: reader.count(section, "steps", context.steps, 1),
            tolerance: reader.number_or(section, "tol", 1e-3, Bound::Positive),
            max_iterations: reader.count(section, "max_iter", 20, 1),
        },
        _ => MethodSpec::GaussianBridge,
    }
}

fn path_options(
    reader: &mut Reader,
    section: &Section<'_>,
    method: &str,
    context: Context<'_>,
) -> MethodSpec {
    let path = context.path;
    let images = path.map_or(200, |path| path.images);
    let images = reader.count(section, "images", images, 3);
    let tolerance = reader.number_or(section, "tol", 1e-8, Bound::Positive);
    let max_iterations = reader.count(section, "max_iter", 5000, 1);
    match method {
        "gmam" => MethodSpec::Gmam {
            images,
            tolerance,
            max_iterations,
        },
        "string" => MethodSpec::StringRelaxation {
            images,
            tolerance,
            max_iterations,
        },
        _ => {
            // A fixed time that is long for rates of order one, where the file leaves the time free.
            let duration = match path.map(|path| path.duration) {
                Some(Duration::Fixed(duration)) => duration,
                _ => 20.0,
            };
            let functional = path.map_or(PathFunctional::FreidlinWentzell, |path| path.functional);
            let named = reader.choice(
                section,
                "functional",
                &PathFunctional::NAMES,
                Some(functional.name()),
            );
            MethodSpec::Mam {
                duration: reader.number_or(section, "duration", duration, Bound::Positive),
                functional: named
                    .and_then(PathFunctional::from_name)
                    .unwrap_or(functional),
                images,
                tolerance,
                max_iterations,
            }
        }
    }
}

fn simulation_options(
    reader: &mut Reader,
    section: &Section<'_>,
    method: &str,
    context: Context<'_>,
) -> MethodSpec {
    let stepper = match method {
        "euler-maruyama" => Stepper::EulerMaruyama,
        "heun" => Stepper::Heun,
        "milstein" => Stepper::Milstein,
        "exponential-euler" => Stepper::ExponentialEuler,
        "fpk" => {
            return MethodSpec::Fpk {
                points: context.points(reader, section, context.lattice()),
                steps: reader.count(section, "steps", context.steps, 1),
                scheme: scheme(reader, section, context, Scheme::Central),
            };
        }
        "stationary" => {
            return MethodSpec::Stationary {
                points: context.points(reader, section, context.lattice()),
            };
        }
        "first-passage" => {
            return MethodSpec::FirstPassage {
                points: context.points(reader, section, context.lattice()),
            };
        }
        _ => {
            return MethodSpec::Moments {
                relative_tolerance: reader.number_or(section, "rtol", 1e-10, Bound::Positive),
            };
        }
    };
    MethodSpec::Simulation {
        stepper,
        paths: reader.count(section, "paths", context.paths, 1),
        steps: reader.count(section, "steps", context.steps, 1),
    }
}

/// `scheme`: the solver's own, else that of `[grid]`, else the method's.
fn scheme(
    reader: &mut Reader,
    section: &Section<'_>,
    context: Context<'_>,
    default: Scheme,
) -> Scheme {
    let default = context.grid.scheme.unwrap_or(default);
    read_scheme(reader, section, default).unwrap_or(default)
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
    reader
        .points_at(&entry.node, &place, structure.dimension)
        .unwrap_or(default)
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
            let advice = did_you_mean(&entry.key, valid.iter().copied());
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
