//! Cubic splines through values on a uniform grid of one or two dimensions.
//!
//! In one dimension the interpolant is the twice continuously differentiable piecewise cubic with
//! not-a-knot ends (three nodes: the parabola, two: the line); in two it is the tensor product. For a
//! smooth function on steps h the value is accurate to O(h^4), the gradient to O(h^3) and the Laplacian
//! to O(h^2), boundary included.
//!
//! Beyond the first or last node of an axis the interpolant goes on as its second-order Taylor polynomial
//! there: the gradient continues linearly, as the score of a Gaussian tail does, and value, gradient and
//! Laplacian remain derivatives of one function.
//!
//! # Source
//! de Boor, *A Practical Guide to Splines* (2001), chapters IV (not-a-knot) and XVII (tensor product).

use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::tridiagonal::Tridiagonal;

/// Equally spaced nodes `start + i step`, `i < count`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UniformAxis {
    pub start: f64,
    pub step: f64,
    pub count: usize,
}

impl UniformAxis {
    /// `count` nodes from `start` to `end`, both included.
    pub fn between(start: f64, end: f64, count: usize) -> Self {
        Self {
            start,
            step: (end - start) / (count as f64 - 1.0),
            count,
        }
    }

    pub fn node(&self, i: usize) -> f64 {
        self.start + i as f64 * self.step
    }
}

/// Why values cannot be interpolated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InterpolationError {
    #[error("splines are available for one or two axes, not {0}")]
    Dimension(usize),
    #[error(
        "axis {axis} needs at least two nodes a positive finite step apart, not {count} nodes with step {step}"
    )]
    Axis {
        axis: usize,
        count: usize,
        step: f64,
    },
    #[error("the grid has {nodes} nodes but {values} values were given")]
    Values { nodes: usize, values: usize },
}

/// A spline on a uniform grid; see the [module](self) for what it is.
#[derive(Clone, Debug)]
pub struct GridInterpolant {
    axes: Vec<UniformAxis>,
    /// Per node `[f, hx fx, hy fy, hx hy fxy]` (in one dimension the last two are unused and zero).
    nodes: Vec<[f64; 4]>,
}

/// Node weights of one axis at one coordinate: value and slope at the left, then at the right node.
struct Weights {
    cell: usize,
    value: [f64; 4],
    first: [f64; 4],
    second: [f64; 4],
}

impl GridInterpolant {
    /// What one node keeps: a value and its slopes.
    pub const BYTES_PER_NODE: usize = size_of::<[f64; 4]>();

    /// Interpolates `values`, the first axis slowest: node `(i, j)` is at `i * axes[1].count + j`.
    pub fn new(axes: &[UniformAxis], values: &[f64]) -> Result<Self, InterpolationError> {
        if axes.is_empty() || axes.len() > 2 {
            return Err(InterpolationError::Dimension(axes.len()));
        }
        for (index, axis) in axes.iter().enumerate() {
            if axis.count < 2 || !(axis.step > 0.0 && axis.step.is_finite()) {
                return Err(InterpolationError::Axis {
                    axis: index,
                    count: axis.count,
                    step: axis.step,
                });
            }
        }
        let nodes = axes.iter().map(|axis| axis.count).product();
        if values.len() != nodes {
            return Err(InterpolationError::Values {
                nodes,
                values: values.len(),
            });
        }
        let mut interpolant = Self {
            axes: axes.to_vec(),
            nodes: vec![[0.0; 4]; nodes],
        };
        interpolant.set_values(values);
        Ok(interpolant)
    }

    /// The weighted sum of splines on one grid, of which there must be at least one.
    pub fn blended(parts: &[(f64, &Self)]) -> Self {
        let mut sum = parts[0].1.clone();
        sum.nodes.fill([0.0; 4]);
        for (weight, part) in parts {
            assert!(part.axes == sum.axes, "blended splines share their grid");
            for (node, values) in sum.nodes.iter_mut().zip(&part.nodes) {
                for (s, v) in node.iter_mut().zip(values) {
                    *s += weight * v;
                }
            }
        }
        sum
    }

    /// New values on the same grid.
    pub fn set_values(&mut self, values: &[f64]) {
        assert_eq!(values.len(), self.nodes.len(), "one value per node");
        let rows = self.axes[0].count;
        let columns = self.axes.get(1).map_or(1, |axis| axis.count);
        let along_first = slopes(rows, columns, values);
        for ((node, value), slope) in self.nodes.iter_mut().zip(values).zip(&along_first) {
            *node = [*value, *slope, 0.0, 0.0];
        }
        if self.axes.len() == 2 {
            for (slot, table) in [(2, values), (3, along_first.as_slice())] {
                // The second axis is contiguous; transposed, all its lines are swept together.
                let transposed = transpose(rows, columns, table);
                let along_second = transpose(columns, rows, &slopes(columns, rows, &transposed));
                for (node, slope) in self.nodes.iter_mut().zip(along_second) {
                    node[slot] = slope;
                }
            }
        }
    }

    pub fn axes(&self) -> &[UniformAxis] {
        &self.axes
    }

    /// The values at the nodes, in the order in which they were given.
    pub fn values(&self) -> Vec<f64> {
        self.nodes.iter().map(|node| node[0]).collect()
    }

    /// The value at a block of points (points × axes).
    pub fn values_at(&self, x: BatchRef<'_>, value: &mut [f64]) {
        assert!(x.columns() == self.axes.len(), "one column per axis");
        let node = |i: usize| self.nodes[i];
        for (i, value) in value.iter_mut().enumerate() {
            *value = Derivatives::at(&self.axes, node, x, i).value;
        }
    }

    /// Value, gradient and, if asked for, Laplacian at a block of points (points × axes).
    pub fn eval(
        &self,
        x: BatchRef<'_>,
        value: &mut [f64],
        mut gradient: BatchMut<'_>,
        mut laplacian: Option<&mut [f64]>,
    ) {
        let d = self.axes.len();
        assert!(
            x.columns() == d && gradient.columns() == d && gradient.points() == x.points(),
            "points and gradient have one column per axis"
        );
        let node = |i: usize| self.nodes[i];
        for (i, value) in value.iter_mut().enumerate() {
            let at = Derivatives::at(&self.axes, node, x, i);
            *value = at.value;
            for j in 0..d {
                gradient.column_mut(j)[i] = at.first[j];
            }
            if let Some(laplacian) = &mut laplacian {
                laplacian[i] = at.second[0] + at.second[1];
            }
        }
    }
}

/// A weighted sum of splines on one grid, evaluated as if it were one spline.
#[derive(Clone, Debug)]
pub struct Blend<'a> {
    parts: Vec<(f64, &'a GridInterpolant)>,
}

impl<'a> Blend<'a> {
    /// All splines must live on the same grid; there must be at least one.
    pub fn new(parts: Vec<(f64, &'a GridInterpolant)>) -> Self {
        assert!(
            parts.iter().all(|part| part.1.axes == parts[0].1.axes),
            "blended splines share their grid"
        );
        Self { parts }
    }

    /// Value, gradient and second derivatives along each axis (both points × axes).
    pub fn eval(
        &self,
        x: BatchRef<'_>,
        value: &mut [f64],
        mut gradient: BatchMut<'_>,
        mut second: Option<BatchMut<'_>>,
    ) {
        let axes = &self.parts[0].1.axes;
        let d = axes.len();
        assert!(
            x.columns() == d && gradient.columns() == d && gradient.points() == x.points(),
            "points and gradient have one column per axis"
        );
        let node = |i: usize| {
            let mut sum = [0.0; 4];
            for (weight, part) in &self.parts {
                for (s, v) in sum.iter_mut().zip(&part.nodes[i]) {
                    *s += weight * v;
                }
            }
            sum
        };
        for (i, value) in value.iter_mut().enumerate() {
            let at = Derivatives::at(axes, node, x, i);
            *value = at.value;
            for j in 0..d {
                gradient.column_mut(j)[i] = at.first[j];
                if let Some(second) = &mut second {
                    second.column_mut(j)[i] = at.second[j];
                }
            }
        }
    }
}

/// A spline at one point; entries of an absent second axis are zero.
struct Derivatives {
    value: f64,
    first: [f64; 2],
    second: [f64; 2],
}

impl Derivatives {
    #[inline(always)]
    fn at(
        axes: &[UniformAxis],
        node: impl Fn(usize) -> [f64; 4],
        x: BatchRef<'_>,
        i: usize,
    ) -> Self {
        if axes.len() == 1 {
            Self::at_line(&axes[0], node, x.column(0)[i])
        } else {
            Self::at_plane(axes, node, x.column(0)[i], x.column(1)[i])
        }
    }

    #[inline(always)]
    fn at_line(axis: &UniformAxis, node: impl Fn(usize) -> [f64; 4], x: f64) -> Self {
        let w = Weights::at(axis, x);
        let (left, right) = (node(w.cell), node(w.cell + 1));
        let data = [left[0], left[1], right[0], right[1]];
        let h = axis.step;
        Self {
            value: dot(&w.value, &data),
            first: [dot(&w.first, &data) / h, 0.0],
            second: [dot(&w.second, &data) / (h * h), 0.0],
        }
    }

    #[inline(always)]
    fn at_plane(axes: &[UniformAxis], node: impl Fn(usize) -> [f64; 4], x: f64, y: f64) -> Self {
        let wx = Weights::at(&axes[0], x);
        let wy = Weights::at(&axes[1], y);
        let columns = axes[1].count;
        // Contract the second axis first: value, first and second y-derivative of f and of hx fx.
        let mut f = [[0.0; 4]; 3];
        for side in 0..2 {
            let corner = (wx.cell + side) * columns + wy.cell;
            let (near, far) = (node(corner), node(corner + 1));
            for slope in 0..2 {
                let data = [near[slope], near[slope + 2], far[slope], far[slope + 2]];
                f[0][2 * side + slope] = dot(&wy.value, &data);
                f[1][2 * side + slope] = dot(&wy.first, &data);
                f[2][2 * side + slope] = dot(&wy.second, &data);
            }
        }
        let (hx, hy) = (axes[0].step, axes[1].step);
        Self {
            value: dot(&wx.value, &f[0]),
            first: [dot(&wx.first, &f[0]) / hx, dot(&wx.value, &f[1]) / hy],
            second: [
                dot(&wx.second, &f[0]) / (hx * hx),
                dot(&wx.value, &f[2]) / (hy * hy),
            ],
        }
    }
}

impl Weights {
    #[inline(always)]
    fn at(axis: &UniformAxis, x: f64) -> Self {
        let position = (x - axis.start) / axis.step;
        // A float to integer cast saturates, and sends NaN to 0, where it spoils the weights.
        let cell = (position as usize).min(axis.count - 2);
        let t = position - cell as f64;
        let (t2, u) = (t * t, t - 1.0);
        if t < 0.0 {
            return Self {
                cell,
                value: [1.0 - 3.0 * t2, t - 2.0 * t2, 3.0 * t2, -t2],
                first: [-6.0 * t, 1.0 - 4.0 * t, 6.0 * t, -2.0 * t],
                second: [-6.0, -4.0, 6.0, -2.0],
            };
        }
        if t > 1.0 {
            let u2 = u * u;
            return Self {
                cell,
                value: [3.0 * u2, u2, 1.0 - 3.0 * u2, u + 2.0 * u2],
                first: [6.0 * u, 2.0 * u, -6.0 * u, 1.0 + 4.0 * u],
                second: [6.0, 2.0, -6.0, 4.0],
            };
        }
        let right = t2 * (3.0 - 2.0 * t);
        let bend = 6.0 * t * u;
        Self {
            cell,
            value: [1.0 - right, t * u * u, right, t2 * u],
            first: [bend, u * (3.0 * t - 1.0), -bend, t * (3.0 * t - 2.0)],
            second: [12.0 * t - 6.0, 6.0 * t - 4.0, 6.0 - 12.0 * t, 6.0 * t - 2.0],
        }
    }
}

#[inline(always)]
fn dot(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    (a[0] * b[0] + a[1] * b[1]) + (a[2] * b[2] + a[3] * b[3])
}

fn transpose(rows: usize, columns: usize, table: &[f64]) -> Vec<f64> {
    (0..columns)
        .flat_map(|j| (0..rows).map(move |i| table[i * columns + j]))
        .collect()
}

/// Step times spline derivative at the nodes of `lines` lines; node i of line l is at `i * lines + l`.
pub(crate) fn slopes(count: usize, lines: usize, values: &[f64]) -> Vec<f64> {
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

    struct Answers {
        value: Vec<f64>,
        gradient: Batch,
        laplacian: Vec<f64>,
    }

    fn evaluate(spline: &GridInterpolant, points: &Batch) -> Answers {
        let n = points.points();
        let mut a = Answers {
            value: vec![0.0; n],
            gradient: Batch::zeros(n, points.columns()),
            laplacian: vec![0.0; n],
        };
        spline.eval(
            points.as_ref(),
            &mut a.value,
            a.gradient.as_mut(),
            Some(&mut a.laplacian),
        );
        a
    }

    /// A plane grid over [-1, 1] × [0, 2] and largest errors of f = sin(2x + y) e^{-y/2}.
    fn errors(counts: [usize; 2]) -> [f64; 3] {
        let axes = [
            UniformAxis::between(-1.0, 1.0, counts[0]),
            UniformAxis::between(0.0, 2.0, counts[1]),
        ];
        let f = |x: f64, y: f64| (2.0 * x + y).sin() * (-0.5 * y).exp();
        let mut values = Vec::new();
        for i in 0..counts[0] {
            for j in 0..counts[1] {
                values.push(f(axes[0].node(i), axes[1].node(j)));
            }
        }
        let spline = GridInterpolant::new(&axes, &values).expect("valid grid");
        let rows: Vec<[f64; 2]> = (0..120 * 120)
            .map(|k| {
                let (u, v) = ((k / 120) as f64 / 119.0, (k % 120) as f64 / 119.0);
                [2.0 * u - 1.0, 2.0 * v]
            })
            .collect();
        let got = evaluate(&spline, &Batch::from_rows(2, &rows));
        let mut worst = [0.0_f64; 3];
        for (i, [x, y]) in rows.iter().enumerate() {
            let (s, c, e) = ((2.0 * x + y).sin(), (2.0 * x + y).cos(), (-0.5 * y).exp());
            let exact_laplacian = e * (-4.0 * s + (-0.75 * s - c));
            worst[0] = worst[0].max((got.value[i] - s * e).abs());
            worst[1] = worst[1]
                .max((got.gradient.get(i, 0) - 2.0 * c * e).abs())
                .max((got.gradient.get(i, 1) - (c - 0.5 * s) * e).abs());
            worst[2] = worst[2].max((got.laplacian[i] - exact_laplacian).abs());
        }
        worst
    }

    #[test]
    fn orders_are_four_three_and_two() {
        let (coarse, fine) = (errors([17, 21]), errors([33, 41]));
        for (k, order) in [4.0, 3.0, 2.0].into_iter().enumerate() {
            let seen = (coarse[k] / fine[k]).log2();
            assert!((seen - order).abs() < 0.4, "derivative {k}: order {seen}");
        }
        assert!(fine[0] < 2e-5, "{fine:?}");
    }

    #[test]
    fn cubics_are_reproduced_whatever_the_grid() {
        let axis = UniformAxis {
            start: -2.0,
            step: 0.7,
            count: 4,
        };
        let f = |x: f64| 1.0 + x * (2.0 + x * (-3.0 + 0.5 * x));
        let values: Vec<f64> = (0..4).map(|i| f(axis.node(i))).collect();
        let spline = GridInterpolant::new(&[axis], &values).expect("valid grid");
        let points = Batch::from_columns(5, 1, vec![-2.0, -1.3, -0.4, 0.05, 0.1]);
        let got = evaluate(&spline, &points);
        for (i, x) in points.column(0).iter().enumerate() {
            assert!((got.value[i] - f(*x)).abs() < 1e-13);
            let slope = 2.0 + x * (-6.0 + 1.5 * x);
            assert!((got.gradient.get(i, 0) - slope).abs() < 1e-13);
            assert!((got.laplacian[i] - (3.0 * x - 6.0)).abs() < 1e-12);
        }
    }

    #[test]
    fn a_blend_is_the_spline_of_the_blended_values() {
        let axes = [
            UniformAxis::between(-1.0, 1.0, 7),
            UniformAxis::between(0.0, 2.0, 9),
        ];
        let table = |k: f64| -> Vec<f64> { (0..63).map(|i| (k * f64::from(i)).sin()).collect() };
        let spline = |values: &[f64]| GridInterpolant::new(&axes, values).expect("valid grid");
        let (a, b) = (table(0.7), table(1.3));
        let mixed: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 0.25 * a - 2.0 * b).collect();
        let points = Batch::from_rows(2, &[[0.1, 0.2], [-0.7, 1.9], [1.5, -0.3]]);
        let expected = evaluate(&spline(&mixed), &points);
        let (a, b) = (spline(&a), spline(&b));
        let mut value = [0.0; 3];
        let (mut gradient, mut second) = (Batch::zeros(3, 2), Batch::zeros(3, 2));
        Blend::new(vec![(0.25, &a), (-2.0, &b)]).eval(
            points.as_ref(),
            &mut value,
            gradient.as_mut(),
            Some(second.as_mut()),
        );
        for (i, value) in value.iter().enumerate() {
            let laplacian = second.get(i, 0) + second.get(i, 1);
            assert!((value - expected.value[i]).abs() < 1e-12);
            assert!((gradient.get(i, 1) - expected.gradient.get(i, 1)).abs() < 1e-11);
            assert!((laplacian - expected.laplacian[i]).abs() < 1e-10);
        }
    }

    #[test]
    fn few_nodes_give_the_line_and_the_parabola() {
        for (count, exact) in [(2, 5.0), (3, 3.25)] {
            let axis = UniformAxis::between(0.0, 2.0, count);
            let values: Vec<f64> = (0..count).map(|i| 1.0 + axis.node(i).powi(2)).collect();
            let spline = GridInterpolant::new(&[axis], &values).expect("valid grid");
            let got = evaluate(&spline, &Batch::from_columns(1, 1, vec![1.5]));
            let exact = if count == 2 { 1.0 + 2.0 * 1.5 } else { exact };
            assert!((got.value[0] - exact).abs() < 1e-14);
        }
    }

    #[test]
    fn outside_the_grid_a_quadratic_goes_on_and_other_gradients_go_on_linearly() {
        let axes = [
            UniformAxis::between(-1.0, 1.0, 6),
            UniformAxis::between(-2.0, 1.0, 9),
        ];
        let f = |x: f64, y: f64| -0.5 * x * x + 0.3 * x * y - y * y + x;
        let mut values = Vec::new();
        for i in 0..6 {
            for j in 0..9 {
                values.push(f(axes[0].node(i), axes[1].node(j)));
            }
        }
        let spline = GridInterpolant::new(&axes, &values).expect("valid grid");
        let rows = [[9.0, -0.5], [-4.0, 6.0], [0.3, -11.0], [5.0, 5.0]];
        let got = evaluate(&spline, &Batch::from_rows(2, &rows));
        // Rounding grows like the squared number of steps outside, here up to a thousand.
        for (i, [x, y]) in rows.into_iter().enumerate() {
            assert!((got.value[i] - f(x, y)).abs() < 1e-10);
            assert!((got.gradient.get(i, 0) - (-x + 0.3 * y + 1.0)).abs() < 1e-10);
            assert!((got.gradient.get(i, 1) - (0.3 * x - 2.0 * y)).abs() < 1e-10);
            assert!((got.laplacian[i] + 3.0).abs() < 1e-10);
        }

        let axis = UniformAxis::between(0.0, 3.0, 31);
        let values: Vec<f64> = (0..31).map(|i| axis.node(i).sin()).collect();
        let spline = GridInterpolant::new(&[axis], &values).expect("valid grid");
        let points = Batch::from_columns(4, 1, vec![3.0, 3.5, 4.0, f64::NAN]);
        let got = evaluate(&spline, &points);
        let slope = got.gradient.column(0);
        assert!((slope[2] - 2.0 * slope[1] + slope[0]).abs() < 1e-13);
        assert!((slope[1] - slope[0] - 0.5 * got.laplacian[0]).abs() < 1e-13);
        assert!(got.value[3].is_nan() && slope[3].is_nan());
    }

    #[test]
    fn bad_grids_are_refused() {
        let axis = UniformAxis::between(0.0, 1.0, 3);
        assert_eq!(
            GridInterpolant::new(&[axis, axis, axis], &[0.0; 27]).map(|_| ()),
            Err(InterpolationError::Dimension(3))
        );
        assert_eq!(
            GridInterpolant::new(&[axis], &[0.0; 4]).map(|_| ()),
            Err(InterpolationError::Values {
                nodes: 3,
                values: 4
            })
        );
        let flat = UniformAxis { step: 0.0, ..axis };
        assert!(GridInterpolant::new(&[axis, flat], &[0.0; 9]).is_err());
    }
}
