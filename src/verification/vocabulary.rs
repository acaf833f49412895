//! Every word that a problem file may use in this version: methods and fields from the floors below, checks from here.

use crate::problem::format::vocabulary::Vocabulary;
use crate::solvers::registry::methods;
use crate::verification::catalogue::cards;

/// The words of the program as it is.
pub fn standard() -> Vocabulary {
    Vocabulary {
        checks: cards(),
        ..methods::vocabulary()
    }
}
