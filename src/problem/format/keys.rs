//! Every key of every table: what it holds, its default, what it means.

use crate::problem::format::key::{Bound, Fallback, Form, Key, Names};
use crate::problem::format::names;
use crate::problem::meant::kind::Kind;
use crate::problem::meant::model::Scheme;
use crate::problem::meant::named::Named;
use crate::problem::meant::task::PathFunctional;

const fn key(name: &'static str, form: Form, default: Fallback, about: &'static str) -> Key {
    Key::new(name, form, default, about)
}

pub const PROBLEM: &[Key] = &[
    key(
        "name",
        Form::Text,
        Fallback::Required,
        "lower-case words joined by `-`",
    ),
    key(
        "kind",
        Form::Choice(Names::Fixed(Kind::names)),
        Fallback::Required,
        "what is asked",
    ),
    key("title", Form::Text, Fallback::Words("the name"), "one line"),
    key("about", Form::Text, Fallback::Absent, "a paragraph"),
    key("tags", Form::Names, Fallback::Absent, "words to find it by"),
    key(
        "expect",
        Form::Choices(&[], Names::Fixed(|| names::all(names::STRUCTURES))),
        Fallback::Absent,
        "structures that must be found",
    ),
];

pub const LAW: &[Key] = &[
    key(
        "family",
        Form::Choice(Names::Fixed(|| {
            names::FAMILIES.iter().map(|f| f.name).collect()
        })),
        Fallback::Required,
        "how the law is stated",
    ),
    key(
        "mean",
        Form::Numbers,
        Fallback::Words("needed by its family"),
        "gaussian: mean",
    ),
    key(
        "cov",
        Form::Numbers,
        Fallback::Words("needed by its family"),
        "gaussian: variance, diagonal or matrix",
    ),
    key(
        "weights",
        Form::Numbers,
        Fallback::Words("needed by its family"),
        "mixture: positive, summing to one",
    ),
    key(
        "means",
        Form::Numbers,
        Fallback::Words("needed by its family"),
        "mixture: one mean per component",
    ),
    key(
        "covs",
        Form::Numbers,
        Fallback::Words("needed by its family"),
        "mixture: one covariance for all, or one per component",
    ),
    key(
        "file",
        Form::Text,
        Fallback::Words("needed by its family"),
        "samples: a CSV table below the folder of this file",
    ),
    key(
        "columns",
        Form::Either(&[Form::Names, Form::Counts(0)]),
        Fallback::Words("all"),
        "samples: names or positions",
    ),
    key(
        "weight",
        Form::Text,
        Fallback::Absent,
        "samples: column of weights",
    ),
    key(
        "limit",
        Form::Count(1),
        Fallback::Words("all rows"),
        "samples: at most this many rows",
    ),
    key(
        "standardize",
        Form::Either(&[Form::Flag, Form::Word("common")]),
        Fallback::Words("false"),
        "samples: mean 0 and variance 1 while solving",
    ),
    key(
        "holdout",
        Form::Number(Bound::Fraction),
        Fallback::Number(0.0),
        "samples: fraction of rows never used by a solver",
    ),
    key(
        "bandwidth",
        Form::Either(&[Form::Number(Bound::NotNegative), Form::Word("auto")]),
        Fallback::Words("auto"),
        "samples: kernel width; 0 is point masses",
    ),
    key(
        "centre",
        Form::Expressions,
        Fallback::Words("needed by its family"),
        "curve: expressions of s in [0, 1]",
    ),
    key(
        "width",
        Form::Number(Bound::Positive),
        Fallback::Words("needed by its family"),
        "curve: standard deviation across it",
    ),
    key(
        "at",
        Form::Numbers,
        Fallback::Words("needed by its family"),
        "delta: the point",
    ),
    key(
        "box",
        Form::Numbers,
        Fallback::Words("needed by its family"),
        "uniform: [lo, hi], or one pair per component",
    ),
    key(
        "density",
        Form::Expression,
        Fallback::Words("needed by its family"),
        "density: unnormalised, positive",
    ),
    key(
        "log_density",
        Form::Expression,
        Fallback::Words("needed by its family"),
        "log-density: unnormalised",
    ),
    key(
        "log_z",
        Form::Number(Bound::Finite),
        Fallback::Absent,
        "density, log-density: log of the normaliser, if known",
    ),
    key(
        "exact",
        Form::Table(EXACT),
        Fallback::Absent,
        "density, log-density: exact draws, used by checks only",
    ),
];

/// Keys of `[target.exact]`.
pub const EXACT: &[Key] = &[
    key(
        "noise",
        Form::Text,
        Fallback::Required,
        "standard normals, as in \"z[3]\"",
    ),
    key(
        "map",
        Form::Expressions,
        Fallback::Required,
        "one expression of the noise per state",
    ),
];

pub const DYNAMICS: &[Key] = &[
    key(
        "state",
        Form::Text,
        Fallback::Words("x, sized by the laws"),
        "\"x\", \"x[3]\", \"x[d]\" or \"x[q, v]\"",
    ),
    key(
        "control",
        Form::Text,
        Fallback::Words("required for control"),
        "kind control: shape as for the state",
    ),
    key(
        "horizon",
        Form::Numbers,
        Fallback::Words("[0.0, 1.0]"),
        "[t0, t1]",
    ),
    key(
        "preset",
        Form::Choice(Names::Presets),
        Fallback::Absent,
        "a named process",
    ),
    key(
        "beta",
        Form::Expressions,
        Fallback::Words("[0.1, 20.0]"),
        "vp, sub-vp: rate, [lo, hi] or an expression of t",
    ),
    key(
        "sigma",
        Form::Numbers,
        Fallback::Words("by preset"),
        "ve: [lo, hi]; ou, brownian: noise",
    ),
    key(
        "rate",
        Form::Number(Bound::Positive),
        Fallback::Number(1.0),
        "ou: rate of return",
    ),
    key(
        "mean",
        Form::Numbers,
        Fallback::Words("0"),
        "ou: where it returns to",
    ),
    key(
        "potential",
        Form::Expression,
        Fallback::Words("needed by its preset"),
        "langevin, underdamped: U of the state or of the positions",
    ),
    key(
        "temperature",
        Form::Number(Bound::Positive),
        Fallback::Number(1.0),
        "langevin, underdamped",
    ),
    key(
        "mass",
        Form::Number(Bound::Positive),
        Fallback::Number(1.0),
        "underdamped",
    ),
    key(
        "friction",
        Form::Number(Bound::Positive),
        Fallback::Number(1.0),
        "underdamped: rate at which velocity is lost",
    ),
    key(
        "A",
        Form::Numbers,
        Fallback::Words("needed by its preset"),
        "linear: matrix of dX = (A X + a) dt + S dW",
    ),
    key("a", Form::Numbers, Fallback::Words("0"), "linear: shift"),
    key(
        "S",
        Form::Numbers,
        Fallback::Words("needed by its preset"),
        "linear: noise matrix",
    ),
    key(
        "drift",
        Form::Expressions,
        Fallback::Words("required without preset"),
        "one expression per state; may contain the control",
    ),
    key(
        "diffusion",
        Form::Expressions,
        Fallback::Words("required without preset"),
        "expression (isotropic), array (diagonal) or matrix of states by noises",
    ),
    key(
        "calculus",
        Form::Choice(Names::Fixed(|| names::CALCULI.to_vec())),
        Fallback::Words("required if the diffusion depends on the state"),
        "how the noise integral is read",
    ),
    key(
        "control_bounds",
        Form::Numbers,
        Fallback::Words("unbounded"),
        "kind control: [lo, hi], or one pair per component",
    ),
    key(
        "domain",
        Form::Either(&[Form::Numbers, Form::Word("auto")]),
        Fallback::Words("auto"),
        "[lo, hi], or one pair per component",
    ),
    key(
        "boundary",
        Form::Choices(&[], Names::Fixed(|| names::BOUNDARIES.to_vec())),
        Fallback::Words("natural"),
        "at the edge of the domain; one, or one per component",
    ),
];

pub const COST: &[Key] = &[
    key(
        "running",
        Form::Expression,
        Fallback::Words("0"),
        "rate per unit time, of time, state and control",
    ),
    key(
        "terminal",
        Form::Expression,
        Fallback::Words("0"),
        "at the end of the horizon, of the state",
    ),
    key(
        "discount",
        Form::Number(Bound::NotNegative),
        Fallback::Number(0.0),
        "costs at time t weigh exp(-discount (t - t0))",
    ),
    key(
        "sense",
        Form::Choice(Names::Fixed(|| names::SENSES.to_vec())),
        Fallback::Name("min"),
        "whether the cost is minimised or maximised",
    ),
    key(
        "bounds_penalty",
        Form::Number(Bound::Positive),
        Fallback::Absent,
        "price of leaving `control_bounds`, for methods that cannot keep them",
    ),
];

pub const PATH: &[Key] = &[
    key("from", Form::Numbers, Fallback::Required, "start"),
    key("to", Form::Numbers, Fallback::Required, "end"),
    key(
        "functional",
        Form::Choice(Names::Fixed(PathFunctional::names)),
        Fallback::Name("freidlin-wentzell"),
        "what is minimised",
    ),
    key(
        "duration",
        Form::Either(&[Form::Number(Bound::Positive), Form::Word("free")]),
        Fallback::Words("free"),
        "time the path takes",
    ),
    key(
        "images",
        Form::Count(3),
        Fallback::Count(200),
        "points between the ends",
    ),
    key(
        "refine_endpoints",
        Form::Flag,
        Fallback::Flag(true),
        "move the ends to the nearest fixed points first",
    ),
];

/// A spacing with its number.
pub const EDM: &[Key] = &[
    key(
        "kind",
        Form::Choice(Names::Fixed(|| names::SPACINGS.to_vec())),
        Fallback::Required,
        "the spacing",
    ),
    key(
        "rho",
        Form::Number(Bound::Positive),
        Fallback::Number(7.0),
        "edm: exponent",
    ),
];

const SPACING: Form = Form::Either(&[
    Form::Choice(Names::Fixed(|| names::SPACINGS.to_vec())),
    Form::Table(EDM),
]);

pub const TIME: &[Key] = &[
    key(
        "steps",
        Form::Count(2),
        Fallback::Count(200),
        "steps of the time grid",
    ),
    key(
        "spacing",
        SPACING,
        Fallback::Words("log-snr, log or uniform"),
        "how nodes are spread",
    ),
    key(
        "t_min",
        Form::Number(Bound::NotNegative),
        Fallback::Words("a thousandth of the horizon"),
        "reverse, sample: where the reverse process stops",
    ),
    key(
        "record",
        Form::Either(&[Form::Count(2), Form::Numbers]),
        Fallback::Words("9"),
        "times at which laws are recorded, or how many",
    ),
];

pub const GRID: &[Key] = &[
    key(
        "points",
        Form::Counts(5),
        Fallback::Words("by method"),
        "points per state",
    ),
    key(
        "stretch",
        Form::Number(Bound::Positive),
        Fallback::Number(1.0),
        "ratio of the widest cell, at the edge, to the narrowest",
    ),
    key(
        "scheme",
        Form::Choice(Names::Fixed(Scheme::names)),
        Fallback::Words("by method"),
        "how derivatives are taken",
    ),
    key(
        "levels",
        Form::Count(2),
        Fallback::Words("by check"),
        "grids of a refinement study",
    ),
];

pub const EVENT: &[Key] = &[
    key(
        "name",
        Form::Text,
        Fallback::Required,
        "lower-case words joined by `-`",
    ),
    key(
        "when",
        Form::Text,
        Fallback::Required,
        "one inequality of time and state",
    ),
    key(
        "stop",
        Form::Flag,
        Fallback::Flag(true),
        "whether a path ends there",
    ),
];

pub const RUN: &[Key] = &[
    key(
        "solvers",
        Form::Choices(&["auto"], Names::Methods),
        Fallback::Words("auto"),
        "methods with their defaults",
    ),
    key(
        "checks",
        Form::Choices(&["standard", "all", "none"], Names::Checks),
        Fallback::Words("standard"),
        "checks with their defaults",
    ),
    key(
        "plots",
        Form::Choices(&[], Names::Fixed(|| names::all(names::PLOTS))),
        Fallback::Words("by kind"),
        "figures of the report",
    ),
    key(
        "seed",
        Form::Count(0),
        Fallback::Count(1),
        "of all random numbers",
    ),
    key(
        "paths",
        Form::Count(2),
        Fallback::Words("by size"),
        "paths of Monte Carlo checks",
    ),
    key(
        "threads",
        Form::Count(0),
        Fallback::Count(0),
        "0 is one per core; results do not depend on it",
    ),
    key(
        "max_time",
        Form::Number(Bound::Positive),
        Fallback::Absent,
        "seconds for all solvers",
    ),
];

/// Keys every `[[solver]]` has; the others are options of its method.
pub const SOLVER: &[Key] = &[
    key(
        "id",
        Form::Text,
        Fallback::Words("the method"),
        "its name in tables",
    ),
    key(
        "method",
        Form::Choice(Names::Methods),
        Fallback::Required,
        "the method",
    ),
];

pub const CHECK: &[Key] = &[
    key(
        "check",
        Form::Choice(Names::Checks),
        Fallback::Required,
        "the check",
    ),
    key(
        "id",
        Form::Text,
        Fallback::Words("the check"),
        "its name in tables",
    ),
    key(
        "on",
        Form::Names,
        Fallback::Words("every solver it applies to"),
        "solver ids",
    ),
    key(
        "against",
        Form::Text,
        Fallback::Words("by check"),
        "a solver id, `reference` or `exact`",
    ),
    key(
        "tol",
        Form::Number(Bound::Positive),
        Fallback::Words("by check"),
        "absolute tolerance",
    ),
    key(
        "rtol",
        Form::Number(Bound::Positive),
        Fallback::Words("by check"),
        "relative tolerance",
    ),
    key(
        "order",
        Form::Number(Bound::Finite),
        Fallback::Words("by check"),
        "expected order of convergence",
    ),
    key(
        "confidence",
        Form::Number(Bound::Positive),
        Fallback::Number(4.0),
        "standard errors",
    ),
    key(
        "samples",
        Form::Count(2),
        Fallback::Words("by check"),
        "draws",
    ),
    key(
        "levels",
        Form::Count(2),
        Fallback::Words("by check"),
        "refinements",
    ),
    key(
        "until",
        Form::Number(Bound::Positive),
        Fallback::Words("the horizon"),
        "end time of the check",
    ),
    key(
        "severity",
        Form::Choice(Names::Fixed(|| names::SEVERITIES.to_vec())),
        Fallback::Name("fail"),
        "what a failure means",
    ),
];

pub const SAMPLE: &[Key] = &[
    key(
        "h",
        Form::Numbers,
        Fallback::Words("[0.0, 1.0]"),
        "noise levels: 0 probability flow, 1 reverse SDE",
    ),
    key(
        "integrator",
        Form::Choice(Names::Fixed(|| names::INTEGRATORS.to_vec())),
        Fallback::Name("exponential-euler"),
        "scheme",
    ),
    key(
        "steps",
        Form::Count(1),
        Fallback::Words("time.steps"),
        "steps in time",
    ),
    key(
        "spacing",
        SPACING,
        Fallback::Words("time.spacing"),
        "how nodes are spread",
    ),
    key(
        "paths",
        Form::Count(1),
        Fallback::Words("by size"),
        "generated samples",
    ),
];

pub const IDENTITY: &[Key] = &[
    key(
        "name",
        Form::Text,
        Fallback::Required,
        "lower-case words joined by `-`",
    ),
    key(
        "let",
        Form::Free(&Form::Expressions),
        Fallback::Absent,
        "trial fields and scalars",
    ),
    key(
        "under",
        Form::Text,
        Fallback::Words("forward"),
        "forward, reverse or controlled(v)",
    ),
    key(
        "at",
        Form::Number(Bound::Finite),
        Fallback::Absent,
        "a fixed time",
    ),
    key("lhs", Form::Text, Fallback::Words("with rhs"), "left side"),
    key("rhs", Form::Text, Fallback::Words("with lhs"), "right side"),
    key(
        "claim",
        Form::Text,
        Fallback::Words("instead of lhs and rhs"),
        "one equation",
    ),
    key(
        "steps",
        Form::Names,
        Fallback::Words("instead of lhs and rhs"),
        "a chain of equal expressions",
    ),
];

pub const SWEEP: &[Key] = &[
    key(
        "mode",
        Form::Choice(Names::Fixed(|| names::SWEEP_MODES.to_vec())),
        Fallback::Name("grid"),
        "how values combine",
    ),
    key(
        "repeat",
        Form::Count(1),
        Fallback::Count(1),
        "runs of each point with seeds of their own",
    ),
    key(
        "samples",
        Form::Count(1),
        Fallback::Words("required for random"),
        "points of a random sweep",
    ),
    key(
        "collect",
        Form::Names,
        Fallback::Absent,
        "quantities that are tabulated",
    ),
    key(
        "over",
        Form::Free(&Form::Expressions),
        Fallback::Required,
        "\"path.to.key\" = values, linspace(a, b, n) or logspace(a, b, n)",
    ),
];

pub const REFERENCE: &[Key] = &[
    key(
        "value",
        Form::Numbers,
        Fallback::Required,
        "the number, or one per component",
    ),
    key(
        "tol",
        Form::Number(Bound::NotNegative),
        Fallback::Number(0.0),
        "its uncertainty",
    ),
    key(
        "source",
        Form::Text,
        Fallback::Absent,
        "where it comes from",
    ),
];

pub const OUTPUT: &[Key] = &[
    key(
        "dir",
        Form::Text,
        Fallback::Words("runs"),
        "folder of run folders",
    ),
    key(
        "save",
        Form::Choices(&[], Names::Fixed(|| names::SAVES.to_vec())),
        Fallback::Absent,
        "arrays that are kept",
    ),
    key(
        "report",
        Form::Choice(Names::Fixed(|| vec!["html", "none"])),
        Fallback::Name("html"),
        "the report",
    ),
    key(
        "arrays",
        Form::Choice(Names::Fixed(|| vec!["npz", "none"])),
        Fallback::Name("npz"),
        "arrays of numbers",
    ),
    key(
        "events",
        Form::Choice(Names::Fixed(|| vec!["jsonl", "none"])),
        Fallback::Name("jsonl"),
        "the log",
    ),
];
