//! Steps of stochastic differential equations, with declared orders.
//!
//! A [`Scheme`] advances a block of points of `dX = f(X,t) dt + G(X,t) dW` by one step. What it needs of the
//! equation it asks of [`Coefficients`]; [`Sde`] compiles them from the expressions of a problem, with or
//! without a control.
//!
//! | scheme | reading | strong | weak | evaluations a step |
//! |---|---|---|---|---|
//! | [`EulerMaruyama`] | Itô | ½, additive noise 1 | 1 | 1 |
//! | [`Milstein`] (commutative noise) | Itô | 1 | 1 | 1 |
//! | [`Heun`] | Stratonovich | 1 (commutative noise) | 1, additive noise 2 | 2 |
//! | [`RungeKutta`] (additive noise) | any | 1½ | 2 | 2 |
//! | [`ExponentialEuler`] (additive noise) | any | 1; exact in law where the drift is linear | 1 | 1 |
//!
//! Orders assume coefficients that are smooth and grow at most linearly. Exact steps of a diffusion that is
//! run backwards with a frozen denoiser are in [`crate::discretization::reverse_step`].
//!
//! # Source
//! Kloeden and Platen, *Numerical Solution of Stochastic Differential Equations* (1992), chapters 10 and 11,
//! and what the schemes name.

mod coefficients;
mod explicit;
mod linear;
mod walk;

pub use coefficients::{Equation, NoiseStructure, Policy, Sde, SdeError};
pub use explicit::{EulerMaruyama, Heun, Milstein, RungeKutta};
pub use linear::ExponentialEuler;
pub use walk::Path;

use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::brownian::{Increment, Wanted};

/// What schemes ask of `dX = f dt + G dW` (Itô), at one time and a block of points.
///
/// Borrowed mutably because implementations keep room for intermediate values.
pub trait Coefficients {
    fn states(&self) -> usize;
    fn noises(&self) -> usize;
    fn structure(&self) -> NoiseStructure;
    /// f, points × states.
    fn drift(&mut self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>);
    /// `f − ½ Σ (G_j·∇) G_j`, the drift when the noise is read after Stratonovich: points × states.
    fn stratonovich_drift(&mut self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>);
    /// Places (state, noise) of the entries of G that are not zero.
    fn entries(&self) -> &[(usize, usize)];
    /// Those entries: points × entries.
    fn diffusion(&mut self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>);
    /// Places (state, noise j, noise k ≥ j) of the entries of `(G_j·∇) G_k` that are not zero.
    fn brackets(&self) -> &[(usize, usize, usize)];
    /// Those entries: points × brackets.
    fn bracket_values(&mut self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>);
}

/// What a scheme says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim {
    pub name: &'static str,
    /// Order of `E|X_T − X̂_T|`.
    pub strong: f64,
    /// Order of `|E g(X_T) − E g(X̂_T)|` for smooth g.
    pub weak: f64,
}

impl Claim {
    fn new(name: &'static str, strong: f64, weak: f64) -> Self {
        Self { name, strong, weak }
    }
}

/// One way of stepping; however it reads `G dW` itself, it converges to the Itô solution of its [`Coefficients`].
pub trait Scheme: Sync {
    fn claim(&self) -> Claim;

    /// What it wants to know of the noise.
    fn wanted(&self) -> Wanted {
        Wanted::INCREMENT
    }

    /// Tables of intermediate values for a block.
    fn room(&self, points: usize) -> Vec<Batch>;
    /// Advances `x` from t by the length of the increment.
    ///
    /// `room` is what [`Self::room`] returned; its contents do not matter.
    fn step(
        &self,
        equation: &mut dyn Coefficients,
        t: f64,
        x: &mut Batch,
        noise: &Increment,
        room: &mut [Batch],
    );
}

/// Why a scheme does not apply to an equation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SchemeRefusal {
    #[error("{scheme} needs additive noise; entry G[{row}][{column}] depends on the state")]
    NotAdditive {
        scheme: &'static str,
        row: usize,
        column: usize,
    },
    #[error(
        "{scheme} needs commutative noise, (G_j·∇) G_k = (G_k·∇) G_j; noises {first} and {second} are not shown to commute in component {row}"
    )]
    NotCommutative {
        scheme: &'static str,
        first: usize,
        second: usize,
        row: usize,
    },
}

#[cfg(test)]
mod tests;
