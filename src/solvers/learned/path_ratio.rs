//! The action seen through the likelihood ratio of paths that stay where they are.
//!
//! On paths drawn under one control, any other control has the log ratio
//!
//! ```text
//! r(θ) = log dP^u/dP = Σ ( ½|n|² − ½|z_θ|² − Σ log κ + log det A ) + log prior(Y_0) − log p_{t_min}(Y_N)
//! z_θ  = (n − v_θ) / κ,     n = v + κ z  as drawn
//! ```
//!
//! to the noising law. At the optimum it is the same number for every path, up to the step, so half its
//! variance is an objective with the optimum of the action. Where the paths are those of θ itself, its
//! gradient has the mean of the action's gradient; its noise vanishes at the optimum.
//!
//! The derivative along the paths sees a path change its mode only through its last moment of doubt;
//! the ratio sees the weight of every path, so it settles the weights of modes that no path connects.
//!
//! # Source
//! Richter, Boustati, Nüsken, Ruiz, Akyildiz (2020) for the equality of the gradients; Nüsken and Richter
//! (2021) for the log-variance objective on path space.
//!
//! # Checked by
//! Central differences; the mean gradient against the discrete adjoint's; zero at the optimum of a
//! Gaussian.

use crate::discretization::path_action::ReverseStep;
use crate::field::peaks::Peaks;
use crate::field::{Field, FieldFamily};
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{map_blocks, pairwise_add, pairwise_sum};
use crate::solvers::learned::path_cost::{PathCost, Trace};

/// Fixed paths, chunk by chunk.
#[derive(Clone, Debug)]
pub struct PathRatio {
    steps: Vec<ReverseStep>,
    traces: Vec<Trace>,
    /// Per chunk and path: what no control changes.
    fixed: Vec<Vec<f64>>,
    paths: usize,
}

impl PathRatio {
    /// Draws the paths of `cost` under `score`.
    pub fn new(cost: &PathCost, prior: &Peaks, score: &dyn Field) -> Self {
        let traces = cost.traces(score);
        let steps = cost.steps().to_vec();
        let fixed = traces
            .iter()
            .map(|trace| fixed_part(&steps, trace, prior))
            .collect();
        Self {
            steps,
            traces,
            fixed,
            paths: cost.paths(),
        }
    }

    /// `r` of every path.
    pub fn log_ratios(&self, score: &dyn Field) -> Vec<f64> {
        map_blocks(self.traces.len(), 1, |chunk| {
            self.chunk_ratios(score, chunk.start).0
        })
        .concat()
    }

    /// Half the variance of `r` over the paths.
    pub fn half_variance(&self, score: &dyn Field) -> f64 {
        let ratios = self.log_ratios(score);
        let mean = pairwise_sum(&ratios) / self.paths as f64;
        half_square(&ratios, mean) / self.paths as f64
    }

    /// Half the variance and its derivative in the parameters, which overwrites `gradient`.
    pub fn half_variance_and_gradient(
        &self,
        family: &dyn FieldFamily,
        gradient: &mut [f64],
    ) -> f64 {
        let chunks = map_blocks(self.traces.len(), 1, |chunk| {
            self.chunk_ratios(family, chunk.start)
        });
        let (ratios, slopes): (Vec<Vec<f64>>, Vec<Vec<Batch>>) = chunks.into_iter().unzip();
        let all = ratios.concat();
        let mean = pairwise_sum(&all) / self.paths as f64;
        let partials = map_blocks(self.traces.len(), 1, |chunk| {
            self.chunk_gradient(family, chunk.start, &ratios, &slopes, mean, gradient.len())
        });
        gradient.fill(0.0);
        if let Some(total) = pairwise_add(partials) {
            for (g, t) in gradient.iter_mut().zip(total) {
                *g = t / self.paths as f64;
            }
        }
        half_square(&all, mean) / self.paths as f64
    }

    /// `r` of the chunk's paths, and `∂r/∂v = z_θ / κ` of every step.
    fn chunk_ratios(&self, score: &dyn Field, chunk: usize) -> (Vec<f64>, Vec<Batch>) {
        let trace = &self.traces[chunk];
        let mut ratios = self.fixed[chunk].clone();
        let mut value = Batch::zeros(ratios.len(), trace.end.columns());
        let slopes = self.steps.iter().enumerate().map(|(k, step)| {
            score.eval(step.late, trace.states[k].as_ref(), value.as_mut());
            let mut slope = Batch::zeros(ratios.len(), value.columns());
            step.control(value.as_ref(), slope.as_mut());
            for (j, kappa) in step.narrow().iter().enumerate() {
                let noise = trace.noises[k].column(j);
                let pairs = slope.column_mut(j).iter_mut().zip(noise);
                for ((v, n), r) in pairs.zip(&mut ratios) {
                    let z = (n - *v) / kappa;
                    *r -= 0.5 * z * z;
                    *v = z / kappa;
                }
            }
            slope
        });
        let slopes = slopes.collect();
        (ratios, slopes)
    }

    fn chunk_gradient(
        &self,
        family: &dyn FieldFamily,
        chunk: usize,
        ratios: &[Vec<f64>],
        slopes: &[Vec<Batch>],
        mean: f64,
        parameters: usize,
    ) -> Vec<f64> {
        let (trace, ratios) = (&self.traces[chunk], &ratios[chunk]);
        let mut gradient = vec![0.0; parameters];
        let (n, d) = (ratios.len(), trace.end.columns());
        let (mut direct, mut none, mut score) =
            (Batch::zeros(n, d), Batch::zeros(n, d), Batch::zeros(n, d));
        for (k, step) in self.steps.iter().enumerate() {
            for j in 0..d {
                let slope = slopes[chunk][k].column(j);
                let pairs = direct.column_mut(j).iter_mut().zip(slope);
                for ((o, slope), r) in pairs.zip(ratios) {
                    *o = (r - mean) * slope;
                }
            }
            none.fill(0.0);
            step.adjoint(direct.as_ref(), none.as_mut(), score.as_mut());
            let x = trace.states[k].as_ref();
            family.pull_back(step.late, x, score.as_ref(), &mut gradient);
        }
        gradient
    }
}

/// `Σ ( ½|n|² − Σ log κ + log det A ) + log prior(Y_0) − log p_{t_min}(Y_N)`.
fn fixed_part(steps: &[ReverseStep], trace: &Trace, prior: &Peaks) -> Vec<f64> {
    let mut out: Vec<f64> = match trace.states.first() {
        Some(start) => prior.log_density(start.as_ref()),
        None => vec![0.0; trace.end.points()],
    };
    for (o, l) in out.iter_mut().zip(&trace.end_log_density) {
        *o -= l;
    }
    for (step, noise) in steps.iter().zip(&trace.noises) {
        let narrowing: f64 = step.narrow().iter().map(|k| k.ln()).sum();
        for (i, o) in out.iter_mut().enumerate() {
            let square: f64 = (0..noise.columns())
                .map(|j| noise.column(j)[i] * noise.column(j)[i])
                .sum();
            *o += 0.5 * square - narrowing + step.log_det();
        }
    }
    out
}

fn half_square(ratios: &[f64], mean: f64) -> f64 {
    let squares: Vec<f64> = ratios.iter().map(|r| 0.5 * (r - mean).powi(2)).collect();
    pairwise_sum(&squares)
}
