//! A grid of panels with one legend above them.

use crate::report::chart::axis::Axis;
use crate::report::chart::ink::{Ink, Theme, colours, shapes};
use crate::report::chart::mark::{Frame, Mark, circle, stroke};
use crate::report::chart::path::PathData;

#[derive(Clone, Debug)]
pub struct Panel {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub marks: Vec<Mark>,
}

impl Panel {
    pub fn new(
        title: impl Into<String>,
        x: Axis,
        y: Axis,
        marks: impl IntoIterator<Item = Mark>,
    ) -> Self {
        let (title, marks) = (title.into(), marks.into_iter().collect());
        Self { title, x, y, marks }
    }
}

/// How a legend entry is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Dot,
    Line,
}

#[derive(Clone, Debug)]
pub struct LegendEntry {
    pub label: String,
    pub ink: Ink,
    pub key: Key,
}

#[derive(Clone, Debug)]
pub struct Sheet {
    pub panels: Vec<Panel>,
    pub columns: usize,
    /// Width and height of the plotting area of one panel, in pixels.
    pub panel: (f64, f64),
    /// All panels have the same axes: labels and tick labels stand on the outside only.
    pub shared: bool,
    pub legend: Vec<LegendEntry>,
}

impl LegendEntry {
    pub fn new(label: impl Into<String>, ink: Ink, key: Key) -> Self {
        let label = label.into();
        Self { label, ink, key }
    }
}

const LEGEND_LINE: f64 = 18.0;
const TITLE: f64 = 17.0;
/// Room under a panel for tick labels and the axis label.
const BELOW: f64 = 36.0;
/// Room under a panel without labels.
const BELOW_BARE: f64 = 8.0;
const RIGHT: f64 = 10.0;
/// Average width of a character of a label.
const CHARACTER: f64 = 5.9;

/// Where things stand.
struct Arrangement {
    width: f64,
    height: f64,
    top: f64,
    /// Room for tick labels left of the first column.
    margin: f64,
    gap: (f64, f64),
}

impl Sheet {
    /// Panels with axes of their own and without a legend.
    pub fn new(panels: Vec<Panel>, columns: usize, panel: (f64, f64)) -> Self {
        Self {
            panels,
            columns,
            panel,
            shared: false,
            legend: Vec::new(),
        }
    }

    pub fn sharing_axes(self) -> Self {
        let shared = true;
        Self { shared, ..self }
    }

    pub fn with_legend(self, legend: Vec<LegendEntry>) -> Self {
        Self { legend, ..self }
    }

    /// SVG for a page that has the styles of [`page_style`]; `id` is unique on the page.
    pub fn inline(&self, id: &str, description: &str) -> String {
        let arrangement = self.arrangement();
        let Arrangement { width, height, .. } = arrangement;
        let body = self.body(id, &arrangement);
        format!(
            r#"<svg class="chart" role="img" viewBox="0 0 {width:.0} {height:.0}" style="max-width:{width:.0}px" aria-label="{}">{body}</svg>"#,
            escape(description)
        )
    }

    /// A complete SVG file on white.
    pub fn standalone(&self, id: &str) -> String {
        let arrangement = self.arrangement();
        let Arrangement { width, height, .. } = arrangement;
        let body = self.body(id, &arrangement);
        format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {w:.0} {h:.0}" width="{w:.0}" height="{h:.0}" font-family="Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif">"#,
                r#"<style>{shapes}{colours}</style><rect width="100%" height="100%" fill="white"/>{body}</svg>"#,
                "\n"
            ),
            w = width,
            h = height,
            shapes = shapes(".chart"),
            colours = colours(".chart", Theme::Light),
            body = body
        )
    }

    fn rows(&self) -> usize {
        self.panels.len().div_ceil(self.columns.max(1))
    }

    /// Whether the panel at this place shows the labels of its axes (below, left).
    fn labelled(&self, n: usize) -> (bool, bool) {
        if !self.shared {
            return (true, true);
        }
        (
            n + self.columns >= self.panels.len(),
            n.is_multiple_of(self.columns),
        )
    }

    fn arrangement(&self) -> Arrangement {
        let columns = self.columns.min(self.panels.len()).max(1);
        let tick_room = self
            .panels
            .iter()
            .flat_map(|panel| panel.y.ticks(5))
            .map(|(_, label)| label.chars().count() as f64 * CHARACTER)
            .fold(12.0, f64::max);
        let labelled = self.panels.iter().any(|panel| !panel.y.label.is_empty());
        let margin = tick_room + 10.0 + if labelled { 16.0 } else { 0.0 };
        let gap = if self.shared {
            (RIGHT, TITLE + BELOW_BARE)
        } else {
            (margin + RIGHT, TITLE + BELOW)
        };
        let count = columns as f64;
        let width = margin + count * self.panel.0 + (count - 1.0) * gap.0 + RIGHT;
        let top = 4.0 + self.legend_places(width).1;
        let rows = self.rows() as f64;
        Arrangement {
            width,
            height: top + TITLE + rows * self.panel.1 + (rows - 1.0) * gap.1 + BELOW,
            top,
            margin,
            gap,
        }
    }

    /// Left end and line of each legend entry, and the height of the legend.
    fn legend_places(&self, width: f64) -> (Vec<(f64, f64)>, f64) {
        let mut places = Vec::new();
        let (mut x, mut y) = (4.0, 0.0);
        for entry in &self.legend {
            let needed = 26.0 + CHARACTER * entry.label.chars().count() as f64 + 14.0;
            if x + needed > width && x > 4.0 {
                x = 4.0;
                y += LEGEND_LINE;
            }
            places.push((x, y));
            x += needed;
        }
        let height = if places.is_empty() {
            0.0
        } else {
            y + LEGEND_LINE
        };
        (places, height)
    }

    fn body(&self, id: &str, arrangement: &Arrangement) -> String {
        let mut out = String::new();
        let (places, _) = self.legend_places(arrangement.width);
        for (entry, (x, y)) in self.legend.iter().zip(places) {
            draw_key(entry, x, y + 4.0, &mut out);
        }
        for (n, panel) in self.panels.iter().enumerate() {
            let (column, row) = (n % self.columns, n / self.columns);
            let left = arrangement.margin + column as f64 * (self.panel.0 + arrangement.gap.0);
            let top = arrangement.top + TITLE + row as f64 * (self.panel.1 + arrangement.gap.1);
            let frame = Frame {
                x: &panel.x,
                y: &panel.y,
                area: [left, top, self.panel.0, self.panel.1],
            };
            draw_panel(panel, &frame, &format!("{id}-{n}"), &mut out);
            draw_axes(
                panel,
                &frame,
                self.labelled(n),
                arrangement.margin,
                &mut out,
            );
        }
        out
    }
}

/// Style rules for a page with inline charts.
pub fn page_style() -> String {
    format!(
        "{}{}@media (prefers-color-scheme:dark){{{}}}@media print{{{}}}",
        shapes(".chart"),
        colours(".chart", Theme::Light),
        colours(".chart", Theme::Dark),
        colours(".chart", Theme::Light)
    )
}

fn draw_key(entry: &LegendEntry, x: f64, y: f64, out: &mut String) {
    let middle = y + 7.0;
    let class = entry.ink.class();
    match entry.key {
        Key::Dot => circle(out, &format!("f {class}"), x + 14.0, middle),
        Key::Line => {
            let mut path = PathData::default();
            path.segment((x, middle), (x + 22.0, middle));
            stroke(out, &format!("s {class}"), entry.ink.dash(), &path);
        }
    }
    text(out, "", x + 26.0, middle + 4.0, &entry.label);
}

fn draw_panel(panel: &Panel, frame: &Frame<'_>, id: &str, out: &mut String) {
    let [left, top, width, height] = frame.area;
    let rectangle =
        format!(r#"x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}""#);
    out.push_str(&format!(
        r#"<clipPath id="{id}"><rect {rectangle}/></clipPath><g clip-path="url(#{id})">"#
    ));
    for mark in &panel.marks {
        frame.draw(mark, out);
    }
    out.push_str(&format!(r#"</g><rect class="frame" {rectangle}/>"#));
    text(out, "h m", left + 0.5 * width, top - 5.0, &panel.title);
}

fn draw_axes(
    panel: &Panel,
    frame: &Frame<'_>,
    (below, beside): (bool, bool),
    margin: f64,
    out: &mut String,
) {
    let [left, top, width, height] = frame.area;
    let bottom = top + height;
    let mut ticks = PathData::default();
    for (place, label) in panel.x.placed_ticks((width / 45.0) as usize) {
        let x = left + width * place;
        ticks.segment((x, bottom), (x, bottom - 4.0));
        if below {
            text(out, "t m", x, bottom + 12.0, &label);
        }
    }
    for (place, label) in panel.y.placed_ticks((height / 40.0) as usize) {
        let y = bottom - height * place;
        ticks.segment((left, y), (left + 4.0, y));
        if beside {
            text(out, "t e", left - 5.0, y + 3.5, &label);
        }
    }
    stroke(out, "frame", "", &ticks);
    if below {
        text(out, "m", left + 0.5 * width, bottom + 27.0, &panel.x.label);
    }
    if beside && !panel.y.label.is_empty() {
        let (x, y) = (left - margin + 11.0, top + 0.5 * height);
        out.push_str(&format!(
            r#"<text class="m" transform="translate({x:.1} {y:.1}) rotate(-90)">{}</text>"#,
            escape(&panel.y.label)
        ));
    }
}

fn text(out: &mut String, class: &str, x: f64, y: f64, content: &str) {
    if content.is_empty() {
        return;
    }
    out.push_str(&format!(
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{}</text>"#,
        escape(content)
    ));
}

fn escape(content: &str) -> String {
    content
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(points: usize) -> Sheet {
        let x: Vec<f64> = (0..points).map(|n| (n as f64 * 0.7).sin()).collect();
        let y: Vec<f64> = (0..points).map(|n| (n as f64 * 1.3).cos()).collect();
        let axis = |label: &str, values: &[f64]| Axis::linear(label, values.iter().copied());
        let (across, up) = (axis("x", &x), axis("y", &y));
        let cloud = Mark::Cloud {
            ink: Ink::Data,
            x,
            y,
            diameter: 2.0,
            opacity: 0.5,
        };
        Sheet::new(
            vec![Panel::new("a < b", across, up, [cloud])],
            1,
            (240.0, 200.0),
        )
        .with_legend(vec![LegendEntry::new("data", Ink::Data, Key::Dot)])
    }

    #[test]
    fn a_point_costs_about_fifteen_bytes() {
        let size = |points| sheet(points).inline("f", "").len();
        assert!((size(1100) - size(100)) / 1000 < 16);
    }

    #[test]
    fn text_is_escaped_and_points_without_a_place_are_left_out() {
        let mut sheet = sheet(3);
        if let Mark::Cloud { x, .. } = &mut sheet.panels[0].marks[0] {
            x[1] = f64::NAN;
        }
        let svg = sheet.standalone("f");
        assert!(svg.contains("a &lt; b"));
        assert_eq!(svg.matches("h0").count(), 2);
        assert!(!svg.contains("NaN"));
    }
}
