//! What a control costs when it is simulated on fresh noise.

use crate::comparison::controlled_paths::ControlledWalk;
use crate::comparison::effort::Effort;
use crate::comparison::expectation::Cloud;
use crate::comparison::policy_paths::{PolicyPaths, PolicyWalk};
use crate::comparison::reference_law::ReferenceAnswer;
use crate::comparison::rows::{PathWeights, Performance};
use crate::discretization::time_grid::TimeGrid;
use crate::field::draws::draw_mixture;
use crate::field::{Differentiable, LogDensity};
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::meant::model::Spacing;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::weights::{effective_share, weighted_value};

/// Coarse steps of the simulated action.
const STEPS: usize = 100;
/// Path weights of a policy that are kept to be looked at.
const KEPT_WEIGHTS: usize = 8192;

/// Standard deviation.
pub fn spread(values: &[f64]) -> f64 {
    let estimate = Estimate::from_samples(values);
    estimate.error * (values.len() as f64).sqrt()
}

/// Simulates a policy with steps of both lengths; `optimal` are paths of the reference on the same noise.
pub fn of_policy(
    walk: &PolicyWalk<'_>,
    start: &Batch,
    optimal: Option<&PolicyPaths>,
    temperature: Option<f64>,
) -> Performance {
    let fine = walk.run(start.as_ref(), 1);
    // Of the coarse walk only the cost is asked for.
    let coarse = PolicyWalk {
        reference: None,
        ..*walk
    }
    .run(start.as_ref(), 0);
    let cost = Estimate::from_samples(fine.cost());
    let above = |optimal: &PolicyPaths| {
        let pairs = fine.cost().iter().zip(optimal.cost());
        let above: Vec<f64> = pairs.map(|(own, best)| own - best).collect();
        Estimate::from_samples(&above)
    };
    Performance {
        step_bias: (cost.value - Estimate::from_samples(coarse.cost()).value).abs(),
        gap: optimal.map(above),
        gap_integral: optimal.map(|_| Estimate::from_samples(fine.distance())),
        weights: temperature.map(|temperature| weights(&fine, temperature)),
        cost,
    }
}

/// Weights of simulated paths.
pub(super) fn weights_of(walk: &PolicyWalk<'_>, start: &Batch, temperature: f64) -> PathWeights {
    weights(&walk.run(start.as_ref(), 1), temperature)
}

fn weights(paths: &PolicyPaths, temperature: f64) -> PathWeights {
    let mut logs = paths.log_weights(temperature);
    let (share, value) = (effective_share(&logs), weighted_value(&logs, temperature));
    let log_spread = spread(&logs);
    logs.truncate(KEPT_WEIGHTS);
    PathWeights {
        effective_sample_size: share,
        log_spread,
        value,
        logs,
    }
}

/// Simulates the cost `∫ (½|u|² + ∇·f) dτ − log p(Y_T)` of a control from the prior.
///
/// `None` when no end cost is known.
pub fn of_score(
    lowered: &Lowered,
    score: &dyn Differentiable,
    reference: &ReferenceAnswer<'_>,
    streams: &Streams,
) -> Option<Performance> {
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
    Some(Performance {
        cost: Estimate::from_samples(&cost),
        step_bias: Estimate::from_samples(&change).value.abs(),
        gap: Some(Estimate::from_samples(&gap)),
        gap_integral: Some(Estimate::from_samples(&integral)),
        weights: None,
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
