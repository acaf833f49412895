//! Text on its way out. Nothing here panics, whatever becomes of the streams.

use crate::problem::text::visible::visible;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

/// Why standard output took no more.
static STOPPED: OnceLock<std::io::Error> = OnceLock::new();

/// Writes to standard output. A reader that has seen enough, such as a pager, ends the text and is no error; any other
/// failure is told at the end of the command, by [`failure`].
pub fn say(text: &str) {
    if STOPPED.get().is_some() {
        return;
    }
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Only the first counts, and it is the one that is kept.
        let _ = STOPPED.set(error);
    }
}

/// Why not everything that was asked for could be written.
pub fn failure() -> Option<&'static std::io::Error> {
    STOPPED
        .get()
        .filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// Writes to standard error, where anybody reads it.
pub fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Says on standard error what went wrong.
pub fn complain(what: impl std::fmt::Display) {
    tell(&visible(&format!("error: {what}\n")));
}
