//! Draws from mixtures and from their noised laws, addressed by counter.

use crate::discretization::noising::{GaussianKernel, MeanMap};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::dense::covariance_root;
use crate::numeric::random::Stream;
use crate::numeric::sums::add_scaled;
use crate::problem::meant::law::{Covariance, Mixture};
use nalgebra::{DMatrix, DVector};

/// Time-node addresses used inside one stream.
const CHOICE: u32 = 0;
const POSITION: u32 = 1;
const NOISE: u32 = 2;

/// A square root `L` of a covariance, `L Lᵀ = C`, applied to standard normals.
#[derive(Clone, Debug)]
pub enum CovarianceRoot {
    Isotropic(f64),
    Diagonal(Vec<f64>),
    Full(DMatrix<f64>),
}

impl CovarianceRoot {
    /// Positive semidefinite covariances are accepted: a full matrix that is not positive definite
    /// gets its symmetric root, negative rounding clipped to zero.
    pub fn new(covariance: &Covariance) -> Self {
        match covariance {
            Covariance::Isotropic(v) => Self::Isotropic(v.max(0.0).sqrt()),
            Covariance::Diagonal(v) => {
                Self::Diagonal(v.iter().map(|v| v.max(0.0).sqrt()).collect())
            }
            Covariance::Full(rows) => Self::Full(covariance_root(covariance.dense(rows.len()))),
        }
    }

    /// `x += L z` for one point.
    fn add_to_point(&self, z: &[f64], x: &mut [f64]) {
        match self {
            Self::Isotropic(s) => x.iter_mut().zip(z).for_each(|(x, z)| *x += s * z),
            Self::Diagonal(s) => {
                for ((x, z), s) in x.iter_mut().zip(z).zip(s) {
                    *x += s * z;
                }
            }
            Self::Full(l) => {
                for (x, shift) in x.iter_mut().zip((l * DVector::from_column_slice(z)).iter()) {
                    *x += shift;
                }
            }
        }
    }

    /// `out += L z` for a block of points.
    pub fn add_times(&self, z: BatchRef<'_>, mut out: BatchMut<'_>) {
        match self {
            Self::Isotropic(s) => out.add_scaled(*s, z),
            Self::Diagonal(s) => {
                for (i, s) in s.iter().enumerate() {
                    add_scaled(*s, z.column(i), out.column_mut(i));
                }
            }
            Self::Full(l) => out.add_product(1.0, l, z),
        }
    }
}

/// Points `first..first + points` of a mixture.
pub fn draw_mixture(mixture: &Mixture, stream: &Stream, first: u64, points: usize) -> Batch {
    let d = mixture.dimension();
    let cumulative: Vec<f64> = mixture
        .weights
        .iter()
        .scan(0.0, |total, w| {
            *total += w;
            Some(*total)
        })
        .collect();
    let mut roots: Vec<Option<CovarianceRoot>> = vec![None; mixture.components()];
    let shared = mixture
        .covariances
        .iter()
        .all(|c| *c == mixture.covariances[0]);
    let mut choice = vec![0; points];
    stream.choose(first, CHOICE, &cumulative, &mut choice);
    let mut normals = Batch::zeros(points, d);
    stream.normals(first, POSITION, normals.as_mut());
    let mut out = Batch::zeros(points, d);
    for (i, &k) in choice.iter().enumerate() {
        let root = roots[if shared { 0 } else { k }]
            .get_or_insert_with(|| CovarianceRoot::new(&mixture.covariances[k]));
        let mut x = mixture.means[k].clone();
        root.add_to_point(&normals.row(i), &mut x);
        for (j, value) in x.iter().enumerate() {
            out.column_mut(j)[i] = *value;
        }
    }
    out
}

/// Points `first..first + points` of the uniform law on a box.
pub fn draw_uniform(sides: &[(f64, f64)], stream: &Stream, first: u64, points: usize) -> Batch {
    let mut out = Batch::zeros(points, sides.len());
    stream.uniforms(first, POSITION, out.as_mut());
    for (j, (low, high)) in sides.iter().enumerate() {
        for value in out.column_mut(j) {
            *value = low + (high - low) * *value;
        }
    }
    out
}

/// Carries points through a Gaussian transition: `x → Φ x + c + L z`.
///
/// Returns the moved points and the standard normals used, which the denoising score
/// `∇ log p(x_t | x_0) = −L⁻ᵀ z` needs.
pub fn draw_transition(
    kernel: &GaussianKernel,
    from: BatchRef<'_>,
    stream: &Stream,
    first: u64,
) -> (Batch, Batch) {
    let (points, d) = (from.points(), from.columns());
    let root = CovarianceRoot::new(&kernel.covariance);
    let mut normals = Batch::zeros(points, d);
    let mut out = Batch::zeros(points, d);
    let blocks = map_blocks(points, block(), |range| {
        let mut z = Batch::zeros(range.len(), d);
        stream.normals(first + range.start as u64, NOISE, z.as_mut());
        let mut x = Batch::zeros(range.len(), d);
        apply_mean(kernel, from.rows(range), x.as_mut());
        root.add_times(z.as_ref(), x.as_mut());
        (x, z)
    });
    let mut start = 0;
    for (x, z) in &blocks {
        out.write_rows(start, x.as_ref());
        normals.write_rows(start, z.as_ref());
        start += x.points();
    }
    (out, normals)
}

/// Draws of `X_t` whose data law is the mixture.
pub fn draw_noised(
    mixture: &Mixture,
    kernel: &GaussianKernel,
    stream: &Stream,
    first: u64,
    points: usize,
) -> Batch {
    let start = draw_mixture(mixture, stream, first, points);
    draw_transition(kernel, start.as_ref(), stream, first).0
}

fn apply_mean(kernel: &GaussianKernel, from: BatchRef<'_>, mut out: BatchMut<'_>) {
    for (i, shift) in kernel.shift.iter().enumerate() {
        out.column_mut(i).fill(*shift);
    }
    match &kernel.factor {
        MeanMap::Scalar(a) => out.add_scaled(*a, from),
        MeanMap::Matrix(a) => out.add_product(1.0, a, from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discretization::noising::Noising;
    use crate::discretization::schedule::{Schedule, TimeFunction};
    use crate::field::noised_mixture::NoisedMixture;
    use crate::numeric::random::Streams;

    fn three_gaussians() -> Mixture {
        Mixture {
            weights: vec![0.3, 0.5, 0.2],
            means: vec![vec![-2.0, 0.0], vec![1.5, 1.0], vec![1.0, -2.0]],
            covariances: vec![
                Covariance::Isotropic(0.05),
                Covariance::Diagonal(vec![0.10, 0.04]),
                Covariance::Full(vec![vec![0.08, 0.05], vec![0.05, 0.08]]),
            ],
        }
    }

    /// Seed 11; 5 standard errors on five moments: false-alarm probability below 3e-6.
    #[test]
    fn noised_draws_have_the_moments_of_the_noised_mixture() {
        let beta = TimeFunction::Linear {
            lo: 0.1,
            slope: 19.9,
        };
        let noising = Noising::isotropic(Schedule::VariancePreserving(beta), 2, 0.0, 1.0);
        let kernel = noising.kernel(0.2).expect("affine");
        let stream = Streams::new(11).role("draws-test");
        let n = 100_000;
        let points = draw_noised(&three_gaussians(), &kernel, &stream, 0, n);
        let law = NoisedMixture::new(
            three_gaussians(),
            noising.transition().expect("affine").clone(),
            0.0,
        )
        .mixture_at(0.2);
        let (mean, covariance) = (law.mean(), law.covariance());
        let moment = |f: &dyn Fn(&[f64]) -> f64| {
            let values: Vec<f64> = (0..n).map(|i| f(&points.row(i))).collect();
            crate::numeric::estimate::Estimate::from_samples(&values)
        };
        for (i, m) in mean.iter().enumerate() {
            let e = moment(&|x| x[i]);
            assert!((e.value - m).abs() < 5.0 * e.error, "mean {i}: {e:?} {m}");
        }
        for (i, j) in [(0, 0), (0, 1), (1, 1)] {
            let e = moment(&|x| (x[i] - mean[i]) * (x[j] - mean[j]));
            let exact = covariance[i][j];
            assert!(
                (e.value - exact).abs() < 5.0 * e.error,
                "{i}{j}: {e:?} {exact}"
            );
        }
    }
}
