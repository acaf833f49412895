//! Densities over time.

use crate::report::chart::axis::Axis;
use crate::report::chart::mark::Mark;
use crate::report::chart::sheet::{Panel, Sheet};
use crate::report::figures::drawing::{Cast, Drawing, arrays, grid, plane_height, time_title};
use crate::report::record::{DensityMovie, Record};

/// Solvers whose densities are drawn.
const ROWS: usize = 4;
/// Times that are drawn.
const TIMES: usize = 5;

/// Shaded snapshots, or curves of one coordinate.
pub fn densities(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let movies = &record.figures.densities;
    match movies.first()?.axes.len() {
        1 => Some(curves(record, cast)),
        2 => Some(snapshots(record)),
        _ => None,
    }
}

/// Indices of at most [`TIMES`] snapshots, latest time first.
fn chosen(times: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by(|a, b| times[*b].total_cmp(&times[*a]));
    if order.len() <= TIMES {
        return order;
    }
    (0..TIMES)
        .map(|n| order[n * (order.len() - 1) / (TIMES - 1)])
        .collect()
}

/// Opacity proportional to the root of the density, so that tails show.
fn shade(movie: &DensityMovie, snapshot: usize) -> Mark {
    let density = &movie.density[snapshot];
    let highest = density
        .iter()
        .copied()
        .filter(|p| p.is_finite())
        .fold(f64::MIN_POSITIVE, f64::max);
    Mark::Shade {
        x: movie.axes[0].clone(),
        y: movie.axes[1].clone(),
        level: density
            .iter()
            .map(|p| (p.max(0.0) / highest).sqrt())
            .collect(),
    }
}

/// The density of a solver at a time, or else of any solver, if it was recorded.
pub(super) fn shade_at(record: &Record, solver: &str, time: f64) -> Option<Mark> {
    let movies = &record.figures.densities;
    let own = movies.iter().filter(|movie| movie.solver == solver);
    own.chain(movies)
        .filter(|movie| movie.axes.len() == 2)
        .find_map(|movie| Some(shade(movie, snapshot_at(movie, time)?)))
}

/// The snapshot at a time, if there is one.
fn snapshot_at(movie: &DensityMovie, time: f64) -> Option<usize> {
    let near = |t: &f64| (t - time).abs() <= 1e-6 * (1.0 + time.abs());
    movie.times.iter().position(near)
}

fn snapshots(record: &Record) -> Drawing {
    let figures = &record.figures;
    let mut panels = Vec::new();
    let mut columns = 1;
    for (row, movie) in figures.densities.iter().take(ROWS).enumerate() {
        let chosen = chosen(&movie.times);
        columns = columns.max(chosen.len());
        let axis = |n: usize, before: &str| {
            let label = figures.coordinates.get(n).map_or("", String::as_str);
            let label = format!("{before}{label}");
            Axis::over(&label, &movie.axes[n]).unwrap_or_else(|| Axis::between(&label, 0.0, 1.0))
        };
        for snapshot in chosen {
            let title = match row {
                0 => time_title(movie.times[snapshot]),
                _ => String::new(),
            };
            let (x, y) = (axis(0, ""), axis(1, &format!("{}: ", movie.solver)));
            panels.push(Panel::new(title, x, y, [shade(movie, snapshot)]));
        }
    }
    let (columns, width) = grid(panels.len(), columns, 250.0);
    let height = panels
        .first()
        .map_or(width, |panel| plane_height(&panel.x, &panel.y, width));
    Drawing {
        name: "density",
        title: "Density over time",
        caption: format!(
            "Marginal density from the prior (left) to the data (right), one row per solver that computes one. \
             Shading follows the root of the density relative to its maximum in the panel. {}",
            arrays(figures.densities.iter().map(|movie| &movie.key))
        ),
        sheet: Sheet::new(panels, columns, (width, height)).sharing_axes(),
    }
}

fn curves(record: &Record, cast: &Cast<'_>) -> Drawing {
    let figures = &record.figures;
    let mut times: Vec<f64> = figures.densities.first().map_or(Vec::new(), |movie| {
        let chosen = chosen(&movie.times).into_iter();
        chosen.map(|n| movie.times[n]).collect()
    });
    if figures.runs_forward {
        times.reverse();
    }
    let panels: Vec<Panel> = times
        .iter()
        .map(|time| {
            let mut marks = Vec::new();
            let mut highest = f64::MIN_POSITIVE;
            let mut xs = Vec::new();
            for movie in &figures.densities {
                let Some(snapshot) = snapshot_at(movie, *time) else {
                    continue;
                };
                let (x, y) = (&movie.axes[0], &movie.density[snapshot]);
                highest = y.iter().copied().fold(highest, f64::max);
                xs.extend([x.first(), x.last()].into_iter().flatten());
                marks.push(Mark::line(cast.ink(&movie.solver), x, y));
            }
            let x = Axis::linear(figures.first_label(), xs);
            let y = Axis::between("density", 0.0, 1.05 * highest);
            Panel::new(time_title(*time), x, y, marks)
        })
        .collect();
    let columns = panels.len().clamp(1, 3);
    Drawing {
        name: "density",
        title: "Density over time",
        caption: format!(
            "Marginal density{}; curves of solvers that agree lie on each other. {}",
            match figures.runs_forward {
                true => "",
                false => " from the prior to the data",
            },
            arrays(figures.densities.iter().map(|movie| &movie.key))
        ),
        sheet: Sheet::new(panels, columns, (210.0, 150.0))
            .with_legend(cast.legend(figures.densities.iter().map(|movie| &movie.solver))),
    }
}
