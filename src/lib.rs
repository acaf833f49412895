//! Stochastic control from a problem file: the action principle derived symbolically, discretized,
//! solved in several independent ways, compared and verified.
//!
//! ```
//! use onsager::study::{Solvers, Study};
//!
//! let text = r#"
//!     format = 1
//!     problem = { name = "spring", kind = "control" }
//!     dynamics = { state = "x", control = "u", horizon = [0.0, 1.0], drift = "-x + u", diffusion = 1.0 }
//!     initial = { family = "delta", at = [1.0] }
//!     cost = { running = "(x^2 + u^2)/2", terminal = "x^2" }
//!     time = { steps = 40 }
//!     run = { paths = 512 }
//!     grid = { points = 201 }
//! "#;
//! let found = Study::parse(text)?.solve(Solvers::Auto)?;
//! let (feedback, grid) = (found.answer("riccati")?, found.answer("hopf-cole")?);
//! let [control, other] = [feedback, grid].map(|a| a.policy().map(|u| u.at(0.5, &[1.0])[0]));
//! assert!((control? - other?).abs() < 1e-2);
//! println!("V(1, 0.5) = {}", feedback.value()?.at(0.5, &[1.0]));
//! for check in found.verdicts() {
//!     println!("{} on {}: {}", check.check, check.on, check.verdict.name());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same problem from code, and one method with options of its own:
//!
//! ```
//! use onsager::study::{Pose, Solvers};
//!
//! let spring = Pose::new("control", "spring")
//!     .set("dynamics.state", "x")
//!     .set("dynamics.control", "u")
//!     .set("dynamics.horizon", vec![0.0, 1.0])
//!     .set("dynamics.drift", "-x + u")
//!     .set("dynamics.diffusion", 1.0)
//!     .set("initial.family", "delta")
//!     .set("initial.at", vec![1.0])
//!     .set("cost.running", "(x^2 + u^2)/2")
//!     .set("cost.terminal", "x^2")
//!     .set("time.steps", 40)
//!     .set("run.paths", 512)
//!     .set("run.checks", "none");
//! let solver = "[[solver]]\nmethod = \"hjb\"\npoints = 101\nsteps = 50";
//! let found = spring.read()?.solve(Solvers::Stated(solver))?;
//! let cost = found.answer("hjb")?.cost().expect("hjb finds the optimal cost");
//! assert!(cost.value > 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
