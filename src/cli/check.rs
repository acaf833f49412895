//! `check`: parse, validate, find structure, print the plan; solve nothing.

use crate::cli::arguments::{Common, Overrides};
use crate::cli::input::{read, refuse};
use crate::cli::output::say;
use crate::derivation::Finding;
use crate::problem::Loaded;
use crate::problem::format::vocabulary::working;
use crate::problem::meant::model::Problem;
use crate::problem::meant::task::{Duration, Task};
use crate::report::shell::quoted;
use crate::report::table::Table;
use crate::report::terminal::{self, Style};
use crate::study::exit::Exit;
use crate::study::structures;
use crate::verification::vocabulary::standard;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Checks every file and reports all of them, also after one that is wrong.
pub fn check(files: &[PathBuf], resolved: bool, overrides: &Overrides, common: &Common) -> Exit {
    let mut exits = Vec::new();
    for file in files {
        match read(file, overrides, common) {
            Ok(study) => {
                let loaded = study.loaded();
                match study.structure() {
                    Err(why) => exits.push(refuse(&why, common)),
                    Ok(_) if resolved => say(&loaded.resolved),
                    Ok(found) => describe(file, loaded, &found, common),
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

/// `name   control, 3 states, 3 controls, 3 noises, t in [0, 1]`.
fn heading(problem: &Problem) -> String {
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let mut parts = vec![
        problem.kind().to_string(),
        count(problem.dimension(), "state"),
    ];
    if !problem.control.is_empty() {
        parts.push(count(problem.control.len(), "control"));
    }
    parts.push(count(problem.dynamics.diffusion[0].len(), "noise"));
    let (start, end) = problem.dynamics.horizon;
    parts.push(match problem.task.path() {
        Some(path) => match path.duration {
            Duration::Free => "free duration".to_owned(),
            Duration::Fixed(duration) => format!("duration {duration}"),
        },
        None => format!("t in [{start}, {end}]"),
    });
    if let (Task::Control(task), true) = (&problem.task, problem.is_endless()) {
        parts.push(match task.cost.discount {
            0.0 => "least average cost".to_owned(),
            rate => format!("discounted at rate {rate}"),
        });
    }
    format!("{}   {}", problem.name, parts.join(", "))
}

fn describe(file: &Path, loaded: &Loaded, found: &[Finding], common: &Common) {
    let style = Style::of_terminal(common.color.holds(std::io::stdout().is_terminal()));
    let problem = &loaded.problem;
    say(&format!("{}\n\n", heading(problem)));
    say(&format!(
        "{}\n",
        terminal::structures(&structures(found), style)
    ));
    let mut plan = Table::new(&["plan", "method", "size"]);
    for solver in &problem.solvers {
        plan.push(vec![
            solver.id.clone(),
            solver.method().to_owned(),
            solver.summary(),
        ]);
    }
    if problem.solvers.is_empty() {
        say(&format!("plan        the structure chooses among: {}\n", {
            working(&standard().methods, problem.kind()).join(", ")
        }));
    } else {
        say(&format!("{}\n", plan.render(style.width)));
    }
    let checks: Vec<&str> = problem.checks.iter().map(|c| c.id.as_str()).collect();
    say(&format!(
        "checks      {}: {}\n",
        checks.len(),
        checks.join(", ")
    ));
    let references: Vec<&str> = problem.references.iter().map(|r| r.name.as_str()).collect();
    if !references.is_empty() {
        say(&format!(
            "references  {}: {}\n",
            references.len(),
            references.join(", ")
        ));
    }
    if let Some(sweep) = &problem.sweep {
        let keys: Vec<&str> = sweep.axes.iter().map(|axis| axis.key.as_str()).collect();
        say(&format!(
            "sweep       {} runs over {}\n",
            sweep.runs(),
            keys.join(", ")
        ));
    }
    say(&format!(
        "\nok: nothing was run.      next: onsager derive {0} | onsager solve {0}\n",
        quoted(file)
    ));
}
