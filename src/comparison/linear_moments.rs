//! What affine policies cost in linear–quadratic problems: the moments of the process, without draws.
//!
//! ```text
//! u = K x + k,      F = A + B K,      mu = E X,      C = Cov X
//! mu' = F mu + a + B k,      C' = F C + C F' + G G'
//! S = int e^{-rho (t - t_0)} ( q(mu) + 1/2 tr(Q C) + 1/2 v'R v + 1/2 tr(R K C K') ) dt + the same of the end cost,
//! v = K mu + k
//! ```
//!
//! and likewise `1/2 E int (u - u_ref)' R (u - u_ref) dt`. `K` and `k` are read off the policy at the origin and the unit
//! points, and it is evaluated at further points to see that it is affine; another policy has no moments here.
//!
//! # Assumes
//! Drift affine, noise and price free of the state, costs quadratic; no edges, events or bounds of the control.
//!
//! # Order
//! That of [`crate::numeric::runge_kutta`]; the error is the distance from a run at a hundred times the tolerance.
//!
//! # Source
//! Åström, *Introduction to Stochastic Control Theory* (1970), chapter 8.
//!
//! # Checked by
//! Simulated paths, and the value of the Riccati equation.

use crate::comparison::control_error::{root, scaled};
use crate::comparison::rows::{ControlError, Performance};
use crate::derivation::control::riccati::linear_quadratic;
use crate::discretization::matrix_field::MatrixField;
use crate::expr::Expr;
use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::runge_kutta::{Integration, Rates};
use crate::solvers::closed::riccati::moments;
use crate::solvers::lowered::edges;
use crate::solvers::lowered::problem::Lowered;
use nalgebra::{DMatrix, DMatrixView, DVector, DVectorView};
use std::ops::Range;

/// Relative tolerance of the moments.
const TOLERANCE: f64 = 1e-9;
/// Distance of a policy from an affine one, in units of its size, that counts as none.
const ROUNDING: f64 = 1e-9;
/// States beyond which moments would take longer than everything else.
const MOST_STATES: usize = 400;

/// A linear–quadratic problem, compiled for this purpose alone.
pub(super) struct LinearProcess {
    states: usize,
    horizon: (f64, f64),
    discount: f64,
    /// `A`, `a`, `B`, `G`, `Q`, `k`, `q_0`, `R`.
    coefficients: [MatrixField; 8],
    /// `M`, `m`, `m_0`.
    end: [DMatrix<f64>; 3],
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

/// What a policy costs, and how far it is from another.
pub(super) struct Moments {
    pub cost: Estimate,
    /// `1/2 E int (u - u_ref)' R (u - u_ref) dt`, discounted like the cost.
    pub distance: Estimate,
    /// `E int |u - u_ref|^2 dt`, `E int |u|^2 dt`.
    pub squared_difference: Estimate,
    pub squared_control: Estimate,
}

impl LinearProcess {
    /// `None` where the problem is of another kind.
    pub(super) fn of(lowered: &Lowered) -> Option<Self> {
        let states = lowered.dimension();
        let free = lowered.obstructed_control().is_none() && !edges::act(lowered);
        if !free || states > MOST_STATES || lowered.problem.is_endless() {
            return None;
        }
        let mut parts = lowered.process.clone();
        let lq = linear_quadratic(&mut parts).ok()?;
        let process = &parts.process;
        let column = |v: &[Expr]| -> Vec<Vec<Expr>> { v.iter().map(|e| vec![*e]).collect() };
        let field = |m: &[Vec<Expr>]| MatrixField::new(&process.graph, m, process.time, &[]).ok();
        let end = [
            field(&lq.terminal.matrix)?,
            field(&column(&lq.terminal.vector))?,
            field(&column(&[lq.terminal.constant]))?,
        ];
        let (mean, covariance) = moments(lowered.start());
        let discount = process.graph.as_number(parts.discount)?.to_f64();
        Some(Self {
            states,
            horizon: parts.horizon,
            discount,
            coefficients: [
                field(&lq.matrix)?,
                field(&column(&lq.shift))?,
                field(&parts.channel)?,
                field(&process.diffusion)?,
                field(&lq.running.matrix)?,
                field(&column(&lq.running.vector))?,
                field(&column(&[lq.running.constant]))?,
                field(&parts.effort)?,
            ],
            end: end.map(|field| field.at(parts.horizon.1, &[])),
            mean,
            covariance,
        })
    }

    /// `None` where the policy is not affine, or the moments leave the doubles.
    pub(super) fn under(
        &self,
        policy: &dyn Field,
        reference: Option<&dyn Field>,
    ) -> Option<Moments> {
        let tight = self.run(policy, reference, TOLERANCE)?;
        let loose = self.run(policy, reference, 100.0 * TOLERANCE)?;
        let estimate = |k: usize| {
            let rounding = 1e-13 * tight[k].abs();
            let error = (tight[k] - loose[k]).abs().max(rounding);
            Estimate::new(tight[k], error, ErrorKind::Quadrature)
        };
        Some(Moments {
            cost: estimate(0),
            distance: estimate(1),
            squared_difference: estimate(2),
            squared_control: estimate(3),
        })
    }

    /// Cost, distance, squared difference, squared control.
    fn run(
        &self,
        policy: &dyn Field,
        reference: Option<&dyn Field>,
        tolerance: f64,
    ) -> Option<[f64; 4]> {
        let d = self.states;
        let (start, end) = self.horizon;
        let mut y = vec![0.0; d * d + d + 4];
        y[..d * d].copy_from_slice(self.covariance.as_slice());
        y[d * d..d * d + d].copy_from_slice(self.mean.as_slice());
        let equations = Equations {
            process: self,
            policy,
            reference,
            is_affine: true,
            blocks: [0..d * d, d * d..d * d + d, d * d + d..d * d + d + 1],
        };
        let mut integration = Integration::new(equations, start, end, y, tolerance);
        while integration.advance().ok()?.is_some() {
            if !integration.rates().is_affine {
                return None;
            }
        }
        let y = integration.value();
        let (covariance, mean, sums) = parts(y, d);
        let [form, slope, constant] = &self.end;
        let last = 0.5 * (form.dot(&covariance) + mean.dot(&(form * mean)));
        let last = last + slope.column(0).dot(&mean) + constant[(0, 0)];
        let late = (-self.discount * (end - start)).exp();
        let all = [sums[0] + late * last, sums[1], sums[2], sums[3]];
        all.iter().all(|v| v.is_finite()).then_some(all)
    }
}

impl Moments {
    /// As a simulation would report it; `best` is the cost of the reference.
    pub(super) fn performance(&self, best: Option<Estimate>) -> Performance {
        Performance {
            cost: self.cost,
            step_bias: 0.0,
            gap: best.map(|best| self.cost.minus(&best)),
            gap_integral: best.map(|_| self.distance),
            weights: None,
        }
    }

    /// The distance of a policy from the reference whose moments these are.
    pub(super) fn control_error(&self) -> ControlError {
        let (square, energy) = (&self.squared_difference, self.squared_control.value);
        ControlError {
            absolute: root(square),
            relative: root(&scaled(square, 1.0 / energy)),
            path_divergence: None,
            profile: Vec::new(),
        }
    }
}

struct Equations<'a> {
    process: &'a LinearProcess,
    policy: &'a dyn Field,
    reference: Option<&'a dyn Field>,
    is_affine: bool,
    blocks: [Range<usize>; 3],
}

fn parts(y: &[f64], d: usize) -> (DMatrixView<'_, f64>, DVectorView<'_, f64>, &[f64]) {
    (
        DMatrixView::from_slice(&y[..d * d], d, d),
        DVectorView::from_slice(&y[d * d..d * d + d], d),
        &y[d * d + d..],
    )
}

/// `K` and `k` of a policy at one time; `None` where it is not affine.
fn affine(policy: &dyn Field, t: f64, states: usize) -> Option<(DMatrix<f64>, DVector<f64>)> {
    // The origin, the unit points, and two points that see whether that is all.
    let mut x = Batch::zeros(states + 3, states);
    let tests = [0.731, -1.377];
    for j in 0..states {
        let column = x.column_mut(j);
        column[1 + j] = 1.0;
        for (k, size) in tests.iter().enumerate() {
            column[1 + states + k] = size * (1.0 + (j as f64 * 0.618).fract());
        }
    }
    let mut u = Batch::zeros(states + 3, policy.outputs());
    policy.eval(t, x.as_ref(), u.as_mut());
    let origin = DVector::from_fn(policy.outputs(), |i, _| u.get(0, i));
    let gain = DMatrix::from_fn(policy.outputs(), states, |i, j| u.get(1 + j, i) - origin[i]);
    for k in 0..tests.len() {
        let at = 1 + states + k;
        let place = DVector::from_fn(states, |j, _| x.get(at, j));
        let expected = &origin + &gain * &place;
        let found = DVector::from_fn(policy.outputs(), |i, _| u.get(at, i));
        let size = origin.amax() + gain.amax() * place.abs().sum();
        let distance = (found - expected).amax();
        if distance.is_nan() || distance > ROUNDING * size {
            return None;
        }
    }
    Some((gain, origin))
}

impl Rates for Equations<'_> {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn rates(&mut self, t: f64, y: &[f64], out: &mut [f64]) {
        let process = self.process;
        let d = process.states;
        let other = self.reference.map(|reference| affine(reference, t, d));
        let (Some((gain, push)), None | Some(Some(_))) = (affine(self.policy, t, d), &other) else {
            self.is_affine = false;
            out.fill(0.0);
            return;
        };
        let matrices = process
            .coefficients
            .each_ref()
            .map(|field| field.at(t, &[]));
        let [a, shift, channel, noise, form, slope, constant, effort] = &matrices;
        let (covariance, mean, _) = parts(y, d);
        let closed = a + channel * &gain;
        let carried = &closed * covariance;
        let spread = &carried + carried.transpose() + noise * noise.transpose();
        let moved = &closed * mean + shift + channel * &push;
        out[..d * d].copy_from_slice(spread.as_slice());
        out[d * d..d * d + d].copy_from_slice(moved.as_slice());
        // E v'W v of v = L x + l.
        let square = |weight: Option<&DMatrix<f64>>, gain: &DMatrix<f64>, push: &DVector<f64>| {
            let centre = gain * mean + push;
            let scattered = gain * covariance;
            match weight {
                Some(w) => (w * scattered).dot(gain) + centre.dot(&(w * &centre)),
                None => scattered.dot(gain) + centre.norm_squared(),
            }
        };
        let late = (-process.discount * (t - process.horizon.0)).exp();
        let state = 0.5 * (form.dot(&covariance) + mean.dot(&(form * mean)));
        let state = state + slope.column(0).dot(&mean) + constant[(0, 0)];
        let sums = &mut out[d * d + d..];
        sums[0] = late * (state + 0.5 * square(Some(effort), &gain, &push));
        sums[3] = square(None, &gain, &push);
        if let Some((other, another)) = other.flatten() {
            let (far, gap) = (&gain - other, &push - another);
            sums[1] = late * 0.5 * square(Some(effort), &far, &gap);
            sums[2] = square(None, &far, &gap);
        } else {
            (sums[1], sums[2]) = (0.0, 0.0);
        }
    }
}
