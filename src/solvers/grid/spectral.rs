//! The linear equation of control for one state, by waves: `hopf-cole` with `scheme = "spectral"`.
//!
//! ```text
//! G G' = lambda B R^-1 B',      V = -lambda log psi,      -psi_t = L psi - q psi / lambda
//! psi = e^{-int b/D} f,      f(t) = sum_k a_k phi_k e^{-E_k (T-t)/lambda},      H phi_k = E_k phi_k
//! ```
//!
//! with the symmetric `H` on cosines over the domain. All times follow from one set of eigenvectors, so time
//! has no error and no steps. The largest end value and the lowest level are factored out; where the
//! rest is not above rounding at the start the answer is refused with the number, and `scheme = "central"`, which stores
//! V itself, is the way.
//!
//! The error is the distance from the answer on three quarters of the points, plus that from the answer with
//! `psi = 0` at the edges of the domain instead of `(psi e^{int b/D})' = 0` (what the edges matter), plus rounding. Where
//! kinks leave large waves to the last, answers may agree by accident: half the distance between those on three quarters
//! and on half of the points then counts.
//!
//! # Assumes
//! A temperature, one state, constant noise, nothing that depends on time, no bounds on the control, no events, natural
//! edges that the optimal process does not reach.
//!
//! # Order
//! Spectral in the points; `O(points^3)` once, `O(points^2)` a time.
//!
//! # Source
//! Risken (1989), section 5.4, for the symmetric form; Colbert and Miller (1992) for waves on midpoints.
//!
//! # Checked by
//! `hopf-cole`, `hjb-residual`, `policy-cost`

pub mod ground_state;
mod schroedinger;

use crate::discretization::steered::SteeredProcess;
use crate::discretization::waves::Ends;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::{GridInterpolant, UniformAxis};
use crate::numeric::random::Streams;
use crate::problem::meant::grid::Scheme;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::grid::at_start::AtStart;
use crate::solvers::grid::hopf_cole::settled;
use crate::solvers::grid::region::{self, CUT_FACT, Region};
use crate::solvers::grid::spectral::schroedinger::{Levels, NoLevels, Snapshot, Table};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::edges::{self, Edges};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::start_law::start_nodes;
use std::sync::Arc;

const NAME: &str = "hopf-cole";
const ACCEPTED: &str = "one state with a temperature, constant noise, nothing that depends on time, no bounds on the control, natural edges, no events; else scheme = \"central\", or separable with scheme = \"spectral\" where nothing couples the states";
/// Fewest points, so that three quarters of them are fewer.
const FEWEST: usize = 8;
/// Where a policy is walked on, nodes of the spline that stands in for the value.
const WALKED: usize = 513;
/// Smallest `f` at a start point over its rounding.
const CLEAR: f64 = 1e3;

/// Waves of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectral {
    pub points: usize,
}

impl Spectral {
    /// The method as asked for; `None` for another method's settings or another scheme.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        let spectral = options.one::<Scheme>("scheme") == Scheme::Spectral;
        spectral.then(|| Self {
            points: options.counts("points")[0],
        })
    }
}

/// The temperature with which the equation was found to be linear.
pub struct Admitted {
    temperature: f64,
}

/// Cells and steps of the grid that shows where optimal paths go.
const SETTLING: (&[usize], usize) = (&[200], 25);

/// What is solved with: the answer, then what its error is measured by.
const RUNS: [(usize, Ends); 4] = [
    (4, Ends::Flat),
    (3, Ends::Flat),
    (4, Ends::Zero),
    (2, Ends::Flat),
];

/// Answers so far, in the order of the runs.
pub struct State {
    temperature: f64,
    region: Region,
    streams: Streams,
    done: Vec<Arc<Levels>>,
}

impl State {
    /// Nothing found yet, on a domain that is given.
    fn on(lowered: &Lowered, admitted: &Admitted, streams: Streams, domain: (f64, f64)) -> Self {
        Self {
            temperature: admitted.temperature,
            region: Region {
                edges: Arc::new(Edges::new(lowered, vec![domain])),
                cut: AtStart::default(),
            },
            streams,
            done: Vec::new(),
        }
    }
}

impl Method for Spectral {
    const ASKS: Asks = Asks::WholeCost;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let refusal = |reason: String| Refusal {
            method: NAME,
            reason,
            accepted: ACCEPTED.to_owned(),
        };
        let d = lowered.compiled.steered.dimension();
        if d != 1 {
            return Err(refusal(format!("the waves are of one state, not of {d}")));
        }
        if let Some(why) = lowered.obstructed_control() {
            return Err(refusal(why.to_owned()));
        }
        let temperature = match &lowered.facts.temperature {
            Ok(value) if value.is_finite() && *value > 0.0 => *value,
            Ok(value) => return Err(refusal(format!("the temperature is {value}"))),
            Err(missing) => return Err(refusal(missing.because.clone())),
        };
        if lowered.compiled.steered.diffusion().depends_on_state() {
            return Err(refusal("the noise depends on the state".to_owned()));
        }
        if !lowered.is_autonomous() {
            let reason = "the dynamics or the running cost depend on time";
            return Err(refusal(reason.to_owned()));
        }
        if edges::act(lowered) {
            let reason = "an edge is not natural, or an event ends paths";
            return Err(refusal(reason.to_owned()));
        }
        Ok(Admitted { temperature })
    }

    fn start(
        &self,
        lowered: &Lowered,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let region = settled(lowered, streams, admitted.temperature, SETTLING)?;
        Ok(State {
            temperature: admitted.temperature,
            region,
            streams: *streams,
            done: Vec::new(),
        })
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let levels = self.levels(lowered, state, RUNS[state.done.len()])?;
        work.unknowns = work.unknowns.max(self.points.max(FEWEST) as u64);
        work.linear_solves += 1;
        state.done.push(Arc::new(levels));
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        if state.done.len() == RUNS.len() {
            return Progress::Stopped(StopReason::Direct);
        }
        Progress::part(state.done.len() as f64 / RUNS.len() as f64)
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let (low, high) = state.region.edges.domain[0];
        let mut facts = vec![
            ("waves", self.points.max(FEWEST) as f64),
            ("temperature", state.temperature),
            ("domain from", low),
            ("to", high),
        ];
        let [fine, coarse, cut, half] = state.done.as_slice() else {
            // Out of time: nothing to tell the error by.
            return Ok(Answer {
                facts,
                ..Answer::default()
            });
        };
        let process = Arc::new(lowered.compiled.steered.clone());
        let start = start_nodes(lowered.start());
        let from = process.start();
        let snapshots = [fine, coarse, cut, half].map(|levels| levels.at(from));
        let average =
            |of: &dyn Fn(&[f64]) -> Vec<f64>| start.average(|points| of(points.column(0)));
        let costs = [0, 1, 2, 3].map(|k: usize| average(&|x| first(snapshots[k].eval(x))));
        let rounding = average(&|x| x.iter().map(|x| snapshots[0].rounding(*x)).collect());
        if rounding * CLEAR > state.temperature {
            return Err(SolveError::Underflow {
                share: snapshots[0].share(start.points.column(0)),
                suggestion:
                    "scheme = \"central\", which stores V itself, or a smaller dynamics.domain"
                        .to_owned(),
            });
        }
        let stiff = fine.stiffness() * (process.end() - from);
        let rounding = rounding + f64::EPSILON * (stiff + costs[0].abs());
        let unresolved = match lowered.is_kinked() {
            true => average(&|x| x.iter().map(|x| snapshots[0].unresolved(*x)).collect()),
            false => 0.0,
        };
        let error = apart(costs, unresolved) + rounding;
        let control_error = control_error(
            lowered,
            &snapshots,
            [unresolved, rounding].map(|error| error * fine.shortest_wave()),
        );
        let (known_from, known_to) = snapshots[0].known_between();
        facts.extend([
            ("value known from", known_from),
            ("value known to", known_to),
            ("cost on three quarters of the waves", costs[1]),
            ("cost with psi = 0 at the edges", costs[2]),
        ]);
        let levels = fine.clone();
        let walked = UniformAxis::between(low, high, WALKED);
        let policy = Arc::new(WavePolicy {
            table: levels.table((0..WALKED).map(|i| walked.node(i)).collect()),
            walked,
            levels: levels.clone(),
            process,
        });
        let edges = state.region.edges.as_ref();
        let paths = region::walk(lowered, &state.streams, Some((policy.as_ref(), edges)));
        facts.push((CUT_FACT, region::beyond(&state.region, costs[0], &paths)?));
        Ok(Answer {
            policy: Some(policy),
            value: Some(Arc::new(WaveValue { levels })),
            cost: Some(Estimate::new(costs[0], error, ErrorKind::Grid)),
            control_error,
            facts,
            ..Answer::default()
        })
    }
}

/// How far off the first of four numbers is, in the order of the runs, where the last waves leave so much.
fn apart([fine, coarse, cut, half]: [f64; 4], unresolved: f64) -> f64 {
    let by_accident = (0.5 * (coarse - half).abs()).min(unresolved);
    (fine - coarse).abs().max(by_accident) + (fine - cut).abs()
}

/// How far the control at the start point is off, by component, where the last waves and rounding leave so much of a slope.
fn control_error(
    lowered: &Lowered,
    snapshots: &[Snapshot<'_>; 4],
    [unresolved, rounding]: [f64; 2],
) -> Vec<f64> {
    let Some(point) = lowered.start_point() else {
        return Vec::new();
    };
    let process = &lowered.compiled.steered;
    let control = |slope: f64| {
        let (at, slope) = ([point], [[slope]]);
        let [at, slope] = [Batch::from_rows(1, &at), Batch::from_rows(1, &slope)];
        let mut u = Batch::zeros(1, process.controls());
        process.best_response(process.start(), at.as_ref(), slope.as_ref(), u.as_mut());
        u.row(0)
    };
    let slopes = snapshots
        .each_ref()
        .map(|snapshot| snapshot.eval(point)[1][0]);
    let off = apart(slopes, unresolved) + rounding;
    control(off).iter().map(|u| u.abs()).collect()
}

impl Spectral {
    /// The levels of a run: its share of the waves in quarters, and what they do at the edges.
    fn levels(
        &self,
        lowered: &Lowered,
        state: &State,
        (quarters, ends): (usize, Ends),
    ) -> Result<Levels, SolveError> {
        let count = (self.points.max(FEWEST) * quarters).div_ceil(4);
        let levels = Levels::new(
            lowered,
            state.temperature,
            state.region.edges.domain[0],
            count,
            ends,
        );
        levels.map_err(|missing| match missing {
            NoLevels::NotFinite(value) => SolveError::NotFinite {
                what: "the potential or the end cost on the grid",
                value,
                time: lowered.compiled.steered.end(),
                suggestion: "a smaller dynamics.domain".to_owned(),
            },
            NoLevels::Compile(error) => unreachable!("a derivative of what compiled: {error}"),
        })
    }
}

fn first([values, _]: [Vec<f64>; 2]) -> Vec<f64> {
    values
}

/// `V(x, t)`.
struct WaveValue {
    levels: Arc<Levels>,
}

impl Field for WaveValue {
    fn inputs(&self) -> usize {
        1
    }

    fn outputs(&self) -> usize {
        1
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let snapshot = self.levels.at(t);
        let [values, _] = snapshot.eval(x.column(0));
        out.column_mut(0).copy_from_slice(&values);
    }
}

/// `u* = -R^-1 B' V'`.
struct WavePolicy {
    levels: Arc<Levels>,
    /// Where the spline that walks use is met.
    walked: UniformAxis,
    table: Table,
    process: Arc<SteeredProcess>,
}

impl Field for WavePolicy {
    fn inputs(&self) -> usize {
        1
    }

    fn outputs(&self) -> usize {
        self.process.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let [_, slopes] = self.levels.at(t).eval(x.column(0));
        let slopes = Batch::from_columns(x.points(), 1, slopes);
        self.process.best_response(t, x, slopes.as_ref(), out);
    }

    fn frozen(&self, t: f64) -> Option<Box<dyn Field + '_>> {
        let values = self.levels.at(t).tabulated(&self.table);
        Some(Box::new(WalkedPolicy {
            value: GridInterpolant::new(&[self.walked], &values).ok()?,
            process: &self.process,
        }))
    }
}

/// The value at one time as a spline, quick enough for many paths.
struct WalkedPolicy<'a> {
    value: GridInterpolant,
    process: &'a SteeredProcess,
}

impl Field for WalkedPolicy<'_> {
    fn inputs(&self) -> usize {
        1
    }

    fn outputs(&self) -> usize {
        self.process.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let mut values = vec![0.0; x.points()];
        let mut slopes = Batch::zeros(x.points(), 1);
        self.value.eval(x, &mut values, slopes.as_mut(), None);
        self.process.best_response(t, x, slopes.as_ref(), out);
    }
}

#[cfg(test)]
mod tests;
