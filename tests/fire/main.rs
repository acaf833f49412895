//! Under fire: kills, closed pipes, full disks, other runs beside it, hostile names, files of somebody else.
//!
//! What needs `strace` or `unshare` is skipped, with a word, where they are missing. Two tools are among the tests, and
//! run for a few seconds unless they are asked for more:
//!
//! ```sh
//! ONSAGER_KILLS=1000 cargo test --release --test fire kills -- --nocapture
//! ONSAGER_FUZZ_SECONDS=1200 cargo test --release --test fire commands -- --nocapture
//! ```

mod around;
mod command;
mod commands;
mod files;
mod kills;
#[path = "../fuzz/mutate.rs"]
mod mutate;
mod streams;
