//! The terms of the Hamilton–Jacobi–Bellman equation by differences of a value function.

use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::solvers::lowered::problem::Lowered;

/// Step of a difference in time, as a share of the horizon.
const TIME_STEP: f64 = 0.01;
/// Step of a difference in a state, as a share of the spread of the points.
const STATE_STEP: f64 = 0.05;
/// The least spread, where all points coincide.
const LEAST_SPREAD: f64 = 0.1;

/// Central differences of fourth order: offsets with weights of the first and the second derivative.
const STENCIL: [(f64, f64, f64); 4] = [
    (-2.0, 1.0 / 12.0, -1.0 / 12.0),
    (-1.0, -8.0 / 12.0, 16.0 / 12.0),
    (1.0, 8.0 / 12.0, 16.0 / 12.0),
    (2.0, -1.0 / 12.0, -1.0 / 12.0),
];
const CENTRE: f64 = -30.0 / 12.0;

/// A value function to be put into the equation.
pub struct BellmanTerms<'a> {
    lowered: &'a Lowered,
    value: &'a dyn Field,
}

impl<'a> BellmanTerms<'a> {
    pub fn new(lowered: &'a Lowered, value: &'a dyn Field) -> Self {
        Self { lowered, value }
    }

    /// Sums over the points of the squares of the residual and of its largest term.
    pub fn squares(&self, t: f64, x: &Batch) -> (f64, f64) {
        let process = &self.lowered.compiled.steered;
        let (points, d) = (x.points(), x.columns());
        let steps = state_steps(x);
        // Hundreds of batches at one time.
        let still = self.value.frozen(t);
        let value = still.as_deref().unwrap_or(self.value);
        let centre = at(value, t, x);
        let mut slope = Batch::zeros(points, d);
        let mut diffusion = vec![0.0; points];
        let noise = Noise::new(self.lowered, t, x);
        for (j, step) in steps.iter().enumerate() {
            let shifted: Vec<Vec<f64>> = STENCIL
                .iter()
                .map(|(offset, ..)| at(value, t, &moved(x, &[(j, offset * step)])))
                .collect();
            for i in 0..points {
                let mut first = 0.0;
                let mut second = CENTRE * centre[i];
                for ((_, a, b), v) in STENCIL.iter().zip(&shifted) {
                    first += a * v[i];
                    second += b * v[i];
                }
                slope.column_mut(j)[i] = first / step;
                diffusion[i] += 0.5 * noise.entry(i, j, j) * second / (step * step);
            }
        }
        for (j, k) in noise.pairs() {
            let mixed = mixed((value, t), x, (j, k), &steps);
            for i in 0..points {
                diffusion[i] += noise.entry(i, j, k) * mixed[i];
            }
        }
        let length = process.end() - process.start();
        let dt = TIME_STEP * length;
        let mut rate = vec![0.0; points];
        for (offset, weight, _) in STENCIL {
            for (rate, v) in rate.iter_mut().zip(at(self.value, t + offset * dt, x)) {
                *rate += weight * v / dt;
            }
        }
        let mut drift = Batch::zeros(points, d);
        process.drift(t, x.as_ref(), drift.as_mut());
        let mut running = vec![0.0; points];
        process.running(t, x.as_ref(), &mut running);
        let mut control = Batch::zeros(points, process.controls());
        process.best_response(t, x.as_ref(), slope.as_ref(), control.as_mut());
        let mut saved = vec![0.0; points];
        process.effort_rate(t, x.as_ref(), control.as_ref(), &mut saved);
        let (mut residual, mut largest) = (0.0, 0.0);
        for i in 0..points {
            let carried: f64 = (0..d)
                .map(|j| drift.column(j)[i] * slope.column(j)[i])
                .sum();
            let terms = [
                rate[i],
                carried,
                diffusion[i],
                running[i],
                -saved[i],
                -process.discount() * centre[i],
            ];
            let sum: f64 = terms.iter().sum();
            let most = terms.iter().fold(0.0_f64, |m, t| m.max(t.abs()));
            residual += sum * sum;
            largest += most * most;
        }
        (residual, largest)
    }
}

fn at(value: &dyn Field, t: f64, x: &Batch) -> Vec<f64> {
    let mut out = Batch::zeros(x.points(), 1);
    value.eval(t, x.as_ref(), out.as_mut());
    out.column(0).to_vec()
}

/// `∂_j ∂_k V` by four corners.
fn mixed(
    (value, t): (&dyn Field, f64),
    x: &Batch,
    (j, k): (usize, usize),
    steps: &[f64],
) -> Vec<f64> {
    let mut out = vec![0.0; x.points()];
    for (a, b, sign) in [
        (1.0, 1.0, 1.0),
        (1.0, -1.0, -1.0),
        (-1.0, 1.0, -1.0),
        (-1.0, -1.0, 1.0),
    ] {
        let corner = at(value, t, &moved(x, &[(j, a * steps[j]), (k, b * steps[k])]));
        for (o, v) in out.iter_mut().zip(corner) {
            *o += sign * v / (4.0 * steps[j] * steps[k]);
        }
    }
    out
}

/// `D = G G'` at every point.
struct Noise {
    matrices: Vec<nalgebra::DMatrix<f64>>,
}

impl Noise {
    fn new(lowered: &Lowered, t: f64, x: &Batch) -> Self {
        let diffusion = lowered.compiled.steered.diffusion();
        let at = |i: usize| {
            let g = diffusion.at(t, &x.as_ref().row(i));
            &g * g.transpose()
        };
        let count = if diffusion.depends_on_state() {
            x.points()
        } else {
            1
        };
        Self {
            matrices: (0..count).map(at).collect(),
        }
    }

    fn entry(&self, point: usize, j: usize, k: usize) -> f64 {
        self.matrices[point.min(self.matrices.len() - 1)][(j, k)]
    }

    /// Pairs `j < k` whose entry does not vanish everywhere.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let d = self.matrices[0].nrows();
        let mut pairs = Vec::new();
        for j in 0..d {
            for k in j + 1..d {
                if self.matrices.iter().any(|m| m[(j, k)] != 0.0) {
                    pairs.push((j, k));
                }
            }
        }
        pairs
    }
}

fn state_steps(x: &Batch) -> Vec<f64> {
    (0..x.columns())
        .map(|j| {
            let column = x.column(j);
            let n = column.len() as f64;
            let mean = column.iter().sum::<f64>() / n;
            let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            STATE_STEP * variance.sqrt().max(LEAST_SPREAD)
        })
        .collect()
}

fn moved(x: &Batch, by: &[(usize, f64)]) -> Batch {
    let mut out = x.clone();
    for (j, step) in by {
        out.column_mut(*j).iter_mut().for_each(|v| *v += step);
    }
    out
}
