//! The kinds of problem: what each asks for, and what its files hold.

use crate::problem::meant::named::Named;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Undo a diffusion.
    Reverse,
    /// Optimal feedback for a cost.
    Control,
    /// Draws from an unnormalised density.
    Sample,
    /// Schrödinger bridge between two laws.
    Bridge,
    /// Most probable path between two points.
    Path,
    /// Law of an SDE, stationary density, first passage.
    Simulate,
}

impl Named for Kind {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("reverse", Self::Reverse),
        ("control", Self::Control),
        ("sample", Self::Sample),
        ("bridge", Self::Bridge),
        ("path", Self::Path),
        ("simulate", Self::Simulate),
    ];
}

// Kinds by what their problems have in common, for cards and tables.
pub const EVERY: &[Kind] = &Kind::ALL;
pub const REVERSE: &[Kind] = &[Kind::Reverse];
pub const CONTROL: &[Kind] = &[Kind::Control];
pub const SAMPLE: &[Kind] = &[Kind::Sample];
pub const BRIDGE: &[Kind] = &[Kind::Bridge];
pub const PATH: &[Kind] = &[Kind::Path];
pub const SIMULATE: &[Kind] = &[Kind::Simulate];
pub const GENERATING: &[Kind] = &[Kind::Reverse, Kind::Sample];
pub const CONTROLLED: &[Kind] = &[Kind::Reverse, Kind::Sample, Kind::Control];
pub const CONTROL_AND_SAMPLE: &[Kind] = &[Kind::Control, Kind::Sample];
pub const DENSITIES: &[Kind] = &[Kind::Reverse, Kind::Sample, Kind::Simulate];
pub const WITH_EVENTS: &[Kind] = &[Kind::Control, Kind::Simulate];
pub const PINNED: &[Kind] = &[Kind::Bridge, Kind::Path];
pub const SOLVED: &[Kind] = &[Kind::Reverse, Kind::Control, Kind::Sample, Kind::Simulate];
pub const WITH_PATHS: &[Kind] = &[
    Kind::Reverse,
    Kind::Control,
    Kind::Sample,
    Kind::Bridge,
    Kind::Simulate,
];

/// What the files of a kind hold; names stand one after the other.
#[derive(Debug)]
struct KindCard {
    /// In a few words.
    asks_for: &'static str,
    required_tables: &'static str,
    /// Tables that state a law, the prior apart.
    laws: &'static str,
    /// A short `[dynamics]`.
    dynamics: &'static str,
    standard_checks: &'static str,
    standard_plots: &'static str,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Reverse,
        Self::Control,
        Self::Sample,
        Self::Bridge,
        Self::Path,
        Self::Simulate,
    ];

    /// As `problem.kind` says it.
    pub fn name(self) -> &'static str {
        Named::name(self)
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Named::from_name(name)
    }

    pub fn is_reverse(self) -> bool {
        self == Self::Reverse
    }

    /// Whether the file states a control and what it costs.
    pub fn has_cost(self) -> bool {
        self == Self::Control
    }

    /// Whether the ends of the state are points.
    pub fn is_path(self) -> bool {
        self == Self::Path
    }

    /// Whether paths may stop, and meet edges.
    pub fn has_events(self) -> bool {
        WITH_EVENTS.contains(&self)
    }

    /// Whether the process runs back from a prior, to a `t_min` after the start of the horizon.
    pub fn generates(self) -> bool {
        GENERATING.contains(&self)
    }

    /// What is asked, in a few words.
    pub fn asks_for(self) -> &'static str {
        self.card().asks_for
    }

    /// Tables a problem of this kind cannot do without.
    pub fn required_tables(self) -> Vec<&'static str> {
        self.card().required_tables.split(' ').collect()
    }

    /// Tables that state a law, the prior apart.
    pub(crate) fn laws(self) -> Vec<&'static str> {
        self.card().laws.split_whitespace().collect()
    }

    /// The keys of a short `[dynamics]`, for messages.
    pub(crate) fn short_dynamics(self) -> &'static str {
        self.card().dynamics
    }

    /// Checks meant by `"standard"`; those that only make sense for a table are added for one.
    pub fn standard_checks(self) -> Vec<&'static str> {
        self.card().standard_checks.split(' ').collect()
    }

    /// Plots drawn when `run.plots` is absent.
    pub fn standard_plots(self) -> Vec<&'static str> {
        self.card().standard_plots.split(' ').collect()
    }

    fn card(self) -> &'static KindCard {
        match self {
            Self::Reverse => &KindCard {
                asks_for: "undo a diffusion: the score as an optimal control",
                required_tables: "dynamics data",
                laws: "data",
                dynamics: "preset = \"vp\"",
                standard_checks: "derivatives hjb-residual hopf-cole verification gap pathwise explicit-implicit \
                    explicit-denoising stationarity path-kl h-invariance likelihood \
                    entropy-balance score-identity grid-order",
                standard_plots: "samples score density paths control-error convergence",
            },
            Self::Control => &KindCard {
                asks_for: "the feedback that minimises an expected cost",
                required_tables: "dynamics initial cost",
                laws: "initial",
                dynamics: "state = \"x\", control = \"u\", drift = \"u\", diffusion = 1.0",
                standard_checks: "derivatives riccati-residual hjb-residual hopf-cole grid-order policy-cost \
                    agreement zero-variance",
                standard_plots: "value policy paths weights convergence",
            },
            Self::Sample => &KindCard {
                asks_for: "draws from an unnormalised density, and its normaliser",
                required_tables: "dynamics target",
                laws: "target",
                dynamics: "preset = \"vp\"",
                standard_checks: "derivatives evidence-bracket ess log-z quantiles agreement",
                standard_plots: "samples paths log-weights evidence",
            },
            Self::Bridge => &KindCard {
                asks_for: "the Schroedinger bridge between two laws",
                required_tables: "dynamics source target",
                laws: "source target",
                dynamics: "preset = \"brownian\"",
                standard_checks: "derivatives marginals schroedinger-system static-dynamic",
                standard_plots: "potentials paths marginals",
            },
            Self::Path => &KindCard {
                asks_for: "the most probable path between two points",
                required_tables: "dynamics path",
                laws: "",
                dynamics: "state = \"x\", drift = \"x - x^3\", diffusion = 0.5",
                standard_checks: "derivatives action-quadrature hamiltonian euler-lagrange quasipotential",
                standard_plots: "path action-density",
            },
            Self::Simulate => &KindCard {
                asks_for: "the law of an SDE, its stationary density, first passages",
                required_tables: "dynamics initial",
                laws: "initial",
                dynamics: "state = \"x\", drift = \"x - x^3\", diffusion = 0.5",
                standard_checks: "derivatives mass fpk-residual strong-order conversion agreement",
                standard_plots: "density paths",
            },
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
