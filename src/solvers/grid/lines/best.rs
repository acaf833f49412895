//! The best controls at a node, in the box of their bounds.
//!
//! ```text
//! min over u of  v B u + N u + 1/2 u' R u,      u_j <- clamp( -(v B_j + N_j + sum_{k != j} R_jk u_k) / R_jj )
//! ```
//!
//! coordinate by coordinate until nothing moves: at once where R is diagonal, and convergent for every positive R. A control
//! without R is on its bounds. State by state, each with the controls that push it; where a control pushes several states,
//! or a price joins their controls, for all states together. Prices `r(x, u, t)` that are not quadratic are minimised by
//! numbers, for all states together ([`crate::solvers::grid::lines::any_price`]).

use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::interpolation::UniformAxis;
use crate::solvers::grid::end_cost::{EndCost, end_cost};
use crate::solvers::grid::lines::any_price::cheapest;
use crate::solvers::grid::space_time::nodes_of;
use crate::solvers::lowered::problem::Lowered;
use std::sync::Arc;

/// Most rounds over the coordinates.
const ROUNDS: usize = 200;
/// Relative move below which a round is the last.
const STILL: f64 = 1e-14;
/// Choices of controls that are compared at a node.
const CANDIDATES: usize = 3;
/// Bisections to the control that stops the drift.
const BISECTIONS: usize = 60;

/// What the best controls of a group of states depend on.
#[derive(Clone)]
pub(crate) struct Response {
    lowered: Arc<Lowered>,
    bounds: Vec<(f64, f64)>,
    /// By state, the controls that push it; those of other groups stay at zero.
    acting: Vec<Vec<usize>>,
    /// By state, entries of `B` in its row: place and control.
    pushes: Vec<Vec<(usize, usize)>>,
    /// By control, the place of its entry of `N`.
    tolls: Vec<Option<usize>>,
    /// By state, entries of `R` of its controls: place, row and column.
    prices: Vec<Vec<(usize, usize, usize)>>,
    /// The same of all states.
    all_prices: Vec<(usize, usize, usize)>,
    /// Whether controls are chosen for all states together.
    together: bool,
}

impl Response {
    pub(crate) fn new(lowered: Arc<Lowered>) -> Self {
        let controls = lowered.compiled.steered.controls();
        let given = lowered.problem.control_bounds.clone();
        let everywhere = (f64::NEG_INFINITY, f64::INFINITY);
        let places = lowered.compiled.steered.channel().places();
        let of_state = |state: usize| -> Vec<(usize, usize)> {
            let own = places.iter().enumerate().filter(|place| place.1.0 == state);
            own.map(|(k, (_, control))| (k, *control)).collect()
        };
        let pushes: Vec<Vec<(usize, usize)>> =
            (0..lowered.process.dimension()).map(of_state).collect();
        let acting = |own: &Vec<(usize, usize)>| own.iter().map(|(_, j)| *j).collect();
        let acting: Vec<Vec<usize>> = pushes.iter().map(acting).collect();
        let efforts = lowered.compiled.steered.effort().places();
        let priced = |own: &Vec<usize>| {
            let entries = efforts.iter().enumerate();
            entries
                .filter(|(_, (a, _))| own.contains(a))
                .map(|(k, (a, b))| (k, *a, *b))
                .collect()
        };
        let pushing = |j: usize| {
            acting
                .iter()
                .filter(move |own: &&Vec<usize>| own.contains(&j))
        };
        let state_of = |j: usize| acting.iter().position(|own| own.contains(&j));
        let joins = |(a, b): &(usize, usize)| {
            let [a, b] = [*a, *b].map(state_of);
            a.is_some() && b.is_some() && a != b
        };
        let together = lowered.compiled.steered.other_price().is_some()
            || (0..controls).any(|j| pushing(j).count() > 1)
            || efforts.iter().any(joins);
        let tolled = lowered.compiled.steered.toll().places();
        let toll = |j: usize| tolled.iter().position(|(_, control)| *control == j);
        Self {
            tolls: (0..controls).map(toll).collect(),
            prices: acting.iter().map(priced).collect(),
            all_prices: priced(&acting.concat()),
            acting,
            pushes,
            bounds: given.unwrap_or_else(|| vec![everywhere; controls]),
            together,
            lowered,
        }
    }

    /// Where no control acts.
    fn idle(&self) -> Self {
        Self {
            acting: self.acting.iter().map(|_| Vec::new()).collect(),
            pushes: self.pushes.iter().map(|_| Vec::new()).collect(),
            ..self.clone()
        }
    }

    /// Whether each best control takes a search by numbers.
    pub(crate) fn is_numeric(&self) -> bool {
        self.lowered.compiled.steered.other_price().is_some()
    }

    /// Whether controls are chosen for all states together, not for one after the other.
    pub(crate) fn is_joint(&self) -> bool {
        self.together
    }

    /// The best controls for slopes of the value at a block of points.
    pub(crate) fn greedy(&self, t: f64, x: BatchRef<'_>, slope: &Batch, mut out: BatchMut<'_>) {
        let process = &self.lowered.compiled.steered;
        if self.is_numeric() {
            let mut pull = Batch::zeros(x.points(), self.controls());
            let channel = process.channel();
            channel.add_transposed_times(t, x, 1.0, slope.as_ref(), pull.as_mut());
            let best = cheapest(process, &self.own_bounds(), (t, x), &pull);
            return out.copy_from(best.as_ref());
        }
        let prices = self.at(t, x);
        let mut u = vec![0.0; self.controls()];
        for i in 0..x.points() {
            if self.together {
                prices.best_of_all(i, &slope.row(i), &mut u);
            } else {
                (0..self.states()).for_each(|s| prices.best(i, s, slope.get(i, s), &mut u));
            }
            for (j, u) in u.iter().enumerate() {
                out.column_mut(j)[i] = *u;
            }
        }
    }

    /// Controls that push some state.
    fn acting_anywhere(&self) -> impl Iterator<Item = usize> {
        let acts = |j: &usize| self.acting.iter().any(|own| own.contains(j));
        (0..self.controls()).filter(acts)
    }

    /// Bounds of the controls; those that neither push nor cost anything here stay at zero.
    fn own_bounds(&self) -> Vec<(f64, f64)> {
        let parts = &self.lowered.process;
        let priced = parts.process.graph.symbols(&[parts.other_price]);
        let own = |j: usize| {
            self.acting_anywhere().any(|acting| acting == j) || priced.contains(&parts.control[j])
        };
        let bounds = self.bounds.iter().enumerate();
        let bounds = bounds.map(|(j, bounds)| if own(j) { *bounds } else { (0.0, 0.0) });
        bounds.collect()
    }

    /// The best controls where a drift upwards meets the slope above and one downwards that below: those for slopes on both
    /// sides, and for slopes against the drift, whichever costs least.
    fn upwind(&self, t: f64, x: BatchRef<'_>, [below, centred, above]: [&Batch; 3]) -> Batch {
        let process = &self.lowered.compiled.steered;
        let (points, states) = (x.points(), self.states());
        let mut best = Batch::zeros(points, self.controls());
        let mut least = vec![f64::INFINITY; points];
        let mut slopes = centred.clone();
        for _ in 0..CANDIDATES {
            let mut u = Batch::zeros(points, self.controls());
            self.greedy(t, x, &slopes, u.as_mut());
            let mut drift = Batch::zeros(points, states);
            process.drift(t, x, drift.as_mut());
            let channel = process.channel();
            channel.add_times(t, x, 1.0, u.as_ref(), drift.as_mut());
            let mut cost = vec![0.0; points];
            process.effort_rate(t, x, u.as_ref(), &mut cost);
            let before = slopes.clone();
            for i in 0..points {
                for s in 0..states {
                    let up = drift.get(i, s) > 0.0;
                    let against = if up { above } else { below }.get(i, s);
                    slopes.column_mut(s)[i] = against;
                    cost[i] += drift.get(i, s) * against;
                }
                if cost[i] < least[i] || cost[i].is_nan() {
                    least[i] = cost[i];
                    for j in 0..u.columns() {
                        best.column_mut(j)[i] = u.get(i, j);
                    }
                }
            }
            if slopes == before {
                break;
            }
        }
        best
    }

    pub(crate) fn states(&self) -> usize {
        self.acting.len()
    }

    pub(crate) fn controls(&self) -> usize {
        self.bounds.len()
    }

    /// `B`, `N` and `R` at a block of points.
    pub(crate) fn at(&self, t: f64, x: BatchRef<'_>) -> Prices {
        let process = &self.lowered.compiled.steered;
        Prices {
            channel: process.channel().values(t, x),
            toll: process.toll().values(t, x),
            effort: process.effort().values(t, x),
            response: self.clone(),
        }
    }
}

/// `B`, `N` and `R` at a block of points.
pub(crate) struct Prices {
    response: Response,
    channel: Batch,
    toll: Batch,
    effort: Batch,
}

/// One row where the entries are free of the state.
#[inline(always)]
fn entry(values: &Batch, i: usize, place: usize) -> f64 {
    values.column(place)[i.min(values.points() - 1)]
}

impl Prices {
    /// `(B u)` of a state at point `i`.
    #[inline]
    pub(crate) fn push(&self, i: usize, state: usize, u: &[f64]) -> f64 {
        let pushes = self.response.pushes[state].iter();
        pushes
            .map(|(k, j)| entry(&self.channel, i, *k) * u[*j])
            .sum()
    }

    /// `N_j` at point `i`.
    #[inline]
    fn toll(&self, i: usize, control: usize) -> f64 {
        let place = self.response.tolls[control];
        place.map_or(0.0, |place| entry(&self.toll, i, place))
    }

    /// `N . u + 1/2 u' R u` of the controls of a state at point `i`.
    #[inline]
    pub(crate) fn price(&self, i: usize, state: usize, u: &[f64]) -> f64 {
        let prices = self.response.prices[state].iter();
        let twice: f64 = prices
            .map(|(k, a, b)| entry(&self.effort, i, *k) * u[*a] * u[*b])
            .sum();
        let acting = self.response.acting[state].iter();
        acting.map(|j| self.toll(i, *j) * u[*j]).sum::<f64>() + 0.5 * twice
    }

    /// The best controls of a state for a slope `v` along it.
    #[inline]
    pub(crate) fn best(&self, i: usize, state: usize, slope: f64, u: &mut [f64]) {
        let acting = &self.response.acting[state];
        if let ([j], [(push, _)], [(own, _, _)]) = (
            acting.as_slice(),
            self.response.pushes[state].as_slice(),
            self.response.prices[state].as_slice(),
        ) {
            // One control, as most states have.
            let pull = slope * entry(&self.channel, i, *push) + self.toll(i, *j);
            let (low, high) = self.response.bounds[*j];
            u[*j] = (-pull / entry(&self.effort, i, *own)).max(low).min(high);
            return;
        }
        let pushes = &self.response.pushes[state];
        let pulls = pushes.iter().map(|(k, j)| {
            let pushed = slope * entry(&self.channel, i, *k);
            (*j, pushed + self.toll(i, *j))
        });
        self.descend(i, &self.response.prices[state], pulls, u);
    }

    /// The same for the slopes along all states.
    fn best_of_all(&self, i: usize, slopes: &[f64], u: &mut [f64]) {
        let pulls = self.response.acting_anywhere().map(|j| {
            let states = self.response.pushes.iter().zip(slopes);
            let pushed: f64 = states
                .flat_map(|(pushes, slope)| {
                    let own = pushes.iter().filter(move |(_, control)| *control == j);
                    own.map(move |(k, _)| slope * entry(&self.channel, i, *k))
                })
                .sum();
            (j, pushed + self.toll(i, j))
        });
        let pulls: Vec<(usize, f64)> = pulls.collect();
        self.descend(i, &self.response.all_prices, pulls.into_iter(), u);
    }

    /// Moves each control where it costs least beside the others, until none moves; `pulls` are `B_j' grad V + N_j`.
    fn descend(
        &self,
        i: usize,
        prices: &[(usize, usize, usize)],
        pulls: impl Iterator<Item = (usize, f64)> + Clone,
        u: &mut [f64],
    ) {
        let mut count = 0;
        for (j, _) in pulls.clone() {
            u[j] = 0.0;
            count += 1;
        }
        for _ in 0..ROUNDS {
            let mut moved = 0.0_f64;
            for (j, pull) in pulls.clone() {
                let (mut pull, mut own) = (pull, 0.0);
                for (k, row, column) in prices {
                    if *row == j && *column == j {
                        own = entry(&self.effort, i, *k);
                    } else if *row == j {
                        pull += entry(&self.effort, i, *k) * u[*column];
                    }
                }
                let (low, high) = self.response.bounds[j];
                let next = (-pull / own).max(low).min(high);
                moved = moved.max((next - u[j]).abs() / (1.0 + next.abs()));
                u[j] = next;
            }
            if moved < STILL || count < 2 {
                return;
            }
        }
    }

    /// Whether any control pushes a state.
    #[inline]
    pub(crate) fn is_steered(&self, state: usize) -> bool {
        !self.response.acting[state].is_empty()
    }

    /// The best controls of a state that leave its drift `b + B u` at zero, between the slopes below and above which
    /// it has either sign.
    pub(crate) fn balancing(
        &self,
        i: usize,
        state: usize,
        drift: f64,
        slopes: (f64, f64),
        u: &mut [f64],
    ) {
        let (mut low, mut high) = slopes;
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            self.best(i, state, middle, u);
            // The drift falls as the slope grows.
            if drift + self.push(i, state, u) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
    }
}

/// What the equation asks for on the nodes of a grid.
pub(crate) struct Coefficients {
    lowered: Arc<Lowered>,
    response: Response,
    nodes: Batch,
    /// Of all times, where nothing depends on time.
    still: Option<Arc<Frame>>,
}

/// `b`, `D` and `q` at one time.
pub(crate) struct Frame {
    /// Nodes × states.
    pub(crate) drift: Batch,
    /// Diagonal of D, nodes × states.
    pub(crate) diffusivity: Batch,
    pub(crate) cost: Vec<f64>,
    pub(crate) prices: Prices,
}

impl Coefficients {
    pub(crate) fn new(lowered: Arc<Lowered>, axes: &[UniformAxis]) -> Self {
        let mut coefficients = Self {
            response: Response::new(lowered.clone()),
            nodes: nodes_of(axes),
            still: None,
            lowered,
        };
        if coefficients.lowered.is_autonomous() {
            coefficients.still = Some(coefficients.at(coefficients.horizon().0));
        }
        coefficients
    }

    pub(crate) fn horizon(&self) -> (f64, f64) {
        let process = &self.lowered.compiled.steered;
        (process.start(), process.end())
    }

    pub(crate) fn controls(&self) -> usize {
        self.response.controls()
    }

    /// Whether controls are chosen for all states together: then a step is made under a policy that is chosen before.
    pub(crate) fn is_joint(&self) -> bool {
        self.response.is_joint()
    }

    /// The best controls on the nodes for slopes below, on both sides and above them, nodes × controls.
    pub(crate) fn best(&self, t: f64, slopes: [&Batch; 3]) -> Batch {
        let blocks = map_blocks(self.nodes.points(), block(), |range| {
            let x = self.nodes.as_ref().rows(range.clone());
            let own = slopes.map(|s| s.as_ref().rows(range.clone()).to_batch());
            self.response.upwind(t, x, own.each_ref())
        });
        let mut best = Batch::zeros(self.nodes.points(), self.controls());
        let mut first = 0;
        for block in &blocks {
            best.write_rows(first, block.as_ref());
            first += block.points();
        }
        best
    }

    /// The equation under controls on the nodes: they drift and cost, and nothing is left to choose.
    pub(crate) fn under(&self, t: f64, controls: &Batch) -> Arc<Frame> {
        let (process, x) = (&self.lowered.compiled.steered, self.nodes.as_ref());
        let free = self.at(t);
        let mut drift = free.drift.clone();
        let channel = process.channel();
        channel.add_times(t, x, 1.0, controls.as_ref(), drift.as_mut());
        let mut cost = vec![0.0; x.points()];
        process.effort_rate(t, x, controls.as_ref(), &mut cost);
        let both = cost.iter().zip(&free.cost);
        Arc::new(Frame {
            drift,
            diffusivity: free.diffusivity.clone(),
            cost: both.map(|(price, rate)| price + rate).collect(),
            prices: Prices {
                response: self.response.idle(),
                channel: Batch::zeros(1, 0),
                toll: Batch::zeros(1, 0),
                effort: Batch::zeros(1, 0),
            },
        })
    }

    pub(crate) fn discount(&self) -> f64 {
        self.lowered.compiled.steered.discount()
    }

    /// `Phi` on the nodes, averaged where it jumps.
    pub(crate) fn end_cost(&self, axes: &[UniformAxis], temperature: Option<f64>) -> EndCost {
        end_cost(&self.lowered.compiled.steered, axes, temperature)
    }

    pub(crate) fn at(&self, t: f64) -> Arc<Frame> {
        if let Some(still) = &self.still {
            return still.clone();
        }
        let (process, x) = (&self.lowered.compiled.steered, self.nodes.as_ref());
        let (n, d) = (x.points(), process.dimension());
        let blocks = map_blocks(n, block(), |range| {
            let x = x.rows(range);
            let mut drift = Batch::zeros(x.points(), d);
            process.drift(t, x, drift.as_mut());
            let mut cost = vec![0.0; x.points()];
            process.running(t, x, &mut cost);
            let noise = process.diffusion().values(t, x);
            let mut diffusivity = Batch::zeros(x.points(), d);
            for (k, (state, _)) in process.diffusion().places().iter().enumerate() {
                let sums = diffusivity.column_mut(*state).iter_mut();
                sums.enumerate()
                    .for_each(|(i, sum)| *sum += entry(&noise, i, k).powi(2));
            }
            (drift, diffusivity, cost)
        });
        let (mut drift, mut diffusivity) = (Batch::zeros(n, d), Batch::zeros(n, d));
        let mut cost = Vec::with_capacity(n);
        for (own_drift, own_diffusivity, own_cost) in &blocks {
            drift.write_rows(cost.len(), own_drift.as_ref());
            diffusivity.write_rows(cost.len(), own_diffusivity.as_ref());
            cost.extend_from_slice(own_cost);
        }
        Arc::new(Frame {
            drift,
            diffusivity,
            cost,
            prices: self.response.at(t, x),
        })
    }
}
