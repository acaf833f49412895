//! The expressions of a control problem as typed.

use crate::derivation::ground::matrix::Matrix;
use crate::expr::{Expr, Graph};
use crate::problem::meant::law::Law;

/// Which way the controlled process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    Forward,
    /// Against the process of `[dynamics]`, on `tau = t_0 + t_1 - t`.
    Reversed,
}

/// What a controlled process is asked for at its end.
#[derive(Clone, Debug)]
pub enum Terminal {
    /// The cost `Phi`.
    Expression(Expr),
    /// `-log` of the density of a law.
    MinusLogDensity(Law),
    /// The law itself: the end cost is the unknown potential of a bridge.
    Pinned(Law),
    None,
}

/// A control problem as typed: drift and running cost may contain the control.
#[derive(Clone, Debug)]
pub struct Stated {
    pub graph: Graph,
    pub time: Expr,
    pub state: Vec<Expr>,
    pub control: Vec<Expr>,
    /// Itô drift, one entry per state.
    pub drift: Vec<Expr>,
    /// States × noises.
    pub diffusion: Matrix,
    pub running: Expr,
    /// The end cost as an expression; zero where [`Terminal`] has none.
    pub terminal: Expr,
    pub end: Terminal,
    pub clock: Clock,
    /// Rate at which later cost counts less; zero for none.
    pub discount: Expr,
    pub horizon: (f64, f64),
}
