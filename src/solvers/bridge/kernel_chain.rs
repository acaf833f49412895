//! The bridge of one state under any drift: both potentials on a grid, the kernel a chain of short steps.
//!
//! Four chains, each with half the steps of the one before, are iterated side by side. The kernels are of order
//! two in the step, so of the converged `log hat phi`
//!
//! ```text
//! R_1 = L_1 + (L_1 - L_2) / 3,      R_2 = L_2 + (L_2 - L_4) / 3
//! ```
//!
//! are of order four: `R_1` is the answer, a quarter of `R_2 - R_1` the estimate of its error; the fourth
//! chain shows whether the order is the one assumed. In space the
//! trapezoid rule errs less than rounding, and nothing is extrapolated.
//!
//! # Cost
//! 15/8 of steps × nodes × kernel width for each of the two operators of a sweep.

use crate::discretization::noising::Noising;
use crate::discretization::short_time_kernel::{KernelChain, trapezoid_weights};
use crate::discretization::state_grid::StateGrid;
use crate::field::grid_field::GridScore;
use crate::field::noised_mixture::MixtureAt;
use crate::numeric::blocks::pairwise_sum;
use crate::solvers::driver::SolveError;
use crate::solvers::grid::grid_order::{observed_orders, time_mean};
use crate::solvers::grid::grid_start::{self, Demand, Placed, autonomous, start_values};
use crate::solvers::grid::grid_sums::mean_squares;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::refusal::Refusal;

/// Chains, finest first.
const CHAINS: usize = 4;
/// The chain at whose steps the answer is kept, the coarsest that enters its error estimate.
const KEPT: usize = 2;
/// Share of `R_2 - R_1` reported as the error of `R_1`.
const ERROR_SHARE: f64 = 0.25;
/// Variance of the shortest step in node spacings squared, where the trapezoid rule of a Gaussian errs by 1e-17.
const STEP_VARIANCE: f64 = 2.0;
/// Step lengths in the finest chain: 1, 2, 4 and 8 units, each longer one after this many steps of the coarsest.
const LENGTHS: [usize; 4] = [1, 2, 4, 8];
const STEPS_PER_LENGTH: usize = 4;
/// Steps of the coarsest chain at the greatest length: no fewer, no more.
const FEWEST_LONG: usize = 4;
const MOST_LONG: usize = 32;
/// The same where every step needs a table of its own.
const MOST_LONG_TABLES: usize = 8;
/// Nodes per standard deviation of the data that the splines of the answer need.
const NODES_PER_DEVIATION: f64 = 2.0;

/// Where the chains run.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    placed: Placed,
    /// Ends of the finest steps.
    times: Vec<f64>,
    autonomous: bool,
}

/// The variance `∫ D dt` that the noise alone adds up to each of these equally spaced times.
fn noise_clock(noising: &Noising) -> Vec<(f64, f64)> {
    const CELLS: usize = 2048;
    let (start, end) = (noising.start(), noising.end());
    let time = |i: usize| start + (end - start) * i as f64 / CELLS as f64;
    let rate = |t: f64| noising.noise(t).diffusivity(1)[(0, 0)];
    let mut total = 0.0;
    let mut clock = vec![(start, 0.0)];
    for i in 0..CELLS {
        let (a, b) = (time(i), time(i + 1));
        total += (b - a) / 6.0 * (rate(a) + 4.0 * rate(0.5 * (a + b)) + rate(b));
        clock.push((b, total));
    }
    clock
}

/// The time at which the clock shows `variance`.
fn read_off(clock: &[(f64, f64)], variance: f64) -> f64 {
    let after = clock
        .partition_point(|(_, v)| *v < variance)
        .clamp(1, clock.len() - 1);
    let ((a, from), (b, to)) = (clock[after - 1], clock[after]);
    if to > from {
        a + (b - a) * ((variance - from) / (to - from)).min(1.0)
    } else {
        b
    }
}

/// Units of the coarsest chain's steps up to its end, with `long` steps of the greatest length.
fn units(long: usize) -> Vec<usize> {
    let mut ends = vec![0];
    let mut now = 0;
    for (k, length) in LENGTHS.iter().enumerate() {
        let last = k + 1 == LENGTHS.len();
        for _ in 0..if last { long } else { STEPS_PER_LENGTH } {
            now += length;
            ends.push(now);
        }
    }
    ends
}

/// Total units with `long` steps of the greatest length.
fn total_units(long: usize) -> usize {
    let short: usize = LENGTHS[..LENGTHS.len() - 1].iter().sum();
    short * STEPS_PER_LENGTH + LENGTHS[LENGTHS.len() - 1] * long
}

/// Whether short steps can be summed on the grid asked for.
pub(crate) fn admit(lowered: &Lowered, points: &[usize]) -> Result<Admitted, Refusal> {
    let noising = lowered.noising();
    if noising.dimension() != 1 {
        return Err(Refusal {
            method: "bridge",
            reason: format!(
                "the drift is not affine and the state has {} components",
                noising.dimension()
            ),
            accepted: "an affine drift, or one state".to_owned(),
        });
    }
    let demand = Demand {
        method: "bridge",
        nodes_per_deviation: NODES_PER_DEVIATION,
        single_gaussian: true,
        // The answer is kept at the steps of its chain, whatever the grid.
        tables: &|_| (1 << (CHAINS - 1 - KEPT)) * (units(MOST_LONG).len() - 1) + 1,
    };
    let placed = grid_start::place(lowered, points, &demand)?;
    let autonomous = autonomous(lowered);
    let clock = noise_clock(noising);
    let variance = clock[clock.len() - 1].1;
    let axis = placed.grid.axes()[0];
    let width = 2.0 * placed.grid.at(placed.time).half_width[0];
    let step = width / (axis.count - 1) as f64;
    let finest = 1 << (CHAINS - 1);
    let most = if autonomous {
        MOST_LONG
    } else {
        MOST_LONG_TABLES
    };
    // The finest unit adds at least STEP_VARIANCE h².
    let affordable = variance / (finest as f64 * STEP_VARIANCE * step * step);
    let short = total_units(0) as f64;
    let long = ((affordable - short) / LENGTHS[LENGTHS.len() - 1] as f64).floor();
    if long.is_nan() || long < FEWEST_LONG as f64 {
        let needed = (finest * total_units(FEWEST_LONG)) as f64 * STEP_VARIANCE;
        let count = (width * (needed / variance).sqrt()).ceil() + 1.0;
        return Err(Refusal {
            method: "bridge",
            reason: format!(
                "the noise of the whole horizon spreads a point over {:.1} grid steps (standard deviation {:.3e}, step {step:.3e}), too few to compose it from short steps",
                variance.sqrt() / step,
                variance.sqrt()
            ),
            accepted: if count.is_finite() {
                format!("points = {count} or more")
            } else {
                "noise in the state".to_owned()
            },
        });
    }
    let ends = units((long as usize).min(most));
    let total = ends[ends.len() - 1] as f64;
    let mut times = vec![noising.start()];
    for pair in ends.windows(2) {
        for part in 1..=finest {
            let unit = pair[0] as f64 + (pair[1] - pair[0]) as f64 * part as f64 / finest as f64;
            times.push(read_off(&clock, variance * unit / total));
        }
    }
    let last = times.len() - 1;
    times[last] = noising.end();
    Ok(Admitted {
        placed,
        times,
        autonomous,
    })
}

/// One chain and its potentials.
struct Chain {
    kernels: KernelChain,
    /// `log phi_T` at the nodes.
    potential: Vec<f64>,
    log_hat_start: Vec<f64>,
    divergence: f64,
    end: Option<ReferenceEnd>,
}

/// The law of the reference at the end of the horizon.
#[derive(Clone, Copy)]
struct ReferenceEnd {
    /// `KL(pi | p_T)`.
    divergence: f64,
    /// Mass that left the grid.
    lost: f64,
}

/// Densities that do not change: both end laws, and the weights that integrate them.
struct Ends {
    weights: Vec<f64>,
    /// `log mu_0` at the nodes.
    log_data: Vec<f64>,
    /// `log pi`.
    log_start: Vec<f64>,
}

impl Ends {
    /// `∫ exp(log_density) value`.
    fn mean(&self, log_density: &[f64], value: impl Fn(usize) -> f64) -> f64 {
        let terms: Vec<f64> = log_density
            .iter()
            .enumerate()
            .map(|(i, log)| match self.weights[i] * log.exp() {
                0.0 => 0.0,
                mass => mass * value(i),
            })
            .collect();
        pairwise_sum(&terms)
    }

    fn log_mass(&self, log_density: &[f64]) -> f64 {
        self.mean(log_density, |_| 1.0).ln()
    }
}

/// The iteration under way.
pub(crate) struct ChainBridge {
    grid: StateGrid,
    ends: Ends,
    chains: Vec<Chain>,
}

/// What the converged chains say.
pub(crate) struct Answer {
    pub field: GridScore,
    /// Rms over time and law of the error of the control against the bridge's own.
    pub own_error: f64,
    /// Facts about the order in the step.
    pub orders: Vec<(&'static str, f64)>,
    /// Mass of the noising process that left the grid.
    pub mass_lost: f64,
}

impl ChainBridge {
    pub(crate) fn new(lowered: &Lowered, admitted: Admitted) -> Result<Self, SolveError> {
        let Admitted {
            placed: Placed { grid, time, law },
            times,
            autonomous,
        } = admitted;
        let states = grid.states(time);
        let nodes = states.column(0);
        let step = (nodes[nodes.len() - 1] - nodes[0]) / (nodes.len() - 1) as f64;
        let volume = grid.at(time).log_volume();
        let mut log_data = start_values(&grid, time, &law);
        log_data.iter_mut().for_each(|v| *v = -*v - volume);
        if let Some(value) = log_data.iter().find(|v| !v.is_finite()) {
            return Err(SolveError::NotFinite {
                what: "the log density of the data",
                value: *value,
                time,
                suggestion: "a smaller domain".to_owned(),
            });
        }
        let mut log_start = vec![0.0; nodes.len()];
        MixtureAt::new(lowered.prior()).log_density(states.as_ref(), &mut log_start);
        let mut ends = Ends {
            weights: trapezoid_weights(nodes.len(), step),
            log_data,
            log_start,
        };
        // A density may be known up to a constant only.
        let shift = ends.log_mass(&ends.log_data);
        ends.log_data.iter_mut().for_each(|v| *v -= shift);
        let chains = (0..CHAINS)
            .map(|k| {
                let times = times.iter().copied().step_by(1 << k).collect();
                Chain {
                    kernels: KernelChain::new(lowered.noising(), nodes, times, autonomous),
                    potential: vec![0.0; nodes.len()],
                    log_hat_start: Vec::new(),
                    divergence: 0.0,
                    end: None,
                }
            })
            .collect();
        Ok(Self { grid, ends, chains })
    }

    pub(crate) fn nodes(&self) -> usize {
        self.grid.nodes()
    }

    /// One full Sinkhorn sweep of every chain: the data marginal, then the start marginal. The largest total
    /// variation of a start marginal in between.
    pub(crate) fn sweep(&mut self, lowered: &Lowered) -> Result<f64, SolveError> {
        let mut worst = 0.0_f64;
        for chain in &mut self.chains {
            let measured = chain.sweep(&self.ends);
            if !measured.is_finite() {
                return Err(SolveError::NotFinite {
                    what: "start marginal of the bridge",
                    value: measured,
                    time: lowered.noising().end(),
                    suggestion: "more points, or a start law closer to the noised data".to_owned(),
                });
            }
            worst = worst.max(measured);
        }
        Ok(worst)
    }

    /// `KL(P|R)`.
    pub(crate) fn divergence(&self) -> f64 {
        extrapolate(self.chains[0].divergence, self.chains[1].divergence)
    }

    /// `KL(pi | p_T)`; 0 before the first sweep.
    pub(crate) fn end_divergence(&self) -> f64 {
        let [fine, coarse] = [0, 1].map(|k| self.chains[k].end.map_or(0.0, |end| end.divergence));
        extrapolate(fine, coarse)
    }

    /// `-log hat phi`, normalised at the start, in grid coordinates, at the steps of chain `kept`.
    fn tables(&self, k: usize, kept: usize) -> Vec<Vec<f64>> {
        let chain = &self.chains[k];
        let stride = 1 << (kept - k);
        let shift = self.ends.log_mass(&chain.log_hat_start) - self.grid.at(0.0).log_volume();
        let mut tables = Vec::new();
        chain.kernels.push(&chain.log_hat_start, |n, log| {
            if n % stride == 0 {
                tables.push(log.iter().map(|v| shift - v).collect());
            }
        });
        tables
    }

    pub(crate) fn answer(&self, lowered: &Lowered) -> Answer {
        let levels = [0, 1, KEPT].map(|k| self.tables(k, KEPT));
        let coarsest = self.tables(CHAINS - 1, CHAINS - 1);
        let combined = |a: &[Vec<f64>], b: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let one = |(a, b): (&Vec<f64>, &Vec<f64>)| {
                a.iter().zip(b).map(|(a, b)| extrapolate(*a, *b)).collect()
            };
            a.iter().zip(b).map(one).collect()
        };
        let first = combined(&levels[0], &levels[1]);
        let second = combined(&levels[1], &levels[2]);
        let times = self.chains[KEPT].kernels.times().to_vec();
        let half_width = self.grid.at(0.0).half_width[0];
        let away = |time: f64, a: &[f64], b: &[f64]| {
            let diffusivity =
                lowered.noising().noise(time).diffusivity(1)[(0, 0)] / half_width.powi(2);
            mean_squares(&self.grid, &[diffusivity], a, b).0
        };
        let t_min = lowered.problem.time_settings.t_min;
        let errors: Vec<_> = (0..times.len())
            .map(|n| (times[n], [away(times[n], &first[n], &second[n])]))
            .collect();
        let differences: Vec<_> = (0..coarsest.len())
            .map(|n| {
                let (m, t) = (2 * n, times[2 * n]);
                let pairs = [
                    away(t, &levels[0][m], &levels[1][m]),
                    away(t, &levels[1][m], &levels[2][m]),
                    away(t, &levels[2][m], &coarsest[n]),
                ];
                (t, pairs)
            })
            .collect();
        Answer {
            field: GridScore::new(self.grid.clone(), times, first)
                .expect("every table has the nodes of the grid"),
            own_error: ERROR_SHARE * time_mean(&errors, t_min)[0].sqrt(),
            orders: observed_orders(time_mean(&differences, t_min)),
            mass_lost: self.chains[0].end.map_or(0.0, |end| end.lost),
        }
    }
}

fn extrapolate(fine: f64, coarse: f64) -> f64 {
    fine + (fine - coarse) / 3.0
}

impl Chain {
    fn sweep(&mut self, ends: &Ends) -> f64 {
        let log_phi = self.kernels.pull(&self.potential);
        let data = ends.log_data.iter().zip(&log_phi);
        self.log_hat_start = data.map(|(data, phi)| data - phi).collect();
        let log_hat = self.kernels.push(&self.log_hat_start, |_, _| {});
        let differences: Vec<f64> = (0..log_hat.len())
            .map(|i| {
                let reached = (log_hat[i] + self.potential[i]).exp();
                0.5 * ends.weights[i] * (reached - ends.log_start[i].exp()).abs()
            })
            .collect();
        // The first potential is zero, so what it leads to is the law of the reference.
        self.end.get_or_insert_with(|| ReferenceEnd {
            divergence: ends.mean(&ends.log_start, |i| ends.log_start[i] - log_hat[i]),
            lost: 1.0 - ends.log_mass(&log_hat).exp(),
        });
        let start = ends.log_start.iter().zip(&log_hat);
        self.potential = start.map(|(start, hat)| start - hat).collect();
        self.divergence = ends.mean(&ends.log_start, |i| self.potential[i])
            - ends.mean(&ends.log_data, |i| log_phi[i]);
        pairwise_sum(&differences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Differentiable;
    use crate::numeric::batch::Batch;
    use crate::problem::parse_text;
    use crate::solvers::bridge::tilted_mixture::TiltedMixture;
    use crate::solvers::registry::methods::vocabulary;
    use std::path::Path;

    fn lowered(drift: &str, data: &str, prior: &str, horizon: f64) -> Lowered {
        let text = format!(
            "format = 1\n[problem]\nname = \"chain\"\nkind = \"reverse\"\n[data]\n{data}\n[prior]\n{prior}\n[dynamics]\nstate = \"x\"\ndrift = \"{drift}\"\ndiffusion = \"1.1\"\nhorizon = [0.0, {horizon:?}]\n"
        );
        let loaded =
            parse_text("chain.toml", &text, Path::new("."), &[], &vocabulary()).expect("valid");
        Lowered::new(loaded.problem).expect("additive noise")
    }

    fn converged(lowered: &Lowered, points: usize) -> ChainBridge {
        let admitted = admit(lowered, &[points]).expect("admitted");
        let mut bridge = ChainBridge::new(lowered, admitted).expect("finite data");
        for _ in 0..100 {
            if bridge.sweep(lowered).expect("finite") < 1e-10 {
                return bridge;
            }
        }
        panic!("a hundred sweeps are enough for these laws")
    }

    /// Gaussian ends under an affine drift: the divergence has a closed form (see the parent's tests), and the
    /// other road, whose kernel is one exact Gaussian, gives the score at all times.
    #[test]
    fn under_an_affine_drift_both_roads_meet_the_closed_form() {
        let (m0, a, m1, b) = (0.4, 0.3, -0.5, 1.7);
        let lowered = lowered(
            "-0.7*x",
            &format!("family = \"gaussian\"\nmean = [{m0}]\ncov = {a}"),
            &format!("family = \"gaussian\"\nmean = [{m1}]\ncov = {b}"),
            1.0,
        );
        let bridge = converged(&lowered, 601);
        let alpha = (-0.7_f64).exp();
        let s2 = 1.21 / 1.4 * (1.0 - alpha * alpha);
        let e = s2 / alpha;
        let c = 0.5 * (-e + (e * e + 4.0_f64 * a * b).sqrt());
        let conditional = b - c * c / a;
        let exact = 0.5
            * (conditional / s2 - 1.0 - (conditional / s2).ln()
                + ((m1 - alpha * m0).powi(2) + (c / a - alpha).powi(2) * a) / s2);
        assert!(
            (bridge.divergence() - exact).abs() < 1e-8,
            "{}",
            bridge.divergence()
        );
        // KL(pi | p_1) of two Gaussians.
        let (mean, v) = (alpha * m0, alpha * alpha * a + s2);
        let exact = 0.5 * (b / v - 1.0 - (b / v).ln() + (m1 - mean).powi(2) / v);
        assert!((bridge.end_divergence() - exact).abs() < 1e-8);

        let law = lowered.facts.marginals.clone().expect("affine");
        let kernel = lowered.noising().kernel(1.0).expect("affine");
        let mut other = TiltedMixture::new(&lowered, law, kernel, &[401]).expect("noise");
        for _ in 0..200 {
            other.sweep(&lowered).expect("finite");
        }
        let other = other.solution();
        let answer = bridge.answer(&lowered);
        assert!(answer.mass_lost.abs() < 1e-9);
        let x = Batch::from_columns(5, 1, vec![-1.5, -0.4, 0.3, 0.9, 2.0]);
        for t in [0.0, 0.013, 0.2, 0.77, 1.0] {
            let (mut found, mut known) = (Batch::zeros(5, 1), Batch::zeros(5, 1));
            let (mut f, mut k) = ([0.0; 5], [0.0; 5]);
            answer
                .field
                .eval_with_divergence(t, x.as_ref(), found.as_mut(), &mut f);
            other.eval_with_divergence(t, x.as_ref(), known.as_mut(), &mut k);
            for i in 0..5 {
                let (found, known) = (found.get(i, 0), known.get(i, 0));
                let room = 2e-5 * (1.0 + known.abs());
                assert!((found - known).abs() < room, "{t}: {found} {known}");
                assert!((f[i] - k[i]).abs() < 1e-3, "{t}: {} {}", f[i], k[i]);
            }
        }
    }

    /// Against itself: order two in the step under a drift without closed form, and the extrapolated answer far
    /// closer to its limit than its error estimate would allow it to stray.
    #[test]
    fn the_order_in_the_step_is_two() {
        let lowered = lowered(
            "x - x^3",
            "family = \"mixture\"\nweights = [0.7, 0.3]\nmeans = [-0.5, 0.8]\ncovs = [0.04, 0.02]",
            "family = \"gaussian\"\nmean = 0.1\ncov = 1.0",
            1.0,
        );
        let answer = converged(&lowered, 401).answer(&lowered);
        let orders: Vec<f64> = answer.orders.iter().map(|fact| fact.1).collect();
        assert!((orders[0] - 2.0).abs() < 0.15, "{orders:?}");
        // The coarser levels are four times as far from the limit.
        assert!((orders[1] - 2.0).abs() < 0.6, "{orders:?}");
        assert!(answer.own_error < 1e-3, "{:e}", answer.own_error);
    }

    #[test]
    fn a_grid_too_coarse_for_the_noise_is_refused_with_one_that_is_not() {
        let data = "family = \"gaussian\"\nmean = 0.0\ncov = 1.0";
        let lowered = lowered("-x^3", data, data, 0.01);
        let refusal = admit(&lowered, &[201]).expect_err("too coarse");
        let needed: usize = refusal
            .accepted
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .expect("a count");
        // The count that is named is accepted, nine tenths of it are not.
        assert!(admit(&lowered, &[needed]).is_ok(), "{refusal}");
        assert!(admit(&lowered, &[9 * needed / 10]).is_err());
    }
}
