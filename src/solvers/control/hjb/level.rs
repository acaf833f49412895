//! One grid with one number of time steps.

use crate::numeric::interpolation::{GridInterpolant, UniformAxis};
use crate::numeric::tridiagonal::Tridiagonal;
use crate::problem::model::Scheme;
use crate::solvers::control::hjb::best::{Coefficients, Frame};
use crate::solvers::control::hopf_cole::space_time::SpaceTime;

/// γ of TR-BDF2.
const GAMMA: f64 = 2.0 - std::f64::consts::SQRT_2;

/// Why a step has no answer.
pub(super) enum Trouble {
    Value(f64),
    Pivot(f64),
    Flips { change: f64 },
}

/// How a step is made, and when its policy is good enough.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) scheme: Scheme,
    pub(super) tolerance: f64,
    pub(super) max_iterations: usize,
}

/// The value on one grid, on its way back in time.
pub(super) struct Level {
    coefficients: Coefficients,
    axis: UniformAxis,
    steps: usize,
    step: usize,
    stride: usize,
    settings: Settings,
    value: Vec<f64>,
    /// Best rate of change `H(V)` at the time reached, for `central`.
    rate: Vec<f64>,
    kept: Vec<(f64, GridInterpolant)>,
}

/// Generator under a policy, and the rate of its costs.
struct Policy {
    lower: Vec<f64>,
    diagonal: Vec<f64>,
    upper: Vec<f64>,
    cost: Vec<f64>,
}

impl Level {
    /// Starts at the end of the horizon; every `stride`-th step is kept.
    pub(super) fn new(
        coefficients: Coefficients,
        axis: UniformAxis,
        steps: usize,
        stride: usize,
        settings: Settings,
    ) -> Self {
        let value = coefficients.terminal();
        let end = coefficients.horizon().1;
        let mut level = Self {
            kept: vec![(end, interpolant(axis, &value))],
            rate: Vec::new(),
            coefficients,
            axis,
            steps,
            step: steps,
            stride,
            settings,
            value,
        };
        if level.settings.scheme == Scheme::Central {
            let frame = level.coefficients.at(end);
            let policy = level.improve(&frame, &level.value);
            level.rate = applied(&policy, &level.value);
        }
        level
    }

    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    pub(super) fn unknowns(&self) -> usize {
        self.axis.count
    }

    pub(super) fn is_done(&self) -> bool {
        self.step == 0
    }

    fn time_at(&self, step: f64) -> f64 {
        let (from, to) = self.coefficients.horizon();
        from + (to - from) * step / self.steps as f64
    }

    /// Time to which the value is known.
    pub(super) fn time(&self) -> f64 {
        self.time_at(self.step as f64)
    }

    /// One step back; how many linear systems it took.
    pub(super) fn advance(&mut self) -> Result<u64, Trouble> {
        let (from, to) = self.coefficients.horizon();
        let dt = (to - from) / self.steps as f64;
        let end = self.step as f64;
        self.step -= 1;
        let start = self.time();
        let solves = match self.settings.scheme {
            Scheme::Monotone | Scheme::Spectral => {
                let (value, solves) = self.implicit(start, dt, &self.value.clone())?;
                self.value = value;
                solves
            }
            Scheme::Central => {
                let weight = 0.5 * GAMMA * dt;
                let right: Vec<f64> = self
                    .value
                    .iter()
                    .zip(&self.rate)
                    .map(|(v, h)| v + weight * h)
                    .collect();
                let (stage, first) = self.implicit(self.time_at(end - GAMMA), weight, &right)?;
                let (new, old) = (
                    1.0 / (GAMMA * (2.0 - GAMMA)),
                    -(1.0 - GAMMA) * (1.0 - GAMMA) / (GAMMA * (2.0 - GAMMA)),
                );
                let right: Vec<f64> = stage
                    .iter()
                    .zip(&self.value)
                    .map(|(stage, v)| new * stage + old * v)
                    .collect();
                let (value, second) = self.implicit(start, weight, &right)?;
                self.rate = value
                    .iter()
                    .zip(&right)
                    .map(|(v, r)| (v - r) / weight)
                    .collect();
                self.value = value;
                first + second
            }
        };
        if self.step.is_multiple_of(self.stride) {
            self.kept.push((start, interpolant(self.axis, &self.value)));
        }
        Ok(solves)
    }

    /// Solves `V - weight H(V) = right` with the coefficients of time `t`, by policy iteration from the present value.
    fn implicit(&self, t: f64, weight: f64, right: &[f64]) -> Result<(Vec<f64>, u64), Trouble> {
        let frame = self.coefficients.at(t);
        let mut value = self.value.clone();
        let mut change = f64::INFINITY;
        for round in 1..=self.settings.max_iterations {
            let policy = self.improve(&frame, &value);
            let scaled = |band: &[f64], identity: f64| -> Vec<f64> {
                band.iter().map(|a| identity - weight * a).collect()
            };
            let factor = Tridiagonal::factor(
                &scaled(&policy.lower, 0.0),
                &scaled(&policy.diagonal, 1.0),
                &scaled(&policy.upper, 0.0),
            )
            .map_err(|error| Trouble::Pivot(error.pivot))?;
            let mut next: Vec<f64> = right
                .iter()
                .zip(&policy.cost)
                .map(|(r, c)| r + weight * c)
                .collect();
            factor.solve(&mut next);
            if let Some(wrong) = next.iter().find(|v| !v.is_finite()) {
                return Err(Trouble::Value(*wrong));
            }
            change = next
                .iter()
                .zip(&value)
                .map(|(a, b)| (a - b).abs() / (1.0 + a.abs()))
                .fold(0.0, f64::max);
            value = next;
            if change <= self.settings.tolerance {
                return Ok((value, round as u64));
            }
        }
        Err(Trouble::Flips { change })
    }

    /// The best policy for a value.
    fn improve(&self, frame: &Frame<'_>, value: &[f64]) -> Policy {
        let (n, h) = (self.axis.count, self.axis.step);
        let zeros = || vec![0.0; n];
        let mut policy = Policy {
            lower: zeros(),
            diagonal: zeros(),
            upper: zeros(),
            cost: zeros(),
        };
        let mut choice = Choice::new(self.coefficients.response.controls());
        let rho = self.coefficients.discount();
        for i in 0..n {
            // An edge reflects: the neighbour beyond it is the one within.
            let (before, after) = (
                if i == 0 { value[1] } else { value[i - 1] },
                if i + 1 == n {
                    value[n - 2]
                } else {
                    value[i + 1]
                },
            );
            let slopes = ((value[i] - before) / h, (after - value[i]) / h);
            let spread = 0.5 * frame.diffusivity[i] / (h * h);
            let (mut down, mut up) = (spread, spread);
            match self.settings.scheme {
                Scheme::Monotone | Scheme::Spectral => {
                    choice.upwind(frame, i, slopes);
                    up += choice.drift.max(0.0) / h;
                    down += (-choice.drift).max(0.0) / h;
                }
                Scheme::Central => {
                    choice.with_slope(frame, i, 0.5 * (slopes.0 + slopes.1));
                    up += 0.5 * choice.drift / h;
                    down -= 0.5 * choice.drift / h;
                }
            }
            policy.diagonal[i] = -(down + up) - rho;
            policy.cost[i] = frame.cost[i] + choice.price;
            if i == 0 {
                policy.upper[i] = down + up;
            } else if i + 1 == n {
                policy.lower[i] = down + up;
            } else {
                policy.lower[i] = down;
                policy.upper[i] = up;
            }
        }
        policy
    }

    /// The value at all kept times.
    pub(super) fn finish(mut self) -> SpaceTime {
        self.kept.reverse();
        SpaceTime::new(self.kept)
    }
}

fn interpolant(axis: UniformAxis, value: &[f64]) -> GridInterpolant {
    GridInterpolant::new(&[axis], value)
        .unwrap_or_else(|error| unreachable!("the grid has at least eight cells: {error}"))
}

/// `A V + c`.
fn applied(policy: &Policy, value: &[f64]) -> Vec<f64> {
    let n = value.len();
    (0..n)
        .map(|i| {
            let before = if i > 0 {
                policy.lower[i] * value[i - 1]
            } else {
                0.0
            };
            let after = if i + 1 < n {
                policy.upper[i] * value[i + 1]
            } else {
                0.0
            };
            before + policy.diagonal[i] * value[i] + after + policy.cost[i]
        })
        .collect()
}

/// A control at a node: its drift `b + B u` and its price.
struct Choice {
    u: Vec<f64>,
    drift: f64,
    price: f64,
}

impl Choice {
    fn new(controls: usize) -> Self {
        Self {
            u: vec![0.0; controls],
            drift: 0.0,
            price: 0.0,
        }
    }

    fn take(&mut self, frame: &Frame<'_>, i: usize) {
        self.drift = frame.drift[i] + frame.prices.push(i, &self.u);
        self.price = frame.prices.price(i, &self.u);
    }

    /// The best control for one slope.
    fn with_slope(&mut self, frame: &Frame<'_>, i: usize, slope: f64) {
        frame.prices.best(i, slope, &mut self.u);
        self.take(frame, i);
    }

    /// The best control where a drift to the right meets the slope on the right and one to the left that on the left:
    /// the minimum over both signs, and over no drift.
    fn upwind(&mut self, frame: &Frame<'_>, i: usize, (left, right): (f64, f64)) {
        self.with_slope(frame, i, left);
        let leftward = (self.drift, self.price);
        self.with_slope(frame, i, right);
        let rightward = (self.drift, self.price);
        match (leftward.0 <= 0.0, rightward.0 >= 0.0) {
            (true, true) => {
                let costs = [
                    leftward.0 * left + leftward.1,
                    rightward.0 * right + rightward.1,
                ];
                if costs[0] < costs[1] {
                    (self.drift, self.price) = leftward;
                }
            }
            (false, true) => {}
            (true, false) => (self.drift, self.price) = leftward,
            (false, false) => {
                let drift = frame.drift[i];
                frame.prices.balancing(i, drift, (left, right), &mut self.u);
                self.take(frame, i);
                self.drift = 0.0;
            }
        }
    }
}
