//! The likelihood of a score through its probability flow.

use crate::discretization::noising::{Noise, Noising};
use crate::field::Differentiable;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::map_blocks;

/// Points that share one adaptive step: enough to forget what a law costs to prepare at a time.
const POINTS: usize = 256;
/// Steps after which an integration is given up.
const STEP_LIMIT: usize = 20_000;

/// Why the flow could not be followed.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FlowError {
    #[error("the probability flow left the finite numbers at t = {time}")]
    NotFinite { time: f64 },
    #[error("the probability flow needed more than {STEP_LIMIT} steps; reached t = {time}")]
    Stiff { time: f64 },
}

/// `out = D : ∇s`, and the score itself, at a block of points.
///
/// Isotropic noise uses the field's own divergence. A matrix G needs derivatives along its columns:
/// central differences of order 4, relative error about 1e-12.
pub fn score_and_weighted_divergence(
    noise: &Noise,
    score: &dyn Differentiable,
    t: f64,
    x: BatchRef<'_>,
    values: &mut Batch,
    out: &mut [f64],
) {
    score.eval_with_divergence(t, x, values.as_mut(), out);
    match noise {
        Noise::Isotropic(g) => out.iter_mut().for_each(|v| *v *= g * g),
        Noise::Matrix(g) => {
            out.fill(0.0);
            let mut moved = x.to_batch();
            let mut shifted = Batch::zeros(x.points(), x.columns());
            for column in 0..g.ncols() {
                let direction: Vec<f64> = g.column(column).iter().copied().collect();
                let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
                if length == 0.0 {
                    continue;
                }
                let step = 1e-3 / length;
                for (shift, weight) in [
                    (step, 8.0),
                    (-step, -8.0),
                    (2.0 * step, -1.0),
                    (-2.0 * step, 1.0),
                ] {
                    for (j, v) in direction.iter().enumerate() {
                        for (m, x) in moved.column_mut(j).iter_mut().zip(x.column(j)) {
                            *m = x + shift * v;
                        }
                    }
                    score.eval(t, moved.as_ref(), shifted.as_mut());
                    for (j, v) in direction.iter().enumerate() {
                        let factor = weight * v / (12.0 * step);
                        for (o, s) in out.iter_mut().zip(shifted.column(j)) {
                            *o += factor * s;
                        }
                    }
                }
            }
        }
    }
}

/// Points carried by the flow, with the integral of its divergence.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// Where the points are at the end time.
    pub points: Batch,
    /// `∫ ∇·b dt` along each path.
    pub divergence: Vec<f64>,
    /// Field evaluations made.
    pub evaluations: u64,
}

/// Carries points along the probability flow from time `from` to `to > from`:
///
/// ```text
/// dx/dt = b = f − ½ D s,      log q(x, from) = log q(x(to), to) + ∫ ∇·b dt
/// ```
///
/// # Order and cost
/// Dormand–Prince 5(4) with local error `tolerance` per step, six evaluations a step: the last slope of a step is
/// the first of the next.
///
/// # Source
/// Song et al. (2021), appendix D.2; Chen et al., *Neural ODEs* (2018) for the change of density.
pub fn carry(
    noising: &Noising,
    score: &dyn Differentiable,
    x: BatchRef<'_>,
    from: f64,
    to: f64,
    tolerance: f64,
) -> Result<Carried, FlowError> {
    let blocks = map_blocks(x.points(), POINTS, |range| {
        carry_block(noising, score, x.rows(range), from, to, tolerance)
    });
    let mut total = Carried {
        points: Batch::zeros(x.points(), x.columns()),
        divergence: Vec::with_capacity(x.points()),
        evaluations: 0,
    };
    for block in blocks {
        let block = block?;
        total
            .points
            .write_rows(total.divergence.len(), block.points.as_ref());
        total.divergence.extend(block.divergence);
        total.evaluations += block.evaluations;
    }
    Ok(total)
}

/// Nodes, stage weights (row by row), fifth-order weights, and fifth minus fourth order weights.
const NODES: [f64; 7] = [0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0];
const STAGES: [[f64; 6]; 7] = [
    [0.0; 6],
    [0.2, 0.0, 0.0, 0.0, 0.0, 0.0],
    [3.0 / 40.0, 9.0 / 40.0, 0.0, 0.0, 0.0, 0.0],
    [44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0, 0.0, 0.0, 0.0],
    [
        19372.0 / 6561.0,
        -25360.0 / 2187.0,
        64448.0 / 6561.0,
        -212.0 / 729.0,
        0.0,
        0.0,
    ],
    [
        9017.0 / 3168.0,
        -355.0 / 33.0,
        46732.0 / 5247.0,
        49.0 / 176.0,
        -5103.0 / 18656.0,
        0.0,
    ],
    [
        35.0 / 384.0,
        0.0,
        500.0 / 1113.0,
        125.0 / 192.0,
        -2187.0 / 6784.0,
        11.0 / 84.0,
    ],
];
const ERROR: [f64; 7] = [
    71.0 / 57600.0,
    0.0,
    -71.0 / 16695.0,
    71.0 / 1920.0,
    -17253.0 / 339200.0,
    22.0 / 525.0,
    -1.0 / 40.0,
];

fn carry_block(
    noising: &Noising,
    score: &dyn Differentiable,
    x: BatchRef<'_>,
    from: f64,
    to: f64,
    tolerance: f64,
) -> Result<Carried, FlowError> {
    let (points, d) = (x.points(), x.columns());
    // Columns: the state, then the accumulated divergence.
    let mut y = Batch::zeros(points, d + 1);
    for j in 0..d {
        y.column_mut(j).copy_from_slice(x.column(j));
    }
    let mut slopes = vec![Batch::zeros(points, d + 1); 7];
    let mut flow = Flow::new(noising, score, points, d);
    let (mut t, mut step, mut evaluations) = (from, 1e-3 * (to - from), 0_u64);
    // The first stage is known except at the very start.
    let mut known = 0;
    for _ in 0..STEP_LIMIT {
        if t >= to {
            let mut end = Batch::zeros(points, d);
            for j in 0..d {
                end.column_mut(j).copy_from_slice(y.column(j));
            }
            return Ok(Carried {
                points: end,
                divergence: y.column(d).to_vec(),
                evaluations,
            });
        }
        step = step.min(to - t);
        let mut stage = y.clone();
        for k in known..7 {
            stage.as_mut().copy_from(y.as_ref());
            for (weight, slope) in STAGES[k].iter().zip(&slopes) {
                if *weight != 0.0 {
                    stage.add_scaled(weight * step, slope);
                }
            }
            let time = if k >= 5 {
                t + step
            } else {
                t + NODES[k] * step
            };
            flow.slope(time.min(to), &stage, &mut slopes[k]);
            evaluations += points as u64;
        }
        known = 1;
        let error = local_error(&slopes, step, &y, tolerance);
        if !error.is_finite() {
            if step < 1e-12 * (to - from) {
                return Err(FlowError::NotFinite { time: t });
            }
            step *= 0.1;
            continue;
        }
        if error <= 1.0 {
            // The last stage is the fifth-order solution.
            t = if step >= to - t { to } else { t + step };
            y = stage;
            slopes.swap(0, 6);
        }
        step *= (0.9 * error.max(1e-10).powf(-0.2)).clamp(0.2, 5.0);
    }
    Err(FlowError::Stiff { time: t })
}

/// Largest error estimate over points and components, relative to the tolerance.
fn local_error(slopes: &[Batch], step: f64, y: &Batch, tolerance: f64) -> f64 {
    let mut worst = 0.0_f64;
    for (index, value) in y.as_slice().iter().enumerate() {
        let error: f64 = ERROR
            .iter()
            .zip(slopes)
            .map(|(weight, slope)| weight * slope.as_slice()[index])
            .sum();
        let scaled = (step * error).abs() / (tolerance * (1.0 + value.abs()));
        // A comparison would lose a NaN.
        worst = if scaled > worst || scaled.is_nan() {
            scaled
        } else {
            worst
        };
    }
    worst
}

struct Flow<'a> {
    noising: &'a Noising,
    score: &'a dyn Differentiable,
    state: Batch,
    values: Batch,
    drift: Batch,
    divergence: Vec<f64>,
    weighted: Vec<f64>,
}

impl<'a> Flow<'a> {
    fn new(noising: &'a Noising, score: &'a dyn Differentiable, points: usize, d: usize) -> Self {
        Self {
            noising,
            score,
            state: Batch::zeros(points, d),
            values: Batch::zeros(points, d),
            drift: Batch::zeros(points, d),
            divergence: vec![0.0; points],
            weighted: vec![0.0; points],
        }
    }

    fn slope(&mut self, t: f64, y: &Batch, out: &mut Batch) {
        let d = self.state.columns();
        for j in 0..d {
            self.state.column_mut(j).copy_from_slice(y.column(j));
        }
        let noise = self.noising.noise(t);
        score_and_weighted_divergence(
            &noise,
            self.score,
            t,
            self.state.as_ref(),
            &mut self.values,
            &mut self.weighted,
        );
        self.noising
            .drift(t, self.state.as_ref(), self.drift.as_mut());
        noise.add_diffusivity_times(-0.5, self.values.as_ref(), self.drift.as_mut());
        self.noising
            .drift_divergence(t, self.state.as_ref(), &mut self.divergence);
        for j in 0..d {
            out.column_mut(j).copy_from_slice(self.drift.column(j));
        }
        for ((o, c), w) in out
            .column_mut(d)
            .iter_mut()
            .zip(&self.divergence)
            .zip(&self.weighted)
        {
            *o = c - 0.5 * w;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discretization::schedule::{Schedule, TimeFunction};
    use crate::field::LogDensity;
    use crate::field::noised_mixture::NoisedMixture;
    use crate::problem::meant::law::{Covariance, Mixture};

    /// The flow of a mixture against its closed-form log density at both ends.
    #[test]
    fn flow_likelihood_of_a_mixture_is_its_log_density() {
        let beta = TimeFunction::Linear {
            lo: 0.1,
            slope: 19.9,
        };
        let noising = Noising::isotropic(Schedule::VariancePreserving(beta), 2, 0.0, 1.0);
        let data = Mixture {
            weights: vec![0.4, 0.6],
            means: vec![vec![-1.0, 0.5], vec![1.5, -0.75]],
            covariances: vec![
                Covariance::Full(vec![vec![0.3, 0.1], vec![0.1, 0.2]]),
                Covariance::Isotropic(0.2),
            ],
        };
        let law = NoisedMixture::new(data, noising.transition().expect("affine").clone(), 0.0);
        let x = Batch::from_rows(2, &[[0.3, -0.2], [-0.8, 0.9], [1.1, 0.4]]);
        let carried = carry(&noising, &law, x.as_ref(), 1e-3, 1.0, 1e-10).expect("smooth");
        let (mut end, mut start) = (vec![0.0; 3], vec![0.0; 3]);
        law.log_density(1.0, carried.points.as_ref(), &mut end);
        law.log_density(1e-3, x.as_ref(), &mut start);
        for i in 0..3 {
            let flow = end[i] + carried.divergence[i];
            assert!((flow - start[i]).abs() < 1e-8, "{flow} {}", start[i]);
        }
    }
}
