//! Unknown fields: closed-form scores and parametrised families, each with what its users need —
//! values on blocks of points, divergences, and pull-backs of cotangents to parameters and points.
//!
//! Times are forward (noising) times throughout; a solver that walks in reverse time asks at `T − τ`.

pub mod draws;
pub mod noised_mixture;

use crate::numeric::batch::{BatchMut, BatchRef};

/// A vector field on (time, state).
pub trait Field: Sync {
    fn inputs(&self) -> usize;
    fn outputs(&self) -> usize;
    /// `x`: points × inputs, one contiguous column per coordinate; `out`: points × outputs.
    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>);
}

/// A field of state size whose divergence `Σ ∂_i s_i` is known.
pub trait Differentiable: Field {
    /// Values and divergences (one per point) in one sweep.
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        out: BatchMut<'_>,
        divergence: &mut [f64],
    );
}

/// A normalised log density at any time.
pub trait LogDensity: Sync {
    fn log_density(&self, t: f64, x: BatchRef<'_>, out: &mut [f64]);
}

/// An unknown with parameters theta.
pub trait FieldFamily: Differentiable {
    fn parameters(&self) -> &[f64];
    fn set_parameters(&mut self, theta: &[f64]);
    /// Adds `Σ_points (∂s/∂θ)ᵀ cotangent` to `gradient`.
    fn pull_back(&self, t: f64, x: BatchRef<'_>, cotangent: BatchRef<'_>, gradient: &mut [f64]);
    /// `out = (∂s/∂x)ᵀ cotangent`, point by point.
    fn pull_back_state(&self, t: f64, x: BatchRef<'_>, cotangent: BatchRef<'_>, out: BatchMut<'_>);
    /// Adds the parameter gradient of `Σ_points weight · ∇·s` to `gradient`.
    fn pull_back_divergence(&self, t: f64, x: BatchRef<'_>, weight: &[f64], gradient: &mut [f64]);
}
