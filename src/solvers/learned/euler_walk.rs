//! Euler's steps of a steered process.
//!
//! ```text
//! X_{k+1} = X_k + (b + B u)(X_k, t_k) dt + G(X_k, t_k) dW_k
//! S = sum_k e^{-rho (t_k - t_0)} (q + 1/2 u'R u) dt + e^{-rho (T - t_0)} Phi(X_N)
//! a_N = e^{-rho (T - t_0)} grad Phi,      a_k = dX_{k+1}/dX_k' a_{k+1} + d(cost of step k)/dX_k
//! dS/dtheta = sum_k (du/dtheta)' ( dt B'a_{k+1} + e^{-rho (t_k - t_0)} dt R u )
//! ```
//!
//! # Assumes
//! For `v = sqrt(dt) G^+ B u`: a temperature, `B` and `G` free of the state.
//!
//! # Checked by
//! `s08.discrete_adjoint` of the reference numbers; central differences.

use crate::discretization::steered::SteeredProcess;
use crate::discretization::steered_slopes::SteeredSlopes;
use crate::numeric::batch::{Batch, BatchRef};
use crate::solvers::learned::stepped::{At, Stepped};
use nalgebra::DMatrix;

/// Steps of equal length.
pub struct EulerWalk {
    process: SteeredProcess,
    slopes: SteeredSlopes,
    steps: usize,
    temperature: Option<f64>,
    /// `sqrt(dt) G^+ B` of every step, where there is a temperature.
    shifts: Vec<DMatrix<f64>>,
    ones: Vec<f64>,
}

impl EulerWalk {
    /// `temperature` only where neither control matrix nor noise depends on the state.
    pub fn new(
        process: SteeredProcess,
        slopes: SteeredSlopes,
        steps: usize,
        temperature: Option<f64>,
    ) -> Self {
        let ones = vec![1.0; process.noises()];
        let mut walk = Self {
            process,
            slopes,
            steps,
            temperature,
            shifts: Vec::new(),
            ones,
        };
        if temperature.is_some() {
            let scale = walk.dt().sqrt();
            walk.shifts = (0..steps)
                .map(|k| walk.process.leverage(walk.time(k), &[]) * scale)
                .collect();
        }
        walk
    }

    fn dt(&self) -> f64 {
        (self.process.end() - self.process.start()) / self.steps as f64
    }

    /// `e^{-rho (t - t_0)}`.
    fn late(&self, t: f64) -> f64 {
        (-self.process.discount() * (t - self.process.start())).exp()
    }

    fn increment(&self, noise: BatchRef<'_>) -> Batch {
        let mut increment = noise.to_batch();
        let scale = self.dt().sqrt();
        increment
            .as_mut_slice()
            .iter_mut()
            .for_each(|z| *z *= scale);
        increment
    }
}

impl Stepped for EulerWalk {
    fn steps(&self) -> usize {
        self.steps
    }

    fn time(&self, step: usize) -> f64 {
        self.process.start() + self.dt() * step as f64
    }

    fn length(&self, _: usize) -> f64 {
        self.dt()
    }

    fn outputs(&self) -> usize {
        self.process.controls()
    }

    fn noises(&self) -> usize {
        self.process.noises()
    }

    fn temperature(&self) -> Option<f64> {
        self.temperature
    }

    fn narrow(&self, _: usize) -> &[f64] {
        &self.ones
    }

    fn shift(&self, step: usize, unknown: BatchRef<'_>, out: &mut Batch) {
        out.fill(0.0);
        out.as_mut().add_product(1.0, &self.shifts[step], unknown);
    }

    fn shift_back(&self, step: usize, v: BatchRef<'_>, out: &mut Batch) {
        out.fill(0.0);
        let transposed = self.shifts[step].transpose();
        out.as_mut().add_product(1.0, &transposed, v);
    }

    fn charge(
        &self,
        step: usize,
        at: At<'_>,
        _: BatchRef<'_>,
        costs: &mut [f64],
        state: &mut [f64],
    ) {
        let t = self.time(step);
        let price = self.late(t) * self.dt();
        let [mut rate, mut effort] = [0, 1].map(|_| vec![0.0; costs.len()]);
        self.process.running(t, at.x, &mut rate);
        self.process.effort_rate(t, at.x, at.unknown, &mut effort);
        for (i, (rate, effort)) in rate.iter().zip(&effort).enumerate() {
            costs[i] += price * (rate + effort);
            state[i] += price * rate;
        }
    }

    fn advance(&self, step: usize, at: At<'_>, _: BatchRef<'_>, out: &mut Batch) {
        let (process, t, x) = (&self.process, self.time(step), at.x);
        let mut drift = Batch::zeros(x.points(), x.columns());
        process.drift(t, x, drift.as_mut());
        let channel = process.channel();
        channel.add_times(t, x, 1.0, at.unknown, drift.as_mut());
        out.as_mut().copy_from(x);
        let increment = self.increment(at.noise);
        let diffusion = process.diffusion();
        diffusion.add_times(t, x, 1.0, increment.as_ref(), out.as_mut());
        out.add_scaled(self.dt(), &drift);
    }

    fn pull_back(
        &self,
        step: usize,
        at: At<'_>,
        direct: Option<BatchRef<'_>>,
        adjoint: &mut Batch,
        unknown: &mut Batch,
    ) {
        let (process, t, dt, x) = (&self.process, self.time(step), self.dt(), at.x);
        let price = self.late(t) * dt;
        match direct {
            Some(direct) => self.shift_back(step, direct, unknown),
            None => unknown.fill(0.0),
        }
        let (channel, effort) = (process.channel(), process.effort());
        channel.add_transposed_times(t, x, dt, adjoint.as_ref(), unknown.as_mut());
        effort.add_times(t, x, price, at.unknown, unknown.as_mut());
        let after = adjoint.clone();
        let parts = [x, at.unknown, after.as_ref()];
        self.slopes
            .add_steered(t, parts, [dt, price], adjoint.as_mut());
        let increment = self.increment(at.noise);
        let parts = [x, after.as_ref(), increment.as_ref()];
        self.slopes.add_noise(t, parts, adjoint.as_mut());
    }

    fn best(&self, step: usize, x: BatchRef<'_>, slope: BatchRef<'_>, out: &mut Batch) {
        let t = self.time(step);
        self.process.best_response(t, x, slope, out.as_mut());
        let late = self.late(t);
        out.as_mut_slice().iter_mut().for_each(|u| *u /= late);
    }

    fn pull_back_free(&self, step: usize, x: BatchRef<'_>, adjoint: &mut Batch) {
        let (t, dt) = (self.time(step), self.dt());
        let after = adjoint.clone();
        let factors = [dt, self.late(t) * dt];
        self.slopes
            .add_free(t, [x, after.as_ref()], factors, adjoint.as_mut());
    }

    fn end_cost(&self, x: BatchRef<'_>, costs: &mut [f64], state: &mut [f64]) {
        let late = self.late(self.process.end());
        let mut ends = vec![0.0; costs.len()];
        self.process.terminal(x, &mut ends);
        for (i, end) in ends.iter().enumerate() {
            costs[i] += late * end;
            state[i] += late * end;
        }
    }

    fn end_slope(&self, x: BatchRef<'_>, out: &mut Batch) {
        self.slopes.terminal(x, out.as_mut());
        let late = self.late(self.process.end());
        out.as_mut_slice().iter_mut().for_each(|a| *a *= late);
    }
}
