//! Every name the format knows, and the kinds of problem it belongs to. The checker, the suggestions,
//! `list` and the JSON schema all read these tables.

use crate::problem::meant::model::Optimizer;
use crate::problem::meant::task::Kind;

const ALL: &[Kind] = &Kind::ALL;
const FIELDS_OF_SCORE: &[Kind] = &[Kind::Reverse, Kind::Sample];
const CONTROLLED: &[Kind] = &[Kind::Reverse, Kind::Sample, Kind::Control];
const CONTROL: &[Kind] = &[Kind::Control];
const SAMPLE: &[Kind] = &[Kind::Sample];
const BRIDGE: &[Kind] = &[Kind::Bridge];
const PATH: &[Kind] = &[Kind::Path];
const SIMULATE: &[Kind] = &[Kind::Simulate];
const REVERSE: &[Kind] = &[Kind::Reverse];
const WEIGHTED: &[Kind] = &[Kind::Control, Kind::Sample];

/// A name and the kinds it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    pub name: &'static str,
    pub kinds: &'static [Kind],
}

const fn name(name: &'static str, kinds: &'static [Kind]) -> Name {
    Name { name, kinds }
}

/// The names of a list that belong to a kind, in the order of the list.
pub fn of_kind(names: &[Name], kind: Kind) -> Vec<&'static str> {
    names
        .iter()
        .filter(|entry| entry.kinds.contains(&kind))
        .map(|entry| entry.name)
        .collect()
}

/// All names of a list.
pub fn all(names: &[Name]) -> Vec<&'static str> {
    names.iter().map(|entry| entry.name).collect()
}

/// Names for `solver.method`.
pub const METHODS: &[Name] = &[
    name("exact", FIELDS_OF_SCORE),
    name("action", CONTROLLED),
    name("score-matching", FIELDS_OF_SCORE),
    name("hopf-cole", CONTROLLED),
    name("fokker-planck", FIELDS_OF_SCORE),
    name("bridge", FIELDS_OF_SCORE),
    name("path-integral", CONTROLLED),
    name("hjb", CONTROLLED),
    name("riccati", CONTROLLED),
    name("separable", CONTROLLED),
    name("long-horizon", CONTROLLED),
    name("polynomial", CONTROLLED),
    name("ddp", CONTROLLED),
    name("annealed", SAMPLE),
    name("langevin", SAMPLE),
    name("mala", SAMPLE),
    name("hmc", SAMPLE),
    name("gaussian", BRIDGE),
    name("sinkhorn", BRIDGE),
    name("light-bridge", BRIDGE),
    name("ipf", BRIDGE),
    name("mam", PATH),
    name("gmam", PATH),
    name("string", PATH),
    name("euler-maruyama", SIMULATE),
    name("heun", SIMULATE),
    name("milstein", SIMULATE),
    name("exponential-euler", SIMULATE),
    name("fpk", SIMULATE),
    name("stationary", SIMULATE),
    name("first-passage", SIMULATE),
    name("moments", SIMULATE),
];

/// Names for `check.check` and `run.checks`.
pub const CHECKS: &[Name] = &[
    name("derivatives", ALL),
    name("hjb-residual", CONTROLLED),
    name("hopf-cole", CONTROLLED),
    name("verification", REVERSE),
    name("gap", REVERSE),
    name("pathwise", REVERSE),
    name("explicit-implicit", REVERSE),
    name("explicit-denoising", REVERSE),
    name("stationarity", REVERSE),
    name("path-kl", REVERSE),
    name("h-invariance", REVERSE),
    name("likelihood", REVERSE),
    name("entropy-balance", REVERSE),
    name("score-identity", REVERSE),
    name(
        "grid-order",
        &[Kind::Reverse, Kind::Control, Kind::Sample, Kind::Simulate],
    ),
    name("memorisation", REVERSE),
    name("holdout-nll", REVERSE),
    name("riccati-residual", CONTROL),
    name("policy-cost", WEIGHTED),
    name("feynman-kac", WEIGHTED),
    name("duality-gap", CONTROL),
    name("zero-variance", WEIGHTED),
    name("girsanov", WEIGHTED),
    name("ess", WEIGHTED),
    name("log-z", SAMPLE),
    name("evidence-bracket", SAMPLE),
    name("exact-draws", SAMPLE),
    name("quantiles", SAMPLE),
    name("marginals", BRIDGE),
    name("schroedinger-system", BRIDGE),
    name("static-dynamic", BRIDGE),
    name("forward-backward", BRIDGE),
    name("euler-lagrange", PATH),
    name("hamiltonian", PATH),
    name("action-quadrature", PATH),
    name("quasipotential", PATH),
    name("time-reversal", PATH),
    name("mass", SIMULATE),
    name("fpk-residual", SIMULATE),
    name("stationary-flux", SIMULATE),
    name("conversion", SIMULATE),
    name("strong-order", SIMULATE),
    name("weak-order", SIMULATE),
    name("first-passage", SIMULATE),
];

/// Checks meant by `"standard"`; those that only make sense for a table are added for one.
pub fn standard_checks(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Reverse => &[
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
        ],
        Kind::Control => &[
            "derivatives",
            "riccati-residual",
            "hjb-residual",
            "hopf-cole",
            "grid-order",
            "policy-cost",
            "zero-variance",
        ],
        Kind::Sample => &[
            "derivatives",
            "evidence-bracket",
            "ess",
            "log-z",
            "quantiles",
        ],
        Kind::Bridge => &[
            "derivatives",
            "marginals",
            "schroedinger-system",
            "static-dynamic",
        ],
        Kind::Path => &[
            "derivatives",
            "action-quadrature",
            "hamiltonian",
            "euler-lagrange",
            "quasipotential",
        ],
        Kind::Simulate => &[
            "derivatives",
            "mass",
            "fpk-residual",
            "strong-order",
            "conversion",
        ],
    }
}

/// Checks that only make sense for a table of points.
pub const TABLE_CHECKS: [&str; 2] = ["memorisation", "holdout-nll"];

/// Names for `run.plots`. The first ones of a kind are its default.
pub const PLOTS: &[Name] = &[
    name("samples", FIELDS_OF_SCORE),
    name("score", FIELDS_OF_SCORE),
    name("density", &[Kind::Reverse, Kind::Sample, Kind::Simulate]),
    name("value", CONTROL),
    name("policy", CONTROL),
    name(
        "paths",
        &[
            Kind::Reverse,
            Kind::Control,
            Kind::Sample,
            Kind::Bridge,
            Kind::Simulate,
        ],
    ),
    name("control-error", REVERSE),
    name("convergence", ALL),
    name("weights", CONTROL),
    name("gains", CONTROL),
    name("nearest-neighbour", REVERSE),
    name("pairs", SAMPLE),
    name("log-weights", SAMPLE),
    name("quantiles", SAMPLE),
    name("evidence", SAMPLE),
    name("potentials", BRIDGE),
    name("marginals", BRIDGE),
    name("plan", BRIDGE),
    name("path", PATH),
    name("action-density", PATH),
    name("hamiltonian", PATH),
    name("vector-field", PATH),
    name("potential", SIMULATE),
    name("passage-time", SIMULATE),
];

/// Plots drawn when `run.plots` is absent.
pub fn standard_plots(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Reverse => &[
            "samples",
            "score",
            "density",
            "paths",
            "control-error",
            "convergence",
        ],
        Kind::Control => &["value", "policy", "paths", "weights", "convergence"],
        Kind::Sample => &["samples", "paths", "log-weights", "evidence"],
        Kind::Bridge => &["potentials", "paths", "marginals"],
        Kind::Path => &["path", "action-density"],
        Kind::Simulate => &["density", "paths"],
    }
}

/// Structures `problem.expect` may name.
pub const STRUCTURES: &[Name] = &[
    name("additive-noise", ALL),
    name("commutative-noise", ALL),
    name("gaussian", ALL),
    name("control-affine", CONTROL),
    name("quadratic-control", CONTROL),
    name("linear-quadratic", CONTROL),
    name("hopf-cole", CONTROLLED),
    name("separable", ALL),
    name("gradient", ALL),
    name("transverse", ALL),
    name("linear-noise-in-state", ALL),
    name("kinks", ALL),
    name("time-free", ALL),
];

/// Families of a law and the tables they may stand in.
pub struct Family {
    pub name: &'static str,
    pub roles: &'static [&'static str],
}

const fn family(name: &'static str, roles: &'static [&'static str]) -> Family {
    Family { name, roles }
}

pub const FAMILIES: [Family; 8] = [
    family("gaussian", ROLES),
    family("mixture", ROLES),
    family("samples", ROLES),
    family("curve", ROLES),
    family("delta", &["initial", "source"]),
    family("uniform", &["initial", "source", "target"]),
    family("density", ROLES),
    family("log-density", ROLES),
];

/// Tables that state a law.
pub const ROLES: &[&str] = &["data", "initial", "source", "target", "prior"];

/// Families a role table may name.
pub fn families(role: &str) -> Vec<&'static str> {
    FAMILIES
        .iter()
        .filter(|family| family.roles.contains(&role))
        .map(|family| family.name)
        .collect()
}

pub const PRESETS: [&str; 8] = [
    "vp",
    "ve",
    "sub-vp",
    "ou",
    "brownian",
    "linear",
    "langevin",
    "underdamped",
];
pub const CALCULI: [&str; 3] = ["ito", "stratonovich", "klimontovich"];
pub const BOUNDARIES: [&str; 4] = ["natural", "reflect", "absorb", "periodic"];
pub const SPACINGS: [&str; 5] = ["uniform", "log", "log-snr", "cosine", "edm"];
pub const SCHEMES: [&str; 3] = ["monotone", "central", "spectral"];
pub const SENSES: [&str; 2] = ["min", "max"];
pub const SWEEP_MODES: [&str; 3] = ["grid", "zip", "random"];
pub const KERNELS: [&str; 2] = ["transfer", "monte-carlo"];
pub const FIELDS: [&str; 5] = ["affine", "rbf", "mixture", "chebyshev", "network"];
/// Field families of the format that this version does not have.
pub const LATER_FIELDS: [&str; 2] = ["fourier", "grid"];
pub const OBJECTIVES: [&str; 2] = ["denoising", "implicit"];
pub const INTEGRATORS: [&str; 4] = ["euler-maruyama", "heun", "exponential-euler", "ddpm"];
pub const LATER_INTEGRATORS: [&str; 1] = ["rk45"];
pub const SEVERITIES: [&str; 2] = ["fail", "warn"];
/// Names for `output.save`.
pub const SAVES: [&str; 4] = ["samples", "score-grid", "marginals", "paths"];

/// Minimisers of argmin that `action` and `score-matching` may use.
pub const OPTIMIZERS: [(&str, Optimizer); 6] = [
    ("lbfgs", Optimizer::Lbfgs),
    ("nonlinear-cg", Optimizer::NonlinearCg),
    ("trust-region", Optimizer::TrustRegion),
    ("newton-cg", Optimizer::NewtonCg),
    ("gauss-newton", Optimizer::GaussNewton),
    ("nelder-mead", Optimizer::NelderMead),
];
