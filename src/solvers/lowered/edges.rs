//! What the ends of the axes of a grid do, as boundaries and stopping events ask.
//!
//! ```text
//! natural    the process hardly gets there             reflect    V_x = 0
//! absorb     V = Phi                                   periodic   both ends are one point
//! ```
//!
//! A path that meets an absorbing edge or a stopping event pays no running cost from there on, and the end cost of where
//! it was stopped, discounted as at that time: what simulated paths do. An event that depends on one state, and not on
//! time, is an absorbing edge where it begins: the axis is cut there, so the edge is met exactly.

use crate::discretization::steered::SteeredProcess;
use crate::expr::{Expr, Graph, Kernel};
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::problem::meant::model::Boundary;
use crate::problem::meant::task::Event;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::start_law::start_nodes;
use std::sync::Arc;

/// Points at which the beginning of an event is looked for along an axis.
const LOOKS: usize = 4096;
/// How far beyond the end of an axis an event may begin to count, over its distance from the start.
const BEYOND: f64 = 1e-6;
/// Bisections to it.
const BISECTIONS: usize = 60;

/// Margins of what ends a path, negative until it has happened: stopping events, then both sides of absorbing edges.
pub(crate) fn margins(lowered: &Lowered, graph: &mut Graph, state: &[Expr]) -> Vec<Expr> {
    let stops = lowered.problem.task.events().iter().filter(|e| e.stop);
    let mut margins: Vec<Expr> = stops.map(|event| event.margin).collect();
    let dynamics = &lowered.problem.dynamics;
    let domain = dynamics.domain.iter().flatten().zip(&dynamics.boundary);
    for (x, ((low, high), boundary)) in state.iter().zip(domain) {
        if *boundary == Boundary::Absorb {
            let [low, high] = [*low, *high].map(|edge| graph.number(edge));
            margins.extend([graph.sub(low, *x), graph.sub(*x, high)]);
        }
    }
    margins
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    Natural,
    Reflect,
    Absorb,
    Periodic,
}

/// Whether an edge or an event of the problem turns or ends paths.
pub(crate) fn act(lowered: &Lowered) -> bool {
    let dynamics = &lowered.problem.dynamics;
    let acts = |b: &Boundary| *b != Boundary::Natural;
    stops(lowered).next().is_some()
        || (dynamics.domain.is_some() && dynamics.boundary.iter().any(acts))
}

/// Whether something ends paths: then states that nothing else couples have no value of their own.
pub(crate) fn end_paths(lowered: &Lowered) -> bool {
    let dynamics = &lowered.problem.dynamics;
    let absorbs = dynamics.boundary.contains(&Boundary::Absorb);
    stops(lowered).next().is_some() || (dynamics.domain.is_some() && absorbs)
}

fn stops(lowered: &Lowered) -> impl Iterator<Item = &Event> {
    lowered
        .problem
        .task
        .events()
        .iter()
        .filter(|event| event.stop)
}

/// A stopping event that depends on one state.
struct Stop {
    state: usize,
    /// Negative before the event.
    margin: Kernel,
    /// Middle of the start law.
    middle: f64,
}

impl Stop {
    fn happened(&self, x: f64) -> bool {
        let mut at = Batch::zeros(1, self.margin.inputs());
        at.column_mut(self.state)[0] = x;
        let mut out = Batch::zeros(1, 1);
        self.margin.eval(0.0, at.as_ref(), out.as_mut());
        out.get(0, 0) >= 0.0
    }
}

/// The stopping events as ends of axes, or why one is not.
fn stopping(lowered: &Lowered) -> Result<Vec<Stop>, String> {
    let stated = &lowered.stated;
    let mut found = Vec::new();
    for event in stops(lowered) {
        let name = &event.name;
        let depends = |e| stated.graph.depends_on(event.margin, e);
        if depends(stated.time) {
            return Err(format!("event `{name}` depends on time"));
        }
        let states = (0..stated.state.len()).filter(|i| depends(stated.state[*i]));
        let states: Vec<usize> = states.collect();
        let [state] = states[..] else {
            return Err(format!("event `{name}` depends on {} states", states.len()));
        };
        if lowered.problem.dynamics.boundary.get(state) == Some(&Boundary::Periodic) {
            return Err(format!("event `{name}` is on a periodic axis"));
        }
        let margin = [event.margin];
        let margin = Kernel::compile(&stated.graph, &margin, stated.time, &stated.state)
            .map_err(|error| error.to_string())?;
        let start = start_nodes(lowered.start());
        let middle = start.average(|points| points.column(state).to_vec());
        let stop = Stop {
            state,
            margin,
            middle,
        };
        if stop.happened(middle) {
            return Err(format!("event `{name}` has happened at the start"));
        }
        found.push(stop);
    }
    Ok(found)
}

/// Whether every stopping event is where one state passes a number.
///
/// # Errors
/// Why one is not.
pub(crate) fn stops_are_edges(lowered: &Lowered) -> Result<(), String> {
    stopping(lowered).map(|_| ())
}

/// Why states that nothing else couples are not solved one by one where [`end_paths`].
pub(crate) const SHARED_END: &str =
    "an edge or event that ends a path couples states that nothing else does";

/// Axes with what their ends do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edges {
    pub(crate) domain: Vec<(f64, f64)>,
    pub(crate) kinds: Vec<[Edge; 2]>,
}

impl Edges {
    /// Axes of a domain, cut where events begin: the part that holds the middle of the start law.
    ///
    /// Events that [`stops_are_edges`] does not accept are left out.
    pub(crate) fn new(lowered: &Lowered, domain: Vec<(f64, f64)>) -> Self {
        let dynamics = &lowered.problem.dynamics;
        let kind = |i: usize| match dynamics.boundary.get(i) {
            _ if dynamics.domain.is_none() => Edge::Natural,
            Some(Boundary::Reflect) => Edge::Reflect,
            Some(Boundary::Absorb) => Edge::Absorb,
            Some(Boundary::Periodic) => Edge::Periodic,
            Some(Boundary::Natural) | None => Edge::Natural,
        };
        let mut edges = Self {
            kinds: (0..domain.len()).map(|i| [kind(i); 2]).collect(),
            domain,
        };
        for stop in stopping(lowered).unwrap_or_default() {
            edges.cut(&stop);
        }
        edges
    }

    fn cut(&mut self, stop: &Stop) {
        let (state, middle) = (stop.state, stop.middle);
        let (low, high) = self.domain[state];
        for (side, end) in [low, high].into_iter().enumerate() {
            let mut inside = middle;
            // A little beyond the end, so that an event that begins there is seen.
            let span = (end - middle) * (1.0 + BEYOND);
            let looks = (1..=LOOKS).map(|k| middle + span * k as f64 / LOOKS as f64);
            for x in looks {
                if !stop.happened(x) {
                    inside = x;
                    continue;
                }
                let mut outside = x;
                for _ in 0..BISECTIONS {
                    let between = 0.5 * (inside + outside);
                    if stop.happened(between) {
                        outside = between
                    } else {
                        inside = between
                    }
                }
                self.kinds[state][side] = Edge::Absorb;
                let bounds = &mut self.domain[state];
                *(if side == 0 {
                    &mut bounds.0
                } else {
                    &mut bounds.1
                }) = outside;
                break;
            }
        }
    }

    pub(crate) fn act(&self) -> bool {
        self.kinds
            .iter()
            .flatten()
            .any(|edge| *edge != Edge::Natural)
    }

    /// Points turned onto the axes, and whether the path of each has been stopped.
    pub(crate) fn enter(&self, x: BatchRef<'_>) -> (Batch, Vec<bool>) {
        let mut at = x.to_batch();
        let mut stopped = vec![false; x.points()];
        for state in 0..x.columns() {
            for (x, stopped) in at.column_mut(state).iter_mut().zip(&mut stopped) {
                *stopped |= self.turn(state, x);
            }
        }
        (at, stopped)
    }

    /// Values at points of which some may be beyond the edges, from those within.
    pub(crate) fn values(
        &self,
        process: &SteeredProcess,
        x: BatchRef<'_>,
        inner: impl Fn(BatchRef<'_>) -> Vec<f64>,
    ) -> Vec<f64> {
        let (at, stopped) = self.enter(x);
        let mut values = inner(at.as_ref());
        stop(process, x, &stopped, &mut values);
        values
    }

    /// Turns a point onto an axis; whether its path has been stopped.
    fn turn(&self, state: usize, x: &mut f64) -> bool {
        let (low, high) = self.domain[state];
        let width = high - low;
        match self.kinds[state] {
            [Edge::Periodic, _] => *x = low + (*x - low).rem_euclid(width),
            [Edge::Reflect, Edge::Reflect] => {
                let folded = (*x - low).rem_euclid(2.0 * width);
                *x = low + folded.min(2.0 * width - folded);
            }
            [below, above] => {
                if *x <= low && below != Edge::Natural {
                    *x = low;
                    return below == Edge::Absorb;
                }
                if *x >= high && above != Edge::Natural {
                    *x = high;
                    return above == Edge::Absorb;
                }
            }
        }
        false
    }
}

/// What a field is where paths have been stopped.
pub(crate) enum Stopped {
    /// The end cost.
    Value(Arc<SteeredProcess>),
    /// No control.
    Policy,
}

/// A field on axes with edges.
pub(crate) struct Enclosed {
    pub(crate) inner: Arc<dyn Field + Send>,
    pub(crate) edges: Arc<Edges>,
    pub(crate) stopped: Stopped,
}

impl Enclosed {
    fn eval_by(&self, inner: &dyn Field, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let (at, stopped) = self.edges.enter(x);
        inner.eval(t, at.as_ref(), out.reborrow());
        match &self.stopped {
            Stopped::Value(process) => stop(process, x, &stopped, out.column_mut(0)),
            Stopped::Policy => {
                for j in 0..out.columns() {
                    let controls = out.column_mut(j).iter_mut().zip(&stopped);
                    controls
                        .filter(|(_, stopped)| **stopped)
                        .for_each(|(u, _)| *u = 0.0);
                }
            }
        }
    }
}

/// The value where paths have been stopped.
fn stop(process: &SteeredProcess, x: BatchRef<'_>, stopped: &[bool], value: &mut [f64]) {
    if !stopped.contains(&true) {
        return;
    }
    let mut ends = vec![0.0; x.points()];
    process.terminal(x, &mut ends);
    for ((value, end), stopped) in value.iter_mut().zip(ends).zip(stopped) {
        if *stopped {
            *value = end;
        }
    }
}

impl Field for Enclosed {
    fn inputs(&self) -> usize {
        self.inner.inputs()
    }

    fn outputs(&self) -> usize {
        self.inner.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.eval_by(&*self.inner, t, x, out);
    }

    fn frozen(&self, t: f64) -> Option<Box<dyn Field + '_>> {
        let inner = self.inner.frozen(t)?;
        Some(Box::new(FrozenEnclosed { inner, whole: self }))
    }
}

/// The same at one time.
struct FrozenEnclosed<'a> {
    inner: Box<dyn Field + 'a>,
    whole: &'a Enclosed,
}

impl Field for FrozenEnclosed<'_> {
    fn inputs(&self) -> usize {
        self.inner.inputs()
    }

    fn outputs(&self) -> usize {
        self.inner.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.whole.eval_by(&*self.inner, t, x, out);
    }
}

/// Value and policy as they are, or within edges that act.
pub(crate) fn enclosed(
    value: Arc<dyn Field + Send>,
    policy: Arc<dyn Field + Send>,
    edges: &Arc<Edges>,
    process: &SteeredProcess,
) -> [Arc<dyn Field + Send>; 2] {
    if !edges.act() {
        return [value, policy];
    }
    let within = |inner, stopped| Enclosed {
        inner,
        edges: edges.clone(),
        stopped,
    };
    let process = Arc::new(process.clone());
    [
        Arc::new(within(value, Stopped::Value(process))),
        Arc::new(within(policy, Stopped::Policy)),
    ]
}

#[cfg(test)]
mod tests;
