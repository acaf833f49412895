//! Paths of the controlled process.

use crate::report::chart::axis::{Axis, extent};
use crate::report::chart::ink::Ink;
use crate::report::chart::mark::Mark;
use crate::report::chart::sheet::{Panel, Sheet};
use crate::report::figures::drawing::{Cast, Drawing, arrays, grid, level, listed, plane_height};
use crate::report::record::{PathBundle, Record};

/// Paths that are drawn of each bundle.
const DRAWN: usize = 14;
/// Paths in the plane cover each other sooner.
const DRAWN_IN_PLANE: usize = 5;

fn caption(record: &Record, what: &str, most: usize) -> String {
    let bundles = &record.figures.paths;
    let mut levels: Vec<String> = bundles.iter().map(|b| level(b.noise_level)).collect();
    levels.dedup();
    let paths = bundles.iter().filter_map(|b| b.coordinates.first());
    let drawn = paths.map(|paths| paths.len().min(most)).max().unwrap_or(0);
    format!(
        "{what}: {drawn} paths of each solver at {}, all driven by the same noise. {}",
        listed(&levels),
        arrays(bundles.iter().map(|b| &b.key))
    )
}

/// An axis that holds one coordinate of the drawn paths of all bundles.
fn axis_of_paths(label: &str, bundles: &[&PathBundle], coordinate: usize, drawn: usize) -> Axis {
    let paths = bundles
        .iter()
        .flat_map(|bundle| bundle.coordinates[coordinate].iter().take(drawn));
    Axis::linear(label, paths.flatten().copied())
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
    let axis = |n: usize| axis_of_paths(&figures.coordinates[n], &bundles, n, DRAWN_IN_PLANE);
    let (x, y) = (axis(0), axis(1));
    let panels: Vec<Panel> = bundles
        .iter()
        .map(|bundle| {
            let title = format!("{}, {}", bundle.solver, level(bundle.noise_level));
            let marks = marks_in_plane(record, bundle, cast.ink(&bundle.solver));
            Panel::new(title, x.clone(), y.clone(), marks)
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
        sheet: Sheet::new(panels, columns, (width, plane_height(&x, &y, width))).sharing_axes(),
    })
}

/// Paths over the data, with a dot where each arrives.
fn marks_in_plane(record: &Record, bundle: &PathBundle, ink: Ink) -> Vec<Mark> {
    let mut marks = Vec::new();
    if let Some(data) = &record.figures.data {
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
        marks.push(Mark::thin(ink, px, py));
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
    marks
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
    let y = axis_of_paths(figures.first_label(), &bundles, 0, DRAWN);
    let panel = |bundle: &&PathBundle| {
        let ink = cast.ink(&bundle.solver);
        // A logarithmic axis would stretch the end of the walk over most of the panel.
        let (low, high) = extent(bundle.times.iter().copied(), |_| true).unwrap_or((0.0, 1.0));
        let (x, title) = if figures.runs_forward {
            (Axis::between("t", low, high), bundle.solver.clone())
        } else {
            let title = format!("{}, {}", bundle.solver, level(bundle.noise_level));
            (Axis::between("t", high, low), title)
        };
        let paths = bundle.coordinates[0].iter().take(DRAWN);
        let lines = paths.map(|path| Mark::thin(ink, &bundle.times, path));
        Panel::new(title, x, y.clone(), lines)
    };
    let panels: Vec<Panel> = bundles.iter().map(panel).collect();
    let (columns, width) = grid(panels.len(), panels.len().clamp(2, 4), 300.0);
    (!bundles.is_empty()).then(|| Drawing {
        name: "paths-time",
        title: "Controlled paths against time",
        caption: if figures.runs_forward {
            format!(
                "First coordinate against time under the control of each solver, all driven by the same noise. {}",
                arrays(bundles.iter().map(|b| &b.key))
            )
        } else {
            caption(record, "First coordinate against the noising time t", DRAWN)
        },
        sheet: Sheet::new(panels, columns, (width, (0.75 * width).min(190.0))).sharing_axes(),
    })
}
