//! What is asked of a process: one case per kind, with everything only that kind has.

use crate::expr::Expr;
pub use crate::problem::meant::kind::Kind;
use crate::problem::meant::law::Law;
use crate::problem::meant::named::Named;

/// `[cost]`, always to be minimised: with `sense = "max"` both expressions carry the opposite sign of
/// what was typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Rate per unit time: an expression of time, state and control.
    pub running: Expr,
    /// Cost at the end of the horizon: an expression of time and state.
    pub terminal: Expr,
    /// `exp(-discount (t - t0))` weighs the running and the terminal cost.
    pub discount: f64,
    pub sense: Sense,
    /// Price per unit of squared excess where bounds of the control are softened.
    pub bounds_penalty: Option<f64>,
}

/// What the user wants of the cost as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    Minimise,
    Maximise,
}

impl Named for Sense {
    const NAMES: &'static [(&'static str, Self)] =
        &[("min", Self::Minimise), ("max", Self::Maximise)];
}

/// `[[event]]`: something that happens when an inequality first holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: String,
    /// The inequality as a condition of time and state.
    pub condition: Expr,
    /// Right side minus left side of `a < b`: negative before the event, zero on its boundary.
    pub margin: Expr,
    /// Whether a path ends there.
    pub stop: bool,
}

/// The functional a path minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFunctional {
    /// `1/2 int |dx/dt - b|^2 dt` in the metric of the noise: the limit of small noise.
    FreidlinWentzell,
    /// The same with the divergence term of finite noise.
    OnsagerMachlup,
}

impl Named for PathFunctional {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("freidlin-wentzell", Self::FreidlinWentzell),
        ("onsager-machlup", Self::OnsagerMachlup),
    ];
}

/// How long a path takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Duration {
    /// Minimised over, from minus to plus infinity.
    Free,
    Fixed(f64),
}

/// Undo a diffusion.
#[derive(Clone, Debug)]
pub struct Reverse {
    /// Law at time 0.
    pub data: Law,
    /// Law the reverse process starts from.
    pub prior: Law,
}

/// Optimal feedback.
#[derive(Clone, Debug)]
pub struct Control {
    pub initial: Law,
    pub cost: Cost,
    pub events: Vec<Event>,
}

/// Draws from an unnormalised density, by undoing the noising process of `[dynamics]`.
#[derive(Clone, Debug)]
pub struct Sample {
    pub target: Law,
    /// Law the reverse process starts from.
    pub prior: Law,
}

/// Schrödinger bridge; the reference process is `[dynamics]`.
#[derive(Clone, Debug)]
pub struct Bridge {
    pub source: Law,
    pub target: Law,
}

/// Most probable path.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub from: Vec<f64>,
    pub to: Vec<f64>,
    pub functional: PathFunctional,
    pub duration: Duration,
    /// Points of the discretized path between its ends.
    pub images: usize,
    /// Move each end to the nearest fixed point of the drift first.
    pub refine_endpoints: bool,
}

/// Law of an SDE.
#[derive(Clone, Debug)]
pub struct Simulate {
    pub initial: Law,
    pub events: Vec<Event>,
}

/// What is asked, with everything only this kind has.
#[derive(Clone, Debug)]
pub enum Task {
    Reverse(Reverse),
    Control(Control),
    Sample(Sample),
    Bridge(Bridge),
    Path(Path),
    Simulate(Simulate),
}

impl Task {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Reverse(_) => Kind::Reverse,
            Self::Control(_) => Kind::Control,
            Self::Sample(_) => Kind::Sample,
            Self::Bridge(_) => Kind::Bridge,
            Self::Path(_) => Kind::Path,
            Self::Simulate(_) => Kind::Simulate,
        }
    }

    /// The law at the start of `[dynamics]`, where the file states one.
    pub fn start_law(&self) -> Option<&Law> {
        match self {
            Self::Reverse(task) => Some(&task.data),
            Self::Control(task) => Some(&task.initial),
            Self::Sample(task) => Some(&task.target),
            Self::Bridge(task) => Some(&task.source),
            Self::Simulate(task) => Some(&task.initial),
            Self::Path(_) => None,
        }
    }

    /// Every law with the table that states it.
    pub fn laws(&self) -> Vec<(&'static str, &Law)> {
        match self {
            Self::Reverse(task) => vec![("data", &task.data), ("prior", &task.prior)],
            Self::Control(task) => vec![("initial", &task.initial)],
            Self::Sample(task) => vec![("target", &task.target), ("prior", &task.prior)],
            Self::Bridge(task) => vec![("source", &task.source), ("target", &task.target)],
            Self::Simulate(task) => vec![("initial", &task.initial)],
            Self::Path(_) => Vec::new(),
        }
    }

    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(task) => Some(task),
            _ => None,
        }
    }

    pub fn reverse(&self) -> Option<&Reverse> {
        match self {
            Self::Reverse(task) => Some(task),
            _ => None,
        }
    }

    pub fn events(&self) -> &[Event] {
        match self {
            Self::Control(task) => &task.events,
            Self::Simulate(task) => &task.events,
            _ => &[],
        }
    }
}
