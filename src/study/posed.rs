//! A problem that was read, and what can be found out without solving it.

use crate::derivation::claim::ground::Ground;
use crate::derivation::claim::identity::{Identity, read_identities};
use crate::derivation::ground::definedness::undefined;
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::kind::dispatch::{stated, structure_of, unturnable};
use crate::derivation::kind::expectation::unmet;
use crate::derivation::{Derivation, Finding, derive};
use crate::numeric::blocks::with_threads;
use crate::numeric::time_limit::{OutOfTime, in_time, is_interrupted};
use crate::problem::meant::model::Problem;
use crate::problem::text::diagnostic::{Diagnostic, Report};
use crate::problem::{Loaded, Override, load, parse_text};
use crate::report::place::PlaceError;
use crate::solvers::lowered::problem::{Lowered, LoweringError};
use crate::study::exit::Exit;
use crate::study::registry::Registry;
use crate::study::request::Request;
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
    /// No method applies: what is missing, with its place.
    #[error(transparent)]
    Refused(Report),
    #[error(transparent)]
    Derivation(#[from] Refuted),
    #[error(transparent)]
    Lowering(#[from] LoweringError),
    #[error("the time was up before anything was found")]
    OutOfTime(OutOfTime),
    #[error("interrupted before anything was found")]
    Interrupted,
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("no solver `{asked}` in this problem{hint}; it has {known}")]
    UnknownSolver {
        asked: String,
        hint: String,
        known: String,
    },
}

impl From<OutOfTime> for Unable {
    fn from(out_of_time: OutOfTime) -> Self {
        match is_interrupted() {
            true => Self::Interrupted,
            false => Self::OutOfTime(out_of_time),
        }
    }
}

impl Unable {
    /// The exit code of a command that came to nothing.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Wrong(report) if report.exit_code() == Exit::InputOutput.code() => {
                Exit::InputOutput
            }
            Self::Refused(_) => Exit::NotConverged,
            Self::OutOfTime(_) => Exit::TimeLimit,
            Self::Interrupted => Exit::Interrupted,
            Self::Place(_) => Exit::InputOutput,
            _ => Exit::BadInput,
        }
    }
}

/// The identities that a file states.
#[derive(Default)]
pub struct Identities {
    /// Each with its links.
    pub decided: Vec<(Identity, Vec<Decided>)>,
    /// Names of those that the time did not suffice for.
    pub undecided: Vec<String>,
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
        self.refuse(self.ill_posed())?;
        let derivation = derive(problem)?;
        self.expects(&derivation.structure)?;
        Ok(derivation)
    }

    /// Finds the structure of the problem, without deriving what follows from it.
    ///
    /// # Errors
    /// As [`Study::derive`], but no step is executed.
    pub fn structure(&self) -> Result<Vec<Finding>, Unable> {
        let problem = &self.loaded.problem;
        self.refuse(self.ill_posed())?;
        let structure = structure_of(problem);
        self.expects(&structure)?;
        Ok(structure)
    }

    /// Expressions without a value, and processes that cannot be turned around.
    fn ill_posed(&self) -> Vec<Diagnostic> {
        let problem = &self.loaded.problem;
        let stated = stated(problem);
        let mut wrong = undefined(problem, &stated);
        wrong.extend(unturnable(problem, &stated));
        wrong
    }

    /// Refuses a file that expects a structure that is not there, or states an identity that cannot be read.
    fn expects(&self, structure: &[Finding]) -> Result<(), Report> {
        let problem = &self.loaded.problem;
        let mut wrong = unmet(&problem.expect, structure);
        if !problem.identities.is_empty()
            && let Err(misread) = read_identities(problem, &self.loaded.source)
        {
            wrong.extend(misread);
        }
        self.refuse(wrong)
    }

    /// Decides the identities that the file states, link by link, as far as the time suffices.
    ///
    /// # Errors
    /// [`Unable`] where one cannot be read.
    pub fn identities(&self) -> Result<Identities, Unable> {
        let problem = &self.loaded.problem;
        let limit = Request::default().limit(problem.run.max_time);
        limit.over(|| {
            let read = in_time(|| read_identities(problem, &self.loaded.source));
            let (ground, identities) = read?.map_err(|wrong| self.report(wrong))?;
            with_threads(problem.run.threads, || self.decide(&ground, identities))
        })
    }

    fn decide(&self, ground: &Ground, identities: Vec<Identity>) -> Result<Identities, Unable> {
        let numbers = in_time(|| Numbers::new(&self.loaded.problem))?;
        let mut found = Identities::default();
        for identity in identities {
            match in_time(|| decide(&identity, ground, &numbers, EFFORT)) {
                Err(OutOfTime) => found.undecided.push(identity.name),
                Ok(Ok(links)) => found.decided.push((identity, links)),
                Ok(Err(errors)) => {
                    let source = &self.loaded.source;
                    let wrong = errors.iter().map(|e| e.diagnostic(source, &identity.span));
                    return Err(self.report(wrong.collect()).into());
                }
            }
        }
        Ok(found)
    }

    /// The problem in numbers.
    ///
    /// # Errors
    /// [`Unable::Refused`] with code E321 where the best control has no closed form, [`Unable::Lowering`] otherwise.
    pub(super) fn lower(&self, problem: Problem) -> Result<Lowered, Unable> {
        Lowered::new(problem).map_err(|why| match why {
            LoweringError::NoMinimiser(obstacle) => {
                let diagnostic = self.at(obstacle.place(), "E321", "no method finds the best control");
                let help = "a drift b(x,t) + B(x,t) u, and a running cost that grows faster than every control; \
                    for a control in a box any";
                Unable::Refused(self.report(vec![diagnostic.note(obstacle.to_string()).help(help)]))
            }
            other => other.into(),
        })
    }

    /// A message at a key of the file, or at the first key that begins so.
    pub(super) fn at(&self, key: &str, code: &'static str, message: &str) -> Diagnostic {
        let mut places = self.loaded.problem.places.iter();
        let place = places.find(|(known, _)| known.starts_with(key));
        let span = place.map_or(0..0, |(_, span)| span.clone());
        Diagnostic::error(code, span, message)
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
