//! Reads the options of a method and fills in their defaults.

use crate::problem::format::vocabulary::{KERNELS, OBJECTIVES, OPTIMIZERS};
use crate::problem::meant::method::Axes;
use crate::problem::meant::model::{
    MethodSpec, Optimizer, PathKernel, PathObjective, RiccatiForm, Scheme, ScoreObjective, Stepper,
    Walk,
};
use crate::problem::meant::task::{Duration, Kind, PathFunctional};
use crate::problem::read::field_option::{read_field, read_policy_field};
use crate::problem::read::objective::read_scheme;
use crate::problem::read::structure::{Context, Structure};
use crate::problem::text::reader::{Bound, Reader, Section};

/// Waves per state of a spectral scheme.
const WAVES: usize = 161;

/// The options of a method.
pub(crate) fn read_options(
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
        "action" if context.kind != Kind::Reverse => learned_options(reader, section, context),
        "action" => MethodSpec::Action {
            objective: PathObjective::RelativeEntropy,
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
        "hopf-cole" => {
            let scheme = linear_scheme(reader, section, context);
            let default = match scheme {
                Scheme::Spectral => vec![WAVES; structure.dimension],
                _ => structure.points(),
            };
            MethodSpec::HopfCole {
                points: points(context, reader, section, default),
                steps: linear_steps(reader, section, scheme, 200),
                scheme,
            }
        }
        "fokker-planck" => MethodSpec::FokkerPlanck {
            points: points(context, reader, section, structure.points()),
            steps: reader.count(section, "steps", 200, 1),
        },
        "bridge" => MethodSpec::Bridge {
            points: points(
                context,
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
            points: points(context, reader, section, context.lattice()),
            steps: reader.count(section, "steps", context.steps, 1),
            scheme: scheme(reader, section, context, Scheme::Monotone),
            tolerance: reader.number_or(section, "tol", 1e-9, Bound::Positive),
            max_iterations: reader.count(section, "max_iter", 50, 1),
        },
        "riccati" => riccati_options(reader, section),
        "separable" => {
            let scheme = linear_scheme(reader, section, context);
            let default = match scheme {
                Scheme::Spectral => WAVES,
                _ => 801,
            };
            MethodSpec::Separable {
                points: points(context, reader, section, vec![default; structure.dimension]),
                steps: linear_steps(reader, section, scheme, context.steps),
                scheme,
            }
        }
        "long-horizon" => MethodSpec::LongHorizon {
            points: points(context, reader, section, vec![801; structure.dimension]),
            steps: reader.count(section, "steps", context.steps, 1),
        },
        "polynomial" => polynomial_options(reader, section, context),
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

fn riccati_options(reader: &mut Reader, section: &Section<'_>) -> MethodSpec {
    let names = RiccatiForm::NAMES;
    match reader.choice(section, "form", &names, Some(names[0])) {
        Some("hamiltonian") => MethodSpec::Riccati {
            relative_tolerance: 1.0,
            form: RiccatiForm::Hamiltonian,
        },
        _ => MethodSpec::Riccati {
            relative_tolerance: reader.number_or(section, "rtol", 1e-10, Bound::Positive),
            form: RiccatiForm::Differential,
        },
    }
}

/// `action` for kinds `control` and `sample`.
fn learned_options(reader: &mut Reader, section: &Section<'_>, context: Context<'_>) -> MethodSpec {
    let names = PathObjective::ALL.map(PathObjective::name);
    let chosen = reader.choice(section, "objective", &names, Some(names[0]));
    let objective = PathObjective::ALL
        .into_iter()
        .find(|objective| Some(objective.name()) == chosen)
        .unwrap_or(PathObjective::RelativeEntropy);
    let regression = objective.is_regression();
    MethodSpec::Action {
        objective,
        field: read_policy_field(reader, section, context.structure),
        optimizer: read_optimizer(reader, section),
        paths: reader.count(section, "paths", 4096, 2),
        steps: reader.count(section, "steps", context.steps, 1),
        // On the gradient norm in natural coordinates, or on the relative change of the control from one
        // regression to the next.
        tolerance: reader.number_or(
            section,
            "tol",
            if regression { 1e-3 } else { 1e-2 },
            Bound::NotNegative,
        ),
        max_iterations: reader.count(section, "max_iter", if regression { 30 } else { 100 }, 1),
    }
}

fn polynomial_options(
    reader: &mut Reader,
    section: &Section<'_>,
    context: Context<'_>,
) -> MethodSpec {
    let names = Axes::ALL.map(Axes::name);
    let chosen = reader.choice(section, "axes", &names, Some(names[0]));
    MethodSpec::Polynomial {
        degree: reader.count(section, "degree", 4, 1),
        interaction: reader.count(section, "interaction", context.structure.dimension, 1),
        axes: Axes::ALL
            .into_iter()
            .find(|axes| Some(axes.name()) == chosen)
            .unwrap_or(Axes::Principal),
        paths: reader.count(section, "paths", 8192, 2),
        steps: reader.count(section, "steps", 20, 1),
        relative_tolerance: reader.number_or(section, "rtol", 1e-5, Bound::Positive),
        tolerance: reader.number_or(section, "tol", 2e-3, Bound::Positive),
        max_iterations: reader.count(section, "max_iter", 16, 1),
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
    let mut spec = PathIntegralOptions::default();
    match kernel {
        PathKernel::Transfer => spec.points = points(context, reader, section, context.lattice()),
        PathKernel::MonteCarlo => spec.read(reader, section, context),
    }
    MethodSpec::PathIntegral {
        kernel,
        paths: spec.paths,
        steps,
        points: spec.points,
        importance: spec.importance,
        rounds: spec.rounds,
        degree: spec.degree,
        interaction: spec.interaction,
    }
}

/// What the kernels of `path-integral` do not share.
#[derive(Default)]
struct PathIntegralOptions {
    points: Vec<usize>,
    paths: usize,
    importance: Option<String>,
    rounds: usize,
    degree: usize,
    interaction: usize,
}

impl PathIntegralOptions {
    /// Those of weighted paths.
    fn read(&mut self, reader: &mut Reader, section: &Section<'_>, context: Context<'_>) {
        self.paths = reader.count(section, "paths", context.paths, 2);
        self.importance = reader.text(section, "use");
        // A policy that was found has done the work of the rounds; a sampling problem asks for them.
        let plain = self.importance.is_some() || context.kind != Kind::Control;
        self.rounds = reader.count(section, "rounds", if plain { 0 } else { 16 }, 0);
        if self.rounds > 0 {
            let d = context.structure.dimension;
            let degree = if d == 1 { 5 } else { 3 };
            self.degree = reader.count(section, "degree", degree, 1);
            let joined = if d <= 3 { d.min(2) } else { 1 };
            self.interaction = reader.count(section, "interaction", joined, 1);
        }
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
            points: points(context, reader, section, context.lattice()),
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
                points: points(context, reader, section, context.lattice()),
                steps: reader.count(section, "steps", context.steps, 1),
                scheme: scheme(reader, section, context, Scheme::Central),
            };
        }
        "stationary" => {
            return MethodSpec::Stationary {
                points: points(context, reader, section, context.lattice()),
            };
        }
        "first-passage" => {
            return MethodSpec::FirstPassage {
                points: points(context, reader, section, context.lattice()),
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

/// Scheme of the linear equation: `central`, or `spectral` where the solver or `[grid]` says so. The grids of reverse
/// diffusion have no choice.
fn linear_scheme(reader: &mut Reader, section: &Section<'_>, context: Context<'_>) -> Scheme {
    if context.kind == Kind::Reverse {
        return Scheme::Central;
    }
    let names = [Scheme::Central, Scheme::Spectral].map(Scheme::name);
    let default = match context.grid.scheme {
        Some(Scheme::Spectral) => names[1],
        _ => names[0],
    };
    match reader.choice(section, "scheme", &names, Some(default)) {
        Some("spectral") => Scheme::Spectral,
        _ => Scheme::Central,
    }
}

/// Time steps of the linear equation; a spectral scheme has none.
fn linear_steps(
    reader: &mut Reader,
    section: &Section<'_>,
    scheme: Scheme,
    default: usize,
) -> usize {
    match scheme {
        Scheme::Spectral => 0,
        _ => reader.count(section, "steps", default, 1),
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
    reader
        .points_at(&entry.node, &place, structure.dimension)
        .unwrap_or(default)
}

/// Points per state: the solver's own, else those of `[grid]`, else the method's.
fn points(
    context: Context<'_>,
    reader: &mut Reader,
    section: &Section<'_>,
    default: Vec<usize>,
) -> Vec<usize> {
    let default = context.grid.points.clone().unwrap_or(default);
    read_points(reader, section, context.structure, default)
}
