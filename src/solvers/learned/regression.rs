//! Losses that are squares in the control: one linear system per iteration.
//!
//! ```text
//! cross-entropy:     u ~ v + S^+ (kappa z)        under the weights w, with S u what a control adds to the noise
//! adjoint-matching:  u ~ -R^-1 B' a               under P^v
//! socm:              u ~ -R^-1 B' a               under the weights w
//! a_N = grad Phi,    a_k = a_{k+1} + dt (grad b' a_{k+1} + grad q)      (lean: no control in it)
//! w = dP*/dP^v
//! ```
//!
//! `v` is the control of the iteration before. In the first line the noise is multiplied by `w - 1` in place of `w`:
//! without weights it has zero mean, and close to the optimum it has no variance left.
//!
//! Weights are raised to the largest power `<= 1` that leaves [`SHARE`] of the paths effective. Under the powers of
//! `dP*/dP^v` the regression leads part of the way to `P*`; the power reaches one as `v` does.
//!
//! # Assumes
//! `B`, `G`, `R` free of the state. Weights need a temperature.
//!
//! # Source
//! Zhang, Wang, Hartmann, Weber, Schütte, *SIAM J. Sci. Comput.* 36 (2014) and Kappen, Ruiz, *J. Stat. Phys.* 162
//! (2016) for cross-entropy; Thalmeier, Kappen, Totaro, Gómez, *Neurocomputing* 402 (2020) for smoothed weights;
//! Domingo-Enrich et al., arXiv:2312.02027 (socm, with `M' = M grad b`) and arXiv:2409.08861 (adjoint matching).
//!
//! # Checked by
//! `s08.lq_losses` of the reference numbers; the gain of `riccati`.

use crate::field::FieldFamily;
use crate::field::feedback::Feedback;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::pairwise_add;
use crate::numeric::dense::{Cholesky, DenseError};
use crate::solvers::learned::layout::Layout;
use crate::solvers::learned::objective::PathObjective;
use crate::solvers::learned::path_cost::{Block, PathCost};
use crate::solvers::learned::stepped::Stepped;
use crate::solvers::walk::weights::{effective_share, normalised};
use nalgebra::DMatrix;

/// Least effective share of the paths.
pub const SHARE: f64 = 0.25;
/// Halvings of the search for the power.
const HALVINGS: usize = 40;

/// Weights with mean one, the power they were raised to, and the effective share without it.
#[derive(Clone, Debug, PartialEq)]
pub struct Smoothed {
    pub weights: Vec<f64>,
    pub power: f64,
    pub share: f64,
}

/// Raises weights to the largest power that leaves enough of them.
pub fn smoothed(log_weights: &[f64]) -> Smoothed {
    let raised = |power: f64| -> Vec<f64> { log_weights.iter().map(|w| power * w).collect() };
    let share = effective_share(log_weights);
    let mut power = 1.0;
    if share < SHARE {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if effective_share(&raised(middle)) < SHARE {
                high = middle;
            } else {
                low = middle;
            }
        }
        power = low;
    }
    let count = log_weights.len() as f64;
    Smoothed {
        weights: normalised(&raised(power))
            .iter()
            .map(|w| w * count)
            .collect(),
        power,
        share,
    }
}

/// Blocks of the form and the moments of the targets, summed over paths and steps.
#[derive(Clone, Debug)]
pub struct Normal {
    pub layout: Layout,
    pub form: Vec<f64>,
    pub moments: Vec<f64>,
}

impl Normal {
    /// Of one iteration from the control `policy`, with weights of mean one.
    pub fn new(
        paths: &PathCost,
        policy: &Feedback,
        objective: PathObjective,
        weights: &[f64],
    ) -> Self {
        let (layout, walk) = (Layout::of(policy), paths.walk());
        let size = layout.size();
        let partials = paths.each_block(|range, mut block| {
            let weights = &weights[range];
            let mut sums = vec![0.0; size + policy.parameters().len()];
            let (form, moments) = sums.split_at_mut(size);
            let mut add = |k: usize, x: BatchRef<'_>, target: &Batch| {
                let (at, design) = (policy.locate(walk.time(k)), policy.design(x));
                let length = walk.length(k);
                let weights: Vec<f64> = weights.iter().map(|w| w * length).collect();
                layout.add(at, &design, &weights, form);
                policy.pull_back_features(at, &design, target.as_ref(), moments);
            };
            if objective == PathObjective::CrossEntropy {
                let watch = |k: usize, block: &Block| {
                    let target = noise_target(walk, k, block, weights);
                    add(k, block.x.as_ref(), &target);
                };
                paths.watched(policy, &mut block, watch);
            } else {
                let tape = paths.watched(policy, &mut block, |_, _| ());
                paths.lean(&block, &tape, |k, x, mut target| {
                    let length = walk.length(k);
                    for j in 0..target.columns() {
                        let pairs = target.column_mut(j).iter_mut().zip(weights);
                        pairs.for_each(|(value, weight)| *value *= length * weight);
                    }
                    add(k, x, &target);
                });
            }
            sums
        });
        let mut form = pairwise_add(partials).unwrap_or_default();
        let moments = form.split_off(size.min(form.len()));
        Self {
            layout,
            form,
            moments,
        }
    }

    /// Adds another iteration's sums to these.
    pub fn append(&mut self, other: &Self) {
        for (a, b) in self.form.iter_mut().zip(&other.form) {
            *a += b;
        }
        for (a, b) in self.moments.iter_mut().zip(&other.moments) {
            *a += b;
        }
    }

    /// The coefficients closest to the targets, and the relative length of the move from `theta`.
    ///
    /// # Errors
    /// A form that is not positive: features that no path tells apart.
    pub fn solve(&self, theta: &[f64]) -> Result<(Vec<f64>, f64), DenseError> {
        let layout = &self.layout;
        let mut found = vec![0.0; theta.len()];
        let (mut moved, mut size) = (0.0, 0.0);
        for view in layout.views() {
            let form = layout.dense(&self.form, view);
            let before = layout.table(theta, view);
            let residual = layout.table(&self.moments, view) - &form * &before;
            let step = Cholesky::new(&form)?.solve(&residual);
            let after = before + &step;
            let square = |v: &DMatrix<f64>| (&form * v).dot(v).max(0.0);
            moved += square(&step);
            size += square(&after);
            layout.write(&after, view, &mut found);
        }
        Ok((found, (moved / size.max(f64::MIN_POSITIVE)).sqrt()))
    }
}

/// `dt ( w v + (w - 1) S^+ (kappa z) )`.
fn noise_target(walk: &dyn Stepped, k: usize, block: &Block, weights: &[f64]) -> Batch {
    let controls = walk.outputs();
    let identity = DMatrix::<f64>::identity(controls, controls);
    let unit = Batch::from_columns(controls, controls, identity.as_slice().to_vec());
    let mut rows = Batch::zeros(controls, walk.noises());
    walk.shift(k, unit.as_ref(), &mut rows);
    let transposed = DMatrix::from_column_slice(controls, walk.noises(), rows.as_slice());
    // Of full column rank where there is a temperature and a price of every control.
    let inverse = match Cholesky::new(&(&transposed * transposed.transpose())) {
        Ok(factor) => factor.solve(&transposed),
        Err(_) => DMatrix::zeros(controls, walk.noises()),
    };
    let mut target = Batch::zeros(block.x.points(), controls);
    let noise = block.noise.as_ref();
    target.as_mut().add_product(1.0, &inverse, noise);
    let length = walk.length(k);
    for j in 0..controls {
        let controls = block.unknown.column(j).iter().zip(weights);
        for (value, (u, weight)) in target.column_mut(j).iter_mut().zip(controls) {
            *value = length * (weight * u + (weight - 1.0) * *value);
        }
    }
    target
}
