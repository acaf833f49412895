//! What a walk of a controlled process does in one step, and how derivatives come back through it.
//!
//! A step adds `v + kappa z` to the state in units of its noise, where `v = S_k u` is linear in what the unknown says.
//!
//! ```text
//! path cost = sum_k [ q_k + lambda/2 |v_k|^2 + martingale_k ] + end cost
//! martingale_k = lambda ( kappa v.z + 1/2 sum (kappa^2 - 1)(z^2 - 1) )
//! ```
//!
//! is `lambda` times the logarithm of the ratio of the controlled path law to the best one, up to a constant and to the
//! density of the starts.

use crate::numeric::batch::{Batch, BatchRef};

/// Points before a step, what the unknown says there, and `kappa z`.
#[derive(Clone, Copy)]
pub struct At<'a> {
    pub x: BatchRef<'a>,
    pub unknown: BatchRef<'a>,
    pub noise: BatchRef<'a>,
}

/// A discretized controlled process. Steps are numbered in the order in which they are made.
pub trait Stepped: Send + Sync {
    fn steps(&self) -> usize;
    /// When the unknown is asked.
    fn time(&self, step: usize) -> f64;
    /// How long the step is.
    fn length(&self, step: usize) -> f64;
    /// Numbers that the unknown says at a point.
    fn outputs(&self) -> usize;
    fn noises(&self) -> usize;
    /// `lambda`. Without it there is no `v`: [`Stepped::shift`] and its transpose are not asked.
    fn temperature(&self) -> Option<f64>;
    /// `kappa` of each noise.
    fn narrow(&self, step: usize) -> &[f64];
    /// `out = v = S u`.
    fn shift(&self, step: usize, unknown: BatchRef<'_>, out: &mut Batch);
    /// `out = S' v`.
    fn shift_back(&self, step: usize, v: BatchRef<'_>, out: &mut Batch);
    /// Adds the step's cost to `costs`, and to `state` what of it is not the price of control and, over `lambda`, belongs
    /// to the log ratio.
    fn charge(
        &self,
        step: usize,
        at: At<'_>,
        v: BatchRef<'_>,
        costs: &mut [f64],
        state: &mut [f64],
    );
    /// `out` is where the step leads.
    fn advance(&self, step: usize, at: At<'_>, v: BatchRef<'_>, out: &mut Batch);
    /// The adjoint of step and cost: `adjoint`, the derivative of what comes after, becomes that in `x`, but for what goes
    /// through the unknown, whose cotangent goes to `unknown`. `direct` is the derivative of further terms in `v`.
    fn pull_back(
        &self,
        step: usize,
        at: At<'_>,
        direct: Option<BatchRef<'_>>,
        adjoint: &mut Batch,
        unknown: &mut Batch,
    );
    /// `out` is the best the unknown can say where `slope` is the derivative of what comes after the step.
    fn best(&self, step: usize, x: BatchRef<'_>, slope: BatchRef<'_>, out: &mut Batch);
    /// The same as [`Stepped::pull_back`] where nothing is controlled.
    fn pull_back_free(&self, step: usize, x: BatchRef<'_>, adjoint: &mut Batch);
    /// Adds the end cost.
    fn end_cost(&self, x: BatchRef<'_>, costs: &mut [f64], state: &mut [f64]);
    /// `out` is the derivative of the end cost.
    fn end_slope(&self, x: BatchRef<'_>, out: &mut Batch);
}
