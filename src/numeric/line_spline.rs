//! The cubic spline of one line of a grid, in powers of the place in a cell: the cheapest to evaluate.
//!
//! It is the interpolant of [`crate::numeric::interpolation`] on one axis, the same parabolas beyond its ends.

use crate::numeric::dispatch::multiply_add;
use crate::numeric::tridiagonal::Tridiagonal;

/// Coefficients of `1, s, s^2, s^3` per cell, `s` counted in cells from its left node; the first and the last are the
/// parabolas beyond the ends.
#[derive(Clone, Debug, Default)]
pub struct LineSpline {
    cells: Vec<[f64; 4]>,
}

impl LineSpline {
    /// The line number `line` of `lines` that lie side by side: node `i` is at `i lines + line`; `slopes` holds step
    /// times derivative.
    pub fn set(&mut self, lines: usize, line: usize, values: &[f64], slopes: &[f64]) {
        let count = values.len() / lines;
        let node = |i: usize| (values[i * lines + line], slopes[i * lines + line]);
        let cubic = |i: usize| {
            let ((f0, d0), (f1, d1)) = (node(i), node(i + 1));
            let rise = f1 - f0;
            [f0, d0, 3.0 * rise - 2.0 * d0 - d1, d0 + d1 - 2.0 * rise]
        };
        self.cells.clear();
        let [f, d, bend, _] = cubic(0);
        self.cells.push([f, d, bend, 0.0]);
        self.cells.extend((0..count - 1).map(cubic));
        let [_, _, bend, twist] = cubic(count - 2);
        let (f, d) = node(count - 1);
        self.cells.push([f, d, bend + 3.0 * twist, 0.0]);
    }

    /// The value at a position counted in cells from the first node.
    #[inline(always)]
    pub fn at<const FMA: bool>(&self, position: f64) -> f64 {
        let last = self.cells.len() - 1;
        // The cast saturates, and sends NaN to 0, where it spoils `s`.
        let cell = ((position + 1.0) as usize).min(last);
        let s = position - (cell.max(1) - 1) as f64;
        let [c0, c1, c2, c3] = self.cells[cell];
        let high = multiply_add::<FMA>(c3, s, c2);
        multiply_add::<FMA>(multiply_add::<FMA>(high, s, c1), s, c0)
    }
}

/// Step times spline derivative at the nodes of `lines` lines; node i of line l is at `i * lines + l`.
pub fn slopes(count: usize, lines: usize, values: &[f64]) -> Vec<f64> {
    let row = |i: usize| &values[i * lines..(i + 1) * lines];
    if count == 2 {
        let difference: Vec<f64> = row(1).iter().zip(row(0)).map(|(b, a)| b - a).collect();
        return [difference.clone(), difference].concat();
    }
    let mut out = vec![0.0; values.len()];
    if count == 3 {
        for l in 0..lines {
            let (a, b, c) = (row(0)[l], row(1)[l], row(2)[l]);
            out[l] = 2.0 * b - 1.5 * a - 0.5 * c;
            out[lines + l] = 0.5 * (c - a);
            out[2 * lines + l] = 1.5 * c + 0.5 * a - 2.0 * b;
        }
        return out;
    }
    let (last, mut lower, mut diagonal, mut upper) = (
        count - 1,
        vec![1.0; count],
        vec![4.0; count],
        vec![1.0; count],
    );
    (diagonal[0], upper[0]) = (1.0, 2.0);
    (lower[last], diagonal[last]) = (2.0, 1.0);
    for l in 0..lines {
        out[l] = 0.5 * (row(2)[l] + 4.0 * row(1)[l] - 5.0 * row(0)[l]);
        out[last * lines + l] =
            0.5 * (5.0 * row(last)[l] - 4.0 * row(last - 1)[l] - row(last - 2)[l]);
    }
    for i in 1..last {
        for l in 0..lines {
            out[i * lines + l] = 3.0 * (row(i + 1)[l] - row(i - 1)[l]);
        }
    }
    Tridiagonal::factor(&lower, &diagonal, &upper)
        .expect("pivots of the spline matrix are 1, 2, 7/2, ..., bounded away from zero")
        .solve_lines(lines, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::batch::Batch;
    use crate::numeric::interpolation::{GridInterpolant, UniformAxis};

    #[test]
    fn it_is_the_spline_of_the_line() {
        let (count, lines) = (9, 3);
        let axis = UniformAxis::between(-1.0, 3.0, count);
        let values: Vec<f64> = (0..count * lines).map(|i| (0.7 * i as f64).sin()).collect();
        let slopes = slopes(count, lines, &values);
        let at: Vec<f64> = (0..80).map(|i| -2.0 + 0.0751 * f64::from(i)).collect();
        let points = Batch::from_columns(at.len(), 1, at.clone());
        for line in 0..lines {
            let mut spline = LineSpline::default();
            spline.set(lines, line, &values, &slopes);
            let own: Vec<f64> = (0..count).map(|i| values[i * lines + line]).collect();
            let known = GridInterpolant::new(&[axis], &own).expect("a valid grid");
            let mut expected = vec![0.0; at.len()];
            known.values_at(points.as_ref(), &mut expected);
            for (x, expected) in at.iter().zip(&expected) {
                let got = spline.at::<false>((x - axis.start) / axis.step);
                assert!((got - expected).abs() < 1e-12, "{x}: {got} {expected}");
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let mut spline = LineSpline::default();
        spline.set(1, 0, &[1.0, 2.0, 4.0], &[1.0, 1.0, 2.0]);
        assert!(spline.at::<false>(f64::NAN).is_nan());
    }
}
