//! The time that work may take, looked at where work is done.
//!
//! A limit belongs to a thread and to the pools of threads it opens. [`look`] stands in the loops that take long: where
//! the time is up it unwinds to the nearest [`in_time`], past the panic hook, so that no loop has to hand the
//! news upwards. Without a limit nothing is ever stopped.
//!
//! An interrupt (Ctrl-C) is a limit that comes unannounced: what is at work may take [`GRACE`] to come to an end.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is under way may take so long after an interrupt.
pub const GRACE: Duration = Duration::from_secs(2);

/// No end, in nanoseconds.
const NEVER: u64 = u64::MAX;

/// Work was stopped because its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its time was up")]
pub struct OutOfTime;

/// The time that all work together may take.
#[derive(Clone, Debug)]
pub struct TimeLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    total: Option<Duration>,
    /// End of the present part of the work, in nanoseconds since it began.
    end: AtomicU64,
    interrupt: Arc<AtomicBool>,
    /// End of everything since an interrupt was seen.
    hurried: AtomicU64,
    is_saving: AtomicBool,
}

thread_local! {
    static HERE: RefCell<Option<TimeLimit>> = const { RefCell::new(None) };
}

impl TimeLimit {
    /// A limit that begins now; `interrupt` becomes true when somebody asks for an early end.
    pub fn new(total: Option<Duration>, interrupt: Arc<AtomicBool>) -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            total,
            end: AtomicU64::new(total.map_or(NEVER, nanoseconds)),
            interrupt,
            hurried: AtomicU64::new(NEVER),
            is_saving: AtomicBool::new(false),
        }))
    }

    /// The limit of this thread.
    pub fn here() -> Option<Self> {
        HERE.with_borrow(Clone::clone)
    }

    /// Makes it the limit of this thread, for good: threads of a pool carry that of the thread that opened it.
    pub fn carry(limit: Option<Self>) {
        HERE.set(limit);
    }

    /// Does work on this thread under this limit.
    pub fn over<T>(&self, work: impl FnOnce() -> T) -> T {
        let _before = Restored(HERE.replace(Some(self.clone())));
        work()
    }

    /// All the time there is.
    pub fn total(&self) -> Option<Duration> {
        self.0.total
    }

    /// The time that has passed.
    pub fn elapsed(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// Whether somebody asked for an early end.
    pub fn is_interrupted(&self) -> bool {
        self.0.interrupt.load(Ordering::Relaxed)
    }

    /// Whether what was found is being saved, which nothing may stop.
    pub fn is_saving(&self) -> bool {
        self.0.is_saving.load(Ordering::Relaxed)
    }

    /// The same interrupt with another limit, that begins now.
    pub fn with_total(&self, total: Option<Duration>) -> Self {
        Self::new(total, Arc::clone(&self.0.interrupt))
    }

    /// Does work that has to end `end` after the beginning, or with everything.
    pub fn until<T>(&self, end: Option<Duration>, work: impl FnOnce() -> T) -> T {
        let before = self.0.end.load(Ordering::Relaxed);
        let end = end.map_or(NEVER, nanoseconds).min(before);
        let _before = Stored(&self.0.end, self.0.end.swap(end, Ordering::Relaxed));
        self.over(work)
    }

    /// Does work that may take so long from now on, whatever time is left.
    pub fn in_overtime<T>(&self, grace: Duration, work: impl FnOnce() -> T) -> T {
        let total = self.0.total;
        let Some(total) = total.or(self.is_interrupted().then_some(Duration::ZERO)) else {
            return self.over(work);
        };
        let end = nanoseconds(total.max(self.elapsed()) + grace);
        let _end = Stored(&self.0.end, self.0.end.swap(end, Ordering::Relaxed));
        let _hurried = Stored(&self.0.hurried, self.0.hurried.swap(end, Ordering::Relaxed));
        self.over(work)
    }

    fn is_up(&self) -> bool {
        let end = self.0.end.load(Ordering::Relaxed);
        let is_interrupted = self.is_interrupted();
        if end == NEVER && !is_interrupted {
            return false;
        }
        let now = nanoseconds(self.elapsed());
        if is_interrupted {
            let _ = self.0.hurried.compare_exchange(
                NEVER,
                now.saturating_add(nanoseconds(GRACE)),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        now >= end.min(self.0.hurried.load(Ordering::Relaxed))
    }
}

/// Puts an end back, also when work unwinds.
struct Stored<'a>(&'a AtomicU64, u64);

impl Drop for Stored<'_> {
    fn drop(&mut self) {
        self.0.store(self.1, Ordering::Relaxed);
    }
}

/// Puts the limit of a thread back, also when work unwinds.
struct Restored(Option<TimeLimit>);

impl Drop for Restored {
    fn drop(&mut self) {
        HERE.set(self.0.take());
    }
}

/// Ends the work of this thread where its time is up.
pub fn look() {
    let is_up = HERE.with_borrow(|limit| limit.as_ref().is_some_and(TimeLimit::is_up));
    if is_up {
        resume_unwind(Box::new(OutOfTime));
    }
}

/// Does work that may be stopped, where this thread has a limit.
///
/// # Errors
/// [`OutOfTime`] where its time was up.
pub fn in_time<T>(work: impl FnOnce() -> T) -> Result<T, OutOfTime> {
    let done = catch_unwind(AssertUnwindSafe(|| {
        look();
        work()
    }));
    done.map_err(|panic| match panic.downcast::<OutOfTime>() {
        Ok(out_of_time) => *out_of_time,
        Err(panic) => resume_unwind(panic),
    })
}

/// Saves what was found: nothing of it is stopped.
pub fn unhurried<T>(work: impl FnOnce() -> T) -> T {
    let limit = HERE.take();
    let tell = |is_saving| {
        if let Some(limit) = &limit {
            limit.0.is_saving.store(is_saving, Ordering::Relaxed);
        }
    };
    tell(true);
    let done = work();
    tell(false);
    HERE.set(limit);
    done
}

/// Whether somebody asked this thread for an early end.
pub fn is_interrupted() -> bool {
    HERE.with_borrow(|limit| limit.as_ref().is_some_and(TimeLimit::is_interrupted))
}

/// Five centuries at most.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::blocks::{map_blocks, with_pool};

    fn limit(milliseconds: u64) -> TimeLimit {
        TimeLimit::new(
            Some(Duration::from_millis(milliseconds)),
            Arc::new(AtomicBool::new(false)),
        )
    }

    #[test]
    fn work_on_a_pool_ends_when_its_time_is_up_and_what_was_done_stays() {
        let limit = limit(20);
        let rounds = AtomicU64::new(0);
        let done = limit.over(|| {
            with_pool(2, 1, || {
                in_time(|| {
                    loop {
                        map_blocks(4, 1, |_| std::thread::sleep(Duration::from_millis(1)));
                        rounds.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
        });
        let done: Result<(), OutOfTime> = done;
        assert_eq!(done, Err(OutOfTime));
        assert!(rounds.into_inner() > 0);
        assert!(limit.elapsed() < Duration::from_secs(2));
        // Saving has time of its own.
        assert_eq!(
            limit.in_overtime(Duration::from_secs(5), || in_time(look)),
            Ok(())
        );
        assert_eq!(limit.over(|| in_time(look)), Err(OutOfTime));
    }

    #[test]
    fn an_interrupt_leaves_a_grace_and_no_limit_stops_nothing() {
        let interrupt = Arc::new(AtomicBool::new(false));
        let limit = TimeLimit::new(None, Arc::clone(&interrupt));
        assert_eq!(limit.over(|| in_time(look)), Ok(()));
        let soon = Some(Duration::from_nanos(1));
        assert_eq!(limit.until(soon, || in_time(look)), Err(OutOfTime));
        interrupt.store(true, Ordering::Relaxed);
        assert_eq!(limit.over(|| in_time(look)), Ok(()));
        assert!(limit.over(is_interrupted));
        assert!(!is_interrupted());
        look();
    }

    #[test]
    fn a_panic_is_not_taken_for_the_end_of_time() {
        let limit = limit(10_000);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            limit.over(|| in_time(|| resume_unwind(Box::new("a fault"))))
        }));
        let caught: Result<Result<(), OutOfTime>, _> = caught;
        assert!(caught.is_err());
    }
}
