//! A method that the file asks for.

use crate::problem::format::card::Card;
use crate::problem::meant::options::Options;

/// A solver: a method under a name of its own, with its options.
#[derive(Clone, Debug, PartialEq)]
pub struct SolverSpec {
    pub id: String,
    pub card: &'static Card,
    pub options: Options,
}

impl SolverSpec {
    /// The method's name in the file.
    pub fn method(&self) -> &'static str {
        self.card.page.name
    }

    /// Field, discretisation and sizes in one line, for tables.
    pub fn summary(&self) -> String {
        (self.card.settings)(&self.options)
    }

    /// The options, if the method is the one of this name.
    pub fn options_of(&self, method: &str) -> Option<&Options> {
        (self.method() == method).then_some(&self.options)
    }

    /// The same solver with less work, as [`Card::with_less_work`] says.
    pub fn with_less_work(&self, level: u32) -> Option<Self> {
        let options = self.card.with_less_work(&self.options, level)?;
        Some(Self {
            options,
            ..self.clone()
        })
    }
}
