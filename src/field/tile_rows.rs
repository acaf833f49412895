//! Rows of numbers, one per point of a tile, that start on a cache line: a vector that straddles two lines costs
//! twice.

use std::ops::{Deref, DerefMut};

/// Points per tile: long enough that loops over it vectorise and are not unrolled first.
pub(super) const TILE: usize = 64;

/// One number per point of a tile.
pub(super) type Row = [f64; TILE];

/// A row at the start of a cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub(super) struct AlignedRow(pub(super) Row);

impl Deref for AlignedRow {
    type Target = Row;
    fn deref(&self) -> &Row {
        &self.0
    }
}

impl DerefMut for AlignedRow {
    fn deref_mut(&mut self) -> &mut Row {
        &mut self.0
    }
}

/// Aligned rows, read and written as a slice of plain ones.
#[derive(Clone, Debug)]
pub(super) struct Rows(Vec<AlignedRow>);

impl Rows {
    pub(super) fn zeros(count: usize) -> Self {
        Self(vec![AlignedRow([0.0; TILE]); count])
    }
}

impl Deref for Rows {
    type Target = [Row];
    fn deref(&self) -> &[Row] {
        // SAFETY: an aligned row is laid out as a row, whose size is a multiple of the alignment.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len()) }
    }
}

impl DerefMut for Rows {
    fn deref_mut(&mut self) -> &mut [Row] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len()) }
    }
}

const _: () = assert!(size_of::<AlignedRow>() == size_of::<Row>());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_start_on_cache_lines_and_are_read_as_they_were_written() {
        for count in [0, 1, 7] {
            let mut rows = Rows::zeros(count);
            assert_eq!(rows.len(), count);
            for (k, row) in rows.iter_mut().enumerate() {
                assert!(row.as_ptr().addr().is_multiple_of(64));
                row.fill(k as f64);
                row[TILE - 1] = -1.0;
            }
            for (k, row) in rows.iter().enumerate() {
                assert_eq!(
                    (row[0], row[TILE - 2], row[TILE - 1]),
                    (k as f64, k as f64, -1.0)
                );
            }
        }
    }
}
