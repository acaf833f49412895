//! The folder of a benchmark, written whole or not at all.

use crate::report::html::work_precision::page;
use crate::report::place::Place;
use crate::report::run_folder::WriteError;
use crate::report::work_precision::BenchRecord;
use std::path::PathBuf;

/// Writes `problem.toml`, `bench.jsonl` and `report.html` to the place reserved for them.
///
/// # Errors
/// [`WriteError`]; an older folder is then left as it was.
pub fn write(record: &BenchRecord, lines: &str, mut place: Place) -> Result<PathBuf, WriteError> {
    place.save("problem.toml", record.identity.text.as_bytes())?;
    place.save("bench.jsonl", lines.as_bytes())?;
    place.save("report.html", page(record).as_bytes())?;
    Ok(place.publish()?)
}
