//! Simulation of the controlled reverse process with the integrals every cost and identity needs.
//!
//! ```text
//! dY = (−f + D ŝ) dτ + G dB,      u = Gᵀ ŝ
//! ```
//!
//! This is a second simulator, independent of the one that generates samples: a result is measured
//! again by code that did not produce it. Several step sizes see the same Brownian path, so step bias
//! is measured by halving.

use crate::discretization::noising::{Noise, Noising};
use crate::discretization::time_grid::TimeGrid;
use crate::field::Differentiable;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::random::Stream;

/// Length of the difference along a noise increment, in units of the increment.
const DIFFERENCE: f64 = 1e-4;

/// How to walk.
///
/// # Order
/// Stochastic Heun with averaged noise amplitude and trapezoidal cost integrals: weak order 2.
/// The martingale is an Itô sum (left points): exactly mean zero at every step size, strong order ½. With
/// its second-order part `½ Σ ( wᵀ∇s w − g² Δ ∇·s )`, `w = G ΔB`, also exactly mean zero, strong order 1.
#[derive(Clone, Copy)]
pub struct ControlledWalk<'a> {
    pub noising: &'a Noising,
    /// ŝ; the control is `Gᵀ ŝ`.
    pub score: &'a dyn Differentiable,
    /// The score to measure the distance from; `None` when it is `score` itself.
    pub reference: Option<&'a dyn Differentiable>,
    /// Whether to add the second-order part of the martingale (isotropic noise only; one evaluation more).
    pub second_order: bool,
    /// The coarsest grid.
    pub grid: &'a TimeGrid,
    /// Halvings of `grid` at which the noise is drawn.
    pub finest: u32,
    pub stream: &'a Stream,
}

/// Path integrals, one entry per path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathIntegrals {
    /// Where the paths ended, at the data end.
    pub end: Batch,
    /// `½ ∫ |u|² dτ`
    pub effort: Vec<f64>,
    /// `∫ ∇·f dτ`
    pub divergence: Vec<f64>,
    /// `½ ∫ |u − u_ref|² dτ`
    pub distance: Vec<f64>,
    /// `∫ u_ref·dB`
    pub martingale: Vec<f64>,
}

impl PathIntegrals {
    fn zeros(points: usize) -> Self {
        Self {
            end: Batch::default(),
            effort: vec![0.0; points],
            divergence: vec![0.0; points],
            distance: vec![0.0; points],
            martingale: vec![0.0; points],
        }
    }

    fn append(&mut self, other: &Self) {
        self.effort.extend(&other.effort);
        self.divergence.extend(&other.divergence);
        self.distance.extend(&other.distance);
        self.martingale.extend(&other.martingale);
    }
}

/// Scratch of one block.
struct Scratch {
    score: Batch,
    reference: Batch,
    control: Batch,
    reference_control: Batch,
    drift: Batch,
    second_drift: Batch,
    trial: Batch,
    divergence: Vec<f64>,
    /// `∇·s` of the reference.
    spread: Vec<f64>,
    increment: Batch,
    normals: Batch,
    /// `G ΔB`
    kick: Batch,
}

impl Scratch {
    fn new(points: usize, states: usize, noises: usize) -> Self {
        Self {
            score: Batch::zeros(points, states),
            reference: Batch::zeros(points, states),
            control: Batch::zeros(points, noises),
            reference_control: Batch::zeros(points, noises),
            drift: Batch::zeros(points, states),
            second_drift: Batch::zeros(points, states),
            trial: Batch::zeros(points, states),
            divergence: vec![0.0; points],
            spread: vec![0.0; points],
            increment: Batch::zeros(points, noises),
            normals: Batch::zeros(points, noises),
            kick: Batch::zeros(points, states),
        }
    }
}

impl ControlledWalk<'_> {
    /// Walks from the prior end to the data end on the grid halved `level` times, `level ≤ finest`.
    pub fn run(&self, start: BatchRef<'_>, level: u32) -> PathIntegrals {
        assert!(level <= self.finest, "noise is drawn at the finest level");
        let mut fine = self.grid.clone();
        let mut grid = self.grid.clone();
        for halving in 0..self.finest {
            fine = fine.refined();
            if halving < level {
                grid = grid.refined();
            }
        }
        let substeps = 1 << (self.finest - level);
        let blocks = map_blocks(start.points(), block(), |range| {
            let first = range.start as u64;
            self.run_block(
                start.rows(range),
                first,
                grid.nodes(),
                fine.nodes(),
                substeps,
            )
        });
        let mut total = PathIntegrals::zeros(0);
        total.end = Batch::zeros(start.points(), start.columns());
        let mut row = 0;
        for block in &blocks {
            total.append(block);
            total.end.write_rows(row, block.end.as_ref());
            row += block.effort.len();
        }
        total
    }

    fn run_block(
        &self,
        start: BatchRef<'_>,
        first: u64,
        nodes: &[f64],
        fine: &[f64],
        substeps: usize,
    ) -> PathIntegrals {
        let (points, states) = (start.points(), start.columns());
        let mut scratch = Scratch::new(points, states, self.noising.noises());
        let mut sums = PathIntegrals::zeros(points);
        let mut y = start.to_batch();
        let last = nodes.len() - 1;
        for node in (0..=last).rev() {
            let t = nodes[node];
            let before = if node < last {
                nodes[node + 1] - t
            } else {
                0.0
            };
            let after = if node > 0 { t - nodes[node - 1] } else { 0.0 };
            let noise = self.noising.noise(t);
            self.observe(t, &noise, y.as_ref(), &mut scratch);
            add_node(&mut sums, &scratch, 0.5 * (before + after));
            if node == 0 {
                break;
            }
            let fine_nodes = &fine[(node - 1) * substeps..=node * substeps];
            self.draw_increment(first, (node - 1) * substeps, fine_nodes, &mut scratch);
            add_martingale(&mut sums, &scratch);
            if self.second_order {
                let step = t - nodes[node - 1];
                self.add_second_order(t, step, &noise, &y, &mut sums, &mut scratch);
            }
            self.step(t, nodes[node - 1], &noise, &mut y, &mut scratch);
        }
        sums.end = y;
        sums
    }

    /// Scores, controls and divergence at a node.
    fn observe(&self, t: f64, noise: &Noise, y: BatchRef<'_>, scratch: &mut Scratch) {
        match self.reference {
            Some(reference) => {
                self.score.eval(t, y, scratch.score.as_mut());
                self.eval_optimum(reference, t, y, scratch);
            }
            None => {
                self.eval_optimum(self.score, t, y, scratch);
                scratch.score.as_mut().copy_from(scratch.reference.as_ref());
            }
        }
        noise.control(scratch.score.as_ref(), scratch.control.as_mut());
        noise.control(
            scratch.reference.as_ref(),
            scratch.reference_control.as_mut(),
        );
        self.noising.drift_divergence(t, y, &mut scratch.divergence);
    }

    /// The field of the martingale, with its divergence where the second-order part is wanted.
    fn eval_optimum(
        &self,
        field: &dyn Differentiable,
        t: f64,
        y: BatchRef<'_>,
        scratch: &mut Scratch,
    ) {
        if self.second_order {
            field.eval_with_divergence(t, y, scratch.reference.as_mut(), &mut scratch.spread);
        } else {
            field.eval(t, y, scratch.reference.as_mut());
        }
    }

    /// Adds `½ ( wᵀ∇s w − g² Δ ∇·s )` with the derivative along `w = G ΔB` by a difference; what the
    /// difference leaves is odd in w, so it stays mean zero.
    fn add_second_order(
        &self,
        t: f64,
        step: f64,
        noise: &Noise,
        y: &Batch,
        sums: &mut PathIntegrals,
        scratch: &mut Scratch,
    ) {
        let Noise::Isotropic(g) = noise else {
            return;
        };
        scratch.kick.fill(0.0);
        noise.add_times(1.0, scratch.increment.as_ref(), scratch.kick.as_mut());
        scratch.trial.as_mut().copy_from(y.as_ref());
        scratch.trial.add_scaled(DIFFERENCE, &scratch.kick);
        let field = self.reference.unwrap_or(self.score);
        field.eval(t, scratch.trial.as_ref(), scratch.second_drift.as_mut());
        for (i, sum) in sums.martingale.iter_mut().enumerate() {
            *sum -= 0.5 * g * g * step * scratch.spread[i];
        }
        for j in 0..y.columns() {
            let (kick, near, far) = (
                scratch.kick.column(j),
                scratch.reference.column(j),
                scratch.second_drift.column(j),
            );
            for (i, sum) in sums.martingale.iter_mut().enumerate() {
                *sum += 0.5 * kick[i] * (far[i] - near[i]) / DIFFERENCE;
            }
        }
    }

    /// The Brownian increment of a step, summed over the finest intervals inside it.
    fn draw_increment(&self, first: u64, index: usize, fine: &[f64], scratch: &mut Scratch) {
        scratch.increment.fill(0.0);
        for (offset, pair) in fine.windows(2).enumerate() {
            self.stream
                .normals(first, (index + offset) as u32, scratch.normals.as_mut());
            let spread = (pair[1] - pair[0]).sqrt();
            for (b, z) in scratch
                .increment
                .as_mut_slice()
                .iter_mut()
                .zip(scratch.normals.as_slice())
            {
                *b += spread * z;
            }
        }
    }

    fn step(&self, late: f64, early: f64, noise: &Noise, y: &mut Batch, scratch: &mut Scratch) {
        let step = late - early;
        self.reverse_drift(
            late,
            noise,
            y.as_ref(),
            &scratch.score,
            scratch.drift.as_mut(),
        );
        let next = self.noising.noise(early);
        for g in [noise, &next] {
            g.add_times(0.5, scratch.increment.as_ref(), y.as_mut());
        }
        scratch.trial.as_mut().copy_from(y.as_ref());
        scratch.trial.add_scaled(step, &scratch.drift);
        self.score
            .eval(early, scratch.trial.as_ref(), scratch.score.as_mut());
        self.reverse_drift(
            early,
            &next,
            scratch.trial.as_ref(),
            &scratch.score,
            scratch.second_drift.as_mut(),
        );
        y.add_scaled(0.5 * step, &scratch.drift);
        y.add_scaled(0.5 * step, &scratch.second_drift);
    }

    fn reverse_drift(
        &self,
        t: f64,
        noise: &Noise,
        y: BatchRef<'_>,
        score: &Batch,
        mut out: BatchMut<'_>,
    ) {
        self.noising.drift(t, y, out.reborrow());
        for j in 0..y.columns() {
            out.column_mut(j).iter_mut().for_each(|b| *b = -*b);
        }
        noise.add_diffusivity_times(1.0, score.as_ref(), out);
    }
}

/// Adds the trapezoidal contribution of one node.
fn add_node(sums: &mut PathIntegrals, scratch: &Scratch, weight: f64) {
    for j in 0..scratch.control.columns() {
        let (u, v) = (
            scratch.control.column(j),
            scratch.reference_control.column(j),
        );
        for (i, (u, v)) in u.iter().zip(v).enumerate() {
            sums.effort[i] += 0.5 * weight * u * u;
            sums.distance[i] += 0.5 * weight * (u - v) * (u - v);
        }
    }
    for (sum, c) in sums.divergence.iter_mut().zip(&scratch.divergence) {
        *sum += weight * c;
    }
}

fn add_martingale(sums: &mut PathIntegrals, scratch: &Scratch) {
    for j in 0..scratch.increment.columns() {
        let b = scratch.increment.column(j);
        let v = scratch.reference_control.column(j);
        for (sum, (v, b)) in sums.martingale.iter_mut().zip(v.iter().zip(b)) {
            *sum += v * b;
        }
    }
}
