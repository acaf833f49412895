//! The expressions of a control problem as typed.

use crate::derivation::ground::matrix::Matrix;
use crate::expr::{Expr, Graph};

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
    pub terminal: Expr,
    /// Rate at which later cost counts less; zero for none.
    pub discount: Expr,
    pub horizon: (f64, f64),
}
