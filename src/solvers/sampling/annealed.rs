//! Annealing: populations of weighted points move from a Gaussian to the target; their mean weights estimate `Z`.
//!
//! ```text
//! pi_b ~ q^{1-b} rho^b,      0 = b_0 < b_1 < ... < b_n = 1,      q = N(m, diag v)
//! w_i <- w_i (rho/q)^{b_{k+1} - b_k}(x_i);   resample where 1/sum w^2 falls below half;   Hamiltonian moves in pi_b
//! Z = E[ product of mean weights ]
//! ```
//!
//! Two pilot runs come first. One starts from the law of `[prior]` widened by `WIDER` and tells where the mass
//! is: `q` takes its mean and `INFLATION`^2 of its variances. The other, from `q`, chooses every temperature, as
//! far as the conditional effective share of the weights stays above `KEPT`, and the step, scales and number of the
//! moves there. All that is then frozen: populations that share no number with the pilots run through it, so
//! each one's `Z` is unbiased. Their mean is the estimate and their spread its standard error.
//!
//! By Jensen's inequality the mean of `log Z` is below `log Z`. The same mean with weights `Z` estimates the upper
//! bound `E[Z log Z]/E[Z]`, as far as the populations went where the target is: a mode they miss is missing from
//! it too. Draws of the target give the bound itself, see [`backwards`].
//!
//! For a mixture the weights of its components in the answer are measured too, `mode_weight[k]`.
//!
//! # Assumes
//! The wide start overlaps all of the target's mass: a mode that no pilot point finds is missing from the answer,
//! and the spread of populations does not show it.
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
mod population;

use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::{Fallback, Form, Key};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::SAMPLE;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::lowered::answer::HistoryEntry;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::answer::{Answer, Backwards, LOG_Z_LOWER, LOG_Z_UPPER_ESTIMATE};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::target::Target;
use crate::solvers::options::{TIME_STEPS, half, half_steps, steps};
use crate::solvers::sampling::annealed::backwards::Schedule;
use crate::solvers::sampling::annealed::ladder::{KEPT, Ladder, climb};
use crate::solvers::sampling::annealed::population::{Draws, Laws, Population, systematic};
use crate::solvers::sampling::tempered::{Cloud, Reference};
use crate::solvers::walk::weights::{
    effective_share, log_mean, normalised, weighted_mean, weighted_mean_log,
};

const NAME: &str = "annealed";
/// Independent populations.
const POPULATIONS: usize = 16;
/// Pilots get the particles of this many populations.
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
        steps(TIME_STEPS).less(half_steps),
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
    reference: Reference,
    fitted: bool,
    ladder: Option<Ladder>,
    populations: Vec<Population>,
    history: Vec<HistoryEntry>,
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

impl State {
    fn laws(&self) -> Laws<'_> {
        Laws {
            target: &self.target,
            reference: &self.reference,
        }
    }
}

impl Annealed {
    fn pilot(
        &self,
        state: &State,
        role: &str,
        work: &mut Work,
    ) -> Result<(Ladder, Population), SolveError> {
        let (laws, streams) = (state.laws(), state.streams.scoped(role));
        let mut population = begin(laws, &streams, 0, PILOT * self.population())?;
        let draws = Draws::new(&streams, 0);
        let ladder = climb(laws, &mut population, self.steps, draws, work);
        Ok((ladder, population))
    }

    /// One population along the frozen ladder.
    fn run(
        &self,
        state: &State,
        ladder: &Ladder,
        work: &mut Work,
    ) -> Result<Population, SolveError> {
        let first = state.populations.len() * self.population();
        let (laws, streams) = (state.laws(), state.streams.scoped("populations"));
        let mut population = begin(laws, &streams, first, self.population())?;
        ladder.run(laws, &mut population, Draws::new(&streams, first), work);
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
        Ok(State {
            target,
            streams: *streams,
            reference: Reference {
                mean,
                variance: variance.iter().map(widened).collect(),
            },
            fitted: false,
            ladder: None,
            populations: Vec::new(),
            history: Vec::new(),
        })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let Some(ladder) = &state.ladder else {
            if state.fitted {
                state.ladder = Some(self.pilot(state, "ladder", work)?.0);
                return Ok(());
            }
            let (_, population) = self.pilot(state, "fit", work)?;
            let (mean, variance) = population.moments();
            // A coordinate on which all points agree keeps the start's width.
            let widths = variance.iter().zip(&state.reference.variance);
            let variance = widths
                .map(|(v, before)| match *v > 0.0 {
                    true => INFLATION * INFLATION * v,
                    false => *before,
                })
                .collect();
            state.reference = Reference { mean, variance };
            state.fitted = true;
            return Ok(());
        };
        let population = self.run(state, ladder, work)?;
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
        if let (Some(ladder), POPULATIONS) = (&state.ladder, done) {
            return Progress::Stopped(match ladder.last_share >= KEPT {
                true => StopReason::Direct,
                false if ladder.rungs.len() < self.steps => StopReason::Direct,
                false => StopReason::IterationLimit {
                    limit: self.steps,
                    measured: ladder.last_share,
                },
            });
        }
        let pilots = PILOT * (usize::from(state.fitted) + usize::from(state.ladder.is_some()));
        let (log_z, error) = combined(&state.populations);
        Progress::Going {
            fraction: (pilots + done) as f64 / (2 * PILOT + POPULATIONS) as f64,
            objective: -log_z,
            measured: error,
        }
    }

    fn is_whole(&self, state: &State) -> bool {
        state.populations.len() > 1
    }

    fn finish(&self, _: &Lowered, state: State) -> Result<Answer, SolveError> {
        let (value, error) = combined(&state.populations);
        if !value.is_finite() {
            return Err(not_finite("log Z", value));
        }
        let shares: Vec<f64> = state
            .populations
            .iter()
            .map(|population| effective_share(&population.log_weights))
            .collect();
        let logs: Vec<f64> = state.populations.iter().map(Population::log_mean).collect();
        let quantity = |name: &str, value| Quantity {
            name: name.to_owned(),
            value,
        };
        let mut facts = Vec::new();
        if let Some(ladder) = &state.ladder {
            facts.push(("temperatures", ladder.rungs.len() as f64));
            facts.push(("moves", f64::from(ladder.moves())));
            facts.push(("acceptance", ladder.acceptance));
        }
        facts.push(("populations", logs.len() as f64));
        let mut quantities = vec![
            quantity(
                "log_z",
                Estimate::new(value, error, ErrorKind::StandardError),
            ),
            quantity(LOG_Z_LOWER, Estimate::from_samples(&logs)),
            quantity(LOG_Z_UPPER_ESTIMATE, weighted_mean_log(&logs)),
            quantity("ess", Estimate::from_samples(&shares)),
        ];
        quantities.extend(mode_weights(&state, &logs));
        Ok(Answer {
            quantities,
            samples: Some(self.samples(&state)),
            history: state.history,
            facts,
            backwards: state.ladder.map(|ladder| {
                Box::new(Schedule {
                    reference: state.reference,
                    ladder,
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
        let d = state.reference.mean.len();
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
fn mode_weights(state: &State, log_z: &[f64]) -> Vec<Quantity> {
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
            Quantity {
                name: format!("mode_weight[{k}]"),
                value: weighted_mean(log_z, &own),
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
