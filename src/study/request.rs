//! What a run is asked for beyond its file.

use crate::numeric::blocks::BLOCK;
use std::time::Duration;

/// Which solvers run.
#[derive(Clone, Copy, Debug, Default)]
pub enum Solvers<'a> {
    /// Those of the file; where it leaves the choice open, those its structure admits.
    #[default]
    File,
    /// Those of the file that have these ids.
    Only(&'a [&'a str]),
    /// Those the structure of the problem admits, whatever the file asks for.
    Auto,
    /// These methods, every option at its default.
    Named(&'a [&'a str]),
    /// Those that these `[[solver]]` tables state.
    Stated(&'a str),
}

impl<'a> Solvers<'a> {
    /// The ids that are picked out of the file's; none picks all.
    pub(super) fn only(&self) -> &'a [&'a str] {
        match self {
            Self::Only(ids) => ids,
            _ => &[],
        }
    }
}

/// Everything a run is asked for; the default asks for nothing that is not in the file.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub solvers: Solvers<'a>,
    /// Judge the reference numbers of the file although values of it were replaced.
    pub keep_references: bool,
    /// Time for all solvers together, instead of the file's.
    pub max_time: Option<Duration>,
    /// Threads instead of the file's; 0 is one per core. Results do not depend on it.
    pub threads: Option<usize>,
    /// Points worked on at a time. Results do not depend on it.
    pub block: usize,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            solvers: Solvers::default(),
            keep_references: false,
            max_time: None,
            threads: None,
            block: BLOCK,
        }
    }
}
