//! The components of a Gaussian mixture at one time, factorised and laid out for evaluation.

use crate::numeric::dense::Cholesky;
use crate::numeric::elementary::log_in_place;
use crate::problem::meant::law::{Covariance, Mixture};
use nalgebra::DMatrix;

/// Covariances of all components in the cheapest form that holds them all.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Spread {
    /// One variance per component.
    Isotropic(Vec<f64>),
    /// Components × dimension variances.
    Diagonal(Vec<f64>),
    /// Components × dimension × dimension, row by row.
    Full(Vec<f64>),
}

impl Spread {
    pub(super) fn of(mixture: &Mixture) -> Self {
        let d = mixture.dimension();
        let covariances = &mixture.covariances;
        let isotropic = |c: &Covariance| match c {
            Covariance::Isotropic(v) => Some(*v),
            _ => None,
        };
        if let Some(variances) = covariances.iter().map(isotropic).collect() {
            return Self::Isotropic(variances);
        }
        if covariances.iter().any(|c| matches!(c, Covariance::Full(_))) {
            let entries = |c: &Covariance| -> Vec<f64> {
                (0..d * d).map(|k| c.entry(k / d, k % d)).collect()
            };
            return Self::Full(covariances.iter().flat_map(entries).collect());
        }
        let diagonal = |c: &Covariance| -> Vec<f64> { (0..d).map(|i| c.entry(i, i)).collect() };
        Self::Diagonal(covariances.iter().flat_map(diagonal).collect())
    }
}

impl Spread {
    /// Every covariance S replaced by `scale S + noise I`.
    pub(super) fn scaled_and_blurred(&self, dimension: usize, scale: f64, noise: f64) -> Self {
        let blur = |values: &[f64]| values.iter().map(|v| scale * v + noise).collect();
        match self {
            Self::Isotropic(variances) => Self::Isotropic(blur(variances)),
            Self::Diagonal(variances) => Self::Diagonal(blur(variances)),
            Self::Full(entries) => {
                let mut entries: Vec<f64> = entries.iter().map(|entry| scale * entry).collect();
                for covariance in entries.chunks_mut(dimension * dimension) {
                    for diagonal in covariance.iter_mut().step_by(dimension + 1) {
                        *diagonal += noise;
                    }
                }
                Self::Full(entries)
            }
        }
    }
}

/// Components are padded to a multiple of this with components of weight zero, so that the inner loops
/// need no remainder.
pub(super) const GROUP: usize = 4;

/// What evaluation needs of every component.
#[derive(Clone, Debug)]
pub(super) struct Components {
    pub(super) dimension: usize,
    /// Components before padding.
    pub(super) count: usize,
    /// `log w − ½ log det(2πC)`; minus infinity for the padding.
    pub(super) log_weights: Vec<f64>,
    /// Components × dimension.
    pub(super) means: Vec<f64>,
    pub(super) shape: Shape,
}

#[derive(Clone, Debug)]
pub(super) enum Shape {
    Isotropic {
        /// `1/v` per component.
        precisions: Vec<f64>,
        expansion: Option<Expansion>,
    },
    Diagonal {
        /// Components × dimension.
        precisions: Vec<f64>,
        /// Their sum per component.
        traces: Vec<f64>,
    },
    Full {
        /// Components × dimension × dimension, `W = L⁻¹` with `C = L Lᵀ`: `C⁻¹ = Wᵀ W`.
        whitenings: Vec<f64>,
        /// `tr C⁻¹` per component.
        traces: Vec<f64>,
    },
}

/// Isotropic components prepared for `|x − m|² = |x|² − 2 x·m + |m|²`, which turns distances to many
/// components into a matrix product. All positions are relative to a centre, to lose fewer digits.
#[derive(Clone, Debug)]
pub(super) struct Expansion {
    pub(super) centre: Vec<f64>,
    /// Components × dimension, relative to the centre.
    pub(super) means: Vec<f64>,
    /// `|m|²` per component.
    pub(super) squares: Vec<f64>,
    /// A point further than this from the centre (squared) would lose too many digits.
    pub(super) reach: f64,
}

/// Smallest dimension and number of mean coordinates for which matrix products win (measured).
const EXPANSION_DIMENSION: usize = 16;
const EXPANSION_SIZE: usize = 2048;
/// Error of a component's log density that the expansion may cause: `ε |x|²/v` stays below it.
const EXPANSION_ERROR: f64 = 1e-10;

impl Components {
    pub(super) fn new(
        dimension: usize,
        log_weights: &[f64],
        mut means: Vec<f64>,
        spread: Spread,
    ) -> Self {
        let count = log_weights.len();
        let padded = count.next_multiple_of(GROUP);
        means.resize(padded * dimension, 0.0);
        let (mut log_determinants, shape) = match spread {
            Spread::Isotropic(variances) => isotropic(dimension, &means, variances, padded),
            Spread::Diagonal(variances) => diagonal(dimension, variances, padded),
            Spread::Full(covariances) => full(dimension, &covariances, padded),
        };
        let constant = dimension as f64 * std::f64::consts::TAU.ln();
        for (determinant, log_weight) in log_determinants.iter_mut().zip(log_weights) {
            *determinant = log_weight - 0.5 * (*determinant + constant);
        }
        log_determinants[count..].fill(f64::NEG_INFINITY);
        Self {
            dimension,
            count,
            log_weights: log_determinants,
            means,
            shape,
        }
    }
}

/// Log determinants and shape; the padding gets unit variances.
fn isotropic(d: usize, means: &[f64], mut variances: Vec<f64>, padded: usize) -> (Vec<f64>, Shape) {
    variances.resize(padded, 1.0);
    assert_positive(&variances);
    let precisions: Vec<f64> = variances.iter().map(|v| 1.0 / v).collect();
    log_in_place(&mut variances);
    variances.iter_mut().for_each(|v| *v *= d as f64);
    let expansion = expand(d, means, &precisions);
    let shape = Shape::Isotropic {
        precisions,
        expansion,
    };
    (variances, shape)
}

fn diagonal(d: usize, mut variances: Vec<f64>, padded: usize) -> (Vec<f64>, Shape) {
    variances.resize(padded * d, 1.0);
    assert_positive(&variances);
    let precisions: Vec<f64> = variances.iter().map(|v| 1.0 / v).collect();
    log_in_place(&mut variances);
    let sums = |values: &[f64]| values.chunks(d).map(|row| row.iter().sum()).collect();
    let shape = Shape::Diagonal {
        traces: sums(&precisions),
        precisions,
    };
    (sums(&variances), shape)
}

fn full(d: usize, covariances: &[f64], padded: usize) -> (Vec<f64>, Shape) {
    let mut whitenings = vec![0.0; padded * d * d];
    let mut traces = vec![0.0; padded];
    let mut log_determinants = vec![0.0; padded];
    let components = covariances.chunks(d * d).zip(whitenings.chunks_mut(d * d));
    for (k, (covariance, whitening)) in components.enumerate() {
        log_determinants[k] = whiten(d, covariance, whitening)
            .expect("covariances are positive definite at the asked time");
        traces[k] = whitening.iter().map(|w| w * w).sum();
    }
    (log_determinants, Shape::Full { whitenings, traces })
}

fn assert_positive(variances: &[f64]) {
    assert!(
        variances.iter().all(|v| *v > 0.0),
        "covariances are positive definite at the asked time"
    );
}

fn expand(d: usize, means: &[f64], precisions: &[f64]) -> Option<Expansion> {
    if d < EXPANSION_DIMENSION || means.len() < EXPANSION_SIZE {
        return None;
    }
    let mut centre = vec![0.0; d];
    for row in means.chunks(d) {
        for (c, m) in centre.iter_mut().zip(row) {
            *c += m;
        }
    }
    let count = precisions.len() as f64;
    centre.iter_mut().for_each(|c| *c /= count);
    let mut shifted = means.to_vec();
    for row in shifted.chunks_mut(d) {
        for (m, c) in row.iter_mut().zip(&centre) {
            *m -= c;
        }
    }
    let squares: Vec<f64> = shifted
        .chunks(d)
        .map(|row| row.iter().map(|m| m * m).sum())
        .collect();
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |a, b| a.max(*b));
    let reach = EXPANSION_ERROR / (f64::EPSILON * largest(precisions));
    (largest(&squares) < reach).then_some(Expansion {
        centre,
        means: shifted,
        squares,
        reach,
    })
}

/// Writes `W = L⁻¹`, `C = L Lᵀ`, and returns `log det C`; `None` if C is not positive definite.
fn whiten(d: usize, covariance: &[f64], whitening: &mut [f64]) -> Option<f64> {
    // Below this size the set-up of the blocked factorisation costs more than it saves.
    const SMALL: usize = 32;
    if d > SMALL {
        let factor = Cholesky::new(&DMatrix::from_row_slice(d, d, covariance)).ok()?;
        let inverse = factor.inverse_lower();
        for (i, row) in whitening.chunks_mut(d).enumerate() {
            for (j, w) in row.iter_mut().enumerate() {
                *w = inverse[(i, j)];
            }
        }
        return Some(factor.log_determinant());
    }
    let mut log_determinant = 0.0;
    for i in 0..d {
        for j in 0..=i {
            let dot: f64 = (0..j)
                .map(|k| whitening[i * d + k] * whitening[j * d + k])
                .sum();
            let rest = covariance[i * d + j] - dot;
            if i == j {
                // Written so that NaN is refused too.
                if !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                log_determinant += rest.ln();
                whitening[i * d + i] = rest.sqrt();
            } else {
                whitening[i * d + j] = rest / whitening[j * d + j];
            }
        }
    }
    // Row by row: `W_ij = −W_ii Σ_{j ≤ k < i} L_ik W_kj`, in place.
    for i in 0..d {
        let inverse = 1.0 / whitening[i * d + i];
        for j in 0..i {
            let sum: f64 = (j..i)
                .map(|k| whitening[i * d + k] * whitening[k * d + j])
                .sum();
            whitening[i * d + j] = -inverse * sum;
        }
        whitening[i * d + i] = inverse;
    }
    Some(log_determinant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitening_turns_the_covariance_into_the_identity_at_every_size() {
        for d in [1_usize, 2, 5, 32, 33, 70] {
            let covariance: Vec<f64> = (0..d * d)
                .map(|k| {
                    let (i, j) = (k / d, k % d);
                    0.7_f64.powi(i.abs_diff(j) as i32)
                        * (1.0 + (i * j % 3) as f64 * f64::from(u8::from(i == j)))
                })
                .collect();
            let mut whitening = vec![0.0; d * d];
            let log_determinant = whiten(d, &covariance, &mut whitening).expect("definite");
            let w = DMatrix::from_row_slice(d, d, &whitening);
            let c = DMatrix::from_row_slice(d, d, &covariance);
            assert!((&w * &c * w.transpose() - DMatrix::identity(d, d)).norm() < 1e-12);
            assert!((c.determinant().ln() - log_determinant).abs() < 1e-11);
        }
        let mut whitening = [0.0; 4];
        assert_eq!(whiten(2, &[1.0, 2.0, 2.0, 1.0], &mut whitening), None);
        assert_eq!(whiten(2, &[f64::NAN; 4], &mut whitening), None);
    }

    #[test]
    fn mixed_covariances_take_the_cheapest_common_form() {
        let isotropic = Covariance::Isotropic(2.0);
        let diagonal = Covariance::Diagonal(vec![1.0, 3.0]);
        let full = Covariance::Full(vec![vec![1.0, 0.5], vec![0.5, 2.0]]);
        let spread = |covariances: Vec<Covariance>| {
            Spread::of(&Mixture {
                weights: vec![0.5; 2],
                means: vec![vec![0.0; 2]; 2],
                covariances,
            })
        };
        assert_eq!(
            spread(vec![isotropic.clone(), isotropic.clone()]),
            Spread::Isotropic(vec![2.0, 2.0])
        );
        assert_eq!(
            spread(vec![isotropic.clone(), diagonal]),
            Spread::Diagonal(vec![2.0, 2.0, 1.0, 3.0])
        );
        assert_eq!(
            spread(vec![isotropic, full]),
            Spread::Full(vec![2.0, 0.0, 0.0, 2.0, 1.0, 0.5, 0.5, 2.0])
        );
    }
}
