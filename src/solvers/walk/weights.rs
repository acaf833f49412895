//! Weighted samples in the log domain: effective size, tail, and the value they estimate.

use crate::numeric::blocks::pairwise_sum;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::log_sum_exp::log_sum_exp;

/// Shape of the tail above which the mean of weights has no usable error.
pub const HEAVIEST: f64 = 0.7;

/// `(sum w)^2 / (n sum w^2)`.
pub fn effective_share(log_weights: &[f64]) -> f64 {
    let doubled: Vec<f64> = log_weights.iter().map(|w| 2.0 * w).collect();
    let log_share = 2.0 * log_sum_exp(log_weights) - log_sum_exp(&doubled);
    log_share.exp() / log_weights.len() as f64
}

/// `w_i / sum w`.
pub fn normalised(log_weights: &[f64]) -> Vec<f64> {
    let total = log_sum_exp(log_weights);
    log_weights.iter().map(|w| (w - total).exp()).collect()
}

/// `log mean w` with the relative standard error of the mean weight.
pub fn log_mean(log_weights: &[f64]) -> Estimate {
    let log_mean = log_sum_exp(log_weights) - (log_weights.len() as f64).ln();
    let relative: Vec<f64> = log_weights.iter().map(|w| (w - log_mean).exp()).collect();
    let error = Estimate::from_samples(&relative).error;
    Estimate::new(log_mean, error, ErrorKind::StandardError)
}

/// `sum w log w / sum w`: the mean of `log w` under the law that the weights lead to, above `log mean w`.
///
/// An upper bound of `log E[w]` in the limit of many weights; of few it is an estimate that does not see what none
/// of them does. Its error is that of a ratio, to first order.
pub fn weighted_mean_log(log_weights: &[f64]) -> Estimate {
    let alive: Vec<f64> = log_weights
        .iter()
        .copied()
        .filter(|w| *w > f64::NEG_INFINITY)
        .collect();
    weighted_mean(&alive, &alive)
}

/// `sum w v / sum w` with the standard error of a ratio to first order.
pub fn weighted_mean(log_weights: &[f64], values: &[f64]) -> Estimate {
    let shares = normalised(log_weights);
    let terms: Vec<f64> = shares.iter().zip(values).map(|(s, v)| s * v).collect();
    let mean = pairwise_sum(&terms);
    let squares: Vec<f64> = shares
        .iter()
        .zip(values)
        .map(|(s, v)| (s * (v - mean)).powi(2))
        .collect();
    Estimate::new(
        mean,
        pairwise_sum(&squares).sqrt(),
        ErrorKind::StandardError,
    )
}

/// `-lambda log mean w` with the standard error of the mean weight.
pub fn weighted_value(log_weights: &[f64], temperature: f64) -> Estimate {
    let mean = log_mean(log_weights);
    Estimate::new(
        -temperature * mean.value,
        temperature * mean.error,
        mean.kind,
    )
}

/// Shape `k` of a generalised Pareto law fitted to the largest weights: `P(w > u + y | w > u) ~ (1 + k y/s)^(-1/k)`.
///
/// Weights have moments of order below `1/k`: above one half no variance. The fit uses the `min(n/5, 3 sqrt n)`
/// largest weights and is drawn towards one half with the weight of ten of them. `None` below 25 weights, too few
/// for a tail; minus infinity where the largest are all equal.
///
/// # Source
/// Zhang, Stephens, *Technometrics* 51 (2009); Vehtari, Simpson, Gelman, Yao, Gabry, *J. Mach. Learn. Res.* 25
/// (2024), appendix C for the prior.
pub fn pareto_shape(log_weights: &[f64]) -> Option<f64> {
    let n = log_weights.len();
    let tail = (n / 5).min((3.0 * (n as f64).sqrt()).ceil() as usize);
    if tail < 5 {
        return None;
    }
    let mut sorted = log_weights.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (largest, cut) = (sorted[n - 1], sorted[n - tail - 1]);
    let excess: Vec<f64> = sorted[n - tail..]
        .iter()
        .map(|w| (w - largest).exp() - (cut - largest).exp())
        .collect();
    if excess[tail - 1] <= 0.0 {
        return Some(f64::NEG_INFINITY);
    }
    let shape = zhang_stephens(&excess);
    let count = tail as f64;
    Some((count * shape + 0.5 * 10.0) / (count + 10.0))
}

/// Shape by the empirical Bayes estimate of Zhang and Stephens, eqs. 7-9; `excess` ascends from zero or more.
fn zhang_stephens(excess: &[f64]) -> f64 {
    const PRIOR: f64 = 3.0;
    let n = excess.len();
    let top = excess[n - 1];
    // The first quartile of excesses; a positive number where many tie at the cut.
    let quartile = excess[(n as f64 / 4.0 + 0.5).floor() as usize - 1];
    let quartile = if quartile > 0.0 {
        quartile
    } else {
        top * f64::EPSILON
    };
    let nodes = 30 + (n as f64).sqrt() as usize;
    let theta: Vec<f64> = (1..=nodes)
        .map(|j| 1.0 / top + (1.0 - (nodes as f64 / (j as f64 - 0.5)).sqrt()) / (PRIOR * quartile))
        .collect();
    // `1 - theta y` is positive because theta < 1/top.
    let shape = |theta: f64| {
        let terms: Vec<f64> = excess.iter().map(|y| (-theta * y).ln_1p()).collect();
        pairwise_sum(&terms) / n as f64
    };
    let profile: Vec<f64> = theta
        .iter()
        .map(|&theta| {
            let k = shape(theta);
            n as f64 * ((-theta / k).ln() - k - 1.0)
        })
        .collect();
    let mean: f64 = normalised(&profile)
        .iter()
        .zip(&theta)
        .map(|(weight, theta)| weight * theta)
        .sum();
    shape(mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Reference numbers made with other software.
    #[test]
    fn the_estimate_on_a_finite_sample() {
        let text = include_str!("../../../tests/reference/section08.json");
        let file: Value = serde_json::from_str(text).expect("a reference file");
        let records = file["records"].as_array().expect("records");
        let record = records
            .iter()
            .find(|record| record["id"] == "s08.pi_sample")
            .expect("the record");
        let numbers = |value: &Value| -> Vec<f64> {
            let list = value.as_array().expect("a list");
            list.iter().map(|x| x.as_f64().expect("a number")).collect()
        };
        let lambda = record["params"]["lambda"].as_f64().expect("a number");
        let costs = numbers(&record["params"]["costs"]);
        let log_weights: Vec<f64> = costs.iter().map(|s| -s / lambda).collect();
        let mut got = vec![weighted_value(&log_weights, lambda).value];
        got.extend(normalised(&log_weights));
        got.push(effective_share(&log_weights) * costs.len() as f64);
        for (got, exact) in got.iter().zip(numbers(&record["value"])) {
            assert!(
                (got - exact).abs() < 1e-14 * exact.abs().max(1.0),
                "{got} {exact}"
            );
        }
    }

    /// Weights 1, 2 and 0: shares 1/3 and 2/3, mean `2/3 log 2`, each a distance of `1/3` and `2/3` of it away.
    #[test]
    fn the_weighted_mean_of_logarithms() {
        let two = std::f64::consts::LN_2;
        let found = weighted_mean_log(&[0.0, two, f64::NEG_INFINITY]);
        assert!((found.value - 2.0 / 3.0 * two).abs() < 1e-15, "{found:?}");
        let error = 2.0_f64.sqrt() * 2.0 / 9.0 * two;
        assert!((found.error - error).abs() < 1e-15, "{found:?}");
    }

    /// The quantiles of `w = u^-k` are a sample without noise from a tail of shape `k`.
    #[test]
    fn the_shape_of_exact_tails() {
        let n = 40_000;
        for k in [0.2, 0.5, 0.7, 1.0, 1.5] {
            let log_weights: Vec<f64> = (0..n)
                .map(|i| -k * ((f64::from(i) + 0.5) / f64::from(n)).ln())
                .collect();
            let shape = pareto_shape(&log_weights).expect("enough weights");
            // Drawn towards one half by 10/610; the fit's own bias is of order 1/600.
            let drawn = (600.0 * k + 5.0) / 610.0;
            assert!((shape - drawn).abs() < 0.02, "{k}: {shape}");
        }
        assert_eq!(pareto_shape(&[0.0; 24]), None);
        assert_eq!(pareto_shape(&[0.0; 400]), Some(f64::NEG_INFINITY));
    }
}
