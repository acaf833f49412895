//! What an identity is about: the ingredients somebody claims.

use crate::comparison::reference_law::ReferenceLaw;
use crate::field::scaled::Scaled;
use crate::field::{Differentiable, LogDensity};
use crate::solvers::lowered::problem::Lowered;

/// The constants of the derivation, as factors; [`Claims::default`] is the derivation of this program.
///
/// A slip in a derivation (a factor ½, a sign, a dropped divergence) is a change of one of them, so a
/// test can plant it and a probe can look for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claims {
    /// Price of control: the running cost is `effort |u|²`; exactly ½.
    pub effort: f64,
    /// Factor of `∇·f` in the running cost; exactly 1.
    pub divergence: f64,
    /// Factor of `D : ∇∇` in the equations; exactly ½.
    pub diffusion: f64,
    /// Factor applied to the claimed score wherever it enters; exactly 1.
    pub score: f64,
    /// Factor of the divergence of a score; exactly 1.
    pub score_divergence: f64,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            effort: 0.5,
            divergence: 1.0,
            diffusion: 0.5,
            score: 1.0,
            score_divergence: 1.0,
        }
    }
}

/// The ingredients of one answer, under one name.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Solver id, or `exact`.
    pub name: &'a str,
    /// The noising process, the prior and the settings: given, not claimed.
    pub lowered: &'a Lowered,
    /// Draws of the noised law, made without the claimed score.
    pub law: Option<&'a ReferenceLaw<'a>>,
    /// The claimed optimal score.
    pub score: &'a (dyn Differentiable + Send),
    /// The claimed `log p_t`.
    pub log_density: Option<&'a (dyn LogDensity + Send)>,
    /// Another route to `log p_t`, to compare with.
    pub reference_density: Option<&'a (dyn LogDensity + Send)>,
    /// A field whose cost or loss is compared with that of the score; `None`: a smooth perturbation of
    /// the score.
    pub trial: Option<&'a (dyn Differentiable + Send)>,
    pub claims: Claims,
    /// Whether the ingredients are closed forms (tolerances of rounding) or grid answers.
    pub closed_form: bool,
}

impl<'a> Subject<'a> {
    /// The score as claimed, with the claimed factors applied.
    pub fn claimed_score(&self) -> Scaled<&'a (dyn Differentiable + Send)> {
        Scaled {
            field: self.score,
            factor: self.claims.score,
            divergence_factor: self.claims.score * self.claims.score_divergence,
        }
    }

    pub fn dimension(&self) -> usize {
        self.lowered.noising().dimension()
    }

    /// Start of the checked time interval, on the data side.
    pub fn t_min(&self) -> f64 {
        self.lowered.problem.time_settings.t_min
    }
}
