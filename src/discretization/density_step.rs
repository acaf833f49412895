//! One conservative step of the Fokker–Planck equation along one axis.
//!
//! ```text
//! ∂ρ/∂t = -∂J/∂xi,    J_{i+1/2} = (D / 2h) [ B(-z) ρ_i - B(z) ρ_{i+1} ],    z = 2 b h / D,    B(z) = z / (e^z - 1)
//! ```
//!
//! Exponentially fitted fluxes vanish exactly on the Boltzmann density of the face drift and keep the
//! matrix an M-matrix at every cell Péclet number. The end nodes own half a cell and no flux leaves them,
//! so the trapezoid sum of ρ is conserved. Time is advanced by TR-BDF2,
//!
//! ```text
//! (1 - θ dt A) ρ' = (1 + θ dt A) ρ,      (1 - θ dt A) ρ⁺ = [ρ'/γ - (1-γ)²/γ ρ] / (2-γ),      γ = 2 - √2, θ = γ/2
//! ```
//!
//! a Crank–Nicolson stage over γ dt followed by a backward-difference stage with the same matrix.
//!
//! # Order
//! Two in space and in time; L-stable. Not unconditionally positive in time: the least value is reported.
//!
//! # Source
//! Scharfetter and Gummel (1969), Chang and Cooper (1970) for the fluxes; Bank et al. (1985), Hosea and
//! Shampine (1996) for TR-BDF2.

use crate::discretization::splitting::LineStep;
use crate::discretization::transport::{AxisTransport, FaceDrift};
use crate::numeric::dispatch::{Kernel, dispatch};
use crate::numeric::elementary::exp;
use crate::numeric::tridiagonal::{PivotError, Tridiagonal, solve_each_line};

/// γ of TR-BDF2.
const GAMMA: f64 = 2.0 - std::f64::consts::SQRT_2;

/// The step of one axis over one time step.
pub struct DensityStep<'a> {
    transport: &'a AxisTransport,
    dt: f64,
    /// The matrix, where it is the same on every line.
    shared: Option<SharedMatrix>,
}

struct SharedMatrix {
    operator: [Vec<f64>; 3],
    factor: Tridiagonal,
}

/// Tables of one block of lines.
#[derive(Default)]
pub struct DensityScratch {
    operator: [Vec<f64>; 3],
    matrix: [Vec<f64>; 3],
    stage: Vec<f64>,
    elimination: Vec<f64>,
}

impl<'a> DensityStep<'a> {
    /// A step of length `dt`.
    pub fn new(transport: &'a AxisTransport, dt: f64) -> Result<Self, PivotError> {
        let shared = match &transport.drift {
            FaceDrift::PerLine(_) => None,
            FaceDrift::Shared(drift) => {
                let mut operator = Default::default();
                assemble(transport, drift, 0, 1, 1, &mut operator);
                let [lower, diagonal, upper] = [0, 1, 2].map(|k| implicit(&operator[k], k, dt));
                let factor = Tridiagonal::factor(&lower, &diagonal, &upper)?;
                Some(SharedMatrix { operator, factor })
            }
        };
        Ok(Self {
            transport,
            dt,
            shared,
        })
    }
}

fn implicit(operator: &[f64], band: usize, dt: f64) -> Vec<f64> {
    let identity = if band == 1 { 1.0 } else { 0.0 };
    operator
        .iter()
        .map(|a| identity - 0.5 * GAMMA * dt * a)
        .collect()
}

impl LineStep for DensityStep<'_> {
    type Scratch = DensityScratch;

    fn advance(
        &self,
        first: usize,
        lines: usize,
        block: &mut [f64],
        scratch: &mut DensityScratch,
    ) -> Result<(), PivotError> {
        let explicit = 0.5 * GAMMA * self.dt;
        match (&self.shared, &self.transport.drift) {
            (Some(SharedMatrix { operator, factor }), _) => {
                apply(operator, lines, 1, explicit, block, &mut scratch.stage);
                factor.solve_lines(lines, &mut scratch.stage);
                combine(block, &scratch.stage);
                factor.solve_lines(lines, block);
            }
            (None, FaceDrift::PerLine(drift)) => {
                let (from, operator) = (self.transport, &mut scratch.operator);
                assemble(from, drift, first, lines, from.lines, operator);
                scratch.matrix = [0, 1, 2].map(|k| implicit(&scratch.operator[k], k, self.dt));
                let bands = scratch.matrix.each_ref().map(Vec::as_slice);
                let (stage, elimination) = (&mut scratch.stage, &mut scratch.elimination);
                apply(&scratch.operator, lines, lines, explicit, block, stage);
                solve_each_line(lines, bands, stage, elimination)?;
                combine(block, stage);
                solve_each_line(lines, bands, block, elimination)?;
            }
            (None, FaceDrift::Shared(_)) => {
                unreachable!("a shared drift comes with its matrix")
            }
        }
        Ok(())
    }
}

/// Right-hand side of the second stage, in place of the old density.
fn combine(block: &mut [f64], stage: &[f64]) {
    let (new, old) = (
        1.0 / (GAMMA * (2.0 - GAMMA)),
        -(1.0 - GAMMA) * (1.0 - GAMMA) / (GAMMA * (2.0 - GAMMA)),
    );
    for (rho, stage) in block.iter_mut().zip(stage) {
        *rho = new * stage + old * *rho;
    }
}

/// `out = rho + scale · A rho`; `width` is 1 for one matrix and `lines` for one matrix per line.
fn apply(
    operator: &[Vec<f64>; 3],
    lines: usize,
    width: usize,
    scale: f64,
    rho: &[f64],
    out: &mut Vec<f64>,
) {
    out.resize(rho.len(), 0.0);
    dispatch(Apply {
        operator,
        lines,
        width,
        scale,
        rho,
        out,
    });
}

struct Apply<'a> {
    operator: &'a [Vec<f64>; 3],
    lines: usize,
    width: usize,
    scale: f64,
    rho: &'a [f64],
    out: &'a mut [f64],
}

impl Kernel for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let lines = self.lines;
        let n = self.rho.len() / lines;
        let [lower, diagonal, upper] = self.operator;
        for i in 0..n {
            let row = i * lines..(i + 1) * lines;
            let before = &self.rho[i.saturating_sub(1) * lines..][..lines];
            let after = &self.rho[(i + 1).min(n - 1) * lines..][..lines];
            let here = &self.rho[row.clone()];
            let out = &mut self.out[row];
            if self.width == 1 {
                let (a, b, c) = (lower[i], diagonal[i], upper[i]);
                for l in 0..lines {
                    out[l] = here[l] + self.scale * (a * before[l] + b * here[l] + c * after[l]);
                }
            } else {
                let entries = i * lines..(i + 1) * lines;
                let a = &lower[entries.clone()];
                let b = &diagonal[entries.clone()];
                let c = &upper[entries];
                for l in 0..lines {
                    out[l] = here[l]
                        + self.scale * (a[l] * before[l] + b[l] * here[l] + c[l] * after[l]);
                }
            }
        }
    }
}

/// The bands of A for lines `first..first + lines`; the drift of face i and line l is at
/// `i * stride + l`. Bands that reach outside are zero.
fn assemble(
    transport: &AxisTransport,
    drift: &[f64],
    first: usize,
    lines: usize,
    stride: usize,
    operator: &mut [Vec<f64>; 3],
) {
    let n = transport.axis.count;
    for band in operator.iter_mut() {
        band.clear();
        band.resize(n * lines, 0.0);
    }
    dispatch(Assemble {
        transport,
        drift,
        first,
        lines,
        stride,
        operator,
    });
}

struct Assemble<'a> {
    transport: &'a AxisTransport,
    drift: &'a [f64],
    first: usize,
    lines: usize,
    stride: usize,
    operator: &'a mut [Vec<f64>; 3],
}

impl Kernel for Assemble<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (n, h) = (self.transport.axis.count, self.transport.axis.step);
        let diffusivity = self.transport.diffusivity;
        let lines = self.lines;
        let [lower, diagonal, upper] = self.operator;
        for face in 0..n - 1 {
            let drift = &self.drift[face * self.stride + self.first..][..lines];
            let width = |node: usize| {
                if node == 0 || node == n - 1 {
                    0.5 * h
                } else {
                    h
                }
            };
            let (left, right) = (1.0 / width(face), 1.0 / width(face + 1));
            let (here, next) = (face * lines, (face + 1) * lines);
            for l in 0..lines {
                let z = 2.0 * drift[l] * h / diffusivity;
                let backward = 0.5 * diffusivity / h * bernoulli::<FMA>(z);
                // B(-z) = B(z) + z, without cancellation for z > 0.
                let forward = if z > 0.0 {
                    backward + drift[l]
                } else {
                    0.5 * diffusivity / h * bernoulli::<FMA>(-z)
                };
                diagonal[here + l] -= forward * left;
                upper[here + l] = backward * left;
                lower[next + l] = forward * right;
                diagonal[next + l] -= backward * right;
            }
        }
    }
}

/// `z / (e^z - 1)`.
#[inline(always)]
fn bernoulli<const FMA: bool>(z: f64) -> f64 {
    let z2 = z * z;
    let series =
        1.0 - 0.5 * z + z2 / 12.0 * (1.0 - z2 / 60.0 * (1.0 - z2 / 42.0 * (1.0 - z2 / 40.0)));
    // Beyond 700 the function is below 1e-300 (or -z), and e^z must not overflow.
    let plain = z / (exp::<FMA>(z.clamp(-700.0, 700.0)) - 1.0);
    if z2 < 0.04 { series } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discretization::splitting::SplitTable;
    use crate::numeric::interpolation::UniformAxis;
    use std::sync::Arc;

    #[test]
    fn bernoulli_against_its_definition() {
        for z in [
            -30.0, -1.0, -0.21, -0.19, -1e-3, 1e-9, 0.1, 0.19999, 0.2001, 3.0, 80.0_f64,
        ] {
            let expected = z / z.exp_m1();
            let got = bernoulli::<false>(z);
            assert!(
                (got - expected).abs() < 1e-14 * expected.abs().max(1.0),
                "{z}: {got} {expected}"
            );
        }
        assert_eq!(bernoulli::<false>(0.0), 1.0);
    }

    fn transport(lines: usize, per_line: bool) -> AxisTransport {
        let axis = UniformAxis::between(-1.0, 1.0, 41);
        let faces: Vec<f64> = (0..40)
            .map(|i| -3.0 * (axis.node(i) + 0.5 * axis.step))
            .collect();
        AxisTransport {
            diffusivity: 0.3,
            drift: if per_line {
                FaceDrift::PerLine(Arc::new(
                    faces.iter().flat_map(|b| vec![*b; lines]).collect(),
                ))
            } else {
                FaceDrift::Shared(faces)
            },
            axis,
            lines,
        }
    }

    #[test]
    fn the_boltzmann_density_stays_and_mass_is_kept() {
        // b = -3 x, D = 0.3: density exp(-10 x²), for which the fitted flux vanishes to the last bit.
        let transport = transport(1, false);
        let step = DensityStep::new(&transport, 0.7).expect("regular");
        let boltzmann: Vec<f64> = (0..41)
            .map(|i| (-10.0 * transport.axis.node(i).powi(2)).exp())
            .collect();
        let mut table = SplitTable::new(&[41], boltzmann.clone());
        table.sweep(&step).expect("regular");
        for (a, b) in table.values().iter().zip(&boltzmann) {
            assert!((a - b).abs() < 1e-13 * (1.0 + b), "{a} {b}");
        }
        let start: Vec<f64> = (0..41)
            .map(|i| if i % 7 == 3 { 1.0 } else { 0.0 })
            .collect();
        let mut table = SplitTable::new(&[41], start.clone());
        for _ in 0..20 {
            table.sweep(&step).expect("regular");
        }
        let mass = |v: &[f64]| v.iter().sum::<f64>() - 0.5 * (v[0] + v[40]);
        // Rounding times the size of dt A, 300, times the number of solves.
        assert!((mass(table.values()) - mass(&start)).abs() < 1e-11);
        // By now the start is forgotten.
        let scale = mass(&start) / mass(&boltzmann);
        for (a, b) in table.values().iter().zip(&boltzmann) {
            assert!((a - scale * b).abs() < 1e-10);
        }
    }

    #[test]
    fn a_matrix_per_line_and_a_shared_one_agree() {
        let start: Vec<f64> = (0..41 * 37).map(|k| 1.0 + (k as f64 * 0.7).sin()).collect();
        let mut tables = [false, true].map(|per_line| {
            let transport = transport(37, per_line);
            let step = DensityStep::new(&transport, 0.05).expect("regular");
            let mut table = SplitTable::new(&[41, 37], start.clone());
            table.sweep(&step).expect("regular");
            table
        });
        let [shared, each] = &mut tables;
        for (a, b) in shared.values().iter().zip(each.values()) {
            assert!((a - b).abs() < 1e-13);
        }
    }
}
