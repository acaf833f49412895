//! Which files a problem may read.

use std::path::{Component, Path, PathBuf};
use thiserror::Error;

/// The folder of a problem file and the folder its tables must stay in: the nearest enclosing folder
/// named `problems`, or the file's own folder when there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFolder {
    base: PathBuf,
    root: PathBuf,
}

/// A path that leaves the allowed folder.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum FolderError {
    #[error("the path `{path}` is absolute; tables are named relative to the problem file")]
    Absolute { path: String },
    #[error("the path `{path}` leaves the folder `{root}` the problem may read from")]
    Outside { path: String, root: String },
}

impl FolderError {
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::Absolute { .. } => "copy the table beside the problem file".to_owned(),
            Self::Outside { .. } => {
                "copy the table there, or keep problem and table below a folder named `problems`"
                    .to_owned()
            }
        }
    }
}

impl DataFolder {
    /// The rule for a problem file in `base`.
    pub(crate) fn new(base: &Path) -> Self {
        let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
        let base = normalise(&base);
        let root = base
            .ancestors()
            .find(|folder| folder.file_name().is_some_and(|name| name == "problems"))
            .unwrap_or(&base)
            .to_owned();
        Self { base, root }
    }

    /// The file behind a path in the problem file.
    pub(crate) fn resolve(&self, path: &str) -> Result<PathBuf, FolderError> {
        if Path::new(path).is_absolute() {
            return Err(FolderError::Absolute {
                path: path.to_owned(),
            });
        }
        let full = normalise(&self.base.join(path));
        if full.starts_with(&self.root) {
            return Ok(full);
        }
        let root = self.root.file_name().unwrap_or(self.root.as_os_str());
        Err(FolderError::Outside {
            path: path.to_owned(),
            root: root.to_string_lossy().into_owned(),
        })
    }
}

/// Resolves `.` and `..` by name, without asking the file system.
fn normalise(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_below_problems_is_allowed_and_the_outside_is_not() {
        let folder = DataFolder::new(Path::new("/home/a/problems/reverse"));
        assert_eq!(
            folder.resolve("../data/x.csv"),
            Ok(PathBuf::from("/home/a/problems/data/x.csv"))
        );
        assert!(matches!(
            folder.resolve("../../secret.csv"),
            Err(FolderError::Outside { .. })
        ));
        assert!(matches!(
            folder.resolve("/etc/passwd"),
            Err(FolderError::Absolute { .. })
        ));
    }

    #[test]
    fn elsewhere_only_the_own_folder_is_allowed() {
        let folder = DataFolder::new(Path::new("/home/a/work"));
        assert!(folder.resolve("data/x.csv").is_ok());
        assert!(folder.resolve("../x.csv").is_err());
    }
}
