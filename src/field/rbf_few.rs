//! Gaussian bumps in few states, four at a time over tiles of points.
//!
//! With `delta = xi - c_k` and the height `h_k = exp(-|delta|² / 2 w_k²)` the feature of a bump is `-h_k delta / w_k`.
#![allow(
    clippy::needless_range_loop,
    reason = "one index walks the same lane of several rows; zipped iterators hide that and vectorise worse"
)]

use crate::field::tile_rows::{AlignedRow, TILE};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::dispatch::{Kernel, multiply_add};
use crate::numeric::elementary::exp2_of_negative;
use crate::numeric::sums::sum;
use std::f64::consts::LOG2_E;

/// Bumps taken together.
const GROUP: usize = 4;

/// Bumps that share their number of states.
#[derive(Clone, Copy)]
pub(super) struct Bumps<'a, const D: usize> {
    pub(super) centres: &'a [[f64; D]],
    pub(super) widths: &'a [f64],
}

/// G bumps next to each other.
struct Group<const D: usize, const G: usize> {
    centres: [[f64; D]; G],
    inverses: [f64; G],
}

impl<const D: usize, const G: usize> Group<D, G> {
    #[inline(always)]
    fn new(bumps: Bumps<'_, D>, first: usize) -> Self {
        Self {
            centres: std::array::from_fn(|g| bumps.centres[first + g]),
            inverses: std::array::from_fn(|g| 1.0 / bumps.widths[first + g]),
        }
    }

    /// `xi - c` and the height of every bump.
    #[inline(always)]
    fn heights<const FMA: bool>(&self, xi: [f64; D]) -> ([[f64; D]; G], [f64; G]) {
        let deltas: [[f64; D]; G] =
            std::array::from_fn(|g| std::array::from_fn(|j| xi[j] - self.centres[g][j]));
        let logs = std::array::from_fn(|g| {
            let square = deltas[g]
                .iter()
                .fold(0.0, |sum, delta| multiply_add::<FMA>(*delta, *delta, sum));
            square * (-0.5 * LOG2_E * self.inverses[g] * self.inverses[g])
        });
        (deltas, exp2_of_negative::<FMA, G>(logs))
    }
}

/// Coordinates of one tile; lanes beyond the points are zero.
#[inline(always)]
fn load<const D: usize>(batch: BatchRef<'_>, first: usize, rows: &mut [AlignedRow; D]) {
    let end = (first + TILE).min(batch.points());
    for (j, row) in rows.iter_mut().enumerate() {
        row[..end - first].copy_from_slice(&batch.column(j)[first..end]);
        row[end - first..].fill(0.0);
    }
}

#[inline(always)]
fn store<const D: usize>(rows: &[AlignedRow; D], first: usize, batch: &mut BatchMut<'_>) {
    let end = (first + TILE).min(batch.points());
    for (j, row) in rows.iter().enumerate() {
        batch.column_mut(j)[first..end].copy_from_slice(&row[..end - first]);
    }
}

/// Adds `-sum_k a_k h_k delta_k / w_k` to `out`.
pub(super) struct Combine<'a, 'b, const D: usize> {
    pub(super) bumps: Bumps<'a, D>,
    pub(super) xi: BatchRef<'a>,
    pub(super) weights: &'a [f64],
    pub(super) out: BatchMut<'b>,
}

impl<const D: usize> Kernel for Combine<'_, '_, D> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let (mut x, mut sums) = ([AlignedRow([0.0; TILE]); D], [AlignedRow([0.0; TILE]); D]);
        let grouped = self.weights.len() / GROUP * GROUP;
        for first in (0..self.xi.points()).step_by(TILE) {
            load(self.xi, first, &mut x);
            load(self.out.as_ref(), first, &mut sums);
            for k in (0..grouped).step_by(GROUP) {
                self.add::<FMA, GROUP>(k, &x, &mut sums);
            }
            for k in grouped..self.weights.len() {
                self.add::<FMA, 1>(k, &x, &mut sums);
            }
            store(&sums, first, &mut self.out);
        }
    }
}

impl<const D: usize> Combine<'_, '_, D> {
    #[inline(always)]
    fn add<const FMA: bool, const G: usize>(
        &self,
        first: usize,
        x: &[AlignedRow; D],
        sums: &mut [AlignedRow; D],
    ) {
        let group = Group::<D, G>::new(self.bumps, first);
        let factors: [f64; G] =
            std::array::from_fn(|g| -self.weights[first + g] * group.inverses[g]);
        for lane in 0..TILE {
            let (deltas, heights) = group.heights::<FMA>(std::array::from_fn(|j| x[j][lane]));
            let mut sum: [f64; D] = std::array::from_fn(|j| sums[j][lane]);
            for g in 0..G {
                let weighted = factors[g] * heights[g];
                for j in 0..D {
                    sum[j] = multiply_add::<FMA>(weighted, deltas[g][j], sum[j]);
                }
            }
            for j in 0..D {
                sums[j][lane] = sum[j];
            }
        }
    }
}

/// Adds `-sum over points of h_k (c . delta_k) / w_k` to each parameter, and, given weights a, the state cotangent
/// `sum_k a_k h_k ((c . delta_k) delta_k / w_k³ - c / w_k)` to `out`.
pub(super) struct PullBack<'a, 'b, const D: usize> {
    pub(super) bumps: Bumps<'a, D>,
    pub(super) xi: BatchRef<'a>,
    pub(super) cotangent: BatchRef<'a>,
    pub(super) gradient: Option<&'b mut [f64]>,
    pub(super) state: Option<(&'a [f64], BatchMut<'b>)>,
}

/// Coordinates, cotangents and sums of one tile.
struct Lanes<const D: usize> {
    x: [AlignedRow; D],
    cotangent: [AlignedRow; D],
    sums: [AlignedRow; D],
}

impl<const D: usize> Kernel for PullBack<'_, '_, D> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let zero = [AlignedRow([0.0; TILE]); D];
        let mut lanes = Lanes {
            x: zero,
            cotangent: zero,
            sums: zero,
        };
        let count = self.bumps.widths.len();
        let grouped = count / GROUP * GROUP;
        for first in (0..self.xi.points()).step_by(TILE) {
            load(self.xi, first, &mut lanes.x);
            load(self.cotangent, first, &mut lanes.cotangent);
            if let Some((_, out)) = &self.state {
                load(out.as_ref(), first, &mut lanes.sums);
            }
            for k in (0..grouped).step_by(GROUP) {
                self.add::<FMA, GROUP>(k, &mut lanes);
            }
            for k in grouped..count {
                self.add::<FMA, 1>(k, &mut lanes);
            }
            if let Some((_, out)) = &mut self.state {
                store(&lanes.sums, first, out);
            }
        }
    }
}

impl<const D: usize> PullBack<'_, '_, D> {
    #[inline(always)]
    fn add<const FMA: bool, const G: usize>(&mut self, first: usize, lanes: &mut Lanes<D>) {
        let group = Group::<D, G>::new(self.bumps, first);
        // Without a state the factors are zero and the sums are thrown away.
        let factors: [f64; G] = match &self.state {
            Some((weights, _)) => std::array::from_fn(|g| weights[first + g] * group.inverses[g]),
            None => [0.0; G],
        };
        let squares: [f64; G] = group.inverses.map(|inverse| inverse * inverse);
        let mut products = [AlignedRow([0.0; TILE]); G];
        let Lanes { x, cotangent, sums } = lanes;
        for lane in 0..TILE {
            let (deltas, heights) = group.heights::<FMA>(std::array::from_fn(|j| x[j][lane]));
            let c: [f64; D] = std::array::from_fn(|j| cotangent[j][lane]);
            let mut sum: [f64; D] = std::array::from_fn(|j| sums[j][lane]);
            for g in 0..G {
                let mut along = 0.0;
                for j in 0..D {
                    along = multiply_add::<FMA>(c[j], deltas[g][j], along);
                }
                products[g][lane] = along * heights[g];
                let weighted = factors[g] * heights[g];
                let pulled = weighted * squares[g] * along;
                for j in 0..D {
                    sum[j] = multiply_add::<FMA>(pulled, deltas[g][j], sum[j]);
                    sum[j] = multiply_add::<FMA>(-weighted, c[j], sum[j]);
                }
            }
            for j in 0..D {
                sums[j][lane] = sum[j];
            }
        }
        if let Some(gradient) = &mut self.gradient {
            for g in 0..G {
                gradient[first + g] -= group.inverses[g] * sum(&*products[g]);
            }
        }
    }
}
