//! The user's own derivations: identities between functionals of the process, decided by normal forms.
//!
//! An identity is read into expressions over [`form`]s (expectations, path integrals, stochastic
//! integrals, variations, divergences). Its two sides are equal if their difference vanishes in normal form:
//!
//! | statement | normal form | why it tells |
//! |---|---|---|
//! | at every point | polynomials over `log p` and its state derivatives, time derivatives by the Fokker–Planck equation | jets of `log p` are free |
//! | on almost every path | start + one time integral + one Itô integral | it vanishes at every end exactly if each part does |
//! | between expectations | one integrand at the near end, one along the horizon | `E[F]` vanishes for every density exactly if the Euler operator of `F p` does |
//!
//! The form of a path functional is that of a process: the decomposition of a semimartingale is unique. At one end of the
//! horizon alone the parts trade with each other, as in `int(x, t) = ito(1 - t, dW)` for a Brownian motion on `[0, 1]`: a
//! form that does not vanish says nothing there.
//!
//! Trial fields are first taken to be any functions of the variables theirs depend on, so that a proof
//! covers all of them. What is not proved is not refuted: measuring decides.
//!
//! # Source
//! Olver, *Applications of Lie groups to differential equations* (1993), theorem 4.7 (null Lagrangians);
//! Karatzas & Shreve, *Brownian motion and stochastic calculus* (1991), chapter 3.

mod expectation;
pub mod form;
pub mod ground;
pub mod identity;
mod normal;
mod path;
pub mod proof;
pub mod reading;
pub mod rule;
pub mod slip;
mod variation;

#[cfg(test)]
mod tests;
