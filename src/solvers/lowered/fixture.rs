//! Problems for the tests of the methods.

use crate::problem::parse_text;
use crate::solvers::driver::{Solution, Unsolved};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::methods::vocabulary;
use crate::solvers::registry::run::solve;
use std::path::Path;

/// The problem a file states.
pub(crate) fn lowered(text: &str) -> Lowered {
    let loaded = parse_text("test.toml", text, Path::new("."), &[], &vocabulary())
        .unwrap_or_else(|report| panic!("{report}\n{text}"));
    Lowered::new(loaded.problem).expect("the problem lowers")
}

/// The answer of the first solver of a control problem without its head.
pub(crate) fn answer(body: &str) -> Result<Solution, Unsolved> {
    let lowered = lowered(&format!(
        "format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n{body}"
    ));
    let spec = &lowered.problem.solvers[0];
    solve(&lowered, spec, &[], None, &mut |_| ())
}
