//! The control fields.

use crate::report::chart::axis::Axis;
use crate::report::chart::mark::Mark;
use crate::report::chart::sheet::{Panel, Sheet};
use crate::report::figures::densities::shade_at;
use crate::report::figures::drawing::{Cast, Drawing, arrays, grid, plane_height, time_title};
use crate::report::record::{FieldSlice, Record};

/// Panels at most.
const PANELS: usize = 12;

/// Arrows over the density, or curves of one coordinate.
pub fn fields(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let fields = &record.figures.fields;
    match fields.first()?.axes.len() {
        1 => Some(curves(record, cast)),
        2 => Some(arrows(record, cast)),
        _ => None,
    }
}

fn keys(fields: &[FieldSlice]) -> String {
    arrays(fields.iter().map(|field| &field.key))
}

fn times(fields: &[FieldSlice]) -> Vec<f64> {
    let mut times: Vec<f64> = fields.iter().map(|field| field.time).collect();
    times.sort_by(|a, b| b.total_cmp(a));
    times.dedup();
    times
}

/// What the curves of a control show.
fn caption_of_curves(record: &Record) -> String {
    let keys = keys(&record.figures.fields);
    if !record.figures.runs_forward {
        return format!("The control u = g ∂ log p/∂x of each solver. {keys}");
    }
    format!(
        "The first control u = −R⁻¹B′∇V of each solver against the first coordinate{}. {keys}",
        others(record)
    )
}

/// Where the states are that a curve is not drawn against.
pub(super) fn others(record: &Record) -> &'static str {
    if record.identity.states.len() > 1 {
        ", other states at their mean under the best control"
    } else {
        ""
    }
}

/// Spacing of the arrows along each axis.
fn spacing(field: &FieldSlice) -> [f64; 2] {
    [0, 1].map(|n| match &field.axes[n][..] {
        [first, .., last] if first != last => {
            (last - first).abs() / (field.axes[n].len() - 1) as f64
        }
        _ => 1.0,
    })
}

/// Median size of a field of two components, each in units of the arrows' spacing along its axis: the axes
/// may carry different units.
fn median_size(field: &FieldSlice) -> f64 {
    let [dx, dy] = spacing(field);
    let mut sizes: Vec<f64> = field.components[0]
        .iter()
        .zip(&field.components[1])
        .map(|(u, v)| (u / dx).hypot(v / dy))
        .filter(|size| size.is_finite())
        .collect();
    sizes.sort_by(f64::total_cmp);
    sizes
        .get(sizes.len() / 2)
        .copied()
        .unwrap_or(1.0)
        .max(f64::MIN_POSITIVE)
}

/// Arrows whose length saturates: `|u| / (|u| + m)` of 1.3 spacings.
fn arrow_mark(field: &FieldSlice, median: f64, cast: &Cast<'_>) -> Mark {
    let [xs, ys] = [&field.axes[0], &field.axes[1]];
    let [dx, dy] = spacing(field);
    let count = field.components[0].len();
    let mut arrows = [(); 4].map(|()| Vec::with_capacity(count));
    for n in 0..count {
        let (u, v) = (field.components[0][n], field.components[1][n]);
        let scale = 1.3 / ((u / dx).hypot(v / dy) + median);
        let entry = [xs[n / ys.len()], ys[n % ys.len()], scale * u, scale * v];
        for (column, value) in arrows.iter_mut().zip(entry) {
            column.push(value);
        }
    }
    let [x, y, u, v] = arrows;
    Mark::Arrows {
        ink: cast.ink(&field.solver),
        x,
        y,
        u,
        v,
    }
}

fn arrows(record: &Record, cast: &Cast<'_>) -> Drawing {
    let figures = &record.figures;
    let times = times(&figures.fields);
    let mut panels = Vec::new();
    for time in &times {
        let mut slices = figures.fields.iter().filter(|f| f.time == *time).peekable();
        let median = slices.peek().map_or(1.0, |field| median_size(field));
        for field in slices {
            let axis = |n: usize| {
                let label = figures.coordinates.get(n).map_or("", String::as_str);
                Axis::linear(label, field.axes[n].iter().copied())
            };
            let mut marks: Vec<Mark> = shade_at(record, &field.solver, *time).into_iter().collect();
            marks.push(arrow_mark(field, median, cast));
            let title = format!("{}, {}", field.solver, time_title(*time));
            panels.push(Panel::new(title, axis(0), axis(1), marks));
        }
    }
    panels.truncate(PANELS);
    let per_time = figures.fields.len().div_ceil(times.len().max(1));
    let (columns, width) = grid(panels.len(), per_time.clamp(2, 4), 300.0);
    let height = panels
        .first()
        .map_or(width, |panel| plane_height(&panel.x, &panel.y, width));
    Drawing {
        name: "field",
        title: "Optimal control field",
        caption: format!(
            "The control u = G′∇ log p of each solver, over the density where one is known. \
             Arrow lengths saturate as |u|/(|u| + m) with the median size m of the first panel at that \
             time, each axis in the spacing of its arrows. {}",
            keys(&figures.fields)
        ),
        sheet: Sheet::new(panels, columns, (width, height)).sharing_axes(),
    }
}

fn curves(record: &Record, cast: &Cast<'_>) -> Drawing {
    let figures = &record.figures;
    let unit = if figures.runs_forward {
        "u"
    } else {
        "u [1/√time]"
    };
    Drawing {
        name: "field",
        title: "Optimal control field",
        caption: caption_of_curves(record),
        sheet: sheet_of_curves(record, &figures.fields, unit, cast),
    }
}

/// The value along the first coordinate.
pub fn values(record: &Record, cast: &Cast<'_>) -> Option<Drawing> {
    let values = &record.figures.values;
    (!values.is_empty()).then(|| Drawing {
        name: "value",
        title: "Value",
        caption: format!(
            "The optimal cost to go V of each solver against the first coordinate{}. {}",
            others(record),
            keys(values)
        ),
        sheet: sheet_of_curves(record, values, "V", cast),
    })
}

/// One panel a time, one line a solver.
fn sheet_of_curves(record: &Record, slices: &[FieldSlice], unit: &str, cast: &Cast<'_>) -> Sheet {
    let figures = &record.figures;
    let mut times = times(slices);
    if figures.runs_forward {
        times.reverse();
    }
    let panel = |time: &f64| {
        let own = || slices.iter().filter(|f| f.time == *time);
        let xs = own().flat_map(|f| f.axes[0].iter().copied());
        let us = own().flat_map(|f| f.components[0].iter().copied());
        Panel::new(
            time_title(*time),
            Axis::linear(figures.first_label(), xs),
            Axis::linear(unit, us),
            own().map(|f| Mark::line(cast.ink(&f.solver), &f.axes[0], &f.components[0])),
        )
    };
    let panels: Vec<Panel> = times.iter().map(panel).collect();
    let (columns, width) = grid(panels.len(), 2, 360.0);
    Sheet::new(panels, columns, (width.min(400.0), 240.0))
        .with_legend(cast.legend(slices.iter().map(|slice| &slice.solver)))
}
