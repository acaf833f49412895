//! What a figure shows of a solution: its field, density and paths on plotting grids, curves along the first coordinate.
//!
//! Only evaluation and projection happen here; nothing is compared.

use crate::comparison::policy_paths::{PolicyWalk, Simulator};
use crate::discretization::time_grid::TimeGrid;
use crate::field::draws::draw_mixture;
use crate::field::{Field, LogDensity};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::block;
use crate::numeric::random::{Stream, Streams};
use crate::problem::meant::model::Spacing;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::reverse_sampling::Walk;
use nalgebra::DMatrix;

/// The one or two plotted coordinates: the state itself up to two states, else the two leading
/// principal directions of a cloud of points.
#[derive(Clone, Debug)]
pub struct Projection {
    pub labels: Vec<String>,
    /// Centre and directions of the principal plane; `None` shows the state itself.
    plane: Option<(Vec<f64>, Vec<Vec<f64>>)>,
}

impl Projection {
    pub fn new(names: &[String], cloud: &Batch) -> Self {
        if cloud.columns() <= 2 {
            return Self {
                labels: names.to_vec(),
                plane: None,
            };
        }
        let (n, d) = (cloud.points() as f64, cloud.columns());
        let mean: Vec<f64> = (0..d)
            .map(|j| cloud.column(j).iter().sum::<f64>() / n)
            .collect();
        let covariance = DMatrix::from_fn(d, d, |i, j| {
            cloud
                .column(i)
                .iter()
                .zip(cloud.column(j))
                .map(|(a, b)| (a - mean[i]) * (b - mean[j]))
                .sum::<f64>()
                / n
        });
        let eigen = covariance.symmetric_eigen();
        let mut order: Vec<usize> = (0..d).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        let directions = order[..2]
            .iter()
            .map(|k| eigen.eigenvectors.column(*k).iter().copied().collect())
            .collect();
        Self {
            labels: vec![
                "first principal coordinate".to_owned(),
                "second principal coordinate".to_owned(),
            ],
            plane: Some((mean, directions)),
        }
    }

    /// The plotted coordinates of a block of points, one column each.
    pub fn columns(&self, points: BatchRef<'_>) -> Vec<Vec<f64>> {
        match &self.plane {
            None => (0..points.columns())
                .map(|j| points.column(j).to_vec())
                .collect(),
            Some((centre, directions)) => directions
                .iter()
                .map(|direction| {
                    let mut column = vec![0.0; points.points()];
                    for (j, (c, v)) in centre.iter().zip(direction).enumerate() {
                        for (value, x) in column.iter_mut().zip(points.column(j)) {
                            *value += v * (x - c);
                        }
                    }
                    column
                })
                .collect(),
        }
    }
}

/// Axis-aligned box around clouds of points: the central 99 % of each coordinate, widened by a tenth.
pub fn plotting_box(clouds: &[BatchRef<'_>]) -> Vec<(f64, f64)> {
    let d = clouds.first().map_or(0, BatchRef::columns);
    (0..d)
        .map(|j| {
            let mut values: Vec<f64> = clouds
                .iter()
                .flat_map(|cloud| cloud.column(j).iter().copied())
                .filter(|x| x.is_finite())
                .collect();
            values.sort_by(f64::total_cmp);
            let at = |q: f64| values[((values.len() - 1) as f64 * q).round() as usize];
            let (low, high) = (at(0.005), at(0.995));
            let margin = 0.1 * (high - low).max(f64::MIN_POSITIVE);
            (low - margin, high + margin)
        })
        .collect()
}

/// The nodes of a tensor grid, first axis slowest, and its axes.
fn lattice(bounds: &[(f64, f64)], count: usize) -> (Vec<Vec<f64>>, Batch) {
    let axes: Vec<Vec<f64>> = bounds
        .iter()
        .map(|(low, high)| {
            (0..count)
                .map(|i| low + (high - low) * i as f64 / (count - 1) as f64)
                .collect()
        })
        .collect();
    let total = count.pow(axes.len() as u32);
    let mut points = Batch::zeros(total, axes.len());
    for (j, axis) in axes.iter().enumerate() {
        let stride = count.pow((axes.len() - 1 - j) as u32);
        for (i, value) in points.column_mut(j).iter_mut().enumerate() {
            *value = axis[(i / stride) % count];
        }
    }
    (axes, points)
}

/// A field on a lattice at one time.
#[derive(Clone, Debug)]
pub struct Slice {
    pub time: f64,
    pub axes: Vec<Vec<f64>>,
    /// One column per component, first axis slowest.
    pub components: Vec<Vec<f64>>,
}

/// The control `Gᵀ s` on a lattice of `count` nodes an axis.
pub fn control_slice(
    lowered: &Lowered,
    score: &dyn Field,
    time: f64,
    bounds: &[(f64, f64)],
    count: usize,
) -> Slice {
    let (axes, points) = lattice(bounds, count);
    let mut values = Batch::zeros(points.points(), points.columns());
    score.eval(time, points.as_ref(), values.as_mut());
    let mut control = Batch::zeros(points.points(), lowered.noising().noises());
    lowered
        .noising()
        .noise(time)
        .control(values.as_ref(), control.as_mut());
    Slice {
        time,
        axes,
        components: (0..control.columns())
            .map(|j| control.column(j).to_vec())
            .collect(),
    }
}

/// Densities on a lattice at several times: axes, and one table per time, first axis slowest.
pub fn density_slices(
    law: &dyn LogDensity,
    times: &[f64],
    bounds: &[(f64, f64)],
    count: usize,
) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let (axes, points) = lattice(bounds, count);
    let tables = times
        .iter()
        .map(|t| {
            let mut log = vec![0.0; points.points()];
            law.log_density(*t, points.as_ref(), &mut log);
            log.iter().map(|l| l.exp()).collect()
        })
        .collect();
    (axes, tables)
}

/// A few paths of the generating process at noise level h: their times and one state block per time.
pub fn paths(
    lowered: &Lowered,
    score: &dyn Field,
    noise_level: f64,
    count: usize,
    steps: usize,
    streams: &Streams,
) -> (Vec<f64>, Vec<Batch>) {
    let settings = &lowered.problem;
    let grid = TimeGrid::new(
        lowered.noising(),
        settings.time_settings.t_min,
        steps,
        Spacing::LogSnr,
    );
    let start = draw_mixture(lowered.prior(), &streams.role("picture starts"), 0, count);
    let nodes: Vec<usize> = (0..=steps).rev().collect();
    let (_, states) = Walk {
        noising: lowered.noising(),
        score,
        grid: &grid,
        noise_level,
        integrator: settings.sample.integrator,
        stream: &streams.role("picture noise"),
        block: block(),
    }
    .run_watched(start.as_ref(), &nodes);
    let times = nodes.iter().map(|n| grid.nodes()[*n]).collect();
    (times, states)
}

/// States of the process under a policy, on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Flight {
    pub times: Vec<f64>,
    /// One batch of states per time.
    pub states: Vec<Batch>,
}

/// Walks `count` paths and keeps their states at about `frames` times, the first and the last among them.
pub fn flight(
    lowered: &Lowered,
    policy: &dyn Field,
    stream: &Stream,
    count: usize,
    frames: usize,
) -> Flight {
    let simulator = Simulator::new(lowered);
    let (begin, until) = simulator.horizon();
    let steps = lowered.problem.time_settings.steps.max(1);
    let start = lowered.draw_start(stream, 0, count);
    let walk = PolicyWalk {
        simulator: &simulator,
        policy,
        reference: None,
        steps,
        finest: 0,
        until,
        stream,
    };
    let stride = steps.div_ceil(frames.max(1)).max(1);
    let (_, seen) = walk.watched(start.as_ref(), 0, stride);
    let (times, states) = std::iter::once((begin, start)).chain(seen).unzip();
    Flight { times, states }
}

/// A field along the first coordinate.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    pub time: f64,
    pub coordinate: Vec<f64>,
    /// The first output.
    pub height: Vec<f64>,
}

/// The first output of a field against the first coordinate over `range`, the other states at `centre`.
pub fn curve(
    field: &dyn Field,
    time: f64,
    centre: &[f64],
    (low, high): (f64, f64),
    points: usize,
) -> Curve {
    let mut x = Batch::zeros(points, centre.len());
    for (j, value) in centre.iter().enumerate() {
        x.column_mut(j).fill(*value);
    }
    let share = |i: usize| i as f64 / (points - 1).max(1) as f64;
    let coordinate: Vec<f64> = (0..points).map(|i| low + (high - low) * share(i)).collect();
    x.column_mut(0).copy_from_slice(&coordinate);
    let mut out = Batch::zeros(points, field.outputs());
    field.eval(time, x.as_ref(), out.as_mut());
    Curve {
        time,
        coordinate,
        height: out.column(0).to_vec(),
    }
}

/// `-du_0/dx_j` at the mean of every frame, one row a frame: the feedback gains of the first control, by central
/// differences over a thousandth of the spread of the paths. Exact for affine policies.
pub fn gains(policy: &dyn Field, along: &Flight) -> Vec<Vec<f64>> {
    const SHARE: f64 = 1e-3;
    let d = along.states.first().map_or(0, Batch::columns);
    let widths: Vec<f64> = (0..d)
        .map(|j| {
            let column = along.states.iter().flat_map(|s| s.column(j));
            let (low, high) = column.fold((f64::INFINITY, f64::NEG_INFINITY), |a, x| {
                (a.0.min(*x), a.1.max(*x))
            });
            SHARE * (high - low).max(SHARE)
        })
        .collect();
    let frames = along.times.iter().zip(&along.states);
    frames
        .map(|(time, states)| {
            let centre = mean(states);
            // Above and below the mean in each coordinate in turn.
            let mut places = Batch::zeros(2 * d, d);
            for (j, (centre, width)) in centre.iter().zip(&widths).enumerate() {
                let column = places.column_mut(j);
                column.fill(*centre);
                column[2 * j] += width;
                column[2 * j + 1] -= width;
            }
            let mut control = Batch::zeros(2 * d, policy.outputs());
            policy.eval(*time, places.as_ref(), control.as_mut());
            let u = control.column(0);
            (0..d)
                .map(|j| (u[2 * j + 1] - u[2 * j]) / (2.0 * widths[j]))
                .collect()
        })
        .collect()
}

/// Mean of every coordinate.
pub fn mean(states: &Batch) -> Vec<f64> {
    (0..states.columns())
        .map(|j| states.column(j).iter().sum::<f64>() / states.points() as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::idle::Idle;
    use crate::numeric::batch::BatchMut;
    use crate::problem::parse_text;
    use crate::solvers::registry::methods::vocabulary;
    use std::path::Path;

    const TEXT: &str = r#"
format = 1
[problem]
name = "still"
kind = "control"
[dynamics]
state = "x[2]"
control = "u"
drift = ["1", "u"]
diffusion = [[0.0], [1.0]]
[initial]
family = "delta"
at = [2.0, 0.0]
[cost]
running = "0.5*u^2"
terminal = "x[1]^2"
[time]
steps = 10
"#;

    /// `u = t - 2 x_0 + 3 x_1`
    struct Plane;

    impl Field for Plane {
        fn inputs(&self) -> usize {
            2
        }

        fn outputs(&self) -> usize {
            1
        }

        fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
            for (i, u) in out.column_mut(0).iter_mut().enumerate() {
                *u = t - 2.0 * x.get(i, 0) + 3.0 * x.get(i, 1);
            }
        }
    }

    #[test]
    fn gains_of_a_plane_are_its_slopes() {
        let states = |shift: f64| Batch::from_rows(2, &[[shift, 0.0], [shift + 1.0, 0.5]]);
        let along = Flight {
            times: vec![0.0, 1.0],
            states: vec![states(0.0), states(4.0)],
        };
        for row in gains(&Plane, &along) {
            assert!((row[0] - 2.0).abs() < 1e-9 && (row[1] + 3.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_frame_continues_the_one_before_it() {
        let loaded =
            parse_text("still.toml", TEXT, Path::new("."), &[], &vocabulary()).expect("valid");
        let lowered = Lowered::new(loaded.problem).expect("a control lowered");
        let idle = Idle {
            states: 2,
            controls: 1,
        };
        let stream = Streams::new(1).role("flight");
        let seen = flight(&lowered, &idle, &stream, 4, 5);
        assert_eq!(seen.times.len(), 6);
        for (t, states) in seen.times.iter().zip(&seen.states) {
            // The first coordinate moves at unit speed.
            assert!(states.column(0).iter().all(|x| (x - 2.0 - t).abs() < 1e-12));
        }
        // Brownian increments over a fifth of the horizon: 20 of them within 5 standard deviations.
        for pair in seen.states.windows(2) {
            for (a, b) in pair[0].column(1).iter().zip(pair[1].column(1)) {
                let step = (b - a).abs();
                assert!(step > 0.0 && step < 5.0 * 0.2_f64.sqrt());
            }
        }
    }

    #[test]
    fn the_principal_plane_of_a_flat_cloud_keeps_its_distances() {
        let rows: Vec<[f64; 3]> = (0..20)
            .map(|i| {
                let (a, b) = (f64::from(i % 5), f64::from(i / 5) * 0.3);
                [a, b, a]
            })
            .collect();
        let cloud = Batch::from_rows(3, &rows);
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let columns = Projection::new(&names, &cloud).columns(cloud.as_ref());
        let squared = |i: usize, j: usize| {
            let plane: f64 = columns.iter().map(|c| (c[i] - c[j]).powi(2)).sum();
            let space: f64 = (0..3).map(|k| (rows[i][k] - rows[j][k]).powi(2)).sum();
            (plane, space)
        };
        for (i, j) in [(0, 19), (3, 7), (4, 15)] {
            let (plane, space) = squared(i, j);
            assert!((plane - space).abs() < 1e-12, "{plane} {space}");
        }
    }

    #[test]
    fn lattices_run_slowest_along_the_first_axis() {
        let (axes, points) = lattice(&[(0.0, 1.0), (5.0, 7.0)], 3);
        assert_eq!(axes[1], [5.0, 6.0, 7.0]);
        assert_eq!(points.column(0)[..4], [0.0, 0.0, 0.0, 0.5]);
        assert_eq!(points.column(1)[..4], [5.0, 6.0, 7.0, 5.0]);
    }
}
