//! The result of `bench`, as a table and as one JSON object per rung.

use crate::report::encoding::number as finite;
use crate::report::events::EVENT_VERSION;
use crate::report::number;
use crate::report::record::{Environment, Identity};
use crate::report::table::{Table, wrap};
use crate::report::terminal::Style;
use crate::verification::work_precision::{Attempt, Ladder, Loss, Rung};
use serde::Serialize;
use std::path::Path;

/// Everything a benchmark of one problem found.
#[derive(Clone, Debug)]
pub struct BenchRecord {
    pub identity: Identity,
    pub environment: Environment,
    /// By solver in the order of the file, most work first.
    pub attempts: Vec<Attempt>,
    pub ladders: Vec<Ladder>,
}

impl BenchRecord {
    /// Solvers in the order of the file.
    pub fn solvers(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for attempt in &self.attempts {
            if !ids.contains(&attempt.solver.as_str()) {
                ids.push(&attempt.solver);
            }
        }
        ids
    }

    /// Attempts without an answer, with the reason.
    pub fn failures(&self) -> impl Iterator<Item = (&Attempt, &str)> {
        self.attempts
            .iter()
            .filter_map(|attempt| Some((attempt, attempt.found.as_ref().err()?.as_str())))
    }

    /// Every quantity's losing methods.
    pub fn losses(&self) -> Vec<Loss> {
        self.ladders.iter().flat_map(Ladder::losses).collect()
    }
}

/// What the distance is, or what bounds it.
pub fn error_text(rung: &Rung) -> String {
    if rung.is_resolved() {
        number::significant(rung.error, 2)
    } else {
        format!("< {}", number::significant(rung.bound, 2))
    }
}

/// "`split` is within 3e-7 after 0.3 s; `mc` within 0.01 after 0.9 s".
pub fn loss_text(loss: &Loss) -> String {
    let Loss { loser, winner, .. } = loss;
    let of = |rung: &Rung| {
        format!(
            "`{}` is within {} after {}",
            rung.solver,
            number::significant(rung.bound, 2),
            number::seconds(rung.seconds)
        )
    };
    format!("{}: {}; {}", loss.quantity, of(loser), of(winner))
}

/// "`split` time^-1.2 (4 rungs)", one per solver that has a rate.
pub fn rates_text(ladder: &Ladder) -> Vec<String> {
    let rates = ladder.rates().into_iter();
    rates
        .map(|rate| {
            format!(
                "`{}` time^{} ({} rungs)",
                rate.solver,
                number::significant(-rate.exponent, 2),
                rate.rungs
            )
        })
        .collect()
}

/// "10.54 ± 2e-06, the file's source".
pub fn truth_text(ladder: &Ladder) -> String {
    let truth = &ladder.truth;
    if truth.tolerance == 0.0 && truth.value == 0.0 {
        return truth.source.clone();
    }
    format!(
        "{} ± {}, {}",
        number::significant(truth.value, 10),
        number::significant(truth.tolerance, 1),
        truth.source
    )
}

/// What is printed.
pub fn summary(record: &BenchRecord, folder: &Path, style: Style) -> String {
    let identity = &record.identity;
    let environment = &record.environment;
    let mut out = format!(
        "{}   {}, hash {}, seed {}, {} threads\n",
        identity.name, identity.kind, identity.hash, environment.seed, environment.threads
    );
    for ladder in &record.ladders {
        out.push('\n');
        let title = format!("{}: {}", ladder.quantity, truth_text(ladder));
        out.push_str(&wrap(&title, style.width, 2));
        out.push('\n');
        let mut table = Table::new(&["solver", "method", "work", "time", "error", "own error"]);
        for rung in &ladder.rungs {
            table.push(vec![
                rung.solver.clone(),
                rung.method.to_owned(),
                rung.settings.clone(),
                number::seconds(rung.seconds),
                error_text(rung),
                format!(
                    "{} {}",
                    number::significant(rung.own.error, 2),
                    rung.own.kind.name()
                ),
            ]);
        }
        out.push_str(&table.render(style.width.max(130)));
        let rates = rates_text(ladder);
        if !rates.is_empty() {
            let line = format!("error falls as {}", rates.join(", "));
            out.push_str(&wrap(&line, style.width, 2));
            out.push('\n');
        }
    }
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push_str(&format!("\n{title}\n"));
            for line in lines {
                out.push_str(&wrap(&format!("  {line}"), style.width, 4));
                out.push('\n');
            }
        }
    };
    section(
        "where a method loses",
        record.losses().iter().map(loss_text).collect(),
    );
    section("no answer", failure_texts(record));
    out.push_str(&format!(
        "\n`<`: only a bound is known, by the tolerance of the truth or the noise of the answer\nreport  {}\n",
        folder.join("report.html").display()
    ));
    out
}

/// One sentence per attempt without an answer.
pub fn failure_texts(record: &BenchRecord) -> Vec<String> {
    record
        .failures()
        .map(|(attempt, why)| format!("`{}` ({}): {why}", attempt.solver, attempt.settings))
        .collect()
}

/// One JSON object per rung of each quantity and per attempt without an answer.
pub fn lines(record: &BenchRecord) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        v: u32,
        ev: &'static str,
        problem: &'a str,
        hash: &'a str,
        solver: &'a str,
        method: &'a str,
        level: u32,
        work: &'a str,
        #[serde(serialize_with = "finite")]
        seconds: f64,
        #[serde(flatten)]
        result: Outcome<'a>,
    }
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Outcome<'a> {
        Measured {
            quantity: &'a str,
            #[serde(serialize_with = "finite")]
            value: f64,
            #[serde(serialize_with = "finite")]
            error: f64,
            #[serde(serialize_with = "finite")]
            own_error: f64,
            own_error_kind: &'static str,
            #[serde(serialize_with = "finite")]
            bound: f64,
            #[serde(serialize_with = "finite")]
            truth: f64,
            #[serde(serialize_with = "finite")]
            truth_tolerance: f64,
        },
        Failed {
            failure: &'a str,
        },
    }
    let mut all = Vec::new();
    let line = |solver, method, level, work, seconds, result| Line {
        v: EVENT_VERSION,
        ev: "bench",
        problem: &record.identity.name,
        hash: &record.identity.hash,
        solver,
        method,
        level,
        work,
        seconds,
        result,
    };
    for ladder in &record.ladders {
        for rung in &ladder.rungs {
            let result = Outcome::Measured {
                quantity: &ladder.quantity,
                value: rung.own.value,
                error: rung.error,
                own_error: rung.own.error,
                own_error_kind: rung.own.kind.name(),
                bound: rung.bound,
                truth: ladder.truth.value,
                truth_tolerance: ladder.truth.tolerance,
            };
            let (work, seconds) = (&rung.settings, rung.seconds);
            all.push(line(
                &rung.solver,
                rung.method,
                rung.level,
                work,
                seconds,
                result,
            ));
        }
    }
    for (attempt, failure) in record.failures() {
        let (work, seconds) = (&attempt.settings, attempt.seconds);
        let result = Outcome::Failed { failure };
        let Attempt {
            solver,
            method,
            level,
            ..
        } = attempt;
        all.push(line(solver, method, *level, work, seconds, result));
    }
    let mut text = String::new();
    for line in all {
        text.push_str(&serde_json::to_string(&line)?);
        text.push('\n');
    }
    Ok(text)
}
