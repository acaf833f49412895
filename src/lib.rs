//! Stochastic control from a problem file: the action principle derived symbolically, discretized,
//! solved in several independent ways, compared and verified.
//!
//! The one object behind every problem is a controlled diffusion and its action,
//!
//! ```text
//! dX = (b(X,t) + B(X,t) u) dt + sqrt(h) G(X,t) dW,        D = G G'
//! S[u] = E[ Phi(X_T) + int_0^T (q(X,t) + 1/2 u' R u) dt ]
//! ```
//!
//! Reverse diffusion is lowered to it: the optimal control is the score times the noise, the value is
//! `-log p`. The modules are floors; each names only floors below it:
//!
//! | floor | module | holds |
//! |---|---|---|
//! | 0 | [`numeric`] | batches, random streams, quadrature, estimates with errors |
//! | 1 | [`expr`] | symbolic expressions: parse, canonical form, derivatives, printing, compilation |
//! | 2 | [`problem`] | what the user means: the file as typed and the problem as validated |
//! | 3 | [`derivation`] | symbolic consequences: Fokker–Planck, HJB, action, score objectives |
//! | 4 | [`discretization`] | formulas to finite arrays: schedules, grids, stencils, schemes |
//! | 5 | [`field`] | unknown fields, closed form and parametrised, with their pull-backs |
//! | 6 | [`solvers`] | methods that produce an optimal control |
//! | 7 | [`comparison`] | distances between answers |
//! | 9 | [`verification`] | identities with residuals and verdicts |
//! | 10 | [`report`] | one record and its views |
//! | 11 | [`study`] | the whole run: load, choose, solve, compare, verify, record |
//! | 12 | [`cli`] | the command line |

pub mod cli;
pub mod comparison;
pub mod derivation;
pub mod discretization;
pub mod expr;
pub mod field;
pub mod numeric;
pub mod problem;
pub mod report;
pub mod solvers;
pub mod study;
pub mod verification;
