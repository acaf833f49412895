//! A process on a line: its scale and its speed by quadrature.
//!
//! ```text
//! log p(x) = int 2 f/D dx - log D + const,      no flux: f p = 1/2 (D p)'
//! ```
//!
//! # Source
//! Gardiner (2009), sections 5.3 and 5.5; Karlin and Taylor, *A Second Course in Stochastic Processes* (1981), ch. 15.

use crate::expr::{CompileError, Kernel};
use crate::numeric::batch::Batch;
use crate::numeric::panels::Panels;
use crate::problem::meant::model::Boundary;
use crate::solvers::lowered::problem::Lowered;
use std::num::NonZeroUsize;

/// Fall of the logarithm of the density, from its top, at which an interval ends that the file does not give.
const FALL: f64 = 80.0;
/// Doublings of the interval tried.
const DOUBLINGS: usize = 60;
/// Panels with which the interval is looked for.
const LOOK: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// `f`, `D` and `D'` of a process in one state, at one time.
pub struct Line {
    kernel: Kernel,
    time: f64,
}

/// The unnormalised density at the nodes of panels.
pub struct Balance {
    pub panels: Panels,
    /// Largest entry zero.
    pub log_density: Vec<f64>,
    pub diffusivity: Vec<f64>,
}

impl Line {
    /// # Errors
    /// Names without a value.
    pub fn new(lowered: &Lowered) -> Result<Self, CompileError> {
        let process = &lowered.process.process;
        let wanted = [
            process.drift[0],
            process.diffusivity[0][0],
            process.diffusivity_divergence[0],
        ];
        Ok(Self {
            kernel: Kernel::compile(&process.graph, &wanted, process.time, &process.state)?,
            time: lowered.horizon().0,
        })
    }

    /// `f`, `D`, `D'` at points, at the start of the horizon.
    pub fn at(&self, points: &[f64]) -> Batch {
        self.at_time(self.time, points)
    }

    /// `f`, `D`, `D'` at points.
    pub fn at_time(&self, t: f64, points: &[f64]) -> Batch {
        let x = Batch::from_columns(points.len(), 1, points.to_vec());
        let mut out = Batch::zeros(points.len(), 3);
        self.kernel.eval(t, x.as_ref(), out.as_mut());
        out
    }

    /// `(2 f - D') / D`, the slope of the logarithm of the density.
    pub fn slope(&self, x: f64) -> f64 {
        let at = self.at(&[x]);
        (2.0 * at.get(0, 0) - at.get(0, 2)) / at.get(0, 1)
    }

    /// The density without flux on `[a, b]`; `None` where the noise vanishes or a coefficient is no number.
    pub fn balance(&self, a: f64, b: f64, panels: NonZeroUsize) -> Option<Balance> {
        let panels = Panels::new(a, b, panels);
        let at = self.at(panels.nodes());
        let (f, d) = (at.column(0), at.column(1));
        let slopes: Vec<f64> = f.iter().zip(d).map(|(f, d)| 2.0 * f / d).collect();
        let mut log_density = panels.from_left(&slopes);
        for (a, d) in log_density.iter_mut().zip(d) {
            *a -= d.ln();
        }
        if !log_density.iter().all(|a| a.is_finite()) {
            return None;
        }
        let top = log_density
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        log_density.iter_mut().for_each(|a| *a -= top);
        Some(Balance {
            diffusivity: d.to_vec(),
            panels,
            log_density,
        })
    }

    /// An interval outside of which there is next to no mass: that of the file, else found by doubling around
    /// the start; `None` where the density does not fall off.
    pub fn interval(&self, lowered: &Lowered) -> Option<(f64, f64)> {
        if let Some(domain) = &lowered.problem.dynamics.domain {
            return Some(domain[0]);
        }
        let centre = lowered.start().mixture().map_or(0.0, |law| law.mean()[0]);
        let mut reach = 1.0 + centre.abs();
        for _ in 0..DOUBLINGS {
            let (a, b) = (centre - reach, centre + reach);
            let balance = self.balance(a, b, LOOK)?;
            let log = &balance.log_density;
            let ends = [log[0], log[log.len() - 1]];
            if ends.iter().all(|end| *end < -FALL) {
                // Only as wide as needed: no panels where there is nothing.
                let nodes = balance.panels.nodes();
                let first = log.iter().position(|p| *p > -FALL)?;
                let last = log.iter().rposition(|p| *p > -FALL)?;
                let low = nodes[first.saturating_sub(1)];
                let high = nodes[(last + 1).min(nodes.len() - 1)];
                return Some((low, high));
            }
            reach *= 2.0;
        }
        None
    }
}

/// Whether nothing flows through the edges of a state's domain.
pub fn keeps_mass(lowered: &Lowered) -> bool {
    matches!(lowered.boundary(0), Boundary::Natural | Boundary::Reflect)
}
