//! The `onsager` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    onsager::cli::run(std::env::args_os())
}
