//! Reverse diffusion in numbers.

use crate::discretization::noising::Noising;
use crate::field::noised_mixture::NoisedMixture;
use crate::problem::meant::law::{Law, Mixture};
use crate::problem::meant::model::Problem;

/// Reverse diffusion lowered to control, with numbers in it.
///
/// ```text
/// dY = (-f + G u) dtau + G dB,   Y_0 ~ prior,   cost 1/2 |u|^2 + div f,   end cost -log p_{t_min}
/// ```
#[derive(Clone, Debug)]
pub struct ReverseProblem {
    pub problem: Problem,
    /// Law at the start of the noising.
    pub data: Law,
    pub noising: Noising,
    /// The noised data law, where it is a mixture under affine drift.
    pub exact: Option<NoisedMixture>,
    /// Start law of the reverse process.
    pub prior: Mixture,
}
