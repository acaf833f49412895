//! Claims with residuals: the catalogue of identities, verdicts, and probes for the usual slips.
//!
//! An identity has two sides that share no code; their difference is measured with an error and judged.
//! Nothing here tunes a solver to pass.

pub mod identity;
pub mod subject;
pub mod verdict;
