//! The linear equation of control, solved for its logarithm on a grid.
//!
//! ```text
//! G G' = lambda B R^-1 B',      V = -lambda log psi,      -psi_t = L psi - q psi / lambda
//! V(x, t) = -lambda log E[ exp( -( V(X_{t+dt}, t+dt) + int q ) / lambda ) ],      u* = -R^-1 B' grad V
//! ```
//!
//! over uncontrolled steps. V itself is stored, so nothing underflows, however small `lambda` is, and noise may
//! act on some of the states only. A step goes half along the drift, then over the noise, then half along the
//! drift, with splines in space.
//!
//! Where that gives no number on one of the grids, because the drift carries in what goes on beyond them, feet are kept
//! on them; and where that does not help, steps are line by line.
//!
//! Where an edge reflects, absorbs or is periodic, an event ends paths ([`crate::solvers::lowered::edges`]), or the noise
//! depends on the state, steps are implicit instead, line by line: `psi` relative to what it is at the end of the step, by
//! TR-BDF2 and differences of three nodes, and the logarithm of that is added to `V`. Lines on which `psi` changes by more
//! than a factor two within a step solve the equation of `V` instead, by Newton's method.
//!
//! Four grids, points and steps halved from each to the next, show the order; the first two give the answer
//! `V_h + (V_h - V_2h) / 3`, and a quarter of its distance from the same of the second and third is its error (the whole of
//! it line by line). Where the four grids do not show the order, as with kinks or where differences cancel, the difference
//! of the first two counts. What cutting the line off at natural edges matters is added.
//!
//! # Assumes
//! A temperature, no bounds on the control, one to three states; line by line, events where one state passes a number and
//! noises that each move one state. The domain is that of the file; else it is moved to where optimal paths go.
//! Beyond it V goes on as a parabola.
//!
//! # Order
//! Two in the time step, four in the spacing of the nodes (two line by line). A step costs a few tensor splines and, for
//! every noise, nine points along it at every node; noises that each move one state need splines along lines only.
//!
//! # Memory
//! A number a node and kept time: all of 64 x 64 x 64 nodes and 100 steps, else as many times as fit 256 MiB a grid.
//!
//! # Source
//! Fleming and Soner (2006), chapter VI; Strang (1968) for the order of the parts of a step; Falcone and Ferretti
//! (2014) for steps along the characteristics.
//!
//! # Checked by
//! `hopf-cole`, `hjb-residual`, `grid-order`, `policy-cost`

mod level;

use crate::discretization::steered::SteeredProcess;
use crate::expr::Expr;
use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::UniformAxis;
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::Fallback;
use crate::problem::format::page::Page;
use crate::problem::meant::grid::Scheme;
use crate::problem::meant::kind::CONTROLLED;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::grid::at_start::AtStart;
use crate::solvers::grid::grid_order::{Halved, observed_orders};
use crate::solvers::grid::groups::joined_noise;
use crate::solvers::grid::hopf_cole::level::{Drift, Level};
use crate::solvers::grid::lines;
use crate::solvers::grid::lines::best::Coefficients;
use crate::solvers::grid::lines::level::FEWEST_CELLS;
use crate::solvers::grid::lines::line::{Settings, Trouble};
use crate::solvers::grid::region::{self, Probe, Region, Scout};
use crate::solvers::grid::space_time::{
    Extrapolated, GridPolicy, GridValue, SpaceTime, kept_stride,
};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::edges::{self, Edges, enclosed, stops_are_edges};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::options::{
    grid_text, linear_scheme, linear_steps, points, waves_or, waves_text,
};
use std::cell::Cell;
use std::sync::Arc;

const NAME: &str = "hopf-cole";
const ACCEPTED: &str = "G G' = lambda B R^-1 B' with a number lambda > 0, no bounds on the control, one to three states; where edges or events act or noise depends on the state, events of one state each and noises that each move one";
/// Grids, finest first; the last one only shows whether the order is the one assumed.
const LEVELS: usize = 4;
/// Finest cells or steps in one of the coarsest grid.
const COARSEST: usize = 1 << (LEVELS - 1);
/// Share of the distance between the two extrapolated values reported as error.
const ERROR_SHARE: f64 = 0.25;
/// Most states a grid is made for.
pub const MOST_STATES: usize = 3;
/// Paths at which the order is observed, and their steps from one such time to the next.
const PROBES: usize = 256;
const PROBE_STRIDE: usize = 16;
/// Line by line, change of the value relative to its size at which Newton's iteration ends where the step cannot be linear,
/// and its most rounds.
const TOLERANCE: f64 = 1e-9;
const MOST_ROUNDS: usize = 20;
/// How many times fewer cells and steps a grid has that shows where the finest has to be.
const PROBE: [usize; 2] = [4, 8];
/// Order of the scheme.
const ORDER: f64 = 2.0;

/// Points per state and time steps of the finest grid, rounded up to what can be halved three times.
#[derive(Clone, Debug, PartialEq)]
pub struct HopfCole {
    pub points: Vec<usize>,
    pub steps: usize,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("hopf_cole.md")),
    kinds: CONTROLLED,
    later: &[],
    options: &[
        linear_scheme().when(|setup, _| !setup.kind.is_reverse()),
        points(Fallback::Found(
            "801, 256 or 57 for one, two or more states; 161 waves",
            |setup, options| {
                let [one, two, more] = [801, 256, 57].map(|points| waves_or(options, points));
                setup.per_state(one, two, more).into()
            },
        )),
        linear_steps(Fallback::Count(200)),
    ],
    settings: |options| match options.one::<Scheme>("scheme") {
        Scheme::Spectral => waves_text(options),
        _ => grid_text(options),
    },
};

impl HopfCole {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        let spectral = options.one::<Scheme>("scheme") == Scheme::Spectral;
        (!spectral).then(|| Self {
            points: options.counts("points"),
            steps: options.count("steps"),
        })
    }
}

/// The temperature with which the equation was found to be linear.
pub struct Admitted {
    temperature: f64,
}

/// One grid on its way back in time.
enum Grid {
    /// Along the drift, with Gauss–Hermite noise.
    Feet(Level),
    /// Line by line, with edges that act or noise that depends on the state.
    Lines(lines::level::Level),
}

impl Grid {
    fn unknowns(&self) -> usize {
        match self {
            Self::Feet(level) => level.unknowns(),
            Self::Lines(level) => level.unknowns(),
        }
    }

    fn time(&self) -> f64 {
        match self {
            Self::Feet(level) => level.time(),
            Self::Lines(level) => level.time(),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Self::Feet(level) => level.is_done(),
            Self::Lines(level) => level.is_done(),
        }
    }

    fn finish(self) -> SpaceTime {
        match self {
            Self::Feet(level) => level.finish(),
            Self::Lines(level) => level.finish(),
        }
    }

    /// One step back.
    fn advance(&mut self) -> Result<(), SolveError> {
        let suggestion = "a smaller dynamics.domain, or more steps".to_owned();
        let wrong = match self {
            Self::Feet(level) => level.advance().map_err(Trouble::Value),
            Self::Lines(level) => level.advance().map(|_| ()),
        };
        wrong.map_err(|trouble| match trouble {
            Trouble::Value(value) => SolveError::NotFinite {
                what: "the value on the grid",
                value,
                time: self.time(),
                suggestion,
            },
            Trouble::Pivot(pivot) => SolveError::Singular {
                system: "implicit step",
                pivot,
                suggestion,
            },
            Trouble::Flips { change } => SolveError::Optimizer {
                message: format!(
                    "a step still changes the value by {change:e} after {MOST_ROUNDS} rounds"
                ),
                suggestion,
            },
        })
    }
}

/// Grids, coarsest first, until they are done.
pub struct State {
    setting: Setting,
    waiting: Vec<Grid>,
    done: Vec<Arc<SpaceTime>>,
    region: Region,
    facts: Vec<(&'static str, f64)>,
    streams: Streams,
    steps: usize,
    taken: usize,
}

impl Method for HopfCole {
    const ASKS: Asks = Asks::WholeCost;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let refusal = |reason: String| Refusal {
            method: NAME,
            reason,
            accepted: ACCEPTED.to_owned(),
        };
        if let Some(why) = lowered.obstructed_control() {
            return Err(refusal(why.to_owned()));
        }
        let temperature = match &lowered.facts.temperature {
            Ok(value) if value.is_finite() && *value > 0.0 => *value,
            Ok(value) => return Err(refusal(format!("the temperature is {value}"))),
            Err(missing) => {
                let nearest = missing.nearest.iter();
                return Err(Refusal {
                    method: NAME,
                    reason: missing.because.clone(),
                    accepted: nearest.fold(ACCEPTED.to_owned(), |all, one| format!("{all}; {one}")),
                });
            }
        };
        let d = lowered.compiled.steered.dimension();
        if d > MOST_STATES {
            return Err(refusal(format!("{d} states are too many for its grid")));
        }
        let needs_lines = line_by_line(lowered);
        let counts = self.counts(needs_lines.is_some());
        kept_stride(&counts, self.steps.next_multiple_of(COARSEST)).map_err(|large| Refusal {
            method: NAME,
            reason: large.reason,
            accepted: large.accepted,
        })?;
        if edges::act(lowered) {
            stops_are_edges(lowered).map_err(refusal)?;
        }
        if let (Some(why), Some(entry)) = (needs_lines, joined_noise(lowered)) {
            return Err(refusal(format!("{why}, and {entry}")));
        }
        Ok(Admitted { temperature })
    }

    fn start(
        &self,
        lowered: &Lowered,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let setting = Setting::new(lowered, admitted.temperature);
        self.begin(setting, streams)
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let Some(mut level) = state.waiting.pop() else {
            return Ok(());
        };
        let advanced = level.advance();
        work.unknowns = work.unknowns.max(level.unknowns() as u64);
        work.field_points += level.unknowns() as u64;
        state.taken += 1;
        if let Err(why) = advanced {
            let reading = state.setting.next_reading().ok_or(why)?;
            let mut setting = state.setting.clone();
            setting.reading = reading;
            *state = self.begin(setting, &state.streams)?;
            return Ok(());
        }
        if level.is_done() {
            state.done.push(Arc::new(level.finish()));
        } else {
            state.waiting.push(level);
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        if state.waiting.is_empty() {
            return Progress::Stopped(StopReason::Direct);
        }
        let fraction = state.taken as f64 / state.steps as f64;
        Progress::part(fraction)
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut facts = state.facts;
        let mut done = state.done;
        done.reverse();
        let [finest, half, quarter, eighth] = done.as_slice() else {
            // Out of time: the finest grid is not there.
            return Ok(Answer {
                facts,
                ..Answer::default()
            });
        };
        let edges = &state.region.edges;
        let levels = [finest, half, quarter, eighth];
        let starts = levels.map(|level| {
            let value = Extrapolated(vec![(1.0, level.clone())]);
            answered(lowered, edges, value).0
        });
        let value = Extrapolated(vec![
            (4.0 / 3.0, finest.clone()),
            (-1.0 / 3.0, half.clone()),
        ]);
        let (start, [value, policy]) = answered(lowered, edges, value);
        let steered = Some((policy.as_ref() as &dyn Field, edges.as_ref()));
        let paths = region::walk(lowered, &state.streams, steered);
        facts.push((
            region::CUT_FACT,
            region::beyond(&state.region, start.value, &paths)?,
        ));
        facts.extend(orders(&paths, edges, levels));
        // Differences line by line, and across a kink, have no even expansion to be sure of.
        let by_lines = matches!(state.setting.reading, Reading::Lines);
        let smooth = !by_lines && !lowered.is_kinked();
        let share = if smooth { ERROR_SHARE } else { 1.0 };
        let error = AtStart::each(starts.each_ref(), |levels| {
            let order = ORDER;
            Halved { levels, order }.error_of_extrapolated(share)
        });
        let error = error.plus(&state.region.cut);
        facts.push(("cost on the finest grid alone", starts[0].value));
        Ok(Answer {
            policy: Some(policy),
            value: Some(value),
            cost: Some(Estimate::new(start.value, error.value, ErrorKind::Grid)),
            control_error: error.control,
            facts,
            ..Answer::default()
        })
    }
}

/// What a value says at the start, and the fields of value and policy.
fn answered(
    lowered: &Lowered,
    edges: &Arc<Edges>,
    value: Extrapolated,
) -> (AtStart, [Arc<dyn Field + Send>; 2]) {
    let process = &lowered.compiled.steered;
    let policy = Arc::new(GridPolicy {
        value: value.clone(),
        process: process.clone(),
    });
    let start = AtStart::new(lowered, edges, &value, policy.as_ref());
    let value = Arc::new(GridValue {
        value,
        dimension: process.dimension(),
    });
    (start, enclosed(value, policy, edges, process))
}

/// What the grids of an answer have in common.
#[derive(Clone)]
struct Setting {
    own: Arc<Lowered>,
    process: Arc<SteeredProcess>,
    temperature: f64,
    /// Whether the drift is the same at all times.
    autonomous: bool,
    reading: Reading,
    /// Whether a coarse grid gave no number.
    failed: Cell<bool>,
}

/// How a step follows the drift.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// To feet, beyond the grid on the parabola that goes on there.
    Feet,
    /// To feet on the grid: where a drift from beyond carries parabolas of parabolas in, they run away.
    Within,
    /// By implicit steps, line by line.
    Lines,
}

/// Where a grid has to be, by coarse ones of so many cells and steps.
pub(crate) fn settled(
    lowered: &Lowered,
    streams: &Streams,
    temperature: f64,
    coarse: (&[usize], usize),
) -> Result<Region, SolveError> {
    Setting::new(lowered, temperature).settled(streams, coarse)
}

impl Setting {
    fn new(lowered: &Lowered, temperature: f64) -> Self {
        let parts = &lowered.process.process;
        let moving = |e: &Expr| parts.graph.depends_on(*e, parts.time);
        Self {
            own: Arc::new(lowered.clone()),
            process: Arc::new(lowered.compiled.steered.clone()),
            temperature,
            autonomous: !parts.drift.iter().any(moving),
            reading: match line_by_line(lowered) {
                Some(_) => Reading::Lines,
                None => Reading::Feet,
            },
            failed: Cell::new(false),
        }
    }

    /// Where the grid has to be; a reading with which a coarse grid gives no number makes way for the next.
    fn settled(
        &mut self,
        streams: &Streams,
        (cells, steps): (&[usize], usize),
    ) -> Result<Region, SolveError> {
        loop {
            self.failed.set(false);
            let region = region::settle(&self.own, streams, cells, &|edges, axes| {
                let probe = self.probe(edges, axes, steps);
                self.failed.set(self.failed.get() || probe.is_none());
                probe
            })?;
            let next = self.next_reading().filter(|_| self.failed.get());
            match next {
                Some(reading) => self.reading = reading,
                None => return Ok(region),
            }
        }
    }

    /// What is tried where this reading gives no number.
    fn next_reading(&self) -> Option<Reading> {
        match self.reading {
            Reading::Feet => Some(Reading::Within),
            Reading::Within => joined_noise(&self.own).is_none().then_some(Reading::Lines),
            Reading::Lines => None,
        }
    }

    fn grid(&self, edges: &Edges, axes: &[UniformAxis], steps: usize) -> Grid {
        let counts: Vec<usize> = axes.iter().map(|axis| axis.count).collect();
        let stride = kept_stride(&counts, steps)
            .unwrap_or_else(|large| unreachable!("admitted: {}", large.reason));
        if self.reading == Reading::Lines {
            let settings = Settings {
                scheme: Scheme::Central,
                tolerance: TOLERANCE,
                max_iterations: MOST_ROUNDS,
                temperature: Some(self.temperature),
            };
            let coefficients = Coefficients::new(self.own.clone(), axes);
            let axes = (axes, edges.kinds.as_slice());
            let level = lines::level::Level::new;
            return Grid::Lines(level(coefficients, axes, steps, stride, settings));
        }
        let process = self.process.clone();
        Grid::Feet(Level::new(
            process,
            self.temperature,
            axes,
            steps,
            stride,
            Drift {
                autonomous: self.autonomous,
                within: self.reading == Reading::Within,
            },
        ))
    }

    /// The answer on one coarse grid.
    fn probe(&self, edges: &Arc<Edges>, axes: &[UniformAxis], steps: usize) -> Option<Probe> {
        let mut grid = self.grid(edges, axes, steps);
        while !grid.is_done() {
            grid.advance().ok()?;
        }
        let value = Extrapolated(vec![(1.0, Arc::new(grid.finish()))]);
        let (start, [_, policy]) = answered(&self.own, edges, value);
        Some(Probe { start, policy })
    }
}

impl HopfCole {
    /// Settles where the grids are, and begins on all of them.
    fn begin(&self, mut setting: Setting, streams: &Streams) -> Result<State, SolveError> {
        let [fewer_cells, fewer_steps] = PROBE;
        let counts = self.counts(setting.reading == Reading::Lines);
        let cells: Vec<usize> = counts.iter().map(|n| (n - 1) / fewer_cells).collect();
        let cells: Vec<usize> = cells.iter().map(|n| (*n).max(FEWEST_CELLS)).collect();
        let steps = self.steps.next_multiple_of(COARSEST);
        let region = setting.settled(streams, (&cells, steps / fewer_steps))?;
        let needs_lines = setting.reading == Reading::Lines;
        let domain = &region.edges.domain;
        let levels: Vec<Grid> = (0..LEVELS)
            .map(|k| {
                let axes = self.axes(domain, k, needs_lines);
                setting.grid(&region.edges, &axes, steps >> k)
            })
            .collect();
        let mut facts = vec![("nodes", levels[0].unknowns() as f64)];
        facts.extend(region.facts());
        facts.extend([
            ("time steps", steps as f64),
            ("temperature", setting.temperature),
        ]);
        if let Grid::Feet(level) = &levels[0] {
            facts.push(("drift substeps", level.substeps() as f64));
        }
        Ok(State {
            setting,
            waiting: levels,
            done: Vec::new(),
            region,
            facts,
            streams: *streams,
            steps: (0..LEVELS).map(|k| steps >> k).sum(),
            taken: 0,
        })
    }

    /// Nodes of the axes of the finest grid.
    fn counts(&self, needs_lines: bool) -> Vec<usize> {
        let fewest = if needs_lines { FEWEST_CELLS } else { 1 };
        let count = |points: &usize| {
            let cells = (points.max(&2) - 1).next_multiple_of(COARSEST);
            cells.max(fewest * COARSEST) + 1
        };
        self.points.iter().map(count).collect()
    }

    /// Axes of the `k`-th grid, the finest being 0.
    fn axes(&self, domain: &[(f64, f64)], k: usize, needs_lines: bool) -> Vec<UniformAxis> {
        let axis = |((low, high), count): (&(f64, f64), usize)| {
            UniformAxis::between(*low, *high, ((count - 1) >> k) + 1)
        };
        domain
            .iter()
            .zip(self.counts(needs_lines))
            .map(axis)
            .collect()
    }
}

/// Why steps along the drift with noise of one size do not do.
fn line_by_line(lowered: &Lowered) -> Option<&'static str> {
    if edges::act(lowered) {
        Some("an edge or event acts")
    } else {
        let depends = lowered.compiled.steered.diffusion().depends_on_state();
        depends.then_some("the noise depends on the state")
    }
}

/// Observed orders of the gradient, averaged over optimal paths in the first half of the horizon: where the end cost has
/// kinks there is no order near the end, and the answer does not need it.
fn orders(
    paths: &Scout,
    edges: &Edges,
    levels: [&Arc<SpaceTime>; LEVELS],
) -> Vec<(&'static str, f64)> {
    let mut squares = [0.0; LEVELS - 1];
    let probed = paths.times.iter().zip(&paths.points);
    let probed = probed.take(paths.times.len() / 2);
    for (t, points) in probed.step_by(PROBE_STRIDE) {
        let finite: Vec<Vec<f64>> = (0..PROBES.min(points.points()))
            .map(|i| points.row(i))
            .filter(|row| row.iter().all(|x| x.is_finite()))
            .collect();
        let finite = Batch::from_rows(points.columns(), &finite);
        let (inside, stopped) = edges.enter(finite.as_ref());
        let rows = (0..stopped.len()).filter(|i| !stopped[*i]);
        let rows: Vec<Vec<f64>> = rows.map(|i| inside.row(i)).collect();
        let points = Batch::from_rows(points.columns(), &rows);
        for (k, square) in squares.iter_mut().enumerate() {
            let between = Extrapolated(vec![
                (1.0, levels[k].clone()),
                (-1.0, levels[k + 1].clone()),
            ]);
            let (_, difference) = between.eval_with_gradient(*t, points.as_ref());
            *square += difference.as_slice().iter().map(|g| g * g).sum::<f64>();
        }
    }
    observed_orders(squares)
}

#[cfg(test)]
mod tests;
