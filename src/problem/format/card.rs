//! What can be added to the program: methods, checks, families of fields and presets, each with a card that
//! the reader, `list`, `explain`, the JSON schema and `bench` read.

use crate::problem::format::key::Key;
use crate::problem::format::page::Page;
use crate::problem::meant::options::Options;
use crate::problem::meant::setup::Setup;
use crate::problem::meant::task::Kind;

/// A method.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    pub page: Page,
    /// Kinds of problem it solves.
    pub kinds: &'static [Kind],
    /// Kinds whose files may name it although nothing in this version solves them with it.
    pub later: &'static [Kind],
    /// In the order in which they are read: defaults may look at earlier ones.
    pub options: &'static [Key],
    /// Field, discretisation and sizes in one line, for tables.
    pub settings: fn(&Options) -> String,
}

impl PartialEq for Card {
    fn eq(&self, other: &Self) -> bool {
        self.page.name == other.page.name
    }
}

/// A check.
#[derive(Clone, Copy, Debug)]
pub struct CheckCard {
    pub page: Page,
    /// Kinds of problem it is made for.
    pub kinds: &'static [Kind],
    /// Kinds whose files may name it although nothing in this version checks them with it.
    pub later: &'static [Kind],
    /// Whether it only makes sense for a table of points.
    pub tables_only: bool,
}

/// A family of unknown fields.
#[derive(Clone, Copy, Debug)]
pub struct FieldCard {
    pub name: &'static str,
    pub about: &'static str,
    /// Its sizes, in the order in which they are written.
    pub options: &'static [Key],
    /// Most states it is a joint function of.
    pub most_states: Option<usize>,
    /// In a few words.
    pub settings: fn(&Options) -> String,
}

/// A preset: a process by name, stated as a file would state it.
#[derive(Clone, Copy, Debug)]
pub struct PresetCard {
    pub page: Page,
    /// Its keys in `[dynamics]`.
    pub options: &'static [Key],
    /// `drift` and `diffusion`.
    pub coefficients: fn(&Options) -> [String; 2],
}

/// Cards of one sort.
pub trait Listed {
    fn name(&self) -> &'static str;
    /// Kinds with code.
    fn kinds(&self) -> &'static [Kind];
    /// Kinds whose files may use the name.
    fn later(&self) -> &'static [Kind];
}

impl Listed for Card {
    fn name(&self) -> &'static str {
        self.page.name
    }

    fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    fn later(&self) -> &'static [Kind] {
        self.later
    }
}

impl Listed for CheckCard {
    fn name(&self) -> &'static str {
        self.page.name
    }

    fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    fn later(&self) -> &'static [Kind] {
        self.later
    }
}

/// The methods that a file without a choice of its own gets, where that needs no derivation.
pub type Automatic = fn(&Setup<'_>) -> Option<Vec<&'static str>>;
