//! Data and generated samples.

use crate::report::chart::axis::{Axis, extent};
use crate::report::chart::ink::Ink;
use crate::report::chart::mark::Mark;
use crate::report::chart::sheet::{Key, LegendEntry, Panel, Sheet};
use crate::report::figures::drawing::{Cast, Drawing, arrays, grid, level, listed, plane_height};
use crate::report::record::{PointSet, Record};

/// Points of one cloud that are drawn.
const DRAWN: usize = 1200;
/// Panels at most; more stay in the arrays.
const PANELS: usize = 20;

/// Scatter plots, or histograms of one coordinate.
pub fn samples(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let figures = &record.figures;
    if figures.samples.is_empty() {
        return None;
    }
    match figures.coordinates.len() {
        0 => None,
        1 => Some(histograms(record, cast)),
        _ => Some(scatters(record, cast)),
    }
}

/// Noise levels in increasing order.
fn levels(samples: &[PointSet]) -> Vec<f64> {
    let mut levels: Vec<f64> = samples.iter().filter_map(|set| set.noise_level).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    levels
}

/// Range that holds the data and nearly all of the samples.
pub(super) fn window(record: &Record, coordinate: usize) -> (f64, f64) {
    let figures = &record.figures;
    let column = |set: &PointSet| set.columns.get(coordinate).cloned().unwrap_or_default();
    let data: Vec<f64> = figures.data.iter().flat_map(column).collect();
    let mut bounds = extent(data, |_| true);
    for set in &figures.samples {
        let mut values = column(set);
        values.retain(|v| v.is_finite());
        values.sort_by(f64::total_cmp);
        if values.is_empty() {
            continue;
        }
        let cut = values.len() / 200;
        let inner = (values[cut], values[values.len() - 1 - cut]);
        bounds = Some(match bounds {
            None => inner,
            Some((low, high)) => (low.min(inner.0), high.max(inner.1)),
        });
    }
    bounds.unwrap_or((0.0, 1.0))
}

fn cloud(set: &PointSet, ink: Ink, opacity: f64) -> Mark {
    let take = |n: usize| set.columns[n].iter().copied().take(DRAWN).collect();
    Mark::Cloud {
        ink,
        x: take(0),
        y: take(1),
        diameter: 2.0,
        opacity,
    }
}

fn scatters(record: &Record, cast: &Cast<'_>) -> Drawing {
    let figures = &record.figures;
    let axis = |n: usize| {
        let (low, high) = window(record, n);
        Axis::linear(&figures.coordinates[n], [low, high])
    };
    let (x, y) = (axis(0), axis(1));
    let levels = levels(&figures.samples);
    let mut panels = Vec::new();
    for h in &levels {
        for set in figures.samples.iter().filter(|s| s.noise_level == Some(*h)) {
            let mut marks = Vec::new();
            if let Some(data) = &figures.data {
                marks.push(cloud(data, Ink::Data, 0.45));
            }
            marks.push(cloud(set, cast.ink(&set.solver), 0.75));
            let title = match &figures.data {
                Some(_) => format!("{}, {}", set.solver, level(*h)),
                None => set.solver.clone(),
            };
            panels.push(Panel::new(title, x.clone(), y.clone(), marks));
        }
    }
    let hidden = panels.len().saturating_sub(PANELS);
    panels.truncate(PANELS);
    let per_level = figures.samples.len().div_ceil(levels.len().max(1));
    let (columns, width) = grid(panels.len(), per_level.clamp(3, 5), 290.0);
    Drawing {
        name: "samples",
        title: "Data and generated samples",
        caption: caption(record, hidden),
        sheet: Sheet::new(panels, columns, (width, plane_height(&x, &y, width)))
            .sharing_axes()
            .with_legend(legend_of_data(record)),
    }
}

/// Nothing where there are no data.
fn legend_of_data(record: &Record) -> Vec<LegendEntry> {
    let data = record.figures.data.iter();
    data.map(|_| LegendEntry::new("data", Ink::Data, Key::Dot))
        .collect()
}

fn caption(record: &Record, hidden: usize) -> String {
    let figures = &record.figures;
    let drawn = |set: &PointSet| set.columns.first().map_or(0, |c| c.len().min(DRAWN));
    let points = figures.samples.iter().map(drawn).max().unwrap_or(0);
    let levels: Vec<String> = levels(&figures.samples)
        .iter()
        .map(|h| match *h {
            0.0 => "h = 0 (probability flow)".to_owned(),
            1.0 => "h = 1 (reverse SDE)".to_owned(),
            h => level(h),
        })
        .collect();
    let mut caption = match &figures.data {
        Some(data) => format!(
            "Samples generated with each solver's control, at {}, over the data ({}); up to {points} points each.",
            listed(&levels),
            data.key
        ),
        None => format!("Draws of each solver; up to {points} points each."),
    };
    if hidden > 0 {
        caption.push_str(&format!(" {hidden} further panels are left out."));
    }
    let keys = figures.samples.iter().map(|set| &set.key);
    format!("{caption} {}", arrays(keys))
}

/// Bins of a histogram.
const BINS: usize = 60;

/// Outline of a histogram as a density.
pub(super) fn outline(values: &[f64], (low, high): (f64, f64)) -> (Vec<f64>, Vec<f64>) {
    let width = (high - low) / BINS as f64;
    let mut counts = [0usize; BINS];
    for value in values {
        let bin = (value - low) / width;
        if (0.0..BINS as f64).contains(&bin) {
            counts[bin as usize] += 1;
        }
    }
    let mut x = Vec::with_capacity(2 * BINS);
    let mut y = Vec::with_capacity(2 * BINS);
    for (bin, count) in counts.iter().enumerate() {
        let height = *count as f64 / (values.len().max(1) as f64 * width);
        x.extend([bin, bin + 1].map(|edge| low + edge as f64 * width));
        y.extend([height, height]);
    }
    (x, y)
}

fn histograms(record: &Record, cast: &Cast<'_>) -> Drawing {
    let figures = &record.figures;
    let bounds = window(record, 0);
    let mut panels = Vec::new();
    let mut highest = 0.0f64;
    let mut histogram = |set: &PointSet| {
        let (x, y) = outline(&set.columns[0], bounds);
        highest = y.iter().copied().fold(highest, f64::max);
        (x, y)
    };
    for h in levels(&figures.samples) {
        let mut marks = Vec::new();
        if let Some(data) = &figures.data {
            let (ink, (x, y)) = (Ink::Data, histogram(data));
            marks.push(Mark::Area { ink, x, y });
        }
        for set in figures.samples.iter().filter(|s| s.noise_level == Some(h)) {
            let (x, y) = histogram(set);
            marks.push(Mark::line(cast.ink(&set.solver), &x, &y));
        }
        let x = Axis::between(&figures.coordinates[0], bounds.0, bounds.1);
        let y = Axis::between("density", 0.0, 1.0);
        panels.push(Panel::new(level(h), x, y, marks));
    }
    for panel in &mut panels {
        panel.y.range.1 = 1.05 * highest;
    }
    let (columns, width) = grid(panels.len(), 3, 400.0);
    let mut legend = legend_of_data(record);
    legend.extend(cast.legend(figures.samples.iter().map(|set| &set.solver)));
    Drawing {
        name: "samples",
        title: "Data and generated samples",
        caption: format!("Histograms of {BINS} bins. {}", caption(record, 0)),
        sheet: Sheet::new(panels, columns, (width, 0.62 * width))
            .sharing_axes()
            .with_legend(legend),
    }
}
