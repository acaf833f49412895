//! Unknown fields: closed-form scores and parametrised families, each with what its users need —
//! values on blocks of points, divergences, and pull-backs of cotangents to parameters and points.
//!
//! Times are forward (noising) times throughout; a solver that walks in reverse time asks at `T − τ`.

pub mod affine;
pub mod chebyshev;
pub mod draws;
pub mod family;
pub mod feedback;
pub mod grid_field;
pub mod hermite;
pub mod idle;
mod mixture_components;
mod mixture_few;
pub mod mixture_potential;
mod mixture_tile;
pub mod network;
pub mod noised_mixture;
pub mod peaks;
pub mod rbf;
mod rbf_few;
pub mod scaled;
mod tile_rows;
pub mod time_nodes;

use crate::numeric::batch::{BatchMut, BatchRef};

/// A vector field on (time, state).
pub trait Field: Sync {
    fn inputs(&self) -> usize;

    /// As many as inputs, unless said otherwise.
    fn outputs(&self) -> usize {
        self.inputs()
    }
    /// `x`: points × inputs, one contiguous column per coordinate; `out`: points × outputs.
    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>);
    /// The field at one time, where preparing it pays before many blocks are evaluated; equal to [`Field::eval`] up to
    /// rounding.
    fn frozen(&self, _t: f64) -> Option<Box<dyn Field + '_>> {
        None
    }
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

impl<F: Field + ?Sized> Field for &F {
    fn inputs(&self) -> usize {
        (**self).inputs()
    }

    fn outputs(&self) -> usize {
        (**self).outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        (**self).eval(t, x, out);
    }

    fn frozen(&self, t: f64) -> Option<Box<dyn Field + '_>> {
        (**self).frozen(t)
    }
}

impl<F: Differentiable + ?Sized> Differentiable for &F {
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        (**self).eval_with_divergence(t, x, out, divergence);
    }
}

/// A normalised log density at any time.
pub trait LogDensity: Sync {
    fn log_density(&self, t: f64, x: BatchRef<'_>, out: &mut [f64]);
}

/// An unknown with parameters theta.
pub trait FieldFamily: Field {
    fn parameters(&self) -> &[f64];
    fn set_parameters(&mut self, theta: &[f64]);

    /// Both pull-backs in one sweep, those that are wanted: adds `Σ_points (∂f/∂θ)ᵀ cotangent` to `gradient`, and
    /// writes `(∂f/∂x)ᵀ cotangent`, point by point, to `out`.
    fn carry_back(
        &self,
        t: f64,
        x: BatchRef<'_>,
        cotangent: BatchRef<'_>,
        gradient: Option<&mut [f64]>,
        out: Option<BatchMut<'_>>,
    );

    /// Adds `Σ_points (∂f/∂θ)ᵀ cotangent` to `gradient`.
    fn pull_back(&self, t: f64, x: BatchRef<'_>, cotangent: BatchRef<'_>, gradient: &mut [f64]) {
        self.carry_back(t, x, cotangent, Some(gradient), None);
    }

    /// `out = (∂f/∂x)ᵀ cotangent`, point by point.
    fn pull_back_state(&self, t: f64, x: BatchRef<'_>, cotangent: BatchRef<'_>, out: BatchMut<'_>) {
        self.carry_back(t, x, cotangent, None, Some(out));
    }
}

/// An unknown score.
pub trait ScoreFamily: FieldFamily + Differentiable {
    /// Adds the parameter gradient of `Σ_points weight · ∇·s` to `gradient`.
    fn pull_back_divergence(&self, t: f64, x: BatchRef<'_>, weight: &[f64], gradient: &mut [f64]);
}

#[cfg(test)]
mod tests;
