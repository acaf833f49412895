//! Sums of exponentials in the log domain.

use crate::numeric::batch::BatchRef;
use crate::numeric::dispatch::{Kernel, dispatch};
use crate::numeric::elementary::{exp, log_in_place};

/// `log Σ exp(v_i)` in one pass over the terms, without overflow.
///
/// Empty sums and terms that are all minus infinity give minus infinity; a term of plus infinity gives
/// plus infinity; NaN gives NaN. Relative error about `(2 + n/512) ε` in the sum of exponentials.
pub fn log_sum_exp(values: &[f64]) -> f64 {
    let (maximum, sum) = dispatch(Reduce { values });
    finish(maximum, sum)
}

/// `out[i] = log Σ_j exp(terms[i][j])`: one sum for every point, over the columns.
///
/// Same conventions as [`log_sum_exp`].
pub fn log_sum_exp_columns(terms: BatchRef<'_>, out: &mut [f64]) {
    assert_eq!(terms.points(), out.len(), "one sum per point");
    dispatch(ReduceColumns { terms, out });
}

fn finish(maximum: f64, sum: f64) -> f64 {
    if maximum.is_infinite() {
        maximum
    } else {
        maximum + sum.ln()
    }
}

/// Lanes of independent partial sums.
const LANES: usize = 8;
/// Terms read while they are in the fastest cache, then rescaled together.
const PIECE: usize = 512;

struct Reduce<'a> {
    values: &'a [f64],
}

impl Kernel for Reduce<'_> {
    type Output = (f64, f64);
    #[inline(always)]
    fn run<const FMA: bool>(self) -> (f64, f64) {
        let mut maximum = f64::NEG_INFINITY;
        let mut sum = 0.0;
        for piece in self.values.chunks(PIECE) {
            let top = largest(piece);
            if top > maximum {
                // At the first piece the old maximum is minus infinity and the factor is zero.
                sum *= exp::<FMA>(maximum - top);
                maximum = top;
            } else if top.is_nan() {
                return (0.0, f64::NAN);
            }
            if maximum.is_finite() {
                sum += sum_of_exponentials::<FMA>(piece, maximum);
            }
        }
        (maximum, sum)
    }
}

/// Largest term, NaN if there is one.
#[inline(always)]
fn largest(piece: &[f64]) -> f64 {
    let mut lanes = [f64::NEG_INFINITY; LANES];
    let mut poison = [0.0; LANES];
    let (chunks, rest) = piece.as_chunks::<LANES>();
    for chunk in chunks {
        for l in 0..LANES {
            lanes[l] = if chunk[l] > lanes[l] {
                chunk[l]
            } else {
                lanes[l]
            };
            // 0 for every number, NaN for NaN; infinities are caught by the comparison.
            poison[l] += if chunk[l].is_nan() { chunk[l] } else { 0.0 };
        }
    }
    for (l, x) in rest.iter().enumerate() {
        lanes[l] = if *x > lanes[l] { *x } else { lanes[l] };
        poison[l] += if x.is_nan() { *x } else { 0.0 };
    }
    let top = lanes.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    top + poison.iter().sum::<f64>()
}

#[inline(always)]
fn sum_of_exponentials<const FMA: bool>(piece: &[f64], maximum: f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = piece.as_chunks::<LANES>();
    for chunk in chunks {
        for l in 0..LANES {
            lanes[l] += exp::<FMA>(chunk[l] - maximum);
        }
    }
    for (l, x) in rest.iter().enumerate() {
        lanes[l] += exp::<FMA>(*x - maximum);
    }
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
        + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}

struct ReduceColumns<'a, 'b> {
    terms: BatchRef<'a>,
    out: &'b mut [f64],
}

impl Kernel for ReduceColumns<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        const POINTS: usize = 128;
        let mut maximum = [0.0; POINTS];
        for (piece, out) in self.out.chunks_mut(POINTS).enumerate() {
            let start = piece * POINTS;
            let maximum = &mut maximum[..out.len()];
            maximum.fill(f64::NEG_INFINITY);
            for j in 0..self.terms.columns() {
                let column = &self.terms.column(j)[start..start + out.len()];
                for (m, x) in maximum.iter_mut().zip(column) {
                    // NaN wins, and then stays.
                    *m = if *x <= *m || m.is_nan() { *m } else { *x };
                }
            }
            // Where every term is minus infinity (or one is plus), subtract nothing: exp gives 0 (inf).
            for m in maximum.iter_mut() {
                *m = if m.is_infinite() { 0.0 } else { *m };
            }
            out.fill(0.0);
            for j in 0..self.terms.columns() {
                let column = &self.terms.column(j)[start..start + out.len()];
                for ((o, m), x) in out.iter_mut().zip(maximum.iter()).zip(column) {
                    *o += exp::<FMA>(*x - *m);
                }
            }
            log_in_place(out);
            for (o, m) in out.iter_mut().zip(maximum.iter()) {
                *o += *m;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::batch::Batch;

    #[test]
    fn a_geometric_series_far_outside_the_range_of_exp() {
        // Σ_{n<N} e^{c - n/10} = e^c (1 - e^{-N/10}) / (1 - e^{-1/10}).
        for (centre, count) in [(5000.0, 7), (-8000.0, 2000), (0.0, 513)] {
            let terms: Vec<f64> = (0..count).map(|n| centre - 0.1 * f64::from(n)).collect();
            let exact =
                centre + (-(-0.1 * f64::from(count)).exp_m1()).ln() - (-(-0.1_f64).exp_m1()).ln();
            let mut reversed = terms.clone();
            reversed.reverse();
            for terms in [&terms, &reversed] {
                let value = log_sum_exp(terms);
                assert!(
                    (value - exact).abs() <= 4e-16 * exact.abs() + 1e-15,
                    "{value} {exact}"
                );
            }
        }
    }

    #[test]
    fn special_terms_keep_their_meaning() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let cases: [(&[f64], f64); 7] = [
            (&[], -inf),
            (&[-inf, -inf], -inf),
            (&[-inf, 3.0], 3.0),
            (&[1.0, inf], inf),
            (&[inf, inf], inf),
            (&[nan, 1.0], nan),
            (&[1.0, inf, nan], nan),
        ];
        for (terms, expected) in cases {
            let batch = Batch::from_rows(terms.len(), &[terms, terms, terms]);
            let mut sums = [0.0; 3];
            log_sum_exp_columns(batch.as_ref(), &mut sums);
            for value in [log_sum_exp(terms), sums[2]] {
                let same = value == expected || value.is_nan() && expected.is_nan();
                assert!(same, "{terms:?} gave {value}");
            }
        }
        // NaN after a whole piece of numbers.
        let mut long = vec![0.0; 1500];
        long[1300] = nan;
        assert!(log_sum_exp(&long).is_nan());
    }

    #[test]
    fn the_batched_form_agrees_with_the_slice_form() {
        let (points, columns) = (300, 37);
        let data = (0..points * columns)
            .map(|i| 700.0 * (i as f64 * 0.731).sin())
            .collect();
        let batch = Batch::from_columns(points, columns, data);
        let mut sums = vec![0.0; points];
        log_sum_exp_columns(batch.as_ref(), &mut sums);
        for (i, sum) in sums.iter().enumerate() {
            let expected = log_sum_exp(&batch.row(i));
            assert!(
                (sum - expected).abs() <= 1e-15 * expected.abs(),
                "{sum} {expected}"
            );
        }
    }
}
