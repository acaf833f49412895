//! Methods that answer a problem, and the one driver that runs them.
//!
//! | room | holds |
//! |---|---|
//! | [`driver`] | the five verbs of a method, the loop, the budget, the stop reason |
//! | [`lowered`] | the problem in numbers, and what every method answers |
//! | [`closed`] | closed forms, Riccati equations, quadrature |
//! | [`grid`] | equations of values and densities on grids |
//! | [`walk`] | simulated paths, with and without a control |
//! | [`learned`] | fitted scores, controls and values |
//! | [`sampling`] | chains and populations of particles |
//! | [`bridge`] | Schrödinger bridges |
//! | [`registry`] | which methods there are, and which are chosen when a file leaves it open |

pub mod bridge;
pub mod closed;
pub mod driver;
pub mod grid;
pub mod learned;
pub mod lowered;
pub mod options;
pub mod registry;
pub mod sampling;
pub mod walk;
