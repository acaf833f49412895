//! Asking for it: the command line. It contains no mathematics and no result the library cannot give.

mod arguments;
mod bench;
mod check;
mod derive;
mod explain;
mod input;
mod output;
mod progress;
mod schema;
mod solve;
mod verify;

use crate::study::exit::Exit;
use arguments::{Arguments, Command};
use bench::Bench;
use clap::Parser;
use solve::Solve;
use std::process::ExitCode;

/// Runs one command line.
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are asked for and end well; the rest is a wrong command line.
            let exit = if error.use_stderr() {
                Exit::BadInput
            } else {
                Exit::Solved
            };
            // Nothing can be done about a closed terminal.
            let _ = error.print();
            return exit.into();
        }
    };
    let common = &arguments.common;
    let exit = match &arguments.command {
        Command::Check {
            files,
            resolved,
            overrides,
        } => check::check(files, *resolved, overrides, common),
        Command::Derive {
            file,
            only,
            format,
            overrides,
        } => derive::derive(file, only, *format, overrides, common),
        Command::Solve {
            file,
            only,
            overrides,
            keep_references,
        } => solve::solve(&Solve {
            file,
            only,
            overrides,
            keep_references: *keep_references,
            common,
        }),
        Command::Verify { file, overrides } => verify::verify(file, overrides, common),
        Command::Bench {
            paths,
            only,
            levels,
            overrides,
        } => bench::bench(&Bench {
            paths,
            only,
            levels: *levels,
            overrides,
            common,
        }),
        Command::List { what } => explain::list(what),
        Command::Explain { name } => explain::explain(name),
        Command::Schema { table } => schema::schema(table.as_deref(), common),
    };
    exit.into()
}
