//! What all figures share: the cast of solvers with their colours, sizes, axes of time.

use crate::numeric::estimate::Estimate;
use crate::report::chart::axis::{Axis, extent};
use crate::report::chart::ink::Ink;
use crate::report::chart::mark::{Mark, Shape};
use crate::report::chart::sheet::{Key, LegendEntry, Panel, Sheet};
use crate::report::number;
use crate::report::record::Record;

/// One figure with its caption.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// File stem, and identifier on the page.
    pub name: &'static str,
    pub title: &'static str,
    /// What is seen, with numbers and the keys of the arrays.
    pub caption: String,
    pub sheet: Sheet,
}

/// Which colour each solver has.
pub struct Cast<'a> {
    ids: Vec<&'a str>,
}

impl<'a> Cast<'a> {
    pub fn new(record: &'a Record) -> Self {
        Self::of(record.solvers.iter().map(|row| row.id.as_str()).collect())
    }

    /// Solvers by their ids.
    pub fn of(ids: Vec<&'a str>) -> Self {
        Self { ids }
    }

    /// Names that are no solver, such as a closed form nobody asked for, are drawn as guides.
    pub fn ink(&self, id: &str) -> Ink {
        match self.ids.iter().position(|known| *known == id) {
            Some(place) => Ink::Solver(place),
            None if id == "data" => Ink::Data,
            None => Ink::Guide,
        }
    }

    /// One line per id, in the order given, each once.
    pub fn legend<'b>(&self, ids: impl IntoIterator<Item = &'b String>) -> Vec<LegendEntry> {
        let mut legend: Vec<LegendEntry> = Vec::new();
        for id in ids {
            if legend.iter().all(|entry| entry.label != *id) {
                legend.push(LegendEntry::new(id, self.ink(id), Key::Line));
            }
        }
        legend
    }
}

/// A row of a dot plot.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) ink: Ink,
    pub(super) shape: Shape,
    pub(super) value: f64,
    pub(super) bar: (f64, f64),
}

impl Row {
    /// An estimate with its bar.
    pub(super) fn new(name: String, ink: Ink, shape: Shape, estimate: &Estimate) -> Self {
        let (value, bar) = (estimate.value, bar(estimate));
        Self {
            name,
            ink,
            shape,
            value,
            bar,
        }
    }
}

/// Standard errors a bar shows.
pub(super) const BAR: f64 = 2.0;

/// Ends of an error bar; a point where the error is unknown.
pub(super) fn bar(e: &Estimate) -> (f64, f64) {
    let half = if e.error.is_finite() {
        BAR * e.error
    } else {
        0.0
    };
    (e.value - half, e.value + half)
}

/// A dot plot: named rows, the first on top, with a dashed line across at `guide`.
pub(super) fn dot_plot(title: &str, x: Axis, guide: Option<f64>, rows: &[Row]) -> Panel {
    let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    let whiskers = rows.iter().enumerate().map(|(n, row)| Mark::Whisker {
        ink: row.ink,
        shape: row.shape,
        value: row.value,
        bar: row.bar,
        y: n as f64,
    });
    let guide = guide.map(|x| Mark::Guide { x }).into_iter();
    Panel::new(title, x, Axis::categories(&names), guide.chain(whiskers))
}

/// Width of the text column, in pixels.
const PAGE: f64 = 970.0;
/// Room that axis labels take beside the panels.
const BESIDE: f64 = 70.0;

/// Columns and panel width for so many panels that share their axes.
pub(super) fn grid(panels: usize, columns: usize, widest: f64) -> (usize, f64) {
    let columns = columns.clamp(1, panels.max(1));
    let width = ((PAGE - BESIDE) / columns as f64 - 10.0).clamp(110.0, widest);
    (columns, width)
}

/// Height of a panel that shows both axes at one scale, where that is reasonable.
pub(super) fn plane_height(x: &Axis, y: &Axis, width: f64) -> f64 {
    let ratio = ((y.range.1 - y.range.0) / (x.range.1 - x.range.0)).abs();
    if (0.5..=1.6).contains(&ratio) {
        width * ratio
    } else {
        width
    }
}

/// An axis of forward time, its end on the left; logarithmic where the times span decades.
pub(super) fn time_axis<'a>(times: impl IntoIterator<Item = &'a [f64]>) -> Axis {
    let times = times.into_iter().flatten().copied();
    let (low, high) = extent(times, |_| true).unwrap_or((0.0, 1.0));
    if low > 0.0 && high / low > 50.0 {
        let mut axis = Axis::log("t", [low, high]);
        axis.range = (high, low);
        axis
    } else {
        Axis::between("t", high, low)
    }
}

/// `t = 0.5` and the like.
pub(super) fn time_title(time: f64) -> String {
    format!("t = {}", number::typeset(time, 3))
}

/// `h = 0.5` and the like.
pub(super) fn level(h: f64) -> String {
    format!("h = {}", number::typeset(h, 3))
}

/// "Arrays a, b and c." of what is drawn.
pub(super) fn arrays<'a>(keys: impl IntoIterator<Item = &'a String>) -> String {
    let keys: Vec<String> = keys.into_iter().cloned().collect();
    format!("Arrays {}.", listed(&keys))
}

/// A name and its number with the error.
pub(super) fn told(name: &str, estimate: &Estimate) -> String {
    format!("{name} {}", number::typeset_with_error(estimate))
}

/// "a, b and c".
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
