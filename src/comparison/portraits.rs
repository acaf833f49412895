//! What a figure shows of a solution: its field, density and paths on plotting grids.
//!
//! Only evaluation and projection happen here; nothing is compared.

use crate::discretization::time_grid::TimeGrid;
use crate::field::draws::draw_mixture;
use crate::field::{Field, LogDensity};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::block;
use crate::numeric::random::Streams;
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

#[cfg(test)]
mod tests {
    use super::*;

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
