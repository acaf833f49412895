//! How far a control is from the reference, under the reference's law.

use crate::comparison::expectation::{Cloud, clouds, trapezoid, weighted_sum};
use crate::comparison::policy_paths::PolicyPaths;
use crate::comparison::reference_law::{ReferenceAnswer, ReferenceLaw};
use crate::comparison::rows::ControlError;
use crate::discretization::noising::Noise;
use crate::discretization::time_grid::TimeGrid;
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::problem::meant::model::Spacing;
use crate::solvers::lowered::problem::Lowered;

/// Intervals of the time integral of the control error.
const TIMES: usize = 32;
/// The times the integral runs over and a cloud at each.
pub struct Clouds {
    pub times: Vec<f64>,
    pub clouds: Vec<Cloud>,
}

impl Clouds {
    pub fn new(lowered: &Lowered, law: &ReferenceLaw<'_>, streams: &Streams) -> Self {
        let t_min = lowered.problem.time_settings.t_min;
        let grid = TimeGrid::new(lowered.noising(), t_min, TIMES, Spacing::LogSnr);
        let times = grid.nodes().to_vec();
        let clouds = clouds(lowered, law, &times, 2, None, streams);
        Self { times, clouds }
    }
}

/// `|Gᵀ (a − b)|²` and `|Gᵀ b|²` at a block of points.
fn squared_controls(
    noise: &Noise,
    noises: usize,
    a: &dyn Field,
    b: &dyn Field,
    t: f64,
    x: BatchRef<'_>,
) -> Vec<[f64; 2]> {
    let mut score = Batch::zeros(x.points(), x.columns());
    let mut control = [
        Batch::zeros(x.points(), noises),
        Batch::zeros(x.points(), noises),
    ];
    for (field, control) in [a, b].into_iter().zip(&mut control) {
        field.eval(t, x, score.as_mut());
        noise.control(score.as_ref(), control.as_mut());
    }
    let mut out = vec![[0.0; 2]; x.points()];
    for j in 0..noises {
        for (out, (u, v)) in out
            .iter_mut()
            .zip(control[0].column(j).iter().zip(control[1].column(j)))
        {
            out[0] += (u - v) * (u - v);
            out[1] += v * v;
        }
    }
    out
}

/// The control error of a score against the reference.
pub fn control_error(
    lowered: &Lowered,
    score: &dyn Field,
    reference: &ReferenceAnswer<'_>,
    clouds: &Clouds,
) -> ControlError {
    let noises = lowered.noising().noises();
    let (mut distances, mut sizes) = (Vec::new(), Vec::new());
    for (t, cloud) in clouds.times.iter().zip(&clouds.clouds) {
        let noise = lowered.noising().noise(*t);
        let pairs = cloud.map(|x| squared_controls(&noise, noises, score, reference.score, *t, x));
        let [distance, size] =
            [0, 1].map(|which| pairs.iter().map(|p| p[which]).collect::<Vec<f64>>());
        distances.push(distance);
        sizes.push(size);
    }
    let weights = trapezoid(&clouds.times);
    let [squared, size] =
        [&distances, &sizes].map(|values| weighted_sum(&clouds.clouds, &weights, values));
    let duration = clouds.times[clouds.times.len() - 1] - clouds.times[0];
    let profile = clouds
        .times
        .iter()
        .zip(clouds.clouds.iter().zip(&distances))
        .map(|(t, (cloud, values))| (*t, root(&cloud.mean(values))))
        .collect();
    ControlError {
        absolute: root(&scaled(&squared, 1.0 / duration)),
        relative: root(&scaled(&squared, 1.0 / size.value)),
        path_divergence: Some(scaled(&squared, 0.5)),
        profile,
    }
}

/// The distance of a policy from the reference, along paths of the reference; `optimal` are the same paths with what the
/// reference does itself.
pub fn policy_error(along: &PolicyPaths, optimal: Option<&PolicyPaths>) -> ControlError {
    let square = Estimate::from_samples(along.squared_difference());
    let energy = optimal.map_or(f64::NAN, |paths| {
        Estimate::from_samples(paths.squared_control()).value
    });
    let root = square.value.sqrt();
    // Where the difference vanishes its root has no linear error.
    let error = if root > 0.0 {
        square.error / (2.0 * root)
    } else {
        0.0
    };
    let scale = energy.sqrt();
    ControlError {
        absolute: Estimate::new(root, error, square.kind),
        relative: Estimate::new(root / scale, error / scale, square.kind),
        path_divergence: None,
        profile: Vec::new(),
    }
}

/// With a factor, its error too.
pub(super) fn scaled(estimate: &Estimate, factor: f64) -> Estimate {
    Estimate::new(
        estimate.value * factor,
        estimate.error * factor.abs(),
        estimate.kind,
    )
}

/// Square root with its propagated error.
pub(super) fn root(estimate: &Estimate) -> Estimate {
    let value = estimate.value.max(0.0).sqrt();
    let error = if value > 0.0 {
        (0.5 * estimate.error / value).min(estimate.error.sqrt())
    } else {
        estimate.error.sqrt()
    };
    Estimate::new(value, error, estimate.kind)
}
