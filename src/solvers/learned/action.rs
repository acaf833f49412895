//! Controls and scores fitted along simulated paths: method `action`.
//!
//! ```text
//! S[u] = E[ int (q + 1/2 u'R u) dt + Phi(X_T) ],      S[u] - V = 1/2 E int (u - u*)'R(u - u*) dt >= 0
//! ```
//!
//! | objective | what is minimised | how |
//! |---|---|---|
//! | relative-entropy | the discretized cost on replayed noise | discrete adjoint, argmin |
//! | log-variance, moment | spread of `log dP^u/dP*` on paths that stay | pull-backs, argmin |
//! | cross-entropy, adjoint-matching, socm | a squared distance along paths | one linear system per iteration |
//!
//! Reverse diffusion of data whose noised law is known is walked on the time grid of the problem, by steps that are exact for
//! Gaussians ([`ReverseWalk`](crate::solvers::learned::reverse_walk)); there relative entropy is minimised over scores, of
//! any family, on the same noise in every round. All else fits a policy, on Euler's steps where no exact ones are known.
//!
//! Gradient losses run in rounds. The mean over fixed noise is a deterministic smooth function of the parameters with an
//! exact gradient. After the first round the cost has a term of zero mean, that of the control where the round starts, with
//! which neither cost nor gradient has noise at the optimum, which is then not fitted to the noise. Between the rounds the
//! weights of a mixture are settled by the likelihood ratio of its paths ([`crate::solvers::learned::path_ratio`]). All
//! rounds move in the coordinates of [`crate::solvers::learned::metric`]. Regressions take fresh paths every iteration;
//! after the first third of them their sums are kept, so that the answer is an average over the remaining iterations.
//!
//! Where nothing couples groups of states, a control sees the states of its own group only: the best one does not depend
//! on the others.
//!
//! # Assumes
//! Natural boundaries and no stopping events. See the objectives for theirs; [`Method::admit`] decides.
//!
//! # Order
//! The step bias of the walk, the distance of the family from the best control, and the noise of the fit,
//! which falls like paths^-1/2 or faster.
//!
//! # Source
//! Sample-average approximation of the control functional; the vanishing gradient noise is the path
//! form of Roeder, Wu, Duvenaud (2017), here with a fixed anchor so that line searches stay valid; Richter
//! et al. (2020) for the ratio.
//!
//! # Checked by
//! `action-gap`, `action-gradient`, `stationarity`, `policy-cost`, and the distance from a reference where there is one.

use crate::derivation::ground::stated::Clock;
use crate::discretization::steered_slopes::SteeredSlopes;
use crate::field::family::Family;
use crate::field::family::field_text as family_text;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::peaks::Peaks;
use crate::field::{FieldFamily, affine, chebyshev, mixture_potential};
use crate::numeric::blocks::pairwise_add;
use crate::numeric::dense::DenseError;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::{Bound, Coordinates, Fallback, Form, Key, Less, Names};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::CONTROLLED;
use crate::problem::meant::named::Named;
use crate::problem::meant::options::{FieldSpec, Options};
use crate::problem::meant::setup::Setup;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::learned::fresh_cost::{FreshCost, fresh_cost};
use crate::solvers::learned::ground::{Ground, grid, law, reverse_paths};
use crate::solvers::learned::layout::Layout;
use crate::solvers::learned::metric::Metric;
use crate::solvers::learned::objective::PathObjective;
use crate::solvers::learned::optimizer::{Descent, DescentSettings, OPTIMIZER, Optimizer};
use crate::solvers::learned::path_cost::{Block, ControlVariate, PathCost};
use crate::solvers::learned::regression::{Normal, smoothed};
use crate::solvers::learned::reverse_walk::ReverseWalk;
use crate::solvers::learned::round::{
    LOG_VARIANCE_ROUNDS, MOMENT_ROUNDS, PLAIN_ROUNDS, ROUNDS, Round, SCORE_ROUNDS, View,
    WEIGHTED_ROUNDS,
};
use crate::solvers::learned::unhindered::unhindered;
use crate::solvers::learned::unknown::Unknown;
use crate::solvers::lowered::answer::{Answer, HistoryEntry};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::target::has_density;
use crate::solvers::options::{
    field_text, half, most_iterations, paths, paths_text, steps, tolerance,
};
use std::sync::Arc;

const NAME: &str = "action";
/// Paths of a form of coordinates.
const FORM: usize = 1024;
/// Most parameters the simplex method is admitted for.
const SIMPLEX_PARAMETERS: usize = 60;

/// The method's options.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    pub objective: PathObjective,
    pub field: FieldSpec,
    pub optimizer: Optimizer,
    pub paths: usize,
    pub steps: usize,
    pub tolerance: f64,
    pub max_iterations: usize,
}

/// What admission proved.
pub struct Admitted {
    ground: Ground,
    /// The score to start from, where one is fitted.
    family: Option<Family>,
}

/// A fit in progress.
pub struct State {
    ground: Ground,
    unknown: Unknown,
    streams: Streams,
    fit: Fit,
    /// Iterations of finished rounds, and the history of all.
    iterations: usize,
    history: Vec<HistoryEntry>,
    facts: Vec<(&'static str, f64)>,
}

enum Fit {
    Descent {
        views: &'static [View],
        number: usize,
        round: Arc<Round>,
        descent: Box<Descent>,
    },
    Regression {
        sums: Option<Normal>,
        change: f64,
    },
}

fn refuse<T>(reason: impl Into<String>, accepted: &str) -> Result<T, Refusal> {
    Err(Refusal::new(NAME, reason, accepted))
}

fn singular(error: DenseError) -> SolveError {
    let pivot = match error {
        DenseError::NotPositiveDefinite { value, .. } => value,
        DenseError::NotStable { .. } => f64::NAN,
    };
    SolveError::Singular {
        system: "normal equations of the control",
        pivot,
        suggestion: "a smaller field, or more paths".to_owned(),
    }
}

fn simplex_refusal(parameters: usize) -> Refusal {
    Refusal::new(
        NAME,
        format!("nelder-mead would move {parameters} parameters without gradients"),
        format!("nelder-mead up to {SIMPLEX_PARAMETERS} parameters, lbfgs for any number"),
    )
}

/// A field of scores: as many bumps as the data suggest, where a free covariance each is not too much; an affine field
/// shows what second moments alone can do.
fn score_field(setup: &Setup<'_>) -> FieldSpec {
    match setup.components {
        Some(components) if setup.affine && setup.dimension <= 8 => {
            mixture_potential::spec(mixture_potential::spare(components))
        }
        _ if setup.dimension <= 2 => chebyshev::spec(8, 16),
        _ => affine::spec(24),
    }
}

/// Whether the unknown is a score: relative entropy in reverse diffusion.
fn fits_score(setup: &Setup<'_>, options: &Options) -> bool {
    setup.kind.is_reverse()
        && options.one::<PathObjective>("objective") == PathObjective::RelativeEntropy
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("action.md")),
    kinds: CONTROLLED,
    later: &[],
    options: &[
        Key::new(
            "objective",
            Form::Choice(Names::Fixed(PathObjective::names)),
            Fallback::Name("relative-entropy"),
            "the loss",
        ),
        Key::new(
            "field",
            Form::Field(Coordinates::Together),
            Fallback::Found("mixture, chebyshev or affine, by size", |setup, _| {
                score_field(setup).into()
            }),
            "family of controls",
        )
        .when(fits_score),
        Key::new(
            "field",
            Form::Field(Coordinates::OneByOne),
            Fallback::Found("affine", |_, _| affine::spec(8).into()),
            "family of controls",
        )
        .when(|setup, options| !fits_score(setup, options)),
        OPTIMIZER,
        // The noise vanishes at the optimum of a score, so few paths suffice; steps are exact for Gaussians, so few
        // of them do, too.
        paths(Fallback::Found("4096; scores 512", |setup, options| {
            if fits_score(setup, options) {
                512
            } else {
                4096
            }
            .into()
        }))
        .less(half),
        steps(Fallback::Found(
            "time.steps; kind reverse 64",
            |setup, _| {
                if setup.kind.is_reverse() {
                    64
                } else {
                    setup.steps
                }
                .into()
            },
        )),
        // On the gradient norm in natural coordinates, where a norm g leaves a gap of about g^2/2 nats, for scores
        // below what the sampling of paths leaves; or on the relative change of the control from one regression to
        // the next.
        tolerance(
            Bound::NotNegative,
            Fallback::Found("0.01; regressions 0.001; scores 0.1", |setup, options| {
                match options.one::<PathObjective>("objective") {
                    _ if fits_score(setup, options) => 0.1,
                    objective if objective.is_regression() => 1e-3,
                    _ => 1e-2,
                }
                .into()
            }),
        ),
        most_iterations(Fallback::Found(
            "100; regressions 30; scores 300",
            |setup, options| {
                match options.one::<PathObjective>("objective") {
                    _ if fits_score(setup, options) => 300,
                    objective if objective.is_regression() => 30,
                    _ => 100_usize,
                }
                .into()
            },
        ))
        .less(|_| Less::Part { of: 2, least: 2 }),
    ],
    settings: |options| {
        let objective = match options.name("objective") {
            "" | "relative-entropy" => String::new(),
            other => format!("{other}, "),
        };
        format!(
            "{objective}{}, {}",
            field_text(options),
            paths_text(options)
        )
    },
};

impl Action {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            objective: options.one("objective"),
            field: options.field("field")?.clone(),
            optimizer: options.one("optimizer"),
            paths: options.count("paths"),
            steps: options.count("steps"),
            tolerance: options.number("tol"),
            max_iterations: options.count("max_iter"),
        })
    }

    /// Reverse diffusion on its own steps.
    fn admit_noised(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let law = end_law(lowered, NAME)?;
        if lowered.prior.is_none() {
            return refuse(
                format!(
                    "the prior is a {} without a density",
                    lowered.start().family()
                ),
                "a gaussian or a mixture as [prior]",
            );
        }
        if self.objective != PathObjective::RelativeEntropy {
            self.admit_policy()?;
            let walk = ReverseWalk::new(law, &grid(lowered, 1));
            let (first, last) = lowered.horizon();
            if walk.of_policy(lowered.noising(), first + last).is_none() {
                return refuse(
                    "noise that does not reach every state tells no score from a policy",
                    "objective = \"relative-entropy\"",
                );
            }
            return Ok(Admitted {
                ground: Ground::Noised { of_policy: true },
                family: None,
            });
        }
        let streams = Streams::new(lowered.problem.run.seed).scoped("action-family");
        let t_min = lowered.problem.time_settings.t_min;
        let family =
            Family::new(&self.field, lowered.noising(), law, t_min, &streams).map_err(|e| {
                Refusal::new(NAME, e.to_string(), "one or two states, or another family")
            })?;
        let parameters = family.get().parameters().len();
        if self.optimizer == Optimizer::NelderMead && parameters > SIMPLEX_PARAMETERS {
            return Err(simplex_refusal(parameters));
        }
        Ok(Admitted {
            ground: Ground::Noised { of_policy: false },
            family: Some(family),
        })
    }

    /// Any process on Euler's steps.
    fn admit_steered(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let accepted = "no bounds, natural boundaries and no stopping event; or a grid method";
        unhindered(lowered, NAME, accepted)?;
        self.admit_policy()?;
        let temperature = self.shape(lowered)?;
        let prior = self.starts(lowered)?;
        match SteeredSlopes::new(&lowered.process) {
            Ok(slopes) => Ok(Admitted {
                ground: Ground::Steered {
                    slopes,
                    temperature,
                    prior,
                },
                family: None,
            }),
            Err(error) => refuse(
                format!("derivatives do not compile: {error}"),
                "expressions that can be differentiated",
            ),
        }
    }

    fn admit_policy(&self) -> Result<(), Refusal> {
        if !["affine", "rbf", "chebyshev"].contains(&self.field.family) {
            let family = family_text(&self.field);
            return refuse(
                format!("a {family} is a family of scores, not of controls"),
                "field = \"affine\", \"rbf\" or \"chebyshev\"",
            );
        }
        Ok(())
    }

    /// What the objective asks of the coefficients.
    fn shape(&self, lowered: &Lowered) -> Result<Option<f64>, Refusal> {
        let process = &lowered.compiled.steered;
        let moving = [process.channel(), process.diffusion(), process.effort()]
            .iter()
            .any(|matrix| matrix.depends_on_state());
        let name = self.objective.name();
        if self.objective != PathObjective::RelativeEntropy && moving {
            return refuse(
                format!(
                    "objective \"{name}\" needs noise, control matrix and price free of the state"
                ),
                "objective = \"relative-entropy\"",
            );
        }
        match &lowered.facts.temperature {
            Ok(temperature) if *temperature > 0.0 && !moving => Ok(Some(*temperature)),
            Err(missing) if self.objective.needs_weights() => refuse(
                format!(
                    "objective \"{name}\" needs a temperature: {}",
                    missing.because
                ),
                "objective = \"relative-entropy\" or \"adjoint-matching\"",
            ),
            _ => Ok(None),
        }
    }

    /// The density of the starts, where the weights contain it.
    fn starts(&self, lowered: &Lowered) -> Result<Option<Peaks>, Refusal> {
        if lowered.process.clock == Clock::Reversed {
            if !lowered.has_end_cost() {
                return refuse(
                    format!(
                        "the end cost of a {} target is not an expression",
                        lowered.data().family()
                    ),
                    "a mixture of few Gaussians, a density or a log-density as [target]",
                );
            }
            return match lowered.start().mixture().filter(has_density) {
                Some(prior) => Ok(Some(Peaks::of(&prior))),
                None => refuse(
                    format!(
                        "the prior is a {} without a density",
                        lowered.start().family()
                    ),
                    "a gaussian or a mixture as [prior]",
                ),
            };
        }
        let spread = matches!(
            self.objective,
            PathObjective::LogVariance | PathObjective::Moment
        );
        if spread && lowered.start_point().is_none() {
            return refuse(
                format!(
                    "objective \"{}\" holds for one start point, and the start law is a {}",
                    self.objective.name(),
                    lowered.start().family()
                ),
                "family = \"delta\" in [initial]; or another objective",
            );
        }
        Ok(None)
    }

    fn paths(&self, lowered: &Lowered, state: &State, (round, paths): (&str, usize)) -> PathCost {
        let streams = (round, &state.streams);
        state.ground.paths(lowered, self.steps, paths, streams)
    }

    /// The rounds of a gradient loss.
    fn views(&self, state: &State) -> &'static [View] {
        let steered = match state.ground {
            Ground::Steered { temperature, .. } => temperature,
            Ground::Noised { .. } => Some(1.0),
        };
        match (self.objective, &state.unknown, steered) {
            (PathObjective::LogVariance, ..) => &LOG_VARIANCE_ROUNDS,
            (PathObjective::Moment, ..) => &MOMENT_ROUNDS,
            (_, Unknown::Score(family), _) if family.weights().is_empty() => &SCORE_ROUNDS,
            (_, Unknown::Score(_), _) => &WEIGHTED_ROUNDS,
            (_, Unknown::Policy(_), Some(_)) => &ROUNDS,
            (_, Unknown::Policy(_), None) => &PLAIN_ROUNDS,
        }
    }

    /// Coordinates in which the mean square of the control along its own paths is the square length.
    fn metric(
        &self,
        lowered: &Lowered,
        state: &State,
        number: usize,
        (view, paths): (View, &PathCost),
    ) -> Metric {
        match &state.unknown {
            Unknown::Score(family) => Metric::new(
                family,
                paths,
                lowered.noising(),
                law(lowered),
                &view.frozen(&state.unknown),
                &state.streams,
            ),
            Unknown::Policy(policy) => {
                let name = format!("form {number}");
                let paths = self.paths(lowered, state, (&name, FORM.min(self.paths)));
                let (layout, walk) = (Layout::of(policy), paths.walk());
                let partials = paths.each_block(|range, mut block| {
                    let mut form = vec![0.0; layout.size()];
                    let watch = |k: usize, block: &Block| {
                        let (at, design) =
                            (policy.locate(walk.time(k)), policy.design(block.x.as_ref()));
                        let share = walk.length(k) / paths.paths() as f64;
                        layout.add(at, &design, &vec![share; range.len()], &mut form);
                    };
                    paths.watched(policy, &mut block, watch);
                    form
                });
                let form = pairwise_add(partials).unwrap_or_default();
                Metric::of_form(policy, &layout, &form)
            }
        }
    }

    /// Round `number` from the parameters as they are.
    fn begin_round(
        &self,
        lowered: &Lowered,
        state: &mut State,
        number: usize,
    ) -> Result<Fit, SolveError> {
        let views = self.views(state);
        let view = views[number];
        let name = format!("round {number}");
        let paths = self.paths(lowered, state, (&name, self.paths));
        state.unknown.prepare(&paths.times());
        let metric = self.metric(lowered, state, number, (view, &paths));
        let start = state.ground.log_starts(lowered, &paths);
        let round = Arc::new(Round::new(paths, &start, &state.unknown, metric, view));
        let left = self.max_iterations.saturating_sub(state.iterations);
        let settings = DescentSettings {
            optimizer: self.optimizer,
            tolerance: self.tolerance,
            max_iterations: left.div_ceil(views.len() - number),
        };
        let descent = Descent::new(round.clone(), &round.start(), settings)?;
        Ok(Fit::Descent {
            views,
            number,
            round,
            descent: Box::new(descent),
        })
    }

    /// Logarithms of the weights that lead from the paths' law to the best one.
    fn log_weights(
        &self,
        lowered: &Lowered,
        state: &State,
        paths: &PathCost,
    ) -> Result<Vec<f64>, SolveError> {
        let temperature = paths.walk().temperature().expect("admission saw one");
        let costs = paths.costs(state.unknown.get(), ControlVariate::Own);
        let starts = state.ground.log_starts(lowered, paths);
        let pairs = costs.iter().zip(starts);
        let log_weights: Vec<f64> = pairs.map(|(c, l)| -c / temperature - l).collect();
        if log_weights.iter().any(|w| !w.is_finite()) {
            return Err(SolveError::NotFinite {
                what: "the logarithm of a path weight",
                value: f64::NAN,
                time: lowered.compiled.steered.end(),
                suggestion: "more steps".to_owned(),
            });
        }
        Ok(log_weights)
    }

    /// One regression on fresh paths.
    fn regress(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let name = format!("round {}", state.iterations);
        let paths = self.paths(lowered, state, (&name, self.paths));
        let mut weights = vec![1.0; paths.paths()];
        if self.objective.needs_weights() {
            let smoothed = smoothed(&self.log_weights(lowered, state, &paths)?);
            state.facts = vec![
                ("power of the weights", smoothed.power),
                ("effective share of the paths", smoothed.share),
            ];
            weights = smoothed.weights;
        }
        let (Unknown::Policy(policy), Fit::Regression { sums, change }) =
            (&mut state.unknown, &mut state.fit)
        else {
            unreachable!("regressions fit policies");
        };
        let new = Normal::new(&paths, policy, self.objective, &weights);
        match sums {
            Some(sums) if state.iterations > self.max_iterations / 3 => sums.append(&new),
            _ => *sums = Some(new),
        }
        if let Some(sums) = sums {
            let (theta, moved) = sums.solve(policy.parameters()).map_err(singular)?;
            policy.set_parameters(&theta);
            *change = moved;
        }
        state.iterations += 1;
        work.linear_solves += 1;
        work.field_points += 2 * paths.points();
        work.normals += 2 * paths.normals();
        let costs = paths.costs(policy, ControlVariate::Absent);
        let mean = Estimate::from_samples(&costs);
        state.history.push(HistoryEntry {
            iteration: state.iterations as u64,
            objective: mean.value,
            measured: *change,
        });
        Ok(())
    }
}

impl State {
    /// Takes the best point and the history of a finished round over.
    fn close_round(&mut self) {
        let Fit::Descent { round, descent, .. } = &self.fit else {
            return;
        };
        self.unknown
            .set_parameters(&round.parameters(descent.best()));
        let offset = self.iterations as u64;
        self.history
            .extend(descent.history().iter().map(|entry| HistoryEntry {
                iteration: entry.iteration + offset,
                objective: round.shown(entry.objective),
                measured: entry.measured,
            }));
        self.iterations += descent.iterations();
    }
}

impl Method for Action {
    const ASKS: Asks = Asks::Control;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        if lowered.problem.reverse().is_some() && lowered.undoes_additive_noise() {
            self.admit_noised(lowered)
        } else {
            self.admit_steered(lowered)
        }
    }

    fn start(
        &self,
        lowered: &Lowered,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let ground = admitted.ground;
        let unknown = match admitted.family {
            Some(family) => Unknown::Score(Box::new(family)),
            None => Unknown::Policy(ground.policy(lowered, &self.field, self.steps, streams)?),
        };
        let parameters = unknown.parameters();
        if self.optimizer == Optimizer::NelderMead && parameters > SIMPLEX_PARAMETERS {
            let Refusal {
                reason, accepted, ..
            } = simplex_refusal(parameters);
            return Err(SolveError::Optimizer {
                message: reason,
                suggestion: accepted,
            });
        }
        let mut state = State {
            ground,
            unknown,
            streams: *streams,
            fit: Fit::Regression {
                sums: None,
                change: f64::INFINITY,
            },
            iterations: 0,
            history: Vec::new(),
            facts: Vec::new(),
        };
        if !self.objective.is_regression() {
            state.fit = self.begin_round(lowered, &mut state, 0)?;
        }
        Ok(state)
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        work.unknowns = state.unknown.parameters() as u64;
        let Fit::Descent {
            number, descent, ..
        } = &state.fit
        else {
            return self.regress(lowered, state, work);
        };
        if let Progress::Stopped(_) = descent.progress() {
            let next = number + 1;
            state.close_round();
            state.fit = self.begin_round(lowered, state, next)?;
        }
        if let Fit::Descent { descent, round, .. } = &mut state.fit {
            let before = work.gradients;
            descent.advance(work)?;
            let sweeps = work.gradients - before;
            work.normals += sweeps * round.paths().normals();
            work.field_points += sweeps * round.paths().points();
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        let limit = self.max_iterations;
        match &state.fit {
            Fit::Descent {
                views,
                number,
                round,
                descent,
            } => {
                let done = state.iterations + descent.iterations();
                match descent.progress() {
                    Progress::Stopped(reason) if number + 1 == views.len() || done >= limit => {
                        Progress::Stopped(reason)
                    }
                    _ => Progress::Going {
                        fraction: done as f64 / limit.max(1) as f64,
                        objective: round.shown(descent.value()),
                        measured: descent.norm(),
                    },
                }
            }
            Fit::Regression { change, .. } if *change <= self.tolerance => {
                Progress::Stopped(StopReason::Converged {
                    measured: *change,
                    tolerance: self.tolerance,
                })
            }
            Fit::Regression { change, .. } if state.iterations >= limit => {
                Progress::Stopped(StopReason::IterationLimit {
                    limit,
                    measured: *change,
                })
            }
            Fit::Regression { change, .. } => Progress::Going {
                fraction: state.iterations as f64 / limit as f64,
                objective: state.history.last().map_or(f64::NAN, |e| e.objective),
                measured: *change,
            },
        }
    }

    fn is_whole(&self, state: &State) -> bool {
        matches!(state.fit, Fit::Descent { .. }) || !state.history.is_empty()
    }

    fn finish(&self, lowered: &Lowered, mut state: State) -> Result<Answer, SolveError> {
        state.close_round();
        let mut answer = Answer {
            facts: vec![("parameters", state.unknown.parameters() as f64)],
            history: std::mem::take(&mut state.history),
            ..Answer::default()
        };
        answer.facts.append(&mut state.facts);
        if let Ground::Noised { of_policy } = state.ground {
            if let Fit::Descent { round, .. } = &state.fit {
                let trained = round.paths().mean(state.unknown.get(), ControlVariate::Own);
                answer.facts.push(("action_on_training_noise", trained));
            }
            let (grid, streams) = (grid(lowered, self.steps), state.streams);
            let fresh = FreshCost::new(
                lowered,
                grid,
                self.paths,
                &mut state.unknown,
                |grid, paths, level| {
                    reverse_paths(lowered, grid, paths, of_policy, &streams.scoped(level))
                },
            )?;
            answer.facts.extend([
                ("step_bias_of_training_action", fresh.step_bias),
                ("control_variate_gain", fresh.gain),
            ]);
            answer.cost = Some(fresh.cost);
            answer.own_error = fresh.control_error;
        } else {
            let policy = state.unknown.get();
            answer.cost = Some(fresh_cost(lowered, policy, self.steps, &state.streams)?);
        }
        if let Fit::Descent { number, .. } = state.fit {
            answer.facts.push(("rounds", (number + 1) as f64));
        }
        match state.unknown {
            Unknown::Score(family) => answer.score = Some(Arc::from(family.into_score())),
            Unknown::Policy(policy) => answer.policy = Some(Arc::new(policy)),
        }
        Ok(answer)
    }
}

/// The noised law whose density at `t_min` is the end cost.
pub(crate) fn end_law<'a>(
    lowered: &'a Lowered,
    method: &'static str,
) -> Result<&'a NoisedMixture, Refusal> {
    let accepted = "a data law that is a mixture or a table, with bandwidth > 0 or t_min > 0, and drift affine in the state";
    let refuse = |reason: String| Refusal::new(method, reason, accepted);
    if lowered.noising().transition().is_none() {
        return Err(refuse(
            "the drift is not affine in the state, so the law at t_min is not known".to_owned(),
        ));
    }
    let Some(law) = lowered.facts.marginals.as_ref() else {
        return Err(refuse(format!(
            "the end cost -log p needs the law at t_min, and data of family {} give none",
            lowered.data().family()
        )));
    };
    let t_min = lowered.problem.time_settings.t_min;
    let at = law.mixture_at(t_min);
    let flat = at
        .covariances
        .iter()
        .any(|c| (0..at.dimension()).any(|j| c.entry(j, j) <= 0.0));
    if flat {
        return Err(refuse(format!(
            "the law at t_min = {t_min} has components of zero width"
        )));
    }
    Ok(law)
}

#[cfg(test)]
mod tests;
