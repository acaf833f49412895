//! The normaliser of a sampled target from above, by draws of the target that no method made.
//!
//! Draws come from a mixture itself, or from the map of `[target.exact]`. Methods never see them.

use crate::expr::Kernel;
use crate::field::draws::draw_mixture;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::{Stream, Streams};
use crate::problem::meant::law::Law;
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::target::Target;

/// Name of the upper bound of `log Z`.
pub const LOG_Z_UPPER: &str = "log_z_upper_bound";
/// Draws the annealing is run backwards from: one in nine modes is among them but for 0.4 in a hundred runs.
const DRAWS: usize = 48;

/// Draws of the target, where the file has them.
pub fn exact_draws(lowered: &Lowered, stream: &Stream, points: usize) -> Option<Batch> {
    match lowered.problem.task.target()? {
        Law::LogDensity(law) => {
            let draws = law.exact.as_ref()?;
            let graph = &lowered.problem.graph;
            let kernel =
                Kernel::compile(graph, &draws.map, lowered.problem.time, &draws.noise).ok()?;
            let mut noise = Batch::zeros(points, draws.noise.len());
            stream.normals(0, 0, noise.as_mut());
            let mut out = Batch::zeros(points, draws.map.len());
            kernel.eval(0.0, noise.as_ref(), out.as_mut());
            Some(out)
        }
        law => Some(draw_mixture(&law.mixture()?, stream, 0, points)),
    }
}

/// `E[log Z_N] >= log Z` over populations that end in a draw of the target, with its standard error; `None` without
/// draws, or where the method cannot be run backwards.
pub fn upper_bound(lowered: &Lowered, outcome: &Answer, streams: &Streams) -> Option<Estimate> {
    let schedule = outcome.backwards.as_ref()?;
    let streams = streams.scoped(LOG_Z_UPPER);
    let exact = exact_draws(lowered, &streams.role("exact draws"), DRAWS)?;
    let target = Target::new(&lowered.problem, "annealed").ok()?;
    let logs = schedule.log_normalisers(&target, exact, &streams);
    Some(Estimate::from_samples(&logs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::parse_text;
    use crate::solvers::registry::methods::vocabulary;
    use crate::solvers::registry::run::solve;
    use std::path::Path;

    /// The problem and what the method says of it.
    fn solved(target: &str) -> (Lowered, Answer) {
        let text = format!(
            "format = 1\n[problem]\nname = \"test\"\nkind = \"sample\"\n[target]\n{target}\n[dynamics]\npreset = \"vp\"\n\
             horizon = [0.0, 1.0]\n[run]\nseed = 3\n[[solver]]\nid = \"a\"\nmethod = \"annealed\"\nparticles = 4096\n"
        );
        let loaded = parse_text("test.toml", &text, Path::new("."), &[], &vocabulary())
            .unwrap_or_else(|report| panic!("{report}"));
        let lowered = Lowered::new(loaded.problem).expect("the lowered lowers");
        let spec = &lowered.problem.solvers[0];
        let solution =
            solve(&lowered, spec, &[], None, &mut |_| ()).unwrap_or_else(|e| panic!("{e}"));
        (lowered, solution.answer)
    }

    fn log_z(answer: &Answer) -> Estimate {
        let named = answer.quantities.iter().find(|q| q.name == "log_z");
        named.expect("log Z").value
    }

    fn bound(lowered: &Lowered, answer: &Answer) -> Estimate {
        upper_bound(lowered, answer, &Streams::new(3)).expect("a mixture has draws")
    }

    /// Seed 3. Two modes that overlap the start: the bound is within five standard errors of `log Z = 0` and of the
    /// method's own number; Student with 47 degrees of freedom, false-alarm probability below 1e-5.
    #[test]
    fn the_bound_is_close_where_all_modes_are_found() {
        let (lowered, answer) = solved(
            "family = \"mixture\"\nweights = [0.7, 0.3]\nmeans = [[0.0, 0.0], [6.0, 0.0]]\ncovs = 0.5",
        );
        let (log_z, upper) = (log_z(&answer), bound(&lowered, &answer));
        assert!(upper.value.abs() < 5.0 * upper.error, "{upper:?}");
        assert!(upper.error < 0.05, "{upper:?}");
        assert!(log_z.value.abs() < 5.0 * log_z.error, "{log_z:?}");
    }

    /// Seed 3. What the method found of one mode alone, held against draws of both: it is sure of its number, and only the
    /// bound shows that this is not all. One draw in the other mode suffices; none in 48 has probability 4e-8.
    #[test]
    fn the_bound_shows_a_missed_mode() {
        let (_, answer) =
            solved("family = \"mixture\"\nweights = [1.0]\nmeans = [[0.0, 0.0]]\ncovs = 0.5");
        let (both, _) = solved(
            "family = \"mixture\"\nweights = [0.7, 0.3]\nmeans = [[0.0, 0.0], [60.0, 0.0]]\ncovs = 0.5",
        );
        let log_z = log_z(&answer);
        assert!(log_z.value.abs() < 5.0 * log_z.error, "{log_z:?}");
        assert!(log_z.error < 0.02, "{log_z:?}");
        let upper = bound(&both, &answer);
        assert!(upper.value > 10.0, "{upper:?}");
    }
}
