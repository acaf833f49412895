//! Asking for it: the command line. It contains no mathematics and no result the library cannot give.

mod arguments;
mod bench;
mod check;
mod control_figures;
mod control_record;
mod derive;
mod examples;
mod exit;
mod explain;
mod figures;
mod output;
mod progress;
mod record;
mod schema;
mod session;
mod solve;
mod solve_control;
mod solve_reverse;
mod solve_simulate;
mod verify;

use crate::cli::output::say;
use crate::derivation::claim::identity::read_identities;
use crate::derivation::definedness::undefined;
use crate::derivation::expectation::unmet;
use crate::derivation::{self, Derivation};
use crate::problem::diagnostic::Report;
use crate::problem::{Loaded, Override, load};
use arguments::{Arguments, Command, Common, Overrides};
use bench::BenchRequest;
use clap::Parser;
use exit::Exit;
use session::Request;
use std::io::IsTerminal;
use std::path::Path;
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
        } => solve::solve(&Request {
            file,
            only,
            overrides,
            keep_references: *keep_references,
            common,
            identities_only: false,
        }),
        Command::Verify { file, overrides } => verify::verify(file, overrides, common),
        Command::Bench {
            paths,
            only,
            levels,
            overrides,
        } => bench::bench(&BenchRequest {
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

/// Loads a problem and prints its warnings, or everything that is wrong with it.
fn load_problem(file: &Path, overrides: &Overrides, common: &Common) -> Result<Loaded, Exit> {
    let colour = common.color.holds(std::io::stderr().is_terminal());
    let mut replaced = Vec::new();
    for text in &overrides.set {
        match Override::parse(text) {
            Some(value) => replaced.push(value),
            None => {
                eprintln!(
                    "error: `--set {text}` has no `=`; write --set table.key=value or --set name=value"
                );
                return Err(Exit::BadInput);
            }
        }
    }
    if let Some(seed) = common.seed {
        replaced.push(Override {
            key: "run.seed".to_owned(),
            value: seed.to_string(),
        });
    }
    match load(file, &replaced) {
        Ok(loaded) => {
            if !common.quiet {
                for warning in &loaded.warnings {
                    eprintln!("{}\n", warning.render(&loaded.source, colour));
                }
            }
            Ok(loaded)
        }
        Err(report) => Err(refuse(&report, common)),
    }
}

/// Derives a loaded problem, unless it lacks a structure its file expects or states an identity that cannot be
/// read.
fn derive_problem(loaded: &Loaded, common: &Common) -> Result<Derivation, Exit> {
    let stated = derivation::dispatch::stated(&loaded.problem);
    let undefined = undefined(&loaded.problem, &stated);
    if !undefined.is_empty() {
        return Err(refuse(
            &Report::new(loaded.source.clone(), undefined),
            common,
        ));
    }
    let derivation = derivation::derive(&loaded.problem).map_err(|error| {
        eprintln!("error: {error}");
        Exit::BadInput
    })?;
    let mut wrong = unmet(&loaded.problem.expect, &derivation.structure);
    if let Err(misread) = read_identities(&loaded.problem, &loaded.source) {
        wrong.extend(misread);
    }
    if wrong.is_empty() {
        Ok(derivation)
    } else {
        Err(refuse(&Report::new(loaded.source.clone(), wrong), common))
    }
}

/// Says everything that is wrong with a file.
fn refuse(report: &Report, common: &Common) -> Exit {
    if common.json {
        for diagnostic in &report.diagnostics {
            say(&format!("{}\n", diagnostic.to_json(&report.source)));
        }
    }
    let colour = common.color.holds(std::io::stderr().is_terminal());
    eprint!("{}", report.render(colour));
    if report.exit_code() == Exit::InputOutput.code() {
        Exit::InputOutput
    } else {
        Exit::BadInput
    }
}
