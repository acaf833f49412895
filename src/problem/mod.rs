//! What the user means: the file as typed, checked and turned into a validated problem.
//!
//! [`load::load`] reads a file; what it returns is either a [`model::Problem`] in which nothing can be
//! malformed, with warnings and the fully resolved text, or a [`diagnostic::Report`] with everything
//! that is wrong, each with its place, what is accepted and at most one suggestion.
//!
//! # Defaults worth knowing
//!
//! All of them are written out in [`load::Loaded::resolved`].
//!
//! | what | default |
//! |---|---|
//! | `[prior]`, `vp` and `sub-vp` | N(0, I) |
//! | `[prior]`, `ve` | N(0, sigma_max^2 I) |
//! | `[prior]`, `ou` with a mean factor below 1 % at the end | its stationary law |
//! | `[prior]`, other affine drift with state-free noise | Gaussian with mean and covariance of X at the end of the horizon |
//! | `[prior]`, anything else | required |
//! | `data.bandwidth` | `"auto"`: Silverman's rule in working units; 0 means point masses |
//! | `data.holdout` | 0; the rows depend on `run.seed` only |
//! | `data.standardize` | `false`; `true` scales each column, `"common"` all columns alike |
//! | `time.t_min` | a thousandth of the horizon |
//! | `time.spacing` | `log-snr` for isotropic presets, otherwise `log` |
//! | `run.solvers` | by structure: closed form and learned fields for mixtures under affine drift, grid methods up to two states |
//! | `run.checks` | [`vocabulary::standard_checks`], for tables also [`vocabulary::TABLE_CHECKS`] |
//!
//! Tables of numbers are read from the folder of the problem file, or from anywhere below the nearest
//! enclosing folder named `problems`.

mod checks;
pub mod claim;
pub mod codes;
mod curve;
pub mod diagnostic;
mod document;
mod dynamics;
mod field_option;
mod folder;
mod formula;
pub mod json_schema;
pub mod key;
mod keys;
pub mod law;
mod laws;
mod lint;
pub mod load;
pub mod method;
mod methods;
pub mod model;
mod names;
mod objective;
mod options;
pub mod page;
mod presets;
mod prior;
mod reader;
mod resolved;
mod roles;
mod samples;
pub mod schema;
pub mod settings;
mod state;
mod statements;
mod structure;
pub mod suggest;
mod table;
pub mod tables;
pub mod task;
mod units;
pub mod vocabulary;
pub mod work_ladder;

pub use document::Override;
pub use load::{Loaded, load, parse_text};
