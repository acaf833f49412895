//! A field times a constant: what a slip of a factor makes of a score.

use crate::field::{Differentiable, Field};
use crate::numeric::batch::{BatchMut, BatchRef};

/// `factor · field`, with a factor of its own on the divergence.
#[derive(Clone, Copy, Debug)]
pub struct Scaled<F> {
    pub field: F,
    pub factor: f64,
    pub divergence_factor: f64,
}

impl<F> Scaled<F> {
    /// The field and its divergence times the same factor.
    pub fn new(field: F, factor: f64) -> Self {
        Self {
            field,
            factor,
            divergence_factor: factor,
        }
    }

    fn scale(&self, out: &mut BatchMut<'_>) {
        if self.factor != 1.0 {
            out.scale(self.factor);
        }
    }
}

impl<F: Field> Field for Scaled<F> {
    fn inputs(&self) -> usize {
        self.field.inputs()
    }

    fn outputs(&self) -> usize {
        self.field.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        self.field.eval(t, x, out.reborrow());
        self.scale(&mut out);
    }
}

impl<F: Differentiable> Differentiable for Scaled<F> {
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        mut out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        self.field
            .eval_with_divergence(t, x, out.reborrow(), divergence);
        self.scale(&mut out);
        if self.divergence_factor != 1.0 {
            divergence
                .iter_mut()
                .for_each(|v| *v *= self.divergence_factor);
        }
    }
}
