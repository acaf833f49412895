//! The best control at a node, in the box of its bounds.
//!
//! ```text
//! min over u of  v B u + 1/2 u' R u,      u_j <- clamp( -(v B_j + sum_{k != j} R_jk u_k) / R_jj )
//! ```
//!
//! coordinate by coordinate until nothing moves: at once where R is diagonal, and convergent for every positive R.

use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::interpolation::UniformAxis;
use crate::solvers::control::ControlProblem;
use std::sync::Arc;

/// Most rounds over the coordinates.
const ROUNDS: usize = 200;
/// Relative move below which a round is the last.
const STILL: f64 = 1e-14;
/// Bisections to the control that stops the drift.
const BISECTIONS: usize = 60;

/// What the best control of one state depends on.
#[derive(Clone)]
pub(super) struct Response {
    problem: Arc<ControlProblem>,
    bounds: Vec<(f64, f64)>,
    /// Controls that move the state; the others are those of other groups and stay at zero.
    acting: Vec<usize>,
}

impl Response {
    pub(super) fn new(problem: Arc<ControlProblem>) -> Self {
        let controls = problem.process.controls();
        let given = problem.problem.control_bounds.clone();
        let everywhere = (f64::NEG_INFINITY, f64::INFINITY);
        let places = problem.process.channel().places();
        Self {
            acting: (0..controls)
                .filter(|j| places.iter().any(|(_, column)| column == j))
                .collect(),
            bounds: given.unwrap_or_else(|| vec![everywhere; controls]),
            problem,
        }
    }

    pub(super) fn controls(&self) -> usize {
        self.bounds.len()
    }

    /// `B` and `R` at a block of points.
    pub(super) fn at(&self, t: f64, x: BatchRef<'_>) -> Prices<'_> {
        let process = &self.problem.process;
        Prices {
            response: self,
            channel: process.channel().values(t, x),
            channel_places: process.channel().places(),
            effort: process.effort().values(t, x),
            effort_places: process.effort().places(),
        }
    }
}

/// `B` and `R` at a block of points.
pub(super) struct Prices<'a> {
    response: &'a Response,
    channel: Batch,
    channel_places: &'a [(usize, usize)],
    effort: Batch,
    effort_places: &'a [(usize, usize)],
}

/// One row where the entries are free of the state.
fn entry(values: &Batch, i: usize, place: usize) -> f64 {
    values.column(place)[i.min(values.points() - 1)]
}

impl Prices<'_> {
    /// `B u` at point `i`.
    pub(super) fn push(&self, i: usize, u: &[f64]) -> f64 {
        let places = self.channel_places.iter().enumerate();
        places
            .map(|(k, (_, j))| entry(&self.channel, i, k) * u[*j])
            .sum()
    }

    /// `1/2 u' R u` at point `i`.
    pub(super) fn price(&self, i: usize, u: &[f64]) -> f64 {
        let places = self.effort_places.iter().enumerate();
        let twice: f64 = places
            .map(|(k, (a, b))| entry(&self.effort, i, k) * u[*a] * u[*b])
            .sum();
        0.5 * twice
    }

    /// The best control for a slope `v`.
    pub(super) fn best(&self, i: usize, slope: f64, u: &mut [f64]) {
        u.fill(0.0);
        for _ in 0..ROUNDS {
            let mut moved = 0.0_f64;
            for &j in &self.response.acting {
                let (mut pull, mut own) = (0.0, 0.0);
                for (k, (_, column)) in self.channel_places.iter().enumerate() {
                    if *column == j {
                        pull += slope * entry(&self.channel, i, k);
                    }
                }
                for (k, (row, column)) in self.effort_places.iter().enumerate() {
                    if *row == j && *column == j {
                        own = entry(&self.effort, i, k);
                    } else if *row == j {
                        pull += entry(&self.effort, i, k) * u[*column];
                    }
                }
                let (low, high) = self.response.bounds[j];
                let next = (-pull / own).max(low).min(high);
                moved = moved.max((next - u[j]).abs() / (1.0 + next.abs()));
                u[j] = next;
            }
            if moved < STILL || self.response.acting.len() < 2 {
                return;
            }
        }
    }

    /// The best control that leaves the drift `b + B u` at zero, between the slopes below and above which it has
    /// either sign.
    pub(super) fn balancing(&self, i: usize, drift: f64, slopes: (f64, f64), u: &mut [f64]) {
        let (mut low, mut high) = slopes;
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            self.best(i, middle, u);
            // The drift falls as the slope grows.
            if drift + self.push(i, u) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
    }
}

/// What the equation asks for on the nodes of a grid.
pub(super) struct Coefficients {
    problem: Arc<ControlProblem>,
    pub(super) response: Response,
    nodes: Batch,
}

/// `b`, `D` and `q` at one time.
pub(super) struct Frame<'a> {
    pub(super) drift: Vec<f64>,
    pub(super) diffusivity: Vec<f64>,
    pub(super) cost: Vec<f64>,
    pub(super) prices: Prices<'a>,
}

impl Coefficients {
    pub(super) fn new(problem: Arc<ControlProblem>, axis: UniformAxis) -> Self {
        let nodes = (0..axis.count).map(|i| axis.node(i)).collect();
        Self {
            response: Response::new(problem.clone()),
            nodes: Batch::from_columns(axis.count, 1, nodes),
            problem,
        }
    }

    pub(super) fn horizon(&self) -> (f64, f64) {
        let process = &self.problem.process;
        (process.start(), process.end())
    }

    pub(super) fn discount(&self) -> f64 {
        self.problem.process.discount()
    }

    /// `Phi` on the nodes.
    pub(super) fn terminal(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.nodes.points()];
        self.problem.process.terminal(self.nodes.as_ref(), &mut out);
        out
    }

    pub(super) fn at(&self, t: f64) -> Frame<'_> {
        let (process, x) = (&self.problem.process, self.nodes.as_ref());
        let n = x.points();
        let mut drift = Batch::zeros(n, 1);
        process.drift(t, x, drift.as_mut());
        let mut cost = vec![0.0; n];
        process.running(t, x, &mut cost);
        let noise = process.diffusion().values(t, x);
        let places = 0..process.diffusion().places().len();
        let diffusivity = (0..n)
            .map(|i| places.clone().map(|k| entry(&noise, i, k).powi(2)).sum())
            .collect();
        Frame {
            drift: drift.column(0).to_vec(),
            diffusivity,
            cost,
            prices: self.response.at(t, x),
        }
    }
}
