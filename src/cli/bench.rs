//! `bench`: every method that a problem admits, with more and more work, against the truth.

use crate::cli::arguments::{Common, Overrides};
use crate::cli::input::{problem_files, read, refuse, request};
use crate::cli::output::{complain, say};
use crate::cli::progress::ProgressLines;
use crate::cli::solve::chosen;
use crate::numeric::time_limit::unhurried;
use crate::report::bench_folder;
use crate::report::place::Place;
use crate::report::run_folder::WriteError;
use crate::report::shell::quoted;
use crate::report::terminal::Style;
use crate::report::work_precision::{self, BenchRecord, Ended};
use crate::study::exit::Exit;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What the command line asked for.
pub struct Bench<'a> {
    pub paths: &'a [PathBuf],
    pub only: &'a [String],
    /// Rungs of each ladder.
    pub levels: u32,
    pub overrides: &'a Overrides,
    pub common: &'a Common,
}

/// Benchmarks files, and the problem files of folders.
pub fn bench(asked: &Bench<'_>) -> Exit {
    let files = match problem_files(asked.paths) {
        Ok(files) => files,
        Err(exit) => return exit,
    };
    let exits: Vec<Exit> = files.iter().map(|file| bench_file(asked, file)).collect();
    Exit::worst(exits)
}

fn bench_file(asked: &Bench<'_>, file: &Path) -> Exit {
    let common = asked.common;
    let study = match read(file, asked.overrides, common) {
        Ok(study) => study,
        Err(exit) => return exit,
    };
    let only: Vec<&str> = asked.only.iter().map(String::as_str).collect();
    let (levels, chosen) = (asked.levels, chosen(asked.overrides, asked.only));
    let command = format!("onsager bench {} --levels {levels}{chosen}", quoted(file));
    let request = request(&only, false, common);
    let place = match study.reserve_bench(&request, levels, common.out.as_deref()) {
        Ok(place) => place,
        Err(why) => return refuse(&why, common),
    };
    let mut lines = ProgressLines::new(common);
    let record = study.bench(&request, levels, &command, &mut |moment| lines.tell(moment));
    match record.map(|record| unhurried(|| write(&record, place, common))) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            complain(error);
            Exit::InputOutput
        }
        Err(why) => refuse(&why, common),
    }
}

fn write(record: &BenchRecord, place: Place, common: &Common) -> Result<Exit, WriteError> {
    let lines = work_precision::lines(record);
    let folder = bench_folder::write(record, &lines, place)?;
    if common.json {
        say(&lines);
    } else {
        let style = Style::of_terminal(common.color.holds(std::io::stdout().is_terminal()));
        say(&work_precision::summary(record, &folder, style));
    }
    Ok(match record.ended {
        Ended::Whole => Exit::Solved,
        Ended::OutOfTime => Exit::TimeLimit,
        Ended::Interrupted => Exit::Interrupted,
    })
}
