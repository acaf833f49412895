//! What is found of a structure, and in what it is looked for.

use crate::derivation::ground::controlled::Obstacle;
use crate::derivation::ground::evidence::Evidence;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::stated::Stated;
use crate::derivation::structure::facts::Facts;
use crate::expr::Expr;
use crate::problem::meant::law::Law;

/// One structure, present or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// As `expect` names it in a problem file.
    pub name: &'static str,
    pub found: bool,
    pub evidence: Evidence,
    /// The reason; for a missing structure, the term that blocks it.
    pub because: String,
    /// What it makes possible, or would.
    pub unlocks: &'static str,
    /// The condition, in words or symbols.
    pub needed: &'static str,
    /// The smallest change of the problem that would bring it; empty for one that is found.
    pub nearest: String,
    /// The blocking term in the user's expressions; its origin is the place in the file.
    pub term: Option<Expr>,
}

impl Finding {
    /// A structure that is there.
    pub(super) fn found(name: &'static str, because: impl Into<String>) -> Self {
        Self {
            name,
            found: true,
            evidence: Evidence::Proved,
            because: because.into(),
            unlocks: "",
            needed: "",
            nearest: String::new(),
            term: None,
        }
    }

    /// A structure that is missing; that it is, is proved.
    pub(super) fn missing(
        name: &'static str,
        because: impl Into<String>,
        nearest: impl Into<String>,
    ) -> Self {
        Self {
            found: false,
            nearest: nearest.into(),
            ..Self::found(name, because)
        }
    }

    /// Takes back what a bounded control has not: its cost is no square of its distance from the best.
    pub fn bound(&mut self) {
        if self.found && matches!(self.name, "linear-quadratic" | "hopf-cole") {
            self.found = false;
            self.evidence = Evidence::Proved;
            "the control is bounded".clone_into(&mut self.because);
            "leave out dynamics.control_bounds".clone_into(&mut self.nearest);
        }
    }

    /// How it was made sure of, if not by proof.
    pub(super) fn by(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }

    pub(super) fn unlocking(mut self, unlocks: &'static str, needed: &'static str) -> Self {
        self.unlocks = unlocks;
        self.needed = needed;
        self
    }

    pub(super) fn blocked_by(mut self, term: Expr) -> Self {
        self.term = Some(term);
        self
    }
}

/// How a problem steers its process.
#[derive(Clone, Copy, Debug)]
pub enum Steering<'a> {
    /// Not at all: laws and paths only.
    None,
    /// Through its own noise at unit price: reverse diffusion, sampling, bridges.
    OwnNoise,
    /// As typed, with what is known of it where it can be taken apart.
    Stated {
        stated: &'a Stated,
        facts: Result<&'a Facts, &'a Obstacle>,
    },
}

/// What structure is looked for in.
pub struct Subject<'a> {
    /// The process without control.
    pub process: &'a mut Noising,
    pub steering: Steering<'a>,
    /// The law at the start of the process, if the file states one.
    pub start: Option<&'a Law>,
    /// The law at its end, where that is given (bridges).
    pub end: Option<&'a Law>,
    /// Named functions of the state that may be potentials of the drift.
    pub potentials: &'a [(String, Expr)],
    /// What the file expects: a structure that cannot be executed stands declared then.
    pub expected: &'a [String],
}

/// A short form of an expression.
pub(super) fn shown(noising: &Noising, e: Expr) -> String {
    let text = noising.graph.text(e);
    if text.len() <= 80 {
        return text;
    }
    let nodes = noising.graph.reachable(&[e]).len();
    format!("an expression of {nodes} nodes")
}
