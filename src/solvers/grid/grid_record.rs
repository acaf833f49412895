//! Densities of a grid solution as tables on one box, for plots and arrays.

use crate::field::LogDensity;
use crate::field::grid_field::GridScore;
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{block, map_blocks};
use crate::solvers::lowered::answer::GridRecord;

/// Log densities on a fixed box at the recorded times, for plots.
pub(crate) fn record_densities(field: &GridScore, times: &[f64]) -> GridRecord {
    const TIMES: usize = 9;
    /// The grid reaches seven deviations; plots show four.
    const SHOWN: f64 = 4.0 / 7.0;
    let d = field.grid().dimension();
    let points = if d == 1 { 401 } else { 97 };
    let keep = times.len().div_ceil(TIMES).max(1);
    let times: Vec<f64> = times.iter().copied().step_by(keep).collect();
    let mut bounds = vec![(f64::INFINITY, f64::NEG_INFINITY); d];
    for t in &times {
        let placement = field.grid().at(*t);
        for sign in [-1.0, 1.0] {
            let corners = Batch::from_rows(
                d,
                &[vec![sign * SHOWN; d], {
                    let mut other = vec![sign * SHOWN; d];
                    other[d - 1] = -other[d - 1];
                    other
                }],
            );
            let mut x = Batch::zeros(2, d);
            placement.to_state(corners.as_ref(), x.as_mut());
            for (j, bound) in bounds.iter_mut().enumerate() {
                for x in x.column(j) {
                    *bound = (bound.0.min(*x), bound.1.max(*x));
                }
            }
        }
    }
    let axes: Vec<Vec<f64>> = bounds
        .iter()
        .map(|(low, high)| {
            (0..points)
                .map(|i| low + (high - low) * i as f64 / (points - 1) as f64)
                .collect()
        })
        .collect();
    let inner = if d == 2 { points } else { 1 };
    let mut states = Batch::zeros(points * inner, d);
    for j in 0..d {
        for (n, x) in states.column_mut(j).iter_mut().enumerate() {
            *x = axes[j][if j == 0 { n / inner } else { n % inner }];
        }
    }
    let log_density = times
        .iter()
        .map(|t| {
            map_blocks(states.points(), block(), |range| {
                let mut out = vec![0.0; range.len()];
                field.log_density(*t, states.as_ref().rows(range), &mut out);
                out
            })
            .concat()
        })
        .collect();
    GridRecord {
        axes,
        times,
        log_density,
    }
}
