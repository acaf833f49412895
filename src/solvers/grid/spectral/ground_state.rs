//! The least average cost of one state by the ground state of the linear equation.
//!
//! ```text
//! c psi = -lambda L psi + q psi,      psi = e^{-w} phi_0,      V = lambda w - lambda log phi_0,      c = E_0
//! ```
//!
//! with the levels of `schroedinger`: `c` is the lowest, `(E_1 - E_0) / lambda` the rate at which the optimal process
//! forgets where it was (`spectral_gap`), `phi_0^2` its density at rest. Averages of `V` over the start law are zero. The
//! same on three quarters of the waves, and with `phi = 0` at the edges, tells the error.
//!
//! # Assumes
//! A horizon without an end and no discount; one state, a temperature, noise free of the state, no bounds on the control,
//! natural edges, no events.
//!
//! # Order
//! Spectral in the number of waves.
//!
//! # Source
//! Fleming and McEneaney (1995) for the eigenvalue problem of the average cost; Risken (1989), section 5.4.
//!
//! # Checked by
//! `hopf-cole`, `hjb-residual`, `policy-cost`

use super::schroedinger::Levels;
use super::{FEWEST, NAME, RUNS, Spectral, State, WALKED, WavePolicy, WaveValue, first};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::UniformAxis;
use crate::numeric::random::Streams;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, Work};
use crate::solvers::grid::region::{around_start, wider};
use crate::solvers::lowered::answer::{AVERAGE_COST, Answer};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::start_law::start_nodes;
use std::sync::Arc;

/// Most waves: the decomposition is dense.
const MOST: usize = 401;
/// Largest `phi_0^2` at an edge over its largest.
const AT_EDGE: f64 = 1e-16;
/// Domains that are tried where the file gives none.
const DOMAINS: usize = 24;

/// Number of waves.
#[derive(Clone, Debug, PartialEq)]
pub struct GroundState(Spectral);

impl GroundState {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        let points = options.counts("points")[0].min(MOST);
        Some(Self(Spectral { points }))
    }
}

impl Method for GroundState {
    const ASKS: Asks = Asks::WholeCost;
    const ENDLESS: bool = true;
    type Admitted = super::Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<super::Admitted, Refusal> {
        let admitted = self.0.admit(lowered)?;
        if lowered.averages() {
            return Ok(admitted);
        }
        Err(Refusal {
            method: NAME,
            reason: "a discount and no end of the horizon: the equation is not linear".to_owned(),
            accepted: "the average cost (no cost.discount); or hjb, riccati".to_owned(),
        })
    }

    fn start(
        &self,
        lowered: &Lowered,
        admitted: super::Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let given = lowered.problem.dynamics.domain.as_ref();
        let mut domain = given.map_or_else(|| around_start(lowered), |given| given[0]);
        let mut largest = 0.0;
        for _ in 0..DOMAINS {
            let state = State::on(lowered, &admitted, *streams, domain);
            let density = self.0.levels(lowered, &state, RUNS[1])?.ground_at_edges();
            largest = density[0].max(density[1]);
            let cut = density.map(|density| density > AT_EDGE);
            if cut == [false; 2] {
                return Ok(state);
            }
            if given.is_some() {
                break;
            }
            domain = wider(domain, cut);
        }
        Err(SolveError::Cut {
            density: largest,
            suggestion: "a larger dynamics.domain, or a running cost that keeps it within"
                .to_owned(),
        })
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let run = RUNS[state.done.len()];
        let mut levels = self.0.levels(lowered, state, run)?;
        levels.keep_ground();
        work.unknowns = work.unknowns.max(self.0.points as u64);
        work.linear_solves += 1;
        state.done.push(Arc::new(levels));
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        self.0.progress(state)
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let (low, high) = state.region.edges.domain[0];
        let facts = vec![
            ("waves", self.0.points.max(FEWEST) as f64),
            ("temperature", state.temperature),
            ("domain from", low),
            ("to", high),
        ];
        let mut answer = Answer {
            facts,
            ..Answer::default()
        };
        let [fine, coarse, cut, _] = state.done.as_slice() else {
            // Out of time: nothing to tell the error by.
            return Ok(answer);
        };
        let rounding = f64::EPSILON * fine.stiffness();
        let estimate = |of: &dyn Fn(&Levels) -> f64| {
            let [best, coarse, cut] = [fine, coarse, cut].map(|levels| of(levels));
            let error = (best - coarse).abs() + (best - cut).abs() + rounding;
            Estimate::new(best, error, ErrorKind::Grid)
        };
        let cost = estimate(&|levels| levels.energy(0));
        let gap = estimate(&|levels| (levels.energy(1) - levels.energy(0)) / state.temperature);
        answer.push(AVERAGE_COST, cost);
        answer.push("spectral_gap", gap);
        answer.cost = Some(cost);
        let end = lowered.compiled.steered.end();
        let start = start_nodes(lowered.start());
        let at_start = start.average(|points| first(fine.at(end).eval(points.column(0))));
        let mut levels = Levels::clone(fine);
        levels.shift_ground(at_start);
        let levels = Arc::new(levels);
        let walked = UniformAxis::between(low, high, WALKED);
        answer.policy = Some(Arc::new(WavePolicy {
            table: levels.table((0..WALKED).map(|i| walked.node(i)).collect()),
            walked,
            levels: levels.clone(),
            process: Arc::new(lowered.compiled.steered.clone()),
        }));
        answer.value = Some(Arc::new(WaveValue { levels }));
        Ok(answer)
    }
}
