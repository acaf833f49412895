//! The place of a folder that is written whole or not at all.
//!
//! A place is reserved before the work begins, as a hidden folder beside the one it will become, which shows that it can
//! be written. What replaces an older folder is exchanged with it in one step: a reader sees the old one or the new one,
//! never a part and never nothing.
//!
//! Only what bears our mark and the same identity is replaced, and only files named in the mark are ever removed: notes
//! that somebody put into a run stay in it. The mark is locked while its folder is written, so that the rest of a killed
//! run can be told from the work of a living one; [`Place::reserve`] clears such rests.

use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};

/// The file that says whose a folder is.
const MARK: &str = ".onsager";
/// End of the names of folders that are not finished.
const HIDDEN: &str = "onsager";
/// Longest mark that is read.
const LONGEST_MARK: u64 = 1 << 20;
/// Random names that are tried, and exchanges with folders that come and go.
const TRIES: usize = 100;

#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("could not {action} {}: {source}", path.display())]
    Files {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "{} exists and is not a run of this problem with these options; move it away, or write elsewhere with --out DIR",
        path.display()
    )]
    Foreign { path: PathBuf },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PlaceError {
    let path = path.to_owned();
    move |source| PlaceError::Files {
        action,
        path,
        source,
    }
}

/// What the mark of a folder says.
#[derive(Serialize, Deserialize)]
struct Mark {
    /// Hash of everything that decides what is in it.
    identity: String,
    /// The files that were written, once all are.
    files: Option<Vec<PathBuf>>,
}

impl Mark {
    fn of(folder: &Path) -> Option<Self> {
        let is_folder = std::fs::symlink_metadata(folder).ok()?.is_dir();
        let path = folder.join(MARK);
        let is_file = std::fs::symlink_metadata(&path).ok()?.is_file();
        if !(is_folder && is_file) {
            return None;
        }
        let mut text = String::new();
        let file = File::open(path).ok()?;
        file.take(LONGEST_MARK).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn is_finished(&self) -> bool {
        self.files.is_some()
    }
}

/// Whether a folder is a finished one of ours.
pub fn is_ours(folder: &Path) -> bool {
    Mark::of(folder).is_some_and(|mark| mark.is_finished())
}

/// Whether a name is that of an unfinished folder.
pub fn is_hidden_name(name: &str) -> bool {
    target_of(name).is_some()
}

/// A reserved place; dropped before it is published, it leaves nothing behind.
#[derive(Debug)]
pub struct Place {
    target: PathBuf,
    hidden: PathBuf,
    identity: String,
    /// Open and locked while the folder is written.
    mark: File,
    files: Vec<PathBuf>,
    /// The parent, where it was made for this place.
    made: Option<PathBuf>,
    is_published: bool,
}

impl Place {
    /// Reserves `parent/name` for a folder of this identity, and clears what killed runs left in `parent`.
    ///
    /// # Errors
    /// [`PlaceError`]: the parent cannot be written, or something else has that name.
    pub fn reserve(parent: &Path, name: &str, identity: &str) -> Result<Self, PlaceError> {
        let made = (!parent.exists()).then(|| parent.to_owned());
        std::fs::create_dir_all(parent).map_err(failed("create", parent))?;
        clear_rests(parent);
        let target = parent.join(name);
        if is_there(&target) && !is_same(&target, identity) {
            return Err(PlaceError::Foreign { path: target });
        }
        let (hidden, mark) = hidden_folder(&target)?;
        let mut place = Self {
            target,
            hidden,
            identity: identity.to_owned(),
            mark,
            files: Vec::new(),
            made,
            is_published: false,
        };
        place.sign(false)?;
        Ok(place)
    }

    /// Writes one new file, in a folder of its own where its name has one.
    ///
    /// # Errors
    /// [`PlaceError::Files`].
    pub fn save(&mut self, name: &str, bytes: &[u8]) -> Result<(), PlaceError> {
        let path = self.hidden.join(name);
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            std::fs::create_dir(folder).map_err(failed("create", folder))?;
        }
        // Before it is there: what is left of it is ours to remove.
        self.files.push(PathBuf::from(name));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(failed("write", &self.target.join(name)))
    }

    /// Puts the folder in its place, instead of an older one of the same identity, whose other files it takes over.
    ///
    /// # Errors
    /// [`PlaceError`]; an older folder is then left as it was.
    pub fn publish(mut self) -> Result<PathBuf, PlaceError> {
        self.sign(true)?;
        for folder in self.files.iter().filter_map(|file| file.parent()) {
            sync(&self.hidden.join(folder));
        }
        sync(&self.hidden);
        for _ in 0..TRIES {
            match put(&self.hidden, &self.target) {
                Ok(()) => {}
                Err(error) if is_taken(&error) => {
                    if !self.exchange()? {
                        continue;
                    }
                }
                Err(error) => return Err(failed("rename to", &self.target)(error)),
            }
            self.is_published = true;
            sync(self.target.parent().unwrap_or(Path::new(".")));
            if is_there(&self.hidden) {
                clear(&self.hidden, &self.target);
            }
            return Ok(self.target.clone());
        }
        Err(PlaceError::Foreign {
            path: self.target.clone(),
        })
    }

    /// Exchanges it with an older one; false where that went away meanwhile.
    fn exchange(&self) -> Result<bool, PlaceError> {
        if !is_same(&self.target, &self.identity) {
            return match is_there(&self.target) {
                true => Err(PlaceError::Foreign {
                    path: self.target.clone(),
                }),
                false => Ok(false),
            };
        }
        match swap(&self.hidden, &self.target) {
            Ok(()) if is_same(&self.hidden, &self.identity) => Ok(true),
            // Somebody put something else there between the look and the exchange.
            Ok(()) => {
                swap(&self.hidden, &self.target).map_err(failed("give back", &self.target))?;
                Err(PlaceError::Foreign {
                    path: self.target.clone(),
                })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("replace", &self.target)(error)),
        }
    }

    /// Writes the mark.
    fn sign(&mut self, is_finished: bool) -> Result<(), PlaceError> {
        let mark = Mark {
            identity: self.identity.clone(),
            files: is_finished.then(|| self.files.clone()),
        };
        let text = serde_json::to_vec(&mark).map_err(std::io::Error::from);
        let written = text.and_then(|text| {
            self.mark.set_len(0)?;
            self.mark.seek(SeekFrom::Start(0))?;
            self.mark.write_all(&text)?;
            self.mark.sync_all()
        });
        written.map_err(failed("write", &self.hidden.join(MARK)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_published {
            return;
        }
        remove_files(&self.hidden, &self.files);
        if let Some(parent) = &self.made {
            // Kept where somebody else uses it by now.
            let _ = std::fs::remove_dir(parent);
        }
    }
}

fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Whether a folder is a finished one of ours with this identity.
fn is_same(folder: &Path, identity: &str) -> bool {
    Mark::of(folder).is_some_and(|mark| mark.is_finished() && mark.identity == identity)
}

/// A new hidden folder beside the target, with its mark open and locked.
fn hidden_folder(target: &Path) -> Result<(PathBuf, File), PlaceError> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    for _ in 0..TRIES {
        let random: u64 = rand::random();
        let hidden = target.with_file_name(format!(".{name}.{random:016x}.{HIDDEN}"));
        match std::fs::create_dir(&hidden) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(failed("create", &hidden)(error)),
        }
        let path = hidden.join(MARK);
        let mark = OpenOptions::new().write(true).create_new(true).open(&path);
        let locked = mark.and_then(|mark| {
            mark.try_lock().map_err(std::io::Error::from)?;
            Ok(mark)
        });
        match locked {
            Ok(mark) if is_there(&path) => return Ok((hidden, mark)),
            // Somebody took the empty folder for the rest of a killed run.
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::WouldBlock) => {}
            Err(error) => {
                let _ = std::fs::remove_dir(&hidden);
                return Err(failed("write", &path)(error));
            }
        }
    }
    Err(failed("create a folder beside", target)(
        ErrorKind::AlreadyExists.into(),
    ))
}

/// The name of the folder that a hidden one was to become.
fn target_of(hidden: &str) -> Option<&str> {
    let name = hidden.strip_prefix('.')?.strip_suffix(HIDDEN)?;
    let (target, random) = name.strip_suffix('.')?.rsplit_once('.')?;
    let is_random = random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit());
    (is_random && !target.is_empty()).then_some(target)
}

/// Clears what killed runs left in a folder. What cannot be cleared is left.
fn clear_rests(parent: &Path) {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some(target) = name.to_str().and_then(target_of) else {
            continue;
        };
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let mark = OpenOptions::new().write(true).open(entry.path().join(MARK));
        match mark {
            // The lock ends with this look: nobody else writes there any more.
            Ok(mark) if mark.try_lock().is_ok() => clear(&entry.path(), &parent.join(target)),
            Ok(_) => {}
            // Killed before it was signed: empty.
            Err(_) => {
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }
}

/// Removes the files of a hidden folder that are ours; others go where the folder was to be.
fn clear(hidden: &Path, target: &Path) {
    let files = Mark::of(hidden).and_then(|mark| mark.files);
    match files {
        None => remove_files(hidden, &known_files(hidden)),
        // Killed between two renames, where the system has no exchange.
        Some(_) if !is_there(target) => {
            let _ = put(hidden, target);
        }
        Some(files) => {
            give_back(hidden, target, &files);
            remove_files(hidden, &files);
        }
    }
}

/// Moves what we did not write from an older folder to the newer one.
fn give_back(old: &Path, new: &Path, files: &[PathBuf]) {
    let is_own = |name: &Path| name == Path::new(MARK) || files.iter().any(|file| file == name);
    for entry in entries(old) {
        let Some(name) = entry.file_name().map(PathBuf::from) else {
            continue;
        };
        if is_own(&name) {
            continue;
        }
        let is_ours = files.iter().any(|file| file.starts_with(&name));
        if is_ours && is_real_folder(&entry) {
            for inner in entries(&entry) {
                if let Ok(path) = inner.strip_prefix(old)
                    && !is_own(path)
                {
                    let _ = std::fs::create_dir(new.join(&name));
                    let _ = put(&inner, &new.join(path));
                }
            }
        } else {
            let _ = put(&entry, &new.join(&name));
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn is_real_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// Files that may stand in an unfinished folder: text, numbers and pictures, and folders of them.
fn known_files(hidden: &Path) -> Vec<PathBuf> {
    let is_known = |path: &Path| {
        let ends = ["toml", "json", "jsonl", "npz", "html", "svg"];
        let end = path.extension().and_then(|end| end.to_str());
        end.is_some_and(|end| ends.contains(&end))
    };
    let inside = entries(hidden).into_iter().flat_map(|entry| {
        if is_real_folder(&entry) {
            entries(&entry)
        } else {
            vec![entry]
        }
    });
    let own = inside.filter(|path| is_known(path));
    own.filter_map(|path| Some(path.strip_prefix(hidden).ok()?.to_owned()))
        .collect()
}

/// Removes these files, the mark last, and the folders that are empty then.
fn remove_files(folder: &Path, files: &[PathBuf]) {
    let is_inside = |file: &&PathBuf| {
        file.components()
            .all(|part| matches!(part, Component::Normal(_)))
    };
    let mut folders: Vec<PathBuf> = Vec::new();
    for file in files.iter().filter(is_inside) {
        let path = folder.join(file);
        let Some(inner) = path.parent().filter(|inner| is_real_folder(inner)) else {
            continue;
        };
        let _ = std::fs::remove_file(&path);
        if inner != folder && !folders.iter().any(|known| known == inner) {
            folders.push(inner.to_owned());
        }
    }
    for inner in folders {
        let _ = std::fs::remove_dir(inner);
    }
    if entries(folder).iter().all(|entry| entry.ends_with(MARK)) {
        let _ = std::fs::remove_file(folder.join(MARK));
        let _ = std::fs::remove_dir(folder);
    }
}

/// Asks the system to keep a folder over a loss of power; some file systems do not know how.
fn sync(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

fn is_taken(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty
    )
}

/// Renames where nothing has that name yet.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn put(from: &Path, to: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(error) if is_unknown(error) => put_plainly(from, to),
        done => done.map_err(Into::into),
    }
}

/// Exchanges two folders in one step.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn swap(new: &Path, old: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Err(error) if is_unknown(error) => swap_plainly(new, old),
        done => done.map_err(Into::into),
    }
}

/// Whether the file system has no such rename.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn is_unknown(error: rustix::io::Errno) -> bool {
    use rustix::io::Errno;
    [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP].contains(&error)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
use {put_plainly as put, swap_plainly as swap};

fn put_plainly(from: &Path, to: &Path) -> std::io::Result<()> {
    if is_there(to) {
        return Err(ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}

/// Two renames and a third: whoever is killed between them leaves the older folder hidden, and the next run brings it back.
fn swap_plainly(new: &Path, old: &Path) -> std::io::Result<()> {
    let name = old.file_name().unwrap_or_default().to_string_lossy();
    let random: u64 = rand::random();
    let aside = old.with_file_name(format!(".{name}.{random:016x}.{HIDDEN}"));
    std::fs::rename(old, &aside)?;
    let done = std::fs::rename(new, old);
    // Back to its name, or to where the new one was.
    std::fs::rename(&aside, if done.is_ok() { new } else { old })?;
    done
}

#[cfg(test)]
mod tests;
