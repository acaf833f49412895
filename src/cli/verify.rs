//! `verify`: the identities of a file, or of every file of a folder.

use crate::cli::arguments::{Common, Overrides};
use crate::cli::input::{problem_files, read, refuse};
use crate::cli::output::{complain, say};
use crate::cli::solve::{Solve, run};
use crate::derivation::claim::identity::{Identity, Mode};
use crate::derivation::claim::slip::Place;
use crate::numeric::time_limit::is_interrupted;
use crate::problem::Loaded;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::visible::one_line;
use crate::report::shell::quoted;
use crate::report::table::Table;
use crate::report::terminal::Style;
use crate::study::Identities;
use crate::study::exit::Exit;
use crate::verification::claim::Decided;
use crate::verification::claim::measurement::CONFIDENCE;
use crate::verification::claim::numbers::Unmeasured;
use crate::verification::verdict::Verdict;
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;

/// Characters of a claim in the table.
const CLAIM_WIDTH: usize = 68;

/// Decides the identities of one file, or of every problem file of a folder.
pub fn verify(path: &Path, overrides: &Overrides, common: &Common) -> Exit {
    let files = match problem_files(&[path.to_owned()]) {
        Ok(files) => files,
        Err(exit) => return exit,
    };
    let exits = files
        .iter()
        .map(|file| verify_file(file, overrides, common));
    Exit::worst(exits.collect::<Vec<_>>())
}

fn verify_file(file: &Path, overrides: &Overrides, common: &Common) -> Exit {
    let study = match read(file, overrides, common) {
        Ok(study) => study,
        Err(exit) => return exit,
    };
    let asked = Solve {
        file,
        only: &[],
        overrides,
        keep_references: false,
        common,
    };
    let problem = &study.loaded().problem;
    if problem.identities.is_empty() {
        return run(&asked, &study, "verify");
    }
    let own = match study.identities() {
        Err(why) => refuse(&why, common),
        Ok(Identities { decided, undecided }) => {
            if common.json {
                print_json(file, &decided);
            } else {
                print_table(file, study.loaded(), &decided, common);
            }
            let is_early = !undecided.is_empty();
            if is_early {
                complain(format!("the time was up before {}", undecided.join(", ")));
            }
            let early = is_early.then_some(match is_interrupted() {
                true => Exit::Interrupted,
                false => Exit::TimeLimit,
            });
            Exit::worst(early.into_iter().chain([judge(&decided, common)]))
        }
    };
    // A file that lists its solvers wants the catalogue too; a derivation alone does not.
    if problem.automatic || problem.solvers.is_empty() {
        own
    } else {
        Exit::worst([own, run(&asked, &study, "verify")])
    }
}

type AllDecided = [(Identity, Vec<Decided>)];

fn judge(decided: &AllDecided, common: &Common) -> Exit {
    let links = || decided.iter().flat_map(|(_, links)| links);
    if links().any(|l| l.verdict == Verdict::Fail || l.evidence.contradiction) {
        Exit::CheckFailed
    } else if common.strict && links().any(|l| l.verdict == Verdict::Inconclusive) {
        Exit::Inconclusive
    } else {
        Exit::Solved
    }
}

/// The rules of a proof, or how it was measured.
fn grounds(link: &Decided) -> String {
    match (&link.evidence.proof, &link.evidence.measurement) {
        (Some(_), Ok(measurement)) if link.evidence.contradiction => format!(
            "proved but measured to be false ({}); please report this file",
            measurement.note
        ),
        (Some(_), Err(error @ Unmeasured::Infinite(_))) => error.to_string(),
        (Some(proof), _) => {
            let rules: Vec<&str> = proof.rules.iter().map(|rule| rule.name()).collect();
            rules.join(", ")
        }
        (None, Ok(measurement)) => match &measurement.doubt {
            Some(doubt) => doubt.clone(),
            None => format!("{}; {}", measurement.note, measurement.interval()),
        },
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

fn print_table(file: &Path, loaded: &Loaded, decided: &AllDecided, common: &Common) {
    let style = Style::of_terminal(common.color.holds(std::io::stdout().is_terminal()));
    say(&format!(
        "{}   {}\n\n",
        quoted(file),
        one_line(&loaded.problem.title)
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
        let interval = measurement.interval();
        diagnostic = diagnostic.note(format!("measured: {}; {interval}", measurement.note));
    }
    for slip in link.slips.iter().skip(1) {
        diagnostic = diagnostic.note(format!("or: {}", slip.sentence));
    }
    diagnostic
}

fn print_json(file: &Path, decided: &AllDecided) {
    for (identity, links) in decided {
        for (i, link) in links.iter().enumerate() {
            let proof = link.evidence.proof.as_ref();
            let rules: Option<Vec<&str>> =
                proof.map(|p| p.rules.iter().map(|rule| rule.name()).collect());
            let assumptions: Option<Vec<&str>> =
                proof.map(|p| p.assumptions.iter().map(|a| a.sentence()).collect());
            let slips: Vec<&str> = link.slips.iter().map(|s| s.sentence.as_str()).collect();
            let measured = match &link.evidence.measurement {
                Ok(measurement) => match &measurement.doubt {
                    Some(doubt) => format!("{}; {doubt}", measurement.note),
                    None => measurement.note.clone(),
                },
                Err(error) => error.to_string(),
            };
            let residual = link.evidence.measurement.as_ref().ok().map(|m| m.residual);
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
                "difference": residual.map(|r| r.measured),
                "error": residual.map(|r| r.error_bar(CONFIDENCE)),
                "tolerance": residual.map(|r| r.limit),
                "contradiction": link.evidence.contradiction,
                "slips": slips,
            });
            say(&format!("{line}\n"));
        }
    }
}
