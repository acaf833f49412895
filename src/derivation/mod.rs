//! Symbolic consequences of a problem: pure functions from coefficients to equations, no floats, no
//! solving.
//!
//! Each file is one classical result with its assumptions and its source, and each result is *executed*:
//! an identity between the equation and the definition it comes from is proved in normal form or, where
//! that fails, tested at seeded points. A step that is false stops the derivation with the point where it
//! fails.
//!
//! | module | result |
//! |---|---|
//! | [`law::ito`] | Itô, Stratonovich and anti-Itô readings of the noise |
//! | [`law::fokker_planck`] | law of the noising process |
//! | [`kind::lowering`] | reverse diffusion as a control problem: `b`, `q`, end cost |
//! | [`paths::action`] | weight of a path, Lagrangian, action, its discretisation |
//! | [`control::hamilton_jacobi_bellman`] | value function, and that it is `-log p` |
//! | [`control::optimal_control`] | minimiser, and what any other control costs |
//! | [`control::hopf_cole`] | linear equation, Feynman–Kac |
//! | [`law::reverse_sde`] | reverse processes for every noise level, likelihood along the flow |
//! | [`law::gaussian_kernel`] | transition kernels of the presets |
//! | [`law::score_objectives`] | explicit, implicit, denoising score matching; divergence of path laws |
//! | [`law::generator`] | generator, backward equation |
//! | [`law::stationary`], [`law::passage`] | stationary densities in closed form, mean passage times |
//! | [`ground::controlled`] | a control problem taken apart into `b`, `B`, `q`, `R` |
//! | [`control::completed_square`] | costs linear in the control, as a square around the cheapest one |
//! | [`control::bellman`] | dynamic programming, minimiser, cost gap |
//! | [`control::temperature`] | `lambda`, the linear equation |
//! | [`control::riccati`], [`control::product_form`], [`law::policy_law`] | quadratic values, sums over groups, the law under `u*` |
//! | [`control::classical_limit`], [`control::wkb`] | zero noise: adjoint, Euler–Lagrange; first order in the noise |
//! | [`paths::path_action`] | Freidlin–Wentzell, Onsager–Machlup, Hamilton's equations, geometric action |
//! | [`paths::schrodinger`], [`law::nelson`] | bridges; mean derivatives and Newton's law |
//! | [`law::partition`], [`law::likelihood_expansion`] | normalisers; likelihood to first order in the noise level |
//! | [`structure`] | additive noise, Gaussian, gradient, ... with what blocks them |
//! | [`ground::definedness`] | expressions without a finite value where the process is |
//! | [`kind::expectation`] | structures the file expects, against those found |
//! | [`claim`] | identities the user writes, proved by normal forms |
//! | [`kind::cross_check`] | derived coefficients against forward-mode derivatives of the expressions as typed |
//!
//! [`fn@derive`] runs what a kind of problem needs; [`mod@kind::print`] writes the result.

pub mod claim;
pub mod control;
pub mod ground;
pub mod kind;
pub mod law;
pub mod pages;
pub mod paths;
pub mod structure;

pub use ground::as_typed::CrossCheck;
pub use ground::assumption::Assumption;
pub use ground::evidence::{Evidence, Refuted};
pub use ground::step::{Equation, Formula, Step};
pub use kind::dispatch::derive;
pub use kind::whole::Derivation;
pub use structure::Finding;
