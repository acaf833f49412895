//! The value as a sum over paths, by weighted simulation.
//!
//! ```text
//! control:  V(x_0) = -lambda log E_v[ w ],     w = exp(-(Phi + int q dt)/lambda) dP^0/dP^v
//! sample:   Z      = E_v[ w / p(Y_0) ],        Y_0 ~ p, the law of [prior]; lambda = 1
//! ```
//!
//! over paths steered by `v`: nothing, or the policy of the solver named by `use`; either with a correction that is
//! fitted to weighted paths in up to `rounds` rounds, the cross-entropy method: polynomials of `degree` that join at most
//! `interaction` states. The estimate is made of fresh paths under the control of the last round, which does not change any
//! more: its mean weight is right whatever the fit is worth. The second line holds because
//! `psi(y) = E[exp(-int q - Phi) | Y_0 = y]` over the uncontrolled reverse process solves the forward equation of
//! the noised target with `Phi = -log rho`: it is `Z p_T(y)`, and integrates to `Z`.
//!
//! Without `use` the fitted control is the answer's policy, and its cost, from the same paths, the `upper_bound` of the
//! value. The error of the control at the start is its distance from the slopes of the value there, told by paths from
//! either side of the start on the same noise, and what these slopes are off by. The history of the rounds has the relative variance of the weights as what is measured.
//!
//! # Assumes
//! A temperature, no bounds on the control; for kind `control` a point as start law, because the logarithm of a
//! mean over starts is not the mean of logarithms. For kind `sample` a prior with a density everywhere.
//!
//! # Order
//! Standard error like paths^-1/2, times `lambda` and the spread of the weights; Euler's step bias, of order 1,
//! is the distance from a walk of half as many steps on the same Brownian paths and part of the error. The error
//! is infinite where the fitted tail of the weights is heavier than [`HEAVIEST`]. For kind `sample` also
//! `E[log w] <= log Z` and the estimate `E[w log w]/E[w]` of an upper bound, see [`weighted_mean_log`]. A round costs two
//! walks of all paths, and `terms^2` a path and step.
//!
//! # Source
//! Kappen, *J. Stat. Mech.* (2005) P11011; Thijssen, Kappen, *Phys. Rev. E* 91 (2015) for steered paths; Kappen, Ruiz,
//! *J. Stat. Phys.* 162 (2016) for the rounds.
//!
//! # Checked by
//! `feynman-kac`, `log-z`, `evidence-bracket`

mod refinement;
mod start_control;
mod steering;
mod weighing;

use crate::derivation::ground::stated::Clock;
use crate::field::Field;
use crate::field::hermite::HermiteTerms;
use crate::field::peaks::Peaks;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::{Fallback, Form, Key, Names};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::CONTROLLED;
use crate::problem::meant::named::Named;
use crate::problem::meant::options::Options;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, Solution, SolveError, StopReason, Work};
use crate::solvers::learned::path_integral::refinement::{Refinement, steered};
use crate::solvers::learned::path_integral::start_control::StartControl;
use crate::solvers::learned::path_integral::steering::Steering;
use crate::solvers::learned::path_integral::weighing::Weighing;
use crate::solvers::lowered::answer::{
    Answer, HistoryEntry, LOG_Z_LOWER, LOG_Z_UPPER_ESTIMATE, Quantity,
};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::target::{Target, has_density};
use crate::solvers::options::{
    LATTICE, RUN_PATHS, TIME_STEPS, grid_text, half_steps, paths, paths_text, points, quarter,
    steps,
};
use crate::solvers::walk::steered_walk::SteeredWalk;
use crate::solvers::walk::weights::{
    HEAVIEST, effective_share, log_mean, pareto_shape, weighted_mean_log, weighted_value,
};
use std::sync::Arc;

const NAME: &str = "path-integral";
/// Paths between two looks at the clock.
const ROUND: usize = 8192;
/// Most terms of a polynomial.
const MOST_TERMS: usize = 400;
/// Paths a term needs at least.
const PATHS_A_TERM: usize = 8;
/// Paths over those that tell the slope of the value at the start, and the fewest of these.
const ASIDE_SHARE: usize = 4;
const LEAST_ASIDE: usize = 2048;
/// Most stretches of time of a fitted control.
const STRETCHES: usize = 40;
/// Relative rise of the effective share, or of the power of the weights while that is below one, under which a round gained
/// little, and such rounds in a row that end the rounds.
const QUIET: f64 = 0.05;
const QUIET_ROUNDS: usize = 2;

/// Weighted paths with their settings.
#[derive(Clone, Copy)]
pub struct PathIntegral<'a> {
    pub kernel: PathKernel,
    pub paths: usize,
    pub steps: usize,
    /// The solver whose policy steers the paths.
    pub importance: Option<&'a str>,
    /// That policy, where the solver found one.
    pub policy: Option<&'a dyn Field>,
    /// Most rounds of refinement.
    pub rounds: usize,
    /// Of the fitted control.
    pub degree: usize,
    /// Most states that a term joins.
    pub interaction: usize,
}

/// How the sum over paths is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKernel {
    /// Weighted paths.
    MonteCarlo,
    /// Short-time kernels composed on a grid of states.
    Transfer,
}

impl Named for PathKernel {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("transfer", Self::Transfer),
        ("monte-carlo", Self::MonteCarlo),
    ];
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("path_integral.md")),
    kinds: CONTROLLED,
    later: &[],
    options: &[
        Key::new(
            "kernel",
            Form::Choice(Names::Fixed(PathKernel::names)),
            Fallback::Name("monte-carlo"),
            "composed kernels or weighted paths",
        ),
        steps(TIME_STEPS).less(half_steps),
        points(LATTICE).when(|_, options| !weighted(options)),
        paths(RUN_PATHS)
            .when(|_, options| weighted(options))
            .less(quarter),
        Key::new(
            "use",
            Form::Solver,
            Fallback::Absent,
            "id of the solver whose policy drives the paths",
        )
        .when(|_, options| weighted(options)),
        // A policy that was found has done the work of the rounds; a sampling problem asks for them.
        Key::new(
            "rounds",
            Form::Count(0),
            Fallback::Found(
                "16 for kinds control and reverse without `use`, else 0",
                |setup, options| {
                    let searches = setup.kind.has_cost() || setup.kind.is_reverse();
                    let plain = options.has("use") || !searches;
                    if plain { 0 } else { 16_usize }.into()
                },
            ),
            "most rounds in which a control is fitted to the weighted paths",
        )
        .when(|_, options| weighted(options)),
        Key::new(
            "degree",
            Form::Count(1),
            Fallback::Found("5 in one state, else 3", |setup, _| {
                if setup.dimension == 1 { 5 } else { 3_usize }.into()
            }),
            "largest degree of the control",
        )
        .when(|_, options| options.count("rounds") > 0),
        Key::new(
            "interaction",
            Form::Count(1),
            Fallback::Found("2 up to three states, else 1", |setup, _| {
                match setup.dimension {
                    d @ 1..=3 => d.min(2),
                    _ => 1,
                }
                .into()
            }),
            "most states that a term of the control joins",
        )
        .when(|_, options| options.count("rounds") > 0),
    ],
    settings: |options| match (weighted(options), options.count("rounds")) {
        (false, _) => grid_text(options),
        (true, 0) => paths_text(options),
        (true, rounds) => {
            let (paths, degree) = (paths_text(options), options.count("degree"));
            format!("{paths}, up to {rounds} rounds of degree {degree}")
        }
    },
};

/// Whether paths are drawn.
fn weighted(options: &Options) -> bool {
    options.one::<PathKernel>("kernel") == PathKernel::MonteCarlo
}

impl<'a> PathIntegral<'a> {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &'a SolverSpec, found: &'a [Solution]) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        let importance = options.text("use");
        let used = found.iter().find(|s| Some(s.id.as_str()) == importance);
        let policy = used.and_then(|s| s.answer.policy.as_deref());
        Some(Self {
            kernel: options.one("kernel"),
            paths: options.count("paths"),
            steps: options.count("steps"),
            importance,
            policy: policy.map(|policy| policy as &dyn Field),
            rounds: options.count("rounds"),
            degree: options.count("degree"),
            interaction: options.count("interaction"),
        })
    }
}

/// How paths are weighed, and the terms that a control is fitted with.
pub struct Admitted {
    weighing: Weighing,
    terms: Arc<HermiteTerms>,
}

/// The rounds, then log weights and costs so far, on full steps and on steps twice as long.
pub struct State {
    weighing: Weighing,
    terms: Arc<HermiteTerms>,
    streams: Streams,
    rounds: Rounds,
    fine: Vec<f64>,
    coarse: Vec<f64>,
    /// Costs of the same paths.
    costs: [Vec<f64>; 2],
    history: Vec<HistoryEntry>,
}

/// What the rounds have come to.
#[derive(Default)]
struct Rounds {
    done: usize,
    ended: bool,
    quiet: usize,
    /// Stretches of the next control.
    stretches: usize,
    correction: Option<Steering>,
    /// The one before.
    previous: Option<Steering>,
    /// Effective share of the first round, and of the last one with the power of its weights.
    first_share: Option<f64>,
    share: f64,
    power: f64,
}

fn refuse<T>(reason: String, accepted: &str) -> Result<T, Refusal> {
    Err(Refusal::new(NAME, reason, accepted))
}

impl Method for PathIntegral<'_> {
    const ASKS: Asks = Asks::Control;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let weighing = self.weighing(lowered)?;
        let terms = Arc::new(self.terms(lowered.compiled.steered.dimension())?);
        Ok(Admitted { weighing, terms })
    }

    fn start(
        &self,
        _: &Lowered,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        Ok(State {
            weighing: admitted.weighing,
            terms: admitted.terms,
            streams: *streams,
            rounds: Rounds {
                ended: self.rounds == 0,
                stretches: 1,
                ..Rounds::default()
            },
            fine: Vec::new(),
            coarse: Vec::new(),
            costs: [Vec::new(), Vec::new()],
            history: Vec::new(),
        })
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        if !state.rounds.ended {
            return self.refine(lowered, state, work);
        }
        let done = state.fine.len();
        let points = ROUND.min(self.paths - done);
        let start = lowered.draw_start(&state.streams.role("start"), done as u64, points);
        let stream = state.streams.role(&format!("noise {}", done / ROUND));
        let steps = self.steps.div_ceil(2);
        let correction = state.rounds.correction.as_ref();
        let [coarse, fine] = steered(lowered, self.policy, correction, |policy| {
            let walk = SteeredWalk {
                lowered,
                policy,
                steps,
                finest: 1,
                stream: &stream,
            };
            [0, 1].map(|level| walk.run(start.as_ref(), level))
        });
        state
            .coarse
            .extend(state.weighing.log_weights(&start, &coarse));
        state.fine.extend(state.weighing.log_weights(&start, &fine));
        state.costs[0].extend(coarse.cost);
        state.costs[1].extend(fine.cost);
        let nodes = (points * 3 * steps) as u64;
        let is_steered = self.policy.is_some() || correction.is_some();
        work.field_points += if is_steered { nodes } else { 0 };
        work.normals += (points * 4 * steps * lowered.compiled.steered.noises()) as u64;
        if self.rounds == 0 {
            let so_far = weighted_value(&state.fine, state.weighing.temperature());
            state.history.push(HistoryEntry {
                iteration: state.fine.len() as u64,
                objective: so_far.value,
                measured: so_far.error,
            });
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        let last = state.history.last();
        if state.fine.len() >= self.paths {
            return Progress::Stopped(StopReason::Direct);
        }
        // A round walks twice, the estimate once and a half.
        let done = match state.rounds.ended {
            true => 2.0 * self.rounds as f64,
            false => 2.0 * state.rounds.done as f64,
        };
        let walked = 1.5 * state.fine.len() as f64 / self.paths as f64;
        Progress::Going {
            fraction: (done + walked) / (2.0 * self.rounds as f64 + 1.5),
            objective: last.map_or(f64::NAN, |entry| entry.objective),
            measured: last.map_or(f64::INFINITY, |entry| entry.measured),
        }
    }

    fn is_whole(&self, state: &State) -> bool {
        state.fine.len() > 1
    }

    fn finish(&self, lowered: &Lowered, mut state: State) -> Result<Answer, SolveError> {
        if state.fine.is_empty() {
            // Out of time during the rounds: a policy, and no value.
            return Ok(Answer {
                policy: self.fitted(state.rounds.correction),
                history: state.history,
                ..Answer::default()
            });
        }
        let fine = log_mean(&state.fine);
        if !fine.value.is_finite() {
            return Err(SolveError::NotFinite {
                what: "the logarithm of the mean weight",
                value: fine.value,
                time: lowered.compiled.steered.end(),
                suggestion: "more steps, or a policy in `use`".to_owned(),
            });
        }
        let bias = (fine.value - log_mean(&state.coarse).value).abs();
        let shape = pareto_shape(&state.fine);
        let mut facts = vec![("step bias", state.weighing.temperature() * bias)];
        facts.extend(shape.map(|k| ("pareto_k", k)));
        let light = shape.is_none_or(|k| k <= HEAVIEST);
        let error = match light {
            true => fine.error.hypot(bias),
            false => f64::INFINITY,
        };
        let kind = match bias > fine.error && light {
            true => ErrorKind::Step,
            false => ErrorKind::StandardError,
        };
        let effective = effective_share(&state.fine);
        let share = Estimate::new(effective, f64::INFINITY, ErrorKind::Unknown);
        let mut answer = Answer {
            quantities: vec![Quantity {
                name: "ess".to_owned(),
                value: share,
            }],
            history: std::mem::take(&mut state.history),
            facts,
            ..Answer::default()
        };
        if let Some(first) = state.rounds.first_share {
            answer.facts.extend(state.round_facts(first));
            answer.history.push(HistoryEntry {
                iteration: state.rounds.done as u64,
                objective: -state.weighing.temperature() * fine.value,
                measured: 1.0 / effective - 1.0,
            });
        }
        let value = Estimate::new(fine.value, error, kind);
        state.say(lowered, value, &mut answer);
        answer.control_error = self.control_error(lowered, &state, light);
        answer.policy = self.fitted(state.rounds.correction);
        answer.log_weights = state.fine;
        Ok(answer)
    }
}

impl State {
    /// What the rounds came to.
    fn round_facts(&self, first_share: f64) -> [(&'static str, f64); 4] {
        [
            ("rounds", self.rounds.done as f64),
            ("terms", self.terms.terms() as f64),
            ("ess before the rounds", first_share),
            ("power of the last weights", self.rounds.power),
        ]
    }

    /// Says what the logarithm of the mean weight means.
    fn say(&self, lowered: &Lowered, log_mean: Estimate, answer: &mut Answer) {
        let quantity = |name: &str, value: Estimate| Quantity {
            name: name.to_owned(),
            value,
        };
        match self.weighing {
            Weighing::Control { temperature } => {
                let value = -temperature * log_mean.value;
                let error = temperature * log_mean.error;
                answer.cost = Some(Estimate::new(value, error, log_mean.kind));
                if self.rounds.first_share.is_some() {
                    let bound = upper_bound(&self.costs);
                    answer.quantities.push(quantity("upper_bound", bound));
                }
            }
            Weighing::Sample { .. } => {
                answer.quantities.push(quantity("log_z", log_mean));
                let bounds = bracket(&self.fine, &self.coarse);
                answer.quantities.extend(bounds);
                // That of the fitted control: the value is wanted at every start.
                if lowered.problem.reverse().is_some() {
                    answer.cost = Some(upper_bound(&self.costs));
                }
            }
        }
    }
}

/// Bounds of `log Z` from both sides, where they are finite.
fn bracket(fine: &[f64], coarse: &[f64]) -> Vec<Quantity> {
    let bound = |name: &str, own: Estimate, halved: Estimate| {
        let bias = (own.value - halved.value).abs();
        let kind = match bias > own.error {
            true => ErrorKind::Step,
            false => own.kind,
        };
        // A path without weight takes the lower bound to minus infinity: none.
        let known = own.value.is_finite() && bias.is_finite();
        known.then(|| Quantity {
            name: name.to_owned(),
            value: Estimate::new(own.value, own.error.hypot(bias), kind),
        })
    };
    let [low, low_halved] = [fine, coarse].map(Estimate::from_samples);
    let [high, high_halved] = [fine, coarse].map(weighted_mean_log);
    let lower = bound(LOG_Z_LOWER, low, low_halved);
    let upper = bound(LOG_Z_UPPER_ESTIMATE, high, high_halved);
    lower.into_iter().chain(upper).collect()
}

impl Rounds {
    /// Whether a round with this share and power of its weights found a better control than the one before.
    fn gained(&self, share: f64, power: f64) -> bool {
        self.done == 0
            || match power < 1.0 {
                true => power > (1.0 + QUIET) * self.power,
                false => self.power < 1.0 || share > (1.0 + QUIET) * self.share,
            }
    }
}

/// The mean cost of the paths; its error knows that of the step.
fn upper_bound([coarse, fine]: &[Vec<f64>; 2]) -> Estimate {
    let mean = Estimate::from_samples(fine);
    let bias = (mean.value - Estimate::from_samples(coarse).value).abs();
    let kind = match bias > mean.error {
        true => ErrorKind::Step,
        false => ErrorKind::StandardError,
    };
    Estimate::new(mean.value, mean.error.hypot(bias), kind)
}

impl PathIntegral<'_> {
    fn weighing(&self, lowered: &Lowered) -> Result<Weighing, Refusal> {
        if self.kernel == PathKernel::Transfer {
            return refuse(
                format!(
                    "composed kernels are not made for kind `{}`",
                    lowered.problem.kind()
                ),
                "kernel = \"monte-carlo\"",
            );
        }
        if let (Some(id), None) = (self.importance, self.policy) {
            return refuse(
                format!("the solver `{id}` gave no policy"),
                "in `use`, a solver before this one that answers with a policy; or no `use`",
            );
        }
        if let Some(why) = lowered.obstructed_control() {
            return refuse(
                format!("{why}: the equation of the value is not linear"),
                "no bounds and a quadratic price; or hjb",
            );
        }
        let temperature = match &lowered.facts.temperature {
            Ok(temperature) => *temperature,
            Err(missing) => {
                return refuse(
                    format!("no temperature: {}", missing.because),
                    "noise and control price with G G' = lambda B R^-1 B'",
                );
            }
        };
        match lowered.process.clock {
            Clock::Reversed => {
                let target = match lowered.has_end_cost() {
                    true => None,
                    false => Some(Target::new(&lowered.problem, NAME)?),
                };
                let Some(prior) = lowered.start().mixture().filter(has_density) else {
                    let family = lowered.start().family();
                    return refuse(
                        format!("the prior is a {family} without a density"),
                        "a gaussian or a mixture as [prior]",
                    );
                };
                Ok(Weighing::Sample {
                    prior: Peaks::of(&prior),
                    target,
                })
            }
            _ if lowered.start_point().is_some() => Ok(Weighing::Control { temperature }),
            _ => refuse(
                format!(
                    "the start law is a {}, and the method gives the value at a point",
                    lowered.start().family()
                ),
                "family = \"delta\" in [initial]; or another method",
            ),
        }
    }

    /// A fitted control that is the whole policy.
    fn fitted(&self, correction: Option<Steering>) -> Option<Arc<dyn Field + Send>> {
        let whole = correction.filter(|_| self.policy.is_none())?;
        Some(Arc::new(whole))
    }

    /// How far the fitted control is off at the start, by component.
    fn control_error(&self, lowered: &Lowered, state: &State, light: bool) -> Vec<f64> {
        let fitted = state.rounds.correction.as_ref();
        let Some(fitted) = fitted.filter(|_| self.policy.is_none()) else {
            return Vec::new();
        };
        if !matches!(state.weighing, Weighing::Control { .. }) {
            return Vec::new();
        }
        if !light {
            return vec![f64::INFINITY; lowered.compiled.steered.controls()];
        }
        let start = StartControl {
            lowered,
            weighing: &state.weighing,
            fitted,
            paths: (self.paths / ASIDE_SHARE).max(LEAST_ASIDE.min(self.paths)),
            steps: self.steps.div_ceil(2),
            streams: state.streams,
        };
        start.error()
    }

    /// The terms of a fitted control.
    fn terms(&self, d: usize) -> Result<HermiteTerms, Refusal> {
        // Without rounds no term is asked for.
        let degree = if self.rounds == 0 { 0 } else { self.degree };
        let most = MOST_TERMS.min(self.paths / PATHS_A_TERM);
        HermiteTerms::new(d, degree, self.interaction, most).or_else(|e| {
            refuse(
                format!(
                    "{d} states joined by {} have {} terms of degree {}, too many for {} paths",
                    self.interaction.min(d),
                    e.terms,
                    e.degree,
                    self.paths
                ),
                "a smaller degree or interaction, more paths, or rounds = 0",
            )
        })
    }

    /// One round of refinement.
    fn refine(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let rounds = &mut state.rounds;
        let round = Refinement {
            lowered,
            weighing: &state.weighing,
            policy: self.policy,
            terms: &state.terms,
            paths: self.paths,
            steps: 2 * self.steps.div_ceil(2),
            stretches: rounds.stretches,
            streams: state.streams.scoped(&format!("round {}", rounds.done)),
        }
        .round(rounds.correction.as_ref())?;
        let nodes = (2 * self.paths * self.steps) as u64;
        work.field_points += nodes;
        work.normals += nodes * lowered.compiled.steered.noises() as u64;
        let Some(next) = round.next else {
            // Paths left the numbers: the control before did better.
            rounds.correction = rounds.previous.take();
            rounds.ended = true;
            return Ok(());
        };
        let share = effective_share(&round.log_weights);
        rounds.quiet = match rounds.gained(share, round.power) {
            true => 0,
            false => rounds.quiet + 1,
        };
        rounds.first_share.get_or_insert(share);
        (rounds.share, rounds.power) = (share, round.power);
        rounds.previous = rounds.correction.replace(next);
        let value = weighted_value(&round.log_weights, state.weighing.temperature());
        state.history.push(HistoryEntry {
            iteration: rounds.done as u64,
            objective: value.value,
            measured: 1.0 / share - 1.0,
        });
        rounds.done += 1;
        if rounds.quiet > 0 && rounds.stretches < STRETCHES {
            rounds.stretches = (2 * rounds.stretches).min(STRETCHES);
            rounds.quiet = 0;
        }
        rounds.ended = rounds.done >= self.rounds || rounds.quiet >= QUIET_ROUNDS;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
