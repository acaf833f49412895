//! Blocks of points laid out coordinate by coordinate.

use crate::numeric::sums::add_scaled;
use faer::{Accum, MatMut, MatRef, Par};
use nalgebra::DMatrixView;
use std::ops::Range;

/// Rows and columns from which a matrix is multiplied in blocks.
const BLOCKED: usize = 8;

/// An owned table of `points` × `columns`, one contiguous column per coordinate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    points: usize,
    columns: usize,
    data: Vec<f64>,
}

/// A borrowed block of points; columns are contiguous, successive columns are `stride` apart.
#[derive(Clone, Copy, Debug)]
pub struct BatchRef<'a> {
    points: usize,
    columns: usize,
    stride: usize,
    data: &'a [f64],
}

/// A mutably borrowed block of points.
#[derive(Debug)]
pub struct BatchMut<'a> {
    points: usize,
    columns: usize,
    stride: usize,
    data: &'a mut [f64],
}

impl Batch {
    /// A table of zeros.
    pub fn zeros(points: usize, columns: usize) -> Self {
        Self {
            points,
            columns,
            data: vec![0.0; points * columns],
        }
    }

    /// Copies rows (one point each) into columns. All rows must have `columns` entries.
    pub fn from_rows<R: AsRef<[f64]>>(columns: usize, rows: &[R]) -> Self {
        let mut batch = Self::zeros(rows.len(), columns);
        for (i, row) in rows.iter().enumerate() {
            let row = row.as_ref();
            assert_eq!(row.len(), columns, "every row has one entry per column");
            for (j, value) in row.iter().enumerate() {
                batch.data[j * rows.len() + i] = *value;
            }
        }
        batch
    }

    /// Takes column-major data: all points of coordinate 0, then of coordinate 1, and so on.
    pub fn from_columns(points: usize, columns: usize, data: Vec<f64>) -> Self {
        assert_eq!(data.len(), points * columns, "data fill the table");
        Self {
            points,
            columns,
            data,
        }
    }

    pub fn points(&self) -> usize {
        self.points
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn column(&self, j: usize) -> &[f64] {
        &self.data[j * self.points..(j + 1) * self.points]
    }

    pub fn column_mut(&mut self, j: usize) -> &mut [f64] {
        &mut self.data[j * self.points..(j + 1) * self.points]
    }

    /// One point, copied out.
    pub fn row(&self, i: usize) -> Vec<f64> {
        (0..self.columns).map(|j| self.column(j)[i]).collect()
    }

    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.column(j)[i]
    }

    /// The table as faer sees it, to be written.
    pub fn faer_mut(&mut self) -> MatMut<'_, f64> {
        MatMut::from_column_major_slice_mut(&mut self.data, self.points, self.columns)
    }

    /// The column-major storage.
    pub fn as_slice(&self) -> &[f64] {
        &self.data
    }

    pub fn as_mut_slice(&mut self) -> &mut [f64] {
        &mut self.data
    }

    pub fn fill(&mut self, value: f64) {
        self.data.fill(value);
    }

    /// `self += scale · x`, entry by entry, for tables of one shape.
    pub fn add_scaled(&mut self, scale: f64, x: &Batch) {
        assert_eq!(
            (self.points, self.columns),
            (x.points, x.columns),
            "tables of one shape"
        );
        add_scaled(scale, &x.data, &mut self.data);
    }

    pub fn as_ref(&self) -> BatchRef<'_> {
        BatchRef {
            points: self.points,
            columns: self.columns,
            stride: self.points,
            data: &self.data,
        }
    }

    pub fn as_mut(&mut self) -> BatchMut<'_> {
        BatchMut {
            points: self.points,
            columns: self.columns,
            stride: self.points,
            data: &mut self.data,
        }
    }

    /// Copies a block of points into rows `first..first + block.points()`.
    pub fn write_rows(&mut self, first: usize, block: BatchRef<'_>) {
        assert_eq!(block.columns(), self.columns, "same coordinates");
        for j in 0..self.columns {
            self.column_mut(j)[first..first + block.points()].copy_from_slice(block.column(j));
        }
    }
}

impl<'a> BatchRef<'a> {
    /// Wraps column-major data whose columns start `stride` apart.
    pub fn new(data: &'a [f64], points: usize, columns: usize, stride: usize) -> Self {
        assert!(
            columns == 0 || (columns - 1) * stride + points <= data.len(),
            "columns lie within the data"
        );
        Self {
            points,
            columns,
            stride,
            data,
        }
    }

    pub fn points(&self) -> usize {
        self.points
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn column(&self, j: usize) -> &'a [f64] {
        assert!(j < self.columns, "column {j} of {}", self.columns);
        &self.data[j * self.stride..j * self.stride + self.points]
    }

    /// A sub-block of points.
    pub fn rows(&self, range: Range<usize>) -> BatchRef<'a> {
        assert!(range.end <= self.points, "rows within the block");
        BatchRef {
            points: range.len(),
            columns: self.columns,
            stride: self.stride,
            data: &self.data[range.start.min(self.data.len())..],
        }
    }

    /// Some of the columns.
    pub fn column_range(&self, range: Range<usize>) -> BatchRef<'a> {
        assert!(range.end <= self.columns, "columns of the block");
        let first = (range.start * self.stride).min(self.data.len());
        BatchRef {
            columns: range.len(),
            data: &self.data[first..],
            ..*self
        }
    }

    /// The block as faer sees it.
    pub fn faer(&self) -> MatRef<'a, f64> {
        MatRef::from_column_major_slice_with_stride(
            self.data,
            self.points,
            self.columns,
            self.stride,
        )
    }

    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.column(j)[i]
    }

    /// One point, copied out.
    pub fn row(&self, i: usize) -> Vec<f64> {
        (0..self.columns).map(|j| self.column(j)[i]).collect()
    }

    /// An owned, dense copy.
    pub fn to_batch(&self) -> Batch {
        let mut batch = Batch::zeros(self.points, self.columns);
        batch.write_rows(0, *self);
        batch
    }
}

impl<'a> BatchMut<'a> {
    pub fn new(data: &'a mut [f64], points: usize, columns: usize, stride: usize) -> Self {
        assert!(
            columns == 0 || (columns - 1) * stride + points <= data.len(),
            "columns lie within the data"
        );
        Self {
            points,
            columns,
            stride,
            data,
        }
    }

    pub fn points(&self) -> usize {
        self.points
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn column(&self, j: usize) -> &[f64] {
        assert!(j < self.columns, "column {j} of {}", self.columns);
        &self.data[j * self.stride..j * self.stride + self.points]
    }

    pub fn column_mut(&mut self, j: usize) -> &mut [f64] {
        assert!(j < self.columns, "column {j} of {}", self.columns);
        &mut self.data[j * self.stride..j * self.stride + self.points]
    }

    /// A column to read and a later one to write.
    pub fn column_and_later(&mut self, read: usize, write: usize) -> (&[f64], &mut [f64]) {
        assert!(
            read < write && write < self.columns,
            "a column before the other"
        );
        let (before, after) = self.data.split_at_mut(write * self.stride);
        let read = &before[read * self.stride..read * self.stride + self.points];
        (read, &mut after[..self.points])
    }

    pub fn fill(&mut self, value: f64) {
        for j in 0..self.columns {
            self.column_mut(j).fill(value);
        }
    }

    pub fn as_ref(&self) -> BatchRef<'_> {
        BatchRef {
            points: self.points,
            columns: self.columns,
            stride: self.stride,
            data: self.data,
        }
    }

    /// A shorter-lived mutable view of the same block.
    pub fn reborrow(&mut self) -> BatchMut<'_> {
        BatchMut {
            points: self.points,
            columns: self.columns,
            stride: self.stride,
            data: self.data,
        }
    }

    /// A mutable sub-block of points.
    pub fn rows_mut(&mut self, range: Range<usize>) -> BatchMut<'_> {
        assert!(range.end <= self.points, "rows within the block");
        let start = range.start.min(self.data.len());
        BatchMut {
            points: range.len(),
            columns: self.columns,
            stride: self.stride,
            data: &mut self.data[start..],
        }
    }

    pub fn copy_from(&mut self, source: BatchRef<'_>) {
        assert_eq!(source.columns(), self.columns, "same coordinates");
        for j in 0..self.columns {
            self.column_mut(j).copy_from_slice(source.column(j));
        }
    }

    pub fn scale(&mut self, factor: f64) {
        for j in 0..self.columns {
            self.column_mut(j).iter_mut().for_each(|v| *v *= factor);
        }
    }

    /// `self += scale · x`, entry by entry.
    pub fn add_scaled(&mut self, scale: f64, x: BatchRef<'_>) {
        for j in 0..self.columns {
            add_scaled(scale, x.column(j), self.column_mut(j));
        }
    }

    /// `self += scale M v`, point by point; entries of a small M that vanish cost nothing.
    pub fn add_product<'m>(
        &mut self,
        scale: f64,
        matrix: impl Into<DMatrixView<'m, f64>>,
        v: BatchRef<'_>,
    ) {
        let matrix: DMatrixView<'_, f64> = matrix.into();
        let (rows, columns) = matrix.shape();
        assert_eq!((rows, columns), (self.columns, v.columns()), "M fits");
        if rows.min(columns) >= BLOCKED {
            let whole = matrix.clone_owned();
            let view = MatRef::from_column_major_slice(whole.as_slice(), rows, columns);
            let out = MatMut::from_column_major_slice_with_stride_mut(
                self.data,
                self.points,
                self.columns,
                self.stride,
            );
            let from =
                MatRef::from_column_major_slice_with_stride(v.data, v.points, v.columns, v.stride);
            let right = view.transpose();
            faer::linalg::matmul::matmul(out, Accum::Add, from, right, scale, Par::Seq);
            return;
        }
        for i in 0..matrix.nrows() {
            let column = self.column_mut(i);
            for j in 0..matrix.ncols() {
                let entry = scale * matrix[(i, j)];
                if entry != 0.0 {
                    add_scaled(entry, v.column(j), column);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_are_two_views_of_one_table() {
        let batch = Batch::from_rows(2, &[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
        assert_eq!(batch.column(0), [1.0, 3.0, 5.0]);
        assert_eq!(batch.row(1), [3.0, 4.0]);
        let tail = batch.as_ref().rows(1..3);
        assert_eq!(tail.column(1), [4.0, 6.0]);
        assert_eq!(tail.to_batch().row(1), [5.0, 6.0]);
    }
}
