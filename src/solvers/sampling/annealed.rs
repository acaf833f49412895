//! Annealing: populations of weighted points move from Gaussians to the target; their mean weights estimate `Z`.
//!
//! ```text
//! pi_b ~ q^{1-b} rho^b,      0 = b_0 < b_1 < ... < b_n = 1,      q = sum_k w_k N(m_k, C_k)
//! w_i <- w_i (rho/q)^{b_{k+1} - b_k}(x_i);   resample where 1/sum w^2 falls below half;   Hamiltonian moves in pi_b
//! Z = E[ product of mean weights ]
//! ```
//!
//! Two routes are tried. One starts from the law of `[prior]` widened by `WIDER`, the other from Gaussians at the maxima
//! of the target that ascents from there reach (see `modes`): it comes to what is far away or much narrower. On each
//! a first, coarse pilot run tells where the mass is: `q` takes its moments, `INFLATION` times as wide. A second, from `q`,
//! chooses every temperature, as far as the conditional effective share of the weights stays above `KEPT`, and the
//! step, scales and number of the moves there. As whatever is missed makes `Z` smaller, the route whose pilot found more
//! is taken, and of two that agree that of the maxima, where the ascents found each of them again. All that is then
//! frozen: populations that share no number with the pilots run through it, so each one's `Z` is unbiased. Their mean
//! is the estimate and their spread its standard error, widened to what Student's law of so few asks for; without a
//! bound where few populations, or few points of them, carry the mean.
//!
//! By Jensen's inequality the mean of `log Z` is below `log Z`. The same mean with weights `Z` estimates the upper
//! bound `E[Z log Z]/E[Z]`, as far as the populations went where the target is: a mode they miss is missing from
//! it too. Draws of the target give the bound itself, see [`backwards`].
//!
//! For a mixture the weights of its components in the answer are measured too, `mode_weight[k]`.
//!
//! # Assumes
//! Each mode of the target is felt by a point of the wide start or by an ascent: one that neither finds is missing from
//! the answer, and the spread of populations does not show it. The mass of a maximum that was found and that the
//! populations lost is in the error.
//!
//! # Order
//! The relative error of `Z` falls like particles^-1/2. Cost: particles × temperatures × moves × leapfrog steps
//! gradients of `log rho`.
//!
//! # Source
//! Neal, *Statistics and Computing* 11 (2001); Del Moral, Doucet, Jasra, *J. R. Stat. Soc. B* 68 (2006); Zhou,
//! Johansen, Aston, *J. Comput. Graph. Stat.* 25 (2016), eq. 3.16 (conditional effective share).
//!
//! # Checked by
//! `log-z`, `evidence-bracket`

pub mod backwards;
mod ladder;
mod modes;
mod population;

use crate::numeric::batch::Batch;
use crate::numeric::estimate::{Estimate, student_factor};
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::{Fallback, Form, Key};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::SAMPLE;
use crate::problem::meant::law::{Covariance, Mixture};
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::lowered::answer::HistoryEntry;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::answer::{Answer, Backwards, LOG_Z_LOWER, LOG_Z_UPPER_ESTIMATE};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::target::Target;
use crate::solvers::options::{half, half_steps, steps};
use crate::solvers::sampling::annealed::backwards::Schedule;
use crate::solvers::sampling::annealed::ladder::{KEPT, LOOKED, Ladder, climb};
use crate::solvers::sampling::annealed::modes::Modes;
use crate::solvers::sampling::annealed::population::{Draws, Laws, Population, systematic};
use crate::solvers::sampling::tempered::{Cloud, Reference};
use crate::solvers::walk::weights::{
    effective_share, log_mean, normalised, weighted_mean, weighted_mean_log,
};

const NAME: &str = "annealed";
/// Independent populations.
const POPULATIONS: usize = 16;
/// The pilot of a ladder gets the particles of this many populations.
const PILOT: usize = 2;
/// Fewer points than this tell nothing about temperatures.
const SMALLEST: usize = 16;
/// How much smaller the populations that end in draws of the target are, so that there can be more of them.
const SMALLER: usize = 4;
/// Mixtures of more components have no weights of modes.
const MODES: usize = 16;
/// Standard deviations of the widened start over those of `[prior]`.
const WIDER: f64 = 4.0;
/// Standard deviations of `q` over those of the first pilot's points.
const INFLATION: f64 = 1.5;
/// Temperatures of a long way.
const LONG: usize = 192;
/// Nats within which the pilots of two routes agree.
const AGREEING: f64 = 0.1;
/// Share of the mass that a maximum must have to be looked for, and the part of it that must be found there.
const LOOKED_FOR: f64 = 1e-3;
const FOUND: f64 = 0.05;
/// Fewest effective populations, as a share, and fewest effective points of one that carry a mean with an error.
const FEWEST_POPULATIONS: f64 = 0.5;
const FEWEST_POINTS: f64 = 16.0;

/// Annealing with all particles of all populations together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annealed {
    pub particles: usize,
    /// Most temperatures.
    pub steps: usize,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("annealed.md")),
    kinds: SAMPLE,
    later: &[],
    options: &[
        Key::new(
            "particles",
            Form::Count(2),
            Fallback::Count(8192),
            "particles of all populations together",
        )
        .less(half),
        steps(Fallback::Count(1024)).less(half_steps),
    ],
    settings: |options| {
        let (particles, steps) = (options.count("particles"), options.count("steps"));
        format!("{particles} particles x {steps} steps")
    },
};

impl Annealed {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            particles: options.count("particles"),
            steps: options.count("steps"),
        })
    }

    fn population(&self) -> usize {
        self.particles / POPULATIONS
    }
}

/// Progress of the run.
pub struct State {
    target: Target,
    streams: Streams,
    modes: Modes,
    /// Starts of the routes that are still to be tried.
    untried: Vec<(&'static str, Reference)>,
    tried: Vec<Route>,
    route: Option<Route>,
    populations: Vec<Population>,
    history: Vec<HistoryEntry>,
}

/// Where a run begins and how it goes on, with what its pilot made of `log Z`.
struct Route {
    reference: Reference,
    ladder: Ladder,
    log_z: f64,
    is_of_modes: bool,
}

fn not_finite(what: &'static str, value: f64) -> SolveError {
    SolveError::NotFinite {
        what,
        value,
        time: 0.0,
        suggestion: "a [prior] whose draws lie where the target is positive and finite".to_owned(),
    }
}

/// A population at the reference.
fn begin(
    laws: Laws<'_>,
    streams: &Streams,
    first: usize,
    n: usize,
) -> Result<Population, SolveError> {
    let x = laws.reference.draw(&streams.role("start"), first as u64, n);
    let cloud = Cloud::new(laws.target, x);
    if let Some(value) = cloud.log_density.iter().find(|v| **v == f64::INFINITY) {
        return Err(not_finite("the log density of the target", *value));
    }
    match laws.ratios(&cloud).iter().any(|r| r.is_finite()) {
        true => Ok(Population::new(cloud)),
        false => Err(not_finite(
            "the log density of the target at every start point",
            f64::NEG_INFINITY,
        )),
    }
}

/// Share that the weights keep at a change of temperature, where a first look took so many: a long way is taken in `LONG`
/// steps, whose number goes like one over the root of what is lost at each.
fn kept_after(looked: usize) -> f64 {
    let lost = (1.0 - LOOKED) * (looked as f64 / LONG as f64).powi(2);
    1.0 - lost.clamp(1.0 - KEPT, 0.5)
}

/// The two routes' names, which address their random numbers.
const WIDE: &str = "wide";
const AT_MODES: &str = "modes";

impl State {
    /// Takes the route that found more, where that tells them apart.
    fn choose(&mut self) {
        let most = self
            .tried
            .iter()
            .map(|route| route.log_z)
            .fold(f64::NEG_INFINITY, f64::max);
        self.tried.retain(|route| route.log_z >= most - AGREEING);
        let trusted = self.modes.are_all();
        let place = self
            .tried
            .iter()
            .position(|route| route.is_of_modes == trusted);
        if !self.tried.is_empty() {
            self.route = Some(self.tried.swap_remove(place.unwrap_or(0)));
        }
    }

    /// Part of the mass that is known to be at maxima where the populations have no points, over `Z`.
    fn lost(&self, log_z: f64) -> f64 {
        let shares = self.modes.0.iter().filter_map(|mode| {
            let share = (mode.log_mass - log_z).exp();
            let looked_for = share > LOOKED_FOR && share.is_finite();
            let found = || {
                let near = self.populations.iter().map(|population| {
                    let inside = mode.near(population.cloud.x.as_ref());
                    weighted_mean(&population.log_weights, &inside).value
                });
                near.sum::<f64>() / self.populations.len() as f64
            };
            (looked_for && found() < FOUND * share).then_some(share)
        });
        shares.sum()
    }

    /// `log Z` with an error that knows what the populations tell about themselves.
    fn log_z(&self, shares: &[f64]) -> Estimate {
        let logs: Vec<f64> = self.populations.iter().map(Population::log_mean).collect();
        let mean = log_mean(&logs);
        let fewest = self.populations.first().map_or(0, |p| p.log_weights.len());
        let points = Estimate::from_samples(shares).value * fewest as f64;
        let carried = effective_share(&logs) < FEWEST_POPULATIONS || points < FEWEST_POINTS;

        let error = match carried {
            true => f64::INFINITY,
            false => student_factor(logs.len()) * mean.error,
        };
        Estimate::new(
            mean.value,
            error.hypot(self.lost(mean.value).ln_1p()),
            mean.kind,
        )
    }
}

impl Annealed {
    /// Pilots a route from its start; `None` where the temperatures are too few to come to the target from there.
    fn explore(
        &self,
        state: &State,
        (name, start): (&str, Reference),
        work: &mut Work,
    ) -> Result<Option<Route>, SolveError> {
        let streams = state.streams.scoped(name);
        let mut pilot = |role: &str, reference: &Reference, kept, points| {
            let streams = streams.scoped(role);
            let laws = Laws {
                target: &state.target,
                reference,
            };
            let mut population = begin(laws, &streams, 0, points)?;
            let (draws, limits) = (Draws::new(&streams, 0), (kept, self.steps));
            let ladder = climb(laws, &mut population, limits, draws, work);
            Ok((ladder, population))
        };
        let (look, population) = pilot("fit", &start, LOOKED, self.population())?;
        if !look.is_complete(self.steps) && !state.tried.is_empty() {
            return Ok(None);
        }
        let reference = Reference::new(population.refitted(&start, INFLATION));
        let points = PILOT * self.population();
        let kept = kept_after(look.rungs.len());
        let (ladder, population) = pilot("ladder", &reference, kept, points)?;
        Ok(Some(Route {
            reference,
            ladder,
            log_z: population.log_mean(),
            is_of_modes: name == AT_MODES,
        }))
    }

    /// One population along the frozen ladder.
    fn run(&self, state: &State, route: &Route, work: &mut Work) -> Result<Population, SolveError> {
        let first = state.populations.len() * self.population();
        let streams = state.streams.scoped("populations");
        let laws = Laws {
            target: &state.target,
            reference: &route.reference,
        };
        let mut population = begin(laws, &streams, first, self.population())?;
        let draws = Draws::new(&streams, first);
        route.ladder.run(laws, &mut population, draws, work);
        Ok(population)
    }
}

impl Method for Annealed {
    const ASKS: Asks = Asks::Control;
    type Admitted = Target;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Target, Refusal> {
        if self.population() < SMALLEST {
            return Err(Refusal {
                method: NAME,
                reason: format!(
                    "{} particles are too few for {POPULATIONS} populations",
                    self.particles
                ),
                accepted: format!("particles = {} or more", SMALLEST * POPULATIONS),
            });
        }
        Target::new(&lowered.problem, NAME)
    }

    fn start(
        &self,
        lowered: &Lowered,
        target: Target,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let d = lowered.problem.state.len();
        let (mean, variance) = match lowered.start().mixture() {
            Some(mixture) => (mixture.mean(), mixture.variances()),
            None => (vec![0.0; d], vec![0.0; d]),
        };
        let widened = |v: &f64| WIDER * WIDER * if *v > 0.0 { *v } else { 1.0 };
        let wide = Covariance::Diagonal(variance.iter().map(widened).collect());
        let start = Reference::new(Mixture::gaussian(mean, wide));
        let modes = Modes::find(&target, &start, streams, &mut Work::default());
        let at_modes = modes.mixture(INFLATION).map(Reference::new);
        let mut untried = vec![(WIDE, start)];
        untried.extend(at_modes.map(|start| (AT_MODES, start)));
        Ok(State {
            target,
            streams: *streams,
            modes,
            untried,
            tried: Vec::new(),
            route: None,
            populations: Vec::new(),
            history: Vec::new(),
        })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let Some(route) = &state.route else {
            let next = state.untried.pop().expect("a start until a route is taken");
            let explored = self.explore(state, next, work);
            let is_last = state.untried.is_empty();
            match explored {
                Ok(route) => state.tried.extend(route),
                Err(error) if is_last && state.tried.is_empty() => return Err(error),
                Err(_) => (),
            }
            if is_last {
                state.choose();
            }
            return Ok(());
        };
        let population = self.run(state, route, work)?;
        state.populations.push(population);
        let (log_z, error) = combined(&state.populations);
        state.history.push(HistoryEntry {
            iteration: state.populations.len() as u64,
            objective: -log_z,
            measured: error,
        });
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        let done = state.populations.len();
        if let (Some(Route { ladder, .. }), POPULATIONS) = (&state.route, done) {
            return Progress::Stopped(match ladder.is_complete(self.steps) {
                true => StopReason::Direct,
                false => StopReason::IterationLimit {
                    limit: self.steps,
                    measured: ladder.last_share,
                },
            });
        }
        let pilots = (1 + PILOT) * (2 - state.untried.len().min(2));
        let (log_z, error) = combined(&state.populations);
        Progress::Going {
            fraction: (pilots + done) as f64 / (2 + 2 * PILOT + POPULATIONS) as f64,
            objective: -log_z,
            measured: error,
        }
    }

    fn is_whole(&self, state: &State) -> bool {
        state.populations.len() > 1
    }

    fn finish(&self, _: &Lowered, state: State) -> Result<Answer, SolveError> {
        let shares: Vec<f64> = state
            .populations
            .iter()
            .map(|population| effective_share(&population.log_weights))
            .collect();
        let log_z = state.log_z(&shares);
        if !log_z.value.is_finite() {
            return Err(not_finite("log Z", log_z.value));
        }
        let logs: Vec<f64> = state.populations.iter().map(Population::log_mean).collect();
        let few = student_factor(logs.len());
        let widened = |e: Estimate| Estimate::new(e.value, few * e.error, e.kind);
        let quantity = |name: &str, value| Quantity {
            name: name.to_owned(),
            value,
        };
        let mut facts = Vec::new();
        if let Some(Route { ladder, .. }) = &state.route {
            facts.push(("temperatures", ladder.rungs.len() as f64));
            facts.push(("moves", f64::from(ladder.moves())));
            facts.push(("acceptance", ladder.acceptance));
        }
        facts.push(("populations", logs.len() as f64));
        facts.push(("modes", state.modes.0.len() as f64));
        facts.push(("mass of lost modes", state.lost(log_z.value)));
        let mut quantities = vec![
            quantity("log_z", log_z),
            quantity(LOG_Z_LOWER, widened(Estimate::from_samples(&logs))),
            quantity(LOG_Z_UPPER_ESTIMATE, widened(weighted_mean_log(&logs))),
            quantity("ess", widened(Estimate::from_samples(&shares))),
        ];
        quantities.extend(mode_weights(&state, &logs, few));
        Ok(Answer {
            quantities,
            samples: Some(self.samples(&state)),
            history: state.history,
            facts,
            backwards: state.route.map(|route| {
                Box::new(Schedule {
                    reference: route.reference,
                    ladder: route.ladder,
                    population: (self.population() / SMALLER).max(SMALLEST),
                }) as Box<dyn Backwards + Send>
            }),
            ..Answer::default()
        })
    }
}

impl Annealed {
    /// Draws of equal weight from all populations together, each weighing its own `Z`.
    fn samples(&self, state: &State) -> Batch {
        let d = state.populations.first().map_or(0, |p| p.cloud.x.columns());
        let mut all = Batch::zeros(state.populations.len() * self.population(), d);
        let mut log_weights = Vec::with_capacity(all.points());
        for population in &state.populations {
            all.write_rows(log_weights.len(), population.cloud.x.as_ref());
            log_weights.extend(population.log_weights.iter().map(|w| w + population.log_z));
        }
        let weights = normalised(&log_weights);
        let mut offset = Batch::zeros(1, 1);
        let stream = state.streams.role("samples");
        stream.uniforms(0, 0, offset.as_mut());
        let rows = systematic(&weights, offset.get(0, 0));
        let mut out = Batch::zeros(rows.len(), d);
        for j in 0..d {
            let column = all.column(j);
            for (value, row) in out.column_mut(j).iter_mut().zip(&rows) {
                *value = column[*row];
            }
        }
        out
    }
}

/// Weights of a mixture's components by the answer, `E[r_k]` with responsibilities `r_k`: where no mode is missed or
/// over-filled, those of the mixture. `log_z` is that of each population.
fn mode_weights(state: &State, log_z: &[f64], few: f64) -> Vec<Quantity> {
    let Target::Mixture(peaks) = &state.target else {
        return Vec::new();
    };
    let means: Vec<Vec<f64>> = state
        .populations
        .iter()
        .map(|population| {
            let shares = peaks.shares(population.cloud.x.as_ref());
            (0..shares.columns())
                .map(|k| weighted_mean(&population.log_weights, shares.column(k)).value)
                .collect()
        })
        .collect();
    let modes = means.first().map_or(0, Vec::len);
    if !(2..=MODES).contains(&modes) {
        return Vec::new();
    }
    (0..modes)
        .map(|k| {
            let own: Vec<f64> = means.iter().map(|mean| mean[k]).collect();
            let mean = weighted_mean(log_z, &own);
            Quantity {
                name: format!("mode_weight[{k}]"),
                value: Estimate::new(mean.value, few * mean.error, mean.kind),
            }
        })
        .collect()
}

/// Logarithm of the mean of the populations' `Z`, with its standard error.
fn combined(populations: &[Population]) -> (f64, f64) {
    if populations.is_empty() {
        return (f64::NAN, f64::INFINITY);
    }
    let logs: Vec<f64> = populations.iter().map(Population::log_mean).collect();
    let mean = log_mean(&logs);
    (mean.value, mean.error)
}

#[cfg(test)]
mod tests;
