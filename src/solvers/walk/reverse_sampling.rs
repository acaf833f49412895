//! Generation with a found score: the h-family of reverse processes.
//!
//! ```text
//! dY = b_h dtau + sqrt(h) G dB,     b_h = -f + (1 + h)/2 D s
//! ```
//!
//! h = 0 is the probability flow, h = 1 the reverse-time SDE; with the exact score every h has the
//! marginals of the noising process.
//!
//! # Source
//! Anderson (1982) for h = 1; Song et al. (2021), section 4.3, for h = 0; Hirono, Tanaka, Fukushima
//! (arXiv 2403.11262) for the family.
//!
//! # Checked by
//! `h-invariance`, `verification`, `likelihood`

use crate::discretization::noising::{Noising, Transition};
use crate::discretization::reverse_step::{NoisedMoments, ReverseStep};
use crate::discretization::schedule::Schedule;
use crate::discretization::time_grid::TimeGrid;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::blocks::map_blocks;
use crate::numeric::random::Stream;
use crate::problem::meant::model::Integrator;

/// How to walk from the prior end to the data end.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    pub noising: &'a Noising,
    pub score: &'a dyn Field,
    pub grid: &'a TimeGrid,
    /// h ≥ 0.
    pub noise_level: f64,
    pub integrator: Integrator,
    /// Noise is addressed by (path, step) in this stream.
    pub stream: &'a Stream,
    /// Paths per block; results do not depend on it.
    pub block: usize,
}

/// Scratch of one block of paths.
struct Scratch {
    drift: Batch,
    second_drift: Batch,
    score: Batch,
    noise: Batch,
    trial: Batch,
}

impl Scratch {
    fn new(points: usize, states: usize, noises: usize) -> Self {
        Self {
            drift: Batch::zeros(points, states),
            second_drift: Batch::zeros(points, states),
            score: Batch::zeros(points, states),
            noise: Batch::zeros(points, noises),
            trial: Batch::zeros(points, states),
        }
    }
}

/// Coefficients of a step that is linear in the state, the frozen score and the noise.
struct LinearStep {
    state: f64,
    score: f64,
    spread: f64,
}

impl Walk<'_> {
    /// Walks every start point to the data end; rows keep their order.
    pub fn run(&self, start: BatchRef<'_>) -> Batch {
        self.run_watched(start, &[]).0
    }

    /// Also returns the state of all paths at the given grid node indices, in the order given.
    pub fn run_watched(&self, start: BatchRef<'_>, watched: &[usize]) -> (Batch, Vec<Batch>) {
        let (points, states) = (start.points(), start.columns());
        let blocks = map_blocks(points, self.block, |range| {
            let first = range.start as u64;
            let mut y = start.rows(range).to_batch();
            let mut scratch = Scratch::new(y.points(), states, self.noising.noises());
            let mut seen = vec![Batch::default(); watched.len()];
            let nodes = self.grid.nodes();
            let mut watch = |node: usize, y: &Batch| {
                for (slot, w) in watched.iter().enumerate() {
                    if *w == node {
                        seen[slot] = y.clone();
                    }
                }
            };
            watch(nodes.len() - 1, &y);
            for node in (1..nodes.len()).rev() {
                self.step(
                    nodes[node],
                    nodes[node - 1],
                    node,
                    first,
                    &mut y,
                    &mut scratch,
                );
                watch(node - 1, &y);
            }
            (y, seen)
        });
        let mut out = Batch::zeros(points, states);
        let mut records = vec![Batch::zeros(points, states); watched.len()];
        let mut row = 0;
        for (y, seen) in &blocks {
            out.write_rows(row, y.as_ref());
            for (record, piece) in records.iter_mut().zip(seen) {
                record.write_rows(row, piece.as_ref());
            }
            row += y.points();
        }
        (out, records)
    }

    /// One step from forward time `late` to `early`.
    fn step(
        &self,
        late: f64,
        early: f64,
        node: usize,
        first: u64,
        y: &mut Batch,
        scratch: &mut Scratch,
    ) {
        let step = late - early;
        if self.noise_level > 0.0 {
            self.stream
                .normals(first, node as u32, scratch.noise.as_mut());
        }
        let isotropic = match self.noising.transition() {
            Some(Transition::Isotropic { schedule, centre }) => Some((schedule, centre)),
            _ => None,
        };
        match (self.integrator, isotropic) {
            (Integrator::ExponentialEuler, Some((schedule, centre))) => {
                let linear = self.exponential_euler(schedule, late, early);
                self.linear_step(&linear, centre, late, y, scratch);
            }
            (Integrator::Ddpm, Some((schedule, centre))) => {
                let linear = self.frozen_denoiser(schedule, late, early);
                self.linear_step(&linear, centre, late, y, scratch);
            }
            (Integrator::Heun, _) => self.heun(late, early, y, scratch),
            _ => self.euler_maruyama(late, step, y, scratch),
        }
    }

    /// Strong order 1 for additive noise, weak order 1.
    fn euler_maruyama(&self, late: f64, step: f64, y: &mut Batch, scratch: &mut Scratch) {
        self.reverse_drift(late, y.as_ref(), &mut scratch.score, scratch.drift.as_mut());
        y.add_scaled(step, &scratch.drift);
        if self.noise_level > 0.0 {
            self.noising.noise(late).add_times(
                (self.noise_level * step).sqrt(),
                scratch.noise.as_ref(),
                y.as_mut(),
            );
        }
    }

    /// Heun's method; with additive noise of averaged amplitude it keeps weak order 2.
    fn heun(&self, late: f64, early: f64, y: &mut Batch, scratch: &mut Scratch) {
        let step = late - early;
        let spread = (self.noise_level * step).sqrt();
        self.reverse_drift(late, y.as_ref(), &mut scratch.score, scratch.drift.as_mut());
        if spread > 0.0 {
            for t in [late, early] {
                self.noising
                    .noise(t)
                    .add_times(0.5 * spread, scratch.noise.as_ref(), y.as_mut());
            }
        }
        scratch.trial.as_mut().copy_from(y.as_ref());
        scratch.trial.add_scaled(step, &scratch.drift);
        self.reverse_drift(
            early,
            scratch.trial.as_ref(),
            &mut scratch.score,
            scratch.second_drift.as_mut(),
        );
        y.add_scaled(0.5 * step, &scratch.drift);
        y.add_scaled(0.5 * step, &scratch.second_drift);
    }

    /// `y ← c + state (y − c) + score s + spread z` with the score at the late end.
    fn linear_step(
        &self,
        linear: &LinearStep,
        centre: &[f64],
        late: f64,
        y: &mut Batch,
        scratch: &mut Scratch,
    ) {
        self.score.eval(late, y.as_ref(), scratch.score.as_mut());
        let LinearStep {
            state,
            score,
            spread,
        } = *linear;
        for (j, centre) in centre.iter().enumerate() {
            let (s, z) = (scratch.score.column(j), scratch.noise.column(j));
            for ((y, s), z) in y.column_mut(j).iter_mut().zip(s).zip(z) {
                *y = centre + state * (*y - centre) + score * s + spread * z;
            }
        }
    }

    /// The linear part of the reversed drift and its noise exactly, the score frozen over the step.
    ///
    /// With `a(v) = 1/alpha_{v|early}`: `y ← c + a(late) (y − c) + (1+h)/2 ∫ a g² dv · s + noise` of
    /// variance `h sigma²_{late|early} a(late)²`. The integral is Simpson's, two orders above the scheme.
    fn exponential_euler(&self, schedule: &Schedule, late: f64, early: f64) -> LinearStep {
        let growth = |v: f64| 1.0 / schedule.mean_factor(early, v);
        let (middle, factor) = (0.5 * (early + late), growth(late));
        let weight = (late - early) / 6.0
            * (schedule.diffusivity(early)
                + 4.0 * growth(middle) * schedule.diffusivity(middle)
                + factor * schedule.diffusivity(late));
        LinearStep {
            state: factor,
            score: 0.5 * (1.0 + self.noise_level) * weight,
            spread: factor * (self.noise_level * schedule.noise_variance(early, late)).sqrt(),
        }
    }

    /// [`ReverseStep`] with the denoiser of the score at the late end.
    fn frozen_denoiser(&self, schedule: &Schedule, late: f64, early: f64) -> LinearStep {
        let moments = |t: f64| NoisedMoments::at(schedule, self.noising.start(), t);
        let step = ReverseStep::between(moments(late), moments(early), self.noise_level);
        let (state, score) = step.from_score(moments(late));
        LinearStep {
            state,
            score,
            spread: step.variance.sqrt(),
        }
    }

    /// `b_h = −f + (1+h)/2 D s` at forward time t.
    fn reverse_drift(&self, t: f64, y: BatchRef<'_>, score: &mut Batch, mut out: BatchMut<'_>) {
        self.score.eval(t, y, score.as_mut());
        self.noising.drift(t, y, out.reborrow());
        for j in 0..y.columns() {
            out.column_mut(j).iter_mut().for_each(|b| *b = -*b);
        }
        self.noising.noise(t).add_diffusivity_times(
            0.5 * (1.0 + self.noise_level),
            score.as_ref(),
            out,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discretization::schedule::TimeFunction;
    use crate::field::draws::draw_mixture;
    use crate::field::noised_mixture::NoisedMixture;
    use crate::numeric::estimate::Estimate;
    use crate::numeric::random::Streams;
    use crate::problem::meant::law::{Covariance, Mixture};
    use crate::problem::meant::model::Spacing;

    fn variance_preserving(dimension: usize) -> Noising {
        let beta = TimeFunction::Linear {
            lo: 0.1,
            slope: 4.9,
        };
        Noising::isotropic(Schedule::VariancePreserving(beta), dimension, 0.0, 1.0)
    }

    fn gaussian_score(noising: &Noising, variance: f64) -> NoisedMixture {
        NoisedMixture::new(
            Mixture::gaussian(vec![0.0], Covariance::Isotropic(variance)),
            noising.transition().expect("affine").clone(),
            0.0,
        )
    }

    /// One deterministic path of the probability flow: for Gaussian data it is the scaling
    /// `y_0 = y_T sqrt(v_0 / v_T)`.
    fn flow_error(integrator: Integrator, steps: usize) -> f64 {
        let noising = variance_preserving(1);
        let score = gaussian_score(&noising, 0.3);
        let grid = TimeGrid::new(&noising, 0.0, steps, Spacing::Uniform);
        let stream = Streams::new(1).role("unused");
        let walk = Walk {
            noising: &noising,
            score: &score,
            grid: &grid,
            noise_level: 0.0,
            integrator,
            stream: &stream,
            block: 8,
        };
        let end = walk.run(Batch::from_rows(1, &[[1.0]]).as_ref());
        let signal = noising
            .schedule()
            .expect("isotropic")
            .mean_factor(0.0, 1.0)
            .powi(2);
        let exact = (0.3 / (1.0 - signal + 0.3 * signal)).sqrt();
        (end.get(0, 0) - exact).abs()
    }

    #[test]
    fn probability_flow_orders_are_one_and_two_towards_the_closed_form() {
        for (integrator, order) in [
            (Integrator::EulerMaruyama, 1.0),
            (Integrator::ExponentialEuler, 1.0),
            (Integrator::Ddpm, 1.0),
            (Integrator::Heun, 2.0),
        ] {
            let (coarse, fine) = (flow_error(integrator, 200), flow_error(integrator, 400));
            let measured = (coarse / fine).log2();
            assert!((measured - order).abs() < 0.1, "{integrator:?}: {measured}");
            assert!(
                fine < 1e-2,
                "{integrator:?} converges to the closed form: {fine:e}"
            );
        }
    }

    /// Exact score and exact start law: every h reaches the data variance. Seed 5, 4.5 standard
    /// errors and a step-bias allowance from the weak order; false-alarm probability below 4e-5.
    #[test]
    fn every_noise_level_reaches_the_data_law() {
        let noising = variance_preserving(1);
        let score = gaussian_score(&noising, 0.3);
        let grid = TimeGrid::new(&noising, 0.0, 200, Spacing::Cosine);
        let start_law = score.mixture_at(1.0);
        for (n, h) in [0.0, 0.5, 1.0, 2.0].into_iter().enumerate() {
            let streams = Streams::new(5 + n as u64);
            let start = draw_mixture(&start_law, &streams.role("start"), 0, 40_000);
            let walk = Walk {
                noising: &noising,
                score: &score,
                grid: &grid,
                noise_level: h,
                integrator: Integrator::Heun,
                stream: &streams.role("noise"),
                block: 256,
            };
            let end = walk.run(start.as_ref());
            let squares: Vec<f64> = end.column(0).iter().map(|y| y * y).collect();
            let variance = Estimate::from_samples(&squares);
            assert!(
                (variance.value - 0.3).abs() < 4.5 * variance.error + 2e-4,
                "h = {h}: {variance:?}"
            );
        }
    }

    #[test]
    fn results_do_not_depend_on_blocks_or_threads() {
        let noising = variance_preserving(1);
        let score = gaussian_score(&noising, 0.3);
        let grid = TimeGrid::new(&noising, 1e-3, 20, Spacing::LogSnr);
        let stream = Streams::new(9).role("noise");
        let start = draw_mixture(
            &score.mixture_at(1.0),
            &Streams::new(9).role("start"),
            0,
            500,
        );
        let run = |block, threads| {
            crate::numeric::blocks::with_threads(threads, || {
                Walk {
                    noising: &noising,
                    score: &score,
                    grid: &grid,
                    noise_level: 1.0,
                    integrator: Integrator::ExponentialEuler,
                    stream: &stream,
                    block,
                }
                .run(start.as_ref())
            })
        };
        let reference = run(256, 1);
        assert_eq!(reference, run(64, 2));
        assert_eq!(reference, run(100, 3));
    }
}
