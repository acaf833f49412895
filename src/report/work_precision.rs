//! The result of `bench`, as a table and as one JSON object per rung.

use crate::problem::text::visible::one_line;
use crate::report::encoding::Number;
use crate::report::events::EVENT_VERSION;
use crate::report::number;
use crate::report::record::{Environment, Identity};
use crate::report::shell::quoted;
use crate::report::table::{Table, paragraph};
use crate::report::terminal::Style;
use crate::verification::work_precision::{Attempt, Ladder, Loss, Rung};
use serde_json::{Value, json};
use std::path::Path;

/// Everything a benchmark of one problem found.
#[derive(Clone, Debug)]
pub struct BenchRecord {
    pub identity: Identity,
    pub environment: Environment,
    /// By solver in the order of the file, most work first.
    pub attempts: Vec<Attempt>,
    pub ladders: Vec<Ladder>,
    pub ended: Ended,
}

/// How a benchmark came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    #[default]
    Whole,
    OutOfTime,
    Interrupted,
}

impl Ended {
    /// What is missing, in a sentence.
    pub fn sentence(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::OutOfTime => Some("The time was up before everything was solved and measured."),
            Self::Interrupted => {
                Some("It was interrupted before everything was solved and measured.")
            }
        }
    }
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

/// What is said of each rung.
pub const RUNG_TITLES: [&str; 6] = ["solver", "method", "work", "time", "error", "own error"];

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
        return one_line(&truth.source);
    }
    format!(
        "{} ± {}, {}",
        number::significant(truth.value, 10),
        number::significant(truth.tolerance, 1),
        one_line(&truth.source)
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
        out.push_str(&paragraph(&title, style.width, 2));
        let mut table = Table::new(&RUNG_TITLES);
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
            out.push_str(&paragraph(&line, style.width, 2));
        }
    }
    let losses = record.losses().iter().map(loss_text).collect();
    for (title, lines) in [
        ("where a method loses", losses),
        ("no answer", failure_texts(record)),
    ] {
        if !lines.is_empty() {
            out.push_str(&format!("\n{title}\n"));
            for line in lines {
                out.push_str(&paragraph(&format!("  {line}"), style.width, 4));
            }
        }
    }
    if let Some(sentence) = record.ended.sentence() {
        out.push_str(&format!("\n{sentence}\n"));
    }
    out.push_str(&format!(
        "\n`<`: only a bound is known, by the tolerance of the truth or the noise of the answer\nreport  {}\n",
        quoted(&folder.join("report.html"))
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
pub fn lines(record: &BenchRecord) -> String {
    let mut text = String::new();
    let mut line = |solver: &str, method: &str, level: u32, work: &str, seconds: f64, result| {
        let mut object = json!({
            "v": EVENT_VERSION,
            "ev": "bench",
            "problem": record.identity.name,
            "hash": record.identity.hash,
            "solver": solver,
            "method": method,
            "level": level,
            "work": work,
            "seconds": Number(seconds),
        });
        if let (Value::Object(object), Value::Object(result)) = (&mut object, result) {
            object.extend(result);
        }
        text.push_str(&format!("{object}\n"));
    };
    for ladder in &record.ladders {
        for rung in &ladder.rungs {
            let result = json!({
                "quantity": ladder.quantity,
                "value": Number(rung.own.value),
                "error": Number(rung.error),
                "own_error": Number(rung.own.error),
                "own_error_kind": rung.own.kind.name(),
                "bound": Number(rung.bound),
                "truth": Number(ladder.truth.value),
                "truth_tolerance": Number(ladder.truth.tolerance),
            });
            let (solver, method, work) = (&rung.solver, rung.method, &rung.settings);
            line(solver, method, rung.level, work, rung.seconds, result);
        }
    }
    for (attempt, failure) in record.failures() {
        let (solver, method, work) = (&attempt.solver, attempt.method, &attempt.settings);
        let result = json!({ "failure": failure });
        line(solver, method, attempt.level, work, attempt.seconds, result);
    }
    text
}
