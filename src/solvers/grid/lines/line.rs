//! One step back of the value on one line of nodes, along one state.
//!
//! ```text
//! V - w H(V) = right,      H(V) = min over u of { (b + B u) V_x + 1/2 D V_xx + 1/2 u' R u } + s (q - rho V)
//! ```
//!
//! over the controls that push the state, is solved by policy iteration; `s` is the share of the line's state in what
//! all states have in common. Where there is a temperature the equation of `psi` is solved instead, which is linear; on
//! lines where `psi` changes too much for that within the step, that of the value after all, with
//! `min over u = -1/2 D V_x^2 / lambda`; and where that does not settle, or a jump is to be damped, that of `psi` by implicit
//! Euler after all, whose solutions are positive whatever the step (`lines::positive`).

use crate::numeric::interpolation::UniformAxis;
use crate::numeric::pentadiagonal::{solve_cyclic, solve_pentadiagonal};
use crate::problem::meant::grid::Scheme;
use crate::solvers::grid::lines::best::Frame;
use crate::solvers::lowered::edges::Edge;

/// Most that `psi` may grow or fall by within a linear step; beyond it TR-BDF2 is no longer near the exponential.
const MOST_GROWTH: f64 = 2.0;
/// Share of the range of a value by which a step may leave it, where steps are not monotone.
const BEYOND: f64 = 0.1;
/// γ of TR-BDF2.
pub(crate) const GAMMA: f64 = 2.0 - std::f64::consts::SQRT_2;

/// How a step is made, and when its policy is good enough.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) scheme: Scheme,
    pub(crate) tolerance: f64,
    pub(crate) max_iterations: usize,
    /// For the linear equation of `psi` instead of the nonlinear one of the value.
    pub(crate) temperature: Option<f64>,
}

/// Why a step has no answer.
pub(crate) enum Trouble {
    Value(f64),
    Pivot(f64),
    Flips { change: f64 },
}

/// Nodes `first + i stride` of a grid, along the axis of one state.
pub(crate) struct Line {
    pub(crate) axis: UniformAxis,
    pub(crate) state: usize,
    pub(crate) first: usize,
    pub(crate) stride: usize,
    /// What the ends of the line do; at natural ones nothing curves the value.
    pub(crate) edges: [Edge; 2],
    /// Whether the whole line is on an edge of another state that ends paths.
    pub(crate) stopped: bool,
    /// Share of this state in running cost and discount.
    pub(crate) share: f64,
    pub(crate) discount: f64,
    pub(crate) settings: Settings,
}

/// Memory of a line, used again by the next.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Generator under the policy: weights of the nodes from two below to two above.
    pub(super) bands: [Vec<f64>; 5],
    /// Rate of its costs.
    pub(super) cost: Vec<f64>,
    right: Vec<f64>,
    before: Vec<f64>,
    /// `psi` relative to what it was.
    phi: Vec<f64>,
    next: Vec<f64>,
    pub(super) ratios: [Vec<f64>; 2],
    pub(super) u: Vec<f64>,
}

impl Scratch {
    pub(crate) fn new(controls: usize) -> Self {
        Self {
            u: vec![0.0; controls],
            ..Self::default()
        }
    }
}

/// Weights at the nodes that are two or more from both ends.
pub(super) struct Inside {
    pub(super) below: [f64; 5],
    pub(super) above: [f64; 5],
    pub(super) centred: [f64; 5],
    pub(super) curvature: [f64; 5],
}

impl Line {
    pub(super) fn inside(&self) -> Inside {
        let (below, above) = self.slopes(2);
        Inside {
            below,
            above,
            centred: self.centred(2),
            curvature: self.curvature(2),
        }
    }

    /// Weights at a node; `inside` are those of the nodes far from the ends.
    #[inline(always)]
    pub(super) fn weights(&self, inside: &Inside, i: usize) -> Inside {
        if i >= 2 && i + 2 < self.axis.count {
            return Inside { ..*inside };
        }
        let (below, above) = self.slopes(i);
        Inside {
            below,
            above,
            centred: self.centred(i),
            curvature: self.curvature(i),
        }
    }

    /// Takes the value `dt` back; how many linear systems it took. `frames` are those of the end of the step, of its
    /// inner stage and of its start; `monotone` uses the last only.
    pub(crate) fn step(
        &self,
        frames: [&Frame; 3],
        dt: f64,
        value: &mut [f64],
        scratch: &mut Scratch,
    ) -> Result<u64, Trouble> {
        let n = self.unknowns();
        let solves = match self.settings.temperature {
            None => self.nonlinear(frames, dt, &mut value[..n], scratch)?,
            Some(temperature) if self.settings.scheme == Scheme::Monotone => {
                self.positive(frames[2], temperature, dt, &mut value[..n]);
                1
            }
            Some(temperature) if self.linear(frames, temperature, dt, value, scratch) => 2,
            Some(temperature) => {
                let before = value[..n].to_vec();
                match self.nonlinear(frames, dt, &mut value[..n], scratch) {
                    Ok(solves) if self.is_mean(&value[..n], &before, (frames[2], dt)) => solves,
                    _ => {
                        value[..n].copy_from_slice(&before);
                        let settings = Settings {
                            scheme: Scheme::Monotone,
                            ..self.settings
                        };
                        let upwind = Line { settings, ..*self };
                        upwind.positive(frames[2], temperature, dt, &mut value[..n]);
                        1
                    }
                }
            }
        };
        if self.is_periodic() {
            value[self.axis.count - 1] = value[0];
        }
        Ok(solves)
    }

    /// Whether a value is between the least and the largest of what it was, but for what is paid in a step and a part of
    /// that range.
    fn is_mean(&self, value: &[f64], before: &[f64], (frame, dt): (&Frame, f64)) -> bool {
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
                (v.min(a), v.max(b))
            })
        };
        let cost = |i: usize| dt * self.share * frame.cost[self.first + i * self.stride];
        let (low, high) = range(&mut before.iter().copied());
        let (least, most) = range(&mut (0..value.len()).map(cost));
        let slack = BEYOND * (high - low) + (most - least);
        let kept = low + least.min(0.0) - slack..=high + most.max(0.0) + slack;
        value.iter().all(|v| kept.contains(v))
    }

    fn nonlinear(
        &self,
        [end, stage, start]: [&Frame; 3],
        dt: f64,
        value: &mut [f64],
        scratch: &mut Scratch,
    ) -> Result<u64, Trouble> {
        match self.settings.scheme {
            Scheme::Monotone | Scheme::Spectral => {
                scratch.right.clear();
                scratch.right.extend_from_slice(value);
                self.implicit(start, dt, value, scratch)
            }
            Scheme::Central => {
                let weight = 0.5 * GAMMA * dt;
                self.improve(end, value, scratch);
                scratch.add_rate(self, weight, value);
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
            change = scratch.evaluate(self, weight, value)?;
            // Without controls there is one policy, and its value is found.
            let free = self.settings.temperature.is_none() && !frame.prices.is_steered(self.state);
            if change <= self.settings.tolerance || free {
                return Ok(round as u64);
            }
        }
        Err(Trouble::Flips { change })
    }

    /// The best policy for a value.
    fn improve(&self, frame: &Frame, value: &[f64], scratch: &mut Scratch) {
        scratch.resize(value.len());
        let inside = self.inside();
        for i in 0..value.len() {
            let node = self.first + i * self.stride;
            if self.is_stopped(i) {
                // The end cost was paid when the path was stopped: nothing changes it.
                scratch.set(i, [0.0; 5], 0.0);
                continue;
            }
            let at = self.weights(&inside, i);
            let slopes = (
                self.along(at.below, value, i),
                self.along(at.above, value, i),
            );
            let mut choice = Choice {
                frame,
                node,
                state: self.state,
                temperature: self.settings.temperature,
                u: &mut scratch.u,
            };
            let (drift, price) = choice.upwind(slopes);
            let half = 0.5 * frame.diffusivity.get(node, self.state);
            let mut row = at.curvature.map(|w| half * w);
            row[2] -= self.share * self.discount;
            let against = if drift > 0.0 { at.above } else { at.below };
            for (w, slope) in row.iter_mut().zip(against) {
                *w += drift * slope;
            }
            scratch.set(i, row, self.share * frame.cost[node] + price);
        }
    }

    /// Slopes below a node, on both sides and above it.
    pub(super) fn slopes_at(&self, value: &[f64], i: usize) -> [f64; 3] {
        let unknown = &value[..self.unknowns()];
        // The last node of a circle is its first.
        let i = i % unknown.len();
        let (below, above) = self.slopes(i);
        [below, self.centred(i), above].map(|row| self.along(row, unknown, i))
    }

    /// Nodes that are unknown: the last of a periodic line is its first.
    pub(super) fn unknowns(&self) -> usize {
        self.axis.count - usize::from(self.is_periodic())
    }

    pub(super) fn is_periodic(&self) -> bool {
        self.edges[0] == Edge::Periodic
    }

    /// Which end a node is.
    pub(super) fn end(&self, i: usize) -> Option<Edge> {
        if self.is_periodic() {
            None
        } else if i == 0 {
            Some(self.edges[0])
        } else {
            (i + 1 == self.axis.count).then_some(self.edges[1])
        }
    }

    pub(super) fn is_stopped(&self, i: usize) -> bool {
        self.stopped || self.end(i) == Some(Edge::Absorb)
    }

    /// Slopes below and above a node; beyond an edge there is none, so a drift across it has no effect.
    pub(super) fn slopes(&self, i: usize) -> ([f64; 5], [f64; 5]) {
        let per_step = 1.0 / self.axis.step;
        let wide = self.settings.scheme == Scheme::Central;
        let one_sided = |nodes: usize, edge: Edge| match nodes {
            _ if edge == Edge::Periodic && wide => {
                [-1.5 * per_step, 2.0 * per_step, -0.5 * per_step]
            }
            _ if edge == Edge::Periodic => [-per_step, per_step, 0.0],
            0 => [0.0, 0.0, 0.0],
            // The node beyond mirrors this one.
            1 if wide && edge == Edge::Reflect => [-2.0 * per_step, 2.0 * per_step, 0.0],
            1 => [-per_step, per_step, 0.0],
            _ if wide => [-1.5 * per_step, 2.0 * per_step, -0.5 * per_step],
            _ => [-per_step, per_step, 0.0],
        };
        let [here, next, far] = one_sided(i, self.edges[0]);
        let below = [-far, -next, -here, 0.0, 0.0];
        let [here, next, far] = one_sided(self.axis.count - 1 - i, self.edges[1]);
        (below, [0.0, 0.0, here, next, far])
    }

    /// The second difference at a node.
    pub(super) fn curvature(&self, i: usize) -> [f64; 5] {
        let w = self.axis.step.powi(-2);
        match self.end(i) {
            None => [0.0, w, -2.0 * w, w, 0.0],
            Some(Edge::Reflect) if i == 0 => [0.0, 0.0, -2.0 * w, 2.0 * w, 0.0],
            Some(Edge::Reflect) => [0.0, 2.0 * w, -2.0 * w, 0.0, 0.0],
            Some(_) => [0.0; 5],
        }
    }

    /// The slope at a node by the nodes on both sides, at an edge by three on one.
    pub(super) fn centred(&self, i: usize) -> [f64; 5] {
        let w = 0.5 / self.axis.step;
        match self.end(i) {
            None => [0.0, -w, 0.0, w, 0.0],
            Some(Edge::Reflect) => [0.0; 5],
            Some(_) => {
                let (below, above) = self.slopes(i);
                if i == 0 { above } else { below }
            }
        }
    }

    /// A row on the values around a node; weights beyond the edges vanish.
    #[inline(always)]
    pub(super) fn along(&self, row: [f64; 5], value: &[f64], i: usize) -> f64 {
        let n = value.len();
        if i >= 2 && i + 2 < n {
            let near = value[i - 2..i + 3].iter();
            return near.zip(row).map(|(v, w)| v * w).sum();
        }
        let nodes = row.into_iter().enumerate().filter(|(_, w)| *w != 0.0);
        nodes.map(|(k, w)| w * value[(i + k + n - 2) % n]).sum()
    }

    /// One step of the linear equation, relative to what `psi` is at the end of it:
    ///
    /// ```text
    /// psi = e^{-V_1/lambda} phi,   phi(t_1) = 1,   V(t_0) = V_1 - lambda log phi(t_0)
    /// -phi_t = (b - D V_1'/lambda) phi' + 1/2 D phi'' - r phi
    /// r = (b V_1' + 1/2 D V_1'' - 1/2 D V_1'^2 / lambda + s q) / lambda
    /// ```
    ///
    /// by TR-BDF2; slopes of `phi` are centred where noise outruns the drift within a cell, else against the drift. Whether
    /// `phi` stays near enough to one for that; else the value is left as it was.
    fn linear(
        &self,
        [end, stage, start]: [&Frame; 3],
        temperature: f64,
        dt: f64,
        value: &mut [f64],
        scratch: &mut Scratch,
    ) -> bool {
        let n = self.unknowns();
        let mut before = std::mem::take(&mut scratch.before);
        let mut phi = std::mem::take(&mut scratch.phi);
        before.clear();
        before.extend_from_slice(&value[..n]);
        phi.clear();
        phi.resize(n, 1.0);
        let near = |phi: &f64| *phi < MOST_GROWTH && *phi * MOST_GROWTH > 1.0;
        let weight = 0.5 * GAMMA * dt;
        self.relative(end, temperature, &before, scratch);
        scratch.add_rate(self, weight, &phi);
        self.relative(stage, temperature, &before, scratch);
        let mut found = scratch.evaluate(self, weight, &mut phi).is_ok() && phi.iter().all(near);
        if found {
            let new = 1.0 / (GAMMA * (2.0 - GAMMA));
            scratch.right.clear();
            let stages = phi.iter().map(|stage| new * stage + 1.0 - new);
            scratch.right.extend(stages);
            self.relative(start, temperature, &before, scratch);
            found = scratch.evaluate(self, weight, &mut phi).is_ok() && phi.iter().all(near);
        }
        if found {
            for (v, phi) in value.iter_mut().zip(&phi) {
                *v -= temperature * phi.ln();
            }
        }
        (scratch.before, scratch.phi) = (before, phi);
        found
    }

    /// The node of a place on the line, and drift and noise there.
    pub(super) fn coefficients(&self, frame: &Frame, i: usize) -> (usize, [f64; 2]) {
        let node = self.first + i * self.stride;
        let tables = [&frame.drift, &frame.diffusivity];
        (node, tables.map(|table| table.get(node, self.state)))
    }

    /// Whether noise outruns a drift within a cell, so that no centred slope gives a node a negative weight.
    pub(super) fn is_outrun(&self, drift: f64, noise: f64) -> bool {
        drift.abs() * self.axis.step <= noise
    }

    /// The generator of `phi`, and no cost beside it.
    fn relative(&self, frame: &Frame, temperature: f64, before: &[f64], scratch: &mut Scratch) {
        scratch.resize(before.len());
        let inside = self.inside();
        for i in 0..before.len() {
            if self.is_stopped(i) {
                scratch.set(i, [0.0; 5], 0.0);
                continue;
            }
            let (node, [drift, noise]) = self.coefficients(frame, i);
            let at = self.weights(&inside, i);
            let slope = self.along(at.centred, before, i);
            let curvature = self.along(at.curvature, before, i);
            let own = drift - noise * slope / temperature;
            let fall = drift * slope + 0.5 * noise * (curvature - slope * slope / temperature);
            let mut row = at.curvature.map(|w| 0.5 * noise * w);
            row[2] -= (fall + self.share * frame.cost[node]) / temperature;
            let outrun = self.is_outrun(own, noise) && self.end(i).is_none();
            let slope = match own > 0.0 {
                _ if outrun => at.centred,
                true => at.above,
                false => at.below,
            };
            for (w, slope) in row.iter_mut().zip(slope) {
                *w += own * slope;
            }
            scratch.set(i, row, 0.0);
        }
    }
}

impl Scratch {
    pub(super) fn resize(&mut self, n: usize) {
        self.cost.resize(n, 0.0);
        self.bands.iter_mut().for_each(|band| band.resize(n, 0.0));
    }

    pub(super) fn set(&mut self, i: usize, row: [f64; 5], cost: f64) {
        self.cost[i] = cost;
        for (band, w) in self.bands.iter_mut().zip(row) {
            band[i] = w;
        }
    }

    /// `right = V + weight (A V + c)`.
    fn add_rate(&mut self, line: &Line, weight: f64, value: &[f64]) {
        self.right.clear();
        for (i, (v, cost)) in value.iter().zip(&self.cost).enumerate() {
            let row = [0, 1, 2, 3, 4].map(|k| self.bands[k][i]);
            let rate = line.along(row, value, i) + cost;
            self.right.push(v + weight * rate);
        }
    }

    /// `V = (1 - weight A)^-1 (right + weight c)`; the largest relative change.
    fn evaluate(&mut self, line: &Line, weight: f64, value: &mut [f64]) -> Result<f64, Trouble> {
        self.bands.iter_mut().flatten().for_each(|a| *a *= -weight);
        self.bands[2].iter_mut().for_each(|a| *a += 1.0);
        self.next.clear();
        let right = self.right.iter().zip(&self.cost);
        self.next.extend(right.map(|(r, c)| r + weight * c));
        let bands = [0, 1, 2, 3, 4].map(|k| self.bands[k].as_slice());
        let solved = if line.is_periodic() {
            solve_cyclic(bands, &mut self.next, &mut self.ratios)
        } else {
            solve_pentadiagonal(bands, &mut self.next, &mut self.ratios)
        };
        solved.map_err(|error| Trouble::Pivot(error.pivot))?;
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

/// A choice of controls at a node: the drift `b + B u` and the price that follow. With a temperature the controls that push
/// the state are as good as one of price `lambda / D`.
pub(super) struct Choice<'a> {
    pub(super) frame: &'a Frame,
    pub(super) node: usize,
    pub(super) state: usize,
    pub(super) temperature: Option<f64>,
    pub(super) u: &'a mut [f64],
}

impl Choice<'_> {
    fn own_drift(&self) -> f64 {
        self.frame.drift.get(self.node, self.state)
    }

    fn noise(&self) -> f64 {
        self.frame.diffusivity.get(self.node, self.state)
    }

    fn price(&self) -> f64 {
        self.frame.prices.price(self.node, self.state, self.u)
    }

    fn is_steered(&self) -> bool {
        match self.temperature {
            Some(_) => self.noise() > 0.0,
            None => self.frame.prices.is_steered(self.state),
        }
    }

    /// The best controls for one slope.
    #[inline]
    pub(super) fn with_slope(&mut self, slope: f64) -> (f64, f64) {
        if let Some(temperature) = self.temperature {
            let push = -self.noise() * slope / temperature;
            return (self.own_drift() + push, -0.5 * push * slope);
        }
        let prices = &self.frame.prices;
        if !prices.is_steered(self.state) {
            return (self.own_drift(), 0.0);
        }
        prices.best(self.node, self.state, slope, self.u);
        let drift = self.own_drift() + prices.push(self.node, self.state, self.u);
        (drift, self.price())
    }

    /// The price of no drift, between the slopes below and above which it has either sign.
    fn balanced(&mut self, slopes: (f64, f64)) -> f64 {
        let drift = self.own_drift();
        if let Some(temperature) = self.temperature {
            return 0.5 * temperature * drift * drift / self.noise();
        }
        let prices = &self.frame.prices;
        prices.balancing(self.node, self.state, drift, slopes, self.u);
        self.price()
    }

    /// The best controls where a drift upwards meets the slope above and one downwards that below: the minimum over
    /// both signs, and over no drift.
    pub(super) fn upwind(&mut self, (below, above): (f64, f64)) -> (f64, f64) {
        let downward = self.with_slope(below);
        if !self.is_steered() {
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
            (false, false) => (0.0, self.balanced((below, above))),
        }
    }
}
