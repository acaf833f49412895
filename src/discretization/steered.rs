//! A controlled diffusion with numbers in it.
//!
//! ```text
//! dX = ( b(X,t) + B(X,t) u ) dt + G(X,t) dW,      D = G G'
//! S[u] = E[ Phi(X_T) + int e^{-rho (t - t_0)} ( q(X,t) + 1/2 u' R(X,t) u ) dt ]
//! ```
//!
//! Every coefficient is evaluated on blocks of points. What does not depend on the state is found when the
//! process is compiled and evaluated once per call, not once per point.
//!
//! # Checked by
//! The derivation takes the user's expressions apart into these coefficients and proves that they make up
//! what was typed ([`crate::derivation::ground::controlled::execute`]).

use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::discretization::matrix_field::MatrixField;
use crate::expr::{CompileError, Expr, Kernel};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use nalgebra::DMatrix;

/// Singular values of the noise below this fraction of the largest carry none.
const RANK: f64 = 1e-12;

/// `G^+ B`.
fn leverage(channel: &DMatrix<f64>, diffusion: &DMatrix<f64>) -> DMatrix<f64> {
    let svd = diffusion.clone().svd(true, true);
    let cut = RANK * svd.singular_values.amax();
    match svd.pseudo_inverse(cut) {
        Ok(inverse) => inverse * channel,
        Err(_) => unreachable!("both factors were asked for and the cut is not negative"),
    }
}

/// The coefficients of a control problem as batch evaluators.
#[derive(Clone, Debug)]
pub struct SteeredProcess {
    start: f64,
    end: f64,
    discount: f64,
    drift: Kernel,
    channel: MatrixField,
    diffusion: MatrixField,
    /// `N`, one row.
    toll: MatrixField,
    effort: MatrixField,
    inverse_effort: MatrixField,
    running: Kernel,
    terminal: Kernel,
    /// `u_0`, where that is not zero.
    cheapest: Option<Kernel>,
    /// `r(x, u, t)`, of states and controls, where prices are not quadratic.
    other_price: Option<Kernel>,
    /// `G^+ B` where both are constant.
    leverage: Option<DMatrix<f64>>,
}

impl SteeredProcess {
    /// Compiles the parts of a control problem.
    ///
    /// # Errors
    /// Names without a value.
    pub fn new(parts: &ControlledDiffusion) -> Result<Self, CompileError> {
        let process = &parts.process;
        let (graph, time, state) = (&process.graph, process.time, &process.state);
        let matrix = |m: &[Vec<Expr>]| MatrixField::new(graph, m, time, state);
        let (channel, diffusion) = (matrix(&parts.channel)?, matrix(&process.diffusion)?);
        let constant = channel.is_constant() && diffusion.is_constant();
        Ok(Self {
            leverage: constant.then(|| leverage(&channel.at(0.0, &[]), &diffusion.at(0.0, &[]))),
            start: parts.horizon.0,
            end: parts.horizon.1,
            discount: graph
                .as_number(parts.discount)
                .map_or(0.0, |rate| rate.to_f64()),
            drift: Kernel::compile(graph, &process.drift, time, state)?,
            channel,
            diffusion,
            toll: matrix(std::slice::from_ref(&parts.toll))?,
            effort: matrix(&parts.effort)?,
            inverse_effort: matrix(&parts.inverse_effort)?,
            running: Kernel::compile(graph, &[parts.running], time, state)?,
            terminal: Kernel::compile(graph, &[parts.terminal], time, state)?,
            cheapest: match parts.counts_from_zero() {
                true => None,
                false => Some(Kernel::compile(graph, &parts.cheapest, time, state)?),
            },
            other_price: match parts.has_other_price() {
                false => None,
                true => {
                    let both = [state.as_slice(), &parts.control].concat();
                    Some(Kernel::compile(graph, &[parts.other_price], time, &both)?)
                }
            },
        })
    }

    /// States.
    pub fn dimension(&self) -> usize {
        self.drift.outputs()
    }

    pub fn controls(&self) -> usize {
        self.channel.columns()
    }

    /// Independent noises, the columns of G.
    pub fn noises(&self) -> usize {
        self.diffusion.columns()
    }

    pub fn start(&self) -> f64 {
        self.start
    }

    pub fn end(&self) -> f64 {
        self.end
    }

    /// `rho`.
    pub fn discount(&self) -> f64 {
        self.discount
    }

    /// `B`, states × controls.
    pub fn channel(&self) -> &MatrixField {
        &self.channel
    }

    /// `G`, states × noises.
    pub fn diffusion(&self) -> &MatrixField {
        &self.diffusion
    }

    /// `theta = G^+ B u` gives the control in units of the noise: `G^+ B`, noises × controls, at one point; `x` may be
    /// empty where neither contains the state.
    pub fn leverage(&self, t: f64, x: &[f64]) -> DMatrix<f64> {
        match &self.leverage {
            Some(matrix) => matrix.clone(),
            None => leverage(&self.channel.at(t, x), &self.diffusion.at(t, x)),
        }
    }

    /// `N`, one row: what controls in a box cost besides `1/2 u' R u`.
    pub fn toll(&self) -> &MatrixField {
        &self.toll
    }

    /// `R`, controls × controls.
    pub fn effort(&self) -> &MatrixField {
        &self.effort
    }

    /// `R^-1`.
    pub fn inverse_effort(&self) -> &MatrixField {
        &self.inverse_effort
    }

    /// Turns the control of the equations into the user's: adds `u_0(x, t)`, points × controls.
    pub fn count_from_zero(&self, t: f64, x: BatchRef<'_>, control: &mut Batch) {
        let Some(cheapest) = &self.cheapest else {
            return;
        };
        let mut rest = Batch::zeros(control.points(), control.columns());
        cheapest.eval(t, x, rest.as_mut());
        for j in 0..control.columns() {
            let rest = rest.column(j).iter();
            let pairs = control.column_mut(j).iter_mut().zip(rest);
            pairs.for_each(|(u, rest)| *u += rest);
        }
    }

    /// `out = b(x, t)`, points × states.
    pub fn drift(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.drift.eval(t, x, out);
    }

    /// `out = q(x, t)` per point.
    pub fn running(&self, t: f64, x: BatchRef<'_>, out: &mut [f64]) {
        let points = x.points();
        self.running
            .eval(t, x, BatchMut::new(out, points, 1, points));
    }

    /// `out = Phi(x)` per point.
    pub fn terminal(&self, x: BatchRef<'_>, out: &mut [f64]) {
        let points = x.points();
        self.terminal
            .eval(self.end, x, BatchMut::new(out, points, 1, points));
    }

    /// `r(x, u, t)`, a function of states and controls, where prices are not quadratic.
    pub fn other_price(&self) -> Option<&Kernel> {
        self.other_price.as_ref()
    }

    /// `out = N . u + 1/2 u' R u`, or `r(x, u, t)`, per point.
    pub fn effort_rate(&self, t: f64, x: BatchRef<'_>, control: BatchRef<'_>, out: &mut [f64]) {
        let points = x.points();
        if let Some(price) = &self.other_price {
            let mut both = Batch::zeros(points, x.columns() + control.columns());
            for j in 0..x.columns() {
                both.column_mut(j).copy_from_slice(x.column(j));
            }
            for j in 0..control.columns() {
                let column = both.column_mut(x.columns() + j);
                column.copy_from_slice(control.column(j));
            }
            let out = BatchMut::new(out, points, 1, points);
            return price.eval(t, both.as_ref(), out);
        }
        let mut priced = Batch::zeros(x.points(), self.controls());
        self.effort.add_times(t, x, 0.5, control, priced.as_mut());
        out.fill(0.0);
        let tolled = BatchMut::new(out, points, 1, points);
        self.toll.add_times(t, x, 1.0, control, tolled);
        for j in 0..self.controls() {
            for ((o, u), p) in out.iter_mut().zip(control.column(j)).zip(priced.column(j)) {
                *o += u * p;
            }
        }
    }

    /// `out = -R^-1 B' grad V`: the control that minimises `1/2 u' R u + (B u) . grad V`.
    pub fn best_response(
        &self,
        t: f64,
        x: BatchRef<'_>,
        slope: BatchRef<'_>,
        mut out: BatchMut<'_>,
    ) {
        let mut pulled = Batch::zeros(x.points(), self.controls());
        self.channel
            .add_transposed_times(t, x, -1.0, slope, pulled.as_mut());
        out.fill(0.0);
        self.inverse_effort
            .add_times(t, x, 1.0, pulled.as_ref(), out);
    }
}
