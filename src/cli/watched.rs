//! A command under watch: its time, its interrupts, its faults.

use crate::cli::output::{complain, failure, tell};
use crate::numeric::time_limit::{OutOfTime, TimeLimit, in_time};
use crate::study::exit::Exit;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A command may take so long beyond its limit before it is ended from outside, whatever it does.
const OVERTIME: Duration = Duration::from_millis(950);
/// Time between two looks of the watch.
const INTERVAL: Duration = Duration::from_millis(20);

/// Runs a command: it ends with its time, an interrupt ends it early with what is whole, a second one at once, and a
/// fault of the program is a message and a code of its own.
pub fn watched(limit: Option<Duration>, command: impl FnOnce() -> Exit) -> Exit {
    let interrupt = Arc::new(AtomicBool::new(false));
    hear(&interrupt);
    let limit = TimeLimit::new(limit, Arc::clone(&interrupt));
    let is_done = Arc::new(AtomicBool::new(false));
    watch(limit.clone(), Arc::clone(&is_done));
    set_hook(Box::new(|fault| {
        let place = fault
            .location()
            .map_or(String::new(), |at| format!(" ({at})"));
        let message = fault.payload_as_str().unwrap_or("no message");
        tell(&format!("error: the program is wrong{place}: {message}\n"));
    }));
    let ran = catch_unwind(AssertUnwindSafe(|| limit.over(|| in_time(command))));
    is_done.store(true, Ordering::Relaxed);
    let exit = match ran {
        Ok(Ok(exit)) => exit,
        Ok(Err(OutOfTime)) if limit.is_interrupted() => {
            complain("interrupted before anything was found");
            Exit::Interrupted
        }
        Ok(Err(OutOfTime)) => {
            complain("the time was up before anything was found");
            Exit::TimeLimit
        }
        Err(_) => {
            tell("nothing was written; please report this with the problem file and the command\n");
            Exit::Internal
        }
    };
    match failure() {
        Some(error) => {
            complain(format!("could not write to standard output: {error}"));
            Exit::worst([exit, Exit::InputOutput])
        }
        None => exit,
    }
}

/// The first Ctrl-C (or request to end) asks for an early end, the second one ends the process.
fn hear(interrupt: &Arc<AtomicBool>) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM] {
        let code = i32::from(Exit::Interrupted.code());
        let second = Arc::clone(interrupt);
        // Where signals cannot be heard they end the process, as they would anyway.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, code, second);
        let _ = signal_hook::flag::register(signal, Arc::clone(interrupt));
    }
}

/// Says that an interrupt was heard, and ends a command that does not end itself.
fn watch(limit: TimeLimit, is_done: Arc<AtomicBool>) {
    let look = move || {
        let mut was_told = false;
        while !is_done.load(Ordering::Relaxed) {
            if limit.is_interrupted() && !was_told {
                was_told = true;
                tell("interrupted: saving what is whole; once more to end at once\n");
            }
            let is_over = |total| limit.elapsed() > total + OVERTIME;
            if limit.total().is_some_and(is_over) && !limit.is_saving() {
                complain("the time was up, and what was under way could not be stopped");
                std::process::exit(i32::from(Exit::TimeLimit.code()));
            }
            std::thread::sleep(INTERVAL);
        }
    };
    // Without it the command still looks at its time itself.
    let _ = std::thread::Builder::new().name("watch".into()).spawn(look);
}
