//! The file as typed: documents with places, messages, names, what was filled in.

pub mod diagnostic;
pub(crate) mod document;
pub(crate) mod folder;
pub(crate) mod names;
pub(crate) mod reader;
pub(crate) mod resolved;
pub mod suggest;
pub(crate) mod table;
pub mod visible;
