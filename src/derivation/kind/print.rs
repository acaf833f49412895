//! Derivations as text and as a LaTeX document.

use crate::derivation::ground::evidence::Evidence;
use crate::derivation::ground::step::Step;
use crate::derivation::kind::whole::Derivation;

/// Numbered steps with their rules and formulas, and what was executed.
pub fn text(derivation: &Derivation) -> String {
    let mut out = String::new();
    for step in &derivation.steps {
        out.push_str(&step_text(step));
    }
    out.push('\n');
    out.push_str(&closing(derivation));
    out
}

/// One step: `[1] name (rule: ...)` and its formulas, indented.
pub fn step_text(step: &Step) -> String {
    let number = format!("[{}]", step.number);
    let mut out = format!("{number:<4} {:<40} (rule: {})\n", step.name, step.rule);
    for formula in &step.statement {
        out.push_str(&format!("      {}\n", formula.text));
    }
    out.push_str(&format!(
        "      {}: {}\n",
        evidence_words(&step.evidence),
        step.executes
    ));
    out
}

fn evidence_words(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Proved => "proved".to_owned(),
        Evidence::Tested {
            points,
            largest_relative_difference,
        } => format!(
            "tested at {points} points, largest relative difference {largest_relative_difference:.1e}"
        ),
        Evidence::Declared => "declared in the file".to_owned(),
        Evidence::Stated => "not executed (no finite values at random points)".to_owned(),
    }
}

/// The last lines: how many steps were proved and the comparison with the expressions as typed.
pub fn closing(derivation: &Derivation) -> String {
    let mut out = match derivation.cross_check {
        Some(check) => format!(
            "checked at {} random points against the original expressions: largest relative difference {:.1e}\n",
            check.points, check.largest_relative_difference
        ),
        None => {
            "not checked against the original expressions: no random point gave finite values\n"
                .to_owned()
        }
    };
    for note in &derivation.notes {
        out.push_str(&format!("{note}\n"));
    }
    if !derivation.side_results.is_empty() {
        let names: Vec<String> = derivation
            .side_results
            .iter()
            .map(|step| format!("{} (--only {})", step.name, step.key()))
            .collect();
        out.push_str(&format!("side results: {}\n", names.join(", ")));
    }
    let numbers = |name: &str| -> Vec<String> {
        derivation
            .all_steps()
            .filter(|step| step.evidence.name() == name)
            .map(|step| format!("[{}]", step.number))
            .collect()
    };
    let total = derivation.all_steps().count();
    let proved = numbers("proved");
    out.push_str(&format!("proved: {} of {total} steps", proved.len()));
    for word in ["tested", "stated"] {
        let found = numbers(word);
        if !found.is_empty() {
            out.push_str(&format!("; {word}: {}", found.join(" ")));
        }
    }
    out.push('\n');
    out
}

/// The formulas of a step, one display per line, without delimiters.
pub fn step_latex(step: &Step) -> Vec<String> {
    step.statement.iter().map(|f| f.latex.clone()).collect()
}

/// A complete document: one item per step, its formulas, evidence, assumptions and source.
pub fn latex(derivation: &Derivation) -> String {
    let mut out = String::from(
        "\\documentclass{article}\n\\usepackage{amsmath,amssymb}\n\\begin{document}\n\\begin{enumerate}\n",
    );
    for step in &derivation.steps {
        out.push_str(&format!(
            "\\item \\textbf{{{}}} (rule: {})\n\\begin{{gather*}}\n{}\n\\end{{gather*}}\n",
            words(step.name),
            words(step.rule),
            step_latex(step).join(" \\\\\n")
        ));
        out.push_str(&format!(
            "{}: {}.",
            words(&evidence_words(&step.evidence)),
            words(step.executes)
        ));
        let assumed: Vec<String> = step
            .assumptions
            .iter()
            .map(|assumption| words(assumption.sentence()))
            .collect();
        if !assumed.is_empty() {
            out.push_str(&format!(" Assumes: {}.", assumed.join("; ")));
        }
        out.push_str(&format!(" Source: {}.\n", words(step.source)));
    }
    out.push_str("\\end{enumerate}\n\\noindent ");
    out.push_str(&words(closing(derivation).trim_end()).replace('\n', ". "));
    out.push_str(".\n\\end{document}\n");
    out
}

/// Prose with the characters LaTeX reads as commands written out.
fn words(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '^' => out.push_str("\\textasciicircum{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '\\' => out.push_str("\\textbackslash{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            c => out.push(c),
        }
    }
    out
}
