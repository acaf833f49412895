//! The cubic spline of one line of a grid, in powers of the place in a cell: the cheapest to evaluate.
//!
//! It is the interpolant of [`crate::numeric::interpolation`] on one axis, the same parabolas beyond its ends.

use crate::numeric::dispatch::multiply_add;

/// Coefficients of `1, s, s^2, s^3` per cell, `s` counted in cells from its left node; the first and the last are the
/// parabolas beyond the ends.
#[derive(Clone, Debug, Default)]
pub struct LineSpline {
    cells: Vec<[f64; 4]>,
}

impl LineSpline {
    /// The line with these coefficients on B-splines, a row of
    /// [`coefficients_along`](crate::numeric::interpolation::coefficients_along).
    pub fn set(&mut self, coefficients: &[f64]) {
        let cubic = |c: &[f64]| {
            [
                (c[0] + 4.0 * c[1] + c[2]) / 6.0,
                0.5 * (c[2] - c[0]),
                0.5 * (c[0] - 2.0 * c[1] + c[2]),
                (c[3] - c[0] + 3.0 * (c[1] - c[2])) / 6.0,
            ]
        };
        self.cells.clear();
        let [f, d, bend, _] = cubic(&coefficients[..4]);
        self.cells.push([f, d, bend, 0.0]);
        self.cells.extend(coefficients.windows(4).map(cubic));
        let [f, d, bend, twist] = cubic(&coefficients[coefficients.len() - 4..]);
        self.cells.push([
            f + d + bend + twist,
            d + 2.0 * bend + 3.0 * twist,
            bend + 3.0 * twist,
            0.0,
        ]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::batch::Batch;
    use crate::numeric::interpolation::{GridInterpolant, UniformAxis, coefficients_along};

    #[test]
    fn it_is_the_spline_of_the_line() {
        let (count, lines) = (9, 3);
        let axis = UniformAxis::between(-1.0, 3.0, count);
        let values: Vec<f64> = (0..count * lines).map(|i| (0.7 * i as f64).sin()).collect();
        let rows = coefficients_along(&values, count, lines);
        let at: Vec<f64> = (0..80).map(|i| -2.0 + 0.0751 * f64::from(i)).collect();
        let points = Batch::from_columns(at.len(), 1, at.clone());
        for line in 0..lines {
            let mut spline = LineSpline::default();
            spline.set(&rows[line * (count + 2)..][..count + 2]);
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
        spline.set(&coefficients_along(&[1.0, 2.0, 4.0], 3, 1));
        assert!(spline.at::<false>(f64::NAN).is_nan());
    }
}
