//! One grid with one number of time steps.
//!
//! ```text
//! W(x) = V(y) + dt/2 q(x, t_m),             y the point that the drift carries x to in dt/2
//! Z(x) = -lambda log E exp(-W(x + sqrt(dt) G z) / lambda),      z ~ N(0, I)
//! V(x) = Z(y) + dt/2 q(y, t_m)
//! ```
//!
//! is one step back in time: half the drift, half the cost, the noise, half the cost, half the drift. The drift is
//! followed by Runge–Kutta steps short enough for its steepest slope. Columns of G act one after the other. Each
//! expectation is a Gauss–Hermite sum over nodes moved to the peak of the integrand and scaled to its width, as a
//! parabola through `x` and `x ± sqrt(dt) G_j` shows them: exact where W is quadratic, whatever lambda is.
//!
//! Where feet are kept on the grid, no value is taken to be less than the least on it, nor a value far above all that can be
//! paid.
//!
//! Where the end cost jumps, its averages ([`crate::solvers::grid::end_cost`]) are carried over the first steps by sums over
//! the nodes of the grid, and the first step takes the noise before the drift, which would read a jump off a spline.

use crate::discretization::axis_noise::{AxisNoise, LEAST_CURVATURE, peak};
use crate::discretization::steered::SteeredProcess;
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::interpolation::{GridInterpolant, UniformAxis};
use crate::numeric::quadrature::Rule;
use crate::solvers::grid::end_cost::{EndCost, end_cost};
use crate::solvers::grid::space_time::{SpaceTime, nodes_of};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Gauss–Hermite nodes of one noise.
const NODES: NonZeroUsize = NonZeroUsize::new(7).unwrap();
/// First steps after a jump with sums over the nodes of the grid.
const SMOOTHING: usize = 8;
/// Distance of a peak, in jumps, up to which the first parabola is believed.
const NEAR: f64 = 1.5;
/// Sizes of a value, over all that can be paid on the grid, beyond which it has run away: no mean is that large. Where the
/// drift leads on beyond the grid more is paid there.
const RUNS_AWAY: f64 = 10.0;
const RUNS_FAR: f64 = 1e4;
/// Largest steepness of the drift times the length of a Runge–Kutta step.
const STEEPEST: f64 = 0.25;

/// How the drift is followed.
#[derive(Clone, Copy)]
pub(super) struct Drift {
    /// The same at all times.
    pub(super) autonomous: bool,
    /// No further than the grid.
    pub(super) within: bool,
}

/// The value on one grid, on its way back in time.
pub(super) struct Level {
    process: Arc<SteeredProcess>,
    temperature: f64,
    steps: usize,
    step: usize,
    stride: usize,
    within: bool,
    substeps: usize,
    nodes: Batch,
    /// Feet of both halves of a step where the drift is the same at all times.
    feet: Option<Batch>,
    rule: Rule,
    /// Whether the end cost jumps.
    jumps: bool,
    values: Vec<f64>,
    /// Largest end cost on the grid, and what can be paid on the way.
    paid: f64,
    /// The spline of the values, but for the time of a step.
    spline: GridInterpolant,
    kept: Vec<(f64, GridInterpolant)>,
}

impl Level {
    /// Starts at the end of the horizon; every `stride`-th step is kept.
    ///
    pub(super) fn new(
        process: Arc<SteeredProcess>,
        temperature: f64,
        axes: &[UniformAxis],
        steps: usize,
        stride: usize,
        drift: Drift,
    ) -> Self {
        let nodes = nodes_of(axes);
        let EndCost {
            values: terminal,
            jumps,
        } = end_cost(&process, axes, Some(temperature));
        let spline = GridInterpolant::new(axes, &terminal)
            .unwrap_or_else(|error| unreachable!("the grid was checked: {error}"));
        let (start, end) = (process.start(), process.end());
        let mut level = Self {
            process: process.clone(),
            temperature,
            steps,
            step: steps,
            stride,
            within: drift.within,
            substeps: 1,
            feet: None,
            rule: Rule::normal(NODES),
            kept: vec![(end, spline.clone())],
            spline,
            paid: size_of(&terminal),
            values: terminal,
            jumps,
            nodes,
        };
        let steepness =
            [start, 0.5 * (start + end), end].map(|t| steepness(&process, axes, &level.nodes, t));
        let steepest = steepness.into_iter().fold(0.0, f64::max);
        level.substeps = (0.5 * level.dt() * steepest / STEEPEST).ceil().max(1.0) as usize;
        if drift.autonomous {
            level.feet = Some(level.flow(start));
        }
        level
    }

    fn dt(&self) -> f64 {
        (self.process.end() - self.process.start()) / self.steps as f64
    }

    pub(super) fn unknowns(&self) -> usize {
        self.nodes.points()
    }

    pub(super) fn substeps(&self) -> usize {
        self.substeps
    }

    pub(super) fn is_done(&self) -> bool {
        self.step == 0
    }

    /// Time to which the value is known.
    pub(super) fn time(&self) -> f64 {
        self.process.start() + self.step as f64 * self.dt()
    }

    /// Where the drift carries every node within half a step from `t` on.
    fn flow(&self, t: f64) -> Batch {
        let d = self.nodes.columns();
        let h = 0.5 * self.dt() / self.substeps as f64;
        let blocks = map_blocks(self.nodes.points(), block(), |range| {
            let mut x = self.nodes.as_ref().rows(range).to_batch();
            let n = x.points();
            let (mut at, mut k) = (x.clone(), Batch::zeros(n, d));
            let mut total = Batch::zeros(n, d);
            for s in 0..self.substeps {
                let t = t + s as f64 * h;
                total.fill(0.0);
                for (offset, weight) in [(0.0, 1.0), (0.5, 2.0), (0.5, 2.0), (1.0, 1.0)] {
                    at.as_mut().copy_from(x.as_ref());
                    at.add_scaled(offset * h, &k);
                    self.process.drift(t + offset * h, at.as_ref(), k.as_mut());
                    total.add_scaled(weight, &k);
                }
                x.add_scaled(h / 6.0, &total);
            }
            x
        });
        let mut feet = Batch::zeros(self.nodes.points(), d);
        let mut first = 0;
        for block in &blocks {
            feet.write_rows(first, block.as_ref());
            first += block.points();
        }
        if self.within {
            for (j, axis) in self.spline.axes().iter().enumerate() {
                let (low, high) = (axis.start, axis.node(axis.count - 1));
                let column = feet.column_mut(j).iter_mut();
                column.for_each(|x| *x = x.clamp(low, high));
            }
        }
        feet
    }

    /// One step back; the first value that is no number stops it.
    pub(super) fn advance(&mut self) -> Result<(), f64> {
        let dt = self.dt();
        let end = self.time();
        self.step -= 1;
        let (start, middle) = (self.time(), end - 0.5 * dt);
        let cost = self.cost(middle);
        let at_jump = self.jumps && self.step + 1 == self.steps;
        if !at_jump {
            self.drift(middle);
        }
        self.add_cost(&cost, 0.5 * dt);
        let gain = self.process.diffusion().at(middle, &[]);
        for column in gain.column_iter() {
            let jump: Vec<f64> = column.iter().map(|g| g * dt.sqrt()).collect();
            self.diffuse(&jump);
        }
        self.add_cost(&cost, 0.5 * dt);
        self.spline.set_values(&self.values);
        if at_jump {
            self.drift(middle);
            self.spline.set_values(&self.values);
        }
        self.drift(start);
        self.spline.set_values(&self.values);
        self.paid += dt * size_of(&cost);
        let most = if self.within { RUNS_AWAY } else { RUNS_FAR };
        let most = most * (self.paid + self.temperature);
        if let Some(wrong) = self.values.iter().find(|v| v.is_nan() || v.abs() > most) {
            return Err(*wrong);
        }
        if self.step.is_multiple_of(self.stride) {
            self.kept.push((start, self.spline.clone()));
        }
        Ok(())
    }

    /// The running cost at the nodes.
    fn cost(&self, t: f64) -> Vec<f64> {
        let blocks = map_blocks(self.nodes.points(), block(), |range| {
            let mut cost = vec![0.0; range.len()];
            let here = self.nodes.as_ref().rows(range);
            self.process.running(t, here, &mut cost);
            cost
        });
        blocks.concat()
    }

    fn add_cost(&mut self, cost: &[f64], weight: f64) {
        for (v, q) in self.values.iter_mut().zip(cost) {
            *v += weight * q;
        }
    }

    /// The values at the feet of half a step from `t` on, read off the spline.
    fn drift(&mut self, t: f64) {
        let fresh;
        let feet = match &self.feet {
            Some(feet) => feet,
            None => {
                fresh = self.flow(t);
                &fresh
            }
        };
        let (spline, floor) = (&self.spline, self.floor());
        let blocks = map_blocks(feet.points(), block(), |range| {
            let mut values = vec![0.0; range.len()];
            spline.values_at(feet.as_ref().rows(range), &mut values);
            values.iter_mut().for_each(|w| *w = w.max(floor));
            values
        });
        self.values = blocks.concat();
    }

    /// Least that a value may be taken to be: on a grid that is not left, that of its nodes.
    fn floor(&self) -> f64 {
        match self.within {
            true => least_of(&self.values),
            false => f64::NEG_INFINITY,
        }
    }

    /// The expectation over one noise that moves by `jump` times a standard normal.
    fn diffuse(&mut self, jump: &[f64]) {
        let mut moved = jump.iter().enumerate().filter(|(_, g)| **g != 0.0);
        match (moved.next(), moved.next()) {
            (None, _) => {}
            (Some((axis, jump)), None) => {
                let noise = AxisNoise {
                    axes: self.spline.axes(),
                    axis,
                    jump: *jump,
                    temperature: self.temperature,
                    floor: self.floor(),
                    rule: &self.rule,
                };
                let smoothing = self.jumps && self.steps - self.step <= SMOOTHING;
                if smoothing && noise.is_resolved() {
                    noise.spread(&mut self.values);
                } else {
                    noise.apply(&mut self.values);
                }
            }
            _ => self.diffuse_across(jump),
        }
    }

    /// The same for a noise that moves several states.
    fn diffuse_across(&mut self, jump: &[f64]) {
        self.spline.set_values(&self.values);
        let (value, nodes, rule) = (&self.spline, &self.nodes, &self.rule);
        let centre = &self.values;
        let lambda = self.temperature;
        let least = least_of(centre);
        let floor = self.floor();
        let blocks = map_blocks(nodes.points(), block(), |range| {
            let n = range.len();
            let here = nodes.as_ref().rows(range.clone());
            let mut at = Batch::zeros(n, nodes.columns());
            let mut eval = |shift: &dyn Fn(usize) -> f64, out: &mut [f64]| {
                for (j, g) in jump.iter().enumerate() {
                    let x = here.column(j);
                    for (i, (a, x)) in at.column_mut(j).iter_mut().zip(x).enumerate() {
                        *a = x + g * shift(i);
                    }
                }
                value.values_at(at.as_ref(), out);
                out.iter_mut().for_each(|w| *w = w.max(floor));
            };
            let (mut above, mut below) = (vec![0.0; n], vec![0.0; n]);
            eval(&|_| 1.0, &mut above);
            eval(&|_| -1.0, &mut below);
            // Peak and width of exp(-W/lambda - z^2/2).
            let (mut peaks, mut width) = (vec![0.0; n], vec![0.0; n]);
            for (i, w) in centre[range].iter().enumerate() {
                let slope = 0.5 * (above[i] - below[i]) / lambda;
                let curvature = (above[i] - 2.0 * w + below[i]) / lambda;
                let bent = 1.0 + curvature.max(LEAST_CURVATURE);
                peaks[i] = -slope / bent;
                width[i] = bent.sqrt().recip();
                if peaks[i].abs() > NEAR {
                    let exponent = |z: f64| {
                        let moved = jump.iter().enumerate();
                        let moved = moved.map(|(j, g)| here.column(j)[i] + g * z);
                        let point = Batch::from_rows(jump.len(), &[moved.collect::<Vec<_>>()]);
                        let mut w = [0.0];
                        value.values_at(point.as_ref(), &mut w);
                        w[0].max(floor) / lambda + 0.5 * z * z
                    };
                    let most = NEAR + (2.0 * (w - least).max(0.0) / lambda).sqrt();
                    (peaks[i], width[i]) = peak(exponent, (peaks[i], width[i]), most);
                }
            }
            // Running log of the sum: largest exponent so far, and the sum relative to it.
            let (mut top, mut sum) = (vec![f64::NEG_INFINITY; n], vec![0.0; n]);
            let mut values = vec![0.0; n];
            for (z, weight) in rule.nodes.iter().zip(&rule.weights) {
                eval(&|i| peaks[i] + width[i] * z, &mut values);
                for i in 0..n {
                    let moved = peaks[i] + width[i] * z;
                    let exponent = weight.ln() + 0.5 * (z * z - moved * moved) - values[i] / lambda;
                    if exponent > top[i] {
                        sum[i] = sum[i] * (top[i] - exponent).exp() + 1.0;
                        top[i] = exponent;
                    } else {
                        sum[i] += (exponent - top[i]).exp();
                    }
                }
            }
            (0..n)
                .map(|i| -lambda * (top[i] + (width[i] * sum[i]).ln()))
                .collect::<Vec<f64>>()
        });
        self.values = blocks.concat();
    }

    /// The value at all kept times.
    pub(super) fn finish(mut self) -> SpaceTime {
        self.kept.reverse();
        SpaceTime::new(self.kept)
    }
}

fn least_of(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn size_of(values: &[f64]) -> f64 {
    values.iter().map(|v| v.abs()).fold(0.0, f64::max)
}

/// Largest row sum of `|db_i / dx_j|`, by differences between neighbouring nodes.
fn steepness(process: &SteeredProcess, axes: &[UniformAxis], nodes: &Batch, t: f64) -> f64 {
    let d = axes.len();
    let mut drift = Batch::zeros(nodes.points(), d);
    process.drift(t, nodes.as_ref(), drift.as_mut());
    (0..d)
        .map(|i| {
            let mut inner = nodes.points();
            let mut total = 0.0;
            for axis in axes {
                inner /= axis.count;
                let b = drift.column(i);
                let pairs = b.iter().zip(&b[inner..]).enumerate();
                total += pairs
                    .filter(|(k, _)| k / inner % axis.count + 1 < axis.count)
                    .map(|(_, (a, b))| (b - a).abs() / axis.step)
                    .fold(0.0, f64::max);
            }
            total
        })
        .fold(0.0, f64::max)
}
