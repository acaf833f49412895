//! A value on a grid at many times, and what is read off it.

use crate::discretization::steered::SteeredProcess;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::interpolation::{Blend, GridInterpolant, UniformAxis};
use std::sync::Arc;

/// Times that a value between them is made of.
const STENCIL: usize = 4;

/// Most numbers kept of one grid, and the fewest times a value is kept at.
const MOST_KEPT: usize = 1 << 25;
const FEWEST_TIMES: usize = 4;

/// Why a grid is too large to be kept.
pub(crate) struct TooLarge {
    pub(crate) reason: String,
    pub(crate) accepted: String,
}

/// Steps from one kept time of a grid to the next: one where all times fit.
///
/// # Errors
/// Where not even a few times do.
pub(crate) fn kept_stride(counts: &[usize], steps: usize) -> Result<usize, TooLarge> {
    // A spline has a coefficient more at either end of a line; products of numbers users give may overflow.
    let each = counts
        .iter()
        .try_fold(1_usize, |all, count| all.checked_mul(count + 2));
    let fewest = FEWEST_TIMES.min(steps + 1);
    let fits = each.filter(|each| *each <= MOST_KEPT / fewest);
    if let Some(each) = fits {
        return Ok((each * (steps + 1)).div_ceil(MOST_KEPT));
    }
    let bytes = size_of::<f64>() as f64;
    let wanted = counts.iter().map(|n| *n as f64 + 2.0).product::<f64>();
    let side = ((MOST_KEPT / fewest) as f64).powf(1.0 / counts.len() as f64);
    let written: Vec<String> = counts.iter().map(usize::to_string).collect();
    Err(TooLarge {
        reason: format!(
            "{} nodes at {fewest} times are {:.1} MiB, more than the {} MiB kept of one grid",
            written.join(" x "),
            wanted * fewest as f64 * bytes / MIB,
            (MOST_KEPT as f64 * bytes / MIB) as usize
        ),
        accepted: format!("points = {} or fewer for each state", side as usize - 2),
    })
}

const MIB: f64 = 1_048_576.0;

/// Splines in space, the cubic through four neighbouring times in time.
pub(crate) struct SpaceTime {
    times: Vec<f64>,
    splines: Vec<GridInterpolant>,
}

impl SpaceTime {
    /// Times increase; there is at least one.
    pub(crate) fn new(kept: Vec<(f64, GridInterpolant)>) -> Self {
        let (times, splines) = kept.into_iter().unzip();
        Self { times, splines }
    }

    /// The splines that a time is made of, with their weights; beyond the horizon those at its ends.
    fn at(&self, t: f64) -> Vec<(f64, &GridInterpolant)> {
        let (times, count) = (&self.times, self.times.len());
        let t = t.clamp(times[0], times[count - 1]);
        let after = times.partition_point(|node| *node <= t);
        let width = STENCIL.min(count);
        let first = after.saturating_sub(STENCIL / 2).min(count - width);
        let stencil = first..first + width;
        let weight = |i: usize| -> f64 {
            let others = stencil.clone().filter(|j| *j != i);
            others
                .map(|j| (t - times[j]) / (times[i] - times[j]))
                .product()
        };
        let parts = stencil.clone().map(|i| (weight(i), &self.splines[i]));
        parts.filter(|(weight, _)| *weight != 0.0).collect()
    }
}

/// `V = sum_k w_k V_k` over grids: the extrapolated value.
#[derive(Clone)]
pub(crate) struct Extrapolated(pub(crate) Vec<(f64, Arc<SpaceTime>)>);

impl Extrapolated {
    /// Value and gradient at a block of points.
    pub(crate) fn eval_with_gradient(&self, t: f64, x: BatchRef<'_>) -> (Vec<f64>, Batch) {
        let mut value = vec![0.0; x.points()];
        let mut gradient = Batch::zeros(x.points(), x.columns());
        let (mut v, mut g) = (value.clone(), gradient.clone());
        for (weight, part) in &self.0 {
            Blend::new(part.at(t)).eval(x, &mut v, g.as_mut(), None);
            value
                .iter_mut()
                .zip(&v)
                .for_each(|(sum, v)| *sum += weight * v);
            gradient.add_scaled(*weight, &g);
        }
        (value, gradient)
    }
}

impl Extrapolated {
    /// Splines whose sum is the value at one time, one per grid.
    pub(crate) fn frozen(&self, t: f64) -> Vec<GridInterpolant> {
        let of_grid = |(weight, part): &(f64, Arc<SpaceTime>)| {
            let mut parts = part.at(t);
            parts.iter_mut().for_each(|part| part.0 *= weight);
            GridInterpolant::blended(&parts)
        };
        self.0.iter().map(of_grid).collect()
    }
}

/// The gradient of a sum of splines at a block of points.
pub(crate) fn gradient_of(splines: &[GridInterpolant], x: BatchRef<'_>) -> Batch {
    let mut slope = Batch::zeros(x.points(), x.columns());
    let (mut value, mut part) = (vec![0.0; x.points()], slope.clone());
    for spline in splines {
        spline.eval(x, &mut value, part.as_mut(), None);
        slope.add_scaled(1.0, &part);
    }
    slope
}

/// `u* = -R^-1 B' grad V` at one time.
struct FrozenPolicy<'a> {
    /// One spline per grid, its weight in it.
    splines: Vec<GridInterpolant>,
    process: &'a SteeredProcess,
}

impl Field for FrozenPolicy<'_> {
    fn inputs(&self) -> usize {
        self.process.dimension()
    }

    fn outputs(&self) -> usize {
        self.process.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let slope = gradient_of(&self.splines, x);
        self.process.best_response(t, x, slope.as_ref(), out);
    }
}

/// `V(x, t)` as a field.
pub(crate) struct GridValue {
    pub(crate) value: Extrapolated,
    pub(crate) dimension: usize,
}

impl Field for GridValue {
    fn inputs(&self) -> usize {
        self.dimension
    }

    fn outputs(&self) -> usize {
        1
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let (value, _) = self.value.eval_with_gradient(t, x);
        out.column_mut(0).copy_from_slice(&value);
    }
}

/// `u* = -R^-1 B' grad V`.
pub(crate) struct GridPolicy {
    pub(crate) value: Extrapolated,
    pub(crate) process: SteeredProcess,
}

impl Field for GridPolicy {
    fn inputs(&self) -> usize {
        self.process.dimension()
    }

    fn outputs(&self) -> usize {
        self.process.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let (_, slope) = self.value.eval_with_gradient(t, x);
        self.process.best_response(t, x, slope.as_ref(), out);
    }

    fn frozen(&self, t: f64) -> Option<Box<dyn Field + '_>> {
        Some(Box::new(FrozenPolicy {
            splines: self.value.frozen(t),
            process: &self.process,
        }))
    }
}

/// All nodes, the first axis slowest.
pub(crate) fn nodes_of(axes: &[UniformAxis]) -> Batch {
    let count: usize = axes.iter().map(|axis| axis.count).product();
    let mut nodes = Batch::zeros(count, axes.len());
    let mut inner = count;
    for (j, axis) in axes.iter().enumerate() {
        inner /= axis.count;
        for (i, x) in nodes.column_mut(j).iter_mut().enumerate() {
            *x = axis.node(i / inner % axis.count);
        }
    }
    nodes
}
