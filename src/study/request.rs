//! What a run is asked for beyond its file.

use crate::numeric::blocks::BLOCK;
use crate::numeric::time_limit::TimeLimit;
use std::sync::Arc;
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

impl Request<'_> {
    /// What decides the result beside the file, in words: a part of the identity of a run.
    pub(super) fn options(&self) -> String {
        let mut options = format!("solvers {:?}", self.solvers);
        if self.keep_references {
            options.push_str("; keep references");
        }
        if let Some(time) = self.max_time {
            options.push_str(&format!("; max time {time:?}"));
        }
        options
    }

    /// The same for a benchmark.
    pub(super) fn bench_options(&self, levels: u32) -> String {
        format!("bench, {levels} levels; {}", self.options())
    }

    /// The time of a run of a file that asks for so many seconds itself.
    pub(super) fn limit(&self, seconds: Option<f64>) -> TimeLimit {
        let own = self.max_time.or(seconds.map(Duration::from_secs_f64));
        match TimeLimit::here() {
            // The command began before this run did.
            Some(limit) if limit.total().is_some() || own.is_none() => limit,
            Some(limit) => limit.with_total(own),
            None => TimeLimit::new(own, Arc::default()),
        }
    }
}

/// When the parts of a run have to end, so that each has its share of the time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    /// Solvers stop at their next step.
    pub solve: Option<Duration>,
    /// Solvers are stopped.
    pub cut: Option<Duration>,
    pub compare: Option<Duration>,
}

impl Ends {
    pub fn of(limit: &TimeLimit) -> Self {
        let before = |share: f64, most: u64| {
            let total = limit.total()?;
            Some(total - total.mul_f64(share).min(Duration::from_secs(most)))
        };
        Self {
            solve: before(0.5, 60),
            cut: before(0.35, 40),
            compare: before(0.15, 15),
        }
    }
}

/// Everything a run is asked for; the default asks for nothing that is not in the file.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub solvers: Solvers<'a>,
    /// Judge the reference numbers of the file although values of it were replaced.
    pub keep_references: bool,
    /// Time for everything together, instead of the file's.
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
