//! Temperatures with their moves: chosen by pilots, then frozen.

use crate::numeric::blocks::pairwise_sum;
use crate::numeric::log_sum_exp::log_sum_exp;
use crate::solvers::driver::Work;
use crate::solvers::sampling::annealed::population::{Draws, Laws, Population};
use crate::solvers::sampling::tempered::{Cloud, Move};

/// Conditional effective share a change of temperature may leave: of a ladder, and of a first look.
pub const KEPT: f64 = 0.97;
pub const LOOKED: f64 = 0.9;
/// Fewest and most moves a temperature.
const FEWEST: u32 = 2;
const MOST: u32 = 64;
/// Factor by which twice the moves must lengthen the mean square change of `log rho/q` to be worth it.
const LONGER: f64 = 1.2;
const LEAPFROGS: usize = 12;
/// Longest over shortest step of a move.
const RANGE: f64 = 100.0;
/// Acceptance the step is adapted to.
const ACCEPTANCE: f64 = 0.8;
/// Halvings of the change of temperature: the last bits of the smallest one worth taking.
const HALVINGS: usize = 60;

/// A temperature and how to move at it.
#[derive(Clone, Debug)]
pub struct Rung {
    pub inverse_temperature: f64,
    moves: Move,
    /// How often.
    repeats: u32,
    /// Number of the first move.
    node: u32,
}

impl Rung {
    /// Moves every point; each move leaves the tempered density as it is and is its own reverse.
    pub fn apply(&self, laws: Laws<'_>, cloud: &mut Cloud, draws: Draws) {
        let density = laws.at(self.inverse_temperature);
        for node in self.node..self.node + self.repeats {
            self.moves
                .apply(density, cloud, draws.moves, draws.first, node);
        }
    }

    /// What moving costs.
    pub fn count(&self, work: &mut Work, points: usize) {
        let trajectories = u64::from(self.repeats) * points as u64;
        work.gradients += trajectories * LEAPFROGS as u64;
        work.field_points += trajectories * LEAPFROGS as u64;
        work.normals += trajectories;
    }
}

/// Temperatures in order, with what was seen when they were chosen.
#[derive(Clone, Debug)]
pub struct Ladder {
    pub rungs: Vec<Rung>,
    /// Mean probability of acceptance.
    pub acceptance: f64,
    /// Conditional effective share of the last change of temperature.
    pub last_share: f64,
}

impl Ladder {
    /// Whether no change of temperature was larger than wanted because there were no more of them.
    pub fn is_complete(&self, limit: usize) -> bool {
        self.rungs.len() < limit || self.last_share > 0.0
    }

    /// Moves at all temperatures.
    pub fn moves(&self) -> u32 {
        self.rungs.iter().map(|rung| rung.repeats).sum()
    }

    /// One population along the ladder.
    pub fn run(&self, laws: Laws<'_>, population: &mut Population, draws: Draws, work: &mut Work) {
        for (node, rung) in self.rungs.iter().enumerate() {
            let ratios = laws.ratios(&population.cloud);
            population.cool(rung.inverse_temperature, &ratios, draws, node as u32);
            rung.apply(laws, &mut population.cloud, draws);
            rung.count(work, population.log_weights.len());
        }
    }
}

/// The next inverse temperature, with the conditional effective share it leaves:
/// `(sum W r^c)^2 / sum W r^{2c}` with normalised weights `W` of the points where the target is positive.
fn next_temperature(population: &Population, ratios: &[f64], kept: f64) -> (f64, f64) {
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
    if all >= kept {
        return (1.0, all);
    }
    let (mut low, mut high) = (from, 1.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if share(middle) >= kept {
            low = middle;
        } else {
            high = middle;
        }
    }
    // The upper end, so that every change is one.
    (high, share(high))
}

/// Mean square of the differences.
fn square_distance(from: &[f64], to: &[f64]) -> f64 {
    let pairs = from.iter().zip(to);
    // Points outside the support have no ratio.
    let squares: Vec<f64> = pairs
        .map(|(a, b)| (a - b) * (a - b))
        .filter(|square| square.is_finite())
        .collect();
    pairwise_sum(&squares) / squares.len() as f64
}

/// Moves the population at its temperature: twice as often until that no longer takes `log rho/q`, which is all
/// that weights see, much farther. The step is adapted on the way. Returns the moves and the mean acceptance.
fn settle(
    laws: Laws<'_>,
    population: &mut Population,
    step: f64,
    draws: Draws,
    node: u32,
) -> (Rung, f64) {
    let mut rung = Rung {
        inverse_temperature: population.inverse_temperature,
        moves: Move {
            step,
            range: RANGE,
            leapfrogs: LEAPFROGS,
            scale: population.variances().iter().map(|v| v.sqrt()).collect(),
            corrected: true,
        },
        repeats: 0,
        node,
    };
    let density = laws.at(rung.inverse_temperature);
    let before = laws.ratios(&population.cloud);
    let (mut seen, mut length) = (0.0, 0.0);
    loop {
        for _ in 0..FEWEST.max(rung.repeats) {
            let (cloud, node) = (&mut population.cloud, node + rung.repeats);
            let accepted = rung
                .moves
                .apply(density, cloud, draws.moves, draws.first, node);
            seen += accepted;
            rung.moves.step *= (accepted - ACCEPTANCE).exp();
            rung.repeats += 1;
        }
        let now = square_distance(&before, &laws.ratios(&population.cloud));
        let longer = now > LONGER * length;
        length = now;
        if !longer || rung.repeats >= MOST {
            let acceptance = seen / f64::from(rung.repeats);
            return (rung, acceptance);
        }
    }
}

/// Runs one population from the reference to the target and chooses every temperature on the way, `limit` at most, so
/// that the weights keep a share.
pub fn climb(
    laws: Laws<'_>,
    population: &mut Population,
    (kept, limit): (f64, usize),
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
    let mut node = 0;
    while population.inverse_temperature < 1.0 {
        let ratios = laws.ratios(&population.cloud);
        let (mut to, mut share) = next_temperature(population, &ratios, kept);
        if ladder.rungs.len() + 1 == limit && to < 1.0 {
            // The ladder is full; the weights show what that costs.
            (to, share) = (1.0, 0.0);
        }
        population.cool(to, &ratios, draws, ladder.rungs.len() as u32);
        ladder.last_share = share;
        let (rung, acceptance) = settle(laws, population, step, draws, node);
        ladder.acceptance += acceptance;
        step = rung.moves.step;
        node += rung.repeats;
        rung.count(work, points);
        ladder.rungs.push(rung);
    }
    ladder.acceptance /= ladder.rungs.len() as f64;
    ladder
}
