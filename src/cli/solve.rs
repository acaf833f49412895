//! The main job: derive, solve, compare, verify, report.

use crate::cli::arguments::{Common, Overrides};
use crate::cli::input::{read, refuse, request};
use crate::cli::output::{complain, say};
use crate::cli::progress::ProgressLines;
use crate::numeric::time_limit::unhurried;
use crate::report::events::EventLog;
use crate::report::place::Place;
use crate::report::run_folder::{WriteError, write_run};
use crate::report::shell::{quoted, word};
use crate::report::terminal::{self, Style};
use crate::study::exit::Exit;
use crate::study::{Findings, Study};
use std::io::IsTerminal;
use std::path::Path;

/// What the command line asked for.
pub struct Solve<'a> {
    pub file: &'a Path,
    pub only: &'a [String],
    pub overrides: &'a Overrides,
    pub keep_references: bool,
    pub common: &'a Common,
}

/// `onsager solve`: everything, and the run folder.
pub fn solve(asked: &Solve<'_>) -> Exit {
    match read(asked.file, asked.overrides, asked.common) {
        Ok(study) => run(asked, &study, "solve"),
        Err(exit) => exit,
    }
}

/// Solves and reports; only `solve` writes the run folder.
pub(super) fn run(asked: &Solve<'_>, study: &Study, verb: &str) -> Exit {
    let common = asked.common;
    let only: Vec<&str> = asked.only.iter().map(String::as_str).collect();
    let request = request(&only, asked.keep_references, common);
    let place = match (verb == "solve").then(|| study.reserve(&request, common.out.as_deref())) {
        Some(Err(why)) => return refuse(&why, common),
        Some(Ok(place)) => Some(place),
        None => None,
    };
    let mut lines = ProgressLines::new(common);
    let found = study.run(&request, &mut |moment| lines.tell(moment));
    let written = match found {
        Ok(found) => unhurried(|| write(&found, asked, verb, place)),
        Err(why) => return refuse(&why, common),
    };
    written.unwrap_or_else(|error| {
        complain(error);
        Exit::InputOutput
    })
}

/// Writes the folder first: what is printed may be read by nobody.
fn write(
    found: &Findings,
    asked: &Solve<'_>,
    verb: &str,
    place: Option<Place>,
) -> Result<Exit, WriteError> {
    let common = asked.common;
    let record = found.record(&command_line(asked, verb), common.strict);
    let events = EventLog::of(&record);
    let written = place.map(|place| write_run(&record, &events, found.parts(), place));
    let folder = written.transpose()?;
    if common.json {
        say(&events.text());
    } else {
        let style = Style::of_terminal(common.color.holds(std::io::stdout().is_terminal()));
        say(&terminal::summary(&record, folder.as_deref(), style));
    }
    Ok(found.exit(common.strict))
}

/// The command that gives this run again.
fn command_line(asked: &Solve<'_>, verb: &str) -> String {
    let mut command = format!("onsager {verb} {}", quoted(asked.file));
    command.push_str(&chosen(asked.overrides, asked.only));
    if let Some(seed) = asked.common.seed {
        command.push_str(&format!(" --seed {seed}"));
    }
    if asked.keep_references {
        command.push_str(" --keep-references");
    }
    command
}

/// The options of a command line that choose values and solvers.
pub(super) fn chosen(overrides: &Overrides, only: &[String]) -> String {
    let sets = overrides
        .set
        .iter()
        .map(|set| format!(" --set {}", word(set)));
    let mut text: String = sets.collect();
    if !only.is_empty() {
        text.push_str(&format!(" --only {}", word(&only.join(","))));
    }
    text
}
