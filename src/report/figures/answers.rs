//! How the answers compare: errors over time, gaps, sample quality, convergence, verdicts.

use crate::numeric::estimate::Estimate;
use crate::report::chart::axis::{Axis, Scale, extent};
use crate::report::chart::ink::Ink;
use crate::report::chart::mark::{Mark, Shape};
use crate::report::chart::sheet::{Key, LegendEntry, Panel, Sheet};
use crate::report::figures::drawing::{Cast, Drawing, level, listed, time_axis};
use crate::report::number;
use crate::report::record::{GeneratedRow, Record, Solved, SolverRow};
use crate::verification::verdict::Verdict;

/// Height of one row of a dot plot.
const ROW: f64 = 20.0;
/// Standard errors a bar shows.
const BAR: f64 = 2.0;

/// Control error of each solver against time.
pub fn control_errors(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let profiles = &record.figures.control_errors;
    if profiles.is_empty() {
        return None;
    }
    let marks = profiles
        .iter()
        .map(|profile| Mark::Line {
            ink: cast.ink(&profile.solver),
            x: profile.times.clone(),
            y: profile.values.clone(),
            thin: false,
        })
        .collect();
    let keys: Vec<String> = profiles.iter().map(|p| p.key.clone()).collect();
    let numbers: Vec<String> = record
        .solvers
        .iter()
        .filter_map(|row| {
            let error = row.solved()?.control_error?;
            Some(format!("{} {}", row.id, number::typeset_with_error(&error)))
        })
        .collect();
    Some(Drawing {
        name: "control-error",
        title: "Control error over time",
        caption: format!(
            "rms of u − u_ref under the law p_t at each time. Over the whole horizon: {}. Arrays {}.",
            listed(&numbers),
            listed(&keys)
        ),
        sheet: Sheet {
            panels: vec![Panel {
                title: String::new(),
                x: time_axis(profiles.iter().map(|profile| profile.times.as_slice())),
                y: Axis::log(
                    "control error [1/√time]",
                    profiles.iter().flat_map(|p| p.values.iter().copied()),
                ),
                marks,
            }],
            columns: 1,
            panel: (520.0, 250.0),
            shared: false,
            legend: cast.legend(profiles.iter().map(|p| p.solver.as_str()), Key::Line),
        },
    })
}

/// Ends of an error bar; a point where the error is unknown.
pub(super) fn bar(e: &Estimate) -> (f64, f64) {
    let half = if e.error.is_finite() {
        BAR * e.error
    } else {
        0.0
    };
    (e.value - half, e.value + half)
}

/// A dot plot of one quantity, one row per name, with bars of two standard errors.
fn dots(title: &str, label: &str, rows: &[(String, Ink, Estimate)]) -> Panel {
    let names: Vec<String> = rows.iter().map(|(name, ..)| name.clone()).collect();
    let (smallest, largest) =
        extent(rows.iter().map(|(.., e)| e.value), |_| true).unwrap_or((0.0, 1.0));
    // A logarithmic axis where values are positive and span decades.
    let spread = smallest > 0.0 && largest > 20.0 * smallest;
    let x = if spread {
        // Bars may reach to zero; a third of the smallest value is far enough.
        let ends = rows.iter().flat_map(|(.., e)| {
            let (low, high) = bar(e);
            [low.max(smallest / 3.0), high]
        });
        Axis::log(label, ends)
    } else {
        let ends = rows.iter().flat_map(|(.., e)| {
            let (low, high) = bar(e);
            [low, high, 0.0]
        });
        Axis::linear(label, ends)
    };
    let mut marks = Vec::new();
    if !spread {
        marks.push(Mark::Guide { x: 0.0 });
    }
    for (n, (_, ink, estimate)) in rows.iter().enumerate() {
        marks.push(Mark::Whisker {
            ink: *ink,
            shape: Shape::Dot,
            value: estimate.value,
            bar: bar(estimate),
            y: n as f64,
        });
    }
    Panel {
        title: title.to_owned(),
        x,
        y: Axis::categories(&names),
        marks,
    }
}

fn measured<'a>(
    record: &'a Record,
    cast: &'a Cast<'_>,
    quantity: impl Fn(&Solved) -> Option<Estimate> + 'a,
) -> Vec<(String, Ink, Estimate)> {
    record
        .solvers
        .iter()
        .filter_map(|row| {
            let estimate = quantity(row.solved()?)?;
            let usable = estimate.value.is_finite();
            usable.then(|| (row.id.clone(), cast.ink(&row.id), estimate))
        })
        .collect()
}

/// Relative control error and action gap of each solver.
pub fn accuracy(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let errors = measured(record, cast, |s| s.relative_control_error);
    let gaps = measured(record, cast, |s| s.gap.or(s.gap_integral));
    let mut panels = Vec::new();
    let mut said = Vec::new();
    let mut say = |name: &str, rows: &[(String, Ink, Estimate)]| {
        let numbers: Vec<String> = rows
            .iter()
            .map(|(id, _, e)| format!("{id} {}", number::typeset_with_error(e)))
            .collect();
        said.push(format!("{name}: {}.", listed(&numbers)));
    };
    if !errors.is_empty() {
        say("Relative control error", &errors);
        panels.push(dots("Control", "relative control error", &errors));
    }
    if !gaps.is_empty() {
        say("Gap", &gaps);
        panels.push(dots("Action", "gap S − V [nats]", &gaps));
    }
    let most = errors.len().max(gaps.len());
    if most == 0 {
        return None;
    }
    Some(Drawing {
        name: "accuracy",
        title: "Distance from the optimum",
        caption: format!("{} Bars: two standard errors.", said.join(" ")),
        sheet: Sheet {
            columns: panels.len(),
            panels,
            panel: (270.0, ROW * most as f64 + 12.0),
            shared: false,
            legend: Vec::new(),
        },
    })
}

/// A distance of generated samples and its sampling floor.
type Measured = (Option<Estimate>, Option<Estimate>);

/// Distances of generated samples, with the sampling floor as a ring.
pub fn sample_quality(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let rows: Vec<(&SolverRow, &GeneratedRow)> = record
        .solvers
        .iter()
        .filter_map(|row| Some((row, row.solved()?)))
        .flat_map(|(row, solved)| solved.generated.iter().map(move |g| (row, g)))
        .collect();
    let panel = |title: &str, pick: &dyn Fn(&GeneratedRow) -> Measured| {
        let mut found = Vec::new();
        let mut floors = Vec::new();
        for (row, generated) in &rows {
            if let (Some(value), floor) = pick(generated)
                && value.value.is_finite()
            {
                let name = format!("{}, {}", row.id, level(generated.noise_level));
                found.push((name, cast.ink(&row.id), value));
                floors.push(floor);
            }
        }
        if found.is_empty() {
            return None;
        }
        let mut panel = dots(title, title, &found);
        for (n, floor) in floors.iter().enumerate() {
            if let Some(floor) = floor {
                panel.marks.push(Mark::Whisker {
                    ink: Ink::Guide,
                    shape: Shape::Ring,
                    value: floor.value,
                    bar: (floor.value, floor.value),
                    y: n as f64,
                });
                let low = &mut panel.x.range.0;
                *low = low.min(match panel.x.scale {
                    Scale::Log if floor.value > 0.0 => 0.8 * floor.value,
                    Scale::Log => *low,
                    Scale::Linear => floor.value,
                });
            }
        }
        Some((panel, found.len()))
    };
    let (panels, counts): (Vec<Panel>, Vec<usize>) = [
        panel("2-Wasserstein distance", &|g| {
            (g.transport, g.transport_floor)
        }),
        panel("energy distance", &|g| (g.energy_distance, g.energy_floor)),
    ]
    .into_iter()
    .flatten()
    .unzip();
    let most = counts.into_iter().max()?;
    Some(Drawing {
        name: "sample-quality",
        title: "Distance of generated samples to the data law",
        caption: "Distance of generated samples to true draws at the end time. Rings: the same distance between \
                  two sets of true draws, below which nothing can be told. Bars: two standard errors."
            .to_owned(),
        sheet: Sheet {
            columns: panels.len(),
            panels,
            panel: (240.0, ROW * most as f64 + 12.0),
            shared: false,
            legend: Vec::new(),
        },
    })
}

/// Objective and stop criterion of the iterating solvers.
pub fn convergence(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let rows: Vec<(&SolverRow, &Solved)> = record
        .solvers
        .iter()
        .filter_map(|row| Some((row, row.solved()?)))
        .filter(|(_, solved)| solved.history.len() > 1)
        .collect();
    if rows.is_empty() {
        return None;
    }
    let iterations = |solved: &Solved| -> Vec<f64> {
        solved.history.iter().map(|p| p.iteration as f64).collect()
    };
    let mut panels: Vec<Panel> = rows
        .iter()
        .filter(|(_, solved)| solved.history.iter().any(|p| p.objective.is_finite()))
        .map(|(row, solved)| {
            let objective: Vec<f64> = solved.history.iter().map(|p| p.objective).collect();
            Panel {
                title: row.id.clone(),
                x: Axis::linear("iteration", iterations(solved)),
                y: Axis::linear("objective", objective.iter().copied()),
                marks: vec![Mark::Line {
                    ink: cast.ink(&row.id),
                    x: iterations(solved),
                    y: objective,
                    thin: false,
                }],
            }
        })
        .collect();
    let measured =
        |solved: &Solved| -> Vec<f64> { solved.history.iter().map(|p| p.measured).collect() };
    panels.push(Panel {
        title: "stop criterion".into(),
        x: Axis::linear("iteration", rows.iter().flat_map(|(_, s)| iterations(s))),
        y: Axis::log("measured", rows.iter().flat_map(|(_, s)| measured(s))),
        marks: rows
            .iter()
            .map(|(row, solved)| Mark::Line {
                ink: cast.ink(&row.id),
                x: iterations(solved),
                y: measured(solved),
                thin: false,
            })
            .collect(),
    });
    let ends: Vec<String> = rows
        .iter()
        .filter_map(|(row, solved)| {
            let last = solved.history.last()?;
            Some(format!(
                "{} after {} iterations: {}",
                row.id, last.iteration, solved.stopped
            ))
        })
        .collect();
    Some(Drawing {
        name: "convergence",
        title: "Convergence",
        caption: format!(
            "Objective of each iterating solver and the quantity its stop rule measures. {}.",
            listed(&ends)
        ),
        sheet: Sheet {
            columns: panels.len().min(3),
            panels,
            panel: (205.0, 150.0),
            shared: false,
            legend: cast.legend(rows.iter().map(|(row, _)| row.id.as_str()), Key::Line),
        },
    })
}

/// Distance of every check from its target, in units of its limit.
pub fn verification(record: &Record) -> Option<Drawing> {
    struct Row {
        name: String,
        verdict: Verdict,
        ratio: f64,
        bar: f64,
    }
    let mut rows: Vec<Row> = Vec::new();
    for check in &record.checks {
        if let (Some(measured), Some(limit)) = (check.measured, check.limit)
            && limit > 0.0
            && measured.is_finite()
        {
            rows.push(Row {
                name: format!("{} · {}", check.check, check.on),
                verdict: check.verdict,
                ratio: (measured - check.target).abs() / limit,
                bar: check.se.map_or(0.0, |se| BAR * se / limit),
            });
        }
    }
    if rows.is_empty() {
        return None;
    }
    /// Smaller ratios are drawn here: rounding errors would stretch the axis.
    const SMALLEST: f64 = 1e-4;
    let place = |ratio: f64| ratio.max(SMALLEST);
    let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    let mut x = Axis::log(
        "distance from target / limit",
        rows.iter().map(|row| place(row.ratio)).chain([1.0]),
    );
    x.range.1 = x.range.1.max(3.0);
    let mut marks = vec![Mark::Guide { x: 1.0 }];
    for (n, row) in rows.iter().enumerate() {
        let (ink, shape) = look(row.verdict);
        marks.push(Mark::Whisker {
            ink,
            shape,
            value: place(row.ratio),
            bar: if row.bar > 0.0 {
                (row.ratio - row.bar, place(row.ratio + row.bar))
            } else {
                (place(row.ratio), place(row.ratio))
            },
            y: n as f64,
        });
    }
    let legend = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive]
        .into_iter()
        .filter(|verdict| rows.iter().any(|row| row.verdict == *verdict))
        .map(|verdict| LegendEntry {
            label: match verdict {
                Verdict::Pass => "pass (dot)".to_owned(),
                Verdict::Fail => "fail (cross)".to_owned(),
                _ => "inconclusive (ring)".to_owned(),
            },
            ink: look(verdict).0,
            key: Key::Dot,
        })
        .collect();
    Some(Drawing {
        name: "verification",
        title: "How far inside their limits the checks are",
        caption: format!(
            "Distance of each measured identity from its target, divided by its limit: {}. The dashed line is the \
             limit. Bars: two standard errors. Ratios below 10⁻⁴ are drawn at 10⁻⁴.",
            record.counts()
        ),
        sheet: Sheet {
            panel: (430.0, 17.0 * rows.len() as f64 + 12.0),
            panels: vec![Panel {
                title: String::new(),
                x,
                y: Axis::categories(&names),
                marks,
            }],
            columns: 1,
            shared: false,
            legend,
        },
    })
}

fn look(verdict: Verdict) -> (Ink, Shape) {
    match verdict {
        Verdict::Proved | Verdict::Pass => (Ink::Good, Shape::Dot),
        Verdict::Fail => (Ink::Bad, Shape::Cross),
        Verdict::Inconclusive | Verdict::Skipped => (Ink::Unsure, Shape::Ring),
    }
}
