//! Finite differences of densities and scores at draws of the noised law.

use crate::comparison::effort::Effort;
use crate::discretization::noising::Noise;
use crate::discretization::time_grid::TimeGrid;
use crate::field::{Field, LogDensity};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{block, map_blocks, pairwise_sum};
use crate::problem::meant::model::Spacing;
use crate::verification::identity::Settings;
use crate::verification::subject::{NotApplicable, Subject};
use crate::verification::verdict::{Residual, Verdict};

/// Times at which equations are evaluated.
pub(super) const TIMES: usize = 5;
/// Points at each time, at most.
const POINTS: usize = 64;
/// Difference step in units of the local length: truncation and rounding both near 1e-10.
const STEP: f64 = 0.005;
/// The same for tabulated densities, whose interpolant is rough on smaller scales.
const GRID_STEP: f64 = 0.1;

/// Interior times, evenly spread in log signal-to-noise ratio.
pub fn check_times(subject: &Subject<'_>, count: usize) -> Vec<f64> {
    let noising = subject.lowered.noising();
    let grid = TimeGrid::new(noising, subject.t_min(), count + 1, Spacing::LogSnr);
    grid.nodes()[1..=count].to_vec()
}

/// Draws of the noised law at the check times.
pub(super) fn check_points(
    subject: &Subject<'_>,
    settings: &Settings<'_>,
    cost: usize,
) -> Result<Vec<(f64, Batch)>, NotApplicable> {
    let law = subject.law()?;
    let times = check_times(subject, TIMES);
    let budget = Effort::new(subject.lowered).evaluations / (TIMES * cost);
    let points = settings.spec.samples.unwrap_or(budget.clamp(4, POINTS));
    let draws = law.draws(&times, points, &settings.streams);
    Ok(times.into_iter().zip(draws).collect())
}

/// A length on which the density changes: `1 / rms |s_i|`.
pub(super) fn local_length(score: &dyn Field, t: f64, x: BatchRef<'_>) -> f64 {
    let mut values = Batch::zeros(x.points(), x.columns());
    score.eval(t, x, values.as_mut());
    let squares: Vec<f64> = values.as_slice().iter().map(|s| s * s).collect();
    (squares.len() as f64 / pairwise_sum(&squares)).sqrt()
}

/// First and second derivatives along lines, by central differences of order 4.
pub(super) struct Stencil<'a> {
    density: &'a (dyn LogDensity + Send),
    t: f64,
    x: BatchRef<'a>,
    /// Log density at the points.
    base: Vec<f64>,
}

/// What is differentiated: the log density or the density over its value at the point.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Unknown {
    LogDensity,
    Density,
}

impl<'a> Stencil<'a> {
    pub(super) fn new(density: &'a (dyn LogDensity + Send), t: f64, x: BatchRef<'a>) -> Self {
        let mut base = vec![0.0; x.points()];
        density.log_density(t, x, &mut base);
        Self {
            density,
            t,
            x,
            base,
        }
    }

    /// The unknown at a log density, less its value at point i.
    fn risen(&self, unknown: Unknown, log_density: f64, i: usize) -> f64 {
        let rise = log_density - self.base[i];
        match unknown {
            Unknown::LogDensity => rise,
            Unknown::Density => rise.exp_m1(),
        }
    }

    /// First and second derivatives at step `step` along each of `count` directions, `direction(k, i, j)`
    /// being component j of direction k at point i. All shifted points go through few large blocks: a
    /// density has costs per call.
    pub(super) fn along(
        &self,
        unknown: Unknown,
        step: f64,
        count: usize,
        direction: impl Fn(usize, usize, usize) -> f64 + Sync,
    ) -> Vec<[Vec<f64>; 2]> {
        const SHIFTS: [f64; 4] = [1.0, -1.0, 2.0, -2.0];
        let points = self.x.points();
        let rows = count * SHIFTS.len() * points;
        let values = map_blocks(rows, block(), |range| {
            let place = |row: usize| {
                let (k, rest) = (row / (4 * points), row % (4 * points));
                (k, SHIFTS[rest / points], rest % points)
            };
            let mut moved = Batch::zeros(range.len(), self.x.columns());
            for j in 0..self.x.columns() {
                let x = self.x.column(j);
                for (m, row) in moved.column_mut(j).iter_mut().zip(range.clone()) {
                    let (k, shift, i) = place(row);
                    *m = x[i] + shift * step * direction(k, i, j);
                }
            }
            let mut values = vec![0.0; range.len()];
            self.density
                .log_density(self.t, moved.as_ref(), &mut values);
            for (value, row) in values.iter_mut().zip(range) {
                *value = self.risen(unknown, *value, place(row).2);
            }
            values
        })
        .concat();
        let at = |k: usize, shift: usize, i: usize| values[(4 * k + shift) * points + i];
        (0..count)
            .map(|k| {
                let first = (0..points).map(|i| {
                    (8.0 * (at(k, 0, i) - at(k, 1, i)) - (at(k, 2, i) - at(k, 3, i)))
                        / (12.0 * step)
                });
                let second = (0..points).map(|i| {
                    (16.0 * (at(k, 0, i) + at(k, 1, i)) - (at(k, 2, i) + at(k, 3, i)))
                        / (12.0 * step * step)
                });
                [first.collect(), second.collect()]
            })
            .collect()
    }

    /// Derivative in forward time.
    pub(super) fn in_time(&self, unknown: Unknown, step: f64) -> Vec<f64> {
        let [early, late, earlier, later] = [-step, step, -2.0 * step, 2.0 * step].map(|shift| {
            let mut values = vec![0.0; self.x.points()];
            self.density
                .log_density(self.t + shift, self.x, &mut values);
            for (i, value) in values.iter_mut().enumerate() {
                *value = self.risen(unknown, *value, i);
            }
            values
        });
        (0..self.base.len())
            .map(|i| (8.0 * (late[i] - early[i]) - (later[i] - earlier[i])) / (12.0 * step))
            .collect()
    }
}

pub(super) fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The columns of G.
pub(super) fn noise_columns(noise: &Noise, dimension: usize) -> Vec<Vec<f64>> {
    match noise {
        Noise::Isotropic(g) => (0..dimension)
            .map(|i| {
                (0..dimension)
                    .map(|j| if i == j { *g } else { 0.0 })
                    .collect()
            })
            .collect(),
        Noise::Matrix(g) => g
            .column_iter()
            .map(|column| column.iter().copied().collect())
            .collect(),
    }
}

/// Relative rms of residuals against the rms of the largest term, over points of one time.
pub(super) fn relative_rms(residuals: &[f64], scales: &[f64]) -> f64 {
    let square = |v: &[f64]| pairwise_sum(&v.iter().map(|v| v * v).collect::<Vec<_>>());
    (square(residuals) / square(scales)).sqrt()
}

/// Evaluates a relative residual at the working step, and at twice the step if it is above the limit:
/// their difference bounds the error of the differences.
pub(super) fn refined(
    closed_form: bool,
    limit: f64,
    confidence: f64,
    residual: impl Fn(f64) -> f64,
) -> Residual {
    let step = if closed_form { STEP } else { GRID_STEP };
    let measured = residual(step);
    let first = Residual::deterministic(measured, 0.0, limit);
    if first.verdict(confidence) == Verdict::Pass {
        return first;
    }
    let change = (residual(2.0 * step) - measured).abs();
    Residual::deterministic(measured, change.min(measured), limit)
}

/// The larger value; NaN wins.
pub fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}
