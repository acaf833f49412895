//! Structure of a problem, found symbolically, with what blocks it where it is missing.
//!
//! | structure | test |
//! |---|---|
//! | `additive-noise`, `commutative-noise`, `linear-noise-in-state` | what `G` does with the state (`noise`) |
//! | `gaussian`, `gradient`, `transverse` | what the drift is (`drift`) |
//! | `control-affine`, `quadratic-control`, `linear-quadratic`, `hopf-cole` | how control enters and what it costs (`steering`) |
//! | `separable`, `time-free`, `kinks` | which states meet, where time and corners occur (`coupling`) |
//!
//! Evidence is *proved* (zero in normal form), *tested* (zero at seeded points), or *declared*: expected by
//! the file, and nothing found against it.

mod affine;
mod coupling;
mod drift;
mod noise;
mod steering;

pub use drift::across;

use crate::derivation::evidence::Evidence;
use crate::derivation::noising::Noising;
use crate::derivation::stated::Stated;
use crate::expr::{Expr, Graph};
use crate::problem::law::Law;

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
    fn found(name: &'static str, evidence: Evidence, because: impl Into<String>) -> Self {
        Self {
            name,
            found: true,
            evidence,
            because: because.into(),
            unlocks: "",
            needed: "",
            nearest: String::new(),
            term: None,
        }
    }

    /// A structure that is missing; that it is, is proved.
    fn missing(name: &'static str, because: impl Into<String>, nearest: impl Into<String>) -> Self {
        Self {
            found: false,
            nearest: nearest.into(),
            ..Self::found(name, Evidence::Proved, because)
        }
    }

    fn unlocking(mut self, unlocks: &'static str, needed: &'static str) -> Self {
        self.unlocks = unlocks;
        self.needed = needed;
        self
    }

    fn blocked_by(mut self, term: Expr) -> Self {
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
    /// As typed.
    Stated(&'a Stated),
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

/// Everything that is looked for in a problem of this kind.
pub fn findings(subject: &mut Subject<'_>) -> Vec<Finding> {
    let mut all = vec![
        noise::additive(subject.process),
        noise::commutative(subject.process),
        noise::linear(subject.process),
    ];
    if let Steering::Stated(stated) = subject.steering {
        all.push(steering::control_affine(subject.process, stated));
        all.push(steering::quadratic_control(subject.process, stated));
        all.push(steering::linear_quadratic(stated));
    }
    all.extend(steering::hopf_cole(subject.steering));
    all.push(drift::gaussian(subject.process, subject.start));
    all.push(drift::gradient(subject.process));
    all.push(drift::transverse(subject.process, subject.potentials));
    all.push(coupling::separable(subject));
    all.push(coupling::time_free(subject.process, subject.steering));
    all.push(coupling::kinks(subject.process, subject.steering));
    for finding in &mut all {
        if matches!(finding.evidence, Evidence::Stated) {
            let expected = subject.expected.iter().any(|name| name == finding.name);
            finding.found = expected;
            if expected {
                finding.evidence = Evidence::Declared;
            }
        }
        if let (false, Some(term)) = (finding.found, finding.term) {
            finding
                .because
                .push_str(&place(&subject.process.graph, term));
        }
    }
    all
}

/// Where a term was typed, if that is in a definition: it does not stand where it acts.
fn place(graph: &Graph, term: Expr) -> String {
    let origin = graph.origin(term);
    let name = origin.and_then(|origin| origin.definition);
    name.map_or(String::new(), |name| format!(", from `{name}`"))
}

/// A short form of an expression.
pub(super) fn shown(noising: &Noising, e: Expr) -> String {
    let text = noising.graph.text(e);
    if text.len() > 80 {
        format!(
            "an expression of {} nodes",
            noising.graph.reachable(&[e]).len()
        )
    } else {
        text
    }
}
