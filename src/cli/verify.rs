//! `verify`: the identities of a file, or of every file of a folder.

use crate::cli::arguments::{Common, Overrides};
use crate::cli::exit::Exit;
use crate::cli::input::{load_problem, refuse};
use crate::cli::output::say;
use crate::cli::session::Request;
use crate::cli::solve::solve;
use crate::derivation::claim::ground::Ground;
use crate::derivation::claim::identity::{Identity, Mode, read_identities};
use crate::derivation::claim::slip::Place;
use crate::numeric::blocks::with_threads;
use crate::problem::Loaded;
use crate::problem::text::diagnostic::{Diagnostic, Report};
use crate::report::table::Table;
use crate::report::terminal::Style;
use crate::verification::claim::numbers::Numbers;
use crate::verification::claim::{Decided, Effort, Undecided, decide};
use crate::verification::verdict::Verdict;
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Most paths and steps of a measurement.
const EFFORT: Effort = Effort {
    paths: 1 << 17,
    steps: 64,
};
/// Characters of a claim in the table.
const CLAIM_WIDTH: usize = 68;

/// Decides the identities of one file, or of every problem file of a folder.
pub fn verify(path: &Path, overrides: &Overrides, common: &Common) -> Exit {
    if !path.is_dir() {
        return verify_file(path, overrides, common);
    }
    let files = match problem_files(path) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("error: cannot list {}: {error}", path.display());
            return Exit::InputOutput;
        }
    };
    if files.is_empty() {
        eprintln!("error: no problem files in {}", path.display());
        return Exit::BadInput;
    }
    let exits: Vec<Exit> = files
        .iter()
        .map(|file| verify_file(file, overrides, common))
        .collect();
    Exit::worst(exits)
}

/// The `.toml` files of a folder, by name.
pub(super) fn problem_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn verify_file(file: &Path, overrides: &Overrides, common: &Common) -> Exit {
    let loaded = match load_problem(file, overrides, common) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let catalogue = || {
        solve(&Request {
            file,
            only: &[],
            overrides,
            keep_references: false,
            common,
            identities_only: true,
        })
    };
    if loaded.problem.identities.is_empty() {
        return catalogue();
    }
    let own = match read_identities(&loaded.problem, &loaded.source) {
        Err(diagnostics) => refuse(&Report::new(loaded.source.clone(), diagnostics), common),
        Ok((ground, identities)) => {
            let threads = loaded.problem.run.threads;
            with_threads(threads, || {
                decide_all(file, &loaded, &ground, &identities, common)
            })
        }
    };
    // A file that lists its solvers wants the catalogue too; a derivation alone does not.
    if loaded.problem.automatic || loaded.problem.solvers.is_empty() {
        own
    } else {
        Exit::worst([own, catalogue()])
    }
}

fn decide_all(
    file: &Path,
    loaded: &Loaded,
    ground: &Ground,
    identities: &[Identity],
    common: &Common,
) -> Exit {
    let numbers = Numbers::new(&loaded.problem);
    let mut decided = Vec::with_capacity(identities.len());
    for identity in identities {
        match decide(identity, ground, &numbers, EFFORT) {
            Ok(links) => decided.push((identity, links)),
            Err(Undecided::Misread(errors)) => {
                let found = errors
                    .iter()
                    .map(|e| e.diagnostic(&loaded.source, &identity.span))
                    .collect();
                return refuse(&Report::new(loaded.source.clone(), found), common);
            }
            Err(error @ Undecided::Contradiction { .. }) => {
                eprintln!("error: {}: {error}", identity.name);
                return Exit::CheckFailed;
            }
        }
    }
    if common.json {
        print_json(file, &decided);
    } else {
        print_table(file, loaded, &decided, common);
    }
    judge(&decided, common)
}

type AllDecided<'a> = [(&'a Identity, Vec<Decided>)];

fn judge(decided: &AllDecided<'_>, common: &Common) -> Exit {
    let verdicts = || {
        decided
            .iter()
            .flat_map(|(_, links)| links)
            .map(|l| l.verdict)
    };
    if verdicts().any(|v| v == Verdict::Fail) {
        Exit::CheckFailed
    } else if common.strict && verdicts().any(|v| v == Verdict::Inconclusive) {
        Exit::Inconclusive
    } else {
        Exit::Solved
    }
}

/// The rules of a proof, or how it was measured.
fn grounds(link: &Decided) -> String {
    match (&link.evidence.proof, &link.evidence.measurement) {
        (Some(proof), _) => {
            let rules: Vec<&str> = proof.rules.iter().map(|rule| rule.name()).collect();
            rules.join(", ")
        }
        (None, Ok(measurement)) => measurement.note.clone(),
        (None, Err(error)) => format!("not measured: {error}"),
    }
}

/// One line of a claim, however many the file gives it.
fn shortened(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= CLAIM_WIDTH {
        return text;
    }
    let kept: String = text.chars().take(CLAIM_WIDTH - 3).collect();
    format!("{kept}...")
}

fn print_table(file: &Path, loaded: &Loaded, decided: &AllDecided<'_>, common: &Common) {
    let style = Style::of_terminal(common.color.holds(std::io::stdout().is_terminal()));
    say(&format!(
        "{}   {}\n\n",
        file.display(),
        loaded.problem.title
    ));
    let mut table = Table::new(&["identity", "link", "verdict", "claim", "by"]);
    for (identity, links) in decided {
        for (i, link) in links.iter().enumerate() {
            table.push(vec![
                identity.name.clone(),
                (i + 1).to_string(),
                link.verdict.name().to_owned(),
                shortened(&format!("{} = {}", link.left, link.right)),
                grounds(link),
            ]);
        }
    }
    say(&format!("{}\n", table.render(style.width)));
    let links = || decided.iter().flat_map(|(_, links)| links);
    let count = |verdict: Verdict| links().filter(|l| l.verdict == verdict).count();
    say(&format!(
        "{} proved, {} pass, {} fail, {} inconclusive\n",
        count(Verdict::Proved),
        count(Verdict::Pass),
        count(Verdict::Fail),
        count(Verdict::Inconclusive)
    ));
    let mut assumptions: Vec<&str> = links()
        .filter_map(|l| l.evidence.proof.as_ref())
        .flat_map(|proof| proof.assumptions.iter().map(|a| a.sentence()))
        .collect();
    assumptions.sort_unstable();
    assumptions.dedup();
    if !assumptions.is_empty() && !common.quiet {
        say(&format!("proofs assume: {}\n", assumptions.join("; ")));
    }
    say("\n");
    let colour = common.color.holds(std::io::stdout().is_terminal());
    for (identity, links) in decided {
        for (i, link) in links.iter().enumerate() {
            if link.verdict == Verdict::Fail {
                let diagnostic = failure(identity, i, link, loaded);
                say(&format!(
                    "{}\n\n",
                    diagnostic.render(&loaded.source, colour)
                ));
            }
        }
    }
}

/// A failed link at its place, with the slips that would explain it.
fn failure(identity: &Identity, i: usize, link: &Decided, loaded: &Loaded) -> Diagnostic {
    let sides = &identity.links[i];
    let likely = link.slips.first();
    let side = match likely.map(|slip| slip.place) {
        Some(Place::Right) => &sides.right,
        _ => &sides.left,
    };
    let span = match likely {
        Some(slip) if slip.place != Place::Law => slip.span.clone(),
        _ => side.tree.span.clone(),
    };
    let span = side.typed.locate(
        &loaded.source,
        span.start + side.offset..span.end + side.offset,
    );
    let message = format!("identity `{}`, link {} is false", identity.name, i + 1);
    let mut diagnostic = Diagnostic::error("E701", span, message);
    diagnostic = match likely {
        Some(slip) => diagnostic.label(slip.sentence.clone()),
        None => diagnostic.label("none of the usual slips explains it"),
    };
    if let Ok(measurement) = &link.evidence.measurement {
        diagnostic = diagnostic.note(format!("measured: {}", measurement.note));
    }
    for slip in link.slips.iter().skip(1) {
        diagnostic = diagnostic.note(format!("or: {}", slip.sentence));
    }
    diagnostic
}

fn print_json(file: &Path, decided: &AllDecided<'_>) {
    for (identity, links) in decided {
        for (i, link) in links.iter().enumerate() {
            let proof = link.evidence.proof.as_ref();
            let rules: Option<Vec<&str>> =
                proof.map(|p| p.rules.iter().map(|rule| rule.name()).collect());
            let assumptions: Option<Vec<&str>> =
                proof.map(|p| p.assumptions.iter().map(|a| a.sentence()).collect());
            let slips: Vec<&str> = link.slips.iter().map(|s| s.sentence.as_str()).collect();
            let measured = match &link.evidence.measurement {
                Ok(measurement) => measurement.note.clone(),
                Err(error) => error.to_string(),
            };
            let line = json!({
                "v": 1,
                "ev": "identity",
                "file": file.display().to_string(),
                "identity": identity.name,
                "link": i + 1,
                "left": link.left,
                "right": link.right,
                "verdict": link.verdict.name(),
                "rules": rules,
                "assumptions": assumptions,
                "any_trial": proof.map(|p| p.mode == Mode::Any),
                "measured": measured,
                "slips": slips,
            });
            say(&format!("{line}\n"));
        }
    }
}
