//! SVG path data on a grid of a tenth of a pixel: short, and accurate to what a page shows.

/// Builds the `d` attribute of a path from absolute positions.
#[derive(Debug, Default)]
pub struct PathData {
    text: String,
    /// Where the pen is, in tenths.
    pen: (i64, i64),
}

fn tenths(value: f64) -> i64 {
    (10.0 * value).round() as i64
}

impl PathData {
    fn move_to(&mut self, x: f64, y: f64) {
        self.step('m', x, y);
    }

    fn line_to(&mut self, x: f64, y: f64) {
        self.step('l', x, y);
    }

    /// A straight stroke of its own.
    pub fn segment(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.move_to(from.0, from.1);
        self.line_to(to.0, to.1);
    }

    /// A dot as wide as the stroke.
    pub fn dot(&mut self, x: f64, y: f64) {
        self.step('m', x, y);
        self.text.push_str("h0");
    }

    pub fn close(&mut self) {
        self.text.push('z');
    }

    /// A line through points, those closer than a tenth of a pixel to it left out.
    pub fn polyline(&mut self, points: &[(f64, f64)]) {
        for (n, (x, y)) in simplified(points, 0.1).into_iter().enumerate() {
            if n == 0 {
                self.move_to(x, y);
            } else {
                self.line_to(x, y);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Relative command; the first `m` of a path is absolute because the pen starts at 0.
    fn step(&mut self, command: char, x: f64, y: f64) {
        let target = (tenths(x), tenths(y));
        self.text.push(command);
        push_tenths(&mut self.text, target.0 - self.pen.0, false);
        push_tenths(&mut self.text, target.1 - self.pen.1, true);
        self.pen = target;
    }
}

/// Appends a number of tenths without superfluous characters.
fn push_tenths(text: &mut String, value: i64, separated: bool) {
    if separated && value >= 0 {
        text.push(' ');
    }
    if value < 0 {
        text.push('-');
    }
    let (whole, rest) = (value.abs() / 10, value.abs() % 10);
    if whole > 0 || rest == 0 {
        text.push_str(&whole.to_string());
    }
    if rest > 0 {
        text.push('.');
        text.push_str(&rest.to_string());
    }
}

/// The points that are needed so that none is further than `tolerance` from the line.
///
/// # Source
/// Douglas and Peucker (1973), with a stack instead of recursion.
fn simplified(points: &[(f64, f64)], tolerance: f64) -> Vec<(f64, f64)> {
    if points.len() < 3 {
        return points.to_vec();
    }
    let mut keep = vec![false; points.len()];
    let last = points.len() - 1;
    keep[0] = true;
    keep[last] = true;
    let mut stack = vec![(0, last)];
    while let Some((from, to)) = stack.pop() {
        let furthest = (from + 1..to)
            .map(|n| (n, distance(points[n], points[from], points[to])))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((n, far)) = furthest
            && far > tolerance
        {
            keep[n] = true;
            stack.push((from, n));
            stack.push((n, to));
        }
    }
    points
        .iter()
        .zip(keep)
        .filter_map(|(point, keep)| keep.then_some(*point))
        .collect()
}

/// Distance of a point from a segment.
fn distance(p: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 {
        (((p.0 - a.0) * dx + (p.1 - a.1) * dy) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (p.0 - a.0 - along * dx).hypot(p.1 - a.1 - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_and_do_not_drift() {
        let mut path = PathData::default();
        path.move_to(10.04, 5.0);
        path.line_to(10.16, 4.66);
        path.dot(0.0, 0.0);
        assert_eq!(path.text(), "m10 5l.2-.3m-10.2-4.7h0");
    }

    #[test]
    fn a_straight_line_needs_two_points_and_a_corner_three() {
        let straight: Vec<(f64, f64)> = (0..100).map(|n| (f64::from(n), 2.0)).collect();
        assert_eq!(simplified(&straight, 0.1).len(), 2);
        let corner: Vec<(f64, f64)> = (0..101i32)
            .map(|n| (f64::from(n), f64::from((n - 50).abs())))
            .collect();
        assert_eq!(
            simplified(&corner, 0.1),
            [(0.0, 50.0), (50.0, 0.0), (100.0, 50.0)]
        );
    }
}
