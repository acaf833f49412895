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
use crate::solvers::lowered::problem::Lowered;
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
#[derive(Clone)]
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
    /// Gauss–Legendre on [0, 1].
    rule: Rule,
    /// Length of `f` at the end, and the largest share of a wave in the last quarter.
    length: f64,
    tail: f64,
    /// Largest entry of `H`.
    stiffness: f64,
    /// Whether levels decay on the way to the end.
    passing: bool,
}

impl Levels {
    /// Nothing of the problem depends on time, its noise not on the state.
    pub(super) fn new(
        lowered: &Lowered,
        temperature: f64,
        (low, high): (f64, f64),
        count: usize,
        ends: Ends,
    ) -> Result<Self, NoLevels> {
        let parts = &lowered.process.process;
        let process = Arc::new(lowered.compiled.steered.clone());
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
            rule: Rule::legendre(INNER, 0.0, 1.0),
            length: 0.0,
            tail: 0.0,
            passing: true,
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
        let spectrum = self
            .waves
            .coefficients(&DMatrix::from_column_slice(n, 1, end.as_slice()));
        let last = spectrum.as_slice()[n - n / 4..].iter();
        self.tail = last.fold(0.0, |most, c| c.abs().max(most)) / spectrum.norm();
        self.amplitudes = self.vectors.tr_mul(&end).as_slice().to_vec();
        self.spectra = self.waves.coefficients(&self.vectors);
        Ok(())
    }

    /// `w` at the nodes, zero at the first.
    fn gauges(&self) -> Vec<f64> {
        let spans: Vec<(f64, f64)> = self
            .nodes
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .collect();
        let climbs = self.climbs(&spans);
        let mut gauge = vec![0.0];
        for climb in climbs {
            gauge.push(gauge[gauge.len() - 1] + climb);
        }
        gauge
    }

    /// `int b / D` between pairs of points at most a cell apart.
    fn climbs(&self, spans: &[(f64, f64)]) -> Vec<f64> {
        let (nodes, weights) = (&self.rule.nodes, &self.rule.weights);
        let mut at = Vec::with_capacity(nodes.len() * spans.len());
        for (from, to) in spans {
            at.extend(nodes.iter().map(|share| from + (to - from) * share));
        }
        let drift = self.drift(at);
        let spans = spans.iter().zip(drift.chunks_exact(nodes.len()));
        let sum = |drift: &[f64]| weights.iter().zip(drift).map(|(w, b)| w * b).sum::<f64>();
        spans
            .map(|((from, to), drift)| (to - from) * sum(drift) / self.diffusivity)
            .collect()
    }

    fn drift(&self, at: Vec<f64>) -> Vec<f64> {
        let at = Batch::from_columns(at.len(), 1, at);
        let mut drift = Batch::zeros(at.points(), 1);
        let t = self.process.start();
        self.process.drift(t, at.as_ref(), drift.as_mut());
        drift.column(0).to_vec()
    }

    /// `w` at points of the domain.
    fn gauge_at(&self, points: &[f64]) -> Vec<f64> {
        let last = self.nodes.len() - 1;
        let nearest = |x: &f64| {
            let cell = (x - self.nodes[0]) / self.waves.cell();
            (cell.round().max(0.0) as usize).min(last)
        };
        let near: Vec<usize> = points.iter().map(nearest).collect();
        let spans = near.iter().zip(points).map(|(j, x)| (self.nodes[*j], *x));
        let climbs = self.climbs(&spans.collect::<Vec<_>>());
        let known = near.iter().zip(climbs);
        known.map(|(j, climb)| self.gauge[*j] + climb).collect()
    }

    /// A level, from 0.
    pub(super) fn energy(&self, k: usize) -> f64 {
        self.energies[k]
    }

    /// `phi_0^2` at both edges over its largest.
    pub(super) fn ground_at_edges(&self) -> [f64; 2] {
        let ground = self.vectors.column(0);
        let edges = [ground[0], ground[ground.len() - 1]];
        edges.map(|phi| (phi / ground.amax()).powi(2))
    }

    /// Leaves the lowest level, of length one and as at the end: `f = phi_0`.
    pub(super) fn keep_ground(&mut self) {
        let ground = self.vectors.column(0);
        let sign = ground[ground.iamax()].signum();
        self.amplitudes.fill(0.0);
        self.amplitudes[0] = sign;
        self.length = 1.0;
        self.top = 0.0;
        // What is left of the horizon adds nothing.
        self.passing = false;
    }

    /// Takes a constant from the value.
    pub(super) fn shift_ground(&mut self, by: f64) {
        self.top += by / self.temperature;
    }

    /// What makes values at these points quick at all times.
    pub(super) fn table(&self, points: Vec<f64>) -> Table {
        let n = self.waves.count();
        let mut shapes = DMatrix::zeros(points.len(), n);
        for k in 0..n {
            let spectrum = self.spectra.column(k);
            for (i, x) in points.iter().enumerate() {
                shapes[(i, k)] = self.waves.eval(spectrum.as_slice(), *x)[0];
            }
        }
        Table {
            gauge: self.gauge_at(&points),
            shapes,
            points,
        }
    }

    /// Largest entry of `H`: eigenvalues are known to rounding of it.
    pub(super) fn stiffness(&self) -> f64 {
        self.stiffness
    }

    /// Largest number of radians a unit of length any wave has.
    pub(super) fn shortest_wave(&self) -> f64 {
        std::f64::consts::PI / self.waves.cell()
    }

    /// `f` at one time.
    pub(super) fn at(&self, t: f64) -> Snapshot<'_> {
        let left = if self.passing {
            (self.process.end() - t).max(0.0)
        } else {
            0.0
        };
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
            parts,
            constant: self.energies[0] * left - self.temperature * self.top,
            edges: [Edge::default(); 2],
            levels: self,
        };
        let (low, high, cell) = (self.nodes[first], self.nodes[last], self.waves.cell());
        // Slopes at the edges of what is known and one node inwards.
        let [values, slopes] = snapshot.known(&[low, low + cell, high, high - cell]);
        let curved = f64::from(u8::from(first < last));
        let edge = |at: f64, k: usize, inward: f64| Edge {
            at,
            value: values[k],
            slope: slopes[k],
            curvature: curved * (slopes[k + 1] - slopes[k]) / inward,
        };
        snapshot.edges = [edge(low, 0, cell), edge(high, 2, -cell)];
        snapshot
    }
}

/// Eigenvectors and `w` at points that are asked for again and again.
pub(super) struct Table {
    pub(super) points: Vec<f64>,
    gauge: Vec<f64>,
    /// Points × levels.
    shapes: DMatrix<f64>,
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
    /// Of the levels, and of the waves.
    parts: DVector<f64>,
    coefficients: Vec<f64>,
    constant: f64,
    edges: [Edge; 2],
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

    /// What waves as large as the last ones would change in `V` at a point, infinite beyond where it is known.
    pub(super) fn unresolved(&self, x: f64) -> f64 {
        self.rounding(x) / ROUNDING * self.levels.tail
    }

    /// Values and slopes of `V`.
    pub(super) fn eval(&self, points: &[f64]) -> [Vec<f64>; 2] {
        let (low, high) = self.known_between();
        let inside: Vec<f64> = points.iter().map(|x| x.max(low).min(high)).collect();
        let [mut values, mut slopes] = self.known(&inside);
        for ((x, value), slope) in points.iter().zip(&mut values).zip(&mut slopes) {
            if let Some(beyond) = self.beyond(*x) {
                [*value, *slope] = beyond;
            }
        }
        [values, slopes]
    }

    /// The parabola that goes on beyond where the value is known.
    fn beyond(&self, x: f64) -> Option<[f64; 2]> {
        let [below, above] = &self.edges;
        let edge = match (x < below.at, x > above.at) {
            (true, _) => below,
            (_, true) => above,
            _ => return None,
        };
        let step = x - edge.at;
        let slope = edge.slope + edge.curvature * step;
        Some([edge.value + 0.5 * (edge.slope + slope) * step, slope])
    }

    fn known(&self, points: &[f64]) -> [Vec<f64>; 2] {
        let levels = self.levels;
        let gauge = levels.gauge_at(points);
        let drift = levels.drift(points.to_vec());
        let (mut values, mut slopes) = (Vec::new(), Vec::new());
        for ((x, w), b) in points.iter().zip(gauge).zip(drift) {
            let [f, slope] = levels.waves.eval(&self.coefficients, *x);
            let f = f.max(ROUNDING * levels.length);
            values.push(self.value(w, f));
            slopes.push(levels.temperature * (b / levels.diffusivity - slope / f));
        }
        [values, slopes]
    }

    fn value(&self, gauge: f64, f: f64) -> f64 {
        self.levels.temperature * (gauge - f.ln()) + self.constant
    }

    /// `V` at the points of a table.
    pub(super) fn tabulated(&self, table: &Table) -> Vec<f64> {
        let f = &table.shapes * &self.parts;
        let floor = ROUNDING * self.levels.length;
        let at = table.points.iter().zip(&table.gauge).zip(f.iter());
        at.map(|((x, w), f)| {
            let beyond = self.beyond(*x);
            beyond.map_or_else(|| self.value(*w, f.max(floor)), |[value, _]| value)
        })
        .collect()
    }
}
