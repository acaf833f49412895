//! Solvers chosen after the file was read: by the structure of the problem, or from code.

use crate::problem::format::vocabulary::Vocabulary;
use crate::problem::meant::solver::SolverSpec;
use crate::problem::read::load::Loaded;
use crate::problem::read::methods::{chosen_solvers, distinct_ids};
use crate::problem::text::diagnostic::{Report, Source};
use crate::problem::text::document;
use crate::problem::text::names::Formulas;
use crate::problem::text::reader::Reader;

/// Solvers that stand in no file.
#[derive(Clone, Debug, Default)]
pub struct Choice<'a> {
    /// Methods, every option at its default.
    pub methods: &'a [&'a str],
    /// `[[solver]]` tables.
    pub tables: &'a str,
    /// Whether the solvers that the file states stay, after these.
    pub beside: bool,
}

impl Loaded {
    /// The same problem with other solvers, as if the file asked for them.
    ///
    /// # Errors
    /// A [`Report`] on what was chosen: methods that are not for this kind, options that mean nothing, equal ids.
    pub fn with_solvers(
        mut self,
        choice: &Choice<'_>,
        vocabulary: &Vocabulary,
    ) -> Result<Self, Report> {
        let source = Source::new("the chosen solvers", choice.tables);
        let root = match document::parse(choice.tables) {
            Ok(root) => root,
            Err(diagnostics) => return Err(Report::new(source, diagnostics)),
        };
        let after = self.written.open_solvers(choice.beside);
        let mut reader = Reader {
            source,
            formulas: Formulas::new(),
            resolved: self.written,
            diagnostics: Vec::new(),
            vocabulary: vocabulary.clone(),
            data: Vec::new(),
        };
        let setup = self.problem.setup();
        let mut solvers = chosen_solvers(&mut reader, choice.methods, &root, &setup);
        if choice.beside {
            solvers.extend(self.problem.solvers.drain(..).map(|solver| (solver, 0..0)));
        }
        let solvers: Vec<SolverSpec> = distinct_ids(&mut reader, solvers);
        if reader.has_errors() {
            return Err(Report::new(reader.source, reader.diagnostics));
        }
        reader.resolved.close_solvers(after);
        self.problem.solvers = solvers;
        self.problem.automatic = false;
        self.resolved = reader.resolved.to_text();
        self.written = reader.resolved;
        Ok(self)
    }
}
