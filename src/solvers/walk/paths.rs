//! Paths, step by step.
//!
//! ```text
//! euler-maruyama, heun, milstein, exponential-euler: see [`crate::discretization::scheme`]
//! P(event within a step | both ends before it) = exp( -2 m m' / (v h) ),      v = grad m' D grad m
//! ```
//!
//! for an event with margin `m < 0` before it: between two steps a path is taken for a Brownian bridge, so that
//! crossings between steps are not missed, and their times are drawn from their law ([`crate::numeric::crossing`]). A path ends at the first event that stops it, or at an absorbing edge,
//! and keeps its state; edges that reflect fold it back, periodic ones carry it to the other side.
//!
//! # Assumes
//! What the scheme does. Standard errors do not see the bias of the step.
//!
//! # Order
//! Weak order of the scheme; one for event times, one half at edges that reflect or absorb.
//!
//! # Source
//! Kloeden and Platen (1992), chapters 10, 11; Mannella, *Phys. Lett. A* 254 (1999), and Gobet, *Stochastic Process.
//! Appl.* 87 (2000), for the events.
//!
//! # Checked by
//! `strong-order`, `conversion`, `first-passage`

use crate::discretization::scheme::{
    EulerMaruyama, ExponentialEuler, Heun, Milstein, Scheme, SchemeRefusal,
};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::brownian::Brownian;
use crate::numeric::crossing::{DRAWS, crossing};
use crate::numeric::estimate::Estimate;
use crate::numeric::random::{Stream, Streams};
use crate::problem::format::card::Card;
use crate::problem::format::key::{Form, Key};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::SIMULATE;
use crate::problem::meant::model::Boundary;
use crate::problem::meant::named::Named;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::start_law::draw_start;
use crate::solvers::options::{RUN_PATHS, TIME_STEPS, half_steps, paths_text, quarter, steps};

/// Paths between two looks at the clock.
const ROUND: usize = 1024;
/// Bound on paths that reach no event within the horizon, as a share, for a mean time to be reported.
const UNFINISHED: f64 = 0.02;

/// A time-stepping scheme for paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepper {
    EulerMaruyama,
    Heun,
    Milstein,
    ExponentialEuler,
}

impl Named for Stepper {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("euler-maruyama", Self::EulerMaruyama),
        ("heun", Self::Heun),
        ("milstein", Self::Milstein),
        ("exponential-euler", Self::ExponentialEuler),
    ];
}

const OPTIONS: &[Key] = &[
    Key::new("paths", Form::Count(1), RUN_PATHS, "simulated paths").less(quarter),
    steps(TIME_STEPS).less(half_steps),
];

/// What a scheme is called and does.
const fn card(name: &'static str) -> Card {
    Card {
        page: Page::of(name, include_str!("paths.md")),
        kinds: SIMULATE,
        later: &[],
        options: OPTIONS,
        settings: paths_text,
    }
}

pub static EULER_MARUYAMA: Card = card("euler-maruyama");
pub static HEUN: Card = card("heun");
pub static MILSTEIN: Card = card("milstein");
pub static EXPONENTIAL_EULER: Card = card("exponential-euler");

/// Scheme, paths and steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Paths {
    pub stepper: Stepper,
    pub paths: usize,
    pub steps: usize,
}

impl Paths {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = &spec.options;
        Stepper::from_name(spec.method()).map(|stepper| Self {
            stepper,
            paths: options.count("paths"),
            steps: options.count("steps"),
        })
    }
}

/// The scheme of a name.
///
/// # Errors
/// Noise it is not made for.
pub fn scheme(
    stepper: Stepper,
    lowered: &Lowered,
) -> Result<Box<dyn Scheme + Send>, SchemeRefusal> {
    let sde = &lowered.free().sde;
    Ok(match stepper {
        Stepper::EulerMaruyama => Box::new(EulerMaruyama::new(sde)),
        Stepper::Heun => Box::new(Heun::new(sde)),
        Stepper::Milstein => Box::new(Milstein::new(sde)?),
        Stepper::ExponentialEuler => Box::new(ExponentialEuler::new(sde)?),
    })
}

/// What became of one block of paths.
struct Walked {
    /// Time of the event; NaN where there was none.
    event: Vec<f64>,
    absorbed: usize,
    /// States at the recorded times and at the end.
    kept: Vec<Batch>,
    steps: u64,
}

/// Paths so far.
pub struct State {
    scheme: Box<dyn Scheme + Send>,
    noise: Stream,
    crossing: Stream,
    start: Stream,
    /// Steps at which states are kept; the last one is the end.
    recorded: Vec<usize>,
    /// Values of the observables and of the state, its square: by recorded time, then by column, then by path.
    values: Vec<Vec<Vec<f64>>>,
    events: Vec<f64>,
    absorbed: usize,
    done: usize,
}

impl Method for Paths {
    const ASKS: Asks = Asks::NoControl;
    type Admitted = Box<dyn Scheme + Send>;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Self::Admitted, Refusal> {
        let name = self.stepper.name();
        scheme(self.stepper, lowered).map_err(|refusal| {
            let accepted = match refusal {
                SchemeRefusal::NotAdditive { .. } => "noise free of the state; or heun, milstein",
                SchemeRefusal::NotCommutative { .. } => "commutative noise; or euler-maruyama",
            };
            Refusal::new(name, refusal.to_string(), accepted)
        })
    }

    fn start(
        &self,
        lowered: &Lowered,
        scheme: Self::Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let (from, to) = lowered.horizon();
        let at = |t: &f64| ((t - from) / (to - from) * self.steps as f64).round() as usize;
        let mut recorded: Vec<usize> = lowered
            .problem
            .time_settings
            .record
            .iter()
            .map(at)
            .filter(|step| (1..self.steps).contains(step))
            .collect();
        recorded.push(self.steps);
        recorded.dedup();
        let columns = lowered.free().observables.outputs() + 2 * lowered.dimension();
        Ok(State {
            scheme,
            noise: streams.role("noise"),
            crossing: streams.role("crossing"),
            start: streams.role("start"),
            values: vec![vec![Vec::new(); columns]; recorded.len()],
            recorded,
            events: Vec::new(),
            absorbed: 0,
            done: 0,
        })
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let points = ROUND.min(self.paths - state.done);
        let first = state.done;
        let walker = Walker {
            lowered,
            state,
            steps: self.steps,
        };
        let walked = map_blocks(points, block(), |range| {
            walker.walk((first + range.start) as u64, range.len())
        });
        for part in walked {
            for (k, x) in part.kept.iter().enumerate() {
                let t = self.time(lowered, state.recorded[k]);
                if let Some(value) = x.as_slice().iter().find(|x| !x.is_finite()) {
                    return Err(SolveError::NotFinite {
                        what: "a path",
                        value: *value,
                        time: t,
                        suggestion: "more steps, or exponential-euler for a stiff drift".to_owned(),
                    });
                }
                keep(lowered, t, x, &mut state.values[k]);
            }
            state.events.extend(part.event);
            state.absorbed += part.absorbed;
            work.normals += part.steps * lowered.free().sde.noises() as u64;
            work.field_points += part.steps;
        }
        state.done += points;
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        if state.done >= self.paths {
            return Progress::Stopped(StopReason::Direct);
        }
        Progress::Going {
            fraction: state.done as f64 / self.paths as f64,
            objective: f64::NAN,
            measured: f64::NAN,
        }
    }

    fn is_whole(&self, state: &State) -> bool {
        state.done > 1
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut answer = Answer::default();
        let (from, to) = lowered.horizon();
        answer.facts = vec![("step", (to - from) / self.steps as f64)];
        if !lowered.free().stops.is_empty() {
            passage(&mut answer, &state.events, to - from);
        }
        if state.absorbed > 0 {
            let share = state.absorbed as f64 / state.done as f64;
            answer.facts.push(("absorbed at an edge", share));
        }
        for (step, values) in state.recorded.iter().zip(&state.values) {
            let suffix = if *step == self.steps {
                String::new()
            } else {
                format!("_t{}", self.time(lowered, *step))
            };
            // On the way the observables only.
            let count = match *step == self.steps {
                true => values.len(),
                false => lowered.free().observables.outputs(),
            };
            let columns = names(lowered).into_iter().zip(values).take(count);
            for (name, values) in columns {
                answer.push(format!("{name}{suffix}"), Estimate::from_samples(values));
            }
        }
        Ok(answer)
    }
}

impl Paths {
    fn time(&self, lowered: &Lowered, step: usize) -> f64 {
        let (from, to) = lowered.horizon();
        from + (to - from) * step as f64 / self.steps as f64
    }
}

/// Names of the columns that are kept: observables, then means and mean squares of the states.
pub(crate) fn names(lowered: &Lowered) -> Vec<String> {
    let observed = lowered.problem.observe.iter().map(|(name, _)| name.clone());
    let one = lowered.dimension() == 1;
    let moment = |word: &str, j: usize| match one {
        true => format!("{word}_end"),
        false => format!("{word}_end[{j}]"),
    };
    let states =
        (0..lowered.dimension()).flat_map(|j| [moment("mean", j), moment("mean_square", j)]);
    observed.chain(states).collect()
}

/// Appends the columns of [`names`] at a block of states.
fn keep(lowered: &Lowered, t: f64, x: &Batch, values: &mut [Vec<f64>]) {
    let outputs = lowered.free().observables.outputs();
    let mut observed = Batch::zeros(x.points(), outputs);
    lowered
        .free()
        .observables
        .eval(t, x.as_ref(), observed.as_mut());
    for (k, values) in values.iter_mut().enumerate() {
        if k < outputs {
            values.extend(observed.column(k));
            continue;
        }
        let column = x.column((k - outputs) / 2);
        match (k - outputs) % 2 {
            0 => values.extend(column),
            _ => values.extend(column.iter().map(|x| x * x)),
        }
    }
}

/// The mean time until the event. Paths that reach none within the horizon are taken to reach it at the rate of
/// the others, `E tau = total time / events`; with more than a few of them there is no such number.
fn passage(answer: &mut Answer, events: &[f64], horizon: f64) {
    let reached: Vec<f64> = events.iter().copied().filter(|t| t.is_finite()).collect();
    let missing = events.len() - reached.len();
    let share = missing as f64 / events.len() as f64;
    answer.facts.push(("paths without an event", share));
    if reached.is_empty() || share > UNFINISHED {
        return;
    }
    let total: f64 = reached.iter().sum::<f64>() + missing as f64 * horizon;
    let rest = total / reached.len() as f64;
    let times: Vec<f64> = events
        .iter()
        .map(|t| if t.is_finite() { *t } else { horizon + rest })
        .collect();
    answer.push("passage_time", Estimate::from_samples(&times));
}

/// Walks blocks of paths.
struct Walker<'a> {
    lowered: &'a Lowered,
    state: &'a State,
    steps: usize,
}

impl Walker<'_> {
    fn walk(&self, first: u64, points: usize) -> Walked {
        let problem = self.lowered;
        let (from, to) = problem.horizon();
        let h = (to - from) / self.steps as f64;
        let mut x = draw_start(problem.start(), &self.state.start, first, points);
        let mut equation = self.lowered.free().sde.equation(points, None);
        let scheme = &self.state.scheme;
        let mut room = scheme.room(points);
        let noise = Brownian::new(
            self.state.noise,
            self.lowered.free().sde.noises(),
            scheme.wanted(),
        );
        let mut increment = noise.room(points);
        let mut watch = Watch::new(self, first, &x, from);
        let mut kept = Vec::new();
        let mut steps = 0;
        for k in 0..=self.steps {
            if self.state.recorded.contains(&k) {
                kept.push(watch.frozen(&x));
            }
            if k == self.steps {
                break;
            }
            if watch.running == 0 {
                continue;
            }
            let t = from + k as f64 * h;
            noise.step(first, k as u32, h, &mut increment);
            scheme.step(&mut equation, t, &mut x, &increment, &mut room);
            steps += watch.running as u64;
            watch.edges(&mut x);
            watch.look(&x, k as u32, t, h);
        }
        Walked {
            event: watch.event,
            absorbed: watch.absorbed,
            kept,
            steps,
        }
    }
}

/// Which paths of a block still run, and what ended the others.
struct Watch<'a> {
    lowered: &'a Lowered,
    crossing: &'a Stream,
    first: u64,
    running: usize,
    ended: Vec<bool>,
    event: Vec<f64>,
    absorbed: usize,
    /// Where the ended paths stay.
    rest: Batch,
    margins: Batch,
    before: Batch,
    spreads: Batch,
    moving: bool,
}

impl<'a> Watch<'a> {
    fn new(walker: &Walker<'a>, first: u64, x: &Batch, t: f64) -> Self {
        let lowered = walker.lowered;
        let (points, events) = (x.points(), lowered.free().margins.outputs());
        let mut watch = Self {
            lowered,
            crossing: &walker.state.crossing,
            first,
            running: points,
            ended: vec![false; points],
            event: vec![f64::NAN; points],
            absorbed: 0,
            rest: x.clone(),
            margins: Batch::zeros(points, events),
            before: Batch::zeros(points, events),
            spreads: Batch::zeros(points, events),
            moving: (0..lowered.dimension()).any(|j| lowered.boundary(j) != Boundary::Natural),
        };
        lowered
            .free()
            .margins
            .eval(t, x.as_ref(), watch.before.as_mut());
        for i in 0..points {
            if (0..events).any(|e| watch.before.get(i, e) >= 0.0) {
                watch.end(x, i);
                watch.event[i] = 0.0;
            }
        }
        watch
    }

    fn end(&mut self, x: &Batch, i: usize) {
        self.ended[i] = true;
        self.running -= 1;
        for j in 0..x.columns() {
            self.rest.column_mut(j)[i] = x.get(i, j);
        }
    }

    /// States with those of ended paths at their place.
    fn frozen(&self, x: &Batch) -> Batch {
        let mut out = x.clone();
        for j in 0..x.columns() {
            let places = out.column_mut(j).iter_mut().zip(self.rest.column(j));
            for ((x, rest), ended) in places.zip(&self.ended) {
                if *ended {
                    *x = *rest;
                }
            }
        }
        out
    }

    /// What the edges of the domain do.
    fn edges(&mut self, x: &mut Batch) {
        if !self.moving {
            return;
        }
        let Some(domain) = &self.lowered.problem.dynamics.domain else {
            return;
        };
        for (j, &(low, high)) in domain.iter().enumerate() {
            let width = high - low;
            match self.lowered.boundary(j) {
                Boundary::Natural => {}
                Boundary::Periodic => {
                    for x in x.column_mut(j) {
                        *x = low + (*x - low).rem_euclid(width);
                    }
                }
                Boundary::Reflect => {
                    for x in x.column_mut(j) {
                        let folded = (*x - low).rem_euclid(2.0 * width);
                        *x = low + folded.min(2.0 * width - folded);
                    }
                }
                Boundary::Absorb => {
                    for i in 0..x.points() {
                        let here = x.get(i, j);
                        if !self.ended[i] && !(low..=high).contains(&here) {
                            x.column_mut(j)[i] = here.clamp(low, high);
                            self.end(x, i);
                            self.absorbed += 1;
                        }
                    }
                }
            }
        }
    }

    /// Events of the step from `t` to `t + h`: where one has happened at its end, or in between.
    fn look(&mut self, x: &Batch, step: u32, t: f64, h: f64) {
        let events = self.margins.columns();
        if events == 0 {
            return;
        }
        let lowered = self.lowered;
        let free = lowered.free();
        free.margins.eval(t + h, x.as_ref(), self.margins.as_mut());
        free.margin_spreads
            .eval(t + h, x.as_ref(), self.spreads.as_mut());
        let started = lowered.horizon().0;
        for i in 0..x.points() {
            if self.ended[i] {
                continue;
            }
            let shares = (0..events).filter_map(|e| {
                let (from, to) = (self.before.get(i, e), self.margins.get(i, e));
                let spread = self.spreads.get(i, e) * h;
                crossing(from, to, spread, || self.draws(i, step, e))
            });
            if let Some(share) = shares.min_by(f64::total_cmp) {
                self.event[i] = t + share * h - started;
                self.end(x, i);
            }
        }
        std::mem::swap(&mut self.before, &mut self.margins);
    }

    fn draws(&self, i: usize, step: u32, event: usize) -> [f64; DRAWS] {
        let mut draws = [0.0; DRAWS];
        let to = BatchMut::new(&mut draws, 1, DRAWS, 1);
        let component = (event * DRAWS) as u32;
        self.crossing
            .uniforms_from(self.first + i as u64, step, component, to);
        draws
    }
}

/// Distances of every path with step `h` from the one with `h/2` on the same noise, level by level.
pub fn level_distances(
    lowered: &Lowered,
    scheme: &dyn Scheme,
    nodes: &[f64],
    levels: u32,
    paths: usize,
    streams: &Streams,
) -> Vec<Vec<f64>> {
    let ends = |level| ends(lowered, scheme, nodes, level, paths, streams);
    let mut coarse = ends(0);
    (1..=levels)
        .map(|level| {
            let fine = ends(level);
            let apart = distances(coarse.as_ref(), fine.as_ref());
            coarse = fine;
            apart
        })
        .collect()
}

/// Distances of every path by one scheme from the one by another, on the same noise with the same step.
pub fn path_distances(
    lowered: &Lowered,
    schemes: [&dyn Scheme; 2],
    nodes: &[f64],
    level: u32,
    paths: usize,
    streams: &Streams,
) -> Vec<f64> {
    let [a, b] = schemes.map(|scheme| ends(lowered, scheme, nodes, level, paths, streams));
    distances(a.as_ref(), b.as_ref())
}

/// Ends of paths over `nodes`, every interval halved `level` times, without events.
fn ends(
    lowered: &Lowered,
    scheme: &dyn Scheme,
    nodes: &[f64],
    level: u32,
    paths: usize,
    streams: &Streams,
) -> Batch {
    let walk = crate::discretization::scheme::Path {
        sde: &lowered.free().sde,
        scheme,
        nodes,
        level,
        stream: &streams.role("noise"),
        policy: None,
    };
    let start = draw_start(lowered.start(), &streams.role("start"), 0, paths);
    let parts = map_blocks(paths, block(), |range| {
        let start = start.as_ref().rows(range.clone());
        walk.walk(range.start as u64, start, |_, _| ())
    });
    let mut out = Batch::zeros(paths, lowered.dimension());
    let mut first = 0;
    for part in parts {
        out.write_rows(first, part.as_ref());
        first += part.points();
    }
    out
}

fn distances(a: BatchRef<'_>, b: BatchRef<'_>) -> Vec<f64> {
    (0..a.points())
        .map(|i| {
            let square: f64 = (0..a.columns())
                .map(|j| (a.get(i, j) - b.get(i, j)).powi(2))
                .sum();
            square.sqrt()
        })
        .collect()
}
