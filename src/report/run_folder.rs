//! The folder of a run, written whole or not at all.

use crate::report::events::EventLog;
use crate::report::npz::NpzError;
use crate::report::record::Record;
use crate::report::{figures, html, json, npz};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("could not {action} {path}")]
    Files {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Arrays(#[from] NpzError),
    #[error("a result could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Which optional files are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    pub html: bool,
    pub arrays: bool,
    pub events: bool,
}

impl Parts {
    pub const ALL: Self = Self {
        html: true,
        arrays: true,
        events: true,
    };
}

/// Writes the run folder `parent/NAME-HASH` and returns its path; a folder of that name is replaced.
///
/// Files are written to a hidden folder beside it, which is renamed when complete: a reader sees the
/// old run or the new one, never a part.
///
/// # Errors
/// [`WriteError`]; the hidden folder is then removed and an older run is left as it was.
pub fn write_run(
    record: &Record,
    events: &EventLog,
    parts: Parts,
    parent: &Path,
) -> Result<PathBuf, WriteError> {
    write_whole(parent, &record.folder_name(), |folder| {
        write_files(record, events, parts, folder)
    })
}

/// Fills a hidden folder and renames it to `parent/name` when it is complete.
pub(super) fn write_whole(
    parent: &Path,
    name: &str,
    fill: impl FnOnce(&Path) -> Result<(), WriteError>,
) -> Result<PathBuf, WriteError> {
    let target = parent.join(name);
    let unfinished = parent.join(format!(".{name}.{}.unfinished", std::process::id()));
    create(&unfinished)?;
    let written = fill(&unfinished).and_then(|()| replace(&unfinished, &target));
    if written.is_err() {
        // The first error is the one to report.
        let _ = std::fs::remove_dir_all(&unfinished);
    }
    written.map(|()| target)
}

/// Writes one file of a folder.
pub(super) fn save(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
    let path = folder.join(name);
    std::fs::write(&path, bytes).map_err(|source| WriteError::Files {
        action: "write",
        path,
        source,
    })
}

fn write_files(
    record: &Record,
    events: &EventLog,
    parts: Parts,
    folder: &Path,
) -> Result<(), WriteError> {
    let save = |name: &str, bytes: &[u8]| save(folder, name, bytes);
    save("problem.toml", record.identity.text.as_bytes())?;
    save("resolved.toml", record.identity.resolved.as_bytes())?;
    save("derivation.json", json::derivation(record)?.as_bytes())?;
    save("result.json", json::result(record)?.as_bytes())?;
    if parts.arrays {
        save("arrays.npz", &npz::archive(record)?)?;
    }
    if parts.html {
        let drawings = figures::drawings(record);
        save("report.html", html::page(record, &drawings)?.as_bytes())?;
        if !drawings.is_empty() {
            create(&folder.join("plots"))?;
        }
        for drawing in &drawings {
            let name = format!("plots/{}.svg", drawing.name);
            save(&name, drawing.sheet.standalone(drawing.name).as_bytes())?;
        }
    }
    if parts.events {
        save("events.jsonl", events.text().as_bytes())?;
    }
    Ok(())
}

fn create(folder: &Path) -> Result<(), WriteError> {
    std::fs::create_dir_all(folder).map_err(|source| WriteError::Files {
        action: "create",
        path: folder.to_owned(),
        source,
    })
}

/// Renames the finished folder to its name, moving an older run out of the way first.
fn replace(finished: &Path, target: &Path) -> Result<(), WriteError> {
    let failed = |action, path: &Path, source| WriteError::Files {
        action,
        path: path.to_owned(),
        source,
    };
    if !target.exists() {
        return std::fs::rename(finished, target)
            .map_err(|source| failed("rename to", target, source));
    }
    let old = finished.with_extension("old");
    std::fs::rename(target, &old).map_err(|source| failed("replace", target, source))?;
    if let Err(source) = std::fs::rename(finished, target) {
        // Bring the older run back; if that fails too, the error below names the folder.
        let _ = std::fs::rename(&old, target);
        return Err(failed("rename to", target, source));
    }
    std::fs::remove_dir_all(&old).map_err(|source| failed("remove", &old, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::{Identity, NamedArray};

    fn record(text: &str) -> Record {
        Record {
            identity: Identity {
                name: "ring".into(),
                text: text.into(),
                hash: Identity::hash_of("format = 1"),
                ..Identity::default()
            },
            ..Record::default()
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("readable")
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_run_replaces_the_one_before_it_and_leaves_nothing_else() {
        let parent = tempfile::tempdir().expect("temporary folder");
        for text in ["first", "second"] {
            let folder = write_run(
                &record(text),
                &EventLog::default(),
                Parts::ALL,
                parent.path(),
            )
            .expect("writable");
            assert_eq!(
                std::fs::read_to_string(folder.join("problem.toml")).expect("written"),
                text
            );
            assert_eq!(names(parent.path()), [record(text).folder_name()]);
        }
    }

    #[test]
    fn a_run_that_cannot_be_written_leaves_the_older_one() {
        let parent = tempfile::tempdir().expect("temporary folder");
        write_run(
            &record("first"),
            &EventLog::default(),
            Parts::ALL,
            parent.path(),
        )
        .expect("writable");
        let mut bad = record("second");
        let array = NamedArray::new("a", &[("n", 1)], "", vec![1.0]);
        bad.arrays = vec![array.clone(), array];
        let error = write_run(&bad, &EventLog::default(), Parts::ALL, parent.path());
        assert!(matches!(error, Err(WriteError::Arrays(_))));
        assert_eq!(names(parent.path()), [bad.folder_name()]);
        let text =
            std::fs::read_to_string(parent.path().join(bad.folder_name()).join("problem.toml"));
        assert_eq!(text.expect("still there"), "first");
    }
}
