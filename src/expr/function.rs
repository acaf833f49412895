//! The built-in functions of numbers: names, arity, parity.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// A built-in function. `sqrt` and powers are products with fractional exponents, not functions.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum Function {
    Exp,
    Log,
    Sin,
    Cos,
    Tan,
    Sinh,
    Cosh,
    Tanh,
    Asin,
    Acos,
    Atan,
    /// `atan2(y, x)`.
    Atan2,
    Abs,
    Sign,
    Min,
    Max,
    Floor,
    Erf,
    Lgamma,
    /// `polygamma(n, x)`, the `n + 1`-th derivative of `lgamma`.
    Polygamma,
    Sigmoid,
    Softplus,
    Log1p,
    Expm1,
    /// `logsumexp(a, b, ...) = log(exp(a) + exp(b) + ...)`, evaluated around the largest argument.
    LogSumExp,
}

/// How many arguments a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    Exactly(usize),
    AtLeastOne,
}

impl Function {
    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }

    pub fn arity(self) -> Arity {
        match self {
            Self::Min | Self::Max | Self::LogSumExp => Arity::AtLeastOne,
            Self::Atan2 | Self::Polygamma => Arity::Exactly(2),
            _ => Arity::Exactly(1),
        }
    }

    /// Not differentiable everywhere.
    pub fn is_kinked(self) -> bool {
        matches!(
            self,
            Self::Abs | Self::Sign | Self::Min | Self::Max | Self::Floor
        )
    }

    /// Between -1 and 1 everywhere.
    pub(super) fn is_below_one(self) -> bool {
        matches!(
            self,
            Self::Sin | Self::Cos | Self::Tanh | Self::Erf | Self::Sign
        )
    }

    pub(super) fn is_odd(self) -> bool {
        matches!(
            self,
            Self::Sin
                | Self::Tan
                | Self::Sinh
                | Self::Tanh
                | Self::Asin
                | Self::Atan
                | Self::Sign
                | Self::Erf
        )
    }

    pub(super) fn is_even(self) -> bool {
        matches!(self, Self::Cos | Self::Cosh | Self::Abs)
    }

    /// Value at zero where it is an exact integer.
    pub(super) fn at_zero(self) -> Option<i64> {
        match self {
            Self::Exp | Self::Cos | Self::Cosh => Some(1),
            Self::Abs | Self::Floor | Self::Log1p | Self::Expm1 => Some(0),
            _ if self.is_odd() => Some(0),
            _ => None,
        }
    }
}
