//! How the answers compare: errors over time, gaps, sample quality, convergence, verdicts.

use crate::numeric::estimate::Estimate;
use crate::report::chart::axis::{Axis, Scale, extent};
use crate::report::chart::ink::Ink;
use crate::report::chart::mark::{Mark, Shape};
use crate::report::chart::sheet::{Key, LegendEntry, Panel, Sheet};
use crate::report::figures::drawing::{
    BAR, Cast, Drawing, Row, arrays, bar, dot_plot, level, listed, time_axis, told,
};
use crate::report::record::{GeneratedRow, HistoryPoint, Record, Solved, SolverRow, solved};
use crate::verification::verdict::Verdict;

/// Height of one row of a dot plot.
const ROW: f64 = 20.0;

/// Control error of each solver against time.
pub fn control_errors(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let profiles = &record.figures.control_errors;
    let numbers: Vec<String> = solved(&record.solvers)
        .filter_map(|(row, solved)| Some(told(&row.id, &solved.control_error?)))
        .collect();
    let errors = profiles.iter().flat_map(|p| p.values.iter().copied());
    let panel = Panel::new(
        "",
        time_axis(profiles.iter().map(|profile| profile.times.as_slice())),
        Axis::log("control error [1/√time]", errors),
        profiles
            .iter()
            .map(|p| Mark::line(cast.ink(&p.solver), &p.times, &p.values)),
    );
    (!profiles.is_empty()).then(|| Drawing {
        name: "control-error",
        title: "Control error over time",
        caption: format!(
            "rms of u − u_ref under the law p_t at each time. Over the whole horizon: {}. {}",
            listed(&numbers),
            arrays(profiles.iter().map(|p| &p.key))
        ),
        sheet: Sheet::new(vec![panel], 1, (520.0, 250.0))
            .with_legend(cast.legend(profiles.iter().map(|p| &p.solver))),
    })
}

/// A solver or what it made, its colour, and a number.
type Entry = (String, Ink, Estimate);

/// A dot plot of one quantity, one row per name, with bars of two standard errors.
fn dots(title: &str, label: &str, rows: &[Entry]) -> Panel {
    let (smallest, largest) =
        extent(rows.iter().map(|(.., e)| e.value), |_| true).unwrap_or((0.0, 1.0));
    // A logarithmic axis where values are positive and span decades.
    let spread = smallest > 0.0 && largest > 20.0 * smallest;
    let ends = rows.iter().map(|(.., e)| bar(e));
    let x = if spread {
        // Bars may reach to zero; a third of the smallest value is far enough.
        let ends = ends.flat_map(|(low, high)| [low.max(smallest / 3.0), high]);
        Axis::log(label, ends)
    } else {
        Axis::linear(label, ends.flat_map(|(low, high)| [low, high, 0.0]))
    };
    let rows: Vec<Row> = rows
        .iter()
        .map(|(name, ink, e)| Row::new(name.clone(), *ink, Shape::Dot, e))
        .collect();
    dot_plot(title, x, (!spread).then_some(0.0), &rows)
}

fn measured<'a>(
    record: &'a Record,
    cast: &'a Cast<'_>,
    quantity: impl Fn(&Solved) -> Option<Estimate> + 'a,
) -> Vec<Entry> {
    solved(&record.solvers)
        .filter_map(|(row, solved)| {
            let estimate = quantity(solved)?;
            let usable = estimate.value.is_finite();
            usable.then(|| (row.id.clone(), cast.ink(&row.id), estimate))
        })
        .collect()
}

/// Dot plots beside each other, as high as the one of most rows needs.
fn beside(panels: Vec<Panel>, width: f64, most: usize) -> Sheet {
    let columns = panels.len();
    Sheet::new(panels, columns, (width, ROW * most as f64 + 12.0))
}

/// Relative control error and action gap of each solver.
pub fn accuracy(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let errors = measured(record, cast, |s| s.relative_control_error);
    let gaps = measured(record, cast, |s| s.gap.or(s.gap_integral));
    let mut panels = Vec::new();
    let mut said = String::new();
    for (title, label, name, rows) in [
        (
            "Control",
            "relative control error",
            "Relative control error",
            &errors,
        ),
        ("Action", "gap S − V [nats]", "Gap", &gaps),
    ] {
        if !rows.is_empty() {
            let numbers: Vec<String> = rows.iter().map(|(id, _, e)| told(id, e)).collect();
            said.push_str(&format!("{name}: {}. ", listed(&numbers)));
            panels.push(dots(title, label, rows));
        }
    }
    let most = errors.len().max(gaps.len());
    (most > 0).then(|| Drawing {
        name: "accuracy",
        title: "Distance from the optimum",
        caption: format!("{said}Bars: two standard errors."),
        sheet: beside(panels, 270.0, most),
    })
}

/// A distance of generated samples and its sampling floor.
type Measured = (Option<Estimate>, Option<Estimate>);

/// Distances of generated samples, with the sampling floor as a ring.
pub fn sample_quality(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let panels = [
        distances(record, cast, "2-Wasserstein distance", |g| {
            (g.transport, g.transport_floor)
        }),
        distances(record, cast, "energy distance", |g| {
            (g.energy_distance, g.energy_floor)
        }),
    ];
    let (panels, counts): (Vec<Panel>, Vec<usize>) = panels.into_iter().flatten().unzip();
    let most = counts.into_iter().max()?;
    Some(Drawing {
        name: "sample-quality",
        title: "Distance of generated samples to the data law",
        caption: "Distance of generated samples to true draws at the end time. Rings: the same distance between \
                  two sets of true draws, below which nothing can be told. Bars: two standard errors."
            .to_owned(),
        sheet: beside(panels, 240.0, most),
    })
}

/// One distance of all samples, and how many they are.
fn distances(
    record: &Record,
    cast: &Cast<'_>,
    title: &str,
    pick: impl Fn(&GeneratedRow) -> Measured,
) -> Option<(Panel, usize)> {
    let generated = solved(&record.solvers)
        .flat_map(|(row, solved)| solved.generated.iter().map(move |g| (row, g)));
    let (found, floors): (Vec<Entry>, Vec<Option<Estimate>>) = generated
        .filter_map(|(row, generated)| {
            let (value, floor) = pick(generated);
            let value = value.filter(|value| value.value.is_finite())?;
            let name = format!("{}, {}", row.id, level(generated.noise_level));
            Some(((name, cast.ink(&row.id), value), floor))
        })
        .unzip();
    let mut panel = dots(title, title, &found);
    for (n, floor) in floors.iter().enumerate() {
        let Some(Estimate { value, .. }) = *floor else {
            continue;
        };
        let ring = Mark::point(Ink::Guide, Shape::Ring, value, n as f64);
        panel.marks.push(ring);
        let low = &mut panel.x.range.0;
        *low = low.min(match panel.x.scale {
            Scale::Log if value > 0.0 => 0.8 * value,
            Scale::Log => *low,
            Scale::Linear => value,
        });
    }
    (!found.is_empty()).then_some((panel, found.len()))
}

/// Objective and stop criterion of the iterating solvers.
pub fn convergence(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let rows: Vec<(&SolverRow, &Solved)> = solved(&record.solvers)
        .filter(|(_, solved)| solved.history.len() > 1)
        .collect();
    let column = |solved: &Solved, pick: fn(&HistoryPoint) -> f64| -> Vec<f64> {
        solved.history.iter().map(pick).collect()
    };
    let iterations = |solved: &Solved| column(solved, |p| p.iteration as f64);
    let objective = |solved: &Solved| column(solved, |p| p.objective);
    let measured = |solved: &Solved| column(solved, |p| p.measured);
    let mut panels: Vec<Panel> = rows
        .iter()
        .filter(|(_, solved)| solved.history.iter().any(|p| p.objective.is_finite()))
        .map(|(row, solved)| {
            let (x, y) = (iterations(solved), objective(solved));
            let line = Mark::line(cast.ink(&row.id), &x, &y);
            let (x, y) = (Axis::linear("iteration", x), Axis::linear("objective", y));
            Panel::new(row.id.as_str(), x, y, [line])
        })
        .collect();
    panels.push(Panel::new(
        "stop criterion",
        Axis::linear("iteration", rows.iter().flat_map(|(_, s)| iterations(s))),
        Axis::log("measured", rows.iter().flat_map(|(_, s)| measured(s))),
        rows.iter()
            .map(|(row, s)| Mark::line(cast.ink(&row.id), &iterations(s), &measured(s))),
    ));
    let ends: Vec<String> = rows
        .iter()
        .filter_map(|(row, solved)| {
            let (id, stopped, last) = (&row.id, &solved.stopped, solved.history.last()?);
            Some(format!(
                "{id} after {} iterations: {stopped}",
                last.iteration
            ))
        })
        .collect();
    let columns = panels.len().min(3);
    (!rows.is_empty()).then(|| Drawing {
        name: "convergence",
        title: "Convergence",
        caption: format!(
            "Objective of each iterating solver and the quantity its stop rule measures. {}.",
            listed(&ends)
        ),
        sheet: Sheet::new(panels, columns, (205.0, 150.0))
            .with_legend(cast.legend(rows.iter().map(|(row, _)| &row.id))),
    })
}

/// Smaller ratios of a distance to its limit are drawn here: rounding errors would stretch the axis.
const SMALLEST: f64 = 1e-4;

/// Distance of every check from its target, in units of its limit.
pub fn verification(record: &Record) -> Option<Drawing> {
    let mut rows: Vec<Row> = Vec::new();
    let mut verdicts = Vec::new();
    for check in &record.checks {
        if let (Some(measured), Some(limit)) = (check.measured, check.limit)
            && limit > 0.0
            && measured.is_finite()
        {
            let (ink, shape) = look(check.verdict);
            let ratio = (measured - check.target).abs() / limit;
            let value = ratio.max(SMALLEST);
            let half = check.se.map(|se| BAR * se / limit);
            rows.push(Row {
                name: format!("{} · {}", check.check, check.on),
                ink,
                shape,
                value,
                bar: match half.filter(|half| *half > 0.0) {
                    Some(half) => (ratio - half, (ratio + half).max(SMALLEST)),
                    None => (value, value),
                },
            });
            verdicts.push(check.verdict);
        }
    }
    let ratios = rows.iter().map(|row| row.value).chain([1.0]);
    let mut x = Axis::log("distance from target / limit", ratios);
    x.range.1 = x.range.1.max(3.0);
    let legend = [
        (Verdict::Pass, "pass (dot)"),
        (Verdict::Fail, "fail (cross)"),
        (Verdict::Inconclusive, "inconclusive (ring)"),
    ]
    .into_iter()
    .filter(|(verdict, _)| verdicts.contains(verdict))
    .map(|(verdict, words)| LegendEntry::new(words, look(verdict).0, Key::Dot))
    .collect();
    let panel = dot_plot("", x, Some(1.0), &rows);
    (!rows.is_empty()).then(|| Drawing {
        name: "verification",
        title: "How far inside their limits the checks are",
        caption: format!(
            "Distance of each measured identity from its target, divided by its limit: {}. The dashed line is the \
             limit. Bars: two standard errors. Ratios below 10⁻⁴ are drawn at 10⁻⁴.",
            record.counts()
        ),
        sheet: Sheet::new(vec![panel], 1, (430.0, 17.0 * rows.len() as f64 + 12.0))
            .with_legend(legend),
    })
}

fn look(verdict: Verdict) -> (Ink, Shape) {
    match verdict {
        Verdict::Proved | Verdict::Pass => (Ink::Good, Shape::Dot),
        Verdict::Fail => (Ink::Bad, Shape::Cross),
        Verdict::Inconclusive | Verdict::Skipped => (Ink::Unsure, Shape::Ring),
    }
}
