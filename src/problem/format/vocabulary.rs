//! Every name of a method, check, family or preset that files may use: this floor knows none of them, the reader gets
//! them as an argument.

use crate::problem::format::card::{Automatic, Card, CheckCard, FieldCard, Listed, PresetCard};
use crate::problem::format::key::{Key, Names};
use crate::problem::format::names::PRESETS;
use crate::problem::meant::task::Kind;

/// The cards a file is read against.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    pub methods: Vec<&'static Card>,
    pub checks: Vec<&'static CheckCard>,
    pub families: Vec<&'static FieldCard>,
    /// Beside those of the format.
    pub presets: Vec<&'static PresetCard>,
    pub automatic: Automatic,
}

impl Vocabulary {
    /// No names at all.
    pub const fn empty() -> Self {
        Self {
            methods: Vec::new(),
            checks: Vec::new(),
            families: Vec::new(),
            presets: Vec::new(),
            automatic: |_| Some(Vec::new()),
        }
    }

    /// The names a key accepts.
    pub fn names(&self, names: Names) -> Vec<&'static str> {
        match names {
            Names::Fixed(names) => names(),
            Names::Listed(names) => names.to_vec(),
            Names::Methods => all(&self.methods),
            Names::Checks => all(&self.checks),
            Names::Presets => {
                let others = self.presets.iter().map(|card| card.page.name);
                PRESETS.into_iter().chain(others).collect()
            }
            Names::Families => self.families.iter().map(|card| card.name).collect(),
        }
    }

    /// Every option of a method, each once.
    pub fn options(&self) -> Vec<&'static Key> {
        distinct(self.methods.iter().flat_map(|card| card.options))
    }

    /// Every key of a preset beside those of the format, each once.
    pub fn preset_keys(&self) -> Vec<&'static Key> {
        distinct(self.presets.iter().flat_map(|card| card.options))
    }
}

fn distinct(all: impl Iterator<Item = &'static Key>) -> Vec<&'static Key> {
    let mut keys: Vec<&'static Key> = Vec::new();
    for key in all {
        if keys.iter().all(|known| known.name != key.name) {
            keys.push(key);
        }
    }
    keys
}

/// The names that files may use, whether or not there is code.
pub fn all<T: Listed>(cards: &[&'static T]) -> Vec<&'static str> {
    cards.iter().map(|card| card.name()).collect()
}

/// The names that files of a kind may use, whether or not there is code.
pub fn readable<T: Listed>(cards: &[&'static T], kind: Kind) -> Vec<&'static str> {
    let may = |card: &&&T| card.kinds().contains(&kind) || card.later().contains(&kind);
    cards.iter().filter(may).map(|card| card.name()).collect()
}

/// The names with code for a kind.
pub fn working<T: Listed>(cards: &[&'static T], kind: Kind) -> Vec<&'static str> {
    let does = |card: &&&T| card.kinds().contains(&kind);
    cards.iter().filter(does).map(|card| card.name()).collect()
}

/// The cards with code for any kind.
pub fn with_code<T: Listed>(cards: &[&'static T]) -> impl Iterator<Item = &'static T> {
    cards
        .iter()
        .copied()
        .filter(|card| !card.kinds().is_empty())
}
