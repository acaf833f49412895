//! The one driver that runs every method.
//!
//! A method supplies five verbs ([`Method`]); [`drive`] owns the loop, the budget, the work counters
//! and the stop reason.

use crate::numeric::digits::significant;
use crate::numeric::random::Streams;
use crate::numeric::time_limit::{OutOfTime, in_time, is_interrupted, look};
use crate::problem::format::card::Card;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::clock::complete;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use std::time::{Duration, Instant};

/// What failed inside a method that was admitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SolveError {
    #[error("{what} became {value} at t = {time}; try {suggestion}")]
    NotFinite {
        what: &'static str,
        value: f64,
        time: f64,
        suggestion: String,
    },
    #[error("the {system} system is singular (pivot {pivot:e}); try {suggestion}")]
    Singular {
        system: &'static str,
        pivot: f64,
        suggestion: String,
    },
    #[error(
        "the grid cuts the optimal process off, where it has {density:e} of its largest density; try {suggestion}"
    )]
    Cut { density: f64, suggestion: String },
    #[error(
        "{:.1} % of the optimal paths leave the grid where it only cuts the line off; try {suggestion}",
        100.0 * share
    )]
    Escapes { share: f64, suggestion: String },
    #[error(
        "psi at the start is {share:e} of its largest once the drift is taken out, which rounding hides; try {suggestion}"
    )]
    Underflow { share: f64, suggestion: String },
    #[error("its time was up after {seconds:.1} s, before it had an answer; try {suggestion}")]
    OutOfTime {
        seconds: f64,
        suggestion: &'static str,
    },
    #[error("the optimizer failed: {message}; try {suggestion}")]
    Optimizer { message: String, suggestion: String },
}

impl SolveError {
    /// The time was up after `seconds`.
    pub fn out_of_time(seconds: f64) -> Self {
        Self::OutOfTime {
            seconds,
            suggestion: "a longer --max-time, or less work",
        }
    }
}

/// Why a loop ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StopReason {
    /// Nothing to iterate: the answer is direct.
    Direct,
    /// The measured quantity fell below its tolerance.
    Converged {
        measured: f64,
        tolerance: f64,
    },
    /// The objective no longer changes in double precision.
    Stalled {
        measured: f64,
    },
    IterationLimit {
        limit: usize,
        measured: f64,
    },
    /// The time was up, or somebody asked for an early end.
    TimeLimit {
        seconds: f64,
        measured: f64,
    },
}

impl StopReason {
    /// Whether the loop ended because the answer was good.
    pub fn is_converged(&self) -> bool {
        matches!(self, Self::Direct | Self::Converged { .. })
    }
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Direct => write!(f, "direct"),
            Self::Converged {
                measured,
                tolerance,
            } => {
                let [measured, tolerance] = [measured, tolerance].map(|x| significant(*x, 2));
                write!(f, "converged ({measured} <= {tolerance})")
            }
            Self::Stalled { measured } => write!(f, "stalled at {}", significant(*measured, 2)),
            Self::IterationLimit { limit, measured } => {
                write!(
                    f,
                    "iteration limit {limit} at {}",
                    significant(*measured, 2)
                )
            }
            Self::TimeLimit { seconds, measured } => {
                write!(
                    f,
                    "time limit {seconds:.0} s at {}",
                    significant(*measured, 2)
                )
            }
        }
    }
}

/// Counted work, the same on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub iterations: u64,
    /// Points at which a field was evaluated.
    pub field_points: u64,
    pub gradients: u64,
    pub normals: u64,
    /// Unknowns of the largest linear system or grid.
    pub unknowns: u64,
    pub linear_solves: u64,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    Going {
        /// Fraction done, 0 to 1, as well as the method can tell.
        fraction: f64,
        objective: f64,
        measured: f64,
    },
    Stopped(StopReason),
}

impl Progress {
    /// This part of a known amount of work is done; nothing is minimised on the way.
    pub(crate) fn part(fraction: f64) -> Self {
        Self::Going {
            fraction,
            objective: f64::NAN,
            measured: 1.0 - fraction,
        }
    }
}

/// An answer with how it was reached.
pub struct Solution {
    pub id: String,
    pub method: &'static str,
    pub answer: Answer,
    pub work: Work,
    pub stopped: StopReason,
    pub seconds: f64,
}

/// A way to the optimal control, in five verbs.
pub trait Method {
    /// What the process must have before admission looks closer.
    const ASKS: Asks;
    /// Whether it answers where the horizon has no end.
    const ENDLESS: bool = false;
    type Admitted;
    type State;
    /// Whether the method applies, and what it proved in finding out.
    fn admit(&self, lowered: &Lowered) -> Result<Self::Admitted, Refusal>;
    fn start(
        &self,
        lowered: &Lowered,
        admitted: Self::Admitted,
        streams: &Streams,
    ) -> Result<Self::State, SolveError>;
    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut Self::State,
        work: &mut Work,
    ) -> Result<(), SolveError>;
    fn progress(&self, state: &Self::State) -> Progress;
    /// Whether what was done so far is an answer although the method has not stopped by itself.
    fn is_whole(&self, _state: &Self::State) -> bool {
        false
    }
    fn finish(&self, lowered: &Lowered, state: Self::State) -> Result<Answer, SolveError>;
}

/// Why a method gave no solution.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unsolved {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Failed(#[from] SolveError),
}

/// One solver about to run; its random numbers depend on the seed and its id only.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    pub lowered: &'a Lowered,
    pub spec: &'a SolverSpec,
    /// Solutions so far: a method may use the policy of another (`use = "id"`).
    pub found: &'a [Solution],
    pub deadline: Option<Duration>,
}

/// Whoever sees the progress of a method.
pub type Watch<'a> = dyn FnMut(&Progress) + 'a;

/// A method with its card: what a registry holds.
#[derive(Clone, Copy)]
pub struct Registered {
    pub card: &'static Card,
    /// Reads the options and drives the method.
    pub solve: fn(&Attempt<'_>, &mut Watch<'_>) -> Result<Solution, Unsolved>,
}

impl Attempt<'_> {
    /// Drives a method that the options describe.
    ///
    /// # Errors
    /// [`Unsolved`]: refused, with what would be accepted, or failed.
    pub fn drive<M: Method>(
        &self,
        method: &M,
        watch: &mut Watch<'_>,
    ) -> Result<Solution, Unsolved> {
        let seed = self.lowered.problem.run.seed;
        drive(
            method,
            self.lowered,
            &self.spec.id,
            self.spec.method(),
            &Streams::new(seed).scoped(&self.spec.id),
            self.deadline,
            watch,
        )
    }

    /// The same with a method that was read from the options.
    pub(crate) fn drive_read<M: Method>(
        &self,
        method: Option<M>,
        watch: &mut Watch<'_>,
    ) -> Result<Solution, Unsolved> {
        match method {
            Some(method) => self.drive(&method, watch),
            None => Err(self.refuse()),
        }
    }

    pub(crate) fn refuse(&self) -> Unsolved {
        let kind = self.lowered.problem.kind();
        Unsolved::Refused(Refusal {
            method: self.spec.method(),
            reason: format!("this version does not have it for kind `{kind}`"),
            accepted: "the methods that `onsager list methods` shows".to_owned(),
        })
    }
}

/// The one loop: admit, start, advance until stopped or out of time, finish.
///
/// After `deadline` it ends at the next step, with what is whole by then; where the time of this thread is up it ends at
/// once, with nothing. `watch` sees every step's progress; it draws the progress line.
pub fn drive<M: Method>(
    method: &M,
    lowered: &Lowered,
    id: &str,
    name: &'static str,
    streams: &Streams,
    deadline: Option<Duration>,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Solution, Unsolved> {
    let began = Instant::now();
    let driven = in_time(|| go(method, lowered, (id, name), streams, deadline, watch));
    driven.unwrap_or_else(|OutOfTime| {
        Err(SolveError::out_of_time(began.elapsed().as_secs_f64()).into())
    })
}

fn go<M: Method>(
    method: &M,
    lowered: &Lowered,
    (id, name): (&str, &'static str),
    streams: &Streams,
    deadline: Option<Duration>,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Solution, Unsolved> {
    let began = Instant::now();
    lowered.provides(M::ASKS, name)?;
    if !M::ENDLESS {
        lowered.admit_end(name)?;
    }
    let admitted = method.admit(lowered)?;
    let mut state = method.start(lowered, admitted, streams)?;
    let mut work = Work::default();
    let stopped = loop {
        let progress = method.progress(&state);
        watch(&progress);
        match progress {
            Progress::Stopped(reason) => break reason,
            Progress::Going { measured, .. } => {
                let elapsed = began.elapsed();
                if is_interrupted() || deadline.is_some_and(|limit| elapsed > limit) {
                    if !method.is_whole(&state) {
                        return Err(SolveError::out_of_time(elapsed.as_secs_f64()).into());
                    }
                    break StopReason::TimeLimit {
                        seconds: elapsed.as_secs_f64(),
                        measured,
                    };
                }
            }
        }
        look();
        method.advance(lowered, &mut state, &mut work)?;
        work.iterations += 1;
    };
    let mut answer = method.finish(lowered, state)?;
    complete(lowered, &mut answer);
    Ok(Solution {
        id: id.to_owned(),
        method: name,
        answer,
        work,
        stopped,
        seconds: began.elapsed().as_secs_f64(),
    })
}
