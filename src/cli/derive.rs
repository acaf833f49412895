//! `derive`: the derivation with named steps, each executed.

use crate::cli::arguments::{Common, Format, Overrides};
use crate::cli::exit::Exit;
use crate::cli::{derive_problem, load_problem};
use crate::derivation::{Step, print};
use crate::problem::suggest::did_you_mean;
use std::path::Path;

/// Prints the derivation of one file, or only the named steps of it.
pub fn derive(
    file: &Path,
    only: &[String],
    format: Format,
    overrides: &Overrides,
    common: &Common,
) -> Exit {
    let loaded = match load_problem(file, overrides, common) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let mut derivation = match derive_problem(&loaded, common) {
        Ok(derivation) => derivation,
        Err(exit) => return exit,
    };
    let rules: Vec<&str> = derivation.steps.iter().map(Step::rule_name).collect();
    if let Some(wrong) = only.iter().find(|name| !rules.contains(&name.as_str())) {
        let hint = did_you_mean(wrong, rules.iter().copied())
            .map_or(String::new(), |hint| format!(", {hint}"));
        eprintln!(
            "error: no step `{wrong}`{hint}; steps: {}",
            rules.join(", ")
        );
        return Exit::BadInput;
    }
    if !only.is_empty() {
        derivation
            .steps
            .retain(|step| only.iter().any(|name| name == step.rule_name()));
    }
    match format {
        Format::Text => print!("{}", print::text(&derivation)),
        Format::Latex => print!("{}", print::latex(&derivation)),
    }
    Exit::Solved
}
