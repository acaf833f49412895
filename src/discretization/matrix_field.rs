//! A matrix of formulas with numbers in it: what does not depend on the state is found when it is compiled and evaluated
//! once a call, not once a point.

use crate::expr::{CompileError, Expr, Graph, Kernel};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use nalgebra::DMatrix;

/// A matrix of compiled entries, row by row.
#[derive(Clone, Debug)]
pub struct MatrixField {
    rows: usize,
    columns: usize,
    entries: Kernel,
    /// Whether an entry contains the state, and the time.
    of_state: bool,
    of_time: bool,
    /// Entries that vanish identically: (row, column) of the others, in the order of `entries`.
    places: Vec<(usize, usize)>,
    /// The entries where they are constant.
    fixed: Option<Batch>,
    /// Where they also are many, the matrix and its transpose.
    dense: Option<Box<[DMatrix<f64>; 2]>>,
}

impl MatrixField {
    /// Compiles a matrix of functions of `time` and `state`.
    pub(crate) fn new(
        graph: &Graph,
        matrix: &[Vec<Expr>],
        time: Expr,
        state: &[Expr],
    ) -> Result<Self, CompileError> {
        let mut places = Vec::new();
        let mut entries = Vec::new();
        for (i, row) in matrix.iter().enumerate() {
            for (j, entry) in row.iter().enumerate() {
                if !graph.is_zero(*entry) {
                    places.push((i, j));
                    entries.push(*entry);
                }
            }
        }
        let of_state = entries.iter().any(|e| graph.depends_on_any(*e, state));
        let of_time = entries.iter().any(|e| graph.depends_on(*e, time));
        let inputs: &[Expr] = if of_state { state } else { &[] };
        let mut field = Self {
            rows: matrix.len(),
            columns: matrix.first().map_or(0, Vec::len),
            entries: Kernel::compile(graph, &entries, time, inputs)?,
            of_state,
            of_time,
            places,
            fixed: None,
            dense: None,
        };
        if !of_state && !of_time {
            field.fixed = Some(field.values(0.0, Batch::zeros(1, 0).as_ref()));
            if 2 * field.places.len() > field.rows * field.columns {
                let matrix = field.at(0.0, &[]);
                field.dense = Some(Box::new([matrix.clone(), matrix.transpose()]));
            }
        }
        Ok(field)
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether an entry depends on the state.
    pub fn depends_on_state(&self) -> bool {
        self.of_state
    }

    /// Whether an entry depends on time.
    pub(super) fn depends_on_time(&self) -> bool {
        self.of_time
    }

    /// Whether no entry depends on state or time.
    pub fn is_constant(&self) -> bool {
        self.fixed.is_some()
    }

    /// The matrix at one point; `x` may be empty where the entries are free of the state.
    pub fn at(&self, t: f64, x: &[f64]) -> DMatrix<f64> {
        let mut point = Batch::zeros(1, self.entries.inputs());
        for (j, value) in x.iter().take(self.entries.inputs()).enumerate() {
            point.column_mut(j)[0] = *value;
        }
        let mut values = Batch::zeros(1, self.places.len());
        self.entries.eval(t, point.as_ref(), values.as_mut());
        let mut matrix = DMatrix::zeros(self.rows, self.columns);
        for (k, &(i, j)) in self.places.iter().enumerate() {
            matrix[(i, j)] = values.column(k)[0];
        }
        matrix
    }

    /// Entries that do not vanish, one column each in the order of [`Self::places`]; one row where the
    /// matrix is free of the state, else one per point.
    pub fn values(&self, t: f64, x: BatchRef<'_>) -> Batch {
        let points = if self.of_state { x.points() } else { 1 };
        let mut values = Batch::zeros(points, self.places.len());
        if self.of_state {
            self.entries.eval(t, x, values.as_mut());
        } else {
            self.entries
                .eval(t, Batch::zeros(1, 0).as_ref(), values.as_mut());
        }
        values
    }

    /// As [`Self::values`], one row per point in any case.
    pub(super) fn write_values(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        if self.of_state {
            self.entries.eval(t, x, out);
            return;
        }
        let values = self.values(t, x);
        for k in 0..values.columns() {
            out.column_mut(k).fill(values.get(0, k));
        }
    }

    /// (row, column) of the entries that do not vanish identically.
    pub fn places(&self) -> &[(usize, usize)] {
        &self.places
    }

    /// `out += scale · M v`, `v` points × columns, `out` points × rows.
    pub fn add_times(
        &self,
        t: f64,
        x: BatchRef<'_>,
        scale: f64,
        v: BatchRef<'_>,
        out: BatchMut<'_>,
    ) {
        self.accumulate(t, x, scale, v, out, false);
    }

    /// `out += scale · Mᵀ v`, `v` points × rows, `out` points × columns.
    pub fn add_transposed_times(
        &self,
        t: f64,
        x: BatchRef<'_>,
        scale: f64,
        v: BatchRef<'_>,
        out: BatchMut<'_>,
    ) {
        self.accumulate(t, x, scale, v, out, true);
    }

    fn accumulate(
        &self,
        t: f64,
        x: BatchRef<'_>,
        scale: f64,
        v: BatchRef<'_>,
        mut out: BatchMut<'_>,
        transposed: bool,
    ) {
        if let Some(dense) = &self.dense {
            let matrix = &dense[usize::from(transposed)];
            return out.add_product(scale, matrix, v);
        }
        let evaluated;
        let values = match &self.fixed {
            Some(values) => values,
            None => {
                evaluated = self.values(t, x);
                &evaluated
            }
        };
        for (k, &(i, j)) in self.places.iter().enumerate() {
            let (from, to) = if transposed { (i, j) } else { (j, i) };
            let entry = values.column(k);
            let target = out.column_mut(to);
            if self.of_state {
                for ((o, v), m) in target.iter_mut().zip(v.column(from)).zip(entry) {
                    *o += scale * m * v;
                }
            } else {
                let factor = scale * entry[0];
                for (o, v) in target.iter_mut().zip(v.column(from)) {
                    *o += factor * v;
                }
            }
        }
    }
}
