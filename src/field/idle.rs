//! The control that does nothing.

use crate::field::{Differentiable, Field};
use crate::numeric::batch::{BatchMut, BatchRef};

/// Zero everywhere.
pub struct Idle {
    pub states: usize,
    pub controls: usize,
}

impl Field for Idle {
    fn inputs(&self) -> usize {
        self.states
    }

    fn outputs(&self) -> usize {
        self.controls
    }

    fn eval(&self, _: f64, _: BatchRef<'_>, mut out: BatchMut<'_>) {
        out.fill(0.0);
    }
}

impl Differentiable for Idle {
    fn eval_with_divergence(
        &self,
        _: f64,
        _: BatchRef<'_>,
        mut out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        out.fill(0.0);
        divergence.fill(0.0);
    }
}
