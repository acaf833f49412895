//! Which files a problem may read.

use std::io::Read;
use std::path::{Component, Path, PathBuf};
use thiserror::Error;

/// The folder of a problem file and the folder its tables must stay in: the nearest enclosing folder
/// named `problems`, or the file's own folder when there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFolder {
    base: PathBuf,
    root: PathBuf,
}

/// Largest table that is read. Its numbers take up to ten times as much memory.
const MOST_BYTES: u64 = 64 << 20;

/// A file that is not read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum FolderError {
    #[error("cannot read the table `{path}`: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("the table `{path}` has {bytes} bytes, more than the {MOST_BYTES} that are read")]
    TooLarge { path: String, bytes: u64 },
    #[error("the path `{path}` is absolute; tables are named relative to the problem file")]
    Absolute { path: String },
    #[error("the path `{path}` leaves the folder `{root}` the problem may read from")]
    Outside { path: String, root: String },
}

impl FolderError {
    /// The diagnostic code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "E602",
            Self::TooLarge { .. } => "E610",
            Self::Absolute { .. } | Self::Outside { .. } => "E603",
        }
    }

    pub(crate) fn advice(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "the path is relative to the folder of the problem file".to_owned()
            }
            Self::TooLarge { .. } => "leave out rows and columns that are not needed".to_owned(),
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

    /// The bytes of a file in the folder: a regular one that is really there, not elsewhere behind a link.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, FolderError> {
        let full = self.resolve(path)?;
        let unreadable = |reason: String| FolderError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        let failed = |error: std::io::Error| {
            unreadable(match error.kind() {
                std::io::ErrorKind::NotFound => "no such file".to_owned(),
                // Without the number that the system gives it.
                kind => kind.to_string(),
            })
        };
        let real = full.canonicalize().map_err(failed)?;
        let root = self.root.canonicalize().map_err(failed)?;
        if !real.starts_with(root) {
            return Err(self.outside(path));
        }
        let found = std::fs::metadata(&real).map_err(failed)?;
        if !found.is_file() {
            return Err(unreadable("it is not a regular file".to_owned()));
        }
        let too_large = |bytes| FolderError::TooLarge {
            path: path.to_owned(),
            bytes,
        };
        if found.len() > MOST_BYTES {
            return Err(too_large(found.len()));
        }
        let mut bytes = Vec::with_capacity(found.len() as usize);
        let file = std::fs::File::open(&real).map_err(failed)?;
        // It may have grown, or its length may be a lie.
        file.take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        match bytes.len() as u64 {
            length if length > MOST_BYTES => Err(too_large(length)),
            _ => Ok(bytes),
        }
    }

    /// The file behind a path in the problem file, by name.
    fn resolve(&self, path: &str) -> Result<PathBuf, FolderError> {
        if Path::new(path).is_absolute() {
            return Err(FolderError::Absolute {
                path: path.to_owned(),
            });
        }
        let full = normalise(&self.base.join(path));
        if full.starts_with(&self.root) {
            return Ok(full);
        }
        Err(self.outside(path))
    }

    fn outside(&self, path: &str) -> FolderError {
        let root = self.root.file_name().unwrap_or(self.root.as_os_str());
        FolderError::Outside {
            path: path.to_owned(),
            root: root.to_string_lossy().into_owned(),
        }
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

    #[cfg(unix)]
    #[test]
    fn only_regular_files_that_are_really_there_are_read() {
        use std::os::unix::fs::symlink;
        let place = tempfile::tempdir().expect("a folder");
        let inside = place.path().join("inside");
        std::fs::create_dir(&inside).expect("writable");
        std::fs::write(inside.join("good.csv"), "a\n1\n").expect("writable");
        std::fs::write(place.path().join("secret.csv"), "a\n1\n").expect("writable");
        symlink("good.csv", inside.join("link.csv")).expect("writable");
        symlink("/dev/zero", inside.join("zero.csv")).expect("writable");
        symlink("../secret.csv", inside.join("out.csv")).expect("writable");
        std::os::unix::net::UnixListener::bind(inside.join("socket.csv")).expect("writable");
        let sparse = std::fs::File::create(inside.join("large.csv")).expect("writable");
        sparse.set_len(1 << 40).expect("writable");
        let folder = DataFolder::new(&inside);
        assert_eq!(folder.read("good.csv"), Ok(b"a\n1\n".to_vec()));
        assert!(folder.read("link.csv").is_ok());
        let refused = |path: &str| folder.read(path).expect_err(path).code();
        for (path, code) in [
            ("zero.csv", "E603"),
            ("out.csv", "E603"),
            ("socket.csv", "E602"),
            (".", "E602"),
            ("none.csv", "E602"),
            ("large.csv", "E610"),
        ] {
            assert_eq!(refused(path), code, "{path}");
        }
    }
}
