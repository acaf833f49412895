//! How far a control is from the reference, under the optimal law and under its own.

use crate::comparison::controlled_paths::ControlledWalk;
use crate::comparison::effort::Effort;
use crate::comparison::expectation::{Cloud, clouds, trapezoid, weighted_sum};
use crate::comparison::reference_law::{ReferenceAnswer, ReferenceLaw};
use crate::discretization::noising::Noise;
use crate::discretization::time_grid::TimeGrid;
use crate::field::draws::draw_mixture;
use crate::field::{Differentiable, Field, LogDensity};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::meant::model::Spacing;
use crate::solvers::lowered::problem::Lowered;

/// Intervals of the time integral of the control error.
const TIMES: usize = 32;
/// Coarse steps of the simulated action.
const STEPS: usize = 100;

/// No control at all.
pub struct Uncontrolled {
    pub dimension: usize,
}

impl Field for Uncontrolled {
    fn inputs(&self) -> usize {
        self.dimension
    }

    fn outputs(&self) -> usize {
        self.dimension
    }

    fn eval(&self, _: f64, _: BatchRef<'_>, mut out: BatchMut<'_>) {
        out.fill(0.0);
    }
}

/// Distance of two controls under `p_t`.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlError {
    /// `sqrt( ∫ E|u − u_ref|² dt / ∫ dt )` [1/√time]
    pub absolute: Estimate,
    /// `sqrt( ∫ E|u − u_ref|² dt / ∫ E|u_ref|² dt )`
    pub relative: Estimate,
    /// `½ ∫ E|u − u_ref|² dt`: the path divergence from the noising law, without `KL(p_T ‖ prior)`.
    pub path_divergence: Estimate,
    /// `sqrt E|u − u_ref|²` at each time.
    pub profile: Vec<(f64, Estimate)>,
}

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
        path_divergence: scaled(&squared, 0.5),
        profile,
    }
}

fn scaled(estimate: &Estimate, factor: f64) -> Estimate {
    Estimate::new(
        estimate.value * factor,
        estimate.error * factor.abs(),
        estimate.kind,
    )
}

/// Square root with its propagated error.
fn root(estimate: &Estimate) -> Estimate {
    let value = estimate.value.max(0.0).sqrt();
    let error = if value > 0.0 {
        (0.5 * estimate.error / value).min(estimate.error.sqrt())
    } else {
        estimate.error.sqrt()
    };
    Estimate::new(value, error, estimate.kind)
}

impl Differentiable for Uncontrolled {
    fn eval_with_divergence(
        &self,
        _: f64,
        _: BatchRef<'_>,
        mut out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        out.fill(0.0);
        divergence.fill(0.0);
    }
}

/// The action of a control, measured on fresh noise.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionMeasurement {
    /// S: simulated expected cost, one standard error; two step sizes extrapolated at the weak order 2.
    pub action: Estimate,
    /// The extrapolation: a bound on the step bias that remains in S and in the gap.
    pub step_bias: f64,
    /// S − V on common start points, with the zero-mean martingale of the reference taken out.
    pub gap: Option<Estimate>,
    /// `½ E ∫ |u − u_ref|² dτ` under the controlled process.
    pub gap_integral: Option<Estimate>,
}

/// Simulates the cost `∫ (½|u|² + ∇·f) dτ − log p(Y_T)` of a control from the prior.
///
/// `None` when no end cost is known.
pub fn measure_action(
    lowered: &Lowered,
    score: &dyn Differentiable,
    reference: &ReferenceAnswer<'_>,
    streams: &Streams,
) -> Option<ActionMeasurement> {
    let density = reference.log_density?;
    let (steps, paths) = Effort::new(lowered).simulation(STEPS, 1);
    let t_min = lowered.problem.time_settings.t_min;
    let grid = TimeGrid::new(lowered.noising(), t_min, steps, Spacing::LogSnr);
    let start = draw_mixture(lowered.prior(), &streams.role("action-start"), 0, paths);
    let stream = streams.role("action-noise");
    let walk = ControlledWalk {
        noising: lowered.noising(),
        score,
        reference: Some(reference.score),
        second_order: true,
        grid: &grid,
        finest: 1,
        stream: &stream,
    };
    let mut initial = vec![0.0; paths];
    density.log_density(lowered.noising().end(), start.as_ref(), &mut initial);
    let levels = [0, 1].map(|level| {
        let paths = walk.run(start.as_ref(), level);
        let mut terminal = vec![0.0; initial.len()];
        density.log_density(t_min, paths.end.as_ref(), &mut terminal);
        let cost: Vec<f64> = (0..terminal.len())
            .map(|i| paths.effort[i] + paths.divergence[i] - terminal[i] + paths.martingale[i])
            .collect();
        (cost, paths.distance)
    });
    let [(coarse, rough_distance), (fine, distance)] = levels;
    let extrapolate = |coarse: &[f64], fine: &[f64]| -> Vec<f64> {
        fine.iter()
            .zip(coarse)
            .map(|(f, c)| f + (f - c) / 3.0)
            .collect()
    };
    let cost = extrapolate(&coarse, &fine);
    let change: Vec<f64> = cost.iter().zip(&fine).map(|(a, b)| a - b).collect();
    let gap: Vec<f64> = cost.iter().zip(&initial).map(|(c, l)| c + l).collect();
    let integral = extrapolate(&rough_distance, &distance);
    Some(ActionMeasurement {
        action: Estimate::from_samples(&cost),
        step_bias: Estimate::from_samples(&change).value.abs(),
        gap: Some(Estimate::from_samples(&gap)),
        gap_integral: Some(Estimate::from_samples(&integral)),
    })
}

/// `V = E_prior[−log p_T]`.
pub fn value(lowered: &Lowered, density: &dyn LogDensity, streams: &Streams) -> Estimate {
    let cloud = if lowered.noising().dimension() <= 2 {
        Cloud::lattice(lowered.prior())
    } else {
        let points = Effort::new(lowered).draws(1, 1);
        Cloud::draws(draw_mixture(
            lowered.prior(),
            &streams.role("value-start"),
            0,
            points,
        ))
    };
    let values = cloud.map(|x| {
        let mut out = vec![0.0; x.points()];
        density.log_density(lowered.noising().end(), x, &mut out);
        out.iter().map(|l| -l).collect()
    });
    let estimate = cloud.mean(&values);
    if estimate.value.is_finite() {
        estimate
    } else {
        Estimate::new(estimate.value, f64::INFINITY, ErrorKind::Unknown)
    }
}
