//! Problem files on their way in: read, or refused with everything that is wrong.

use crate::cli::arguments::{Common, Overrides};
use crate::cli::output::{complain, say, tell};
use crate::problem::Override;
use crate::report::shell::quoted;
use crate::study::exit::Exit;
use crate::study::{Registry, Request, Solvers, Study, Unable};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Reads a problem file and prints its warnings, or everything that is wrong with it.
pub(super) fn read(file: &Path, overrides: &Overrides, common: &Common) -> Result<Study, Exit> {
    let mut replaced = Vec::new();
    for text in &overrides.set {
        let Some(value) = Override::parse(text) else {
            complain(format!(
                "`--set {text}` has no `=`; write --set table.key=value or --set name=value"
            ));
            return Err(Exit::BadInput);
        };
        replaced.push(value);
    }
    if let Some(seed) = common.seed {
        replaced.push(Override {
            key: "run.seed".to_owned(),
            value: seed.to_string(),
        });
    }
    let study = Registry::standard().load(file, &replaced);
    let study = study.map_err(|why| refuse(&why, common))?;
    if !common.quiet {
        let colour = common.color.holds(std::io::stderr().is_terminal());
        let loaded = study.loaded();
        for warning in &loaded.warnings {
            tell(&format!("{}\n\n", warning.render(&loaded.source, colour)));
        }
    }
    Ok(study)
}

/// Says why nothing was found.
pub(super) fn refuse(why: &Unable, common: &Common) -> Exit {
    let (Unable::Wrong(report) | Unable::Refused(report)) = why else {
        complain(why);
        return why.exit();
    };
    if common.json {
        for diagnostic in &report.diagnostics {
            say(&format!("{}\n", diagnostic.to_json(&report.source)));
        }
    }
    let colour = common.color.holds(std::io::stderr().is_terminal());
    tell(&report.render(colour));
    why.exit()
}

/// What the command line asks of a run; no id asks for all solvers.
pub(super) fn request<'a>(
    only: &'a [&'a str],
    keep_references: bool,
    common: &Common,
) -> Request<'a> {
    Request {
        solvers: match only {
            [] => Solvers::File,
            ids => Solvers::Only(ids),
        },
        keep_references,
        max_time: common.max_time,
        threads: common.threads,
        block: common.block,
    }
}

/// Files, and the problem files of folders.
pub(super) fn problem_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Exit> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let found = files_of(path).map_err(|error| {
            complain(format!("cannot list {}: {error}", quoted(path)));
            Exit::InputOutput
        })?;
        if found.is_empty() {
            complain(format!("no problem files in {}", quoted(path)));
            return Err(Exit::BadInput);
        }
        files.extend(found);
    }
    Ok(files)
}

/// The `.toml` files of a folder, by name.
fn files_of(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
