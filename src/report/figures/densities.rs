//! Densities over time.

use crate::report::chart::axis::Axis;
use crate::report::chart::mark::Mark;
use crate::report::chart::sheet::{Key, Panel, Sheet};
use crate::report::figures::drawing::{Cast, Drawing, grid, listed, plane_height};
use crate::report::number;
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
        .find_map(|movie| {
            let near = |t: &f64| (t - time).abs() <= 1e-6 * (1.0 + time.abs());
            let snapshot = movie.times.iter().position(near)?;
            Some(shade(movie, snapshot))
        })
}

fn time_title(time: f64) -> String {
    format!("t = {}", number::typeset(time, 3))
}

fn keys(movies: &[DensityMovie]) -> String {
    let keys: Vec<String> = movies.iter().map(|movie| movie.key.clone()).collect();
    listed(&keys)
}

fn snapshots(record: &Record) -> Drawing {
    let figures = &record.figures;
    let mut panels = Vec::new();
    let mut columns = 1;
    for (row, movie) in figures.densities.iter().take(ROWS).enumerate() {
        let chosen = chosen(&movie.times);
        columns = columns.max(chosen.len());
        let axis = |n: usize| {
            let values = &movie.axes[n];
            Axis::between(
                figures.coordinates.get(n).map_or("", String::as_str),
                values.first().copied().unwrap_or(0.0),
                values.last().copied().unwrap_or(1.0),
            )
        };
        for snapshot in chosen {
            panels.push(Panel {
                title: if row == 0 {
                    time_title(movie.times[snapshot])
                } else {
                    String::new()
                },
                x: axis(0),
                y: Axis {
                    label: format!("{}: {}", movie.solver, axis(1).label),
                    ..axis(1)
                },
                marks: vec![shade(movie, snapshot)],
            });
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
             Shading follows the root of the density relative to its maximum in the panel. Arrays {}.",
            keys(&figures.densities)
        ),
        sheet: Sheet {
            panels,
            columns,
            panel: (width, height),
            shared: true,
            legend: Vec::new(),
        },
    }
}

fn curves(record: &Record, cast: &Cast<'_>) -> Drawing {
    let figures = &record.figures;
    let label = figures.coordinates.first().map_or("x", String::as_str);
    let mut times: Vec<f64> = figures.densities.first().map_or(Vec::new(), |movie| {
        chosen(&movie.times)
            .into_iter()
            .map(|n| movie.times[n])
            .collect()
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
                let near = |t: &f64| (t - time).abs() <= 1e-6 * (1.0 + time.abs());
                let Some(snapshot) = movie.times.iter().position(near) else {
                    continue;
                };
                let y = movie.density[snapshot].clone();
                highest = y.iter().copied().fold(highest, f64::max);
                xs.extend(
                    [movie.axes[0].first(), movie.axes[0].last()]
                        .into_iter()
                        .flatten(),
                );
                marks.push(Mark::Line {
                    ink: cast.ink(&movie.solver),
                    x: movie.axes[0].clone(),
                    y,
                    thin: false,
                });
            }
            Panel {
                title: time_title(*time),
                x: Axis::linear(label, xs),
                y: Axis::between("density", 0.0, 1.05 * highest),
                marks,
            }
        })
        .collect();
    Drawing {
        name: "density",
        title: "Density over time",
        caption: format!(
            "Marginal density{}; curves of solvers that agree lie on each other. Arrays {}.",
            match figures.runs_forward {
                true => "",
                false => " from the prior to the data",
            },
            keys(&figures.densities)
        ),
        sheet: Sheet {
            columns: panels.len().clamp(1, 3),
            panels,
            panel: (210.0, 150.0),
            shared: false,
            legend: cast.legend(
                figures.densities.iter().map(|movie| movie.solver.as_str()),
                Key::Line,
            ),
        },
    }
}
