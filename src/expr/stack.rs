//! Room for the recursion of parser and elaborator.

use crate::numeric::time_limit::TimeLimit;
use std::thread;

/// Bytes of stack that hold `DEEPEST` levels with a wide margin, also without optimisation.
const ROOMY: usize = 64 << 20;

/// Sources with fewer nesting marks than this fit any thread's stack.
const SHALLOW: usize = 100;

/// An upper bound of the nesting depth of a source: each level needs one of these marks.
pub(super) fn nesting_bound(source: &str) -> usize {
    let mark = |b: &u8| matches!(b, b'(' | b'[' | b'-' | b'+' | b'^' | b'\'');
    source.bytes().filter(|b| mark(b)).count() + source.matches("not").count()
}

/// Runs `work`, on a larger stack where `bound` levels might not fit the present one.
pub(super) fn with_room<T: Send>(bound: usize, work: impl FnOnce() -> T + Send) -> T {
    if bound < SHALLOW {
        return work();
    }
    let limit = TimeLimit::here();
    let work = || {
        TimeLimit::carry(limit);
        work()
    };
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .stack_size(ROOMY)
            .spawn_scoped(scope, work)
            .expect("the system grants a thread");
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
