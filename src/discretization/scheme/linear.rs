//! Schemes for additive noise that treat the linear part of the drift exactly.
//!
//! With `f = A x + a + rest`, the linear equation `dX = (A X + a) dt + G dW` moves a point over h by
//!
//! ```text
//! x ← E x + φ a + ξ,      E = exp(A h),  φ = ∫_0^h exp(A s) ds,  ξ ~ N(0, C)
//! ```
//!
//! ξ is drawn given the Brownian increment, `ξ = K ΔW/h + R^{1/2} z` with `K = φ G` and
//! `R = C − K Kᵀ/h = O(h³)`, so that it follows the path to strong order 1 and has its law exactly. A G that
//! moves with time is taken in the middle of the step.

use crate::discretization::scheme::coefficients::LinearPart;
use crate::discretization::scheme::explicit::Shape;
use crate::discretization::scheme::{Claim, Coefficients, Scheme, SchemeRefusal, Sde};
use crate::numeric::batch::Batch;
use crate::numeric::brownian::{Increment, Wanted};
use crate::numeric::dense::linear_transition;
use nalgebra::{DMatrix, DVector};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The rest of the drift frozen over a step: `x ← x + φ f(x,t) + ξ`.
///
/// # Source
/// Lord, Powell, Shardlow, *An Introduction to Computational Stochastic PDEs* (2014), section 10.7, for the
/// exponential Euler method; the conditional noise is the projection of a Gaussian vector.
#[derive(Debug)]
pub struct ExponentialEuler {
    flow: LinearFlow,
}

/// Half a step of the rest of the drift (midpoint rule), a whole step of the linear equation, and half a
/// step of the rest again.
///
/// # Source
/// Strang (1968); Leimkuhler and Matthews, *Molecular Dynamics* (2015), section 7.3.
#[derive(Debug)]
pub struct Strang {
    flow: LinearFlow,
}

/// Steps of the linear part.
#[derive(Debug)]
struct LinearFlow {
    part: LinearPart,
    shape: Shape,
    moving_noise: bool,
    /// By the length of the step, and its middle where the noise moves with time.
    steps: Mutex<BTreeMap<(u64, u64), Arc<LinearStep>>>,
}

#[derive(Debug)]
struct LinearStep {
    /// E
    map: DMatrix<f64>,
    /// φ
    mean: DMatrix<f64>,
    /// `φ a`
    shift: DVector<f64>,
    /// `K/h`
    kick: DMatrix<f64>,
    /// `R^{1/2}`
    root: DMatrix<f64>,
}

impl LinearFlow {
    fn new(sde: &Sde) -> Self {
        Self {
            part: sde.linear().clone(),
            shape: Shape::of(sde),
            moving_noise: sde.noise_moves(),
            steps: Mutex::default(),
        }
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            area: false,
            spare: self.shape.states,
        }
    }

    fn at(&self, equation: &mut dyn Coefficients, t: f64, length: f64) -> Arc<LinearStep> {
        let middle = t + 0.5 * length;
        let moved = if self.moving_noise {
            middle.to_bits()
        } else {
            0
        };
        let key = (length.to_bits(), moved);
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(step) = steps.get(&key) {
            return step.clone();
        }
        let step = Arc::new(self.compute(equation, middle, length));
        steps.insert(key, step.clone());
        step
    }

    fn compute(&self, equation: &mut dyn Coefficients, time: f64, length: f64) -> LinearStep {
        let d = self.shape.states;
        let mut values = Batch::zeros(1, self.shape.entries);
        let origin = Batch::zeros(1, d);
        equation.diffusion(time, origin.as_ref(), values.as_mut());
        let mut noise = DMatrix::zeros(d, self.shape.noises);
        for (column, place) in equation.entries().iter().enumerate() {
            noise[*place] = values.get(0, column);
        }
        let matrix = &self.part.matrix;
        let covariance = &noise * noise.transpose();
        let law = linear_transition(matrix, &self.part.shift, &covariance, length);
        let mut mean = DMatrix::zeros(d, d);
        let nothing = DMatrix::zeros(d, d);
        for j in 0..d {
            let mut unit = DVector::zeros(d);
            unit[j] = 1.0;
            let moved = linear_transition(matrix, &unit, &nothing, length);
            mean.set_column(j, &moved.shift);
        }
        let kick = &mean * &noise / length;
        let rest = &law.covariance - &kick * kick.transpose() * length;
        // Positive semidefinite up to rounding.
        let spectrum = (0.5 * (&rest + rest.transpose())).symmetric_eigen();
        let roots = spectrum.eigenvalues.map(|v| v.max(0.0).sqrt());
        LinearStep {
            map: law.map,
            shift: law.shift,
            root: spectrum.eigenvectors * DMatrix::from_diagonal(&roots),
            mean,
            kick,
        }
    }
}

impl LinearStep {
    fn add_noise(&self, noise: &Increment, x: &mut Batch) {
        x.as_mut()
            .add_product(1.0, &self.kick, noise.wiener.as_ref());
        x.as_mut()
            .add_product(1.0, &self.root, noise.spare.as_ref());
    }
}

impl ExponentialEuler {
    /// # Errors
    /// Noise that depends on the state.
    pub fn new(sde: &Sde) -> Result<Self, SchemeRefusal> {
        sde.additive("exponential-euler")?;
        Ok(Self {
            flow: LinearFlow::new(sde),
        })
    }
}

impl Scheme for ExponentialEuler {
    fn claim(&self) -> Claim {
        Claim::new("exponential-euler", 1.0, 1.0)
    }

    fn wanted(&self) -> Wanted {
        self.flow.wanted()
    }

    fn room(&self, points: usize) -> Vec<Batch> {
        vec![self.flow.shape.states(points)]
    }

    fn step(
        &self,
        equation: &mut dyn Coefficients,
        t: f64,
        x: &mut Batch,
        noise: &Increment,
        room: &mut [Batch],
    ) {
        let [drift] = room else {
            unreachable!("one table, as made by `room`");
        };
        let step = self.flow.at(equation, t, noise.length);
        equation.drift(t, x.as_ref(), drift.as_mut());
        // E x + φ (f − A x) = x + φ f, because φ A = E − 1.
        x.as_mut().add_product(1.0, &step.mean, drift.as_ref());
        step.add_noise(noise, x);
    }
}

impl Strang {
    /// # Errors
    /// Noise that depends on the state.
    pub fn new(sde: &Sde) -> Result<Self, SchemeRefusal> {
        sde.additive("strang")?;
        Ok(Self {
            flow: LinearFlow::new(sde),
        })
    }

    /// `out = f − A x − a`
    fn rest(&self, equation: &mut dyn Coefficients, t: f64, x: &Batch, out: &mut Batch) {
        equation.drift(t, x.as_ref(), out.as_mut());
        let part = &self.flow.part;
        for (i, shift) in part.shift.iter().enumerate() {
            out.column_mut(i).iter_mut().for_each(|f| *f -= shift);
        }
        out.as_mut().add_product(-1.0, &part.matrix, x.as_ref());
    }

    /// The rest of the drift over `length`, by the midpoint rule.
    fn bend(
        &self,
        equation: &mut dyn Coefficients,
        t: f64,
        length: f64,
        x: &mut Batch,
        slope: &mut Batch,
        trial: &mut Batch,
    ) {
        self.rest(equation, t, x, slope);
        trial.as_mut().copy_from(x.as_ref());
        trial.add_scaled(0.5 * length, slope);
        self.rest(equation, t + 0.5 * length, trial, slope);
        x.add_scaled(length, slope);
    }
}

impl Scheme for Strang {
    fn claim(&self) -> Claim {
        Claim::new("strang", 1.0, 2.0)
    }

    fn wanted(&self) -> Wanted {
        self.flow.wanted()
    }

    fn room(&self, points: usize) -> Vec<Batch> {
        vec![
            self.flow.shape.states(points),
            self.flow.shape.states(points),
        ]
    }

    fn step(
        &self,
        equation: &mut dyn Coefficients,
        t: f64,
        x: &mut Batch,
        noise: &Increment,
        room: &mut [Batch],
    ) {
        let [slope, trial] = room else {
            unreachable!("two tables, as made by `room`");
        };
        let half = 0.5 * noise.length;
        let step = self.flow.at(equation, t, noise.length);
        self.bend(equation, t, half, x, slope, trial);
        for (j, shift) in step.shift.iter().enumerate() {
            trial.column_mut(j).fill(*shift);
        }
        trial.as_mut().add_product(1.0, &step.map, x.as_ref());
        std::mem::swap(x, trial);
        step.add_noise(noise, x);
        self.bend(equation, t + half, half, x, slope, trial);
    }
}
