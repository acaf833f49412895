//! The likelihood-weighted score-matching objective of fields that are not linear in their parameters.

use crate::field::family::Family;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{CHUNK, pairwise_add, pairwise_sum};
use crate::numeric::random::Streams;
use crate::solvers::learned::metric::Metric;
use crate::solvers::learned::optimizer::Objective;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Points at one time with their share of the objective.
pub struct ScoreTime {
    pub time: f64,
    /// `∫ hat g² dt`.
    pub weight: f64,
    pub x: Batch,
    /// Conditional scores; absent for the implicit objective.
    pub target: Option<Batch>,
}

/// `Σ_times weight · mean(½|ŝ|² − ŝ·target)` or `Σ_times weight · mean(½|ŝ|² + ∇·ŝ)`, in the
/// coordinates of its Gauss–Newton metric.
pub struct ScoreDescent {
    times: Vec<ScoreTime>,
    /// (time, first point) of every chunk.
    chunks: Vec<(usize, usize)>,
    family: Mutex<Family>,
    metric: Metric,
}

impl ScoreDescent {
    /// The metric is that of the family's current parameters.
    pub fn new(family: Family, times: Vec<ScoreTime>, streams: &Streams) -> Self {
        let chunks = times
            .iter()
            .enumerate()
            .flat_map(|(k, t)| (0..t.x.points()).step_by(CHUNK).map(move |i| (k, i)))
            .collect();
        let origin = family.get().parameters().to_vec();
        let mut objective = Self {
            times,
            chunks,
            metric: Metric::of_diagonal(origin.clone(), vec![1.0; origin.len()], &[]),
            family: Mutex::new(family),
        };
        objective.metric = Metric::probed(origin, &[], |size, collect| {
            objective.probe(streams, size, collect)
        });
        objective
    }

    pub fn points(&self) -> usize {
        self.times.iter().map(|t| t.x.points()).sum()
    }

    /// The field's parameters at a point of the descent.
    pub fn parameters(&self, eta: &[f64]) -> Vec<f64> {
        self.metric.parameters(eta)
    }

    /// `Σ weight E (∂s/∂θ)ᵀ (∂s/∂θ)` with one random probe per chunk: `collect` adds the products of a pulled-back
    /// probe that are wanted.
    fn probe(
        &self,
        streams: &Streams,
        size: usize,
        collect: fn(&[f64], f64, &mut [f64]),
    ) -> Vec<f64> {
        let stream = streams.role("metric-probe");
        let family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        let family = family.get();
        let partials: Vec<Vec<f64>> = self
            .chunks
            .par_iter()
            .map(|(k, first)| {
                let (time, x) = self.chunk(*k, *first);
                let mut probe = Batch::zeros(x.points(), x.columns());
                stream.normals(*first as u64, *k as u32, probe.as_mut());
                let mut g = vec![0.0; family.parameters().len()];
                family.pull_back(time.time, x, probe.as_ref(), &mut g);
                let scale = time.weight / time.x.points() as f64;
                let mut products = vec![0.0; size];
                collect(&g, scale, &mut products);
                products
            })
            .collect();
        pairwise_add(partials).unwrap_or_else(|| vec![0.0; size])
    }

    fn chunk(&self, k: usize, first: usize) -> (&ScoreTime, BatchRef<'_>) {
        let time = &self.times[k];
        let end = (first + CHUNK).min(time.x.points());
        (time, time.x.as_ref().rows(first..end))
    }

    /// Value over the chunk, and its gradient if asked.
    fn part(&self, family: &Family, k: usize, first: usize, gradient: Option<&mut [f64]>) -> f64 {
        let (time, x) = self.chunk(k, first);
        let family = family.get();
        let scale = time.weight / time.x.points() as f64;
        let mut s = Batch::zeros(x.points(), x.columns());
        let mut value = 0.0;
        match &time.target {
            Some(target) => {
                let target = target.as_ref().rows(first..first + x.points());
                family.eval(time.time, x, s.as_mut());
                for j in 0..x.columns() {
                    for (s, t) in s.column_mut(j).iter_mut().zip(target.column(j)) {
                        value += scale * *s * (0.5 * *s - t);
                        *s = scale * (*s - t);
                    }
                }
                if let Some(gradient) = gradient {
                    family.pull_back(time.time, x, s.as_ref(), gradient);
                }
            }
            None => {
                let mut divergence = vec![0.0; x.points()];
                family.eval_with_divergence(time.time, x, s.as_mut(), &mut divergence);
                value += scale * divergence.iter().sum::<f64>();
                for s in s.as_mut_slice() {
                    value += 0.5 * scale * *s * *s;
                    *s *= scale;
                }
                if let Some(gradient) = gradient {
                    let weight = vec![scale; x.points()];
                    family.pull_back(time.time, x, s.as_ref(), gradient);
                    family.pull_back_divergence(time.time, x, &weight, gradient);
                }
            }
        }
        value
    }
}

impl Objective for ScoreDescent {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        family.get_mut().set_parameters(&self.metric.parameters(x));
        let family: &Family = &family;
        let (values, partials): (Vec<f64>, Vec<Vec<f64>>) = self
            .chunks
            .par_iter()
            .map(|(k, first)| {
                let mut partial = vec![0.0; gradient.len()];
                (self.part(family, *k, *first, Some(&mut partial)), partial)
            })
            .unzip();
        if let Some(total) = pairwise_add(partials) {
            gradient.copy_from_slice(&total);
        }
        self.metric.pull_back(gradient);
        pairwise_sum(&values)
    }

    fn value(&self, x: &[f64]) -> f64 {
        let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        family.get_mut().set_parameters(&self.metric.parameters(x));
        let family: &Family = &family;
        let values: Vec<f64> = self
            .chunks
            .par_iter()
            .map(|(k, first)| self.part(family, *k, *first, None))
            .collect();
        pairwise_sum(&values)
    }
}
