//! The control as the user means it.
//!
//! Methods count controls from the cheapest one, where the running cost is linear in the control; people do not.

use crate::discretization::steered::SteeredProcess;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};

/// `u_0(x, t)` plus a policy of the equations.
#[derive(Clone, Copy)]
pub struct TypedControl<'a> {
    process: &'a SteeredProcess,
    policy: &'a dyn Field,
}

impl<'a> TypedControl<'a> {
    /// The user's control under a policy of this process.
    pub fn new(process: &'a SteeredProcess, policy: &'a dyn Field) -> Self {
        Self { process, policy }
    }
}

impl Field for TypedControl<'_> {
    fn inputs(&self) -> usize {
        self.policy.inputs()
    }

    fn outputs(&self) -> usize {
        self.policy.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let mut control = Batch::zeros(x.points(), self.outputs());
        self.policy.eval(t, x, control.as_mut());
        self.process.count_from_zero(t, x, &mut control);
        for j in 0..control.columns() {
            out.column_mut(j).copy_from_slice(control.column(j));
        }
    }
}

/// The control of the equations where the user's is zero: `-u_0(x, t)`.
#[derive(Clone, Copy)]
pub struct Unsteered<'a>(pub &'a SteeredProcess);

impl Field for Unsteered<'_> {
    fn inputs(&self) -> usize {
        self.0.dimension()
    }

    fn outputs(&self) -> usize {
        self.0.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let mut control = Batch::zeros(x.points(), self.outputs());
        self.0.count_from_zero(t, x, &mut control);
        for j in 0..control.columns() {
            let pairs = out.column_mut(j).iter_mut().zip(control.column(j));
            pairs.for_each(|(u, rest)| *u = -rest);
        }
    }
}
