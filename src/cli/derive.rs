//! `derive`: the derivation with named steps, each executed.

use crate::cli::arguments::{Common, Format, Overrides};
use crate::cli::input::{read, refuse};
use crate::cli::output::{complain, say};
use crate::derivation::kind::print;
use crate::derivation::{Derivation, Evidence, Step};
use crate::problem::text::suggest::did_you_mean;
use crate::report::html::typeset::Typesetter;
use crate::study::exit::Exit;
use serde_json::{Value, json};
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
        complain(message);
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

/// One object with all steps.
fn json(derivation: &Derivation, problem: &str) -> String {
    let main = derivation.steps.iter().map(|step| json_step(step, false));
    let side = derivation.side_results.iter();
    let side = side.map(|step| json_step(step, true));
    let structure = derivation.structure.iter().map(|finding| {
        json!({
            "name": finding.name,
            "found": finding.found,
            "evidence": finding.evidence.name(),
            "because": finding.because,
            "nearest": finding.nearest,
        })
    });
    // Comparison with the expressions as typed; null when no point gave finite values.
    let checked = derivation.cross_check.map(|check| {
        json!({
            "points": check.points,
            "largest_relative_difference": check.largest_relative_difference,
        })
    });
    let whole = json!({
        "v": 1,
        "problem": problem,
        "steps": main.chain(side).collect::<Vec<_>>(),
        "structure": structure.collect::<Vec<_>>(),
        "checked": checked,
        // What was not derived, and why.
        "notes": derivation.notes,
    });
    format!("{whole:#}")
}

fn json_step(step: &Step, side_result: bool) -> Value {
    let mut evidence = json!({ "kind": step.evidence.name() });
    if let Evidence::Tested {
        points,
        largest_relative_difference,
    } = step.evidence
    {
        evidence["points"] = points.into();
        evidence["largest_relative_difference"] = largest_relative_difference.into();
    }
    let equations = step.statement.iter();
    let equations =
        equations.map(|formula| json!({ "text": formula.text, "latex": formula.latex }));
    let assumptions = step.assumptions.iter().map(|a| a.sentence());
    json!({
        "id": step.key(),
        "number": step.number,
        "title": step.name,
        "rule": step.rule,
        "side_result": side_result,
        "equations": equations.collect::<Vec<_>>(),
        "assumptions": assumptions.collect::<Vec<_>>(),
        "source": step.source,
        "executes": step.executes,
        "evidence": evidence,
    })
}
