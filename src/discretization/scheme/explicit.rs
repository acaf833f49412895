//! Explicit schemes: Euler–Maruyama, Milstein, Heun and a stochastic Runge–Kutta method.

use crate::discretization::scheme::{
    Claim, Coefficients, NoiseStructure, Scheme, SchemeRefusal, Sde,
};
use crate::numeric::batch::Batch;
use crate::numeric::brownian::{Increment, Wanted};

/// `x ← x + f h + G ΔW`.
///
/// # Source
/// Maruyama, *Continuous Markov processes and stochastic equations* (1955).
#[derive(Clone, Copy, Debug)]
pub struct EulerMaruyama {
    additive: bool,
    shape: Shape,
}

/// `x ← x + f h + G ΔW + ½ Σ_jk (G_j·∇) G_k (ΔW_j ΔW_k − δ_jk h)`, for commutative noise.
///
/// # Source
/// Milstein (1974); Kloeden and Platen (1992), eq. (10.3.16).
#[derive(Clone, Copy, Debug)]
pub struct Milstein {
    shape: Shape,
}

/// Heun's method in Stratonovich's reading: with `f_s` the Stratonovich drift,
///
/// ```text
/// x̃ = x + f_s(x,t) h + G(x,t) ΔW
/// x ← x + ½ (f_s(x,t) + f_s(x̃,t+h)) h + ½ (G(x,t) + G(x̃,t+h)) ΔW
/// ```
///
/// # Source
/// Rümelin, *Numerical treatment of stochastic differential equations* (1982).
#[derive(Clone, Copy, Debug)]
pub struct Heun {
    structure: NoiseStructure,
    shape: Shape,
}

/// The method SRA1 for additive noise. With `I = ∫∫ dW ds = h (ΔW/2 + H)`,
///
/// ```text
/// x̃ = x + ¾ f(x,t) h + 3/2 G(t+h) I/h
/// x ← x + (⅓ f(x,t) + ⅔ f(x̃, t + ¾h)) h + G(t+h) (ΔW − I/h) + G(t) I/h
/// ```
///
/// # Source
/// Rößler, *Runge–Kutta methods for the strong approximation of solutions of stochastic differential
/// equations* (2010), table 6.3.
#[derive(Clone, Copy, Debug)]
pub struct RungeKutta {
    shape: Shape,
}

/// Columns of the tables a scheme keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) states: usize,
    pub(super) entries: usize,
    pub(super) brackets: usize,
    pub(super) noises: usize,
}

impl Shape {
    pub(super) fn of(sde: &Sde) -> Self {
        let equation = sde.equation(0, Some(&|_, _, _| ()));
        Self {
            states: equation.states(),
            entries: equation.entries().len(),
            brackets: equation.brackets().len(),
            noises: equation.noises(),
        }
    }

    pub(super) fn states(&self, points: usize) -> Batch {
        Batch::zeros(points, self.states)
    }

    fn entries(&self, points: usize) -> Batch {
        Batch::zeros(points, self.entries)
    }
}

/// `x += scale · G z` with the entries of G as columns.
pub(super) fn add_noise(
    places: &[(usize, usize)],
    entries: &Batch,
    scale: f64,
    z: &Batch,
    x: &mut Batch,
) {
    for (column, (row, noise)) in places.iter().enumerate() {
        let terms = entries.column(column).iter().zip(z.column(*noise));
        for (x, (g, z)) in x.column_mut(*row).iter_mut().zip(terms) {
            *x += scale * (g * z);
        }
    }
}

impl EulerMaruyama {
    pub fn new(sde: &Sde) -> Self {
        Self {
            additive: sde.structure() == NoiseStructure::Additive,
            shape: Shape::of(sde),
        }
    }
}

impl Scheme for EulerMaruyama {
    fn claim(&self) -> Claim {
        let strong = if self.additive { 1.0 } else { 0.5 };
        Claim::new("euler-maruyama", strong, 1.0)
    }

    fn room(&self, points: usize) -> Vec<Batch> {
        vec![self.shape.states(points), self.shape.entries(points)]
    }

    fn step(
        &self,
        equation: &mut dyn Coefficients,
        t: f64,
        x: &mut Batch,
        noise: &Increment,
        room: &mut [Batch],
    ) {
        let [drift, entries] = room else {
            unreachable!("two tables, as made by `room`");
        };
        equation.drift(t, x.as_ref(), drift.as_mut());
        equation.diffusion(t, x.as_ref(), entries.as_mut());
        x.add_scaled(noise.length, drift);
        add_noise(equation.entries(), entries, 1.0, &noise.wiener, x);
    }
}

impl Milstein {
    /// # Errors
    /// Noise that is not commutative.
    pub fn new(sde: &Sde) -> Result<Self, SchemeRefusal> {
        sde.commutative("milstein")?;
        Ok(Self {
            shape: Shape::of(sde),
        })
    }
}

impl Scheme for Milstein {
    fn claim(&self) -> Claim {
        Claim::new("milstein", 1.0, 1.0)
    }

    fn room(&self, points: usize) -> Vec<Batch> {
        vec![
            self.shape.states(points),
            self.shape.entries(points),
            Batch::zeros(points, self.shape.brackets),
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
        let [drift, entries, brackets] = room else {
            unreachable!("three tables, as made by `room`");
        };
        let length = noise.length;
        equation.drift(t, x.as_ref(), drift.as_mut());
        equation.diffusion(t, x.as_ref(), entries.as_mut());
        equation.bracket_values(t, x.as_ref(), brackets.as_mut());
        x.add_scaled(length, drift);
        add_noise(equation.entries(), entries, 1.0, &noise.wiener, x);
        for (column, (row, first, second)) in equation.brackets().iter().enumerate() {
            let values = brackets.column(column);
            let (a, b) = (noise.wiener.column(*first), noise.wiener.column(*second));
            // Off the diagonal two equal terms meet.
            let (factor, mean) = if first == second {
                (0.5, length)
            } else {
                (1.0, 0.0)
            };
            for (x, (value, (a, b))) in x
                .column_mut(*row)
                .iter_mut()
                .zip(values.iter().zip(a.iter().zip(b)))
            {
                *x += factor * value * (a * b - mean);
            }
        }
    }
}

impl Heun {
    pub fn new(sde: &Sde) -> Self {
        Self {
            structure: sde.structure(),
            shape: Shape::of(sde),
        }
    }
}

impl Scheme for Heun {
    fn claim(&self) -> Claim {
        let strong = match self.structure {
            NoiseStructure::General { .. } => 0.5,
            _ => 1.0,
        };
        let weak = match self.structure {
            NoiseStructure::Additive => 2.0,
            _ => 1.0,
        };
        Claim::new("heun", strong, weak)
    }

    fn room(&self, points: usize) -> Vec<Batch> {
        vec![
            self.shape.states(points),
            self.shape.states(points),
            self.shape.entries(points),
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
        let [drift, trial, entries] = room else {
            unreachable!("three tables, as made by `room`");
        };
        let length = noise.length;
        equation.stratonovich_drift(t, x.as_ref(), drift.as_mut());
        equation.diffusion(t, x.as_ref(), entries.as_mut());
        trial.as_mut().copy_from(x.as_ref());
        for (to, share) in [(&mut *trial, 1.0), (&mut *x, 0.5)] {
            to.add_scaled(share * length, drift);
            add_noise(equation.entries(), entries, share, &noise.wiener, to);
        }
        equation.stratonovich_drift(t + length, trial.as_ref(), drift.as_mut());
        equation.diffusion(t + length, trial.as_ref(), entries.as_mut());
        x.add_scaled(0.5 * length, drift);
        add_noise(equation.entries(), entries, 0.5, &noise.wiener, x);
    }
}

impl RungeKutta {
    /// # Errors
    /// Noise that depends on the state.
    pub fn new(sde: &Sde) -> Result<Self, SchemeRefusal> {
        sde.additive("runge-kutta")?;
        Ok(Self {
            shape: Shape::of(sde),
        })
    }
}

impl Scheme for RungeKutta {
    fn claim(&self) -> Claim {
        Claim::new("runge-kutta", 1.5, 2.0)
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            area: true,
            spare: 0,
        }
    }

    fn room(&self, points: usize) -> Vec<Batch> {
        vec![
            self.shape.states(points),
            self.shape.states(points),
            self.shape.entries(points),
            Batch::zeros(points, self.shape.noises),
            Batch::zeros(points, self.shape.noises),
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
        let [drift, trial, entries, mean, rest] = room else {
            unreachable!("five tables, as made by `room`");
        };
        let length = noise.length;
        // I/h and ΔW − I/h.
        let parts = mean.as_mut_slice().iter_mut().zip(rest.as_mut_slice());
        let given = noise.wiener.as_slice().iter().zip(noise.area.as_slice());
        for ((mean, rest), (w, h)) in parts.zip(given) {
            *mean = 0.5 * w + h;
            *rest = 0.5 * w - h;
        }
        equation.drift(t, x.as_ref(), drift.as_mut());
        equation.diffusion(t + length, x.as_ref(), entries.as_mut());
        trial.as_mut().copy_from(x.as_ref());
        trial.add_scaled(0.75 * length, drift);
        add_noise(equation.entries(), entries, 1.5, mean, trial);
        x.add_scaled(length / 3.0, drift);
        add_noise(equation.entries(), entries, 1.0, rest, x);
        equation.diffusion(t, trial.as_ref(), entries.as_mut());
        add_noise(equation.entries(), entries, 1.0, mean, x);
        equation.drift(t + 0.75 * length, trial.as_ref(), drift.as_mut());
        x.add_scaled(length * 2.0 / 3.0, drift);
    }
}
