//! Smooth seeded fields to compare a score with.

use crate::discretization::time_grid::TimeGrid;
use crate::field::{Differentiable, Field};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::random::{Stream, Streams};
use crate::problem::meant::model::Spacing;
use crate::verification::subject::{NotApplicable, Subject};

/// Intervals of the table of scales.
const TABLE: usize = 24;
/// Draws behind a scale.
const SCALE_DRAWS: usize = 64;

/// The size of the score and of the state at a time, from draws.
#[derive(Clone, Debug)]
pub struct Scales {
    times: Vec<f64>,
    /// rms of a score component
    slopes: Vec<f64>,
    /// rms of a state component around its mean
    lengths: Vec<f64>,
    /// mean of the state
    means: Vec<Vec<f64>>,
}

impl Scales {
    pub fn new(subject: &Subject<'_>, streams: &Streams) -> Result<Self, NotApplicable> {
        let law = subject.law()?;
        let noising = subject.lowered.noising();
        let grid = TimeGrid::new(noising, subject.t_min(), TABLE, Spacing::LogSnr);
        let times = grid.nodes().to_vec();
        let draws = law.draws(&times, SCALE_DRAWS, &streams.scoped("scales"));
        let (mut slopes, mut lengths, mut means) = (Vec::new(), Vec::new(), Vec::new());
        for (t, x) in times.iter().zip(&draws) {
            let mut score = Batch::zeros(x.points(), x.columns());
            subject.score.eval(*t, x.as_ref(), score.as_mut());
            let rms = |v: &[f64]| (v.iter().map(|v| v * v).sum::<f64>() / v.len() as f64).sqrt();
            slopes.push(rms(score.as_slice()));
            let mean: Vec<f64> = (0..x.columns())
                .map(|j| x.column(j).iter().sum::<f64>() / x.points() as f64)
                .collect();
            let centred: Vec<f64> = (0..x.columns())
                .flat_map(|j| x.column(j).iter().map(|v| v - mean[j]).collect::<Vec<_>>())
                .collect();
            lengths.push(rms(&centred));
            means.push(mean);
        }
        Ok(Self {
            times,
            slopes,
            lengths,
            means,
        })
    }

    /// Position of a time in the table: left node and weight of the right one.
    fn locate(&self, t: f64) -> (usize, f64) {
        let right = self
            .times
            .partition_point(|node| *node <= t)
            .clamp(1, self.times.len() - 1);
        let (a, b) = (self.times[right - 1], self.times[right]);
        (right - 1, ((t - a) / (b - a)).clamp(0.0, 1.0))
    }

    /// rms score component, by geometric interpolation.
    pub fn slope(&self, t: f64) -> f64 {
        let (n, w) = self.locate(t);
        self.slopes[n].powf(1.0 - w) * self.slopes[n + 1].powf(w)
    }

    /// rms state component.
    pub fn length(&self, t: f64) -> f64 {
        let (n, w) = self.locate(t);
        (1.0 - w) * self.lengths[n] + w * self.lengths[n + 1]
    }

    /// Mean state.
    pub fn mean(&self, t: f64, j: usize) -> f64 {
        let (n, w) = self.locate(t);
        (1.0 - w) * self.means[n][j] + w * self.means[n + 1][j]
    }
}

/// A direction in which to vary a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Direction {
    /// `−(x − mean) slope / length`: what a wrong overall factor looks like.
    Radial,
    /// Seeded plane waves, different for each component.
    Waves(u32),
}

/// The field that a claim about every field is tried on: that of the subject, else a seeded perturbation of its
/// score.
pub fn tried<'a>(
    subject: &Subject<'a>,
    streams: &Streams,
    amplitude: f64,
) -> Result<Box<dyn Differentiable + 'a>, NotApplicable> {
    let scales = Scales::new(subject, streams)?;
    let stream = streams.role("directions");
    Ok(match subject.trial {
        Some(field) => Box::new(field),
        None => {
            let direction = Direction::Waves(1);
            Box::new(Trial::new(
                subject.score,
                scales,
                amplitude,
                direction,
                &stream,
            ))
        }
    })
}

/// `base + amplitude · δ`, δ of about the size of the score.
///
/// Waves: `δ_i = slope(t) √2 sin((ω_i x_i + ν_i x_{i+1}) / length(t) + φ_i)`.
pub struct Trial<'a> {
    base: &'a dyn Differentiable,
    scales: Scales,
    amplitude: f64,
    direction: Direction,
    /// ω, ν, φ of each component.
    waves: Vec<[f64; 3]>,
}

impl<'a> Trial<'a> {
    pub fn new(
        base: &'a dyn Differentiable,
        scales: Scales,
        amplitude: f64,
        direction: Direction,
        stream: &Stream,
    ) -> Self {
        let d = base.outputs();
        let mut uniform = Batch::zeros(d, 3);
        let step = match direction {
            Direction::Radial => 0,
            Direction::Waves(number) => number,
        };
        stream.uniforms(0, step, uniform.as_mut());
        let waves = (0..d)
            .map(|i| {
                [
                    0.5 + uniform.get(i, 0),
                    if d > 1 { uniform.get(i, 1) - 0.5 } else { 0.0 },
                    std::f64::consts::TAU * uniform.get(i, 2),
                ]
            })
            .collect();
        Self {
            base,
            scales,
            amplitude,
            direction,
            waves,
        }
    }

    /// Adds the perturbation, and its divergence where asked.
    fn perturb(
        &self,
        t: f64,
        x: BatchRef<'_>,
        out: &mut BatchMut<'_>,
        mut divergence: Option<&mut [f64]>,
    ) {
        let (slope, length) = (self.scales.slope(t), self.scales.length(t));
        let d = x.columns();
        for i in 0..d {
            let column = out.column_mut(i);
            match self.direction {
                Direction::Radial => {
                    let factor = -self.amplitude * slope / length;
                    let mean = self.scales.mean(t, i);
                    for (o, x) in column.iter_mut().zip(x.column(i)) {
                        *o += factor * (x - mean);
                    }
                    if let Some(divergence) = divergence.as_deref_mut() {
                        divergence.iter_mut().for_each(|v| *v += factor);
                    }
                }
                Direction::Waves(_) => {
                    let [omega, nu, phase] = self.waves[i];
                    let size = self.amplitude * slope * std::f64::consts::SQRT_2;
                    let next = x.column((i + 1) % d);
                    for (n, (o, x)) in column.iter_mut().zip(x.column(i)).enumerate() {
                        let angle = (omega * x + nu * next[n]) / length + phase;
                        *o += size * angle.sin();
                        if let Some(divergence) = divergence.as_deref_mut() {
                            divergence[n] += size * omega / length * angle.cos();
                        }
                    }
                }
            }
        }
    }
}

impl Field for Trial<'_> {
    fn inputs(&self) -> usize {
        self.base.inputs()
    }

    fn outputs(&self) -> usize {
        self.base.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        self.base.eval(t, x, out.reborrow());
        self.perturb(t, x, &mut out, None);
    }
}

impl Differentiable for Trial<'_> {
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        mut out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        self.base
            .eval_with_divergence(t, x, out.reborrow(), divergence);
        self.perturb(t, x, &mut out, Some(divergence));
    }
}
