//! The least cost that explicit steps allow, for states that nothing couples.
//!
//! ```text
//! X_{k+1} = X_k + dt (b + B u_k) + sqrt(dt) G z,      J = sum_k gamma^k dt (q + 1/2 u'R u)(t_k) + gamma^N Phi(X_N)
//! V_k(x) = dt q + min over a of { a^2 / (2 dt B R^-1 B') + gamma E V_{k+1}(x + dt b + a + sqrt(dt) G z) }
//! ```
//!
//! with `gamma = e^{-rho dt}` and `a = dt B u`: dynamic programming of the scheme that every simulation here walks, one
//! state at a time. No control can cost less at that step. The minimum is found by Newton steps from the shift of the
//! step before, the expectation by Gauss–Hermite nodes, values between the nodes of the grid by splines. The same on half
//! the cells and fewer Gauss–Hermite nodes tells the error.
//!
//! # Assumes
//! States that neither drift, noise, control authority nor costs couple; no bounds on the control, natural edges, no
//! events; steps short enough that the price of the control makes the minimum the only one.
//!
//! # Order
//! Four in the spacing. Distance from the value of continuous time: first order in `dt`.
//!
//! # Source
//! Bertsekas, *Dynamic Programming and Optimal Control*, volume I, section 1.3.

use crate::derivation::control::product_form::groups_of;
use crate::numeric::batch::Batch;
use crate::numeric::blocks::map_blocks;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::{GridInterpolant, UniformAxis};
use crate::numeric::quadrature::Rule;
use crate::numeric::random::Streams;
use crate::problem::meant::grid::Scheme;
use crate::solvers::grid::groups::group_problem;
use crate::solvers::grid::hjb::settled;
use crate::solvers::grid::lines::line::Settings;
use crate::solvers::lowered::edges;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::start_law::start_nodes;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Name of the quantity.
pub const DISCRETE_VALUE: &str = "discrete_value";
/// Cells and Gauss–Hermite nodes of the answer, then of the one its error is told by.
const GRIDS: [(usize, NonZeroUsize); 2] = [
    (768, NonZeroUsize::new(12).unwrap()),
    (384, NonZeroUsize::new(8).unwrap()),
];
/// Cells and steps of the grid that shows where optimal paths go, and its scheme.
const SETTLING: (&[usize], usize) = (&[192], 50);
const SETTINGS: Settings = Settings {
    scheme: Scheme::Monotone,
    tolerance: 1e-6,
    max_iterations: 50,
    temperature: None,
};
/// Share of the distance between both that is reported as error.
const ERROR_SHARE: f64 = 0.25;
/// Most Newton steps.
const NEWTON: usize = 40;
/// Last move of a shift, over the spacing of the nodes.
const STILL: f64 = 1e-9;
/// Nodes worked on with one memory.
const NODES: usize = 128;
/// Most steps times states this is done for.
const MOST_STEPS: usize = 1 << 15;

/// `E V_0` over the start law at the steps of `[time]`; `None` where the states are coupled or the assumptions fail.
pub fn discrete_value(lowered: &Lowered, streams: &Streams) -> Option<Estimate> {
    let steps = lowered.problem.time_settings.steps;
    if lowered.obstructed_control().is_some()
        || !lowered.has_end_cost()
        || edges::act(lowered)
        || steps * lowered.compiled.steered.dimension() > MOST_STEPS
    {
        return None;
    }
    let mut parts = lowered.process.clone();
    let (groups, _) = groups_of(&mut parts);
    if groups.iter().any(|group| group.len() > 1) {
        return None;
    }
    let (mut value, mut error) = (0.0, 0.0);
    for (g, states) in groups.iter().enumerate() {
        let own = group_problem(lowered, &parts, states, g == 0).ok()?;
        let own = Arc::new(own);
        let domain = settled(&own, streams, SETTLING, SETTINGS)
            .ok()?
            .edges
            .domain[0];
        let [fine, coarse] = GRIDS.map(|(cells, nodes)| least_cost(&own, domain, cells, nodes));
        let (fine, coarse) = (fine?, coarse?);
        value += fine;
        error += ERROR_SHARE * (fine - coarse).abs();
    }
    let rounding = f64::EPSILON * steps as f64 * value.abs();
    Some(Estimate::new(value, error + rounding, ErrorKind::Grid))
}

/// The same for one state on one grid.
fn least_cost(
    lowered: &Lowered,
    (low, high): (f64, f64),
    cells: usize,
    nodes: NonZeroUsize,
) -> Option<f64> {
    let process = &lowered.compiled.steered;
    let steps = lowered.problem.time_settings.steps;
    let dt = (process.end() - process.start()) / steps as f64;
    let axis = UniformAxis::between(low, high, cells + 1);
    let x = Batch::from_columns(
        axis.count,
        1,
        (0..axis.count).map(|i| axis.node(i)).collect(),
    );
    let mut values = vec![0.0; axis.count];
    process.terminal(x.as_ref(), &mut values);
    let mut value = GridInterpolant::new(&[axis], &values).ok()?;
    let backup = Backup {
        lowered,
        nodes: &x,
        dt,
        gamma: (-process.discount() * dt).exp(),
        rule: Rule::normal(nodes),
        still: STILL * axis.step,
    };
    let mut shifts = vec![0.0; axis.count];
    for k in (0..steps).rev() {
        let t = process.start() + dt * k as f64;
        let found = map_blocks(axis.count, NODES, |range| {
            backup.take(t, &value, range.clone(), &shifts[range])
        });
        let (mut i, mut next) = (0, Vec::with_capacity(axis.count));
        for block in found {
            for (own, shift) in block? {
                next.push(own);
                shifts[i] = shift;
                i += 1;
            }
        }
        value.set_values(&next);
    }
    let start = start_nodes(lowered.start());
    let cost = start.average(|points| {
        let mut values = vec![0.0; points.points()];
        let mut slopes = Batch::zeros(points.points(), 1);
        value.eval(points, &mut values, slopes.as_mut(), None);
        values
    });
    cost.is_finite().then_some(cost)
}

/// One step of dynamic programming.
struct Backup<'a> {
    lowered: &'a Lowered,
    nodes: &'a Batch,
    dt: f64,
    gamma: f64,
    rule: Rule,
    still: f64,
}

impl Backup<'_> {
    /// Deviation of the noise of a step, and price of a shift; infinite where nothing pushes: then the shift stays at zero.
    fn jumps_and_prices(&self, t: f64, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let process = &self.lowered.compiled.steered;
        let matrices = [
            process.diffusion(),
            process.channel(),
            process.inverse_effort(),
        ];
        let at = |here: f64| {
            let [noise, channel, inverse] = matrices.map(|matrix| matrix.at(t, &[here]));
            let authority = &channel * inverse * channel.transpose();
            let jump = noise.row(0).norm_squared();
            ((self.dt * jump).sqrt(), 1.0 / (self.dt * authority[(0, 0)]))
        };
        let same = (!matrices.iter().any(|m| m.depends_on_state())).then(|| at(0.0));
        x.iter()
            .map(|here| same.unwrap_or_else(|| at(*here)))
            .unzip()
    }

    /// Value and best shift at some nodes, from the shifts of the step after; `None` where a minimum is not found.
    fn take(
        &self,
        t: f64,
        after: &GridInterpolant,
        range: std::ops::Range<usize>,
        guess: &[f64],
    ) -> Option<Vec<(f64, f64)>> {
        let process = &self.lowered.compiled.steered;
        let x = self.nodes.as_ref().rows(range);
        let n = x.points();
        let mut drift = Batch::zeros(n, 1);
        process.drift(t, x, drift.as_mut());
        let mut cost = vec![0.0; n];
        process.running(t, x, &mut cost);
        let here = x.column(0).iter().zip(drift.column(0));
        let means: Vec<f64> = here.map(|(x, b)| x + self.dt * b).collect();
        let (jumps, prices) = self.jumps_and_prices(t, x.column(0));
        let pushed = |i: usize| prices[i].is_finite();
        let mut shifts: Vec<f64> = (0..n)
            .map(|i| if pushed(i) { guess[i] } else { 0.0 })
            .collect();
        let mut moments = Moments::new(n, self.rule.nodes.len());
        for round in 0.. {
            moments.take(after, &self.rule, &means, &shifts, &jumps);
            let mut moved = 0.0_f64;
            for i in (0..n).filter(|i| pushed(*i)) {
                let slope = prices[i] * shifts[i] + self.gamma * moments.slope[i];
                let bent = prices[i] + self.gamma * moments.curvature[i];
                // Where the value bends more than the price of the control the price alone sets the step.
                let step = slope / if bent > 0.0 { bent } else { prices[i] };
                shifts[i] -= step;
                moved = moved.max(step.abs());
            }
            if moved <= self.still {
                break;
            }
            if round == NEWTON || !moved.is_finite() {
                return None;
            }
        }
        // The last move changes the least value by its square only.
        let best = |i: usize| {
            let shift = shifts[i];
            let price = if pushed(i) {
                0.5 * prices[i] * shift * shift
            } else {
                0.0
            };
            (
                self.dt * cost[i] + price + self.gamma * moments.value[i],
                shift,
            )
        };
        Some((0..n).map(best).collect())
    }
}

/// `E V`, `E V'`, `E V''` after a jump, node by node.
struct Moments {
    value: Vec<f64>,
    slope: Vec<f64>,
    curvature: Vec<f64>,
    at: Batch,
    values: Vec<f64>,
    slopes: Batch,
    bends: Vec<f64>,
}

impl Moments {
    fn new(nodes: usize, rule: usize) -> Self {
        let all = nodes * rule;
        Self {
            value: vec![0.0; nodes],
            slope: vec![0.0; nodes],
            curvature: vec![0.0; nodes],
            at: Batch::zeros(all, 1),
            values: vec![0.0; all],
            slopes: Batch::zeros(all, 1),
            bends: vec![0.0; all],
        }
    }

    fn take(
        &mut self,
        after: &GridInterpolant,
        rule: &Rule,
        means: &[f64],
        shifts: &[f64],
        jumps: &[f64],
    ) {
        let n = means.len();
        for (z, to) in rule
            .nodes
            .iter()
            .zip(self.at.column_mut(0).chunks_exact_mut(n))
        {
            for (i, x) in to.iter_mut().enumerate() {
                *x = means[i] + shifts[i] + jumps[i] * z;
            }
        }
        after.eval(
            self.at.as_ref(),
            &mut self.values,
            self.slopes.as_mut(),
            Some(&mut self.bends),
        );
        let sums = [&mut self.value, &mut self.slope, &mut self.curvature];
        let terms = [&self.values[..], self.slopes.column(0), &self.bends[..]];
        for (sum, terms) in sums.into_iter().zip(terms) {
            sum.fill(0.0);
            for (weight, terms) in rule.weights.iter().zip(terms.chunks_exact(n)) {
                sum.iter_mut()
                    .zip(terms)
                    .for_each(|(s, v)| *s += weight * v);
            }
        }
    }
}

#[cfg(test)]
mod tests;
