//! Options that several methods have, and how their sizes are said.

use crate::field::family::field_text as family_text;
use crate::problem::format::key::{Bound, Fallback, Form, Key, Names};
use crate::problem::format::key::{HALF, HALF_STEPS, Less, QUARTER};
use crate::problem::meant::grid::Scheme;
use crate::problem::meant::named::Named;
use crate::problem::meant::options::Options;

/// Steps of `[time]`.
pub const TIME_STEPS: Fallback = Fallback::Found("time.steps", |setup, _| setup.steps.into());
/// Paths of `[run]`.
pub const RUN_PATHS: Fallback = Fallback::Found("run.paths", |setup, _| setup.paths.into());
/// Points of a grid of all states.
pub const LATTICE: Fallback = Fallback::Found(
    "grid.points, else 801, 201 or 61 for one, two or more states",
    |setup, _| setup.lattice().into(),
);
/// Waves per state of a spectral scheme.
const WAVES: usize = 161;

/// A grid loses half its intervals, a spectral scheme a quarter of its waves.
pub const fn points(default: Fallback) -> Key {
    Key::new(
        "points",
        Form::Counts(5),
        default,
        "grid points, for all states or one per state",
    )
    .less(|options| match options.one::<Scheme>("scheme") {
        Scheme::Spectral => Less::Waves,
        _ => Less::Intervals,
    })
}

pub const fn steps(default: Fallback) -> Key {
    Key::new("steps", Form::Count(1), default, "steps in time")
}

pub const fn paths(default: Fallback) -> Key {
    Key::new("paths", Form::Count(2), default, "simulated paths")
}

pub const fn tolerance(bound: Bound, default: Fallback) -> Key {
    Key::new("tol", Form::Number(bound), default, "where iterations stop")
}

pub const fn most_iterations(default: Fallback) -> Key {
    Key::new("max_iter", Form::Count(1), default, "most iterations")
}

/// How derivatives are taken on a grid.
pub const fn scheme(default: Fallback) -> Key {
    Key::new(
        "scheme",
        Form::Choice(Names::Fixed(Scheme::names)),
        default,
        "how derivatives are taken on a grid",
    )
}

/// Scheme of the linear equation.
pub const fn linear_scheme() -> Key {
    Key::new(
        "scheme",
        Form::Choice(Names::Fixed(|| vec!["central", "spectral"])),
        Fallback::Found(
            "spectral where grid.scheme is, else central",
            |setup, _| match setup.grid.scheme {
                Some(Scheme::Spectral) => Scheme::Spectral.name().into(),
                _ => Scheme::Central.name().into(),
            },
        ),
        "how derivatives are taken on a grid",
    )
}

/// Time steps of the linear equation; a spectral scheme has none.
pub const fn linear_steps(default: Fallback) -> Key {
    steps(default)
        .when(|_, options| options.one::<Scheme>("scheme") != Scheme::Spectral)
        .less(half_steps)
}

/// The waves of a spectral scheme, else so many points.
pub fn waves_or(options: &Options, points: usize) -> usize {
    match options.one::<Scheme>("scheme") {
        Scheme::Spectral => WAVES,
        _ => points,
    }
}

/// Half the steps.
pub fn half_steps(_: &Options) -> Less {
    HALF_STEPS
}

/// Half the paths of a fit.
pub fn half(_: &Options) -> Less {
    HALF
}

/// A quarter of the samples of a mean.
pub fn quarter(_: &Options) -> Less {
    QUARTER
}

fn counts_text(options: &Options, between: &str) -> String {
    let counts = options.counts("points");
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    counts.join(between)
}

/// A grid of all states.
pub fn points_text(options: &Options) -> String {
    format!("{} points", counts_text(options, " x "))
}

/// A grid of all states, and steps.
pub fn grid_text(options: &Options) -> String {
    format!(
        "{} x {} steps",
        points_text(options),
        options.count("steps")
    )
}

/// A grid for each state, and steps.
pub fn sum_text(options: &Options) -> String {
    let points = counts_text(options, " + ");
    format!("{points} points x {} steps", options.count("steps"))
}

/// Waves of each state.
pub fn waves_text(options: &Options) -> String {
    format!("{} waves", counts_text(options, " + "))
}

pub fn paths_text(options: &Options) -> String {
    let (paths, steps) = (options.count("paths"), options.count("steps"));
    format!("{paths} paths x {steps} steps")
}

/// The field that is fitted.
pub fn field_text(options: &Options) -> String {
    options.field("field").map_or(String::new(), family_text)
}
