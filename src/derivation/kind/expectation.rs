//! Structures a file expects against those found: a near miss is an error with its cause and cure.

use crate::derivation::structure::Finding;
use crate::problem::meant::model::Expectation;
use crate::problem::text::diagnostic::Diagnostic;

/// One error E310 for each expected structure that was not found, at its place in the file.
pub fn unmet(expect: &[Expectation], findings: &[Finding]) -> Vec<Diagnostic> {
    expect
        .iter()
        .filter_map(|expected| {
            let structure = &expected.structure;
            // What no derivation looks for stands declared: nothing contradicts it.
            let finding = findings.iter().find(|finding| finding.name == structure)?;
            (!finding.found).then(|| {
                Diagnostic::error(
                    "E310",
                    expected.span.clone(),
                    format!("expected structure `{structure}` was not found"),
                )
                .note(format!("needed : {}", finding.needed))
                .note(format!("found  : {}", finding.because))
                .note(format!("nearest: {}", finding.nearest))
                .help(format!("or leave `{structure}` out of `expect`"))
            })
        })
        .collect()
}
