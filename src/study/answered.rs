//! An answer at points, as plain numbers.

use crate::discretization::steered::SteeredProcess;
use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::solvers::driver::{Solution, StopReason, Unsolved};
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::problem::Lowered;

/// An answer, or a part of one, that is not there.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Missing {
    #[error("no solver `{asked}` ran; those that did: {known}")]
    NotAsked { asked: String, known: String },
    #[error(transparent)]
    Unsolved(#[from] Unsolved),
    #[error("`{solver}` gives no {part}")]
    Part { solver: String, part: &'static str },
}

/// The answer of one solver.
#[derive(Clone, Copy)]
pub struct Answered<'a> {
    pub(super) solution: &'a Solution,
    pub(super) lowered: &'a Lowered,
}

/// A vector at every time and point.
#[derive(Clone, Copy)]
pub struct Vectors<'a> {
    field: &'a dyn Field,
    /// The process whose control it is, where it is one: users count controls from zero.
    steers: Option<&'a SteeredProcess>,
}

/// A number at every time and point.
#[derive(Clone, Copy)]
pub struct Scalar<'a> {
    field: &'a dyn Field,
    /// -1 where the file asks for the largest gain.
    sign: f64,
}

impl<'a> Answered<'a> {
    /// The control `u(x, t)` on the time of the controlled process: for reverse diffusion and sampling the reverse time.
    ///
    /// # Errors
    /// [`Missing`] where the method gives none.
    pub fn policy(&self) -> Result<Vectors<'a>, Missing> {
        let field = self.part(self.solution.answer.policy.as_deref(), "policy")?;
        Ok(Vectors {
            field,
            steers: Some(&self.lowered.compiled.steered),
        })
    }

    /// The optimal cost `V(x, t)` from there on, on the same time.
    ///
    /// # Errors
    /// [`Missing`] where the method gives none.
    pub fn value(&self) -> Result<Scalar<'a>, Missing> {
        let field = self.part(self.solution.answer.value.as_deref(), "value")?;
        Ok(Scalar {
            field,
            sign: self.lowered.sign_of_costs(),
        })
    }

    /// The score `grad log p(x, t)` of the noised data, on the time of the noising.
    ///
    /// # Errors
    /// [`Missing`] where the method gives none.
    pub fn score(&self) -> Result<Vectors<'a>, Missing> {
        let field = self.part(self.solution.answer.score.as_deref(), "score")?;
        Ok(Vectors {
            field,
            steers: None,
        })
    }

    fn part<T: ?Sized>(&self, part: Option<&'a T>, name: &'static str) -> Result<&'a T, Missing> {
        part.ok_or_else(|| Missing::Part {
            solver: self.solution.id.clone(),
            part: name,
        })
    }

    /// The optimal cost averaged over the start law, with the method's own error.
    pub fn cost(&self) -> Option<Estimate> {
        let cost = self.solution.answer.cost;
        cost.map(|cost| self.lowered.as_counted(cost))
    }

    /// Other numbers the method found.
    pub fn quantities(&self) -> &'a [Quantity] {
        &self.solution.answer.quantities
    }

    /// Draws of the law that the method samples, a row each.
    pub fn samples(&self) -> Option<&'a Batch> {
        self.solution.answer.samples.as_ref()
    }

    /// Why the method ended.
    pub fn stopped(&self) -> StopReason {
        self.solution.stopped
    }
}

impl Vectors<'_> {
    /// The vector at one point.
    ///
    /// # Panics
    /// If the point has not one coordinate per state.
    pub fn at(&self, t: f64, x: &[f64]) -> Vec<f64> {
        assert_eq!(x.len(), self.field.inputs(), "one coordinate per state");
        let point = Batch::from_columns(1, x.len(), x.to_vec());
        let mut out = Batch::zeros(1, self.field.outputs());
        self.field.eval(t, point.as_ref(), out.as_mut());
        if let Some(process) = self.steers {
            process.count_from_zero(t, point.as_ref(), &mut out);
        }
        out.row(0)
    }
}

impl Scalar<'_> {
    /// The number at one point.
    ///
    /// # Panics
    /// If the point has not one coordinate per state.
    pub fn at(&self, t: f64, x: &[f64]) -> f64 {
        let vectors = Vectors {
            field: self.field,
            steers: None,
        };
        self.sign * vectors.at(t, x)[0]
    }
}
