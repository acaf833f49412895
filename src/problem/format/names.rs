//! Every name the format knows, and the kinds of problem it belongs to. The checker, the suggestions,
//! `list` and the JSON schema all read these tables.

use crate::problem::meant::kind::{
    BRIDGE, CONTROL, CONTROLLED, DENSITIES, EVERY, GENERATING, Kind, PATH, REVERSE, SAMPLE,
    SIMULATE, WITH_PATHS,
};

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

/// Names for `run.plots`. The first ones of a kind are its default.
pub const PLOTS: &[Name] = &[
    name("samples", GENERATING),
    name("score", GENERATING),
    name("density", DENSITIES),
    name("value", CONTROL),
    name("policy", CONTROL),
    name("paths", WITH_PATHS),
    name("control-error", REVERSE),
    name("convergence", EVERY),
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

/// Structures `problem.expect` may name.
pub const STRUCTURES: &[Name] = &[
    name("additive-noise", EVERY),
    name("commutative-noise", EVERY),
    name("gaussian", EVERY),
    name("control-affine", CONTROL),
    name("quadratic-control", CONTROL),
    name("linear-quadratic", CONTROL),
    name("hopf-cole", CONTROLLED),
    name("separable", EVERY),
    name("gradient", EVERY),
    name("transverse", EVERY),
    name("linear-noise-in-state", EVERY),
    name("kinks", EVERY),
    name("time-free", EVERY),
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
pub const SPACINGS: [&str; 5] = ["uniform", "log", "log-snr", "cosine", "edm"];
/// Names for `output.save`.
pub const SAVES: [&str; 4] = ["samples", "score-grid", "marginals", "paths"];

/// A name of the format that this version does not have.
pub(crate) struct Later {
    /// The key that may hold it.
    pub place: &'static str,
    pub what: &'static str,
    pub name: &'static str,
}

const fn later(place: &'static str, what: &'static str, name: &'static str) -> Later {
    Later { place, what, name }
}

pub(crate) const LATER: &[Later] = &[
    later("solver.field.family", "field family", "fourier"),
    later("solver.field.family", "field family", "grid"),
    later("solver.field.time", "field time", "input"),
    later("sample.integrator", "integrator", "rk45"),
    later("output.report", "report", "md"),
];
