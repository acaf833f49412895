//! The rules a proof may use, each with what it takes for granted.

use crate::derivation::ground::assumption::Assumption;

/// A step from one normal form to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Polynomial algebra, derivatives, `score = grad log_p`.
    Algebra,
    /// `E[a X + b Y] = a E[X] + b E[Y]`.
    Linearity,
    /// `E[int F dt] = int E[F] dt`.
    Fubini,
    /// `E[div w + w . score] = 0`, to every order: the Euler operator of `F p` vanishes.
    IntegrationByParts,
    /// `d_t log p` from the equation of the law.
    FokkerPlanck,
    /// `dF = (rate of F) dt + grad F . G dW`.
    Ito,
    /// The correction between readings of a stochastic integral.
    Correction,
    /// `E[int a . dW] = 0`.
    Martingale,
    /// `E[int a . dW int c . dW] = E[int a . c dt]`.
    Isometry,
    /// `d/dt E[F] = E[rate of F]`.
    Dynkin,
    /// `E[grad log p(X_t | X_0) | X_t] = score`.
    Tower,
    /// Moments of the random direction.
    RandomDirection,
    /// The derivative along a direction, term by term.
    FirstVariation,
    /// `d E_u[Z] = E_u[dZ + Z int (du) . dW]`.
    ChangeOfMeasure,
    /// `KL(P | Q) = KL of the start laws + 1/2 E_P int |u_P - u_Q|^2`.
    PathDivergence,
    /// `E[exp(int a . dW - 1/2 int |a|^2 dt)] = 1`.
    ExponentialMartingale,
}

impl Rule {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Algebra => "algebra",
            Self::Linearity => "linearity",
            Self::Fubini => "Fubini",
            Self::IntegrationByParts => "integration by parts",
            Self::FokkerPlanck => "Fokker-Planck",
            Self::Ito => "Ito",
            Self::Correction => "Ito-Stratonovich",
            Self::Martingale => "martingale",
            Self::Isometry => "Ito isometry",
            Self::Dynkin => "Dynkin",
            Self::Tower => "tower property",
            Self::RandomDirection => "random direction",
            Self::FirstVariation => "first variation",
            Self::ChangeOfMeasure => "Girsanov",
            Self::PathDivergence => "KL of path laws",
            Self::ExponentialMartingale => "exponential martingale",
        }
    }

    /// Whether it differentiates what stands under an expectation or along a path: across a kink, a jump or a
    /// pole it would need the local time there.
    pub fn needs_smoothness(self) -> bool {
        match self {
            Self::IntegrationByParts
            | Self::FokkerPlanck
            | Self::Ito
            | Self::Correction
            | Self::Dynkin => true,
            Self::Algebra
            | Self::Linearity
            | Self::Fubini
            | Self::Martingale
            | Self::Isometry
            | Self::Tower
            | Self::RandomDirection
            | Self::FirstVariation
            | Self::ChangeOfMeasure
            | Self::PathDivergence
            | Self::ExponentialMartingale => false,
        }
    }

    /// What the rule takes for granted.
    pub fn assumes(self) -> &'static [Assumption] {
        match self {
            Self::IntegrationByParts => &[Assumption::DecayAtInfinity, Assumption::PositiveDensity],
            Self::FokkerPlanck => &[Assumption::SmoothCoefficients, Assumption::PositiveDensity],
            Self::Ito => &[Assumption::SmoothCoefficients],
            Self::Dynkin | Self::Martingale | Self::Isometry => &[Assumption::SquareIntegrable],
            Self::ChangeOfMeasure | Self::PathDivergence | Self::ExponentialMartingale => {
                &[Assumption::Novikov]
            }
            Self::Algebra
            | Self::Linearity
            | Self::Fubini
            | Self::Correction
            | Self::Tower
            | Self::RandomDirection
            | Self::FirstVariation => &[],
        }
    }
}
