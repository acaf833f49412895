//! What the user means: the file as typed, checked and turned into a validated problem.
//!
//! [`fn@load`] reads a file; what it returns is either a [`meant::model::Problem`] in which nothing can be
//! malformed, with warnings and the fully resolved text, or a [`text::diagnostic::Report`] with everything
//! that is wrong, each with its place, what is accepted and at most one suggestion.
//!
//! # Defaults worth knowing
//!
//! All of them are written out in [`Loaded::resolved`].
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
//! | `run.checks` | those on the card of the kind, for tables also those that only make sense for one |
//!
//! Tables of numbers are read from the folder of the problem file, or from anywhere below the nearest
//! enclosing folder named `problems`.

pub mod format;
pub mod meant;
pub(crate) mod read;
pub mod text;

pub use read::chosen::Choice;
pub use read::load::{Loaded, load, parse_text};
pub use text::document::Override;
