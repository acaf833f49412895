//! Cubic splines through values on a uniform grid of one, two or three dimensions.
//!
//! In one dimension the interpolant is the twice continuously differentiable piecewise cubic with
//! not-a-knot ends (three nodes: the parabola, two: the line); in more it is the tensor product. For a
//! smooth function on steps h the value is accurate to O(h^4), the gradient to O(h^3) and the Laplacian
//! to O(h^2), boundary included.
//!
//! Beyond the first or last node of an axis the interpolant goes on as its second-order Taylor polynomial
//! there: the gradient continues linearly, as the score of a Gaussian tail does, and value, gradient and
//! Laplacian remain derivatives of one function.
//!
//! A spline is kept as its coefficients on B-splines, one number a node and one more beyond either end of a line:
//!
//! ```text
//! f_i = c_i + s_i / 6,      s_i = c_{i-1} - 2 c_i + c_{i+1},      s_{i-1} + 4 s_i + s_{i+1} = 6 (f_{i-1} - 2 f_i + f_{i+1})
//! ```
//!
//! and `s_0 - 2 s_1 + s_2 = 0` at either end, so that `s_1 = f_0 - 2 f_1 + f_2`.
//!
//! # Source
//! de Boor, *A Practical Guide to Splines* (2001), chapters IV (not-a-knot), IX (B-splines) and XVII (tensor product).

use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::dispatch::{Kernel, dispatch, multiply_add};
use crate::numeric::sums::add_scaled;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

/// Most axes of a grid.
const MOST_AXES: usize = 3;
/// Lines swept together.
const LINES: usize = 16;

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
    #[error("splines are available for one to three axes, not {0}")]
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
    /// The first axis slowest, two more along each than it has nodes.
    coefficients: Vec<f64>,
}

impl GridInterpolant {
    /// What one node keeps: a coefficient. Those beyond the ends of the lines come on top.
    pub const BYTES_PER_NODE: usize = size_of::<f64>();

    /// Interpolates `values`, the first axis slowest: node `(i, j)` is at `i * axes[1].count + j`.
    pub fn new(axes: &[UniformAxis], values: &[f64]) -> Result<Self, InterpolationError> {
        if axes.is_empty() || axes.len() > MOST_AXES {
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
            coefficients: Vec::new(),
        };
        interpolant.set_values(values);
        Ok(interpolant)
    }

    /// The weighted sum of splines on one grid, of which there must be at least one.
    pub fn blended(parts: &[(f64, &Self)]) -> Self {
        let mut sum = parts[0].1.clone();
        sum.coefficients.fill(0.0);
        for (weight, part) in parts {
            assert!(part.axes == sum.axes, "blended splines share their grid");
            add_scaled(*weight, &part.coefficients, &mut sum.coefficients);
        }
        sum
    }

    /// New values on the same grid, one for each of its nodes.
    pub fn set_values(&mut self, values: &[f64]) {
        let nodes: usize = self.axes.iter().map(|axis| axis.count).product();
        assert_eq!(values.len(), nodes, "one value per node");
        // Lines along the first axis go out as rows, which puts that axis last: after all of them it is first again.
        let mut found = coefficients_along(values, self.axes[0].count, nodes / self.axes[0].count);
        for axis in &self.axes[1..] {
            found = coefficients_along(&found, axis.count, found.len() / axis.count);
        }
        self.coefficients = found;
    }

    pub fn axes(&self) -> &[UniformAxis] {
        &self.axes
    }

    /// The values at a block of points (points × axes).
    pub fn values_at(&self, x: BatchRef<'_>, value: &mut [f64]) {
        assert!(
            x.columns() == self.axes.len() && x.points() == value.len(),
            "points have one column per axis"
        );
        dispatch(Values {
            spline: self,
            x,
            value,
        });
    }

    /// Value, gradient and, if asked for, Laplacian at a block of points (points × axes).
    pub fn eval(
        &self,
        x: BatchRef<'_>,
        value: &mut [f64],
        gradient: BatchMut<'_>,
        mut laplacian: Option<&mut [f64]>,
    ) {
        let d = self.axes.len();
        let run = |i: usize| run_of(&self.coefficients, i);
        sweep(&self.axes, run, x, value, gradient, |i, second| {
            if let Some(laplacian) = &mut laplacian {
                laplacian[i] = second[..d].iter().sum();
            }
        });
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
        gradient: BatchMut<'_>,
        mut second: Option<BatchMut<'_>>,
    ) {
        let run = |i: usize| {
            let mut sum = [0.0; 4];
            for (weight, part) in &self.parts {
                for (s, v) in sum.iter_mut().zip(&run_of(&part.coefficients, i)) {
                    *s += weight * v;
                }
            }
            sum
        };
        sweep(&self.parts[0].1.axes, run, x, value, gradient, |i, at| {
            if let Some(second) = &mut second {
                let axes = second.columns();
                for (j, along) in at.into_iter().enumerate().take(axes) {
                    second.column_mut(j)[i] = along;
                }
            }
        });
    }
}

/// Values and gradients at a block of points; `more` sees each point's second derivatives along the axes.
#[inline(always)]
fn sweep(
    axes: &[UniformAxis],
    run: impl Fn(usize) -> [f64; 4],
    x: BatchRef<'_>,
    value: &mut [f64],
    mut gradient: BatchMut<'_>,
    mut more: impl FnMut(usize, [f64; MOST_AXES]),
) {
    let d = axes.len();
    assert!(
        x.columns() == d && gradient.columns() == d && gradient.points() == x.points(),
        "points and gradient have one column per axis"
    );
    for (i, value) in value.iter_mut().enumerate() {
        let at = derivatives(axes, &run, x, i);
        *value = at.value;
        for j in 0..d {
            gradient.column_mut(j)[i] = at.first[j];
        }
        more(i, at.second);
    }
}

/// Coefficients on B-splines along an axis of `count` nodes, the axes after which have `inner` nodes together: a row of
/// `count + 2` for every line.
pub fn coefficients_along(values: &[f64], count: usize, inner: usize) -> Vec<f64> {
    let lines = values.len() / count;
    let mut out = vec![0.0; lines * (count + 2)];
    // 1 / pivots of s_{i-1} + 4 s_i + s_{i+1}.
    let mut pivots = vec![0.0; count];
    for i in 2..count.saturating_sub(2) {
        pivots[i] = 1.0 / (4.0 - pivots[i - 1]);
    }
    let block = LINES * (count + 2);
    let work = |(block, out): (usize, &mut [f64])| {
        dispatch(Fit {
            values,
            first: block * LINES,
            inner,
            pivots: &pivots,
            out,
        });
    };
    out.par_chunks_mut(block).enumerate().for_each(work);
    out
}

/// Coefficients of a few lines.
struct Fit<'a> {
    values: &'a [f64],
    first: usize,
    inner: usize,
    pivots: &'a [f64],
    out: &'a mut [f64],
}

impl Kernel for Fit<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let n = self.pivots.len();
        let lines = self.out.len() / (n + 2);
        let mut starts = [0; LINES];
        for (l, start) in starts[..lines].iter_mut().enumerate() {
            let line = self.first + l;
            *start = line / self.inner * self.inner * n + line % self.inner;
        }
        // Missing lines repeat the first.
        let repeated = starts[0];
        starts[lines..].fill(repeated);
        let node = |i: usize| starts.map(|start| self.values[start + i * self.inner]);
        // Second differences of the coefficients, then forward elimination and substitution back.
        let mut bends = vec![[0.0; LINES]; n];
        let (mut before, mut here) = (node(0), node(1));
        for i in 1..n - 1 {
            let after = node(i + 1);
            let inside = i > 1 && i + 2 < n;
            let (scale, carry) = if inside {
                (6.0 * self.pivots[i], self.pivots[i])
            } else {
                (1.0, 0.0)
            };
            for l in 0..LINES {
                let bend = before[l] - 2.0 * here[l] + after[l];
                bends[i][l] = scale * bend - carry * bends[i - 1][l];
            }
            (before, here) = (here, after);
        }
        for i in (2..n.saturating_sub(2)).rev() {
            let (here, after) = bends[i..].split_at_mut(1);
            for (bend, next) in here[0].iter_mut().zip(&after[0]) {
                *bend -= self.pivots[i] * next;
            }
        }
        ends(&mut bends);
        let mut row = [[0.0; LINES]; 2];
        for i in 0..n {
            let f = node(i);
            let c: [f64; LINES] = std::array::from_fn(|l| f[l] - bends[i][l] / 6.0);
            for (l, out) in self.out.chunks_exact_mut(n + 2).enumerate() {
                out[i + 1] = c[l];
            }
            if i < 2 {
                row[i] = c;
            }
        }
        for (l, out) in self.out.chunks_exact_mut(n + 2).enumerate() {
            out[0] = 2.0 * row[0][l] - row[1][l] + bends[0][l];
            out[n + 1] = 2.0 * out[n] - out[n - 1] + bends[n - 1][l];
        }
    }
}

/// Second differences at both ends of a line go on from those beside them.
#[inline(always)]
fn ends(bends: &mut [[f64; LINES]]) {
    let on = |near: [f64; LINES], far: [f64; LINES]| -> [f64; LINES] {
        std::array::from_fn(|l| 2.0 * near[l] - far[l])
    };
    match *bends {
        [_, _] => {}
        [ref mut first, middle, ref mut last] => (*first, *last) = (middle, middle),
        [ref mut first, near, far, ..] => {
            *first = on(near, far);
            let n = bends.len();
            bends[n - 1] = on(bends[n - 2], bends[n - 3]);
        }
        _ => unreachable!("an axis has at least two nodes"),
    }
}

/// Weights of four coefficients for one axis at one coordinate.
struct Weights {
    cell: usize,
    value: [f64; 4],
    first: [f64; 4],
    second: [f64; 4],
}

/// Weights of the value and both derivatives at the left node of a cell.
const AT_LEFT: [[f64; 4]; 3] = [
    [1.0 / 6.0, 4.0 / 6.0, 1.0 / 6.0, 0.0],
    [-0.5, 0.0, 0.5, 0.0],
    [1.0, -2.0, 1.0, 0.0],
];

impl Weights {
    /// `position` counts steps from the first node.
    #[inline(always)]
    fn at(position: f64, count: usize) -> Self {
        // A float to integer cast saturates, and sends NaN to 0, where it spoils the weights.
        let cell = (position as usize).min(count - 2);
        let t = position - cell as f64;
        if t < 0.0 {
            return Self::beyond(cell, t, AT_LEFT);
        }
        if t > 1.0 {
            let right = AT_LEFT.map(|[a, b, c, d]| [d, a, b, c]);
            return Self::beyond(cell, t - 1.0, right);
        }
        let u = 1.0 - t;
        let (t2, u2) = (t * t, u * u);
        Self {
            cell,
            value: [
                u2 * u / 6.0,
                (4.0 + t2 * (3.0 * t - 6.0)) / 6.0,
                (4.0 + u2 * (3.0 * u - 6.0)) / 6.0,
                t2 * t / 6.0,
            ],
            first: [
                -0.5 * u2,
                t * (1.5 * t - 2.0),
                -u * (1.5 * u - 2.0),
                0.5 * t2,
            ],
            second: [u, 3.0 * t - 2.0, 1.0 - 3.0 * t, t],
        }
    }

    /// The parabola that goes on from a node, `t` steps away from it.
    #[inline(always)]
    fn beyond(cell: usize, t: f64, [value, first, second]: [[f64; 4]; 3]) -> Self {
        let each = |f: &dyn Fn(usize) -> f64| [f(0), f(1), f(2), f(3)];
        Self {
            cell,
            value: each(&|k| value[k] + t * (first[k] + 0.5 * t * second[k])),
            first: each(&|k| first[k] + t * second[k]),
            second,
        }
    }

    #[inline(always)]
    fn on(axis: &UniformAxis, x: f64) -> Self {
        Self::at((x - axis.start) / axis.step, axis.count)
    }
}

#[inline(always)]
fn run_of(coefficients: &[f64], i: usize) -> [f64; 4] {
    let [a, b, c, d] = coefficients[i..i + 4] else {
        unreachable!("four coefficients are taken")
    };
    [a, b, c, d]
}

#[inline(always)]
fn dot<const FMA: bool>(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let low = multiply_add::<FMA>(a[0], b[0], a[1] * b[1]);
    let high = multiply_add::<FMA>(a[2], b[2], a[3] * b[3]);
    low + high
}

/// Values at points anywhere.
struct Values<'a> {
    spline: &'a GridInterpolant,
    x: BatchRef<'a>,
    value: &'a mut [f64],
}

impl Kernel for Values<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (axes, x) = (self.spline.axes.as_slice(), self.x);
        let c = self.spline.coefficients.as_slice();
        match *axes {
            [a] => {
                for (value, x) in self.value.iter_mut().zip(x.column(0)) {
                    *value = on_line::<FMA>(c, 0, &Weights::on(&a, *x));
                }
            }
            [a, b] => {
                let points = x.column(0).iter().zip(x.column(1));
                for (value, (x, y)) in self.value.iter_mut().zip(points) {
                    let weights = [Weights::on(&a, *x), Weights::on(&b, *y)];
                    *value = on_plane::<FMA>(c, 0, b.count + 2, &weights);
                }
            }
            _ => {
                let inner = axes[2].count + 2;
                let outer = (axes[1].count + 2) * inner;
                for (i, value) in self.value.iter_mut().enumerate() {
                    let first = Weights::on(&axes[0], x.column(0)[i]);
                    let rest = [
                        Weights::on(&axes[1], x.column(1)[i]),
                        Weights::on(&axes[2], x.column(2)[i]),
                    ];
                    let mut planes = [0.0; 4];
                    for (k, plane) in planes.iter_mut().enumerate() {
                        *plane = on_plane::<FMA>(c, (first.cell + k) * outer, inner, &rest);
                    }
                    *value = dot::<FMA>(&first.value, &planes);
                }
            }
        }
    }
}

/// The value on the line whose coefficients begin at `first`.
#[inline(always)]
fn on_line<const FMA: bool>(coefficients: &[f64], first: usize, w: &Weights) -> f64 {
    dot::<FMA>(&w.value, &run_of(coefficients, first + w.cell))
}

/// The value on the plane whose coefficients begin at `first`, a line of them `stride` long.
#[inline(always)]
fn on_plane<const FMA: bool>(
    coefficients: &[f64],
    first: usize,
    stride: usize,
    [outer, inner]: &[Weights; 2],
) -> f64 {
    let mut lines = [0.0; 4];
    for (k, line) in lines.iter_mut().enumerate() {
        *line = on_line::<FMA>(coefficients, first + (outer.cell + k) * stride, inner);
    }
    dot::<FMA>(&outer.value, &lines)
}

/// A spline at one point; entries of absent axes are zero.
#[derive(Default)]
struct Derivatives {
    value: f64,
    first: [f64; MOST_AXES],
    second: [f64; MOST_AXES],
}

/// Point `i` of a block; `run(k)` are the four coefficients from `k` on.
#[inline(always)]
fn derivatives(
    axes: &[UniformAxis],
    run: impl Fn(usize) -> [f64; 4],
    x: BatchRef<'_>,
    i: usize,
) -> Derivatives {
    let weights = |j: usize| Weights::on(&axes[j], x.column(j)[i]);
    let line = |first: usize, w: &Weights| along_line(w, run(first + w.cell));
    let plane = |first: usize, [outer, inner]: &[Weights; 2], stride: usize| {
        let lines = [0, 1, 2, 3].map(|k| line(first + (outer.cell + k) * stride, inner));
        outer_axis(outer, lines)
    };
    let mut at = match axes.len() {
        1 => line(0, &weights(0)),
        2 => plane(0, &[weights(0), weights(1)], axes[1].count + 2),
        _ => {
            let (outer, rest) = (weights(0), [weights(1), weights(2)]);
            let inner = axes[2].count + 2;
            let stride = (axes[1].count + 2) * inner;
            let planes = [0, 1, 2, 3].map(|k| plane((outer.cell + k) * stride, &rest, inner));
            outer_axis(&outer, planes)
        }
    };
    for (j, axis) in axes.iter().enumerate() {
        at.first[j] /= axis.step;
        at.second[j] /= axis.step * axis.step;
    }
    at
}

/// Along one line; the axis is the first.
#[inline(always)]
fn along_line(w: &Weights, run: [f64; 4]) -> Derivatives {
    Derivatives {
        value: dot::<false>(&w.value, &run),
        first: [dot::<false>(&w.first, &run), 0.0, 0.0],
        second: [dot::<false>(&w.second, &run), 0.0, 0.0],
    }
}

/// One more axis, which becomes the first.
#[inline(always)]
fn outer_axis(w: &Weights, inner: [Derivatives; 4]) -> Derivatives {
    let values = [0, 1, 2, 3].map(|k: usize| inner[k].value);
    let of = |read: &dyn Fn(&Derivatives) -> f64| {
        dot::<false>(&w.value, &[0, 1, 2, 3].map(|k: usize| read(&inner[k])))
    };
    Derivatives {
        value: dot::<false>(&w.value, &values),
        first: [
            dot::<false>(&w.first, &values),
            of(&|d| d.first[0]),
            of(&|d| d.first[1]),
        ],
        second: [
            dot::<false>(&w.second, &values),
            of(&|d| d.second[0]),
            of(&|d| d.second[1]),
        ],
    }
}

#[cfg(test)]
mod tests;
