//! The action seen through the likelihood ratio of paths that stay where they are.
//!
//! On paths drawn under one control, any other control has the log ratio to the best law
//!
//! ```text
//! r(θ) = log dP^u/dP* = const + Σ ( ½|n|² − ½|z_θ|² ) + (state costs)/lambda + log prior(Y_0)
//! z_θ  = (n − v_θ) / κ,     n = v + κ z  as drawn
//! log-variance:  Var r,        moment:  E (r + y)²
//! ```
//!
//! At the optimum it is the same number for every path, up to the step, so both are objectives with the optimum of the
//! action, whatever control drew the paths. Where the paths are those of θ itself, the gradient of half the variance has the
//! mean of the action's gradient over lambda; its noise vanishes at the optimum. The prior is there where the starts of
//! the best law are not those of the paths: in reverse time they are those of the noised data.
//!
//! The derivative along the paths sees a path change its mode only through its last moment of doubt;
//! the ratio sees the weight of every path, so it settles the weights of modes that no path connects.
//!
//! # Source
//! Richter, Boustati, Nüsken, Ruiz, Akyildiz (2020) for the equality of the gradients; Nüsken and Richter, *Partial
//! Differ. Equ. Appl.* 2 (2021), sections 3.2 and 4.
//!
//! # Checked by
//! `s08.lq_losses` of the reference numbers; central differences; the mean gradient against the discrete adjoint's; zero at
//! the optimum of a Gaussian.

use crate::field::{Field, FieldFamily};
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{map_blocks, pairwise_add, pairwise_sum};
use crate::solvers::learned::path_cost::{Block, PathCost};

/// Paths that stay.
pub struct PathRatio {
    paths: PathCost,
    chunks: Vec<Recorded>,
}

/// What of a chunk of paths enters the ratio.
struct Recorded {
    /// Before each step.
    states: Vec<Batch>,
    /// `v + κ z` of each step.
    noises: Vec<Batch>,
    /// Per path: what no control changes.
    fixed: Vec<f64>,
}

impl PathRatio {
    /// Draws the paths under `field`; `start` is what their starts add to the ratio. The walk has a temperature.
    pub fn new(paths: &PathCost, start: &[f64], field: &dyn Field) -> Self {
        let walk = paths.walk();
        let temperature = walk.temperature().expect("weights need a temperature");
        let chunks = paths.each_block(|range, mut block| {
            let mut fixed = start[range].to_vec();
            let mut noises = Vec::with_capacity(walk.steps());
            let watch = |_: usize, block: &Block| {
                let mut noise = block.noise.clone();
                noise.add_scaled(1.0, &block.v);
                for j in 0..noise.columns() {
                    for (f, n) in fixed.iter_mut().zip(noise.column(j)) {
                        *f += 0.5 * n * n;
                    }
                }
                noises.push(noise);
            };
            let tape = paths.watched(field, &mut block, watch);
            for (fixed, cost) in fixed.iter_mut().zip(&block.state) {
                *fixed += cost / temperature;
            }
            Recorded {
                states: tape.states,
                noises,
                fixed,
            }
        });
        Self {
            paths: paths.clone(),
            chunks,
        }
    }

    /// `r` of every path, up to a constant.
    pub fn log_ratios(&self, field: &dyn Field) -> Vec<f64> {
        self.each_chunk(|chunk| self.chunk_ratios(field, chunk).0)
            .concat()
    }

    /// `E (r + y)²` and its derivative in `y`; without `y` the variance. The derivative in the parameters overwrites
    /// `gradient`.
    pub fn square(
        &self,
        family: &dyn FieldFamily,
        offset: Option<f64>,
        gradient: Option<&mut [f64]>,
    ) -> (f64, f64) {
        let chunks = self.each_chunk(|chunk| self.chunk_ratios(family, chunk));
        let (ratios, slopes): (Vec<Vec<f64>>, Vec<Vec<Batch>>) = chunks.into_iter().unzip();
        let paths = self.paths.paths() as f64;
        let mean = pairwise_sum(&ratios.concat()) / paths;
        let shift = offset.unwrap_or(-mean);
        let residuals: Vec<Vec<f64>> = (ratios.iter())
            .map(|chunk| chunk.iter().map(|r| r + shift).collect())
            .collect();
        if let Some(gradient) = gradient {
            let partials = self.each_chunk(|chunk| {
                let mut partial = vec![0.0; gradient.len()];
                self.pull_back(
                    family,
                    chunk,
                    &residuals[chunk],
                    &slopes[chunk],
                    &mut partial,
                );
                partial
            });
            let total = pairwise_add(partials).unwrap_or_default();
            for (g, t) in gradient.iter_mut().zip(total) {
                *g = 2.0 * t / paths;
            }
        }
        let squares: Vec<f64> = residuals.iter().flatten().map(|r| r * r).collect();
        (pairwise_sum(&squares) / paths, 2.0 * (mean + shift))
    }

    fn each_chunk<T: Send>(&self, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        map_blocks(self.chunks.len(), 1, |chunk| work(chunk.start))
    }

    /// `r` of the chunk's paths, and `∂r/∂v = z_θ / κ` of every step.
    fn chunk_ratios(&self, field: &dyn Field, chunk: usize) -> (Vec<f64>, Vec<Batch>) {
        let (walk, recorded) = (self.paths.walk(), &self.chunks[chunk]);
        let mut ratios = recorded.fixed.clone();
        let mut unknown = Batch::zeros(ratios.len(), walk.outputs());
        let steps = recorded.states.iter().zip(&recorded.noises).enumerate();
        let slopes = steps.map(|(k, (x, noise))| {
            field.eval(walk.time(k), x.as_ref(), unknown.as_mut());
            let mut slope = Batch::zeros(ratios.len(), walk.noises());
            walk.shift(k, unknown.as_ref(), &mut slope);
            for (j, kappa) in walk.narrow(k).iter().enumerate() {
                let pairs = slope.column_mut(j).iter_mut().zip(noise.column(j));
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

    /// Adds `Σ residual ∂r/∂θ` over the paths of a chunk.
    fn pull_back(
        &self,
        family: &dyn FieldFamily,
        chunk: usize,
        residuals: &[f64],
        slopes: &[Batch],
        gradient: &mut [f64],
    ) {
        let walk = self.paths.walk();
        let mut cotangent = Batch::zeros(residuals.len(), walk.outputs());
        for (k, (x, slope)) in self.chunks[chunk].states.iter().zip(slopes).enumerate() {
            let mut weighted = slope.clone();
            for j in 0..weighted.columns() {
                let pairs = weighted.column_mut(j).iter_mut().zip(residuals);
                pairs.for_each(|(w, r)| *w *= r);
            }
            walk.shift_back(k, weighted.as_ref(), &mut cotangent);
            family.pull_back(walk.time(k), x.as_ref(), cotangent.as_ref(), gradient);
        }
    }
}
