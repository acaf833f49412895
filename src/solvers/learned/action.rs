//! Minimises the discretized action functional over a family of scores.
//!
//! ```text
//! S[u] = E[ ∫ (½|u|² + ∇·f) dτ − log p_{t_min}(Y) ],   u = Gᵀ s_θ,   Y_0 ~ prior
//! S[u] − V = ½ E ∫ |u − u*|² dτ  ≥ 0
//! ```
//!
//! The mean over fixed noise is a deterministic smooth function of θ; its gradient is the exact discrete
//! adjoint. The control variate is re-anchored at the current parameters, so that the noise of the sample
//! average disappears at the optimum instead of being fitted. Between those rounds the weights of a
//! mixture are settled by the likelihood ratio of its paths ([`crate::solvers::learned::path_ratio`]). All rounds
//! move in the coordinates of [`crate::solvers::learned::metric`].
//!
//! # Source
//! Sample-average approximation of the control functional; the vanishing gradient noise is the path
//! form of Roeder, Wu, Duvenaud (2017), here with a fixed anchor so that line searches stay valid; Richter
//! et al. (2020) for the ratio.
//!
//! # Checked by
//! `action-gap`, `action-gradient`, `stationarity`

mod fresh_cost;
mod round;

use crate::discretization::time_grid::TimeGrid;
use crate::field::family::Family;
use crate::field::noised_mixture::NoisedMixture;
use crate::numeric::random::Streams;
use crate::problem::meant::options::FieldSpec;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, Work};
use crate::solvers::learned::action::fresh_cost::FreshCost;
use crate::solvers::learned::action::round::{ROUNDS, Round, View, WEIGHTED_ROUNDS};
use crate::solvers::learned::optimizer::Optimizer;
use crate::solvers::learned::optimizer::{Descent, DescentSettings};
use crate::solvers::learned::path_cost::ControlVariate;
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::answer::HistoryEntry;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use std::sync::Arc;

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
/// What admission proved.
pub struct Admitted {
    family: Family,
}

impl Action {
    /// From the problem file's options; `None` for another method's.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of("action")?;
        Some(Self {
            field: options.field("field")?.clone(),
            optimizer: options.one("optimizer"),
            paths: options.count("paths"),
            steps: options.count("steps"),
            tolerance: options.number("tol"),
            max_iterations: options.count("max_iter"),
        })
    }
}

/// A minimisation in progress.
pub struct State {
    family: Family,
    views: &'static [View],
    round: Arc<Round>,
    descent: Descent,
    number: usize,
    /// Iterations of finished rounds, and the history of all.
    iterations: usize,
    history: Vec<HistoryEntry>,
    streams: Streams,
}

impl Action {
    fn grid(&self, lowered: &Lowered) -> TimeGrid {
        let settings = &lowered.problem.time_settings;
        TimeGrid::new(
            lowered.noising(),
            settings.t_min,
            self.steps,
            settings.spacing,
        )
    }

    /// Round `number` from the family's parameters.
    fn begin(
        &self,
        lowered: &Lowered,
        family: &mut Family,
        (views, number): (&[View], usize),
        done: usize,
        streams: &Streams,
    ) -> Result<(Arc<Round>, Descent), SolveError> {
        let (grid, view) = (self.grid(lowered), views[number]);
        let round = Arc::new(Round::new(
            lowered, &grid, self.paths, family, view, streams,
        ));
        let start = vec![0.0; family.get().parameters().len()];
        let left = self.max_iterations.saturating_sub(done);
        let settings = DescentSettings {
            optimizer: self.optimizer,
            tolerance: self.tolerance,
            max_iterations: left.div_ceil(views.len() - number),
        };
        let descent = Descent::new(round.clone(), &start, settings)?;
        Ok((round, descent))
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
    const ASKS: Asks = Asks::AdditiveNoising;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let law = end_law(lowered, "action")?;
        let settings = &lowered.problem.time_settings;
        let streams = Streams::new(lowered.problem.run.seed).scoped("action-family");
        let family = Family::new(
            &self.field,
            lowered.noising(),
            law,
            settings.t_min,
            &streams,
        )
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
        lowered: &Lowered,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let mut family = admitted.family;
        let views: &[View] = if family.weights().is_empty() {
            &ROUNDS
        } else {
            &WEIGHTED_ROUNDS
        };
        let (round, descent) = self.begin(lowered, &mut family, (views, 0), 0, streams)?;
        Ok(State {
            family,
            views,
            round,
            descent,
            number: 0,
            iterations: 0,
            history: Vec::new(),
            streams: *streams,
        })
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        if let Progress::Stopped(_) = state.descent.progress() {
            state.close_round();
            state.number += 1;
            (state.round, state.descent) = self.begin(
                lowered,
                &mut state.family,
                (state.views, state.number),
                state.iterations,
                &state.streams,
            )?;
        }
        let before = work.gradients;
        state.descent.advance(work)?;
        let sweeps = work.gradients - before;
        let paths = state.round.paths();
        work.normals += sweeps * paths.normals();
        work.field_points += sweeps * (paths.paths() * paths.steps().len()) as u64;
        work.unknowns = state.family.get().parameters().len() as u64;
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        let done = state.iterations + state.descent.iterations();
        let last = state.number + 1 == state.views.len();
        match state.descent.progress() {
            Progress::Stopped(reason) if last || done >= self.max_iterations => {
                Progress::Stopped(reason)
            }
            _ => Progress::Going {
                fraction: done as f64 / self.max_iterations.max(1) as f64,
                objective: state.round.shown(state.descent.value()),
                measured: state.descent.norm(),
            },
        }
    }

    fn finish(&self, lowered: &Lowered, mut state: State) -> Result<Answer, SolveError> {
        state.close_round();
        let trained = state.round.paths();
        let trained = trained.mean(state.family.get(), ControlVariate::Own);
        let fresh = FreshCost::new(
            lowered,
            self.grid(lowered),
            self.paths,
            &mut state.family,
            &state.streams,
        )?;
        let mut facts = vec![
            ("parameters", state.family.get().parameters().len() as f64),
            ("action_on_training_noise", trained),
            ("step_bias_of_training_action", fresh.step_bias),
            ("control_variate_gain", fresh.gain),
        ];
        facts.push(("rounds", (state.number + 1) as f64));
        Ok(Answer {
            score: Some(Arc::from(state.family.into_score())),
            cost: Some(fresh.cost),
            own_error: fresh.control_error,
            history: state.history,
            facts,
            ..Answer::default()
        })
    }
}

impl State {
    /// Takes the round's point and history over.
    fn close_round(&mut self) {
        let theta = self.round.parameters(self.descent.best());
        self.family.get_mut().set_parameters(&theta);
        let offset = self.iterations as u64;
        self.history
            .extend(self.descent.history().iter().map(|entry| HistoryEntry {
                iteration: entry.iteration + offset,
                objective: self.round.shown(entry.objective),
                measured: entry.measured,
            }));
        self.iterations += self.descent.iterations();
    }
}

/// The noised law whose density at `t_min` is the end cost.
pub(crate) fn end_law<'a>(
    lowered: &'a Lowered,
    method: &'static str,
) -> Result<&'a NoisedMixture, Refusal> {
    let accepted = "a data law that is a mixture or a table, with bandwidth > 0 or t_min > 0, and drift affine in the state";
    let refuse = |reason: String| Refusal {
        method,
        reason,
        accepted: accepted.to_owned(),
    };
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
