//! From text to meaning: one file a table or a question.

pub(crate) mod checks;
pub mod chosen;
pub(crate) mod curve;
pub(crate) mod densities;
pub(crate) mod dynamics;
pub(crate) mod endless;
pub(crate) mod formula;
pub(crate) mod laws;
pub(crate) mod lint;
pub mod load;
pub(crate) mod methods;
pub(crate) mod objective;
pub(crate) mod options;
pub(crate) mod presets;
pub(crate) mod prior;
pub(crate) mod roles;
pub(crate) mod samples;
pub mod settings;
pub(crate) mod sizes;
pub(crate) mod state;
pub(crate) mod statements;
pub(crate) mod task;
pub(crate) mod units;
