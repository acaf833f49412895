//! The matrix equations of a quadratic value, with their coefficients.

use crate::derivation::control::riccati::LinearQuadratic;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::expr::{CompileError, Expr, Kernel};
use crate::numeric::batch::Batch;
use crate::numeric::runge_kutta::Rates;
use crate::solvers::lowered::problem::Lowered;
use nalgebra::{DMatrix, DMatrixView, DVector, DVectorView};
use std::ops::Range;

/// Entries of `P`, column by column, then `r`, then `c`.
fn layout(d: usize) -> [Range<usize>; 3] {
    let square = d * d;
    [0..square, square..square + d, square + d..square + d + 1]
}

/// Compiled functions of time with their places in a list of matrices.
#[derive(Clone, Debug)]
pub(super) struct Table {
    entries: Kernel,
    /// Matrix, row and column of every entry that does not vanish identically.
    pub(super) places: Vec<(usize, usize, usize)>,
    constant: bool,
}

impl Table {
    pub(super) fn new(
        parts: &ControlledDiffusion,
        matrices: &[Vec<Vec<Expr>>],
    ) -> Result<Self, CompileError> {
        let (graph, time) = (&parts.process.graph, parts.process.time);
        let (mut entries, mut places) = (Vec::new(), Vec::new());
        for (k, matrix) in matrices.iter().enumerate() {
            for (i, row) in matrix.iter().enumerate() {
                for (j, entry) in row.iter().enumerate() {
                    if !graph.is_zero(*entry) {
                        entries.push(*entry);
                        places.push((k, i, j));
                    }
                }
            }
        }
        Ok(Self {
            constant: !entries.iter().any(|e| graph.depends_on(*e, time)),
            entries: Kernel::compile(graph, &entries, time, &[])?,
            places,
        })
    }

    pub(super) fn fill(&self, t: f64, values: &mut Batch, matrices: &mut [DMatrix<f64>]) {
        self.entries
            .eval(t, Batch::zeros(1, 0).as_ref(), values.as_mut());
        for (column, &(k, i, j)) in self.places.iter().enumerate() {
            matrices[k][(i, j)] = values.column(column)[0];
        }
    }
}

pub(super) fn column(vector: &[Expr]) -> Vec<Vec<Expr>> {
    vector.iter().map(|e| vec![*e]).collect()
}

/// The right sides, with the coefficients at the time they were last asked for.
#[derive(Clone, Debug)]
pub struct Equations {
    table: Table,
    blocks: [Range<usize>; 3],
    pub(super) discount: f64,
    /// Without control the terms with `S` are left out.
    steered: bool,
    /// `A`, `a`, `S`, `Q`, `k`, `D`, `q_0`.
    pub(super) coefficients: [DMatrix<f64>; 7],
    values: Batch,
    bent: DMatrix<f64>,
    carried: DMatrix<f64>,
    pulled: DVector<f64>,
}

impl Equations {
    pub(super) fn new(
        parts: &ControlledDiffusion,
        lq: &LinearQuadratic,
        lowered: &Lowered,
    ) -> Result<Self, CompileError> {
        let d = lq.shift.len();
        let table = Table::new(
            parts,
            &[
                lq.matrix.clone(),
                column(&lq.shift),
                lq.authority.clone(),
                lq.running.matrix.clone(),
                column(&lq.running.vector),
                parts.process.diffusivity.clone(),
                column(&[lq.running.constant]),
            ],
        )?;
        let mut equations = Self {
            values: Batch::zeros(1, table.places.len()),
            table,
            blocks: layout(d),
            discount: lowered.compiled.steered.discount(),
            steered: true,
            coefficients: [(d, d), (d, 1), (d, d), (d, d), (d, 1), (d, d), (1, 1)]
                .map(|(rows, columns)| DMatrix::zeros(rows, columns)),
            bent: DMatrix::zeros(d, d),
            carried: DMatrix::zeros(d, d),
            pulled: DVector::zeros(d),
        };
        equations.load(lowered.compiled.steered.end());
        Ok(equations)
    }

    /// The same process left to itself: `S = 0`.
    pub(super) fn idle(&self) -> Self {
        let mut idle = self.clone();
        idle.steered = false;
        idle
    }

    /// Whether the coefficients are free of time.
    pub(super) fn is_constant(&self) -> bool {
        self.table.constant
    }

    pub(super) fn load(&mut self, t: f64) {
        self.table.fill(t, &mut self.values, &mut self.coefficients);
    }
}

impl Rates for Equations {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn rates(&mut self, t: f64, y: &[f64], out: &mut [f64]) {
        if !self.table.constant {
            self.load(t);
        }
        let [a, shift, s, q, k, noise, q0] = &self.coefficients;
        let d = shift.nrows();
        let (form, vector, constant) = parts_of(y, d);
        let rho = self.discount;
        // P A - 1/2 P S P and its transpose are the rate, so the result is symmetric to the bit.
        self.bent.copy_from(a);
        if self.steered {
            self.bent.gemm(-0.5, s, &form, 1.0);
        }
        self.carried.gemm(1.0, &form, &self.bent, 0.0);
        for j in 0..d {
            for i in 0..d {
                let carried = self.carried[(i, j)] + self.carried[(j, i)];
                out[j * d + i] = rho * form[(i, j)] - carried - q[(i, j)];
            }
        }
        let [_, vectors, last] = self.blocks.clone();
        let authority = f64::from(u8::from(self.steered));
        self.pulled.gemv(authority, s, &vector, 0.0);
        let saved = 0.5 * self.pulled.dot(&vector);
        self.pulled -= shift.column(0);
        let rate = &mut out[vectors];
        for (i, rate) in rate.iter_mut().enumerate() {
            *rate = rho * vector[i] - a.column(i).dot(&vector) + form.column(i).dot(&self.pulled)
                - k[(i, 0)];
        }
        out[last.start] = rho * constant - shift.column(0).dot(&vector) + saved
            - 0.5 * noise.dot(&form)
            - q0[(0, 0)];
    }
}

pub(super) fn parts_of(y: &[f64], d: usize) -> (DMatrixView<'_, f64>, DVectorView<'_, f64>, f64) {
    let [form, vector, constant] = layout(d);
    (
        DMatrixView::from_slice(&y[form], d, d),
        DVectorView::from_slice(&y[vector], d),
        y[constant.start],
    )
}

/// `E V = 1/2 tr(P C) + 1/2 m'P m + r.m + c`.
pub(super) fn averaged(y: &[f64], mean: &DVector<f64>, covariance: &DMatrix<f64>) -> f64 {
    let (form, vector, constant) = parts_of(y, mean.len());
    let bent = form * mean;
    0.5 * form.dot(covariance) + 0.5 * mean.dot(&bent) + vector.dot(mean) + constant
}
