//! Paths of the controlled process.

use crate::report::chart::axis::{Axis, extent};
use crate::report::chart::ink::Ink;
use crate::report::chart::mark::Mark;
use crate::report::chart::sheet::{Panel, Sheet};
use crate::report::figures::drawing::{Cast, Drawing, grid, level, listed, plane_height};
use crate::report::record::{PathBundle, Record};

/// Paths that are drawn of each bundle.
const DRAWN: usize = 14;
/// Paths in the plane cover each other sooner.
const DRAWN_IN_PLANE: usize = 5;

fn caption(record: &Record, what: &str, most: usize) -> String {
    let bundles = &record.figures.paths;
    let mut levels: Vec<String> = bundles.iter().map(|b| level(b.noise_level)).collect();
    levels.dedup();
    let keys: Vec<String> = bundles.iter().map(|b| b.key.clone()).collect();
    let drawn = bundles
        .iter()
        .filter_map(|b| b.coordinates.first())
        .map(|paths| paths.len().min(most))
        .max()
        .unwrap_or(0);
    format!(
        "{what}: {drawn} paths of each solver at {}, all driven by the same noise. Arrays {}.",
        listed(&levels),
        listed(&keys)
    )
}

/// First two coordinates, from the prior to the data.
pub fn plane(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let figures = &record.figures;
    let bundles: Vec<&PathBundle> = figures
        .paths
        .iter()
        .filter(|bundle| bundle.coordinates.len() > 1)
        .collect();
    if bundles.is_empty() || figures.coordinates.len() < 2 || figures.runs_forward {
        return None;
    }
    let axis = |n: usize| {
        let values = bundles.iter().flat_map(|b| {
            b.coordinates[n]
                .iter()
                .take(DRAWN_IN_PLANE)
                .flatten()
                .copied()
        });
        Axis::linear(&figures.coordinates[n], values)
    };
    let (x, y) = (axis(0), axis(1));
    let panels: Vec<Panel> = bundles
        .iter()
        .map(|bundle| {
            let ink = cast.ink(&bundle.solver);
            let mut marks = Vec::new();
            if let Some(data) = &figures.data {
                marks.push(Mark::Cloud {
                    ink: Ink::Data,
                    x: data.columns[0].iter().copied().take(600).collect(),
                    y: data.columns[1].iter().copied().take(600).collect(),
                    diameter: 1.8,
                    opacity: 0.4,
                });
            }
            let paths = bundle.coordinates[0].iter().zip(&bundle.coordinates[1]);
            let mut ends = (Vec::new(), Vec::new());
            for (px, py) in paths.take(DRAWN_IN_PLANE) {
                marks.push(Mark::Line {
                    ink,
                    x: px.clone(),
                    y: py.clone(),
                    thin: true,
                });
                if let Some(end) = arrival(bundle) {
                    ends.0.push(px[end]);
                    ends.1.push(py[end]);
                }
            }
            marks.push(Mark::Cloud {
                ink,
                x: ends.0,
                y: ends.1,
                diameter: 5.0,
                opacity: 1.0,
            });
            Panel {
                title: format!("{}, {}", bundle.solver, level(bundle.noise_level)),
                x: x.clone(),
                y: y.clone(),
                marks,
            }
        })
        .collect();
    let (columns, width) = grid(panels.len(), panels.len().clamp(2, 4), 300.0);
    Some(Drawing {
        name: "paths",
        title: "Controlled paths",
        caption: caption(
            record,
            "Paths of the controlled process; dots mark where they arrive",
            DRAWN_IN_PLANE,
        ),
        sheet: Sheet {
            panels,
            columns,
            panel: (width, plane_height(&x, &y, width)),
            shared: true,
            legend: Vec::new(),
        },
    })
}

/// Index of the earliest forward time, where generation ends.
fn arrival(bundle: &PathBundle) -> Option<usize> {
    (0..bundle.times.len()).min_by(|a, b| bundle.times[*a].total_cmp(&bundle.times[*b]))
}

/// First coordinate against time.
pub fn coordinate(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let figures = &record.figures;
    let bundles: Vec<&PathBundle> = figures
        .paths
        .iter()
        .filter(|bundle| !bundle.coordinates.is_empty())
        .collect();
    if bundles.is_empty() {
        return None;
    }
    let label = figures.coordinates.first().map_or("x", String::as_str);
    let values = bundles
        .iter()
        .flat_map(|b| b.coordinates[0].iter().take(DRAWN).flatten().copied());
    let y = Axis::linear(label, values);
    let panels: Vec<Panel> = bundles
        .iter()
        .map(|bundle| {
            let ink = cast.ink(&bundle.solver);
            // A logarithmic axis would stretch the end of the walk over most of the panel.
            let (low, high) = extent(bundle.times.iter().copied(), |_| true).unwrap_or((0.0, 1.0));
            let (x, title) = if figures.runs_forward {
                (Axis::between("t", low, high), bundle.solver.clone())
            } else {
                let title = format!("{}, {}", bundle.solver, level(bundle.noise_level));
                (Axis::between("t", high, low), title)
            };
            Panel {
                title,
                x,
                y: y.clone(),
                marks: bundle.coordinates[0]
                    .iter()
                    .take(DRAWN)
                    .map(|path| Mark::Line {
                        ink,
                        x: bundle.times.clone(),
                        y: path.clone(),
                        thin: true,
                    })
                    .collect(),
            }
        })
        .collect();
    let (columns, width) = grid(panels.len(), panels.len().clamp(2, 4), 300.0);
    Some(Drawing {
        name: "paths-time",
        title: "Controlled paths against time",
        caption: if figures.runs_forward {
            let keys: Vec<String> = bundles.iter().map(|b| b.key.clone()).collect();
            format!(
                "First coordinate against time under the control of each solver, all driven by the same noise. Arrays {}.",
                listed(&keys)
            )
        } else {
            caption(record, "First coordinate against the noising time t", DRAWN)
        },
        sheet: Sheet {
            panels,
            columns,
            panel: (width, (0.75 * width).min(190.0)),
            shared: true,
            legend: Vec::new(),
        },
    })
}
