//! The linear equation of one state in its symmetric form, solved for all times at once.
//!
//! ```text
//! psi = e^{-w} f,   w' = b / D,      -lambda f_t = -H f,      H = -1/2 lambda D d^2/dx^2 + U
//! U = q + lambda ( b^2 / (2 D) + b' / 2 ),      f(T) = e^{w - Phi / lambda}
//! f(t) = sum_k a_k phi_k e^{-E_k (T - t) / lambda},      V = lambda w - lambda log f
//! ```
//!
//! The largest end value and the lowest level are taken out of `f`, which is then of order one somewhere at all times.
//! What is left of it is known to rounding of its length at the end, so `V` is known where `f` is well above that:
//! elsewhere it goes on as a parabola, where no density of the optimal process is left.

use crate::discretization::steered::SteeredProcess;
use crate::discretization::waves::{Ends, Waves};
use crate::expr::{CompileError, Kernel};
use crate::numeric::batch::Batch;
use crate::numeric::dense::faer_view;
use crate::numeric::quadrature::Rule;
use crate::solvers::control::ControlProblem;
use faer::Side;
use nalgebra::{DMatrix, DVector};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Gauss–Legendre nodes for `w` within a cell.
const INNER: NonZeroUsize = NonZeroUsize::new(12).unwrap();
/// Rounding of `f`, over its length at the end.
const ROUNDING: f64 = 4.0 * f64::EPSILON;
/// How far above rounding `f` has to be for `V` to be read off it.
const CLEAR: f64 = 1e5;

/// Why it could not be set up.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLevels {
    #[error("the slope of the drift could not be compiled: {0}")]
    Compile(#[from] CompileError),
    #[error("{0}")]
    NotFinite(f64),
}

/// All levels of `H` with what the end value has of each.
pub(super) struct Levels {
    process: Arc<SteeredProcess>,
    temperature: f64,
    diffusivity: f64,
    waves: Waves,
    nodes: Vec<f64>,
    /// `w` at the nodes.
    gauge: Vec<f64>,
    /// Largest exponent of `f` at the end.
    top: f64,
    energies: Vec<f64>,
    amplitudes: Vec<f64>,
    /// `phi_k` at the nodes and as coefficients of the waves, one column each.
    vectors: DMatrix<f64>,
    spectra: DMatrix<f64>,
    /// Length of `f` at the end.
    length: f64,
    /// Largest entry of `H`.
    stiffness: f64,
}

impl Levels {
    /// Nothing of the problem depends on time, its noise not on the state.
    pub(super) fn new(
        problem: &ControlProblem,
        temperature: f64,
        (low, high): (f64, f64),
        count: usize,
        ends: Ends,
    ) -> Result<Self, NoLevels> {
        let parts = &problem.parts.process;
        let process = Arc::new(problem.process.clone());
        let t = process.start();
        let diffusivity = process.diffusion().at(t, &[]).row(0).norm_squared();
        let waves = Waves::new(low, high, count, ends);
        let nodes = waves.nodes();
        let at = Batch::from_columns(count, 1, nodes.clone());
        let slope = [parts.drift_divergence];
        let slope = Kernel::compile(&parts.graph, &slope, parts.time, &parts.state)?;
        let mut steepness = Batch::zeros(count, 1);
        slope.eval(t, at.as_ref(), steepness.as_mut());
        let mut drift = Batch::zeros(count, 1);
        process.drift(t, at.as_ref(), drift.as_mut());
        let (mut cost, mut end) = (vec![0.0; count], vec![0.0; count]);
        process.running(t, at.as_ref(), &mut cost);
        process.terminal(at.as_ref(), &mut end);
        let mut matrix = waves.bending() * (0.5 * temperature * diffusivity);
        let terms = drift.column(0).iter().zip(steepness.column(0)).zip(&cost);
        for (j, ((b, db), q)) in terms.enumerate() {
            matrix[(j, j)] += q + 0.5 * temperature * (b * b / diffusivity + db);
        }
        let mut levels = Self {
            process,
            temperature,
            diffusivity,
            waves,
            gauge: Vec::new(),
            nodes,
            top: 0.0,
            energies: Vec::new(),
            amplitudes: Vec::new(),
            vectors: DMatrix::zeros(0, 0),
            spectra: DMatrix::zeros(0, 0),
            length: 0.0,
            stiffness: matrix.iter().fold(0.0, |most, entry| entry.abs().max(most)),
        };
        levels.gauge = levels.gauges();
        let exponents = end.iter().zip(&levels.gauge);
        let exponents: Vec<f64> = exponents.map(|(phi, w)| w - phi / temperature).collect();
        levels.top = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let finite = exponents.iter().chain(&matrix).find(|x| !x.is_finite());
        if let Some(wrong) = finite {
            return Err(NoLevels::NotFinite(*wrong));
        }
        levels.decompose(&matrix, &exponents)?;
        Ok(levels)
    }

    fn decompose(&mut self, matrix: &DMatrix<f64>, exponents: &[f64]) -> Result<(), NoLevels> {
        let n = self.nodes.len();
        // Finite symmetric matrices have eigenvalues; the iteration is not known to fail on them.
        let found = faer_view(matrix)
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| NoLevels::NotFinite(f64::NAN))?;
        self.vectors = DMatrix::from_fn(n, n, |i, k| found.U()[(i, k)]);
        self.energies = (0..n).map(|k| found.S()[k]).collect();
        let end = exponents.iter().map(|e| (e - self.top).exp());
        let end = DVector::from_iterator(n, end);
        self.length = end.norm();
        self.amplitudes = self.vectors.tr_mul(&end).as_slice().to_vec();
        self.spectra = self.waves.coefficients(&self.vectors);
        Ok(())
    }

    /// `w` at the nodes, zero at the first.
    fn gauges(&self) -> Vec<f64> {
        let mut gauge = vec![0.0];
        for pair in self.nodes.windows(2) {
            let before = gauge[gauge.len() - 1];
            gauge.push(before + self.climb(pair[0], pair[1]));
        }
        gauge
    }

    /// `int b / D` between two points at most a cell apart.
    fn climb(&self, from: f64, to: f64) -> f64 {
        let rule = Rule::legendre(INNER, from, to);
        let at = Batch::from_columns(rule.nodes.len(), 1, rule.nodes.clone());
        let mut drift = Batch::zeros(rule.nodes.len(), 1);
        let t = self.process.start();
        self.process.drift(t, at.as_ref(), drift.as_mut());
        let terms = rule.weights.iter().zip(drift.column(0));
        terms.map(|(weight, b)| weight * b).sum::<f64>() / self.diffusivity
    }

    /// Largest entry of `H`: eigenvalues are known to rounding of it.
    pub(super) fn stiffness(&self) -> f64 {
        self.stiffness
    }

    /// `f` at one time.
    pub(super) fn at(&self, t: f64) -> Snapshot<'_> {
        let left = (self.process.end() - t).max(0.0);
        let decay = |e: &f64| (-(e - self.energies[0]) * left / self.temperature).exp();
        let parts = self.energies.iter().zip(&self.amplitudes);
        let parts: Vec<f64> = parts.map(|(e, a)| a * decay(e)).collect();
        let parts = DVector::from_vec(parts);
        let values = &self.vectors * &parts;
        let clear = CLEAR * ROUNDING * self.length;
        let known = |f: &f64| *f > clear;
        // Around the peak: beyond where rounding or the last waves hide it nothing is known.
        let peak = values.imax();
        let values = values.as_slice();
        let first = values[..peak]
            .iter()
            .rposition(|f| !known(f))
            .map_or(0, |j| j + 1);
        let beyond = values[peak..].iter().position(|f| !known(f));
        let last = beyond.map_or(values.len(), |j| peak + j).max(peak + 1) - 1;
        let mut snapshot = Snapshot {
            coefficients: (&self.spectra * &parts).as_slice().to_vec(),
            constant: self.energies[0] * left - self.temperature * self.top,
            edges: [first, last].map(|j| Edge {
                at: self.nodes[j],
                ..Edge::default()
            }),
            levels: self,
            time: t,
        };
        let inward = [self.waves.cell(), -self.waves.cell()];
        snapshot.edges = std::array::from_fn(|side| {
            let at = snapshot.edges[side].at;
            let [value, slope] = snapshot.known(at);
            let nearby = snapshot.known(at + inward[side])[1];
            let curvature = if first < last {
                (nearby - slope) / inward[side]
            } else {
                0.0
            };
            Edge {
                at,
                value,
                slope,
                curvature,
            }
        });
        snapshot
    }
}

/// What the value goes on from beyond where it is known.
#[derive(Clone, Copy, Default)]
struct Edge {
    at: f64,
    value: f64,
    slope: f64,
    curvature: f64,
}

/// `f` at one time, and what is read off it.
pub(super) struct Snapshot<'a> {
    levels: &'a Levels,
    coefficients: Vec<f64>,
    constant: f64,
    edges: [Edge; 2],
    time: f64,
}

impl Snapshot<'_> {
    /// Where the value is known.
    pub(super) fn known_between(&self) -> (f64, f64) {
        (self.edges[0].at, self.edges[1].at)
    }

    /// Least of `f` over its length at the end, at these points.
    pub(super) fn share(&self, points: &[f64]) -> f64 {
        let waves = &self.levels.waves;
        let f = points.iter().map(|x| waves.eval(&self.coefficients, *x)[0]);
        f.fold(f64::INFINITY, f64::min) / self.levels.length
    }

    /// `lambda` times the relative rounding of `f` at a point: the rounding of `V`, infinite beyond where it is known.
    pub(super) fn rounding(&self, x: f64) -> f64 {
        if x < self.edges[0].at || x > self.edges[1].at {
            return f64::INFINITY;
        }
        let f = self.levels.waves.eval(&self.coefficients, x)[0];
        let floor = ROUNDING * self.levels.length;
        self.levels.temperature * floor / f.max(floor)
    }

    /// Value and slope of `V`.
    pub(super) fn eval(&self, x: f64) -> [f64; 2] {
        let [below, above] = &self.edges;
        let edge = if x < below.at {
            below
        } else if x > above.at {
            above
        } else {
            return self.known(x);
        };
        let step = x - edge.at;
        let slope = edge.slope + edge.curvature * step;
        [edge.value + 0.5 * (edge.slope + slope) * step, slope]
    }

    fn known(&self, x: f64) -> [f64; 2] {
        let levels = self.levels;
        let [f, slope] = levels.waves.eval(&self.coefficients, x);
        let f = f.max(ROUNDING * levels.length);
        let last = levels.nodes.len() - 1;
        let cell = (x - levels.nodes[0]) / levels.waves.cell();
        let j = (cell.round().max(0.0) as usize).min(last);
        let gauge = levels.gauge[j] + levels.climb(levels.nodes[j], x);
        let mut drift = Batch::zeros(1, 1);
        let at = Batch::from_columns(1, 1, vec![x]);
        levels.process.drift(self.time, at.as_ref(), drift.as_mut());
        let pull = drift.get(0, 0) / levels.diffusivity;
        [
            levels.temperature * (gauge - f.ln()) + self.constant,
            levels.temperature * (pull - slope / f),
        ]
    }
}
