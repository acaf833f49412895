//! What a run tells while it goes on.

use crate::solvers::driver::Progress;

/// A moment of a run. Parts follow one another: each begins, may go on, and ends.
#[derive(Clone, Copy, Debug)]
pub enum Moment<'a> {
    /// A solver, by its id, or another part of the work, and what it is about.
    Begins {
        name: &'a str,
        doing: &'a str,
    },
    Goes(&'a Progress),
    /// How it ended, in a word.
    Ends(&'static str),
}

/// Whoever wants to see them.
pub type Watch<'a> = dyn FnMut(Moment<'_>) + Send + 'a;

/// Tells that a part begins, does it, and tells that it ended.
pub(super) fn told<T>(
    watch: &mut Watch<'_>,
    name: &str,
    doing: &str,
    work: impl FnOnce() -> T,
) -> T {
    watch(Moment::Begins { name, doing });
    let found = work();
    watch(Moment::Ends("done"));
    found
}
