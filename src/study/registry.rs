//! Everything that can be added to the program: methods, checks and presets, each one file with a card.
//!
//! ```text
//! Registry::standard().with(method).with(check).with(preset).parse(text)?.solve(Solvers::Auto)?
//! ```
//!
//! The cards are the words that a problem file may use; what stands behind them runs.

use crate::problem::format::card::PresetCard;
use crate::problem::format::vocabulary::Vocabulary;
use crate::solvers::driver::Registered;
use crate::solvers::registry::methods::METHODS;
use crate::verification::vocabulary::standard;

/// What a registry can be given.
#[derive(Clone, Copy)]
pub enum Part {
    Method(Registered),
    Preset(&'static PresetCard),
}

impl From<Registered> for Part {
    fn from(method: Registered) -> Self {
        Self::Method(method)
    }
}

impl From<&'static PresetCard> for Part {
    fn from(preset: &'static PresetCard) -> Self {
        Self::Preset(preset)
    }
}

/// What the program has, and the words for it.
#[derive(Clone)]
pub struct Registry {
    words: Vocabulary,
    methods: Vec<Registered>,
}

impl Registry {
    /// The program as it is.
    pub fn standard() -> Self {
        Self {
            words: standard(),
            methods: METHODS.to_vec(),
        }
    }

    /// One more method, check or preset.
    #[must_use]
    pub fn with(mut self, part: impl Into<Part>) -> Self {
        match part.into() {
            Part::Method(method) => {
                self.words.methods.push(method.card);
                self.methods.push(method);
            }
            Part::Preset(card) => self.words.presets.push(card),
        }
        self
    }

    /// The words that a problem file may use.
    pub fn words(&self) -> &Vocabulary {
        &self.words
    }

    /// The methods with code.
    pub fn methods(&self) -> &[Registered] {
        &self.methods
    }
}
