//! What only control and sampling problems show: the policy over time with its paths, path weights, the evidence.

use crate::numeric::estimate::Estimate;
use crate::report::chart::axis::Axis;
use crate::report::chart::mark::{Mark, Shape};
use crate::report::chart::sheet::{Panel, Sheet};
use crate::report::figures::clouds::outline;
use crate::report::figures::drawing::{Cast, Drawing, Row, arrays, dot_plot, grid, listed, told};
use crate::report::figures::fields::others;
use crate::report::number;
use crate::report::record::{Gain, LogWeights, PolicyMap, Record, Solved, solved};

/// Paths drawn over a policy.
const DRAWN: usize = 10;
/// One in so many weights, the smallest ones, is left of a histogram.
const LIGHTEST: usize = 50;
/// Nats from the middle of what is found of the evidence, beyond which a bound is told and not drawn.
const FAR: f64 = 30.0;
/// Height of a row.
const ROW: f64 = 22.0;

/// The size of the first control over time and the first coordinate, with paths on top.
pub fn policies(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let maps = &record.figures.policies;
    let first = maps.first()?;
    let largest = maps
        .iter()
        .flat_map(|map| &map.control)
        .filter(|u| u.is_finite())
        .fold(0.0_f64, |a, u| a.max(u.abs()));
    let x = Axis::over("t", &first.times)?;
    let y = Axis::over(record.figures.first_label(), &first.coordinate)?;
    let panels: Vec<Panel> = maps
        .iter()
        .map(|map| {
            let marks = marks_of_policy(record, map, largest, cast);
            Panel::new(map.solver.as_str(), x.clone(), y.clone(), marks)
        })
        .collect();
    let (columns, width) = grid(panels.len(), panels.len().clamp(2, 3), 360.0);
    Some(Drawing {
        name: "policy",
        title: "Policy with paths",
        caption: format!(
            "Shade: size of the first control over time and the first coordinate{}, white at 0, darkest at {}. Lines: \
             paths under that control, all driven by the same noise. {}",
            others(record),
            number::typeset(largest, 3),
            arrays(maps.iter().map(|map| &map.key))
        ),
        sheet: Sheet::new(panels, columns, (width, 0.62 * width)).sharing_axes(),
    })
}

fn marks_of_policy(record: &Record, map: &PolicyMap, largest: f64, cast: &Cast<'_>) -> Vec<Mark> {
    let largest = largest.max(f64::MIN_POSITIVE);
    let mut marks = vec![Mark::Shade {
        x: map.times.clone(),
        y: map.coordinate.clone(),
        level: map.control.iter().map(|u| u.abs() / largest).collect(),
    }];
    let bundles = record.figures.paths.iter();
    for bundle in bundles.filter(|bundle| bundle.solver == map.solver) {
        let paths = bundle.coordinates.iter().take(1).flatten().take(DRAWN);
        marks.extend(paths.map(|path| Mark::thin(cast.ink(&map.solver), &bundle.times, path)));
    }
    marks
}

/// Feedback gains of the first control against time, one panel a state.
pub fn gains(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let gains = &record.figures.gains;
    let states = gains.iter().map(|gain| gain.state + 1).max()?;
    let panel = |state: usize| {
        let own = || gains.iter().filter(move |gain| gain.state == state);
        let name = record.identity.states.get(state);
        let line = |Gain { profile, .. }: &Gain| {
            Mark::line(cast.ink(&profile.solver), &profile.times, &profile.values)
        };
        Panel::new(
            name.cloned().unwrap_or_default(),
            Axis::linear(
                "t",
                own().flat_map(|gain| gain.profile.times.iter().copied()),
            ),
            Axis::linear(
                "gain",
                own().flat_map(|gain| gain.profile.values.iter().copied()),
            ),
            own().map(line),
        )
    };
    let panels: Vec<Panel> = (0..states).map(panel).collect();
    let mut keys: Vec<&String> = gains.iter().map(|gain| &gain.profile.key).collect();
    keys.dedup();
    let (columns, width) = grid(panels.len(), 2, 360.0);
    Some(Drawing {
        name: "gains",
        title: "Feedback gains",
        caption: format!(
            "−∂u/∂x of the first control at the mean of the controlled process, by central differences. {}",
            arrays(keys)
        ),
        sheet: Sheet::new(panels, columns, (width, 0.5 * width))
            .with_legend(cast.legend(gains.iter().map(|gain| &gain.profile.solver))),
    })
}

/// Histograms of the logarithms of path weights, each about its own mean, and the shares of effective paths.
pub fn weights(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let sets = &record.figures.log_weights;
    let centred: Vec<Vec<f64>> = sets.iter().map(about_mean).collect();
    let mut all: Vec<f64> = centred.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    // A few paths without weight would leave no room for the others.
    let low = *all.get(all.len() / LIGHTEST)?;
    let high = *all.last()?;
    let range = match high > low {
        true => (low, high),
        false => (low - 0.5, low + 0.5),
    };
    let mut highest = 0.0_f64;
    let mut marks = Vec::new();
    for (set, values) in sets.iter().zip(&centred) {
        let (x, y) = outline(values, range);
        highest = y.iter().copied().fold(highest, f64::max);
        marks.push(Mark::line(cast.ink(&set.solver), &x, &y));
    }
    let x = Axis::between("log w − mean", range.0, range.1);
    let y = Axis::between("density", 0.0, 1.05 * highest);
    let mut panels = vec![Panel::new("log weights", x, y, marks)];
    let shares: Vec<Row> = solved(&record.solvers)
        .filter_map(|(row, solved)| {
            let value = solved.effective_sample_size?;
            Some(Row {
                name: row.id.clone(),
                ink: cast.ink(&row.id),
                shape: Shape::Dot,
                value,
                bar: (0.0, value),
            })
        })
        .collect();
    if !shares.is_empty() {
        let x = Axis::between("share of paths", 0.0, 1.0);
        panels.push(dot_plot("effective sample size", x, None, &shares));
    }
    let said: Vec<String> = shares
        .iter()
        .map(|row| format!("{} {}", row.name, number::typeset(row.value, 3)))
        .collect();
    let columns = panels.len();
    Some(Drawing {
        name: "log-weights",
        title: "Path weights",
        caption: format!(
            "Logarithms of the path weights about their mean, without the smallest fiftieth; under the optimal control all weights are equal in the \
             limit of small steps. Effective sample size as a share of the paths: {}. {}",
            listed(&said),
            arrays(sets.iter().map(|set| &set.key))
        ),
        sheet: Sheet::new(panels, columns, (360.0, 220.0))
            .with_legend(cast.legend(sets.iter().map(|set| &set.solver))),
    })
}

fn about_mean(set: &LogWeights) -> Vec<f64> {
    let finite: Vec<f64> = set
        .values
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .collect();
    let mean = finite.iter().sum::<f64>() / finite.len().max(1) as f64;
    finite.into_iter().map(|v| v - mean).collect()
}

/// `log Z` of each method between its bounds, with the known value as a dashed line.
pub fn evidence(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let mut found: Vec<(String, &str, Shape, Estimate)> = Vec::new();
    for (row, solved) in solved(&record.solvers) {
        let own = solved.log_normalizer;
        found.extend(own.map(|own| (row.id.clone(), row.id.as_str(), Shape::Dot, own)));
        found.extend(bounds(solved).into_iter().map(|(name, bound)| {
            let name = format!("{}, {name}", row.id);
            (name, row.id.as_str(), Shape::Ring, bound)
        }));
    }
    found.retain(|(.., found)| found.value.is_finite());
    let mut middle: Vec<f64> = found.iter().map(|(.., found)| found.value).collect();
    middle.sort_by(f64::total_cmp);
    let middle = *middle.get(middle.len() / 2)?;
    let (near, beyond): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|(.., found)| (found.value - middle).abs() <= FAR);
    let far: Vec<String> = beyond
        .iter()
        .map(|(name, .., found)| told(name, found))
        .collect();
    let far = match far.is_empty() {
        true => String::new(),
        false => format!(" Not drawn, too far away: {}.", listed(&far)),
    };
    let rows: Vec<Row> = near
        .into_iter()
        .map(|(name, id, shape, found)| Row::new(name, cast.ink(id), shape, &found))
        .collect();
    let mut references = record.references.iter();
    let known = references
        .find(|reference| reference.name == "log_z")
        .map(|reference| reference.value);
    let ends = rows.iter().flat_map(|row| [row.bar.0, row.bar.1]);
    let x = Axis::linear("log Z [nats]", ends.chain(known));
    let line = match known {
        Some(_) => " Dashed: the known value.",
        None => "",
    };
    let height = ROW * rows.len() as f64 + 12.0;
    Some(Drawing {
        name: "evidence",
        title: "Evidence",
        caption: format!(
            "log Z by each method (dots) and its bounds (rings). Bars: two standard errors.{line}{far}"
        ),
        sheet: Sheet::new(vec![dot_plot("", x, known, &rows)], 1, (430.0, height)),
    })
}

/// Bounds of the evidence among a method's numbers.
fn bounds(solved: &Solved) -> Vec<(&'static str, Estimate)> {
    let named = [
        ("log_z_lower_bound", "lower bound"),
        ("log_z_upper_bound", "upper bound"),
        ("log_z_upper_estimate", "own upper estimate"),
    ];
    named
        .into_iter()
        .filter_map(|(name, words)| {
            let found = solved.quantities.iter().find(|q| q.name == name)?;
            Some((words, found.value?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::estimate::ErrorKind;
    use crate::report::record::{MeasuredQuantity, PathBundle, SolverOutcome, SolverRow};

    fn record() -> Record {
        let solved = Solved {
            log_normalizer: Some(Estimate::new(1.0, 0.1, ErrorKind::StandardError)),
            effective_sample_size: Some(0.5),
            quantities: vec![MeasuredQuantity {
                name: "log_z_lower_bound".to_owned(),
                value: Some(Estimate::new(-4e33, 1.0, ErrorKind::StandardError)),
            }],
            ..Solved::default()
        };
        let mut record = Record {
            solvers: vec![SolverRow {
                id: "one".to_owned(),
                method: "annealed".to_owned(),
                settings: Default::default(),
                outcome: SolverOutcome::Solved(Box::new(solved)),
            }],
            ..Record::default()
        };
        let figures = &mut record.figures;
        figures.plots = ["policy", "weights", "evidence", "gains"]
            .map(str::to_owned)
            .to_vec();
        figures.log_weights = vec![LogWeights {
            solver: "one".to_owned(),
            values: (0..200).map(f64::from).collect(),
            key: "one/log_weights".to_owned(),
        }];
        figures.policies = vec![PolicyMap {
            solver: "one".to_owned(),
            times: vec![0.0, 1.0],
            coordinate: vec![-1.0, 0.0, 1.0],
            control: vec![0.0, -4.0, 1.0, 2.0, 0.0, 1.0],
            key: "one/control_map".to_owned(),
        }];
        figures.paths = vec![PathBundle {
            solver: "one".to_owned(),
            times: vec![0.0, 1.0],
            coordinates: vec![vec![vec![0.0, 0.5]]],
            ..PathBundle::default()
        }];
        record
    }

    /// The shade is the size of the control over its largest, the paths lie on it.
    #[test]
    fn a_policy_has_its_paths_on_top() {
        let record = record();
        let drawing = policies(&record, &Cast::new(&record)).expect("a figure");
        match &drawing.sheet.panels[0].marks[..] {
            [Mark::Shade { level, .. }, Mark::Line { y, .. }] => {
                assert_eq!(level, &[0.0, 1.0, 0.25, 0.5, 0.0, 0.25]);
                assert_eq!(y, &[0.0, 0.5]);
            }
            marks => panic!("{marks:?}"),
        }
    }

    #[test]
    fn a_bound_out_of_sight_is_told() {
        let record = record();
        let drawing = evidence(&record, &Cast::new(&record)).expect("a figure");
        assert!(drawing.caption.contains("too far away: one, lower bound"));
        let axis = &drawing.sheet.panels[0].x;
        assert!(axis.range.0 > -30.0 && axis.range.1 < 30.0, "{axis:?}");
    }

    /// A histogram is a density: its steps enclose what is not left out.
    #[test]
    fn weights_are_a_density() {
        let record = record();
        let drawing = weights(&record, &Cast::new(&record)).expect("a figure");
        let Mark::Line { x, y, .. } = &drawing.sheet.panels[0].marks[0] else {
            panic!("a line");
        };
        let area: f64 = x
            .windows(2)
            .zip(y)
            .map(|(edges, height)| (edges[1] - edges[0]) * height)
            .sum();
        assert!((area - 0.98).abs() < 0.01, "{area}");
    }

    #[test]
    fn what_was_asked_for_and_is_missing_is_said() {
        let said = crate::report::figures::undrawn(&record()).expect("gains are missing");
        assert!(said.ends_with("nothing to draw: gains."), "{said}");
    }
}
