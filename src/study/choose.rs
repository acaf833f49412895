//! Which solvers a run gets.

use crate::problem::meant::solver::SolverSpec;
use crate::problem::text::diagnostic::Report;
use crate::problem::text::suggest::did_you_mean;
use crate::problem::{Choice, Loaded};
use crate::solvers::registry::choice::automatic;
use crate::study::posed::{Study, Unable};
use crate::study::request::Solvers;

impl Study {
    /// The problem with the solvers that are asked for.
    pub(super) fn choose(&self, solvers: Solvers<'_>) -> Result<Loaded, Unable> {
        let open = self.loaded.problem.automatic;
        let loaded = match solvers {
            Solvers::Named(names) => self.with(names, "", false)?,
            Solvers::Stated(tables) => self.with(&[], tables, false)?,
            Solvers::Auto => self.with(&self.admitted()?, "", false)?,
            Solvers::File | Solvers::Only(_) if open && self.without_derivation().is_none() => {
                self.with(&self.admitted()?, "", true)?
            }
            Solvers::File | Solvers::Only(_) => self.loaded.clone(),
        };
        known(&loaded.problem.solvers, solvers.only())?;
        Ok(loaded)
    }

    pub(super) fn with(
        &self,
        methods: &[&str],
        tables: &str,
        beside: bool,
    ) -> Result<Loaded, Report> {
        let choice = Choice {
            methods,
            tables,
            beside,
        };
        self.loaded
            .clone()
            .with_solvers(&choice, self.registry.words())
    }

    /// What the reader of the file knows to choose without a derivation.
    fn without_derivation(&self) -> Option<Vec<&'static str>> {
        (self.registry.words().automatic)(&self.loaded.problem.setup())
    }

    /// What the structure of the problem admits.
    fn admitted(&self) -> Result<Vec<&'static str>, Unable> {
        let problem = &self.loaded.problem;
        if let Some(names) = self.without_derivation() {
            return Ok(names);
        }
        let lowered = self.lower(problem.clone())?;
        automatic(&lowered).map_err(|refusal| {
            let nearest = format!("nearest that would be solved: {}", refusal.accepted);
            let diagnostic = self.at(
                "dynamics.drift",
                "E320",
                "no method applies to this problem",
            );
            Unable::Refused(self.report(vec![diagnostic.note(refusal.reason).help(nearest)]))
        })
    }
}

/// Refuses ids that no solver has.
pub(super) fn known(solvers: &[SolverSpec], ids: &[&str]) -> Result<(), Unable> {
    let known: Vec<&str> = solvers.iter().map(|s| s.id.as_str()).collect();
    let Some(wrong) = ids.iter().find(|id| !known.contains(id)) else {
        return Ok(());
    };
    let hint = did_you_mean(wrong, known.iter().copied());
    Err(Unable::UnknownSolver {
        asked: (*wrong).to_owned(),
        hint: hint.map_or(String::new(), |hint| format!(", {hint}")),
        known: known.join(", "),
    })
}
