//! `derive`: the derivation with named steps, each executed.

use crate::cli::arguments::{Common, Format, Overrides};
use crate::cli::input::{read, refuse};
use crate::cli::output::say;
use crate::derivation::kind::print;
use crate::derivation::{Derivation, Evidence, Step};
use crate::problem::text::suggest::did_you_mean;
use crate::report::html::typeset::Typesetter;
use crate::study::exit::Exit;
use serde::Serialize;
use std::path::Path;

/// Prints the derivation of one file, or only the named steps of it.
pub fn derive(
    file: &Path,
    only: &[String],
    format: Format,
    overrides: &Overrides,
    common: &Common,
) -> Exit {
    let study = match read(file, overrides, common) {
        Ok(study) => study,
        Err(exit) => return exit,
    };
    let mut derivation = match study.derive() {
        Ok(derivation) => derivation,
        Err(why) => return refuse(&why, common),
    };
    let name = &study.loaded().problem.name;
    if let Err(message) = select(&mut derivation, only) {
        eprintln!("error: {message}");
        return Exit::BadInput;
    }
    match format {
        Format::Text => say(&print::text(&derivation)),
        Format::Latex => say(&print::latex(&derivation)),
        Format::Mathml => say(&mathml(&derivation, name)),
        Format::Json => say(&format!("{}\n", json(&derivation, name))),
    }
    Exit::Solved
}

/// Keeps the steps asked for, side results among them; all main steps if none is.
fn select(derivation: &mut Derivation, only: &[String]) -> Result<(), String> {
    let keys: Vec<&str> = derivation.all_steps().map(Step::key).collect();
    if let Some(wrong) = only.iter().find(|name| !keys.contains(&name.as_str())) {
        let hint = did_you_mean(wrong, keys.iter().copied())
            .map_or(String::new(), |hint| format!(", {hint}"));
        return Err(format!(
            "no step `{wrong}`{hint}; steps: {}",
            keys.join(", ")
        ));
    }
    if !only.is_empty() {
        let side_results = std::mem::take(&mut derivation.side_results);
        derivation.steps.extend(side_results);
        derivation
            .steps
            .retain(|step| only.iter().any(|name| name == step.key()));
        derivation.notes.clear();
    }
    Ok(())
}

/// A page of the steps, each formula as MathML with its LaTeX beside it.
fn mathml(derivation: &Derivation, problem: &str) -> String {
    let typesetter = Typesetter::default();
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{problem}</title></head><body>\n<h1>{problem}</h1>\n<ol>\n"
    );
    for step in derivation.all_steps() {
        out.push_str(&format!(
            "<li><p><b>{}</b> (rule: {})</p>\n",
            escaped(step.name),
            escaped(step.rule)
        ));
        for formula in &step.statement {
            let line = typesetter.display(&formula.latex, &formula.text);
            out.push_str(&line.into_string());
            out.push('\n');
        }
        out.push_str(&format!(
            "<p>{}: {}. Source: {}.</p></li>\n",
            step.evidence.name(),
            escaped(step.executes),
            escaped(step.source)
        ));
    }
    out.push_str("</ol></body></html>\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[derive(Serialize)]
struct JsonDerivation<'a> {
    v: u32,
    problem: &'a str,
    steps: Vec<JsonStep<'a>>,
    structure: Vec<JsonStructure<'a>>,
    /// Comparison with the expressions as typed; null when no point gave finite values.
    checked: Option<JsonCheck>,
    /// What was not derived, and why.
    notes: &'a [String],
}

#[derive(Serialize)]
struct JsonStep<'a> {
    id: &'a str,
    number: usize,
    title: &'a str,
    rule: &'a str,
    side_result: bool,
    equations: Vec<JsonFormula<'a>>,
    assumptions: Vec<&'a str>,
    source: &'a str,
    executes: &'a str,
    evidence: JsonEvidence,
}

#[derive(Serialize)]
struct JsonFormula<'a> {
    text: &'a str,
    latex: &'a str,
}

#[derive(Serialize)]
struct JsonEvidence {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    largest_relative_difference: Option<f64>,
}

#[derive(Serialize)]
struct JsonStructure<'a> {
    name: &'a str,
    found: bool,
    evidence: &'static str,
    because: &'a str,
    nearest: &'a str,
}

#[derive(Serialize)]
struct JsonCheck {
    points: usize,
    largest_relative_difference: f64,
}

impl From<&Evidence> for JsonEvidence {
    fn from(evidence: &Evidence) -> Self {
        let (points, largest) = match evidence {
            Evidence::Tested {
                points,
                largest_relative_difference,
            } => (Some(*points), Some(*largest_relative_difference)),
            Evidence::Proved | Evidence::Stated | Evidence::Declared => (None, None),
        };
        Self {
            kind: evidence.name(),
            points,
            largest_relative_difference: largest,
        }
    }
}

/// One object with all steps.
fn json(derivation: &Derivation, problem: &str) -> String {
    let main = derivation.steps.iter().map(|step| json_step(step, false));
    let side = derivation.side_results.iter();
    let side = side.map(|step| json_step(step, true));
    let structure = derivation.structure.iter().map(|finding| JsonStructure {
        name: finding.name,
        found: finding.found,
        evidence: finding.evidence.name(),
        because: &finding.because,
        nearest: &finding.nearest,
    });
    let whole = JsonDerivation {
        v: 1,
        problem,
        steps: main.chain(side).collect(),
        structure: structure.collect(),
        checked: derivation.cross_check.map(|check| JsonCheck {
            points: check.points,
            largest_relative_difference: check.largest_relative_difference,
        }),
        notes: &derivation.notes,
    };
    serde_json::to_string_pretty(&whole).expect("strings and finite numbers have a JSON form")
}

fn json_step(step: &Step, side_result: bool) -> JsonStep<'_> {
    JsonStep {
        id: step.key(),
        number: step.number,
        title: step.name,
        rule: step.rule,
        side_result,
        equations: step
            .statement
            .iter()
            .map(|formula| JsonFormula {
                text: &formula.text,
                latex: &formula.latex,
            })
            .collect(),
        assumptions: step.assumptions.iter().map(|a| a.sentence()).collect(),
        source: step.source,
        executes: step.executes,
        evidence: JsonEvidence::from(&step.evidence),
    }
}
