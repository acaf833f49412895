//! The quadratic form `E int |u_theta|^2 dt` of the coefficients, and coordinates in which it is the square length.
//!
//! Features of one time node meet those of the same and of the next node only: two blocks per node.

use crate::field::feedback::{Feedback, Share};
use crate::numeric::batch::Batch;
use crate::numeric::dense::{Cholesky, DenseError};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use nalgebra::DMatrix;

/// Added to the form, as a share of its mean diagonal: directions no path has visited stay where they are.
const RIDGE: f64 = 1e-9;

/// Sums of products of features, block by block: diagonal ones first, then those above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub features: usize,
    pub nodes: usize,
    pub controls: usize,
}

impl Layout {
    pub fn of(field: &Feedback) -> Self {
        Self {
            features: field.features(),
            nodes: field.nodes(),
            controls: field.controls(),
        }
    }

    /// Numbers in the blocks.
    pub fn size(&self) -> usize {
        2 * self.nodes * self.features * self.features
    }

    /// Adds `sum over points of weight phi phi'`.
    pub fn add(&self, at: Share, design: &Batch, weight: Option<&[f64]>, blocks: &mut [f64]) {
        let (p, points) = (self.features, design.points());
        let (square, half) = (p * p, self.nodes * p * p);
        let mut weighted = design.clone();
        if let Some(weight) = weight {
            for a in 0..p {
                for (v, w) in weighted.column_mut(a).iter_mut().zip(weight) {
                    *v *= w;
                }
            }
        }
        let left = MatRef::from_column_major_slice(weighted.as_slice(), points, p);
        let right = MatRef::from_column_major_slice(design.as_slice(), points, p);
        let mut products = vec![0.0; square];
        let out = MatMut::from_column_major_slice_mut(&mut products, p, p);
        matmul(out, Accum::Replace, left.transpose(), right, 1.0, Par::Seq);
        let (left, right) = (1.0 - at.share, at.share);
        for (place, product) in products.iter().enumerate() {
            blocks[at.node * square + place] += left * left * product;
            if right > 0.0 {
                blocks[(at.node + 1) * square + place] += right * right * product;
                blocks[half + at.node * square + place] += left * right * product;
            }
        }
    }

    /// The whole form, node by node, with the ridge.
    pub fn dense(&self, blocks: &[f64]) -> DMatrix<f64> {
        let p = self.features;
        let (square, half, n) = (p * p, self.nodes * p * p, self.nodes * p);
        let mut form = DMatrix::zeros(n, n);
        for node in 0..self.nodes {
            for i in 0..p {
                for j in 0..p {
                    let place = node * square + i * p + j;
                    form[(node * p + i, node * p + j)] = blocks[place];
                    if node + 1 < self.nodes {
                        form[(node * p + i, (node + 1) * p + j)] = blocks[half + place];
                        form[((node + 1) * p + j, node * p + i)] = blocks[half + place];
                    }
                }
            }
        }
        let ridge = RIDGE * form.trace() / n as f64;
        for i in 0..n {
            form[(i, i)] += ridge;
        }
        form
    }

    /// Coefficients as a table: (node, feature) × control.
    pub fn table(&self, theta: &[f64]) -> DMatrix<f64> {
        let p = self.features;
        DMatrix::from_fn(self.nodes * p, self.controls, |row, control| {
            theta[((row / p) * self.controls + control) * p + row % p]
        })
    }

    /// The inverse of [`Self::table`].
    pub fn list(&self, table: &DMatrix<f64>) -> Vec<f64> {
        let p = self.features;
        let mut theta = vec![0.0; table.len()];
        for row in 0..table.nrows() {
            for control in 0..self.controls {
                theta[((row / p) * self.controls + control) * p + row % p] = table[(row, control)];
            }
        }
        theta
    }
}

/// `theta = L^-T z` with the form `L L'`.
#[derive(Clone, Debug)]
pub struct Metric {
    layout: Layout,
    inverse_lower: DMatrix<f64>,
    lower: DMatrix<f64>,
}

impl Metric {
    /// From the blocks of a form.
    ///
    /// # Errors
    /// A form that is not positive.
    pub fn new(layout: Layout, blocks: &[f64]) -> Result<Self, DenseError> {
        let factor = Cholesky::new(&layout.dense(blocks))?;
        Ok(Self {
            layout,
            inverse_lower: factor.inverse_lower(),
            lower: factor.lower(),
        })
    }

    pub fn parameters(&self, z: &[f64]) -> Vec<f64> {
        let z = self.layout.table(z);
        self.layout.list(&self.inverse_lower.tr_mul(&z))
    }

    pub fn coordinates(&self, theta: &[f64]) -> Vec<f64> {
        let theta = self.layout.table(theta);
        self.layout.list(&self.lower.tr_mul(&theta))
    }

    /// A gradient in the parameters becomes one in the coordinates.
    pub fn pull_back(&self, gradient: &[f64]) -> Vec<f64> {
        let gradient = self.layout.table(gradient);
        self.layout.list(&(&self.inverse_lower * gradient))
    }
}
