//! Text the user typed for later stages: claims, units and sweeps, with its place.

use crate::problem::meant::named::Named;
use crate::problem::text::diagnostic::Source;
use crate::problem::text::document::offset_in_token;
use std::ops::Range;

/// A string of the file with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    pub text: String,
    /// The TOML token in the source, quotes included.
    pub span: Range<usize>,
}

impl Typed {
    /// Where bytes of the text stand in the source.
    pub fn locate(&self, source: &Source, range: Range<usize>) -> Range<usize> {
        let raw = source.slice(self.span.clone());
        let at = |offset: usize| self.span.start + offset_in_token(raw, offset);
        at(range.start)..at(range.end)
    }
}

/// A name with one string, or with a list of them for a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub name: String,
    pub components: Vec<Typed>,
    /// Whether a list was typed.
    pub list: bool,
}

/// The law an identity is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Under {
    /// The noising, uncontrolled process.
    Forward,
    /// The reverse process.
    Reverse,
    /// The process under the control `controlled(v)`; the text inside the parentheses.
    Controlled(Typed),
}

/// What an identity says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// `lhs` equals `rhs`.
    Sides { left: Typed, right: Typed },
    /// One equation, `... = ...`.
    Statement(Typed),
    /// A chain: each entry equals the next.
    Steps(Vec<Typed>),
}

/// `[[identity]]`: a claim of the user, not yet parsed as mathematics.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentitySpec {
    pub name: String,
    pub span: Range<usize>,
    /// Trial fields and scalars.
    pub bindings: Vec<Binding>,
    pub under: Option<Under>,
    /// The fixed time it is about.
    pub at: Option<f64>,
    pub claim: Claim,
}

/// How the values of a sweep combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepMode {
    /// Every combination.
    Grid,
    /// The first values together, the second together, ...
    Zip,
    /// `samples` random combinations.
    Random,
}

impl Named for SweepMode {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("grid", Self::Grid),
        ("zip", Self::Zip),
        ("random", Self::Random),
    ];
}

/// One swept key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepAxis {
    /// As in `--set`: `params.a`, `time.steps`, `solver.mc.paths`.
    pub key: String,
    /// TOML values, as in `--set`.
    pub values: Vec<String>,
}

/// `[sweep]`: the study `onsager sweep` runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    pub mode: SweepMode,
    /// Runs of each point with seeds of their own.
    pub repeat: usize,
    /// Points of a random sweep.
    pub samples: Option<usize>,
    /// Quantities that are tabulated.
    pub collect: Vec<String>,
    pub axes: Vec<SweepAxis>,
}

impl Sweep {
    /// Number of runs.
    pub fn runs(&self) -> usize {
        let lengths = self.axes.iter().map(|axis| axis.values.len());
        let points = match self.mode {
            SweepMode::Grid => lengths.product(),
            SweepMode::Zip => lengths.min().unwrap_or(0),
            SweepMode::Random => self.samples.unwrap_or(0),
        };
        points * self.repeat
    }
}
