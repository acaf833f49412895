//! Paths, step by step.
//!
//! ```text
//! euler-maruyama, heun, milstein, exponential-euler: see [`crate::discretization::scheme`]
//! P(event within a step | both ends before it) = exp( -2 m m' / (v h) ),      v = grad m' D grad m
//! ```
//!
//! for an event with margin `m < 0` before it: between two steps a path is taken for a Brownian bridge, so that
//! crossings between steps are not missed, and their times are drawn from their law ([`crate::numeric::crossing`]). A path ends at the first event that stops it, or at an absorbing edge,
//! and stays where it met it (`walk::exits`); edges that reflect fold it back, periodic ones carry it to the other side.
//!
//! Errors hold the bias of the step: paths with steps twice as long see the same noise, and what their means differ by is
//! part of the error.
//!
//! # Assumes
//! What the scheme does.
//!
//! # Order
//! Weak order of the scheme; one for events and edges that absorb, one half at edges that reflect.
//!
//! # Source
//! Kloeden and Platen (1992), chapters 10, 11; Mannella, *Phys. Lett. A* 254 (1999), and Gobet, *Stochastic Process.
//! Appl.* 87 (2000), for the events.
//!
//! # Checked by
//! `strong-order`, `conversion`, `first-passage`

use crate::discretization::scheme::{
    Equation, EulerMaruyama, ExponentialEuler, Heun, Milstein, Scheme, SchemeRefusal,
};
use crate::expr::Expr;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::brownian::{Brownian, Increment};
use crate::numeric::digits::significant;
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
use crate::solvers::walk::exits::{Ended, Exits, Part, Watch, between};

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
    /// How each ended, if it did.
    ended: Vec<Option<Ended>>,
    /// States at the recorded times and at the end.
    kept: Vec<Batch>,
    steps: u64,
    /// Time and state from which the first path left the numbers.
    fault: Option<(f64, Vec<f64>)>,
}

/// Paths so far.
pub struct State {
    scheme: Box<dyn Scheme + Send>,
    noise: Stream,
    crossing: Stream,
    start: Stream,
    /// Steps at which states are kept; the last one is the end.
    recorded: Vec<usize>,
    exits: Exits,
    /// Paths, and the same with steps twice as long.
    seen: [Seen; 2],
    done: usize,
}

/// What was seen of paths with steps of one length.
#[derive(Clone)]
struct Seen {
    /// Values of the observables and of the state, its square: by recorded time, then by column, then by path.
    values: Vec<Vec<Vec<f64>>>,
    ended: Vec<Option<Ended>>,
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
            exits: Exits::of(lowered)
                .unwrap_or_else(|error| unreachable!("events were compiled before: {error}")),
            seen: [(); 2].map(|()| Seen {
                values: vec![vec![Vec::new(); columns]; recorded.len()],
                ended: Vec::new(),
            }),
            recorded,
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
        for [fine, coarse] in walked {
            for (k, x) in fine.kept.iter().enumerate() {
                let t = self.time(lowered, state.recorded[k]);
                if let Some(value) = x.as_slice().iter().find(|x| !x.is_finite()) {
                    return Err(SolveError::NotFinite {
                        what: "a path",
                        value: *value,
                        time: t,
                        suggestion: advice(lowered, fine.fault.as_ref()),
                    });
                }
            }
            work.normals += fine.steps * lowered.free().sde.noises() as u64;
            work.field_points += fine.steps + coarse.steps;
            for (seen, walked) in state.seen.iter_mut().zip([fine, coarse]) {
                for (k, x) in walked.kept.iter().enumerate() {
                    let t = self.time(lowered, state.recorded[k]);
                    keep(lowered, t, x, &mut seen.values[k]);
                }
                seen.ended.extend(walked.ended);
            }
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
        let [fine, coarse] = &state.seen;
        let order = if state.exits.is_empty() && !reflects(lowered) {
            1.0
        } else {
            0.5
        };
        ends(lowered, &mut answer, [&fine.ended, &coarse.ended], order);
        let both = fine.values.iter().zip(&coarse.values);
        for (step, (fine, coarse)) in state.recorded.iter().zip(both) {
            let suffix = if *step == self.steps {
                String::new()
            } else {
                format!("_t{}", self.time(lowered, *step))
            };
            // On the way the observables only.
            let count = match *step == self.steps {
                true => fine.len(),
                false => lowered.free().observables.outputs(),
            };
            let columns = names(lowered).into_iter().zip(fine.iter().zip(coarse));
            for (name, (fine, coarse)) in columns.take(count) {
                answer.push(format!("{name}{suffix}"), with_bias([fine, coarse], order));
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

/// A mean over paths; its error holds what the step still changes, by paths with steps twice as long on the same noise:
/// `|E f_h - E f_2h| / (2^p - 1)` for a bias of order `p`.
fn with_bias([fine, coarse]: [&[f64]; 2], order: f64) -> Estimate {
    let mean = Estimate::from_samples(fine);
    let apart: Vec<f64> = fine.iter().zip(coarse).map(|(a, b)| a - b).collect();
    let bias = Estimate::from_samples(&apart).value / (order.exp2() - 1.0);
    Estimate::new(mean.value, mean.error.hypot(bias), mean.kind)
}

/// Whether an edge turns paths back: a step that is folded there is off by its square root.
fn reflects(lowered: &Lowered) -> bool {
    (0..lowered.dimension()).any(|j| lowered.boundary(j) == Boundary::Reflect)
}

/// Appends shares of paths by what ended them, and the mean time until an event.
fn ends(lowered: &Lowered, answer: &mut Answer, both: [&Vec<Option<Ended>>; 2], order: f64) {
    let stops = &lowered.free().stops;
    let share = |happened: &dyn Fn(usize) -> bool| {
        let shares = both.map(|ended| -> Vec<f64> {
            let by = |ended: &Option<Ended>| ended.is_some_and(|ended| happened(ended.by));
            ended
                .iter()
                .map(|ended| f64::from(u8::from(by(ended))))
                .collect()
        });
        with_bias([&shares[0], &shares[1]], order)
    };
    for (event, name) in stops.iter().enumerate() {
        answer.push(format!("ended_by_{name}"), share(&|by| by == event));
    }
    let absorbed = share(&|by| by >= stops.len());
    if absorbed.value > 0.0 {
        answer.push("ended_at_edge", absorbed);
    }
    if !stops.is_empty() {
        let (from, to) = lowered.horizon();
        let events = both.map(|ended| -> Vec<f64> {
            let after = |ended: &Option<Ended>| ended.map_or(f64::NAN, |ended| ended.after);
            ended.iter().map(after).collect()
        });
        passage(answer, [&events[0], &events[1]], to - from, order);
    }
}

/// The mean time until the event. Paths that reach none within the horizon are taken to reach it at the rate of
/// the others, `E tau = total time / events`; with more than a few of them there is no such number.
fn passage(answer: &mut Answer, both: [&[f64]; 2], horizon: f64, order: f64) {
    let missing = |events: &[f64]| events.iter().filter(|t| t.is_nan()).count();
    let share = missing(both[0]) as f64 / both[0].len() as f64;
    answer.facts.push(("paths without an event", share));
    if share > UNFINISHED || both.iter().any(|events| missing(events) == events.len()) {
        return;
    }
    let times = both.map(|events| -> Vec<f64> {
        let reached = events.iter().filter(|t| t.is_finite());
        let total: f64 = reached.sum::<f64>() + missing(events) as f64 * horizon;
        let rest = total / (events.len() - missing(events)) as f64;
        let time = |t: &f64| if t.is_finite() { *t } else { horizon + rest };
        events.iter().map(time).collect()
    });
    answer.push("passage_time", with_bias([&times[0], &times[1]], order));
}

/// What to try where a path left the numbers from a time and state.
fn advice(lowered: &Lowered, from: Option<&(f64, Vec<f64>)>) -> String {
    let process = &lowered.process.process;
    let fault = from.and_then(|(t, x)| {
        let at = process.state.iter().copied().zip(x.iter().copied());
        let at: Vec<(Expr, f64)> = at.chain([(process.time, *t)]).collect();
        let entries = process
            .drift
            .iter()
            .chain(process.diffusion.iter().flatten());
        let mut faults = entries.filter_map(|e| process.graph.diagnose(*e, &at));
        Some((faults.next()?, x))
    });
    match fault {
        Some((fault, x)) => {
            let place: Vec<String> = x.iter().map(|x| significant(*x, 3)).collect();
            format!(
                "an edge of dynamics.domain that reflects or absorbs before the states where `{}` has no value ({} at ({})), max(..., 0) beneath a root, or more steps",
                process.graph.text(fault.expression),
                fault.kind,
                place.join(", ")
            )
        }
        None => "more steps, or exponential-euler for a stiff drift".to_owned(),
    }
}

/// Walks blocks of paths.
struct Walker<'a> {
    lowered: &'a Lowered,
    state: &'a State,
    steps: usize,
}

impl Walker<'_> {
    /// Paths, and the same with steps twice as long on the same noise.
    fn walk(&self, first: u64, points: usize) -> [Walked; 2] {
        let lowered = self.lowered;
        let (from, to) = lowered.horizon();
        let h = (to - from) / self.steps as f64;
        let sde = &lowered.free().sde;
        let start = draw_start(lowered.start(), &self.state.start, first, points);
        let scheme = &self.state.scheme;
        let noise = Brownian::new(self.state.noise, sde.noises(), scheme.wanted());
        let mut increment = noise.room(points);
        let mut lanes = [(); 2].map(|()| Lane {
            equation: sde.equation(points, None),
            room: scheme.room(points),
            watch: Watch::new(
                lowered,
                &self.state.exits,
                &self.state.crossing,
                first,
                (&start, from),
            ),
            x: start.clone(),
            from: start.clone(),
            kept: Vec::new(),
            steps: 0,
            fault: None,
        });
        let mut waiting: Option<Increment> = None;
        for k in 0..=self.steps {
            if self.state.recorded.contains(&k) {
                lanes.iter_mut().for_each(Lane::keep);
            }
            if k == self.steps || lanes.iter().all(|lane| lane.watch.running == 0) {
                continue;
            }
            let t = from + k as f64 * h;
            noise.step(first, k as u32, h, &mut increment);
            let [fine, coarse] = &mut lanes;
            fine.step(self, (k, t), &[&increment]);
            match waiting.take() {
                Some(before) => coarse.step(self, (k - 1, t - h), &[&before, &increment]),
                // States that are kept are those of both.
                None if k + 1 == self.steps || self.state.recorded.contains(&(k + 1)) => {
                    coarse.step(self, (k, t), &[&increment]);
                }
                None => waiting = Some(increment.clone()),
            }
        }
        lanes.map(|lane| Walked {
            ended: lane.watch.ended,
            kept: lane.kept,
            steps: lane.steps,
            fault: lane.fault,
        })
    }
}

/// A block of paths on the way.
struct Lane<'a> {
    equation: Equation<'a>,
    room: Vec<Batch>,
    watch: Watch<'a>,
    x: Batch,
    /// Where the present step began.
    from: Batch,
    kept: Vec<Batch>,
    steps: u64,
    fault: Option<(f64, Vec<f64>)>,
}

impl Lane<'_> {
    fn keep(&mut self) {
        self.kept.push(self.watch.frozen(&self.x));
    }

    /// One step over one increment or two.
    fn step(&mut self, walker: &Walker<'_>, (k, t): (usize, f64), parts: &[&Increment]) {
        if self.watch.running == 0 {
            return;
        }
        self.from.as_mut().copy_from(self.x.as_ref());
        let joined;
        let whole = match parts {
            [first, second] => {
                let mut both = (*first).clone();
                both.then(second);
                joined = both;
                &joined
            }
            _ => parts[0],
        };
        let scheme = &walker.state.scheme;
        scheme.step(&mut self.equation, t, &mut self.x, whole, &mut self.room);
        self.steps += self.watch.running as u64;
        self.find_fault(t);
        if self.watch.looks() {
            let (step, length, from) = (k as u32, parts[0].length, &self.from);
            let part = |step, t, from, to| Part {
                step,
                t,
                length,
                from,
                to,
            };
            if let [first, second] = parts {
                let noise = [&first.wiener, &second.wiener];
                let process = &walker.lowered.compiled.steered;
                let middle = between(process, (t, from), &self.x, noise);
                self.watch.look(&part(step, t, from, &middle));
                let later = part(step + 1, t + length, &middle, &self.x);
                self.watch.look(&later);
            } else {
                self.watch.look(&part(step, t, from, &self.x));
            }
        }
        self.watch.turn(&mut self.x);
    }

    /// Remembers from where the first path left the numbers.
    fn find_fault(&mut self, t: f64) {
        let lost = |x: &Batch| x.as_slice().iter().any(|x| !x.is_finite());
        if self.fault.is_none() && lost(&self.x) {
            let known = |x: &Batch, i: usize| (0..x.columns()).all(|j| x.get(i, j).is_finite());
            let mut paths = 0..self.x.points();
            let lost = paths.find(|i| !known(&self.x, *i) && known(&self.from, *i));
            self.fault = lost.map(|i| (t, self.from.row(i)));
        }
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
    let ends = |level| free_ends(lowered, scheme, nodes, level, paths, streams);
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
    let [a, b] = schemes.map(|scheme| free_ends(lowered, scheme, nodes, level, paths, streams));
    distances(a.as_ref(), b.as_ref())
}

/// Ends of paths over `nodes`, every interval halved `level` times, without events.
fn free_ends(
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
