//! Isotropic Gaussian mixtures in few states, in two passes with little stored between them.
//!
//! First the log densities and their maximum, then the exponentials with everything that is summed, several
//! components at a time. Logarithms have base 2 here, which makes exponentials cheaper:
//! `L_k / log 2 = l_k − q_k |x − m_k|²` with `q_k = 1 / (2 v_k log 2)`.
//!
//! Many components go in blocks. A term below `2^-60 / K` of the largest so far counts as zero: all of these together
//! are below `2^-60` of the sum, less than a hundredth of its rounding. Components that are zero at all points of a
//! tile are passed over, which leaves their log densities as the only work.
#![allow(
    clippy::needless_range_loop,
    reason = "one index walks the same lane of several rows; zipped iterators hide that and vectorise worse"
)]

use crate::field::tile_rows::{AlignedRow, Row, TILE};
use crate::numeric::dispatch::multiply_add;
use crate::numeric::elementary::exp2_of_negative;
use std::f64::consts::{LN_2, LOG2_E};

/// Components taken together.
const GROUP: usize = 4;

/// Logarithm to base 2 of what all neglected terms may add up to, relative to the sum.
const NEGLECTED: f64 = -60.0;

/// Isotropic components without padding.
pub(super) struct Isotropic<'a, const D: usize> {
    pub(super) means: &'a [[f64; D]],
    pub(super) precisions: &'a [f64],
    /// `log w − ½ log det(2πC)`
    pub(super) log_weights: &'a [f64],
}

/// Points of a tile, one row per coordinate, and what is summed over the components.
pub(super) struct Points<'a, const D: usize> {
    pub(super) x: &'a [Row; D],
    /// Scratch: one row per component, or of a block with `MANY`.
    pub(super) logs: &'a mut [Row],
    /// Becomes the largest log density.
    pub(super) maximum: &'a mut Row,
    /// Increased by `Σ e_k`, `e_k = exp(L_k − maximum)`.
    pub(super) total: &'a mut Row,
    /// Increased by `Σ e_k (|a_k|² − tr C_k⁻¹)` where the divergence is wanted.
    pub(super) pull: &'a mut Row,
    /// Increased by `Σ e_k a_k`.
    pub(super) score: &'a mut [Row; D],
}

impl<const D: usize> Points<'_, D> {
    /// Sums over all components, with `MANY` in blocks; sums must be zero before, and the maximum minus infinity.
    ///
    /// Terms below `2^-1021` count as that, which no sum notices.
    #[inline(always)]
    pub(super) fn sum<const FMA: bool, const DIVERGENCE: bool, const MANY: bool>(
        &mut self,
        components: &Isotropic<'_, D>,
    ) {
        let precision = components.precisions[0];
        if components.precisions.iter().any(|p| *p != precision) {
            self.sum_blocks::<FMA, DIVERGENCE, MANY, false>(components);
        } else {
            // A common factor is left for the end.
            self.sum_blocks::<FMA, DIVERGENCE, MANY, true>(components);
            for row in self.score.iter_mut().chain([&mut *self.pull]) {
                for value in row {
                    *value *= precision;
                }
            }
        }
        for m in self.maximum.iter_mut() {
            *m *= LN_2;
        }
    }

    #[inline(always)]
    fn sum_blocks<const FMA: bool, const DIVERGENCE: bool, const MANY: bool, const COMMON: bool>(
        &mut self,
        components: &Isotropic<'_, D>,
    ) {
        let (count, block) = (components.means.len(), self.logs.len());
        if !MANY {
            self.sum_over::<FMA, DIVERGENCE, COMMON, false>(components, f64::NEG_INFINITY);
            return;
        }
        let least = NEGLECTED - (count as f64).log2();
        for first in (0..count).step_by(block) {
            let last = (first + block).min(count);
            let part = Isotropic {
                means: &components.means[first..last],
                precisions: &components.precisions[first..last],
                log_weights: &components.log_weights[first..last],
            };
            self.sum_over::<FMA, DIVERGENCE, COMMON, true>(&part, least);
        }
    }

    /// Adds components to what was summed before; with `MANY`, terms below `least` count as zero.
    #[inline(always)]
    fn sum_over<const FMA: bool, const DIVERGENCE: bool, const COMMON: bool, const MANY: bool>(
        &mut self,
        components: &Isotropic<'_, D>,
        least: f64,
    ) {
        let count = components.means.len();
        let before = AlignedRow(*self.maximum);
        let grouped = count - count % GROUP;
        for first in (0..grouped).step_by(GROUP) {
            self.log_densities::<FMA, GROUP>(components, first);
        }
        for first in grouped..count {
            self.log_densities::<FMA, 1>(components, first);
        }
        let mut maximum = AlignedRow(*self.maximum);
        // Subtracting 0 instead of minus infinity makes vanishing terms small rather than NaN.
        for m in maximum.iter_mut() {
            *m = if *m > f64::NEG_INFINITY { *m } else { 0.0 };
        }
        if MANY {
            self.rescale::<FMA>(&before, &maximum);
        }
        for first in (0..grouped).step_by(GROUP) {
            if !(MANY && self.without_weight::<GROUP>(first, &maximum, least)) {
                self.add::<FMA, DIVERGENCE, COMMON, MANY, GROUP>(
                    components, first, &maximum, least,
                );
            }
        }
        for first in grouped..count {
            if !(MANY && self.without_weight::<1>(first, &maximum, least)) {
                self.add::<FMA, DIVERGENCE, COMMON, MANY, 1>(components, first, &maximum, least);
            }
        }
    }

    /// Sums relative to the maximum before become relative to the one now.
    #[inline(always)]
    fn rescale<const FMA: bool>(&mut self, before: &Row, maximum: &Row) {
        let mut factors = AlignedRow([0.0; TILE]);
        for lane in 0..TILE {
            // Of the first block, minus infinity less a number: sums of zero, whatever the factor.
            [factors[lane]] = exp2_of_negative::<FMA, 1>([before[lane] - maximum[lane]]);
        }
        for row in self
            .score
            .iter_mut()
            .chain([&mut *self.pull, &mut *self.total])
        {
            for lane in 0..TILE {
                row[lane] *= factors[lane];
            }
        }
    }

    /// Whether no point of the tile sees any of G components.
    #[inline(always)]
    fn without_weight<const G: usize>(&self, first: usize, maximum: &Row, least: f64) -> bool {
        let logs: &[Row; G] = self.logs[first..]
            .first_chunk()
            .expect("one row of scratch per component");
        let mut seen = 0_u64;
        for lane in 0..TILE {
            for g in 0..G {
                let log = logs[g][lane] - maximum[lane];
                seen |= u64::from(log >= least || log.is_nan());
            }
        }
        seen == 0
    }

    #[inline(always)]
    fn log_densities<const FMA: bool, const G: usize>(
        &mut self,
        components: &Isotropic<'_, D>,
        first: usize,
    ) {
        let means: [[f64; D]; G] = std::array::from_fn(|g| components.means[first + g]);
        let factors: [f64; G] =
            std::array::from_fn(|g| -0.5 * LOG2_E * components.precisions[first + g]);
        let log_weights: [f64; G] =
            std::array::from_fn(|g| LOG2_E * components.log_weights[first + g]);
        let logs: &mut [Row; G] = self.logs[first..]
            .first_chunk_mut()
            .expect("one row of scratch per component");
        let (x, maximum) = (self.x, &mut *self.maximum);
        for lane in 0..TILE {
            let mut largest = maximum[lane];
            for g in 0..G {
                let mut square = 0.0;
                for j in 0..D {
                    let offset = x[j][lane] - means[g][j];
                    square = if j > 0 {
                        multiply_add::<FMA>(offset, offset, square)
                    } else {
                        offset * offset
                    };
                }
                let log = multiply_add::<FMA>(square, factors[g], log_weights[g]);
                logs[g][lane] = log;
                largest = if log > largest { log } else { largest };
            }
            maximum[lane] = largest;
        }
    }

    /// The terms of G components; a common precision is left out.
    #[inline(always)]
    fn add<
        const FMA: bool,
        const DIVERGENCE: bool,
        const COMMON: bool,
        const MANY: bool,
        const G: usize,
    >(
        &mut self,
        components: &Isotropic<'_, D>,
        first: usize,
        maximum: &Row,
        least: f64,
    ) {
        let means: [[f64; D]; G] = std::array::from_fn(|g| components.means[first + g]);
        let precisions: [f64; G] = std::array::from_fn(|g| components.precisions[first + g]);
        let log_weights: [f64; G] =
            std::array::from_fn(|g| LOG2_E * components.log_weights[first + g]);
        let logs: &[Row; G] = self.logs[first..]
            .first_chunk()
            .expect("one row of scratch per component");
        let (x, total, pull, score) = (self.x, &mut *self.total, &mut *self.pull, &mut *self.score);
        for lane in 0..TILE {
            let mut sum = total[lane];
            let mut pulls = pull[lane];
            let mut sums: [f64; D] = std::array::from_fn(|j| score[j][lane]);
            let logs_here: [f64; G] = std::array::from_fn(|g| logs[g][lane] - maximum[lane]);
            let mut terms = exp2_of_negative::<FMA, G>(logs_here);
            if MANY {
                for g in 0..G {
                    terms[g] = if logs_here[g] < least { 0.0 } else { terms[g] };
                }
            }
            for g in 0..G {
                let (log, term) = (logs[g][lane], terms[g]);
                let weighted = if COMMON { term } else { term * precisions[g] };
                sum += term;
                for j in 0..D {
                    let offset = means[g][j] - x[j][lane];
                    sums[j] = multiply_add::<FMA>(weighted, offset, sums[j]);
                }
                if DIVERGENCE {
                    // |a|² − tr C⁻¹ = p (p |x − m|² − d), and −½ p |x − m|² is the log without its weight.
                    let square = 2.0 * LN_2 * (log_weights[g] - log);
                    // Without weight the square is unknown, and far away it is infinite.
                    let square = if log > f64::NEG_INFINITY {
                        square - D as f64
                    } else {
                        0.0
                    };
                    pulls = multiply_add::<FMA>(weighted, square, pulls);
                }
            }
            total[lane] = sum;
            if DIVERGENCE {
                pull[lane] = pulls;
            }
            for j in 0..D {
                score[j][lane] = sums[j];
            }
        }
    }
}
