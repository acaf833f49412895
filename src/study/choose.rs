//! Which solvers a run gets.

use crate::problem::meant::model::SolverSpec;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::suggest::did_you_mean;
use crate::problem::{Loaded, Override, parse_text};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::choice::automatic;
use crate::study::posed::{Study, Unable};
use crate::study::request::Solvers;

impl Study {
    /// The problem with the solvers that are asked for.
    pub(super) fn choose(&self, solvers: Solvers<'_>) -> Result<Loaded, Unable> {
        let names = match solvers {
            Solvers::Named(names) => Some(names.to_vec()),
            Solvers::File | Solvers::Only(_) if !self.loaded.problem.automatic => None,
            _ => self.admitted()?,
        };
        let loaded = match names {
            None => self.loaded.clone(),
            Some(names) => {
                let mut overrides = self.overrides.clone();
                overrides.push(Override {
                    key: "run.solvers".to_owned(),
                    value: format!("{names:?}"),
                });
                let text = self.loaded.source.text();
                parse_text(&self.file, text, &self.folder, &overrides)?
            }
        };
        known(&loaded.problem.solvers, solvers.only())?;
        Ok(loaded)
    }

    /// What the structure of the problem admits; `None` where the reader knew it without a derivation.
    fn admitted(&self) -> Result<Option<Vec<&'static str>>, Unable> {
        let problem = &self.loaded.problem;
        if problem.reverse().is_some() {
            return Ok(None);
        }
        let lowered = Lowered::new(problem.clone())?;
        let names = automatic(&lowered).map_err(|refusal| {
            let mut places = problem.places.iter();
            let drift = places.find(|(key, _)| key.starts_with("dynamics.drift"));
            let span = drift.map_or(0..0, |(_, span)| span.clone());
            let nearest = format!("nearest that would be solved: {}", refusal.accepted);
            let diagnostic = Diagnostic::error("E320", span, "no method applies to this problem");
            self.report(vec![diagnostic.note(refusal.reason).help(nearest)])
        })?;
        Ok(Some(names))
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
