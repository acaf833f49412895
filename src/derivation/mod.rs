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
//! | [`ito`] | Itô, Stratonovich and anti-Itô readings of the noise |
//! | [`fokker_planck`] | law of the noising process |
//! | [`lowering`] | reverse diffusion as a control problem: `b`, `q`, end cost |
//! | [`action`] | weight of a path, Lagrangian, action, its discretisation |
//! | [`hamilton_jacobi_bellman`] | value function, and that it is `-log p` |
//! | [`optimal_control`] | minimiser, and what any other control costs |
//! | [`hopf_cole`] | linear equation, Feynman–Kac |
//! | [`reverse_sde`] | reverse processes for every noise level, likelihood along the flow |
//! | [`gaussian_kernel`] | transition kernels of the presets |
//! | [`score_objectives`] | explicit, implicit, denoising score matching; divergence of path laws |
//! | [`generator`] | generator, backward equation |
//! | [`stationary`], [`passage`] | stationary densities in closed form, mean passage times |
//! | [`controlled`] | a control problem taken apart into `b`, `B`, `q`, `R` |
//! | [`bellman`] | dynamic programming, minimiser, cost gap |
//! | [`temperature`] | `lambda`, the linear equation |
//! | [`riccati`], [`product_form`], [`policy_law`] | quadratic values, sums over groups, the law under `u*` |
//! | [`classical_limit`], [`wkb`] | zero noise: adjoint, Euler–Lagrange; first order in the noise |
//! | [`path_action`] | Freidlin–Wentzell, Onsager–Machlup, Hamilton's equations, geometric action |
//! | [`schrodinger`], [`nelson`] | bridges; mean derivatives and Newton's law |
//! | [`partition`], [`likelihood_expansion`] | normalisers; likelihood to first order in the noise level |
//! | [`structure`] | additive noise, Gaussian, gradient, ... with what blocks them |
//! | [`definedness`] | expressions without a finite value where the process is |
//! | [`expectation`] | structures the file expects, against those found |
//! | [`claim`] | identities the user writes, proved by normal forms |
//! | [`cross_check`] | derived coefficients against forward-mode derivatives of the expressions as typed |
//!
//! [`fn@derive`] runs what a kind of problem needs; [`mod@print`] writes the result.

pub mod action;
pub mod antiderivative;
pub mod as_typed;
pub mod assumption;
pub mod bellman;
pub mod bridge;
pub mod claim;
pub mod classical_limit;
pub mod control;
pub mod controlled;
pub mod cross_check;
pub mod definedness;
pub mod dispatch;
pub mod evidence;
pub mod expectation;
pub mod fokker_planck;
pub mod gaussian_kernel;
pub mod generator;
pub mod hamilton_jacobi_bellman;
pub mod hopf_cole;
pub mod ito;
pub mod likelihood_expansion;
pub mod lowering;
pub mod matrix;
pub mod mixture_density;
pub mod nelson;
pub mod noising;
mod notation;
pub mod optimal_control;
pub mod pages;
pub mod partition;
pub mod passage;
pub mod path;
pub mod path_action;
pub mod policy_law;
pub mod print;
pub mod product_form;
pub mod reverse;
pub mod reverse_sde;
pub mod riccati;
pub mod schrodinger;
pub mod score_objectives;
pub mod simulate;
pub mod stated;
pub mod stationary;
pub mod step;
pub mod structure;
pub mod temperature;
pub mod wkb;

pub use assumption::Assumption;
pub use dispatch::derive;
pub use evidence::{Evidence, Refuted};
pub use step::{CrossCheck, Derivation, Equation, Formula, Step};
pub use structure::Finding;
