//! A scheme for additive noise that treats the linear part of the drift exactly.
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
    part: LinearPart,
    shape: Shape,
    moving_noise: bool,
    /// By the length of the step, and its middle where the noise moves with time.
    steps: Mutex<BTreeMap<(u64, u64), Arc<LinearStep>>>,
}

#[derive(Debug)]
struct LinearStep {
    /// φ
    mean: DMatrix<f64>,
    /// `K/h`
    kick: DMatrix<f64>,
    /// `R^{1/2}`
    root: DMatrix<f64>,
}

impl ExponentialEuler {
    /// # Errors
    /// Noise that depends on the state.
    pub fn new(sde: &Sde) -> Result<Self, SchemeRefusal> {
        sde.additive("exponential-euler")?;
        Ok(Self {
            part: sde.linear().clone(),
            shape: Shape::of(sde),
            moving_noise: sde.noise_moves(),
            steps: Mutex::default(),
        })
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
            root: spectrum.eigenvectors * DMatrix::from_diagonal(&roots),
            mean,
            kick,
        }
    }
}

impl Scheme for ExponentialEuler {
    fn claim(&self) -> Claim {
        Claim::new("exponential-euler", 1.0, 1.0)
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            area: false,
            spare: self.shape.states,
        }
    }

    fn room(&self, points: usize) -> Vec<Batch> {
        vec![self.shape.states(points)]
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
        let step = self.at(equation, t, noise.length);
        equation.drift(t, x.as_ref(), drift.as_mut());
        // E x + φ (f − A x) = x + φ f, because φ A = E − 1.
        let mut x = x.as_mut();
        x.add_product(1.0, &step.mean, drift.as_ref());
        x.add_product(1.0, &step.kick, noise.wiener.as_ref());
        x.add_product(1.0, &step.root, noise.spare.as_ref());
    }
}
