//! A problem that was read, and what can be found out without solving it.

use crate::derivation::claim::ground::Ground;
use crate::derivation::claim::identity::{Identity, read_identities};
use crate::derivation::ground::definedness::undefined;
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::kind::dispatch::stated;
use crate::derivation::kind::expectation::unmet;
use crate::derivation::{Derivation, derive};
use crate::numeric::blocks::with_threads;
use crate::problem::text::diagnostic::{Diagnostic, Report};
use crate::problem::{Loaded, Override, load, parse_text};
use crate::solvers::lowered::problem::LoweringError;
use crate::study::exit::Exit;
use crate::study::registry::Registry;
use crate::verification::claim::numbers::Numbers;
use crate::verification::claim::{Decided, Effort, decide};
use std::path::Path;

/// Most paths and steps with which a stated identity is measured.
const EFFORT: Effort = Effort {
    paths: 1 << 19,
    steps: 64,
};

/// Why a study found nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unable {
    /// Everything that is wrong with the file, each with its place.
    #[error(transparent)]
    Wrong(#[from] Report),
    #[error(transparent)]
    Derivation(#[from] Refuted),
    #[error(transparent)]
    Lowering(#[from] LoweringError),
    #[error("no solver `{asked}` in this problem{hint}; it has {known}")]
    UnknownSolver {
        asked: String,
        hint: String,
        known: String,
    },
}

impl Unable {
    /// The exit code of a command that came to nothing.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Wrong(report) if report.exit_code() == Exit::InputOutput.code() => {
                Exit::InputOutput
            }
            _ => Exit::BadInput,
        }
    }
}

/// A problem to be studied.
#[derive(Clone)]
pub struct Study {
    pub(super) loaded: Loaded,
    /// The file as it was named.
    pub(super) file: String,
    /// Whether values replaced those of the file.
    pub(super) changed: bool,
    pub(super) registry: Registry,
}

impl Registry {
    /// Reads the text of a problem file against the words of this registry.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(self, text: &str) -> Result<Study, Unable> {
        let file = "problem.toml";
        Ok(Study {
            loaded: parse_text(file, text, Path::new("."), &[], self.words())?,
            file: file.to_owned(),
            changed: false,
            registry: self,
        })
    }

    /// Reads a problem file, values of which are replaced, against the words of this registry.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(self, path: &Path, overrides: &[Override]) -> Result<Study, Unable> {
        Ok(Study {
            loaded: load(path, overrides, self.words())?,
            file: path.to_string_lossy().into_owned(),
            changed: !overrides.is_empty(),
            registry: self,
        })
    }
}

impl Study {
    /// Reads the text of a problem file; paths of data are relative to the current folder.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Unable> {
        Registry::standard().parse(text)
    }

    /// Reads a problem file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Unable> {
        Registry::standard().load(path, &[])
    }

    /// The problem as it was read, with warnings and every default filled in.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Derives the problem.
    ///
    /// # Errors
    /// [`Unable`] where an expression is undefined, a step is refuted, the file expects a structure that is not there or
    /// states an identity that cannot be read.
    pub fn derive(&self) -> Result<Derivation, Unable> {
        let problem = &self.loaded.problem;
        self.refuse(undefined(problem, &stated(problem)))?;
        let derivation = derive(problem)?;
        let mut wrong = unmet(&problem.expect, &derivation.structure);
        if let Err(misread) = read_identities(problem, &self.loaded.source) {
            wrong.extend(misread);
        }
        self.refuse(wrong)?;
        Ok(derivation)
    }

    /// Decides the identities that the file states, link by link.
    ///
    /// # Errors
    /// [`Unable`] where one cannot be read.
    pub fn identities(&self) -> Result<Vec<(Identity, Vec<Decided>)>, Unable> {
        let problem = &self.loaded.problem;
        let (ground, identities) =
            read_identities(problem, &self.loaded.source).map_err(|wrong| self.report(wrong))?;
        with_threads(problem.run.threads, || self.decide(&ground, identities))
    }

    fn decide(
        &self,
        ground: &Ground,
        identities: Vec<Identity>,
    ) -> Result<Vec<(Identity, Vec<Decided>)>, Unable> {
        let numbers = Numbers::new(&self.loaded.problem);
        let mut decided = Vec::with_capacity(identities.len());
        for identity in identities {
            match decide(&identity, ground, &numbers, EFFORT) {
                Ok(links) => decided.push((identity, links)),
                Err(errors) => {
                    let source = &self.loaded.source;
                    let wrong = errors.iter().map(|e| e.diagnostic(source, &identity.span));
                    return Err(self.report(wrong.collect()).into());
                }
            }
        }
        Ok(decided)
    }

    pub(super) fn report(&self, wrong: Vec<Diagnostic>) -> Report {
        Report::new(self.loaded.source.clone(), wrong)
    }

    fn refuse(&self, wrong: Vec<Diagnostic>) -> Result<(), Report> {
        if wrong.is_empty() {
            return Ok(());
        }
        Err(self.report(wrong))
    }
}
