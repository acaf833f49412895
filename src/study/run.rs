//! The one run: derive, lower, solve, compare, verify.

use crate::comparison::compare;
use crate::derivation::Derivation;
use crate::numeric::blocks::with_pool;
use crate::numeric::random::Streams;
use crate::numeric::time_limit::{TimeLimit, in_time};
use crate::problem::Loaded;
use crate::report::record::Phase;
use crate::solvers::driver::{Attempt, Registered, Unsolved};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::run::{Answers, solve_by};
use crate::study::findings::Findings;
use crate::study::posed::{Study, Unable};
use crate::study::request::{Ends, Request, Solvers};
use crate::study::watch::{Moment, Watch, told};
use crate::verification::bench::Bench;
use crate::verification::references::check_references;
use crate::verification::verify;
use std::time::{Duration, Instant};

/// Wall time of each phase.
struct Laps {
    last: Instant,
    phases: Vec<Phase>,
}

impl Laps {
    fn lap(&mut self, name: &str) {
        self.phases.push(Phase {
            name: name.to_owned(),
            seconds: self.last.elapsed().as_secs_f64(),
        });
        self.last = Instant::now();
    }
}

impl Study {
    /// Solves the problem with these solvers, compares the answers and executes the identities.
    ///
    /// # Errors
    /// [`Unable`] where nothing was solved. A method that does not apply or fails is a finding.
    pub fn solve(&self, solvers: Solvers<'_>) -> Result<Findings, Unable> {
        let request = Request {
            solvers,
            ..Request::default()
        };
        self.run(&request, &mut |_| ())
    }

    /// The same with everything that can be asked for, and told as it goes on.
    ///
    /// # Errors
    /// As [`Study::solve`].
    pub fn run(&self, request: &Request<'_>, watch: &mut Watch<'_>) -> Result<Findings, Unable> {
        let limit = request.limit(self.loaded.problem.run.max_time);
        limit.over(|| self.on_threads(request, || find(self, request, &limit, watch)))
    }

    /// Does the work on the threads that are asked for.
    pub(super) fn on_threads<T: Send>(
        &self,
        request: &Request<'_>,
        work: impl FnOnce() -> T + Send,
    ) -> T {
        let threads = request.threads.unwrap_or(self.loaded.problem.run.threads);
        with_pool(threads, request.block, work)
    }
}

fn find(
    study: &Study,
    request: &Request<'_>,
    limit: &TimeLimit,
    watch: &mut Watch<'_>,
) -> Result<Findings, Unable> {
    let ends = Ends::of(limit);
    let mut laps = Laps {
        last: Instant::now(),
        phases: Vec::new(),
    };
    let (loaded, derivation, lowered) =
        limit.until(ends.cut, || in_time(|| study.prepare(request)))??;
    laps.lap("derive");
    let only = request.solvers.only();
    let methods = study.registry.methods();
    let answers = limit.until(ends.cut, || {
        solve_all(methods, &lowered, only, (limit, ends.solve), watch)
    });
    laps.lap("solve");
    let streams = Streams::new(lowered.problem.run.seed);
    let solutions = &answers.solutions;
    let comparison = told(
        watch,
        "compare",
        "measuring every answer on fresh noise",
        || limit.until(ends.compare, || compare(&lowered, solutions, &streams)),
    );
    laps.lap("compare");
    let (checks, references) = told(watch, "verify", "executing the identities", || {
        let bench = Bench::new(&lowered, &derivation, solutions, &comparison, &streams);
        let checks = verify(&bench, study.registry.checks(), &lowered.problem.checks);
        let references = &lowered.problem.references;
        (checks, check_references(references, &comparison.quantities))
    });
    laps.lap("verify");
    Ok(Findings {
        identity: study.identity(&loaded, &request.options()),
        limit: limit.clone(),
        only: only.iter().map(|id| (*id).to_owned()).collect(),
        threads: rayon::current_num_threads(),
        block: request.block,
        loaded,
        lowered,
        derivation,
        answers,
        comparison,
        checks,
        references,
        phases: laps.phases,
    })
}

impl Study {
    /// What every solver starts from.
    fn prepare(&self, request: &Request<'_>) -> Result<(Loaded, Derivation, Lowered), Unable> {
        let loaded = self.choose(request.solvers)?;
        let derivation = self.derive()?;
        let mut problem = loaded.problem.clone();
        if self.changed && !request.keep_references {
            // References describe the file as written.
            problem.references.clear();
        }
        let lowered = self.lower(problem)?;
        Ok((loaded, derivation, lowered))
    }
}

/// Every requested solver, one after another; each may use all threads and the solutions before it.
fn solve_all(
    methods: &[Registered],
    lowered: &Lowered,
    only: &[&str],
    (limit, end): (&TimeLimit, Option<Duration>),
    watch: &mut Watch<'_>,
) -> Answers {
    let problem = &lowered.problem;
    let mut answers = Answers::default();
    let asked = |id: &str| only.is_empty() || only.contains(&id);
    for spec in problem.solvers.iter().filter(|spec| asked(&spec.id)) {
        let (name, doing) = (spec.id.as_str(), "");
        watch(Moment::Begins { name, doing });
        let attempt = Attempt {
            lowered,
            spec,
            found: &answers.solutions,
            deadline: end.map(|end| end.saturating_sub(limit.elapsed())),
        };
        let result = solve_by(methods, &attempt, &mut |progress| {
            watch(Moment::Goes(progress));
        });
        watch(Moment::Ends(match &result {
            Ok(_) => "done",
            Err(Unsolved::Refused(_)) => "refused",
            Err(Unsolved::Failed(_)) => "failed",
        }));
        answers.push(spec, result);
    }
    answers
}
