//! Every table and key of the format: what it holds, its default, the kinds it belongs to.

use crate::problem::format::key::{Form, Key};
use crate::problem::format::keys::{
    CHECK, COST, DYNAMICS, EVENT, GRID, IDENTITY, LAW, OUTPUT, PATH, PROBLEM, REFERENCE, RUN,
    SAMPLE, SOLVER, SWEEP, TIME,
};
use crate::problem::meant::kind::{
    self, BRIDGE, BRIDGE_AND_SAMPLE, CONTROL, EVERY, GENERATING, Kind, REVERSE, WITH_EVENTS,
};

/// How a table is written.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `[name]` with the listed keys.
    Single,
    /// `[name]` with keys of the user's choice.
    Free(Form),
    /// `[[name]]`, any number of times.
    List,
    /// `[name.NAME]`, each with the listed keys.
    Named,
    /// Part of the format, not of this version.
    Later,
}

/// One table of the format.
#[derive(Clone, Copy, Debug)]
pub struct TableSchema {
    pub name: &'static str,
    pub shape: Shape,
    pub kinds: &'static [Kind],
    pub keys: &'static [Key],
    /// Keys of the format that this version does not act on.
    pub later: &'static [&'static str],
    pub about: &'static str,
}

impl TableSchema {
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub fn key_names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

/// Every table, in the order of `check --resolved`.
pub const TABLES: &[TableSchema] = &[
    TableSchema {
        name: "problem",
        shape: Shape::Single,
        kinds: EVERY,
        keys: PROBLEM,
        later: &[],
        about: "what is asked, and under which name",
    },
    TableSchema {
        name: "params",
        shape: Shape::Free(Form::Numbers),
        kinds: EVERY,
        keys: &[],
        later: &[],
        about: "named numbers, arrays and matrices; --set name=value replaces one",
    },
    TableSchema {
        name: "units",
        shape: Shape::Free(Form::Text),
        kinds: EVERY,
        keys: &[],
        later: &[],
        about: "a unit for t, the state and each parameter that has one",
    },
    TableSchema {
        name: "define",
        shape: Shape::Free(Form::Expression),
        kinds: EVERY,
        keys: &[],
        later: &[],
        about: "named expressions and functions, in any order",
    },
    role("data", REVERSE, "law at the start of the noising"),
    role("initial", WITH_EVENTS, "law at the start of the horizon"),
    role("source", BRIDGE, "law at the start of the bridge"),
    role(
        "target",
        BRIDGE_AND_SAMPLE,
        "law at the end of the bridge, or the density to draw from",
    ),
    role("prior", GENERATING, "law the reverse process starts from"),
    TableSchema {
        name: "dynamics",
        shape: Shape::Single,
        kinds: EVERY,
        keys: DYNAMICS,
        later: &[],
        about: "the stochastic differential equation",
    },
    TableSchema {
        name: "cost",
        shape: Shape::Single,
        kinds: CONTROL,
        keys: COST,
        later: &[],
        about: "what the control minimises in the mean",
    },
    TableSchema {
        name: "path",
        shape: Shape::Single,
        kinds: kind::PATH,
        keys: PATH,
        later: &[],
        about: "the ends of the path and the functional it minimises",
    },
    TableSchema {
        name: "time",
        shape: Shape::Single,
        kinds: EVERY,
        keys: TIME,
        later: &[],
        about: "steps in time",
    },
    TableSchema {
        name: "grid",
        shape: Shape::Single,
        kinds: EVERY,
        keys: GRID,
        later: &[],
        about: "defaults of the methods that use a grid of states",
    },
    TableSchema {
        name: "observe",
        shape: Shape::Free(Form::Expressions),
        kinds: WITH_EVENTS,
        keys: &[],
        later: &[],
        about: "expressions recorded over time",
    },
    TableSchema {
        name: "event",
        shape: Shape::List,
        kinds: WITH_EVENTS,
        keys: EVENT,
        later: &[],
        about: "inequalities that stop or mark a path when they first hold",
    },
    TableSchema {
        name: "run",
        shape: Shape::Single,
        kinds: EVERY,
        keys: RUN,
        later: &["precision"],
        about: "solvers and checks by name, seed, sizes",
    },
    TableSchema {
        name: "solver",
        shape: Shape::List,
        kinds: EVERY,
        keys: SOLVER,
        later: &[
            "integrator",
            "h",
            "score",
            "estimator",
            "weighting",
            "checkpoint",
            "potential",
            "levels",
            "alpha",
        ],
        about: "a method with its options",
    },
    TableSchema {
        name: "check",
        shape: Shape::List,
        kinds: EVERY,
        keys: CHECK,
        later: &[],
        about: "a check with its settings",
    },
    TableSchema {
        name: "sample",
        shape: Shape::Single,
        kinds: GENERATING,
        keys: SAMPLE,
        later: &[],
        about: "how a found field generates",
    },
    TableSchema {
        name: "identity",
        shape: Shape::List,
        kinds: EVERY,
        keys: IDENTITY,
        later: &[],
        about: "a claim of the user, to be decided",
    },
    TableSchema {
        name: "sweep",
        shape: Shape::Single,
        kinds: EVERY,
        keys: SWEEP,
        later: &[],
        about: "a study over parameters and options",
    },
    TableSchema {
        name: "reference",
        shape: Shape::Named,
        kinds: EVERY,
        keys: REFERENCE,
        later: &[],
        about: "a known number, compared with the result of the same name",
    },
    TableSchema {
        name: "output",
        shape: Shape::Single,
        kinds: EVERY,
        keys: OUTPUT,
        later: &[],
        about: "what is written, and where",
    },
    later("plot"),
    later("analysis"),
];

const fn role(name: &'static str, kinds: &'static [Kind], about: &'static str) -> TableSchema {
    TableSchema {
        name,
        shape: Shape::Single,
        kinds,
        keys: LAW,
        later: &[],
        about,
    }
}

const fn later(name: &'static str) -> TableSchema {
    TableSchema {
        name,
        shape: Shape::Later,
        kinds: EVERY,
        keys: &[],
        later: &[],
        about: "part of the format, not of this version",
    }
}
