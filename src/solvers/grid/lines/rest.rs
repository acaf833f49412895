//! The value of one line where nothing changes any more.
//!
//! ```text
//! rho V = H(V),        or        c = H(V),   V = 0 at one node
//! ```
//!
//! by policy iteration (Howard), which is Newton's method on the grid, begun with a discount that fades. For the average cost `c` the equation of one node
//! is kept out: `V = y - c z` with `-A y = cost` and `-A z = 1` at all others and zero there, and its own equation
//! gives `c`. It is the node where the process under the policy is most of the time, since `z` is the time to get there. `central` takes the slopes at both sides where noise outruns the drift within a cell, else those against it.

use crate::numeric::pentadiagonal::{solve_cyclic, solve_pentadiagonal};
use crate::problem::meant::grid::Scheme;
use crate::solvers::grid::lines::best::Frame;
use crate::solvers::grid::lines::line::{Choice, Line, Scratch, Trouble};

/// Rounds of policy iteration with a discount more, and the share of it that is left in the next.
const WARM: i32 = 6;
const SLOWER: f64 = 0.25;

/// A value at rest on the nodes of a line.
pub(crate) struct Rest {
    pub(crate) value: Vec<f64>,
    /// `c`; zero with a discount.
    pub(crate) average: f64,
    /// Generator under the best policy: weights of the nodes from two below to two above.
    pub(crate) generator: [Vec<f64>; 5],
    /// Drift under it.
    drift: Vec<f64>,
    /// Logarithm of the density at rest under it, zero where it is largest.
    pub(crate) log_density: Vec<f64>,
    pub(crate) solves: u64,
}

impl Line {
    /// Solves for the value at rest, where the average cost is asked for up to a constant.
    pub(crate) fn rest(
        &self,
        frame: &Frame,
        averages: bool,
        scratch: &mut Scratch,
    ) -> Result<Rest, Trouble> {
        let n = self.unknowns();
        let mut rest = Rest {
            value: vec![0.0; n],
            average: 0.0,
            generator: [(); 5].map(|()| Vec::new()),
            drift: vec![0.0; n],
            log_density: Vec::new(),
            solves: 0,
        };
        // A good first policy: where the process left to itself runs off, its value for ever is beyond rounding.
        for round in 0..WARM {
            let discount = self.fastest(frame) * SLOWER.powi(round);
            self.steer(frame, &mut rest, scratch);
            scratch.bands[2].iter_mut().for_each(|w| *w -= discount);
            rest.value = self.solved(scratch, &scratch.cost.clone(), None)?;
            rest.solves += 1;
        }
        let mut change = f64::INFINITY;
        for _ in 0..self.settings.max_iterations {
            self.steer(frame, &mut rest, scratch);
            rest.log_density = self.log_density(frame, &rest.drift);
            let next = match averages {
                false => self.solved(scratch, &scratch.cost.clone(), None)?,
                true => self.averaged(scratch, &mut rest)?,
            };
            rest.solves += 1;
            let pairs = next.iter().zip(&rest.value);
            change = pairs.fold(0.0, |most: f64, (a, b)| {
                most.max((a - b).abs() / (1.0 + a.abs()))
            });
            rest.value = next;
            if change <= self.settings.tolerance {
                self.steer(frame, &mut rest, scratch);
                rest.log_density = self.log_density(frame, &rest.drift);
                rest.generator.clone_from(&scratch.bands);
                if self.is_periodic() {
                    // The last node of the circle is its first.
                    rest.value.push(rest.value[0]);
                }
                return Ok(rest);
            }
        }
        Err(Trouble::Flips { change })
    }

    /// Rate at which the process left to itself crosses the line.
    fn fastest(&self, frame: &Frame) -> f64 {
        let length = self.axis.step * (self.axis.count - 1) as f64;
        let at = |i: usize| {
            let node = self.first + i * self.stride;
            let noise = frame.diffusivity.get(node, self.state);
            frame.drift.get(node, self.state).abs() / length + noise / (length * length)
        };
        (0..self.unknowns())
            .map(at)
            .fold(f64::MIN_POSITIVE, f64::max)
    }

    /// The best policy for a value: its generator, its drift and the rate of its costs.
    fn steer(&self, frame: &Frame, rest: &mut Rest, scratch: &mut Scratch) {
        let n = rest.value.len();
        scratch.resize(n);
        let inside = self.inside();
        for i in 0..n {
            let node = self.first + i * self.stride;
            let at = self.weights(&inside, i);
            let along = |row| self.along(row, &rest.value, i);
            let slopes = (along(at.below), along(at.above));
            let noise = frame.diffusivity.get(node, self.state);
            let mut choice = Choice {
                frame,
                node,
                state: self.state,
                temperature: None,
                u: &mut scratch.u,
            };
            let centred = choice.with_slope(along(at.centred));
            let inner = self.settings.scheme == Scheme::Central && self.end(i).is_none();
            let ((drift, price), slope) = if inner && self.is_outrun(centred.0, noise) {
                (centred, at.centred)
            } else {
                let (drift, price) = choice.upwind(slopes);
                let against = if drift > 0.0 { at.above } else { at.below };
                ((drift, price), against)
            };
            let mut row = at.curvature.map(|w| 0.5 * noise * w);
            row[2] -= self.discount;
            for (w, slope) in row.iter_mut().zip(slope) {
                *w += drift * slope;
            }
            rest.drift[i] = drift;
            scratch.set(i, row, frame.cost[node] + price);
        }
    }

    /// `-A V = right`, at the anchor `V = 0` instead.
    fn solved(
        &self,
        scratch: &mut Scratch,
        right: &[f64],
        anchor: Option<usize>,
    ) -> Result<Vec<f64>, Trouble> {
        let mut bands = scratch.bands.clone();
        bands.iter_mut().flatten().for_each(|w| *w = -*w);
        let mut value = right.to_vec();
        if let Some(anchor) = anchor {
            bands.iter_mut().for_each(|band| band[anchor] = 0.0);
            bands[2][anchor] = 1.0;
            value[anchor] = 0.0;
        }
        let rows = [0, 1, 2, 3, 4].map(|k| bands[k].as_slice());
        let solved = if self.is_periodic() {
            solve_cyclic(rows, &mut value, &mut scratch.ratios)
        } else {
            solve_pentadiagonal(rows, &mut value, &mut scratch.ratios)
        };
        solved.map_err(|error| Trouble::Pivot(error.pivot))?;
        match value.iter().find(|v| !v.is_finite()) {
            Some(wrong) => Err(Trouble::Value(*wrong)),
            None => Ok(value),
        }
    }

    /// The value under a policy up to a constant, and its average cost.
    fn averaged(&self, scratch: &mut Scratch, rest: &mut Rest) -> Result<Vec<f64>, Trouble> {
        let density = rest.log_density.iter().enumerate();
        let anchor = density
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map_or(0, |most| most.0);
        let cost = scratch.cost.clone();
        let mut value = self.solved(scratch, &cost, Some(anchor))?;
        let time = self.solved(scratch, &vec![1.0; cost.len()], Some(anchor))?;
        let row = [0, 1, 2, 3, 4].map(|k| scratch.bands[k][anchor]);
        let [gained, waited] = [&value, &time].map(|v| self.along(row, v, anchor));
        rest.average = (cost[anchor] + gained) / (1.0 + waited);
        for (v, z) in value.iter_mut().zip(&time) {
            *v -= rest.average * z;
        }
        // The constant is that of one node, whatever the anchor.
        let first = value[value.len() / 2];
        value.iter_mut().for_each(|v| *v -= first);
        Ok(value)
    }

    /// `log p`, `p' = 2 b p / D`, from one end to the other.
    fn log_density(&self, frame: &Frame, drift: &[f64]) -> Vec<f64> {
        let slope = |i: usize| {
            let noise = frame
                .diffusivity
                .get(self.first + i * self.stride, self.state);
            // Where nothing shakes the process nothing is known of it.
            if noise > 0.0 {
                2.0 * drift[i] / noise
            } else {
                0.0
            }
        };
        let mut density = vec![0.0; drift.len()];
        for i in 1..drift.len() {
            density[i] = density[i - 1] + 0.5 * self.axis.step * (slope(i - 1) + slope(i));
        }
        let top = density.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        density.iter_mut().for_each(|a| *a -= top);
        density
    }
}
