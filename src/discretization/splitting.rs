//! Sweeps of one-dimensional steps over all lines of a tensor grid, and their Strang composition.
//!
//! ```text
//! S(dt) = A(dt/2) B(dt) A(dt/2)
//! ```
//!
//! with A, B the steps along the two axes; the roles of the axes alternate from step to step, because a
//! sweep leaves the table transposed. Order two whatever the commutator, exact when the axes commute
//! (linear isotropic noising).
//!
//! # Source
//! Strang, *On the construction and comparison of difference schemes* (1968).

use crate::numeric::tridiagonal::PivotError;
use rayon::prelude::*;

/// Lines advanced together: a block of a few hundred nodes by this many lines stays in the second-level
/// cache and fills the vector units.
const BLOCK_LINES: usize = 32;

/// A step along one axis.
pub trait LineStep: Sync {
    /// Scratch tables of one block.
    type Scratch: Default + Send;
    /// Advances a block of lines; node i of line l is at `i * lines + l`, and the block starts with line
    /// `first` of the sweep.
    fn advance(
        &self,
        first: usize,
        lines: usize,
        block: &mut [f64],
        scratch: &mut Self::Scratch,
    ) -> Result<(), PivotError>;
}

/// Values on a grid of one or two axes; the axis that is swept next lies outermost.
#[derive(Clone, Debug)]
pub struct SplitTable {
    counts: Vec<usize>,
    outer: usize,
    values: Vec<f64>,
    spare: Vec<f64>,
}

impl SplitTable {
    /// Values with the first axis slowest.
    pub fn new(counts: &[usize], values: Vec<f64>) -> Self {
        assert_eq!(
            values.len(),
            counts.iter().product::<usize>(),
            "one value per node"
        );
        Self {
            counts: counts.to_vec(),
            outer: 0,
            spare: vec![0.0; values.len()],
            values,
        }
    }

    /// Every value, in no particular order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The axis that is swept next.
    pub fn outer(&self) -> usize {
        self.outer
    }

    /// Every `stride`-th node of every axis, first axis slowest.
    pub fn table(&self, stride: usize) -> Vec<f64> {
        if self.counts.len() == 1 {
            return self.values.iter().step_by(stride).copied().collect();
        }
        let (n0, n1) = (self.counts[0], self.counts[1]);
        let mut table = Vec::with_capacity(n0.div_ceil(stride) * n1.div_ceil(stride));
        for i in (0..n0).step_by(stride) {
            for j in (0..n1).step_by(stride) {
                table.push(if self.outer == 0 {
                    self.values[i * n1 + j]
                } else {
                    self.values[j * n0 + i]
                });
            }
        }
        table
    }

    /// Takes one step along the outer axis; in two dimensions the other axis is outer afterwards.
    pub fn sweep<S: LineStep>(&mut self, step: &S) -> Result<(), PivotError> {
        let count = self.counts[self.outer];
        if self.counts.len() == 1 {
            return step.advance(0, 1, &mut self.values, &mut S::Scratch::default());
        }
        let lines = self.values.len() / count;
        let values = &self.values;
        self.spare
            .par_chunks_mut(BLOCK_LINES * count)
            .enumerate()
            .try_for_each_init(
                || (Vec::new(), S::Scratch::default()),
                |(block, scratch), (chunk, target)| {
                    let first = chunk * BLOCK_LINES;
                    let width = target.len() / count;
                    block.clear();
                    for i in 0..count {
                        let row = i * lines + first;
                        block.extend_from_slice(&values[row..row + width]);
                    }
                    step.advance(first, width, block, scratch)?;
                    for (l, line) in target.chunks_exact_mut(count).enumerate() {
                        for (i, value) in line.iter_mut().enumerate() {
                            *value = block[i * width + l];
                        }
                    }
                    Ok(())
                },
            )?;
        std::mem::swap(&mut self.values, &mut self.spare);
        self.outer = 1 - self.outer;
        Ok(())
    }

    /// One Strang step; `step(axis, fraction)` makes the line step of an axis over that fraction of the
    /// time step.
    pub fn strang<S: LineStep, E: From<PivotError>>(
        &mut self,
        mut step: impl FnMut(usize, f64) -> Result<S, E>,
    ) -> Result<(), E> {
        if self.counts.len() == 1 {
            return Ok(self.sweep(&step(0, 1.0)?)?);
        }
        for fraction in [0.5, 1.0, 0.5] {
            let line_step = step(self.outer, fraction)?;
            self.sweep(&line_step)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds `weight * line + node` to every value.
    struct Mark {
        weight: f64,
    }

    impl LineStep for Mark {
        type Scratch = ();
        fn advance(
            &self,
            first: usize,
            lines: usize,
            block: &mut [f64],
            _: &mut (),
        ) -> Result<(), PivotError> {
            for (k, value) in block.iter_mut().enumerate() {
                *value += self.weight * (first + k % lines) as f64 + (k / lines) as f64;
            }
            Ok(())
        }
    }

    #[test]
    fn sweeps_see_the_lines_of_their_axis() {
        let (n0, n1) = (5, 70);
        let mut table = SplitTable::new(&[n0, n1], vec![0.0; n0 * n1]);
        table.sweep(&Mark { weight: 1000.0 }).expect("no pivots");
        assert_eq!(table.outer(), 1);
        // Along axis 0 the node is i and the line j.
        assert_eq!(table.table(1)[3 * n1 + 69], 69_003.0);
        table.sweep(&Mark { weight: 0.0 }).expect("no pivots");
        assert_eq!(table.table(1)[3 * n1 + 69], 69_072.0);
        assert_eq!(table.table(2)[35 + 2], table.table(1)[2 * n1 + 4]);
    }

    /// Multiplication by exp(rate · fraction) along either axis.
    struct Grow(f64);

    impl LineStep for Grow {
        type Scratch = ();
        fn advance(
            &self,
            _: usize,
            _: usize,
            block: &mut [f64],
            _: &mut (),
        ) -> Result<(), PivotError> {
            block.iter_mut().for_each(|v| *v *= self.0.exp());
            Ok(())
        }
    }

    #[test]
    fn a_strang_step_takes_a_whole_step_along_each_axis() {
        let mut table = SplitTable::new(&[6, 9], vec![1.0; 54]);
        for _ in 0..2 {
            table
                .strang(|axis, fraction| {
                    Ok::<_, PivotError>(Grow(fraction * if axis == 0 { 1.0 } else { 0.1 }))
                })
                .expect("no pivots");
        }
        assert!((table.values()[7] - 2.2_f64.exp()).abs() < 1e-12);
    }
}
