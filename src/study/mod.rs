//! The whole run, for every kind and for everybody: load, choose, solve, compare, verify, record.
//!
//! ```text
//! Study::load(path) or Study::parse(text)      what is asked
//!     .solve(Solvers::Auto) or .run(request)   derive, lower, solve, compare, verify
//!     -> Findings                              answers at points, costs, verdicts, the record, the run folder
//! ```
//!
//! The command line is a shell around it.

mod answered;
mod bench;
mod choose;
mod compared;
mod draw_policies;
mod draw_scores;
mod examples;
pub mod exit;
mod findings;
mod headline;
mod pictures;
mod place;
mod pose;
mod posed;
mod record;
mod registry;
mod request;
mod rows;
mod run;
mod statement;
mod watch;
mod words;

pub use answered::{Answered, Missing, Scalar, Vectors};
pub use findings::Findings;
pub use pose::Pose;
pub use posed::{Identities, Study, Unable};
pub use record::structures;
pub use registry::{Part, Registry};
pub use request::{Request, Solvers};
pub use watch::{Moment, Watch};
