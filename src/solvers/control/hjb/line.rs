//! One step back of the value on one line of nodes, along one state.
//!
//! ```text
//! V - w H(V) = right,      H(V) = min over u of { (b + B u) V_x + 1/2 D V_xx + 1/2 u' R u } + s (q - rho V)
//! ```
//!
//! over the controls that push the state, is solved by policy iteration; `s` is the share of the line's state in what
//! all states have in common.

use crate::numeric::interpolation::UniformAxis;
use crate::numeric::pentadiagonal::solve_pentadiagonal;
use crate::problem::model::Scheme;
use crate::solvers::control::hjb::best::Frame;

/// γ of TR-BDF2.
pub(super) const GAMMA: f64 = 2.0 - std::f64::consts::SQRT_2;

/// How a step is made, and when its policy is good enough.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) scheme: Scheme,
    pub(super) tolerance: f64,
    pub(super) max_iterations: usize,
}

/// Why a step has no answer.
pub(super) enum Trouble {
    Value(f64),
    Pivot(f64),
    Flips { change: f64 },
}

/// Nodes `first + i stride` of a grid, along the axis of one state.
pub(super) struct Line {
    pub(super) axis: UniformAxis,
    pub(super) state: usize,
    pub(super) first: usize,
    pub(super) stride: usize,
    /// Whether the edges throw back; else nothing curves the value there.
    pub(super) reflects: bool,
    /// Share of this state in running cost and discount.
    pub(super) share: f64,
    pub(super) discount: f64,
    pub(super) settings: Settings,
}

/// Memory of a line, used again by the next.
#[derive(Default)]
pub(super) struct Scratch {
    /// Generator under the policy: weights of the nodes from two below to two above.
    bands: [Vec<f64>; 5],
    /// Rate of its costs.
    cost: Vec<f64>,
    right: Vec<f64>,
    before: Vec<f64>,
    next: Vec<f64>,
    ratios: [Vec<f64>; 2],
    u: Vec<f64>,
}

impl Scratch {
    pub(super) fn new(controls: usize) -> Self {
        Self {
            u: vec![0.0; controls],
            ..Self::default()
        }
    }
}

impl Line {
    /// Takes the value `dt` back; how many linear systems it took. `frames` are those of the end of the step, of its
    /// inner stage and of its start; `monotone` uses the last only.
    pub(super) fn step(
        &self,
        frames: [&Frame; 3],
        dt: f64,
        value: &mut [f64],
        scratch: &mut Scratch,
    ) -> Result<u64, Trouble> {
        let [end, stage, start] = frames;
        match self.settings.scheme {
            Scheme::Monotone | Scheme::Spectral => {
                scratch.right.clear();
                scratch.right.extend_from_slice(value);
                self.implicit(start, dt, value, scratch)
            }
            Scheme::Central => {
                let weight = 0.5 * GAMMA * dt;
                self.improve(end, value, scratch);
                scratch.add_rate(weight, value);
                scratch.before.clear();
                scratch.before.extend_from_slice(value);
                let first = self.implicit(stage, weight, value, scratch)?;
                let new = 1.0 / (GAMMA * (2.0 - GAMMA));
                for ((right, stage), before) in
                    scratch.right.iter_mut().zip(&*value).zip(&scratch.before)
                {
                    *right = new * stage + (1.0 - new) * before;
                }
                let second = self.implicit(start, weight, value, scratch)?;
                Ok(first + second)
            }
        }
    }

    /// Solves `V - weight H(V) = right`, by policy iteration from the value given.
    fn implicit(
        &self,
        frame: &Frame,
        weight: f64,
        value: &mut [f64],
        scratch: &mut Scratch,
    ) -> Result<u64, Trouble> {
        let mut change = f64::INFINITY;
        for round in 1..=self.settings.max_iterations {
            self.improve(frame, value, scratch);
            change = scratch.evaluate(weight, value)?;
            // Without controls there is one policy, and its value is found.
            if change <= self.settings.tolerance || !frame.prices.is_steered(self.state) {
                return Ok(round as u64);
            }
        }
        Err(Trouble::Flips { change })
    }

    /// The best policy for a value.
    fn improve(&self, frame: &Frame, value: &[f64], scratch: &mut Scratch) {
        let n = self.axis.count;
        scratch.cost.resize(n, 0.0);
        scratch
            .bands
            .iter_mut()
            .for_each(|band| band.resize(n, 0.0));
        for i in 0..n {
            let node = self.first + i * self.stride;
            let (below, above) = self.slopes(i);
            let mut choice = Choice {
                frame,
                node,
                state: self.state,
                u: &mut scratch.u,
            };
            let (drift, price) = choice.upwind((along(below, value, i), along(above, value, i)));
            let mut row = self
                .curvature(i)
                .map(|w| 0.5 * frame.diffusivity.get(node, self.state) * w);
            row[2] -= self.share * self.discount;
            for (w, slope) in row.iter_mut().zip(if drift > 0.0 { above } else { below }) {
                *w += drift * slope;
            }
            scratch.cost[i] = self.share * frame.cost[node] + price;
            for (band, w) in scratch.bands.iter_mut().zip(row) {
                band[i] = w;
            }
        }
    }

    /// Slopes below and above a node; beyond an edge there is none, so a drift across it has no effect.
    fn slopes(&self, i: usize) -> ([f64; 5], [f64; 5]) {
        let per_step = 1.0 / self.axis.step;
        let wide = matches!(self.settings.scheme, Scheme::Central);
        let one_sided = |nodes: usize| match nodes {
            0 => [0.0, 0.0, 0.0],
            1 => [-per_step, per_step, 0.0],
            _ if wide => [-1.5 * per_step, 2.0 * per_step, -0.5 * per_step],
            _ => [-per_step, per_step, 0.0],
        };
        let [here, next, far] = one_sided(i);
        let below = [-far, -next, -here, 0.0, 0.0];
        let [here, next, far] = one_sided(self.axis.count - 1 - i);
        (below, [0.0, 0.0, here, next, far])
    }

    /// The second difference at a node.
    fn curvature(&self, i: usize) -> [f64; 5] {
        let w = self.axis.step.powi(-2);
        let first = i == 0;
        if !first && i + 1 < self.axis.count {
            [0.0, w, -2.0 * w, w, 0.0]
        } else if !self.reflects {
            [0.0; 5]
        } else if first {
            [0.0, 0.0, -2.0 * w, 2.0 * w, 0.0]
        } else {
            [0.0, 2.0 * w, -2.0 * w, 0.0, 0.0]
        }
    }
}

/// A row of the generator on the values around a node; weights beyond the edges vanish.
fn along(row: [f64; 5], value: &[f64], i: usize) -> f64 {
    let nodes = row.into_iter().enumerate().filter(|(_, w)| *w != 0.0);
    nodes.map(|(k, w)| w * value[i + k - 2]).sum()
}

impl Scratch {
    /// `right = V + weight (A V + c)`.
    fn add_rate(&mut self, weight: f64, value: &[f64]) {
        self.right.clear();
        for (i, (v, cost)) in value.iter().zip(&self.cost).enumerate() {
            let row = [0, 1, 2, 3, 4].map(|k| self.bands[k][i]);
            self.right.push(v + weight * (along(row, value, i) + cost));
        }
    }

    /// `V = (1 - weight A)^-1 (right + weight c)`; the largest relative change.
    fn evaluate(&mut self, weight: f64, value: &mut [f64]) -> Result<f64, Trouble> {
        self.bands.iter_mut().flatten().for_each(|a| *a *= -weight);
        self.bands[2].iter_mut().for_each(|a| *a += 1.0);
        self.next.clear();
        let right = self.right.iter().zip(&self.cost);
        self.next.extend(right.map(|(r, c)| r + weight * c));
        let bands = [0, 1, 2, 3, 4].map(|k| self.bands[k].as_slice());
        solve_pentadiagonal(bands, &mut self.next, &mut self.ratios)
            .map_err(|error| Trouble::Pivot(error.pivot))?;
        if let Some(wrong) = self.next.iter().find(|v| !v.is_finite()) {
            return Err(Trouble::Value(*wrong));
        }
        let changes = self.next.iter().zip(&*value);
        let change = changes
            .map(|(a, b)| (a - b).abs() / (1.0 + a.abs()))
            .fold(0.0, f64::max);
        value.copy_from_slice(&self.next);
        Ok(change)
    }
}

/// A choice of controls at a node: the drift `b + B u` and the price that follow.
struct Choice<'a> {
    frame: &'a Frame,
    node: usize,
    state: usize,
    u: &'a mut [f64],
}

impl Choice<'_> {
    fn own_drift(&self) -> f64 {
        self.frame.drift.get(self.node, self.state)
    }

    fn price(&self) -> f64 {
        self.frame.prices.price(self.node, self.state, self.u)
    }

    /// The best controls for one slope.
    fn with_slope(&mut self, slope: f64) -> (f64, f64) {
        let prices = &self.frame.prices;
        prices.best(self.node, self.state, slope, self.u);
        let drift = self.own_drift() + prices.push(self.node, self.state, self.u);
        (drift, self.price())
    }

    /// The best controls where a drift upwards meets the slope above and one downwards that below: the minimum over
    /// both signs, and over no drift.
    fn upwind(&mut self, (below, above): (f64, f64)) -> (f64, f64) {
        let downward = self.with_slope(below);
        if !self.frame.prices.is_steered(self.state) {
            return downward;
        }
        let upward = self.with_slope(above);
        match (downward.0 <= 0.0, upward.0 >= 0.0) {
            (true, true) => {
                let costs = [downward.0 * below + downward.1, upward.0 * above + upward.1];
                if costs[0] < costs[1] {
                    downward
                } else {
                    upward
                }
            }
            (false, true) => upward,
            (true, false) => downward,
            (false, false) => {
                let (node, state, drift) = (self.node, self.state, self.own_drift());
                let prices = &self.frame.prices;
                prices.balancing(node, state, drift, (below, above), self.u);
                (0.0, self.price())
            }
        }
    }
}
