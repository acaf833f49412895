//! Work against precision: how near each method comes to the truth, and what it pays.
//!
//! A rung is one method with one amount of work. Its error is its distance from the truth of the quantity, never its own
//! estimate of it; both are kept, so that an estimate that is too proud shows.
//!
//! # Truth
//! `[reference.NAME]` of the file where the quantity has one. Else the answer, of all rungs, that claims the smallest error
//! of its own; that rung itself is then not judged. A distance between controls is measured against zero.
//!
//! # What a distance can tell
//! A distance below the tolerance of the truth, or below two standard errors of a sampled answer, says only that the
//! error is no larger: [`Rung::bound`].

use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::problem::meant::model::Reference;

/// Standard errors below which a sampled distance is noise.
const NOISE: f64 = 2.0;
/// Two times are told apart from here on: clocks of short runs vary by less.
const FASTER: f64 = 1.25;
/// Rungs a fitted slope needs.
const FEWEST_RUNGS: usize = 3;

/// One method with one amount of work, before anything is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub solver: String,
    pub method: &'static str,
    /// Halvings of its work; 0 is what the file asks for.
    pub level: u32,
    /// Sizes in one line.
    pub settings: String,
    pub seconds: f64,
    /// The numbers it found, by name; or why there are none.
    pub found: Result<Vec<(String, Estimate)>, String>,
}

/// What a quantity is, as well as anybody knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    pub value: f64,
    pub tolerance: f64,
    /// The file's source, or the solver it comes from.
    pub source: String,
}

/// One judged attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    pub solver: String,
    pub method: &'static str,
    pub level: u32,
    pub settings: String,
    pub seconds: f64,
    /// Distance from the truth.
    pub error: f64,
    /// What the method says its error is.
    pub own: Estimate,
    /// The largest of the distance, the tolerance of the truth and the noise: what is known of the error.
    pub bound: f64,
}

impl Rung {
    /// Whether the distance itself is known, not only a bound of it.
    pub fn is_resolved(&self) -> bool {
        self.bound <= self.error
    }
}

/// All methods on one quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    pub quantity: String,
    pub truth: Truth,
    /// By solver in the order of the file, most work first.
    pub rungs: Vec<Rung>,
}

/// A method whose best rung another one beats in both error and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    pub quantity: String,
    pub loser: Rung,
    pub winner: Rung,
}

/// How fast the error falls.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    pub solver: String,
    /// `p` of `error ~ time^-p`, by least squares in logarithms.
    pub exponent: f64,
    pub rungs: usize,
}

/// One ladder for each quantity that has a truth and was found by some attempt, in the order of their first appearance.
pub fn ladders(attempts: &[Attempt], references: &[Reference]) -> Vec<Ladder> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in found(attempts).flat_map(|(_, numbers)| numbers) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
        .into_iter()
        .filter_map(|name| ladder(name, attempts, references))
        .filter(|ladder| !ladder.rungs.is_empty())
        .collect()
}

/// Names of quantities that are distances from the best answer themselves.
pub const CONTROL_ERROR: &str = "relative control error";
pub const GAP: &str = "gap S - V";

fn found(attempts: &[Attempt]) -> impl Iterator<Item = (&Attempt, &Vec<(String, Estimate)>)> {
    attempts
        .iter()
        .filter_map(|attempt| Some((attempt, attempt.found.as_ref().ok()?)))
}

fn ladder(name: &str, attempts: &[Attempt], references: &[Reference]) -> Option<Ladder> {
    let answers: Vec<(&Attempt, Estimate)> = found(attempts)
        .filter_map(|(attempt, numbers)| {
            let number = numbers.iter().find(|number| number.0 == name)?;
            number.1.value.is_finite().then_some((attempt, number.1))
        })
        .collect();
    let mut judge: Option<(&str, u32)> = None;
    let truth = if [CONTROL_ERROR, GAP].contains(&name) {
        Truth {
            value: 0.0,
            tolerance: 0.0,
            source: "distance from the reference control".to_owned(),
        }
    } else if let Some(reference) = references.iter().find(|r| r.name == name) {
        Truth {
            value: reference.value,
            tolerance: reference.tolerance,
            source: reference.source.clone(),
        }
    } else {
        let (best, value) = answers
            .iter()
            .filter(|(_, value)| value.error.is_finite() && value.kind != ErrorKind::Unknown)
            .min_by(|a, b| a.1.error.total_cmp(&b.1.error))?;
        judge = Some((&best.solver, best.level));
        Truth {
            value: value.value,
            tolerance: value.error,
            source: format!("`{}`, which knows itself best", best.solver),
        }
    };
    let rungs = answers
        .into_iter()
        .filter(|(attempt, _)| judge != Some((&attempt.solver, attempt.level)))
        .map(|(attempt, own)| rung(attempt, own, &truth))
        .collect();
    Some(Ladder {
        quantity: name.to_owned(),
        truth,
        rungs,
    })
}

fn rung(attempt: &Attempt, own: Estimate, truth: &Truth) -> Rung {
    let error = (own.value - truth.value).abs();
    let noise = match own.kind {
        ErrorKind::StandardError => NOISE * own.error,
        _ => 0.0,
    };
    // An exact number is off by rounding even where the difference is zero.
    let rounding = f64::EPSILON * truth.value.abs();
    Rung {
        solver: attempt.solver.clone(),
        method: attempt.method,
        level: attempt.level,
        settings: attempt.settings.clone(),
        seconds: attempt.seconds,
        error,
        own,
        bound: error.max(noise).max(truth.tolerance).max(rounding),
    }
}

impl Ladder {
    /// Solvers in the order of the file.
    pub fn solvers(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for rung in &self.rungs {
            if !ids.contains(&rung.solver.as_str()) {
                ids.push(&rung.solver);
            }
        }
        ids
    }

    /// Rungs of one solver, most work first.
    pub fn of<'a>(&'a self, solver: &'a str) -> impl Iterator<Item = &'a Rung> {
        self.rungs.iter().filter(move |rung| rung.solver == solver)
    }

    /// The rate of every solver with enough rungs whose distance is known.
    pub fn rates(&self) -> Vec<Rate> {
        self.solvers()
            .into_iter()
            .filter_map(|solver| {
                let points: Vec<(f64, f64)> = self
                    .of(solver)
                    .filter(|rung| rung.is_resolved() && rung.seconds > 0.0)
                    .map(|rung| (rung.seconds.ln(), rung.error.ln()))
                    .collect();
                let exponent = -slope(&points)?;
                Some(Rate {
                    solver: solver.to_owned(),
                    exponent,
                    rungs: points.len(),
                })
            })
            .collect()
    }

    /// Every solver whose best rung is beaten: some rung of another has a smaller bound of its error in clearly less
    /// time. Of several such the nearest to the truth is named.
    pub fn losses(&self) -> Vec<Loss> {
        self.solvers()
            .into_iter()
            .filter_map(|solver| {
                let loser = self.of(solver).min_by(|a, b| a.bound.total_cmp(&b.bound))?;
                let winner = self
                    .rungs
                    .iter()
                    .filter(|other| {
                        other.solver != solver
                            && other.bound < loser.bound
                            && other.seconds * FASTER < loser.seconds
                    })
                    .min_by(|a, b| a.bound.total_cmp(&b.bound))?;
                Some(Loss {
                    quantity: self.quantity.clone(),
                    loser: loser.clone(),
                    winner: winner.clone(),
                })
            })
            .collect()
    }
}

/// Least-squares slope; `None` of fewer than three points or of equal abscissas.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < FEWEST_RUNGS {
        return None;
    }
    let n = points.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let variance: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(solver: &str, level: u32, seconds: f64, value: f64, error: f64) -> Attempt {
        let kind = if solver == "mc" {
            ErrorKind::StandardError
        } else {
            ErrorKind::Grid
        };
        Attempt {
            solver: solver.to_owned(),
            method: "test",
            level,
            settings: String::new(),
            seconds,
            found: Ok(vec![(
                "value".to_owned(),
                Estimate::new(value, error, kind),
            )]),
        }
    }

    fn reference() -> Vec<Reference> {
        vec![Reference {
            name: "value".to_owned(),
            value: 2.0,
            tolerance: 1e-6,
            source: "closed form".to_owned(),
        }]
    }

    /// Errors `time^-2` by construction.
    fn grid() -> Vec<Attempt> {
        (0..4)
            .map(|level| {
                let seconds = 8.0 / f64::from(1 << level);
                let error = 1e-2 / seconds.powi(2);
                attempt("grid", level, seconds, 2.0 + error, error)
            })
            .collect()
    }

    #[test]
    fn the_rate_is_that_of_the_errors() {
        let found = ladders(&grid(), &reference());
        let rates = found[0].rates();
        assert_eq!(rates[0].rungs, 4);
        assert!((rates[0].exponent - 2.0).abs() < 1e-9);
    }

    #[test]
    fn noise_and_tolerance_bound_what_is_known() {
        let lucky = attempt("mc", 0, 20.0, 2.0 + 1e-9, 1e-3);
        let exact = attempt("closed", 0, 1e-3, 2.0, 0.0);
        let found = ladders(&[lucky, exact], &reference());
        let [lucky, exact] = [&found[0].rungs[0], &found[0].rungs[1]];
        assert!(!lucky.is_resolved() && (lucky.bound - 2e-3).abs() < 1e-15);
        assert!(!exact.is_resolved() && exact.bound == 1e-6);
    }

    #[test]
    fn a_lucky_draw_does_not_win_and_a_slow_method_loses() {
        let mut attempts = grid();
        attempts.push(attempt("mc", 0, 20.0, 2.0 + 1e-9, 1e-3));
        let losses = ladders(&attempts, &reference())[0].losses();
        assert_eq!(losses.len(), 1);
        assert_eq!(losses[0].loser.solver, "mc");
        assert_eq!(
            (losses[0].winner.solver.as_str(), losses[0].winner.level),
            ("grid", 0)
        );
    }

    #[test]
    fn without_a_reference_the_answer_that_knows_itself_best_judges_the_others() {
        let found = ladders(&grid(), &[]);
        assert!(found[0].truth.source.contains("grid"));
        assert!(found[0].rungs.iter().all(|rung| rung.level > 0));
    }

    #[test]
    fn failures_give_no_rung() {
        let mut failed = attempt("grid", 1, 1.0, 0.0, 0.0);
        failed.found = Err("refused".to_owned());
        assert!(ladders(&[failed], &reference()).is_empty());
    }
}
