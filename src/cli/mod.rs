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
mod watched;

use crate::problem::text::visible::visible;
use crate::study::exit::Exit;
use arguments::{Arguments, Command};
use bench::Bench;
use clap::Parser;
use output::{say, tell};
use solve::Solve;
use std::process::ExitCode;
use watched::watched;

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
            let text = visible(&error.render().to_string());
            if error.use_stderr() {
                tell(&text);
                return exit.into();
            }
            return watched(None, || {
                say(&text);
                exit
            })
            .into();
        }
    };
    watched(arguments.common.max_time, || obey(&arguments)).into()
}

fn obey(arguments: &Arguments) -> Exit {
    let common = &arguments.common;
    match &arguments.command {
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
    }
}
