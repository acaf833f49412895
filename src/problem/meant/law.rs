//! Probability laws as the user states them, after validation.

use crate::expr::Expr;
use crate::numeric::batch::Batch;
use nalgebra::DMatrix;

/// A symmetric positive (semi)definite matrix, stored in its cheapest form.
#[derive(Clone, Debug, PartialEq)]
pub enum Covariance {
    /// `v I`.
    Isotropic(f64),
    /// `diag(v)`.
    Diagonal(Vec<f64>),
    /// Rows of a full matrix.
    Full(Vec<Vec<f64>>),
}

impl Covariance {
    pub fn entry(&self, i: usize, j: usize) -> f64 {
        match self {
            Self::Isotropic(v) => {
                if i == j {
                    *v
                } else {
                    0.0
                }
            }
            Self::Diagonal(v) => {
                if i == j {
                    v[i]
                } else {
                    0.0
                }
            }
            Self::Full(rows) => rows[i][j],
        }
    }

    /// These entries, whatever their pattern.
    pub fn full(matrix: &DMatrix<f64>) -> Self {
        let rows = matrix.row_iter();
        Self::Full(rows.map(|row| row.iter().copied().collect()).collect())
    }

    /// All entries, `dimension` by `dimension`.
    pub fn dense(&self, dimension: usize) -> DMatrix<f64> {
        DMatrix::from_fn(dimension, dimension, |i, j| self.entry(i, j))
    }
}

/// A finite mixture of Gaussians; a Gaussian is a mixture of one, a table of points with kernel
/// bandwidth `b` is a mixture of equal weights and covariances `b^2 I` (`b = 0`: point masses).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// Positive, summing to one.
    pub weights: Vec<f64>,
    pub means: Vec<Vec<f64>>,
    pub covariances: Vec<Covariance>,
}

impl Mixture {
    pub fn gaussian(mean: Vec<f64>, covariance: Covariance) -> Self {
        Self {
            weights: vec![1.0],
            means: vec![mean],
            covariances: vec![covariance],
        }
    }

    pub fn dimension(&self) -> usize {
        self.means[0].len()
    }

    pub fn components(&self) -> usize {
        self.weights.len()
    }

    /// Mean vector.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dimension()];
        for (w, m) in self.weights.iter().zip(&self.means) {
            for (total, value) in mean.iter_mut().zip(m) {
                *total += w * value;
            }
        }
        mean
    }

    /// Diagonal of the covariance matrix.
    pub fn variances(&self) -> Vec<f64> {
        let mean = self.mean();
        (0..self.dimension())
            .map(|j| {
                (0..self.components())
                    .map(|k| {
                        let offset = self.means[k][j] - mean[j];
                        self.weights[k] * (self.covariances[k].entry(j, j) + offset * offset)
                    })
                    .sum()
            })
            .collect()
    }

    /// Covariance matrix, row by row: `Σ w_k (S_k + m_k m_kᵀ) − m mᵀ`.
    pub fn covariance(&self) -> Vec<Vec<f64>> {
        let d = self.dimension();
        let mean = self.mean();
        let mut rows = vec![vec![0.0; d]; d];
        for k in 0..self.components() {
            for i in 0..d {
                for j in 0..d {
                    rows[i][j] += self.weights[k]
                        * (self.covariances[k].entry(i, j)
                            + (self.means[k][i] - mean[i]) * (self.means[k][j] - mean[j]));
                }
            }
        }
        rows
    }
}

/// How a table was shifted and scaled before use: `standardized = (raw - shift) / scale`.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardization {
    pub shift: Vec<f64>,
    pub scale: Vec<f64>,
}

impl Standardization {
    /// Puts points back into the units of the table.
    pub fn undo(&self, points: &mut Batch) {
        for j in 0..points.columns() {
            self.undo_axis(j, points.column_mut(j));
        }
    }

    /// Puts values of one coordinate back into the units of the table.
    pub fn undo_axis(&self, coordinate: usize, values: &mut [f64]) {
        let (shift, scale) = (self.shift[coordinate], self.scale[coordinate]);
        values.iter_mut().for_each(|x| *x = shift + scale * *x);
    }

    /// Product of the scales: a density in working units divided by it is one in the table's units.
    pub fn volume(&self) -> f64 {
        self.scale.iter().product()
    }
}

/// Rows of a table, in the units the solvers work in.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// Path of the table as the user wrote it.
    pub file: String,
    pub columns: Vec<String>,
    /// Rows the score may use.
    pub training: Vec<Vec<f64>>,
    /// Rows kept aside; never used by a solver.
    pub holdout: Vec<Vec<f64>>,
    /// Weights of the training rows, positive, summing to one.
    pub weights: Vec<f64>,
    /// Kernel width in working units; 0 means point masses.
    pub bandwidth: f64,
    pub standardization: Option<Standardization>,
}

/// A centre line `c(s)`, `s` uniform on `[0, 1]`, with isotropic Gaussian width.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The curve parameter.
    pub parameter: Expr,
    pub centre: Vec<Expr>,
    pub width: f64,
    /// The law itself, as a Gaussian mixture over quadrature nodes of `s`, to rounding.
    pub mixture: Mixture,
}

/// Exact draws from a density, by a map of standard normals.
#[derive(Clone, Debug, PartialEq)]
pub struct ExactDraws {
    /// Symbols of independent standard normals.
    pub noise: Vec<Expr>,
    /// One expression of them per state.
    pub map: Vec<Expr>,
}

/// An unnormalised density `exp(log_density)` of the state symbols.
#[derive(Clone, Debug, PartialEq)]
pub struct LogDensity {
    pub log_density: Expr,
    /// The density itself, where the file states it rather than its logarithm.
    pub density: Option<Expr>,
    pub log_normalizer: Option<f64>,
    /// Known draws; no solver may use them.
    pub exact: Option<ExactDraws>,
}

/// A law in a role table (`[data]`, `[prior]`, ...).
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    Gaussian(Mixture),
    Mixture(Mixture),
    Samples(Samples),
    Curve(Curve),
    /// One point.
    Delta(Vec<f64>),
    /// Equal density in a box, an interval per component.
    Uniform(Vec<(f64, f64)>),
    LogDensity(LogDensity),
}

impl Law {
    /// The family as written in the file.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Gaussian(_) => "gaussian",
            Self::Mixture(_) => "mixture",
            Self::Samples(_) => "samples",
            Self::Curve(_) => "curve",
            Self::Delta(_) => "delta",
            Self::Uniform(_) => "uniform",
            Self::LogDensity(law) if law.density.is_some() => "density",
            Self::LogDensity(_) => "log-density",
        }
    }

    /// Number of components, where the law itself tells.
    pub fn dimension(&self) -> Option<usize> {
        match self {
            Self::Gaussian(mixture) | Self::Mixture(mixture) => Some(mixture.dimension()),
            Self::Samples(samples) => Some(samples.columns.len()),
            Self::Curve(curve) => Some(curve.centre.len()),
            Self::Delta(point) => Some(point.len()),
            Self::Uniform(intervals) => Some(intervals.len()),
            Self::LogDensity(_) => None,
        }
    }

    /// The law as a Gaussian mixture, where it is one.
    pub fn mixture(&self) -> Option<Mixture> {
        match self {
            Self::Gaussian(mixture) | Self::Mixture(mixture) => Some(mixture.clone()),
            Self::Curve(curve) => Some(curve.mixture.clone()),
            Self::Samples(samples) => Some(Mixture {
                weights: samples.weights.clone(),
                means: samples.training.clone(),
                covariances: vec![
                    Covariance::Isotropic(samples.bandwidth * samples.bandwidth);
                    samples.training.len()
                ],
            }),
            Self::Delta(point) => {
                Some(Mixture::gaussian(point.clone(), Covariance::Isotropic(0.0)))
            }
            Self::Uniform(_) | Self::LogDensity(_) => None,
        }
    }
}
