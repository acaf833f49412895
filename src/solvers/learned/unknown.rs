//! What is fitted along paths: a score on noising time, or a policy on the time of the control.

use crate::field::FieldFamily;
use crate::field::family::Family;
use crate::field::feedback::Feedback;

#[derive(Clone, Debug)]
pub enum Unknown {
    Score(Box<Family>),
    Policy(Feedback),
}

impl Unknown {
    pub fn get(&self) -> &dyn FieldFamily {
        match self {
            Self::Score(family) => family.get(),
            Self::Policy(policy) => policy,
        }
    }

    pub fn set_parameters(&mut self, theta: &[f64]) {
        match self {
            Self::Score(family) => family.get_mut().set_parameters(theta),
            Self::Policy(policy) => policy.set_parameters(theta),
        }
    }

    /// Parameters that may move.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Score(family) => family.get().parameters().len(),
            Self::Policy(policy) => policy.unknowns(),
        }
    }

    /// Tells at which times it will be asked over and over.
    pub fn prepare(&mut self, times: &[f64]) {
        if let Self::Score(family) = self {
            family.prepare(times);
        }
    }

    /// Positions of the parameters that are weights of components, if there are any.
    pub fn weights(&self) -> Vec<usize> {
        match self {
            Self::Score(family) => family.weights(),
            Self::Policy(_) => Vec::new(),
        }
    }
}
