//! What the user means: the file as typed, checked and turned into a validated problem.
//!
//! [`load::load`] reads a file; what it returns is either a [`model::Problem`] in which nothing can be
//! malformed, with warnings and the fully resolved text, or a [`diagnostic::Report`] with everything
//! that is wrong, each with its place, what is accepted and at most one suggestion.

pub mod checks;
mod curve;
pub mod diagnostic;
mod document;
mod dynamics;
mod folder;
mod formula;
pub mod law;
mod laws;
mod lint;
pub mod load;
pub mod methods;
pub mod model;
mod prior;
mod reader;
mod resolved;
mod samples;
pub mod schema;
pub mod settings;
mod state;
pub mod suggest;
mod table;

pub use document::Override;
pub use load::{Loaded, load, parse_text};
