//! Drift and diffusivity of a noising process as seen from the nodes of a state grid.
//!
//! In grid coordinates `x = c(t) + Q diag(l(t)) xi` the process is
//!
//! ```text
//! dxi_j = b_j dt + sqrt(D_j) dW_j,     b_j = [Qᵀ (f - c')]_j / l_j - xi_j l_j' / l_j,    D_j = [Qᵀ D Q]_jj / l_j²
//! ```
//!
//! and its density `rho(xi) = p(x) Π l_j` obeys a Fokker–Planck equation with these coefficients, one
//! axis at a time. Coefficients are taken at the middle of a step, which keeps second order in time.

use crate::discretization::noising::Noising;
use crate::discretization::state_grid::{Rotation, StateGrid};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::interpolation::UniformAxis;
use std::sync::Arc;

/// Drift at the faces (midpoints between neighbouring nodes) along one axis.
#[derive(Clone, Debug)]
pub enum FaceDrift {
    /// The same on every line: one entry per face.
    Shared(Vec<f64>),
    /// Entry `(face, line)` at `face * lines + line`.
    PerLine(Arc<Vec<f64>>),
}

/// Coefficients of one axis during one step.
#[derive(Clone, Debug)]
pub struct AxisTransport {
    /// `D_j`, grid units² per time.
    pub diffusivity: f64,
    /// `b_j`, grid units per time.
    pub drift: FaceDrift,
    pub axis: UniformAxis,
    /// Lines parallel to this axis.
    pub lines: usize,
}

/// Computes coefficients; tables that do not depend on time are computed once.
#[derive(Clone, Debug)]
pub struct Transport {
    grid: StateGrid,
    /// The drift does not depend on time, as proved by its owner.
    autonomous: bool,
    cache: Vec<Option<Arc<Vec<f64>>>>,
}

impl Transport {
    pub fn new(grid: StateGrid, autonomous: bool) -> Self {
        let cache = vec![None; grid.dimension()];
        Self {
            grid,
            autonomous,
            cache,
        }
    }

    pub fn grid(&self) -> &StateGrid {
        &self.grid
    }

    /// Coefficients of every axis for the step from `from` to `to`.
    pub fn during(&mut self, noising: &Noising, from: f64, to: f64) -> Vec<AxisTransport> {
        let middle = 0.5 * (from + to);
        let placement = self.grid.at(middle);
        let diffusivity = noising.noise(middle).diffusivity(noising.dimension());
        let nodes = self.grid.nodes();
        (0..self.grid.dimension())
            .map(|j| {
                let axis = self.grid.axes()[j];
                let l = placement.half_width[j];
                let turned = match self.grid.dimension() {
                    1 => diffusivity[(0, 0)],
                    _ => placement.rotation.quadratic(j, |i, k| diffusivity[(i, k)]),
                };
                let drift = if self.grid.moves() {
                    self.moving_drift(noising, j, from, to)
                } else {
                    self.fixed_drift(noising, j, middle)
                };
                AxisTransport {
                    diffusivity: turned / (l * l),
                    drift,
                    axis,
                    lines: nodes / axis.count,
                }
            })
            .collect()
    }

    /// The mean is followed, so what is left of `-r (x - c)` is `-(r + l'/l) xi`.
    fn moving_drift(&self, noising: &Noising, j: usize, from: f64, to: f64) -> FaceDrift {
        let schedule = noising
            .schedule()
            .expect("moving grids are built from an isotropic schedule");
        let growth = self.grid.at(to).half_width[j] / self.grid.at(from).half_width[j];
        let rate = (growth.ln() - schedule.mean_factor(from, to).ln()) / (to - from);
        let axis = self.grid.axes()[j];
        FaceDrift::Shared(
            (0..axis.count - 1)
                .map(|i| -rate * (axis.node(i) + 0.5 * axis.step))
                .collect(),
        )
    }

    fn fixed_drift(&mut self, noising: &Noising, j: usize, t: f64) -> FaceDrift {
        if let Some(table) = &self.cache[j] {
            return FaceDrift::PerLine(table.clone());
        }
        let table = Arc::new(self.evaluate(noising, j, t));
        if self.autonomous {
            self.cache[j] = Some(table.clone());
        }
        FaceDrift::PerLine(table)
    }

    fn evaluate(&self, noising: &Noising, j: usize, t: f64) -> Vec<f64> {
        let d = self.grid.dimension();
        let axes = self.grid.axes();
        let placement = self.grid.at(t);
        let lines = self.grid.nodes() / axes[j].count;
        let faces = axes[j].count - 1;
        let (a, b) = placement.rotation.direction(j);
        let pieces = map_blocks(faces * lines, block(), |range| {
            let mut xi = Batch::zeros(range.len(), d);
            for (n, index) in range.clone().enumerate() {
                let (face, line) = (index / lines, index % lines);
                xi.column_mut(j)[n] = axes[j].node(face) + 0.5 * axes[j].step;
                if d == 2 {
                    xi.column_mut(1 - j)[n] = axes[1 - j].node(line);
                }
            }
            let mut x = Batch::zeros(range.len(), d);
            placement.to_state(xi.as_ref(), x.as_mut());
            let mut drift = Batch::zeros(range.len(), d);
            noising.drift(t, x.as_ref(), drift.as_mut());
            (0..range.len())
                .map(|n| {
                    let along = if d == 1 {
                        drift.get(n, 0)
                    } else {
                        a * drift.get(n, 0) + b * drift.get(n, 1)
                    };
                    along / placement.half_width[j]
                })
                .collect::<Vec<f64>>()
        });
        pieces.concat()
    }
}

/// Largest entry off the diagonal of `Qᵀ D Q`, relative to its trace.
pub fn cross_diffusivity(noising: &Noising, rotation: Rotation, t: f64) -> f64 {
    if noising.dimension() == 1 {
        return 0.0;
    }
    let d = noising.noise(t).diffusivity(2);
    let (c, s) = (rotation.cosine, rotation.sine);
    let cross = c * s * (d[(1, 1)] - d[(0, 0)]) + (c * c - s * s) * d[(0, 1)];
    cross.abs() / d.trace()
}

/// Axes along which the diffusivity at time t is diagonal.
pub fn principal_axes(noising: &Noising, t: f64) -> Rotation {
    if noising.dimension() == 1 {
        return Rotation::NONE;
    }
    let d = noising.noise(t).diffusivity(2);
    if d[(0, 1)] == 0.0 {
        return Rotation::NONE;
    }
    let angle = 0.5 * (2.0 * d[(0, 1)]).atan2(d[(0, 0)] - d[(1, 1)]);
    Rotation {
        cosine: angle.cos(),
        sine: angle.sin(),
    }
}

/// Times from `start` to the end of the horizon, graded so that a step changes the narrowest feature and
/// the noise by about the same factor everywhere.
///
/// ```text
/// ds = ( |v'|/v + 0.3 D/v + 0.2 |D'|/D + 2/(end - start) ) dt,      v' = D - 2 |div f| / d · v
/// ```
///
/// with the mean of `|div f|` over the `typical` states, and `variance > 0` the smallest variance of the
/// law at `start`; nodes are equally spaced in s. For linear isotropic noising v is that variance
/// exactly. The weights were chosen for the least control error of two noised mixtures at a given number
/// of steps; only the cost of a given accuracy depends on them.
pub fn graded_times(
    noising: &Noising,
    start: f64,
    variance: f64,
    typical: BatchRef<'_>,
    steps: usize,
) -> Vec<f64> {
    let end = noising.end();
    let d = noising.dimension();
    let largest = |t: f64| {
        noising
            .noise(t)
            .diffusivity(d)
            .symmetric_eigenvalues()
            .max()
    };
    let floor = 2.0 / (end - start);
    let mut divergence = vec![0.0; typical.points()];
    // v' and ds/dt.
    let mut speeds = |t: f64, v: f64| {
        noising.drift_divergence(t, typical, &mut divergence);
        let contraction = divergence.iter().map(|c| c.abs()).sum::<f64>() / divergence.len() as f64;
        let diffusivity = largest(t);
        let change = diffusivity - 2.0 * contraction / d as f64 * v;
        let (a, b) = ((t - 1e-6 / floor).max(start), (t + 1e-6 / floor).min(end));
        let noise_change = (largest(b) - largest(a)).abs() / ((b - a) * largest(b));
        let speed = change.abs() / v + 0.3 * diffusivity / v + 0.2 * noise_change + floor;
        (change, speed)
    };
    // March in small equal steps of s, then read the times off.
    const STEP: f64 = 0.004;
    let (mut t, mut v) = (start, variance);
    let mut table = vec![t];
    while t < end {
        let (change, speed) = speeds(t, v);
        let half = 0.5 * STEP / speed;
        let (change, speed) = speeds((t + half).min(end), v + half * change);
        let step = STEP / speed;
        v = (v + step * change).max(f64::MIN_POSITIVE);
        t += step;
        table.push(t);
    }
    let last = table.len() - 1;
    let overshoot = (table[last] - end) / (table[last] - table[last - 1]);
    let total = last as f64 - overshoot;
    (0..=steps)
        .map(|i| {
            if i == 0 {
                return start;
            }
            if i == steps {
                return end;
            }
            let position = total * i as f64 / steps as f64;
            let k = (position as usize).min(last - 1);
            table[k] + (position - k as f64) * (table[k + 1] - table[k])
        })
        .collect()
}
