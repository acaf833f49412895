//! One step of the Hamilton–Jacobi–Bellman equation of `V = -log rho` along one axis.
//!
//! ```text
//! ∂V/∂t = D/2 (V'' - V'²) - b V' + b'
//! ```
//!
//! which is the linear backward equation of the desirability `exp(-V)` in the log domain: nothing
//! underflows, and Gaussian parts of the law (V quadratic) are differentiated without error. With
//! `g` the central first and `e` half the second difference,
//!
//! ```text
//! h² (V'' - V'²)/2  ->  e - (g² + k(e))/2,      k(e) = e⁴ / (e² + 1/10) where e < 0, else 0
//! ```
//!
//! `g² + e²` is the mean of the squared one-sided differences, the leading part of the discrete
//! Hopf–Cole scheme, which is monotone. So the scheme is monotone at unresolved concave kinks (where two
//! components of a mixture meet, and information runs into the kink), while on resolved parts k is of
//! fourth order.
//!
//! At the ends V is continued linearly and Godunov's Hamiltonian is used: where the characteristic
//! `b + D V'` leaves the grid it takes the one-sided slope, where it would enter, the slope that stops
//! it. The slope of the Boltzmann density, `V' = -2 b / D`, is a rest point.
//!
//! Time is advanced by the two-stage Rosenbrock–W method
//!
//! ```text
//! (1 - γ J) k1 = F(V),    (1 - γ J) k2 = F(V + k1) - 2 k1,    V⁺ = V + 3/2 k1 + 1/2 k2,    γ = 1 - 1/√2
//! ```
//!
//! # Order
//! Two in space and in time; L-stable.
//!
//! # Source
//! Verwer, Spee, Blom and Hundsdorfer, *A second-order Rosenbrock method applied to photochemical
//! dispersion problems* (1999).

use crate::discretization::splitting::LineStep;
use crate::discretization::transport::{AxisTransport, FaceDrift};
use crate::numeric::dispatch::{Kernel, dispatch};
use crate::numeric::tridiagonal::{PivotError, solve_each_line};

const GAMMA: f64 = 1.0 - std::f64::consts::FRAC_1_SQRT_2;
/// Where k(e) turns from fourth to second order; e is half the change of slope per node.
const KINK: f64 = 0.1;

/// Most halvings of a step that changes V too much at once.
const HALVINGS: i32 = 8;

/// The step of one axis over one time step.
pub struct ValueStep<'a> {
    transport: &'a AxisTransport,
    dt: f64,
}

/// Tables of one block of lines.
#[derive(Default)]
pub struct ValueScratch {
    /// `dt b / h` at the faces.
    drift: Vec<f64>,
    /// `1 - γ J`.
    matrix: [Vec<f64>; 3],
    first: Vec<f64>,
    second: Vec<f64>,
    trial: Vec<f64>,
    elimination: Vec<f64>,
}

impl<'a> ValueStep<'a> {
    /// A step of length `dt`.
    pub fn new(transport: &'a AxisTransport, dt: f64) -> Self {
        Self { transport, dt }
    }
}

impl LineStep for ValueStep<'_> {
    type Scratch = ValueScratch;

    fn advance(
        &self,
        first: usize,
        lines: usize,
        block: &mut [f64],
        scratch: &mut ValueScratch,
    ) -> Result<(), PivotError> {
        self.substep(first, lines, 0, block, scratch)
    }
}

impl ValueStep<'_> {
    /// A step of `dt / 2^depth`, taken in two halves if it changes V too much at once.
    fn substep(
        &self,
        first: usize,
        lines: usize,
        depth: i32,
        block: &mut [f64],
        scratch: &mut ValueScratch,
    ) -> Result<(), PivotError> {
        let tried = self.attempt(first, lines, depth, block, scratch);
        if depth < HALVINGS && !(tried.is_ok() && modest(block, scratch)) {
            self.substep(first, lines, depth + 1, block, scratch)?;
            return self.substep(first, lines, depth + 1, block, scratch);
        }
        tried?;
        for ((v, k1), k2) in block.iter_mut().zip(&scratch.first).zip(&scratch.second) {
            *v += 1.5 * k1 + 0.5 * k2;
        }
        Ok(())
    }

    /// The two stages of a step of `dt / 2^depth`.
    fn attempt(
        &self,
        first: usize,
        lines: usize,
        depth: i32,
        block: &[f64],
        scratch: &mut ValueScratch,
    ) -> Result<(), PivotError> {
        let axis = self.transport.axis;
        let dt = self.dt * 0.5_f64.powi(depth);
        scratch.load_drift(self.transport, first, lines, dt / axis.step);
        let tables = [&mut scratch.first, &mut scratch.second, &mut scratch.trial];
        for table in scratch.matrix.iter_mut().chain(tables) {
            table.resize(block.len(), 0.0);
        }
        let stencil = Stencil {
            lines,
            diffusion: dt * self.transport.diffusivity / (axis.step * axis.step),
            drift: &scratch.drift,
        };
        dispatch(Stage {
            stencil: &stencil,
            values: block,
            slope: &mut scratch.first,
            matrix: Some(&mut scratch.matrix),
        });
        let bands = scratch.matrix.each_ref().map(Vec::as_slice);
        let elimination = &mut scratch.elimination;
        solve_each_line(lines, bands, &mut scratch.first, elimination)?;
        for ((trial, v), k) in scratch.trial.iter_mut().zip(block).zip(&scratch.first) {
            *trial = v + k;
        }
        dispatch(Stage {
            stencil: &stencil,
            values: &scratch.trial,
            slope: &mut scratch.second,
            matrix: None,
        });
        for (k2, k1) in scratch.second.iter_mut().zip(&scratch.first) {
            *k2 -= 2.0 * k1;
        }
        solve_each_line(lines, bands, &mut scratch.second, elimination)
    }
}

impl ValueScratch {
    /// `scale b` at the faces of a block.
    fn load_drift(&mut self, transport: &AxisTransport, first: usize, lines: usize, scale: f64) {
        self.drift.clear();
        match &transport.drift {
            FaceDrift::Shared(drift) => {
                for b in drift {
                    self.drift.extend(std::iter::repeat_n(scale * b, lines));
                }
            }
            FaceDrift::PerLine(drift) => {
                for face in 0..transport.axis.count - 1 {
                    let row = &drift[face * transport.lines + first..][..lines];
                    self.drift.extend(row.iter().map(|b| scale * b));
                }
            }
        }
    }
}

/// Whether the second stage only corrects the first. The linearly implicit Euler step is `V + k1`; it
/// differs from the result by `(k1 + k2) / 2`, which must stay below a fifth of the height of V above
/// its minimum, or below one near the minimum. NaN is not modest.
fn modest(block: &[f64], scratch: &ValueScratch) -> bool {
    const SHARE: f64 = 0.02;
    const HEIGHT: f64 = 10.0;
    let least = block.iter().fold(f64::INFINITY, |a, v| a.min(*v));
    block
        .iter()
        .zip(&scratch.first)
        .zip(&scratch.second)
        .all(|((v, k1), k2)| 0.5 * (k1 + k2).abs() <= SHARE * (v - least + HEIGHT))
}

/// Dimensionless coefficients of a block: `dt D / h²` and `dt b / h`.
struct Stencil<'a> {
    lines: usize,
    diffusion: f64,
    drift: &'a [f64],
}

impl Stencil<'_> {
    /// Rate at an end node and its derivatives with respect to the end node and its neighbour, by Godunov's
    /// Hamiltonian; differences point inwards.
    #[inline(always)]
    fn end_rate(&self, upper: bool, line: usize, outer: f64, inner: f64) -> [f64; 3] {
        let (lines, faces) = (self.lines, self.drift.len() / self.lines);
        let sign = if upper { -1.0 } else { 1.0 };
        let (near, next) = if upper {
            (faces - 1, faces - 2)
        } else {
            (0, 1)
        };
        let [near, next] = [near, next].map(|face| sign * self.drift[face * lines + line]);
        let b = 1.5 * near - 0.5 * next;
        let d = self.diffusion;
        let slope = (inner - outer).min(-b / d);
        let speed = b + d * slope;
        let rate = -(b + 0.5 * d * slope) * slope + (next - near);
        [rate, speed, -speed]
    }
}

/// k(e) and its derivative.
#[inline(always)]
fn kink(e: f64) -> (f64, f64) {
    let e = e.min(0.0);
    let e2 = e * e;
    let inverse = 1.0 / (e2 + KINK);
    (
        e2 * e2 * inverse,
        2.0 * e * e2 * (e2 + 2.0 * KINK) * inverse * inverse,
    )
}

/// `slope = dt F(values)` and, if asked for, `matrix = 1 - γ dt F'`.
struct Stage<'a> {
    stencil: &'a Stencil<'a>,
    values: &'a [f64],
    slope: &'a mut [f64],
    matrix: Option<&'a mut [Vec<f64>; 3]>,
}

impl Kernel for Stage<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let Stencil {
            lines,
            diffusion: d,
            drift,
        } = *self.stencil;
        let n = self.values.len() / lines;
        for i in 1..n - 1 {
            let row = i * lines..(i + 1) * lines;
            let before = &self.values[(i - 1) * lines..][..lines];
            let here = &self.values[row.clone()];
            let after = &self.values[(i + 1) * lines..][..lines];
            let left = &drift[(i - 1) * lines..][..lines];
            let right = &drift[i * lines..][..lines];
            let slope = &mut self.slope[row.clone()];
            if let Some([lower, diagonal, upper]) = self.matrix.as_deref_mut() {
                let lower = &mut lower[row.clone()];
                let diagonal = &mut diagonal[row.clone()];
                let upper = &mut upper[row];
                for l in 0..lines {
                    let g = 0.5 * (after[l] - before[l]);
                    let e = 0.5 * (after[l] - 2.0 * here[l] + before[l]);
                    let b = 0.5 * (left[l] + right[l]);
                    let (k, dk) = kink(e);
                    slope[l] = d * (e - 0.5 * (g * g + k)) - b * g + (right[l] - left[l]);
                    let spread = 0.5 * d * (1.0 - 0.5 * dk);
                    let carry = 0.5 * (d * g + b);
                    lower[l] = -GAMMA * (spread + carry);
                    upper[l] = -GAMMA * (spread - carry);
                    diagonal[l] = 1.0 + 2.0 * GAMMA * spread;
                }
            } else {
                for l in 0..lines {
                    let g = 0.5 * (after[l] - before[l]);
                    let e = 0.5 * (after[l] - 2.0 * here[l] + before[l]);
                    let b = 0.5 * (left[l] + right[l]);
                    let (k, _) = kink(e);
                    slope[l] = d * (e - 0.5 * (g * g + k)) - b * g + (right[l] - left[l]);
                }
            }
        }
        for upper_end in [false, true] {
            let (node, neighbour) = if upper_end { (n - 1, n - 2) } else { (0, 1) };
            for l in 0..lines {
                let (outer, inner) = (
                    self.values[node * lines + l],
                    self.values[neighbour * lines + l],
                );
                let [rate, own, other] = self.stencil.end_rate(upper_end, l, outer, inner);
                self.slope[node * lines + l] = rate;
                if let Some([lower, diagonal, upper]) = self.matrix.as_deref_mut() {
                    let index = node * lines + l;
                    diagonal[index] = 1.0 - GAMMA * own;
                    (lower[index], upper[index]) = if upper_end {
                        (-GAMMA * other, 0.0)
                    } else {
                        (0.0, -GAMMA * other)
                    };
                }
            }
        }
    }
}
