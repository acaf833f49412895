//! Controls of a parametrised family, fitted on simulated paths: method `action` of kinds `control` and `sample`.
//!
//! | objective | what is minimised | how |
//! |---|---|---|
//! | relative-entropy | the discretized cost on replayed noise | discrete adjoint, argmin |
//! | log-variance, moment | spread of `log dP^u/dP*` on recorded paths | pull-backs, argmin |
//! | cross-entropy, adjoint-matching, socm | a squared distance along paths | one linear system per iteration |
//!
//! Gradient losses run in rounds: each takes fresh paths under the control found so far. After the first round the
//! cost has a term of zero mean ([`replay::Anchor`]) with which neither cost nor gradient has noise at the optimum.
//! Regressions take fresh paths every iteration; after the first third of them their sums are kept, so that the
//! answer is an average over the remaining iterations.
//!
//! Where nothing couples groups of states, a control sees the states of its own group only: the best one does not depend
//! on the others.
//!
//! # Assumes
//! Natural boundaries and no stopping events. See the objectives for theirs; [`Method::admit`] decides.
//!
//! # Order
//! The step bias of Euler's scheme, the distance of the family from the best control, and the noise of the fit,
//! which falls like paths^-1/2 or faster.
//!
//! # Checked by
//! `policy-cost`, the gap identity, and the distance from a reference where there is one.

pub mod descent;
pub mod metric;
pub mod objective;
pub mod ratio;
pub mod regression;
pub mod replay;

use crate::derivation::control::product_form::groups_of;
use crate::discretization::steered_slopes::SteeredSlopes;
use crate::field::Field;
use crate::field::family::field_text as family_text;
use crate::field::feedback::{Features, Feedback};
use crate::field::peaks::Peaks;
use crate::field::{affine, chebyshev, mixture_potential};
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{map_blocks, pairwise_add};
use crate::numeric::dense::DenseError;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::Less;
use crate::problem::format::key::{Bound, Coordinates, Fallback, Form, Key, Names};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::CONTROLLED;
use crate::problem::meant::model::Boundary;
use crate::problem::meant::named::Named;
use crate::problem::meant::options::FieldSpec;
use crate::problem::meant::setup::Setup;
use crate::problem::meant::solver::SolverSpec;
use crate::problem::meant::task::Task;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::learned::optimizer::{Descent, DescentSettings};
use crate::solvers::learned::optimizer::{OPTIMIZER, Optimizer};
use crate::solvers::learned::steered::descent::{Loss, Natural};
use crate::solvers::learned::steered::metric::{Layout, Metric};
use crate::solvers::learned::steered::objective::PathObjective;
use crate::solvers::learned::steered::ratio::Ratio;
use crate::solvers::learned::steered::regression::{Normal, log_weights, smoothed};
use crate::solvers::learned::steered::replay::{Anchor, Noise, PATHS, Replay, Tape};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::answer::HistoryEntry;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::target::has_density;
use crate::solvers::options::{
    field_text, half, most_iterations, paths, paths_text, steps, tolerance,
};
use crate::solvers::walk::steered_walk::SteeredWalk;
use std::sync::Arc;

const NAME: &str = "action";
/// Paths of the pilot that finds where the states are.
const PILOT: usize = 512;
/// Paths of a form of coordinates.
const FORM: usize = 1024;
/// Most parameters the simplex method is admitted for.
const SIMPLEX_PARAMETERS: usize = 60;
/// Fresh paths of the final cost.
const FRESH: usize = 16384;
/// Rounds of a gradient loss.
const ROUNDS: usize = 4;

/// The method with its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
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
    slopes: SteeredSlopes,
    /// Where weights or the anchor may be used.
    temperature: Option<f64>,
    /// The density of the starts, for kind `sample`.
    prior: Option<Peaks>,
}

/// A fit in progress.
pub struct State {
    slopes: SteeredSlopes,
    temperature: Option<f64>,
    prior: Option<Peaks>,
    field: Feedback,
    streams: Streams,
    fit: Fit,
    iterations: usize,
    history: Vec<HistoryEntry>,
    facts: Vec<(&'static str, f64)>,
}

enum Fit {
    Descent {
        round: usize,
        loss: Arc<Natural>,
        descent: Box<Descent>,
    },
    Regression {
        sums: Option<Normal>,
        change: f64,
    },
}

fn refuse<T>(reason: String, accepted: &str) -> Result<T, Refusal> {
    Err(Refusal {
        method: NAME,
        reason,
        accepted: accepted.to_owned(),
    })
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
            "the loss, where the kind is not reverse",
        )
        .when(|setup, _| !setup.kind.is_reverse()),
        Key::new(
            "field",
            Form::Field(Coordinates::Together),
            Fallback::Found("mixture, chebyshev or affine, by size", |setup, _| {
                score_field(setup).into()
            }),
            "family of controls",
        )
        .when(|setup, _| setup.kind.is_reverse()),
        Key::new(
            "field",
            Form::Field(Coordinates::OneByOne),
            Fallback::Found("affine", |_, _| affine::spec(8).into()),
            "family of controls",
        )
        .when(|setup, _| !setup.kind.is_reverse()),
        OPTIMIZER,
        // The noise vanishes at the optimum of a score, so few paths suffice; steps are exact for Gaussians, so few
        // of them do, too.
        paths(Fallback::Found("4096; kind reverse 512", |setup, _| {
            if setup.kind.is_reverse() { 512 } else { 4096 }.into()
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
            Fallback::Found(
                "0.01; regressions 0.001; kind reverse 0.1",
                |setup, options| {
                    match options.one::<PathObjective>("objective") {
                        _ if setup.kind.is_reverse() => 0.1,
                        objective if objective.is_regression() => 1e-3,
                        _ => 1e-2,
                    }
                    .into()
                },
            ),
        ),
        most_iterations(Fallback::Found(
            "100; regressions 30; kind reverse 300",
            |setup, options| {
                match options.one::<PathObjective>("objective") {
                    _ if setup.kind.is_reverse() => 300,
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

impl Learned {
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
        if let Task::Sample(task) = &lowered.problem.task {
            if !lowered.has_end_cost() {
                return refuse(
                    format!(
                        "the end cost of a {} target is not an expression",
                        task.target.family()
                    ),
                    "a mixture of few Gaussians, a density or a log-density as [target]",
                );
            }
            return match task.prior.mixture().filter(has_density) {
                Some(prior) => Ok(Some(Peaks::of(&prior))),
                None => refuse(
                    format!("the prior is a {} without a density", task.prior.family()),
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

    fn replay(
        &self,
        lowered: &Lowered,
        slopes: &SteeredSlopes,
        streams: &Streams,
        (round, paths): (&str, usize),
    ) -> Replay {
        Replay {
            process: lowered.compiled.steered.clone(),
            slopes: slopes.clone(),
            start: lowered.draw_start(&streams.role(&format!("start {round}")), 0, paths),
            steps: self.steps,
            noise: Noise::Drawn(streams.role(&format!("noise {round}"))),
        }
    }

    /// The control that does nothing, in coordinates of the states uncontrolled paths reach.
    fn family(
        &self,
        lowered: &Lowered,
        slopes: &SteeredSlopes,
        streams: &Streams,
    ) -> Result<Feedback, SolveError> {
        let states = lowered.compiled.steered.dimension();
        let (controls, horizon) = (
            lowered.compiled.steered.controls(),
            (
                lowered.compiled.steered.start(),
                lowered.compiled.steered.end(),
            ),
        );
        let unit = (vec![0.0; states], vec![1.0; states]);
        let idle = Feedback::new(Features::Affine, controls, unit, horizon, 1);
        let replay = self.replay(lowered, slopes, streams, ("pilot", PILOT));
        let clouds: Vec<Batch> = map_blocks(PILOT, PATHS, |range| {
            let mut tape = Tape::default();
            let mut block = replay.block(range);
            replay.forward(&idle, &mut block, |_, _| (), Some(&mut tape));
            tape.states.push(block.x);
            tape.states
        })
        .concat();
        let count: usize = clouds.iter().map(Batch::points).sum();
        let over = |l: usize, f: &dyn Fn(f64) -> f64| -> f64 {
            let sums = clouds
                .iter()
                .map(|x| x.column(l).iter().map(|x| f(*x)).sum::<f64>());
            sums.sum::<f64>() / count as f64
        };
        let mean: Vec<f64> = (0..states).map(|l| over(l, &|x| x)).collect();
        let scale: Vec<f64> = (0..states)
            .map(|l| over(l, &|x| (x - mean[l]).powi(2)).sqrt())
            .map(|scale| if scale > 0.0 { scale } else { 1.0 })
            .collect();
        if let Some(bad) = mean.iter().chain(&scale).find(|value| !value.is_finite()) {
            return Err(SolveError::NotFinite {
                what: "a state of an uncontrolled path",
                value: *bad,
                time: horizon.1,
                suggestion: "more steps".to_owned(),
            });
        }
        let options = &self.field.options;
        let features = match self.field.family {
            "rbf" => {
                let pool: Vec<Vec<f64>> = clouds
                    .iter()
                    .step_by(1 + self.steps / 16)
                    .flat_map(|x| (0..x.points()).step_by(4).map(|i| x.row(i)))
                    .map(|x| {
                        let parts = x.iter().zip(mean.iter().zip(&scale));
                        parts.map(|(x, (m, s))| (x - m) / s).collect()
                    })
                    .collect();
                let stream = streams.role("rbf-centres");
                Features::radial(&pool, options.count("centers"), &stream)
            }
            "chebyshev" => Features::Chebyshev {
                degree: options.count("degree"),
            },
            // Admission refused families of scores.
            _ => Features::Affine,
        };
        let nodes = options.count("nodes");
        let field = Feedback::new(features, controls, (mean, scale), horizon, nodes);
        Ok(field.seeing(&states_of_controls(lowered)))
    }

    /// Coordinates in which the mean square of the control along its own paths is the square length.
    fn metric(&self, lowered: &Lowered, state: &State, round: &str) -> Result<Metric, SolveError> {
        let replay = self.replay(
            lowered,
            &state.slopes,
            &state.streams,
            (round, FORM.min(self.paths)),
        );
        let (layout, field) = (Layout::of(&state.field), &state.field);
        let partials = map_blocks(replay.paths(), PATHS, |range| {
            let mut form = vec![0.0; layout.size()];
            let mut block = replay.block(range);
            let watch = |k: usize, block: &replay::Block| {
                let design = field.design(block.x.as_ref());
                layout.add(field.locate(replay.time(k)), &design, None, &mut form);
            };
            replay.forward(field, &mut block, watch, None);
            form
        });
        let mut form = pairwise_add(partials).unwrap_or_default();
        let scale = replay.dt() / replay.paths() as f64;
        form.iter_mut().for_each(|entry| *entry *= scale);
        Metric::new(layout, &form).map_err(singular)
    }

    /// The logarithm of the density of the starts, zero where there is none.
    fn log_starts(prior: Option<&Peaks>, replay: &Replay) -> Vec<f64> {
        match prior {
            Some(prior) => prior.log_density(replay.start.as_ref()),
            None => vec![0.0; replay.paths()],
        }
    }

    fn begin_round(
        &self,
        lowered: &Lowered,
        state: &State,
        round: usize,
    ) -> Result<Fit, SolveError> {
        let name = format!("round {round}");
        let metric = self.metric(lowered, state, &format!("form {round}"))?;
        let replay = self.replay(lowered, &state.slopes, &state.streams, (&name, self.paths));
        let loss = match (self.objective, state.temperature) {
            (PathObjective::RelativeEntropy, temperature) => Loss::Cost {
                anchor: temperature.filter(|_| round > 0).map(|temperature| Anchor {
                    control: state.field.clone(),
                    temperature,
                }),
                replay: Box::new(replay),
            },
            (objective, temperature) => {
                let temperature = temperature.expect("admission saw a temperature");
                let start = Self::log_starts(state.prior.as_ref(), &replay);
                Loss::Ratio {
                    ratio: Ratio::new(&replay, &state.field, temperature, &start),
                    offset: objective == PathObjective::Moment,
                }
            }
        };
        let loss = Arc::new(Natural {
            loss,
            field: state.field.clone(),
            metric,
        });
        let settings = DescentSettings {
            optimizer: self.optimizer,
            tolerance: self.tolerance,
            max_iterations: self.max_iterations.div_ceil(ROUNDS),
        };
        let descent = Descent::new(loss.clone(), &loss.start(), settings)?;
        Ok(Fit::Descent {
            round,
            loss,
            descent: Box::new(descent),
        })
    }

    /// One regression on fresh paths.
    fn regress(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let name = format!("round {}", state.iterations);
        let replay = self.replay(lowered, &state.slopes, &state.streams, (&name, self.paths));
        let weights = match state.temperature.filter(|_| self.objective.needs_weights()) {
            Some(temperature) => {
                let start: Vec<f64> = Self::log_starts(state.prior.as_ref(), &replay)
                    .iter()
                    .map(|log| -log)
                    .collect();
                let log_weights = log_weights(&replay, &state.field, temperature, &start);
                if log_weights.iter().any(|w| !w.is_finite()) {
                    return Err(SolveError::NotFinite {
                        what: "the logarithm of a path weight",
                        value: f64::NAN,
                        time: lowered.compiled.steered.end(),
                        suggestion: "more steps".to_owned(),
                    });
                }
                let smoothed = smoothed(&log_weights);
                state.facts = vec![
                    ("power of the weights", smoothed.power),
                    ("effective share of the paths", smoothed.share),
                ];
                Some(smoothed.weights)
            }
            None => None,
        };
        let new = Normal::new(&replay, &state.field, self.objective, weights.as_deref());
        let Fit::Regression { sums, change } = &mut state.fit else {
            unreachable!("a regression does not descend");
        };
        match sums {
            Some(sums) if state.iterations > self.max_iterations / 3 => sums.append(&new),
            _ => *sums = Some(new),
        }
        if let Some(sums) = sums {
            let (theta, moved) = sums.solve(state.field.parameters()).map_err(singular)?;
            state.field.set_parameters(&theta);
            *change = moved;
        }
        state.iterations += 1;
        work.linear_solves += 1;
        count(work, &replay, 2);
        let costs = replay.costs(&state.field, None);
        let mean = Estimate::from_samples(&costs);
        state.history.push(HistoryEntry {
            iteration: state.iterations as u64,
            objective: mean.value,
            measured: *change,
        });
        Ok(())
    }
}

/// Counts `sweeps` walks.
fn count(work: &mut Work, replay: &Replay, sweeps: u64) {
    let points = (replay.paths() * replay.steps) as u64;
    work.field_points += sweeps * points;
    work.normals += sweeps * points * replay.process.noises() as u64;
}

impl State {
    /// Takes the best point and the history of a finished round over.
    fn close_round(&mut self) {
        let Fit::Descent { loss, descent, .. } = &self.fit else {
            return;
        };
        self.field.set_parameters(&loss.parameters(descent.best()));
        let offset = self.iterations as u64;
        self.history
            .extend(descent.history().iter().map(|entry| HistoryEntry {
                iteration: entry.iteration + offset,
                ..*entry
            }));
        self.iterations += descent.iterations();
    }
}

impl Method for Learned {
    const ASKS: Asks = Asks::Control;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        if lowered.problem.control_bounds.is_some() {
            return refuse("the control is bounded".to_owned(), "no bounds; or hjb");
        }
        let dynamics = &lowered.problem.dynamics;
        let edges =
            dynamics.domain.is_some() && dynamics.boundary.iter().any(|b| *b != Boundary::Natural);
        if edges || lowered.problem.task.events().iter().any(|e| e.stop) {
            return refuse(
                "paths that stop or meet an edge have no smooth cost".to_owned(),
                "natural boundaries and no stopping event; or a grid method",
            );
        }
        if !["affine", "rbf", "chebyshev"].contains(&self.field.family) {
            return refuse(
                format!(
                    "a {} is a family of scores, not of controls",
                    family_text(&self.field)
                ),
                "field = \"affine\", \"rbf\" or \"chebyshev\"",
            );
        }
        let temperature = self.shape(lowered)?;
        let prior = self.starts(lowered)?;
        match SteeredSlopes::new(&lowered.process) {
            Ok(slopes) => Ok(Admitted {
                slopes,
                temperature,
                prior,
            }),
            Err(error) => refuse(
                format!("derivatives do not compile: {error}"),
                "expressions that can be differentiated",
            ),
        }
    }

    fn start(
        &self,
        lowered: &Lowered,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let field = self.family(lowered, &admitted.slopes, streams)?;
        let parameters = field.unknowns();
        if self.optimizer == Optimizer::NelderMead && parameters > SIMPLEX_PARAMETERS {
            return Err(SolveError::Optimizer {
                message: format!(
                    "nelder-mead would move {parameters} parameters without gradients"
                ),
                suggestion: format!("lbfgs, or at most {SIMPLEX_PARAMETERS} parameters"),
            });
        }
        let mut state = State {
            slopes: admitted.slopes,
            temperature: admitted.temperature,
            prior: admitted.prior,
            field,
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
            state.fit = self.begin_round(lowered, &state, 0)?;
        }
        Ok(state)
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        work.unknowns = state.field.unknowns() as u64;
        let Fit::Descent { round, descent, .. } = &mut state.fit else {
            return self.regress(lowered, state, work);
        };
        if let Progress::Stopped(_) = descent.progress() {
            let next = *round + 1;
            state.close_round();
            state.fit = self.begin_round(lowered, state, next)?;
            return Ok(());
        }
        let before = work.gradients;
        descent.advance(work)?;
        let points = (self.paths * self.steps) as u64;
        work.field_points += (work.gradients - before) * points;
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        match &state.fit {
            Fit::Descent { round, descent, .. } => match descent.progress() {
                Progress::Stopped(reason) if *round + 1 == ROUNDS => Progress::Stopped(reason),
                _ => Progress::Going {
                    fraction: (state.iterations + descent.iterations()) as f64
                        / self.max_iterations as f64,
                    objective: descent.value(),
                    measured: descent.norm(),
                },
            },
            Fit::Regression { change, .. } if *change <= self.tolerance => {
                Progress::Stopped(StopReason::Converged {
                    measured: *change,
                    tolerance: self.tolerance,
                })
            }
            Fit::Regression { change, .. } if state.iterations >= self.max_iterations => {
                Progress::Stopped(StopReason::IterationLimit {
                    limit: self.max_iterations,
                    measured: *change,
                })
            }
            Fit::Regression { change, .. } => Progress::Going {
                fraction: state.iterations as f64 / self.max_iterations as f64,
                objective: state.history.last().map_or(f64::NAN, |e| e.objective),
                measured: *change,
            },
        }
    }

    fn finish(&self, lowered: &Lowered, mut state: State) -> Result<Answer, SolveError> {
        state.close_round();
        let cost = fresh_cost(lowered, &state.field, self.steps, &state.streams)?;
        let mut facts = vec![("parameters", state.field.unknowns() as f64)];
        facts.append(&mut state.facts);
        if let Fit::Descent { round, .. } = &state.fit {
            facts.push(("rounds", (*round + 1) as f64));
        }
        Ok(Answer {
            policy: Some(Arc::new(state.field)),
            cost: Some(cost),
            history: state.history,
            facts,
            ..Answer::default()
        })
    }
}

/// The cost on noise the fit has not seen: the limit of small steps from two of them, with half the last change in
/// The states that the best control depends on: those of the group a control acts in, where nothing couples the groups.
fn states_of_controls(lowered: &Lowered) -> Vec<Vec<usize>> {
    let mut parts = lowered.process.clone();
    let (groups, _) = groups_of(&mut parts);
    let graph = &parts.process.graph;
    (0..lowered.compiled.steered.controls())
        .map(|control| {
            let moved = |l: &usize| !graph.is_zero(parts.channel[*l][control]);
            let group = groups.iter().find(|group| group.iter().any(moved));
            group.cloned().unwrap_or_default()
        })
        .collect()
}

/// the error.
pub fn fresh_cost(
    lowered: &Lowered,
    policy: &dyn Field,
    steps: usize,
    streams: &Streams,
) -> Result<Estimate, SolveError> {
    let streams = streams.scoped("fresh");
    let start = lowered.draw_start(&streams.role("start"), 0, FRESH);
    let stream = streams.role("noise");
    let walk = SteeredWalk {
        lowered,
        policy,
        steps,
        finest: 1,
        stream: &stream,
    };
    let [coarse, fine] = [0, 1].map(|level| walk.run(start.as_ref(), level));
    let limit = fine.limit_cost(&coarse);
    if !limit.value.is_finite() {
        return Err(SolveError::NotFinite {
            what: "the cost of a fresh path",
            value: limit.value,
            time: lowered.compiled.steered.end(),
            suggestion: "more paths, or a smaller field".to_owned(),
        });
    }
    let bias = 0.5 * (limit.value - Estimate::from_samples(&fine.cost).value).abs();
    let kind = if bias > limit.error {
        ErrorKind::Step
    } else {
        ErrorKind::StandardError
    };
    Ok(Estimate::new(limit.value, limit.error.hypot(bias), kind))
}

#[cfg(test)]
mod tests;
