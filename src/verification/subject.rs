//! What an identity is about: the ingredients somebody claims.

use crate::comparison::reference_law::ReferenceLaw;
use crate::field::scaled::Scaled;
use crate::field::{Differentiable, LogDensity};
use crate::solvers::lowered::problem::Lowered;

/// Which answers a claim is about, when the file does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// True of the optimal answer only: run on the reference.
    Optimum,
    /// True of every field: run on the reference (with a perturbed field) and on every solver.
    EveryField,
    /// About the ingredients of every answer.
    Ingredients,
    /// About every answer with a log density.
    Densities,
}

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

/// Why an identity says nothing about a subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApplicable {
    #[error("needs {0}")]
    Needs(&'static str),
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

    /// # Errors
    /// If nothing claims a log density.
    pub fn density(&self) -> Result<&'a (dyn LogDensity + Send), NotApplicable> {
        let needs = NotApplicable::Needs("a log density");
        self.log_density.ok_or(needs)
    }

    /// # Errors
    /// If the noised law cannot be drawn from.
    pub fn law(&self) -> Result<&'a ReferenceLaw<'a>, NotApplicable> {
        let needs = NotApplicable::Needs("draws of the noised law");
        self.law.ok_or(needs)
    }

    pub fn dimension(&self) -> usize {
        self.lowered.noising().dimension()
    }

    /// Start of the checked time interval, on the data side.
    pub fn t_min(&self) -> f64 {
        self.lowered.problem.time_settings.t_min
    }
}
