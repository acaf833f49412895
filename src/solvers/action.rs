//! Minimises the discretized action functional over a family of scores.
//!
//! ```text
//! S[u] = E[ ∫ (½|u|² + ∇·f) dτ − log p_{t_min}(Y) ],   u = Gᵀ s_θ,   Y_0 ~ prior
//! S[u] − V = ½ E ∫ |u − u*|² dτ  ≥ 0
//! ```
//!
//! The mean over fixed noise is a deterministic smooth function of θ; its gradient is the exact discrete
//! adjoint. The control variate is re-anchored at the current parameters a few times, so that the
//! noise of the sample average disappears at the optimum instead of being fitted.
//!
//! # Source
//! Sample-average approximation of the control functional; the vanishing gradient noise is the path
//! form of Roeder, Wu, Duvenaud (2017), here with a fixed anchor so that line searches stay valid.
//!
//! # Checked by
//! `action-gap`, `action-gradient`, `stationarity`

use crate::discretization::time_grid::TimeGrid;
use crate::field::family::Family;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::peaks::Peaks;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::model::{FieldSpec, MethodSpec, Optimizer};
use crate::solvers::metric::Metric;
use crate::solvers::optimizer::{Descent, DescentSettings, Objective};
use crate::solvers::path_cost::{ControlVariate, PathCost};
use crate::solvers::{
    ControlProblem, HistoryEntry, Method, Outcome, Progress, Refusal, SolveError, Work,
};
use std::sync::{Arc, Mutex, PoisonError};

/// The method's options.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    pub field: FieldSpec,
    pub optimizer: Optimizer,
    pub paths: usize,
    pub steps: usize,
    pub tolerance: f64,
    pub max_iterations: usize,
}

/// Most parameters the simplex method is admitted for.
const SIMPLEX_PARAMETERS: usize = 60;
/// Rounds of minimisation: whether the weights of components stay fixed, and whether the control variate
/// is anchored. Equal weights first: a component that is badly placed would otherwise lose its weight
/// before it has moved to a mode of its own.
const ROUNDS: [(bool, bool); 4] = [(true, false), (false, false), (false, true), (false, true)];
/// Gradient norm at which a round that is not the last may end.
const LOOSE: f64 = 1e-3;
/// Largest number of fresh paths for the final cost estimate.
const FRESH_PATHS: usize = 4096;

/// What admission proved.
pub struct Admitted {
    family: Family,
}

impl Action {
    /// From the problem file's options; `None` for another method's.
    pub fn new(spec: &MethodSpec) -> Option<Self> {
        match spec {
            MethodSpec::Action {
                field,
                optimizer,
                paths,
                steps,
                tolerance,
                max_iterations,
            } => Some(Self {
                field: field.clone(),
                optimizer: *optimizer,
                paths: *paths,
                steps: *steps,
                tolerance: *tolerance,
                max_iterations: *max_iterations,
            }),
            _ => None,
        }
    }
}

/// The objective of one round, in the coordinates of its metric.
struct Round {
    paths: PathCost,
    family: Mutex<Family>,
    anchor: Option<Family>,
    metric: Metric,
    frozen: Vec<usize>,
}

impl Round {
    fn variate(&self) -> ControlVariate<'_> {
        match &self.anchor {
            Some(anchor) => ControlVariate::Anchored(anchor.get()),
            None => ControlVariate::Own,
        }
    }
}

impl Objective for Round {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        family.get_mut().set_parameters(&self.metric.parameters(x));
        let value = self
            .paths
            .mean_and_gradient(family.get(), self.variate(), gradient);
        for i in &self.frozen {
            gradient[*i] = 0.0;
        }
        self.metric.pull_back(gradient);
        value
    }

    fn value(&self, x: &[f64]) -> f64 {
        let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        family.get_mut().set_parameters(&self.metric.parameters(x));
        self.paths.mean(family.get(), self.variate())
    }
}

/// A minimisation in progress.
pub struct State {
    family: Family,
    objective: Arc<Round>,
    descent: Descent,
    round: usize,
    /// Iterations of finished rounds, and the history of all.
    iterations: usize,
    history: Vec<HistoryEntry>,
    streams: Streams,
}

impl Action {
    fn settings(&self, round: usize, done: usize) -> DescentSettings {
        let left = self.max_iterations.saturating_sub(done);
        let last = round + 1 == ROUNDS.len();
        DescentSettings {
            optimizer: self.optimizer,
            tolerance: if last {
                self.tolerance
            } else {
                self.tolerance.max(LOOSE)
            },
            max_iterations: if last {
                left
            } else {
                left.div_ceil(ROUNDS.len() - round)
            },
        }
    }

    /// The objective and the descent of one round from the family's parameters.
    fn begin(
        &self,
        problem: &ControlProblem,
        family: &mut Family,
        round: usize,
        done: usize,
        streams: &Streams,
    ) -> Result<(Arc<Round>, Descent), SolveError> {
        let law = problem.exact.as_ref().expect("admission saw the end law");
        let (freeze, anchored) = ROUNDS[round];
        let settings = &problem.problem.time_settings;
        let grid = TimeGrid::new(
            &problem.noising,
            settings.t_min,
            self.steps,
            settings.spacing,
        );
        let frozen = if freeze { family.weights() } else { Vec::new() };
        let paths = PathCost::new(law, &problem.prior, &grid, self.paths, streams);
        family.prepare(&paths.times());
        let metric = Metric::new(family, &paths, &problem.noising, law, &frozen, streams);
        let objective = Arc::new(Round {
            paths,
            family: Mutex::new(family.clone()),
            anchor: anchored.then(|| family.clone()),
            metric,
            frozen,
        });
        let start = vec![0.0; family.get().parameters().len()];
        let descent = Descent::new(objective.clone(), &start, self.settings(round, done))?;
        Ok((objective, descent))
    }
}

fn refusal(reason: String, accepted: &str) -> Refusal {
    Refusal {
        method: "action",
        reason,
        accepted: accepted.to_owned(),
    }
}

impl Method for Action {
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, problem: &ControlProblem) -> Result<Admitted, Refusal> {
        let law = end_law(problem, "action")?;
        let settings = &problem.problem.time_settings;
        let streams = Streams::new(problem.problem.run.seed).scoped("action-family");
        let family = Family::new(&self.field, &problem.noising, law, settings.t_min, &streams)
            .map_err(|e| refusal(e.to_string(), "one or two states, or another family"))?;
        let parameters = family.get().parameters().len();
        if self.optimizer == Optimizer::NelderMead && parameters > SIMPLEX_PARAMETERS {
            return Err(refusal(
                format!("nelder-mead would move {parameters} parameters without gradients"),
                &format!("nelder-mead up to {SIMPLEX_PARAMETERS} parameters, lbfgs for any number"),
            ));
        }
        Ok(Admitted { family })
    }

    fn start(
        &self,
        problem: &ControlProblem,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let mut family = admitted.family;
        // Only mixtures have weights to hold in the first round.
        let round = usize::from(family.weights().is_empty());
        let (objective, descent) = self.begin(problem, &mut family, round, 0, streams)?;
        Ok(State {
            family,
            objective,
            descent,
            round,
            iterations: 0,
            history: Vec::new(),
            streams: *streams,
        })
    }

    fn advance(
        &self,
        problem: &ControlProblem,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        if let Progress::Stopped(_) = state.descent.progress() {
            state.close_round();
            state.round += 1;
            (state.objective, state.descent) = self.begin(
                problem,
                &mut state.family,
                state.round,
                state.iterations,
                &state.streams,
            )?;
        }
        let before = work.gradients;
        state.descent.advance(work)?;
        let sweeps = work.gradients - before;
        let paths = &state.objective.paths;
        work.normals += sweeps * paths.normals();
        work.field_points += sweeps * (paths.paths() * paths.steps().len()) as u64;
        work.unknowns = state.family.get().parameters().len() as u64;
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        let done = (state.iterations + state.descent.iterations()) as f64;
        match state.descent.progress() {
            Progress::Stopped(reason) if state.round + 1 == ROUNDS.len() => {
                Progress::Stopped(reason)
            }
            Progress::Stopped(reason) if done >= self.max_iterations as f64 => {
                Progress::Stopped(reason)
            }
            _ => {
                let last = state.descent.history().last();
                Progress::Going {
                    fraction: done / self.max_iterations.max(1) as f64,
                    objective: state.descent.value(),
                    measured: last.map_or(f64::NAN, |entry| entry.measured),
                }
            }
        }
    }

    fn finish(&self, problem: &ControlProblem, mut state: State) -> Result<Outcome, SolveError> {
        let trained = state.descent.value();
        state.close_round();
        let fresh = FreshCost::new(self, problem, &mut state)?;
        let mut facts = vec![
            ("parameters", state.family.get().parameters().len() as f64),
            ("action_on_training_noise", trained),
            ("step_bias_of_training_action", fresh.step_bias),
            ("control_variate_gain", fresh.gain),
        ];
        facts.push(("rounds", (state.round + 1) as f64));
        Ok(Outcome {
            score: state.family.into_score(),
            log_density: None,
            cost: Some(fresh.cost),
            own_error: fresh.control_error,
            history: state.history,
            grid: None,
            facts,
        })
    }
}

impl State {
    /// Takes the round's point and history over.
    fn close_round(&mut self) {
        let theta = self.objective.metric.parameters(self.descent.best());
        self.family.get_mut().set_parameters(&theta);
        let offset = self.iterations as u64;
        self.history
            .extend(self.descent.history().iter().map(|entry| HistoryEntry {
                iteration: entry.iteration + offset,
                ..*entry
            }));
        self.iterations += self.descent.iterations();
    }
}

/// The noised law whose density at `t_min` is the end cost.
pub(super) fn end_law<'a>(
    problem: &'a ControlProblem,
    method: &'static str,
) -> Result<&'a NoisedMixture, Refusal> {
    let accepted = "a data law that is a mixture or a table, with bandwidth > 0 or t_min > 0, and drift affine in the state";
    let refuse = |reason: String| Refusal {
        method,
        reason,
        accepted: accepted.to_owned(),
    };
    if problem.noising.transition().is_none() {
        return Err(refuse(
            "the drift is not affine in the state, so the law at t_min is not known".to_owned(),
        ));
    }
    let Some(law) = problem.exact.as_ref() else {
        return Err(refuse(format!(
            "the end cost -log p needs the law at t_min, and data of family {} give none",
            problem.data.family()
        )));
    };
    let t_min = problem.problem.time_settings.t_min;
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

/// The cost on noise the minimisation has not seen, at three step sizes.
struct FreshCost {
    /// Extrapolated to zero step.
    cost: Estimate,
    /// Action at the training steps minus the extrapolated one.
    step_bias: f64,
    /// Variance without the control variate over variance with it.
    gain: f64,
    /// `sqrt(E ∫|u − u*|² dτ / T)` read off the variance of the path action.
    control_error: Option<f64>,
}

impl FreshCost {
    fn new(
        action: &Action,
        problem: &ControlProblem,
        state: &mut State,
    ) -> Result<Self, SolveError> {
        let law = problem.exact.as_ref().expect("admission saw the end law");
        let settings = &problem.problem.time_settings;
        let mut grid = TimeGrid::new(
            &problem.noising,
            settings.t_min,
            action.steps,
            settings.spacing,
        );
        let paths = action.paths.min(FRESH_PATHS);
        let prior = Peaks::of(&problem.prior);
        let mut levels = Vec::new();
        let mut excess = Vec::new();
        let mut gain = 1.0;
        for level in 0..3 {
            let streams = state
                .streams
                .scoped(["fresh-0", "fresh-1", "fresh-2"][level]);
            let walk = PathCost::new(law, &problem.prior, &grid, paths, &streams);
            state.family.prepare(&walk.times());
            let score = state.family.get();
            let costs = walk.costs(score, ControlVariate::Own);
            if let Some(bad) = costs.iter().find(|c| !c.is_finite()) {
                return Err(SolveError::NotFinite {
                    what: "the action of a fresh path",
                    value: *bad,
                    time: settings.t_min,
                    suggestion: "more paths or a smaller field".to_owned(),
                });
            }
            if level == 0 {
                let plain = walk.costs(score, ControlVariate::Absent);
                let ratio =
                    Estimate::from_samples(&plain).error / Estimate::from_samples(&costs).error;
                gain = ratio * ratio;
            }
            levels.push(Estimate::from_samples(&costs));
            excess.push(variance_over_start(&costs, walk.start(), &prior));
            grid = grid.refined();
        }
        let first = 2.0 * levels[1].value - levels[0].value;
        let second = 2.0 * levels[2].value - levels[1].value;
        let noise = (2.0 * levels[2].error).hypot(levels[1].error);
        let step = (second - first).abs() / 3.0;
        let kind = if noise >= step {
            ErrorKind::StandardError
        } else {
            ErrorKind::Step
        };
        let duration = problem.noising.end() - settings.t_min;
        let variance = 2.0 * excess[2] - excess[1];
        Ok(Self {
            cost: Estimate::new(second, noise.hypot(step), kind),
            step_bias: levels[0].value - second,
            gain,
            control_error: (variance > 0.0).then(|| (variance / duration).sqrt()),
        })
    }
}

/// Variance over paths of the action plus the log prior of the start: the log ratio of the controlled
/// path law to the noising path law, up to a constant and to `log p_T / prior`. In continuous time its
/// variance is `E ∫ |u − u*|² dτ` to leading order.
fn variance_over_start(costs: &[f64], start: &Batch, prior: &Peaks) -> f64 {
    let log_prior = prior.log_density(start.as_ref());
    let values: Vec<f64> = costs.iter().zip(log_prior).map(|(c, l)| c + l).collect();
    let estimate = Estimate::from_samples(&values);
    estimate.error * estimate.error * values.len() as f64
}
