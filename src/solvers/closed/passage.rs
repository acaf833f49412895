//! The mean time until an event, in one state.
//!
//! ```text
//! f T' + 1/2 D T'' = -1,      T = 0 where an event happens,      T' = 0 at an edge that reflects
//! T(x) = int_x^r ( 2 M(y) - c ) / (D p)(y) dy,      M(y) = int_l^y p,      p ~ (1/D) exp( int 2 f/D )
//! ```
//!
//! between the nearest places `l < r` around the start where an event happens, or the edges of the domain; `c = 0`
//! where the left edge reflects, else `c` makes `T(l) = 0`. Where only the left end is an event, the same seen from
//! the right. Gauss–Legendre panels, integrals up to their nodes; the error is the distance from half the panels.
//!
//! # Assumes
//! One state, coefficients free of time, start laws within one such interval; edges without an event reflect.
//!
//! # Order
//! Sixteen in the width of a panel.
//!
//! # Source
//! Pontryagin, Andronov and Vitt (1933); Gardiner (2009), section 5.5.
//!
//! # Checked by
//! `first-passage`

use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::panels::{NODES, Panels};
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::page::Page;
use crate::problem::meant::kind::SIMULATE;
use crate::problem::meant::model::Boundary;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::grid::line::Line;
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::start_law::{StartNodes, start_nodes};
use crate::solvers::options::{LATTICE, points, points_text};
use std::num::NonZeroUsize;

const NAME: &str = "first-passage";
/// Steps of the look for the nearest event on each side of the start.
const LOOKS: usize = 4096;
const BISECTIONS: usize = 200;

/// Points of the quadrature.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstPassage {
    pub points: usize,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("passage.md")),
    kinds: SIMULATE,
    later: &[],
    options: &[points(LATTICE)],
    settings: points_text,
};

impl FirstPassage {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            points: options.counts("points")[0],
        })
    }
}

/// An end of the interval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct End {
    at: f64,
    /// Whether a path ends there.
    stops: bool,
}

/// The interval a path lives in until the event.
pub struct Admitted {
    line: Line,
    ends: [End; 2],
    /// Start points with their weights.
    starts: (Vec<f64>, Vec<f64>),
}

/// Mean times with all panels and with half of them.
pub struct State {
    admitted: Admitted,
    found: Vec<f64>,
}

impl Method for FirstPassage {
    const ASKS: Asks = Asks::NoControl;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        lowered.admit_one_state(NAME)?;
        lowered.admit_autonomous(NAME)?;
        let refusal = |reason: String, accepted: &str| Refusal {
            method: NAME,
            reason,
            accepted: accepted.to_owned(),
        };
        if lowered.free().stops.is_empty() {
            return Err(refusal(
                "no event ends a path".to_owned(),
                "an [[event]] with stop = true",
            ));
        }
        if lowered.boundary(0) == Boundary::Periodic {
            return Err(refusal(
                "the domain is periodic".to_owned(),
                "edges that reflect, absorb or are never reached",
            ));
        }
        let line = Line::new(lowered).map_err(|e| refusal(e.to_string(), "numbers"))?;
        let StartNodes { points, weights } = start_nodes(lowered.start());
        let x = points.column(0).to_vec();
        let low = x.iter().copied().fold(f64::INFINITY, f64::min);
        let high = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let outer = line.interval(lowered);
        let edge = |side: usize, from: f64| -> Option<End> {
            let outer = outer.map(|(a, b)| [a, b][side]);
            nearest(lowered, from, outer, side)
        };
        let (Some(left), Some(right)) = (edge(0, low), edge(1, high)) else {
            return Err(refusal(
                "no event on one side of the start, and the density does not fall off there"
                    .to_owned(),
                "dynamics.domain, or an event on that side",
            ));
        };
        if !left.stops && !right.stops {
            return Err(refusal(
                "no event is reached from the start".to_owned(),
                "an event within dynamics.domain",
            ));
        }
        if left.at >= right.at {
            return Err(refusal(
                "the event has happened at the start".to_owned(),
                "a start before the event",
            ));
        }
        Ok(Admitted {
            line,
            ends: [left, right],
            starts: (x, weights),
        })
    }

    fn start(&self, _: &Lowered, admitted: Admitted, _: &Streams) -> Result<State, SolveError> {
        Ok(State {
            admitted,
            found: Vec::new(),
        })
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let panels = self.points.div_ceil(NODES.get()).max(2) >> state.found.len();
        let panels = NonZeroUsize::new(panels).unwrap_or(NonZeroUsize::MIN);
        let Admitted { line, ends, starts } = &state.admitted;
        let mut mean = 0.0;
        for (x, weight) in starts.0.iter().zip(&starts.1) {
            // The start ends a panel, so that no value between nodes is needed.
            let left = Part::new(line, (ends[0].at, *x), panels, true);
            let right = Part::new(line, (*x, ends[1].at), panels, false);
            let time = passage_time(&left, &right, ends);
            if !time.is_finite() {
                return Err(SolveError::NotFinite {
                    what: "the mean time",
                    value: time,
                    time: lowered.horizon().0,
                    suggestion: "a smaller dynamics.domain; noise that does not vanish in it"
                        .to_owned(),
                });
            }
            mean += weight * time;
            work.unknowns = work.unknowns.max(2 * left.potential.len() as u64);
        }
        state.found.push(mean);
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        match state.found.len() {
            2 => Progress::Stopped(StopReason::Direct),
            n => Progress::Going {
                fraction: n as f64 / 2.0,
                objective: f64::NAN,
                measured: f64::NAN,
            },
        }
    }

    fn finish(&self, _: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut answer = Answer::default();
        let [fine, coarse] = state.found[..] else {
            return Ok(answer);
        };
        let rounding = 64.0 * f64::EPSILON * fine.abs();
        let error = (fine - coarse).abs().max(rounding);
        answer.push(
            "passage_time",
            Estimate::new(fine, error, ErrorKind::Quadrature),
        );
        let [left, right] = state.admitted.ends;
        answer.facts = vec![("interval from", left.at), ("to", right.at)];
        Ok(answer)
    }
}

/// The largest margin at a point: negative where no event has happened.
fn margin(lowered: &Lowered, x: f64) -> f64 {
    let mut out = Batch::zeros(1, lowered.free().margins.outputs());
    let at = Batch::from_columns(1, 1, vec![x]);
    lowered
        .free()
        .margins
        .eval(lowered.horizon().0, at.as_ref(), out.as_mut());
    (0..out.columns())
        .map(|k| out.get(0, k))
        .fold(f64::NEG_INFINITY, f64::max)
}

/// The nearest event from `from` on towards `outer`, else `outer` itself. Without an outer bound the search goes
/// as far as the distance doubled from one on.
fn nearest(lowered: &Lowered, from: f64, outer: Option<f64>, side: usize) -> Option<End> {
    let direction = if side == 0 { -1.0 } else { 1.0 };
    let happened = |x: f64| margin(lowered, x) >= 0.0;
    if happened(from) {
        return Some(End {
            at: from,
            stops: true,
        });
    }
    let reach = outer.map_or(1e6 * (1.0 + from.abs()), |outer| (outer - from).abs());
    let mut before = from;
    for k in 1..=LOOKS {
        let share = k as f64 / LOOKS as f64;
        // Equal steps over a known interval, growing ones over an unknown one.
        let distance = match outer {
            Some(_) => share * reach,
            None => reach * ((share * (1e9_f64).ln()).exp() - 1.0) / (1e9 - 1.0),
        };
        let x = from + direction * distance;
        if happened(x) {
            let (mut inside, mut outside) = (before, x);
            for _ in 0..BISECTIONS {
                let middle = 0.5 * (inside + outside);
                if happened(middle) {
                    outside = middle;
                } else {
                    inside = middle;
                }
            }
            return Some(End {
                at: outside,
                stops: true,
            });
        }
        before = x;
    }
    let stops = lowered.boundary(0) == Boundary::Absorb;
    outer.map(|at| End { at, stops })
}

/// `int 2 f/D` and `D` at the nodes of panels, the integral from one of their ends.
struct Part {
    panels: Panels,
    potential: Vec<f64>,
    diffusivity: Vec<f64>,
}

impl Part {
    /// Over `[a, b]`, from `b` where `from_right`, else from `a`.
    fn new(line: &Line, (a, b): (f64, f64), panels: NonZeroUsize, from_right: bool) -> Self {
        let panels = Panels::new(a, b, panels);
        let at = line.at(panels.nodes());
        let pairs = at.column(0).iter().zip(at.column(1));
        let slopes: Vec<f64> = pairs.map(|(f, d)| 2.0 * f / d).collect();
        let potential = if from_right {
            panels.to_right(&slopes).iter().map(|a| -a).collect()
        } else {
            panels.from_left(&slopes)
        };
        Self {
            potential,
            diffusivity: at.column(1).to_vec(),
            panels,
        }
    }

    /// `p`
    fn density(&self) -> Vec<f64> {
        let pairs = self.potential.iter().zip(&self.diffusivity);
        pairs.map(|(a, d)| a.exp() / d).collect()
    }

    /// `int weights / (D p)`
    fn scaled(&self, weights: &[f64]) -> f64 {
        let pairs = self.potential.iter().zip(weights);
        let terms: Vec<f64> = pairs.map(|(a, m)| m * (-a).exp()).collect();
        self.panels.total(&terms)
    }
}

/// `T` at the point where the two parts meet; their integrals start there.
fn passage_time(left: &Part, right: &Part, ends: &[End; 2]) -> f64 {
    let (before, after) = (left.density(), right.density());
    let shifted =
        |masses: Vec<f64>, by: f64| -> Vec<f64> { masses.iter().map(|m| m + by).collect() };
    if !ends[1].stops {
        // Only the left end stops: the same seen from the right.
        let beyond = right.panels.total(&after);
        return 2.0 * left.scaled(&shifted(left.panels.to_right(&before), beyond));
    }
    let beyond = left.panels.total(&before);
    let right_part = right.scaled(&shifted(right.panels.from_left(&after), beyond));
    if !ends[0].stops {
        return 2.0 * right_part;
    }
    let left_part = left.scaled(&left.panels.from_left(&before));
    let [near, far] = [left, right].map(|part| part.scaled(&vec![1.0; part.potential.len()]));
    2.0 * right_part - 2.0 * (left_part + right_part) * far / (near + far)
}

#[cfg(test)]
mod tests;
