//! The quadratic form `E int |u_theta|^2 dt` of the coefficients of a feedback control.
//!
//! Features of one time node meet those of the same and of the next node only: two blocks per node. Controls that see
//! the same features share a form.

use crate::field::feedback::{Feedback, Share};
use crate::numeric::batch::Batch;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, Par};
use nalgebra::DMatrix;

/// Added to the form, as a share of its mean diagonal: directions no path has visited stay where they are.
const RIDGE: f64 = 1e-9;

/// Sums of products of features, block by block: diagonal ones first, then those above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    features: usize,
    nodes: usize,
    controls: usize,
    views: Vec<View>,
}

/// Controls that see the same features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    seen: Vec<usize>,
    controls: Vec<usize>,
}

impl Layout {
    pub fn of(field: &Feedback) -> Self {
        let mut views: Vec<View> = Vec::new();
        for control in 0..field.controls() {
            let seen = field.seen(control);
            match views.iter_mut().find(|view| view.seen == seen) {
                Some(view) => view.controls.push(control),
                None => views.push(View {
                    seen: seen.to_vec(),
                    controls: vec![control],
                }),
            }
        }
        Self {
            features: field.features(),
            nodes: field.nodes(),
            controls: field.controls(),
            views,
        }
    }

    /// Every control is in one.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// Numbers in the blocks.
    pub fn size(&self) -> usize {
        2 * self.nodes * self.features * self.features
    }

    /// Adds `sum over points of weight phi phi'`.
    pub fn add(&self, at: Share, design: &Batch, weight: &[f64], blocks: &mut [f64]) {
        let p = self.features;
        let (square, half) = (p * p, self.nodes * p * p);
        let mut weighted = design.clone();
        for a in 0..p {
            for (v, w) in weighted.column_mut(a).iter_mut().zip(weight) {
                *v *= w;
            }
        }
        let (left, right) = (weighted.as_ref().faer(), design.as_ref().faer());
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

    /// The form of what a view sees, node by node, with the ridge.
    pub fn dense(&self, blocks: &[f64], view: &View) -> DMatrix<f64> {
        let (p, seen) = (self.features, &view.seen);
        let (square, half, n) = (p * p, self.nodes * p * p, self.nodes * seen.len());
        let mut form = DMatrix::zeros(n, n);
        for node in 0..self.nodes {
            let (here, next) = (node * seen.len(), (node + 1) * seen.len());
            for (i, a) in seen.iter().enumerate() {
                for (j, b) in seen.iter().enumerate() {
                    let place = node * square + a * p + b;
                    form[(here + i, here + j)] = blocks[place];
                    if node + 1 < self.nodes {
                        form[(here + i, next + j)] = blocks[half + place];
                        form[(next + j, here + i)] = blocks[half + place];
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

    /// Coefficients of a view as a table: (node, feature seen) × control.
    pub fn table(&self, theta: &[f64], view: &View) -> DMatrix<f64> {
        let (rows, columns) = (self.nodes * view.seen.len(), view.controls.len());
        DMatrix::from_fn(rows, columns, |row, column| {
            theta[self.place(view, row, column)]
        })
    }

    /// The inverse of [`Self::table`]; coefficients of other views are left alone.
    pub fn write(&self, table: &DMatrix<f64>, view: &View, theta: &mut [f64]) {
        for row in 0..table.nrows() {
            for column in 0..table.ncols() {
                theta[self.place(view, row, column)] = table[(row, column)];
            }
        }
    }

    /// Places of the coefficients of every control, with the view it is in.
    pub fn controls(&self) -> impl Iterator<Item = (usize, Vec<usize>)> {
        let views = self.views.iter().enumerate();
        views.flat_map(move |(at, view)| {
            let rows = self.nodes * view.seen.len();
            (0..view.controls.len()).map(move |column| {
                let places = (0..rows).map(|row| self.place(view, row, column));
                (at, places.collect())
            })
        })
    }

    fn place(&self, view: &View, row: usize, column: usize) -> usize {
        let (node, feature) = (row / view.seen.len(), view.seen[row % view.seen.len()]);
        (node * self.controls + view.controls[column]) * self.features + feature
    }
}
