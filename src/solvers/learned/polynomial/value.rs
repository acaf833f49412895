//! A value that is a polynomial at every time, one set of coordinates for each stretch of time.

use crate::discretization::steered::SteeredProcess;
use crate::field::Field;
use crate::field::hermite::HermiteTerms;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::dense::faer_view;
use crate::numeric::runge_kutta::DenseSolution;
use crate::problem::meant::named::Named;
use faer::{Accum, Par};
use nalgebra::DMatrix;
use std::sync::Arc;

/// Coordinates of a polynomial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axes {
    /// Those in which the paths are uncorrelated.
    Principal,
    /// The states, each to its own scale.
    States,
}

impl Named for Axes {
    const NAMES: &'static [(&'static str, Self)] =
        &[("principal", Self::Principal), ("states", Self::States)];
}

/// Variance below this share of the largest counts as none.
const NO_VARIANCE: f64 = 1e-10;

/// Coordinates in which a cloud of points has mean zero and unit variances.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    mean: Vec<f64>,
    /// `z = whiten (x - mean)`
    pub whiten: DMatrix<f64>,
    /// The distance of the farthest point from the mean; beyond it nothing is known.
    radius: f64,
}

/// Mean and covariance of points.
pub(super) fn moments(points: BatchRef<'_>) -> (Vec<f64>, DMatrix<f64>) {
    let (n, d) = (points.points() as f64, points.columns());
    let mean: Vec<f64> = (0..d)
        .map(|j| points.column(j).iter().sum::<f64>() / n)
        .collect();
    let covariance = DMatrix::from_fn(d, d, |i, j| {
        let pairs = points.column(i).iter().zip(points.column(j));
        pairs
            .map(|(a, b)| (a - mean[i]) * (b - mean[j]))
            .sum::<f64>()
            / n
    });
    (mean, covariance)
}

impl Chart {
    /// The chart of a cloud.
    ///
    /// # Errors
    /// Where the points lie in a plane: their least variance, as a share of the largest.
    pub fn of(points: BatchRef<'_>, axes: Axes) -> Result<Self, f64> {
        let d = points.columns();
        let (mean, covariance) = moments(points);
        let whiten = match axes {
            Axes::States => DMatrix::from_fn(d, d, |i, j| {
                if i == j {
                    covariance[(i, i)].powf(-0.5)
                } else {
                    0.0
                }
            }),
            Axes::Principal => {
                let parts = covariance.clone().symmetric_eigen();
                DMatrix::from_fn(d, d, |i, j| {
                    parts.eigenvectors[(j, i)] * parts.eigenvalues[i].powf(-0.5)
                })
            }
        };
        let scaled = DMatrix::from_fn(d, d, |i, j| {
            covariance[(i, j)] / (covariance[(i, i)] * covariance[(j, j)]).sqrt()
        });
        let variances = scaled.symmetric_eigenvalues();
        let least = variances.min() / variances.max();
        if least.is_nan() || least <= NO_VARIANCE || whiten.iter().any(|w| !w.is_finite()) {
            return Err(if least.is_nan() { 0.0 } else { least });
        }
        let mut chart = Self {
            mean,
            whiten,
            radius: f64::INFINITY,
        };
        let mut z = Batch::zeros(points.points(), d);
        chart.apply(points, z.as_mut());
        chart.radius = lengths(&z).into_iter().fold(0.0, f64::max);
        Ok(chart)
    }

    /// `z = whiten (x - mean)`
    pub fn apply(&self, x: BatchRef<'_>, mut z: BatchMut<'_>) {
        for i in 0..z.columns() {
            let column = z.column_mut(i);
            column.fill(0.0);
            for (j, mean) in self.mean.iter().enumerate() {
                let entry = self.whiten[(i, j)];
                if entry != 0.0 {
                    for (z, x) in column.iter_mut().zip(x.column(j)) {
                        *z += entry * (x - mean);
                    }
                }
            }
        }
    }

    /// The points with those beyond the radius moved to it, towards the mean.
    pub fn within(&self, x: BatchRef<'_>) -> Batch {
        let mut z = Batch::zeros(x.points(), x.columns());
        self.apply(x, z.as_mut());
        let shares = self.pull_in(&mut z);
        let mut out = x.to_batch();
        for (j, mean) in self.mean.iter().enumerate() {
            for (x, share) in out.column_mut(j).iter_mut().zip(&shares) {
                *x = mean + share * (*x - mean);
            }
        }
        out
    }

    /// Pulls points beyond the radius back to it; their shares of the way to the mean.
    fn pull_in(&self, z: &mut Batch) -> Vec<f64> {
        let mut shares = lengths(z);
        for share in &mut shares {
            *share = (self.radius / *share).min(1.0);
        }
        for j in 0..z.columns() {
            for (z, share) in z.column_mut(j).iter_mut().zip(&shares) {
                *z *= share;
            }
        }
        shares
    }
}

fn lengths(z: &Batch) -> Vec<f64> {
    let mut out = vec![0.0; z.points()];
    for j in 0..z.columns() {
        for (o, z) in out.iter_mut().zip(z.column(j)) {
            *o += z * z;
        }
    }
    out.iter_mut().for_each(|o| *o = o.sqrt());
    out
}

/// `out = psi maps`, the first columns of `psi`.
pub(super) fn combine(psi: BatchRef<'_>, maps: &DMatrix<f64>, out: &mut Batch) {
    let psi = psi.column_range(0..maps.nrows()).faer();
    let (out, maps) = (out.faer_mut(), faer_view(maps));
    faer::linalg::matmul::matmul(out, Accum::Replace, psi, maps, 1.0, Par::Seq);
}

/// Writes the coefficients of the derivatives by the states into columns `first..` of `maps`.
pub(super) fn slopes(
    terms: &HermiteTerms,
    chart: &Chart,
    coefficients: &[f64],
    lowered: &mut [f64],
    maps: &mut DMatrix<f64>,
    first: usize,
) {
    let d = terms.dimension();
    let lowered = &mut lowered[..coefficients.len()];
    maps.columns_mut(first, d).fill(0.0);
    for j in 0..d {
        terms.differentiate(coefficients, j, lowered);
        for i in 0..d {
            let entry = chart.whiten[(j, i)];
            if entry != 0.0 {
                let column = maps.column_mut(first + i);
                for (m, c) in column.into_iter().zip(lowered.iter()) {
                    *m += entry * c;
                }
            }
        }
    }
}

/// The value over a stretch of time.
pub(super) struct Stretch {
    pub from: f64,
    pub chart: Arc<Chart>,
    pub terms: Arc<HermiteTerms>,
    pub coefficients: DenseSolution,
}

impl Stretch {
    pub fn coefficients_at(&self, t: f64) -> Vec<f64> {
        let mut out = vec![0.0; self.coefficients.size()];
        self.coefficients.value(t, &mut out);
        out
    }

    /// The value at points, by the polynomial wherever they are.
    pub fn value(&self, t: f64, x: BatchRef<'_>) -> Vec<f64> {
        let coefficients = self.coefficients_at(t);
        let mut z = Batch::zeros(x.points(), x.columns());
        self.chart.apply(x, z.as_mut());
        let mut psi = Batch::zeros(x.points(), coefficients.len());
        self.terms.eval(z.as_ref(), psi.as_mut());
        let mut out = Batch::zeros(x.points(), 1);
        combine(
            psi.as_ref(),
            &DMatrix::from_column_slice(coefficients.len(), 1, &coefficients),
            &mut out,
        );
        out.column(0).to_vec()
    }
}

impl Stretch {
    /// Values and slopes; beyond the points that were fitted the value goes on with the slope at the edge.
    pub fn eval_with_gradient(&self, t: f64, x: BatchRef<'_>) -> (Vec<f64>, Batch) {
        let (n, d) = (x.points(), x.columns());
        let coefficients = self.coefficients_at(t);
        let terms = coefficients.len();
        let mut maps = DMatrix::zeros(terms, d + 1);
        maps.column_mut(0).copy_from_slice(&coefficients);
        let mut lowered = vec![0.0; terms];
        slopes(
            &self.terms,
            &self.chart,
            &coefficients,
            &mut lowered,
            &mut maps,
            1,
        );
        let mut z = Batch::zeros(n, d);
        self.chart.apply(x, z.as_mut());
        let shares = self.chart.pull_in(&mut z);
        let mut psi = Batch::zeros(n, terms);
        self.terms.eval(z.as_ref(), psi.as_mut());
        let mut found = Batch::zeros(n, d + 1);
        combine(psi.as_ref(), &maps, &mut found);
        let mut value = found.column(0).to_vec();
        let slope = found.as_ref().column_range(1..d + 1).to_batch();
        for (j, mean) in self.chart.mean.iter().enumerate() {
            let along = slope.column(j).iter().zip(x.column(j)).zip(&shares);
            for (value, ((slope, x), share)) in value.iter_mut().zip(along) {
                *value += slope * (x - mean) * (1.0 - share);
            }
        }
        (value, slope)
    }
}

/// The stretches of a horizon, the first in time first.
pub(super) struct PolynomialValue {
    pub stretches: Vec<Stretch>,
}

impl PolynomialValue {
    pub fn stretch(&self, t: f64) -> &Stretch {
        let later = self.stretches.partition_point(|s| s.from <= t);
        &self.stretches[later.saturating_sub(1)]
    }

    pub fn eval_with_gradient(&self, t: f64, x: BatchRef<'_>) -> (Vec<f64>, Batch) {
        self.stretch(t).eval_with_gradient(t, x)
    }
}

impl Field for PolynomialValue {
    fn inputs(&self) -> usize {
        self.stretches[0].terms.dimension()
    }

    fn outputs(&self) -> usize {
        1
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let (value, _) = self.eval_with_gradient(t, x);
        out.column_mut(0).copy_from_slice(&value);
    }
}

/// `u = -R^-1 B' grad V`
pub(super) struct PolynomialPolicy {
    pub value: Arc<PolynomialValue>,
    pub process: Arc<SteeredProcess>,
}

impl Field for PolynomialPolicy {
    fn inputs(&self) -> usize {
        self.process.dimension()
    }

    fn outputs(&self) -> usize {
        self.process.controls()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let (_, slope) = self.value.eval_with_gradient(t, x);
        self.process.best_response(t, x, slope.as_ref(), out);
    }
}
