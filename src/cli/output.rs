//! Text on standard output that may be long.

use std::io::Write;

/// Writes to standard output. A reader that has seen enough, such as a pager, ends the text and is no error.
pub fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
