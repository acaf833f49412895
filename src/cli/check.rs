//! `check`: parse, validate, find structure, print the plan; solve nothing.

use crate::cli::arguments::{Common, Overrides};
use crate::cli::exit::Exit;
use crate::cli::{derive_problem, load_problem, record};
use crate::derivation::Derivation;
use crate::problem::Loaded;
use crate::report::table::Table;
use crate::report::terminal::{self, Style};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Checks every file and reports all of them, also after one that is wrong.
pub fn check(files: &[PathBuf], resolved: bool, overrides: &Overrides, common: &Common) -> Exit {
    let mut exits = Vec::new();
    for file in files {
        match load_problem(file, overrides, common) {
            Ok(loaded) => {
                match derive_problem(&loaded, common) {
                    Err(exit) => exits.push(exit),
                    Ok(_) if resolved => print!("{}", loaded.resolved),
                    Ok(derivation) => describe(file, &loaded, &derivation, common),
                }
                if common.strict && !loaded.warnings.is_empty() {
                    exits.push(Exit::Inconclusive);
                }
            }
            Err(exit) => exits.push(exit),
        }
    }
    Exit::worst(exits)
}

fn describe(file: &Path, loaded: &Loaded, derivation: &Derivation, common: &Common) {
    let style = Style::of_terminal(common.color.holds(std::io::stdout().is_terminal()));
    let problem = &loaded.problem;
    let (start, end) = problem.dynamics.horizon;
    println!(
        "{}   reverse, {} states, {} noises, t in [{start}, {end}]\n",
        problem.name,
        problem.dimension(),
        problem.dynamics.diffusion[0].len(),
    );
    println!(
        "{}",
        terminal::structures(&record::structures(derivation), style)
    );
    let mut plan = Table::new(&["plan", "method", "size"]);
    for solver in &problem.solvers {
        plan.push(vec![
            solver.id.clone(),
            solver.method.name().to_owned(),
            solver.method.summary(),
        ]);
    }
    println!("{}", plan.render(style.width));
    let checks: Vec<&str> = problem.checks.iter().map(|c| c.id.as_str()).collect();
    println!("checks      {}: {}", checks.len(), checks.join(", "));
    let references: Vec<&str> = problem.references.iter().map(|r| r.name.as_str()).collect();
    if !references.is_empty() {
        println!(
            "references  {}: {}",
            references.len(),
            references.join(", ")
        );
    }
    println!(
        "\nok: nothing was run.      next: onsager derive {0} | onsager solve {0}",
        file.display()
    );
}
