//! A control that is a polynomial of the state on every stretch of time.
//!
//! ```text
//! u(x, t) = lambda R^-1 Theta' theta(x, t),      Theta = G^+ B,      theta_k = sum over alpha of c_{alpha k} psi_alpha(z)
//! ```
//!
//! `theta` is the control in units of the noise: with the price proportional to the noise, `Theta u = theta` on all that
//! control can reach. `z` are states less their mean over their standard deviation, of the paths that the stretch was
//! fitted to; beyond three deviations they count as three, so that no polynomial runs away.

use crate::discretization::steered::SteeredProcess;
use crate::field::Field;
use crate::field::hermite::HermiteTerms;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::dense::faer_view;
use faer::{Accum, Par};
use nalgebra::DMatrix;
use std::sync::Arc;

/// Standard deviations beyond which a state counts as no farther.
const FARTHEST: f64 = 3.0;

/// Coordinates of one stretch of time.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub mean: Vec<f64>,
    /// Standard deviations; one where there is none.
    pub scale: Vec<f64>,
}

impl Chart {
    /// Values of the terms, points × terms; states that are no numbers count as the mean.
    pub fn terms(&self, terms: &HermiteTerms, x: BatchRef<'_>) -> Batch {
        let mut z = x.to_batch();
        for (j, (mean, scale)) in self.mean.iter().zip(&self.scale).enumerate() {
            for z in z.column_mut(j) {
                let far = (*z - mean) / scale;
                *z = if far.is_finite() {
                    far.clamp(-FARTHEST, FARTHEST)
                } else {
                    0.0
                };
            }
        }
        let mut psi = Batch::zeros(x.points(), terms.terms());
        terms.eval(z.as_ref(), psi.as_mut());
        psi
    }
}

/// A stretch of time: its coordinates, and the coefficients, terms × noises.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub chart: Chart,
    pub coefficients: DMatrix<f64>,
}

/// Equal stretches of the horizon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretches {
    pub start: f64,
    pub length: f64,
    pub count: usize,
}

impl Stretches {
    /// The stretch that a node lies in, or begins.
    pub fn at(&self, t: f64) -> usize {
        // A node that begins a stretch may lie before it by rounding.
        let place = ((t - self.start) / self.length + 1e-9).floor();
        (place.max(0.0) as usize).min(self.count - 1)
    }
}

/// The control.
#[derive(Clone, Debug)]
pub(super) struct Steering {
    pub process: Arc<SteeredProcess>,
    pub temperature: f64,
    pub terms: Arc<HermiteTerms>,
    pub times: Stretches,
    pub stretches: Vec<Stretch>,
}

impl Steering {
    /// `theta`, points × noises.
    pub fn theta(&self, t: f64, x: BatchRef<'_>) -> Batch {
        let stretch = &self.stretches[self.times.at(t)];
        let psi = stretch.chart.terms(&self.terms, x);
        let coefficients = faer_view(&stretch.coefficients);
        let mut theta = Batch::zeros(x.points(), stretch.coefficients.ncols());
        let (to, psi) = (theta.faer_mut(), psi.as_ref().faer());
        faer::linalg::matmul::matmul(to, Accum::Replace, psi, coefficients, 1.0, Par::Seq);
        theta
    }
}

impl Field for Steering {
    fn inputs(&self) -> usize {
        self.process.dimension()
    }

    fn outputs(&self) -> usize {
        self.process.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let process = &self.process;
        let theta = self.theta(t, x);
        let mut pushed = Batch::zeros(x.points(), process.controls());
        if process.channel().depends_on_state() || process.diffusion().depends_on_state() {
            for i in 0..x.points() {
                let matrix = process.leverage(t, &x.row(i));
                for j in 0..process.controls() {
                    let column = matrix.column(j);
                    let terms = column.iter().enumerate().map(|(k, m)| m * theta.get(i, k));
                    pushed.column_mut(j)[i] = terms.sum();
                }
            }
        } else {
            let matrix = process.leverage(t, &[]).transpose();
            pushed.as_mut().add_product(1.0, &matrix, theta.as_ref());
        }
        out.fill(0.0);
        let prices = process.inverse_effort();
        prices.add_times(t, x, self.temperature, pushed.as_ref(), out);
    }
}

/// A policy with a correction.
pub(super) struct Corrected<'a> {
    pub policy: &'a dyn Field,
    pub correction: &'a Steering,
}

impl Field for Corrected<'_> {
    fn inputs(&self) -> usize {
        self.policy.inputs()
    }

    fn outputs(&self) -> usize {
        self.policy.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let mut correction = Batch::zeros(x.points(), self.outputs());
        self.correction.eval(t, x, correction.as_mut());
        self.policy.eval(t, x, out.reborrow());
        for j in 0..correction.columns() {
            let sums = out.column_mut(j).iter_mut().zip(correction.column(j));
            sums.for_each(|(out, correction)| *out += correction);
        }
    }

    fn frozen(&self, t: f64) -> Option<Box<dyn Field + '_>> {
        let policy = self.policy.frozen(t)?;
        let correction = self.correction;
        Some(Box::new(FrozenCorrected { policy, correction }))
    }
}

/// The same with the policy at one time.
struct FrozenCorrected<'a> {
    policy: Box<dyn Field + 'a>,
    correction: &'a Steering,
}

impl Field for FrozenCorrected<'_> {
    fn inputs(&self) -> usize {
        self.policy.inputs()
    }

    fn outputs(&self) -> usize {
        self.policy.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let (policy, correction) = (&*self.policy, self.correction);
        Corrected { policy, correction }.eval(t, x, out);
    }
}
