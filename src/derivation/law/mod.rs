//! Laws of uncontrolled processes: generator, Fokker–Planck, transition kernels, stationary densities, passage
//! times, reverse processes, likelihood.

pub mod antiderivative;
pub mod fokker_planck;
pub mod gaussian_kernel;
pub mod generator;
pub mod ito;
pub mod likelihood_expansion;
pub mod mixture_density;
pub mod nelson;
pub mod partition;
pub mod passage;
pub mod policy_law;
pub mod reverse_sde;
pub mod score_objectives;
pub mod stationary;
