//! What a found score generates, compared with the law it should generate.

use crate::comparison::effort::Effort;
use crate::comparison::reference_law::ReferenceLaw;
use crate::comparison::transport::{energy_distance, sliced_wasserstein, wasserstein};
use crate::discretization::time_grid::TimeGrid;
use crate::field::Field;
use crate::field::draws::draw_mixture;
use crate::field::noised_mixture::MixtureAt;
use crate::numeric::batch::Batch;
use crate::numeric::blocks::block;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::meant::law::{Law, Mixture, Standardization};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::reverse_sampling::Walk;

/// Mixtures of more components have no mode table.
const MODES: usize = 64;
/// Fewest paths generated, and fewest points of a distance.
const LEAST_PATHS: usize = 64;

/// A distance and the same distance between two sets of draws of the true law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    pub value: Estimate,
    /// The sampling floor.
    pub floor: Estimate,
}

/// Two independent sets of draws of the law at `t_min`, no more than distances between sets can use.
pub struct TrueSamples {
    pub data: Batch,
    pub control: Batch,
    pub energy_floor: Estimate,
    pub wasserstein_floor: Estimate,
    pub sliced_floor: Estimate,
}

impl TrueSamples {
    pub fn new(lowered: &Lowered, law: &ReferenceLaw<'_>, streams: &Streams) -> Self {
        let points = sample_points(lowered);
        let t_min = lowered.problem.time_settings.t_min;
        let draw = |name: &str| {
            law.draws(&[t_min], points, &streams.scoped(name))
                .pop()
                .expect("one time was asked for")
        };
        let (data, control) = (draw("true-samples"), draw("control-samples"));
        Self {
            energy_floor: energy_distance(&data, &control),
            wasserstein_floor: wasserstein(&data, &control),
            sliced_floor: sliced_wasserstein(&data, &control, &streams.role("directions")),
            data,
            control,
        }
    }
}

/// Points of every distance, from the file and the cost of a point; the file alone says how many paths
/// are generated.
fn sample_points(lowered: &Lowered) -> usize {
    let settings = &lowered.problem.sample;
    let budget = 2 * Effort::new(lowered).evaluations / settings.steps.max(1);
    settings.paths.min(budget.max(256)).max(LEAST_PATHS)
}

/// What one field generates at one noise level.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// h
    pub noise_level: f64,
    /// One row per path the file asks for; distances use the first of them.
    pub samples: Batch,
    /// Mean and covariance (row by row) of the samples, in the units of the file.
    pub mean: Vec<f64>,
    pub covariance: Vec<Vec<f64>>,
    /// Energy distance (squared scale: it is 0 within errors for equal laws).
    pub energy: Distance,
    pub wasserstein: Distance,
    pub sliced: Distance,
    /// Fraction of samples nearest to each component; empty for tables and large mixtures.
    pub mode_weights: Vec<f64>,
    /// Largest difference of a mode weight from that of true draws, with its standard error.
    pub mode_error: Option<Estimate>,
    /// `|mean − true mean|` over the root mean variance.
    pub mean_error: Estimate,
    /// Frobenius distance of the covariance from that of true draws, relative.
    pub covariance_error: Estimate,
}

/// Generates with a score at every noise level of the file and measures the result.
pub fn generate(
    lowered: &Lowered,
    score: &dyn Field,
    truth: &TrueSamples,
    streams: &Streams,
) -> Vec<Generation> {
    let settings = &lowered.problem.sample;
    let t_min = lowered.problem.time_settings.t_min;
    let grid = TimeGrid::new(lowered.noising(), t_min, settings.steps, settings.spacing);
    let paths = settings.paths.max(LEAST_PATHS);
    settings
        .noise_levels
        .iter()
        .enumerate()
        .map(|(n, h)| {
            let start = draw_mixture(
                lowered.prior(),
                &streams.role(&format!("generate-start-{n}")),
                0,
                paths,
            );
            let samples = Walk {
                noising: lowered.noising(),
                score,
                grid: &grid,
                noise_level: *h,
                integrator: settings.integrator,
                stream: &streams.role(&format!("generate-noise-{n}")),
                block: block(),
            }
            .run(start.as_ref());
            measure(lowered, *h, samples, truth, streams)
        })
        .collect()
}

fn measure(
    lowered: &Lowered,
    noise_level: f64,
    samples: Batch,
    truth: &TrueSamples,
    streams: &Streams,
) -> Generation {
    let centres = mode_centres(lowered);
    let mode_weights = fractions(&centres, &samples);
    let expected = fractions(&centres, &truth.data);
    let mode_error = largest_difference(&mode_weights, &expected, &samples, &truth.data);
    let (mean, covariance) = moments(&samples);
    let mean_error = mean_error(&mean, samples.points(), &truth.data);
    let covariance_error = covariance_error(&covariance, samples.points(), &truth.data);
    let standardization = match &lowered.data() {
        Law::Samples(table) => table.standardization.as_ref(),
        _ => None,
    };
    let (mean, covariance) = in_units_of_the_file(standardization, mean, covariance);
    Generation {
        noise_level,
        energy: Distance {
            value: energy_distance(&truth.data, &samples),
            floor: truth.energy_floor,
        },
        wasserstein: Distance {
            value: wasserstein(&truth.data, &samples),
            floor: truth.wasserstein_floor,
        },
        sliced: Distance {
            value: sliced_wasserstein(&truth.data, &samples, &streams.role("directions")),
            floor: truth.sliced_floor,
        },
        mode_weights,
        mode_error,
        mean_error,
        covariance_error,
        mean,
        covariance,
        samples,
    }
}

fn in_units_of_the_file(
    standardization: Option<&Standardization>,
    mut mean: Vec<f64>,
    mut covariance: Vec<Vec<f64>>,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let Some(Standardization { shift, scale }) = standardization else {
        return (mean, covariance);
    };
    for (i, row) in covariance.iter_mut().enumerate() {
        mean[i] = shift[i] + scale[i] * mean[i];
        for (value, other) in row.iter_mut().zip(scale) {
            *value *= scale[i] * other;
        }
    }
    (mean, covariance)
}

/// Component means of a mixture small enough for a table.
fn mode_centres(lowered: &Lowered) -> Vec<Vec<f64>> {
    match &lowered.data() {
        Law::Mixture(mixture) if (2..=MODES).contains(&mixture.components()) => {
            mixture.means.clone()
        }
        _ => Vec::new(),
    }
}

/// Fractions of the points nearest to each centre.
fn fractions(centres: &[Vec<f64>], points: &Batch) -> Vec<f64> {
    let mut counts = vec![0_usize; centres.len()];
    if centres.is_empty() {
        return Vec::new();
    }
    for i in 0..points.points() {
        let row = points.row(i);
        let distance =
            |c: &[f64]| -> f64 { c.iter().zip(&row).map(|(c, x)| (c - x) * (c - x)).sum() };
        let nearest = (0..centres.len())
            .min_by(|a, b| distance(&centres[*a]).total_cmp(&distance(&centres[*b])))
            .expect("there are centres");
        counts[nearest] += 1;
    }
    counts
        .iter()
        .map(|c| *c as f64 / points.points() as f64)
        .collect()
}

fn largest_difference(
    found: &[f64],
    expected: &[f64],
    samples: &Batch,
    truth: &Batch,
) -> Option<Estimate> {
    let (n, m) = (samples.points() as f64, truth.points() as f64);
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| {
            let variance = a * (1.0 - a) / n + b * (1.0 - b) / m;
            Estimate::new((a - b).abs(), variance.sqrt(), ErrorKind::StandardError)
        })
        .max_by(|a, b| a.value.total_cmp(&b.value))
}

/// Means and covariance entries of a set of points.
fn moments(points: &Batch) -> (Vec<f64>, Vec<Vec<f64>>) {
    let d = points.columns();
    let n = points.points() as f64;
    let mean: Vec<f64> = (0..d)
        .map(|j| Estimate::from_samples(points.column(j)).value)
        .collect();
    let covariance = (0..d)
        .map(|i| {
            (0..d)
                .map(|j| {
                    let products: f64 = points
                        .column(i)
                        .iter()
                        .zip(points.column(j))
                        .map(|(a, b)| (a - mean[i]) * (b - mean[j]))
                        .sum();
                    products / n
                })
                .collect()
        })
        .collect();
    (mean, covariance)
}

/// Variance of a difference of two independent means over that of one draw.
fn two_sets(points: usize, truth: &Batch) -> f64 {
    1.0 / points as f64 + 1.0 / truth.points() as f64
}

fn mean_error(mean: &[f64], points: usize, truth: &Batch) -> Estimate {
    let (expected, covariance) = moments(truth);
    let d = mean.len() as f64;
    let spread = ((0..mean.len()).map(|i| covariance[i][i]).sum::<f64>() / d).sqrt();
    let distance = mean
        .iter()
        .zip(&expected)
        .map(|(a, b)| (a - b) * (a - b))
        .sum::<f64>()
        .sqrt();
    // tr C times this is the mean squared distance.
    let error = (d * two_sets(points, truth)).sqrt();
    Estimate::new(distance / spread, error, ErrorKind::StandardError)
}

fn covariance_error(covariance: &[Vec<f64>], points: usize, truth: &Batch) -> Estimate {
    let (_, expected) = moments(truth);
    let square = |rows: &[Vec<f64>]| rows.iter().flatten().map(|v| v * v).sum::<f64>();
    let difference: f64 = covariance
        .iter()
        .flatten()
        .zip(expected.iter().flatten())
        .map(|(a, b)| (a - b) * (a - b))
        .sum();
    let trace: f64 = (0..expected.len()).map(|i| expected[i][i]).sum();
    // Wishart fluctuations of two covariance estimates: E|ΔC|² ≈ (1/n + 1/m) (|C|² + (tr C)²).
    let fluctuation = two_sets(points, truth) * (square(&expected) + trace * trace);
    Estimate::new(
        (difference / square(&expected)).sqrt(),
        (fluctuation / square(&expected)).sqrt(),
        ErrorKind::StandardError,
    )
}

/// Log density of a mixture at a block of points.
pub fn mixture_log_density(mixture: &Mixture, points: &Batch) -> Vec<f64> {
    let at = MixtureAt::new(mixture);
    (0..points.points())
        .map(|i| at.derivatives(&points.row(i)).0)
        .collect()
}
