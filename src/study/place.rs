//! Where a run is written, and by what it is known.

use crate::problem::Loaded;
use crate::report::place::{Place, is_hidden_name, is_ours};
use crate::report::record::Identity;
use crate::report::shell::quoted;
use crate::study::posed::{Study, Unable};
use crate::study::request::Request;
use std::path::{Component, Path, PathBuf};

/// The key that names the folder of runs.
const KEY: &str = "output.dir";

impl Study {
    /// Reserves the folder of a run: `NAME-HASH` below `parent`, or below the folder that the file names.
    ///
    /// # Errors
    /// [`Unable`] where the file names a folder that it may not write to, or nothing can be written there.
    pub fn reserve(&self, request: &Request<'_>, parent: Option<&Path>) -> Result<Place, Unable> {
        let identity = self.identity(&self.loaded, &request.options());
        self.place(&identity.folder_name(), &identity, parent)
    }

    /// The same for a benchmark with so many amounts of work.
    ///
    /// # Errors
    /// As [`Study::reserve`].
    pub fn reserve_bench(
        &self,
        request: &Request<'_>,
        levels: u32,
        parent: Option<&Path>,
    ) -> Result<Place, Unable> {
        let identity = self.identity(&self.loaded, &request.bench_options(levels));
        let name = format!("{}-bench", identity.folder_name());
        self.place(&name, &identity, parent)
    }

    fn place(
        &self,
        name: &str,
        identity: &Identity,
        parent: Option<&Path>,
    ) -> Result<Place, Unable> {
        let parent = match parent {
            Some(parent) => parent.to_owned(),
            None => self.own_parent()?,
        };
        Ok(Place::reserve(&parent, name, &identity.digest)?)
    }

    /// What is solved, by whom it is known: the file with its defaults, the tables it names and the options of the run.
    pub(super) fn identity(&self, loaded: &Loaded, options: &str) -> Identity {
        let problem = &loaded.problem;
        let mut options = format!("{}\n{options}", self.loaded.tables);
        if self.changed {
            // References are not judged then.
            options.push_str("; changed");
        }
        Identity {
            name: problem.name.clone(),
            title: problem.title.clone(),
            about: problem.about.clone(),
            kind: problem.kind().to_string(),
            states: problem.state_names.clone(),
            file: self.file.clone(),
            text: loaded.source.text().to_owned(),
            resolved: loaded.resolved.clone(),
            ..Identity::new(&self.loaded.resolved, &options)
        }
    }

    /// The folder that the file names, which may come from somebody else: it lies below the working folder, and where the
    /// file names it, holds nothing but runs.
    fn own_parent(&self) -> Result<PathBuf, Unable> {
        let named = &self.loaded.problem.output.directory;
        let refuse = |reason: String| {
            let help = format!(
                "give the folder on the command line: --out {}",
                quoted(named)
            );
            let diagnostic = self.at(KEY, "E609", &reason).help(help);
            Err(self.report(vec![diagnostic]).into())
        };
        let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !named.components().all(stays) || leaves_by_link(named) {
            return refuse(format!("`{KEY}` leaves the working folder"));
        }
        let is_stated = self.loaded.problem.places.contains_key(KEY);
        let mut found = std::fs::read_dir(named).into_iter().flatten().flatten();
        let foreign = found.find(|entry| {
            let name = entry.file_name();
            !(name.to_str().is_some_and(is_hidden_name) || is_ours(&entry.path()))
        });
        match foreign.filter(|_| is_stated) {
            Some(entry) => refuse(format!(
                "the folder of `{KEY}` holds more than runs: `{}`",
                entry.file_name().to_string_lossy()
            )),
            None => Ok(named.clone()),
        }
    }
}

/// Whether a folder lies elsewhere because a part of its path is a link.
fn leaves_by_link(folder: &Path) -> bool {
    let Ok(here) = Path::new(".").canonicalize() else {
        return false;
    };
    let mut ancestors = folder
        .ancestors()
        .filter(|part| !part.as_os_str().is_empty());
    let found = ancestors.find_map(|part| part.canonicalize().ok());
    found.is_some_and(|found| !found.starts_with(here))
}
