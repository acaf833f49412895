//! Work against precision: every method that a problem admits, with more and more work, against the truth.

use crate::comparison::{Comparison, compare};
use crate::numeric::random::Streams;
use crate::numeric::time_limit::{TimeLimit, in_time};
use crate::problem::Loaded;
use crate::problem::format::vocabulary::working;
use crate::problem::meant::solver::SolverSpec;
use crate::report::record::Identity;
use crate::report::work_precision::{BenchRecord, Ended};
use crate::solvers::driver::{Attempt as Trial, Registered, Solution, Unsolved};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::registry::run::solve_by;
use crate::study::choose::known;
use crate::study::compared::numbers;
use crate::study::posed::{Study, Unable};
use crate::study::record::environment;
use crate::study::request::{Ends, Request, Solvers};
use crate::study::watch::{Moment, Watch, told};
use crate::verification::work_precision::{Attempt, CONTROL_ERROR, GAP, ladders};
use std::time::{Duration, Instant};

/// Runs shorter than this are repeated, and their median time is told.
const SHORT: f64 = 0.1;
const REPEATS: usize = 5;
/// Quantities shown although the file has no reference for them.
const PRINCIPAL: [&str; 4] = ["value", "log_z", CONTROL_ERROR, GAP];

/// One solver with one amount of work.
struct Step {
    /// Bare id of the solver.
    solver: String,
    level: u32,
    spec: SolverSpec,
    seconds: f64,
    /// Why there is no solution.
    failure: Option<String>,
}

impl Study {
    /// Measures the solvers of the file and, at their defaults, the other methods of its kind, each with `levels` amounts
    /// of work: all of it, and so many less one halvings. `command` gives the benchmark again.
    ///
    /// # Errors
    /// [`Unable`] where nothing was measured.
    pub fn bench(
        &self,
        request: &Request<'_>,
        levels: u32,
        command: &str,
        watch: &mut Watch<'_>,
    ) -> Result<BenchRecord, Unable> {
        let limit = request.limit(self.loaded.problem.run.max_time);
        limit.over(|| {
            self.on_threads(request, || {
                self.measured(request, &limit, levels, command, watch)
            })
        })
    }

    fn measured(
        &self,
        request: &Request<'_>,
        limit: &TimeLimit,
        levels: u32,
        command: &str,
        watch: &mut Watch<'_>,
    ) -> Result<BenchRecord, Unable> {
        let ends = Ends::of(limit);
        let ready = limit.until(ends.cut, || {
            in_time(|| -> Result<_, Unable> {
                let loaded = self.choose(Solvers::File)?;
                self.derive()?;
                let specs = self.every_method(&loaded, request.solvers.only())?;
                let lowered = self.lower(loaded.problem.clone())?;
                Ok((loaded, specs, lowered))
            })
        });
        let (loaded, specs, lowered) = ready??;
        let methods = self.registry.methods();
        let (steps, solutions) = limit.until(ends.cut, || {
            climb(
                methods,
                &lowered,
                levels,
                (limit, ends.solve),
                &specs,
                watch,
            )
        });
        let is_late = ends.solve.is_some_and(|end| limit.elapsed() > end);
        let streams = Streams::new(lowered.problem.run.seed);
        let comparison = told(
            watch,
            "compare",
            "measuring every answer on fresh noise",
            || limit.until(ends.compare, || compare(&lowered, &solutions, &streams)),
        );
        let identity = self.identity(&loaded, &request.bench_options(levels));
        let judged = self.judged(identity, &lowered, steps, &solutions, &comparison, command);
        Ok(BenchRecord {
            ended: match is_late || comparison.is_partial {
                _ if limit.is_interrupted() => Ended::Interrupted,
                true => Ended::OutOfTime,
                false => Ended::Whole,
            },
            ..judged
        })
    }

    /// The solvers of the file, and at their defaults the other methods of its kind; else the named ones.
    fn every_method(&self, loaded: &Loaded, only: &[&str]) -> Result<Vec<SolverSpec>, Unable> {
        let mut specs = loaded.problem.solvers.clone();
        let is_known = |name: &str| {
            let mut known = specs.iter();
            known.any(|spec| spec.method() == name || spec.id == name)
        };
        let mut others = working(&self.registry.words().methods, loaded.problem.kind());
        others.retain(|name| !is_known(name));
        specs.extend(self.with(&others, "", false)?.problem.solvers);
        known(&specs, only)?;
        specs.retain(|spec| only.is_empty() || only.contains(&spec.id.as_str()));
        Ok(specs)
    }

    fn judged(
        &self,
        identity: Identity,
        lowered: &Lowered,
        steps: Vec<Step>,
        solutions: &[Solution],
        comparison: &Comparison,
        command: &str,
    ) -> BenchRecord {
        let mut references = lowered.problem.references.clone();
        if self.changed {
            // References describe the file as written.
            references.clear();
        }
        let every = references.is_empty() && lowered.process.control.is_empty();
        let is_shown = |name: &str| {
            every || PRINCIPAL.contains(&name) || references.iter().any(|r| r.name == name)
        };
        let shown = |id: &str| {
            let solution = solutions.iter().find(|solution| solution.id == id);
            let mut found = solution.map_or(Vec::new(), |s| numbers(lowered, comparison, s));
            found.retain(|(name, _)| is_shown(name));
            found
        };
        let attempts = steps.into_iter().map(|step| Attempt {
            method: step.spec.method(),
            settings: step.spec.summary(),
            level: step.level,
            seconds: step.seconds,
            found: match step.failure {
                Some(failure) => Err(failure),
                None => Ok(shown(&step.spec.id)),
            },
            solver: step.solver,
        });
        let attempts: Vec<Attempt> = attempts.collect();
        BenchRecord {
            identity,
            environment: environment(&lowered.problem, command, Vec::new()),
            ladders: ladders(&attempts, &references),
            attempts,
            ended: Ended::Whole,
        }
    }
}

/// Solves with all work first, so that methods that use another one's policy find it.
fn climb(
    methods: &[Registered],
    lowered: &Lowered,
    levels: u32,
    (limit, end): (&TimeLimit, Option<Duration>),
    specs: &[SolverSpec],
    watch: &mut Watch<'_>,
) -> (Vec<Step>, Vec<Solution>) {
    let (mut steps, mut solutions) = (Vec::new(), Vec::new());
    let mut refused: Vec<&str> = Vec::new();
    for level in 0..levels {
        for spec in specs {
            if refused.contains(&spec.id.as_str()) {
                continue;
            }
            let Some(mut rung) = spec.with_less_work(level) else {
                continue;
            };
            if level > 0 {
                rung.id = format!("{}/{}", spec.id, 1_u64 << level);
            }
            let remaining = || end.map(|end| end.saturating_sub(limit.elapsed()));
            let (name, doing) = (rung.id.as_str(), "solving");
            watch(Moment::Begins { name, doing });
            let started = Instant::now();
            let trial = |found| {
                let trial = Trial {
                    lowered,
                    spec: &rung,
                    found,
                    deadline: remaining(),
                };
                solve_by(methods, &trial, &mut |_| ())
            };
            let first = trial(&solutions);
            let ended = if first.is_ok() { "done" } else { "no answer" };
            watch(Moment::Ends(ended));
            let (seconds, failure) = match first {
                Ok(solution) => {
                    let again = || Some(trial(&solutions).ok()?.seconds);
                    let seconds = median(solution.seconds, again);
                    solutions.push(solution);
                    (seconds, None)
                }
                Err(Unsolved::Refused(refusal)) => {
                    // Less work does not admit what more work does not.
                    refused.push(&spec.id);
                    (0.0, Some(format!("not admitted: {}", refusal.reason)))
                }
                Err(Unsolved::Failed(error)) => {
                    (started.elapsed().as_secs_f64(), Some(error.to_string()))
                }
            };
            steps.push(Step {
                solver: spec.id.clone(),
                level,
                spec: rung,
                seconds,
                failure,
            });
        }
    }
    // By solver in the order of the file, most work first.
    let place = |step: &Step| specs.iter().position(|spec| spec.id == step.solver);
    steps.sort_by_key(|step| (place(step), step.level));
    (steps, solutions)
}

/// The median time of a short run and its repetitions.
fn median(first: f64, again: impl Fn() -> Option<f64>) -> f64 {
    let mut times = vec![first];
    while times[0] < SHORT
        && times.len() < REPEATS
        && let Some(seconds) = again()
    {
        times.push(seconds);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
