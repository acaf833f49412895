//! Rows of a table turned into the law of the data: choice of rows, held-out part, units, bandwidth.

use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::problem::law::Standardization;

/// How columns are brought to working units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Units {
    /// As in the file.
    Raw,
    /// Every column to mean 0 and variance 1.
    EachColumn,
    /// Every column to mean 0, all divided by one scale that makes the average variance 1.
    Common,
}

/// Which rows are used and which are held out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub training: Vec<usize>,
    pub holdout: Vec<usize>,
}

/// Chooses at most `limit` rows and holds out a fraction of them. The choice depends on the seed
/// only; both parts keep the order of the file.
pub(crate) fn split(rows: usize, limit: Option<usize>, holdout: f64, seed: u64) -> Split {
    let mut order: Vec<usize> = (0..rows).collect();
    let mut keys = Batch::zeros(rows, 1);
    Streams::new(seed)
        .role("data-rows")
        .uniforms(0, 0, keys.as_mut());
    let keys = keys.column(0);
    order.sort_by(|a, b| keys[*a].total_cmp(&keys[*b]).then(a.cmp(b)));
    order.truncate(limit.unwrap_or(rows));
    let aside = (holdout * order.len() as f64).round() as usize;
    let mut training = order.split_off(aside);
    let mut holdout = order;
    training.sort_unstable();
    holdout.sort_unstable();
    Split { training, holdout }
}

/// Weighted mean and population variance of each column.
pub(crate) fn moments(rows: &[Vec<f64>], weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let columns = rows.first().map_or(0, Vec::len);
    let mut mean = vec![0.0; columns];
    let mut variance = vec![0.0; columns];
    for (row, w) in rows.iter().zip(weights) {
        for (m, x) in mean.iter_mut().zip(row) {
            *m += w * x;
        }
    }
    for (row, w) in rows.iter().zip(weights) {
        for j in 0..columns {
            variance[j] += w * (row[j] - mean[j]).powi(2);
        }
    }
    (mean, variance)
}

/// Shift and scale of the working units, from the training rows only. A constant column keeps its
/// scale.
pub(crate) fn standardization(
    rows: &[Vec<f64>],
    weights: &[f64],
    units: Units,
) -> Option<Standardization> {
    let (shift, variance) = moments(rows, weights);
    let safe = |v: f64| if v > 0.0 { v.sqrt() } else { 1.0 };
    let scale = match units {
        Units::Raw => return None,
        Units::EachColumn => variance.iter().map(|v| safe(*v)).collect(),
        Units::Common => {
            let mean = variance.iter().sum::<f64>() / variance.len() as f64;
            vec![safe(mean); variance.len()]
        }
    };
    Some(Standardization { shift, scale })
}

/// Applies `(raw - shift) / scale`.
pub(crate) fn standardize(rows: &mut [Vec<f64>], units: &Standardization) {
    for row in rows {
        for ((x, shift), scale) in row.iter_mut().zip(&units.shift).zip(&units.scale) {
            *x = (*x - shift) / scale;
        }
    }
}

/// Silverman's rule for an isotropic Gaussian kernel in `d` dimensions,
/// `b = s (4 / ((d + 2) n))^(1/(d + 4))`, with `s^2` the average variance of the columns and
/// `n = 1 / sum w^2` the effective number of rows.
///
/// # Source
/// Silverman, *Density Estimation for Statistics and Data Analysis* (1986), eq. 4.14.
pub(crate) fn silverman(rows: &[Vec<f64>], weights: &[f64]) -> f64 {
    let (_, variance) = moments(rows, weights);
    let d = variance.len() as f64;
    let n = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
    let spread = (variance.iter().sum::<f64>() / d).sqrt();
    spread * (4.0 / ((d + 2.0) * n)).powf(1.0 / (d + 4.0))
}

/// Columns that never vary, and pairs of equal columns.
pub(crate) fn degenerate_columns(rows: &[Vec<f64>]) -> (Vec<usize>, Vec<(usize, usize)>) {
    let columns = rows.first().map_or(0, Vec::len);
    let constant: Vec<usize> = (0..columns)
        .filter(|&j| rows.iter().all(|row| row[j] == rows[0][j]))
        .collect();
    let mut equal = Vec::new();
    for j in 0..columns {
        for k in j + 1..columns {
            if !constant.contains(&j) && rows.iter().all(|row| row[j] == row[k]) {
                equal.push((j, k));
            }
        }
    }
    (constant, equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_a_partition_that_depends_on_the_seed_only() {
        let one = split(100, Some(50), 0.2, 7);
        assert_eq!(one, split(100, Some(50), 0.2, 7));
        assert_ne!(one, split(100, Some(50), 0.2, 8));
        assert_eq!((one.training.len(), one.holdout.len()), (40, 10));
        assert!(one.holdout.iter().all(|row| !one.training.contains(row)));
        assert!(one.training.is_sorted());
    }

    #[test]
    fn standardized_columns_have_mean_zero_and_variance_one() {
        let mut rows = vec![vec![1.0, 5.0], vec![2.0, 5.0], vec![6.0, 5.0]];
        let weights = [0.5, 0.25, 0.25];
        let units = standardization(&rows, &weights, Units::EachColumn).expect("units");
        // The constant column keeps its scale.
        assert_eq!(units.scale[1], 1.0);
        standardize(&mut rows, &units);
        let (mean, variance) = moments(&rows, &weights);
        assert!(mean[0].abs() < 1e-15 && (variance[0] - 1.0).abs() < 1e-14);
        assert_eq!(degenerate_columns(&rows), (vec![1], vec![]));
    }

    #[test]
    fn common_units_keep_ratios_and_average_variance_is_one() {
        let rows = vec![vec![0.0, 0.0], vec![2.0, 4.0]];
        let weights = [0.5, 0.5];
        let units = standardization(&rows, &weights, Units::Common).expect("units");
        // Variances 1 and 4: the common scale is sqrt(5/2).
        assert!((units.scale[0] - 2.5_f64.sqrt()).abs() < 1e-15);
        assert_eq!(units.scale[0], units.scale[1]);
    }

    #[test]
    fn silverman_in_one_dimension_is_the_textbook_factor() {
        // (4/3)^(1/5) sigma n^(-1/5) = 1.0592 for sigma = 1, n = 1.
        let rows = vec![vec![-1.0], vec![1.0]];
        let b = silverman(&rows, &[0.5, 0.5]);
        let expected = (4.0_f64 / 3.0 / 2.0).powf(0.2);
        assert!((b - expected).abs() < 1e-15);
    }
}
