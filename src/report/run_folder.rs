//! The folder of a run, written whole or not at all.

use crate::report::events::EventLog;
use crate::report::npz::NpzError;
use crate::report::place::{Place, PlaceError};
use crate::report::record::Record;
use crate::report::{figures, html, json, npz};
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("the arrays could not be written: {0}")]
    Arrays(#[from] NpzError),
    #[error("a result could not be written as JSON: {0}")]
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

/// Writes a run to the place reserved for it, and returns its path.
///
/// # Errors
/// [`WriteError`]; an older run is then left as it was.
pub fn write_run(
    record: &Record,
    events: &EventLog,
    parts: Parts,
    mut place: Place,
) -> Result<PathBuf, WriteError> {
    place.save("problem.toml", record.identity.text.as_bytes())?;
    place.save("resolved.toml", record.identity.resolved.as_bytes())?;
    place.save("derivation.json", json::derivation(record)?.as_bytes())?;
    place.save("result.json", json::result(record)?.as_bytes())?;
    if parts.arrays {
        place.save("arrays.npz", &npz::archive(record)?)?;
    }
    if parts.html {
        let drawings = figures::drawings(record);
        place.save("report.html", html::page(record, &drawings)?.as_bytes())?;
        for drawing in &drawings {
            let name = format!("plots/{}.svg", drawing.name);
            place.save(&name, drawing.sheet.standalone(drawing.name).as_bytes())?;
        }
    }
    if parts.events {
        place.save("events.jsonl", events.text().as_bytes())?;
    }
    Ok(place.publish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::{Identity, NamedArray};
    use std::path::Path;

    fn record(text: &str) -> Record {
        Record {
            identity: Identity {
                name: "ring".into(),
                text: text.into(),
                ..Identity::new("format = 1", "")
            },
            ..Record::default()
        }
    }

    fn written(record: &Record, parent: &Path) -> Result<PathBuf, WriteError> {
        let Identity { digest, .. } = &record.identity;
        let place = Place::reserve(parent, &record.folder_name(), digest)?;
        write_run(record, &EventLog::default(), Parts::ALL, place)
    }

    #[test]
    fn a_run_that_cannot_be_written_leaves_the_older_one() {
        let parent = tempfile::tempdir().expect("temporary folder");
        let folder = written(&record("first"), parent.path()).expect("writable");
        let mut bad = record("second");
        let array = NamedArray::new("a", &[("n", 1)], "", vec![1.0]);
        bad.arrays = vec![array.clone(), array];
        let error = written(&bad, parent.path());
        assert!(matches!(error, Err(WriteError::Arrays(_))));
        let entries = std::fs::read_dir(parent.path()).expect("readable");
        assert_eq!(entries.count(), 1);
        let text = std::fs::read_to_string(folder.join("problem.toml"));
        assert_eq!(text.expect("still there"), "first");
    }
}
