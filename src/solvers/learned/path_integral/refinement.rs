//! A control for weighted paths, fitted to its own weighted paths round by round: the cross-entropy method.
//!
//! ```text
//! E_w[ theta_u - theta_v | x ] dt = E_w[ dW | x ],      w ~ dP*/dP^v
//! theta_u = theta_v + delta,      sum_i w_i int psi psi' dt delta = sum_i (w_i - 1/n) int psi dW'
//! ```
//!
//! Each round walks under the present control `v` and fits the next one, which minimises `KL(P* | P^u)` over polynomials
//! on stretches of time: linear least squares with the weights `w`. The noise of the right side is that of the weights
//! about their mean, `int psi dW'` having mean zero without them: it vanishes together with the spread of the weights, and a
//! control within the polynomials is found exactly.
//!
//! # From afar
//! Where few paths carry the sum the weights are raised to the largest power that leaves [`LEAST_SHARE`] of the paths as
//! effective ones: the fit then goes part of the way. Of a fitted `delta` the share `1 - p (sum w^2 - 1/n) / |delta|^2`
//! is taken, or nothing if that is negative: what `p` terms fitted to noise alone would have as their square is
//! `p (sum w^2 - 1/n)` (Stein's estimate, for each stretch and component of the noise).
//!
//! The first rounds fit one polynomial for the whole horizon, where few paths tell the most; stretches are halved when a
//! round has gained little ([`crate::solvers::learned::path_integral`]). From nothing, on twenty states that run away,
//! 4096 paths come to effective shares above a tenth in ten rounds that way, and in none of twenty with twenty stretches
//! from the start.
//!
//! # Source
//! Zhang, Wang, Hartmann, Weber, Schütte, *SIAM J. Sci. Comput.* 36 (2014); Kappen, Ruiz, *J. Stat. Phys.* 162 (2016),
//! section 3; James, Stein, *4th Berkeley Symp.* (1961).

use crate::field::Field;
use crate::field::hermite::HermiteTerms;
use crate::field::idle::Idle;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{CHUNK, pairwise_add};
use crate::numeric::dense::Cholesky;
use crate::numeric::random::{Stream, Streams};
use crate::solvers::driver::SolveError;
use crate::solvers::learned::path_integral::steering::{
    Chart, Corrected, Steering, Stretch, Stretches,
};
use crate::solvers::learned::path_integral::weighing::Weighing;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::steered_walk::{Seen, SteeredPaths, SteeredWalk};
use crate::solvers::walk::weights::{effective_share, normalised};
use faer::{Accum, MatMut, Par};
use nalgebra::DMatrix;
use std::sync::Arc;

/// Paths that are walked together; sums over paths are sums over slabs, in order.
const SLAB: usize = 2048;
/// Share of effective paths that the weights of a fit have at least.
const LEAST_SHARE: f64 = 0.1;
/// Share of the fit in which all paths count alike, so that it stays near the present control where no weight is.
const ALIKE: f64 = 1e-3;
/// Diagonal added to the matrix of a fit, over its mean diagonal.
const RIDGE: f64 = 1e-9;
/// Bisections to the power of the weights.
const BISECTIONS: usize = 50;

/// Rounds of one solver.
pub(super) struct Refinement<'a> {
    pub lowered: &'a Lowered,
    pub weighing: &'a Weighing,
    /// What the polynomials are added to.
    pub policy: Option<&'a dyn Field>,
    pub terms: &'a Arc<HermiteTerms>,
    pub paths: usize,
    pub steps: usize,
    /// Stretches of time of the next control, each with a polynomial of its own.
    pub stretches: usize,
    pub streams: Streams,
}

/// What a round has seen of the control it began with, and the next control.
pub(super) struct Round {
    /// `None`: the paths of this round left the numbers, and taught nothing.
    pub next: Option<Steering>,
    pub log_weights: Vec<f64>,
    /// The power of the weights.
    pub power: f64,
}

/// Walks under the policy, corrected where there is a correction.
pub(super) fn steered<T>(
    lowered: &Lowered,
    policy: Option<&dyn Field>,
    correction: Option<&Steering>,
    walk: impl FnOnce(&dyn Field) -> T,
) -> T {
    let idle = Idle {
        states: lowered.compiled.steered.dimension(),
        controls: lowered.compiled.steered.controls(),
    };
    match (policy, correction) {
        (Some(policy), Some(correction)) => walk(&Corrected { policy, correction }),
        (Some(policy), None) => walk(policy),
        (None, Some(correction)) => walk(correction),
        (None, None) => walk(&idle),
    }
}

/// A slab of paths.
struct Slab {
    start: Batch,
    stream: Stream,
    /// Number of its first path.
    first: usize,
}

impl Refinement<'_> {
    fn times(&self) -> Stretches {
        let process = &self.lowered.compiled.steered;
        let count = self.stretches.min(self.steps);
        Stretches {
            start: process.start(),
            length: (process.end() - process.start()) / count as f64,
            count,
        }
    }

    fn slab(&self, k: usize) -> Slab {
        let first = k * SLAB;
        let points = SLAB.min(self.paths - first);
        let start = self.streams.role("start");
        Slab {
            start: self.lowered.draw_start(&start, first as u64, points),
            stream: self.streams.role(&format!("noise {k}")),
            first,
        }
    }

    fn walk<O: Send>(
        &self,
        slab: &Slab,
        present: Option<&Steering>,
        observer: impl Fn(u64, usize) -> O,
        look: impl Fn(&Seen<'_>, &mut O) + Sync,
    ) -> (SteeredPaths, Vec<O>) {
        steered(self.lowered, self.policy, present, |policy| {
            let walk = SteeredWalk {
                lowered: self.lowered,
                policy,
                steps: self.steps,
                finest: 0,
                stream: &slab.stream,
            };
            walk.watched(slab.start.as_ref(), 0, observer, look)
        })
    }

    /// One round.
    ///
    /// # Errors
    /// A fit without a solution.
    pub fn round(&self, present: Option<&Steering>) -> Result<Round, SolveError> {
        let slabs: Vec<Slab> = (0..self.paths.div_ceil(SLAB))
            .map(|k| self.slab(k))
            .collect();
        let (log_weights, charts) = self.look_around(&slabs, present);
        let lost = log_weights
            .iter()
            .any(|w| !w.is_finite() && *w > f64::NEG_INFINITY);
        let nothing = log_weights.iter().all(|w| *w == f64::NEG_INFINITY);
        let Some(charts) = charts.filter(|_| !lost && !nothing) else {
            return Ok(Round {
                next: None,
                log_weights,
                power: 0.0,
            });
        };
        let power = tempering(&log_weights);
        let weights = normalised(&tempered(&log_weights, power));
        let next = self.fit(&slabs, present, &weights, charts)?;
        Ok(Round {
            next: Some(next),
            log_weights,
            power,
        })
    }

    /// Log weights under the present control, and where its paths are; `None` where some left the numbers.
    fn look_around(
        &self,
        slabs: &[Slab],
        present: Option<&Steering>,
    ) -> (Vec<f64>, Option<Vec<Chart>>) {
        let (times, d) = (self.times(), self.lowered.compiled.steered.dimension());
        let columns = 1 + 2 * d;
        let origin = self.lowered.draw_start(&self.streams.role("start"), 0, 1);
        let origin = origin.row(0);
        let mut log_weights = Vec::with_capacity(self.paths);
        let mut sums = vec![0.0; times.count * columns];
        for slab in slabs {
            let room = |_, points: usize| {
                vec![vec![0.0; times.count * columns]; usize::div_ceil(points, CHUNK)]
            };
            let (paths, seen) = self.walk(slab, present, room, |seen, chunks: &mut Vec<_>| {
                let from = times.at(seen.t) * columns;
                for (i, lived) in seen.lived.iter().enumerate() {
                    if *lived == 0.0 {
                        continue;
                    }
                    let sums: &mut [f64] = &mut chunks[i / CHUNK][from..from + columns];
                    sums[0] += 1.0;
                    for (j, origin) in origin.iter().enumerate() {
                        let x = seen.x.get(i, j) - origin;
                        sums[1 + 2 * j] += x;
                        sums[2 + 2 * j] += x * x;
                    }
                }
            });
            let chunks = seen.into_iter().flatten().collect();
            for (sum, part) in sums
                .iter_mut()
                .zip(pairwise_add(chunks).unwrap_or_default())
            {
                *sum += part;
            }
            log_weights.extend(self.weighing.log_weights(&slab.start, &paths));
        }
        let finite = sums.iter().all(|sum| sum.is_finite());
        let charts = sums.chunks(columns).map(|sums| chart(sums, &origin));
        (log_weights, finite.then(|| charts.collect()))
    }

    /// The next control.
    fn fit(
        &self,
        slabs: &[Slab],
        present: Option<&Steering>,
        weights: &[f64],
        charts: Vec<Chart>,
    ) -> Result<Steering, SolveError> {
        let times = self.times();
        let shape = Shape {
            terms: self.terms.terms(),
            noises: self.lowered.compiled.steered.noises(),
        };
        let alike = 1.0 / weights.len() as f64;
        let mut sums = vec![0.0; times.count * shape.size()];
        for slab in slabs {
            let room = |first: u64, points: usize| {
                let sums = vec![vec![0.0; times.count * shape.size()]; points.div_ceil(CHUNK)];
                (slab.first + first as usize, sums)
            };
            let (_, seen) = self.walk(slab, present, room, |seen, (first, sums)| {
                let k = times.at(seen.t);
                let psi = charts[k].terms(self.terms, seen.x);
                let theta = present.map(|present| present.theta(seen.t, seen.x));
                let weights = &weights[*first..*first + seen.x.points()];
                let right = shape.right(seen, &psi, theta.as_ref(), weights, alike);
                for (c, sums) in sums.iter_mut().enumerate() {
                    let rows = c * CHUNK..((c + 1) * CHUNK).min(psi.points());
                    let to = &mut sums[k * shape.size()..(k + 1) * shape.size()];
                    shape.add(
                        psi.as_ref().rows(rows.clone()),
                        right.as_ref().rows(rows),
                        to,
                    );
                }
            });
            let chunks = seen.into_iter().flat_map(|(_, sums)| sums).collect();
            for (sum, part) in sums
                .iter_mut()
                .zip(pairwise_add(chunks).unwrap_or_default())
            {
                *sum += part;
            }
        }
        let spread = weights.iter().map(|w| w * w).sum::<f64>() - alike;
        let stretches = charts.into_iter().zip(sums.chunks(shape.size()));
        let stretches = stretches.map(|(chart, sums)| {
            let coefficients = shape.solve(sums, spread)?;
            Ok(Stretch {
                chart,
                coefficients,
            })
        });
        let temperature = self.weighing.temperature();
        Ok(Steering {
            process: match present {
                Some(present) => present.process.clone(),
                None => Arc::new(self.lowered.compiled.steered.clone()),
            },
            temperature,
            terms: self.terms.clone(),
            times,
            stretches: stretches.collect::<Result<_, SolveError>>()?,
        })
    }
}

/// Coordinates from the count and the sums of `x - origin` and its square.
fn chart(sums: &[f64], origin: &[f64]) -> Chart {
    // No path lived that long: any coordinates will do.
    let count = sums[0].max(1.0);
    let moments = sums[1..].chunks(2).map(|s| (s[0] / count, s[1] / count));
    let scale = |(mean, square): (f64, f64)| {
        let variance = square - mean * mean;
        // Rounding of the difference looks like a variance.
        match variance > 1e-12 * square {
            true => variance.sqrt(),
            false => 1.0,
        }
    };
    Chart {
        mean: moments
            .clone()
            .zip(origin)
            .map(|((m, _), x)| x + m)
            .collect(),
        scale: moments.map(scale).collect(),
    }
}

/// Weights raised to a power; those of zero stay so.
fn tempered(log_weights: &[f64], power: f64) -> Vec<f64> {
    let raised = |w: &f64| match *w == f64::NEG_INFINITY {
        true => *w,
        false => power * w,
    };
    log_weights.iter().map(raised).collect()
}

/// The largest power that leaves enough effective paths.
fn tempering(log_weights: &[f64]) -> f64 {
    let share = |power: f64| effective_share(&tempered(log_weights, power));
    if share(1.0) >= LEAST_SHARE {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (low + high);
        if share(middle) >= LEAST_SHARE {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The sums of a stretch: terms × (terms, noises for the present control, noises for the change).
#[derive(Clone, Copy)]
struct Shape {
    terms: usize,
    noises: usize,
}

impl Shape {
    fn columns(self) -> usize {
        self.terms + 2 * self.noises
    }

    fn size(self) -> usize {
        self.terms * self.columns()
    }

    /// What the terms of one step are multiplied with: themselves and the present control with their weights and the
    /// time lived, and the noise with what its weight has above the mean.
    fn right(
        self,
        seen: &Seen<'_>,
        psi: &Batch,
        theta: Option<&Batch>,
        weights: &[f64],
        alike: f64,
    ) -> Batch {
        let mut right = Batch::zeros(psi.points(), self.columns());
        let shares = weights.iter().zip(seen.lived);
        let shares = shares.map(|(w, lived)| ((1.0 - ALIKE) * w + ALIKE * alike) * seen.dt * lived);
        let shares: Vec<f64> = shares.collect();
        let mut put = |column: usize, factors: &mut dyn Iterator<Item = f64>, values: &[f64]| {
            let to = right.column_mut(column).iter_mut();
            for ((to, factor), value) in to.zip(factors).zip(values) {
                *to = factor * value;
            }
        };
        for j in 0..self.terms {
            put(j, &mut shares.iter().copied(), psi.column(j));
        }
        for k in 0..self.noises {
            if let Some(theta) = theta {
                put(self.terms + k, &mut shares.iter().copied(), theta.column(k));
            }
            put(
                self.terms + self.noises + k,
                &mut weights.iter().map(|w| w - alike),
                seen.increment.column(k),
            );
        }
        right
    }

    /// Adds `psi' right` to `to`.
    fn add(self, psi: BatchRef<'_>, right: BatchRef<'_>, to: &mut [f64]) {
        let to = MatMut::from_column_major_slice_mut(to, self.terms, self.columns());
        let (psi, right) = (psi.faer().transpose(), right.faer());
        faer::linalg::matmul::matmul(to, Accum::Add, psi, right, 1.0, Par::Seq);
    }

    /// Coefficients of the next control; `spread` is what the squares of the weights sum to above equal ones.
    fn solve(self, sums: &[f64], spread: f64) -> Result<DMatrix<f64>, SolveError> {
        let (p, r) = (self.terms, self.noises);
        let all = DMatrix::from_column_slice(p, self.columns(), sums);
        let mut matrix = all.columns(0, p).into_owned();
        let mean = matrix.trace() / p as f64;
        if mean == 0.0 {
            // No path lived that long.
            return Ok(DMatrix::zeros(p, r));
        }
        for j in 0..p {
            matrix[(j, j)] += RIDGE * mean;
        }
        let factor = Cholesky::new(&matrix).map_err(|_| SolveError::Singular {
            system: "fit of the control to weighted paths",
            pivot: mean,
            suggestion: "a smaller degree, or more paths".to_owned(),
        })?;
        let mut next = factor.solve(&all.columns(p, r).into_owned());
        let right = all.columns(p + r, r).into_owned();
        let change = factor.solve(&right);
        for k in 0..r {
            let square = change.column(k).dot(&right.column(k));
            let kept = 1.0 - p as f64 * spread.max(0.0) / square;
            if kept > 0.0 {
                let sum = next.column(k) + kept * change.column(k);
                next.set_column(k, &sum);
            }
        }
        Ok(next)
    }
}
