//! What a step takes for granted, as sentences.

/// A condition under which a step holds and that the symbols alone cannot show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assumption {
    /// `f` has one and `D` two continuous derivatives in the state.
    SmoothCoefficients,
    /// Fluxes vanish at infinity, so that integration by parts leaves no boundary term.
    DecayAtInfinity,
    /// `p_t > 0` for `t > 0`.
    PositiveDensity,
    /// `p_0 > 0`.
    PositiveDataDensity,
    /// The value function has the derivatives the equation names.
    SmoothValue,
    /// Finite effort and Novikov's condition: the change of measure has mass one.
    Novikov,
    /// The reverse process starts from `p_T`.
    ExactStart,
    /// `X_t` given `X_0` is Gaussian.
    GaussianTransition,
    /// `E |grad log p|^2` is finite.
    FiniteFisherInformation,
    /// `G` is square and invertible.
    InvertibleNoise,
    /// The Riccati equation does not blow up on the horizon.
    RiccatiSolution,
    /// The algebraic Riccati equation has a solution under which the process is stable.
    StabilisingSolution,
    /// Characteristics of the first-order equation do not cross.
    NoCaustics,
    /// A stationary density exists and is normalisable.
    Normalisable,
    /// The expected passage time is finite.
    FinitePassage,
    /// The noise of the process is a number times the identity and free of time.
    ConstantNoise,
    /// Integrands of stochastic integrals are square integrable.
    SquareIntegrable,
}

impl Assumption {
    /// The condition as a sentence without a full stop.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::SmoothCoefficients => "f has one and D two continuous derivatives in the state",
            Self::DecayAtInfinity => {
                "the probability flux vanishes at infinity, so integration by parts leaves no boundary term"
            }
            Self::PositiveDensity => "p_t > 0 for t > 0",
            Self::PositiveDataDensity => {
                "p_0 > 0; where it vanishes the end cost is infinite, and reverse time stops at t_min > 0"
            }
            Self::SmoothValue => "V has one continuous derivative in time and two in the state",
            Self::Novikov => "the control has finite effort and satisfies Novikov's condition",
            Self::ExactStart => {
                "the reverse process starts from p_T; any other start law pi adds KL(p_T || pi)"
            }
            Self::GaussianTransition => "X_t given X_0 is Gaussian",
            Self::FiniteFisherInformation => "E |grad log p|^2 is finite",
            Self::InvertibleNoise => "G is square and invertible",
            Self::RiccatiSolution => {
                "the Riccati equation has a solution on the whole horizon (it has one where Q, M >= 0)"
            }
            Self::StabilisingSolution => {
                "a stabilising solution exists (it does where every mode that is not stable can be steered and, for Q >= 0, is paid for)"
            }
            Self::NoCaustics => "characteristics do not cross before the end time",
            Self::Normalisable => "the density can be normalised",
            Self::FinitePassage => "the expected passage time is finite",
            Self::ConstantNoise => "D is a constant times the identity",
            Self::SquareIntegrable => {
                "integrands of stochastic integrals are square integrable, so these have mean zero"
            }
        }
    }
}
