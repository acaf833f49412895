//! Problem files on their way in: loaded, derived, or refused with everything that is wrong.

use crate::cli::arguments::{Common, Overrides};
use crate::cli::exit::Exit;
use crate::cli::output::say;
use crate::derivation::claim::identity::read_identities;
use crate::derivation::ground::definedness::undefined;
use crate::derivation::kind::dispatch::stated;
use crate::derivation::kind::expectation::unmet;
use crate::derivation::{Derivation, derive};
use crate::problem::text::diagnostic::Report;
use crate::problem::{Loaded, Override, load};
use crate::verification::vocabulary::standard;
use std::io::IsTerminal;
use std::path::Path;

/// Loads a problem and prints its warnings, or everything that is wrong with it.
pub(super) fn load_problem(
    file: &Path,
    overrides: &Overrides,
    common: &Common,
) -> Result<Loaded, Exit> {
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
    match load(file, &replaced, &standard()) {
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
pub(super) fn derive_problem(loaded: &Loaded, common: &Common) -> Result<Derivation, Exit> {
    let stated = stated(&loaded.problem);
    let undefined = undefined(&loaded.problem, &stated);
    if !undefined.is_empty() {
        return Err(refuse(
            &Report::new(loaded.source.clone(), undefined),
            common,
        ));
    }
    let derivation = derive(&loaded.problem).map_err(|error| {
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
pub(super) fn refuse(report: &Report, common: &Common) -> Exit {
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
