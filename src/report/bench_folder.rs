//! The folder of a benchmark, written whole or not at all.

use crate::report::html::work_precision::page;
use crate::report::record::Identity;
use crate::report::run_folder::{WriteError, save, write_whole};
use crate::report::work_precision::BenchRecord;
use std::path::{Path, PathBuf};

/// Writes `parent/NAME-HASH-bench` whole or not at all: `problem.toml`, `bench.jsonl`, `report.html`.
///
/// # Errors
/// [`WriteError`]; an older folder is then left as it was.
pub fn write(record: &BenchRecord, lines: &str, parent: &Path) -> Result<PathBuf, WriteError> {
    let Identity { name, hash, .. } = &record.identity;
    write_whole(parent, &format!("{name}-{hash}-bench"), |folder| {
        save(folder, "problem.toml", record.identity.text.as_bytes())?;
        save(folder, "bench.jsonl", lines.as_bytes())?;
        save(folder, "report.html", page(record).as_bytes())
    })
}
