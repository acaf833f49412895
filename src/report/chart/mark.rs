//! What a panel can show, and how it is drawn.

use crate::report::chart::axis::Axis;
use crate::report::chart::ink::Ink;
use crate::report::chart::path::PathData;
use crate::report::chart::raster;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Dot,
    Ring,
    Cross,
}

#[derive(Clone, Debug)]
pub enum Mark {
    /// Small dots.
    Cloud {
        ink: Ink,
        x: Vec<f64>,
        y: Vec<f64>,
        diameter: f64,
        opacity: f64,
    },
    Line {
        ink: Ink,
        x: Vec<f64>,
        y: Vec<f64>,
        thin: bool,
    },
    /// The area between a curve and the lower end of the axis.
    Area { ink: Ink, x: Vec<f64>, y: Vec<f64> },
    /// Arrows centred on points; components in data units.
    Arrows {
        ink: Ink,
        x: Vec<f64>,
        y: Vec<f64>,
        u: Vec<f64>,
        v: Vec<f64>,
    },
    /// A shaded grid of values between 0 and 1, first axis slowest.
    Shade {
        x: Vec<f64>,
        y: Vec<f64>,
        level: Vec<f64>,
    },
    /// One symbol with a horizontal error bar.
    Whisker {
        ink: Ink,
        shape: Shape,
        value: f64,
        bar: (f64, f64),
        y: f64,
    },
    /// A dashed line across the panel at one x.
    Guide { x: f64 },
}

impl Mark {
    /// A curve in the solver's colour and dash.
    pub fn line(ink: Ink, x: &[f64], y: &[f64]) -> Self {
        let (x, y, thin) = (x.to_vec(), y.to_vec(), false);
        Self::Line { ink, x, y, thin }
    }

    /// One of many curves, thin and without dashes.
    pub fn thin(ink: Ink, x: &[f64], y: &[f64]) -> Self {
        let (x, y, thin) = (x.to_vec(), y.to_vec(), true);
        Self::Line { ink, x, y, thin }
    }

    /// A symbol without an error bar.
    pub fn point(ink: Ink, shape: Shape, value: f64, y: f64) -> Self {
        Self::Whisker {
            ink,
            shape,
            value,
            bar: (value, value),
            y,
        }
    }
}

/// Maps data to pixels of one panel.
pub struct Frame<'a> {
    pub x: &'a Axis,
    pub y: &'a Axis,
    /// Left, top, width, height in pixels.
    pub area: [f64; 4],
}

/// Pixels of the grid of a shade at most, each way.
const SHADE_PIXELS: usize = 96;

impl Frame<'_> {
    fn at(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let [left, top, width, height] = self.area;
        Some((
            left + width * self.x.place(x)?,
            top + height * (1.0 - self.y.place(y)?),
        ))
    }

    /// Inside the panel, or near enough for its dot to be seen.
    fn sees(&self, (px, py): (f64, f64)) -> bool {
        let [left, top, width, height] = self.area;
        (left - 1.0..=left + width + 1.0).contains(&px)
            && (top - 1.0..=top + height + 1.0).contains(&py)
    }

    /// Appends the SVG of one mark.
    pub fn draw(&self, mark: &Mark, out: &mut String) {
        match mark {
            Mark::Cloud {
                ink,
                x,
                y,
                diameter,
                opacity,
            } => self.cloud(*ink, x, y, *diameter, *opacity, out),
            Mark::Line { ink, x, y, thin } => self.line(*ink, x, y, *thin, out),
            Mark::Area { ink, x, y } => self.fill(*ink, x, y, out),
            Mark::Arrows { ink, x, y, u, v } => self.arrows(*ink, [x, y, u, v], out),
            Mark::Shade { x, y, level } => self.shade(x, y, level, out),
            Mark::Whisker {
                ink,
                shape,
                value,
                bar,
                y,
            } => self.whisker(*ink, *shape, *value, *bar, *y, out),
            Mark::Guide { x } => {
                let [_, top, _, height] = self.area;
                if let Some((px, _)) = self.at(*x, self.y.range.0) {
                    let mut path = PathData::default();
                    path.segment((px, top), (px, top + height));
                    stroke(out, "s cg", Ink::Guide.dash(), &path);
                }
            }
        }
    }

    fn cloud(&self, ink: Ink, x: &[f64], y: &[f64], diameter: f64, opacity: f64, out: &mut String) {
        let mut path = PathData::default();
        for (x, y) in x.iter().zip(y) {
            if let Some(at) = self.at(*x, *y)
                && self.sees(at)
            {
                path.dot(at.0, at.1);
            }
        }
        let style = format!(r#" style="stroke-width:{diameter};opacity:{opacity}""#);
        draw_path(out, &format!("s p {}", ink.class()), &style, &path);
    }

    fn line(&self, ink: Ink, x: &[f64], y: &[f64], thin: bool, out: &mut String) {
        let mut path = PathData::default();
        for piece in self.pieces(x, y) {
            path.polyline(&piece);
        }
        let class = format!("s {}{}", ink.class(), if thin { " thin" } else { "" });
        let dash = if thin { "" } else { ink.dash() };
        stroke(out, &class, dash, &path);
    }

    /// Pixels of a curve, cut where a value has no place.
    fn pieces(&self, x: &[f64], y: &[f64]) -> Vec<Vec<(f64, f64)>> {
        let mut pieces = vec![Vec::new()];
        for (x, y) in x.iter().zip(y) {
            match self.at(*x, *y) {
                Some(at) => {
                    if let Some(piece) = pieces.last_mut() {
                        piece.push(at);
                    }
                }
                None => pieces.push(Vec::new()),
            }
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    fn fill(&self, ink: Ink, x: &[f64], y: &[f64], out: &mut String) {
        let floor = self.area[1] + self.area[3];
        let mut path = PathData::default();
        for mut piece in self.pieces(x, y) {
            if let (Some(first), Some(last)) = (piece.first().copied(), piece.last().copied()) {
                piece.insert(0, (first.0, floor));
                piece.push((last.0, floor));
            }
            path.polyline(&piece);
            path.close();
        }
        let class = format!("f {}", ink.class());
        draw_path(out, &class, r#" style="opacity:.28""#, &path);
    }

    fn arrows(&self, ink: Ink, [x, y, u, v]: [&[f64]; 4], out: &mut String) {
        let mut path = PathData::default();
        for n in 0..x.len() {
            let tail = self.at(x[n] - 0.5 * u[n], y[n] - 0.5 * v[n]);
            let tip = self.at(x[n] + 0.5 * u[n], y[n] + 0.5 * v[n]);
            let (Some(tail), Some(tip)) = (tail, tip) else {
                continue;
            };
            let (dx, dy) = (tip.0 - tail.0, tip.1 - tail.1);
            let length = dx.hypot(dy);
            if length < 0.4 {
                continue;
            }
            // A head of a third of the arrow, at most 3.5 pixels, opening 50 degrees.
            let head = (length / 3.0).min(3.5) / length;
            path.segment(tail, tip);
            for side in [0.47, -0.47] {
                let (back, aside) = (dx + side * dy, dy - side * dx);
                path.segment(tip, (tip.0 - head * back, tip.1 - head * aside));
            }
        }
        stroke(out, &format!("s thin {}", ink.class()), "", &path);
    }

    /// An image whose pixel centres are the grid points.
    fn shade(&self, x: &[f64], y: &[f64], level: &[f64], out: &mut String) {
        if x.len() < 2 || y.len() < 2 {
            return;
        }
        // Pixels in the order of the screen, whichever way the axes run.
        let columns = thinned(x.len(), reversed(self.x, x));
        let rows = thinned(y.len(), !reversed(self.y, y));
        let opacity: Vec<u8> = rows
            .iter()
            .flat_map(|j| columns.iter().map(move |i| level[i * y.len() + j]))
            .map(|level| (225.0 * level.clamp(0.0, 1.0)).round() as u8)
            .collect();
        let corner = |i: usize, j: usize| self.at(x[i], y[j]);
        let (Some(first), Some(last)) = (
            corner(columns[0], rows[0]),
            corner(columns[columns.len() - 1], rows[rows.len() - 1]),
        ) else {
            return;
        };
        let dx = (last.0 - first.0) / (columns.len() - 1) as f64;
        let dy = (last.1 - first.1) / (rows.len() - 1) as f64;
        let png = raster::png(columns.len(), rows.len(), &opacity);
        out.push_str(&format!(
            r#"<image x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" preserveAspectRatio="none" href="data:image/png;base64,{}"/>"#,
            first.0 - 0.5 * dx,
            first.1 - 0.5 * dy,
            dx * columns.len() as f64,
            dy * rows.len() as f64,
            raster::base64(&png)
        ));
    }

    fn whisker(
        &self,
        ink: Ink,
        shape: Shape,
        value: f64,
        bar: (f64, f64),
        y: f64,
        out: &mut String,
    ) {
        let Some((px, py)) = self.at(value, y) else {
            return;
        };
        let [left, _, width, _] = self.area;
        let mut path = PathData::default();
        // On a logarithmic axis a bar that reaches zero reaches the frame.
        let low = self.at(bar.0, y).map_or(left, |(low, _)| low.max(left));
        let high = self
            .at(bar.1, y)
            .map_or(left + width, |(high, _)| high.min(left + width));
        if high - low > 1.0 {
            path.segment((low, py), (high, py));
            for end in [low, high] {
                path.segment((end, py - 3.0), (end, py + 3.0));
            }
        }
        if shape == Shape::Cross {
            for side in [-1.0, 1.0] {
                let rise = side * 3.5;
                path.segment((px - 3.5, py - rise), (px + 3.5, py + rise));
            }
        }
        let class = ink.class();
        stroke(out, &format!("s {class}"), "", &path);
        match shape {
            Shape::Dot => circle(out, &format!("f {class}"), px, py),
            Shape::Ring => circle(out, &format!("s {class}"), px, py),
            Shape::Cross => {}
        }
    }
}

fn reversed(axis: &Axis, values: &[f64]) -> bool {
    (axis.range.1 > axis.range.0) != (values[values.len() - 1] > values[0])
}

/// Indices of a grid thinned to at most [`SHADE_PIXELS`], from the other end if `reverse`.
fn thinned(count: usize, reverse: bool) -> Vec<usize> {
    let stride = count.div_ceil(SHADE_PIXELS);
    let mut indices: Vec<usize> = (0..count).step_by(stride).collect();
    if reverse {
        indices.reverse();
    }
    indices
}

/// Appends a stroked path.
pub fn stroke(out: &mut String, class: &str, dash: &str, path: &PathData) {
    let dash = match dash {
        "" => String::new(),
        dash => format!(r#" stroke-dasharray="{dash}""#),
    };
    draw_path(out, class, &dash, path);
}

/// Appends a path that draws something.
fn draw_path(out: &mut String, class: &str, attributes: &str, path: &PathData) {
    if !path.is_empty() {
        let data = path.text();
        out.push_str(&format!(
            r#"<path class="{class}"{attributes} d="{data}"/>"#
        ));
    }
}

/// Appends a dot or a ring.
pub fn circle(out: &mut String, class: &str, x: f64, y: f64) {
    out.push_str(&format!(
        r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#
    ));
}
