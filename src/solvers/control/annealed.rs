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
//! far as the conditional effective share of the weights stays above `KEPT`, and the step and scales of the
//! moves there. All that is then frozen: populations that share no number with the pilots run through it, so
//! each one's `Z` is unbiased. Their mean is the estimate and their spread its standard error.
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

use crate::numeric::batch::Batch;
use crate::numeric::blocks::pairwise_sum;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::log_sum_exp::log_sum_exp;
use crate::numeric::random::{Stream, Streams};
use crate::problem::model::MethodSpec;
use crate::solvers::control::target::Target;
use crate::solvers::control::tempered::{Cloud, Move, MoveStreams, Reference, Tempered};
use crate::solvers::control::weights::{effective_share, log_mean, normalised};
use crate::solvers::control::{ControlOutcome, ControlProblem};
use crate::solvers::{
    HistoryEntry, Method, Progress, Quantity, Refusal, SolveError, StopReason, Work,
};

const NAME: &str = "annealed";
/// Independent populations.
const POPULATIONS: usize = 16;
/// Pilots get the particles of this many populations.
const PILOT: usize = 2;
/// Fewer points than this tell nothing about temperatures.
const SMALLEST: usize = 16;
/// Standard deviations of the widened start over those of `[prior]`.
const WIDER: f64 = 4.0;
/// Standard deviations of `q` over those of the first pilot's points.
const INFLATION: f64 = 1.5;
/// Conditional effective share a change of temperature may leave.
const KEPT: f64 = 0.97;
/// Effective share below which points are drawn anew.
const RESAMPLED: f64 = 0.5;
/// Moves a temperature.
const MOVES: u32 = 5;
const LEAPFROGS: usize = 6;
/// Longest over shortest step of a move.
const RANGE: f64 = 20.0;
/// Acceptance the step is adapted to.
const ACCEPTANCE: f64 = 0.8;
/// Halvings of the change of temperature: the last bits of the smallest one worth taking.
const HALVINGS: usize = 60;

/// Annealing with all particles of all populations together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annealed {
    pub particles: usize,
    /// Most temperatures.
    pub steps: usize,
}

impl Annealed {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &MethodSpec) -> Option<Self> {
        match spec {
            MethodSpec::Annealed { particles, steps } => Some(Self {
                particles: *particles,
                steps: *steps,
            }),
            _ => None,
        }
    }

    fn population(&self) -> usize {
        self.particles / POPULATIONS
    }
}

/// A temperature and how to move at it.
#[derive(Clone, Debug)]
struct Rung {
    inverse_temperature: f64,
    moves: Move,
}

/// Temperatures in order, with what was seen when they were chosen.
#[derive(Clone, Debug)]
struct Ladder {
    rungs: Vec<Rung>,
    /// Mean probability of acceptance.
    acceptance: f64,
    /// Conditional effective share of the last change of temperature.
    last_share: f64,
}

/// Weighted points on the way.
#[derive(Clone, Debug)]
struct Population {
    cloud: Cloud,
    log_weights: Vec<f64>,
    /// Logarithm of the mean weights up to the last resampling.
    log_z: f64,
    inverse_temperature: f64,
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

/// One population's run: its own random numbers.
#[derive(Clone, Copy)]
struct Draws {
    moves: MoveStreams,
    resampling: Stream,
    /// Number of the first point.
    first: u64,
}

impl Population {
    fn start(target: &Target, reference: &Reference, x: Batch) -> Result<Self, SolveError> {
        let points = x.points();
        let cloud = Cloud::new(target, x);
        if let Some(value) = cloud.log_density.iter().find(|v| **v == f64::INFINITY) {
            return Err(not_finite("the log density of the target", *value));
        }
        let population = Self {
            cloud,
            log_weights: vec![0.0; points],
            log_z: 0.0,
            inverse_temperature: 0.0,
        };
        match population.ratios(reference).iter().any(|r| r.is_finite()) {
            true => Ok(population),
            false => Err(not_finite(
                "the log density of the target at every start point",
                f64::NEG_INFINITY,
            )),
        }
    }

    /// `log rho - log q` per point.
    fn ratios(&self, reference: &Reference) -> Vec<f64> {
        let mut out = reference.log_density(self.cloud.x.as_ref());
        for (o, log_density) in out.iter_mut().zip(&self.cloud.log_density) {
            *o = log_density - *o;
        }
        out
    }

    /// The mean weight so far.
    fn log_mean(&self) -> f64 {
        self.log_z + log_sum_exp(&self.log_weights) - (self.log_weights.len() as f64).ln()
    }

    /// Weighted mean and variance per coordinate.
    fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let weights = normalised(&self.log_weights);
        let average = |values: Vec<f64>| pairwise_sum(&values);
        (0..self.cloud.x.columns())
            .map(|j| {
                let x = self.cloud.x.column(j);
                let mean = average(weights.iter().zip(x).map(|(w, x)| w * x).collect());
                let square = |(w, x): (&f64, &f64)| w * (x - mean) * (x - mean);
                (mean, average(weights.iter().zip(x).map(square).collect()))
            })
            .unzip()
    }

    /// Goes to the next temperature: weighs, and draws anew where few points carry the weight.
    fn cool(&mut self, to: f64, ratios: &[f64], draws: Draws, node: u32) {
        let change = to - self.inverse_temperature;
        for (w, ratio) in self.log_weights.iter_mut().zip(ratios) {
            *w += change * ratio;
        }
        self.inverse_temperature = to;
        if effective_share(&self.log_weights) < RESAMPLED {
            self.log_z = self.log_mean();
            let mut offset = Batch::zeros(1, 1);
            draws
                .resampling
                .uniforms(draws.first, node, offset.as_mut());
            let rows = systematic(&normalised(&self.log_weights), offset.get(0, 0));
            self.cloud = self.cloud.pick(&rows);
            self.log_weights.fill(0.0);
        }
    }

    fn apply(
        &mut self,
        target: &Target,
        reference: &Reference,
        moves: &Move,
        draws: Draws,
        node: u32,
    ) -> f64 {
        let density = Tempered {
            target,
            reference,
            inverse_temperature: self.inverse_temperature,
        };
        moves.apply(density, &mut self.cloud, draws.moves, draws.first, node)
    }
}

/// Rows drawn with one uniform number: row `i` appears `n w_i` times, rounded up or down.
fn systematic(weights: &[f64], offset: f64) -> Vec<usize> {
    let n = weights.len();
    let mut rows = Vec::with_capacity(n);
    let (mut row, mut reached) = (0, weights[0]);
    for k in 0..n {
        let wanted = (k as f64 + offset) / n as f64;
        while reached < wanted && row + 1 < n {
            row += 1;
            reached += weights[row];
        }
        rows.push(row);
    }
    rows
}

/// The next inverse temperature, with the conditional effective share it leaves:
/// `(sum W r^c)^2 / sum W r^{2c}` with normalised weights `W` of the points where the target is positive.
fn next_temperature(population: &Population, ratios: &[f64]) -> (f64, f64) {
    let from = population.inverse_temperature;
    let alive: Vec<(f64, f64)> = population
        .log_weights
        .iter()
        .zip(ratios)
        .filter(|(w, r)| w.is_finite() && r.is_finite())
        .map(|(w, r)| (*w, *r))
        .collect();
    let log_sum = |change: f64| {
        let terms: Vec<f64> = alive.iter().map(|(w, r)| w + change * r).collect();
        log_sum_exp(&terms)
    };
    let total = log_sum(0.0);
    let share = |to: f64| {
        let change = to - from;
        (2.0 * log_sum(change) - log_sum(2.0 * change) - total).exp()
    };
    let all = share(1.0);
    if all >= KEPT {
        return (1.0, all);
    }
    let (mut low, mut high) = (from, 1.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if share(middle) >= KEPT {
            low = middle;
        } else {
            high = middle;
        }
    }
    // The upper end, so that every change is one.
    (high, share(high))
}

/// Runs one population from the reference to the target and chooses every temperature on the way.
fn climb(
    (target, reference): (&Target, &Reference),
    population: &mut Population,
    limit: usize,
    draws: Draws,
    work: &mut Work,
) -> Ladder {
    let (points, d) = (population.cloud.x.points(), population.cloud.x.columns());
    let mut step = (d as f64).powf(-0.25);
    let mut ladder = Ladder {
        rungs: Vec::new(),
        acceptance: 0.0,
        last_share: 1.0,
    };
    while population.inverse_temperature < 1.0 {
        let ratios = population.ratios(reference);
        let (mut to, mut share) = next_temperature(population, &ratios);
        if ladder.rungs.len() + 1 == limit && to < 1.0 {
            // The ladder is full; the weights show what that costs.
            (to, share) = (1.0, 0.0);
        }
        let node = ladder.rungs.len() as u32;
        population.cool(to, &ratios, draws, node);
        ladder.last_share = share;
        let scale = population.moments().1.iter().map(|v| v.sqrt()).collect();
        let mut moves = Move {
            step,
            range: RANGE,
            leapfrogs: LEAPFROGS,
            scale,
            corrected: true,
        };
        for k in 0..MOVES {
            let node = MOVES * node + k;
            let accepted = population.apply(target, reference, &moves, draws, node);
            ladder.acceptance += accepted / f64::from(MOVES);
            moves.step *= (accepted - ACCEPTANCE).exp();
        }
        count(work, points);
        step = moves.step;
        ladder.rungs.push(Rung {
            inverse_temperature: to,
            moves,
        });
    }
    ladder.acceptance /= ladder.rungs.len() as f64;
    ladder
}

/// What the moves at one temperature cost.
fn count(work: &mut Work, points: usize) {
    let trajectories = u64::from(MOVES) * points as u64;
    work.gradients += trajectories * LEAPFROGS as u64;
    work.field_points += trajectories * LEAPFROGS as u64;
    work.normals += trajectories;
}

fn not_finite(what: &'static str, value: f64) -> SolveError {
    SolveError::NotFinite {
        what,
        value,
        time: 0.0,
        suggestion: "a [prior] whose draws lie where the target is positive and finite".to_owned(),
    }
}

impl Annealed {
    fn draws(state: &State, role: &str, first: usize) -> Draws {
        let streams = state.streams.scoped(role);
        Draws {
            moves: MoveStreams::new(&streams),
            resampling: streams.role("resampling"),
            first: first as u64,
        }
    }

    fn begin(
        &self,
        state: &State,
        role: &str,
        first: usize,
        n: usize,
    ) -> Result<Population, SolveError> {
        let stream = state.streams.scoped(role).role("start");
        let x = state.reference.draw(&stream, first as u64, n);
        Population::start(&state.target, &state.reference, x)
    }

    fn pilot(
        &self,
        state: &State,
        role: &str,
        work: &mut Work,
    ) -> Result<(Ladder, Population), SolveError> {
        let mut population = self.begin(state, role, 0, PILOT * self.population())?;
        let draws = Self::draws(state, role, 0);
        let laws = (&state.target, &state.reference);
        let ladder = climb(laws, &mut population, self.steps, draws, work);
        Ok((ladder, population))
    }

    /// One population down the frozen ladder.
    fn descend(
        &self,
        state: &State,
        ladder: &Ladder,
        work: &mut Work,
    ) -> Result<Population, SolveError> {
        let first = state.populations.len() * self.population();
        let mut population = self.begin(state, "populations", first, self.population())?;
        let draws = Self::draws(state, "populations", first);
        for (node, rung) in ladder.rungs.iter().enumerate() {
            let node = node as u32;
            let ratios = population.ratios(&state.reference);
            population.cool(rung.inverse_temperature, &ratios, draws, node);
            for k in 0..MOVES {
                let node = MOVES * node + k;
                population.apply(&state.target, &state.reference, &rung.moves, draws, node);
            }
            count(work, self.population());
        }
        Ok(population)
    }
}

impl Method for Annealed {
    type Problem = ControlProblem;
    type Admitted = Target;
    type State = State;
    type Outcome = ControlOutcome;

    fn admit(&self, problem: &ControlProblem) -> Result<Target, Refusal> {
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
        Target::new(problem, NAME)
    }

    fn start(
        &self,
        problem: &ControlProblem,
        target: Target,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let d = problem.problem.state.len();
        let (mean, variance) = match problem.start.mixture() {
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

    fn advance(
        &self,
        _: &ControlProblem,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
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
        let population = self.descend(state, ladder, work)?;
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

    fn finish(&self, _: &ControlProblem, state: State) -> Result<ControlOutcome, SolveError> {
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
            facts.push(("acceptance", ladder.acceptance));
        }
        facts.push(("populations", logs.len() as f64));
        Ok(ControlOutcome {
            quantities: vec![
                quantity(
                    "log_z",
                    Estimate::new(value, error, ErrorKind::StandardError),
                ),
                quantity("log_z_lower_bound", Estimate::from_samples(&logs)),
                quantity("ess", Estimate::from_samples(&shares)),
            ],
            samples: Some(self.samples(&state)),
            history: state.history,
            facts,
            ..ControlOutcome::default()
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
