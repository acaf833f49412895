//! Work against precision, one panel per quantity.

use crate::report::chart::axis::Axis;
use crate::report::chart::ink::Ink;
use crate::report::chart::mark::{Mark, Shape};
use crate::report::chart::sheet::{Panel, Sheet};
use crate::report::figures::drawing::Cast;
use crate::report::work_precision::BenchRecord;
use crate::verification::work_precision::{Ladder, Rung};

/// Widths of panels where they stand alone and side by side.
const ALONE: f64 = 620.0;
const BESIDE: f64 = 390.0;

/// Error against time; dots are known distances, rings bounds, crosses at the top attempts without an answer. The thin
/// line is what the method says of itself; the grey area is below the tolerance of the truth.
pub fn work_precision(record: &BenchRecord) -> Sheet {
    let cast = Cast::of(record.solvers());
    // Refused before any work: nothing of it is drawn.
    let attempts = record.attempts.iter();
    let drawn = attempts.filter(|attempt| attempt.seconds > 0.0);
    let (columns, width) = match record.ladders.len() {
        0 | 1 => (1, ALONE),
        _ => (2, BESIDE),
    };
    let panels = record.ladders.iter();
    let panels = panels.map(|ladder| panel(record, ladder, &cast)).collect();
    Sheet::new(panels, columns, (width, 270.0))
        .with_legend(cast.legend(drawn.map(|attempt| &attempt.solver)))
}

fn panel(record: &BenchRecord, ladder: &Ladder, cast: &Cast<'_>) -> Panel {
    let failed: Vec<_> = record
        .failures()
        .filter(|(attempt, _)| attempt.seconds > 0.0)
        .collect();
    let times = ladder.rungs.iter().map(|rung| rung.seconds);
    let x = Axis::log(
        "time [s]",
        times.chain(failed.iter().map(|(attempt, _)| attempt.seconds)),
    );
    let y = Axis::log(
        "error",
        ladder
            .rungs
            .iter()
            .flat_map(|rung| [rung.bound, rung.error.max(rung.bound * 1e-2)]),
    );
    let mut marks = Vec::new();
    let tolerance = ladder.truth.tolerance;
    if tolerance > y.range.0 {
        marks.push(Mark::Area {
            ink: Ink::Guide,
            x: vec![x.range.0, x.range.1],
            y: vec![tolerance; 2],
        });
    }
    for solver in ladder.solvers() {
        let ink = cast.ink(solver);
        let column = |pick: fn(&Rung) -> f64| ladder.of(solver).map(pick).collect::<Vec<f64>>();
        let times = column(|rung| rung.seconds);
        marks.push(Mark::thin(ink, &times, &column(|rung| rung.own.error)));
        marks.push(Mark::line(ink, &times, &column(|rung| rung.bound)));
        marks.extend(ladder.of(solver).map(|rung| {
            let shape = match rung.is_resolved() {
                true => Shape::Dot,
                false => Shape::Ring,
            };
            Mark::point(ink, shape, rung.seconds, rung.bound)
        }));
    }
    let top = y.range.1 / 1.15;
    marks.extend(failed.iter().map(|(attempt, _)| {
        let ink = cast.ink(&attempt.solver);
        Mark::point(ink, Shape::Cross, attempt.seconds, top)
    }));
    Panel::new(ladder.quantity.as_str(), x, y, marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::estimate::{ErrorKind, Estimate};
    use crate::report::work_precision::Ended;
    use crate::verification::work_precision::{Attempt, ladders};

    fn attempt(solver: &str, seconds: f64, found: Result<f64, &str>) -> Attempt {
        let number = |value| {
            let estimate = Estimate::new(value, 1e-3, ErrorKind::Grid);
            vec![("value".to_owned(), estimate)]
        };
        Attempt {
            solver: solver.to_owned(),
            method: "hjb",
            level: 0,
            settings: String::new(),
            seconds,
            found: found.map(number).map_err(str::to_owned),
        }
    }

    /// What failed after work is a cross and has its name; what was refused has neither.
    #[test]
    fn failures_are_drawn_and_refusals_are_not() {
        let attempts = vec![
            attempt("fine", 2.0, Ok(1.0)),
            attempt("coarse", 0.5, Ok(1.1)),
            attempt("burst", 1.0, Err("the value is infinite")),
            attempt("refused", 0.0, Err("not admitted: no temperature")),
        ];
        let record = BenchRecord {
            ended: Ended::Whole,
            ladders: ladders(&attempts, &[]),
            attempts,
            identity: Default::default(),
            environment: Default::default(),
        };
        let sheet = work_precision(&record);
        let names: Vec<&str> = sheet.legend.iter().map(|e| e.label.as_str()).collect();
        assert_eq!(names, ["fine", "coarse", "burst"]);
        let crosses: Vec<f64> = sheet.panels[0]
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Whisker {
                    shape: Shape::Cross,
                    value,
                    ..
                } => Some(*value),
                _ => None,
            })
            .collect();
        assert_eq!(crosses, [1.0]);
    }
}
