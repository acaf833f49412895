//! Every key of every table: what it holds, its default, what it means.

use crate::problem::format::key::{Form, Key};
use crate::problem::format::vocabulary as names;
use crate::problem::meant::method::{Axes, PathObjective, RiccatiForm};
use crate::problem::meant::task::{Kind, PathFunctional};

const fn key(name: &'static str, form: Form, default: &'static str, about: &'static str) -> Key {
    Key {
        name,
        form,
        default,
        about,
    }
}

pub const PROBLEM: &[Key] = &[
    key(
        "name",
        Form::Text,
        "required",
        "lower-case words joined by `-`",
    ),
    key(
        "kind",
        Form::Choice(|| Kind::ALL.map(Kind::name).to_vec()),
        "required",
        "what is asked",
    ),
    key("title", Form::Text, "the name", "one line"),
    key("about", Form::Text, "", "a paragraph"),
    key("tags", Form::Names, "", "words to find it by"),
    key(
        "expect",
        Form::Choices(|| names::all(names::STRUCTURES)),
        "",
        "structures that must be found",
    ),
];

pub const LAW: &[Key] = &[
    key(
        "family",
        Form::Choice(|| names::FAMILIES.iter().map(|f| f.name).collect()),
        "required",
        "how the law is stated",
    ),
    key(
        "mean",
        Form::Numbers,
        "needed by its family",
        "gaussian: mean",
    ),
    key(
        "cov",
        Form::Numbers,
        "needed by its family",
        "gaussian: variance, diagonal or matrix",
    ),
    key(
        "weights",
        Form::Numbers,
        "needed by its family",
        "mixture: positive, summing to one",
    ),
    key(
        "means",
        Form::Numbers,
        "needed by its family",
        "mixture: one mean per component",
    ),
    key(
        "covs",
        Form::Numbers,
        "needed by its family",
        "mixture: one covariance for all, or one per component",
    ),
    key(
        "file",
        Form::Text,
        "needed by its family",
        "samples: a CSV table below the folder of this file",
    ),
    key(
        "columns",
        Form::Either(&[Form::Names, Form::Counts]),
        "all",
        "samples: names or positions",
    ),
    key("weight", Form::Text, "", "samples: column of weights"),
    key(
        "limit",
        Form::Count,
        "all rows",
        "samples: at most this many rows",
    ),
    key(
        "standardize",
        Form::Either(&[Form::Flag, Form::Word("common")]),
        "false",
        "samples: mean 0 and variance 1 while solving",
    ),
    key(
        "holdout",
        Form::Number,
        "0",
        "samples: fraction of rows never used by a solver",
    ),
    key(
        "bandwidth",
        Form::Either(&[Form::Number, Form::Word("auto")]),
        "auto",
        "samples: kernel width; 0 is point masses",
    ),
    key(
        "centre",
        Form::Expressions,
        "needed by its family",
        "curve: expressions of s in [0, 1]",
    ),
    key(
        "width",
        Form::Number,
        "needed by its family",
        "curve: standard deviation across it",
    ),
    key(
        "at",
        Form::Numbers,
        "needed by its family",
        "delta: the point",
    ),
    key(
        "box",
        Form::Numbers,
        "needed by its family",
        "uniform: [lo, hi], or one pair per component",
    ),
    key(
        "density",
        Form::Expression,
        "needed by its family",
        "density: unnormalised, positive",
    ),
    key(
        "log_density",
        Form::Expression,
        "needed by its family",
        "log-density: unnormalised",
    ),
    key(
        "log_z",
        Form::Number,
        "",
        "density, log-density: log of the normaliser, if known",
    ),
    key(
        "exact",
        Form::Table(EXACT),
        "",
        "density, log-density: exact draws, used by checks only",
    ),
];

/// Keys of `[target.exact]`.
pub const EXACT: &[Key] = &[
    key(
        "noise",
        Form::Text,
        "required",
        "standard normals, as in \"z[3]\"",
    ),
    key(
        "map",
        Form::Expressions,
        "required",
        "one expression of the noise per state",
    ),
];

pub const DYNAMICS: &[Key] = &[
    key(
        "state",
        Form::Text,
        "x, sized by the laws",
        "\"x\", \"x[3]\", \"x[d]\" or \"x[q, v]\"",
    ),
    key(
        "control",
        Form::Text,
        "required for control",
        "kind control: shape as for the state",
    ),
    key("horizon", Form::Numbers, "[0.0, 1.0]", "[t0, t1]"),
    key(
        "preset",
        Form::Choice(|| names::PRESETS.to_vec()),
        "",
        "a named process",
    ),
    key(
        "beta",
        Form::Expressions,
        "[0.1, 20.0]",
        "vp, sub-vp: rate, [lo, hi] or an expression of t",
    ),
    key(
        "sigma",
        Form::Numbers,
        "by preset",
        "ve: [lo, hi]; ou, brownian: noise",
    ),
    key("rate", Form::Number, "1", "ou: rate of return"),
    key("mean", Form::Numbers, "0", "ou: where it returns to"),
    key(
        "potential",
        Form::Expression,
        "needed by its preset",
        "langevin, underdamped: U of the state or of the positions",
    ),
    key("temperature", Form::Number, "1", "langevin, underdamped"),
    key("mass", Form::Number, "1", "underdamped"),
    key(
        "friction",
        Form::Number,
        "1",
        "underdamped: rate at which velocity is lost",
    ),
    key(
        "A",
        Form::Numbers,
        "needed by its preset",
        "linear: matrix of dX = (A X + a) dt + S dW",
    ),
    key("a", Form::Numbers, "0", "linear: shift"),
    key(
        "S",
        Form::Numbers,
        "needed by its preset",
        "linear: noise matrix",
    ),
    key(
        "drift",
        Form::Expressions,
        "required without preset",
        "one expression per state; may contain the control",
    ),
    key(
        "diffusion",
        Form::Expressions,
        "required without preset",
        "expression (isotropic), array (diagonal) or matrix of states by noises",
    ),
    key(
        "calculus",
        Form::Choice(|| names::CALCULI.to_vec()),
        "required if the diffusion depends on the state",
        "how the noise integral is read",
    ),
    key(
        "control_bounds",
        Form::Numbers,
        "unbounded",
        "kind control: [lo, hi], or one pair per component",
    ),
    key(
        "domain",
        Form::Either(&[Form::Numbers, Form::Word("auto")]),
        "auto",
        "[lo, hi], or one pair per component",
    ),
    key(
        "boundary",
        Form::Choices(|| names::BOUNDARIES.to_vec()),
        "natural",
        "at the edge of the domain; one, or one per component",
    ),
];

pub const COST: &[Key] = &[
    key(
        "running",
        Form::Expression,
        "0",
        "rate per unit time, of time, state and control",
    ),
    key(
        "terminal",
        Form::Expression,
        "0",
        "at the end of the horizon, of the state",
    ),
    key(
        "discount",
        Form::Number,
        "0",
        "costs at time t weigh exp(-discount (t - t0))",
    ),
    key(
        "sense",
        Form::Choice(|| names::SENSES.to_vec()),
        "min",
        "whether the cost is minimised or maximised",
    ),
    key(
        "bounds_penalty",
        Form::Number,
        "",
        "price of leaving `control_bounds`, for methods that cannot keep them",
    ),
];

pub const PATH: &[Key] = &[
    key("from", Form::Numbers, "required", "start"),
    key("to", Form::Numbers, "required", "end"),
    key(
        "functional",
        Form::Choice(|| PathFunctional::NAMES.to_vec()),
        "freidlin-wentzell",
        "what is minimised",
    ),
    key(
        "duration",
        Form::Either(&[Form::Number, Form::Word("free")]),
        "free",
        "time the path takes",
    ),
    key("images", Form::Count, "200", "points between the ends"),
    key(
        "refine_endpoints",
        Form::Flag,
        "true",
        "move the ends to the nearest fixed points first",
    ),
];

/// A spacing with its number.
pub const EDM: &[Key] = &[
    key(
        "kind",
        Form::Choice(|| names::SPACINGS.to_vec()),
        "required",
        "the spacing",
    ),
    key("rho", Form::Number, "7", "edm: exponent"),
];

const SPACING: Form = Form::Either(&[Form::Choice(|| names::SPACINGS.to_vec()), Form::Table(EDM)]);

pub const TIME: &[Key] = &[
    key("steps", Form::Count, "200", "steps of the time grid"),
    key(
        "spacing",
        SPACING,
        "log-snr, log or uniform",
        "how nodes are spread",
    ),
    key(
        "t_min",
        Form::Number,
        "a thousandth of the horizon",
        "reverse, sample: where the reverse process stops",
    ),
    key(
        "record",
        Form::Either(&[Form::Count, Form::Numbers]),
        "9",
        "times at which laws are recorded, or how many",
    ),
];

pub const GRID: &[Key] = &[
    key("points", Form::Counts, "by method", "points per state"),
    key(
        "stretch",
        Form::Number,
        "1",
        "ratio of the widest cell, at the edge, to the narrowest",
    ),
    key(
        "scheme",
        Form::Choice(|| names::SCHEMES.to_vec()),
        "by method",
        "how derivatives are taken",
    ),
    key(
        "levels",
        Form::Count,
        "by check",
        "grids of a refinement study",
    ),
];

pub const EVENT: &[Key] = &[
    key(
        "name",
        Form::Text,
        "required",
        "lower-case words joined by `-`",
    ),
    key(
        "when",
        Form::Text,
        "required",
        "one inequality of time and state",
    ),
    key("stop", Form::Flag, "true", "whether a path ends there"),
];

pub const RUN: &[Key] = &[
    key(
        "solvers",
        Form::Choices(|| with("auto", names::all(names::METHODS))),
        "auto",
        "methods with their defaults",
    ),
    key(
        "checks",
        Form::Choices(|| {
            with(
                "standard",
                with("all", with("none", names::all(names::CHECKS))),
            )
        }),
        "standard",
        "checks with their defaults",
    ),
    key(
        "plots",
        Form::Choices(|| names::all(names::PLOTS)),
        "by kind",
        "figures of the report",
    ),
    key("seed", Form::Count, "1", "of all random numbers"),
    key(
        "paths",
        Form::Count,
        "by size",
        "paths of Monte Carlo checks",
    ),
    key(
        "threads",
        Form::Count,
        "0",
        "0 is one per core; results do not depend on it",
    ),
    key("max_time", Form::Number, "", "seconds for all solvers"),
];

/// Keys of `solver.field`.
pub const FIELD: &[Key] = &[
    key(
        "family",
        Form::Choice(|| names::FIELDS.to_vec()),
        "required",
        "the family",
    ),
    key(
        "time",
        Form::Word("nodes"),
        "nodes",
        "how it depends on time",
    ),
    key(
        "nodes",
        Form::Count,
        "24",
        "affine, rbf, chebyshev: nodes in time",
    ),
    key("centers", Form::Count, "200", "rbf: Gaussian features"),
    key(
        "components",
        Form::Count,
        "by the data",
        "mixture: Gaussians",
    ),
    key("degree", Form::Count, "8", "chebyshev: largest degree"),
];

pub const SOLVER: &[Key] = &[
    key("id", Form::Text, "the method", "its name in tables"),
    key(
        "method",
        Form::Choice(|| names::all(names::METHODS)),
        "required",
        "the method",
    ),
    key(
        "use",
        Form::Text,
        "",
        "path-integral: id of the solver whose policy drives the paths",
    ),
    key(
        "rounds",
        Form::Count,
        "16 for kind control without `use`, else 0",
        "path-integral: most rounds in which a control is fitted to the weighted paths",
    ),
    key(
        "field",
        Form::Either(&[Form::Choice(|| names::FIELDS.to_vec()), Form::Table(FIELD)]),
        "by structure",
        "family of unknown fields",
    ),
    key(
        "optimizer",
        Form::Choice(|| names::OPTIMIZERS.iter().map(|o| o.0).collect()),
        "lbfgs",
        "minimiser",
    ),
    key(
        "objective",
        Form::Choice(|| {
            let paths = PathObjective::ALL.map(PathObjective::name);
            [names::OBJECTIVES.as_slice(), paths.as_slice()].concat()
        }),
        "by method",
        "score-matching, or action of a control: the loss",
    ),
    key("paths", Form::Count, "by method", "simulated paths"),
    key("steps", Form::Count, "by method", "steps in time"),
    key(
        "points",
        Form::Counts,
        "by method",
        "grid points, for all states or one per state",
    ),
    key(
        "degree",
        Form::Count,
        "4; path-integral 5 in one state, else 3",
        "polynomial, path-integral: largest degree",
    ),
    key(
        "interaction",
        Form::Count,
        "all states; path-integral 2 up to three states, else 1",
        "polynomial, path-integral: most states that a term joins",
    ),
    key(
        "axes",
        Form::Choice(|| Axes::ALL.map(Axes::name).to_vec()),
        "principal",
        "polynomial: coordinates of its terms",
    ),
    key("samples", Form::Count, "by method", "draws a fit uses"),
    key("ridge", Form::Number, "1e-8", "score-matching: regulariser"),
    key("tol", Form::Number, "by method", "where iterations stop"),
    key(
        "rtol",
        Form::Number,
        "by method",
        "relative accuracy of an integration",
    ),
    key("max_iter", Form::Count, "by method", "most iterations"),
    key(
        "scheme",
        Form::Choice(|| names::SCHEMES.to_vec()),
        "by method",
        "how derivatives are taken on a grid",
    ),
    key(
        "form",
        Form::Choice(|| RiccatiForm::NAMES.to_vec()),
        "differential",
        "riccati: integrated, or by matrix exponentials",
    ),
    key(
        "kernel",
        Form::Choice(|| names::KERNELS.to_vec()),
        "by size",
        "path-integral: composed kernels or weighted paths",
    ),
    key(
        "potentials",
        Form::Count,
        "4",
        "light-bridge: Gaussians of the potential",
    ),
    key(
        "duration",
        Form::Number,
        "the file's",
        "mam: time the path takes",
    ),
    key(
        "functional",
        Form::Choice(|| PathFunctional::NAMES.to_vec()),
        "the file's",
        "mam: what is minimised",
    ),
    key(
        "images",
        Form::Count,
        "the file's",
        "mam, gmam, string: points of the path",
    ),
    key("particles", Form::Count, "8192", "annealed: particles"),
    key(
        "step_size",
        Form::Number,
        "0.1",
        "langevin, mala, hmc: step",
    ),
    key(
        "warmup",
        Form::Count,
        "1000",
        "langevin, mala, hmc: steps that are thrown away",
    ),
];

pub const CHECK: &[Key] = &[
    key(
        "check",
        Form::Choice(|| names::all(names::CHECKS)),
        "required",
        "the check",
    ),
    key("id", Form::Text, "the check", "its name in tables"),
    key(
        "on",
        Form::Names,
        "every solver it applies to",
        "solver ids",
    ),
    key(
        "against",
        Form::Text,
        "by check",
        "a solver id, `reference` or `exact`",
    ),
    key("tol", Form::Number, "by check", "absolute tolerance"),
    key("rtol", Form::Number, "by check", "relative tolerance"),
    key(
        "order",
        Form::Number,
        "by check",
        "expected order of convergence",
    ),
    key("confidence", Form::Number, "4", "standard errors"),
    key("samples", Form::Count, "by check", "draws"),
    key("levels", Form::Count, "by check", "refinements"),
    key(
        "until",
        Form::Number,
        "the horizon",
        "end time of the check",
    ),
    key(
        "severity",
        Form::Choice(|| names::SEVERITIES.to_vec()),
        "fail",
        "what a failure means",
    ),
];

pub const SAMPLE: &[Key] = &[
    key(
        "h",
        Form::Numbers,
        "[0.0, 1.0]",
        "noise levels: 0 probability flow, 1 reverse SDE",
    ),
    key(
        "integrator",
        Form::Choice(|| names::INTEGRATORS.to_vec()),
        "exponential-euler",
        "scheme",
    ),
    key("steps", Form::Count, "time.steps", "steps in time"),
    key("spacing", SPACING, "time.spacing", "how nodes are spread"),
    key("paths", Form::Count, "by size", "generated samples"),
];

pub const IDENTITY: &[Key] = &[
    key(
        "name",
        Form::Text,
        "required",
        "lower-case words joined by `-`",
    ),
    key(
        "let",
        Form::Free(&Form::Expressions),
        "",
        "trial fields and scalars",
    ),
    key(
        "under",
        Form::Text,
        "forward",
        "forward, reverse or controlled(v)",
    ),
    key("at", Form::Number, "", "a fixed time"),
    key("lhs", Form::Text, "with rhs", "left side"),
    key("rhs", Form::Text, "with lhs", "right side"),
    key(
        "claim",
        Form::Text,
        "instead of lhs and rhs",
        "one equation",
    ),
    key(
        "steps",
        Form::Names,
        "instead of lhs and rhs",
        "a chain of equal expressions",
    ),
];

pub const SWEEP: &[Key] = &[
    key(
        "mode",
        Form::Choice(|| names::SWEEP_MODES.to_vec()),
        "grid",
        "how values combine",
    ),
    key(
        "repeat",
        Form::Count,
        "1",
        "runs of each point with seeds of their own",
    ),
    key(
        "samples",
        Form::Count,
        "required for random",
        "points of a random sweep",
    ),
    key("collect", Form::Names, "", "quantities that are tabulated"),
    key(
        "over",
        Form::Free(&Form::Expressions),
        "required",
        "\"path.to.key\" = values, linspace(a, b, n) or logspace(a, b, n)",
    ),
];

pub const REFERENCE: &[Key] = &[
    key(
        "value",
        Form::Numbers,
        "required",
        "the number, or one per component",
    ),
    key("tol", Form::Number, "0", "its uncertainty"),
    key("source", Form::Text, "", "where it comes from"),
];

pub const OUTPUT: &[Key] = &[
    key("dir", Form::Text, "runs", "folder of run folders"),
    key(
        "save",
        Form::Choices(|| names::SAVES.to_vec()),
        "",
        "arrays that are kept",
    ),
    key(
        "report",
        Form::Choice(|| vec!["html", "none"]),
        "html",
        "the report",
    ),
    key(
        "arrays",
        Form::Choice(|| vec!["npz", "none"]),
        "npz",
        "arrays of numbers",
    ),
    key(
        "events",
        Form::Choice(|| vec!["jsonl", "none"]),
        "jsonl",
        "the log",
    ),
];

fn with(first: &'static str, mut rest: Vec<&'static str>) -> Vec<&'static str> {
    rest.insert(0, first);
    rest
}
