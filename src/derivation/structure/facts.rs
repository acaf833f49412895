//! What is known of a control problem: found once, from the problem it is lowered to, reported by the
//! findings and used by the derivation and by methods.

use crate::derivation::control::product_form::{Coupling, groups_of};
use crate::derivation::control::riccati::{Blocked, LinearQuadratic, linear_quadratic};
use crate::derivation::control::temperature::{NoTemperature, Temperature, temperature};
use crate::derivation::ground::controlled::{ControlledDiffusion, Obstacle, take_apart};
use crate::derivation::ground::stated::Stated;
use crate::derivation::structure::gradient::{Asymmetry, Gradient, gradient};

/// Facts about a controlled diffusion. Expressions live in its graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// `lambda` with `G G' = lambda B R^-1 B'`.
    pub temperature: Result<Temperature, NoTemperature>,
    /// The coefficients of a linear–quadratic problem.
    pub quadratic: Result<LinearQuadratic, Blocked>,
    /// States that meet in drift, noise, control or costs.
    pub groups: Vec<Vec<usize>>,
    /// What made them meet, smallest first.
    pub couplings: Vec<Coupling>,
    /// Whether the uncontrolled drift is a gradient.
    pub gradient: Result<Gradient, Asymmetry>,
}

impl Facts {
    /// Looks for everything.
    pub fn of(controlled: &mut ControlledDiffusion) -> Self {
        let (groups, couplings) = groups_of(controlled);
        Self {
            quadratic: linear_quadratic(controlled),
            temperature: temperature(controlled),
            groups,
            couplings,
            gradient: gradient(&mut controlled.process),
        }
    }
}

/// A control problem taken apart, with what is known of it.
#[derive(Clone, Debug)]
pub struct Known {
    pub parts: ControlledDiffusion,
    pub facts: Facts,
}

impl Known {
    /// Takes a problem apart and finds its facts.
    ///
    /// # Errors
    /// The first [`Obstacle`] on the way to a closed minimiser.
    pub fn of(stated: &Stated) -> Result<Self, Obstacle> {
        let mut parts = take_apart(stated)?;
        let facts = Facts::of(&mut parts);
        Ok(Self { parts, facts })
    }
}
